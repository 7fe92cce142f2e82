//! Tables, their version, and how the file is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::broken;
use crate::error::{Error, Result};

/// File name in the results folder.
pub const NAME: &str = "pita.db";

/// Version of the tables, kept in `PRAGMA user_version`.
pub const VERSION: i64 = 1;

/// How long to wait for another process's transaction.
const BUSY: Duration = Duration::from_secs(30);

/// Tables and the columns that order their rows (their natural keys).
pub(super) const TABLES: &[(&str, &str)] = &[
    ("runs", "id"),
    ("energy_counts", "run, purpose"),
    ("metrics", "run, metric, version"),
    ("scalars", "run, step, name"),
    ("provenance", "run"),
];

const SCHEMA: &str = "
CREATE TABLE runs (
    id TEXT PRIMARY KEY,            -- <spec8>-s<seed>-a<attempt>
    spec TEXT NOT NULL,             -- spec digest
    seed INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,           -- complete, failed, interrupted, claimed
    experiment TEXT NOT NULL,
    system TEXT NOT NULL,
    temperature REAL NOT NULL,
    sampler TEXT NOT NULL,
    label TEXT NOT NULL,
    swept TEXT NOT NULL,            -- JSON list of [setting, value]
    evaluations INTEGER NOT NULL,   -- charged
    reason TEXT,                    -- why it failed
    folder TEXT NOT NULL            -- relative to the results folder
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_spec ON runs (spec, seed, attempt);
CREATE TABLE energy_counts (
    run TEXT NOT NULL, purpose TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (run, purpose)
) STRICT, WITHOUT ROWID;
CREATE TABLE metrics (
    run TEXT NOT NULL, metric TEXT NOT NULL, version INTEGER NOT NULL,
    unit TEXT NOT NULL, direction TEXT NOT NULL,
    value REAL, lo REAL, hi REAL, floor REAL, n INTEGER,
    eval TEXT NOT NULL, reference TEXT NOT NULL,
    body TEXT NOT NULL,             -- the metric as in metrics.json
    PRIMARY KEY (run, metric, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE scalars (
    run TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL, phase TEXT NOT NULL, value REAL,
    PRIMARY KEY (run, step, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE provenance (
    run TEXT PRIMARY KEY, spec TEXT NOT NULL, code TEXT NOT NULL, env TEXT NOT NULL,
    started TEXT, ended TEXT, sessions INTEGER NOT NULL, wall_seconds REAL NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Opens the database of a results folder for writing, making folder and tables if they are not there.
///
/// # Errors
/// [`Error::NewerDatabase`] (nothing is changed then), [`Error::Io`], [`Error::Store`].
pub fn open(results: &Path) -> Result<Connection> {
    std::fs::create_dir_all(results).map_err(Error::io(results))?;
    let path = results.join(NAME);
    let connection = Connection::open(&path).map_err(|e| cannot_open(&path, &e))?;
    prepare(&connection, &path)?;
    super::views::ensure(&connection).map_err(|e| cannot_open(&path, &e))?;
    Ok(connection)
}

/// Opens the database for queries, also in a folder that cannot be written. Without one: runs there are are ingested
/// into a fresh one, on disk if possible.
///
/// # Errors
/// [`Error::NothingSelected`] when the folder holds no runs; else as [`open`].
pub fn open_for_reading(results: &Path) -> Result<Connection> {
    let path = results.join(NAME);
    if !path.exists() {
        if super::super::record::all_runs(results)?.is_empty() {
            let remedy = "make some with `pita-bench sweep experiments/table1.toml`, or name another folder: --results";
            return Err(Error::NothingSelected(format!("no runs in {}; {remedy}", results.display())));
        }
        let connection = match open(results) {
            Err(Error::Io { .. }) => in_memory()?,
            other => other?,
        };
        super::rebuild(&connection, results)?;
        return Ok(connection);
    }
    match open(results) {
        Err(Error::Io { .. }) => {
            // Write-ahead logging needs a writable folder; a file nobody can write to is safe to read as it is.
            let uri = format!("file:{}?immutable=1", escape(&path));
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let connection = Connection::open_with_flags(uri, flags).map_err(|e| cannot_open(&path, &e))?;
            check_version(&connection, &path)?;
            Ok(connection)
        }
        other => other,
    }
}

/// An empty database with all tables that is gone with the connection.
///
/// # Errors
/// [`Error::Store`].
pub(super) fn in_memory() -> Result<Connection> {
    let connection = Connection::open_in_memory().map_err(|e| broken(&e))?;
    connection.execute_batch(SCHEMA).map_err(|e| broken(&e))?;
    Ok(connection)
}

fn check_version(connection: &Connection, path: &Path) -> Result<i64> {
    let version =
        connection.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(|e| cannot_open(path, &e))?;
    if version > VERSION {
        return Err(Error::NewerDatabase(format!(
            "{}: written by a newer version of pita-bench (tables of version {version}; this one knows {VERSION}); \
             update pita-bench, or use another folder with --results",
            path.display()
        )));
    }
    Ok(version)
}

fn prepare(connection: &Connection, path: &Path) -> Result<()> {
    connection.busy_timeout(BUSY).map_err(|e| cannot_open(path, &e))?;
    if check_version(connection, path)? == VERSION {
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(|e| cannot_open(path, &e))?;
        return Ok(());
    }
    let create = || -> rusqlite::Result<()> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |r| r.get(0))?;
        if version == 0 {
            connection.execute_batch(SCHEMA)?;
            connection.pragma_update(None, "user_version", VERSION)?;
        }
        connection.execute_batch("COMMIT")
    };
    create().map_err(|e| cannot_open(path, &e))
}

fn cannot_open(path: &Path, e: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as C;
    match e.sqlite_error_code() {
        Some(C::CannotOpen | C::ReadOnly | C::PermissionDenied) => {
            let source = std::io::Error::new(std::io::ErrorKind::PermissionDenied, format!("cannot be written: {e}"));
            Error::Io { path: path.to_path_buf(), source }
        }
        // SQLite calls a full disk an I/O error when its shared memory does not fit: ask the file system itself.
        Some(C::SystemIoFailure) => probe(path).err().unwrap_or_else(|| broken(e)),
        _ => broken(e),
    }
}

fn probe(path: &Path) -> Result<()> {
    let probe = path.with_added_extension("probe");
    let written = std::fs::write(&probe, [1; 1 << 16]).map_err(Error::io(&probe));
    let _ = std::fs::remove_file(&probe);
    written
}

fn escape(path: &Path) -> String {
    let absolute: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    absolute.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_database_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(dir.path()).unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        connection.close().unwrap();
        let before = std::fs::read(dir.path().join(NAME)).unwrap();
        assert!(matches!(open(dir.path()), Err(Error::NewerDatabase(_))));
        assert!(matches!(open_for_reading(dir.path()), Err(Error::NewerDatabase(_))));
        assert_eq!(std::fs::read(dir.path().join(NAME)).unwrap(), before);
    }

    #[test]
    fn not_a_database() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), "this is a text file, not a database at all".repeat(100)).unwrap();
        assert!(matches!(open(dir.path()), Err(Error::Store(_))));
    }

    #[test]
    fn no_runs() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(open_for_reading(dir.path()), Err(Error::NothingSelected(_))));
        assert!(!dir.path().join(NAME).exists());
    }
}
