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
//! | `changes` | the same on settings of a finished run |
//! | `draws` | ways to draw from finished models |
//! | `fields` | reads one table: keys, types, unknown keys |
//! | `settings` | reads what `spec` declares: defaults, bounds, what goes together |
//! | `schema` | the sections of a file |
//! | `experiment` | puts it together: profiles, sweep, the list of cells |

pub mod baseline;
mod changes;
mod draws;
mod experiment;
mod fields;
mod overrides;
mod reference;
mod schema;
mod settings;
mod source;
mod tree;

pub use changes::changed;
pub use draws::Draws;
pub use experiment::{Cell, Experiment, load, load_text};
pub use reference::{ACCEPTED, ReferenceProfile};
