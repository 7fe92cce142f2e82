//! Nightly checks: a fixed experiment is run again and compared with an accepted bundle.
//!
//! | file | its job |
//! |---|---|
//! | `cells` | what a finished experiment consists of: digests and metrics of every cell |
//! | `bundle` | the accepted bundle in `results/accepted/<name>/`, and how one is accepted |
//! | `probe` | energies and forces of fixed frames |
//! | `verdict` | both compared: pass, drift, incomplete, not comparable |
//! | `session` | tonight's folder, resumable; the verdicts of earlier nights |
//! | `nightly` | all of it in order |
//!
//! Three tiers say how much was compared. Each check states which it could apply.
//!
//! | tier | what agrees | when it is demanded |
//! |---|---|---|
//! | R0 statistical | metrics, within what seeds and bootstrap intervals allow | always, unless all bits agree |
//! | R1 bitwise | samples, weights and counts, byte for byte | same code and same class of machine |
//! | R2 cross-device | energies and forces of fixed frames, to [`probe::TOLERANCE`] | always |
//!
//! Samples are judged against the reference of the bundle, not against one made tonight: code that is wrong in the same way
//! in both would agree with itself.

mod bundle;
mod cells;
mod nightly;
pub mod probe;
mod session;
mod verdict;

pub use bundle::{Acceptance, Bundle, accept};
pub use cells::{CellRecord, Missing, Side, gather};
pub use nightly::{Options, check};
pub use session::{finished, past};
pub use verdict::{Finding, Past, Report, Series, Spread, Tier, Verdict, judge};
