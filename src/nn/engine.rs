//! Which code evaluates a network.

use candle_core::{DType, Device};

use super::Backbone;
use super::candle::CandleEgnn;
use super::fused::FusedEgnn;
use crate::config::spec::{Engine, NetSpec};
use crate::error::Result;

/// Builds the EGNN of `atoms` particles in production precision (f32).
///
/// # Errors
/// When the engine cannot have the shape asked for.
pub fn build(engine: Engine, atoms: usize, net: &NetSpec) -> Result<Box<dyn Backbone>> {
    Ok(match engine {
        Engine::Candle => Box::new(CandleEgnn::new(atoms, net, DType::F32, Device::Cpu)),
        Engine::Fused => Box::new(FusedEgnn::<f32>::new(atoms, net)?),
    })
}
