//! SIGTERM is obeyed within two seconds whatever the program does, and what can be kept is kept.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pita_bench::array::{Array, write_npz};
use pita_bench::rng::{Purpose, Stream};

use crate::common::place::Place;

/// Two seconds, on a machine that builds other things at the same time.
const SOON: Duration = Duration::from_secs(6);

/// Waits until `ready`, a second more, then asks the program to stop; returns its exit code and how long it took.
fn stopped(mut child: Child, ready: impl Fn() -> bool) -> (Option<i32>, Duration) {
    let began = Instant::now();
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        assert!(began.elapsed() < Duration::from_secs(120), "it never came so far");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
    let asked = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if asked.elapsed() > Duration::from_secs(60) => {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    (status.code(), asked.elapsed())
}

#[track_caller]
fn soon((code, took): (Option<i32>, Duration)) {
    assert_eq!(code, Some(5), "after {took:?}");
    assert!(took < SOON, "{took:?}");
}

fn normals(path: &Path, name: &str, shape: &[usize], seed: u64, shift: f64) {
    let mut draws = Stream::new(seed, Purpose::Init, 0).at(0);
    let numbers = (0..shape.iter().product()).map(|_| shift + draws.normal()).collect();
    write_npz(path, &[(name.to_owned(), Array::f64(shape, numbers))].into()).unwrap();
}

fn quiet(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn transport_stops() {
    let place = Place::new("");
    let [a, b] = ["a.npz", "b.npz"].map(|f| place.dir.path().join(f));
    normals(&a, "points", &[40_000, 4], 1, 0.0);
    normals(&b, "points", &[40_000, 4], 2, 3.0);
    let args = ["ot", "--a", a.to_str().unwrap(), "--b", b.to_str().unwrap(), "--metric", "euclidean", "-p", "1"];
    soon(stopped(quiet(&mut place.command(&args)), || true));
}

#[test]
fn an_evaluation_stops() {
    let place = Place::new("");
    let [a, b] = ["a.npz", "b.npz"].map(|f| place.dir.path().join(f));
    normals(&a, "positions", &[3_000, 13, 3], 1, 0.0);
    normals(&b, "positions", &[3_000, 13, 3], 2, 0.0);
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
    let args =
        ["eval", "--system", "lj13", "--temperature", "1", "--samples", a, "--reference", b, "--bootstrap", "1000000"];
    soon(stopped(quiet(&mut place.command(&args)), || true));
}

/// `SAMPLER` and `METRICS` are filled in.
const EXPERIMENT: &str = r#"
name = "tiny"
[systems.lj13]
temperature = 1.0
reference = { ladder = [2.0], copies = 4, equilibration = 200, stride = 5, samples = 2000 }
[samplers.md]
kind = "md"
SAMPLER
[metrics]
ids = ["distance-w2", "energy-w1"]
METRICS
"#;

fn experiment(sampler: &str, metrics: &str) -> Place {
    Place::new(&EXPERIMENT.replace("SAMPLER", sampler).replace("METRICS", metrics))
}

/// While samples are judged: they are kept, and judged by the next sweep.
#[test]
fn a_sweep_stops_while_it_evaluates() {
    let place =
        experiment("walkers = 4\nequilibration = 100\nstride = 2\nsamples = 2000", "n = 2000\nbootstrap = 1000000");
    let complete = || place.runs().iter().any(|run| run.file("MANIFEST.sha256").exists());
    soon(stopped(place.start(&[]), complete));
    let run = place.runs().remove(0);
    assert!(!run.file("metrics.json").exists());
    let again = place.sweep(&["-s", "metrics.bootstrap=20"]);
    let summary: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((again.status.code(), &summary["cells"][0]["outcome"]), (Some(0), &"evaluated".into()), "{summary}");
}

/// While very many walkers move: a step of the sampler is no longer for that.
#[test]
fn a_sweep_of_many_walkers_stops() {
    let place = experiment("walkers = 20000\nequilibration = 100000\nstride = 2\nsamples = 20000", "");
    let began = || place.runs().iter().any(|run| run.file("provenance.json").exists());
    soon(stopped(place.start(&[]), began));
    assert!(place.runs()[0].checkpoints().exists());
}

/// Inside a step that takes many seconds (a batch of a diffusion model on one core): the process ends there, and what it leaves is a
/// run that was interrupted, as after a kill.
#[test]
fn a_long_step_is_left() {
    let settings = "ladder = [3.0]\nparticles = 100\nsamples = 100\ninitial = { samples = 200, walkers = 20, equilibration = 20, stride = 2 }\n\
                    net = { hidden = 32, layers = 3 }\ntrain = { first_steps = 4, steps = 4, batch = 65536 }";
    let place = experiment(settings, "");
    let text = std::fs::read_to_string(&place.experiment).unwrap();
    std::fs::write(&place.experiment, text.replace("kind = \"md\"", "kind = \"pita\"")).unwrap();
    let began = || place.runs().iter().any(|run| run.file("provenance.json").exists());
    soon(stopped(place.start(&[]), began));
    let listed = place.run(&["--json", "ls", "--status", "interrupted"]);
    let rows: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
}
