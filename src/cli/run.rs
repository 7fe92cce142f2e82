//! `pita-bench run`: one entry of a frozen plan.

use std::path::PathBuf;

use super::{DeviceArgs, Globals, output};
use crate::error::Result;
use crate::exec::slurm;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench run --plan results/plans/table1-2bf65b25/plan.json --index 3

This is what a task of a cluster's array does; `pita-bench sweep --launcher slurm` freezes the plan and submits it. Running
an entry twice, or on two machines at once, does it once.")]
pub struct Args {
    /// Frozen plan.
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Entry, from 0.
    #[arg(long, value_name = "N")]
    index: usize,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the verb.
///
/// # Errors
/// A plan that is not ours, a failed run, an interrupt.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    args.device.select(globals)?;
    let done = slurm::run_entry(&args.plan, args.index, &globals.results, globals.quiet)?;
    if globals.json { output::json(&serde_json::json!({ "done": done })) } else { output::line(done) }
}
