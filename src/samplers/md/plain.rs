//! The `md` sampler: independent walkers by Langevin dynamics or MALA.

use super::langevin::Langevin;
use super::mala::Mala;
use super::recorder::Recorder;
use super::{ACCEPTANCE, read_counters, start, steps_per_call, write_counters};
use crate::array::Arrays;
use crate::config::spec::{Integrator, MdSpec};
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::rng::{self, Stream};
use crate::samplers::{Context, Progress, Sampler, Samples};

enum Dynamics {
    Langevin(Langevin),
    Mala(Mala),
}

/// Plain dynamics of independent walkers.
pub(super) struct Md {
    spec: MdSpec,
    dynamics: Dynamics,
    recorder: Recorder,
    done: u64,
    finished: bool,
}

impl Md {
    pub(super) fn new(spec: &MdSpec, ctx: &Context) -> Result<Self> {
        let positive = [("walkers", spec.walkers), ("stride", spec.stride), ("samples", spec.samples)];
        if let Some((key, _)) = positive.iter().find(|(_, v)| *v == 0) {
            return Err(Error::Usage(format!("md: `{key}` is 0, expected at least 1")));
        }
        if !(spec.step.is_finite() && spec.step > 0.0 && spec.friction.is_finite() && spec.friction >= 0.0) {
            return Err(Error::Usage("md: `step` must be positive and `friction` not negative".into()));
        }
        let system = &ctx.system;
        let kt = system.kt(system.temperature);
        let positions = start(ctx, spec.walkers);
        let dynamics = match spec.integrator {
            Integrator::Langevin => {
                // Step 0 draws the starting noise, step 1 the velocities.
                let init = Stream::new(ctx.seed, rng::Purpose::Init, 1);
                Dynamics::Langevin(Langevin::new(positions, system.atoms, kt, spec.step, spec.friction, &init))
            }
            Integrator::Mala => {
                let mut mala = Mala::new(positions, system.atoms, kt, spec.step);
                if spec.equilibration > 0 {
                    mala.adapt(ACCEPTANCE);
                }
                Dynamics::Mala(mala)
            }
        };
        let recorder = Recorder::new(spec.walkers, 3 * system.atoms, spec.samples);
        Ok(Self { spec: spec.clone(), dynamics, recorder, done: 0, finished: false })
    }

    fn total(&self) -> u64 {
        (self.spec.equilibration + self.spec.stride * self.recorder.rounds()) as u64
    }

    fn advance(&mut self, ctx: &mut Context) -> Result<()> {
        let stream = Stream::new(ctx.seed, rng::Purpose::Dynamics, self.done);
        match &mut self.dynamics {
            Dynamics::Langevin(d) => d.step(&mut ctx.energy, Purpose::Sampling, &stream)?,
            Dynamics::Mala(d) => d.step(&mut ctx.energy, Purpose::Sampling, &stream)?,
        }
        self.done += 1;
        let equilibration = self.spec.equilibration as u64;
        if self.done == equilibration
            && let Dynamics::Mala(mala) = &mut self.dynamics
        {
            mala.freeze();
            mala.reset_statistics();
        }
        if self.done > equilibration && (self.done - equilibration).is_multiple_of(self.spec.stride as u64) {
            let (positions, energies) = match &self.dynamics {
                Dynamics::Langevin(d) => (d.positions(), d.energies()),
                Dynamics::Mala(d) => (d.positions(), d.energies()),
            };
            for (e, x) in energies.iter().zip(positions.chunks(3 * ctx.system.atoms)) {
                self.recorder.push(*e, x);
            }
        }
        Ok(())
    }
}

impl Sampler for Md {
    fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        let total = self.total();
        for _ in 0..steps_per_call(self.spec.walkers, ctx.system.atoms) {
            if self.finished || self.done == total {
                break;
            }
            match self.advance(ctx) {
                // A spent budget ends the run with the frames there are.
                Err(Error::BudgetSpent { .. }) if self.recorder.len() > 0 => self.finished = true,
                other => other?,
            }
        }
        self.finished |= self.done == total;
        let phase = if self.done < self.spec.equilibration as u64 { "equilibration" } else { "sampling" };
        let mut scalars = Vec::new();
        if let Dynamics::Mala(mala) = &self.dynamics {
            scalars.push(("acceptance".into(), mala.acceptance(0)));
            scalars.push(("step_size".into(), mala.step_size(0)));
        }
        Ok(Progress { done: self.done, total, phase: phase.into(), scalars, finished: self.finished })
    }

    fn state(&self) -> Result<Arrays> {
        let mut state = match &self.dynamics {
            Dynamics::Langevin(d) => d.state(),
            Dynamics::Mala(d) => d.state(),
        };
        state.extend(self.recorder.state());
        write_counters(&mut state, &[self.done as i64, i64::from(self.finished)]);
        Ok(state)
    }

    fn restore(&mut self, state: &Arrays) -> Result<()> {
        match &mut self.dynamics {
            Dynamics::Langevin(d) => d.restore(state)?,
            Dynamics::Mala(d) => d.restore(state)?,
        }
        self.recorder.restore(state)?;
        let counters = read_counters(state, 2)?;
        (self.done, self.finished) = (counters[0] as u64, counters[1] != 0);
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        Ok(self.recorder.samples())
    }
}
