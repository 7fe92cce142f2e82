//! What the builds behind the runs of a results folder consist of.

use std::path::{Path, PathBuf};

use super::{CodeFile, atomic};
use crate::disk;
use crate::error::{Error, Result};
use crate::identity;

fn path(results: &Path, digest: &str) -> PathBuf {
    results.join("code").join(format!("{}.json", digest.get(..16).unwrap_or(digest)))
}

/// Writes down what this program consists of, unless that has been done.
///
/// # Errors
/// [`Error::Io`].
pub fn remember(results: &Path) -> Result<()> {
    let code = identity::code();
    let path = path(results, &code.digest);
    if path.exists() {
        return Ok(());
    }
    let folder = results.join("code");
    disk::create_folder(&folder).map_err(Error::io(&folder))?;
    atomic::write_json_shared(&path, &CodeFile { code: code.clone(), parts: identity::parts() })
}

/// The build with this code digest, if it was written down.
#[must_use]
pub fn recall(results: &Path, digest: &str) -> Option<CodeFile> {
    atomic::read_json::<CodeFile>(&path(results, digest)).ok().filter(|file| file.code.digest == digest)
}
