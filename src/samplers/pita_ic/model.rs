//! Chart and network of one temperature: draws along the kernels, and weights of given frames.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::kernels::{self, Kernels};
use super::net::{Net, TILE, Tile};
use super::pilot;
use crate::array::{Array, Arrays};
use crate::error::Result;
use crate::flow::{Volume, Weights};
use crate::lanes::num::H;
use crate::lanes::pool::Pool;
use crate::rng::Stream;
use crate::samplers::internal::Chart;
use crate::spec::{Grid, IcAnnealSpec, IcTrainSpec, PitaIcSpec};

/// Prefix of the network's parameters in `weights.safetensors`.
const PREFIX: &str = "score.";
/// Prefix of the chart there.
const CHART: &str = "chart";

/// Coordinates, network, working memory.
pub struct Model {
    /// Coordinates at the temperature of the data.
    pub chart: Chart,
    /// The network's architecture.
    pub net: Net,
    tiles: Pool<Tile<f32>>,
}

/// Ends of paths, `[n, dim]`, and log-weights without their energies.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    /// Rows of the chart.
    pub rows: Vec<f64>,
    /// See [`Kernels`].
    pub log_ratio: Vec<f64>,
}

impl Model {
    /// For a chart.
    #[must_use]
    pub fn new(chart: Chart, spec: &PitaIcSpec) -> Self {
        let shape = (chart.narrow(), chart.circles().len());
        let net = Net::new(shape, spec.net.width, spec.net.blocks, (spec.train.sigma_min, spec.train.sigma_max));
        Self { chart, net, tiles: Pool::default() }
    }

    /// Variances of a path's noise; those of a pilot are found with the random numbers of `streams`.
    #[must_use]
    pub fn levels(
        &self,
        w: &Weights<f32>,
        (anneal, train): (&IcAnnealSpec, &IcTrainSpec),
        gamma: f64,
        streams: impl Fn(u64) -> Stream,
    ) -> Vec<f64> {
        if anneal.grid != Grid::Kinetic {
            return kernels::levels(anneal, train);
        }
        let mut tile = self.tiles.lend(Tile::default);
        let score = |h: f64, rows: &[f64], out: &mut [f64]| self.score(w, h, rows, &mut tile, out);
        pilot::levels(self.shape(), (anneal.steps, kernels::ends(anneal, train), gamma), streams, score)
    }

    /// Kernels of its rows on these levels.
    #[must_use]
    pub fn kernels(&self, anneal: &IcAnnealSpec, levels: Vec<f64>, gamma: f64) -> Kernels {
        Kernels::new(self.shape(), levels, &kernels::scheme(anneal, gamma))
    }

    fn shape(&self) -> (usize, usize) {
        (self.chart.narrow(), self.chart.circles().len())
    }

    /// Scores of a tile's rows at variance `h`.
    fn score(&self, w: &Weights<f32>, h: f64, rows: &[f64], tile: &mut Tile<f32>, out: &mut [f64]) {
        let (dim, narrow, lanes) = (self.net.dim(), self.net.narrow(), self.net.output_lanes());
        let single: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        self.net.features(&single, &[h], tile);
        self.net.forward::<f32, false>(w, tile);
        let (scale, pull) = (1.0 / (h * (1.0 + h)).sqrt(), 1.0 / (1.0 + h));
        let parts = out.chunks_exact_mut(dim).zip(rows.chunks_exact(dim)).zip(tile.outputs.chunks_exact(lanes));
        for ((scores, row), output) in parts {
            for (k, (s, x)) in scores.iter_mut().zip(row).enumerate() {
                let learned = scale * f64::from(output[k / H].0[k % H]);
                *s = if k < narrow { learned - pull * x } else { learned };
            }
        }
    }

    /// Draws paths by number; `streams` gives the random numbers of a step.
    #[must_use]
    pub fn draw(
        &self,
        w: &Weights<f32>,
        kernels: &Kernels,
        streams: impl Fn(u64) -> Stream + Sync,
        items: Range<usize>,
    ) -> Drawn {
        let (dim, n) = (self.net.dim(), items.len());
        let mut drawn = Drawn { rows: vec![0.0; n * dim], log_ratio: vec![0.0; n] };
        let tiles = drawn.rows.par_chunks_mut(TILE * dim).zip(drawn.log_ratio.par_chunks_mut(TILE));
        tiles.enumerate().for_each(|(i, (rows, log))| {
            let mut tile = self.tiles.lend(Tile::default);
            let first = (items.start + i * TILE) as u32;
            let score = |h: f64, rows: &[f64], out: &mut [f64]| self.score(w, h, rows, &mut tile, out);
            kernels.draw(&streams, first..first + log.len() as u32, rows, log, score);
        });
        drawn
    }

    /// Log-weights without energies of frames `[n, atoms, 3]`, along paths drawn backwards; `streams` gives the random
    /// numbers of a step. Infinite outside of the chart.
    #[must_use]
    pub fn retrace(
        &self,
        w: &Weights<f32>,
        kernels: &Kernels,
        x: &[f64],
        streams: impl Fn(u64) -> Stream + Sync,
    ) -> Vec<f64> {
        let (dim, frame) = (self.net.dim(), 3 * self.chart.volume().atoms());
        let mut rows = vec![0.0; x.len() / frame * dim];
        let inside: Vec<bool> = rows
            .par_chunks_exact_mut(dim)
            .zip(x.par_chunks_exact(frame))
            .map_init(
                || (self.chart.volume().scratch(), vec![0.0; dim]),
                |(scratch, q), (y, x)| {
                    self.chart.volume().measure(x, q, scratch);
                    self.chart.encode(q, y) && self.chart.volume().right(x)
                },
            )
            .collect();
        let mut log = vec![0.0; inside.len()];
        let tiles = rows.par_chunks_mut(TILE * dim).zip(log.par_chunks_mut(TILE));
        tiles.enumerate().for_each(|(i, (rows, log))| {
            let mut tile = self.tiles.lend(Tile::default);
            let first = (i * TILE) as u32;
            let score = |h: f64, rows: &[f64], out: &mut [f64]| self.score(w, h, rows, &mut tile, out);
            kernels.retrace(&streams, first..first + log.len() as u32, rows, log, score);
        });
        log.iter_mut().zip(inside).filter(|(_, inside)| !inside).for_each(|(log, _)| *log = f64::INFINITY);
        log
    }

    /// Parameters (f32) and chart, for `weights.safetensors`.
    #[must_use]
    pub fn save(&self, w: &Weights<f32>) -> Arrays {
        let wide = Weights::to_arrays(&self.net.packing, &w.packed, PREFIX);
        let narrow = |a: &Array| Array::f32(&a.shape, a.to_f64().iter().map(|w| *w as f32).collect());
        let mut arrays: Arrays = wide.into_iter().map(|(name, array)| (name, narrow(&array))).collect();
        self.chart.save(CHART, &mut arrays);
        arrays
    }

    /// Reads what [`Model::save`] wrote.
    ///
    /// # Errors
    /// When it does not fit the molecule or the spec.
    pub fn load(volume: &Arc<Volume>, spec: &PitaIcSpec, arrays: &Arrays) -> Result<(Self, Weights<f32>)> {
        let model = Self::new(Chart::load(volume, CHART, arrays)?, spec);
        let weights = Weights::from_arrays(&model.net.packing, arrays, PREFIX)?;
        Ok((model, weights))
    }
}
