//! How far scores are from solving the Fokker-Planck equation, as a regulariser of training (after ScoreMD, arXiv 2506.17139).
//!
//! The density of noised data follows `dp/dh = lap p/2`, its score so `ds/dh = lap s/2 + (s . grad) s`. That is the equation of a
//! martingale: along the path back from noise, `E s(x', h - q) = s(x, h)` with `x' = x + q s + sqrt(q) z`. What is missing is the residual
//!
//! ```text
//! r(z) = (s(x + q s + sqrt(q) z, h - q) + s(x + q s - sqrt(q) z, h - q))/2 - s(x, h)  =  -q (ds/dh - lap s/2 - (s . grad) s) + ...
//! ```
//!
//! a finite difference in the noise and along one random direction: no second derivative. For Gaussian data it is 0 at any `q` and `z`. For
//! others single directions give the Laplacian with an error whose mean is 0 and whose square's is not; as in the paper's code two of
//! them are multiplied, so that the mean of `r(z_1) . r(z_2)` is `|E r|^2`. The loss is its mean, in units where those of denoising are:
//!
//! ```text
//! weight  h (1 + h)  r(z_1) . r(z_2) (h/q)^2 / dim,   h/q = 10,   at sigma below 0.5
//! ```
//!
//! ScoreMD's networks give `ln p`, whose residual is one number, and train only the expert of the smallest noise with it. The whole
//! gradient is taken, that of the places by way of `s(x)` too. Four further evaluations for each row of small noise, forwards and back.

use std::ops::Range;

use super::net::{Net, Tile, places};
use crate::flow::Weights;
use crate::lanes::num::{H, Lanes};
use crate::real::Real;
use crate::samplers::internal::chart::settled;

/// `q/h`.
const STEP: f64 = 0.1;
/// Noise below which there is a residual.
const BELOW: f64 = 0.5;
/// Evaluations of a row: two directions, both ways.
pub(super) const AROUND: usize = 4;

/// Which of some rows at rising variances have a residual: below [`BELOW`], and not led to less noise than training has.
pub(super) fn small(h: &[f64], sigma_min: f64) -> Range<usize> {
    let low = sigma_min * sigma_min / (1.0 - STEP);
    let first = h.partition_point(|h| *h < low);
    first..h.partition_point(|h| *h <= BELOW * BELOW).max(first)
}

/// Places `[n, AROUND, dim]` and their variances `[n, AROUND]` for rows `x` with scores `s` `[n, dim]` and directions `[n, 2, dim]`.
pub(super) fn around(narrow: usize, x: &[f64], s: &[f64], h: &[f64], directions: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let dim = x.len() / h.len().max(1);
    let (mut rows, mut levels) = (Vec::with_capacity(AROUND * x.len()), Vec::with_capacity(AROUND * h.len()));
    for (r, h) in h.iter().enumerate() {
        let q = STEP * h;
        for i in 0..AROUND {
            let (which, sign) = (i / 2, if i % 2 == 0 { q.sqrt() } else { -q.sqrt() });
            let place = |k: usize| {
                let y = x[r * dim + k] + q * s[r * dim + k] + sign * directions[(2 * r + which) * dim + k];
                if k < narrow { y } else { settled(y) }
            };
            rows.extend((0..dim).map(place));
            levels.push(h - q);
        }
    }
    (rows, levels)
}

/// Residuals `[n, 2, dim]` of scores `[n, dim]` and those around them `[n, AROUND, dim]`.
pub(super) fn residuals(dim: usize, s: &[f64], around: &[f64]) -> Vec<f64> {
    let mut all = Vec::with_capacity(2 * s.len());
    for (s, around) in s.chunks_exact(dim).zip(around.chunks_exact(AROUND * dim)) {
        for pair in around.chunks_exact(2 * dim) {
            all.extend((0..dim).map(|k| 0.5 * (pair[k] + pair[dim + k]) - s[k]));
        }
    }
    all
}

/// Rows of a tile that went forward, `[n, dim]` at variances `h`, and which of them have a residual.
pub(super) struct Rows<'a> {
    pub(super) x: &'a [f64],
    pub(super) h: &'a [f64],
    pub(super) which: Range<usize>,
    /// Two for each of these, `[n, 2, dim]`.
    pub(super) directions: &'a [f64],
    /// What a product of two components counts in the loss.
    pub(super) per: f64,
}

/// Adds the derivatives of the residual loss to the `output_bars` of a tile's rows, and leaves those of the rows around them in `near`,
/// gone back; these are none where no row has a residual. Returns the loss. The weights must be transposed.
pub(super) fn regularise<T: Real>(
    net: &Net,
    w: &Weights<T>,
    rows: &Rows<'_>,
    tile: &mut Tile<T>,
    near: &mut Tile<T>,
) -> f64 {
    near.output_bars.clear();
    if rows.which.is_empty() {
        return 0.0;
    }
    let (dim, narrow, lanes) = (net.dim(), net.narrow, net.output_lanes());
    let mut s = vec![0.0; rows.x.len()];
    net.scores(rows.x, rows.h, tile, &mut s);
    let (own, h) = (rows.which.start * dim..rows.which.end * dim, &rows.h[rows.which.clone()]);
    let s = &s[own.clone()];
    let (places, levels) = around(narrow, &rows.x[own], s, h, rows.directions);
    net.features(&places.iter().map(|x| T::from_f64(*x)).collect::<Vec<_>>(), &levels, near);
    net.forward::<T, true>(w, near);
    let mut scores = vec![0.0; places.len()];
    net.scores(&places, &levels, near, &mut scores);
    let residuals = residuals(dim, s, &scores);
    near.output_bars.resize(levels.len() * lanes, Lanes([T::ZERO; H]));
    let mut loss = 0.0;
    // Derivatives with respect to each residual: the other one.
    let mut slopes = Vec::with_capacity(residuals.len());
    for (pair, h) in residuals.chunks_exact(2 * dim).zip(h) {
        let by = rows.per * h * (1.0 + h) / (STEP * STEP);
        loss += by * (0..dim).map(|k| pair[k] * pair[dim + k]).sum::<f64>();
        slopes.extend((0..2 * dim).map(|k| by * pair[(k + dim) % (2 * dim)]));
    }
    let slope = |row: usize, k: usize| 0.5 * slopes[(row / 2) * dim + k];
    for (row, (bars, h)) in near.output_bars.chunks_exact_mut(lanes).zip(&levels).enumerate() {
        let (scale, _) = places::scales(*h);
        for k in 0..dim {
            bars[k / H].0[k % H] = T::from_f64(scale * slope(row, k));
        }
    }
    net.reverse(w, near);
    let moved = net.places_reverse(w, &levels, near);
    for (r, h) in h.iter().enumerate() {
        let ((scale, _), q) = (places::scales(*h), STEP * h);
        let bars = &mut tile.output_bars[(rows.which.start + r) * lanes..][..lanes];
        for k in 0..dim {
            let mut bar = 0.0;
            for row in AROUND * r..AROUND * (r + 1) {
                let pull = if k < narrow { places::scales(levels[row]).1 } else { 0.0 };
                bar += q * (moved[row * dim + k] - pull * slope(row, k)) - slope(row, k);
            }
            bars[k / H].0[k % H] += T::from_f64(scale * bar);
        }
    }
    loss
}
