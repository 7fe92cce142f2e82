//! Where energies and networks are computed: on the CPU, or on an NVIDIA GPU.
//!
//! | file | job |
//! |---|---|
//! | [`choice`] | `--device`, and what it chose for this process |
//! | `batches` | networks in batches that fit the memory |
//! | `cards`, `notes` | which GPUs there are; what is to be said and recorded |
//! | [`engine`] | a potential whose batches run through a [`Launch`] |
//! | [`heads`] | both heads of a network, made of passes through its backbone |
//! | [`egnn`], [`dit`] | EGNN and transformer, by kernels |
//! | [`optimiser`] | training's state where the network is: gradients, moments, averages |
//! | [`launch`] | what a kernel is called with; programs of several kernels |
//! | `cuda` | the driver: memory, modules, launches (feature `cuda`; the only place with `unsafe`) |
//! | [`check`] | device against CPU, and how fast: `doctor --device cuda --check` |
//!
//! The kernels are `src/kernels/*.cu`. They are also compiled as plain C++ by `tests/cuda`, which runs them without a GPU
//! behind the same [`Launch`].

mod batches;
mod cards;
pub mod check;
pub mod choice;
#[cfg(feature = "cuda")]
mod cuda;
pub mod dit;
pub mod egnn;
pub mod engine;
pub mod heads;
pub mod launch;
mod notes;
pub mod optimiser;

pub(crate) use batches::{ANY, in_batches};
pub use cards::Found;
pub use choice::{Choice, name, network, networks, potential, probe, select};
pub use dit::DeviceDit;
pub use egnn::DeviceEgnn;
pub use engine::Engine;
pub use launch::{Arg, Call, Kept, Launch, Peak, Program};
pub use notes::notes;
