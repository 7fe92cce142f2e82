//! Paths from noise to data at a lower temperature: their levels, their moves, where they begin.
//!
//! With variances `h` of the noise falling from level to level, `q = h - h'`, and `gamma` the ratio of the temperatures, a path of a
//! coordinate of data variance 1 takes the steps
//!
//! ```text
//! tempered:   F = N(x + q s, (q/gamma) (1 + h')/(1 + h)),   B = N(x', q/gamma)
//! published:  F = N(x + gamma q s, q),                      B = N(x', q)
//! ```
//!
//! from `N(0, (1 + h_max)/gamma)`, or others ([`crate::diffusion::steps`]). Tempered steps are exact for Gaussians: data of variance
//! `1/gamma` under noise `h/gamma`. On circles the prior is uniform and the forward variance is the backward one; the increment is what
//! was drawn, not the way around: it is part of the path under both chains, so the weights stay exact.
//!
//! `log w = -u(x_0) + sum log B - sum log F - log prior`: weights of whole paths, in which no learned energy has a part.

use std::ops::Range;

use crate::diffusion::steps::{Move, Scheme, grid, plan};
use crate::rng::Stream;
use crate::samplers::internal::chart::{CIRCLE, settled};
use crate::spec::IcAnnealSpec;

/// `ln sqrt(2 pi)`.
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_7;
/// Items whose noise is drawn together.
const GROUP: usize = 16;

/// The levels of a path and its kernels, for rows of `narrow` coordinates and then `circles`.
#[derive(Debug, Clone)]
pub struct Kernels {
    pub(super) narrow: usize,
    circles: usize,
    pub(super) gamma: f64,
    /// Variance of the noise where paths begin.
    first: f64,
    pub(super) moves: Vec<Move>,
    /// Look-ahead, if there is any: steps choose among children, which costs energies.
    pub(super) children: Option<Children>,
}

/// Children of each particle, in so many of the last steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Children {
    pub(super) count: usize,
    pub(super) steps: usize,
    /// Whether there are as many as are needed, and the others are saved.
    pub(super) rollover: bool,
}

impl Children {
    /// As settings have it, if they ask for it.
    pub(super) fn asked(spec: &IcAnnealSpec) -> Option<Self> {
        let (steps, rollover) = (spec.lookahead_steps.unwrap_or(spec.steps).min(spec.steps), spec.rollover);
        spec.children.map(|count| Self { count, steps, rollover })
    }
}

/// Standard normals `[n, dim]` of some items of a stream: the same whichever items are drawn together.
pub fn normals(stream: &Stream, items: Range<u32>, dim: usize, out: &mut [f32]) {
    let mut block = [[0.0_f32; GROUP]; 4];
    for (group, rows) in out.chunks_mut(GROUP * dim).enumerate() {
        for b in 0..dim.div_ceil(4) {
            stream.normals(items.start + (group * GROUP) as u32, b as u32, &mut block);
            for (l, row) in rows.chunks_exact_mut(dim).enumerate() {
                let at = 4 * b..dim.min(4 * b + 4);
                row[at].iter_mut().zip(&block).for_each(|(z, lanes)| *z = lanes[l]);
            }
        }
    }
}

/// The scheme of a rung.
#[must_use]
pub fn scheme(spec: &IcAnnealSpec, gamma: f64) -> Scheme {
    Scheme {
        step: spec.step,
        corrector: spec.corrector,
        noise: spec.noise,
        gamma,
        eta: spec.eta.unwrap_or(0.5),
        beta: spec.beta.unwrap_or(0.8),
        renewal: spec.renewal.unwrap_or(0.05),
    }
}

/// The settings with as many steps as so many evaluations of the network allow, 2 at least.
#[must_use]
pub fn within(spec: &IcAnnealSpec, evaluations: usize) -> IcAnnealSpec {
    let asked = |steps| IcAnnealSpec { steps, ..spec.clone() };
    let taken = |steps| {
        let spec = asked(steps);
        let kernels = Kernels::new((1, 0), grid::edm(steps, (0.1, 1.0)), &scheme(&spec, 1.0));
        kernels.looking(Children::asked(&spec)).evaluations()
    };
    asked((2..=evaluations).rev().find(|steps| taken(*steps) <= evaluations).unwrap_or(2))
}

impl Kernels {
    /// Steps between levels of falling variance, then to the data (that one included).
    #[must_use]
    pub fn new(shape: (usize, usize), mut levels: Vec<f64>, scheme: &Scheme) -> Self {
        levels.push(0.0);
        Self::between(shape, &levels, scheme)
    }

    /// The same, but paths end at the last level.
    #[must_use]
    pub fn between((narrow, circles): (usize, usize), levels: &[f64], scheme: &Scheme) -> Self {
        let moves = plan(scheme, levels);
        Self { narrow, circles, gamma: scheme.gamma, first: levels[0], moves, children: None }
    }

    /// With look-ahead.
    #[must_use]
    pub(super) fn looking(self, children: Option<Children>) -> Self {
        Self { children, ..self }
    }

    pub(super) fn dim(&self) -> usize {
        self.narrow + self.circles
    }

    /// Evaluations of the network along a path; at most so many where children are saved.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        let own: usize = self.moves.iter().map(Move::evaluations).sum();
        // A child's evaluation is that of the next step, if it is chosen; the data have none.
        let ahead = |c: Children| {
            (c.count - 1) * self.moves[self.moves.len() - c.steps..].iter().filter(|m| m.to > 0.0).count()
        };
        own + self.children.map_or(0, ahead)
    }

    /// Whether paths are drawn from a density, so that they have weights.
    #[must_use]
    pub fn has_density(&self) -> bool {
        self.moves.iter().all(|step| step.forward.iter().all(|v| *v > 0.0))
    }

    fn prior_variance(&self) -> f64 {
        (1.0 + self.first) / self.gamma
    }

    pub(super) fn log_prior(&self, row: &[f64]) -> f64 {
        let v = self.prior_variance();
        let square: f64 = row[..self.narrow].iter().map(|x| x * x).sum();
        -0.5 * square / v - self.narrow as f64 * (0.5 * v.ln() + LN_SQRT_TAU) - self.circles as f64 * CIRCLE.ln()
    }

    /// Takes circles back to within half a turn of 0.
    pub(super) fn settle(&self, row: &mut [f64]) {
        row[self.narrow..].iter_mut().for_each(|x| *x = settled(*x));
    }

    /// `sum (ln sqrt(forward variance) - ln sqrt(backward variance))` over the coordinates.
    pub(super) fn log_widths(&self, step: &Move) -> f64 {
        let each = [0, 1].map(|k| 0.5 * (step.forward[k] / step.backward[k]).ln());
        self.narrow as f64 * each[0] + self.circles as f64 * each[1]
    }

    /// Where paths begin: rows `[n, dim]`, and minus the logarithm of their density `[n]`.
    pub fn begin(&self, stream: &Stream, items: Range<u32>, rows: &mut [f64], log_ratio: &mut [f64]) {
        for ((row, log), item) in rows.chunks_exact_mut(self.dim()).zip(log_ratio.iter_mut()).zip(items) {
            let mut draws = stream.at(item);
            let (narrow, circles) = row.split_at_mut(self.narrow);
            narrow.iter_mut().for_each(|x| *x = self.prior_variance().sqrt() * draws.normal());
            circles.iter_mut().for_each(|x| *x = CIRCLE * (draws.uniform() - 0.5));
            *log = -self.log_prior(row);
        }
    }

    /// Draws the paths of some items: their ends `rows [n, dim]`, and `log_ratio [n]`, the log-weight without the energy of the end
    /// (0 without a density). `streams` gives the random numbers of a step (0: the prior); `score` the scores of rows at a variance of
    /// the noise.
    pub fn draw(
        &self,
        streams: impl Fn(u64) -> Stream,
        items: Range<u32>,
        rows: &mut [f64],
        log_ratio: &mut [f64],
        score: impl FnMut(f64, &[f64], &mut [f64]),
    ) {
        self.begin(&streams(0), items.clone(), rows, log_ratio);
        let noise = |k: usize, out: &mut [f32]| normals(&streams(1 + k as u64), items.clone(), self.dim(), out);
        self.walk(&mut super::walk::Drawn::new(noise, rows.len()), rows, log_ratio, score);
        if !self.has_density() {
            log_ratio.fill(0.0);
        }
    }
}
