//! `pita-bench energy`.

use super::Globals;
use crate::error::{Error, Result};

/// Arguments of `energy`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// Always, until it is written.
pub fn run(_args: &Args, _globals: &Globals) -> Result<()> {
    Err(Error::Internal("`energy` is not there yet".into()))
}
