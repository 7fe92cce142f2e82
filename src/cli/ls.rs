//! `pita-bench ls`: lists runs.

use super::output::{self, Shape};
use super::{Globals, complete};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::store::{self, Filter, RunRow};

/// Arguments of `ls`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench ls
  pita-bench ls --system lj13 --status failed
  pita-bench ls --tag nightly --since 2026-11-01 --md
  pita-bench ls --json | jq '.[].id'

Ids may be shortened wherever one is asked for: any unique beginning will do. Where several runs may be meant, a selection
names them: @TAG, or KEY=VALUE,... with the keys status, experiment, system, sampler, tag, code, spec, seed, since, until.")]
pub struct Args {
    /// Only ids that begin with this, or a selection.
    #[arg(add = complete::runs())]
    which: Option<String>,
    /// Only these.
    #[command(flatten)]
    only: Only,
    /// At most so many.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// How it is printed.
    #[command(flatten)]
    shape: Shape,
}

/// Options that narrow a selection.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Only {
    /// Only this state: running, interrupted, failed, damaged, partial, complete
    #[arg(long)]
    status: Option<String>,
    /// Only runs that this experiment asked for, whichever asked first
    #[arg(long, value_name = "NAME", add = complete::experiment_names())]
    experiment: Option<String>,
    /// Only this system
    #[arg(long)]
    system: Option<String>,
    /// Only this sampler
    #[arg(long)]
    sampler: Option<String>,
    /// Only runs with this tag
    #[arg(long, value_name = "NAME", add = complete::tags())]
    tag: Option<String>,
    /// Only by this code: the beginning of its digest or git commit
    #[arg(long)]
    code: Option<String>,
    /// Only begun at this time or later, such as 2026-11-25
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// Only begun at this time or earlier
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
}

impl Only {
    /// The filter of a selection, narrowed.
    ///
    /// # Errors
    /// [`Error::Usage`] when both say something else, for a state that there is not, and for a date that never was.
    pub fn narrow(&self, mut filter: Filter) -> Result<Filter> {
        for (name, from, to) in [
            ("status", &self.status, &mut filter.status),
            ("experiment", &self.experiment, &mut filter.experiment),
            ("system", &self.system, &mut filter.system),
            ("sampler", &self.sampler, &mut filter.sampler),
            ("tag", &self.tag, &mut filter.tag),
            ("code", &self.code, &mut filter.code),
            ("since", &self.since, &mut filter.since),
            ("until", &self.until, &mut filter.until),
        ] {
            if from.is_some() && to.is_some() && from != to {
                return Err(Error::Usage(format!("--{name} and the selection say different things")));
            }
            if from.is_some() {
                to.clone_from(from);
            }
        }
        filter.checked()
    }
}

/// Runs the verb.
///
/// # Errors
/// [`Error::NothingSelected`] when no run matches.
pub fn run(args: &Args, globals: &Globals) -> Result<ExitCode> {
    let selection = args.which.as_deref().map_or(Ok(Filter::default()), Filter::parse)?;
    let limit = args.limit.map(|n| n as usize);
    let filter = Filter { limit, ..args.only.narrow(selection)? };
    let connection = globals.database()?;
    let rows = store::list(&connection, &filter)?;
    if rows.is_empty() {
        let said = filter.described();
        return Err(Error::NothingSelected(format!("no run matches{said}; `pita-bench ls` without options lists all")));
    }
    if globals.json {
        output::json(&rows)?;
    } else {
        output::line(table(&rows, args.shape))?;
    }
    Ok(output::damaged(&rows))
}

fn table(rows: &[RunRow], shape: Shape) -> String {
    let mut header = ["ID", "STATUS", "SYSTEM", "SAMPLER", "SEED", "EVALUATIONS", "TIME", "STARTED"].to_vec();
    let tags = shape.csv || rows.iter().any(|r| !r.tags.is_empty());
    if tags {
        header.push("TAGS");
    }
    let origins = shape.csv || rows.iter().any(|r| r.origin.is_some());
    if origins {
        header.push("IMPORTED FROM");
    }
    let mut lines = vec![header.into_iter().map(String::from).collect::<Vec<_>>()];
    for r in rows {
        let seconds = |s: f64| if shape.csv { s.to_string() } else { format!("{s:.1} s") };
        let dash = if shape.csv { "" } else { "-" };
        let mut line = vec![
            r.id.clone(),
            r.status.clone(),
            r.system.clone(),
            r.label.clone(),
            r.seed.to_string(),
            shape.count(r.evaluations),
            r.wall_seconds.map_or_else(|| dash.into(), seconds),
            r.started.clone().unwrap_or_else(|| dash.into()),
        ];
        if tags {
            line.push(r.tags.join(" "));
        }
        if origins {
            line.push(r.origin.clone().unwrap_or_default());
        }
        lines.push(line);
    }
    shape.table(&lines)
}
