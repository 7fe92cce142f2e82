//! The command line: one file per verb.

pub mod energy;

use std::path::PathBuf;

/// Options that every verb has.
#[derive(Debug, Clone)]
pub struct Globals {
    /// Folder of runs, database and reports.
    pub results: PathBuf,
    /// One JSON value on stdout instead of text.
    pub json: bool,
    /// No progress bars, no notes.
    pub quiet: bool,
}
