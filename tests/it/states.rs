//! What the database says of runs on their way, and of runs that several experiments asked for.

use std::time::{Duration, Instant};

use crate::common::place::{Place, ends_with, text};
use pita_bench::store;
use serde_json::Value;

const LONG: &str = r#"
name = "long"
seeds = [0, 1, 2, 3]
[systems.lj13]
temperature = 2.0
reference = { ladder = [4.0], copies = 2, equilibration = 20, stride = 2, samples = 20 }
[samplers]
md = { kind = "md", walkers = 2, equilibration = 50, stride = 2000, samples = 20000 }
[metrics]
ids = ["mean-energy"]
n = 20
bootstrap = 0
"#;

fn rows(place: &Place, args: &[&str]) -> Vec<Value> {
    let output = place.run(&[&["ls", "--json"], args].concat());
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    value.as_array().cloned().unwrap_or_default()
}

/// From the claim on there is a row; a kill leaves runs that are interrupted, and nothing is wrong with the folder.
#[test]
fn killed_runs_are_interrupted() {
    let place = Place::new(LONG);
    let mut sweep = place.start(&["--jobs", "4", "--checkpoint-every", "0"]);
    let begun = Instant::now();
    while rows(&place, &["--status", "running"]).len() < 4 {
        assert!(begun.elapsed() < Duration::from_secs(120), "rows of runs that were begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    ends_with(&place.run(&["db", "verify"]), 0);
    sweep.kill().unwrap();
    sweep.wait().unwrap();
    let verified = place.run(&["db", "verify"]);
    ends_with(&verified, 0);
    assert!(text(&verified).contains("4 runs, 0 complete and intact, 4 interrupted, resumable"), "{}", text(&verified));
    assert_eq!(rows(&place, &["--status", "interrupted"]).len(), 4);
    ends_with(&place.run(&["ls", "--status", "running"]), 4);
    ends_with(&place.run(&["db", "rebuild"]), 0);
    ends_with(&place.run(&["db", "verify"]), 0);
    assert_eq!(rows(&place, &["status=interrupted"]).len(), 4);
}

#[test]
fn unknown_states_and_impossible_dates_are_refused() {
    let place = Place::new(LONG);
    for (args, says) in [
        (&["--status", "compleet"][..], "did you mean `complete`? Known: running, interrupted, failed, damaged"),
        (&["status=done"], "unknown status `done`"),
        (&["--since", "2026-02-30"], "since `2026-02-30`: expected a date"),
        (&["--until", "2026-13"], "until `2026-13`: expected a date"),
        (&["since=----"], "since `----`: expected a date"),
    ] {
        let output = place.run(&[&["ls"], args].concat());
        ends_with(&output, 2);
        assert!(text(&output).contains(says), "{}", text(&output));
    }
}

const SHORT: &str = r#"
name = "NAME"
seeds = [0, 1]
[systems.lj13]
temperature = 2.0
reference = { ladder = [4.0], copies = 2, equilibration = 20, stride = 2, samples = 20 }
[samplers.SAMPLER]
kind = "md"
label = "LABEL"
walkers = 2
equilibration = 20
stride = 2
samples = 20
[metrics]
ids = ["mean-energy"]
n = 20
bootstrap = 0
"#;

/// The same runs under two names by two experiments: both find all of them, each under its own labels, also when the
/// database is made anew.
#[test]
fn runs_belong_to_every_experiment_that_asked() {
    let place = Place::new("");
    let sweep = |name: &str, sampler: &str, label: &str| {
        let text = SHORT.replace("NAME", name).replace("SAMPLER", sampler).replace("LABEL", label);
        let file = place.dir.path().join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        let output = place.run(&["--quiet", "--json", "sweep", file.to_str().unwrap()]);
        ends_with(&output, 0);
    };
    sweep("first", "md", "Langevin");
    sweep("second", "baseline", "Baseline");
    let seen = |args: &[&str]| -> Vec<String> {
        let shown = |r: &Value| ["experiment", "sampler", "label"].map(|k| r[k].as_str().unwrap().to_owned()).join(" ");
        rows(&place, args).iter().map(shown).collect()
    };
    for _ in 0..2 {
        assert_eq!(seen(&[]), ["first md Langevin", "first md Langevin"]);
        assert_eq!(seen(&["--experiment", "second"]), ["second baseline Baseline", "second baseline Baseline"]);
        assert_eq!(seen(&["--experiment", "second", "--sampler", "baseline"]).len(), 2);
        assert!(seen(&["--experiment", "second", "--sampler", "md"]).is_empty());
        assert_eq!(rows(&place, &["seed=0"])[0]["experiments"], serde_json::json!(["first", "second"]));
        ends_with(&place.run(&["db", "verify"]), 0);
        std::fs::remove_file(place.results().join(store::NAME)).unwrap();
    }
    let csv = text(&place.run(&["export", "experiments"]));
    assert_eq!(csv.lines().filter(|l| l.contains(",second,lj13,baseline,Baseline,[]")).count(), 2, "{csv}");
}
