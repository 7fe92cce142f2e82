//! Training of the score network by a target with a free control variate.
//!
//! For `x_t = x_0 + sigma z` both `-(x_t - x_0)/h` (denoising) and `-du/dx(x_0)` (the force) have the score as conditional mean, and
//! so has `a force + (1 - a) denoising` for any a. The two are independent, so the best a is `J/(J + E force^2)`, `J` the Fisher
//! information of the noise (1/h, less on circles): known without the network. Near the data the target is nearly noiseless.

use std::ops::Range;

use rayon::prelude::*;

use super::circle::{self, Information};
use super::data::Data;
use super::fokker_planck;
use super::kernels::normals;
use super::net::{Net, TILE, Tile};
use crate::array::{Array, Arrays};
use crate::diffusion::Elucidating;
use crate::error::{Error, Result};
use crate::flow::Weights;
use crate::lanes::num::{H, Lanes};
use crate::nn::warm_decay;
use crate::rng::{Purpose, Stream};
use crate::samplers::internal::chart::settled;
use crate::samplers::state;
use crate::samplers::tabg::rates::warmed_cosine;
use crate::samplers::tabg::trainer::{Pace, Trainer};
use crate::spec::{IcTrainSpec, Target};

/// Rows of a tile in training: so small that two threads share a batch evenly.
const ROWS: usize = TILE / 3;

/// A network in training.
pub struct Learner {
    trainer: Trainer,
    /// The averaged network.
    pub average: Weights<f32>,
    /// Updates of the average on this rung.
    updates: u64,
    tiles: Vec<Tile<f32>>,
    /// Rows around those of each tile whose residual is wanted; none where there is no such weight.
    near: Vec<Tile<f32>>,
    information: Information,
}

impl Learner {
    /// At the beginning.
    #[must_use]
    pub fn new(net: &Net, spec: &IcTrainSpec, seed: u64) -> Self {
        let trainer = Trainer::new(&net.packing, seed);
        let square = |sigma: f64| sigma * sigma;
        Self {
            average: trainer.weights.clone(),
            trainer,
            updates: 0,
            tiles: Vec::new(),
            near: Vec::new(),
            information: Information::new(square(spec.sigma_min), square(spec.sigma_max)),
        }
    }

    /// Before the first step on new data.
    pub fn restart(&mut self) {
        self.trainer.restart();
        self.trainer.weights = self.average.clone();
        self.updates = 0;
    }

    /// Step `done` of `total` on `data`, with the seed and a salt for the rung. Returns the mean squared error of the outputs, the norm of
    /// the gradient, and the weighted residual of the Fokker-Planck equation (0 where it has no part).
    ///
    /// # Errors
    /// [`Error::Numerical`] when training diverges.
    pub fn step(
        &mut self,
        net: &Net,
        data: &Data,
        spec: &IcTrainSpec,
        (seed, salt): (u64, u64),
        (done, total): (usize, usize),
    ) -> Result<[f64; 3]> {
        self.trainer.begin(&net.packing);
        let at = (salt << 40) | done as u64;
        let batch = Batch {
            net,
            data,
            spec,
            schedule: Elucidating::new(spec.sigma_min, spec.sigma_max),
            information: &self.information,
            which: Stream::new(seed, Purpose::Batch, at),
            noise: Stream::new(seed, Purpose::TrainNoise, at),
            probe: Stream::new(seed, Purpose::Probe, at),
        };
        self.tiles.resize_with(spec.batch.div_ceil(ROWS), Tile::default);
        self.near.resize_with(self.tiles.len(), Tile::default);
        let items = |i: usize| i * ROWS..spec.batch.min((i + 1) * ROWS);
        let parts = self.tiles.par_iter_mut().zip(&mut self.near).enumerate();
        let run = |(i, (tile, near))| batch.run(items(i), &self.trainer.weights, tile, near);
        let losses: Vec<[f64; 2]> = parts.map(run).collect();
        net.gradient(&self.tiles, &mut self.trainer.gradient);
        // Rows of small noise are next to each other: so are the tiles around some.
        let first = self.near.iter().position(|near| !near.output_bars.is_empty()).unwrap_or(self.near.len());
        let around = self.near[first..].iter().take_while(|near| !near.output_bars.is_empty()).count();
        net.gradient(&self.near[first..first + around], &mut self.trainer.gradient);
        let [score, fokker_planck] = [0, 1].map(|k: usize| losses.iter().map(|l| l[k]).sum::<f64>());
        let loss = score + fokker_planck;
        let rate = warmed_cosine(spec.learning_rate, done + 1, spec.warm_up.min(total / 4), total + 1);
        let norm = self.trainer.finish(loss, Pace { rate, decay: 0.0, clip: spec.clip })?;
        self.updates += 1;
        let keep = 1.0 - warm_decay(spec.ema, self.updates) as f32;
        let pieces = self.average.packed.par_chunks_mut(1_024).zip(self.trainer.weights.packed.par_chunks(1_024));
        pieces.for_each(|(average, new)| {
            for (average, new) in average.iter_mut().zip(new) {
                average.0.iter_mut().zip(new.0).for_each(|(a, p)| *a += keep * (p - *a));
            }
        });
        Ok([score, norm, fokker_planck])
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        self.trainer.save(arrays);
        let flat: Vec<f32> = self.average.packed.iter().flat_map(|l| l.0).collect();
        arrays.insert("train.average".into(), Array::f32(&[flat.len()], flat));
        arrays.insert("train.updates".into(), state::integers(&[self.updates as i64]));
    }

    /// Continues from what [`Learner::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing or has another length.
    pub fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        self.trainer.restore(arrays)?;
        let flat = state::f32s(arrays, "train.average")?;
        if flat.len() != self.average.packed.len() * H {
            return Err(Error::Internal("checkpoint: `train.average` is not of this network".into()));
        }
        self.average.packed = flat.as_chunks::<H>().0.iter().map(|c| Lanes(*c)).collect();
        self.updates = state::i64s(arrays, "train.updates")?.first().map_or(0, |&n| n as u64);
        Ok(())
    }
}

/// What a step trains on.
struct Batch<'a> {
    net: &'a Net,
    data: &'a Data,
    spec: &'a IcTrainSpec,
    schedule: Elucidating,
    information: &'a Information,
    which: Stream,
    noise: Stream,
    probe: Stream,
}

impl Batch<'_> {
    /// Runs some rows of the batch through the network and back, with those around them in `near` for the Fokker-Planck residual;
    /// returns their parts of both losses.
    fn run(&self, items: Range<usize>, w: &Weights<f32>, tile: &mut Tile<f32>, near: &mut Tile<f32>) -> [f64; 2] {
        let (score, x, h) = self.load(items.clone(), w, tile);
        let mut residual = 0.0;
        if self.spec.fokker_planck > 0.0 {
            let which = fokker_planck::small(&h, self.spec.sigma_min);
            let (first, dim) = (items.start + which.start, self.net.dim());
            let mut directions = vec![0.0_f32; 2 * which.len() * dim];
            normals(&self.probe, first as u32..(first + which.len()) as u32, 2 * dim, &mut directions);
            let rows = fokker_planck::Rows {
                x: &x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(),
                h: &h,
                which,
                directions: &directions.iter().map(|z| f64::from(*z)).collect::<Vec<_>>(),
                per: self.spec.fokker_planck / (self.spec.batch * dim) as f64,
            };
            residual = fokker_planck::regularise(self.net, w, &rows, tile, near);
        }
        self.net.reverse(w, tile);
        [score, residual]
    }

    /// Runs some rows of the batch through the network; leaves the derivatives of the loss in the tile and returns their part of it, the
    /// mean squared error of the outputs, with the rows and their variances.
    fn load(&self, items: Range<usize>, w: &Weights<f32>, tile: &mut Tile<f32>) -> (f64, Vec<f32>, Vec<f64>) {
        let (dim, narrow, n) = (self.net.dim(), self.net.narrow, items.len());
        let available = self.data.rows.len() / dim;
        let mut x = vec![0.0_f32; n * dim];
        normals(&self.noise, items.start as u32..items.end as u32, dim, &mut x);
        let (mut h, mut targets) = (Vec::with_capacity(n), vec![0.0_f32; n * dim]);
        for ((item, x), targets) in items.zip(x.chunks_exact_mut(dim)).zip(targets.chunks_exact_mut(dim)) {
            let mut draws = self.which.at(item as u32);
            // Levels as annealing visits them, one in each of `batch` equal parts.
            let level = self.schedule.h((item as f64 + draws.uniform()) / self.spec.batch as f64);
            let row = draws.below(available) * dim;
            self.row(level, row..row + dim, narrow, x, targets);
            h.push(level);
        }
        self.net.features(&x, &h, tile);
        self.net.forward::<f32, true>(w, tile);
        let lanes = self.net.output_lanes();
        let per = 1.0 / (self.spec.batch * dim) as f32;
        let mut loss = 0.0;
        tile.output_bars.clear();
        tile.output_bars.resize(n * lanes, Lanes([0.0; H]));
        let rows = tile.outputs.chunks_exact(lanes).zip(tile.output_bars.chunks_exact_mut(lanes));
        for ((out, bar), target) in rows.zip(targets.chunks_exact(dim)) {
            for (k, target) in target.iter().enumerate() {
                let error = out[k / H].0[k % H] - target;
                loss += f64::from(error * error);
                bar[k / H].0[k % H] = 2.0 * per * error;
            }
        }
        (loss * f64::from(per), x, h)
    }

    /// One row at variance `h`: from its noise to what the network gets, and what it should give.
    fn row(&self, h: f64, at: Range<usize>, narrow: usize, x: &mut [f32], targets: &mut [f32]) {
        let (sigma, scale) = (h.sqrt(), (h * (1.0 + h)).sqrt());
        let share = |information: f64, square: f64| match self.spec.target {
            Target::Mixed => information / (information + square),
            Target::Clean => 0.0,
        };
        let (wide, around) = (1.0 / h, self.information.at(h));
        let known = self.data.rows[at.clone()].iter().zip(&self.data.forces[at]).zip(&self.data.square);
        for (k, ((x, target), ((x0, force), square))) in x.iter_mut().zip(targets).zip(known).enumerate() {
            let (noise, force) = (sigma * f64::from(*x), f64::from(*force));
            let mut moved = f64::from(*x0) + noise;
            let wanted = if k < narrow {
                let a = share(wide, *square);
                a * force - (1.0 - a) * noise / h + moved / (1.0 + h)
            } else {
                moved = settled(moved);
                let a = share(around, *square);
                a * force + (1.0 - a) * circle::score(noise, h)
            };
            *x = moved as f32;
            *target = (scale * wanted) as f32;
        }
    }
}
