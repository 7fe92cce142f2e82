//! The main job through the binary: sweep, second sweep, interruption, failure, report; and the verbs for anybody's data.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pita_bench::array::{Array, Arrays, read_npz, write_npz};
use pita_bench::record::atomic;

use crate::common::place::{Place, ends_with, text};

const EXPERIMENT: &str = r#"
name = "tiny"
title = "Tiny"
seeds = [0]

[systems.lj13]
temperature = 1.0
[systems.lj13.reference]
ladder = [2.0, 1.4]
copies = 4
equilibration = 200
stride = 5
samples = 400

[samplers]
md = { kind = "md", walkers = 4, equilibration = 200, stride = 20, samples = 200 }
mala = { kind = "md", integrator = "mala", step = 1e-3, walkers = 4, equilibration = 200, stride = 20, samples = 200 }

[metrics]
ids = ["energy-w1", "energy-w2", "distance-w2", "mean-energy"]
n = 200
bootstrap = 20
"#;

/// A sweep as people type it: with its table.
fn sweep(place: &Place, more: &[&str]) -> Output {
    place.run(&[&["sweep", place.experiment.to_str().unwrap()], more].concat())
}

/// Every file of that name in the runs.
fn run_files(place: &Place, name: &str) -> Vec<PathBuf> {
    place.runs().iter().map(|run| run.file(name)).filter(|path| path.exists()).collect()
}

#[test]
fn first_and_second_sweep_and_report() {
    let place = Place::new(EXPERIMENT);
    let first = sweep(&place, &[]);
    ends_with(&first, 0);
    assert!(text(&first).contains("| md |"), "{}", text(&first));
    let samples = run_files(&place, "samples.npz");
    assert_eq!(samples.len(), 2);
    let before: Vec<_> = samples.iter().map(|p| std::fs::metadata(p).unwrap().modified().unwrap()).collect();

    let second = sweep(&place, &[]);
    ends_with(&second, 0);
    assert!(text(&second).contains("nothing to do"), "{}", text(&second));
    let after: Vec<_> = samples.iter().map(|p| std::fs::metadata(p).unwrap().modified().unwrap()).collect();
    assert_eq!(before, after);

    // Another metric setting evaluates again and runs nothing.
    let third = sweep(&place, &["-s", "metrics.n=100"]);
    ends_with(&third, 0);
    assert!(text(&third).contains("2 evaluated"), "{}", text(&third));

    // So does a reference of the same settings whose frames are others than those that the runs were judged against.
    let card = std::fs::read_dir(place.results().join("references")).unwrap().flatten().map(|e| e.path());
    let npz = card.map(|p| p.join("reference.npz")).find(|p| p.exists()).unwrap();
    let card = npz.with_file_name("reference.json");
    let mut frames = read_npz(&npz).unwrap();
    frames.insert("more".into(), Array::f64(&[1], vec![1.0]));
    let before = atomic::sha256_file(&npz).unwrap();
    write_npz(&npz, &frames).unwrap();
    let made = std::fs::read_to_string(&card).unwrap();
    std::fs::write(&card, made.replace(&before, &atomic::sha256_file(&npz).unwrap())).unwrap();
    let fourth = sweep(&place, &["-s", "metrics.n=100"]);
    ends_with(&fourth, 0);
    assert!(text(&fourth).contains("2 evaluated"), "{}", text(&fourth));

    for file in ["table.md", "table.csv", "table.tex", "table.json", "report.html"] {
        assert!(place.results().join("reports/tiny").join(file).exists(), "{file}");
    }
    let verify = place.run(&["db", "verify"]);
    ends_with(&verify, 0);
}

/// Stopped by Ctrl-C and continued: the same samples, byte for byte, as without the stop; exit code 5 in between.
#[test]
fn interrupted_runs_resume_exactly() {
    let long = ["-s", "samplers.md.samples=4000", "-s", "samplers.mala.samples=4000"];
    let whole = Place::new(EXPERIMENT);
    ends_with(&sweep(&whole, &long), 0);

    let place = Place::new(EXPERIMENT);
    let file = place.experiment.to_str().unwrap().to_owned();
    let mut child = place.command(&[&["sweep", &file], &long[..]].concat());
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while run_files(&place, "events.jsonl").is_empty() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let stopped = child.wait_with_output().unwrap();
    ends_with(&stopped, 5);
    assert!(run_files(&place, "samples.npz").len() < 2);
    ends_with(&sweep(&place, &long), 0);
    let bytes =
        |p: &Place| -> Vec<Vec<u8>> { run_files(p, "samples.npz").iter().map(|f| std::fs::read(f).unwrap()).collect() };
    assert_eq!(bytes(&place), bytes(&whole));
}

/// A cell that diverges is shown as failed with its reason, the other one is complete, and the exit code says so.
#[test]
fn a_failed_cell_does_not_stop_the_others() {
    let place = Place::new(EXPERIMENT);
    let output = sweep(&place, &["-s", "samplers.md.step=0.5"]);
    ends_with(&output, 3);
    assert!(text(&output).contains("use a smaller step than 0.5"), "{}", text(&output));
    assert_eq!(run_files(&place, "samples.npz").len(), 1);
    assert_eq!(run_files(&place, "failure.json").len(), 1);
}

#[test]
fn json_is_one_value() {
    let place = Place::new(EXPERIMENT);
    for args in [&["--dry-run", "--json"][..], &["--json"], &["--json"]] {
        let output = sweep(&place, args);
        ends_with(&output, 0);
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["cells"].as_array().unwrap().len(), 2);
    }
}

/// Energies of anybody's frames, and what happens to frames that are not.
#[test]
fn energy_and_eval_of_foreign_files() {
    let place = Place::new(EXPERIMENT);
    let path = |name: &str| place.dir.path().join(name).to_str().unwrap().to_owned();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/physics/lj13_golden.npz");
    let energy = |system: &str, input: &str| {
        let mut command = place.command(&["energy", "--system", system, "--in", input, "--out", "y.npz"]);
        command.current_dir(place.dir.path()).output().unwrap()
    };
    ends_with(&energy("lj13", golden), 0);
    let (got, want) = (read_npz(path("y.npz")).unwrap(), read_npz(golden).unwrap());
    for (a, b) in got["energy"].to_f64().iter().zip(want["energy"].to_f64()) {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(100.0));
    }
    assert_eq!(got["forces"].shape, [400, 13, 3]);
    std::fs::remove_file(path("y.npz")).unwrap();

    let save = |name: &str, key: &str, array: Array| {
        let arrays: Arrays = [(key.to_owned(), array)].into();
        write_npz(path(name), &arrays).unwrap();
    };
    std::fs::write(path("junk.npz"), "junk").unwrap();
    save("nan.npz", "positions", Array::f64(&[1, 13, 3], vec![f64::NAN; 39]));
    save("named.npz", "x", Array::f64(&[1, 13, 3], vec![0.5; 39]));
    for (system, input, code, says) in [
        ("lj13", path("none.npz"), 9, "No such file"),
        ("lj13", path("junk.npz"), 9, "not an npz file"),
        ("lj13", path("nan.npz"), 13, "frame 0, atom 0"),
        ("lj13", path("named.npz"), 9, "no array `positions`"),
        ("lj55", golden.to_owned(), 12, "expected [n, 55, 3]"),
        ("lj14", golden.to_owned(), 2, "did you mean `lj13`? Known: lj13"),
    ] {
        let output = energy(system, &input);
        ends_with(&output, code);
        assert!(text(&output).contains(says), "{}", text(&output));
        assert!(!Path::new(&path("y.npz")).exists());
    }

    // A set against itself: every distance is zero.
    let eval = ["eval", "--system", "lj13", "--temperature", "1", "--samples", golden, "--reference", golden];
    let more = ["--metrics", "energy-w1,distance-w2", "--bootstrap", "0", "--json"];
    let output = place.run(&[&eval[..], &more].concat());
    ends_with(&output, 0);
    let values: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(values[0]["id"], "energy-w1");
    assert!(values[0]["value"].as_f64().is_some());
}
