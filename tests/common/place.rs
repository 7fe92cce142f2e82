//! A throw-away folder with an experiment and its results, and the program run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use pita_bench::record::{self, RunDir, manifest};
use serde_json::Value;

/// An experiment of three small runs.
pub const TINY: &str = r#"
name = "tiny"
seeds = [0, 1, 2]
[systems.lj13]
temperature = 2.0
reference = { ladder = [4.0], copies = 4, equilibration = 100, stride = 5, samples = 100 }
[metrics]
ids = ["energy-w1", "mean-energy"]
n = 50
bootstrap = 10
[samplers]
md = { kind = "md", walkers = 4, equilibration = 50, stride = 5, samples = 40 }
"#;

/// LJ-13 with a small reference, and one metric of little work.
pub const LJ13: &str = r#"
[systems.lj13]
temperature = 1.0
reference = { ladder = [2.0], copies = 2, equilibration = 50, stride = 5, samples = 50 }
[metrics]
ids = ["energy-w1"]
n = 50
bootstrap = 0
"#;

/// A results folder and an experiment file.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub experiment: PathBuf,
}

impl Place {
    pub fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let experiment = dir.path().join("tiny.toml");
        std::fs::write(&experiment, text).unwrap();
        Self { dir, experiment }
    }

    pub fn results(&self) -> PathBuf {
        self.dir.path().join("results")
    }

    /// The program, at work in this results folder.
    pub fn command(&self, args: &[&str]) -> Command {
        program(&self.results(), args)
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// A sweep of the experiment, quiet, with its summary as JSON.
    pub fn sweep_command(&self, more: &[&str]) -> Command {
        let file = self.experiment.to_str().unwrap().to_owned();
        let mut command = self.command(&["--quiet", "--json", "sweep", &file]);
        command.args(more);
        command
    }

    pub fn sweep(&self, more: &[&str]) -> Output {
        self.sweep_command(more).output().unwrap()
    }

    /// The same in the background.
    pub fn start(&self, more: &[&str]) -> Child {
        self.sweep_command(more).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub fn runs(&self) -> Vec<RunDir> {
        record::all_runs(&self.results()).unwrap()
    }

    /// Whole lines in all event logs.
    pub fn events(&self) -> usize {
        let count = |run: &RunDir| {
            let bytes = std::fs::read(run.file("events.jsonl")).unwrap_or_default();
            bytes.iter().filter(|&&b| b == b'\n').count()
        };
        self.runs().iter().map(count).sum()
    }

    /// What must not depend on what happened on the way: manifests, which list every evaluation, and samples of every
    /// complete run, by id.
    pub fn outcome(&self) -> Vec<(String, Vec<Vec<u8>>)> {
        let files = ["samples.npz", "weights.safetensors", "counts.json"];
        let read = |run: &RunDir| {
            let bytes = files.iter().map(|f| std::fs::read(run.file(f)).unwrap_or_default());
            std::iter::once(sealed(run).into_bytes()).chain(bytes).collect()
        };
        self.runs().iter().map(|run| (run.id.to_string(), read(run))).collect()
    }
}

/// The program, at work in a results folder.
pub fn program(results: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pita-bench"));
    command.arg("--results").arg(results).args(args);
    command
}

/// The same, run to its end.
pub fn pita(results: &Path, args: &[&str]) -> Output {
    program(results, args).output().unwrap()
}

/// The manifest of a run without what is its own: log and provenance.
pub fn sealed(run: &RunDir) -> String {
    let lines = manifest::read(&run.path).unwrap_or_default().into_iter();
    let same = lines.filter(|(_, name)| !manifest::HISTORY.contains(&name.as_str()));
    same.map(|(digest, name)| format!("{digest}  {name}\n")).collect()
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Everything that a process said.
pub fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Its exit code: it was not ended by a signal.
#[track_caller]
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {}", text(output)))
}

/// What it printed: it ended well.
#[track_caller]
pub fn printed(output: &Output) -> String {
    ends_with(output, 0);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one JSON value on stdout.
#[track_caller]
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(output)))
}

#[track_caller]
pub fn ends_with(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", text(output));
}
