//! Adam on packed parameters, in their own precision and in parallel.
//!
//! The same formulas as [`crate::nn::Adam`], with L2 regularisation added to the gradient as PyTorch's `weight_decay` does.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::lanes::num::{H, Lanes};
use crate::real::Real;

const BETA: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;
/// Lanes that one thread takes at a time; sums run in these pieces, whatever the number of threads.
const PIECE: usize = 4_096;

/// Adam's state.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedAdam<T> {
    /// Steps taken.
    pub steps: u64,
    /// Running mean of gradients.
    pub mean: Vec<Lanes<T>>,
    /// Running mean of squared gradients.
    pub square: Vec<Lanes<T>>,
}

/// The numbers of one step.
struct Rates<T> {
    decay: T,
    rate: T,
    /// `1 / sqrt(1 - beta2^steps)`.
    correction: T,
}

/// 2-norm of a packed vector.
#[must_use]
pub fn norm<T: Real>(gradient: &[Lanes<T>]) -> f64 {
    let square = |piece: &[Lanes<T>]| piece.iter().flat_map(|l| l.0).map(|g| g.to_f64() * g.to_f64()).sum::<f64>();
    let pieces: Vec<f64> = gradient.par_chunks(PIECE).map(square).collect();
    pieces.iter().sum::<f64>().sqrt()
}

impl<T: Real> PackedAdam<T> {
    /// A fresh optimiser for so many lanes.
    #[must_use]
    pub fn new(lanes: usize) -> Self {
        let zeros = vec![Lanes([T::ZERO; H]); lanes];
        Self { steps: 0, mean: zeros.clone(), square: zeros }
    }

    /// One step of size `learning_rate` along `factor * gradient + weight_decay * params`.
    pub fn step(
        &mut self,
        params: &mut [Lanes<T>],
        gradient: &[Lanes<T>],
        factor: f64,
        learning_rate: f64,
        weight_decay: f64,
    ) {
        self.steps += 1;
        let correct = |beta: f64| 1.0 - beta.powf(self.steps as f64);
        let rates = Rates {
            decay: T::from_f64(weight_decay),
            rate: T::from_f64(learning_rate / correct(BETA.0)),
            correction: T::from_f64(1.0 / correct(BETA.1).sqrt()),
        };
        let factor = T::from_f64(factor);
        let parts = params.par_chunks_mut(PIECE).zip(gradient.par_chunks(PIECE));
        let state = self.mean.par_chunks_mut(PIECE).zip(self.square.par_chunks_mut(PIECE));
        parts.zip(state).for_each(|((p, g), (m, s))| piece(p, g, m, s, factor, &rates));
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn piece<T: Real>(
    params: &mut [Lanes<T>],
    gradient: &[Lanes<T>],
    mean: &mut [Lanes<T>],
    square: &mut [Lanes<T>],
    factor: T,
    rates: &Rates<T>,
) {
    let (b1, b2, epsilon) = (T::from_f64(BETA.0), T::from_f64(BETA.1), T::from_f64(EPSILON));
    let (c1, c2) = (T::from_f64(1.0 - BETA.0), T::from_f64(1.0 - BETA.1));
    for (((p, g), m), s) in params.iter_mut().zip(gradient).zip(mean).zip(square) {
        for o in 0..H {
            let g = rates.decay.fma(p.0[o], factor * g.0[o]);
            m.0[o] = b1.fma(m.0[o], c1 * g);
            s.0[o] = b2.fma(s.0[o], c2 * g * g);
            p.0[o] -= rates.rate * m.0[o] / (s.0[o].sqrt() * rates.correction + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Adam;

    /// Against the plain optimiser, which matches PyTorch: 20 steps with a gradient that depends on the parameters.
    #[test]
    fn is_adam() {
        let lanes = 5;
        let start = |i: usize| (i as f64 * 0.37).sin();
        let mut packed = vec![Lanes([0.0_f64; H]); lanes];
        for (i, x) in packed.iter_mut().flat_map(|l| &mut l.0).enumerate() {
            *x = start(i);
        }
        let mut plain: Vec<f64> = (0..lanes * H).map(start).collect();
        let (mut ours, mut theirs) = (PackedAdam::new(lanes), Adam::new(lanes * H));
        let slope = |x: f64, i: usize| x * x - 0.1 * i as f64;
        for step in 0..20 {
            let rate = 1e-2 / (1.0 + f64::from(step));
            let mut gradient = packed.clone();
            for (i, g) in gradient.iter_mut().flat_map(|l| &mut l.0).enumerate() {
                *g = slope(*g, i);
            }
            ours.step(&mut packed, &gradient, 0.5, rate, 0.3);
            let gradient: Vec<f64> = plain.iter().enumerate().map(|(i, &x)| 0.5 * slope(x, i) + 0.3 * x).collect();
            theirs.step(&mut plain, &gradient, rate);
        }
        for (a, b) in packed.iter().flat_map(|l| l.0).zip(&plain) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        assert!((norm(&packed) - plain.iter().map(|x| x * x).sum::<f64>().sqrt()).abs() < 1e-12);
    }
}
