//! The generator on Cartesian coordinates: a TarFlow on standardised positions.
//!
//! The flow is not invariant: it learns configurations turned at random, with a centre of mass that is normal with standard
//! deviation `1/sqrt(atoms)` (in standardised units). Samples are centred; what is counted as `ln q` of the centred
//! configuration is `ln q(x) - ln N(c)`, `c` the centre of mass of what was drawn: the density of the flow over that of the
//! noise, so that weights are exact for the joint distribution of configurations and centres.

use rayon::prelude::*;

use super::energy::{cut, cut_slope, lowest};
use super::generator::{Batch, Drawn, Generator, Loss};
use crate::energy::Purpose;
use crate::error::Result;
use crate::flow::tarflow::{Seeds, TarFlow, TarTape};
use crate::flow::{Packing, Weights};
use crate::geometry::{random_rotation, rotate};
use crate::lanes::num::Lanes;
use crate::rng::Stream;

/// `ln sqrt(2 pi)`.
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_7;

/// A TarFlow on the configurations of one system.
pub struct Cartesian {
    flow: TarFlow,
    atoms: usize,
    /// Length of a standardised unit.
    scale: f64,
    tape: TarTape<f32>,
}

/// Log-density of independent standard normals.
fn standard_normal(z: &[f32]) -> f64 {
    -z.iter().map(|z| 0.5 * f64::from(*z).powi(2) + LN_SQRT_TAU).sum::<f64>()
}

/// Mean position of the atoms.
fn centre_of(x: &[f32]) -> [f64; 3] {
    let atoms = (x.len() / 3) as f64;
    std::array::from_fn(|c| x.iter().skip(c).step_by(3).map(|x| f64::from(*x)).sum::<f64>() / atoms)
}

/// Takes the mean position out of each of the rows.
fn centre(rows: &mut [f32], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        let centre = centre_of(row);
        row.iter_mut().zip(centre.into_iter().cycle()).for_each(|(x, c)| *x -= c as f32);
    }
}

/// Log-density of a centre of mass, standard deviation `1/sqrt(atoms)` in each direction.
#[must_use]
pub fn centre_density(centre: [f64; 3], atoms: usize) -> f64 {
    let n = atoms as f64;
    let square: f64 = centre.iter().map(|c| c * c).sum();
    3.0 * (0.5 * n.ln() - LN_SQRT_TAU) - 0.5 * n * square
}

impl Cartesian {
    /// A generator for `atoms` atoms; positions are divided by `scale`.
    #[must_use]
    pub fn new(flow: TarFlow, atoms: usize, scale: f64) -> Self {
        Self { flow, atoms, scale, tape: TarTape::default() }
    }

    fn latent(&self, stream: &Stream, items: &[u32]) -> Vec<f32> {
        let mut z = vec![0.0; items.len() * self.row()];
        z.par_chunks_mut(self.row()).zip(items).for_each(|(z, &item)| {
            let mut draws = stream.at(item);
            z.iter_mut().for_each(|z| *z = draws.normal() as f32);
        });
        z
    }

    /// What turns a density of standardised rows into one of centred positions, in the system's unit of length.
    fn unit(&self) -> f64 {
        (self.row() - 3) as f64 * self.scale.ln()
    }

    /// A row as positions without their centre, in the system's unit of length.
    fn centred(&self, row: &[f32], centre: [f64; 3]) -> impl Iterator<Item = f64> {
        let scale = self.scale;
        row.iter().zip(centre.into_iter().cycle()).map(move |(x, c)| (f64::from(*x) - c) * scale)
    }

    /// Turns rows at random, and gives each a random centre of mass.
    fn augment(&self, rows: &mut [f32], stream: &Stream) {
        rows.par_chunks_mut(self.row()).enumerate().for_each(|(i, row)| {
            let mut draws = stream.at(i as u32);
            let rotation = random_rotation(&mut draws);
            let centre: [f64; 3] = std::array::from_fn(|_| draws.normal() / (self.atoms as f64).sqrt());
            let wide: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let moved = rotate(&rotation, &wide).zip(centre.into_iter().cycle());
            row.iter_mut().zip(moved).for_each(|(x, (turned, centre))| *x = (turned + centre) as f32);
        });
    }

    /// `ln q` of rows as they are (standardised, centre of mass included).
    #[must_use]
    pub fn log_density(&self, w: &Weights<f32>, rows: &[f32]) -> Vec<f64> {
        let mut z = rows.to_vec();
        let mut log = vec![0.0; rows.len() / self.row()];
        self.flow.encode(w, &mut z, &mut log);
        log.iter_mut().zip(z.chunks_exact(self.row())).for_each(|(log, z)| *log += standard_normal(z));
        log
    }
}

impl Generator for Cartesian {
    fn packing(&self) -> &Packing {
        &self.flow.packing
    }

    fn row(&self) -> usize {
        self.flow.dim()
    }

    fn draw(&self, w: &Weights<f32>, stream: &Stream, items: &[u32]) -> Drawn {
        let mut rows = self.latent(stream, items);
        let prior: Vec<f64> = rows.par_chunks(self.row()).map(standard_normal).collect();
        let mut log = vec![0.0; items.len()];
        self.flow.decode(w, &mut rows, &mut log);
        let mut drawn = Drawn::default();
        for ((row, prior), log) in rows.chunks_exact(self.row()).zip(prior).zip(log) {
            let centre = centre_of(row);
            drawn.x.extend(self.centred(row, centre));
            drawn.log_q.push(prior - log - centre_density(centre, self.atoms) - self.unit());
        }
        drawn
    }

    fn rows(&self, w: &Weights<f32>, stream: &Stream, items: &[u32]) -> Vec<f32> {
        let mut rows = self.latent(stream, items);
        self.flow.decode(w, &mut rows, &mut vec![0.0; items.len()]);
        centre(&mut rows, self.row());
        rows
    }

    fn encode(&self, x: &[f64]) -> (Vec<f32>, usize) {
        let mut rows: Vec<f32> = x.iter().map(|x| (x / self.scale) as f32).collect();
        centre(&mut rows, self.row());
        (rows, 0)
    }

    /// At a random orientation and centre of mass, as the flow has seen them in training.
    fn log_q(&self, w: &Weights<f32>, x: &[f64], stream: &Stream) -> Vec<f64> {
        let (mut rows, _) = self.encode(x);
        self.augment(&mut rows, stream);
        let log_q = self.log_density(w, &rows);
        let counted = log_q.iter().zip(rows.chunks_exact(self.row()));
        counted.map(|(log_q, row)| log_q - centre_density(centre_of(row), self.atoms) - self.unit()).collect()
    }

    fn forward_kl(&mut self, w: &Weights<f32>, rows: &[f32], stream: &Stream, gradient: &mut [Lanes<f32>]) -> Loss {
        let width = self.row();
        let n = rows.len() / width;
        let mut x = rows.to_vec();
        self.augment(&mut x, stream);
        let mut log = vec![0.0; n];
        let per = 1.0 / n as f64;
        let seed = |z: &[f32], bar: &mut [f32]| bar.iter_mut().zip(z).for_each(|(bar, z)| *bar = z * per as f32);
        let seeds = Seeds { z: &seed, log_det: -per };
        self.flow.encode_with_gradient(w, &mut x, &mut log, &seeds, &mut self.tape, gradient);
        let total: f64 = x.chunks_exact(width).zip(&log).map(|(z, log)| -standard_normal(z) - log).sum();
        Loss { value: total * per, energy: f64::NAN }
    }

    fn reverse_kl(&mut self, w: &Weights<f32>, batch: Batch<'_>, gradient: &mut [Lanes<f32>]) -> Result<Loss> {
        let Batch { stream, items, energy, kt, drop } = batch;
        let (n, width) = (items.len(), self.row());
        let mut rows = self.latent(stream, items);
        let mut log_det = vec![0.0; n];
        self.flow.decode(w, &mut rows, &mut log_det);
        let centres: Vec<[f64; 3]> = rows.chunks_exact(width).map(centre_of).collect();
        let x: Vec<f64> = rows.chunks_exact(width).zip(&centres).flat_map(|(row, c)| self.centred(row, *c)).collect();
        let (mut energies, mut forces) = (vec![0.0; n], vec![0.0; x.len()]);
        energy.energy_forces(Purpose::Training, &x, &mut energies, &mut forces)?;

        let reduced: Vec<f64> = energies.iter().map(|e| e / kt).collect();
        let kept = lowest(&reduced, drop);
        let per = 1.0 / kept.iter().filter(|k| **k).count() as f64;
        // Samples that are left out have no derivative at all, not one times zero: their forces may not be finite.
        let (mut loss, mut mean, mut used, mut bars) = (0.0, 0.0, Vec::new(), Vec::new());
        for i in (0..n).filter(|&i| kept[i]) {
            loss += per * (cut(reduced[i]) - log_det[i] - centre_density(centres[i], self.atoms));
            mean += per * cut(reduced[i]);
            used.extend_from_slice(&rows[i * width..][..width]);
            // The centre has a normal density of variance 1 / atoms, and each atom's share in it is 1 / atoms.
            let slope = -cut_slope(reduced[i]) / kt * self.scale;
            let moved = forces[i * width..][..width].iter().zip(centres[i].into_iter().cycle());
            bars.extend(moved.map(|(force, centre)| (per * (slope * force + centre)) as f32));
        }
        self.flow.decode_reverse(w, &mut used, &mut bars, per, &mut self.tape, gradient);
        Ok(Loss { value: loss, energy: mean })
    }
}
