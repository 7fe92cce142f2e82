//! report.

use crate::cli::Globals;
use crate::config::Experiment;
use crate::error::Result;

/// Prints the table of an experiment after its sweep.
///
/// # Errors
/// When the results cannot be read.
pub fn after_sweep(_experiment: &Experiment, _globals: &Globals) -> Result<()> {
    Ok(())
}
