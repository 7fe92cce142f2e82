//! `pita-bench`: a reproducibility harness for samplers of Boltzmann densities.
//!
//! Two rivers meet in [`exec`]:
//!
//! ```text
//! the harness:   config -> identity -> plan -> exec -> record -> store -> report
//! the science:            systems (+ energy, metered)  samplers  nn  rng  metrics
//! ```
//!
//! Data flows left to right; the science knows nothing of the harness.

pub mod array;
pub mod cli;
pub mod config;
pub mod diffusion;
pub mod energy;
pub mod error;
pub mod exec;
pub mod exit;
pub mod identity;
pub mod metrics;
pub mod nn;
pub mod plan;
pub mod record;
pub mod report;
pub mod rng;
pub mod samplers;
pub mod store;
pub mod systems;
