//! Other people's samplers, through the binary: programs that behave and programs that do not.
//!
//! Needs `python3`; what needs numpy or OpenMM looks for them in `PITA_BENCH_PYTHON` (a virtual environment's folder) or on
//! the `PATH`, and says so when it skips. `PITA_BENCH_REQUIRE=python` makes skipping a failure.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::common::place::{LJ13, json, pita, program, sealed};
use pita_bench::array::{read_npz, read_positions};
use pita_bench::record::{self, RunDir};
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// `PATH` with the virtual environment that holds numpy and OpenMM in front, if there is one.
fn path() -> std::ffi::OsString {
    let own = std::env::var_os("PITA_BENCH_PYTHON").map(|folder| PathBuf::from(folder).join("bin"));
    let all = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(own.into_iter().chain(std::env::split_paths(&all))).unwrap()
}

/// Whether Python can import these modules; prints why a test is skipped.
fn python(modules: &str) -> bool {
    let run = Command::new("python3").arg("-c").arg(format!("import {modules}")).env("PATH", path()).output();
    let there = run.is_ok_and(|out| out.status.success());
    if !there {
        println!("skipped: python3 with {modules} is not there (set PITA_BENCH_PYTHON to a virtual environment)");
        let required = std::env::var("PITA_BENCH_REQUIRE").is_ok_and(|r| r.contains("python"));
        assert!(!required, "PITA_BENCH_REQUIRE asks for python3 with {modules}");
    }
    there
}

/// Sweeps an experiment file in `dir`.
fn sweep(dir: &Path, text: &str, more: &[&str]) -> (Output, Value) {
    let file = dir.join("x.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = program(&dir.join("results"), &["--json", "-q", "sweep", file.to_str().unwrap()]);
    let output = command.args(more).env("PATH", path()).output().unwrap();
    let value = json(&output);
    (output, value)
}

/// A copy of the misbehaving program with another protocol.
fn misbehaving(dir: &Path, protocol: &str) -> String {
    let (from, to) = (Path::new(ROOT).join("tests/external/misbehaving"), dir.join(protocol));
    std::fs::create_dir_all(&to).unwrap();
    std::fs::copy(from.join("sample.py"), to.join("sample.py")).unwrap();
    let toml = std::fs::read_to_string(from.join("baseline.toml")).unwrap();
    std::fs::write(to.join("baseline.toml"), toml.replace("\"pipe\"", &format!("\"{protocol}\""))).unwrap();
    format!("kind = \"external\"\nbaseline = \"{protocol}\"\nsamples = 1\n")
}

/// The run of a cell by its id.
fn run_dir(dir: &Path, cell: &Value) -> RunDir {
    let runs = record::all_runs(&dir.join("results")).unwrap();
    runs.into_iter().find(|r| r.id.to_string() == cell["id"].as_str().unwrap()).unwrap()
}

fn counts(dir: &Path, cell: &Value) -> Value {
    serde_json::from_slice(&std::fs::read(run_dir(dir, cell).file("counts.json")).unwrap()).unwrap()
}

/// Energy of LJ-13 at its minimum, where samplers start.
fn minimum() -> f64 {
    let system = pita_bench::systems::by_name("lj13", 1.0).unwrap();
    let (mut energy, mut forces) = ([0.0], vec![0.0; system.start.len()]);
    system.potential().energy_forces(&system.start, &mut energy, &mut forces);
    energy[0]
}

/// The way of a cell is the value in the brackets of its label: `x (settings.way = exit)`.
fn way(cell: &Value) -> &str {
    cell["label"].as_str().unwrap().split(" = ").nth(1).unwrap().trim_end_matches(')')
}

#[test]
fn every_way_to_fail_has_its_message_and_nothing_hangs() {
    if !python("json") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (pipe, files) = (misbehaving(dir.path(), "pipe"), misbehaving(dir.path(), "files"));
    let asked = [
        ("exit", "ended with exit status: 7; the end of its log (command.log):\n  on stderr\n  out of luck"),
        ("killed", "ended with signal: 9"),
        ("chatter", "no message (expected value at line 1 column 1); write anything else on stderr"),
        ("free", "purpose \"evaluation\" is not one that a method pays for"),
        ("rows", "row 0 of `positions` has 2 numbers, expected 39 for 13 atoms"),
        ("nothing", "samples.npz: was not written"),
        ("torn", "samples.npz: not an npz file"),
        ("atoms", "has shape [1, 12, 3], expected [n, 13, 3]"),
        ("nan", "`positions` is NaN at frame 0, atom 0"),
        ("empty", "`positions` has no frames"),
        ("weights", "`log_weight` has shape [2], expected [1]"),
        ("infinite-weight", "`log_weight` is not finite at sample 0"),
        ("units", "other units"),
        ("collapsed", "the energy of sample 0 is"),
        ("link", "samples.npz: is not a regular file"),
        ("forges", "wrote into the folder of the run"),
        ("forges-end", "MANIFEST.sha256 was written, and has been removed"),
    ];
    let reported = [
        ("no-counts", "counts.json: was not written; expected evaluations by purpose"),
        ("counts-torn", "malformed JSON"),
        ("no-purpose", "unknown variant `fun`"),
        ("too-many", "it reports 11 energy evaluations, but the budget is 10"),
        ("greedy", "asked for energies, but its baseline.toml says `protocol = \"files\"`"),
    ];
    let list = |ways: &[(&str, &str)], more: &[&str]| {
        let names: Vec<String> =
            ways.iter().map(|(w, _)| *w).chain(more.iter().copied()).map(|w| format!("{w:?}")).collect();
        names.join(", ")
    };
    let text = format!(
        "{LJ13}\n[samplers.pipe]\n{pipe}budget = 10\n[samplers.hangs]\n{pipe}timeout = 1\n\
         [samplers.files]\n{files}budget = 10\n\
         [sweep]\n\"samplers.hangs.settings.way\" = [\"silent\", \"stubborn\", \"deaf\"]\n\
         \"samplers.pipe.settings.way\" = [{}]\n\"samplers.files.settings.way\" = [{}]\n",
        list(&asked, &["greedy", "weighted", "orphan", "daemon", "environment"]),
        list(&reported, &["well", "chatter"]),
    );
    let began = Instant::now();
    let (output, value) = sweep(dir.path(), &text, &["--jobs", "6"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let cells = value["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 3 + asked.len() + 5 + reported.len() + 2);
    for cell in cells {
        let label = cell["label"].as_str().unwrap();
        if label.starts_with("hangs") {
            assert!(cell["message"].as_str().unwrap().contains("said nothing for 1 s"), "{cell}");
            continue;
        }
        let expected = if label.starts_with("pipe") { &asked[..] } else { &reported[..] };
        match expected.iter().find(|(w, _)| *w == way(cell)) {
            Some((_, message)) => {
                assert_eq!(cell["outcome"], "failed", "{cell}");
                let found = cell["message"].as_str().unwrap();
                assert!(found.contains(message), "{label}: {found}");
            }
            None => assert_eq!(cell["outcome"], "ran", "{cell}"),
        }
    }
    let find = |label: &str| cells.iter().find(|c| c["label"] == label).unwrap();
    // The budget is exact and by purpose; what does not fit is refused whole.
    let greedy = find("pipe (settings.way = greedy)");
    assert_eq!(counts(dir.path(), greedy), json!({"sampling": 9, "training": 1}));
    let reported = find("files (settings.way = well)");
    assert_eq!(counts(dir.path(), reported), json!({"sampling": 4, "training": 3}));
    let weighted = find("pipe (settings.way = weighted)");
    let samples = read_npz(run_dir(dir.path(), weighted).file("samples.npz")).unwrap();
    assert_eq!(samples["log_weight"].to_f64(), [-1.5]);
    assert!((samples["energy"].to_f64()[0] - minimum()).abs() < 1e-9, "the energy is ours: {:?}", samples["energy"]);
    assert!(!run_dir(dir.path(), weighted).path.with_added_extension("external").exists());
    // What a program leaves behind ends with it, also in a session of its own, without a parent, pipes or environment.
    for way in ["orphan", "daemon"] {
        let pid = child(&run_dir(dir.path(), find(&format!("pipe (settings.way = {way})"))));
        assert!(!lives(pid), "the child of `{way}` lives on: {pid}");
    }
    // It gets the variables of our record and what it needs to be found: no secrets, whatever it prints.
    let log =
        std::fs::read_to_string(run_dir(dir.path(), find("pipe (settings.way = environment)")).file("command.log"));
    let log = log.unwrap();
    assert!(log.contains("\nPATH=") && !log.contains("CARGO_"), "{log}");
}

/// The process that a program said it had started.
fn child(run: &RunDir) -> i32 {
    let events = std::fs::read_to_string(run.file("events.jsonl")).unwrap();
    let line = events.lines().find(|l| l.contains("child")).unwrap().to_owned();
    serde_json::from_str::<Value>(&line).unwrap()["values"]["child"].as_f64().unwrap() as i32
}

fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// A program that deletes or fills its folder is ended at once, not when it is silent for too long.
#[test]
fn a_folder_deleted_or_filled() {
    if !python("json") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pipe = misbehaving(dir.path(), "pipe");
    let toml = dir.path().join("pipe/baseline.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, text.replace("timeout = ", "disk = 20\ntimeout = ")).unwrap();
    let text = format!(
        "{LJ13}\n[samplers.x]\n{pipe}timeout = 100\n[sweep]\n\
         \"samplers.x.settings.way\" = [\"deletes\", \"fills\"]\n"
    );
    let began = Instant::now();
    let (output, value) = sweep(dir.path(), &text, &["--jobs", "2"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    for cell in value["cells"].as_array().unwrap() {
        let expected = if way(cell) == "deletes" { "deleted what it was given" } else { "filled its folder" };
        let found = cell["message"].as_str().unwrap();
        assert!(found.contains(expected), "{found}");
    }
}

/// kill -9 of pita-bench takes along what a program has hidden.
#[test]
fn nothing_outlives_a_kill() {
    if !python("json") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pipe = misbehaving(dir.path(), "pipe");
    let file = dir.path().join("x.toml");
    let text = format!("{LJ13}\n[samplers.x]\n{pipe}timeout = 60\nsettings.way = \"silent-daemon\"\n");
    std::fs::write(&file, text).unwrap();
    let mut command = program(&dir.path().join("results"), &["-q", "sweep", file.to_str().unwrap()]);
    let mut sweep = command.env("PATH", path()).spawn().unwrap();
    let began = Instant::now();
    let said = |run: &RunDir| std::fs::read_to_string(run.file("events.jsonl")).is_ok_and(|e| e.contains("child"));
    let run = loop {
        let runs = record::all_runs(&dir.path().join("results")).unwrap_or_default();
        if let Some(run) = runs.into_iter().find(said) {
            break run;
        }
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    };
    let hidden = child(&run);
    assert!(lives(hidden));
    sweep.kill().unwrap();
    sweep.wait().unwrap();
    let killed = Instant::now();
    while lives(hidden) {
        assert!(killed.elapsed() < Duration::from_secs(20), "{hidden} lives on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Fewer samples than asked for: failed with both numbers, or partial where the budget ended it, and shown as such.
#[test]
fn three_of_twenty() {
    if !python("json") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pipe = misbehaving(dir.path(), "pipe").replace("samples = 1", "samples = 20");
    let text = format!(
        "{LJ13}\n[samplers.poor]\n{pipe}budget = 10\n[samplers.rich]\n{pipe}\n[sweep]\n\
         \"samplers.poor.settings.way\" = [\"three\", \"thrifty\"]\n\
         \"samplers.rich.settings.way\" = [\"rich\", \"many\"]\n"
    );
    let (output, value) = sweep(dir.path(), &text, &[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let cell = |way_: &str| value["cells"].as_array().unwrap().iter().find(|c| way(c) == way_).unwrap();
    for (way, outcome, message) in [
        ("three", "failed", "ended with 3 of 20 samples; it writes {\"type\": \"budget-spent\"}"),
        ("thrifty", "partial", "3 of 20 samples: the energy budget ended it"),
        ("rich", "failed", "says that its budget is spent, but it has none"),
        ("many", "failed", "25 samples were made, but 20 were asked for"),
    ] {
        assert_eq!(cell(way)["outcome"], outcome, "{}", cell(way));
        let found = cell(way)["message"].as_str().unwrap();
        assert!(found.contains(message), "{found}");
    }
    let said = |args: &[&str]| String::from_utf8(pita(&dir.path().join("results"), args).stdout).unwrap();
    let partial = cell("thrifty")["id"].as_str().unwrap();
    let list = said(&["ls", "--status", "partial"]);
    assert!(list.contains(partial) && list.lines().count() == 2, "{list}");
    assert!(said(&["show", partial]).contains("partial      3 of 20 samples: the energy budget ended it"));
    let table = said(&["report", dir.path().join("x.toml").to_str().unwrap()]);
    assert!(table.contains("(1 partial)") && table.contains("is partial: 3 of 20 samples"), "{table}");
}

#[test]
fn mistakes_in_experiment_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let good = misbehaving(dir.path(), "pipe");
    let base = format!("{LJ13}\n[samplers.x]\n{good}");
    for (text, message) in [
        (base.replace("\"pipe\"", "\"nowhere\""), "nowhere/baseline.toml"),
        (base.replace("baseline = \"pipe\"\n", ""), "`samplers.x` has no `baseline`"),
        (format!("{base}settings.wya = \"exit\""), "unknown key `wya` in `samplers.x.settings`"),
        (format!("{base}settings.way = 3"), "`samplers.x.settings.way` is an integer (3), expected a string"),
        (format!("{base}steps = 3"), "unknown key `steps`"),
        (base.replace("\"pipe\"", &format!("\"{ROOT}/baselines/ta-bg\"")), "is not `kind = \"external\"`"),
    ] {
        let (output, value) = sweep(dir.path(), &text, &["--dry-run"]);
        assert_eq!(output.status.code(), Some(2), "{value}");
        let found = value["error"]["message"].as_str().unwrap();
        assert!(found.contains(message), "{found}");
    }
}

/// The identity of a run is the program's content and settings, not where it lies.
#[test]
fn identity_is_the_content() {
    let dir = tempfile::tempdir().unwrap();
    let good = misbehaving(dir.path(), "pipe");
    let base = format!("{LJ13}\n[samplers.x]\n{good}");
    let id = |text: &str| sweep(dir.path(), text, &["--dry-run"]).1["cells"][0]["id"].clone();
    let one = id(&base);
    std::fs::rename(dir.path().join("pipe"), dir.path().join("moved")).unwrap();
    let moved = base.replace("\"pipe\"", "\"moved\"");
    assert_eq!(id(&moved), one);
    assert_eq!(id(&format!("{moved}timeout = 9\nlabel = \"y\"\nsettings.way = \"well\"")), one);
    assert_ne!(id(&format!("{moved}settings.way = \"exit\"")), one);
    assert_ne!(id(&format!("{moved}budget = 9")), one);
    let program = dir.path().join("moved/sample.py");
    let text = std::fs::read_to_string(&program).unwrap();
    std::fs::write(&program, format!("{text}# changed\n")).unwrap();
    assert_ne!(id(&moved), one);
}

/// MALA in numpy: the count is ours and exact, the samples do not depend on how batches travel.
#[test]
fn numpy_mala_over_the_pipe() {
    if !python("numpy") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "{LJ13}\n[samplers.x]\nkind = \"external\"\nbaseline = \"{ROOT}/baselines/numpy-mala\"\nsamples = 64\n\
         budget = 1_999\nsettings = {{ walkers = 8, equilibration = 50, stride = 5 }}\n\
         [sweep]\n\"samplers.x.settings.shared\" = [false, true]\n"
    );
    let (output, value) = sweep(dir.path(), &text, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let cells = value["cells"].as_array().unwrap();
    let samples = |i: usize| run_dir(dir.path(), &cells[i]).file("samples.npz");
    for (i, cell) in cells.iter().enumerate() {
        assert_eq!(counts(dir.path(), cell), json!({"sampling": 8 * (1 + 50 + 8 * 5)}));
        let energy = read_npz(samples(i)).unwrap()["energy"].to_f64();
        assert_eq!(energy.len(), 64);
        // At T = 1 it has left its minimum and is far from coming apart.
        let least = minimum();
        assert!(energy.iter().all(|e| (least..0.5 * least).contains(e)), "{least}: {energy:?}");
        assert!(energy.iter().any(|e| *e > least + 10.0), "{least}: {energy:?}");
    }
    assert_eq!(read_positions(samples(0), 13).unwrap(), read_positions(samples(1), 13).unwrap());
}

/// OpenMM agrees with our energies, keeps to the budget and gives the same samples again.
#[test]
fn openmm_md() {
    if !python("numpy, openmm") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "[systems.aldp]\ntemperature = 300.0\n[systems.aldp.reference]\nprofile = \"quick\"\nladder = [400.0]\ncopies = 2\n\
         equilibration = 20\nstride = 2\nsamples = 10\ntrajectory = {{ walkers = 2, frames = 20, stride = 2, lag = 2 }}\n\
         [metrics]\nids = [\"energy-w1\"]\nn = 10\nbootstrap = 0\n\
         [samplers.x]\nkind = \"external\"\nbaseline = \"{ROOT}/baselines/openmm-md\"\nsamples = 30\nbudget = 555\n\
         settings = {{ equilibration = 100, stride = 20, platform = \"Reference\" }}\n"
    );
    let (output, value) = sweep(dir.path(), &text, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let cell = &value["cells"][0];
    assert_eq!(counts(dir.path(), cell), json!({"sampling": 540}));
    let run = run_dir(dir.path(), cell);
    let manifest = sealed(&run);
    let samples = read_npz(run.file("samples.npz")).unwrap();
    assert_eq!(samples["positions"].shape, [22, 22, 3]);
    let (_, again) = sweep(dir.path(), &text, &["--force"]);
    let again = run_dir(dir.path(), &again["cells"][0]);
    assert_eq!(again.id.attempt, 2);
    assert_eq!(sealed(&again), manifest, "the same samples again");
}

/// A stop ends the program and leaves a run that begins anew, with counts of its own.
#[test]
fn interrupted_and_begun_anew() {
    if !python("json") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let good = misbehaving(dir.path(), "pipe");
    let file = dir.path().join("x.toml");
    let text = format!("{LJ13}\n[samplers.x]\n{good}timeout = 60\nsettings.way = \"silent\"\n");
    std::fs::write(&file, &text).unwrap();
    let mut command = program(&dir.path().join("results"), &["-q", "sweep", file.to_str().unwrap()]);
    let mut child = command.env("PATH", path()).spawn().unwrap();
    let started = || {
        let runs = record::all_runs(&dir.path().join("results")).unwrap_or_default();
        runs.iter().any(|r| std::fs::read_to_string(r.file("command.log")).is_ok_and(|log| log.contains("on stderr")))
    };
    let began = Instant::now();
    while !started() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let (_, value) = sweep(dir.path(), &text, &["--dry-run"]);
    assert_eq!((&value["cells"][0]["action"], &value["cells"][0]["reason"]), (&json!("resume"), &json!("interrupted")));
}
