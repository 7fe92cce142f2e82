//! Tables, their version, and how the file is opened.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::ingest;
use super::migrations::STEPS;
use crate::error::{Error, Result};

/// File name in the results folder.
pub const NAME: &str = "pita.db";

/// Version of the tables, kept in `PRAGMA user_version`.
pub const VERSION: i64 = STEPS.len() as i64;

/// How long to wait for another process's transaction.
const BUSY: Duration = Duration::from_secs(30);

/// Opens the database of a results folder for writing: makes folder and tables if they are not there (with the rows of the
/// runs that are), and brings tables of an older version up to date.
///
/// # Errors
/// [`Error::NewerDatabase`] (nothing is changed then), [`Error::Io`], [`Error::Store`].
pub fn open(results: &Path) -> Result<Connection> {
    std::fs::create_dir_all(results).map_err(Error::io(results))?;
    let path = results.join(NAME);
    let mut connection = Connection::open(&path).map_err(cannot_open(&path))?;
    let found = version(&connection, &path)?;
    if found > VERSION {
        return Err(Error::NewerDatabase(format!(
            "{}: written by a newer version of pita-bench (tables of version {found}; this one knows {VERSION}), so it is \
             only read; update pita-bench, or use another folder with --results",
            path.display()
        )));
    }
    connection.busy_timeout(BUSY).map_err(cannot_open(&path))?;
    if found < VERSION {
        migrate(&mut connection, results).map_err(cannot_open(&path))??;
    }
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(cannot_open(&path))?;
    super::views::ensure(&connection).map_err(cannot_open(&path))?;
    Ok(connection)
}

/// Opens the database for queries, also in a folder that cannot be written, or one of a newer version ([`newer`] says so).
/// Without one: runs there are are ingested into a fresh one, on disk if possible.
///
/// # Errors
/// [`Error::NothingSelected`] when the folder holds no runs; else as [`open`].
pub fn open_for_reading(results: &Path) -> Result<Connection> {
    let path = results.join(NAME);
    if !path.exists() && super::super::record::all_runs(results)?.is_empty() {
        let remedy = "make some with `pita-bench sweep experiments/table1.toml`, or name another folder: --results";
        return Err(Error::NothingSelected(format!("no runs in {}; {remedy}", results.display())));
    }
    match open(results) {
        Err(Error::Io { .. } | Error::NewerDatabase(_)) => {
            if path.exists() {
                let connection = read_only(&path)?;
                if version(&connection, &path)? >= VERSION {
                    return Ok(connection);
                }
            }
            // Tables that cannot be made, or brought up to date, where they belong.
            let fresh = in_memory()?;
            super::rebuild(&fresh, results)?;
            Ok(fresh)
        }
        other => other,
    }
}

/// The version of the tables, if it is newer than what this program knows.
///
/// # Errors
/// [`Error::Store`].
pub fn newer(connection: &Connection) -> Result<Option<i64>> {
    Ok(Some(version(connection, Path::new(NAME))?).filter(|&found| found > VERSION))
}

fn read_only(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let open = |options: &str| {
        let connection = Connection::open_with_flags(format!("file:{}{options}", escape(path)), flags)?;
        connection.busy_timeout(BUSY)?;
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |r| r.get::<_, i64>(0))?;
        Ok(connection)
    };
    // Write-ahead logging needs a writable folder; a file nobody can write to is safe to read as it is.
    open("").or_else(|_| open("?immutable=1")).map_err(cannot_open(path))
}

/// An empty database with all tables that is gone with the connection.
///
/// # Errors
/// [`Error::Store`].
pub(super) fn in_memory() -> Result<Connection> {
    let connection = Connection::open_in_memory()?;
    for step in STEPS {
        connection.execute_batch(step)?;
    }
    connection.pragma_update(None, "user_version", VERSION)?;
    Ok(connection)
}

fn version(connection: &Connection, path: &Path) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(cannot_open(path))
}

/// Brings the tables to [`VERSION`], all at once or not at all. Of many processes that start together one does it, the
/// others wait for it. What goes wrong with the rows is inside, what goes wrong with the file outside.
fn migrate(connection: &mut Connection, results: &Path) -> rusqlite::Result<Result<()>> {
    write_ahead(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |r| r.get(0))?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    if found < VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
        // In the same transaction: nobody sees tables without the rows of the runs that are there.
        if let Err(e) = ingest::refresh(&transaction, results) {
            return Ok(Err(e));
        }
    }
    transaction.commit().map(Ok)
}

/// Write-ahead logging: readers never wait for writers. The change itself needs the file for a moment and does not wait for
/// it, so it is asked for again.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |r| r.get::<_, String>(0));
        let busy = match &mode {
            Ok(mode) => mode != "wal",
            Err(e) => matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)),
        };
        if !busy || begun.elapsed() > BUSY {
            return mode.map(|_| ());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn cannot_open(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as C;
    move |e| match e.sqlite_error_code() {
        Some(C::CannotOpen | C::ReadOnly | C::PermissionDenied) => {
            let source = std::io::Error::new(std::io::ErrorKind::PermissionDenied, format!("cannot be written: {e}"));
            Error::Io { path: path.to_path_buf(), source }
        }
        // SQLite calls a full disk an I/O error when its shared memory does not fit: ask the file system itself.
        Some(C::SystemIoFailure) => probe(path).err().unwrap_or_else(|| e.into()),
        _ => e.into(),
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
    fn a_newer_database_is_read_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(dir.path()).unwrap();
        assert_eq!(newer(&connection).unwrap(), None);
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        connection.close().unwrap();
        let before = std::fs::read(dir.path().join(NAME)).unwrap();
        assert!(matches!(open(dir.path()), Err(Error::NewerDatabase(_))));
        let reading = open_for_reading(dir.path()).unwrap();
        assert_eq!(newer(&reading).unwrap(), Some(VERSION + 1));
        assert!(reading.execute("DELETE FROM runs", []).is_err());
        assert_eq!(std::fs::read(dir.path().join(NAME)).unwrap(), before);
    }

    /// Rows are kept, also those whose folders are gone; the new table and column are there.
    #[test]
    fn an_older_database_is_brought_up_to_date() {
        let dir = tempfile::tempdir().unwrap();
        let old = Connection::open(dir.path().join(NAME)).unwrap();
        old.execute_batch(include_str!("../../tests/store/v1.sql")).unwrap();
        let rows = |c: &Connection, sql: &str| -> i64 { c.query_row(sql, [], |r| r.get(0)).unwrap() };
        let scalars = rows(&old, "SELECT count(*) FROM scalars");
        assert_eq!((scalars, rows(&old, "SELECT count(*) FROM runs")), (6, 2));
        let metrics = rows(&old, "SELECT count(*) FROM metrics");
        assert!(metrics > 0);
        old.close().unwrap();
        let connection = open(dir.path()).unwrap();
        assert_eq!(version(&connection, Path::new("")).unwrap(), VERSION);
        assert_eq!(rows(&connection, "SELECT count(*) FROM runs"), 2);
        assert_eq!(rows(&connection, "SELECT count(*) FROM scalars"), scalars);
        assert_eq!(rows(&connection, "SELECT count(*) FROM provenance WHERE revision IS NULL"), 2);
        assert_eq!(rows(&connection, "SELECT count(*) FROM tags"), 0);
        assert_eq!(rows(&connection, "SELECT count(*) FROM metrics JOIN evaluations USING (run, evaluation)"), metrics);
        // The same tables as a new one has.
        let tables = |c: &Connection| -> Vec<String> {
            let sql = "SELECT name || ': ' || (SELECT group_concat(name, ' ') FROM pragma_table_info(m.name)) \
                       FROM sqlite_master m WHERE type = 'table' ORDER BY name";
            c.prepare(sql).unwrap().query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(tables(&connection), tables(&in_memory().unwrap()));
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
