//! Chart and network of one temperature: draws along the kernels, and weights of given frames.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::control::Control;
use super::kernels::{self, Children, Kernels};
use super::net::{Net, TILE, Tile};
use super::pilot;
use crate::array::{Array, Arrays};
use crate::diffusion::steps::{follow, grid};
use crate::energy::{Metered, Purpose};
use crate::error::Result;
use crate::flow::{Volume, Weights};
use crate::lanes::pool::Pool;
use crate::rng::Stream;
use crate::samplers::internal::Chart;
use crate::samplers::md::space::Space;
use crate::spec::{self, Corrector, Grid, IcAnnealSpec, IcTrainSpec, PitaIcSpec, Step};

/// Prefix of the network's parameters in `weights.safetensors`.
const PREFIX: &str = "score.";
/// Prefix of the chart there.
const CHART: &str = "chart";

/// Random step that the paths of a compensation begin with.
const COMPENSATED: u64 = (1 << 30) + (1 << 20);

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
        let score = |h: f64, rows: &[f64], out: &mut [f64]| self.scores(w, h, rows, out);
        let ends = (anneal.sigma_last.unwrap_or(train.sigma_min), anneal.sigma_skip.unwrap_or(train.sigma_max));
        let steps = anneal.steps;
        match anneal.grid {
            Grid::Edm => grid::edm(steps, ends),
            Grid::Geometric => grid::geometric(steps, ends),
            Grid::Kinetic => pilot::levels(self.shape(), (steps, ends, gamma), streams, score),
            Grid::Sada => pilot::bends(self.shape(), (steps, ends, gamma), streams, score),
        }
    }

    /// Kernels of its rows on these levels.
    #[must_use]
    pub fn kernels(&self, anneal: &IcAnnealSpec, levels: Vec<f64>, gamma: f64) -> Kernels {
        Kernels::new(self.shape(), levels, &kernels::scheme(anneal, gamma)).looking(Children::asked(anneal))
    }

    /// The kernels with what a pilot says of their steps, where that is asked for: statistics of DPM-Solver-v3, DC-Solver's ratios.
    #[must_use]
    pub fn informed(
        &self,
        w: &Weights<f32>,
        anneal: &IcAnnealSpec,
        mut kernels: Kernels,
        streams: impl Fn(u64) -> Stream,
    ) -> Kernels {
        if anneal.step == Step::DpmSolverV3 {
            let statistics = pilot::statistics(&kernels, streams, |h, rows, out| self.scores(w, h, rows, out));
            follow(&mut kernels.moves, &statistics);
            return kernels;
        }
        if anneal.corrector != Corrector::DcSolver {
            return kernels;
        }
        let mut rows = vec![0.0; pilot::PARTICLES * self.net.dim()];
        kernels.begin(&streams(COMPENSATED), 0..pilot::PARTICLES as u32, &mut rows, &mut vec![0.0; pilot::PARTICLES]);
        kernels.compensated(&kernels::scheme(anneal, 1.0), &rows, |h, rows, out| self.scores(w, h, rows, out))
    }

    /// The control that a pilot of these kernels asks for at `kt`, and the variance of its log-weights before and after; `None` where
    /// none is asked for.
    ///
    /// # Errors
    /// As [`Metered::energy_forces`].
    pub fn control(
        &self,
        w: &Weights<f32>,
        (anneal, kernels): (&IcAnnealSpec, &Kernels),
        streams: impl Fn(u64) -> Stream,
        (energy, purpose, kt): (&mut Metered, Purpose, f64),
    ) -> Result<Option<(Control, [f64; 2])>> {
        if anneal.control == spec::Control::None {
            return Ok(None);
        }
        let items = 0..anneal.pilot() as u32;
        let pilot = kernels.pilot(streams, items, |h, rows, out| self.scores(w, h, rows, out));
        let reduced = self.log_density(energy, purpose, kt, &pilot.rows)?;
        let log_w: Vec<f64> = pilot.log_ratio.iter().zip(reduced).map(|(ratio, p)| ratio + p).collect();
        Ok(Some(pilot.fit(anneal.control, &log_w)))
    }

    /// The logarithm of the target's density `[n]` at rows, up to a constant: energies are evaluated.
    fn log_density(&self, energy: &mut Metered, purpose: Purpose, kt: f64, rows: &[f64]) -> Result<Vec<f64>> {
        let (mut energies, mut forces) = (vec![0.0; rows.len() / self.net.dim()], vec![0.0; rows.len()]);
        self.chart.evaluate(energy, purpose, rows, &mut energies, &mut forces)?;
        Ok(energies.into_iter().map(|e| -e / kt).collect())
    }

    /// Scores of any number of rows, in parallel.
    fn scores(&self, w: &Weights<f32>, h: f64, rows: &[f64], out: &mut [f64]) {
        let part = TILE * self.net.dim();
        rows.par_chunks(part).zip(out.par_chunks_mut(part)).for_each(|(rows, out)| {
            self.score(w, h, rows, &mut self.tiles.lend(Tile::default), out);
        });
    }

    fn shape(&self) -> (usize, usize) {
        (self.chart.narrow(), self.chart.circles().len())
    }

    /// Scores of a tile's rows at variance `h`.
    fn score(&self, w: &Weights<f32>, h: f64, rows: &[f64], tile: &mut Tile<f32>, out: &mut [f64]) {
        let single: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        self.net.features(&single, &[h], tile);
        self.net.forward::<f32, false>(w, tile);
        self.net.scores(rows, &[h], tile, out);
    }

    /// Draws paths by number; `streams` gives the random numbers of a step. Look-ahead, where the kernels have it, evaluates energies
    /// for a target at `kt`.
    ///
    /// # Errors
    /// As [`Metered::energy_forces`].
    pub fn draw(
        &self,
        w: &Weights<f32>,
        kernels: &Kernels,
        streams: impl Fn(u64) -> Stream + Sync,
        items: Range<usize>,
        (energy, purpose, kt): (&mut Metered, Purpose, f64),
    ) -> Result<Drawn> {
        let (dim, n) = (self.net.dim(), items.len());
        let mut drawn = Drawn { rows: vec![0.0; n * dim], log_ratio: vec![0.0; n] };
        if let Some(children) = kernels.children {
            // Energies are counted in one place, so that all particles step together.
            let items = items.start as u32..items.end as u32;
            let mut value = |rows: &[f64]| self.log_density(energy, purpose, kt, rows);
            let score = |h: f64, rows: &[f64], out: &mut [f64]| self.scores(w, h, rows, out);
            let ends = (&mut drawn.rows[..], &mut drawn.log_ratio[..]);
            kernels.draw_ahead(children, &streams, items, ends, &mut value, score)?;
            return Ok(drawn);
        }
        let tiles = drawn.rows.par_chunks_mut(TILE * dim).zip(drawn.log_ratio.par_chunks_mut(TILE));
        tiles.enumerate().for_each(|(i, (rows, log))| {
            let mut tile = self.tiles.lend(Tile::default);
            let first = (items.start + i * TILE) as u32;
            let score = |h: f64, rows: &[f64], out: &mut [f64]| self.score(w, h, rows, &mut tile, out);
            kernels.draw(&streams, first..first + log.len() as u32, rows, log, score);
        });
        Ok(drawn)
    }

    /// From data to the noise where these kernels begin and back, see [`Kernels::renoise`]; `streams` are for the ways up and down.
    #[must_use]
    pub fn renoise(
        &self,
        w: &Weights<f32>,
        kernels: &Kernels,
        streams: &(impl Fn(u64) -> Stream + Sync, impl Fn(u64) -> Stream + Sync),
        rows: &[f64],
    ) -> Drawn {
        let dim = self.net.dim();
        let mut drawn = Drawn { rows: rows.to_vec(), log_ratio: vec![0.0; rows.len() / dim] };
        let tiles = drawn.rows.par_chunks_mut(TILE * dim).zip(drawn.log_ratio.par_chunks_mut(TILE));
        tiles.enumerate().for_each(|(i, (rows, log))| {
            let mut tile = self.tiles.lend(Tile::default);
            let items = (i * TILE) as u32..(i * TILE + log.len()) as u32;
            let score = |h: f64, rows: &[f64], out: &mut [f64]| self.score(w, h, rows, &mut tile, out);
            kernels.renoise((&streams.0, &streams.1), items, rows, log, score);
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
