//! A run folder: everything one run leaves behind. The database is only an index over these files.
//!
//! ```text
//! results/runs/<spec16>/s<seed>/a<attempt>/
//!   spec.json            what was asked, with the cell's labels        } listed in the manifest: the same bytes
//!   counts.json          energy evaluations by purpose                 } for the same spec, seed and code,
//!   samples.npz          the result                                    } however often the run was interrupted
//!   weights.safetensors  trained networks, if any                      }
//!   populations.npz      particles on their way to the target, if any  }
//!   partial.json         why there are fewer samples than asked, if so }
//!   MANIFEST.sha256      `sha256sum -c` format, written last: the run is committed; evaluations are added as they are made
//!   provenance.json      spec, code and env digests; when, where, how long
//!   events.jsonl         append-only log
//!   checkpoint/          two slots; the newest valid one is read
//!   evaluations/         how the samples were judged, a file for each way of judging (metrics.json in older versions)
//!   failure.json         why it failed, if it did
//!   tags.json            names that people gave it
//!   origin.json          the bundle that it was imported from, if it was not made here
//!   experiments.json     other experiments that asked for it, with their labels
//!   claim                who works on it now
//! ```

pub mod atomic;
pub mod audit;
pub mod bundle;
pub mod checkpoint;
pub mod claim;
mod clock;
pub mod code;
pub mod evaluation;
pub mod events;
mod files;
mod folder;
pub mod manifest;
pub mod populations;
mod results;
pub mod tar;

pub use claim::Claim;
pub use clock::{is_time, rfc3339, seconds_of, timestamp};
pub use evaluation::Evaluation;
pub use events::{Event, EventLog, Kind};
pub use files::{CodeFile, Failure, Labels, Origin, Partial, Provenance, Request, Session};
pub use folder::{RunDir, RunId, all_runs, attempts, runs_of};
pub use results::Results;

pub use crate::plan::Status;
