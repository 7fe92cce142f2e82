//! The generator on internal coordinates: a coupling flow on the unit cube, and the map to the molecule.

use rayon::prelude::*;

use super::energy::{cut, cut_slope, lowest};
use super::generator::{Batch, Drawn, Generator, Loss};
use crate::array::{Array, Arrays};
use crate::energy::Purpose;
use crate::error::Result;
use crate::flow::network::TILE;
use crate::flow::{Coordinates, Flow, Packing, Prior, Shape, Tape, Toward, Weights};
use crate::lanes::num::Lanes;
use crate::rng::Stream;

/// Rows whose activations are kept at once in training by maximum likelihood.
const CHUNK: usize = 16 * TILE;

/// Most draws of one item until one is the right stereoisomer: windows leave an untrained flow half of them or more.
const ATTEMPTS: usize = 64;

/// The generator of one molecule.
pub struct InternalModel {
    /// From the unit cube to the molecule.
    pub coordinates: Coordinates,
    /// The flow on the unit cube, in f32.
    pub flow: Flow<f32>,
    prior: Prior,
    tape: Tape<f32>,
}

impl InternalModel {
    /// A generator on these coordinates.
    #[must_use]
    pub fn new(coordinates: Coordinates, shape: Shape) -> Self {
        Self { prior: Prior::new(coordinates.counts()), coordinates, flow: Flow::new(shape), tape: Tape::default() }
    }

    /// Coordinates of a frame.
    fn frame(&self) -> usize {
        3 * self.coordinates.atoms()
    }

    /// Prior draws of the given items of a stream, `[n, dim]`: those that come `attempt` draws after the first of each.
    fn latent(&self, stream: &Stream, items: &[u32], attempt: usize) -> Vec<f32> {
        let mut z = vec![0.0; items.len() * self.row()];
        z.par_chunks_mut(self.row()).zip(items).for_each(|(z, &item)| {
            let mut draws = stream.at(item);
            (0..=attempt).for_each(|_| self.prior.draw(&mut draws, z));
        });
        z
    }

    /// Decodes rows; returns their `ln |dx/du|`.
    fn decode(&self, u: &[f32], x: &mut [f64]) -> Vec<f64> {
        let rows = u.par_chunks(self.row()).zip(x.par_chunks_mut(self.frame()));
        rows.map_init(
            || (self.coordinates.scratch(), vec![0.0; self.row()]),
            |(scratch, wide), (u, x)| {
                wide.iter_mut().zip(u).for_each(|(w, u)| *w = f64::from(*u));
                self.coordinates.decode(wide, x, scratch)
            },
        )
        .collect()
    }

    /// Draws of the given items, and their rows. A draw that is another stereoisomer is drawn again, further along
    /// its item's stream; `ln q` stays as it is, off by the logarithm of the share of right draws.
    fn drawn(&self, w: &Weights<f32>, stream: &Stream, items: &[u32]) -> (Vec<f32>, Drawn) {
        let (dim, frame) = (self.row(), self.frame());
        let (mut rows, mut drawn) = self.attempt(w, stream, items, 0);
        for attempt in 1..ATTEMPTS {
            let right = |k: &usize| self.coordinates.right(&drawn.x[k * frame..][..frame]);
            let wrong: Vec<usize> = (0..items.len()).filter(|k| !right(k)).collect();
            if wrong.is_empty() {
                break;
            }
            let again: Vec<u32> = wrong.iter().map(|&k| items[k]).collect();
            let (u, new) = self.attempt(w, stream, &again, attempt);
            for (i, k) in wrong.into_iter().enumerate() {
                rows[k * dim..][..dim].copy_from_slice(&u[i * dim..][..dim]);
                drawn.x[k * frame..][..frame].copy_from_slice(&new.x[i * frame..][..frame]);
                drawn.log_q[k] = new.log_q[i];
            }
        }
        (rows, drawn)
    }

    /// [`InternalModel::drawn`] at one attempt, whatever comes.
    fn attempt(&self, w: &Weights<f32>, stream: &Stream, items: &[u32], attempt: usize) -> (Vec<f32>, Drawn) {
        let mut u = self.latent(stream, items, attempt);
        let mut log_q: Vec<f64> = u.par_chunks(self.row()).map(|z| self.prior.log_density(z)).collect();
        let mut log_det = vec![0.0; items.len()];
        self.flow.apply(Toward::Data, w, &mut u, &mut log_det);
        let mut x = vec![0.0; items.len() * self.frame()];
        let decoded = self.decode(&u, &mut x);
        for ((q, flow), decoded) in log_q.iter_mut().zip(log_det).zip(decoded) {
            *q -= flow + decoded;
        }
        (u, Drawn { x, log_q })
    }

    /// Rows of frames; `None` for those outside the flow's support.
    fn encoded(&self, x: &[f64]) -> Vec<Option<Vec<f32>>> {
        let frames = x.par_chunks(self.frame()).map_init(
            || self.coordinates.scratch(),
            |scratch, x| {
                let mut u = vec![0.0; self.row()];
                let inside = self.coordinates.encode(x, &mut u, scratch).is_some();
                inside.then(|| u.iter().map(|u| *u as f32).collect())
            },
        );
        frames.collect()
    }

    /// `ln q(x)` of rows of the unit cube.
    #[must_use]
    pub fn log_density(&self, w: &Weights<f32>, rows: &[f32]) -> Vec<f64> {
        let mut z = rows.to_vec();
        let mut log_q = vec![0.0; rows.len() / self.row()];
        self.flow.apply(Toward::Prior, w, &mut z, &mut log_q);
        self.finish_density(rows, &z, &mut log_q);
        log_q
    }

    /// Adds prior and coordinates to the flow's log-determinants.
    fn finish_density(&self, rows: &[f32], z: &[f32], log_q: &mut [f64]) {
        let dim = self.row();
        let parts = log_q.par_iter_mut().zip(rows.par_chunks(dim)).zip(z.par_chunks(dim));
        parts.for_each_init(
            || (self.coordinates.scratch(), vec![0.0; dim]),
            |(scratch, wide), ((log_q, u), z)| {
                wide.iter_mut().zip(u).for_each(|(w, u)| *w = f64::from(*u));
                *log_q += self.prior.log_density(z) - self.coordinates.log_jacobian(wide, scratch);
            },
        );
    }
}

impl Generator for InternalModel {
    fn packing(&self) -> &Packing {
        &self.flow.shape.packing
    }

    /// Shifts in turns, and the columns that they are added to.
    fn architecture(&self) -> Arrays {
        let Shape { shifts, shifted, .. } = &self.flow.shape;
        let columns = shifted.iter().map(|&i| i as i64).collect();
        Arrays::from([
            ("flow.shifts".to_owned(), Array::f64(&[shifts.len()], shifts.clone())),
            ("flow.shifted".to_owned(), Array::i64(&[shifted.len()], columns)),
        ])
    }

    fn row(&self) -> usize {
        self.flow.dim()
    }

    fn draw(&self, w: &Weights<f32>, stream: &Stream, items: &[u32]) -> Drawn {
        self.drawn(w, stream, items).1
    }

    fn rows(&self, w: &Weights<f32>, stream: &Stream, items: &[u32]) -> Vec<f32> {
        self.drawn(w, stream, items).0
    }

    fn encode(&self, x: &[f64]) -> (Vec<f32>, usize) {
        let frames = self.encoded(x);
        let outside = frames.iter().filter(|f| f.is_none()).count();
        (frames.into_iter().flatten().flatten().collect(), outside)
    }

    fn log_q(&self, w: &Weights<f32>, x: &[f64], _: &Stream) -> Vec<f64> {
        let frames = self.encoded(x);
        let rows: Vec<f32> = frames.iter().flatten().flatten().copied().collect();
        let mut inside = self.log_density(w, &rows).into_iter();
        let log_q = frames.iter().map(|frame| frame.as_ref().and_then(|_| inside.next()).unwrap_or(f64::NEG_INFINITY));
        log_q.collect()
    }

    fn forward_kl(&mut self, w: &Weights<f32>, rows: &[f32], _: &Stream, gradient: &mut [Lanes<f32>]) -> Loss {
        let dim = self.row();
        let n = rows.len() / dim;
        let mut total = 0.0;
        for rows in rows.chunks(CHUNK * dim) {
            let mut z = rows.to_vec();
            let mut log_q = vec![0.0; rows.len() / dim];
            self.flow.record(Toward::Prior, w, &mut z, &mut log_q, &mut self.tape);
            self.finish_density(rows, &z, &mut log_q);
            total -= log_q.iter().sum::<f64>();
            let mut bar = vec![0.0; z.len()];
            let factor = -1.0 / n as f64;
            z.par_chunks(dim).zip(bar.par_chunks_mut(dim)).for_each(|(z, bar)| self.prior.gradient(z, factor, bar));
            let log_bar = vec![factor as f32; log_q.len()];
            self.flow.reverse(Toward::Prior, w, &mut self.tape, &mut bar, &log_bar, gradient);
        }
        Loss { value: total / n as f64, energy: f64::NAN }
    }

    fn reverse_kl(&mut self, w: &Weights<f32>, batch: Batch<'_>, gradient: &mut [Lanes<f32>]) -> Result<Loss> {
        let Batch { stream, items, energy, kt, drop } = batch;
        let (n, dim, frame) = (items.len(), self.row(), self.frame());
        let mut u = self.latent(stream, items, 0);
        let mut log_det = vec![0.0; n];
        self.flow.record(Toward::Data, w, &mut u, &mut log_det, &mut self.tape);
        let mut x = vec![0.0; n * frame];
        let decoded = self.decode(&u, &mut x);
        let (mut energies, mut forces) = (vec![0.0; n], vec![0.0; x.len()]);
        energy.energy_forces(Purpose::Training, &x, &mut energies, &mut forces)?;

        let reduced: Vec<f64> = energies.iter().map(|e| e / kt).collect();
        let kept = lowest(&reduced, drop);
        let count = kept.iter().filter(|k| **k).count() as f64;
        let (mut loss, mut mean) = (0.0, 0.0);
        for i in (0..n).filter(|&i| kept[i]) {
            loss += (cut(reduced[i]) - log_det[i] - decoded[i]) / count;
            mean += cut(reduced[i]) / count;
        }
        // Samples that are left out have no derivative at all, not one times zero: their forces may not be finite.
        let factor = -1.0 / count;
        let log_bar: Vec<f32> = kept.iter().map(|&k| if k { factor as f32 } else { 0.0 }).collect();
        let mut bar = vec![0.0; u.len()];
        let rows = bar.par_chunks_mut(dim).zip(u.par_chunks(dim)).zip(x.par_chunks(frame));
        let rows = rows.zip(forces.par_chunks(frame)).zip(&reduced).zip(&kept).filter(|(_, kept)| **kept);
        rows.for_each_init(
            || (self.coordinates.scratch(), [vec![0.0; dim], vec![0.0; dim], vec![0.0; frame]]),
            |(scratch, [wide, wide_bar, x_bar]), (((((bar, u), x), force), reduced), _)| {
                wide.iter_mut().zip(u).for_each(|(w, u)| *w = f64::from(*u));
                let slope = factor * cut_slope(*reduced) / kt;
                x_bar.iter_mut().zip(force).for_each(|(bar, f)| *bar = slope * f);
                self.coordinates.pull_back(wide, x, x_bar, factor, wide_bar, scratch);
                bar.iter_mut().zip(wide_bar).for_each(|(bar, wide)| *bar = *wide as f32);
            },
        );
        self.flow.reverse(Toward::Data, w, &mut self.tape, &mut bar, &log_bar, gradient);
        Ok(Loss { value: loss, energy: mean })
    }
}
