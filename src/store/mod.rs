//! The run database `results/pita.db`: an index over the run folders that can always be rebuilt from them.
//!
//! | file | its job |
//! |---|---|
//! | `schema` | version, opening |
//! | `migrations` | the tables, step by step |
//! | `ingest` | one run folder into rows, the same rows whenever and however often |
//! | `filter` | which runs are meant |
//! | `query` | lists, prefixes of ids |
//! | `measured` | the metrics of two sides, by the evaluations that both have |
//! | [`views`] | views for other people's queries, with a schema that stays |
//! | `parquet` | a view as a Parquet file |
//! | `rebuild` | all run folders into a fresh database; comparison of two databases |

mod filter;
mod ingest;
mod measured;
mod migrations;
mod parquet;
mod query;
mod rebuild;
mod schema;
pub mod views;

pub use filter::Filter;
pub use ingest::{catch_up, ingest, ingest_all, settle, under_way};
pub use measured::{Measured, Owner, owners, shared};
pub use parquet::encode as parquet;
pub use query::{RunRow, find, list, near, select, shortest_prefixes};
pub use rebuild::{Verified, dump, rebuild, verify};
pub use schema::{NAME, VERSION, newer, open, open_for_reading};
pub use views::View;

use rusqlite::{Connection, Params, Row};

use crate::error::{Error, Result};

/// A database error with what to do about it.
impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        let kind = match e.sqlite_error_code() {
            Some(C::DiskFull) => std::io::ErrorKind::StorageFull,
            Some(C::ReadOnly) => std::io::ErrorKind::ReadOnlyFilesystem,
            _ => {
                let remedy = "the run folders are not affected: rebuild it with `pita-bench db rebuild`";
                return Self::Store(format!("database {NAME}: {e}; {remedy}"));
            }
        };
        Self::Io { path: NAME.into(), source: std::io::Error::new(kind, e.to_string()) }
    }
}

/// All rows of a question.
fn all<T, C: FromIterator<T>>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<C> {
    Ok(connection.prepare(sql)?.query_map(parameters, row)?.collect::<rusqlite::Result<_>>()?)
}
