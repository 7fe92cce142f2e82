//! Steps and grids other than the default, with the predictions that multistep methods remember. In units of the data's variance they
//! are those of [`crate::diffusion::steps`].

use super::Annealer;
use super::setting::{Moved, Setting};
use crate::array::Arrays;
use crate::diffusion::kernels::Step;
use crate::diffusion::steps::terms::reach;
use crate::diffusion::steps::{Move, Scheme, Terms, grid, plan};
use crate::error::Result;
use crate::geometry::centre;
use crate::samplers::state;
use crate::spec::{Between, Corrector, Grid, Noise};

/// Most predictions that a step looks back to, beside that at hand.
const KEPT: usize = 2;

/// Predictions of the steps before, the newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct History {
    /// Scores `[n, dim]`.
    scores: Vec<Vec<f64>>,
    /// Where they were taken, relative to where the particles are.
    places: Vec<Vec<f64>>,
}

impl History {
    fn push(&mut self, scores: Vec<f64>) {
        self.places.insert(0, vec![0.0; scores.len()]);
        self.scores.insert(0, scores);
    }

    /// What terms make of the predictions.
    fn combine(&self, terms: &Terms) -> Vec<f64> {
        let mut sum = vec![0.0; self.scores[0].len()];
        for (j, (by_score, by_place)) in terms.scores.iter().zip(&terms.places).enumerate() {
            for ((sum, score), place) in sum.iter_mut().zip(&self.scores[j]).zip(&self.places[j]) {
                *sum += by_score * score + by_place * place;
            }
        }
        sum
    }

    /// After the particles have moved; predictions that no step looks back to are dropped.
    fn moved(&mut self, by: &[f64], kept: usize) {
        self.scores.truncate(kept);
        self.places.truncate(kept);
        for places in &mut self.places {
            places.iter_mut().zip(by).for_each(|(place, by)| *place -= by);
        }
    }

    pub(super) fn select(&mut self, kept: &[usize], dim: usize) {
        for rows in self.scores.iter_mut().chain(&mut self.places) {
            *rows = kept.iter().flat_map(|&i| rows[i * dim..(i + 1) * dim].iter().copied()).collect();
        }
    }

    pub(super) fn save(&self, arrays: &mut Arrays) {
        for (j, (scores, places)) in self.scores.iter().zip(&self.places).enumerate() {
            arrays.insert(format!("anneal.history.{j}.scores"), state::floats(scores));
            arrays.insert(format!("anneal.history.{j}.places"), state::floats(places));
        }
    }

    pub(super) fn load(arrays: &Arrays) -> Result<Self> {
        let mut history = Self::default();
        for j in (0..KEPT).take_while(|j| arrays.contains_key(&format!("anneal.history.{j}.scores"))) {
            history.scores.push(state::f64s(arrays, &format!("anneal.history.{j}.scores"))?);
            history.places.push(state::f64s(arrays, &format!("anneal.history.{j}.places"))?);
        }
        Ok(history)
    }
}

impl Setting<'_> {
    /// Variance of the noise before step `k`; 0 after the last.
    pub(super) fn level(&self, k: usize) -> f64 {
        match self.spec.grid {
            _ if k == self.spec.steps => 0.0,
            Grid::Geometric => {
                let ends = (self.schedule.h(0.0).sqrt(), self.schedule.h(1.0).sqrt());
                grid::geometric(self.spec.steps, ends)[k]
            }
            _ => self.schedule.h(self.time(k)),
        }
    }

    /// Step `k`.
    pub(super) fn planned(&self, k: usize) -> Move {
        let scheme = Scheme {
            step: self.spec.step,
            corrector: Corrector::None,
            noise: Noise::Tempered,
            gamma: self.gamma.at(self.time(k)),
            eta: 1.0,
            beta: 1.0,
            renewal: 0.0,
        };
        let first = k - k.min(KEPT);
        let levels: Vec<f64> = (first..=k + 1).map(|k| self.level(k) / self.variance).collect();
        let mut moves = plan(&scheme, &levels);
        moves.swap_remove(k - first).of_variance(self.variance)
    }
}

impl Annealer {
    /// One step as the settings have it. Without a density nothing is weighed.
    pub(super) fn planned_step(&mut self, at: &Setting) -> Result<()> {
        let (dim, one) = (at.net.dim(), at.planned(self.step));
        let (score, _) = at.score(&self.x, one.from, self.step, false)?;
        let weighed = one.forward[0] > 0.0;
        let width = one.forward[0].sqrt();
        let z = if weighed { self.noise(at) } else { vec![0.0; self.x.len()] };
        self.history.push(score);
        let mut change = self.history.combine(&one.terms[0]);
        let score = &self.history.scores[0];
        let mut all = Vec::with_capacity(self.parents.len());
        for ((change, z), score) in change.chunks_exact_mut(dim).zip(z.chunks_exact(dim)).zip(score.chunks_exact(dim)) {
            let mut moved = Moved::default();
            for ((change, z), s) in change.iter_mut().zip(z).zip(score) {
                let noise = width * z;
                *change += noise;
                moved.noise += noise * noise;
                moved.change += *change * *change;
                moved.score += s * s;
                moved.cross += s * *change;
            }
            all.push(moved);
        }
        self.x.iter_mut().zip(&change).for_each(|(x, by)| *x += by);
        centre(&mut self.x, dim / 3);
        self.history.moved(&change, reach(at.spec.step));
        if weighed {
            let step = Step { drift: one.terms[0].scores[0], forward: one.forward[0], backward: one.backward[0] };
            let own = Step::denoising(Noise::Tempered, at.variance, one.from, one.to);
            self.weigh(at, &all, (&step, &own), one.to)?;
        }
        Ok(())
    }

    /// Weights after a step of paths.
    pub(super) fn weigh(
        &mut self,
        at: &Setting,
        moved: &[Moved],
        (step, own): (&Step, &Step),
        h_next: f64,
    ) -> Result<()> {
        let (t, next) = (at.time(self.step), at.time(self.step + 1));
        self.path.moved(at, at.gamma.at(t), moved, step, own);
        if at.spec.between == Between::Energy {
            self.path.reached(at, at.gamma.at(next), &self.x, h_next)?;
        }
        if at.spec.between != Between::None {
            self.log_weight = self.path.weights();
        }
        Ok(())
    }
}
