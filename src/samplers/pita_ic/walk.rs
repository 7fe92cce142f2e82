//! Along a path: from noise to data, drawing it or following a given one, and from data to noise.

use std::collections::VecDeque;
use std::ops::Range;

use super::kernels::{Kernels, normals};
use crate::diffusion::steps::{Move, Terms};
use crate::rng::Stream;

/// Where a walk's displacements come from.
pub(super) trait Source {
    /// From means `[n, dim]` to displacements `[n, dim]` of a move, and the noise in units of its width.
    fn displace(&mut self, k: usize, widths: &dyn Fn(usize) -> f64, means: &[f64], by: &mut [f64]) -> &[f64];
}

/// Displacements are drawn.
pub(super) struct Drawn<N> {
    normals: N,
    single: Vec<f32>,
    noise: Vec<f64>,
}

impl<N: FnMut(usize, &mut [f32])> Drawn<N> {
    /// `normals` fills in the noise of a move.
    pub(super) fn new(normals: N, len: usize) -> Self {
        Self { normals, single: vec![0.0; len], noise: vec![0.0; len] }
    }
}

impl<N: FnMut(usize, &mut [f32])> Source for Drawn<N> {
    fn displace(&mut self, k: usize, widths: &dyn Fn(usize) -> f64, means: &[f64], by: &mut [f64]) -> &[f64] {
        if widths(0) > 0.0 || widths(by.len() - 1) > 0.0 {
            (self.normals)(k, &mut self.single);
        }
        let parts = by.iter_mut().zip(means).zip(&mut self.noise).zip(&self.single);
        for (i, (((by, mean), noise), z)) in parts.enumerate() {
            *noise = f64::from(*z);
            *by = mean + widths(i) * *noise;
        }
        &self.noise
    }
}

/// Displacements `[moves][n, dim]` are given.
pub(super) struct Given<'a> {
    moves: &'a [Vec<f64>],
    noise: Vec<f64>,
}

impl Source for Given<'_> {
    fn displace(&mut self, k: usize, widths: &dyn Fn(usize) -> f64, means: &[f64], by: &mut [f64]) -> &[f64] {
        by.copy_from_slice(&self.moves[k]);
        for (i, ((noise, by), mean)) in self.noise.iter_mut().zip(&*by).zip(means).enumerate() {
            *noise = (by - mean) / widths(i);
        }
        &self.noise
    }
}

/// A score, and where it was taken relative to where the path is.
struct Prediction {
    scores: Vec<f64>,
    places: Vec<f64>,
}

/// Squares of a row's residuals, for narrow coordinates and circles apart where their variances differ.
fn squares(narrow: usize, variances: [f64; 2], residuals: impl Iterator<Item = f64>) -> f64 {
    let apart = variances[0].to_bits() != variances[1].to_bits();
    let mut sums = [0.0; 2];
    for (i, r) in residuals.enumerate() {
        sums[usize::from(apart && i >= narrow)] += r * r;
    }
    sums[0] / variances[0] + if apart { sums[1] / variances[1] } else { 0.0 }
}

impl Kernels {
    /// Fills `out [n, dim]` with what terms make of predictions.
    fn combine<'a>(
        &self,
        terms: &[Terms; 2],
        predictions: impl Iterator<Item = &'a Prediction> + Clone,
        out: &mut [f64],
    ) {
        let (dim, narrow) = (self.dim(), self.narrow);
        for (j, prediction) in predictions.take(terms[0].scores.len().max(terms[1].scores.len())).enumerate() {
            let multipliers = [0, 1].map(|kind: usize| {
                let of = &terms[kind];
                (of.scores.get(j).copied().unwrap_or(0.0), of.places.get(j).copied().unwrap_or(0.0))
            });
            let parts = out.chunks_exact_mut(dim).zip(prediction.scores.chunks_exact(dim));
            for (r, (out, scores)) in parts.enumerate() {
                for (i, (out, score)) in out.iter_mut().zip(scores).enumerate() {
                    let (by_score, by_place) = multipliers[usize::from(i >= narrow)];
                    let mut part = by_score * score;
                    if by_place != 0.0 {
                        part += by_place * prediction.places[r * dim + i];
                    }
                    *out = if j == 0 { part } else { *out + part };
                }
            }
        }
    }

    /// Moves rows, wraps circles; predictions stay where they were taken.
    fn shift(&self, rows: &mut [f64], by: &[f64], history: &mut VecDeque<Prediction>) {
        for (row, by) in rows.chunks_exact_mut(self.dim()).zip(by.chunks_exact(self.dim())) {
            row.iter_mut().zip(by).for_each(|(x, by)| *x += by);
            self.settle(row);
        }
        for prediction in history.iter_mut() {
            prediction.places.iter_mut().zip(by).for_each(|(place, by)| *place -= by);
        }
    }

    /// From noise to data. Adds the kernels' part to the log-weights `[n]`, if there are densities.
    pub(super) fn walk(
        &self,
        source: &mut impl Source,
        rows: &mut [f64],
        log_ratio: &mut [f64],
        mut score: impl FnMut(f64, &[f64], &mut [f64]),
    ) {
        let (dim, len, weighted) = (self.dim(), rows.len(), self.has_density());
        let (mut means, mut by) = (vec![0.0; len], vec![0.0; len]);
        let mut history: VecDeque<Prediction> = VecDeque::new();
        for (k, step) in self.moves.iter().enumerate() {
            let mut scores = vec![0.0; len];
            score(step.from, rows, &mut scores);
            if weighted && k > 0 && self.moves[k - 1].back_drift != [0.0; 2] {
                self.arrive(&self.moves[k - 1], &by, &scores, log_ratio);
            }
            if let (Some((now, before)), Some(last)) = (step.average, history.front()) {
                scores.iter_mut().zip(&last.scores).for_each(|(s, b)| *s = now * *s + before * b);
            }
            history.push_front(Prediction { scores, places: vec![0.0; len] });
            if let Some(terms) = &step.corrector {
                self.correct(terms, &by, rows, &mut history);
            }
            if step.stages.is_empty() {
                self.combine(&step.terms, history.iter(), &mut means);
            } else {
                let stages = self.stages(step, rows, &history, &mut score);
                self.combine(&step.terms, history.iter().take(1).chain(&stages), &mut means);
            }
            let widths = step.forward.map(f64::sqrt);
            let width = |i: usize| widths[usize::from(i % dim >= self.narrow)];
            let noise = source.displace(k, &width, &means, &mut by);
            if weighted {
                let constant = self.log_widths(step);
                let rows = by.chunks_exact(dim).zip(noise.chunks_exact(dim)).zip(log_ratio.iter_mut());
                for ((by, noise), log) in rows {
                    let drawn: f64 = noise.iter().map(|z| z * z).sum();
                    let late = step.back_drift != [0.0; 2];
                    let back = if late { 0.0 } else { squares(self.narrow, step.backward, by.iter().copied()) };
                    *log += 0.5 * (drawn - back) + constant;
                }
            }
            history.truncate(self.moves.get(k + 1).map_or(0, |next| next.reach() - 1));
            self.shift(rows, &by, &mut history);
        }
    }

    /// What the kernel back of a move says, now that the score at the arrival is known.
    fn arrive(&self, step: &Move, by: &[f64], scores: &[f64], log_ratio: &mut [f64]) {
        let rows = by.chunks_exact(self.dim()).zip(scores.chunks_exact(self.dim()));
        for ((by, scores), log) in rows.zip(log_ratio) {
            let residuals = by.iter().zip(scores).enumerate();
            let residuals = residuals.map(|(i, (by, s))| step.back_drift[usize::from(i >= self.narrow)] * s - by);
            *log -= 0.5 * squares(self.narrow, step.backward, residuals);
        }
    }

    /// Takes the last step again from its beginning, `by` before the rows.
    fn correct(&self, terms: &[Terms; 2], by: &[f64], rows: &mut [f64], history: &mut VecDeque<Prediction>) {
        // Terms count places from the beginning of the step.
        for prediction in history.iter_mut() {
            prediction.places.iter_mut().zip(by).for_each(|(place, by)| *place += by);
        }
        let mut again = vec![0.0; by.len()];
        self.combine(terms, history.iter(), &mut again);
        for prediction in history.iter_mut() {
            prediction.places.iter_mut().zip(by).for_each(|(place, by)| *place -= by);
        }
        again.iter_mut().zip(by).for_each(|(again, by)| *again -= by);
        self.shift(rows, &again, history);
    }

    /// Evaluations on the way of a step.
    fn stages(
        &self,
        step: &Move,
        rows: &[f64],
        history: &VecDeque<Prediction>,
        score: &mut impl FnMut(f64, &[f64], &mut [f64]),
    ) -> Vec<Prediction> {
        let mut stages: Vec<Prediction> = Vec::new();
        for stage in &step.stages {
            let mut places = vec![0.0; rows.len()];
            self.combine(&stage.terms, history.iter().take(1).chain(&stages), &mut places);
            let mut there = rows.to_vec();
            self.shift(&mut there, &places, &mut VecDeque::new());
            let mut scores = vec![0.0; rows.len()];
            score(stage.h, &there, &mut scores);
            stages.push(Prediction { scores, places });
        }
        stages
    }

    /// Paths that end at given `rows`, drawn backwards by the kernels back: `log_ratio [n]` as [`Kernels::draw`] would have given them.
    /// With the energies of the ends they are weights of the target's own samples. 0 without a density.
    pub fn retrace(
        &self,
        streams: impl Fn(u64) -> Stream,
        items: Range<u32>,
        rows: &mut [f64],
        log_ratio: &mut [f64],
        mut score: impl FnMut(f64, &[f64], &mut [f64]),
    ) {
        log_ratio.fill(0.0);
        if !self.has_density() {
            return;
        }
        let (dim, plain) = (self.dim(), self.moves.iter().all(Move::plain));
        let (mut scores, mut noise) = (vec![0.0; rows.len()], vec![0.0_f32; rows.len()]);
        let mut given = vec![Vec::new(); self.moves.len()];
        for (k, step) in self.moves.iter().enumerate().rev() {
            normals(&streams(1 + k as u64), items.clone(), dim, &mut noise);
            let widths = step.backward.map(f64::sqrt);
            // `scores` are those at the arrival: of the move after, which begins there. The data themselves have none.
            let mut by: Vec<f64> = noise.iter().map(|z| f64::from(*z)).collect();
            for (i, (by, s)) in by.iter_mut().zip(&scores).enumerate() {
                let kind = usize::from(i % dim >= self.narrow);
                *by = step.back_drift[kind] * s - widths[kind] * *by;
            }
            for (row, by) in rows.chunks_exact_mut(dim).zip(by.chunks_exact(dim)) {
                row.iter_mut().zip(by).for_each(|(x, by)| *x -= by);
                self.settle(row);
            }
            if plain {
                score(step.from, rows, &mut scores);
                self.forth(step, (&by, &scores, &noise), log_ratio);
            } else {
                if k > 0 && self.moves[k - 1].back_drift != [0.0; 2] {
                    score(step.from, rows, &mut scores);
                }
                given[k] = by;
            }
        }
        for (row, log) in rows.chunks_exact(dim).zip(log_ratio.iter_mut()) {
            *log -= self.log_prior(row);
        }
        if !plain {
            let noise = vec![0.0; rows.len()];
            self.walk(&mut Given { moves: &given, noise }, rows, log_ratio, score);
        }
    }

    /// What a move's kernels say of a step drawn by the one back: displacements, scores at its beginning, the noise.
    fn forth(&self, step: &Move, (by, scores, noise): (&[f64], &[f64], &[f32]), log_ratio: &mut [f64]) {
        let (dim, constant) = (self.dim(), self.log_widths(step));
        let drifts = [0, 1].map(|kind: usize| step.terms[kind].scores[0]);
        let rows = by.chunks_exact(dim).zip(scores.chunks_exact(dim)).zip(noise.chunks_exact(dim));
        for (((by, scores), noise), log) in rows.zip(log_ratio) {
            let drawn: f64 = noise.iter().map(|z| f64::from(*z).powi(2)).sum();
            let mut forth = 0.0;
            for (i, (by, s)) in by.iter().zip(scores).enumerate() {
                let kind = usize::from(i >= self.narrow);
                let rest = by - drifts[kind] * s;
                forth += rest * rest / step.forward[kind];
            }
            *log += 0.5 * (forth - drawn) + constant;
        }
    }
}
