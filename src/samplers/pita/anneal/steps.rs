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

/// Predictions of the steps before, the newest first: scores `[n, dim]`, and where they were taken relative to where the particles are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct History(pub(super) Vec<[Vec<f64>; 2]>);

impl History {
    pub(super) fn push(&mut self, scores: Vec<f64>) {
        let places = vec![0.0; scores.len()];
        self.0.insert(0, [scores, places]);
    }

    /// What terms make of the predictions.
    pub(super) fn combine(&self, terms: &Terms) -> Vec<f64> {
        let mut sum = vec![0.0; self.0[0][0].len()];
        for (j, (by_score, by_place)) in terms.scores.iter().zip(&terms.places).enumerate() {
            let [scores, places] = &self.0[j];
            for ((sum, score), place) in sum.iter_mut().zip(scores).zip(places) {
                *sum += by_score * score + by_place * place;
            }
        }
        sum
    }

    /// After the particles have moved; predictions that no step looks back to are dropped.
    pub(super) fn moved(&mut self, by: &[f64], kept: usize) {
        self.0.truncate(kept);
        for [_, places] in &mut self.0 {
            places.iter_mut().zip(by).for_each(|(place, by)| *place -= by);
        }
    }

    pub(super) fn select(&mut self, kept: &[usize], dim: usize) {
        for rows in self.0.iter_mut().flatten() {
            *rows = kept.iter().flat_map(|&i| rows[i * dim..(i + 1) * dim].iter().copied()).collect();
        }
    }

    pub(super) fn save(&self, arrays: &mut Arrays) {
        for (j, [scores, places]) in self.0.iter().enumerate() {
            arrays.insert(format!("anneal.history.{j}.scores"), state::floats(scores));
            arrays.insert(format!("anneal.history.{j}.places"), state::floats(places));
        }
    }

    pub(super) fn load(arrays: &Arrays) -> Result<Self> {
        let name = |j: usize, what: &str| format!("anneal.history.{j}.{what}");
        let kept = (0..KEPT).take_while(|j| arrays.contains_key(&name(*j, "scores")));
        let load = |j| Ok([state::f64s(arrays, &name(j, "scores"))?, state::f64s(arrays, &name(j, "places"))?]);
        kept.map(load).collect::<Result<_>>().map(Self)
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
        let Some((hotter, next)) = self.guide.filter(|_| self.spec.guidance) else {
            return Ok(self.score(x, h, k, false)?.0);
        };
        let gamma = self.gamma.at(self.time(k));
        let (mut own, _) = self.score(x, h / gamma, k, false)?;
        let (far, _) = Setting { beta: hotter, ..*self }.score(x, h / gamma, k, false)?;
        // How far the next temperature lies beyond this one, in units of the distance from the one before.
        let beyond = (next - self.beta) / (self.beta - hotter);
        own.iter_mut().zip(far).for_each(|(s, far)| *s = (*s + beyond * (*s - far)) / gamma);
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
