//! Which code evaluates a network.

use candle_core::{DType, Device};

use super::Backbone;
use super::candle::CandleEgnn;
use crate::config::spec::{Engine, NetSpec};

/// Builds the EGNN of `atoms` particles in production precision (f32).
#[must_use]
pub fn build(engine: Engine, atoms: usize, net: &NetSpec) -> Box<dyn Backbone> {
    match engine {
        Engine::Candle | Engine::Fused => Box::new(CandleEgnn::new(atoms, net, DType::F32, Device::Cpu)),
    }
}
