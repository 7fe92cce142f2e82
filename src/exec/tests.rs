//! The harness around a small deterministic science: a chain of numbers that depends on every step.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::array::{Array, Arrays};
use crate::config::{Cell, Experiment};
use crate::energy::{Counts, Purpose};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::plan::Action;
use crate::record::{self, Kind, RunDir, Status, atomic, checkpoint, events, manifest};
use crate::samplers::{Progress, Samples};
use crate::spec::{EvalSpec, MdSpec, RunSpec, SamplerSpec, SystemSpec};
use crate::store;

/// Runs chains; a kill is a copy of the results folder, made when a chain reaches a step.
#[derive(Default)]
struct Chains {
    judged: AtomicU64,
    kill: Option<Kill>,
}

#[derive(Clone)]
struct Kill {
    step: f64,
    from: PathBuf,
    to: PathBuf,
}

/// `x -> 3.9 x (1 - x)`: chaotic, so any difference in any step shows.
struct Chain {
    system: String,
    length: f64,
    step: f64,
    x: f64,
    counts: Counts,
    budget: Option<u64>,
    kill: Option<Kill>,
}

impl Science for Chains {
    fn size(&self, _: &SystemSpec) -> Result<(usize, bool)> {
        Ok((13, false))
    }

    fn start(&self, cell: &Cell, _: &Path) -> Result<Box<dyn Work>> {
        let SamplerSpec::Md(spec) = &cell.run.sampler else { return Err(Error::Internal("not md".into())) };
        Ok(Box::new(Chain {
            system: cell.run.system.name.clone(),
            length: spec.samples as f64,
            step: 0.0,
            x: 1.0 / (cell.seed as f64 + 3.0),
            counts: Counts::default(),
            budget: spec.budget,
            kill: self.kill.clone(),
        }))
    }

    fn reference(&self, _: &Path, cell: &Cell, _: &mut Show<'_>, _: &dyn Fn() -> bool) -> Result<()> {
        if cell.run.system.name == "no-reference" { Err(Error::Numerical("diverged".into())) } else { Ok(()) }
    }

    fn judge(&self, _: &Path, cell: &Cell, _: &Path, samples: Arrays) -> Result<Judgement> {
        self.judged.fetch_add(1, Ordering::SeqCst);
        if cell.run.system.name == "bad-metric" {
            return Err(Error::Usage("unknown metric".into()));
        }
        let x = samples["positions"].to_f64()[0];
        let metric = serde_json::json!({"id": "x", "version": 1, "unit": "1", "direction": "lower", "value": x,
            "lo": x - 0.1, "hi": x + 0.1, "floor": null, "n_samples": cell.eval.n});
        Ok(Judgement { metrics: vec![metric], reweighted: vec![], curve: vec![] })
    }
}

impl Work for Chain {
    fn step(&mut self) -> Result<Progress> {
        if let Some(kill) = self.kill.take_if(|k| k.step == self.step) {
            copy(&kill.from, &kill.to);
        }
        let counts = self.counts.charged();
        match (self.system.as_str(), self.budget) {
            ("panics", _) if self.step == 2.0 => panic!("the chain broke"),
            ("fails", _) if self.step == 2.0 => return Err(Error::Numerical("the chain diverged".into())),
            (_, Some(budget)) if counts + 5 > budget => return Err(Error::BudgetSpent { budget }),
            _ => {}
        }
        self.step += 1.0;
        self.x = 3.9 * self.x * (1.0 - self.x);
        *self.counts.0.entry(Purpose::Sampling).or_default() += 5;
        let scalars = vec![("x".into(), self.x), ("bad".into(), f64::NAN)];
        let finished = self.step >= self.length;
        Ok(Progress::new(self.step as usize, self.length as usize, "chain".into(), scalars, finished))
    }

    fn counts(&self) -> Counts {
        self.counts.clone()
    }

    fn state(&self) -> Result<Option<Arrays>> {
        Ok(Some([("chain".to_owned(), Array::f64(&[2], vec![self.step, self.x]))].into()))
    }

    fn restore(&mut self, state: &Arrays, counts: Counts) -> Result<()> {
        let chain = state["chain"].to_f64();
        (self.step, self.x, self.counts) = (chain[0], chain[1], counts);
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        let made = self.step as usize - usize::from(self.system == "short");
        let x = if self.system == "not-finite" { f64::NAN } else { self.x };
        Ok([("positions".to_owned(), Array::f64(&[made, 1, 1], vec![x; made]))].into())
    }

    fn weights(&self) -> Option<Arrays> {
        Some([("w".to_owned(), Array::f32(&[1], vec![self.x as f32]))].into())
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else if target.file_name().is_some_and(|n| n != "claim") {
            std::fs::copy(&path, &target).unwrap(); // the claim of a killed process is stale
        }
    }
}

fn cell(system: &str, length: usize, seed: u64) -> Cell {
    let sampler = SamplerSpec::Md(MdSpec { samples: length, ..MdSpec::default() });
    Cell {
        system: system.into(),
        sampler: "chain".into(),
        label: "Chain".into(),
        swept: vec![],
        seed,
        run: RunSpec { system: SystemSpec::named(system, 1.0), sampler },
        eval: EvalSpec::default(),
    }
}

fn experiment(cells: Vec<Cell>) -> Experiment {
    Experiment {
        report: "tiny".into(),
        path: "test.toml".into(),
        name: "test".into(),
        title: "Test".into(),
        profile: None,
        profiles: vec![],
        cells,
        draws: vec![],
    }
}

fn options() -> Options {
    Options { quiet: true, ..Options::default() }
}

fn run(results: &Path, cells: Vec<Cell>, options: &Options) -> Summary {
    sweep_with(&Chains::default(), &experiment(cells), results, options, &|| false).unwrap()
}

/// A chain of so many steps, run to its end; a copy of it that was killed at `step`, and its run.
fn killed(step: f64, length: usize, options: &Options) -> (TempDir, TempDir, RunDir) {
    let (live, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kill = Kill { step, from: live.path().into(), to: killed.path().into() };
    let science = Chains { kill: Some(kill), ..Chains::default() };
    sweep_with(&science, &experiment(vec![cell("lj13", length, 0)]), live.path(), options, &|| false).unwrap();
    let left = record::all_runs(killed.path()).unwrap().remove(0);
    (live, killed, left)
}

fn manifest_of(results: &Path) -> String {
    let runs = record::all_runs(results).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].status(), Status::Complete);
    manifest::verify(&runs[0].path).unwrap();
    same(&runs[0])
}

/// The manifest of a run without what is its own: log and provenance.
fn same(run: &RunDir) -> String {
    let lines = manifest::read(&run.path).unwrap().into_iter();
    let same = lines.filter(|(_, name)| !manifest::HISTORY.contains(&name.as_str()));
    same.map(|(digest, name)| format!("{digest}  {name}\n")).collect()
}

#[test]
fn a_second_sweep_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cells = || (0..3).map(|seed| cell("lj13", 4, seed)).collect::<Vec<_>>();
    let first = run(dir.path(), cells(), &options());
    assert_eq!((first.count(|o| *o == Outcome::Ran), first.exit_code()), (3, ExitCode::Ok));
    let before = store::dump(&store::open(dir.path()).unwrap()).unwrap();
    let second = run(dir.path(), cells(), &options());
    assert_eq!(second.count(|o| *o == Outcome::Done), 3);
    assert_eq!(store::dump(&store::open(dir.path()).unwrap()).unwrap(), before);

    let row = store::find(&store::open(dir.path()).unwrap(), &first.cells[1].id).unwrap();
    assert_eq!((row.status.as_str(), row.seed, row.evaluations), ("complete", 1, 20));
}

#[test]
fn other_evaluation_settings_evaluate_again() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), vec![cell("lj13", 4, 0)], &options());
    let manifest = manifest_of(dir.path());
    let mut changed = cell("lj13", 4, 0);
    changed.eval.n = 77;
    let summary = run(dir.path(), vec![changed.clone()], &options());
    assert_eq!(summary.cells[0].outcome, Some(Outcome::Evaluated));
    let sealed = manifest_of(dir.path());
    assert!(sealed.starts_with(&manifest) && sealed.lines().count() == manifest.lines().count() + 1, "both stay");
    let rows = store::dump(&store::open(dir.path()).unwrap()).unwrap();
    assert!(rows.iter().any(|r| r.starts_with("metrics") && r.contains("Integer(77)")), "{rows:?}");
    for again in [changed, cell("lj13", 4, 0)] {
        assert_eq!(run(dir.path(), vec![again], &options()).cells[0].outcome, Some(Outcome::Done));
    }
}

/// A kill at any step, with a checkpoint after every step or with none, ends in the same bytes.
#[test]
fn killed_and_resumed_equals_uninterrupted() {
    let whole = tempfile::tempdir().unwrap();
    run(whole.path(), vec![cell("lj13", 6, 0)], &options());
    let expected = manifest_of(whole.path());
    assert_eq!(expected.lines().count(), 5);
    for checkpoint_every in [Duration::ZERO, Duration::MAX] {
        for step in 0..6_u8 {
            let options = Options { checkpoint_every, ..options() };
            let (_, killed, left) = killed(step.into(), 6, &options);
            assert_eq!(left.status(), Status::Interrupted);
            let from = checkpoint::load(&left.checkpoints()).unwrap().map_or(0, |c| c.step);
            assert_eq!(from, if checkpoint_every == Duration::ZERO { step.into() } else { 0 });
            let summary = run(killed.path(), vec![cell("lj13", 6, 0)], &options);
            assert_eq!((summary.cells[0].action, &summary.cells[0].outcome), (Action::Resume, &Some(Outcome::Ran)));
            assert_eq!(manifest_of(killed.path()), expected, "killed at step {step}");
        }
    }
}

#[test]
fn interrupted_leaves_a_checkpoint() {
    let (whole, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(whole.path(), vec![cell("lj13", 9, 1)], &options());
    let asked = AtomicU64::new(0);
    let interrupted = || asked.fetch_add(1, Ordering::SeqCst) > 5;
    let one = experiment(vec![cell("lj13", 9, 1)]);
    let summary = sweep_with(&Chains::default(), &one, dir.path(), &options(), &interrupted).unwrap();
    assert_eq!(summary.exit_code(), ExitCode::Interrupted);
    assert_eq!(summary.cells[0].outcome, Some(Outcome::Interrupted));
    let left = record::all_runs(dir.path()).unwrap().remove(0);
    assert!(checkpoint::load(&left.checkpoints()).unwrap().unwrap().step >= 3);
    run(dir.path(), vec![cell("lj13", 9, 1)], &options());
    assert_eq!(manifest_of(dir.path()), manifest_of(whole.path()));
    // Scalars recorded twice are one row; the rows are those of the run that was never interrupted.
    let scalars = |path: &Path| -> Vec<String> {
        let rows = store::dump(&store::open(path).unwrap()).unwrap();
        rows.into_iter().filter(|r| r.starts_with("scalars") || r.starts_with("metrics")).collect()
    };
    assert_eq!(scalars(dir.path()).len(), 19);
    assert_eq!(scalars(dir.path()), scalars(whole.path()));
}

#[test]
fn failures_are_recorded_and_stop_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let cells = || ["panics", "fails", "bad-metric", "lj13"].map(|s| cell(s, 4, 0)).to_vec();
    let summary = run(dir.path(), cells(), &options());
    assert_eq!(summary.exit_code(), ExitCode::RunsFailed);
    let message = |i: usize| match &summary.cells[i].outcome {
        Some(Outcome::Failed { message }) => message.clone(),
        other => panic!("{other:?}"),
    };
    assert!(message(0).contains("the chain broke"));
    assert!(message(1).contains("the chain diverged"));
    assert!(message(2).contains("unknown metric"));
    assert_eq!(summary.cells[3].outcome, Some(Outcome::Ran));
    let row = store::find(&store::open(dir.path()).unwrap(), &summary.cells[1].id).unwrap();
    assert_eq!((row.status.as_str(), row.reason.as_deref()), ("failed", Some("the chain diverged")));

    let stopped = tempfile::tempdir().unwrap();
    let summary = run(stopped.path(), cells(), &Options { fail_fast: true, jobs: Some(1), ..options() });
    assert_eq!(summary.cells.iter().filter(|c| c.outcome.is_none()).count(), 3);
    assert_eq!(summary.exit_code(), ExitCode::RunsFailed);
}

#[test]
fn a_spent_budget_is_a_clean_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut limited = cell("lj13", 1_000, 0);
    let SamplerSpec::Md(spec) = &mut limited.run.sampler else { panic!() };
    spec.budget = Some(33);
    let summary = run(dir.path(), vec![limited.clone()], &options());
    let message = "6 of 1000 samples: the energy budget of 33 evaluations ended it";
    assert_eq!(summary.cells[0].outcome, Some(Outcome::Partial { message: message.into() }));
    assert_eq!(summary.exit_code(), ExitCode::Ok);
    let left = record::all_runs(dir.path()).unwrap().remove(0);
    assert_eq!(left.status(), Status::Partial);
    manifest::verify(&left.path).unwrap();
    assert!(manifest::read(&left.path).unwrap().iter().any(|(_, name)| name == "partial.json"));
    let row = store::find(&store::open(dir.path()).unwrap(), &summary.cells[0].id).unwrap();
    assert_eq!((row.status.as_str(), row.reason.as_deref()), ("partial", Some(message)));
    let again = run(dir.path(), vec![limited], &options());
    assert_eq!(again.cells[0].outcome, Some(Outcome::Done), "it would end there again");
    assert!(again.cells[0].reason.contains(message), "{}", again.cells[0].reason);
    let events = events::read(&left.file("events.jsonl")).unwrap();
    assert!(events.iter().any(|e| matches!(e.kind, Kind::BudgetSpent { step: 6, budget: 33 })));
    let counts: Counts = atomic::read_json(&left.file("counts.json")).unwrap();
    assert_eq!(counts.charged(), 30);
}

/// No samples, fewer than asked for, and such as are not finite: failed, with the reason; nothing is committed.
#[test]
fn complete_means_complete() {
    let dir = tempfile::tempdir().unwrap();
    let mut nothing = cell("lj13", 1_000, 0);
    let SamplerSpec::Md(spec) = &mut nothing.run.sampler else { panic!() };
    spec.budget = Some(1);
    let cells = vec![nothing, cell("short", 4, 0), cell("not-finite", 4, 0)];
    let summary = run(dir.path(), cells, &options());
    assert_eq!(summary.exit_code(), ExitCode::RunsFailed);
    let expected = [
        "none of 1000 samples was made: the energy budget of 1 evaluations ended it",
        "3 of 4 samples were made, and no budget ended it",
        "`positions` of sample 0 holds NaN",
    ];
    for (cell, message) in summary.cells.iter().zip(expected) {
        let Some(Outcome::Failed { message: found }) = &cell.outcome else { panic!("{cell:?}") };
        assert!(found.contains(message), "{found}");
    }
    for run in record::all_runs(dir.path()).unwrap() {
        assert_eq!(run.status(), Status::Failed);
        assert!(!run.file("samples.npz").exists() && !run.file(manifest::NAME).exists());
    }
}

#[test]
fn corrupt_checkpoints_end_in_their_own_exit_code_and_lose_nothing() {
    let (live, dir, left) = killed(3.0, 6, &Options { checkpoint_every: Duration::ZERO, ..options() });
    let flip = |slot: &str| {
        let path = left.checkpoints().join(format!("{slot}.safetensors"));
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    flip("a");
    flip("b");
    let files = |path: &Path| std::fs::read(path.join("spec.json")).unwrap();
    let before = files(&left.path);
    let summary = run(dir.path(), vec![cell("lj13", 6, 0), cell("lj13", 6, 1)], &options());
    assert_eq!(summary.exit_code(), ExitCode::DigestMismatch);
    assert!(matches!(summary.cells[0].outcome, Some(Outcome::Broken { .. })));
    assert_eq!(summary.cells[1].outcome, Some(Outcome::Ran), "the other cell still runs");
    assert_eq!((left.status(), files(&left.path)), (Status::Interrupted, before));
    flip("b"); // whole again: the newest that is left is used
    let summary = run(dir.path(), vec![cell("lj13", 6, 0)], &options());
    assert_eq!(summary.cells[0].outcome, Some(Outcome::Ran));
    let whole = RunDir::open(&live.path().join(left.path.strip_prefix(dir.path()).unwrap())).unwrap();
    assert_eq!(same(&left), same(&whole));
}

/// A corrupt newest slot: the run goes on from the other one, says so in its log, and ends in the same bytes.
#[test]
fn a_corrupt_slot_falls_back_and_says_so() {
    let (live, dir, left) = killed(3.0, 6, &Options { checkpoint_every: Duration::ZERO, ..options() });
    std::fs::write(left.checkpoints().join("a.safetensors"), "torn").unwrap(); // step 3; slot b holds step 2
    let summary = run(dir.path(), vec![cell("lj13", 6, 0)], &options());
    assert_eq!(summary.cells[0].outcome, Some(Outcome::Ran));
    let log = events::read(&left.file("events.jsonl")).unwrap();
    let said = |text: &str| log.iter().any(|e| matches!(&e.kind, Kind::Warning { message } if message.contains(text)));
    assert!(said("slot a is corrupt") && said("going on from checkpoint slot b, step 2"), "{log:?}");
    assert!(log.iter().any(|e| matches!(e.kind, Kind::Started { step: 2 })));
    assert_eq!(manifest_of(dir.path()), manifest_of(live.path()));
}

/// The log of a killed run, torn at every byte of its last record: the run goes on and ends in the same bytes.
#[test]
fn a_torn_log_does_not_stop_a_resume() {
    let (live, dir, left) = killed(2.0, 3, &options());
    let log = left.file("events.jsonl");
    let bytes = std::fs::read(&log).unwrap();
    let last = bytes[..bytes.len() - 1].iter().rposition(|&b| b == b'\n').unwrap() + 1;
    for cut in last..=bytes.len() {
        let torn = tempfile::tempdir().unwrap();
        copy(dir.path(), torn.path());
        let log = record::all_runs(torn.path()).unwrap().remove(0).file("events.jsonl");
        std::fs::write(&log, &bytes[..cut]).unwrap();
        run(torn.path(), vec![cell("lj13", 3, 0)], &options());
        assert_eq!(manifest_of(torn.path()), manifest_of(live.path()), "cut at {cut}");
        let numbers: Vec<u64> = events::read(&log).unwrap().iter().map(|e| e.n).collect();
        assert!(numbers.iter().enumerate().all(|(i, &n)| i as u64 == n), "cut at {cut}: {numbers:?}");
    }
}

#[test]
fn rebuilt_database_has_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let mut cells: Vec<Cell> = (0..4).map(|seed| cell("lj13", 3, seed)).collect();
    cells.extend(["fails", "bad-metric"].map(|s| cell(s, 4, 0)));
    run(dir.path(), cells, &Options { jobs: Some(3), ..options() });
    let connection = store::open(dir.path()).unwrap();
    let before = store::dump(&connection).unwrap();
    assert!(before.len() > 30);
    let mut runs = record::all_runs(dir.path()).unwrap();
    runs.reverse();
    for run in runs.iter().chain(&runs) {
        store::ingest(&connection, run).unwrap();
    }
    assert_eq!(store::dump(&connection).unwrap(), before, "ingesting again, in another order");
    drop(connection);
    std::fs::remove_file(dir.path().join(store::NAME)).unwrap();
    let connection = store::open(dir.path()).unwrap();
    assert_eq!(store::dump(&connection).unwrap(), before, "a new database holds what the run folders say");
    assert_eq!(store::rebuild(&connection, dir.path()).unwrap(), 6);
    assert_eq!(store::dump(&connection).unwrap(), before, "rebuilt from nothing");
    let verified = store::verify(&connection, dir.path()).unwrap();
    assert_eq!((verified.missing_rows, verified.extra_rows, verified.damaged.len()), (0, 0, 0));
    connection.execute("UPDATE runs SET evaluations = 1 WHERE seed = 3", []).unwrap();
    let verified = store::verify(&connection, dir.path()).unwrap();
    assert_eq!((verified.missing_rows, verified.extra_rows), (1, 1), "a row changed by hand is seen");
}

#[test]
fn jobs_do_not_change_results_and_two_sweeps_share() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cells = || (0..6).map(|seed| cell("lj13", 5, seed)).collect::<Vec<_>>();
    run(one.path(), cells(), &options());
    let ran: usize = std::thread::scope(|s| {
        let sweep = || run(two.path(), cells(), &Options { jobs: Some(4), ..options() }).count(|o| *o == Outcome::Ran);
        let threads = [s.spawn(sweep), s.spawn(sweep)];
        threads.map(|t| t.join().unwrap()).into_iter().sum()
    });
    assert_eq!(ran, 6, "every cell ran exactly once");
    let manifests = |path: &Path| -> Vec<String> {
        let runs = record::all_runs(path).unwrap();
        runs.iter().map(same).collect()
    };
    assert_eq!(manifests(one.path()), manifests(two.path()));
}

#[test]
fn dry_run_writes_nothing_and_seeds_select() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    let cells = || (0..3).map(|seed| cell("lj13", 5, seed)).collect::<Vec<_>>();
    let summary = run(&results, cells(), &Options { dry_run: true, ..options() });
    assert_eq!(summary.cells.iter().filter(|c| c.action == Action::Run && c.outcome.is_none()).count(), 3);
    assert!(!results.exists());
    let some = run(&results, cells(), &Options { dry_run: true, seeds: Some(vec![2]), ..options() });
    assert_eq!(some.cells.iter().map(|c| c.seed).collect::<Vec<_>>(), [2]);
    let none = Options { seeds: Some(vec![9]), ..options() };
    let error = sweep_with(&Chains::default(), &experiment(cells()), &results, &none, &|| false).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::NothingSelected);
}

/// The target is 50 ms per cell; tests share the machine, so only a gross miss fails here.
#[test]
fn overhead_per_cell() {
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    run(dir.path(), (0..20).map(|seed| cell("lj13", 1, seed)).collect(), &options());
    let each = began.elapsed() / 20;
    println!("harness overhead: {each:?} per cell");
    assert!(each < Duration::from_millis(250), "{each:?} per cell");
}

/// What recording costs a run of ten minutes: a checkpoint every 30 seconds of the state of a full-size PITA on LJ-13 (16 MiB),
/// and ten events a second. The target is 1 %; the bound is loose because tests share the machine and its disk.
#[test]
fn overhead_of_recording() {
    let dir = tempfile::tempdir().unwrap();
    let state: Arrays = [("buffers".to_owned(), Array::f64(&[1 << 21], vec![0.1; 1 << 21]))].into();
    let (checkpoints, events) = (10, 2_000);
    let began = Instant::now();
    for step in 0..checkpoints {
        checkpoint::save(&dir.path().join("checkpoint"), step, &Counts::default(), &state).unwrap();
    }
    let checkpoint = began.elapsed().as_secs_f64() / checkpoints as f64;
    let mut log = record::EventLog::open(&dir.path().join("events.jsonl")).unwrap();
    let began = Instant::now();
    for step in 0..events {
        let values = ["loss.score", "loss.energy_score", "loss.energy_matching", "train.grad_norm"];
        let values = values.iter().map(|name| ((*name).to_owned(), Some(0.1))).collect();
        log.append(Kind::Scalars { step, phase: "rung 1/5 (T = 4): training".into(), values }).unwrap();
    }
    let event = began.elapsed().as_secs_f64() / events as f64;
    let share = (20.0 * checkpoint + 6_000.0 * event) / 600.0;
    println!("a checkpoint {checkpoint:.4} s, an event {event:.2e} s: {:.3} % of ten minutes", 100.0 * share);
    assert!(share < 0.05, "{share}");
}
