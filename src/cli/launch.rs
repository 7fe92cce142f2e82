//! `pita-bench sweep` past one machine: `--launcher slurm`, `--status`, `--collect`.

use super::{Count, Globals, output, report};
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::exec::Options;
use crate::exec::slurm::{self, Kind, Row, Slurm, Submitted};
use crate::exit::ExitCode;

/// Options of a sweep that goes to a cluster.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Past one machine")]
pub(super) struct LaunchArgs {
    /// Where cells run.
    #[arg(long, value_enum, default_value_t = Launcher::Local)]
    pub(super) launcher: Launcher,
    /// Option for sbatch, such as --sbatch=--time=60; may be given again.
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    sbatch: Vec<String>,
    /// Tasks at a time.
    #[arg(long, value_name = "N", value_parser = Count::from(1..))]
    at_most: Option<usize>,
    /// Seconds before the time limit at which a task writes its checkpoint and is queued again.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    grace: u64,
    /// Restarts of one task after which it is not queued again.
    #[arg(long, value_name = "N", default_value_t = 100)]
    restarts: u64,
    /// Say how all cells stand, by their run folders and by Slurm's queue.
    #[arg(long, conflicts_with = "collect")]
    pub(super) status: bool,
    /// Ingest what tasks left in run folders, and print the table.
    #[arg(long)]
    pub(super) collect: bool,
}

/// Where cells run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Launcher {
    /// Here.
    Local,
    /// As an array of Slurm jobs.
    Slurm,
}

/// Submits.
pub(super) fn submit(
    args: &LaunchArgs,
    experiment: &Experiment,
    options: &Options,
    globals: &Globals,
) -> Result<ExitCode> {
    if options.flags.force {
        let remedy =
            "a task that is queued again would begin anew every time; delete the runs, or use another --results";
        return Err(Error::Usage(format!("--force and --launcher slurm exclude each other: {remedy}")));
    }
    let slurm =
        Slurm { options: args.sbatch.clone(), at_most: args.at_most, grace: args.grace, restarts: args.restarts };
    let submitted = slurm::submit(experiment, &globals.results, options, &slurm)?;
    if globals.json {
        output::json(&submitted)?;
    } else if !globals.quiet {
        output::line(sentence(&submitted))?;
    }
    Ok(ExitCode::Ok)
}

fn sentence(s: &Submitted) -> String {
    let rest = format!("{} complete or claimed, {} in the queue already", s.left, s.queued);
    let Some(plan) = &s.plan else { return format!("nothing to submit: {rest}") };
    let jobs: Vec<String> = s.arrays.iter().map(|a| a.job.to_string()).collect();
    format!(
        "submitted {} and {} as array {}; {rest}\n{}",
        output::counted(s.runs, "run"),
        output::counted(s.references, "reference"),
        jobs.join(", "),
        plan.display()
    )
}

/// Prints how cells stand.
pub(super) fn status(experiment: &Experiment, options: &Options, globals: &Globals) -> Result<ExitCode> {
    let (rows, silent) = slurm::status(experiment, &globals.results, options)?;
    if globals.json {
        output::json(&serde_json::json!({"experiment": experiment.name, "entries": rows, "slurm": silent}))?;
        return Ok(ExitCode::Ok);
    }
    if let Some(why) = silent {
        globals.note(format!("Slurm's queue is not known: {why}"));
    }
    let row = |r: &Row| {
        let label = if r.kind == Kind::Reference { "reference".into() } else { r.label.clone() };
        let reason = r.reason.lines().next().unwrap_or_default().to_owned();
        let queue = r.queue.clone().unwrap_or_else(|| "-".into());
        vec![r.state.clone(), r.id.clone(), r.system.clone(), label, r.seed.to_string(), queue, reason]
    };
    let header = ["STATE", "RUN", "SYSTEM", "SAMPLER", "SEED", "QUEUE", "REASON"];
    let table = output::columns(&output::titled(header, rows.iter().map(row)));
    output::line(format!("{table}\n{}", counted(&rows)))?;
    Ok(ExitCode::Ok)
}

fn counted(rows: &[Row]) -> String {
    let runs: Vec<&Row> = rows.iter().filter(|r| r.kind == Kind::Run).collect();
    let mut states: Vec<(&str, usize)> = Vec::new();
    for row in &runs {
        match states.iter_mut().find(|(state, _)| *state == row.state) {
            Some((_, n)) => *n += 1,
            None => states.push((&row.state, 1)),
        }
    }
    let states: Vec<String> = states.iter().map(|(state, n)| format!("{n} {state}")).collect();
    format!("{}: {}", output::counted(runs.len(), "run"), states.join(", "))
}

/// Ingests, prints the table; the exit code says whether everything is there.
pub(super) fn collect(experiment: &Experiment, options: &Options, globals: &Globals) -> Result<ExitCode> {
    let ingested = slurm::collect(experiment, &globals.results, options)?;
    let (rows, _) = slurm::status(experiment, &globals.results, options)?;
    let runs = || rows.iter().filter(|r| r.kind == Kind::Run);
    let [failed, complete] = ["failed", "complete"].map(|state| runs().filter(|r| r.state == state).count());
    let code = match (failed, complete == runs().count()) {
        (0, true) => ExitCode::Ok,
        (0, false) => ExitCode::Interrupted,
        _ => ExitCode::RunsFailed,
    };
    if globals.json {
        let value = serde_json::json!({"ingested": ingested, "complete": complete, "failed": failed, "entries": rows});
        output::json(&value)?;
        return Ok(code);
    }
    if !globals.quiet {
        output::line(format!("{} ingested; {}", output::counted(ingested, "run folder"), counted(&rows)))?;
    }
    if ingested > 0 {
        report::present(experiment, None, report::Evaluate::Done, false, globals)?;
    }
    Ok(code)
}
