//! `pita-bench gc`: what can be deleted.

use super::{Globals, output};
use crate::error::Result;
use crate::exec::garbage;

/// Arguments of `gc`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench gc                          say what could go, and why
  pita-bench gc --delete
  pita-bench gc --superseded --delete    failed attempts as well, where a later one completed

Complete runs, finished references and reports always stay.")]
pub struct Args {
    /// Delete it; without this, nothing is touched.
    #[arg(long)]
    delete: bool,
    /// Also attempts that did not complete, where a later one did.
    #[arg(long)]
    superseded: bool,
}

/// Runs the verb.
///
/// # Errors
/// When folders cannot be read, or something cannot be deleted.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let found = garbage::find(&globals.results, args.superseded)?;
    let bytes: u64 = found.iter().map(|g| g.bytes).sum();
    if args.delete {
        garbage::delete(&found)?;
    }
    if globals.json {
        return output::json(&serde_json::json!({"found": found, "bytes": bytes, "deleted": args.delete}));
    }
    if !found.is_empty() && !globals.quiet {
        let rows = found.iter().map(|g| vec![output::grouped(g.bytes), g.path.display().to_string(), g.why.to_owned()]);
        output::line(output::columns(&rows.collect::<Vec<_>>()))?;
    }
    let what = match (found.len(), args.delete) {
        (0, _) => return output::line("nothing to delete"),
        (_, true) => "deleted",
        (_, false) => "could be deleted (--delete does it)",
    };
    output::line(format!("{} items, {} bytes {what}", found.len(), output::grouped(bytes)))
}
