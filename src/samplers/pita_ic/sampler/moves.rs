//! Moves of resampled draws with the true energy: along the path to noise and back (denoising MCMC), then MALA.

use super::{MOVED, Phase, PitaIc};
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::metrics::weights::distinct;
use crate::rng::{self, Stream};
use crate::samplers::internal::{Chart, Frames};
use crate::samplers::md::mala::Mala;
use crate::samplers::pita::loss::mean;
use crate::samplers::{Context, Population, Progress};

impl PitaIc {
    /// Some moves at the temperature of the draws, so many of MALA after those of denoising MCMC; true when there are enough, or no more
    /// are paid for: then with the particles.
    fn moves(&mut self, ctx: &mut Context, what: &str, of_mala: usize) -> Result<(bool, Progress)> {
        let (n, kt, salt) = (self.mala.len(), self.kt(self.rung + 1), self.rung as u64);
        let denoising = self.spec.anneal.denoising();
        let total = denoising + of_mala;
        let until = total.min(self.done + (MOVED / n).max(1));
        let (mut mala, mut dmcmc, mut spent) = (Vec::new(), Vec::new(), false);
        while self.done < until {
            spent = self.affordable(&ctx.energy, n) < n;
            if spent {
                break;
            }
            if self.done < denoising {
                dmcmc.push(self.renoise(ctx)?);
            } else {
                let eps = self.step.current();
                let (model, _) =
                    self.model.as_ref().ok_or_else(|| Error::Internal("pita-ic: no chart to move in".into()))?;
                let key = (ctx.seed, rng::Purpose::Refine, salt);
                let p = self.mala.advance(&model.chart, &mut ctx.energy, Purpose::Refinement, key, |_| (kt, eps))?;
                self.step.update(mean(&p));
                mala.push(mean(&p));
            }
            self.done += 1;
        }
        let mut scalars = Vec::new();
        if !dmcmc.is_empty() {
            scalars.push(("dmcmc.acceptance", mean(&dmcmc)));
        }
        if dmcmc.is_empty() || !mala.is_empty() {
            scalars.extend([("refine.acceptance", mean(&mala)), ("refine.step", self.step.current())]);
        }
        let complete = spent || self.done == total;
        let mut report = self.progress(what, total, scalars);
        if complete {
            let shown = self.mala.select(&Population::choose(n, None));
            let positions = self.model()?.0.chart.place(&shown.positions);
            report.population = Population::new(self.temperatures[self.rung + 1], self.system.atoms, &positions);
        }
        Ok((complete, report))
    }

    /// One move of denoising MCMC of every particle; returns the mean of the chances that it is accepted.
    fn renoise(&mut self, ctx: &mut Context) -> Result<f64> {
        let (kt, seed) = (self.kt(self.rung + 1), ctx.seed);
        let key = ((self.rung as u64) << 40) | ((self.done as u64) << 20);
        let way = |which: u64| move |step: u64| Stream::new(seed, rng::Purpose::Exchange, key | (2 * step + which));
        let levels = self.path_levels(seed)?;
        let (model, learner) = self.model()?;
        // The path's own levels below the noise that is to be reached; one at least.
        let highest = self.spec.anneal.denoised_from().powi(2);
        let first = levels.iter().position(|h| *h <= highest).unwrap_or(levels.len() - 1);
        let kernels = model.kernels(&self.spec.anneal, levels[first..].to_vec(), self.gamma());
        let moved = model.renoise(&learner.average, &kernels, &(way(0), way(1)), &self.mala.positions);
        let new = Mala::new(&model.chart, moved.rows, &mut ctx.energy, Purpose::Refinement)?;
        self.levels = Some(levels);
        let (dim, accept) = (new.positions.len() / new.len(), Stream::new(seed, rng::Purpose::Accept, key));
        let mut chances = 0.0;
        for (i, (energy, ratio)) in new.energies.iter().zip(&moved.log_ratio).enumerate() {
            let log_ratio = ratio + (self.mala.energies[i] - energy) / kt;
            let chance = if log_ratio.is_nan() { 0.0 } else { log_ratio.exp().min(1.0) };
            chances += chance;
            if accept.at(i as u32).uniform() < chance {
                let row = i * dim..(i + 1) * dim;
                self.mala.energies[i] = *energy;
                self.mala.positions[row.clone()].copy_from_slice(&new.positions[row.clone()]);
                self.mala.forces[row.clone()].copy_from_slice(&new.forces[row]);
            }
        }
        Ok(chances / new.len() as f64)
    }

    pub(super) fn move_on(&mut self, ctx: &mut Context) -> Result<Progress> {
        let (complete, mut report) = self.moves(ctx, "moves", self.spec.anneal.moves)?;
        if complete {
            report.scalars.push(("anneal.unique_parents".to_owned(), distinct(&self.parents) as f64));
            let (model, _) = self.model()?;
            let circles = model.chart.circles().to_vec();
            self.frames = Frames::decoded(&model.chart, &self.mala.positions, &self.mala.forces);
            self.rung += 1;
            let chart = Chart::fit(&self.volume, &circles, &self.frames.q)?;
            self.chart_anew(chart, ctx.seed);
            let energies = std::mem::take(&mut self.mala.energies);
            self.next_temperature(&energies)?;
            (self.drawn, self.log_w) = (Mala::default(), Vec::new());
            (self.mala, self.parents) = (Mala::default(), Vec::new());
            self.enter(Phase::Train);
        }
        Ok(report)
    }

    pub(super) fn refine(&mut self, ctx: &mut Context) -> Result<Progress> {
        let (complete, mut report) = self.moves(ctx, "refinement", self.spec.refine)?;
        if complete {
            self.enter(Phase::Done);
            report.finished = true;
        }
        Ok(report)
    }
}
