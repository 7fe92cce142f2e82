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
//!
//! With `rollover` a particle has children until two are no worse than it is itself, and what is left of its `K` is its own in the next
//! step (after rollover budget forcing, arXiv 2503.19385, which stops at the first one). How many children there are depends on them
//! then, and so does what each stands for: of `T` children two of which are good, each bad one for `1/(T - 1)` of the kernel and each
//! good one for half of that; where the children run out before, each for `1/T`. These shares `c_j` are the unbiased estimate of the
//! chance `P` of a good child when one stops at the second, `1/(T - 1)` (the number of ways to get there that begin with a good child,
//! over all: Girshick, Mosteller and Savage 1946), spread over the good ones, and the rest over the bad ones; among themselves either
//! kind is drawn from the kernel. So the weight times `c_j/p_j` is exact, and `1/(K p_j)` its special case. Stopped at the first, that
//! estimate is 1 if the first child is good and 0 otherwise: whoever was waited for would have no weight.

use std::ops::Range;

use super::kernels::{Children, Kernels, normals};
use super::walk::{Drawn, Place, Score, Source, squares};
use crate::diffusion::normalise;
use crate::error::{Error, Result};
use crate::rng::Stream;

/// The part of the choice that is blind.
const BLIND: f64 = 0.05;
/// Most children of a particle in a step, whatever has been saved.
const MOST: usize = 255;
/// A child is good if it is worth what its parent is, up to rounding: of Gaussian data all are worth the same.
const ROUNDING: f64 = 1e-6;
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
    /// What is left of each particle's children, and the target's noised log-density where it is, once there is one.
    left: Vec<usize>,
    density: Option<Vec<f64>>,
    failed: Option<Error>,
}

/// One child of some particles.
struct Child {
    /// Which, ascending.
    of: Vec<usize>,
    noise: Vec<f64>,
    by: Vec<f64>,
    scores: Vec<f64>,
    /// The target's noised log-density there `[n]`.
    density: Vec<f64>,
    /// What speaks for it `[n]`.
    log: Vec<f64>,
}

/// Rows of some particles.
fn gathered<T: Copy>(rows: &[T], of: &[usize], dim: usize) -> Vec<T> {
    of.iter().flat_map(|&i| rows[i * dim..(i + 1) * dim].iter().copied()).collect()
}

/// What children stand for, in units of `1/T`: good ones are marked, and `stopped` says that the second of them ended it.
fn shares(good: &[bool], stopped: bool) -> Vec<f64> {
    let rest = good.len() as f64 / (good.len() as f64 - 1.0);
    let share = |good: &bool| match (stopped, good) {
        (false, _) => 1.0,
        (true, true) => 0.5 * rest,
        (true, false) => rest,
    };
    good.iter().map(share).collect()
}

impl<N: Source> Lookahead<'_, N> {
    /// The target's noised log-density `[n]` at rows with these scores at variance `h`, up to a constant.
    fn density(&mut self, kernels: &Kernels, h: f64, mut rows: Vec<f64>, scores: &[f64]) -> Vec<f64> {
        let (dim, mut far) = (kernels.dim(), vec![0.0; rows.len() / kernels.dim()]);
        if h > 0.0 {
            let on: Vec<f64> = scores.iter().map(|s| h * s).collect();
            kernels.displace(&mut rows, &on);
            let squares = scores.chunks_exact(dim).map(|s| s.iter().map(|s| s * s).sum::<f64>());
            far = squares.map(|square| 0.5 * kernels.gamma * h * square).collect();
        }
        let value = (self.value)(&rows).unwrap_or_else(|error| {
            self.failed = Some(error);
            vec![0.0; far.len()]
        });
        value.iter().zip(&far).map(|(value, far)| value - far).collect()
    }

    /// Child `j` of some particles.
    fn child(&mut self, j: usize, of: Vec<usize>, at: &Place<'_>, score: &mut Score<'_>) -> Child {
        let (kernels, step) = (at.kernels, at.step());
        let (dim, widths) = (kernels.dim(), at.widths());
        let own = if j == 0 { 1 + at.k as u64 } else { CHILDREN + ((at.k as u64) << 8) + j as u64 };
        let mut single = vec![0.0_f32; at.rows.len()];
        let stream = (self.streams)(own);
        for run in of.chunk_by(|a, b| a + 1 == *b) {
            let (first, past) = (run[0], run[0] + run.len());
            let items = self.items.start + first as u32..self.items.start + past as u32;
            normals(&stream, items, dim, &mut single[first * dim..past * dim]);
        }
        let noise: Vec<f64> = gathered(&single, &of, dim).into_iter().map(f64::from).collect();
        let means = gathered(at.means, &of, dim);
        let by: Vec<f64> = noise.iter().zip(means).enumerate().map(|(i, (z, mean))| mean + widths(i) * z).collect();
        let mut there = gathered(at.rows, &of, dim);
        kernels.displace(&mut there, &by);
        let mut scores = Vec::new();
        if step.to > 0.0 {
            scores = vec![0.0; there.len()];
            score(step.to, &there, &mut scores);
        }
        let density = self.density(kernels, step.to, there, &scores);
        let rows = noise.chunks_exact(dim).zip(by.chunks_exact(dim)).zip(&density);
        let log = |((noise, by), density): ((&[f64], &[f64]), &f64)| {
            let drawn: f64 = noise.iter().map(|z| z * z).sum();
            density + 0.5 * (drawn - squares(kernels.narrow, step.backward, by.iter().copied()))
        };
        let log = rows.map(log).collect();
        Child { of, noise, by, scores, density, log }
    }

    /// Children of every particle, `count` of each; and which of them are good, where that ends it.
    fn children(&mut self, at: &Place<'_>, score: &mut Score<'_>) -> (Vec<Child>, Vec<Vec<bool>>) {
        let (n, count) = (at.rows.len() / at.kernels.dim(), self.children.count);
        if !self.children.rollover {
            return ((0..count).map(|j| self.child(j, (0..n).collect(), at, score)).collect(), vec![]);
        }
        let parents = match self.density.take() {
            Some(density) => density,
            None => self.density(at.kernels, at.step().from, at.rows.to_vec(), &at.history[0].scores),
        };
        // What the kernels' widths say, beside those of whitened Gaussian data.
        let step = at.step();
        let gaussian = 0.5 * at.kernels.narrow as f64 * ((1.0 + step.to) / (1.0 + step.from)).ln();
        let constant = at.kernels.log_widths(step) - gaussian;
        let most: Vec<usize> = self.left.iter().map(|left| (count + left).min(MOST)).collect();
        let (mut all, mut good) = (Vec::new(), vec![Vec::new(); n]);
        loop {
            let of: Vec<usize> = (0..n).filter(|&i| good[i].len() < most[i] && !ended(&good[i])).collect();
            if of.is_empty() {
                break;
            }
            let child = self.child(all.len(), of, at, score);
            for (&i, log) in child.of.iter().zip(&child.log) {
                good[i].push(log + constant >= parents[i] - ROUNDING);
            }
            all.push(child);
        }
        self.left = most.iter().zip(&good).map(|(most, good)| most - good.len()).collect();
        (all, good)
    }
}

/// Whether these children end it: two are good.
fn ended(good: &[bool]) -> bool {
    good.iter().filter(|good| **good).count() == 2
}

impl<N: Source> Source for Lookahead<'_, N> {
    fn displace(&mut self, at: &Place<'_>, by: &mut [f64], log_ratio: &mut [f64], score: &mut Score<'_>) -> &[f64] {
        if at.k + self.children.steps < at.kernels.moves.len() {
            return self.drawn.displace(at, by, log_ratio, score);
        }
        let (dim, ahead) = (at.kernels.dim(), at.step().to > 0.0);
        let (all, good) = self.children(at, score);
        let choices = (self.streams)(CHOICES + at.k as u64);
        let (mut scores, mut density) = (vec![0.0; at.rows.len()], vec![0.0; log_ratio.len()]);
        for ((i, item), log) in self.items.clone().enumerate().zip(log_ratio.iter_mut()) {
            let row = i * dim..(i + 1) * dim;
            // Where its children are among those of their number.
            let places: Vec<usize> = all.iter().map_while(|child| child.of.binary_search(&i).ok()).collect();
            let count = places.len();
            let shares = good.get(i).map_or_else(|| vec![1.0; count], |good| shares(good, ended(good)));
            let logs: Vec<f64> =
                places.iter().zip(&all).zip(&shares).map(|((k, child), share)| child.log[*k] + share.ln()).collect();
            let chances: Vec<f64> = normalise(&logs)
                .iter()
                .zip(&shares)
                .map(|(chance, share)| (1.0 - BLIND) * chance + BLIND * share / count as f64)
                .collect();
            let (mut u, mut j) = (choices.at(item).uniform(), 0);
            while j + 1 < count && u >= chances[j] {
                u -= chances[j];
                j += 1;
            }
            *log -= (count as f64 * chances[j] / shares[j]).ln();
            let (child, k) = (&all[j], places[j]);
            let own = k * dim..(k + 1) * dim;
            by[row.clone()].copy_from_slice(&child.by[own.clone()]);
            self.noise[row.clone()].copy_from_slice(&child.noise[own.clone()]);
            density[i] = child.density[k];
            if ahead {
                scores[row].copy_from_slice(&child.scores[own]);
            }
        }
        self.scores = ahead.then_some(scores);
        self.density = Some(density);
        &self.noise
    }

    fn ahead(&mut self) -> Option<Vec<f64>> {
        self.scores.take()
    }
}

impl Kernels {
    /// As [`Kernels::draw`], with look-ahead.
    ///
    /// # Errors
    /// What `value` failed with.
    pub(super) fn draw_ahead<'a>(
        &self,
        children: Children,
        streams: &'a dyn Fn(u64) -> Stream,
        items: Range<u32>,
        (rows, log_ratio): (&mut [f64], &mut [f64]),
        value: &'a mut Value<'a>,
        score: impl FnMut(f64, &[f64], &mut [f64]),
    ) -> Result<()> {
        self.begin(&streams(0), items.clone(), rows, log_ratio);
        let noise = |k: usize, out: &mut [f32]| normals(&streams(1 + k as u64), items.clone(), self.dim(), out);
        let drawn = Drawn::new(noise, rows.len());
        let (noise, items) = (vec![0.0; rows.len()], items.clone());
        let (left, density) = (vec![0; log_ratio.len()], None);
        let mut source =
            Lookahead { drawn, children, value, streams, items, noise, scores: None, left, density, failed: None };
        self.walk(&mut source, rows, log_ratio, score);
        source.failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over all outcomes of good and bad children, with any chance of a good one: shares of good ones add up to that chance, on average,
    /// and all of them to one. Shares of `1/T` do not.
    #[test]
    fn shares_are_unbiased() {
        for (p, most) in [(0.5, 2), (0.2, 4), (0.7, 5), (0.05, 7), (1.0, 3), (0.0, 3)] {
            let (mut of_good, mut of_all, mut equal) = (0.0, 0.0, 0.0);
            let mut open: Vec<(f64, Vec<bool>)> = vec![(1.0, vec![])];
            while let Some((chance, outcome)) = open.pop() {
                if outcome.len() < most && !ended(&outcome) {
                    for good in [true, false] {
                        let factor: f64 = if good { p } else { 1.0 - p };
                        open.push((chance * factor, outcome.iter().copied().chain([good]).collect()));
                    }
                    continue;
                }
                let each = chance / outcome.len() as f64;
                for (share, good) in shares(&outcome, ended(&outcome)).iter().zip(&outcome) {
                    of_all += each * share;
                    of_good += if *good { each * share } else { 0.0 };
                    equal += if *good { each } else { 0.0 };
                }
            }
            assert!((of_all - 1.0).abs() < 1e-12 && (of_good - p).abs() < 1e-12, "{p} {most}: {of_good} {of_all}");
            assert!(p == 0.0 || p == 1.0 || most == 2 || equal > p + 1e-3, "{p} {most}: {equal}");
        }
    }
}
