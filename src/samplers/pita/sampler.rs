//! The ladder: initial data, then per rung training, annealing, refinement and relaxation.

use std::sync::Arc;

use super::anneal::{Annealer, Setting, beta};
use super::buffer::Buffer;
use super::loss::mean;
use super::model::{VARIANCE, temperatures};
use super::refine::{Plan, Refinement};
use super::train::{Rung, Trainer};
use crate::array::{Array, Arrays};
use crate::diffusion::{Elucidating, ess};
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::metrics::weights::distinct;
use crate::nn::{self, Backbone};
use crate::rng::{self, Stream};
use crate::samplers::free_energy::{Side, bennett};
use crate::samplers::md::mala::Mala;
use crate::samplers::md::space::Cartesian;
use crate::samplers::md::{Md, Taken};
use crate::samplers::{Context, Population, Progress, Sampler, Samples, state};
use crate::spec::{Integrator, PitaSpec, TrainOn, Weights};
use crate::systems::System;

/// Particles whose reduced energy is further than this from zero are dropped.
const REASONABLE: f64 = 1_000.0;
/// First MALA step where none is known from the initial data, in squared units of the system's scale.
const FIRST_STEP: f64 = 1e-5;
/// Prefix of the initial dynamics in checkpoints.
const INITIAL: &str = "initial.";

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Dynamics at the highest temperature.
    Initial,
    /// Training on rung `rung`; counts steps.
    Train,
    /// Annealing from rung `rung` to the next.
    Anneal,
    /// Moves on the true energy.
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
    /// Mean square of a coordinate of the reduced force in each.
    fisher: Vec<f64>,
    trainer: Trainer,
    initial: Md,
    annealer: Annealer,
    refinement: Refinement,
    /// MALA's step in the initial data, where it was used.
    mala_step: f64,
    /// The particles at the target temperature, in the system's units.
    result: Buffer,
    /// With weights of paths: what was drawn at the target, before resampling and refinement.
    drawn: Buffer,
    /// Its log-weights.
    log_weight: Vec<f64>,
    /// Which of it the particles were resampled from.
    chosen: Vec<i64>,
}

impl Pita {
    /// At the beginning of the ladder.
    ///
    /// # Errors
    /// When the ladder does not lead down to the target.
    pub fn new(spec: &PitaSpec, ctx: &Context) -> Result<Self> {
        let temperatures = temperatures(spec, ctx.system.temperature)?;
        let mut spec = spec.clone();
        if spec.anneal.weights == Weights::Path && !spec.anneal.needs_energy() {
            // What nobody asks is not trained: half of the cost and all of its second order.
            (spec.train.energy_score, spec.train.energy_matching) = (0.0, 0.0);
        }
        let net = nn::build(spec.engine, ctx.system.atoms, &spec.net)?;
        let trainer = Trainer::new(net.as_ref(), &spec.train, ctx.seed);
        let kt = ctx.system.kt(temperatures[0]);
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
            fisher: Vec::new(),
            initial: Md::initial(&spec.initial, ctx, kt)?,
            annealer: Annealer::default(),
            refinement: Refinement::default(),
            mala_step: FIRST_STEP * ctx.system.scale.powi(2),
            result: Buffer::default(),
            drawn: Buffer::default(),
            log_weight: Vec::new(),
            chosen: Vec::new(),
            spec,
        })
    }

    fn kt(&self, rung: usize) -> f64 {
        self.system.kt(self.temperatures[rung])
    }

    fn rungs(&self) -> usize {
        self.temperatures.len() - 1
    }

    fn train_steps(&self) -> usize {
        if self.rung == 0 { self.spec.train.first_steps } else { self.spec.train.steps }
    }

    fn progress(&self, phase: &str, total: usize, scalars: Vec<(&str, f64)>) -> Progress {
        let temperature = self.temperatures[self.rung];
        let phase = format!("rung {}/{} (T = {temperature}): {phase}", self.rung + 1, self.rungs());
        let scalars = scalars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Progress::new(self.done, total, phase, scalars, self.phase == Phase::Done)
    }

    fn next_phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.done = 0;
    }

    /// A stretch of dynamics at the highest temperature; in the end its frames are the first buffer.
    fn initial(&mut self, ctx: &mut Context) -> Result<Progress> {
        let step = self.initial.initial_step(ctx)?;
        self.done = step.done as usize;
        let scalars = step.scalars.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let mut report = self.progress("initial data", step.total as usize, scalars);
        if step.finished {
            if self.spec.initial.integrator == Integrator::Mala {
                self.mala_step = self.initial.mala_step;
            }
            let Taken { x, energies: energy, forces: force, origin } = self.initial.take_frames();
            let walkers = self.spec.initial.walkers as i64;
            let origin = origin.into_iter().map(|frame| frame % walkers).collect();
            let made = Buffer { x, energy, force, origin };
            report.population = self.population(self.rung, &made);
            self.enter_training(&made);
        }
        Ok(report)
    }

    /// Brings the newest buffer into network units and starts training on it.
    fn enter_training(&mut self, made: &Buffer) {
        let mut buffer = made.select(&made.reasonable(self.kt(self.rung), REASONABLE));
        buffer.rescale(self.system.scale);
        if self.spec.train.rungs == TrainOn::Newest {
            // What is never drawn from again is not kept; energies stay, for free energies.
            if let Some(old) = self.buffers.last_mut() {
                (old.x, old.force) = (Vec::new(), Vec::new());
            }
        }
        self.fisher.push(buffer.fisher(self.kt(self.rung)));
        self.buffers.push(buffer);
        self.next_phase(Phase::Train);
    }

    fn train(&mut self, ctx: &Context) -> Result<Progress> {
        let total = self.train_steps();
        let rung =
            |(k, buffer)| Rung { buffer, kt: self.kt(k), beta: beta(&self.temperatures, k), fisher: self.fisher[k] };
        let rungs: Vec<Rung> = self.buffers.iter().enumerate().map(rung).collect();
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
        let report = self.progress("training", total, names.into_iter().zip(sums).collect());
        if self.done == total {
            self.trainer.settle()?;
            self.next_phase(Phase::Anneal);
        }
        Ok(report)
    }

    fn particles(&self) -> usize {
        if self.rung + 1 == self.rungs() { self.spec.samples } else { self.spec.particles }
    }

    fn anneal(&mut self, ctx: &mut Context) -> Result<Progress> {
        let (heads, variance) = ((self.net.as_ref(), self.trainer.averaged()), self.buffers[self.rung].variance());
        let setting = Setting::new(&self.spec, (&self.temperatures, self.rung), heads, variance, ctx.seed);
        if self.done == 0 {
            self.annealer = Annealer::new(&setting, self.particles() * self.spec.anneal.paths())?;
        }
        self.annealer.advance(&setting)?;
        self.done = self.annealer.step;
        let mut scalars = vec![("anneal.ess", ess(&self.annealer.log_weight))];
        let finished = self.annealer.finished(&setting);
        if finished {
            let x = self.annealer.x.iter().map(|x| x * self.system.scale).collect();
            let mut mala = Mala::new(&Cartesian { atoms: self.system.atoms }, x, &mut ctx.energy, Purpose::Annealing)?;
            let kt = self.kt(self.rung + 1);
            let reduced: Vec<f64> = mala.energies.iter().map(|e| e / kt).collect();
            if self.spec.anneal.weights == Weights::Path {
                let end = self.annealer.finish_path(&reduced);
                // Lengths are in units of the scale.
                let log_z = end.log_z + (self.net.dim() - 3) as f64 * self.system.scale.ln();
                let names = ["anneal.final_ess", "anneal.log_z", "anneal.log_z.error"];
                scalars.extend(names.into_iter().zip([end.ess, log_z, end.error]));
                let (log_weight, origin) = (self.annealer.log_weight.clone(), self.annealer.parents.clone());
                let mut kept = self.annealer.resample_path(&setting);
                if self.rung + 1 == self.rungs() {
                    let (x, energy, force) = (mala.positions.clone(), mala.energies.clone(), mala.forces.clone());
                    let made = Buffer { x, energy, force, origin };
                    let there = made.reasonable(kt, REASONABLE);
                    scalars.push(("anneal.dropped", (log_weight.len() - there.len()) as f64));
                    // Of more paths than samples the first ones are shown.
                    let shown = &there[..there.len().min(self.spec.samples)];
                    self.drawn = made.select(shown);
                    self.log_weight = shown.iter().map(|&i| log_weight[i]).collect();
                    kept.retain(|i| there.binary_search(i).is_ok());
                    if kept.is_empty() {
                        return Err(Error::Numerical(format!(
                            "no particle that was resampled at the target has a reduced energy within {REASONABLE}: the annealing \
                             failed; train longer or take more steps"
                        )));
                    }
                    self.chosen = kept.iter().map(|i| there.partition_point(|j| j < i) as i64).collect();
                }
                mala = mala.select(&kept);
            } else if self.spec.anneal.final_resampling {
                let (kept, ess) = self.annealer.final_resample(&setting, &reduced)?;
                scalars.push(("anneal.final_ess", ess));
                mala = mala.select(&kept);
            }
            // Stable steps shrink with the temperature.
            let first = self.mala_step * self.temperatures[self.rung + 1] / self.temperatures[0];
            self.refinement = Refinement::new(mala, first, self.spec.refine.acceptance);
        }
        // After the resampling by the true energy, which takes most of them away.
        scalars.push(("anneal.unique_parents", distinct(&self.annealer.parents) as f64));
        let report = self.progress("annealing", self.spec.anneal.steps, scalars);
        if finished {
            self.next_phase(Phase::Refine);
        }
        Ok(report)
    }

    fn refine(&mut self, ctx: &mut Context) -> Result<Progress> {
        let kt = self.kt(self.rung + 1);
        // Two salts a rung: one for each kind of move.
        let plan = Plan { refine: &self.spec.refine, relax: &self.spec.relax, kt, salt: 2 * self.rung as u64 };
        let mut scalars = self.refinement.advance(&plan, ctx)?;
        self.done = self.refinement.done;
        let total = plan.total();
        let finished = self.done == total;
        if finished {
            let mut made = std::mem::take(&mut self.refinement).into_frames();
            made.origin = if self.chosen.is_empty() { self.annealer.parents.clone() } else { self.chosen.clone() };
            let kept = made.reasonable(kt, REASONABLE);
            scalars.push(("refine.dropped", (made.energy.len() - kept.len()) as f64));
            self.result = made.select(&kept);
            if self.spec.anneal.weights != Weights::Path || self.rung + 1 < self.rungs() {
                scalars.extend(self.free_energy(ctx.seed));
            }
        }
        let mut report = self.progress("refinement", total, scalars);
        if finished {
            report.population = self.population(self.rung + 1, &self.result);
        }
        if finished && self.rung + 1 == self.rungs() {
            self.next_phase(Phase::Done);
            report.finished = true;
        } else if finished {
            self.rung += 1;
            let made = std::mem::take(&mut self.result);
            self.enter_training(&made);
        }
        Ok(report)
    }

    /// The samples: as drawn where paths have weights, else the particles as they are at last.
    fn made(&self) -> &Buffer {
        if self.log_weight.is_empty() { &self.result } else { &self.drawn }
    }

    /// Particles of a rung.
    fn population(&self, rung: usize, made: &Buffer) -> Option<Population> {
        let shown = made.select(&Population::choose(made.energy.len(), None));
        Population::new(self.temperatures[rung], self.system.atoms, &shown.x)
    }

    /// `f_{k+1} - f_k` between the data of this rung and the particles made from it, in kT.
    fn free_energy(&self, seed: u64) -> Vec<(&'static str, f64)> {
        let beta = |rung| 1.0 / self.kt(rung);
        let change = beta(self.rung + 1) - beta(self.rung);
        let (a, b) = (&self.buffers[self.rung], &self.result);
        let work = |buffer: &Buffer| buffer.energy.iter().map(|e| e * change).collect::<Vec<_>>();
        let (wa, wb) = (work(a), work(b));
        let stream = Stream::new(seed, rng::Purpose::Evaluation, self.rung as u64);
        let sides = [(&wa, &a.origin), (&wb, &b.origin)].map(|(work, origin)| Side { work, origin });
        bennett(sides[0], sides[1], &stream)
            .map_or_else(Vec::new, |f| vec![("free_energy", f.difference), ("free_energy.error", f.error)])
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
        arrays.insert("mala_step".into(), state::floats(&[self.mala_step]));
        if self.phase == Phase::Initial {
            arrays.extend(state::under(INITIAL, self.initial.state()?));
        }
        self.result.save("result", &mut arrays);
        arrays.insert("fisher".into(), state::floats(&self.fisher));
        self.drawn.save("drawn", &mut arrays);
        arrays.insert("log_weight".into(), state::floats(&self.log_weight));
        arrays.insert("chosen".into(), state::integers(&self.chosen));
        for (k, buffer) in self.buffers.iter().enumerate() {
            buffer.save(&format!("buffer.{k}"), &mut arrays);
        }
        self.trainer.save(&mut arrays)?;
        self.annealer.save(&mut arrays);
        self.refinement.save(&mut arrays);
        Ok(arrays)
    }

    fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        let place = state::i64s(arrays, "place")?;
        let phases = [Phase::Initial, Phase::Train, Phase::Anneal, Phase::Refine, Phase::Done];
        self.phase = state::one_of(&phases, place[0])?;
        (self.rung, self.done) = (place[1] as usize, place[2] as usize);
        self.mala_step = state::f64s(arrays, "mala_step")?[0];
        if self.phase == Phase::Initial {
            self.initial.restore(&state::of(INITIAL, arrays))?;
        }
        self.result = Buffer::load("result", arrays)?;
        self.fisher = state::f64s(arrays, "fisher")?;
        self.drawn = Buffer::load("drawn", arrays)?;
        self.log_weight = state::f64s(arrays, "log_weight")?;
        self.chosen = state::i64s(arrays, "chosen")?;
        self.buffers = (0..place[3]).map(|k| Buffer::load(&format!("buffer.{k}"), arrays)).collect::<Result<_>>()?;
        self.trainer.restore(arrays)?;
        self.annealer = Annealer::load(arrays)?;
        self.refinement = Refinement::load(arrays)?;
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        if self.phase != Phase::Done {
            return Err(Error::Internal("pita: samples asked for before the last rung is done".into()));
        }
        let positions = |made: &Buffer| Array::f64(&[made.energy.len(), self.system.atoms, 3], made.x.clone());
        let made = self.made();
        let mut samples = Samples::from([
            ("positions".to_owned(), positions(made)),
            ("energy".to_owned(), state::floats(&made.energy)),
            ("parents".to_owned(), state::integers(&made.origin)),
        ]);
        if !self.log_weight.is_empty() {
            samples.insert("log_weight".into(), state::floats(&self.log_weight));
            samples.insert("reweighted.positions".into(), positions(&self.result));
            samples.insert("reweighted.parents".into(), state::integers(&self.result.origin));
        }
        Ok(samples)
    }

    fn shortfall(&self) -> Option<String> {
        let dropped = self.spec.samples.saturating_sub(self.made().energy.len());
        (self.phase == Phase::Done && dropped > 0)
            .then(|| format!("{dropped} particles with a reduced energy beyond {REASONABLE} were dropped"))
    }

    fn weights(&self) -> Option<Arrays> {
        let averaged = self.trainer.averaged();
        let mut arrays = self.net.layout().unpack(averaged.score, "score_net.");
        arrays.extend(self.net.layout().unpack(averaged.energy, "energy_net."));
        if self.spec.anneal.weights == Weights::Path {
            // What further draws from it need beside the network.
            let variance = self.buffers.last().map_or(1.0, Buffer::variance);
            arrays.insert(VARIANCE.into(), state::floats(&[variance]));
        }
        Some(arrays)
    }
}
