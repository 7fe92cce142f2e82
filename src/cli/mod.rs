//! The command line: one file per verb. Reading verbs print one JSON value on stdout with `--json`.

pub mod asked;
pub mod catalogue;
pub mod check;
pub mod complete;
pub mod convert;
pub mod db;
pub mod describe;
pub mod device;
pub mod diff;
pub mod digest;
pub mod doctor;
pub mod draw;
pub mod energy;
pub mod eval;
pub mod experiments;
pub mod explain;
pub mod export;
pub mod gc;
pub mod import;
pub mod init;
mod launch;
pub mod ls;
pub mod manual;
pub mod ot;
pub mod output;
pub mod reference;
pub mod report;
pub mod run;
pub mod schemas;
pub mod show;
pub mod solvers;
pub mod summary;
#[cfg(unix)]
pub mod supervise;
pub mod sweep;
pub mod system;
pub mod tag;
pub mod tune_steps;
pub mod versions;

use std::fmt::Display;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, Subcommand};
use rusqlite::Connection;
use serde::Serialize;

use crate::error::Result;
use crate::exit::ExitCode;
use crate::record::RunDir;
use crate::store::{self, RunRow};

pub use device::DeviceArgs;
pub use system::SystemArgs;

/// The variable that names the results folder where `--results` does not.
pub const RESULTS: &str = "PITA_BENCH_RESULTS";

/// The results folder of a command line without `--results`.
#[must_use]
pub fn usual_results() -> PathBuf {
    std::env::var_os(RESULTS).filter(|folder| !folder.is_empty()).map_or_else(|| "results".into(), PathBuf::from)
}

/// Reads a count within bounds.
type Count = RangedU64ValueParser<usize>;

/// Options that every verb has.
#[derive(Debug, Clone, clap::Args)]
pub struct Globals {
    /// Folder of runs, database and reports.
    #[arg(long, global = true, value_name = "DIR", env = RESULTS, hide_env_values = true, default_value = "results")]
    pub results: PathBuf,
    /// One JSON value on stdout instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress bars, no notes.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

impl Globals {
    /// The run database, for queries.
    ///
    /// # Errors
    /// See [`store::open_for_reading`].
    pub fn database(&self) -> Result<Connection> {
        let connection = store::open_for_reading(&self.results)?;
        store::settle(&connection, &self.results)?;
        if let Some(version) = store::newer(&connection)? {
            self.note(format!(
                "{} was written by a newer version of pita-bench (tables of version {version}; this one knows {}): it is \
                 only read; verbs that write refuse it",
                self.results.join(store::NAME).display(),
                store::VERSION
            ));
        }
        Ok(connection)
    }

    /// The folder of a run.
    ///
    /// # Errors
    /// See [`RunDir::open`].
    pub fn run(&self, row: &RunRow) -> Result<RunDir> {
        RunDir::open(&self.results.join(&row.folder))
    }

    /// Prints a value with `--json`, else text.
    ///
    /// # Errors
    /// See [`output::line()`].
    pub fn print<T: Serialize>(&self, value: impl FnOnce() -> T, text: impl FnOnce() -> String) -> Result<()> {
        if self.json { output::json(&value()) } else { output::line(text()) }
    }

    /// A note on stderr.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            output::note(format!("note: {text}"));
        }
    }
}

/// A reproducibility harness for samplers of Boltzmann densities.
#[derive(Debug, Parser)]
#[command(name = "pita-bench", version, max_term_width = 100, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// Options that every verb has.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  pita-bench init                                      write a first experiment
  pita-bench sweep experiments/table1.toml             run what is missing, print the table
  pita-bench sweep experiments/table1.toml --dry-run   say what would run, and why
  pita-bench ls                                        list the runs
  pita-bench draw 3f2a -n 10000 --out more.npz         further samples of its model, and what they cost
  pita-bench show 3f2a                                 everything about one run

Exit codes: 0 done; 2 bad command line or experiment file; 3 runs failed; 4 nothing selected; 5 interrupted,
resumable; 6 drift; 7 not comparable; 8 refused; 9 bad data; 10 database; 11 no device; 12 wrong shape; 13 not finite; 14 disk full; 15 read-only;
16 newer database; 17 wrong digest; 18 I/O error; 19 incomplete check; 20 device failed; 21 not evaluated; 22 damaged runs; 23 cells of a report missing; 1 a bug;
134 (SIGABRT): memory ran out.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a first experiment, and say what to do next.
    Init(init::Args),
    /// Run an experiment: whatever is not done yet.
    Sweep(sweep::Args),
    /// Run one entry of a frozen plan: what a task of a cluster does.
    Run(run::Args),
    /// The parent of a program of somebody else's; not for people.
    #[cfg(unix)]
    #[command(hide = true)]
    Supervise(supervise::Args),
    /// List runs.
    Ls(ls::Args),
    /// Everything about one run.
    Show(show::Args),
    /// Further samples of the model that a finished run left.
    Draw(draw::Args),
    /// Search the steps that a finished model is best drawn from with.
    TuneSteps(tune_steps::Args),
    /// Ways to draw from finished models, by quality against evaluations of the network.
    Solvers(solvers::Args),
    /// Compare the metrics of two runs.
    Diff(diff::Args),
    /// Say in which settings, code or environment two runs differ.
    Explain(explain::Args),
    /// Name runs.
    Tag(tag::Args),
    /// Run a fixed experiment again and compare it with the accepted bundle.
    Check(check::Args),
    /// Make the latest check the accepted bundle.
    Accept(check::AcceptArgs),
    /// Write tables and figures of an experiment.
    Report(report::Args),
    /// Make a reference ensemble and say how far it can be trusted.
    Reference(reference::Args),
    /// Evaluate anybody's samples.
    Eval(eval::Args),
    /// Energies and forces of anybody's frames.
    Energy(energy::Args),
    /// Frames from npz to xtc, for viewers, and back.
    Convert(convert::Args),
    /// Wasserstein distance between anybody's points.
    Ot(ot::Args),
    /// List systems, samplers, metrics, profiles or baselines.
    List(describe::ListArgs),
    /// Everything about a system, a metric, a profile or a baseline.
    Describe(describe::DescribeArgs),
    /// Rebuild, verify or describe the run database.
    Db(db::Args),
    /// One run as one file, or all runs as a table.
    Export(export::Args),
    /// Take over runs that others exported.
    Import(import::Args),
    /// Find what can be deleted; delete it if asked to.
    Gc(gc::Args),
    /// Check program, machine, results folder and tools.
    Doctor(doctor::Args),
    /// Print completions for a shell.
    Completions(manual::CompletionsArgs),
    /// Print a man page.
    Man(manual::ManArgs),
}

impl Cli {
    /// Does what the verb says.
    ///
    /// # Errors
    /// Whatever the verb meets.
    pub fn run(&self) -> Result<ExitCode> {
        let globals = &self.globals;
        #[cfg(unix)]
        let listens_itself = matches!(self.verb, Verb::Supervise(_));
        #[cfg(not(unix))]
        let listens_itself = false;
        if !listens_itself {
            crate::exec::install();
        }
        match &self.verb {
            Verb::Init(args) => init::run(args, globals)?,
            Verb::Sweep(args) => return sweep::run(args, globals),
            Verb::Run(args) => run::run(args, globals)?,
            #[cfg(unix)]
            Verb::Supervise(args) => supervise::run(args)?,
            Verb::Ls(args) => return ls::run(args, globals),
            Verb::Show(args) => show::run(args, globals)?,
            Verb::Draw(args) => draw::run(args, globals)?,
            Verb::TuneSteps(args) => tune_steps::run(args, globals)?,
            Verb::Solvers(args) => solvers::run(args, globals)?,
            Verb::Diff(args) => diff::run(args, globals)?,
            Verb::Explain(args) => explain::run(args, globals)?,
            Verb::Tag(args) => tag::run(args, globals)?,
            Verb::Check(args) => return check::run(args, globals),
            Verb::Accept(args) => check::accept(args, globals)?,
            Verb::Report(args) => report::run(args, globals)?,
            Verb::Reference(args) => reference::run(args, globals)?,
            Verb::Eval(args) => eval::run(args, globals)?,
            Verb::Energy(args) => energy::run(args, globals)?,
            Verb::Convert(args) => convert::run(args, globals)?,
            Verb::Ot(args) => ot::run(args, globals)?,
            Verb::List(args) => describe::list(args, globals)?,
            Verb::Describe(args) => describe::describe(args, globals)?,
            Verb::Db(args) => return db::run(args, globals),
            Verb::Export(args) => export::run(args, globals)?,
            Verb::Import(args) => import::run(args, globals)?,
            Verb::Gc(args) => gc::run(args, globals)?,
            Verb::Doctor(args) => doctor::run(args, globals)?,
            Verb::Completions(args) => manual::completions(args)?,
            Verb::Man(args) => manual::man(args, globals)?,
        }
        Ok(ExitCode::Ok)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
