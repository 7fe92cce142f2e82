//! Local minimisation by L-BFGS (Nocedal & Wright, Algorithm 7.4) with backtracking, for starting structures.

use std::collections::VecDeque;

use crate::energy::Potential;

/// Pairs of differences that are kept.
const MEMORY: usize = 8;

/// Walks one frame downhill to the nearest local minimum; returns its energy.
///
/// Stops when the largest force is below `tolerance` or no step lowers the energy any more.
pub fn minimise(potential: &dyn Potential, x: &mut [f64], tolerance: f64) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let evaluate = |x: &[f64], f: &mut [f64]| {
        let mut e = [0.0];
        potential.energy_forces(x, &mut e, f);
        e[0]
    };
    let n = x.len();
    let (mut f, mut new_x, mut new_f) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut energy = evaluate(x, &mut f);
    let mut history: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..10_000 {
        if f.iter().all(|f| f.abs() < tolerance) {
            break;
        }
        // Two-loop recursion; the gradient is -f.
        let mut direction = f.clone();
        let mut alphas = Vec::with_capacity(history.len());
        for (s, y) in history.iter().rev() {
            let alpha = dot(s, &direction) / dot(s, y);
            direction.iter_mut().zip(y).for_each(|(d, y)| *d -= alpha * y);
            alphas.push(alpha);
        }
        let scale = history.back().map_or(1e-3, |(s, y)| dot(s, y) / dot(y, y));
        direction.iter_mut().for_each(|d| *d *= scale);
        for ((s, y), alpha) in history.iter().zip(alphas.iter().rev()) {
            let beta = dot(y, &direction) / dot(s, y);
            direction.iter_mut().zip(s).for_each(|(d, s)| *d += (alpha - beta) * s);
        }
        // No atom moves further than 0.1 at once.
        let longest = direction.iter().fold(0.0f64, |m, d| m.max(d.abs()));
        let mut step = (0.1 / longest).min(1.0);
        let slope = dot(&direction, &f);
        let lowered = (0..40).any(|_| {
            new_x.iter_mut().zip(&*x).zip(&direction).for_each(|((n, x), d)| *n = x + step * d);
            let new = evaluate(&new_x, &mut new_f);
            let lower = new <= energy - 1e-4 * step * slope;
            if lower {
                energy = new;
            } else {
                step *= 0.5;
            }
            lower
        });
        if !lowered {
            break;
        }
        let s: Vec<f64> = new_x.iter().zip(&*x).map(|(n, x)| n - x).collect();
        let y: Vec<f64> = f.iter().zip(&new_f).map(|(old, new)| old - new).collect();
        if dot(&s, &y) > 0.0 {
            history.push_back((s, y));
            if history.len() > MEMORY {
                history.pop_front();
            }
        }
        x.copy_from_slice(&new_x);
        f.copy_from_slice(&new_f);
    }
    energy
}
