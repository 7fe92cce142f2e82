//! Samplers: each advances in resumable steps, and reaches the energy only through [`Metered`].

pub mod free_energy;
pub mod internal;
pub mod md;
pub mod pita;
pub mod pita_ic;
pub mod population;
pub mod reference;
pub mod smc;
pub mod state;
pub mod tabg;
pub mod trained;

use std::sync::Arc;

use crate::array::Arrays;
use crate::energy::{Metered, Purpose};
use crate::error::{Error, Result};
use crate::spec::{RunSpec, SamplerSpec};
use crate::systems::System;

pub use population::Population;

/// What a sampler may use while it works.
pub struct Context {
    /// The system and its target temperature.
    pub system: Arc<System>,
    /// The counted energy.
    pub energy: Metered,
    /// Seed of the run; all draws come from [`crate::rng::Stream`]s keyed by it.
    pub seed: u64,
}

/// How far a sampler is after one [`Sampler::step`].
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Work done and in total, in the sampler's own unit (for the bar; `done == total` does not end the run).
    pub done: u64,
    /// Total work.
    pub total: u64,
    /// Phase shown beside the bar, such as `rung 2/5: training`.
    pub phase: String,
    /// Named numbers to record as an event (`loss`, `ess`, ...); empty for none.
    pub scalars: Vec<(String, f64)>,
    /// Particles at a temperature, where the sampler has just made them.
    pub population: Option<Population>,
    /// Charged energy evaluations so far; the harness fills it in.
    pub evaluations: u64,
    /// Finished: [`Sampler::samples`] is final.
    pub finished: bool,
}

impl Progress {
    /// Work done and in total, in a phase.
    #[must_use]
    pub fn new(done: usize, total: usize, phase: String, scalars: Vec<(String, f64)>, finished: bool) -> Self {
        Self { done: done as u64, total: total as u64, phase, scalars, finished, ..Self::default() }
    }
}

/// The reason of a sampler whose samples end with its energy budget.
pub const BUDGET_ENDED: &str = "the energy budget ended it";

/// Samples of a finished run: `positions [n, atoms, 3]` (f64), `energy [n]`, optional `log_weight [n]`, and whatever
/// else the sampler wants kept (extra arrays keep their names).
pub type Samples = Arrays;

/// A sampler that can stop after any step and resume bit for bit.
pub trait Sampler: Send {
    /// One unit of work, short enough (about a second) that Ctrl-C and checkpoints stay responsive.
    ///
    /// # Errors
    /// Whatever ends the run as failed.
    fn step(&mut self, ctx: &mut Context) -> Result<Progress>;

    /// Everything needed to go on: named arrays (saved as safetensors).
    ///
    /// # Errors
    /// When the state cannot be copied from the device.
    fn state(&self) -> Result<Arrays>;

    /// Continues from a saved state.
    ///
    /// # Errors
    /// When an array is missing or has another shape.
    fn restore(&mut self, state: &Arrays) -> Result<()>;

    /// The result so far; final once a step returned `finished`.
    ///
    /// # Errors
    /// When called too early.
    fn samples(&self) -> Result<Samples>;

    /// Why there are fewer samples than were asked for, where the method itself has a reason; without one a run that is
    /// short of samples failed.
    fn shortfall(&self) -> Option<String> {
        None
    }

    /// How neighbouring temperatures of replicas swap: accepted shares, hot to cold, and how many replicas went from one end of the
    /// ladder to the other and back. None without replicas.
    fn exchanges(&self) -> (Vec<f64>, u64) {
        (Vec::new(), 0)
    }

    /// Trained weights to keep beside the samples, if any.
    fn weights(&self) -> Option<Arrays> {
        None
    }
}

/// The temperatures of a ladder and the target below it.
///
/// # Errors
/// [`Error::Usage`] when they do not fall.
fn falling(sampler: &str, ladder: &[f64], target: f64) -> Result<Vec<f64>> {
    let temperatures = [ladder, &[target]].concat();
    if temperatures.is_sorted_by(|a, b| a > b) {
        return Ok(temperatures);
    }
    Err(Error::Usage(format!(
        "{sampler}: the ladder {ladder:?} must fall and end above the target temperature {target}"
    )))
}

/// Builds the sampler that a spec asks for, at its beginning.
///
/// # Errors
/// When the spec does not fit the system.
pub fn build(spec: &RunSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    let (system, purpose) = (&ctx.system, Purpose::Sampling);
    Ok(match &spec.sampler {
        SamplerSpec::Md(s) => {
            let kt = system.kt(system.temperature);
            Box::new(md::Md::new(s, ctx, md::Role { purpose, kt, salt: 0, forces: false }))
        }
        SamplerSpec::ReplicaExchange(s) => Box::new(md::ReplicaExchange::new(s, ctx, purpose)?),
        SamplerSpec::Pita(s) => Box::new(pita::Pita::new(s, ctx)?),
        SamplerSpec::PitaIc(s) => Box::new(pita_ic::PitaIc::new(s, ctx)?),
        SamplerSpec::TabgIc(s) => Box::new(tabg::TaBg::new("tabg-ic", s, ctx, tabg::internal_model(s, system)?)?),
        SamplerSpec::TabgCart(s) => Box::new(tabg::TaBg::new("tabg-cart", s, ctx, tabg::cartesian_model(s, system)?)?),
        SamplerSpec::Smc(s) => Box::new(smc::Smc::new(s, ctx)?),
        SamplerSpec::External(s) => {
            return Err(Error::Internal(format!("`{}` is a program, run by exec::external", s.name)));
        }
        SamplerSpec::Samples(s) => return Err(Error::Internal(format!("{} is read by exec::given", s.path))),
    })
}
