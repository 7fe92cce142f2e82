//! A sweep past one machine: a frozen plan, run as a Slurm array on a shared file system.
//!
//! ```text
//! results/plans/<experiment>-<8 digits>/
//!   plan.json           the entries: task N runs entry N; frozen, with the digest of the code
//!   pita-bench          the program as it was when the plan was frozen
//!   task.sh             what a task does (scripts/slurm_task.sh)
//!   submitted.jsonl     one line for each array
//!   log/                what tasks write
//! ```
//!
//! | file | its job |
//! |---|---|
//! | `plan_file` | the frozen plan: entries, digest, folder |
//! | `queue` | `sbatch`, `squeue`, `scontrol`: never waits for ever |
//! | `submit` | freezes what is to be done and submits it |
//! | `task` | one entry, as a task of an array does it |
//! | `status` | how all entries stand, by the run folders and by Slurm |
//!
//! Tasks share claims and run folders, and no database: `sweep --collect` ingests. Truth is what the run folders say;
//! Slurm may run a task twice, forget it, or give its id to another (after a crash), and nothing is wrong then.

mod plan_file;
mod queue;
mod status;
mod submit;
mod task;

pub use plan_file::{Entry, Kind, PlanFile};
pub use status::{Row, collect, status};
pub use submit::{Array, Slurm, Submitted, submit};
pub use task::run_entry;
