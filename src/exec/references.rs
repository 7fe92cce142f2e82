//! The reference ensemble of a system, from the cache in the results folder or made there.

use std::path::Path;

use crate::config::spec::{ReferenceSpec, SystemSpec};
use crate::error::Result;
use crate::identity;
use crate::metrics::ReferenceSet;
use crate::samplers::Progress;
use crate::samplers::reference::{self, Reference};

/// Folder of the cache inside the results folder.
pub const FOLDER: &str = "references";

/// Loads the reference, or makes it.
///
/// # Errors
/// See [`reference::ensure`].
pub fn ensure(
    results: &Path,
    system: &SystemSpec,
    spec: &ReferenceSpec,
    progress: &mut dyn FnMut(&Progress),
    interrupted: &dyn Fn() -> bool,
) -> Result<Reference> {
    let digest = identity::reference_digest(system, spec);
    reference::ensure(&results.join(FOLDER), &digest, system, spec, progress, interrupted)
}

/// The reference without a word about it, as metrics want it.
///
/// # Errors
/// See [`reference::ensure`].
pub fn quietly(results: &Path, system: &SystemSpec, spec: &ReferenceSpec) -> Result<ReferenceSet> {
    let made = ensure(results, system, spec, &mut |_| {}, &|| false)?;
    Ok(ReferenceSet { digest: made.digest, positions: made.positions, energies: made.energies, tica: None })
}
