//! `pita-bench`: a reproducibility harness for samplers of Boltzmann densities.
//!
//! Two rivers meet in [`exec`]:
//!
//! ```text
//! the harness:   config -> identity -> plan -> exec -> record -> store -> report
//! the science:            systems (+ energy, metered)  samplers  diffusion  nn  rng  metrics
//! ```
//!
//! Data flows left to right; the science knows nothing of the harness. What may import what, from the ground up: a module
//! imports modules further left in its own line, and the harness imports science. A test reads these lines and every `use`
//! (`tests/it/boundary.rs`); the arrows are the exceptions, with their reasons.
//!
//! ```text
//! science:  exit stats words text < error real disk < stop rng spec array lanes < geometry < diffusion energy < systems nn < metrics device < flow < samplers
//! harness:  plan identity < config record < store < compare exec < check < report < cli
//! upwards:  nn -> device (which code evaluates a network is the device's choice), check -> report (verdicts read its tables)
//! ```
//!
//! | module | its one job |
//! |---|---|
//! | [`cli`] | one file per verb |
//! | [`config`] | typed experiment files, profiles, overrides, sweep expansion |
//! | [`spec`] | the vocabulary of settings: plain data with defaults |
//! | [`identity`] | canonical form and digests: spec, code, environment |
//! | [`plan`] | the decision table: done, resume, run, evaluate |
//! | [`exec`] | local workers, signals, progress; Slurm arrays; programs of others |
//! | [`record`] | run folders: events, checkpoints, manifest; bundles |
//! | [`store`] | SQLite over the run folders |
//! | [`check`] | nightly checks: pass, drift, incomplete, not comparable |
//! | [`compare`] | two runs, selections or code versions: better, worse, or a tie within the noise |
//! | [`report`] | tables, figures, the HTML page |
//! | [`systems`], [`energy`] | what is sampled (clusters, molecules from OpenMM XML); energies behind a meter that counts |
//! | [`device`] | the same energies, dynamics and networks on an NVIDIA GPU (kernels in `src/kernels`) |
//! | [`samplers`] | Langevin, MALA, replica exchange, PITA, TA-BG; reference ensembles; free energies |
//! | [`nn`] | EGNN and DiT with EDM preconditioning: candle reference and fused CPU engines |
//! | [`flow`] | normalizing flows: on internal coordinates, on Cartesian ones |
//! | [`diffusion`] | schedules, annealing terms, resampling |
//! | [`metrics`] | Wasserstein, exact transport, molecular structure, intervals, noise floors |
//! | [`lanes`] | SIMD numbers, matrix products, packed Adam: what the CPU's networks compute with |
//! | [`geometry`] | vectors, frames and rotations |
//! | [`rng`] | Philox counter streams |
//! | [`stats`] | intervals: over seeds, of samples; differences; Student's t |
//! | [`real`] | f32 and f64 behind one trait, with functions that vectorise |
//! | [`mod@array`] | named arrays: npz, npy, safetensors, XTC |
//! | [`words`] | the nearest known word |
//! | [`disk`] | durable file operations, and the seam where tests make them fail |
//! | [`stop`] | whether this process was asked to stop |
//! | [`text`] | text of unknown origin made safe for terminals, tables and file names |

#![warn(unreachable_pub)]

pub mod array;
pub mod check;
pub mod cli;
pub mod compare;
pub mod config;
pub mod device;
pub mod diffusion;
pub mod disk;
pub mod energy;
pub mod error;
pub mod exec;
pub mod exit;
pub mod flow;
pub mod geometry;
pub mod guide;
pub mod identity;
pub mod lanes;
pub mod metrics;
pub mod nn;
pub mod plan;
pub mod real;
pub mod record;
pub mod report;
pub mod rng;
pub mod samplers;
pub mod spec;
pub mod stats;
pub mod stop;
pub mod store;
pub mod systems;
pub mod text;
pub mod words;
