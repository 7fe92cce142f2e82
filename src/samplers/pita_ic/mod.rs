//! Progressive inference-time annealing in whitened internal coordinates of a molecule.
//!
//! As PITA a diffusion model learns one temperature, and its annealed paths lead to the next. Other than there: the coordinates are
//! nearly Gaussian ([`super::internal::Chart`], fitted anew at every temperature), the paths' kernels are exact for Gaussians at any
//! step size, their weights are those of the whole path against the true energy (no learned energy, no divergence), the network learns
//! from forces as well as from noise, and MALA in the same coordinates renews what is resampled. The last rung leads from the target
//! to itself: its weights give an effective sample size and `ln Z`.
//!
//! | file | what |
//! |---|---|
//! | [`circle`] | the wrapped normal |
//! | [`kernels`] | paths and their weights |
//! | [`net`] | the score network |
//! | [`data`] | frames with forces, as training reads them |
//! | [`train`] | the training target, steps, averaged weights |
//! | [`model`] | chart, network and kernels together: draws, and weights of given frames |
//! | `sampler` | the ladder |

pub mod circle;
pub mod data;
pub mod kernels;
pub mod model;
pub mod net;
mod sampler;
pub mod train;

use super::{Context, Sampler};
use crate::array::Arrays;
use crate::error::{Error, Result};
use crate::samplers::internal::volume;
use crate::spec::PitaIcSpec;
use crate::systems::System;

pub use model::Model;
pub use sampler::PitaIc;

/// At the beginning of the ladder.
///
/// # Errors
/// When the system has no internal coordinates or the settings do not fit.
pub fn build(spec: &PitaIcSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    Ok(Box::new(PitaIc::new(spec, ctx)?))
}

/// `ln p/q` up to a constant, `[n]`, at frames `x [n, atoms, 3]` with unreduced energies `[n]`, along paths drawn backwards from them;
/// `weights` are those of a finished run. Infinite where no path leads.
///
/// # Errors
/// When the weights do not fit the spec.
pub fn log_ratio(
    spec: &PitaIcSpec,
    system: &System,
    weights: &Arrays,
    x: &[f64],
    energies: &[f64],
    seed: u64,
) -> Result<Vec<f64>> {
    let volume = volume("pita-ic", system)?;
    let (model, parameters) = Model::load(&volume, spec, weights)?;
    let kernels = model.kernels(spec, 1.0);
    let kt = system.kt(system.temperature);
    let ratio = model.retrace(&parameters, &kernels, x, seed);
    if ratio.len() != energies.len() {
        return Err(Error::Internal(format!("{} frames with {} energies", ratio.len(), energies.len())));
    }
    Ok(ratio.into_iter().zip(energies).map(|(ratio, e)| ratio - e / kt).collect())
}
