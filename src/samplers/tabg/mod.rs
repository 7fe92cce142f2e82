//! TA-BG: temperature-annealed Boltzmann generators (Schopmans and Friederich 2025, arXiv 2501.19077).
//!
//! A normalizing flow learns the ensemble at a high temperature from energies alone (reverse KL), or from molecular dynamics
//! (forward KL). Stage by stage it is then annealed: draw from the flow, weight to the next temperature, clip, resample, train
//! by maximum likelihood. Samples come with `log q`, and with weights to the target.
//!
//! | file | job |
//! |---|---|
//! | [`energy`] | reduced energies: cut, or left out |
//! | [`weights`] | effective sample size, resampling |
//! | [`rates`] | schedules of learning rates and of the temperature |
//! | [`generator`] | what a flow has to offer: draws with densities, losses with gradients |
//! | [`internal`] | the one on internal coordinates |
//! | [`cartesian`] | the one on Cartesian coordinates |
//! | [`trainer`] | parameters and optimiser |
//! | [`data`] | molecular dynamics as training data |
//! | [`passes`] | passes over it in random order |
//! | [`sampler`] | one phase after the other |

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

use crate::error::{Error, Result};
use crate::flow::tarflow::TarFlow;
use crate::flow::{Coordinates, Shape};
use crate::spec::{TabgCartSpec, TabgIcSpec};
use crate::systems::System;

pub use cartesian::Cartesian;
pub use generator::Generator;
pub use internal::InternalModel;
pub use sampler::TaBg;

/// Prefix of a flow's parameters in `weights.safetensors`.
pub(super) const PREFIX: &str = "flow.";

/// A flow on internal coordinates, without parameters.
pub(super) fn internal_model(spec: &TabgIcSpec, system: &System) -> Result<Box<dyn Generator>> {
    let topology = system.topology.as_ref().ok_or_else(|| {
        let name = &system.name;
        Error::Usage(format!("tabg-ic: `{name}` has no bonds, so no internal coordinates; list its systems without it"))
    })?;
    let coordinates = Coordinates::new(topology, &system.start)?;
    let shape = Shape::new(coordinates.counts(), &coordinates.confined(), spec.flow.blocks, spec.flow.hidden);
    Ok(Box::new(InternalModel::new(coordinates, shape)))
}

/// A flow on positions, without parameters.
pub(super) fn cartesian_model(spec: &TabgCartSpec, system: &System) -> Result<Box<dyn Generator>> {
    let f = &spec.flow;
    let flow = TarFlow::new(system.atoms, f.channels, f.blocks, f.layers, f.width, f.head)?;
    Ok(Box::new(Cartesian::new(flow, system.atoms, system.scale)))
}
