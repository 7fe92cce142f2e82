//! Along a path: from noise to data, drawing it or following a given one, and from data to noise.

use std::collections::VecDeque;
use std::ops::Range;

use super::kernels::{Kernels, normals};
use crate::diffusion::steps::{Move, Terms};
use crate::rng::Stream;

/// Scores of rows at a variance of the noise.
pub(super) type Score<'a> = dyn FnMut(f64, &[f64], &mut [f64]) + 'a;

/// Where a move begins.
pub(super) struct Place<'a> {
    pub(super) kernels: &'a Kernels,
    /// Which move.
    pub(super) k: usize,
    pub(super) rows: &'a [f64],
    /// Means of the displacements.
    pub(super) means: &'a [f64],
    /// Predictions so far, the newest first.
    pub(super) history: &'a VecDeque<Prediction>,
}

impl<'a> Place<'a> {
    pub(super) fn step(&self) -> &'a Move {
        &self.kernels.moves[self.k]
    }

    /// Width of the noise of a coordinate, counted over all rows.
    pub(super) fn widths(&self) -> impl Fn(usize) -> f64 + use<> {
        let (dim, narrow, widths) = (self.kernels.dim(), self.kernels.narrow, self.step().forward.map(f64::sqrt));
        move |i| widths[usize::from(i % dim >= narrow)]
    }
}

/// Where a walk's displacements come from.
pub(super) trait Source {
    /// Fills in displacements `[n, dim]` of a move; returns the noise in units of its width. What chose among several goes into the
    /// log-weights `[n]`.
    fn displace(&mut self, at: &Place<'_>, by: &mut [f64], log_ratio: &mut [f64], score: &mut Score<'_>) -> &[f64];

    /// Scores where the last move led to, if they are known.
    fn ahead(&mut self) -> Option<Vec<f64>> {
        None
    }
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
    fn displace(&mut self, at: &Place<'_>, by: &mut [f64], _: &mut [f64], _: &mut Score<'_>) -> &[f64] {
        let widths = at.widths();
        if at.step().forward.iter().any(|v| *v > 0.0) {
            (self.normals)(at.k, &mut self.single);
        }
        let parts = by.iter_mut().zip(at.means).zip(&mut self.noise).zip(&self.single);
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
    fn displace(&mut self, at: &Place<'_>, by: &mut [f64], _: &mut [f64], _: &mut Score<'_>) -> &[f64] {
        let widths = at.widths();
        by.copy_from_slice(&self.moves[at.k]);
        for (i, ((noise, by), mean)) in self.noise.iter_mut().zip(&*by).zip(at.means).enumerate() {
            *noise = (by - mean) / widths(i);
        }
        &self.noise
    }
}

/// Scores `[n, dim]`, and where they were taken relative to where the path is.
pub(super) struct Prediction {
    pub(super) scores: Vec<f64>,
    places: Vec<f64>,
}

/// Squares of a row's residuals, for narrow coordinates and circles apart where their variances differ.
pub(super) fn squares(narrow: usize, variances: [f64; 2], residuals: impl Iterator<Item = f64>) -> f64 {
    let apart = variances[0].to_bits() != variances[1].to_bits();
    let mut sums = [0.0; 2];
    for (i, r) in residuals.enumerate() {
        sums[usize::from(apart && i >= narrow)] += r * r;
    }
    sums[0] / variances[0] + if apart { sums[1] / variances[1] } else { 0.0 }
}

impl Kernels {
    /// Fills `out [n, dim]` with what terms make of predictions.
    pub(super) fn combine<'a>(
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

    /// Moves rows, wraps circles.
    pub(super) fn displace(&self, rows: &mut [f64], by: &[f64]) {
        for (row, by) in rows.chunks_exact_mut(self.dim()).zip(by.chunks_exact(self.dim())) {
            row.iter_mut().zip(by).for_each(|(x, by)| *x += by);
            self.settle(row);
        }
    }

    /// The same; predictions stay where they were taken.
    fn shift(&self, rows: &mut [f64], by: &[f64], history: &mut VecDeque<Prediction>) {
        self.displace(rows, by);
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
            let mut scores = source.ahead().unwrap_or_else(|| {
                let mut scores = vec![0.0; len];
                score(step.from, rows, &mut scores);
                scores
            });
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
            if step.own != [0.0; 2] {
                for (i, (mean, x)) in means.iter_mut().zip(&*rows).enumerate() {
                    *mean += step.own[usize::from(i % dim >= self.narrow)] * x;
                }
            }
            let at = Place { kernels: self, k, rows, means: &means, history: &history };
            let noise = source.displace(&at, &mut by, log_ratio, &mut score);
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
            self.displace(&mut there, &places);
            let mut scores = vec![0.0; rows.len()];
            score(stage.h, &there, &mut scores);
            stages.push(Prediction { scores, places });
        }
        stages
    }

    /// Paths that end at given `rows`, drawn backwards by the kernels back: `log_ratio [n]` as [`Kernels::draw`] would have given them.
    /// With the energies of the ends they are weights of the target's own samples. 0 without a density. `rows` end at the noise.
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
            self.walk(&mut Given { moves: &given, noise }, &mut rows.to_vec(), log_ratio, score);
        }
    }

    /// From data `rows` up to this path's noise by the kernels back, and down again by those forward: other data, and in
    /// `log_ratio [n]` the log-weight of the way down less that of the way up, both without the energies of their ends. Where they
    /// begin is the same for both, so that its density cancels: with the energies this is the logarithm of a Metropolis ratio.
    pub(super) fn renoise(
        &self,
        (up, down): (impl Fn(u64) -> Stream, impl Fn(u64) -> Stream),
        items: Range<u32>,
        rows: &mut [f64],
        log_ratio: &mut [f64],
        mut score: impl FnMut(f64, &[f64], &mut [f64]),
    ) {
        let mut back = vec![0.0; log_ratio.len()];
        self.retrace(up, items.clone(), rows, &mut back, &mut score);
        for (row, log) in rows.chunks_exact(self.dim()).zip(log_ratio.iter_mut()) {
            *log = -self.log_prior(row);
        }
        let noise = |k: usize, out: &mut [f32]| normals(&down(1 + k as u64), items.clone(), self.dim(), out);
        self.walk(&mut Drawn::new(noise, rows.len()), rows, log_ratio, score);
        log_ratio.iter_mut().zip(back).for_each(|(log, back)| *log -= back);
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
