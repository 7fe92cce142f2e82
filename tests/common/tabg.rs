//! Golden fixtures of TA-BG.

use pita_bench::array::Arrays;
use pita_bench::flow::shape::Split;
use pita_bench::flow::{Counts, Flow, Shape, Weights};
use pita_bench::real::Real;
use pita_bench::systems::{self, System};

use super::{Fixtures, f64s};

const GOLDEN: Fixtures = Fixtures("PITA_BENCH_GOLDEN_TABG", "golden_tabg");

/// Golden tensors.
pub fn golden(name: &str) -> Arrays {
    GOLDEN.tensors(name)
}

/// Facts about them.
pub fn facts(name: &str) -> serde_json::Value {
    GOLDEN.facts(name)
}

/// An integer tensor.
pub fn integers(file: &Arrays, name: &str) -> Vec<usize> {
    file[name].as_i64().unwrap().iter().map(|&i| i as usize).collect()
}

/// Three tensors `[n, ..]` side by side.
pub fn interleaved(file: &Arrays, names: [&str; 3]) -> Vec<f64> {
    let parts = names.map(|name| (f64s(file, name), file[name].shape[1]));
    let n = file[names[0]].shape[0];
    (0..n).flat_map(|i| parts.iter().flat_map(move |(v, w)| v[i * w..(i + 1) * w].to_vec())).collect()
}

/// Bonds, angles and torsions of `<prefix>.*` side by side.
pub fn rows(file: &Arrays, prefix: &str) -> Vec<f64> {
    let names = ["bonds", "angles", "torsions"].map(|kind| format!("{prefix}.{kind}"));
    interleaved(file, [&names[0], &names[1], &names[2]])
}

/// A built-in molecule at 300 K.
pub fn molecule(name: &str) -> System {
    systems::by_name(name, 300.0).unwrap()
}

/// The flow of `flow_<name>` with its weights.
pub fn flow<T: Real>(file: &Arrays, name: &str) -> (Flow<T>, Weights<T>) {
    let facts = facts(&format!("flow_{name}"));
    let dims: Vec<usize> = serde_json::from_value(facts["dims"].clone()).unwrap();
    let counts = Counts { bonds: dims[0], angles: dims[1], torsions: dims[2] };
    let shifts = f64s(file, "shifts");
    let splits: Vec<Split> = (0..shifts.len())
        .map(|b| {
            let first = ["bonds", "angles", "torsions"].map(|kind| integers(file, &format!("block{b}.split1.{kind}")));
            let split = Split::new(counts, &first);
            let kind = |b: usize, kind: &str| integers(file, &format!("block{b}.split2.{kind}"));
            assert_eq!(split.1[..kind(b, "bonds").len()], kind(b, "bonds"));
            split
        })
        .collect();
    let hidden = file["w.block0.a.lin1.weight"].shape[0];
    let shape = Shape::with(counts, &splits, shifts, hidden);
    let mut weights = Weights::from_arrays(&shape.packing, file, "w.").unwrap();
    weights.transpose(&shape.packing);
    (Flow::new(shape), weights)
}
