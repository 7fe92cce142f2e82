//! Coordinates in which a molecule is nearly Gaussian, for samplers that move or learn there.
//!
//! | file | what |
//! |---|---|
//! | [`chart`] | whitened volume-preserving internal coordinates, circles apart; a [`Space`](super::md::space::Space) for MALA |
//! | [`frames`] | configurations with forces along them, between charts |

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::flow::Volume;
use crate::systems::System;

pub mod chart;
pub mod frames;

pub use chart::Chart;
pub use frames::Frames;

/// The volume-preserving coordinates of a system, for the sampler of a kind.
///
/// # Errors
/// [`Error::Usage`] when it is no molecule.
pub fn volume(kind: &str, system: &System) -> Result<Arc<Volume>> {
    let topology = system.topology.as_ref().ok_or_else(|| {
        let name = &system.name;
        Error::Usage(format!("{kind}: `{name}` has no bonds, so no internal coordinates; list its systems without it"))
    })?;
    Ok(Arc::new(Volume::new(topology, &system.start)?))
}
