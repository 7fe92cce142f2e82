//! Samples of one's own as rows of the table: `kind = "samples"`.

use std::path::Path;

use pita_bench::array::{Array, Arrays, read_npz, write_npz};
use pita_bench::rng::{Purpose, Stream};
use pita_bench::systems::by_name;
use serde_json::Value;

use crate::common::place::{Place, ends_with, text};

const LJ13: &str = r#"
name = "tiny"
seeds = [0, 1]
[systems.lj13]
temperature = 1.0
reference = { ladder = [2.0], copies = 2, equilibration = 50, stride = 2, samples = 60 }
[metrics]
ids = ["energy-w1", "mean-energy", "ess"]
n = 60
bootstrap = 20
"#;

/// Frames of LJ-13 a little off its minimum.
fn frames(n: usize, seed: u64) -> Vec<f64> {
    let start = by_name("lj13", 1.0).unwrap().start.clone();
    let mut draws = Stream::new(seed, Purpose::Init, 0).at(0);
    (0..n).flat_map(|_| start.clone()).map(|x| x + 0.02 * draws.normal()).collect()
}

fn write(path: &Path, n: usize, seed: u64, more: &[(&str, Vec<f64>)]) {
    let mut arrays = Arrays::from([("positions".to_owned(), Array::f64(&[n, 13, 3], frames(n, seed)))]);
    arrays.extend(more.iter().map(|(name, x)| ((*name).to_owned(), Array::f64(&[x.len()], x.clone()))));
    write_npz(path, &arrays).unwrap();
}

fn sweep(place: &Place) -> Value {
    let output = place.sweep(&[]);
    ends_with(&output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn table(place: &Place) -> Value {
    let output = place.run(&["report", place.experiment.to_str().unwrap(), "--json", "-q"]);
    ends_with(&output, 0);
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["tables"][0].clone()
}

fn row<'a>(table: &'a Value, label: &str) -> &'a Value {
    let rows = table["rows"].as_array().unwrap();
    rows.iter().find(|r| r["label"] == label).unwrap_or_else(|| panic!("no row {label}: {table}"))
}

fn value(table: &Value, label: &str, metric: &str) -> Option<f64> {
    let column = table["columns"].as_array().unwrap().iter().position(|c| c["id"] == metric).unwrap();
    row(table, label)["cells"][column]["mean"].as_f64()
}

/// A row per kind of path; what they show is what `eval` says of the same file against the same reference; weights give a
/// second row; counts are claimed or absent; a second sweep does nothing.
#[test]
fn samples_stand_in_the_table() {
    let place = Place::new(&format!(
        "{LJ13}
[samplers]
md = {{ kind = \"md\", walkers = 2, equilibration = 50, stride = 2, samples = 60 }}
[samplers.one]
kind = \"samples\"
path = \"one.npz\"
evaluations = 5_000
[samplers.seeds]
kind = \"samples\"
path = \"{{system}}-{{seed}}.npz\"
[samplers.all]
kind = \"samples\"
label = \"All of them\"
path = \"lj13-*.npz\"
"
    ));
    let at = |name: &str| place.dir.path().join(name);
    let log_weight: Vec<f64> = (0..60).map(|i| if i % 2 == 0 { 0.0 } else { f64::NEG_INFINITY }).collect();
    write(&at("one.npz"), 60, 3, &[("log_weight", log_weight)]);
    write(&at("lj13-0.npz"), 60, 4, &[]);
    write(&at("lj13-1.npz"), 70, 5, &[]);

    let summary = sweep(&place);
    let cells = summary["cells"].as_array().unwrap();
    let seeds = |label: &str| cells.iter().filter(|c| c["label"] == label).count();
    assert_eq!([seeds("md"), seeds("one"), seeds("seeds")], [2, 1, 2], "{summary}");
    // The same files under two names are the same runs.
    assert_eq!(cells.len(), 5);

    let table = table(&place);
    let one = row(&table, "one");
    assert_eq!((one["seeds"].as_u64(), one["charged"].as_u64()), (Some(1), Some(5_000)));
    assert_eq!(one["counted"], "claimed");
    for label in ["seeds", "All of them"] {
        assert_eq!(row(&table, label)["seeds"], 2);
        assert_eq!((&row(&table, label)["charged"], &row(&table, label)["counted"]), (&Value::Null, &"unknown".into()));
    }
    assert_eq!(row(&table, "md")["counted"], "here");
    assert_eq!(value(&table, "seeds", "energy-w1"), value(&table, "All of them", "energy-w1"));
    assert!((value(&table, "one", "ess").unwrap() - 0.5).abs() < 1e-12);
    // Every second frame counts: the mean energy of the resampled row is that of these frames.
    let energies = |every: usize| {
        let system = by_name("lj13", 1.0).unwrap();
        let all = pita_bench::metrics::evaluate::energies(&system, &frames(60, 3));
        let kept: Vec<f64> = all.into_iter().step_by(every).collect();
        kept.iter().sum::<f64>() / kept.len() as f64
    };
    assert!((value(&table, "one", "mean-energy").unwrap() - energies(1)).abs() < 1e-9);
    assert!((value(&table, "one reweighted", "mean-energy").unwrap() - energies(2)).abs() < 1e-9);
    assert!(table["rows"].as_array().unwrap().iter().all(|r| r["label"] != "seeds reweighted"));
    let panels = std::fs::read_to_string(place.results().join("reports/tiny/figures/samples-lj13-T1.svg")).unwrap();
    assert_eq!(panels.matches("reweighted").count(), 1, "one row has weights, and panels of its own");
    let page = std::fs::read_to_string(place.results().join("reports/tiny/table.md")).unwrap();
    assert!(
        page.contains("| 5,000 (claimed) |") && page.contains("(claimed): as whoever made the samples says"),
        "{page}"
    );
    let here = place.dir.path().to_str().unwrap();
    assert!(!page.contains(here));

    let reference = place.dir.path().join("reference.npz");
    let mut folders = std::fs::read_dir(place.results().join("references")).unwrap().map(|e| e.unwrap().path());
    let folder = folders.find(|path| path.join("reference.npz").is_file()).unwrap();
    write_npz(&reference, &read_npz(folder.join("reference.npz")).unwrap()).unwrap();
    let eval = place.run(&[
        "eval",
        "--system",
        "lj13",
        "--temperature",
        "1",
        "--samples",
        at("one.npz").to_str().unwrap(),
        "--reference",
        reference.to_str().unwrap(),
        "--metrics",
        "energy-w1",
        "-n",
        "60",
        "--json",
        "-q",
    ]);
    ends_with(&eval, 0);
    let eval: Value = serde_json::from_slice(&eval.stdout).unwrap();
    let (theirs, ours) = (eval[0]["value"].as_f64().unwrap(), value(&table, "one", "energy-w1").unwrap());
    assert!((theirs - ours).abs() < 1e-9, "{eval} {ours}");

    let again = sweep(&place);
    assert!(again["cells"].as_array().unwrap().iter().all(|c| c["action"] == "done"), "{again}");
    ends_with(&place.run(&["db", "verify", "--recompute"]), 0);
    // Where the file lies does not matter; the run has its own copy.
    std::fs::create_dir(at("elsewhere")).unwrap();
    for name in ["one.npz", "lj13-0.npz", "lj13-1.npz"] {
        std::fs::rename(at(name), at("elsewhere").join(name)).unwrap();
    }
    let moved = std::fs::read_to_string(&place.experiment).unwrap().replace("path = \"", "path = \"elsewhere/");
    std::fs::write(&place.experiment, moved).unwrap();
    let moved = sweep(&place);
    assert!(moved["cells"].as_array().unwrap().iter().all(|c| c["action"] == "done"), "{moved}");
}

/// Other content is another run, and that is said; what is not there is named, with what was perhaps meant.
#[test]
fn files_that_changed_or_are_gone() {
    let place = Place::new(&format!("{LJ13}\n[samplers.mine]\nkind = \"samples\"\npath = \"mine.npz\"\n"));
    let file = place.dir.path().join("mine.npz");
    write(&file, 60, 1, &[]);
    let first = sweep(&place)["cells"][0]["id"].as_str().unwrap().to_owned();
    write(&file, 60, 2, &[]);
    let plan = place.sweep(&["--dry-run"]);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let reason = plan["cells"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("its file has changed") && reason.contains(&first), "{reason}");
    assert_ne!(sweep(&place)["cells"][0]["id"], first.as_str());

    std::fs::rename(&file, place.dir.path().join("mime.npz")).unwrap();
    let gone = place.run(&["sweep", place.experiment.to_str().unwrap()]);
    ends_with(&gone, 2);
    let said = text(&gone);
    assert!(said.contains("mine.npz is not there; did you mean `mime.npz`?") && said.contains("tiny.toml:"), "{said}");
}

/// Each bad file fails its own cell, and says why; frames whose atoms lie on each other are dropped and counted.
#[test]
fn files_that_are_no_samples() {
    let place = Place::new(&format!("{LJ13}\n[samplers.mine]\nkind = \"samples\"\npath = \"*.npz\"\n"));
    let at = |name: &str| place.dir.path().join(name);
    let put = |name: &str, array: &str, shape: &[usize], x: Vec<f64>| {
        write_npz(at(name), &Arrays::from([(array.to_owned(), Array::f64(shape, x))])).unwrap();
    };
    let mut clash = frames(60, 1);
    clash[..39].fill(0.5);
    put("0.npz", "positions", &[60, 13, 3], clash);
    put("1.npz", "positions", &[1, 12, 3], vec![0.0; 36]);
    put("2.npz", "x", &[1], vec![0.0]);
    std::fs::write(at("3.npz"), "no zip").unwrap();
    write(&at("4.npz"), 2, 1, &[("log_weight", vec![f64::NAN, 0.0])]);
    let output = place.sweep(&[]);
    ends_with(&output, 3);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let said = |i: usize| summary["cells"][i]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(summary["cells"][0]["outcome"], "ran", "{summary}");
    for (i, expected) in
        [(1, "expected [n, 13, 3]"), (2, "no array `positions`"), (3, "not an npz file"), (4, "`log_weight`")]
    {
        assert!(said(i).contains(expected) && said(i).contains(&format!("{i}.npz")), "{i}: {}", said(i));
    }
    let table = table(&place);
    assert_eq!(row(&table, "mine")["seeds"], 1);
    let note = row(&table, "mine")["cells"][0]["note"].as_str().unwrap();
    assert!(note.contains("1 samples dropped"), "{note}");
    ends_with(&place.run(&["db", "verify", "--recompute"]), 0);
}

/// The example of the guide can be loaded as it stands, and so can that of the README.
#[test]
fn the_guide_is_true() {
    let guide = include_str!("../../src/guide/own-samples.md");
    let example = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let place = Place::new(example);
    for seed in 0..3 {
        std::fs::write(place.dir.path().join(format!("mine-{seed}.npz")), "x").unwrap();
    }
    let loaded = pita_bench::config::load(&place.experiment, None, &[]).unwrap();
    assert_eq!(loaded.cells.len(), 6);
    let readme = include_str!("../../README.md");
    let section = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    std::fs::write(&place.experiment, format!("seeds = [0, 1, 2]\nsystems.aldp.temperature = 300.0\n{section}"))
        .unwrap();
    assert_eq!(pita_bench::config::load(&place.experiment, None, &[]).unwrap().cells.len(), 3);
}
