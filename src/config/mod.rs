//! Experiment files: typed schema, profiles, overrides, sweep expansion.

pub mod spec;
use crate::error::Result;
use spec::{EvalSpec, RunSpec};
use std::path::{Path, PathBuf};
/// stub
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// p
    pub path: PathBuf,
    /// n
    pub name: String,
    /// t
    pub title: String,
    /// p
    pub profile: Option<String>,
    /// p
    pub profiles: Vec<String>,
    /// c
    pub cells: Vec<Cell>,
}
/// stub
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// s
    pub system: String,
    /// s
    pub sampler: String,
    /// l
    pub label: String,
    /// s
    pub swept: Vec<(String, String)>,
    /// s
    pub seed: u64,
    /// r
    pub run: RunSpec,
    /// e
    pub eval: EvalSpec,
}
/// stub
pub fn load(_path: &Path, _profile: Option<&str>, _overrides: &[String]) -> Result<Experiment> {
    Err(crate::error::Error::Internal("stub".into()))
}

impl Cell {
    /// row
    #[must_use]
    pub fn row(&self) -> String {
        self.label.clone()
    }
}
