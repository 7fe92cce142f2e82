//! Everything but a GPU, fuzzed readers and a cluster, in one binary: one link instead of two dozen.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
#![allow(clippy::too_many_lines)] // a story with many chapters

#[path = "../common/mod.rs"]
mod common;

mod arguments;
mod boundary;
mod check;
mod cli;
mod collection;
mod compare;
mod concurrency;
mod config;
mod cost;
mod crash;
mod curves;
mod damage;
mod discovery;
mod dit;
mod evaluations;
mod examples;
mod external;
mod forcefield;
mod forcefield_reader;
mod formats;
mod frozen_metrics;
mod fused;
mod golden_dit;
mod golden_flow;
mod golden_nets;
mod golden_pita;
mod golden_tabg;
mod golden_tarflow;
mod hostile;
mod internal;
mod metrics;
mod missing;
mod molecules;
mod nrpt;
mod old_folders;
mod outside;
mod page;
mod peptides;
mod physics;
mod pita;
mod pita_ic;
mod properties;
mod readme;
mod samples;
mod schemas;
mod signals;
mod smc;
mod solvers;
mod states;
mod structure;
mod sweep;
mod tabg;
mod tour;
mod wheel;
