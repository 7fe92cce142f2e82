//! Plain dynamics as a method: independent walkers from one configuration, recorded every `stride` steps.

use super::bias::Biasing;
use super::langevin::Langevin;
use super::mala::{DualAveraging, Mala};
use super::recorder::Recorder;
use super::space::Cartesian;
use super::{ACCEPTANCE, INITIAL_SALT, check_stable, dynamics, stretch};
use crate::array::Arrays;
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::rng;
use crate::samplers::{BUDGET_ENDED, Context, Progress, Sampler, Samples, state};
use crate::spec::{InitialSpec, Integrator, MdSpec};

/// What a run of dynamics is for.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    /// What its evaluations are charged to.
    pub purpose: Purpose,
    /// `kT` of its frames.
    pub kt: f64,
    /// Keeps its random numbers apart from those of other phases of the same run (below 2^16).
    pub salt: u64,
    /// Whether forces are recorded with the frames.
    pub forces: bool,
}

/// Langevin dynamics or MALA as a resumable sampler: hot start (if any), equilibration, sampling.
pub struct Md {
    spec: MdSpec,
    role: Role,
    atoms: usize,
    langevin: Langevin,
    mala: Mala,
    step_size: DualAveraging,
    /// MALA's step by now.
    pub mala_step: f64,
    recorded: Recorder,
    done: usize,
    spent: bool,
    /// The bias of initial data, where there is one.
    bias: Option<Biasing>,
}

/// Frames of a finished run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taken {
    /// Positions `[n, atoms, 3]`.
    pub x: Vec<f64>,
    /// Unreduced energies `[n]`.
    pub energies: Vec<f64>,
    /// Forces `[n, atoms, 3]`, or empty.
    pub forces: Vec<f64>,
    /// The recorded frame `[n]` that each is: its own number, unless frames were resampled. Frame `i` is one of walker
    /// `i % walkers`.
    pub origin: Vec<i64>,
}

impl Md {
    /// At the beginning.
    #[must_use]
    pub fn new(spec: &MdSpec, ctx: &Context, role: Role) -> Self {
        Self {
            role,
            atoms: ctx.system.atoms,
            langevin: Langevin::default(),
            mala: Mala::default(),
            step_size: DualAveraging::new(spec.step, ACCEPTANCE),
            mala_step: spec.step,
            recorded: Recorder::default(),
            done: 0,
            spent: false,
            bias: None,
            spec: spec.clone(),
        }
    }

    /// Initial data at `kt`, at the beginning.
    ///
    /// # Errors
    /// [`Error::Usage`] when a bias is asked for and the system has no phi and psi.
    pub fn initial(spec: &InitialSpec, ctx: &Context, kt: f64) -> Result<Self> {
        let role = Role { purpose: Purpose::InitialData, kt, salt: INITIAL_SALT, forces: true };
        Ok(Self { bias: Biasing::new(spec, &ctx.system, kt)?, ..Self::new(&spec.md(), ctx, role) })
    }

    /// Steps of the hot start.
    fn heating(&self) -> usize {
        self.spec.hot_start.as_ref().map_or(0, |h| h.steps)
    }

    /// Steps before the first recorded stretch.
    fn unrecorded(&self) -> usize {
        self.heating() + self.spec.equilibration
    }

    /// Steps of each walker from beginning to end.
    fn total(&self) -> usize {
        self.unrecorded() + self.spec.samples.div_ceil(self.spec.walkers) * self.spec.stride
    }

    /// The next step at which something happens besides moving: hills of a bias, the end of the hot start or of equilibration, a
    /// frame to record, the end.
    fn next_event(&self) -> usize {
        let (hot, cold) = (self.heating(), self.unrecorded());
        let sampled = self.done.saturating_sub(cold);
        let frame = cold + (sampled / self.spec.stride + 1) * self.spec.stride;
        let hill = self.bias.as_ref().and_then(|bias| bias.next(self.done)).unwrap_or(usize::MAX);
        [hot, cold].into_iter().find(|&event| event > self.done).unwrap_or(frame).min(hill).min(self.total())
    }

    /// `steps` steps of all walkers, or fewer; returns how many, and the mean acceptance (1 for Langevin).
    fn advance(&mut self, ctx: &mut Context, steps: usize) -> Result<(usize, f64)> {
        let Role { purpose, salt, .. } = self.role;
        let system = &ctx.system;
        let hot = self.spec.hot_start.as_ref().filter(|hot| self.done < hot.steps);
        let kt = hot.map_or(self.role.kt, |hot| system.kt(hot.temperature));
        match self.spec.integrator {
            Integrator::Langevin => {
                let kts = vec![kt; self.spec.walkers];
                if self.langevin.energies.is_empty() {
                    let x = system.start.repeat(self.spec.walkers);
                    self.langevin = Langevin::new(x, &kts, &system.masses, (ctx.seed, salt), &mut ctx.energy, purpose)?;
                }
                let d = dynamics(system, ctx.seed, self.spec.step, self.spec.friction, self.spec.precision);
                let done = self.langevin.advance(&mut ctx.energy, purpose, &d, &kts, steps, None)?;
                check_stable(&self.langevin.energies, kt, (self.done + done) as u64, self.spec.step)?;
                Ok((done, 1.0))
            }
            Integrator::Mala => {
                let space = Cartesian { atoms: self.atoms };
                if self.mala.is_empty() {
                    let x = system.start.repeat(self.spec.walkers);
                    self.mala = Mala::new(&space, x, &mut ctx.energy, purpose)?;
                }
                let eps = self.mala_step;
                let key = (ctx.seed, rng::Purpose::Dynamics, salt);
                let p = self.mala.advance(&space, &mut ctx.energy, purpose, key, |_| (kt, eps))?;
                let acceptance = p.iter().sum::<f64>() / p.len() as f64;
                // The step is fixed once frames are recorded: adaptation would break detailed balance.
                if self.done + 1 < self.unrecorded() {
                    self.mala_step = self.step_size.update(acceptance);
                } else if self.done + 1 == self.unrecorded() {
                    self.mala_step = self.step_size.averaged();
                }
                Ok((1, acceptance))
            }
        }
    }

    /// The frames, given away; forces if its role asked for them.
    #[must_use]
    pub fn take_frames(&mut self) -> Taken {
        let Recorder { positions: x, energies, forces } = std::mem::take(&mut self.recorded);
        let origin = match &self.bias {
            Some(bias) => bias.kept.clone(),
            None => (0..energies.len() as i64).collect(),
        };
        Taken { x, energies, forces, origin }
    }

    /// A step as the first phase of another sampler: its numbers are called `initial.`.
    ///
    /// # Errors
    /// As [`Sampler::step`].
    pub fn initial_step(&mut self, ctx: &mut Context) -> Result<Progress> {
        let mut step = self.step(ctx)?;
        for (name, _) in &mut step.scalars {
            *name = format!("initial.{}", name.trim_start_matches("md."));
        }
        Ok(step)
    }
}

impl Sampler for Md {
    fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        let (mut acceptance, mut moves) = (0.0, 0.0);
        let until = self.total().min(self.done + stretch(self.spec.walkers));
        while self.done < until {
            let steps = self.next_event().min(until) - self.done;
            ctx.energy.set_bias(self.bias.as_ref().map(|bias| &bias.bias));
            let made = self.advance(ctx, steps);
            ctx.energy.set_bias(None);
            match made {
                Ok((done, p)) => {
                    self.done += done;
                    acceptance += p;
                    moves += 1.0;
                    if done == 0 {
                        continue; // the budget paid for some walkers only: it is spent now
                    }
                }
                Err(Error::BudgetSpent { .. }) if self.recorded.frames() > 0 => {
                    self.spent = true;
                    break;
                }
                Err(e) => return Err(e),
            }
            let sampled = self.done.saturating_sub(self.unrecorded());
            let (x, e, f) = match self.spec.integrator {
                Integrator::Langevin => {
                    (&self.langevin.positions, &mut self.langevin.energies, &mut self.langevin.forces)
                }
                Integrator::Mala => (&self.mala.positions, &mut self.mala.energies, &mut self.mala.forces),
            };
            if let Some(bias) = self.bias.as_mut().filter(|bias| bias.due(self.done)) {
                bias.grow(x, e, f);
            }
            if sampled > 0 && sampled.is_multiple_of(self.spec.stride) {
                let forces = if self.role.forces { &f[..] } else { &[] };
                self.recorded.take(self.spec.samples, x, e, forces);
            }
        }
        let phase = match self.done {
            done if done < self.heating() => "hot start",
            done if done <= self.unrecorded() => "equilibration",
            _ => "sampling",
        };
        let mut scalars = match self.spec.integrator {
            Integrator::Langevin => Vec::new(),
            Integrator::Mala => vec![
                ("md.acceptance".to_owned(), acceptance / f64::max(moves, 1.0)),
                ("md.step".to_owned(), self.mala_step),
            ],
        };
        let finished = self.spent || self.done == self.total();
        if let Some(bias) = self.bias.as_mut().filter(|_| finished) {
            let ess = bias.unbias(ctx.seed, self.role.salt, &mut self.recorded);
            scalars.extend(ess.map(|ess| ("md.bias_ess".to_owned(), ess)));
        }
        Ok(Progress::new(self.done, self.total(), phase.to_owned(), scalars, finished))
    }

    fn state(&self) -> Result<Arrays> {
        let mut arrays = Arrays::new();
        self.langevin.save(&mut arrays);
        self.mala.save("mala", &mut arrays);
        self.recorded.save(&mut arrays);
        let steps: Vec<f64> = std::iter::once(self.mala_step).chain(self.step_size.state()).collect();
        arrays.insert("step_size".into(), state::floats(&steps));
        arrays.insert("done".into(), state::integers(&[self.done as i64, i64::from(self.spent)]));
        if let Some(bias) = &self.bias {
            bias.save(&mut arrays);
        }
        Ok(arrays)
    }

    fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        self.langevin = Langevin::load(arrays)?;
        self.mala = Mala::load("mala", arrays)?;
        self.recorded = Recorder::load(arrays)?;
        let steps = state::f64s(arrays, "step_size")?;
        self.mala_step = steps[0];
        self.step_size = DualAveraging::from_state(&steps[1..]);
        let done = state::i64s(arrays, "done")?;
        self.done = done[0] as usize;
        self.spent = done[1] != 0;
        self.bias.as_mut().map_or(Ok(()), |bias| bias.restore(arrays))
    }

    fn samples(&self) -> Result<Samples> {
        Ok(self.recorded.samples(self.atoms))
    }

    fn shortfall(&self) -> Option<String> {
        self.spent.then(|| BUDGET_ENDED.into())
    }
}
