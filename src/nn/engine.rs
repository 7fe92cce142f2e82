//! Which code evaluates a network.

use candle_core::DType;

use super::Backbone;
use super::candle::{CandleDit, CandleEgnn};
use super::dit::Dit;
use super::fused::FusedEgnn;
use super::halving::Halving;
use crate::config::spec::{Engine, NetSpec};
use crate::device;
use crate::error::Result;

/// Builds the backbone of `atoms` particles in production precision (f32). candle's is on the device of this process, the
/// fused ones are on the CPU.
///
/// # Errors
/// When the engine cannot have the shape asked for; [`crate::error::Error::NoDevice`].
pub fn build(engine: Engine, atoms: usize, net: &NetSpec) -> Result<Box<dyn Backbone>> {
    let built: Box<dyn Backbone> = match (engine, &net.dit) {
        (Engine::Candle, None) => Box::new(CandleEgnn::new(atoms, net, DType::F32, device::networks()?)),
        (Engine::Fused, None) => Box::new(FusedEgnn::<f32>::new(atoms, net)?),
        (Engine::Candle, Some(dit)) => Box::new(CandleDit::new(atoms, net, dit, DType::F32, device::networks()?)?),
        (Engine::Fused, Some(dit)) => Box::new(Dit::<f32>::new(atoms, net, dit)?),
    };
    let on_device = engine == Engine::Candle && device::name().is_some();
    Ok(if on_device { Box::new(Halving::new(built)) } else { built })
}
