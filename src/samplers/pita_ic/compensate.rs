//! DC-Solver's compensation (arXiv 2409.03755): the newest prediction of a step without noise is moved along its difference from the one
//! before, by a ratio for each step, so that a pilot's paths stay on those of many small steps.
//!
//! `D` becomes `D + (rho - 1)(D - D_before)` (slopes on circles), with ratios of their own for narrow coordinates and circles. The paper
//! interpolates between the predictions kept and searches the ratios by gradients; here the step is linear in the ratio, so that the
//! nearest one has a closed form. The first step has nothing to compare with, and one to the data goes there by itself.

use super::kernels::Kernels;
use super::walk::{Drawn, Place, Score, Source};
use crate::diffusion::steps::{Move, Scheme, Terms};
use crate::spec::{Corrector, Step};

/// Steps of the paths to stay on, for each step.
const FINE: usize = 8;

/// What multiplies predictions when the newest is moved by one difference from that before: narrow coordinates, circles.
fn difference(step: &Move, before: f64) -> [Terms; 2] {
    [0, 1].map(|kind: usize| {
        let terms = &step.terms[kind];
        // Slopes are `-sigma s`, predictions `x + h s`: what multiplies scores turns from one level to the other by this.
        let ratio = if terms.places[0] == 0.0 { (before / step.from).sqrt() } else { before / step.from };
        Terms {
            scores: vec![terms.scores[0], -ratio * terms.scores[0]],
            places: vec![terms.places[0], -terms.places[0]],
        }
    })
}

/// Steps towards given rows as far as a ratio can.
struct Compensated<'a> {
    /// Where each move should begin.
    rows: &'a [Vec<f64>],
    /// `rho - 1` of each move.
    found: Vec<[f64; 2]>,
}

impl Source for Compensated<'_> {
    fn displace(&mut self, at: &Place<'_>, by: &mut [f64], _: &mut [f64], _: &mut Score<'_>) -> &[f64] {
        by.copy_from_slice(at.means);
        let mut ratios = [0.0; 2];
        if let Some(end) = self.rows.get(at.k + 1).filter(|_| at.k > 0) {
            let (kernels, dim) = (at.kernels, at.kernels.dim());
            let mut along = vec![0.0; by.len()];
            kernels.combine(&difference(at.step(), kernels.moves[at.k - 1].from), at.history.iter(), &mut along);
            let mut missing: Vec<f64> = end.iter().zip(at.rows).zip(&*by).map(|((end, x), by)| end - x - by).collect();
            missing.chunks_exact_mut(dim).for_each(|row| kernels.settle(row));
            let (mut cross, mut square) = ([0.0; 2], [0.0; 2]);
            for (i, (along, missing)) in along.iter().zip(&missing).enumerate() {
                let kind = usize::from(i % dim >= kernels.narrow);
                cross[kind] += along * missing;
                square[kind] += along * along;
            }
            ratios = [0, 1].map(|kind: usize| if square[kind] > 0.0 { cross[kind] / square[kind] } else { 0.0 });
            for (i, (by, along)) in by.iter_mut().zip(&along).enumerate() {
                *by += ratios[usize::from(i % dim >= kernels.narrow)] * along;
            }
        }
        self.found.push(ratios);
        &[]
    }
}

/// Levels with more between each two, evenly in `ln sigma`.
fn finer(levels: &[f64]) -> Vec<f64> {
    let between = |w: &[f64]| {
        let (from, ratio) = (w[0], w[1] / w[0]);
        (0..FINE).map(move |i| from * ratio.powf(i as f64 / FINE as f64))
    };
    levels.windows(2).flat_map(between).chain(levels.last().copied()).collect()
}

impl Kernels {
    /// With ratios found on paths that begin at `rows`; costs [`FINE`] evaluations for each step, and one more.
    #[must_use]
    pub(super) fn compensated(
        mut self,
        scheme: &Scheme,
        rows: &[f64],
        mut score: impl FnMut(f64, &[f64], &mut [f64]),
    ) -> Self {
        let end = self.moves.last().map(|step| step.to).filter(|h| *h > 0.0);
        let levels: Vec<f64> = self.moves.iter().map(|step| step.from).chain(end).collect();
        let exact = Scheme { step: Step::DpmSolverPp2m, corrector: Corrector::None, ..*scheme };
        let fine = Self::between((self.narrow, self.dim() - self.narrow), &finer(&levels), &exact);
        let mut log = vec![0.0; rows.len() / self.dim()];
        // Where the fine paths are when the steps begin, and in the end: they are evaluated once in each of theirs.
        let (mut recorded, mut ends, mut evaluations) = (Vec::new(), rows.to_vec(), 0_usize);
        fine.walk(&mut Drawn::new(|_, _| {}, rows.len()), &mut ends, &mut log, |h, rows: &[f64], out: &mut [f64]| {
            if evaluations.is_multiple_of(FINE) {
                recorded.push(rows.to_vec());
            }
            evaluations += 1;
            score(h, rows, out);
        });
        recorded.push(ends);
        // The prediction before is to be kept.
        for terms in self.moves.iter_mut().skip(1).flat_map(|step| &mut step.terms) {
            for multipliers in [&mut terms.scores, &mut terms.places] {
                multipliers.resize(multipliers.len().max(2), 0.0);
            }
        }
        let mut student = Compensated { rows: &recorded, found: Vec::new() };
        self.walk(&mut student, &mut rows.to_vec(), &mut log, &mut score);
        for (k, ratios) in student.found.into_iter().enumerate().skip(1) {
            let difference = difference(&self.moves[k], self.moves[k - 1].from);
            for ((terms, by), ratio) in self.moves[k].terms.iter_mut().zip(&difference).zip(ratios) {
                for (own, by) in [(&mut terms.scores, &by.scores), (&mut terms.places, &by.places)] {
                    own.iter_mut().zip(by).for_each(|(own, by)| *own += ratio * by);
                }
            }
        }
        self
    }
}
