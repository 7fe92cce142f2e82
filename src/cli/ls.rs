//! `pita-bench ls`: lists runs.

use super::{Globals, output};
use crate::error::{Error, Result};
use crate::store::{self, Filter, RunRow};

/// Arguments of `ls`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench ls
  pita-bench ls --system lj13 --status failed
  pita-bench ls --json | jq '.[].id'

Ids may be shortened wherever one is asked for: any unique beginning will do.")]
pub struct Args {
    /// Only ids that begin with this.
    prefix: Option<String>,
    /// Only this state: complete, failed, interrupted, claimed.
    #[arg(long)]
    status: Option<String>,
    /// Only this experiment.
    #[arg(long)]
    experiment: Option<String>,
    /// Only this system.
    #[arg(long)]
    system: Option<String>,
    /// Only this sampler.
    #[arg(long)]
    sampler: Option<String>,
    /// At most so many.
    #[arg(short = 'n', long)]
    limit: Option<usize>,
}

/// Runs the verb.
///
/// # Errors
/// [`Error::NothingSelected`] when no run matches.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let connection = store::open_for_reading(&globals.results)?;
    let filter = Filter {
        status: args.status.clone(),
        experiment: args.experiment.clone(),
        system: args.system.clone(),
        sampler: args.sampler.clone(),
        prefix: args.prefix.clone(),
        limit: args.limit,
    };
    let rows = store::list(&connection, &filter)?;
    if rows.is_empty() {
        return Err(Error::NothingSelected("no run matches; `pita-bench ls` without options lists all".into()));
    }
    if globals.json { output::json(&rows) } else { output::line(table(&rows)) }
}

fn table(rows: &[RunRow]) -> String {
    let mut lines = vec![
        ["ID", "STATUS", "SYSTEM", "SAMPLER", "SEED", "EVALUATIONS", "TIME", "STARTED"].map(String::from).to_vec(),
    ];
    for r in rows {
        lines.push(vec![
            r.id.clone(),
            r.status.clone(),
            r.system.clone(),
            r.label.clone(),
            r.seed.to_string(),
            output::grouped(r.evaluations),
            r.wall_seconds.map_or_else(|| "-".into(), |s| format!("{s:.1} s")),
            r.started.clone().unwrap_or_else(|| "-".into()),
        ]);
    }
    output::columns(&lines)
}
