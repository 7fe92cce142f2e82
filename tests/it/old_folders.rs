//! Results folders and bundles of commit 4b455f2 (`tests/store/v4b455f2`): read as they lie, nothing is lost.

use std::path::{Path, PathBuf};

use crate::common::place::{Place, copy, ends_with, text};
use pita_bench::record::{evaluation, manifest};
use serde_json::Value;

const OLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/v4b455f2");

/// A copy of the old folder.
fn old() -> Place {
    let place = Place::new(&std::fs::read_to_string(Path::new(OLD).join("tiny.toml")).unwrap());
    copy(Path::new(OLD), &place.results());
    place
}

fn json(place: &Place, args: &[&str]) -> Value {
    let output = place.run(&[args, &["--json"]].concat());
    ends_with(&output, 0);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
}

/// Values of the old judgements, in the order of runs and metrics.
fn judged(place: &Place) -> Vec<f64> {
    let values = |run: &pita_bench::record::RunDir| {
        let text = std::fs::read_to_string(run.file("metrics.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        file["metrics"].as_array().unwrap().iter().map(|m| m["value"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    place.runs().iter().flat_map(values).collect()
}

fn every_file(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(every_file(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn an_old_folder_is_read_where_it_lies() {
    let place = old();
    let before = every_file(&place.results().join("runs"));
    let rows = json(&place, &["ls"]);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert!(rows.as_array().unwrap().iter().all(|r| r["status"] == "complete" && r["experiments"][0] == "tiny"));
    assert_eq!(json(&place, &["ls", "@kept"]).as_array().unwrap().len(), 1);
    for view in ["metrics", "evaluations"] {
        let values: Vec<f64> =
            json(&place, &["export", view]).as_array().unwrap().iter().map(|m| m["value"].as_f64().unwrap()).collect();
        assert_eq!(values, judged(&place), "{view}");
    }
    ends_with(&place.run(&["db", "verify"]), 0);
    let shown = json(&place, &["show", "0408ac07-s0-a1"]);
    assert_eq!(shown["evaluations"].as_array().unwrap().len(), 1);
    ends_with(&place.run(&["diff", "0408ac07-s0-a1", "0408ac07-s1-a1"]), 0);

    // Its table is there, and says whose numbers these are.
    let file = place.experiment.to_str().unwrap();
    let report = place.run(&["report", file, "--no-evaluate"]);
    ends_with(&report, 0);
    assert!(text(&report).contains("MD: all seeds were evaluated by other code (1c705733b)"), "{}", text(&report));
    // Complete, and stale once: the digest that it recorded is of all code.
    let plan = json(&place, &["sweep", file, "--dry-run"]);
    for cell in plan["cells"].as_array().unwrap() {
        assert_eq!(cell["action"], "evaluate", "{plan}");
        assert!(cell["reason"].as_str().unwrap().contains("by other code"), "{plan}");
    }
    assert_eq!(every_file(&place.results().join("runs")), before, "nothing was written into the runs");

    // A new evaluation stands beside the old one, which is sealed as it is.
    ends_with(&place.run(&["--quiet", "report", file]), 0);
    for run in place.runs() {
        let all = evaluation::all(&run).unwrap();
        assert_eq!(all.len(), 2);
        let mean = |e: &pita_bench::record::Evaluation| e.metrics[1]["value"].as_f64().unwrap();
        assert!((mean(&all[0]) - mean(&all[1])).abs() < 1e-9, "{all:?}");
        let names: Vec<String> = manifest::read(&run.path).unwrap().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names[3..6], ["events.jsonl", "provenance.json", "metrics.json"], "{names:?}");
    }
    for (path, bytes) in before.iter().filter(|(path, _)| !path.ends_with(manifest::NAME)) {
        assert_eq!(std::fs::read(path).unwrap(), *bytes, "{}", path.display());
    }
    ends_with(&place.run(&["db", "verify"]), 0);
    ends_with(&place.run(&["db", "rebuild"]), 0);
    let values = json(&place, &["export", "evaluations"]);
    let old: Vec<f64> =
        values.as_array().unwrap().iter().filter(|m| m["rank"] == 1).map(|m| m["value"].as_f64().unwrap()).collect();
    assert_eq!(old, judged(&place));
    // It was sealed once: it stays the oldest, and an edited one is not sealed anew.
    let run = place.runs().remove(0);
    let oldest = evaluation::all(&run).unwrap().pop().unwrap();
    ends_with(&place.run(&["--quiet", "report", file, "-s", "metrics.n=6"]), 0);
    let all = evaluation::all(&run).unwrap();
    assert_eq!((all.len(), all.last()), (3, Some(&oldest)));
    std::fs::write(run.file("metrics.json"), "{}").unwrap();
    ends_with(&place.run(&["db", "verify"]), 17);
    let again = place.run(&["--quiet", "--json", "sweep", file, "-s", "metrics.n=5"]);
    let summary: Value = serde_json::from_slice(&again.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&again)));
    assert_eq!(summary["cells"][0]["outcome"], "evaluated", "{summary}");
    ends_with(&place.run(&["db", "verify"]), 17);
}

#[test]
fn an_old_bundle_is_imported() {
    let place = Place::new(&std::fs::read_to_string(Path::new(OLD).join("tiny.toml")).unwrap());
    let bundle = Path::new(OLD).join("run.tar");
    let imported = json(&place, &["import", bundle.to_str().unwrap()]);
    assert_eq!((&imported[0]["run"], &imported[0]["known"]), (&"0408ac07-s1-a1".into(), &false.into()));
    assert_eq!(json(&place, &["import", bundle.to_str().unwrap()])[0]["known"], true);
    let run = place.runs().remove(0);
    let there = std::fs::read(run.file("metrics.json")).unwrap();
    assert_eq!(there, std::fs::read(Path::new(OLD).join("runs/0408ac07b33a6798/s1/a1/metrics.json")).unwrap());
    let shown = place.run(&["report", place.experiment.to_str().unwrap(), "--no-evaluate"]);
    ends_with(&shown, 0);
    assert!(text(&shown).contains("evaluated by other code"), "{}", text(&shown));
    // Into the folder that it came from it brings nothing new.
    let home = old();
    assert_eq!(json(&home, &["import", bundle.to_str().unwrap()])[0]["known"], true);
    assert_eq!(home.runs().len(), 2);
}
