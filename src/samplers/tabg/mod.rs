//! TA-BG: temperature-annealed Boltzmann generators (Schopmans and Friederich 2025, arXiv 2501.19077).
//!
//! A normalizing flow learns the ensemble at a high temperature from energies alone (reverse KL), or from molecular dynamics
//! (forward KL). Stage by stage it is then annealed: draw from the flow, weight to the next temperature, clip, resample, train
//! by maximum likelihood. Samples come with `log q`, and with weights to the target.
//!
//! | file | job |
//! |---|---|
//! | [`energy`] | reduced energies, cut |
//! | [`weights`] | clipping, effective sample sizes, resampling, log-partition estimates |
//! | [`rates`] | learning-rate schedules |
//! | [`model`] | flow and coordinates: draws with densities, both losses with gradients |
//! | [`trainer`] | parameters and optimiser |
//! | [`data`] | molecular dynamics as training data |
//! | [`sampler`] | the phases |

pub mod data;
pub mod energy;
pub mod model;
pub mod rates;
pub mod sampler;
pub mod trainer;
pub mod weights;

use super::{Context, Sampler};
use crate::config::spec::TabgSpec;
use crate::error::Result;

pub use sampler::TabgIc;

/// TA-BG on internal coordinates.
///
/// # Errors
/// When the system has no internal coordinates or the ladder does not lead down to the target.
pub fn build_internal(spec: &TabgSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    Ok(Box::new(TabgIc::new(spec, ctx)?))
}
