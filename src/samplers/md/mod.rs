//! Plain dynamics: Langevin, MALA, replica exchange.
//!
//! All walkers of a sampler move together, one batched energy call per step. Noise is keyed by (purpose, step, walker).

mod adapt;
mod langevin;
mod mala;
mod plain;
mod recorder;
mod replica_exchange;

pub use langevin::Langevin;
pub use mala::Mala;
pub use replica_exchange::ReplicaExchange;

use super::{Context, Sampler};
use crate::array::{Array, Arrays};
use crate::config::spec::{MdSpec, ReplicaExchangeSpec};
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::rng::{self, Stream};

/// Acceptance that MALA is tuned to: optimal in high dimension (Roberts & Rosenthal 1998).
pub const ACCEPTANCE: f64 = 0.574;

/// Standard deviation of the noise on the starting configurations, in units of length.
const START_NOISE: f64 = 0.02;

/// Plain MD or MALA.
///
/// # Errors
/// [`Error::Usage`] when the settings do not fit.
pub fn build(spec: &MdSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    Ok(Box::new(plain::Md::new(spec, ctx)?))
}

/// Temperature replica exchange.
///
/// # Errors
/// [`Error::Usage`] when the settings do not fit.
pub fn build_replica_exchange(spec: &ReplicaExchangeSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    Ok(Box::new(ReplicaExchange::new(spec, ctx, Purpose::Sampling)?))
}

/// `walkers` copies `[walkers, atoms, 3]` of the system's start, each with a little noise of its own.
#[must_use]
pub fn start(ctx: &Context, walkers: usize) -> Vec<f64> {
    let stream = Stream::new(ctx.seed, rng::Purpose::Init, 0);
    (0..walkers)
        .flat_map(|w| {
            let mut draws = stream.at(w as u32);
            ctx.system.start.iter().map(move |x| x + START_NOISE * draws.normal()).collect::<Vec<_>>()
        })
        .collect()
}

/// Steps in one call of [`Sampler::step`]: a few tenths of a second on two cores, and never dependent on a clock.
fn steps_per_call(walkers: usize, atoms: usize) -> usize {
    (2_000_000 / (walkers * atoms)).max(1)
}

fn write_counters(state: &mut Arrays, counters: &[i64]) {
    state.insert("counters".into(), Array::i64(&[counters.len()], counters.to_vec()));
}

fn read_counters(state: &Arrays, n: usize) -> Result<&[i64]> {
    let counters = state.get("counters").and_then(Array::as_i64).filter(|c| c.len() == n);
    counters.ok_or_else(|| Error::Internal("checkpoint array `counters` does not fit".into()))
}

#[cfg(test)]
mod tests;
