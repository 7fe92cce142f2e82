//! Down the ladder: initial data, then per temperature weights, resampling and moves; frames at the target.

use std::sync::Arc;

use super::ladder;
use super::moves::Moves;
use super::weights::Weights;
use crate::array::Arrays;
use crate::diffusion::sde::quantile;
use crate::error::{Error, Result};
use crate::rng::{self, Stream};
use crate::samplers::internal::volume;
use crate::samplers::md::{Md, Recorder};
use crate::samplers::{BUDGET_ENDED, Context, Population, Progress, Sampler, Samples, state};
use crate::spec::{Coordinates, Integrator, Ladder, SmcSpec};
use crate::systems::System;

/// First MALA step where the initial dynamics found none, in squared units of the system's scale.
const FIRST_STEP: f64 = 1e-5;
/// Prefix of the initial dynamics in checkpoints.
const INITIAL: &str = "initial.";
/// Evaluations in one [`Sampler::step`], about.
const STRETCH: usize = 50_000;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Dynamics at the highest temperature.
    Initial,
    /// Moves at the newest temperature.
    Move,
    /// Moves at the target, every `stride` of them recorded.
    Record,
    /// The frames are final.
    Done,
}

/// Annealed SMC as a resumable sampler.
pub struct Smc {
    spec: SmcSpec,
    system: Arc<System>,
    /// Temperatures reached so far.
    temperatures: Vec<f64>,
    phase: Phase,
    /// Moves done in this phase.
    done: usize,
    initial: Md,
    moves: Moves,
    weights: Weights,
    recorded: Recorder,
    parents: Vec<i64>,
}

impl Smc {
    /// At the beginning of the ladder.
    ///
    /// # Errors
    /// When the ladder does not lead down to the target.
    pub fn new(spec: &SmcSpec, ctx: &Context) -> Result<Self> {
        let target = ctx.system.temperature;
        let known = spec.ladder.known();
        if known.is_empty() || !known.iter().chain([&target]).is_sorted_by(|a, b| a > b) {
            return Err(Error::Usage(format!(
                "smc: the ladder {known:?} must fall and end above the target temperature {target}"
            )));
        }
        let kt = ctx.system.kt(known[0]);
        let volume = match spec.coordinates {
            Coordinates::Cartesian => None,
            Coordinates::Internal => Some(volume("smc", &ctx.system)?),
        };
        Ok(Self {
            system: Arc::clone(&ctx.system),
            temperatures: vec![known[0]],
            phase: Phase::Initial,
            done: 0,
            initial: Md::initial(&spec.initial, ctx, kt)?,
            moves: Moves::new(spec.acceptance, volume),
            weights: Weights::default(),
            recorded: Recorder::default(),
            parents: Vec::new(),
            spec: spec.clone(),
        })
    }

    /// The newest temperature.
    fn temperature(&self) -> f64 {
        self.temperatures[self.temperatures.len() - 1]
    }

    fn at_target(&self) -> bool {
        self.temperature() <= self.system.temperature
    }

    fn progress(&self, what: &str, total: usize, scalars: Vec<(String, f64)>) -> Progress {
        let place = match &self.spec.ladder {
            Ladder::Fixed(ladder) => format!("rung {}/{}", self.temperatures.len() - 1, ladder.len()),
            Ladder::Auto(_) => format!("rung {}", self.temperatures.len() - 1),
        };
        let phase = format!("{place} (T = {:.6}): {what}", self.temperature());
        Progress::new(self.done, total, phase, scalars, self.phase == Phase::Done)
    }

    /// A stretch of dynamics at the highest temperature; in the end its frames are the particles.
    fn initial(&mut self, ctx: &mut Context) -> Result<Progress> {
        let step = self.initial.initial_step(ctx)?;
        self.done = step.done as usize;
        let mut report = self.progress("initial data", step.total as usize, step.scalars);
        if step.finished {
            let first = match self.spec.initial.integrator {
                Integrator::Mala => self.initial.mala_step,
                Integrator::Langevin => FIRST_STEP * self.system.scale.powi(2),
            };
            let parents = self.moves.begin(self.initial.take_frames(), first)?;
            self.weights = Weights::new(parents.len(), self.spec.initial.walkers);
            self.weights.parents = parents;
            report.population = self.population();
            (self.phase, self.done) = (Phase::Move, 0);
        }
        Ok(report)
    }

    /// Goes down one rung: weights, and resampling where they ask for it.
    fn cool(&mut self, seed: u64) -> Result<Vec<(String, f64)>> {
        let (from, rung, energies) = (self.temperature(), self.temperatures.len(), &self.moves.mala.energies);
        let to = match &self.spec.ladder {
            Ladder::Fixed(ladder) => ladder.get(rung).copied().unwrap_or(self.system.temperature),
            Ladder::Auto(auto) => ladder::next_temperature(&self.system, &self.weights, energies, from, auto.ess)?,
        };
        let change = ladder::change(energies, self.system.kt(from).recip(), self.system.kt(to).recip());
        let step_ess = self.weights.step_ess(&change);
        self.weights.advance(&change)?;
        self.temperatures.push(to);
        let ess = self.weights.ess();
        if ess < self.spec.ess_threshold || self.at_target() {
            let u = Stream::new(seed, rng::Purpose::Resample, rung as u64).at(0).uniform();
            let kept = self.weights.resample(u);
            self.moves.select(&kept);
        }
        self.moves.cool(to / from)?;
        let (log_z, error) = self.weights.log_z();
        let scalars = [
            ("smc.temperature", to),
            ("smc.step_ess", step_ess),
            ("smc.ess", ess),
            ("smc.unique_parents", self.weights.unique_parents() as f64),
            ("smc.log_z", log_z),
            ("smc.log_z.error", error),
        ];
        Ok(scalars.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }

    /// Moves of all particles at the newest temperature, `left` of them or as many as make a stretch; numbers about them.
    fn advance(&mut self, ctx: &mut Context, left: usize) -> Result<Vec<(String, f64)>> {
        let kt = self.system.kt(self.temperature());
        let stretch = (STRETCH / self.moves.mala.energies.len()).max(1).min(left);
        let mut acceptance = 0.0;
        for _ in 0..stretch {
            let adapting = self.phase == Phase::Move && 2 * self.done < self.spec.moves;
            acceptance += self.moves.advance(ctx, kt, adapting)? / stretch as f64;
            self.done += 1;
        }
        Ok(vec![
            ("smc.acceptance".to_owned(), acceptance),
            ("smc.step".to_owned(), self.moves.step.averaged()),
            ("smc.median_reduced_energy".to_owned(), quantile(&self.moves.mala.energies, 0.5) / kt),
        ])
    }

    /// Moves at the newest temperature; before the first, the step down to it.
    fn moves(&mut self, ctx: &mut Context) -> Result<Progress> {
        let mut scalars = if self.done == 0 { self.cool(ctx.seed)? } else { Vec::new() };
        let total = self.spec.moves;
        scalars.extend(self.advance(ctx, total - self.done)?);
        let mut report = self.progress("moves", total, scalars);
        if self.done == total {
            report.population = self.population();
            self.done = 0;
            if self.at_target() {
                self.phase = Phase::Record;
                self.record();
                report.finished = self.phase == Phase::Done;
            }
        }
        Ok(report)
    }

    /// The particles as they are.
    fn population(&self) -> Option<Population> {
        let kept = Population::choose(self.moves.mala.energies.len(), Some(&self.weights.log()));
        Population::new(self.temperature(), self.system.atoms, &self.moves.positions(&kept))
    }

    /// Records the particles. The last time, when fewer are wanted, every so-manieth: neighbours are siblings.
    fn record(&mut self) {
        let n = self.moves.mala.energies.len();
        let wanted = n.min(self.spec.samples - self.recorded.frames());
        let which: Vec<usize> = (0..wanted).map(|k| k * n / wanted).collect();
        let energies: Vec<f64> = which.iter().map(|&i| self.moves.mala.energies[i]).collect();
        self.parents.extend(which.iter().map(|&i| self.weights.parents[i]));
        self.recorded.take(self.spec.samples, &self.moves.positions(&which), &energies, &[]);
        if self.recorded.frames() == self.spec.samples {
            self.phase = Phase::Done;
        }
    }

    /// Moves at the target up to the next recorded frame, or fewer.
    fn sample(&mut self, ctx: &mut Context) -> Result<Progress> {
        let left = self.spec.stride - self.done % self.spec.stride;
        let scalars = match self.advance(ctx, left) {
            Ok(scalars) => scalars,
            // What is recorded is a result: the budget decides how much of it there is.
            Err(Error::BudgetSpent { .. }) => {
                self.phase = Phase::Done;
                return Ok(self.progress("recording", self.spec.samples, Vec::new()));
            }
            Err(e) => return Err(e),
        };
        if self.done.is_multiple_of(self.spec.stride) {
            self.record();
        }
        let report = self.progress("recording", self.spec.samples, scalars);
        Ok(Progress { done: self.recorded.frames() as u64, ..report })
    }
}

impl Sampler for Smc {
    fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        match self.phase {
            Phase::Initial => self.initial(ctx),
            Phase::Move => self.moves(ctx),
            Phase::Record => self.sample(ctx),
            Phase::Done => Ok(self.progress("done", 0, Vec::new())),
        }
    }

    fn state(&self) -> Result<Arrays> {
        let mut arrays = Arrays::new();
        arrays.insert("place".into(), state::integers(&[self.phase as i64, self.done as i64]));
        arrays.insert("temperatures".into(), state::floats(&self.temperatures));
        arrays.insert("parents".into(), state::integers(&self.parents));
        if self.phase == Phase::Initial {
            arrays.extend(state::under(INITIAL, self.initial.state()?));
        }
        self.moves.save(&mut arrays);
        self.weights.save(&mut arrays);
        self.recorded.save(&mut arrays);
        Ok(arrays)
    }

    fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        let place = state::i64s(arrays, "place")?;
        self.phase = state::one_of(&[Phase::Initial, Phase::Move, Phase::Record, Phase::Done], place[0])?;
        self.done = place[1] as usize;
        self.temperatures = state::f64s(arrays, "temperatures")?;
        self.parents = state::i64s(arrays, "parents")?;
        if self.phase == Phase::Initial {
            self.initial.restore(&state::of(INITIAL, arrays))?;
        }
        self.moves.restore(arrays)?;
        self.weights = Weights::load(arrays)?;
        self.recorded = Recorder::load(arrays)?;
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        let mut samples = self.recorded.samples(self.system.atoms);
        samples.insert("parents".into(), state::integers(&self.parents));
        Ok(samples)
    }

    fn shortfall(&self) -> Option<String> {
        // Only the budget ends the recording before all samples are there.
        let short = self.phase == Phase::Done && self.recorded.frames() < self.spec.samples;
        short.then(|| BUDGET_ENDED.into())
    }
}
