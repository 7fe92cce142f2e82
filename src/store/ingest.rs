//! A run folder into rows. The rows depend on the folder's files alone: ingesting twice, in any order, changes nothing.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params};
use serde_json::Value;

use super::all;
use super::migrations::TABLES;
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::identity::short;
use crate::record::{
    Evaluation, Failure, Kind, Labels, Origin, Partial, Provenance, Request, RunDir, RunId, Status, all_runs, atomic,
    claim, evaluation, events, manifest,
};

/// Replaces the rows of one run by what its folder says now.
///
/// # Errors
/// [`Error::Store`].
pub fn ingest(connection: &Connection, run: &RunDir) -> Result<()> {
    ingest_all(connection, std::slice::from_ref(run))
}

/// Has the row of a run say that somebody works on it. Only the holder of its claim may say so.
///
/// # Errors
/// As [`ingest`].
pub fn under_way(connection: &Connection, run: &RunDir) -> Result<()> {
    let mark = || {
        let sql = "UPDATE runs SET status = ?2 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute([run.id.to_string().as_str(), Status::Claimed.word()])
    };
    if mark()? == 0 {
        ingest(connection, run)?;
        mark()?;
    }
    Ok(())
}

/// Writes the rows of runs anew that were being worked on by a process that is gone, as their folders are now. A database
/// that cannot be written stays as it is.
///
/// # Errors
/// [`Error::Store`].
pub fn settle(connection: &Connection, results: &Path) -> Result<()> {
    if connection.is_readonly("main")? {
        return Ok(());
    }
    let sql = "SELECT folder, status FROM runs WHERE status IN (?1, ?2)";
    let words = [Status::Claimed.word(), Status::Interrupted.word()];
    let open: Vec<(String, String)> = all(connection, sql, words, |r| Ok((r.get(0)?, r.get(1)?)))?;
    for (folder, word) in open {
        let Ok(run) = RunDir::open(&results.join(folder)) else { continue };
        let held = claim::holder(&run.file("claim")).is_some();
        if run.path.exists() && held != (word == Status::Claimed.word()) {
            // Of a folder that cannot be read the old rows are better than none.
            let _ = if held { under_way(connection, &run) } else { ingest(connection, &run) };
        } else if !held && run.status().word() != word && run.path.exists() {
            let _ = ingest(connection, &run);
        }
    }
    Ok(())
}

/// Ingests many runs, some in each transaction: other processes get their turn in between.
///
/// # Errors
/// As [`ingest`]; earlier runs are ingested then.
pub fn ingest_all(connection: &Connection, runs: &[RunDir]) -> Result<()> {
    const AT_A_TIME: usize = 50;
    for some in runs.chunks(AT_A_TIME) {
        let facts: Vec<Facts> = some.iter().map(Facts::read).collect(); // files first: no lock is held while reading
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        facts.iter().try_for_each(|facts| write(&transaction, facts))?;
        transaction.commit()?;
    }
    Ok(())
}

/// Ingests those of these runs, each with an evaluation that it has, whose rows are not there or older than their files.
///
/// # Errors
/// As [`ingest`].
pub fn catch_up<'a>(connection: &Connection, runs: impl Iterator<Item = (&'a RunDir, Option<&'a str>)>) -> Result<()> {
    let sql =
        "SELECT run, evaluation FROM evaluations JOIN runs ON runs.id = run WHERE status IN ('complete', 'partial')";
    let known: HashSet<(String, String)> = all(connection, sql, [], |r| Ok((r.get(0)?, r.get(1)?)))?;
    for (run, evaluation) in runs {
        if evaluation.is_none_or(|digest| !known.contains(&(run.id.to_string(), short(digest).to_owned()))) {
            ingest(connection, run)?;
        }
    }
    Ok(())
}

/// What a run folder says.
struct Facts {
    id: RunId,
    status: Status,
    /// Spec digest, as far as it is known.
    spec: String,
    seed: u64,
    temperature: f64,
    labels: Labels,
    experiments: Vec<Labels>,
    reason: Option<String>,
    counts: Counts,
    provenance: Option<Provenance>,
    /// Newest first.
    evaluations: Vec<Evaluation>,
    tags: Vec<String>,
    origin: Option<Origin>,
    /// `(step, name, phase, value)`
    scalars: Vec<(u64, String, String, Option<f64>)>,
}

impl Facts {
    /// What the files of a run say. One whose files cannot be read is damaged: it keeps a row, which says what is wrong with
    /// it, and disturbs no other.
    fn read(run: &RunDir) -> Self {
        Self::sound(run).unwrap_or_else(|e| Self::damaged(run, &e))
    }

    fn damaged(run: &RunDir, why: &Error) -> Self {
        let request = atomic::read_json::<Request>(&run.file("spec.json")).ok();
        Self {
            id: run.id.clone(),
            status: Status::Damaged,
            spec: request.as_ref().map_or_else(|| run.id.spec.clone(), |r| r.spec_digest.clone()),
            seed: run.id.seed,
            temperature: request.as_ref().map_or(0.0, |r| r.spec.system.temperature),
            experiments: request.iter().map(|r| r.labels.clone()).collect(),
            labels: request.map(|r| r.labels).unwrap_or_default(),
            reason: Some(why.to_string()),
            counts: Counts::default(),
            provenance: None,
            evaluations: Vec::new(),
            tags: run.tags().unwrap_or_default(),
            origin: atomic::read_json_if_there(&run.file("origin.json")).unwrap_or_default(),
            scalars: Vec::new(),
        }
    }

    fn sound(run: &RunDir) -> Result<Self> {
        let mut counts: Option<Counts> = atomic::read_json_if_there(&run.file("counts.json"))?;
        let mut scalars = Vec::new();
        let status = run.status();
        if status == Status::Damaged {
            manifest::read(&run.path)?; // says why
        }
        let request: Request = atomic::read_json(&run.file("spec.json"))?;
        for event in events::read(&run.file("events.jsonl"))? {
            match event.kind {
                Kind::Scalars { step, phase, values } => {
                    scalars.extend(values.into_iter().map(|(name, value)| (step, name, phase.clone(), value)));
                }
                Kind::Finished { counts: finished, .. } => _ = counts.get_or_insert(finished),
                _ => {}
            }
        }
        Ok(Self {
            id: run.id.clone(),
            status,
            spec: request.spec_digest,
            seed: request.seed,
            temperature: request.spec.system.temperature,
            labels: request.labels,
            experiments: run.experiments()?,
            reason: match status {
                Status::Partial => {
                    atomic::read_json_if_there::<Partial>(&run.file("partial.json"))?.map(|p| p.to_string())
                }
                _ => atomic::read_json_if_there::<Failure>(&run.file("failure.json"))?.map(|f| f.reason),
            },
            counts: counts.unwrap_or_default(),
            provenance: atomic::read_json_if_there(&run.file("provenance.json"))?,
            evaluations: evaluation::all(run)?,
            tags: run.tags()?,
            origin: atomic::read_json_if_there(&run.file("origin.json"))?,
            scalars,
        })
    }
}

/// Writes the rows of all run folders anew and keeps those whose folders are gone; returns the number of runs.
pub(super) fn refresh(connection: &Connection, results: &Path) -> Result<usize> {
    let runs = all_runs(results)?;
    for run in &runs {
        write(connection, &Facts::read(run))?;
    }
    Ok(runs.len())
}

fn write(connection: &Connection, facts: &Facts) -> Result<()> {
    let Facts { id: RunId { spec, seed, attempt }, labels, .. } = facts;
    let id = &facts.id.to_string();
    for (table, _) in TABLES {
        let key = if *table == "runs" { "id" } else { "run" };
        put(connection, &format!("DELETE FROM {table} WHERE {key} = ?1"), &[id])?;
    }
    put(
        connection,
        "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        params![
            id,
            facts.spec,
            facts.seed as i64,
            attempt,
            facts.status.word(),
            labels.experiment,
            labels.system,
            facts.temperature,
            labels.sampler,
            labels.label,
            serde_json::json!(labels.swept).to_string(),
            facts.counts.charged() as i64,
            facts.reason,
            format!("runs/{spec}/s{seed}/a{attempt}"),
            facts.origin.as_ref().map(Origin::to_string),
        ],
    )?;
    for (purpose, count) in &facts.counts.0 {
        let purpose = serde_json::json!(purpose);
        let values = params![id, purpose.as_str(), *count as i64];
        put(connection, "INSERT INTO energy_counts VALUES (?1, ?2, ?3)", values)?;
    }
    for (step, name, phase, value) in &facts.scalars {
        let values = params![id, *step as i64, name, phase, value];
        put(connection, "INSERT OR REPLACE INTO scalars VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
    }
    if let Some(p) = &facts.provenance {
        let values = params![
            id,
            p.spec_digest,
            p.code_digest,
            p.env_digest,
            p.sessions.first().map(|s| &s.start),
            p.sessions.last().and_then(|s| s.end.as_ref()),
            p.sessions.len() as i64,
            p.wall_seconds(),
            revision(&p.code),
        ];
        put(connection, "INSERT INTO provenance VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", values)?;
    }
    for Labels { experiment, system, sampler, label, swept } in &facts.experiments {
        let values = params![id, experiment, system, sampler, label, serde_json::json!(swept).to_string()];
        put(connection, "INSERT OR IGNORE INTO memberships VALUES (?1, ?2, ?3, ?4, ?5, ?6)", values)?;
    }
    for tag in &facts.tags {
        put(connection, "INSERT INTO tags VALUES (?1, ?2)", &[id, tag])?;
    }
    for (rank, evaluation) in facts.evaluations.iter().enumerate() {
        write_evaluation(connection, id, rank, evaluation)?;
    }
    Ok(())
}

/// A statement that is used again and again.
fn put(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(values)
}

fn write_evaluation(connection: &Connection, run: &str, rank: usize, e: &Evaluation) -> rusqlite::Result<()> {
    let name = short(&e.digest);
    let values = params![
        run,
        name,
        rank as i64,
        short(&e.yardstick),
        e.eval_digest,
        e.reference_digest,
        e.reference_sha256,
        e.evaluation_code,
    ];
    put(connection, "INSERT INTO evaluations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", values)?;
    for metric in &e.metrics {
        let text = |key: &str| metric[key].as_str().unwrap_or_default();
        let number = |key: &str| metric[key].as_f64();
        let values = params![
            run,
            name,
            text("id"),
            metric["version"].as_i64().unwrap_or_default(),
            text("unit"),
            text("direction"),
            number("value"),
            number("lo"),
            number("hi"),
            number("floor"),
            metric["n_samples"].as_i64(),
            metric.to_string(),
        ];
        let sql = "INSERT OR REPLACE INTO metrics VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        put(connection, sql, values)?;
    }
    Ok(())
}

/// `9e1c...` or `9e1c...+changes`; `None` for code that was built without git.
fn revision(code: &Value) -> Option<String> {
    let changes = if code["dirty"] == true { "+changes" } else { "" };
    Some(format!("{}{changes}", code["revision"].as_str()?))
}
