//! Control of a path's kernels, fitted to the weights of a pilot: means, variances, or both.
//!
//! The mean `x + c s` becomes `x + (1 + theta) c s`, as DriftLite adds `theta` times the score to the drift (arXiv 2509.21655, VCG), and
//! a kernel's variance is multiplied by `exp(tau)`, as VT-DIS tunes covariances (arXiv 2505.21005). Both are piecewise linear over the
//! moves, apart for narrow coordinates and circles. Paths of the pilot keep; as functions of the control their log-weights are
//!
//! ```text
//! log w + sum_k exp(-tau_k) |z_k - theta_k m_k/sigma_k|^2 / 2 - |z_k|^2 / 2 + d tau_k / 2
//! ```
//!
//! with noise `z`, means `m = c s` and widths `sigma` as drawn. Least squares (Gauss and Newton) make their variance the least: none is
//! left if kernels with such a control are the target's own. DriftLite does so with increments of Feynman-Kac weights, on the way and
//! without energies; here whole paths are weighed, with the true energies of their ends, counted. Weights of controlled paths are exact
//! whatever the control is.

use std::ops::Range;

use nalgebra::{DMatrix, DVector};

use super::kernels::{Kernels, normals};
use super::walk::{Drawn, Place, Score, Source};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::samplers::state;
use crate::spec::Control as Asked;

/// Its name in checkpoints and `weights.safetensors`.
pub(crate) const CONTROL: &str = "control";
/// Values of a control over a path, and in all.
const KNOTS: usize = 4;
const VALUES: usize = 4 * KNOTS;
/// Random steps of the pilot count from here.
const STREAMS: u64 = 1 << 31;
/// The part of the pilot with the lowest weights, which is left out: draws that clash.
const CUT: f64 = 0.05;
/// Rounds of least squares.
const ROUNDS: usize = 30;

/// Values at the knots: of the drift and of the logarithm of the variance, for narrow coordinates and circles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Control {
    /// `[drift, variance][narrow, circles][knots]`.
    values: [f64; VALUES],
}

/// Sums over the coordinates of one kind, of one particle in one move: `z.m/sigma`, `|m|^2/sigma^2`, `|z|^2`.
type Sums = [f64; 3];

/// What a path's displacements were.
struct Record<N> {
    drawn: N,
    /// `[moves][n, kinds]`.
    sums: Vec<Vec<Sums>>,
}

impl<N: Source> Source for Record<N> {
    fn displace(&mut self, at: &Place<'_>, by: &mut [f64], log_ratio: &mut [f64], score: &mut Score<'_>) -> &[f64] {
        let (dim, narrow, widths) = (at.kernels.dim(), at.kernels.narrow, at.widths());
        let noise = self.drawn.displace(at, by, log_ratio, score);
        let mut sums = vec![[0.0; 3]; 2 * (noise.len() / dim)];
        for (i, (z, mean)) in noise.iter().zip(at.means).enumerate() {
            let own = &mut sums[2 * (i / dim) + usize::from(i % dim >= narrow)];
            let mean = mean / widths(i);
            *own = [own[0] + z * mean, own[1] + mean * mean, own[2] + z * z];
        }
        self.sums.push(sums);
        noise
    }
}

/// A pilot: log-weights of its paths without control, and what they were.
pub(super) struct Pilot {
    /// Without the energies of their ends `[n]`.
    pub(super) log_ratio: Vec<f64>,
    /// Ends `[n, dim]`.
    pub(super) rows: Vec<f64>,
    sums: Vec<Vec<Sums>>,
    /// Coordinates of each kind.
    freedom: [usize; 2],
}

/// How much of a knot a move has: hats over the path.
fn hat(k: usize, moves: usize, knot: usize) -> f64 {
    let place = k as f64 / (moves - 1).max(1) as f64 * (KNOTS - 1) as f64;
    (1.0 - (place - knot as f64).abs()).max(0.0)
}

impl Control {
    /// Drift and logarithm of the variance of a kind of coordinates in a move.
    fn at(&self, k: usize, moves: usize, kind: usize) -> [f64; 2] {
        [0, 1].map(|what| {
            let own = &self.values[(2 * what + kind) * KNOTS..];
            (0..KNOTS).map(|knot| hat(k, moves, knot) * own[knot]).sum()
        })
    }

    /// As an array of `weights.safetensors` or a checkpoint.
    #[must_use]
    pub fn save(&self) -> Array {
        state::floats(&self.values)
    }

    /// Reads what [`Control::save`] wrote.
    ///
    /// # Errors
    /// When it has another length.
    pub fn load(array: &Array) -> Result<Self> {
        let wrong = |v: Vec<f64>| Error::Internal(format!("`control` holds {} numbers, expected {VALUES}", v.len()));
        Ok(Self { values: array.to_f64().try_into().map_err(wrong)? })
    }
}

impl Pilot {
    /// Fits a control to the pilot's log-weights `[n]`, energies included; with the variance of the log-weights before and after, the
    /// lowest of them cut. No control where less than two paths have weights for each of its values.
    pub(super) fn fit(&self, asked: Asked, log_w: &[f64]) -> (Control, [f64; 2]) {
        let mut order: Vec<usize> = (0..log_w.len()).filter(|&i| log_w[i].is_finite()).collect();
        order.sort_by(|&a, &b| log_w[a].total_cmp(&log_w[b]).then(a.cmp(&b)));
        let mut kept = order.split_off((CUT * order.len() as f64) as usize);
        kept.sort_unstable();
        let wanted = |value: usize| {
            let (what, kind) = (value / KNOTS / 2, value / KNOTS % 2);
            let asked = if what == 0 { asked != Asked::VtDis } else { asked != Asked::Vcg };
            asked && self.freedom[kind] > 0
        };
        let free: Vec<usize> = (0..VALUES).filter(|&value| wanted(value)).collect();
        let mut control = Control::default();
        if kept.len() < 2 * free.len() {
            return (control, [f64::NAN; 2]);
        }
        let (mut residuals, mut slopes) = self.residuals(&control, &free, &kept, log_w);
        let before = residuals.norm_squared() / kept.len() as f64;
        let mut least = before;
        for _ in 0..ROUNDS {
            let mut normal = slopes.transpose() * &slopes;
            let ridge = 1e-12 * normal.trace().max(f64::MIN_POSITIVE);
            (0..free.len()).for_each(|i| normal[(i, i)] += ridge);
            let Some(way) = normal.cholesky().map(|c| c.solve(&(slopes.transpose() * &residuals))) else { break };
            // Half as far until it is better: log-weights are no linear functions of the control.
            let better = (0..20).find_map(|halvings| {
                let mut next = control.clone();
                free.iter().zip(way.iter()).for_each(|(&v, w)| next.values[v] -= w * 0.5_f64.powi(halvings));
                let found = self.residuals(&next, &free, &kept, log_w);
                let variance = found.0.norm_squared() / kept.len() as f64;
                (variance < least).then_some((next, found, variance))
            });
            let Some((next, found, variance)) = better else { break };
            (control, (residuals, slopes), least) = (next, found, variance);
        }
        (control, [before, least])
    }

    /// Log-weights under a control less their mean, and their derivatives by its free values less theirs, `[kept, free]`.
    fn residuals(
        &self,
        control: &Control,
        free: &[usize],
        kept: &[usize],
        log_w: &[f64],
    ) -> (DVector<f64>, DMatrix<f64>) {
        let moves = self.sums.len();
        let mut log = DVector::from_iterator(kept.len(), kept.iter().map(|&i| log_w[i]));
        let mut slopes = DMatrix::zeros(kept.len(), free.len());
        for (k, sums) in self.sums.iter().enumerate() {
            let of = [0, 1].map(|kind| control.at(k, moves, kind));
            let hats: Vec<f64> = free.iter().map(|value| hat(k, moves, value % KNOTS)).collect();
            for (r, &i) in kept.iter().enumerate() {
                let mut by = [[0.0; 2]; 2];
                for kind in [0, 1].into_iter().filter(|&kind| self.freedom[kind] > 0) {
                    let ([cross, mean, noise], [theta, tau]) = (sums[2 * i + kind], of[kind]);
                    let square = (-tau).exp() * (noise - 2.0 * theta * cross + theta * theta * mean);
                    let freedom = self.freedom[kind] as f64;
                    log[r] += 0.5 * (square - noise + freedom * tau);
                    by[kind] = [(-tau).exp() * (theta * mean - cross), 0.5 * (freedom - square)];
                }
                for (c, (value, hat)) in free.iter().zip(&hats).enumerate() {
                    slopes[(r, c)] += hat * by[value / KNOTS % 2][value / KNOTS / 2];
                }
            }
        }
        let mean = log.mean();
        log.add_scalar_mut(-mean);
        for mut column in slopes.column_iter_mut() {
            let mean: f64 = column.mean();
            column.add_scalar_mut(-mean);
        }
        (log, slopes)
    }
}

impl Kernels {
    /// Draws the paths of a pilot.
    pub(super) fn pilot(
        &self,
        streams: impl Fn(u64) -> Stream,
        items: Range<u32>,
        score: impl FnMut(f64, &[f64], &mut [f64]),
    ) -> Pilot {
        let (n, dim) = (items.len(), self.dim());
        let (mut rows, mut log_ratio) = (vec![0.0; n * dim], vec![0.0; n]);
        self.begin(&streams(STREAMS), items.clone(), &mut rows, &mut log_ratio);
        let noise = |k: usize, out: &mut [f32]| normals(&streams(STREAMS + 1 + k as u64), items.clone(), dim, out);
        let mut record = Record { drawn: Drawn::new(noise, rows.len()), sums: Vec::new() };
        self.walk(&mut record, &mut rows, &mut log_ratio, score);
        Pilot { log_ratio, rows, sums: record.sums, freedom: [self.narrow, dim - self.narrow] }
    }

    /// With a control. Its moves know nothing but their place and its score.
    #[must_use]
    pub(crate) fn controlled(mut self, control: &Control) -> Self {
        let moves = self.moves.len();
        for (k, step) in self.moves.iter_mut().enumerate() {
            for kind in 0..2 {
                let [theta, tau] = control.at(k, moves, kind);
                step.terms[kind].scores.iter_mut().for_each(|s| *s *= 1.0 + theta);
                step.forward[kind] *= tau.exp();
            }
        }
        self
    }
}
