//! Moves of resampled draws with the true energy: along the path to noise and back (denoising MCMC), then MALA.

use super::{MOVED, Phase, PitaIc, Weighted};
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::rng::{self, Stream};
use crate::samplers::internal::{Chart, Frames};
use crate::samplers::md::mala::Mala;
use crate::samplers::md::space::Space;
use crate::samplers::{Context, Progress};

/// Means over the moves of one kind.
#[derive(Default)]
struct Acceptance {
    sum: f64,
    moves: f64,
}

impl Acceptance {
    fn add(&mut self, mean: f64) {
        self.sum += mean;
        self.moves += 1.0;
    }

    fn mean(&self) -> f64 {
        self.sum / f64::max(self.moves, 1.0)
    }
}

impl PitaIc {
    /// Some moves at the temperature of the draws, so many of MALA after those of denoising MCMC; true when there are enough, or no more
    /// are paid for.
    fn moves(&mut self, ctx: &mut Context, of_mala: usize) -> Result<(bool, Vec<(&'static str, f64)>)> {
        let (n, kt, salt) = (self.mala.len(), self.kt(self.rung + 1), self.rung as u64);
        let denoising = self.spec.anneal.denoising();
        let total = denoising + of_mala;
        let until = total.min(self.done + (MOVED / n).max(1));
        let (mut mala, mut dmcmc, mut spent) = (Acceptance::default(), Acceptance::default(), false);
        while self.done < until && !spent {
            spent = self.affordable(&ctx.energy, n) < n;
            if spent {
                break;
            }
            if self.done < denoising {
                dmcmc.add(self.renoise(ctx)?);
                self.done += 1;
                continue;
            }
            let eps = self.step.current();
            let (model, _) =
                self.model.as_ref().ok_or_else(|| Error::Internal("pita-ic: no chart to move in".into()))?;
            let key = (ctx.seed, rng::Purpose::Refine, salt);
            let p = self.mala.advance_in(&model.chart, &mut ctx.energy, Purpose::Refinement, key, |_| (kt, eps))?;
            let mean = p.iter().sum::<f64>() / n as f64;
            self.step.update(mean);
            mala.add(mean);
            self.done += 1;
        }
        let mut scalars = Vec::new();
        if dmcmc.moves > 0.0 {
            scalars.push(("dmcmc.acceptance", dmcmc.mean()));
        }
        if dmcmc.moves == 0.0 || mala.moves > 0.0 {
            scalars.extend([("refine.acceptance", mala.mean()), ("refine.step", self.step.current())]);
        }
        Ok((spent || self.done == total, scalars))
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
        let moved = model.renoise(learner.averaged(), &kernels, &(way(0), way(1)), &self.mala.positions);
        let (mut energies, mut forces) = (vec![0.0; self.mala.len()], vec![0.0; moved.rows.len()]);
        model.chart.evaluate(&mut ctx.energy, Purpose::Refinement, &moved.rows, &mut energies, &mut forces)?;
        self.levels = Some(levels);
        let (dim, accept) = (moved.rows.len() / energies.len(), Stream::new(seed, rng::Purpose::Accept, key));
        let mut chances = 0.0;
        for (i, (energy, ratio)) in energies.iter().zip(&moved.log_ratio).enumerate() {
            let log_ratio = ratio + (self.mala.energies[i] - energy) / kt;
            let chance = if log_ratio.is_nan() { 0.0 } else { log_ratio.exp().min(1.0) };
            chances += chance;
            if accept.at(i as u32).uniform() < chance {
                let row = i * dim..(i + 1) * dim;
                self.mala.energies[i] = *energy;
                self.mala.positions[row.clone()].copy_from_slice(&moved.rows[row.clone()]);
                self.mala.forces[row.clone()].copy_from_slice(&forces[row]);
            }
        }
        Ok(chances / energies.len() as f64)
    }

    pub(super) fn move_on(&mut self, ctx: &mut Context) -> Result<Progress> {
        let total = self.spec.anneal.moves;
        let (complete, mut scalars) = self.moves(ctx, total)?;
        if complete {
            let mut parents = self.parents.clone();
            parents.dedup(); // ascending
            scalars.push(("anneal.unique_parents", parents.len() as f64));
        }
        let mut report = self.progress("moves", self.spec.anneal.denoising() + total, scalars);
        if complete {
            let (model, _) = self.model()?;
            let place = |rows: &[f64]| model.chart.place(rows);
            report.population = self.population(self.rung + 1, &self.mala.positions, self.mala.len(), place);
            let circles = model.chart.circles().to_vec();
            let frames = Frames::decoded(&model.chart, &self.mala.positions, &self.mala.forces);
            self.frames = frames;
            self.rung += 1;
            let chart = Chart::fit(&self.volume, &circles, &self.frames.q)?;
            self.chart_anew(chart, ctx.seed);
            let energies = std::mem::take(&mut self.mala.energies);
            self.next_temperature(&energies)?;
            (self.drawn, self.mala, self.parents) = (Weighted::default(), Mala::default(), Vec::new());
            self.enter(Phase::Train);
        }
        Ok(report)
    }

    pub(super) fn refine(&mut self, ctx: &mut Context) -> Result<Progress> {
        let total = self.spec.refine;
        let (complete, scalars) = self.moves(ctx, total)?;
        let mut report = self.progress("refinement", self.spec.anneal.denoising() + total, scalars);
        if complete {
            let (model, _) = self.model()?;
            let place = |rows: &[f64]| model.chart.place(rows);
            report.population = self.population(self.rung + 1, &self.mala.positions, self.mala.len(), place);
            self.enter(Phase::Done);
            report.finished = true;
        }
        Ok(report)
    }
}
