//! The examples of `--help`: every verb has one, every one is a command line of this program, and every one runs.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::{CommandFactory, Parser};
use pita_bench::array::{Array, write_frames, write_npz};
use pita_bench::cli::Cli;
use pita_bench::rng::{Purpose, Stream};
use pita_bench::systems::by_name;
use serde_json::Value;

use crate::common::place::TINY;

/// Every example with the verb that it belongs to.
fn examples() -> Vec<(String, String)> {
    let mut command = Cli::command();
    command.build();
    let shown = |v: &&clap::Command| !v.is_hide_set() && v.get_name() != "help";
    let mut examples = Vec::new();
    for verb in command
        .get_subcommands()
        .filter(shown)
        .flat_map(|v| std::iter::once(v).chain(v.get_subcommands().filter(shown)))
    {
        let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        let of_verb = help.lines().filter(|line| line.starts_with("  ") && line.contains("pita-bench "));
        let before = examples.len();
        examples.extend(of_verb.map(|line| (verb.get_name().to_owned(), line.to_owned())));
        assert!(examples.len() > before, "{} has no example", verb.get_name());
    }
    examples
}

#[test]
fn are_command_lines() {
    let examples = examples();
    for (_, line) in &examples {
        if let Err(e) = Cli::try_parse_from(words_of(line)) {
            panic!("`{line}`: {e}");
        }
    }
    assert!(examples.len() > 50, "{}", examples.len());
}

/// What takes minutes, or something that is not here: a cluster, a GPU, runs by two versions of the code.
const ELSEWHERE: [&str; 9] = [
    "slurm",
    "--status",
    "--collect",
    "run --plan",
    "cuda",
    "reference aldp",
    "reference al3",
    "reference --xml",
    "report experiments/table1.toml --compare",
];

/// A small PITA, where the texts below say so.
const PITA: &str = "initial = { samples = 400, walkers = 40, equilibration = 100, stride = 10 }
net = { width = 32, blocks = 1 }
train = { first_steps = 4, steps = 2, batch = 32 }
anneal = { steps = 4 }
particles = 300
samples = 50";

/// Small experiments under the names that the examples have.
const TABLE: &str = r#"
name = "table1"
seeds = [0, 1]
[systems.lj13]
temperature = 2.0
samplers.md = { step = 0.005, walkers = 4, equilibration = 50, stride = 5, samples = 40 }
reference = { ladder = [4.0], copies = 4, equilibration = 100, stride = 5, samples = 100 }
[systems.aldp]
temperature = 300.0
samplers.md = { step = 0.001, walkers = 4, equilibration = 50, stride = 5, samples = 40 }
[metrics]
ids = ["energy-w1", "mean-energy"]
n = 40
bootstrap = 10
[samplers.md]
kind = "md"
label = "MD"
[samplers.mala]
kind = "md"
integrator = "mala"
systems = ["lj13"]
walkers = 4
equilibration = 50
stride = 5
samples = 40
[samplers.pita]
kind = "pita-ic"
systems = ["aldp"]
ladder = [600.0]
PITA
[profiles.standard.metrics]
n = 30
"#;
const REFERENCES: &str = r#"
name = "references"
seeds = [0]
[systems.lj13-2]
system = "lj13"
temperature = 2.0
reference = { seed = 1000, ladder = [4.0], copies = 4, equilibration = 100, stride = 5, samples = 100 }
[samplers.md]
kind = "md"
samples = 40
"#;

const SOLVERS: &str = r#"
name = "solvers"
seeds = [0]
[systems.aldp]
temperature = 300.0
[samplers.pita-ic]
kind = "pita-ic"
ladder = [600.0]
PITA
[metrics]
ids = ["energy-w1", "t-w2", "ess"]
n = 40
bootstrap = 0
[draws.ancestral]
label = "ancestral"
"#;

/// All but the few that need something else, one after the other in one folder, with its own run ids for those of the texts.
#[test]
fn run() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::create_dir(at("experiments")).unwrap();
    let nightly = TINY.replace("\"tiny\"", "\"nightly\"");
    let files = [("table1", TABLE), ("nightly", &nightly), ("references", REFERENCES), ("solvers", SOLVERS)];
    for (name, text) in files {
        std::fs::write(at(&format!("experiments/{name}.toml")), text.replace("PITA", PITA)).unwrap();
    }
    for (name, file) in [("mine.xml", "aldp.xml"), ("mine.pdb", "aldp.pdb")] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/systems/molecules").join(file);
        std::fs::copy(source, at(name)).unwrap();
    }
    let pita = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        finished(dir.path(), &words, None).unwrap();
    };
    pita(&["sweep", "experiments/table1.toml"]);
    // Nothing is accepted yet, so there is nothing to compare with.
    let first = command(dir.path()).args(["check", "experiments/nightly.toml"]).output().unwrap();
    assert_eq!(first.status.code(), Some(7));
    pita(&["accept", "experiments/nightly.toml", "--reason", "the first"]);
    pita(&["export", "--experiment", "experiments/table1.toml"]);
    for tag in ["accepted", "tonight", "nightly"] {
        pita(&["tag", "system=lj13,sampler=md", tag]);
    }
    let runs: Value =
        serde_json::from_str(&finished(dir.path(), &words_of("pita-bench ls --json")[1..], None).unwrap()).unwrap();
    let of = |sampler: &str, seed: u64| -> &Value {
        let runs = runs.as_array().unwrap().iter();
        runs.clone().find(|r| r["experiment"] == "table1" && r["sampler"] == sampler && r["seed"] == seed).unwrap()
    };
    let id = |sampler: &str, seed: u64| of(sampler, seed)["run"].as_str().unwrap().to_owned();
    let code = of("md", 0)["code"].as_str().unwrap();
    std::fs::create_dir_all(at("scratch/results")).unwrap();
    let (mut ran, mut failed) = (0, Vec::new());
    for (verb, line) in examples() {
        if ELSEWHERE.iter().any(|what| line.contains(what)) {
            continue;
        }
        let first = id(if ["draw", "tune-steps"].contains(&verb.as_str()) { "pita" } else { "md" }, 0);
        let names = [
            ("results/runs/3f2a91bc77ab1200/s0/a1", format!("results/{}", of("md", 0)["folder"].as_str().unwrap())),
            ("3f2a91bc-s0-a1", first.clone()),
            ("3f2a", first),
            ("91bc", id("md", 1)),
            ("9e1c0d", code.to_owned()),
            ("77ab12", code.to_owned()),
            ("/scratch", "scratch".to_owned()),
        ];
        let line = names.iter().fold(line, |line, (name, here)| line.replace(name, here));
        let words = words_of(&line);
        let of_system = words.iter().position(|w| w == "--system").map_or("aldp", |i| &words[i + 1]);
        lay_out(dir.path(), of_system);
        let piped = line.contains("cat frames.npz |").then(|| std::fs::read(at("frames.npz")).unwrap());
        failed.extend(finished(dir.path(), &words[1..], piped).err());
        ran += 1;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(ran > 60, "{ran}");
}

/// Writes the files of samples that examples name, with frames of a system.
fn lay_out(dir: &Path, system: &str) {
    let built = by_name(system, 300.0).unwrap();
    let n = 200;
    let stream = Stream::new(1, Purpose::Init, 0);
    let positions: Vec<f64> = (0..n as u32)
        .flat_map(|i| {
            let mut draws = stream.at(i);
            built.start.iter().map(move |x| x + 0.002 * draws.normal()).collect::<Vec<_>>()
        })
        .collect();
    let array = Array::f64(&[n, built.atoms, 3], positions.clone());
    for name in ["mine.npz", "frames.npz", "samples.npz", "long-md.npz"] {
        write_npz(dir.join(name), &[("positions".to_owned(), array.clone())].into()).unwrap();
    }
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({n}, {}, 3), }}", built.atoms);
    let mut npy =
        [b"\x93NUMPY\x01\x00".as_slice(), &118_u16.to_le_bytes(), format!("{header:<117}\n").as_bytes()].concat();
    npy.extend(positions.iter().flat_map(|x| x.to_le_bytes()));
    std::fs::write(dir.join("frames.npy"), npy).unwrap();
    for name in ["mine.xtc", "trajectory.xtc", "samples.xtc", "long-md.xtc"] {
        write_frames(dir.join(name), &positions, built.atoms).unwrap();
    }
    for name in ["phi_psi.npz", "tica.npz", "reference.npz"] {
        let points = Array::f64(&[n, 2], positions[..2 * n].to_vec());
        write_npz(dir.join(name), &[("points".to_owned(), points)].into()).unwrap();
    }
}

/// The program in a folder.
fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pita-bench"));
    command.current_dir(dir).env_remove("PITA_BENCH_RESULTS");
    command
}

/// Runs the program to its end, which must be a good one, and gives what it printed.
fn finished(dir: &Path, words: &[String], piped: Option<Vec<u8>>) -> Result<String, String> {
    let mut command = command(dir);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&piped.unwrap_or_default()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("pita-bench {}: {:?}\n{said}", words.join(" "), output.status.code()))
}

/// A line as a shell would split it, from the program's name up to a pipe, a redirection, or the remark after two spaces or more.
fn words_of(line: &str) -> Vec<String> {
    let line = &line[line.find("pita-bench ").unwrap()..];
    let ends = ["  ", " | ", " > ", " (", ")"];
    let end = ends.iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line[..end].chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}
