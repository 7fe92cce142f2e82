//! `pita-bench sweep`: runs whatever an experiment still lacks.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::asked::Asked;
use super::launch::{self, LaunchArgs, Launcher};
use super::{DeviceArgs, Globals, output, report, summary};
use crate::config::Experiment;
use crate::error::Result;
use crate::exec::forecast::{self, Forecast, Source};
use crate::exec::{self, Options, Outcome, Summary};
use crate::exit::ExitCode;
use crate::plan::{Action, Flags};
use crate::systems::molecules;

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench sweep experiments/table1.toml
  pita-bench sweep experiments/table1.toml --dry-run
  pita-bench sweep experiments/table1.toml --profile standard --jobs 2
  pita-bench sweep experiments/table1.toml -s samplers.pita.anneal.steps=200 --seeds 0,1
  pita-bench sweep experiments/table1.toml --systems lj13 --samplers md,mala
  pita-bench sweep experiments/table1.toml --launcher slurm --sbatch=--time=240 --sbatch=--partition=cpu
  pita-bench sweep experiments/table1.toml --device auto
  pita-bench sweep experiments/table1.toml --status
  pita-bench sweep experiments/table1.toml --collect

A second sweep does nothing. Ctrl-C leaves checkpoints: the same command resumes.")]
pub struct Args {
    /// What to run
    #[command(flatten)]
    asked: Asked,
    /// Cells at a time. Without a number as many as there are cores, where memory allows, with one thread each; on a GPU one
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Only say what would be done, and why.
    #[arg(long)]
    dry_run: bool,
    /// Stop everything at the first failure.
    #[arg(long)]
    fail_fast: bool,
    /// Run everything again, as new attempts.
    #[arg(long)]
    force: bool,
    /// Run again what was completed by other code.
    #[arg(long)]
    rerun_stale: bool,
    /// Leave failed cells as they are.
    #[arg(long)]
    keep_failed: bool,
    /// Refuse to run a build that contains uncommitted changes.
    #[arg(long)]
    require_clean: bool,
    /// Seconds between checkpoints; up to four times as many where one costs more than half a percent of them.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    checkpoint_every: u64,
    /// Do not wait for cells that other processes work on.
    #[arg(long)]
    no_wait: bool,
    /// Tag the runs; may be given again. `ls --tag`, `diff @TAG ...` find them.
    #[arg(long, value_name = "NAME")]
    tag: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    launch: LaunchArgs,
}

/// Runs the verb.
///
/// # Errors
/// A bad experiment file, a refusal, or the first of the errors that cells met.
pub fn run(args: &Args, globals: &Globals) -> Result<ExitCode> {
    let experiment = args.asked.load("sweep")?;
    let options = Options {
        jobs: args.jobs.map(usize::from),
        dry_run: args.dry_run,
        fail_fast: args.fail_fast,
        require_clean: args.require_clean,
        only_evaluate: false,
        flags: Flags { force: args.force, rerun_stale: args.rerun_stale, retry_failed: !args.keep_failed },
        seeds: args.asked.seeds.clone(),
        checkpoint_every: Duration::from_secs(args.checkpoint_every),
        wait: !args.no_wait,
        tags: args.tag.iter().map(|t| super::tag::name(t)).collect::<Result<_>>()?,
        quiet: globals.quiet,
    };
    if !globals.quiet {
        notes(&experiment, globals)?;
    }
    if args.launch.status {
        return launch::status(&experiment, &options, globals);
    }
    if args.launch.collect {
        return launch::collect(&experiment, &options, globals);
    }
    if args.launch.launcher == Launcher::Slurm && !args.dry_run {
        args.device.leave_to_tasks()?;
        return launch::submit(&args.launch, &experiment, &options, globals);
    }
    if !args.dry_run {
        args.device.select(globals)?;
    }
    let began = Instant::now();
    let summary = exec::sweep(&experiment, &globals.results, &options)?;
    let seconds = began.elapsed().as_secs_f64();
    if globals.json {
        return in_json(&experiment, &summary, args.dry_run);
    }
    if args.dry_run {
        output::line(plan_table(&summary))?;
        return Ok(ExitCode::Ok);
    }
    exec::let_go();
    let shown = match summary.exit_code() {
        ExitCode::Interrupted => Ok(None),
        _ => report::present(&experiment, None, report::Evaluate::Done, false, globals),
    };
    let shown = match shown {
        // Nothing was to be done, in a folder that cannot be written: the table is on the screen.
        Err(e) if e.exit_code() == ExitCode::ReadOnly && summary.count(|o| !matches!(o, Outcome::Done)) == 0 => {
            globals.note(format!("the report was not written: {e}"));
            Ok(None)
        }
        shown => shown,
    };
    if !globals.quiet {
        let page = shown.as_ref().ok().and_then(Option::as_deref);
        output::line(summary::summary(&summary, seconds, page))?;
    }
    // What went wrong in the sweep comes first: without runs there is nothing to show.
    match summary.error {
        Some(error) => Err(error),
        None => shown.map(|_| ExitCode::Ok),
    }
}

/// What was left out when the files of molecules were read, once for each, on stderr.
fn notes(experiment: &Experiment, globals: &Globals) -> Result<()> {
    let mut seen = BTreeSet::new();
    for cell in &experiment.cells {
        if let Some(files) = &cell.run.system.files
            && seen.insert(&cell.system)
        {
            let molecule = molecules::from_files(files)?;
            molecule.notes.iter().for_each(|note| globals.note(format!("{}: {note}", cell.system)));
        }
    }
    Ok(())
}

fn in_json(experiment: &Experiment, summary: &Summary, dry_run: bool) -> Result<ExitCode> {
    let mut value = serde_json::json!({
        "experiment": experiment.name,
        "profile": experiment.profile,
        "dry_run": dry_run,
        "references": summary.references,
        "cells": summary.cells,
    });
    if let Some(error) = &summary.error {
        value["error"] = output::error_value(error)["error"].take();
    }
    output::json(&value)?;
    Ok(summary.exit_code())
}

fn plan_table(summary: &Summary) -> String {
    let header = ["ACTION", "RUN", "SYSTEM", "SAMPLER", "SEED", "EVALUATIONS", "MEMORY", "DISK", "TIME", "REASON"];
    let mut rows = output::titled(header, []);
    let costs = |f: &Forecast| {
        let evaluations = f.cost.evaluations.map_or_else(|| "?".into(), output::grouped);
        let about = if f.seconds_from == Source::EarlierRuns { "" } else { "~" };
        let time = f.seconds.map_or_else(|| "?".into(), |s| format!("{about}{}", forecast::time(s)));
        [evaluations, forecast::bytes(f.cost.memory), forecast::bytes(f.cost.disk), time]
    };
    for r in &summary.references {
        let (action, reason) =
            if r.there { ("done", "is there") } else { ("make", "reference that cells are judged by") };
        let first = [action.to_owned(), r.digest.clone(), r.system.clone(), "reference".into(), "-".into()];
        rows.push(first.into_iter().chain(costs(&r.forecast)).chain([reason.to_owned()]).collect());
    }
    for c in &summary.cells {
        let action = format!("{:?}", c.action).to_lowercase();
        let reason = c.reason.lines().next().unwrap_or_default().to_owned();
        let first = [action, c.id.clone(), c.system.clone(), c.label.clone(), c.seed.to_string()];
        rows.push(first.into_iter().chain(costs(&c.forecast)).chain([reason]).collect());
    }
    format!("{}\n{}", output::columns(&rows), total(summary))
}

/// What all that would be done takes together.
fn total(summary: &Summary) -> String {
    let todo: Vec<_> = summary.cells.iter().filter(|c| !matches!(c.action, Action::Done | Action::Skip)).collect();
    let runs = todo.iter().filter(|c| c.action != Action::Evaluate).map(|c| &c.forecast);
    let make: Vec<_> = summary.references.iter().filter(|r| !r.there).collect();
    let all: Vec<&Forecast> = runs.chain(make.iter().map(|r| &r.forecast)).collect();
    let mut line = format!("{} of {} would run", todo.len(), output::counted(summary.cells.len(), "cell"));
    if !make.is_empty() {
        line +=
            &format!(", {} of {} would be made", make.len(), output::counted(summary.references.len(), "reference"));
    }
    if !all.is_empty() {
        let seconds: f64 = all.iter().filter_map(|f| f.seconds).sum();
        let unknown = if all.iter().any(|f| f.seconds.is_none()) { ", and what is not known" } else { "" };
        let evaluations = all.iter().filter_map(|f| f.cost.evaluations).fold(0, u64::saturating_add);
        let evaluations = output::grouped(evaluations);
        line += &format!(": {evaluations} energy evaluations, about {}{unknown}", forecast::time(seconds));
    }
    line
}
