//! A run keeps every evaluation; a report shows the one that its own file asks for.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common::place::{Place, ends_with, text};
use pita_bench::identity::Yardstick;
use pita_bench::record::evaluation::{self, Evaluation, Found};
use pita_bench::record::manifest;
use pita_bench::{config, exec};
use serde_json::Value;

const EXPERIMENT: &str = r#"
name = "NAME"
seeds = [0, 1]
[systems.lj13]
temperature = 2.0
reference = { ladder = [4.0], copies = 4, equilibration = 50, stride = 2, samples = 150 }
[samplers]
md = { kind = "md", label = "MD", walkers = 4, equilibration = 50, stride = 4, samples = 120 }
[metrics]
ids = ["energy-w1", "energy-w2", "mean-energy"]
n = 64
bootstrap = 20
"#;

/// A file of the experiment under a name, with changes.
fn file(place: &Place, name: &str, changes: &[(&str, &str)]) -> PathBuf {
    let mut text = EXPERIMENT.replace("NAME", name);
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let path = place.dir.path().join(format!("{name}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

fn sweep(place: &Place, file: &Path) -> Value {
    let output = place.run(&["--quiet", "--json", "sweep", file.to_str().unwrap()]);
    ends_with(&output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn report(place: &Place, file: &Path, more: &[&str]) -> Output {
    place.run(&[&["report", file.to_str().unwrap()], more].concat())
}

fn tables(output: &Output) -> Value {
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(output)));
    value["tables"].clone()
}

fn outcomes(summary: &Value) -> Vec<&str> {
    summary["cells"].as_array().unwrap().iter().map(|c| c["outcome"].as_str().unwrap()).collect()
}

fn columns(tables: &Value) -> Vec<&str> {
    tables[0]["columns"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect()
}

/// Two files ask for the same runs, judged in two ways: each gets its own numbers, whoever was last.
#[test]
fn a_report_shows_what_its_own_file_asks_for() {
    let place = Place::new("");
    let n64 = file(&place, "n64", &[]);
    let n32 = file(&place, "n32", &[("n = 64", "n = 32")]);
    let fewer = file(&place, "fewer", &[("\"energy-w1\", ", "")]);
    assert_eq!(outcomes(&sweep(&place, &n64)), ["ran", "ran"]);
    let first = tables(&report(&place, &n64, &["--json"]));
    assert_eq!(outcomes(&sweep(&place, &n32)), ["evaluated", "evaluated"]);
    let other = tables(&report(&place, &n32, &["--json"]));
    assert_ne!(first[0]["rows"], other[0]["rows"]);
    assert_eq!(tables(&report(&place, &n64, &["--json"])), first);
    assert_eq!(outcomes(&sweep(&place, &n64)), ["done", "done"], "and nothing is evaluated again");

    // A file that was never swept: what is missing is said, or computed.
    let missing = report(&place, &fewer, &["--no-evaluate"]);
    ends_with(&missing, 21);
    assert!(text(&missing).contains("2 of 2 complete cells are not evaluated as"), "{}", text(&missing));
    let computed = report(&place, &fewer, &["--json"]);
    ends_with(&computed, 0);
    assert_eq!(columns(&tables(&computed)), ["energy-w2", "mean-energy"]);
    ends_with(&report(&place, &fewer, &["--no-evaluate"]), 0);
    assert_eq!(tables(&report(&place, &n64, &["--json"])), first, "no column was taken away");
    for run in place.runs() {
        assert_eq!(evaluation::all(&run).unwrap().len(), 3);
        manifest::verify(&run.path).unwrap();
    }
    ends_with(&place.run(&["db", "verify"]), 0);

    // The reference that a file asks for is made when its report needs it.
    let elsewhere = file(&place, "elsewhere", &[("ladder = [4.0]", "ladder = [3.0]")]);
    ends_with(&report(&place, &elsewhere, &["--no-evaluate"]), 21);
    let made = report(&place, &elsewhere, &["--json"]);
    ends_with(&made, 0);
    assert_ne!(tables(&made)[0]["rows"], first[0]["rows"]);

    // `show` has all of them, the newest first.
    let id = place.runs()[0].id.to_string();
    let shown: Value = serde_json::from_slice(&place.run(&["show", &id, "--json"]).stdout).unwrap();
    let sizes: Vec<_> = shown["evaluations"].as_array().unwrap().iter().map(|e| e["eval"]["n"].clone()).collect();
    assert_eq!(sizes, [64, 64, 32, 64]);
    assert_eq!(text(&place.run(&["show", &id])).matches("\nevaluation ").count(), 4);
}

/// What one run was judged by last and the other first is what they are compared by.
#[test]
fn diff_takes_the_evaluation_that_both_have() {
    let place = Place::new("");
    let (n64, n32) = (file(&place, "n64", &[]), file(&place, "n32", &[("n = 64", "n = 32")]));
    sweep(&place, &n64);
    let ids: Vec<String> = place.runs().iter().map(|r| r.id.to_string()).collect();
    // Only the first run is judged by the second file.
    ends_with(&place.run(&["--quiet", "sweep", n32.to_str().unwrap(), "--seeds", "0"]), 0);
    let diff =
        |a: &str, b: &str| -> Value { serde_json::from_slice(&place.run(&["diff", a, b, "--json"]).stdout).unwrap() };
    let shared = diff(&ids[0], &ids[1]);
    assert_eq!(shared["notes"], serde_json::json!([]));
    assert_eq!(shared["metrics"][0]["note"], "");
    // The second by the second file alone, as if its first evaluation had been elsewhere.
    sweep(&place, &n32);
    let run = &place.runs()[1];
    let newest = evaluation::all(run).unwrap().remove(0);
    manifest::write(&run.path).unwrap();
    evaluation::keep(run, &newest).unwrap();
    ends_with(&place.run(&["db", "rebuild"]), 0);
    assert_eq!(diff(&ids[0], &ids[1])["metrics"][0]["note"], "", "both have n = 32");
    let run = &place.runs()[0];
    let oldest = evaluation::all(run).unwrap().pop().unwrap();
    manifest::write(&run.path).unwrap();
    evaluation::keep(run, &oldest).unwrap();
    ends_with(&place.run(&["db", "rebuild"]), 0);
    let none = diff(&ids[0], &ids[1]);
    assert!(none["notes"][0].as_str().unwrap().contains("no evaluation in common"), "{none}");
    assert!(none["metrics"][0]["note"].as_str().unwrap().contains("sample sizes differ"), "{none}");
}

/// Has the runs judged by other code: as if a program with another metric had evaluated them.
fn by_other_code(place: &Place, file: &Path) {
    let experiment = config::load(file, None, &[]).unwrap();
    for (run, cell) in place.runs().iter().zip(&experiment.cells) {
        let mut judged: Evaluation = evaluation::all(run).unwrap().remove(0);
        let ours = exec::Asked::of(&place.results(), cell).unwrap().yardstick;
        let other = Yardstick { code: "0".repeat(64), ..ours };
        (judged.digest, judged.yardstick) = (other.evaluation(cell.seed), other.digest());
        (judged.evaluation_code, judged.code_digest) = (other.code, "f".repeat(64));
        manifest::write(&run.path).unwrap();
        evaluation::keep(run, &judged).unwrap();
    }
}

/// A changed metric: the table says so, `report` and `sweep` evaluate again, and nothing is run.
#[test]
fn evaluations_by_other_code_are_named_and_made_anew() {
    let place = Place::new("");
    let n64 = file(&place, "n64", &[]);
    sweep(&place, &n64);
    let ours = tables(&report(&place, &n64, &["--json"]));
    by_other_code(&place, &n64);
    let shown = report(&place, &n64, &["--no-evaluate"]);
    ends_with(&shown, 0);
    assert!(text(&shown).contains("MD: all seeds were evaluated by other code (fffffffff)"), "{}", text(&shown));

    // Without the reference there is no other way than to show it; with it, it is made anew.
    let (here, away) = (place.results().join("references"), place.results().join("away"));
    std::fs::rename(&here, &away).unwrap();
    assert!(text(&report(&place, &n64, &[])).contains("evaluated by other code"));
    std::fs::remove_dir_all(&here).ok();
    std::fs::rename(&away, &here).unwrap();
    let anew = report(&place, &n64, &["--json"]);
    ends_with(&anew, 0);
    assert_eq!(tables(&anew), ours);
    by_other_code(&place, &n64);
    assert_eq!(outcomes(&sweep(&place, &n64)), ["evaluated", "evaluated"]);
    assert_eq!(tables(&report(&place, &n64, &["--no-evaluate", "--json"])), ours);
}

/// An edited evaluation is damage, and is made anew; one that no line seals was never made.
#[test]
fn evaluations_are_sealed() {
    let place = Place::new("");
    let n64 = file(&place, "n64", &[]);
    sweep(&place, &n64);
    let run = place.runs().remove(0);
    let judged = evaluation::all(&run).unwrap().remove(0);
    let path = run.file(&evaluation::name(&judged.digest));
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replacen("\"value\": ", "\"value\": 1", 1)).unwrap();
    ends_with(&place.run(&["db", "verify"]), 17);
    assert_eq!(outcomes(&sweep(&place, &n64)), ["evaluated", "done"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), good);
    ends_with(&place.run(&["db", "verify"]), 0);
    manifest::write(&run.path).unwrap();
    assert!(evaluation::all(&run).unwrap().is_empty());
    let experiment = config::load(&n64, None, &[]).unwrap();
    let yardstick = exec::Asked::of(&place.results(), &experiment.cells[0]).unwrap().yardstick;
    assert_eq!(evaluation::find(&run, &yardstick, 0).unwrap(), Found::Missing);
}

/// Bundles carry evaluations, also to a run that is there already.
#[test]
fn bundles_carry_evaluations() {
    let (place, there) = (Place::new(""), Place::new(""));
    let (n64, n32) = (file(&place, "n64", &[]), file(&place, "n32", &[("n = 64", "n = 32")]));
    let out = place.dir.path().join("run.tar");
    let out = out.to_str().unwrap();
    sweep(&place, &n64);
    let run = place.runs().remove(0);
    let id = run.id.to_string();
    let carry = |brought: u64, known: bool| {
        ends_with(&place.run(&["export", "--bundle", &id, "--out", out]), 0);
        let output = there.run(&["import", out, "--json"]);
        ends_with(&output, 0);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((value[0]["evaluations"].as_u64(), value[0]["known"].as_bool()), (Some(brought), Some(known)));
    };
    carry(0, false);
    sweep(&place, &n32);
    carry(1, true);
    carry(0, true);
    let arrived = there.runs();
    assert_eq!(arrived.len(), 1);
    assert_eq!(evaluation::all(&arrived[0]).unwrap(), evaluation::all(&run).unwrap());
    ends_with(&there.run(&["db", "verify"]), 0);
    // Its table is there without its reference.
    let shown = there.run(&["report", n32.to_str().unwrap(), "--no-evaluate", "--json"]);
    ends_with(&shown, 0);
    assert_eq!(tables(&shown)[0]["rows"][0]["seeds"], 1);
}
