//! `pita-bench ls`: lists runs.

use std::cmp::Ordering;

use clap::ValueEnum;

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
  pita-bench ls --systems lj13 --status failed
  pita-bench ls --sort time --columns id,sampler,seed,time -n 10
  pita-bench ls --tag nightly --since 2026-11-01 --md
  pita-bench ls --json | jq '.[].run'

Ids may be shortened wherever one is asked for: any unique beginning will do. Where several runs may be meant, a selection
names them: @TAG, or KEY=VALUE,... with the keys status, experiment, system, sampler, tag, code, spec, seed, since, until.")]
pub struct Args {
    /// Only ids that begin with this, or a selection.
    #[arg(add = complete::runs())]
    which: Option<String>,
    /// Only these.
    #[command(flatten)]
    only: Only,
    /// Order; the largest or newest comes last.
    #[arg(long, value_enum, value_name = "COLUMN", default_value_t = Column::Started)]
    sort: Column,
    /// Columns to show.
    #[arg(long, value_enum, value_name = "COLUMN,...", value_delimiter = ',')]
    columns: Option<Vec<Column>>,
    /// Only the last so many.
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
    /// Only these systems
    #[arg(long, alias = "system", value_name = "NAME,...", add = complete::keys_of_systems())]
    systems: Option<String>,
    /// Only these samplers, by their keys or by their names in tables
    #[arg(long, alias = "sampler", value_name = "NAME,...", add = complete::keys_of_samplers())]
    samplers: Option<String>,
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
            ("systems", &self.systems, &mut filter.system),
            ("samplers", &self.samplers, &mut filter.sampler),
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

/// A column of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Column {
    /// Run id.
    Id,
    /// State.
    Status,
    /// Experiment that asked for it.
    Experiment,
    /// System.
    System,
    /// Target temperature.
    Temperature,
    /// Sampler, as tables call it.
    Sampler,
    /// Key of the sampler in the experiment.
    Key,
    /// Seed.
    Seed,
    /// Attempt.
    Attempt,
    /// Charged energy evaluations.
    Evaluations,
    /// Seconds of work.
    Time,
    /// When work began.
    Started,
    /// Tags.
    Tags,
    /// What it was imported from.
    #[value(alias = "imported-from")]
    Origin,
    /// Why it failed, or is partial.
    Reason,
    /// Spec digest.
    Spec,
    /// Code digest.
    Code,
    /// Git commit.
    Revision,
}

/// Columns that are always there; tags and origins where any run has them.
const USUAL: [Column; 9] = {
    use Column::{Evaluations, Experiment, Id, Sampler, Seed, Started, Status, System, Time};
    [Id, Status, Experiment, System, Sampler, Seed, Evaluations, Time, Started]
};

impl Column {
    fn header(self) -> String {
        match self {
            Self::Origin => "IMPORTED FROM".into(),
            other => other.to_possible_value().map_or_else(String::new, |v| v.get_name().to_uppercase()),
        }
    }

    fn cell(self, r: &RunRow, shape: Shape) -> String {
        let dash = || if shape.csv { String::new() } else { "-".into() };
        let seconds = |s: f64| if shape.csv { s.to_string() } else { format!("{s:.1} s") };
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(dash);
        match self {
            Self::Id => r.id.clone(),
            Self::Status => r.status.clone(),
            Self::Experiment => r.experiment.clone(),
            Self::System => r.system.clone(),
            Self::Temperature => r.temperature.to_string(),
            Self::Sampler => r.label.clone(),
            Self::Key => r.sampler.clone(),
            Self::Seed => r.seed.to_string(),
            Self::Attempt => r.attempt.to_string(),
            Self::Evaluations => shape.count(r.evaluations),
            Self::Time => r.wall_seconds.map_or_else(dash, seconds),
            Self::Started => or_dash(&r.started),
            Self::Tags => r.tags.join(" "),
            Self::Origin => r.origin.clone().unwrap_or_default(),
            Self::Reason => or_dash(&r.reason),
            Self::Spec => r.spec.clone(),
            Self::Code => or_dash(&r.code),
            Self::Revision => or_dash(&r.revision),
        }
    }

    /// The order of two runs by this column: numbers by their size, what is not known first.
    fn order(self, a: &RunRow, b: &RunRow) -> Ordering {
        match self {
            Self::Temperature => a.temperature.total_cmp(&b.temperature),
            Self::Seed => a.seed.cmp(&b.seed),
            Self::Attempt => a.attempt.cmp(&b.attempt),
            Self::Evaluations => a.evaluations.cmp(&b.evaluations),
            Self::Time => a.wall_seconds.unwrap_or(-1.0).total_cmp(&b.wall_seconds.unwrap_or(-1.0)),
            Self::Started => a.started.cmp(&b.started),
            text => text.cell(a, Shape::default()).cmp(&text.cell(b, Shape::default())),
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// [`Error::NothingSelected`] when no run matches.
pub fn run(args: &Args, globals: &Globals) -> Result<ExitCode> {
    let selection = args.which.as_deref().map_or(Ok(Filter::default()), Filter::parse)?;
    let filter = args.only.narrow(selection)?;
    let connection = globals.database()?;
    let mut rows = store::list(&connection, &filter)?;
    if rows.is_empty() {
        let (said, near) = (filter.described(), store::near(&connection, &filter)?);
        let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        return Err(Error::NothingSelected(format!(
            "no run matches{said}{near}; `pita-bench ls` without options lists all"
        )));
    }
    // Stable: what is alike stays in the order of experiment, system and sampler.
    rows.sort_by(|a, b| args.sort.order(a, b));
    if let Some(limit) = args.limit {
        rows.drain(..rows.len().saturating_sub(limit as usize));
    }
    globals.print(|| &rows, || table(&rows, args.columns.as_deref(), args.shape))?;
    Ok(output::damaged(&rows))
}

fn table(rows: &[RunRow], columns: Option<&[Column]>, shape: Shape) -> String {
    let tags = (shape.csv || rows.iter().any(|r| !r.tags.is_empty())).then_some(Column::Tags);
    let origins = (shape.csv || rows.iter().any(|r| r.origin.is_some())).then_some(Column::Origin);
    let usual = || USUAL.into_iter().chain(tags).chain(origins).collect();
    let columns: Vec<Column> = columns.map_or_else(usual, <[Column]>::to_vec);
    let lines = rows.iter().map(|r| columns.iter().map(|column| column.cell(r, shape)).collect());
    shape.table(&output::titled(columns.iter().map(|column| column.header()), lines))
}
