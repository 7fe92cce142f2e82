//! What the builds behind the runs of a results folder consist of.

use std::path::Path;

use super::{CodeFile, Results, atomic};
use crate::disk;
use crate::error::{Error, Result};
use crate::identity;

/// Writes down what this program consists of, unless that has been done.
///
/// # Errors
/// [`Error::Io`].
pub fn remember(results: &Path) -> Result<()> {
    let code = identity::code();
    let path = Results(results).code_of(&code.digest);
    if path.exists() {
        return Ok(());
    }
    let folder = Results(results).code();
    disk::create_folder(&folder).map_err(Error::io(&folder))?;
    atomic::write_json_shared(&path, &CodeFile { code: code.clone(), parts: identity::parts() })
}

/// The build with this code digest, if it was written down.
#[must_use]
pub fn recall(results: &Path, digest: &str) -> Option<CodeFile> {
    atomic::read_json::<CodeFile>(&Results(results).code_of(digest)).ok().filter(|file| file.code.digest == digest)
}
