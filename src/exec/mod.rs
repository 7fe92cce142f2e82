//! Runs the cells of an experiment on this machine.
//!
//! | file | its job |
//! |---|---|
//! | `sweep` | plan all cells, references first, worker threads, summary |
//! | [`forecast`] | what a sweep would cost, beside what this machine has |
//! | [`garbage`] | what nobody needs any more |
//! | `schedule` | which cells side by side, with how many threads |
//! | [`references`] | reference ensembles: made here and kept, or accepted ones |
//! | [`collection`] | a whole experiment as one file |
//! | `planned` | one cell, the attempt it concerns, what to do with it and why |
//! | `cell` | one cell from claim to ingest |
//! | `harvest` | what a sampler made, beside what it was asked for |
//! | `external` | somebody else's program as a sampler |
//! | `given` | a file of samples as a sampler |
//! | [`slurm`] | past one machine: frozen plans as Slurm arrays |
//! | [`recompute`] | recorded runs, computed again from their samples |
//! | `science` | the only door to the science: samplers, references, metrics |
//! | [`further`] | draws from the model of a finished run |
//! | [`tune`] | which steps it is best drawn from with |
//! | [`solvers`] | ways to draw, measured |
//! | `wait` | cells that other processes work on |
//! | `signals` | Ctrl-C and its kin |
//! | `progress` | bars on a terminal, lines elsewhere |

mod cell;
pub mod collection;
mod curve;
mod external;
pub mod forecast;
pub mod further;
pub mod garbage;
mod given;
mod harvest;
mod planned;
mod progress;
pub mod recompute;
pub mod references;
mod schedule;
mod science;
mod signals;
pub mod slurm;
pub mod solvers;
mod sweep;
#[cfg(test)]
mod tests;
pub mod tune;
mod wait;
mod work;

pub use cell::Outcome;
#[cfg(unix)]
pub use external::supervise;
pub use planned::{Asked, Planned, plan};
pub use progress::{Show, with_bar};
pub use science::{Builtin, Judgement, Science};
pub use signals::{install, let_go, listen};
pub use sweep::{CellReport, Options, Summary, sweep, sweep_with};
pub use work::Work;

pub use crate::stop::requested as interrupted;
