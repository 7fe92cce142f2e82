//! Plain dynamics: Langevin, MALA, replica exchange.

pub mod mala;

use super::{Context, Sampler};
use crate::config::spec::{MdSpec, ReplicaExchangeSpec};
use crate::error::{Error, Result};

/// Plain MD or MALA.
///
/// # Errors
/// When the settings do not fit.
pub fn build(_spec: &MdSpec, _ctx: &Context) -> Result<Box<dyn Sampler>> {
    Err(Error::Internal("md".into()))
}

/// Temperature replica exchange.
///
/// # Errors
/// When the settings do not fit.
pub fn build_replica_exchange(_spec: &ReplicaExchangeSpec, _ctx: &Context) -> Result<Box<dyn Sampler>> {
    Err(Error::Internal("replica exchange".into()))
}
