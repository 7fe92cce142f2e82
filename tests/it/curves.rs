//! What stopping a run earlier would have been worth: from a sweep to the evaluation, the report and a second look.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pita_bench::array::read_npz;
use pita_bench::metrics::evaluate::energies;
use pita_bench::systems;
use serde_json::Value;

use crate::common::place::{Place, ends_with};

const EXPERIMENT: &str = r#"
name = "curves"
seeds = [0]
[systems.lj13]
temperature = 1.0
reference = { ladder = [2.0], copies = 2, equilibration = 100, stride = 2, samples = 200 }
[samplers]
md = { kind = "md", walkers = 4, equilibration = 10, stride = 2, samples = 200 }
[samplers.smc]
kind = "smc"
ladder = [1.3, 1.1]
initial = { samples = 700, walkers = 50, equilibration = 100, stride = 5 }
moves = 4
samples = 700
[metrics]
ids = ["energy-w1", "distance-w2", "mean-energy", "unique-parents"]
n = 2_000
geo_n = 20
bootstrap = 0
"#;

/// Run folders by sampler.
fn runs(results: &Path) -> BTreeMap<String, PathBuf> {
    let specs = std::fs::read_dir(results.join("runs")).unwrap().map(|spec| spec.unwrap().path().join("s0/a1"));
    let of = |run: PathBuf| {
        let spec: Value = serde_json::from_slice(&std::fs::read(run.join("spec.json")).unwrap()).unwrap();
        (spec["labels"]["sampler"].as_str().unwrap().to_owned(), run)
    };
    specs.map(of).collect()
}

fn evaluation(run: &Path) -> Value {
    let file = std::fs::read_dir(run.join("evaluations")).unwrap().next().unwrap().unwrap().path();
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Mean reduced energy at the target of particles of another temperature, with its weights, and its spread by resampling.
fn mean_energy(positions: &[f64], temperature: f64) -> (f64, f64) {
    let system = systems::by_name("lj13", 1.0).unwrap();
    let reduced = energies(&system, positions);
    let weights: Vec<f64> = reduced.iter().map(|e| ((e + 43.0) / temperature - (e + 43.0)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(f64) -> f64| reduced.iter().zip(&weights).map(|(e, w)| of(*e) * w).sum::<f64>() / sum;
    let first = mean(&|e| e);
    (first, (mean(&|e| (e - first).powi(2)) / reduced.len() as f64).sqrt())
}

#[test]
fn ways_are_judged() {
    let place = Place::new(EXPERIMENT);
    let file = place.experiment.to_str().unwrap();
    ends_with(&place.run(&["--quiet", "sweep", file]), 0);
    let runs = runs(&place.results());
    let points = |name: &str| evaluation(&runs[name])["curve"].as_array().cloned().unwrap_or_default();

    // Particles at 1.3 and 1.1; those at the target are the samples.
    let populations = read_npz(runs["smc"].join("populations.npz")).unwrap();
    let mut steps: Vec<(u64, &String)> =
        populations.keys().map(|k| (k.strip_prefix("positions.").unwrap().parse().unwrap(), k)).collect();
    steps.sort_unstable();
    let smc = points("smc");
    assert_eq!((steps.len(), smc.len()), (3, 2), "{smc:?}");
    let walked = |moves: f64| 50.0 * (1.0 + 100.0 + 14.0 * 5.0) + 700.0 * moves;
    for (k, (point, temperature)) in smc.iter().zip([1.3, 1.1]).enumerate() {
        assert_eq!(point["evaluations"].as_f64(), Some(walked(4.0 * k as f64)));
        let particles = &populations[steps[k].1];
        assert_eq!(particles.shape, [512, 13, 3]);
        let (expected, spread) = mean_energy(&particles.to_f64(), temperature);
        let found = point["metrics"]["mean-energy"].as_f64().unwrap();
        let plain = mean_energy(&particles.to_f64(), 1.0).0;
        assert!((plain - expected).abs() > 6.0 * spread, "{plain} without weights, {expected} with them");
        assert!((found - expected).abs() < 3.0 * spread, "{found}, not {expected} +- {spread} at T = {temperature}");
        assert!(point["metrics"].get("unique-parents").is_none(), "an array that particles have not got");
    }

    // The first half of the frames of a chain, and so on while there are sixteen.
    let md = points("md");
    let cost = |share: f64| 4.0 * (1.0 + 10.0) + share * 4.0 * 100.0;
    let evaluations: Vec<f64> = md.iter().map(|point| point["evaluations"].as_f64().unwrap()).collect();
    assert_eq!(evaluations, [cost(0.125), cost(0.25), cost(0.5)]);
    let frames = read_npz(runs["md"].join("samples.npz")).unwrap()["positions"].to_f64();
    let (half, _) = mean_energy(&frames[..100 * 39], 1.0);
    assert!((md[2]["metrics"]["mean-energy"].as_f64().unwrap() - half).abs() < 1e-9);

    // The report has them, and a second look finds the same.
    let csv = std::fs::read_to_string(place.results().join("reports/curves/curves.csv")).unwrap();
    // A line for the end of each run too.
    let lines = csv.lines().filter(|line| line.contains(",energy-w1,")).count();
    assert_eq!(lines, 2 + 1 + 3 + 1, "{csv}");
    let figure = std::fs::read_to_string(place.results().join("reports/curves/figures/cost-lj13-T1.svg")).unwrap();
    assert!(figure.contains("Energy-W1") && figure.contains("Distance-W2"));
    ends_with(&place.run(&["db", "verify", "--recompute"]), 0);
}
