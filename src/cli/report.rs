//! `report`: tables, figures and the page of an experiment.

use std::path::{Path, PathBuf};

use super::{Globals, output};
use crate::config::{self, Experiment};
use crate::error::{Error, Result};
use crate::report::{Table, collect, load, table, write};

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
    /// Folder of the report [default: reports/<experiment> in the results folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// Bad experiment files; no runs to report; files that cannot be written.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let experiment = config::load(&args.experiment, args.profile.as_deref(), &args.set)?;
    let (tables, files) = written(&experiment, args.out.as_deref(), globals)?;
    if globals.json {
        return output::json(&serde_json::json!({ "files": files, "tables": tables }));
    }
    print(&tables, &files)
}

/// Prints the table of an experiment after its sweep.
///
/// # Errors
/// As [`run`].
pub fn after_sweep(experiment: &Experiment, globals: &Globals) -> Result<()> {
    let (tables, files) = written(experiment, None, globals)?;
    print(&tables, &files)
}

fn written(experiment: &Experiment, out: Option<&Path>, globals: &Globals) -> Result<(Vec<Table>, Vec<PathBuf>)> {
    let runs = load::runs(experiment, &globals.results)?;
    if runs.is_empty() {
        return Err(Error::NothingSelected(format!(
            "no runs of {} are recorded; run `pita-bench sweep {0}` first",
            experiment.path.display()
        )));
    }
    let tables = collect(&runs)?;
    let pictures = load::pictures(experiment, &globals.results, &runs)?;
    let folder = globals.results.join("reports").join(&experiment.name);
    let files = write(out.unwrap_or(&folder), &experiment.title, &tables, &pictures, &runs)?;
    Ok((tables, files))
}

fn print(tables: &[Table], files: &[PathBuf]) -> Result<()> {
    let tables: Vec<String> = tables.iter().map(table::markdown).collect();
    let files: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    output::line(format!("{}\n{}", tables.join("\n"), files.join("\n")))
}
