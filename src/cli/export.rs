//! `pita-bench export`: runs out of here, as one file or as tables.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Globals, complete, output};
use crate::config;
use crate::error::{Error, Result};
use crate::exec::collection;
use crate::record::{atomic, bundle};
use crate::store::{self, View};
use crate::text;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench export --bundle 3f2a                     one run as 3f2a91bc-s0-a1.tar, for `pita-bench import`
  pita-bench export --experiment experiments/table1.toml                  all runs and references, as table1.tar.gz
  pita-bench export --experiment experiments/table1.toml --without-samples --out tables.tar.gz   only what its tables need: 100 kB
  pita-bench export metrics --csv > metrics.csv
  pita-bench export runs --out runs.json              the format by the file's name: .csv, .json or .parquet
  pita-bench export metrics --out metrics.parquet

Tables: runs, metrics (newest evaluation), evaluations (all of them), experiments, counts, scalars; `pita-bench db schema` describes their columns.")]
pub struct Args {
    /// Table.
    #[arg(value_name = "TABLE", required_unless_present_any = ["bundle", "experiment"])]
    table: Option<String>,
    /// This run, all of its files, as one file.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["table", "csv", "parquet"], add = complete::runs())]
    bundle: Option<String>,
    /// All runs of this experiment that have ended, with their evaluations and references, as one file: for `import`, or for
    /// `report --from`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["table", "csv", "parquet", "bundle"], add = complete::experiment_files())]
    experiment: Option<PathBuf>,
    /// Its profile.
    #[arg(short, long, value_name = "NAME", requires = "experiment", add = complete::profiles())]
    profile: Option<String>,
    /// Override a setting of it; may be given again.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE", requires = "experiment")]
    set: Vec<String>,
    /// Leave samples and models out: for `report --from` alone.
    #[arg(long, requires = "experiment")]
    without_samples: bool,
    /// Comma-separated values (the default; --json for JSON).
    #[arg(long)]
    csv: bool,
    /// Apache Parquet, into the file that --out names.
    #[arg(long, requires = "out", conflicts_with = "csv")]
    parquet: bool,
    /// Where to; standard output for tables, RUN.tar for a bundle, NAME.tar.gz for an experiment.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// An unknown run or table, a run that has not ended, files that cannot be written.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    args.out.as_ref().map_or(Ok(()), |path| output::file(path, "--out"))?;
    if let Some(file) = &args.experiment {
        return experiment(args, file, globals);
    }
    if let Some(id) = &args.bundle {
        let row = store::find(&store::open_for_reading(&globals.results)?, id)?;
        let run = globals.run(&row)?;
        let path = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.tar", run.id)));
        bundle::write(&run, &path)?;
        return written(&path, serde_json::json!({"run": row.id}), globals);
    }
    let format = format(args, globals)?;
    let view = View::by_name(args.table.as_deref().unwrap_or_default())?;
    let connection = store::open_for_reading(&globals.results)?;
    let bytes = match format {
        Format::Parquet => store::parquet(view, &connection)?,
        Format::Json => json(view, &view.rows(&connection)?)?.into_bytes(),
        Format::Csv => csv(view, &view.rows(&connection)?).into_bytes(),
    };
    match &args.out {
        None => output::line(String::from_utf8_lossy(&bytes).trim_end()),
        Some(path) => atomic::write(path, &bytes),
    }
}

/// A whole experiment as one file.
fn experiment(args: &Args, file: &Path, globals: &Globals) -> Result<()> {
    let asked = config::load(file, args.profile.as_deref(), &args.set)?;
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.tar.gz", asked.report)));
    let head = collection::export(&asked, &globals.results, !args.without_samples, &path)?;
    let cells = asked.cells.len();
    let about = serde_json::json!({
        "experiment": asked.name, "cells": cells, "runs": head.runs, "references": head.references, "samples": head.samples,
    });
    written(&path, about, globals)
}

/// Says what a file has become.
fn written(path: &Path, mut about: Value, globals: &Globals) -> Result<()> {
    let bytes = std::fs::metadata(path).map_err(Error::io(path))?.len();
    let sha256 = atomic::sha256_file(path)?;
    let text = format!("{}: {bytes} bytes, SHA-256 {sha256}", path.display());
    (about["file"], about["bytes"], about["sha256"]) = (path.display().to_string().into(), bytes.into(), sha256.into());
    globals.print(|| about, || text)
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
    Parquet,
}

/// The format that was asked for: by an option, else by the extension of --out, else CSV.
fn format(args: &Args, globals: &Globals) -> Result<Format> {
    let by_option = match (args.csv, args.parquet, globals.json) {
        (false, false, false) => None,
        (true, false, false) => Some(Format::Csv),
        (false, true, false) => Some(Format::Parquet),
        (false, false, true) => Some(Format::Json),
        _ => return Err(Error::Usage("--csv, --parquet and --json exclude each other".into())),
    };
    let extension = args.out.as_ref().and_then(|path| path.extension()).map(std::ffi::OsStr::to_ascii_lowercase);
    let by_name = match extension.as_ref().and_then(|e| e.to_str()) {
        Some("parquet" | "pq") => Some(Format::Parquet),
        Some("json") => Some(Format::Json),
        Some("csv") => Some(Format::Csv),
        _ => None,
    };
    match (by_option, by_name, &args.out) {
        (Some(asked), Some(named), Some(path)) if asked != named => Err(Error::Usage(format!(
            "--out {}: its name says {named:?}, the options say {asked:?}; leave one of them out",
            path.display()
        ))),
        _ => Ok(by_option.or(by_name).unwrap_or(Format::Csv)),
    }
}

/// A list of objects.
fn json(view: &View, rows: &[Vec<Value>]) -> Result<String> {
    let columns = view.columns();
    let object = |row: &Vec<Value>| {
        let fields = columns.iter().zip(row).map(|((name, ..), value)| ((*name).to_owned(), value.clone()));
        Value::Object(fields.collect())
    };
    let all: Vec<Value> = rows.iter().map(object).collect();
    Ok(output::pretty(&all)? + "\n")
}

/// RFC 4180, a line for each row; nothing for NULL.
fn csv(view: &View, rows: &[Vec<Value>]) -> String {
    let mut out = view.columns().iter().map(|c| c.0).collect::<Vec<_>>().join(",") + "\n";
    for row in rows {
        let fields: Vec<String> = row.iter().map(field).collect();
        out += &(fields.join(",") + "\n");
    }
    out
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => text::csv(s),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_needed() {
        let fields = [Value::Null, "a".into(), "a,b".into(), "say \"x\"\n".into(), 1.5.into(), 3.into()];
        let text: Vec<String> = fields.iter().map(field).collect();
        assert_eq!(text, ["", "a", "\"a,b\"", "\"say \"\"x\"\"\\n\"", "1.5", "3"]);
    }
}
