//! Golden fixtures and comparisons shared by the integration tests.
#![allow(dead_code, clippy::unwrap_used)] // each test binary uses a part; a failed unwrap is a failed test

use std::path::PathBuf;

use pita_bench::array::{Arrays, read_safetensors};
use pita_bench::systems::Topology;
use pita_bench::systems::topology::{Atom, Residue};

/// The golden folder: `PITA_BENCH_GOLDEN` when set, so that another set with the same layout can be checked.
pub fn folder() -> PathBuf {
    std::env::var_os("PITA_BENCH_GOLDEN")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")), PathBuf::from)
}

/// The tensors of `<name>.safetensors`.
pub fn golden(name: &str) -> Arrays {
    read_safetensors(folder().join(format!("{name}.safetensors"))).unwrap()
}

/// Facts that `index.json` tells about a file.
pub fn facts(name: &str) -> serde_json::Value {
    let index = std::fs::read_to_string(folder().join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    index["files"][name]["facts"].clone()
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

/// Topology of `aldp` or `al3`: names from the PDB file, bonds from the golden file. For tests alone: columns are trusted.
pub fn topology(name: &str) -> Topology {
    let path = format!("{}/tests/physics/{name}.pdb", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut topology = Topology::default();
    for line in text.lines().filter(|l| l.starts_with("ATOM") || l.starts_with("HETATM")) {
        let field = |range: std::ops::Range<usize>| line[range].trim().to_owned();
        let number = field(22..26).parse().unwrap();
        if topology.residues.last().is_none_or(|r| r.number != number) {
            topology.residues.push(Residue { name: field(17..20), number, chain: field(21..22) });
        }
        let residue = topology.residues.len() - 1;
        topology.atoms.push(Atom { name: field(12..16), element: field(76..78), residue });
    }
    let bonds = golden(&format!("torsion_{name}"))["bonds"].as_i64().unwrap().to_vec();
    topology.bonds = bonds.as_chunks::<2>().0.iter().map(|b| b.map(|i| i as usize)).collect();
    topology.bonds.iter_mut().for_each(|bond| bond.sort_unstable());
    topology.bonds.sort_unstable();
    topology
}

/// Positions `[atoms, 3]` of the PDB file, nm.
pub fn pdb_positions(name: &str) -> Vec<f64> {
    let path = format!("{}/tests/physics/{name}.pdb", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let atoms = text.lines().filter(|l| l.starts_with("ATOM") || l.starts_with("HETATM"));
    atoms.flat_map(|line| [30, 38, 46].map(|at| line[at..at + 8].trim().parse::<f64>().unwrap() / 10.0)).collect()
}
