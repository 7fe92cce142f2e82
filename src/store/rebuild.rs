//! All run folders into a database, and the comparison that shows that nothing was lost or invented.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::Serialize;

use super::ingest::{self, Facts};
use super::{broken, schema};
use crate::error::Result;
use crate::record::{Status, all_runs, manifest};

/// Replaces all rows by what the run folders say; returns the number of runs.
///
/// # Errors
/// As [`super::ingest()`]; the rows are unchanged then.
pub fn rebuild(connection: &Connection, results: &Path) -> Result<usize> {
    let runs = all_runs(results)?;
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(|e| broken(&e))?;
    for (table, _) in schema::TABLES {
        transaction.execute(&format!("DELETE FROM {table}"), []).map_err(|e| broken(&e))?;
    }
    for run in &runs {
        ingest::write(&transaction, &Facts::read(run)?)?;
    }
    transaction.commit().map_err(|e| broken(&e))?;
    Ok(runs.len())
}

/// Writes the rows of all run folders anew and keeps those whose folders are gone. Folders that cannot be read keep the
/// rows they have; [`verify`] names them.
pub(super) fn refresh(connection: &Connection, results: &Path) -> Result<()> {
    for run in all_runs(results)? {
        if let Ok(facts) = Facts::read(&run) {
            ingest::write(connection, &facts)?;
        }
    }
    Ok(())
}

/// Every row of every table as text, in key order.
///
/// # Errors
/// [`crate::error::Error::Store`].
pub fn dump(connection: &Connection) -> Result<Vec<String>> {
    let query = || -> rusqlite::Result<Vec<String>> {
        let mut lines = Vec::new();
        for (table, key) in schema::TABLES {
            let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY {key}"))?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let values: Vec<Value> = (0..columns).map(|i| row.get(i)).collect::<rusqlite::Result<_>>()?;
                lines.push(format!("{table} {values:?}"));
            }
        }
        Ok(lines)
    };
    query().map_err(|e| broken(&e))
}

/// What [`verify`] found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Runs looked at.
    pub runs: usize,
    /// Complete runs whose files all have their recorded digests.
    pub intact: usize,
    /// What is wrong with run files.
    pub damaged: Vec<String>,
    /// Rows that the run folders give and the database lacks.
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
    let (here, expected) = (dump(connection)?, dump(&fresh)?);
    let lacks = |a: &[String], b: &[String]| {
        let b: std::collections::BTreeSet<_> = b.iter().collect();
        a.iter().filter(|row| !b.contains(row)).count()
    };
    let mut found = Verified {
        runs,
        missing_rows: lacks(&expected, &here),
        extra_rows: lacks(&here, &expected),
        ..Verified::default()
    };
    for run in all_runs(results)?.iter().filter(|r| r.status() == Status::Complete) {
        match manifest::verify(&run.path) {
            Ok(()) => found.intact += 1,
            Err(e) => found.damaged.push(e.to_string()),
        }
    }
    Ok(found)
}
