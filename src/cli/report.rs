//! `report`: tables, figures and the page of an experiment.

use std::path::{Path, PathBuf};

use super::{Globals, output, versions};
use crate::config::{self, Experiment};
use crate::error::{Error, Result};
use crate::report::{Table, collect, load, write::write};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench report experiments/table1.toml
  pita-bench report experiments/table1.toml --compare 9e1c0d 77ab12   two commits, each run with `sweep --rerun-stale`")]
pub struct Args {
    /// Experiment file, such as experiments/table1.toml
    pub experiment: PathBuf,
    /// Profile of the experiment file
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Override a setting: key.path=value
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Folder of the report (default: in the results folder, under `reports`)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Put two versions of the code side by side: beginnings of git commits or code digests, or selections such as @tag
    #[arg(long, num_args = 2, value_names = ["REV1", "REV2"])]
    pub compare: Option<Vec<String>>,
}

/// Runs the verb.
///
/// # Errors
/// Bad experiment files; no runs to report; files that cannot be written.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let experiment = config::load(&args.experiment, args.profile.as_deref(), &args.set)?;
    match args.compare.as_deref() {
        Some([a, b]) => versions::compare(&experiment, [a, b], args.out.as_deref(), globals),
        _ => present(&experiment, args.out.as_deref(), globals),
    }
}

/// Writes the report of an experiment and prints its tables.
///
/// # Errors
/// No runs to report; files that cannot be read or written.
pub fn present(experiment: &Experiment, out: Option<&Path>, globals: &Globals) -> Result<()> {
    let out = out.map_or_else(|| globals.results.join("reports").join(&experiment.name), Path::to_path_buf);
    let (tables, files) = files(experiment, &out, &globals.results)?;
    let text = if globals.json {
        let value = serde_json::json!({ "files": files, "tables": tables });
        format!("{value}\n")
    } else {
        let tables: Vec<String> = tables.iter().map(crate::report::table::markdown).collect();
        let files: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        format!("{}\n{}\n", tables.join("\n"), files.join("\n"))
    };
    output::line(text.trim_end())
}

/// Writes the report of the runs in `results` into `out`; returns its tables and files.
///
/// # Errors
/// No runs to report; files that cannot be read or written.
pub fn files(experiment: &Experiment, out: &Path, results: &Path) -> Result<(Vec<Table>, Vec<PathBuf>)> {
    let runs = load::runs(experiment, results)?;
    if runs.is_empty() {
        return Err(Error::NothingSelected(format!(
            "no runs of {} are recorded in {}; run `pita-bench sweep {0}` first",
            experiment.path.display(),
            results.display()
        )));
    }
    let pictures = load::pictures(experiment, results, &runs)?;
    let tables = collect(&runs)?;
    let files = write(out, &experiment.title, &tables, &pictures, &runs)?;
    Ok((tables, files))
}
