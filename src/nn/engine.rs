//! Which code evaluates a network.

use candle_core::DType;

use super::Backbone;
use super::candle::{CandleDit, CandleEgnn};
use super::dit::Dit;
use super::fused::FusedEgnn;
use super::halving::Halving;
use crate::device::{self, DeviceDit, DeviceEgnn};
use crate::error::Result;
use crate::real::Precision;
use crate::spec::{Engine, NetSpec};

/// Builds the backbone of `atoms` particles in production precision (f32). On a GPU the fused engines run as kernels of ours,
/// candle's networks through cuBLAS.
///
/// # Errors
/// When the engine cannot have the shape asked for; [`crate::error::Error::NoDevice`].
pub fn build(engine: Engine, atoms: usize, net: &NetSpec) -> Result<Box<dyn Backbone>> {
    Ok(match (engine, &net.dit) {
        (Engine::Candle, None) => on_device(CandleEgnn::new(atoms, net, DType::F32, device::networks()?)),
        (Engine::Candle, Some(dit)) => on_device(CandleDit::new(atoms, net, dit, DType::F32, device::networks()?)?),
        (Engine::Fused, None) => device::network(
            |launcher| Ok(boxed(DeviceEgnn::new(launcher, atoms, net, Precision::F32)?)),
            || Ok(boxed(FusedEgnn::<f32>::new(atoms, net)?)),
        )?,
        (Engine::Fused, Some(dit)) => device::network(
            |launcher| Ok(boxed(DeviceDit::new(launcher, atoms, net, dit, Precision::F32)?)),
            || Ok(boxed(Dit::<f32>::new(atoms, net, dit)?)),
        )?,
    })
}

fn boxed(net: impl Backbone + 'static) -> Box<dyn Backbone> {
    Box::new(net)
}

/// In batches that fit, where there is a device.
fn on_device(net: impl Backbone + 'static) -> Box<dyn Backbone> {
    if device::name().is_some() { Box::new(Halving::new(Box::new(net))) } else { Box::new(net) }
}
