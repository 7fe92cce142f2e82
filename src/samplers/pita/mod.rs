//! Progressive inference-time annealing (arXiv 2506.16471).

mod anneal;
mod buffer;
pub mod loss;
mod refine;
mod sampler;
pub(super) mod train;

use super::{Context, Sampler};
use crate::config::spec::PitaSpec;
use crate::error::Result;

pub use sampler::Pita;

/// PITA at the beginning of its ladder.
///
/// # Errors
/// When the settings do not fit.
pub fn build(spec: &PitaSpec, ctx: &Context) -> Result<Box<dyn Sampler>> {
    Ok(Box::new(Pita::new(spec, ctx)?))
}
