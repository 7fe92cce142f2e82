//! Steps and grids other than the default, with the predictions that multistep methods remember. In units of the data's variance they
//! are those of [`crate::diffusion::steps`].

use super::setting::Setting;
use crate::array::Arrays;
use crate::diffusion::steps::{Move, Scheme, Terms, grid, plan};
use crate::error::Result;
use crate::samplers::state;
use crate::spec::{Corrector, Grid, Noise};

/// Most predictions that a step looks back to, beside that at hand.
const KEPT: usize = 2;

/// Predictions of the steps before, the newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct History {
    /// Scores `[n, dim]`.
    pub(super) scores: Vec<Vec<f64>>,
    /// Where they were taken, relative to where the particles are.
    places: Vec<Vec<f64>>,
}

impl History {
    pub(super) fn push(&mut self, scores: Vec<f64>) {
        self.places.insert(0, vec![0.0; scores.len()]);
        self.scores.insert(0, scores);
    }

    /// What terms make of the predictions.
    pub(super) fn combine(&self, terms: &Terms) -> Vec<f64> {
        let mut sum = vec![0.0; self.scores[0].len()];
        for (j, (by_score, by_place)) in terms.scores.iter().zip(&terms.places).enumerate() {
            for ((sum, score), place) in sum.iter_mut().zip(&self.scores[j]).zip(&self.places[j]) {
                *sum += by_score * score + by_place * place;
            }
        }
        sum
    }

    /// After the particles have moved; predictions that no step looks back to are dropped.
    pub(super) fn moved(&mut self, by: &[f64], kept: usize) {
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

    /// Scores for step `k` at variance `h`. With guidance those of the next temperature: tempered paths have noise `h/gamma` about data
    /// whose score is `gamma` times as long, and at that noise `s + beyond (s - s_hotter)` is the line through two temperatures in beta.
    /// PTSD extrapolates in the temperature, of which the score of the data is no linear function; in beta it is one.
    pub(super) fn guided(&self, x: &[f64], h: f64, k: usize) -> Result<Vec<f64>> {
        let Some(guide) = self.guide.filter(|_| self.spec.guidance) else {
            return Ok(self.score(x, h, k, false)?.0);
        };
        let gamma = self.gamma.at(self.time(k));
        let (mut own, _) = self.score(x, h / gamma, k, false)?;
        let (far, _) = Setting { beta: guide.hotter, ..*self }.score(x, h / gamma, k, false)?;
        own.iter_mut().zip(far).for_each(|(s, far)| *s = (*s + guide.beyond * (*s - far)) / gamma);
        Ok(own)
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
