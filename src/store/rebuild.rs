//! All run folders into a database, and the comparison that shows that nothing was lost or invented.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::Serialize;

use super::migrations::TABLES;
use super::{all, ingest, schema};
use crate::error::{Error, Result};
use crate::record::{Status, all_runs, manifest};

/// Replaces all rows by what the run folders say; returns the number of runs.
///
/// # Errors
/// As [`super::ingest()`]; the rows are unchanged then.
pub fn rebuild(connection: &Connection, results: &Path) -> Result<usize> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for (table, _) in TABLES {
        transaction.execute(&format!("DELETE FROM {table}"), [])?;
    }
    let runs = ingest::refresh(&transaction, results)?;
    transaction.commit()?;
    Ok(runs)
}

/// Every row of every table as text, in key order.
///
/// # Errors
/// [`crate::error::Error::Store`].
pub fn dump(connection: &Connection) -> Result<Vec<String>> {
    Ok(rows(connection)?.into_iter().map(|(_, line)| line).collect())
}

/// Every row of every table, with the run that it is about.
fn rows(connection: &Connection) -> Result<Vec<(String, String)>> {
    let mut lines = Vec::new();
    for (table, key) in TABLES {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY {key}"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<Value> = (0..columns).map(|i| row.get(i)).collect::<rusqlite::Result<_>>()?;
            lines.push((row.get(0)?, format!("{table} {values:?}")));
        }
    }
    Ok(lines)
}

/// What [`verify`] found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Runs looked at.
    pub runs: usize,
    /// Complete runs whose files all have their recorded digests.
    pub intact: usize,
    /// Files that are not what they were when their run was committed.
    pub changed: Vec<String>,
    /// What else is wrong with run files: empty, malformed, not whole.
    pub damaged: Vec<String>,
    /// Runs that somebody works on.
    pub running: usize,
    /// Runs that were stopped: a sweep goes on with them.
    pub interrupted: usize,
    /// Rows that the run folders give and the database lacks. Runs under way are left out: their rows follow.
    pub missing_rows: usize,
    /// Rows that the database has and the run folders do not give.
    pub extra_rows: usize,
}

/// Compares the database with the run folders, and the run folders with their manifests.
///
/// # Errors
/// When either cannot be read.
pub fn verify(connection: &Connection, results: &Path) -> Result<Verified> {
    let fresh = schema::in_memory()?;
    let runs = rebuild(&fresh, results)?;
    let (interrupted, mut under_way) = (having(&fresh, Status::Interrupted)?, having(&fresh, Status::Claimed)?);
    under_way.extend(having(connection, Status::Claimed)?); // of complete runs: judged again
    let ended = |rows: Vec<(String, String)>| -> BTreeSet<String> {
        let open = |run: &String| interrupted.contains_key(run) || under_way.contains_key(run);
        rows.into_iter().filter(|(run, _)| !open(run)).map(|(_, line)| line).collect()
    };
    let (here, expected) = (ended(rows(connection)?), ended(rows(&fresh)?));
    let mut found = Verified {
        runs,
        running: under_way.len(),
        interrupted: interrupted.len(),
        missing_rows: expected.difference(&here).count(),
        extra_rows: here.difference(&expected).count(),
        ..Verified::default()
    };
    let mut unreadable = having(&fresh, Status::Damaged)?;
    for run in all_runs(results)?.iter().filter(|r| r.status().has_samples()) {
        let id = run.id.to_string();
        match manifest::verify(&run.path) {
            Ok(()) if unreadable.contains_key(&id) => {}
            Ok(()) => found.intact += 1,
            Err(e) => {
                unreadable.remove(&id);
                let list = if matches!(e, Error::Digest { .. }) { &mut found.changed } else { &mut found.damaged };
                list.push(e.to_string());
            }
        }
    }
    found.damaged.extend(unreadable.into_values());
    Ok(found)
}

/// Ids of the runs whose row has this status, each with its reason.
fn having(connection: &Connection, status: Status) -> Result<BTreeMap<String, String>> {
    let sql = "SELECT id, COALESCE(reason, '') FROM runs WHERE status = ?1";
    all(connection, sql, [status.word()], |r| Ok((r.get(0)?, r.get(1)?)))
}
