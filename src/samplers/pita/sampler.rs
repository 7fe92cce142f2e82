//! The ladder: initial data, then per rung training, annealing, refinement.

use std::sync::Arc;

use super::anneal::{Annealer, Setting};
use super::buffer::Buffer;
use super::loss::mean;
use super::train::{Rung, Trainer};
use crate::array::{Array, Arrays};
use crate::config::spec::PitaSpec;
use crate::diffusion::sde::quantile;
use crate::diffusion::{Elucidating, Gamma};
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::nn::{self, Backbone};
use crate::rng;
use crate::samplers::md::mala::{DualAveraging, Mala};
use crate::samplers::md::{self, ACCEPTANCE};
use crate::samplers::{Context, Progress, Sampler, Samples, state};
use crate::systems::System;

/// Particles whose reduced energy is further than this from zero are dropped.
const REASONABLE: f64 = 1_000.0;
/// First MALA step, in units of squared length; dual averaging takes it from there.
const FIRST_STEP: f64 = 1e-4;
/// How fast a particle's refinement step follows its acceptance (Robbins-Monro on its logarithm).
const REFINE_GAIN: f64 = 0.3;
/// Salt of the initial chains; rung k refines with salt k.
const INITIAL_SALT: u64 = 0xffff;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// MALA at the highest temperature; counts moves.
    Initial,
    /// Training on rung `rung`; counts steps.
    Train,
    /// Annealing from rung `rung` to the next.
    Anneal,
    /// MALA on the true energy; counts moves.
    Refine,
    /// The particles at the target are final.
    Done,
}

/// PITA as a resumable sampler.
pub struct Pita {
    spec: PitaSpec,
    system: Arc<System>,
    temperatures: Vec<f64>,
    net: Box<dyn Backbone>,
    schedule: Elucidating,
    phase: Phase,
    rung: usize,
    /// Steps done in this phase.
    done: usize,
    buffers: Vec<Buffer>,
    trainer: Trainer,
    annealer: Annealer,
    mala: Mala,
    step_size: DualAveraging,
    current_step: f64,
    parents: Vec<i64>,
    /// MALA step of each particle in refinement.
    refine_steps: Vec<f64>,
}

impl Pita {
    /// At the beginning of the ladder.
    ///
    /// # Errors
    /// When the ladder does not lead down to the target.
    pub fn new(spec: &PitaSpec, ctx: &Context) -> Result<Self> {
        let target = ctx.system.temperature;
        let temperatures: Vec<f64> = spec.ladder.iter().copied().chain([target]).collect();
        if spec.ladder.is_empty() || !temperatures.is_sorted_by(|a, b| a > b) {
            return Err(Error::Usage(format!(
                "pita: the ladder {:?} must fall and end above the target temperature {target}",
                spec.ladder
            )));
        }
        let net = nn::build(spec.engine, ctx.system.atoms, &spec.net)?;
        let trainer = Trainer::new(net.as_ref(), &spec.train, ctx.seed);
        Ok(Self {
            schedule: Elucidating::new(spec.train.sigma_min, spec.train.sigma_max),
            system: Arc::clone(&ctx.system),
            temperatures,
            net,
            trainer,
            phase: Phase::Initial,
            rung: 0,
            done: 0,
            buffers: Vec::new(),
            annealer: Annealer::default(),
            mala: Mala::default(),
            step_size: DualAveraging::new(FIRST_STEP, ACCEPTANCE),
            current_step: FIRST_STEP,
            parents: Vec::new(),
            refine_steps: Vec::new(),
            spec: spec.clone(),
        })
    }

    fn kt(&self, rung: usize) -> f64 {
        self.system.kt(self.temperatures[rung])
    }

    /// `T_0/T_k`, rounded to two digits as the reference does.
    fn beta(&self, rung: usize) -> f64 {
        (self.temperatures[0] / self.temperatures[rung] * 100.0).round() / 100.0
    }

    fn rungs(&self) -> usize {
        self.temperatures.len() - 1
    }

    fn train_steps(&self) -> usize {
        if self.rung == 0 { self.spec.train.first_steps } else { self.spec.train.steps }
    }

    fn initial_moves(&self) -> usize {
        let i = &self.spec.initial;
        i.equilibration + i.samples.div_ceil(i.walkers) * i.stride
    }

    /// Positions inside the networks are divided by the system's scale.
    fn scaled(&self, x: &[f64], factor: f64) -> Vec<f64> {
        x.iter().map(|x| x * factor).collect()
    }

    fn progress(&self, phase: &str, total: usize, scalars: Vec<(String, f64)>) -> Progress {
        Progress {
            done: self.done as u64,
            total: total as u64,
            phase: format!("rung {}/{} (T = {}): {phase}", self.rung + 1, self.rungs(), self.temperatures[self.rung]),
            scalars,
            finished: self.phase == Phase::Done,
        }
    }

    fn next_phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.done = 0;
    }

    /// A stretch of MALA at the highest temperature; frames go into the first buffer.
    fn initial(&mut self, ctx: &mut Context) -> Result<Progress> {
        let spec = self.spec.initial.clone();
        let kt = self.kt(0);
        if self.mala.is_empty() {
            let x = md::copies(&self.system, spec.walkers);
            self.mala = Mala::new(x, &mut ctx.energy, Purpose::InitialData)?;
            self.buffers.push(Buffer::default());
        }
        let total = self.initial_moves();
        let mut acceptance = 0.0;
        let stretch = 200.min(total - self.done);
        for _ in 0..stretch {
            let eps = self.current_step;
            let key = (ctx.seed, rng::Purpose::Dynamics, INITIAL_SALT);
            let p = self.mala.advance(&mut ctx.energy, Purpose::InitialData, key, |_| (kt, eps))?;
            self.done += 1;
            acceptance += mean(&p) / stretch as f64;
            if self.done < spec.equilibration {
                self.current_step = self.step_size.update(mean(&p));
            } else if self.done == spec.equilibration {
                self.current_step = self.step_size.averaged();
            } else if (self.done - spec.equilibration).is_multiple_of(spec.stride) {
                let (buffer, dim) = (&mut self.buffers[0], self.net.dim());
                let take = spec.walkers.min(spec.samples - buffer.energy.len());
                buffer.energy.extend(&self.mala.energies[..take]);
                buffer.x.extend(&self.mala.positions[..take * dim]);
                buffer.force.extend(&self.mala.forces[..take * dim]);
            }
        }
        let scalars = vec![("initial.acceptance".to_owned(), acceptance)];
        let report = self.progress("initial data", total, scalars);
        if self.done == total {
            self.enter_training();
        }
        Ok(report)
    }

    /// The newest buffer is complete: brings it into network units and starts training on it.
    fn enter_training(&mut self) {
        let (kt, scale) = (self.kt(self.rung), self.system.scale);
        if let Some(buffer) = self.buffers.last_mut() {
            buffer.keep_reasonable(kt, REASONABLE);
            buffer.x.iter_mut().for_each(|x| *x /= scale);
            buffer.force.iter_mut().for_each(|f| *f *= scale);
        }
        self.mala = Mala::default();
        self.next_phase(Phase::Train);
    }

    fn train(&mut self, ctx: &Context) -> Result<Progress> {
        let total = self.train_steps();
        let kts: Vec<(f64, f64)> = (0..self.buffers.len()).map(|k| (self.kt(k), self.beta(k))).collect();
        let rungs: Vec<Rung> =
            self.buffers.iter().zip(kts).map(|(buffer, (kt, beta))| Rung { buffer, kt, beta }).collect();
        if let Some(k) = rungs.iter().position(|r| r.buffer.energy.is_empty()) {
            return Err(Error::Numerical(format!(
                "no particle of rung {k} has a reduced energy within {REASONABLE}: the annealing failed"
            )));
        }
        let stretch = 10.min(total - self.done);
        let mut sums = [0.0; 4];
        for _ in 0..stretch {
            let (terms, norm) =
                self.trainer.step(self.net.as_ref(), &self.spec.train, &self.schedule, &rungs, ctx.seed)?;
            let values = [mean(&terms.score), mean(&terms.energy_score), mean(&terms.energy_matching), norm];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value / stretch as f64;
            }
        }
        self.done += stretch;
        let names = ["loss.score", "loss.energy_score", "loss.energy_matching", "train.grad_norm"];
        let scalars = names.iter().zip(sums).map(|(n, v)| ((*n).to_owned(), v)).collect();
        let report = self.progress("training", total, scalars);
        if self.done == total {
            self.next_phase(Phase::Anneal);
        }
        Ok(report)
    }

    fn particles(&self) -> usize {
        if self.rung + 1 == self.rungs() { self.spec.samples } else { self.spec.particles }
    }

    fn anneal(&mut self, ctx: &mut Context) -> Result<Progress> {
        let gamma = self.temperatures[self.rung] / self.temperatures[self.rung + 1];
        let setting = Setting {
            net: self.net.as_ref(),
            params: self.trainer.averaged(),
            beta: self.beta(self.rung),
            gamma: Gamma::new(self.spec.anneal.gamma, gamma),
            schedule: self.schedule,
            spec: &self.spec.anneal,
            seed: ctx.seed,
            rung: self.rung as u64,
        };
        if self.done == 0 {
            self.annealer = Annealer::new(&setting, self.particles());
        }
        self.annealer.advance(&setting)?;
        self.done = self.annealer.step;
        let mut scalars = vec![
            ("anneal.ess".to_owned(), self.annealer.ess()),
            ("anneal.unique_parents".to_owned(), self.annealer.unique_parents() as f64),
        ];
        if self.annealer.finished(&setting) {
            let x = self.scaled(&self.annealer.x, self.system.scale);
            let mut mala = Mala::new(x, &mut ctx.energy, Purpose::Annealing)?;
            if self.spec.anneal.final_resampling {
                let kt = self.kt(self.rung + 1);
                let reduced: Vec<f64> = mala.energies.iter().map(|e| e / kt).collect();
                let dim = self.net.dim();
                let (kept, ess) = self.annealer.final_resample(&setting, &reduced)?;
                scalars.push(("anneal.final_ess".to_owned(), ess));
                let rows = |v: &[f64]| kept.iter().flat_map(|&i| v[i * dim..(i + 1) * dim].iter().copied()).collect();
                mala.positions = rows(&mala.positions);
                mala.forces = rows(&mala.forces);
                mala.energies = kept.iter().map(|&i| mala.energies[i]).collect();
            }
            self.mala = mala;
            self.refine_steps = vec![FIRST_STEP; self.mala.len()];
        }
        let report = self.progress("annealing", self.spec.anneal.steps, scalars);
        if !self.mala.is_empty() {
            self.next_phase(Phase::Refine);
        }
        Ok(report)
    }

    fn refine(&mut self, ctx: &mut Context) -> Result<Progress> {
        let total = self.spec.refine.steps;
        let mut scalars = Vec::new();
        if self.done < total {
            let (kt, eps) = (self.kt(self.rung + 1), &self.refine_steps);
            let key = (ctx.seed, rng::Purpose::Refine, self.rung as u64);
            let p = self.mala.advance(&mut ctx.energy, Purpose::Refinement, key, |i| (kt, eps[i]))?;
            // Each particle finds its own step: one with overlapping atoms needs a far smaller one. Steps are fixed in
            // the second half, which then leaves the target exactly invariant.
            if 2 * self.done < total {
                for (eps, p) in self.refine_steps.iter_mut().zip(&p) {
                    *eps *= (REFINE_GAIN * (p - self.spec.refine.acceptance)).exp();
                }
            }
            self.done += 1;
            scalars = vec![
                ("refine.acceptance".to_owned(), mean(&p)),
                // The median: a few overlapping particles would hide everything else in a mean.
                ("refine.median_reduced_energy".to_owned(), quantile(&self.mala.energies, 0.5) / kt),
            ];
        }
        let mut report = self.progress("refinement", total, scalars);
        if self.done == total {
            self.parents = self.annealer.parents.clone();
            if self.rung + 1 == self.rungs() {
                self.next_phase(Phase::Done);
                report.finished = true;
            } else {
                self.rung += 1;
                self.buffers.push(Buffer {
                    x: std::mem::take(&mut self.mala.positions),
                    energy: std::mem::take(&mut self.mala.energies),
                    force: std::mem::take(&mut self.mala.forces),
                });
                self.enter_training();
            }
        }
        Ok(report)
    }
}

impl Sampler for Pita {
    fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        match self.phase {
            Phase::Initial => self.initial(ctx),
            Phase::Train => self.train(ctx),
            Phase::Anneal => self.anneal(ctx),
            Phase::Refine => self.refine(ctx),
            Phase::Done => Ok(self.progress("done", 0, Vec::new())),
        }
    }

    fn state(&self) -> Result<Arrays> {
        let mut arrays = Arrays::new();
        let place = [self.phase as i64, self.rung as i64, self.done as i64, self.buffers.len() as i64];
        arrays.insert("place".into(), state::integers(&place));
        arrays.insert("parents".into(), state::integers(&self.parents));
        arrays.insert("refine_steps".into(), state::floats(&self.refine_steps));
        let step_size: Vec<f64> = std::iter::once(self.current_step).chain(self.step_size.state()).collect();
        arrays.insert("step_size".into(), state::floats(&step_size));
        for (k, buffer) in self.buffers.iter().enumerate() {
            buffer.save(&format!("buffer.{k}"), &mut arrays);
        }
        self.trainer.save(&mut arrays);
        self.annealer.save(&mut arrays);
        self.mala.save("mala", &mut arrays);
        Ok(arrays)
    }

    fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        let place = state::i64s(arrays, "place")?;
        let phases = [Phase::Initial, Phase::Train, Phase::Anneal, Phase::Refine, Phase::Done];
        self.phase = phases[place[0] as usize % phases.len()];
        (self.rung, self.done) = (place[1] as usize, place[2] as usize);
        self.parents = state::i64s(arrays, "parents")?;
        self.refine_steps = state::f64s(arrays, "refine_steps")?;
        let step_size = state::f64s(arrays, "step_size")?;
        self.current_step = step_size[0];
        self.step_size = DualAveraging::from_state(&step_size[1..]);
        self.buffers = (0..place[3]).map(|k| Buffer::load(&format!("buffer.{k}"), arrays)).collect::<Result<_>>()?;
        self.trainer.restore(arrays)?;
        self.annealer = Annealer::load(arrays)?;
        self.mala = Mala::load("mala", arrays)?;
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        if self.phase != Phase::Done {
            return Err(Error::Internal("pita: samples asked for before the last rung is done".into()));
        }
        let n = self.mala.len();
        let shape = [n, self.system.atoms, 3];
        Ok([
            ("positions".to_owned(), Array::f64(&shape, self.mala.positions.clone())),
            ("energy".to_owned(), Array::f64(&[n], self.mala.energies.clone())),
            ("log_weight".to_owned(), Array::f64(&[n], self.annealer.log_weight.clone())),
            ("parents".to_owned(), Array::i64(&[n], self.parents.clone())),
        ]
        .into())
    }

    fn weights(&self) -> Option<Arrays> {
        let averaged = self.trainer.averaged();
        let mut arrays = self.net.layout().unpack(averaged.score, "score_net.");
        arrays.extend(self.net.layout().unpack(averaged.energy, "energy_net."));
        Some(arrays)
    }
}
