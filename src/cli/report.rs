//! `report`: tables, figures and the page of an experiment.

use std::io::Write;
use std::path::PathBuf;

use super::Globals;
use crate::error::{Error, Result};
use crate::report::{Pictures, RunResult, collect, write};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
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
}

/// Runs the verb.
///
/// # Errors
/// Bad experiment files; no runs to report; files that cannot be written.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let Loaded { title, runs, pictures } = load_runs(args, globals)?;
    if runs.is_empty() {
        return Err(Error::NothingSelected(format!(
            "no runs of {} are recorded; run `pita-bench sweep {0}` first",
            args.experiment.display()
        )));
    }
    let tables = collect(&runs)?;
    let stem = args.experiment.file_stem().map_or("experiment".into(), |s| s.to_string_lossy().into_owned());
    let out = args.out.clone().unwrap_or_else(|| globals.results.join("reports").join(stem));
    let files = write(&out, &title, &tables, &pictures, &runs)?;
    let text = if globals.json {
        let value = serde_json::json!({ "files": files, "tables": tables });
        format!("{value}\n")
    } else {
        let tables: Vec<String> = tables.iter().map(crate::report::table::markdown).collect();
        let files: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        format!("{}\n{}\n", tables.join("\n"), files.join("\n"))
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::io("stdout"))
}

/// What the store knows of an experiment.
struct Loaded {
    title: String,
    runs: Vec<RunResult>,
    pictures: Vec<Pictures>,
}

/// The experiment's runs from the store, and the samples that its figures show.
fn load_runs(_args: &Args, _globals: &Globals) -> Result<Loaded> {
    Err(Error::Internal("reports are not connected to the store yet".into()))
}
