//! Weighted first and second moments of pairs (x_t, x_{t + lag}) of contiguous trajectories.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use crate::error::Result;
use crate::stop;

/// Pairs of one rayon task. Tasks are added in order: the sums do not depend on the number of threads.
const TASK: usize = 4_096;

/// Sums over pairs (x, y), each pair with a weight, of features from which `shift` was subtracted.
pub(super) struct Moments {
    /// Sum of the weights.
    pub weight: f64,
    /// Weighted sums of x and y.
    pub x: DVector<f64>,
    pub y: DVector<f64>,
    /// Weighted sums of x x^T, y y^T and x y^T.
    pub xx: DMatrix<f64>,
    pub yy: DMatrix<f64>,
    pub xy: DMatrix<f64>,
}

/// First frames of runs of pairs, with the number of pairs in each.
pub(super) fn runs(lengths: &[usize], lag: usize) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut start = 0;
    for &length in lengths {
        let pairs = length.saturating_sub(lag);
        runs.extend((0..pairs).step_by(TASK).map(|t| (start + t, TASK.min(pairs - t))));
        start += length;
    }
    runs
}

/// Moments of all pairs in `runs`; `weight` is a function of x, `shift` not yet subtracted.
///
/// # Errors
/// [`crate::error::Error::Interrupted`].
pub(super) fn moments(
    features: &[f64],
    shift: &DVector<f64>,
    runs: &[(usize, usize)],
    lag: usize,
    weight: impl Fn(&[f64]) -> f64 + Sync,
) -> Result<Moments> {
    let dim = shift.len();
    let part = |&(start, pairs): &(usize, usize)| {
        // Row-major frames are the columns of nalgebra's column-major matrices.
        let side = |at: usize| {
            let mut m = DMatrix::from_column_slice(dim, pairs, &features[at * dim..(at + pairs) * dim]);
            m.column_iter_mut().for_each(|mut frame| frame -= shift);
            m
        };
        let (x, y) = (side(start), side(start + lag));
        let w = DVector::from_fn(pairs, |t, _| weight(&features[(start + t) * dim..][..dim]));
        let weighted = |m: &DMatrix<f64>| {
            let mut m = m.clone();
            m.column_iter_mut().zip(w.iter()).for_each(|(mut frame, &w)| frame *= w);
            m.transpose()
        };
        let (wx, wy) = (weighted(&x), weighted(&y));
        Moments { weight: w.sum(), x: &x * &w, y: &y * &w, xx: &x * wx, yy: &y * &wy, xy: &x * wy }
    };
    let parts = runs.par_iter().map(|run| stop::check().map(|()| part(run))).collect::<Result<Vec<Moments>>>()?;
    let zero = || DMatrix::zeros(dim, dim);
    let start =
        Moments { weight: 0.0, x: DVector::zeros(dim), y: DVector::zeros(dim), xx: zero(), yy: zero(), xy: zero() };
    Ok(parts.into_iter().fold(start, |mut sum, part| {
        sum.weight += part.weight;
        sum.x += part.x;
        sum.y += part.y;
        sum.xx += part.xx;
        sum.yy += part.yy;
        sum.xy += part.xy;
        sum
    }))
}
