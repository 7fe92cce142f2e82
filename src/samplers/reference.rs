//! stub
use super::Progress;
use crate::config::spec::{ReferenceSpec, SystemSpec};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
/// stub
pub struct Reference {
    /// d
    pub digest: String,
    /// p
    pub path: PathBuf,
}
/// stub
///
/// # Errors
/// e
pub fn ensure(
    _dir: &Path,
    _system: &SystemSpec,
    _spec: &ReferenceSpec,
    _progress: &mut dyn FnMut(&Progress),
    _interrupted: &dyn Fn() -> bool,
) -> Result<Reference> {
    Err(Error::Internal("stub".into()))
}
