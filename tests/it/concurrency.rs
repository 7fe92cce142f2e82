//! Many processes, one results folder.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::place::{Place, ends_with, text};
use crate::common::synthetic::Made;
use pita_bench::record::{Kind, events};
use pita_bench::store;

const PROCESSES: u64 = 32;
const EACH: u64 = 100;

/// 32 processes that start together, make the tables together and ingest 100 runs each: every row is there, nothing was
/// refused, and the rows are those of a rebuilt database.
#[test]
fn thirty_two_ingest_together() {
    let place = Place::new("");
    let runs: Vec<Vec<String>> = (0..PROCESSES)
        .map(|p| {
            let made = |seed| Made { stride: 1 + p as usize, seed, metrics: 7, ..Made::default() };
            (0..EACH).map(|seed| made(seed).write(&place.results()).path.to_str().unwrap().to_owned()).collect()
        })
        .collect();
    let began = Instant::now();
    let children: Vec<_> = runs
        .iter()
        .map(|folders| {
            let mut command = place.command(&["db", "ingest"]);
            command.args(folders).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        ends_with(&child.wait_with_output().unwrap(), 0);
    }
    let took = began.elapsed();
    println!("{PROCESSES} processes x {EACH} runs: {took:?}");
    let together = store::dump(&store::open(&place.results()).unwrap()).unwrap();
    assert_eq!(together.iter().filter(|r| r.starts_with("runs ")).count() as u64, PROCESSES * EACH);
    ends_with(&place.run(&["db", "verify"]), 0);
    ends_with(&place.run(&["db", "rebuild"]), 0);
    assert!(store::dump(&store::open(&place.results()).unwrap()).unwrap() == together, "rebuilt row for row");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// A database of version 1 that 32 processes open together is brought up to date once, and nothing in it is lost.
#[test]
fn migrations_do_not_race() {
    for old in [true, false] {
        let place = Place::new("");
        Made::default().write(&place.results());
        if old {
            let connection = rusqlite::Connection::open(place.results().join(store::NAME)).unwrap();
            connection.execute_batch(include_str!("../store/v1.sql")).unwrap();
        }
        let children: Vec<_> = (0..PROCESSES)
            .map(|_| {
                let mut command = place.command(&["ls", "--json"]);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            ends_with(&child.wait_with_output().unwrap(), 0);
        }
        let connection = store::open(&place.results()).unwrap();
        let ids: Vec<String> =
            store::list(&connection, &store::Filter::default()).unwrap().into_iter().map(|r| r.id).collect();
        assert_eq!(ids.len(), if old { 3 } else { 1 }, "{ids:?}");
    }
}

/// A reader in the middle of a query holds up nobody.
#[test]
fn readers_do_not_block_writers() {
    let place = Place::new("");
    Made::default().write(&place.results());
    ends_with(&place.run(&["db", "ingest"]), 0);
    let reader = store::open_for_reading(&place.results()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM runs").unwrap();
    let seen = || store::list(&reader, &store::Filter::default()).unwrap().len();
    assert_eq!(seen(), 1);
    let began = Instant::now();
    let another = Made { seed: 1, ..Made::default() }.write(&place.results());
    ends_with(&place.run(&["db", "ingest", another.path.to_str().unwrap()]), 0);
    assert!(began.elapsed() < Duration::from_secs(10), "the writer waited for the reader");
    assert_eq!(seen(), 1, "the reader sees what was there when it began");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(seen(), 2);
}

const SHARED: &str = r#"
name = "shared"
seeds = [0, 1, 2, 3, 4, 5]
[systems.lj13]
temperature = 2.0
reference = { ladder = [4.0], copies = 2, equilibration = 50, stride = 2, samples = 40 }
[metrics]
ids = ["mean-energy"]
n = 40
bootstrap = 0
[samplers.md]
kind = "md"
walkers = 4
equilibration = 4_000
stride = 20
samples = 2_000
"#;

/// Two sweeps on one folder, one of them killed in the middle: each cell runs to its end once, and the sweep that is left
/// takes over what the dead one held, and ends when all is done.
#[test]
fn two_sweeps_share_and_the_survivor_takes_over() {
    let whole = Place::new(SHARED);
    ends_with(&whole.sweep(&[]), 0);
    for kill in [false, true] {
        let place = Place::new(SHARED);
        let mut one = place.start(&["--checkpoint-every", "0"]);
        let two = place.sweep_command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if kill {
            while place.events() < 8 {
                std::thread::sleep(Duration::from_millis(1));
            }
            one.kill().unwrap();
        }
        let ended = two.wait_with_output().unwrap();
        ends_with(&ended, 0);
        let first = one.wait().unwrap();
        assert!(kill || first.success());
        let summary: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
        let outcomes: Vec<_> = summary["cells"].as_array().unwrap().iter().map(|c| c["outcome"].clone()).collect();
        assert!(outcomes.iter().all(|o| ["ran", "done", "evaluated"].contains(&o.as_str().unwrap())), "{outcomes:?}");
        assert_eq!(place.outcome(), whole.outcome());
        for run in place.runs() {
            let log = events::read(&run.file("events.jsonl")).unwrap();
            let ends = log.iter().filter(|e| matches!(e.kind, Kind::Finished { .. })).count();
            assert_eq!((ends, run.id.attempt), (1, 1), "{}", run.id);
        }
        ends_with(&place.run(&["db", "verify"]), 0);
    }
}

/// A sweep that was stopped (a suspended machine) while another one took over its run leaves that run alone when it wakes.
#[test]
fn a_sleeper_does_not_write_into_what_others_took_over() {
    let signal = |child: &std::process::Child, name: &str| {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    };
    let text_of = SHARED.replace("[0, 1, 2, 3, 4, 5]", "[0]").replace("samples = 2_000", "samples = 20_000");
    let whole = Place::new(&text_of);
    ends_with(&whole.sweep(&[]), 0);
    let place = Place::new(&text_of);
    let sleeper = place.sweep_command(&["--no-wait"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while place.events() < 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&sleeper, "-STOP");
    let claim = place.runs().remove(0).file("claim");
    if let Ok(file) = std::fs::OpenOptions::new().write(true).open(&claim) {
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(500)).unwrap();
    }
    ends_with(&place.sweep(&[]), 0);
    let done = place.outcome();
    assert_eq!(done, whole.outcome());
    signal(&sleeper, "-CONT");
    let woken = sleeper.wait_with_output().unwrap();
    assert_eq!(woken.status.code(), Some(0), "{}", text(&woken));
    assert_eq!(place.outcome(), done);
    let log = events::read(&place.runs().remove(0).file("events.jsonl")).unwrap();
    assert_eq!(log.iter().filter(|e| matches!(e.kind, Kind::Finished { .. })).count(), 1);
}
