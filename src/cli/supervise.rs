//! `pita-bench supervise`: not for people. The parent of a program of somebody else's, see [`crate::exec::supervise`].

use std::ffi::OsString;

use crate::error::Result;
use crate::exec;

/// Arguments of `supervise`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Program.
    program: OsString,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs the verb; ends with the program's exit code.
///
/// # Errors
/// When the system does not allow it.
pub fn run(args: &Args) -> Result<()> {
    std::process::exit(exec::supervise(&args.program, &args.arguments)?)
}
