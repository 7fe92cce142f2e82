//! Structure of peptides: geometry and TICA against mdtraj and deeptime, metrics by hand, invariances.

mod invariances;
mod joint;
mod metrics;
mod reference;

use std::sync::Arc;

use crate::common::golden;
use pita_bench::metrics::structure::Structure;
use pita_bench::systems::{self, Topology};

/// The molecules of the golden files, with their atoms.
const MOLECULES: [(&str, usize); 2] = [("aldp", 22), ("al3", 33)];

/// Its names and bonds.
fn topology(name: &str) -> Arc<Topology> {
    systems::by_name(name, 300.0).unwrap().topology.unwrap()
}

/// Its low-energy configuration `[atoms, 3]`.
fn start(name: &str) -> Vec<f64> {
    systems::by_name(name, 300.0).unwrap().start.clone()
}

/// What metrics know of it.
fn structure(name: &str) -> Structure {
    Structure::of(&systems::by_name(name, 300.0).unwrap()).unwrap().unwrap()
}

/// Golden frames `[n, atoms, 3]`.
fn frames(name: &str) -> Vec<f64> {
    golden(&format!("torsion_{name}"))["xyz"].to_f64()
}
