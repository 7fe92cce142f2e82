//! Plain dynamics: Langevin, MALA, replica exchange.

pub mod langevin;
pub mod mala;
mod recorder;
mod replica_exchange;
mod sampler;

use super::{Context, Sampler};
use crate::config::spec::{MdSpec, ReplicaExchangeSpec};
use crate::energy::Purpose;
use crate::error::Result;
use crate::rng::{self, Stream};
use crate::systems::System;

pub use replica_exchange::ReplicaExchange;
pub use sampler::Md;

/// Acceptance that MALA steps are tuned to (optimal: Roberts and Rosenthal 1998).
pub(super) const ACCEPTANCE: f64 = 0.574;
/// Moves in one [`Sampler::step`].
const STRETCH: usize = 200;
/// Spread of walkers around the start configuration, in units of the system's scale.
const JITTER: f64 = 0.05;

/// `n` copies of the start configuration with a little noise, `[n, dim]`.
pub(super) fn scattered(system: &System, n: usize, seed: u64) -> Vec<f64> {
    let stream = Stream::new(seed, rng::Purpose::Init, 0);
    let mut x = Vec::with_capacity(n * system.start.len());
    for i in 0..n {
        let mut draws = stream.at(i as u32);
        x.extend(system.start.iter().map(|x| x + JITTER * system.scale * draws.normal()));
    }
    x
}

/// Plain MD or MALA.
///
/// # Errors
/// None today; settings are checked when the experiment is read.
pub fn build(spec: &MdSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    Ok(Box::new(Md::new(spec, ctx)))
}

/// Temperature replica exchange.
///
/// # Errors
/// When the ladder does not lead down to the target.
pub fn build_replica_exchange(spec: &ReplicaExchangeSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    Ok(Box::new(ReplicaExchange::new(spec, ctx, Purpose::Sampling)?))
}
