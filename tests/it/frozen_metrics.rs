//! Every metric on fixed frames gives what it gave when its version was fixed: a change of a value is a new version.
//! `PITA_BENCH_FREEZE` writes the file anew.

use std::fmt::Write;

use pita_bench::array::{Array, Arrays, read_npz};
use pita_bench::metrics::evaluate::energies;
use pita_bench::metrics::registry::ids_for;
use pita_bench::metrics::{MetricValue, ReferenceSet, evaluate};
use pita_bench::spec::EvalSpec;
use pita_bench::systems;

/// Odd frames against even ones.
fn values(name: &str, temperature: f64, weights: bool) -> Vec<MetricValue> {
    let system = systems::by_name(name, temperature).unwrap();
    let path = format!("{}/tests/physics/{name}_golden.npz", env!("CARGO_MANIFEST_DIR"));
    let all = read_npz(path).unwrap()["positions"].to_f64();
    let dim = 3 * system.atoms;
    let pick = |odd: usize| -> Vec<f64> {
        all.chunks_exact(dim).enumerate().filter(|(i, _)| i % 2 == odd).flat_map(|(_, x)| x.to_vec()).collect()
    };
    let (ours, truth) = (pick(1), pick(0));
    let (n, m) = (ours.len() / dim, truth.len() / dim);
    let energies = energies(&system, &truth);
    let reference =
        ReferenceSet { digest: String::new(), energies, positions: truth, tica: None, precision: None, runs: 1 };
    let mut samples = Arrays::from([("positions".to_owned(), Array::f64(&[n, system.atoms, 3], ours))]);
    if weights {
        let log_weight = |n: usize| Array::f64(&[n], (0..n).map(|i| (i as f64).sin()).collect());
        samples.insert("log_weight".into(), log_weight(n));
        samples.insert("reference_log_weight".into(), log_weight(m));
        samples.insert("parents".into(), Array::i64(&[n], (0..n as i64).map(|i| i / 3).collect()));
    }
    let spec = EvalSpec {
        metrics: ids_for(system.topology.is_some()),
        n: 150,
        geo_n: 60,
        ot_n: 100,
        bootstrap: 40,
        ..EvalSpec::default()
    };
    evaluate(&system, &samples, &reference, &spec, 7, None).unwrap()
}

fn lines() -> String {
    let mut out = String::new();
    for (name, temperature, weights) in
        [("lj13", 1.0, true), ("lj13", 1.0, false), ("aldp", 300.0, true), ("aldp", 300.0, false)]
    {
        for v in values(name, temperature, weights) {
            let number = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:e}"));
            let numbers: Vec<String> = [v.value, v.lo, v.hi, v.floor].map(number).into();
            let (n, r, dropped) = (v.n_samples, v.n_reference, v.dropped);
            let _ = writeln!(out, "{name} {weights} {} {} {n} {r} {dropped} | {}", v.id, numbers.join(" "), v.note);
        }
    }
    out
}

#[test]
fn values_are_what_they_were() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/structure/frozen_metrics.txt");
    let found = lines();
    if std::env::var_os("PITA_BENCH_FREEZE").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    let frozen = std::fs::read_to_string(path).unwrap();
    assert_eq!(found.lines().count(), frozen.lines().count());
    for (ours, theirs) in found.lines().zip(frozen.lines()) {
        let ((a, note), (b, noted)) = (ours.split_once(" | ").unwrap(), theirs.split_once(" | ").unwrap());
        assert_eq!(note, noted, "{ours}");
        for (place, (x, y)) in a.split(' ').zip(b.split(' ')).enumerate() {
            // Other instructions may round sums otherwise. Ends of intervals were frozen with seven digits of Student's t.
            let tolerance = if (4..6).contains(&place) { 1e-6 } else { 1e-9 };
            let same = match (x.parse::<f64>(), y.parse::<f64>()) {
                (Ok(x), Ok(y)) => (x - y).abs() <= tolerance * y.abs(),
                _ => x == y,
            };
            assert!(same, "{ours}\nfrozen: {theirs}");
        }
    }
}
