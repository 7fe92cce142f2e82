//! Crashes and broken disks, through the real program: kill -9 at any moment, failing writes, full disks. Whatever happens,
//! running the same command again ends in the same bytes as a run that nothing happened to.
//!
//! `PITA_BENCH_KILL_ROUNDS` sets the number of kill rounds (10), and from 100 on has every single file operation fail or
//! kill once, not only some of them.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::common::place::{Place, copy, ends_with, text};
use pita_bench::record::{Kind, Status, events, manifest};
use pita_bench::rng::{Purpose, Stream};

const SYSTEM: &str = r#"
name = "tiny"
[systems.lj13]
temperature = 2.0
reference = { ladder = [4.0], copies = 4, equilibration = 100, stride = 5, samples = 100 }
[metrics]
ids = ["energy-w1", "mean-energy"]
n = 100
bootstrap = 20
[samplers]
md = { kind = "md", walkers = 4, equilibration = 2_000, stride = 20, samples = 1_000 }
"#;

/// A whole PITA: initial data, and training, annealing and refinement on two rungs.
const PITA: &str = r#"
[samplers.pita]
kind = "pita"
ladder = [4.0, 3.0]
initial = { samples = 16, walkers = 8, equilibration = 600, stride = 5 }
net = { layers = 1 }
train = { first_steps = 60, steps = 40, batch = 2 }
anneal = { steps = 8 }
refine = { steps = 4 }
particles = 6
samples = 8
"#;

fn rounds() -> u64 {
    std::env::var("PITA_BENCH_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10)
}

/// The phase that the latest recorded step of any run was in.
fn phase(place: &Place) -> String {
    let mut last = "before the first step".to_owned();
    for run in place.runs() {
        for event in events::read(&run.file("events.jsonl")).unwrap_or_default() {
            if let Kind::Scalars { phase, .. } = event.kind {
                last = phase.split(": ").last().unwrap_or_default().to_owned();
            } else if matches!(event.kind, Kind::Finished { .. }) {
                last = "after the last step".to_owned();
            }
        }
    }
    last
}

/// Kills a sweep once its logs hold `at` events; whether it was still alive.
fn killed_at(place: &Place, at: usize, options: &[&str]) -> bool {
    let mut child = place.start(options);
    let begun = Instant::now();
    while place.events() < at && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(120), "the sweep hangs");
        std::thread::sleep(Duration::from_micros(300));
    }
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(9)
}

/// Killed at random event counts, in every phase of PITA, until it is done: no run is lost, none is executed to its end
/// twice, and all bytes are those of a sweep that nobody killed.
#[test]
fn kill_rounds() {
    let experiment = format!("{SYSTEM}{PITA}");
    let whole = Place::new(&experiment);
    ends_with(&whole.sweep(&[]), 0);
    let expected = whole.outcome();
    assert_eq!(expected.len(), 2);

    let mut phases: BTreeMap<String, usize> = BTreeMap::new();
    let (mut kills, mut wrong, mut lost, mut twice) = (0, 0, 0, 0);
    for round in 0..rounds() {
        let place = Place::new(&experiment);
        let mut draws = Stream::new(round, Purpose::Init, 9).at(0);
        if round % 5 == 4 {
            // The reference is in the making when the first kill comes.
            let mut child = place.start(&[]);
            std::thread::sleep(Duration::from_millis(draws.below(400) as u64));
            child.kill().unwrap();
            kills += usize::from(child.wait().unwrap().signal() == Some(9));
        } else {
            copy(&whole.results().join("references"), &place.results().join("references"));
        }
        // Checkpoints after every step, so that each kill finds the run further on; sometimes none at all.
        let every: &[&str] =
            if round % 4 == 3 { &["--checkpoint-every", "3600"] } else { &["--checkpoint-every", "0"] };
        let mut at = 0;
        for _ in 0..=draws.below(2) {
            at = place.events().max(at) + 1 + draws.below(70);
            if !killed_at(&place, at, every) {
                break;
            }
            kills += 1;
            *phases.entry(phase(&place)).or_default() += 1;
        }
        let last = place.sweep(&[]);
        ends_with(&last, 0);
        for ((id, bytes), (wanted, same)) in place.outcome().iter().zip(&expected) {
            wrong += usize::from(id != wanted || bytes != same);
        }
        lost += expected.len().saturating_sub(place.outcome().len());
        for run in place.runs() {
            let log = events::read(&run.file("events.jsonl")).unwrap();
            let ends = log.iter().filter(|e| matches!(e.kind, Kind::Finished { .. })).count();
            twice += usize::from(ends != 1 || run.id.attempt != 1);
            assert!(!run.checkpoints().exists());
        }
        ends_with(&place.run(&["db", "verify"]), 0);
        println!("{} rounds, {kills} kills: {lost} lost, {wrong} wrong, {twice} twice; {phases:?}", round + 1);
    }
    assert_eq!((lost, wrong, twice), (0, 0, 0));
    assert!(kills as u64 >= rounds() / 2, "{kills} kills only: nothing was tested");
    for inside in ["training", "annealing"] {
        assert!(phases.contains_key(inside), "no kill inside {inside}: {phases:?}");
    }
}

/// One file operation after the other fails or kills the process; then the same command again.
fn faults(operation: &str, how: &str, check: impl Fn(&std::process::Output)) {
    let whole = Place::new(SYSTEM);
    ends_with(&whole.sweep(&[]), 0);
    let expected = whole.outcome();
    let step = if rounds() >= 100 { 1 } else { 4 };
    let (mut n, mut tested) = (1, 0);
    loop {
        let place = Place::new(SYSTEM);
        // Reference and database are there: what fails is the run.
        copy(&whole.results().join("references"), &place.results().join("references"));
        let mut sweep = place.sweep_command(&["--checkpoint-every", "0"]);
        let hurt = sweep.env("PITA_BENCH_FAULT", format!("{operation}:{n}:{how}")).output().unwrap();
        if hurt.status.success() {
            break; // fewer operations than that
        }
        check(&hurt);
        tested += 1;
        // Never a false "done": what counts as complete is what it has to be.
        for run in place.runs().iter().filter(|r| r.status() == Status::Complete) {
            manifest::verify(&run.path).unwrap();
            let samples = std::fs::read(run.file("samples.npz")).unwrap();
            assert_eq!(samples, expected[0].1[1], "{operation} {n} {how}");
        }
        let again = place.sweep(&[]);
        ends_with(&again, 0);
        assert_eq!(place.outcome(), expected, "{operation} {n} {how}: {}", text(&again));
        ends_with(&place.run(&["db", "verify"]), 0);
        n += step;
    }
    println!("{operation} {how}: {tested} operations tested, {n} or fewer in all");
    assert!(tested >= 3, "{operation} {how}: {tested}");
}

#[test]
fn killed_inside_any_file_operation() {
    faults("any", "kill", |hurt| assert_eq!(hurt.status.signal(), Some(6), "{}", text(hurt)));
}

#[test]
fn a_full_disk_has_its_exit_code() {
    faults("write", "full", |hurt| {
        ends_with(hurt, 14);
        assert!(text(hurt).contains("No space left"), "{}", text(hurt));
    });
}

#[test]
fn a_failing_write_sync_or_rename_has_its_exit_code() {
    for operation in ["write", "sync", "rename"] {
        faults(operation, "io", |hurt| ends_with(hurt, 18));
    }
}
