//! The run database `results/pita.db`: an index over the run folders that can always be rebuilt from them.
//!
//! | file | its job |
//! |---|---|
//! | `schema` | tables, version, opening |
//! | `ingest` | one run folder into rows, the same rows whenever and however often |
//! | `query` | lists, prefixes of ids |
//! | [`views`] | views for other people's queries, with a schema that stays |
//! | `rebuild` | all run folders into a fresh database; comparison of two databases |

mod ingest;
mod query;
mod rebuild;
mod schema;
pub mod views;

pub use ingest::ingest;
pub use query::{Filter, RunRow, find, list, shortest_prefixes};
pub use rebuild::{Verified, dump, rebuild, verify};
pub use schema::{NAME, VERSION, open, open_for_reading};
pub use views::View;

use crate::error::Error;

/// A database error with what to do about it.
fn broken(e: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as C;
    let kind = match e.sqlite_error_code() {
        Some(C::DiskFull) => Some(std::io::ErrorKind::StorageFull),
        Some(C::ReadOnly) => Some(std::io::ErrorKind::ReadOnlyFilesystem),
        _ => None,
    };
    match kind {
        Some(kind) => Error::Io { path: NAME.into(), source: std::io::Error::new(kind, e.to_string()) },
        None => Error::Store(format!(
            "database {NAME}: {e}; the run folders are not affected: rebuild it with `pita-bench db rebuild`"
        )),
    }
}
