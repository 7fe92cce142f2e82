//! Structure of peptides: geometry and TICA against mdtraj and deeptime, metrics by hand, invariances.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

#[path = "../common/mod.rs"]
mod common;
mod invariances;
mod metrics;
mod reference;

use std::sync::Arc;

use common::{golden, pdb_positions, topology};
use pita_bench::metrics::structure::Structure;

/// The molecules of the golden files, with their atoms.
const MOLECULES: [(&str, usize); 2] = [("aldp", 22), ("al3", 33)];

/// The molecule, right in its PDB file.
fn structure(name: &str) -> Structure {
    Structure::new(Arc::new(topology(name)), &pdb_positions(name)).unwrap()
}

/// Golden frames `[n, atoms, 3]`.
fn frames(name: &str) -> Vec<f64> {
    golden(&format!("torsion_{name}"))["xyz"].to_f64()
}
