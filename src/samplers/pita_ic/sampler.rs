//! The ladder: initial data, then per rung training, annealed draws, resampling and moves; at last the samples.

mod moves;
mod record;

use std::sync::Arc;

use super::control::Control;
use super::data::Data;
use super::model::{Drawn, Model};
use super::train::Learner;
use crate::diffusion::{ess, systematic};
use crate::energy::{Metered, Purpose};
use crate::error::{Error, Result};
use crate::flow::Volume;
use crate::metrics::weights::log_mean_exp;
use crate::rng::{self, Stream};
use crate::samplers::internal::{Chart, Frames, chart::circles, volume};
use crate::samplers::md::mala::{DualAveraging, Mala};
use crate::samplers::md::{Md, Taken};
use crate::samplers::{Context, Population, Progress, falling, smc};
use crate::spec::{Ladder, PitaIcSpec};
use crate::systems::System;

/// Particles drawn per call of [`crate::samplers::Sampler::step`]: about a second.
const DRAWS: usize = 960;
/// Rows of training per call.
const ROWS: usize = 8_192;
/// Evaluations of moves per call.
const MOVED: usize = 30_000;
/// First step of MALA, in squared standard deviations.
const FIRST_STEP: f64 = 0.03;
/// Prefix of the initial dynamics in checkpoints.
const INITIAL: &str = "initial.";
/// Volume of the poses that the Jacobian of a Z-matrix leaves out, as flows on internal coordinates count it: `2 ln 2 pi`.
const LN_POSES: f64 = 2.0 * 1.837_877_066_409_345_5;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Dynamics at the highest temperature.
    Initial,
    /// Training on this rung's frames; counts steps.
    Train,
    /// Draws; counts particles.
    Anneal,
    /// Moves after resampling; counts them.
    Move,
    /// Moves of the resampled result.
    Refine,
    /// The samples are final.
    Done,
}

/// Most energies that the result takes.
fn result(spec: &PitaIcSpec) -> usize {
    spec.samples * spec.anneal.energies() + spec.anneal.pilot()
}

/// PITA in internal coordinates as a resumable sampler.
pub struct PitaIc {
    spec: PitaIcSpec,
    system: Arc<System>,
    volume: Arc<Volume>,
    /// From the highest to the target, which comes twice.
    temperatures: Vec<f64>,
    phase: Phase,
    rung: usize,
    /// Work done in this phase.
    done: usize,
    initial: Md,
    /// This rung's data; the rows that training reads are made of them.
    frames: Frames,
    data: Data,
    model: Option<(Model, Learner)>,
    /// Noise levels of this rung's paths, once they are known; found again after a restart.
    levels: Option<Vec<f64>>,
    /// What a pilot fitted of this rung's kernels, where it is asked for.
    control: Option<Control>,
    /// Draws of this rung in the chart of its data, and their log-weights.
    drawn: Mala,
    log_w: Vec<f64>,
    mala: Mala,
    /// MALA's step by now.
    step: DualAveraging,
    /// Which draws were resampled for the moves.
    parents: Vec<i64>,
}

impl PitaIc {
    /// At the beginning.
    ///
    /// # Errors
    /// [`Error::Usage`] when the system is no molecule, the ladder does not lead down to the target, or the budget is too small.
    pub fn new(spec: &PitaIcSpec, ctx: &Context) -> Result<Self> {
        let target = ctx.system.temperature;
        let mut temperatures = falling("pita-ic", spec.ladder.known(), target)?;
        let walkers = spec.initial.walkers;
        let steps = spec.initial.equilibration + spec.initial.samples.div_ceil(walkers) * spec.initial.stride;
        let least = (walkers * (steps + 1) + result(spec)) as u64;
        if let Some(budget) = spec.budget.filter(|budget| *budget < least) {
            return Err(Error::Usage(format!(
                "pita-ic: the budget of {budget} evaluations does not pay for the initial dynamics and the samples ({least})"
            )));
        }
        let kt = ctx.system.kt(temperatures[0]);
        temperatures.push(target);
        Ok(Self {
            system: Arc::clone(&ctx.system),
            volume: volume("pita-ic", &ctx.system)?,
            temperatures,
            phase: Phase::Initial,
            rung: 0,
            done: 0,
            initial: Md::initial(&spec.initial, ctx, kt)?,
            frames: Frames::default(),
            data: Data::default(),
            model: None,
            levels: None,
            control: None,
            drawn: Mala::default(),
            log_w: Vec::new(),
            mala: Mala::default(),
            step: DualAveraging::near(FIRST_STEP, spec.anneal.acceptance),
            parents: Vec::new(),
            spec: spec.clone(),
        })
    }

    fn kt(&self, rung: usize) -> f64 {
        self.system.kt(self.temperatures[rung])
    }

    fn rungs(&self) -> usize {
        self.temperatures.len() - 1
    }

    fn last(&self) -> bool {
        self.rung + 1 == self.rungs()
    }

    fn model(&self) -> Result<&(Model, Learner)> {
        self.model.as_ref().ok_or_else(|| Error::Internal("pita-ic: no model before the initial data".into()))
    }

    fn train_steps(&self) -> usize {
        if self.rung == 0 { self.spec.train.first_steps } else { self.spec.train.steps }
    }

    fn progress(&self, what: &str, total: usize, scalars: Vec<(&str, f64)>) -> Progress {
        let (k, t) = (self.rung, &self.temperatures);
        let phase = match &self.spec.ladder {
            Ladder::Fixed(_) => format!("rung {}/{} (T = {} to {}): {what}", k + 1, self.rungs(), t[k], t[k + 1]),
            Ladder::Auto(_) => format!("rung {} (T = {:.6} to {:.6}): {what}", k + 1, t[k], t[k + 1]),
        };
        let scalars = scalars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Progress::new(self.done, total, phase, scalars, self.phase == Phase::Done)
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.done = 0;
    }

    /// How many of `n` evaluations may be used: those of the result are put aside.
    fn affordable(&self, energy: &Metered, n: usize) -> usize {
        let kept = if self.last() { 0 } else { result(&self.spec) as u64 };
        let left = energy.left().map_or(u64::MAX, |left| left.saturating_sub(kept));
        n.min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn initial(&mut self, ctx: &mut Context) -> Result<Progress> {
        let step = self.initial.initial_step(ctx)?;
        self.done = step.done as usize;
        let mut scalars: Vec<(&str, f64)> = step.scalars.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        if !step.finished {
            return Ok(self.progress("initial data", step.total as usize, scalars));
        }
        let Taken { x, energies, forces, .. } = self.initial.take_frames();
        let taken = Mala { positions: x, energies, forces, moves: 0 };
        let (frames, kept) = Frames::measured(&self.volume, &taken.positions, &taken.forces);
        let around = circles(&self.volume, &frames.q);
        scalars.push(("initial.outside", (taken.len() - kept.len()) as f64));
        scalars.push(("chart.circles", around.len() as f64));
        self.frames = frames;
        let chart = Chart::fit(&self.volume, &around, &self.frames.q)?;
        self.chart_anew(chart, ctx.seed);
        self.next_temperature(&taken.energies)?;
        let shown = taken.select(&Population::choose(taken.len(), None));
        let population = Population::new(self.temperatures[0], self.system.atoms, &shown.positions);
        let report = Progress { population, ..self.progress("initial data", step.total as usize, scalars) };
        self.enter(Phase::Train);
        Ok(report)
    }

    /// With a ladder that is found on the way: where this rung leads to, from energies of its data.
    fn next_temperature(&mut self, energies: &[f64]) -> Result<()> {
        let (Ladder::Auto(auto), target) = (&self.spec.ladder, self.system.temperature) else { return Ok(()) };
        let from = self.temperatures[self.rung];
        if from > target {
            let equal = smc::weights::Weights::new(energies.len(), energies.len());
            let next = smc::ladder::next_temperature(&self.system, &equal, energies, from, auto.ess)?;
            self.temperatures.truncate(self.rung + 1);
            self.temperatures.extend([next, target]);
        }
        Ok(())
    }

    /// Takes a chart into use, with the network so far.
    fn chart_anew(&mut self, chart: Chart, seed: u64) {
        let model = Model::new(chart, &self.spec);
        let learner = match self.model.take() {
            Some((_, mut learner)) => {
                learner.restart();
                learner
            }
            None => Learner::new(&model.net, &self.spec.train, seed),
        };
        self.data = Data::new(&model.chart, &self.frames, self.kt(self.rung), self.spec.train.force_clip);
        self.model = Some((model, learner));
        (self.levels, self.control) = (None, None);
    }

    fn train(&mut self, ctx: &Context) -> Result<Progress> {
        let (total, rung, spec) = (self.train_steps(), self.rung as u64, &self.spec.train);
        let (model, learner) =
            self.model.as_mut().ok_or_else(|| Error::Internal("pita-ic: no model to train".into()))?;
        let until = total.min(self.done + (ROWS / spec.batch).max(1));
        let (mut sums, steps) = ([0.0; 3], (until - self.done) as f64);
        while self.done < until {
            let of = learner.step(&model.net, &self.data, spec, (ctx.seed, rung), (self.done, total))?;
            sums.iter_mut().zip(of).for_each(|(sum, value)| *sum += value);
            self.done += 1;
        }
        let names = ["loss.score", "train.grad_norm", "loss.fokker_planck"];
        let shown = if spec.fokker_planck > 0.0 { 3 } else { 2 };
        let scalars = names.into_iter().zip(sums.map(|sum| sum / steps)).take(shown).collect();
        let report = self.progress("training", total, scalars);
        if self.done == total {
            (self.drawn, self.log_w) = (Mala::default(), Vec::new());
            self.enter(Phase::Anneal);
        }
        Ok(report)
    }

    /// Ratio of the temperatures of this rung.
    fn gamma(&self) -> f64 {
        self.temperatures[self.rung] / self.temperatures[self.rung + 1]
    }

    /// The random numbers of this rung's paths.
    fn path_streams(&self, seed: u64) -> impl Fn(u64) -> Stream + Sync + use<> {
        let rung = self.rung as u64;
        move |step| Stream::new(seed, rng::Purpose::Anneal, (rung << 32) | step)
    }

    /// Their noise levels.
    fn path_levels(&self, seed: u64) -> Result<Vec<f64>> {
        if let Some(levels) = &self.levels {
            return Ok(levels.clone());
        }
        let ((model, learner), settings) = (self.model()?, (&self.spec.anneal, &self.spec.train));
        Ok(model.levels(&learner.average, settings, self.gamma(), self.path_streams(seed)))
    }

    /// Fits the kernels' control, where it is asked for and can be paid for.
    fn fit_control(
        &mut self,
        ctx: &mut Context,
        (levels, purpose, kt): (&[f64], Purpose, f64),
    ) -> Result<Vec<(&'static str, f64)>> {
        let (anneal, streams) = (&self.spec.anneal, self.path_streams(ctx.seed));
        let least = anneal.pilot() + anneal.energies();
        if self.affordable(&ctx.energy, least) < least {
            return Ok(vec![]);
        }
        let (model, learner) = self.model()?;
        let kernels = model.kernels(anneal, levels.to_vec(), self.gamma());
        let target = (&mut ctx.energy, purpose, kt);
        let Some((control, [before, after])) = model.control(&learner.average, (anneal, &kernels), streams, target)?
        else {
            return Ok(vec![]);
        };
        self.control = Some(control);
        Ok(vec![("control.variance_before", before), ("control.variance_after", after)])
    }

    fn anneal(&mut self, ctx: &mut Context) -> Result<Progress> {
        let mut scalars = Vec::new();
        let each = self.spec.anneal.energies();
        if self.done == 0 && !self.last() && self.affordable(&ctx.energy, each) < each {
            // What is put aside leads from here to the target.
            scalars.push(("budget.spent_in_rung", (self.rung + 1) as f64));
            self.temperatures.truncate(self.rung + 1);
            self.temperatures.push(self.system.temperature);
        }
        let total = if self.last() { self.spec.samples } else { self.spec.particles };
        let purpose = if self.last() { Purpose::Sampling } else { Purpose::Annealing };
        let kt = self.kt(self.rung + 1);
        let levels = self.path_levels(ctx.seed)?;
        if self.done == 0 {
            scalars.extend(self.fit_control(ctx, (&levels, purpose, kt))?);
        }
        let n = self.affordable(&ctx.energy, each * DRAWS.min(total - self.done)) / each;
        let streams = self.path_streams(ctx.seed);
        let (model, learner) = self.model()?;
        let mut kernels = model.kernels(&self.spec.anneal, levels.clone(), self.gamma());
        if let Some(control) = &self.control {
            kernels = kernels.controlled(control);
        }
        let (items, target) = (self.done..self.done + n, (&mut ctx.energy, purpose, kt));
        let Drawn { rows, log_ratio } = model.draw(&learner.average, &kernels, streams, items, target)?;
        let new = Mala::new(&model.chart, rows, &mut ctx.energy, purpose)?;
        self.levels = Some(levels);
        self.log_w.extend(log_ratio.iter().zip(&new.energies).map(|(ratio, e)| {
            let w = ratio - e / kt;
            if w.is_finite() { w } else { f64::NEG_INFINITY }
        }));
        self.drawn.positions.extend(new.positions);
        self.drawn.energies.extend(new.energies);
        self.drawn.forces.extend(new.forces);
        self.done += n;
        // With nothing left to pay for, what there is must do.
        if self.done < total && n > 0 {
            return Ok(self.progress("drawing", total, scalars));
        }
        scalars.extend(self.weighed()?);
        let next = match self.spec.refine {
            _ if !self.last() => Phase::Move,
            0 => Phase::Done,
            _ => Phase::Refine,
        };
        if next != Phase::Done {
            self.resample(ctx.seed);
        }
        let report = Progress { finished: next == Phase::Done, ..self.progress("weighting", total, scalars) };
        self.enter(next);
        Ok(report)
    }

    /// What the weights of this rung say.
    fn weighed(&self) -> Result<Vec<(&'static str, f64)>> {
        let log_w = &self.log_w;
        let outside = log_w.iter().filter(|w| !w.is_finite()).count();
        if outside == log_w.len() {
            return Err(Error::Numerical(format!(
                "rung {} (T = {} to {}): none of {outside} draws is the molecule: the annealing failed; train longer",
                self.rung + 1,
                self.temperatures[self.rung],
                self.temperatures[self.rung + 1]
            )));
        }
        let (share, n) = (ess(log_w), log_w.len() as f64);
        let log_z = log_mean_exp(log_w) + self.model()?.0.chart.log_det() + LN_POSES;
        // Of a mean of n weights: relative variance (1/share - 1)/n.
        let error = ((1.0 / share - 1.0) / n).sqrt();
        let names = if self.last() {
            ["samples.ess", "samples.log_z", "samples.log_z.error", "samples.dropped"]
        } else {
            ["anneal.ess", "anneal.log_z", "anneal.log_z.error", "anneal.dropped"]
        };
        Ok(names.into_iter().zip([share, log_z, error, outside as f64]).collect())
    }

    /// Starts MALA from draws chosen by their weights, as many as there were.
    fn resample(&mut self, seed: u64) {
        let u = Stream::new(seed, rng::Purpose::Resample, self.rung as u64).at(0).uniform();
        let chosen = systematic(&self.log_w, self.log_w.len(), u);
        self.mala = self.drawn.select(&chosen);
        self.parents = chosen.into_iter().map(|i| i as i64).collect();
    }
}
