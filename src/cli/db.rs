//! `pita-bench db`: the run database from the run folders, and back.

use std::path::PathBuf;

use super::{Globals, output};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::record::{self, RunDir};
use crate::store;

/// Arguments of `db`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pita-bench db rebuild\n  pita-bench db verify\n  pita-bench db ingest\n  pita-bench db schema\n  \
               sqlite3 results/pita.db 'SELECT label, avg(value) FROM v1_metrics WHERE metric = \"energy-w1\" GROUP BY 1'"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write the database anew from the run folders; a broken one is moved aside.
    Rebuild,
    /// Take run folders into the database: those named, or all; rows of others stay.
    Ingest {
        /// Run folders.
        folders: Vec<PathBuf>,
    },
    /// Compare the database with the run folders, and the run folders with their manifests.
    Verify,
    /// Describe the views for your own queries.
    Schema,
}

/// Runs the verb.
///
/// # Errors
/// [`Error::Store`] when the database does not agree with the run folders, [`Error::Digest`] when a run's files were
/// changed.
pub fn run(args: &Args, globals: &Globals) -> Result<ExitCode> {
    match &args.action {
        Action::Rebuild => rebuild(globals),
        Action::Ingest { folders } => ingest(folders, globals),
        Action::Verify => verify(globals),
        Action::Schema => schema(globals),
    }
}

fn rebuild(globals: &Globals) -> Result<ExitCode> {
    let path = globals.results.join(store::NAME);
    if !globals.results.is_dir() {
        return Err(Error::NothingSelected(format!("no folder {}", globals.results.display())));
    }
    let connection = match store::open(&globals.results) {
        Err(Error::Store(_)) => {
            let aside = path.with_added_extension("broken");
            std::fs::rename(&path, &aside).map_err(Error::io(&path))?;
            store::open(&globals.results)?
        }
        other => other?,
    };
    let runs = store::rebuild(&connection, &globals.results)?;
    if globals.json {
        output::json(&serde_json::json!({"runs": runs}))?;
    } else {
        output::line(format!("{}: {runs} runs", path.display()))?;
    }
    Ok(ExitCode::Ok)
}

fn ingest(folders: &[PathBuf], globals: &Globals) -> Result<ExitCode> {
    let runs = if folders.is_empty() {
        record::all_runs(&globals.results)?
    } else {
        folders.iter().map(|f| RunDir::open(f)).collect::<Result<_>>()?
    };
    store::ingest_all(&store::open(&globals.results)?, &runs)?;
    if globals.json {
        output::json(&serde_json::json!({"runs": runs.len()}))?;
    } else {
        output::line(format!("{} runs", runs.len()))?;
    }
    Ok(ExitCode::Ok)
}

fn verify(globals: &Globals) -> Result<ExitCode> {
    let connection = globals.database()?;
    let found = store::verify(&connection, &globals.results)?;
    let error = if let Some(first) = found.damaged.first() {
        Some(Error::Digest {
            path: globals.results.clone(),
            message: format!("{} damaged run(s); the first: {first}", found.damaged.len()),
        })
    } else if found.missing_rows + found.extra_rows > 0 {
        Some(Error::Store(format!(
            "the database lacks {} rows and has {} that no run folder gives; run `pita-bench db rebuild`",
            found.missing_rows, found.extra_rows
        )))
    } else {
        None
    };
    if globals.json {
        let mut value = serde_json::json!(found);
        if let Some(error) = &error {
            value["error"] = output::error_value(error)["error"].take();
        }
        output::json(&value)?;
        return Ok(error.map_or(ExitCode::Ok, |e| e.exit_code()));
    }
    let mut parts = vec![format!("{} runs", found.runs), format!("{} complete and intact", found.intact)];
    for (n, what) in [(found.interrupted, "interrupted, resumable"), (found.running, "running")] {
        parts.extend((n > 0).then(|| format!("{n} {what}")));
    }
    output::line(parts.join(", "))?;
    error.map_or(Ok(ExitCode::Ok), Err)
}

fn schema(globals: &Globals) -> Result<ExitCode> {
    if globals.json {
        let column = |(name, _, what): &(&str, &str, &str)| serde_json::json!({"name": name, "holds": what});
        let view = |v: &store::View| {
            let columns: Vec<_> = v.columns.iter().map(column).collect();
            serde_json::json!({"view": v.name, "row": v.row, "columns": columns})
        };
        output::json(&store::views::VIEWS.iter().map(view).collect::<Vec<_>>())?;
        return Ok(ExitCode::Ok);
    }
    let mut text = format!("Views of {}. Their columns stay; what changes gets another number.\n", store::NAME);
    for view in store::views::VIEWS {
        text += &format!("\n{}: {} in each row\n", view.name, view.row);
        let rows: Vec<_> = view.columns.iter().map(|c| vec![format!("  {}", c.0), c.2.to_owned()]).collect();
        text += &(output::columns(&rows) + "\n");
    }
    output::line(text.trim_end())?;
    Ok(ExitCode::Ok)
}
