//! Plain dynamics: Langevin, MALA, replica exchange. All walkers begin at the system's start configuration: they come apart by their
//! noise.

mod bias;
pub mod langevin;
pub mod mala;
mod recorder;
mod replica_exchange;
mod sampler;
pub mod space;
mod tuning;

use crate::energy::Dynamics;
use crate::error::{Error, Result};
use crate::spec::Precision;
use crate::systems::System;

pub use recorder::Recorder;
pub use replica_exchange::ReplicaExchange;
pub use sampler::{Md, Role, Taken};

/// Acceptance that MALA steps are tuned to (optimal: Roberts and Rosenthal 1998).
pub(super) const ACCEPTANCE: f64 = 0.574;
/// Salt of the chains that make initial data: the same seed gives every method that begins with them the same start.
const INITIAL_SALT: u64 = 0xffff;
/// Reduced energy at which a trajectory counts as diverged.
const RUNAWAY: f64 = 1e6;

/// Moves in one [`crate::samplers::Sampler::step`] of so many walkers: about 50,000 evaluations, within bounds, so that a signal is
/// obeyed soon however many walkers there are.
pub(super) fn stretch(walkers: usize) -> usize {
    (50_000 / walkers.max(1)).clamp(1, 2_000)
}

/// Langevin dynamics of a run.
pub(super) fn dynamics(system: &System, seed: u64, dt: f64, friction: f64, precision: Precision) -> Dynamics<'_> {
    Dynamics { dt, friction, masses: &system.masses, precision, seed, first_step: 0 }
}

/// A stable trajectory never gets near [`RUNAWAY`]: the integrator has blown up.
pub(super) fn check_stable(energies: &[f64], kt: f64, steps: u64, dt: f64) -> Result<()> {
    match energies.iter().find(|e| e.is_nan() || **e > RUNAWAY * kt) {
        None => Ok(()),
        Some(e) => Err(Error::Numerical(format!(
            "langevin: the energy is {e:.1e} after {steps} steps; use a smaller step than {dt}"
        ))),
    }
}
