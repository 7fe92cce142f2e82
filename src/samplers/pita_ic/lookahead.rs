//! Look-ahead: of several children of a particle one goes on, chosen by what the target says of where they lead.
//!
//! SVDD (arXiv 2408.08252) chooses among children by the exponential of a value, the reward at their denoised prediction. Here every
//! child `x'` has the part of the path's weight that its choice decides: the kernels' `B/F` times the target's noised density at `x'`,
//! for which stands, with `D` its denoised prediction and `h'` its noise,
//!
//! ```text
//! ln pi(x') = -u(D) - gamma |x' - D|^2 / (2 h')
//! ```
//!
//! the density of the likeliest way up from one data point; exact (up to a constant) for Gaussians, and at the data themselves. A
//! twentieth of the choice is blind, so that no child is impossible. Whatever the chances `p_j` of the children are, the weight of a
//! path times `1/(K p_j)` is exact: its mean over the choice is the mean of the children's own weights.

use std::ops::Range;

use super::kernels::{Children, Kernels, normals};
use super::walk::{Drawn, Place, Score, Source, squares};
use crate::diffusion::normalise;
use crate::error::{Error, Result};
use crate::rng::Stream;

/// The part of the choice that is blind.
const BLIND: f64 = 0.05;
/// Children beyond the first draw from here, by move and number; the choices from there.
const CHILDREN: u64 = 1 << 28;
const CHOICES: u64 = 1 << 29;

/// The target's log-density at rows of data `[n, dim]`, up to a constant: it counts energies.
pub(super) type Value<'a> = dyn FnMut(&[f64]) -> Result<Vec<f64>> + 'a;

/// Displacements are drawn; in the last moves one of several is chosen.
pub(super) struct Lookahead<'a, N> {
    drawn: N,
    children: Children,
    value: &'a mut Value<'a>,
    streams: &'a dyn Fn(u64) -> Stream,
    items: Range<u32>,
    noise: Vec<f64>,
    scores: Option<Vec<f64>>,
    failed: Option<Error>,
}

/// One child of every particle.
struct Child {
    noise: Vec<f64>,
    by: Vec<f64>,
    scores: Vec<f64>,
    /// What speaks for it `[n]`.
    log: Vec<f64>,
}

impl<N: Source> Lookahead<'_, N> {
    /// Child `j` of every particle.
    fn child(&mut self, j: usize, at: &Place<'_>, score: &mut Score<'_>) -> Child {
        let (kernels, step, len) = (at.kernels, at.step(), at.rows.len());
        let (dim, widths) = (kernels.dim(), at.widths());
        let own = if j == 0 { 1 + at.k as u64 } else { CHILDREN + ((at.k as u64) << 8) + j as u64 };
        let mut single = vec![0.0_f32; len];
        normals(&(self.streams)(own), self.items.clone(), dim, &mut single);
        let noise: Vec<f64> = single.iter().map(|z| f64::from(*z)).collect();
        let by: Vec<f64> = noise.iter().zip(at.means).enumerate().map(|(i, (z, mean))| mean + widths(i) * z).collect();
        let mut there = at.rows.to_vec();
        kernels.displace(&mut there, &by);
        let (mut scores, mut far) = (Vec::new(), vec![0.0; len / dim]);
        if step.to > 0.0 {
            scores = vec![0.0; len];
            score(step.to, &there, &mut scores);
            let on: Vec<f64> = scores.iter().map(|s| step.to * s).collect();
            kernels.displace(&mut there, &on);
            let squares = scores.chunks_exact(dim).map(|s| s.iter().map(|s| s * s).sum::<f64>());
            far = squares.map(|square| 0.5 * kernels.gamma() * step.to * square).collect();
        }
        let value = (self.value)(&there).unwrap_or_else(|error| {
            self.failed = Some(error);
            vec![0.0; far.len()]
        });
        let rows = noise.chunks_exact(dim).zip(by.chunks_exact(dim)).zip(value.iter().zip(&far));
        let log = rows.map(|((noise, by), (value, far))| {
            let drawn: f64 = noise.iter().map(|z| z * z).sum();
            value - far + 0.5 * (drawn - squares(kernels.narrow, step.backward, by.iter().copied()))
        });
        let log = log.collect();
        Child { noise, by, scores, log }
    }
}

impl<N: Source> Source for Lookahead<'_, N> {
    fn displace(&mut self, at: &Place<'_>, by: &mut [f64], log_ratio: &mut [f64], score: &mut Score<'_>) -> &[f64] {
        if at.k + self.children.steps < at.kernels.moves.len() {
            return self.drawn.displace(at, by, log_ratio, score);
        }
        let (dim, count) = (at.kernels.dim(), self.children.count);
        let all: Vec<Child> = (0..count).map(|j| self.child(j, at, score)).collect();
        let choices = (self.streams)(CHOICES + at.k as u64);
        let mut scores = vec![0.0; at.rows.len()];
        for ((i, item), log) in self.items.clone().enumerate().zip(log_ratio.iter_mut()) {
            let row = i * dim..(i + 1) * dim;
            let logs: Vec<f64> = all.iter().map(|child| child.log[i]).collect();
            let chances: Vec<f64> =
                normalise(&logs).iter().map(|share| (1.0 - BLIND) * share + BLIND / count as f64).collect();
            let (mut u, mut j) = (choices.at(item).uniform(), 0);
            while j + 1 < count && u >= chances[j] {
                u -= chances[j];
                j += 1;
            }
            *log -= (count as f64 * chances[j]).ln();
            by[row.clone()].copy_from_slice(&all[j].by[row.clone()]);
            self.noise[row.clone()].copy_from_slice(&all[j].noise[row.clone()]);
            if at.step().to > 0.0 {
                scores[row.clone()].copy_from_slice(&all[j].scores[row]);
            }
        }
        self.scores = (at.step().to > 0.0).then_some(scores);
        &self.noise
    }

    fn ahead(&mut self) -> Option<Vec<f64>> {
        self.scores.take()
    }
}

impl Kernels {
    /// As [`Kernels::draw`], with look-ahead where these kernels have it.
    ///
    /// # Errors
    /// What `value` failed with.
    pub(super) fn draw_ahead<'a>(
        &self,
        streams: &'a dyn Fn(u64) -> Stream,
        items: Range<u32>,
        (rows, log_ratio): (&mut [f64], &mut [f64]),
        value: &'a mut Value<'a>,
        score: impl FnMut(f64, &[f64], &mut [f64]),
    ) -> Result<()> {
        let Some(children) = self.children else {
            self.draw(streams, items, rows, log_ratio, score);
            return Ok(());
        };
        self.begin(&streams(0), items.clone(), rows, log_ratio);
        let noise = |k: usize, out: &mut [f32]| normals(&streams(1 + k as u64), items.clone(), self.dim(), out);
        let drawn = Drawn::new(noise, rows.len());
        let noise = vec![0.0; rows.len()];
        let items = items.clone();
        let mut source = Lookahead { drawn, children, value, streams, items, noise, scores: None, failed: None };
        self.walk(&mut source, rows, log_ratio, score);
        source.failed.map_or(Ok(()), Err)
    }
}
