//! Golden fixtures and comparisons shared by the integration tests.

#![allow(dead_code, clippy::unwrap_used)] // each test binary uses a part; a failed unwrap is a failed test

pub mod browser;
pub mod evaluator;
pub mod golden_steps;
pub mod place;
pub mod sampling;
pub mod synthetic;
pub mod tabg;
pub mod targets;

use std::path::PathBuf;

use pita_bench::array::{Arrays, read_safetensors};

/// A folder of fixtures: that which the variable names, so that another set with the same layout can be checked, else ours.
pub struct Fixtures(pub &'static str, pub &'static str);

impl Fixtures {
    fn file(&self, name: &str) -> PathBuf {
        let ours = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).join(self.1);
        std::env::var_os(self.0).map_or_else(ours, PathBuf::from).join(name)
    }

    /// The tensors of `<name>.safetensors`.
    pub fn tensors(&self, name: &str) -> Arrays {
        read_safetensors(self.file(&format!("{name}.safetensors"))).unwrap()
    }

    /// Facts that `index.json` tells about a file.
    pub fn facts(&self, name: &str) -> serde_json::Value {
        let index = std::fs::read_to_string(self.file("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_str(&index).unwrap();
        index["files"][name]["facts"].clone()
    }
}

const GOLDEN: Fixtures = Fixtures("PITA_BENCH_GOLDEN", "golden");

/// Golden tensors.
pub fn golden(name: &str) -> Arrays {
    GOLDEN.tensors(name)
}

/// Facts about them.
pub fn facts(name: &str) -> serde_json::Value {
    GOLDEN.facts(name)
}

/// A tensor as f64.
pub fn f64s(file: &Arrays, name: &str) -> Vec<f64> {
    file.get(name).unwrap_or_else(|| panic!("no {name}")).to_f64()
}

/// Largest absolute difference over the largest absolute entry of `want`.
pub fn relative(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len(), "lengths differ");
    assert!(got.iter().all(|x| x.is_finite()), "not finite");
    let scale = want.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let worst = got.iter().zip(want).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
    if worst == 0.0 { 0.0 } else { worst / scale }
}

/// Asserts that `got` is `want` within `tolerance` of the largest entry.
#[track_caller]
pub fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    let error = relative(got, want);
    assert!(error <= tolerance, "{what}: relative error {error:.2e} above {tolerance:.0e}");
}
