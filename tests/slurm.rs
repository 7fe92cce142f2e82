//! A sweep on a real Slurm: `scripts/slurm_one_node.sh` brings munged, slurmctld and slurmd up for this test alone.
//!
//! Skips, saying so, where Slurm is not installed; `PITA_BENCH_REQUIRE=slurm` makes that a failure.

#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pita_bench::record::{self, Kind, RunDir, Status, claim, events};
use pita_bench::store;
use serde_json::Value;

use common::place::{LJ13, json, program};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/slurm_one_node.sh");

/// Two long cells to be stopped and killed, four short ones beside them.
fn experiment() -> String {
    format!(
        "seeds = [0, 1]\n{LJ13}[samplers]\n\
         long = {{ kind = \"md\", walkers = 16, equilibration = 0, stride = 1_000, samples = 1_200 }}\n\
         short = {{ kind = \"md\", walkers = 4, equilibration = 10, stride = 5, samples = 50 }}\n\
         [sweep]\n\"samplers.short.step\" = [0.004, 0.005]\n"
    )
}

/// Slurm for the length of a test.
struct Cluster {
    dir: PathBuf,
}

impl Cluster {
    fn up() -> Option<Self> {
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
        let there = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
        if let Some(missing) = ["sbatch", "slurmctld", "slurmd", "munged"].iter().find(|p| !there(p)) {
            println!("skipped: `{missing}` is not there (apt-get install munge slurmctld slurmd slurm-client)");
            let required = std::env::var("PITA_BENCH_REQUIRE").is_ok_and(|r| r.contains("slurm"));
            assert!(!required, "PITA_BENCH_REQUIRE asks for Slurm");
            return None;
        }
        let dir = PathBuf::from(format!("/tmp/pita-slurm-{}", std::process::id()));
        let cluster = Self { dir };
        assert!(cluster.script("up"), "Slurm does not come up; see {}", cluster.dir.join("log").display());
        Some(cluster)
    }

    fn script(&self, what: &str) -> bool {
        self.script_with(what, &[])
    }

    fn script_with(&self, what: &str, more: &[&str]) -> bool {
        // Daemons keep the pipes of whoever starts them: give them none.
        let null = || std::process::Stdio::null();
        let mut command = Command::new("bash");
        command.args([SCRIPT, what]).arg(&self.dir).args(more).stdin(null()).stdout(null()).stderr(null());
        command.status().unwrap().success()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.dir.join("slurm.conf"));
        command
    }

    fn pita(&self, results: &Path, arguments: &[&str]) -> (i32, Value) {
        let mut command = self.command(env!("CARGO_BIN_EXE_pita-bench"));
        let output = command.arg("--results").arg(results).arg("--json").args(arguments).output().unwrap();
        (output.status.code().unwrap(), json(&output))
    }

    /// Whether Slurm has nothing more to do of this array. What a crash may leave (a drained node, a held task) is put right
    /// on the way, as an administrator would: a task that runs twice must do no harm.
    fn empty(&self, job: u64) -> bool {
        self.script_with("nudge", &[&job.to_string()]);
        let out = self.command("squeue").args(["-h", "-j", &job.to_string()]).output().unwrap();
        out.status.success() && out.stdout.is_empty()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.script("down");
        if std::thread::panicking() {
            println!("left for inspection: {}", self.dir.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// Waits, but not for ever.
#[track_caller]
fn until(what: &str, seconds: u64, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(seconds), "{what}: not within {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn runs(results: &Path, sampler: &str, seed: u64) -> Option<RunDir> {
    let request = |r: &RunDir| std::fs::read_to_string(r.file("spec.json")).unwrap_or_default();
    let is = |r: &RunDir| r.id.seed == seed && request(r).contains(&format!("\"sampler\": \"{sampler}\""));
    record::all_runs(results).unwrap().into_iter().rfind(is)
}

/// Whether a run has written a checkpoint and is being worked on.
fn under_way(run: &Option<RunDir>) -> bool {
    run.as_ref().is_some_and(|r| r.status() == Status::Claimed && checkpoints(r) > 0)
}

fn checkpoints(run: &RunDir) -> usize {
    let all = events::read(&run.file("events.jsonl")).unwrap_or_default();
    all.iter().filter(|e| matches!(e.kind, Kind::Checkpoint { .. })).count()
}

#[test]
fn an_array_stopped_killed_and_with_its_controller_gone() {
    let Some(cluster) = Cluster::up() else { return };
    let began = Instant::now();
    let note = |what: &str| println!("{:5.1} s  {what}", began.elapsed().as_secs_f64());
    let dir = tempfile::tempdir().unwrap();
    let (file, results) = (dir.path().join("x.toml"), dir.path().join("results"));
    std::fs::write(&file, experiment()).unwrap();
    let file = file.to_str().unwrap();
    let submit =
        ["sweep", file, "--launcher", "slurm", "--sbatch=--time=5", "--checkpoint-every", "1", "--restarts", "3"];

    let (code, submitted) = cluster.pita(&results, &submit);
    assert_eq!((code, &submitted["runs"], &submitted["references"]), (0, &6.into(), &1.into()), "{submitted}");
    let arrays = submitted["arrays"].as_array().unwrap();
    assert_eq!((arrays.len(), &arrays[0]["count"]), (1, &7.into()), "one array over the frozen plan");
    let job = arrays[0]["job"].as_u64().unwrap();
    // What is in the queue is not submitted again.
    let (code, again) = cluster.pita(&results, &submit);
    assert_eq!((code, &again["runs"]), (0, &0.into()), "{again}");
    assert_eq!(again["queued"].as_u64().unwrap() + again["left"].as_u64().unwrap(), 6, "{again}");
    note("submitted");

    // Entry 0 is the reference, 1 and 2 are the long cells.
    until("both long cells under way", 40, || (0..2).all(|seed| under_way(&runs(&results, "long", seed))));
    note("both long cells under way");
    let usr1 = cluster.command("scancel").args(["--batch", "--signal=USR1", &format!("{job}_1")]).status().unwrap();
    assert!(usr1.success());
    let killed = runs(&results, "long", 1).unwrap();
    let holder = claim::holder(&killed.file("claim")).unwrap();
    assert!(Command::new("kill").args(["-9", &holder.pid.to_string()]).status().unwrap().success());
    note("one asked to stop, one killed");
    let restarted = || {
        let out = cluster.command("scontrol").args(["-o", "show", "job", &format!("{job}_1")]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).contains("Restarts=1")
    };
    until("the stopped one is queued again", 30, restarted);
    note("the stopped one is queued again");
    assert!(cluster.script("crash"), "the controller comes back");
    note("controller killed and started again");
    until("the array is through", 60, || cluster.empty(job));
    note("array through");

    let stopped = runs(&results, "long", 0).unwrap();
    let log = events::read(&stopped.file("events.jsonl")).unwrap();
    let starts: Vec<u64> =
        log.iter().filter_map(|e| if let Kind::Started { step } = e.kind { Some(step) } else { None }).collect();
    assert!(log.iter().any(|e| matches!(e.kind, Kind::Interrupted { .. })), "it was asked to stop");
    assert!(starts.len() == 2 && starts[1] > 0, "queued again, it went on from its checkpoint: {starts:?}");
    let (code, status) = cluster.pita(&results, &["sweep", file, "--status"]);
    assert_eq!((code, &status["slurm"]), (0, &Value::Null));
    let states: Vec<&str> =
        status["entries"].as_array().unwrap().iter().map(|e| e["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|s| **s == "complete").count(), 6, "{states:?}");
    assert_eq!(states.iter().filter(|s| **s == "interrupted").count(), 1, "{states:?}");
    assert!(!results.join(store::NAME).exists(), "tasks share no database");
    let (code, collected) = cluster.pita(&results, &["sweep", file, "--collect"]);
    assert_eq!((code, &collected["complete"], &collected["ingested"]), (5, &5.into(), &6.into()), "{collected}");

    // Submitted again, only the killed one is run, from its checkpoint.
    let (code, submitted) = cluster.pita(&results, &submit);
    assert_eq!((code, &submitted["runs"], &submitted["references"]), (0, &1.into(), &0.into()), "{submitted}");
    let job = submitted["arrays"][0]["job"].as_u64().unwrap();
    until("the second array is through", 40, || cluster.empty(job));
    note("second array through");
    let (code, collected) = cluster.pita(&results, &["sweep", file, "--collect"]);
    assert_eq!((code, &collected["complete"], &collected["failed"]), (0, &6.into(), &0.into()), "{collected}");
    let (_, nothing) = cluster.pita(&results, &submit);
    assert_eq!((&nothing["runs"], &nothing["left"]), (&0.into(), &6.into()));
    let log = events::read(&killed.file("events.jsonl")).unwrap();
    let finished = log.iter().filter(|e| matches!(e.kind, Kind::Finished { .. })).count();
    assert_eq!((finished, record::all_runs(&results).unwrap().len()), (1, 6), "nothing twice, no second attempts");

    // The same bits as here, without Slurm, without a stop.
    let here = dir.path().join("here");
    assert_eq!(cluster.pita(&here, &["-q", "sweep", file, "--jobs", "2"]).0, 0);
    let manifests = |results: &Path| -> Vec<String> {
        let runs = record::all_runs(results).unwrap();
        runs.iter().map(|r| format!("{:?}", record::manifest::results(&r.path).unwrap())).collect()
    };
    assert_eq!(manifests(&results), manifests(&here));
    note("done");
    assert!(began.elapsed() < Duration::from_secs(110), "the target is 60 s on a quiet machine: {:?}", began.elapsed());
}

#[test]
fn a_plan_of_other_code_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let plan = serde_json::json!({"format": 1, "experiment": "x", "profile": null, "code_digest": "other",
        "checkpoint_every": 1, "rerun_stale": false, "entries": []});
    let path = dir.path().join("plan.json");
    std::fs::write(&path, plan.to_string()).unwrap();
    let run = |index: &str, path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pita-bench"));
        let output = command.args(["run", "--index", index, "--plan"]).arg(path).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run("0", &path);
    assert!(code == 8 && text.contains("frozen by other code"), "{text}");
    let ours = plan.to_string().replace("other", &pita_bench::identity::code().digest);
    std::fs::write(&path, ours).unwrap();
    let (code, text) = run("3", &path);
    assert!(code == 2 && text.contains("has 0 entries"), "{text}");
    std::fs::write(&path, plan.to_string().replace("\"format\":1", "\"format\":9")).unwrap();
    assert_eq!(run("0", &path).0, 9);
}

#[test]
fn without_slurm_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.toml");
    std::fs::write(&file, experiment()).unwrap();
    let asked = ["sweep", file.to_str().unwrap(), "--launcher", "slurm"];
    let mut command = program(&dir.path().join("results"), &asked);
    let output = command.env("PATH", dir.path()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && text.contains("needs Slurm's commands"), "{text}");
}
