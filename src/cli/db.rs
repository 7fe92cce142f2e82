//! `pita-bench db`: the run database from the run folders, and back.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Globals, output};
use crate::error::{Error, Result};
use crate::exec::recompute::{METRIC, Recomputed, recompute};
use crate::exec::{self, references};
use crate::exit::ExitCode;
use crate::record::{self, RunDir, Status};
use crate::samplers::Progress;
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
    #[command(after_help = "Examples:\n  pita-bench db rebuild\n  pita-bench db rebuild --results /scratch/results")]
    Rebuild,
    /// Take run folders into the database: those named, or all; rows of others stay.
    #[command(
        after_help = "Examples:\n  pita-bench db ingest\n  pita-bench db ingest results/runs/3f2a91bc77ab1200/s0/a1"
    )]
    Ingest {
        /// Run folders.
        folders: Vec<PathBuf>,
    },
    /// Compare the database with the run folders, and the run folders with their manifests.
    #[command(
        after_help = "Examples:\n  pita-bench db verify\n  pita-bench db verify --recompute\n  pita-bench db verify --recompute @accepted"
    )]
    Verify {
        /// Compute energies, counts and metrics of these runs again from their samples: a selection as `ls` takes it, or all.
        #[arg(long, value_name = "SELECTION", num_args = 0..=1, default_missing_value = "")]
        recompute: Option<String>,
    },
    /// Describe the views for your own queries.
    #[command(after_help = "Examples:\n  pita-bench db schema\n  pita-bench db schema --json")]
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
        Action::Verify { recompute } => verify(recompute.as_deref(), globals),
        Action::Schema => schema(globals),
    }
}

fn rebuild(globals: &Globals) -> Result<ExitCode> {
    let path = globals.results.join(store::NAME);
    if !globals.results.is_dir() {
        return Err(Error::NothingSelected(format!("no folder {}", globals.results.display())));
    }
    let connection = match store::open(&globals.results) {
        Err(Error::Store(_)) => move_aside(&path, globals)?,
        Err(_) if path.is_dir() => move_aside(&path, globals)?,
        other => other?,
    };
    let runs = store::rebuild(&connection, &globals.results)?;
    taken(runs, &format!("{}: ", path.display()), &connection, globals)
}

/// Moves what cannot be the database aside, under a name that is free, and begins a new one.
fn move_aside(path: &Path, globals: &Globals) -> Result<Connection> {
    let broken = |k: u32| path.with_added_extension(if k == 1 { "broken".into() } else { format!("broken-{k}") });
    let aside = (1..).map(broken).find(|aside| !aside.exists()).unwrap_or_else(|| broken(1));
    std::fs::rename(path, &aside).map_err(Error::io(path))?;
    globals.note(format!("{} was no database: it is {} now", path.display(), aside.display()));
    store::open(&globals.results)
}

fn ingest(folders: &[PathBuf], globals: &Globals) -> Result<ExitCode> {
    let runs = if folders.is_empty() {
        record::all_runs(&globals.results)?
    } else {
        folders.iter().map(|f| RunDir::open(f)).collect::<Result<_>>()?
    };
    let connection = store::open(&globals.results)?;
    store::ingest_all(&connection, &runs)?;
    taken(runs.len(), "", &connection, globals)
}

/// Says how many runs the database took, and which of its runs are damaged.
fn taken(runs: usize, head: &str, connection: &Connection, globals: &Globals) -> Result<ExitCode> {
    globals.print(|| serde_json::json!({"runs": runs}), || format!("{head}{}", output::counted(runs, "run")))?;
    let damaged = store::Filter { status: Some(Status::Damaged.word().to_owned()), ..store::Filter::default() };
    Ok(output::damaged(&store::list(connection, &damaged)?))
}

fn verify(recompute: Option<&str>, globals: &Globals) -> Result<ExitCode> {
    let connection = globals.database()?;
    let again = recompute.map(|selection| again(selection, &connection, globals)).transpose()?;
    let found = store::verify(&connection, &globals.results)?;
    let wrong = again.iter().flat_map(|a| &a.wrong);
    let references = references::damaged(&globals.results)?;
    let damaged: Vec<&String> = found.changed.iter().chain(&found.damaged).chain(wrong).chain(&references).collect();
    let error = if let Some(first) = damaged.first() {
        let what = if references.is_empty() { "damaged run" } else { "damaged run or reference" };
        let message = format!("{}; the first: {first}", output::counted(damaged.len(), what));
        let changed = !found.changed.is_empty();
        Some(if changed { Error::Digest { path: globals.results.clone(), message } } else { Error::Damaged(message) })
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
        value["references"] = serde_json::json!(references);
        if let Some(again) = &again {
            value["recomputed"] = serde_json::json!(again);
        }
        if let Some(error) = &error {
            value["error"] = output::error_value(error)["error"].take();
        }
        output::json(&value)?;
        return Ok(error.map_or(ExitCode::Ok, |e| e.exit_code()));
    }
    let mut parts = vec![output::counted(found.runs, "run"), format!("{} complete and intact", found.intact)];
    for (n, what) in [(found.interrupted, "interrupted, resumable"), (found.running, "running")] {
        parts.extend((n > 0).then(|| format!("{n} {what}")));
    }
    output::line(parts.join(", "))?;
    if let Some(again) = &again {
        output::line(sentence(again))?;
    }
    for what in damaged.iter().skip(1) {
        output::note(format!("damaged: {what}"));
    }
    error.map_or(Ok(ExitCode::Ok), Err)
}

/// Computes what a selection asks for again.
fn again(selection: &str, connection: &Connection, globals: &Globals) -> Result<Recomputed> {
    let rows = if selection.is_empty() {
        store::list(connection, &store::Filter::default())?
    } else {
        store::select(connection, selection)?
    };
    let runs: Vec<RunDir> = rows.iter().map(|row| globals.run(row)).collect::<Result<_>>()?;
    exec::listen();
    exec::with_bar("verify", globals.quiet, |show| {
        let (mut done, total) = (0, runs.len() as u64);
        recompute(&globals.results, &runs, &exec::interrupted, &mut |run| {
            show(&Progress { done, total, phase: run.id.to_string(), ..Progress::default() });
            done += 1;
        })
    })
}

fn sentence(again: &Recomputed) -> String {
    let mut parts = vec![
        format!("{} runs computed again: {} energies within {:.1e} kT", again.runs, again.energies, again.energy_apart),
        format!("{} metrics the same to the last bit", again.identical),
    ];
    if again.within > 0 {
        parts.push(format!("{} made elsewhere within {METRIC:.0e}", again.within));
    }
    let mut text = parts.join(", ");
    for left in &again.left {
        text += &format!("\nnot compared: {left}");
    }
    text
}

fn schema(globals: &Globals) -> Result<ExitCode> {
    if globals.json {
        let column = |(name, _, what): &(&str, &str, &str)| serde_json::json!({"name": name, "holds": what});
        let view = |v: &store::View| {
            let columns: Vec<_> = v.columns().iter().map(column).collect();
            serde_json::json!({"view": v.name, "row": v.row, "columns": columns})
        };
        output::json(&store::views::VIEWS.iter().map(view).collect::<Vec<_>>())?;
        return Ok(ExitCode::Ok);
    }
    let mut text = format!("Views of {}. Their columns stay; what changes gets another number.\n", store::NAME);
    for view in store::views::VIEWS {
        text += &format!("\n{}: {} in each row\n", view.name, view.row);
        let rows: Vec<_> = view.columns().iter().map(|c| vec![format!("  {}", c.0), c.2.to_owned()]).collect();
        text += &(output::columns(&rows) + "\n");
    }
    output::line(text.trim_end())?;
    Ok(ExitCode::Ok)
}
