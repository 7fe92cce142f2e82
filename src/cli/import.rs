//! `pita-bench import`: bundles of others become runs of this results folder.

use std::path::PathBuf;

use super::{Globals, output};
use crate::error::Result;
use crate::exec::collection;
use crate::record::bundle;
use crate::store;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench import 3f2a91bc-s0-a1.tar
  pita-bench import table1.tar.gz             a whole experiment, with its references

Every digest is checked, and nothing is written outside the results folder. A run that is here already is left as it is, but
for evaluations that it lacks; else it becomes the next attempt at its cell.")]
pub struct Args {
    /// Bundles, as `pita-bench export --bundle` writes them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// A malformed bundle, a digest that does not fit, a folder that cannot be written. Bundles before it are imported.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let connection = store::open(&globals.results)?;
    let mut all = Vec::new();
    for file in &args.files {
        let found = if collection::is_one(file)? {
            collection::import(&globals.results, file)?.1
        } else {
            vec![bundle::import(&globals.results, file)?]
        };
        for imported in found {
            store::ingest(&connection, &imported.run)?;
            if !globals.json && !globals.quiet {
                let what = match (imported.known, imported.evaluations) {
                    (false, _) => "imported".to_owned(),
                    (true, 0) => "was here already".to_owned(),
                    (true, n) => format!("was here already; brought {n} evaluation(s)"),
                };
                output::line(format!("{}  {what} ({} in {})", imported.run.id, imported.was, file.display()))?;
            }
            all.push(serde_json::json!({
                "file": file, "run": imported.run.id.to_string(), "was": imported.was, "known": imported.known,
                "evaluations": imported.evaluations,
            }));
        }
    }
    if globals.json { output::json(&all) } else { Ok(()) }
}
