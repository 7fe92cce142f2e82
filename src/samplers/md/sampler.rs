//! Plain dynamics as a method: independent walkers from one configuration, recorded every `stride` steps.

use super::langevin::{Dynamics, Langevin};
use super::mala::{DualAveraging, Mala};
use super::recorder::Recorder;
use super::{ACCEPTANCE, STRETCH, scattered};
use crate::array::Arrays;
use crate::config::spec::{Integrator, MdSpec};
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::rng;
use crate::samplers::{Context, Progress, Sampler, Samples, state};

/// Reduced energy at which a trajectory counts as diverged.
const RUNAWAY: f64 = 1e6;

/// Langevin dynamics or MALA as a resumable sampler.
pub struct Md {
    spec: MdSpec,
    atoms: usize,
    kt: f64,
    langevin: Langevin,
    mala: Mala,
    step_size: DualAveraging,
    step: f64,
    recorded: Recorder,
    done: usize,
    spent: bool,
}

impl Md {
    /// At the beginning.
    #[must_use]
    pub fn new(spec: &MdSpec, ctx: &Context) -> Self {
        Self {
            atoms: ctx.system.atoms,
            kt: ctx.system.kt(ctx.system.temperature),
            langevin: Langevin::default(),
            mala: Mala::default(),
            step_size: DualAveraging::new(spec.step, ACCEPTANCE),
            step: spec.step,
            recorded: Recorder::default(),
            done: 0,
            spent: false,
            spec: spec.clone(),
        }
    }

    /// Steps of each walker from beginning to end.
    fn total(&self) -> usize {
        self.spec.equilibration + self.spec.samples.div_ceil(self.spec.walkers) * self.spec.stride
    }

    /// One step of all walkers; returns the mean acceptance (1 for Langevin).
    fn advance(&mut self, ctx: &mut Context) -> Result<f64> {
        let start = || scattered(&ctx.system, self.spec.walkers, ctx.seed);
        match self.spec.integrator {
            Integrator::Langevin => {
                if self.langevin.energies.is_empty() {
                    self.langevin = Langevin::new(start(), self.kt, ctx.seed, &mut ctx.energy, Purpose::Sampling)?;
                }
                let d = Dynamics { dt: self.spec.step, friction: self.spec.friction, kt: self.kt };
                self.langevin.advance(&mut ctx.energy, Purpose::Sampling, d, ctx.seed)?;
                // A stable trajectory never gets near this: the integrator has blown up.
                if let Some(e) = self.langevin.energies.iter().find(|e| e.is_nan() || **e > RUNAWAY * self.kt) {
                    return Err(Error::Numerical(format!(
                        "langevin: the energy is {e:.1e} after {} steps; use a smaller step than {}",
                        self.done, self.spec.step
                    )));
                }
                Ok(1.0)
            }
            Integrator::Mala => {
                if self.mala.is_empty() {
                    self.mala = Mala::new(start(), &mut ctx.energy, Purpose::Sampling)?;
                }
                let (kt, eps) = (self.kt, self.step);
                let key = (ctx.seed, rng::Purpose::Dynamics, 0);
                let p = self.mala.advance(&mut ctx.energy, Purpose::Sampling, key, |_| (kt, eps))?;
                let acceptance = p.iter().sum::<f64>() / p.len() as f64;
                // The step is fixed once frames are recorded: adaptation would break detailed balance.
                if self.done + 1 < self.spec.equilibration {
                    self.step = self.step_size.update(acceptance);
                } else if self.done + 1 == self.spec.equilibration {
                    self.step = self.step_size.averaged();
                }
                Ok(acceptance)
            }
        }
    }
}

impl Sampler for Md {
    fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        let stretch = STRETCH.min(self.total() - self.done);
        let mut acceptance = 0.0;
        for _ in 0..stretch {
            match self.advance(ctx) {
                Ok(p) => acceptance += p / stretch as f64,
                Err(Error::BudgetSpent { .. }) if !self.recorded.is_empty() => {
                    self.spent = true;
                    break;
                }
                Err(e) => return Err(e),
            }
            self.done += 1;
            let sampled = self.done.saturating_sub(self.spec.equilibration);
            if sampled > 0 && sampled.is_multiple_of(self.spec.stride) {
                let (x, e) = match self.spec.integrator {
                    Integrator::Langevin => (&self.langevin.positions, &self.langevin.energies),
                    Integrator::Mala => (&self.mala.positions, &self.mala.energies),
                };
                self.recorded.take(self.spec.samples, x, e);
            }
        }
        let phase = if self.done <= self.spec.equilibration { "equilibration" } else { "sampling" };
        let scalars = match self.spec.integrator {
            Integrator::Langevin => Vec::new(),
            Integrator::Mala => {
                vec![("md.acceptance".to_owned(), acceptance), ("md.step".to_owned(), self.step)]
            }
        };
        Ok(Progress {
            done: self.done as u64,
            total: self.total() as u64,
            phase: phase.to_owned(),
            scalars,
            finished: self.spent || self.done == self.total(),
        })
    }

    fn state(&self) -> Result<Arrays> {
        let mut arrays = Arrays::new();
        self.langevin.save(&mut arrays);
        self.mala.save("mala", &mut arrays);
        self.recorded.save(&mut arrays);
        let steps: Vec<f64> = std::iter::once(self.step).chain(self.step_size.state()).collect();
        arrays.insert("step_size".into(), state::floats(&steps));
        arrays.insert("done".into(), state::integers(&[self.done as i64, i64::from(self.spent)]));
        Ok(arrays)
    }

    fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        self.langevin = Langevin::load(arrays)?;
        self.mala = Mala::load("mala", arrays)?;
        self.recorded = Recorder::load(arrays)?;
        let steps = state::f64s(arrays, "step_size")?;
        self.step = steps[0];
        self.step_size = DualAveraging::from_state(&steps[1..]);
        let done = state::i64s(arrays, "done")?;
        self.done = done[0] as usize;
        self.spent = done[1] != 0;
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        Ok(self.recorded.samples(self.atoms))
    }
}
