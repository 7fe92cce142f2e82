//! Experiment files: typed schema, profiles, overrides, sweep expansion.
//!
//! ```text
//! text --toml--> tree (spans kept) --merge--> base + profile + overrides + sweep point --fields--> [`crate::spec`] --> cells
//! ```
//!
//! | file | its job |
//! |---|---|
//! | [`baseline`] | `baseline.toml`, and the digest of a program's files |
//! | `reference` | ready-made settings of reference ensembles |
//! | `source` | where text came from; how a problem is shown (file, line, column, caret, nearest key) |
//! | `tree` | a TOML value that remembers where each part was written; merging |
//! | `overrides` | `-s a.b=c` on the command line |
//! | `fields` | reads one table: types, bounds, unknown keys |
//! | `schema` | which fields each section has, and their bounds |
//! | `experiment` | puts it together: profiles, sweep, the list of cells |

pub mod baseline;
mod experiment;
mod fields;
mod overrides;
mod reference;
mod schema;
mod source;
mod tree;

pub use experiment::{Cell, Experiment, load, load_text};
pub use reference::ReferenceProfile;
pub use schema::KINDS;
