//! `report`: tables, figures and the page of an experiment.

use std::path::PathBuf;

use super::{Globals, output};
use crate::config;
use crate::error::{Error, Result};
use crate::report::{collect, load, write::write};

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
    let runs = load::runs(&experiment, &globals.results)?;
    if runs.is_empty() {
        return Err(Error::NothingSelected(format!(
            "no runs of {} are recorded in {}; run `pita-bench sweep {0}` first",
            args.experiment.display(),
            globals.results.display()
        )));
    }
    let pictures = load::pictures(&experiment, &globals.results, &runs)?;
    let tables = collect(&runs)?;
    let out = args.out.clone().unwrap_or_else(|| globals.results.join("reports").join(&experiment.name));
    let files = write(&out, &experiment.title, &tables, &pictures, &runs)?;
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
