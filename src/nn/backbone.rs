//! What a sampler needs of a network: values, gradients, divergence, and the two parameter gradients of training.

use std::ops::Range;

use super::Layout;
use super::learned::{Learned, Pace};
use crate::error::Result;

/// What a network is asked about: samples at their noise and temperature.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Variance of the noise, `[B]`.
    pub h: &'a [f64],
    /// Inverse temperature, `[B]`.
    pub beta: &'a [f64],
    /// Coordinates, `[B, dim]`.
    pub x: &'a [f64],
}

impl Batch<'_> {
    /// A range of its samples.
    #[must_use]
    pub fn part(&self, range: &Range<usize>, dim: usize) -> Self {
        let rows = range.start * dim..range.end * dim;
        Self { h: &self.h[range.clone()], beta: &self.beta[range.clone()], x: &self.x[rows] }
    }
}

/// Energy head at a batch of points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnergyOut {
    /// `U` `[B]`.
    pub u: Vec<f64>,
    /// `dU/dx` at fixed h, `[B, dim]`.
    pub grad: Vec<f64>,
    /// `dU/dh` at fixed x, `[B]`.
    pub du_dh: Vec<f64>,
}

impl EnergyOut {
    /// Adds further samples.
    pub fn append(&mut self, more: Self) {
        self.u.extend(more.u);
        self.grad.extend(more.grad);
        self.du_dh.extend(more.du_dh);
    }

    /// The parts of a batch put together.
    pub(super) fn joined(parts: Vec<Self>) -> Self {
        let mut all = Self::default();
        parts.into_iter().for_each(|part| all.append(part));
        all
    }
}

/// Two lists of outputs from those of the parts of a batch.
pub(super) fn joined_pairs(parts: Vec<(Vec<f64>, Vec<f64>)>) -> (Vec<f64>, Vec<f64>) {
    let (first, second): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (first.concat(), second.concat())
}

/// Constants of one sample in the scalar `S = <v, grad_x U> + w dU/dh + c U` whose parameter gradient is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EnergySeed {
    /// Coefficient of `U`.
    pub c: f64,
    /// Coefficient of `dU/dh`.
    pub w: f64,
}

/// Writes the cotangent of sample `i` given its denoiser: `(i, D_i [dim], out [dim])`.
pub type Cotangent<'a> = &'a (dyn Fn(usize, &[f64], &mut [f64]) + Sync);

/// Chooses the constants of sample `i` given its energy head: `(i, U_i, grad_i [dim], dU/dh_i, v_i [dim])` writes `v_i`.
pub type Seeds<'a> = &'a (dyn Fn(usize, f64, &[f64], f64, &mut [f64]) -> EnergySeed + Sync);

/// The backbone `F(c_noise, x_in, beta)` with both heads of EDM preconditioning (sigma_data = 1, `h = sigma^2`):
///
/// - score head: `D(x) = c_s x + c_out F`, `score = (D - x)/h`;
/// - energy head: `U(x) = (1-c_s)/(2h) |x|^2 - c_out/(c_in h) <F, c_in x>`.
///
/// `c_s = 1/(1+h)`, `c_in = 1/sqrt(1+h)`, `c_out = sqrt(h/(1+h))`, `c_noise = ln(h)/8`.
///
/// All slices are row-major f64: `params [layout.len()]`, and those of [`Batch`]. Results do not depend on how a population
/// is cut into batches, nor on the number of threads.
pub trait Backbone: Send + Sync {
    /// Order of the parameters in the flat vector.
    fn layout(&self) -> &Layout;

    /// Coordinates of a sample, `3 * atoms`.
    fn dim(&self) -> usize;

    /// Whether `F` is invariant under translations and has no mean over atoms: its Jacobian then says nothing along the
    /// centre of mass.
    fn translation_invariant(&self) -> bool {
        true
    }

    /// The network as training sees it at one step, when that differs: with dropout, whose masks are a function of
    /// (seed, step) and the sample's place in the batch.
    fn in_training(&self, seed: u64, step: u64) -> Option<Box<dyn Backbone>> {
        let _ = (seed, step);
        None
    }

    /// Heads and an optimiser where the network computes, from `learned` on: parameters and what belongs to them stay there. `None`
    /// where that is the host.
    fn resident(&self, learned: &Learned) -> Option<Box<dyn Resident>> {
        let _ = learned;
        None
    }

    /// Denoiser `D [B, dim]` of the score head.
    ///
    /// # Errors
    /// When the engine fails (out of memory).
    fn denoise(&self, params: &[f64], at: Batch<'_>) -> Result<Vec<f64>>;

    /// Energy head with its derivatives.
    ///
    /// # Errors
    /// When the engine fails.
    fn energy(&self, params: &[f64], at: Batch<'_>) -> Result<EnergyOut>;

    /// Denoiser `[B, dim]` and exact divergence `[B]` of the *score*: trace of the full `dim x dim` Jacobian.
    ///
    /// # Errors
    /// When the engine fails.
    fn divergence(&self, params: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)>;

    /// Denoiser `[B, dim]` and its directional derivative `dD/dx v [B, dim]`.
    ///
    /// # Errors
    /// When the engine fails.
    fn denoise_jvp(&self, params: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)>;

    /// `U [B]` alone, at the price of a denoiser: `D` with the energy head's parameters holds
    /// `c_out F`, so `U = (1-c_s)/(2h) |x|^2 - <D - c_s x, x>/h`.
    ///
    /// # Errors
    /// When the engine fails.
    fn energy_value(&self, params: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        let d = self.denoise(params, at)?;
        let rows = d.chunks_exact(self.dim()).zip(at.x.chunks_exact(self.dim())).zip(at.h);
        let value = |((d, x), h): ((&[f64], &[f64]), &f64)| {
            let c_s = 1.0 / (1.0 + h);
            x.iter().zip(d).map(|(x, d)| x * (0.5 * (1.0 - c_s) * x - (d - c_s * x))).sum::<f64>() / h
        };
        Ok(rows.map(value).collect())
    }

    /// Parameter gradient of `sum_i <cotangent_i, D_i>`, added to `grad [layout.len()]`; returns `D [B, dim]`.
    /// `cotangent(i, D_i, out)` writes the cotangent of sample `i`, a constant for the differentiation.
    ///
    /// # Errors
    /// When the engine fails.
    fn denoise_vjp(&self, params: &[f64], at: Batch<'_>, cotangent: Cotangent, grad: &mut [f64]) -> Result<Vec<f64>>;

    /// Parameter gradient of `sum_i <v_i, grad_x U_i> + w_i dU_i/dh + c_i U_i`, added to `grad`; returns the energy head.
    /// `seed(i, U_i, grad_i, dU/dh_i, v)` writes `v_i` and returns `(c_i, w_i)`, constants for the differentiation.
    ///
    /// # Errors
    /// When the engine fails.
    fn energy_vjp(&self, params: &[f64], at: Batch<'_>, seed: Seeds, grad: &mut [f64]) -> Result<EnergyOut>;
}

/// A network with parameters of its own, and a place where their gradient is summed: what a loss asks.
pub trait Head {
    /// As [`Backbone::dim`].
    fn dim(&self) -> usize;

    /// As [`Backbone::denoise_vjp`].
    ///
    /// # Errors
    /// When the engine fails.
    fn denoise_vjp(&mut self, at: Batch<'_>, cotangent: Cotangent) -> Result<Vec<f64>>;

    /// As [`Backbone::energy_vjp`].
    ///
    /// # Errors
    /// When the engine fails.
    fn energy_vjp(&mut self, at: Batch<'_>, seed: Seeds) -> Result<EnergyOut>;
}

/// A head of parameters on the host.
pub struct Given<'a> {
    /// The network.
    pub net: &'a dyn Backbone,
    /// Parameters `[layout.len()]`.
    pub params: &'a [f64],
    /// Their gradient.
    pub grad: &'a mut [f64],
}

impl Head for Given<'_> {
    fn dim(&self) -> usize {
        self.net.dim()
    }

    fn denoise_vjp(&mut self, at: Batch<'_>, cotangent: Cotangent) -> Result<Vec<f64>> {
        self.net.denoise_vjp(self.params, at, cotangent, self.grad)
    }

    fn energy_vjp(&mut self, at: Batch<'_>, seed: Seeds) -> Result<EnergyOut> {
        self.net.energy_vjp(self.params, at, seed, self.grad)
    }
}

/// Heads of one network and their optimiser, all of them where the network computes.
pub trait Resident: Send {
    /// A head, as training sees it at one step (see [`Backbone::in_training`]).
    fn head(&self, head: usize, seed: u64, step: u64) -> Box<dyn Head + '_>;

    /// One step along the gradient that the heads left, which is 0 then: as [`Learned::step`] takes it, for the one that `next`
    /// says. Returns the norm of the gradient; where that is no number, nothing changes.
    ///
    /// # Errors
    /// When the engine fails.
    fn step(&mut self, next: &Learned, pace: Pace) -> Result<f64>;

    /// Parameters, Adam's two moments and the average, as they are.
    ///
    /// # Errors
    /// When the engine fails.
    fn read(&self) -> Result<[Vec<f64>; 4]>;
}
