//! Targets in closed form: few atoms, Gaussians on the centre-free subspace.

use std::sync::Arc;

use pita_bench::energy::{Metered, Potential};
use pita_bench::samplers::Context;
use pita_bench::systems::System;

pub const ATOMS: usize = 4;
pub const DIM: usize = 3 * ATOMS;

/// Energies and gradients of frames `[n, DIM]` in closed form.
pub trait Surface: Send + Sync {
    fn at(&self, x: &[f64], gradient: &mut [f64]) -> f64;
}

/// `E = k/2 |x|^2`: on the centre-free subspace each of the 3(N-1) coordinates has variance kT/k.
pub struct Harmonic {
    pub k: f64,
}

impl Surface for Harmonic {
    fn at(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.iter_mut().zip(x).for_each(|(g, x)| *g = self.k * x);
        0.5 * self.k * x.iter().map(|x| x * x).sum::<f64>()
    }
}

/// `E = -ln sum_m share_m exp(-|x - mean_m|^2 / 2)`: at kT = 1 two Gaussians of unit variance, at `+-half` of the first
/// coordinate of atom 0 less that of atom 1, over the root of two.
pub struct TwoWells {
    pub half: f64,
    pub shares: [f64; 2],
}

impl TwoWells {
    /// The coordinate along which the wells lie.
    pub fn along(x: &[f64]) -> f64 {
        (x[0] - x[3]) * 0.5_f64.sqrt()
    }
}

impl Surface for TwoWells {
    fn at(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let y = Self::along(x);
        let terms = [-1.0, 1.0].map(|side| -0.5 * (y - side * self.half).powi(2));
        let weights = [0, 1].map(|k| self.shares[k] * terms[k].exp());
        let sum = weights[0] + weights[1];
        let mean = self.half * (weights[1] - weights[0]) / sum;
        gradient.copy_from_slice(x);
        gradient[0] -= mean * 0.5_f64.sqrt();
        gradient[3] += mean * 0.5_f64.sqrt();
        0.5 * (x.iter().map(|x| x * x).sum::<f64>() - y * y) - sum.ln()
    }
}

struct Frames<S>(S);

impl<S: Surface> Potential for Frames<S> {
    fn atoms(&self) -> usize {
        ATOMS
    }

    fn energy_forces(&self, x: &[f64], energies: &mut [f64], forces: &mut [f64]) {
        for ((e, x), f) in energies.iter_mut().zip(x.chunks(DIM)).zip(forces.chunks_mut(DIM)) {
            *e = self.0.at(x, f);
            f.iter_mut().for_each(|f| *f = -*f);
        }
    }

    fn energy_forces_f32(&self, x: &[f32], energies: &mut [f32], forces: &mut [f32]) {
        let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let (mut e, mut f) = (vec![0.0; energies.len()], vec![0.0; x.len()]);
        self.energy_forces(&x, &mut e, &mut f);
        energies.iter_mut().zip(e).for_each(|(to, e)| *to = e as f32);
        forces.iter_mut().zip(f).for_each(|(to, f)| *to = f as f32);
    }

    fn term_names(&self) -> &'static [&'static str] {
        &["energy"]
    }

    fn per_term(&self, x: &[f64], terms: &mut [f64]) {
        let mut f = vec![0.0; x.len()];
        self.energy_forces(x, terms, &mut f);
    }
}

/// A run on a surface, from the origin.
pub fn on(surface: impl Surface + 'static, temperature: f64, budget: Option<u64>, seed: u64) -> Context {
    let potential: Arc<dyn Potential> = Arc::new(Frames(surface));
    let system = Arc::new(System::new("closed form", temperature, potential, vec![0.0; DIM]));
    Context { energy: Metered::new(system.potential(), budget), system, seed }
}

/// A run on the harmonic well `k`.
pub fn context(k: f64, temperature: f64, budget: Option<u64>) -> Context {
    on(Harmonic { k }, temperature, budget, 5)
}

/// Mean and standard deviation.
pub fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}
