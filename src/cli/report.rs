//! `report`: tables, figures and the page of an experiment.

use std::path::{Path, PathBuf};

use super::asked::Asked;
use super::{Globals, output, versions};
use crate::config::{Cell, Experiment};
use crate::error::{Error, Result};
use crate::exec::{self, Options, collection, references};
use crate::exit::ExitCode;
use crate::record::{Results, timestamp};
use crate::report::load::{self, Loaded};
use crate::report::missing::Gap;
use crate::report::page::Material;
use crate::report::recorded;
use crate::report::{Table, collect, write::write};
use crate::samplers::Progress;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench report experiments/table1.toml
  pita-bench report experiments/table1.toml -p standard --systems lj13 --samplers md,mala --seeds 0,1
  pita-bench report --from table1.tar.gz                              a file that `export --experiment` wrote, anywhere
  pita-bench report experiments/table1.toml --compare 9e1c0d 77ab12   two commits, each run with `sweep --rerun-stale`

A table shows the evaluation that its own file asks for: metrics, sample sizes, reference, by this code. Complete cells that
lack it are evaluated first (their reference is made if it is not there); --no-evaluate says what is missing instead.")]
pub struct Args {
    /// What is reported
    #[command(flatten)]
    pub asked: Asked,
    /// Show what an exported experiment holds, and nothing of the results folder
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "compare", "no_evaluate", "profile", "set", "systems", "samplers", "seeds"])]
    pub from: Option<PathBuf>,
    /// Folder of the report (default: in the results folder, under `reports`)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Show only what is evaluated already; exit code 21 when something is missing
    #[arg(long, conflicts_with = "compare")]
    pub no_evaluate: bool,
    /// Fail with exit code 23 when a cell is missing: never run, running, interrupted, failed, damaged or not evaluated
    #[arg(long, conflicts_with = "compare")]
    pub require_complete: bool,
    /// Put two versions of the code side by side: beginnings of git commits or code digests, or selections such as @tag
    #[arg(long, num_args = 2, value_names = ["REV1", "REV2"])]
    pub compare: Option<Vec<String>>,
}

/// Whether a report may judge samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluate {
    /// What the table lacks is computed first.
    Missing,
    /// Only what there is is shown; what is missing is said, as an error.
    Never,
    /// The same, but whoever asks knows what is missing.
    Done,
}

/// Runs the verb.
///
/// # Errors
/// Bad experiment files; no runs to report; files that cannot be written; [`Error::NotEvaluated`].
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    args.out.as_ref().map_or(Ok(()), |path| output::folder(path, "--out"))?;
    if let Some(file) = &args.from {
        return from(file, args, globals);
    }
    let experiment = args.asked.load_seeds("report")?;
    let evaluate = if args.no_evaluate { Evaluate::Never } else { Evaluate::Missing };
    match args.compare.as_deref() {
        Some([a, b]) => versions::compare(&experiment, [a, b], args.out.as_deref(), globals),
        _ => present(&experiment, args.out.as_deref(), evaluate, args.require_complete, globals).map(|_| ()),
    }
}

/// The report of an exported experiment, laid out in a folder of its own for as long as it takes.
fn from(file: &Path, args: &Args, globals: &Globals) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("pita-bench-report-{}", std::process::id()));
    let there = Globals { results: folder.clone(), ..globals.clone() };
    let shown = collection::lay_out(file, &folder).and_then(|head| {
        let out = args.out.clone().unwrap_or_else(|| Results(&globals.results).report(&head.experiment.report));
        present(&head.experiment, Some(&out), Evaluate::Done, args.require_complete, &there)
    });
    let _ = std::fs::remove_dir_all(&folder); // what is left there is nobody's
    shown.map(|_| ())
}

/// Writes the report of an experiment and prints its tables; where it cannot be written, they are printed all the same. Gives
/// the page.
///
/// # Errors
/// No runs to report; files that cannot be read or written; what could not be evaluated; [`Error::CellsMissing`] when all
/// cells have to be there.
pub fn present(
    experiment: &Experiment,
    out: Option<&Path>,
    evaluate: Evaluate,
    require_complete: bool,
    globals: &Globals,
) -> Result<Option<PathBuf>> {
    let out = out.map_or_else(|| Results(&globals.results).report(&experiment.report), Path::to_path_buf);
    let mut loaded = load::runs(experiment, &globals.results)?;
    let mut failed = None;
    if evaluate == Evaluate::Missing {
        let cells = to_judge(&loaded, &globals.results);
        if !cells.is_empty() {
            failed = judge(experiment, cells, globals)?;
            loaded = load::runs(experiment, &globals.results)?;
        }
    }
    let tables = tables(experiment, &globals.results, &loaded)?;
    let saved = exec::with_bar("report", globals.quiet, |show| {
        show(&Progress { phase: "tables and figures".into(), ..Progress::default() });
        save(experiment, &out, &globals.results, &loaded, &tables)
    });
    let (files, unwritten) = match saved {
        Ok(files) => (files, None),
        Err(e) if e.exit_code() == ExitCode::ReadOnly => (Vec::new(), Some(e)),
        Err(e) => return Err(e),
    };
    let value = || serde_json::json!({ "files": files, "tables": tables });
    globals.print(value, || {
        let tables: Vec<String> = tables.iter().map(crate::report::table::markdown).collect();
        let files: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        format!("{}\n{}", tables.join("\n"), files.join("\n")).trim_end().to_owned()
    })?;
    let page = files.iter().find(|file| file.extension().is_some_and(|e| e == "html")).cloned();
    if require_complete {
        complete(experiment, &tables)?;
    }
    let missing = loaded.lacking.iter().filter(|l| !l.by_other_code).count();
    match failed.or(unwritten) {
        Some(error) => Err(error),
        None if evaluate == Evaluate::Never && missing > 0 => Err(Error::NotEvaluated(format!(
            "{missing} of {} complete cells are not evaluated as {} asks; leave out --no-evaluate to do that",
            loaded.runs.iter().filter(|r| r.is_complete()).count(),
            experiment.path.display()
        ))),
        None => damage(&loaded.damaged).map(|()| page),
    }
}

/// Missing cells as an error.
fn complete(experiment: &Experiment, tables: &[Table]) -> Result<()> {
    let gaps: Vec<&Gap> = tables.iter().flat_map(|t| &t.coverage.missing).collect();
    let Some(first) = gaps.first() else { return Ok(()) };
    Err(Error::CellsMissing(format!(
        "{} of {} cells are missing; the first: {}, {}",
        gaps.len(),
        experiment.cells.len(),
        first.method,
        first.line()
    )))
}

/// Damaged runs as an error, once everything else is shown.
fn damage(damaged: &[String]) -> Result<()> {
    if damaged.is_empty() {
        return Ok(());
    }
    Err(Error::Damaged(format!(
        "{}; the next sweep runs again what is damaged, as new attempts:\n  {}",
        output::counted(damaged.len(), "damaged run"),
        damaged.join("\n  ")
    )))
}

/// The complete cells to be evaluated. An evaluation by other code is made anew where the reference is there; else it is
/// shown as what it is.
fn to_judge(loaded: &Loaded, results: &Path) -> Vec<Cell> {
    let there = |cell: &Cell| references::exists(results, &cell.run.system, &cell.eval.reference);
    loaded.lacking.iter().filter(|l| !l.by_other_code || there(&l.cell)).map(|l| l.cell.clone()).collect()
}

/// Evaluates cells as the experiment asks. Gives the error of those that failed; the others are evaluated then.
fn judge(experiment: &Experiment, cells: Vec<Cell>, globals: &Globals) -> Result<Option<Error>> {
    let count = output::counted(cells.len(), "complete cell");
    globals.note(format!("{count} not evaluated as the file asks: evaluating now"));
    let options = Options { only_evaluate: true, wait: false, quiet: globals.quiet, ..Options::default() };
    let done = exec::sweep(&Experiment { cells, ..experiment.clone() }, &globals.results, &options)?;
    exec::let_go();
    match done.error {
        Some(Error::Interrupted) => Err(Error::Interrupted),
        error => Ok(error),
    }
}

/// The tables of loaded runs.
pub(super) fn tables(experiment: &Experiment, results: &Path, loaded: &Loaded) -> Result<Vec<Table>> {
    let runs = &loaded.runs;
    if runs.iter().all(|r| r.status.is_none()) {
        return Err(Error::NothingSelected(format!(
            "no runs of {} are recorded in {}; run `pita-bench sweep {0}` first",
            experiment.path.display(),
            results.display()
        )));
    }
    collect(runs)
}

/// Writes the report of loaded runs into `out`; returns its files.
pub(super) fn save(
    experiment: &Experiment,
    out: &Path,
    results: &Path,
    loaded: &Loaded,
    tables: &[Table],
) -> Result<Vec<PathBuf>> {
    let pictures = load::pictures(experiment, results, &loaded.runs)?;
    let material = Material {
        title: experiment.title.clone(),
        command: Some(command(std::env::args().skip(1))),
        profile: experiment.profile.clone(),
        written: timestamp(),
        details: recorded::details(experiment, results, &loaded.runs)?,
        references: recorded::reference_cards(experiment, results),
    };
    let courses = load::courses(&loaded.runs)?;
    write(out, &material, tables, (&pictures, &courses), &loaded.runs)
}

/// The command at work, as the page shows it: of absolute paths only the last part, words with spaces in quotes.
fn command(args: impl Iterator<Item = String>) -> String {
    let last = |path: &str| {
        let name = Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if Path::new(path).is_absolute() { name } else { path.to_owned() }
    };
    let word = |arg: String| {
        let arg = match arg.split_once('=') {
            Some((name, value)) => format!("{name}={}", last(value)),
            None => last(&arg),
        };
        if arg.contains(char::is_whitespace) { format!("'{arg}'") } else { arg }
    };
    std::iter::once("pita-bench".to_owned()).chain(args.map(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn commands_without_folders_of_this_machine() {
        let args = ["--results=/home/me/results", "report", "/home/me/a.toml", "experiments/b.toml", "-s", "x.y=1 2"];
        let shown = command(args.iter().map(|s| (*s).to_owned()));
        assert_eq!(shown, "pita-bench --results=results report a.toml experiments/b.toml -s 'x.y=1 2'");
    }
}
