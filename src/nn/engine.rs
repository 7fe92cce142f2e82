//! Which code evaluates a network.

use candle_core::{DType, Device};

use super::Backbone;
use super::candle::{CandleDit, CandleEgnn};
use super::dit::Dit;
use super::fused::FusedEgnn;
use crate::config::spec::{Engine, NetSpec};
use crate::error::Result;

/// Builds the backbone of `atoms` particles in production precision (f32).
///
/// # Errors
/// When the engine cannot have the shape asked for.
pub fn build(engine: Engine, atoms: usize, net: &NetSpec) -> Result<Box<dyn Backbone>> {
    Ok(match (engine, &net.dit) {
        (Engine::Candle, None) => Box::new(CandleEgnn::new(atoms, net, DType::F32, Device::Cpu)),
        (Engine::Fused, None) => Box::new(FusedEgnn::<f32>::new(atoms, net)?),
        (Engine::Candle, Some(dit)) => Box::new(CandleDit::new(atoms, net, dit, DType::F32, Device::Cpu)?),
        (Engine::Fused, Some(dit)) => Box::new(Dit::<f32>::new(atoms, net, dit)?),
    })
}
