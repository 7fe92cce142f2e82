//! What a sweep does with each cell: a finite table, written as one pure function, [`decide`].
//!
//! | latest attempt | code | evaluation | action |
//! |---|---|---|---|
//! | none | | | run |
//! | running elsewhere | | | skip, even with `--force` |
//! | complete | same | same | done |
//! | complete | same | other | evaluate its samples again |
//! | complete | other | same | done, and the reason says that it is stale; run with `--rerun-stale` |
//! | complete | other | other | evaluate; run with `--rerun-stale` |
//! | interrupted | same | | resume |
//! | interrupted | other | | run: a checkpoint is continued only by the code that wrote it |
//! | damaged | | | run |
//! | failed | | | run, unless failed runs are to be kept |
//!
//! Code is what can change samples ([`crate::identity::covers`]): a changed table or help text leaves every run done.
//!
//! `--force` runs everything that is not running elsewhere. A run is always a new attempt: nothing recorded before is
//! altered.
//!
//! What a cell costs is in [`cost`], with rates that were measured.

pub mod cost;
mod rates;
mod table;

pub use table::{Action, Attempt, Decision, Flags, Status, decide};
