//! The phases: start at the highest temperature, then stage by stage down, then the samples.

use std::sync::Arc;

use super::data::MdData;
use super::energy::cut;
use super::generator::{Batch, Drawn, Generator};
use super::passes::Passes;
use super::trainer::{Pace, Trainer};
use super::{rates, weights};
use crate::array::{Array, Arrays};
use crate::energy::{Metered, Purpose};
use crate::error::{Error, Result};
use crate::flow::Weights;
use crate::metrics::weights::{clip, distinct, log_mean_exp};
use crate::rng::{self, Stream};
use crate::samplers::{Context, Population, Progress, Sampler, Samples, falling, state};
use crate::spec::{Flow, ForwardKlSpec, StageSpec, Start, TabgSpec};
use crate::systems::System;

/// Rows per call of [`Sampler::step`] in training, and draws per call: below a second each.
const ROWS: usize = 2_048;
const DRAWS: usize = 4_032;
/// Salts of random streams: draws of stage k have salt k.
const FINAL_SALT: u64 = 1 << 40;

/// A part of a run, and what its counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Molecular dynamics for the forward KL; counts steps.
    Data,
    /// Training at the first temperature; counts steps.
    Start,
    /// Drawing and weighting; counts draws.
    Fill,
    /// Resampled rows are made again; counts rows.
    Gather,
    /// Training on them; counts steps.
    Train,
    /// Drawing and weighting the result; counts draws.
    Sample,
    /// The result is complete.
    Done,
}

/// In the order of their numbers in checkpoints.
const PHASES: [Phase; 7] =
    [Phase::Data, Phase::Start, Phase::Fill, Phase::Gather, Phase::Train, Phase::Sample, Phase::Done];

/// TA-BG as a resumable sampler, whatever its flow.
pub struct TaBg<F: Flow> {
    /// Kind of the sampler, for messages.
    name: &'static str,
    spec: TabgSpec<F>,
    system: Arc<System>,
    /// Of the start, then after each stage.
    temperatures: Vec<f64>,
    model: Box<dyn Generator>,
    trainer: Trainer,
    phase: Phase,
    stage: usize,
    /// Work done in this phase.
    done: usize,
    data: MdData,
    /// Log-weights of this stage's draws; minus infinity where the energy is not finite.
    log_w: Vec<f64>,
    /// Which draws were resampled, ascending.
    chosen: Vec<i64>,
    /// Training data: rows of the unit cube.
    rows: Vec<f32>,
    passes: Passes,
    positions: Vec<f64>,
    energies: Vec<f64>,
    log_q: Vec<f64>,
}

impl<F: Flow> TaBg<F> {
    /// At the beginning.
    ///
    /// # Errors
    /// [`Error::Usage`] when the ladder does not lead down to the target or the budget is too small for the samples.
    pub fn new(name: &'static str, spec: &TabgSpec<F>, ctx: &Context, model: Box<dyn Generator>) -> Result<Self> {
        let (system, target) = (&ctx.system, ctx.system.temperature);
        let mut temperatures = falling(name, if spec.start_at_target { &[] } else { &spec.ladder }, target)?;
        if !spec.start_at_target {
            temperatures.splice(..0, vec![temperatures[0]; spec.fine_tune_start]);
            temperatures.extend(vec![target; spec.fine_tune]);
        }
        if spec.budget.is_some_and(|b| b < spec.samples as u64) {
            return Err(Error::Usage(format!("{name}: the budget does not even pay for the {} samples", spec.samples)));
        }
        Ok(Self {
            name,
            trainer: Trainer::new(model.packing(), ctx.seed),
            model,
            system: Arc::clone(system),
            phase: if spec.start == Start::ForwardKl { Phase::Data } else { Phase::Start },
            stage: 0,
            done: 0,
            temperatures,
            data: MdData::default(),
            log_w: Vec::new(),
            chosen: Vec::new(),
            rows: Vec::new(),
            passes: Passes::default(),
            positions: Vec::new(),
            energies: Vec::new(),
            log_q: Vec::new(),
            spec: spec.clone(),
        })
    }

    fn stages(&self) -> usize {
        self.temperatures.len() - 1
    }

    /// Reduced energies are cut at the first temperature, and rescaled after that.
    fn reduced(&self, energy: f64, temperature: f64) -> f64 {
        cut(energy / self.system.kt(self.temperatures[0])) * (self.temperatures[0] / temperature)
    }

    /// How many of `n` evaluations may be used: those of the result are put aside.
    fn affordable(&self, energy: &Metered, n: usize) -> usize {
        let left = energy.left().map_or(u64::MAX, |left| left.saturating_sub(self.spec.samples as u64));
        n.min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.done = 0;
    }

    /// Starts the next stage, or draws the result.
    fn next_stage(&mut self, stage: usize) {
        self.stage = stage;
        (self.log_w, self.energies, self.chosen, self.rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        self.enter(if stage < self.stages() { Phase::Fill } else { Phase::Sample });
    }

    fn progress(&self, what: &str, total: usize, scalars: Vec<(&str, f64)>) -> Progress {
        let t = &self.temperatures;
        let phase = match self.phase {
            Phase::Data | Phase::Start => format!("start (T = {}): {what}", t[0]),
            Phase::Fill | Phase::Gather | Phase::Train => {
                let k = self.stage;
                format!("stage {}/{} (T = {} to {}): {what}", k + 1, self.stages(), t[k], t[k + 1])
            }
            Phase::Sample | Phase::Done => what.to_owned(),
        };
        let scalars = scalars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Progress::new(self.done, total, phase, scalars, false)
    }

    /// Molecular dynamics at the first temperature.
    fn data(&mut self, ctx: &mut Context) -> Result<Progress> {
        let kt = self.system.kt(self.temperatures[0]);
        let affordable = self.affordable(&ctx.energy, usize::MAX);
        let complete = self.data.advance(&self.spec.data, self.model.as_ref(), ctx, kt, affordable)?;
        self.done = self.data.steps;
        let numbers = [("data.frames", self.data.frames as f64), ("data.outside", self.data.outside as f64)];
        let scalars = if complete { numbers.to_vec() } else { vec![] };
        let report = self.progress("molecular dynamics", MdData::total(&self.spec.data), scalars);
        if complete {
            self.rows = self.data.take()?;
            self.data = MdData::default();
            self.enter(Phase::Start);
        }
        Ok(report)
    }

    fn start(&mut self, ctx: &mut Context) -> Result<Progress> {
        let (report, complete) = match self.spec.start {
            Start::ReverseKl => self.reverse_kl(ctx)?,
            Start::ForwardKl => self.likelihood(ctx.seed, &self.spec.forward_kl.clone())?,
        };
        if complete {
            self.trainer.restart();
            self.next_stage(0);
        }
        Ok(report)
    }

    /// Some steps of reverse KL; true when it is complete or the budget is spent.
    fn reverse_kl(&mut self, ctx: &mut Context) -> Result<(Progress, bool)> {
        let spec = self.spec.reverse_kl.clone();
        let until = spec.steps.min(self.done + (ROWS / spec.batch).max(1));
        let (mut loss, mut energy, mut norm, mut steps, mut spent) = (0.0, 0.0, 0.0, 0.0, false);
        while self.done < until && !spent {
            let n = self.affordable(&ctx.energy, spec.batch);
            spent = n < spec.batch;
            if n == 0 {
                break;
            }
            self.trainer.begin(self.model.packing());
            let stream = Stream::new(ctx.seed, rng::Purpose::TrainNoise, self.done as u64);
            let items: Vec<u32> = (0..n as u32).collect();
            let (first, hot) = (self.temperatures[0], spec.hot_start.as_ref());
            let temperature = hot.map_or(first, |hot| rates::cooled(hot.temperature, first, self.done, hot.steps));
            let (kt, drop) = (self.system.kt(temperature), spec.drop.min(n / 2));
            let batch = Batch { stream: &stream, items: &items, energy: &mut ctx.energy, kt, drop };
            let Trainer { weights, gradient, .. } = &mut self.trainer;
            let found = self.model.reverse_kl(weights, batch, gradient)?;
            let rate = rates::warmed_cosine(spec.learning_rate, self.done, spec.warm_up, spec.steps);
            norm += self.trainer.finish(found.value, Pace { rate, decay: spec.weight_decay, clip: spec.clip })?;
            (loss, energy, steps) = (loss + found.value, energy + found.energy, steps + 1.0);
            self.done += 1;
        }
        let mut scalars = vec![("train.skipped", self.trainer.skipped[0] as f64)];
        if steps > 0.0 {
            scalars.extend([
                ("loss.reverse_kl", loss / steps),
                ("train.mean_reduced_energy", energy / steps),
                ("train.grad_norm", norm / steps),
            ]);
        }
        if spent {
            scalars.push(("budget.spent_in_start", self.done as f64));
        }
        Ok((self.progress("reverse KL", spec.steps, scalars), spent || self.done == spec.steps))
    }

    /// Draws from the flow with energies, and log-weights to `temperature`.
    fn weighted(
        &self,
        energy: &mut Metered,
        purpose: Purpose,
        stream: &Stream,
        items: std::ops::Range<usize>,
        temperature: f64,
    ) -> Result<(Drawn, Vec<f64>, Vec<f64>)> {
        let items: Vec<u32> = items.map(|i| i as u32).collect();
        let drawn = self.model.draw(&self.trainer.weights, stream, &items);
        let (mut energies, mut forces) = (vec![0.0; items.len()], vec![0.0; drawn.x.len()]);
        energy.energy_forces(purpose, &drawn.x, &mut energies, &mut forces)?;
        let log_w = energies.iter().zip(&drawn.log_q).map(|(&e, log_q)| {
            let w = -self.reduced(e, temperature) - log_q;
            if w.is_finite() { w } else { f64::NEG_INFINITY }
        });
        let log_w = log_w.collect();
        Ok((drawn, energies, log_w))
    }

    /// Draws of stage `salt`, or of the result.
    fn draws_of(seed: u64, salt: u64) -> Stream {
        Stream::new(seed, rng::Purpose::Anneal, salt)
    }

    fn fill(&mut self, ctx: &mut Context) -> Result<Progress> {
        let total = self.spec.anneal.draws;
        let wanted = DRAWS.min(total - self.done);
        let n = self.affordable(&ctx.energy, wanted);
        if n > 0 {
            let stream = Self::draws_of(ctx.seed, self.stage as u64);
            let to = self.temperatures[self.stage + 1];
            let items = self.done..self.done + n;
            let (_, energies, log_w) = self.weighted(&mut ctx.energy, Purpose::Annealing, &stream, items, to)?;
            self.log_w.extend(log_w);
            self.energies.extend(energies);
            self.done += n;
        }
        let spent = n < wanted;
        if !spent && self.done < total {
            return Ok(self.progress("drawing", total, vec![]));
        }
        let mut scalars = Vec::new();
        if spent {
            scalars.push(("budget.spent_in_stage", (self.stage + 1) as f64));
        }
        if self.log_w.is_empty() {
            let report = self.progress("the budget is spent", total, scalars);
            self.next_stage(self.stages());
            return Ok(report);
        }
        let population = self.choose(ctx.seed, &mut scalars)?;
        let report = Progress { population, ..self.progress("weighting", total, scalars) };
        self.enter(Phase::Gather);
        Ok(report)
    }

    /// Clips the weights and resamples, and says about them what there is to say.
    fn choose(&mut self, seed: u64, scalars: &mut Vec<(&'static str, f64)>) -> Result<Option<Population>> {
        let spec = &self.spec.anneal;
        let drawn = self.log_w.len();
        let raw = crate::diffusion::ess(&self.log_w);
        let log_z = log_mean_exp(&self.log_w);
        let kept: Vec<i64> = (0..drawn).filter(|&i| self.log_w[i].is_finite()).map(|i| i as i64).collect();
        let mut log_w: Vec<f64> = self.log_w.iter().copied().filter(|w| w.is_finite()).collect();
        let clipped = clip(&mut log_w, spec.clip);
        let ess = if kept.is_empty() { 0.0 } else { crate::diffusion::ess(&log_w) };
        let effective = ess * kept.len() as f64;
        if kept.is_empty() || effective < spec.min_effective as f64 {
            return Err(Error::Numerical(format!(
                "stage {} (T = {} to {}): the weights of {drawn} draws ({} of them finite, the {clipped} largest clipped) are \
                 worth {effective:.1} samples, fewer than anneal.min_effective = {}: the flow does not overlap with the next \
                 temperature; train the start longer or take smaller steps in temperature",
                self.stage + 1,
                self.temperatures[self.stage],
                self.temperatures[self.stage + 1],
                kept.len(),
                spec.min_effective
            )));
        }
        let stream = Stream::new(seed, rng::Purpose::Resample, self.stage as u64);
        let uniforms = (0..spec.buffer).map(|i| stream.at(i as u32).uniform());
        self.chosen = weights::resample(&log_w, uniforms).into_iter().map(|i| kept[i]).collect();
        self.chosen.sort_unstable();
        let distinct = distinct(&self.chosen) as f64;
        // Draws are a function of their number.
        let items: Vec<u32> = Population::choose(kept.len(), Some(&log_w)).iter().map(|&i| kept[i] as u32).collect();
        let draws = Self::draws_of(seed, self.stage as u64);
        let positions = self.model.draw(&self.trainer.weights, &draws, &items).x;
        let population = Population::new(self.temperatures[self.stage + 1], self.system.atoms, &positions);
        (self.log_w, self.energies) = (Vec::new(), Vec::new());
        let passes = (spec.steps * spec.batch.min(spec.buffer)) as f64 / distinct;
        scalars.extend([
            ("anneal.ess", ess),
            ("anneal.ess_unclipped", raw),
            ("anneal.clipped", clipped as f64),
            ("anneal.dropped", (drawn - kept.len()) as f64),
            ("anneal.distinct", distinct),
            // How often training sees each of them: after ten or twenty times it has learnt them by heart.
            ("anneal.passes", passes),
            ("anneal.log_z", log_z),
        ]);
        Ok(population)
    }

    /// Makes the resampled rows again: draws are a function of their number, so none had to be kept.
    fn gather(&mut self, ctx: &Context) -> Progress {
        let until = self.chosen.len().min(self.done + DRAWS);
        let chosen = &self.chosen[self.done..until];
        let mut distinct: Vec<u32> = chosen.iter().map(|&i| i as u32).collect();
        distinct.dedup();
        let rows = self.model.rows(&self.trainer.weights, &Self::draws_of(ctx.seed, self.stage as u64), &distinct);
        let (dim, mut at) = (self.model.row(), 0);
        for &i in chosen {
            at += usize::from(distinct[at] != i as u32);
            self.rows.extend_from_slice(&rows[at * dim..(at + 1) * dim]);
        }
        self.done = until;
        let report = self.progress("resampling", self.chosen.len(), vec![]);
        if self.done == self.chosen.len() {
            self.chosen = Vec::new();
            self.enter(Phase::Train);
        }
        report
    }

    fn train(&mut self, ctx: &Context) -> Result<Progress> {
        let StageSpec { steps, batch, learning_rate, .. } = self.spec.anneal;
        let (report, complete) = self.likelihood(ctx.seed, &ForwardKlSpec { steps, batch, learning_rate })?;
        if complete {
            self.next_stage(self.stage + 1);
        }
        Ok(report)
    }

    /// Some steps of maximum likelihood on the rows, pass after pass in random order; true when it is complete.
    fn likelihood(&mut self, seed: u64, spec: &ForwardKlSpec) -> Result<(Progress, bool)> {
        let (dim, total) = (self.model.row(), spec.steps);
        let available = self.rows.len() / dim;
        let batch = spec.batch.min(available);
        let until = total.min(self.done + (ROWS / batch).max(1));
        let (mut loss, mut norm, mut steps) = (0.0, 0.0, 0.0);
        // The start has a stage number of its own.
        let stage = if self.phase == Phase::Start { 0 } else { self.stage + 1 };
        while self.done < until {
            let chosen = self.passes.batch(seed, stage, self.done, batch, available).iter();
            let rows: Vec<f32> = chosen.flat_map(|&i| &self.rows[i as usize * dim..][..dim]).copied().collect();
            self.trainer.begin(self.model.packing());
            let Trainer { weights, gradient, .. } = &mut self.trainer;
            let turn = Stream::new(seed, rng::Purpose::Rotation, ((stage as u64) << 40) | self.done as u64);
            let found = self.model.forward_kl(weights, &rows, &turn, gradient);
            let rate = rates::cosine(spec.learning_rate, self.done, total);
            norm += self.trainer.finish(found.value, Pace { rate, decay: 0.0, clip: f64::INFINITY })?;
            (loss, steps) = (loss + found.value, steps + 1.0);
            self.done += 1;
        }
        let scalars = vec![
            ("loss.forward_kl", loss / steps),
            ("train.grad_norm", norm / steps),
            ("train.skipped", self.trainer.skipped[0] as f64),
        ];
        Ok((self.progress("forward KL", total, scalars), self.done == total))
    }

    fn sample(&mut self, ctx: &mut Context) -> Result<Progress> {
        let (total, target) = (self.spec.samples, self.system.temperature);
        let until = total.min(self.done + DRAWS);
        let stream = Self::draws_of(ctx.seed, FINAL_SALT);
        let items = self.done..until;
        let (drawn, energies, log_w) = self.weighted(&mut ctx.energy, Purpose::Sampling, &stream, items, target)?;
        self.positions.extend(drawn.x);
        self.energies.extend(energies);
        self.log_q.extend(drawn.log_q);
        self.log_w.extend(log_w);
        self.done = until;
        if until < total {
            return Ok(self.progress("samples", total, vec![]));
        }
        let clipped = self.spec.anneal.clip;
        let dropped = self.log_w.iter().filter(|w| !w.is_finite()).count();
        let scalars = vec![
            ("samples.ess", crate::diffusion::ess(&self.log_w)),
            ("samples.ess_clipped", weights::reverse_ess(&self.log_w, clipped)),
            ("samples.clip", clipped),
            ("samples.log_z", log_mean_exp(&self.log_w)),
            ("samples.dropped", dropped as f64),
        ];
        let report = self.progress("samples", total, scalars);
        self.enter(Phase::Done);
        Ok(Progress { finished: true, ..report })
    }
}

impl<F: Flow> Sampler for TaBg<F> {
    fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        match self.phase {
            Phase::Data => self.data(ctx),
            Phase::Start => self.start(ctx),
            Phase::Fill => self.fill(ctx),
            Phase::Gather => Ok(self.gather(ctx)),
            Phase::Train => self.train(ctx),
            Phase::Sample => self.sample(ctx),
            Phase::Done => Ok(Progress { finished: true, ..self.progress("done", 0, Vec::new()) }),
        }
    }

    fn state(&self) -> Result<Arrays> {
        let mut arrays = Arrays::new();
        let place = [self.phase as i64, self.stage as i64, self.done as i64];
        arrays.insert("place".into(), state::integers(&place));
        self.trainer.save(&mut arrays);
        self.data.save(&mut arrays);
        arrays.insert("chosen".into(), state::integers(&self.chosen));
        arrays.insert("rows".into(), Array::f32(&[self.rows.len()], self.rows.clone()));
        arrays.insert("log_w".into(), state::floats(&self.log_w));
        arrays.insert("positions".into(), state::floats(&self.positions));
        arrays.insert("energies".into(), state::floats(&self.energies));
        arrays.insert("log_q".into(), state::floats(&self.log_q));
        Ok(arrays)
    }

    fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        let place = state::i64s(arrays, "place")?;
        self.phase = state::one_of(&PHASES, place[0])?;
        (self.stage, self.done) = (place[1] as usize, place[2] as usize);
        self.trainer.restore(arrays)?;
        self.data = MdData::load(arrays)?;
        self.chosen = state::i64s(arrays, "chosen")?;
        self.rows = state::f32s(arrays, "rows")?;
        self.log_w = state::f64s(arrays, "log_w")?;
        self.positions = state::f64s(arrays, "positions")?;
        self.energies = state::f64s(arrays, "energies")?;
        self.log_q = state::f64s(arrays, "log_q")?;
        self.passes = Passes::default();
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        if self.phase != Phase::Done {
            return Err(Error::Internal(format!("{}: samples asked for before they are drawn", self.name)));
        }
        let n = self.energies.len();
        Ok(Samples::from([
            ("positions".to_owned(), Array::f64(&[n, self.system.atoms, 3], self.positions.clone())),
            ("energy".to_owned(), Array::f64(&[n], self.energies.clone())),
            ("log_q".to_owned(), Array::f64(&[n], self.log_q.clone())),
            ("log_weight".to_owned(), Array::f64(&[n], self.log_w.clone())),
        ]))
    }

    fn weights(&self) -> Option<Arrays> {
        let wide = Weights::to_arrays(self.model.packing(), &self.trainer.weights.packed, super::PREFIX);
        let narrow = |wide: Array| Array::f32(&wide.shape, wide.to_f32());
        Some(wide.into_iter().map(|(name, array)| (name, narrow(array))).chain(self.model.architecture()).collect())
    }
}
