//! Progressive inference-time annealing (arXiv 2506.16471).

pub mod loss;

use super::{Context, Sampler};
use crate::config::spec::PitaSpec;
use crate::error::{Error, Result};

/// PITA at the beginning of its ladder.
///
/// # Errors
/// When the settings do not fit.
pub fn build(_spec: &PitaSpec, _ctx: &Context) -> Result<Box<dyn Sampler>> {
    Err(Error::Internal("pita".into()))
}
