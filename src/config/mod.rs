//! Experiment files: typed schema, profiles, overrides, sweep expansion.

pub mod spec;
