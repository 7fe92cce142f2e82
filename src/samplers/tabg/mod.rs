//! TA-BG: temperature-annealed Boltzmann generators (Schopmans and Friederich 2025, arXiv 2501.19077).
//!
//! A normalizing flow learns the ensemble at a high temperature from energies alone (reverse KL), or from molecular dynamics
//! (forward KL). Stage by stage it is then annealed: draw from the flow, weight to the next temperature, clip, resample, train
//! by maximum likelihood. Samples come with `log q`, and with weights to the target.
//!
//! | file | job |
//! |---|---|
//! | [`energy`] | reduced energies: cut, or left out |
//! | [`weights`] | clipping, effective sample sizes, resampling, log-partition estimates |
//! | [`rates`] | learning-rate schedules |
//! | [`generator`] | what a flow has to offer: draws with densities, losses with gradients |
//! | [`internal`] | the one on internal coordinates |
//! | [`cartesian`] | the one on Cartesian coordinates |
//! | [`trainer`] | parameters and optimiser |
//! | [`data`] | molecular dynamics as training data |
//! | [`passes`] | passes over it in random order |
//! | [`sampler`] | the phases |

pub mod cartesian;
pub mod data;
pub mod energy;
pub mod generator;
pub mod internal;
pub mod passes;
pub mod rates;
pub mod sampler;
pub mod trainer;
pub mod weights;

use super::{Context, Sampler};
use crate::config::spec::{TabgCartSpec, TabgSpec};
use crate::error::{Error, Result};
use crate::flow::tarflow::TarShape;
use crate::flow::{Coordinates, Shape};

pub use cartesian::Cartesian;
pub use generator::Generator;
pub use internal::InternalModel;
pub use sampler::TaBg;

/// TA-BG on internal coordinates.
///
/// # Errors
/// When the system has no internal coordinates or the ladder does not lead down to the target.
pub fn build_internal(spec: &TabgSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    let system = &ctx.system;
    let topology = system.topology.as_ref().ok_or_else(|| {
        let name = &system.name;
        Error::Usage(format!("tabg-ic: `{name}` has no bonds, so no internal coordinates; list its systems without it"))
    })?;
    let coordinates = Coordinates::new(topology, &system.start)?;
    let shape = Shape::new(coordinates.counts(), spec.flow.blocks, spec.flow.hidden);
    Ok(Box::new(TaBg::new("tabg-ic", spec, ctx, Box::new(InternalModel::new(coordinates, shape)))?))
}

/// TA-BG on Cartesian coordinates.
///
/// # Errors
/// When the flow's sizes do not fit or the ladder does not lead down to the target.
pub fn build_cartesian(spec: &TabgCartSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    let (system, f) = (&ctx.system, &spec.flow);
    let shape = TarShape::new(system.atoms, f.channels, f.blocks, f.layers, f.width, f.head)?;
    let model = Cartesian::new(shape, system.atoms, system.scale);
    Ok(Box::new(TaBg::new("tabg-cart", &spec.common(), ctx, Box::new(model))?))
}
