//! What a newcomer finds by asking: a first experiment, what there is, manual pages, completions.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common::place::{Place, ends_with, text};
use crate::common::synthetic::Made;

/// The program in a folder, with nothing of ours in the environment.
fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pita-bench"));
    command.current_dir(folder).args(args).env_remove("PITA_BENCH_RESULTS");
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    program(folder, args).output().unwrap()
}

fn json(output: &Output) -> Value {
    ends_with(output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `init` writes an experiment that can be swept, says how, and overwrites nothing; `sweep` without a file offers it.
#[test]
fn a_first_experiment() {
    let dir = tempfile::tempdir().unwrap();
    let none = run(dir.path(), &["sweep"]);
    ends_with(&none, 2);
    assert!(text(&none).contains("`pita-bench init` writes one"), "{none:?}");
    let wrote = run(dir.path(), &["init"]);
    ends_with(&wrote, 0);
    let next = "pita-bench sweep experiments/first.toml --dry-run";
    assert!(text(&wrote).contains(next), "{wrote:?}");
    let file = dir.path().join("experiments/first.toml");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + "# mine\n").unwrap();
    let again = run(dir.path(), &["init"]);
    ends_with(&again, 8);
    assert!(text(&again).contains("is there already") && std::fs::read_to_string(&file).unwrap().ends_with("# mine\n"));
    let elsewhere = json(&run(dir.path(), &["init", "a b/c", "--json"]));
    assert!(elsewhere["next"][0].as_str().unwrap().contains("'a b/c/experiments/first.toml'"), "{elsewhere}");
    assert!(dir.path().join("a b/c/experiments/first.toml").is_file());

    for verb in ["sweep", "report"] {
        let offered = run(dir.path(), &[verb]);
        ends_with(&offered, 2);
        let line = format!("pita-bench {verb} experiments/first.toml    # A first experiment: LJ-13");
        assert!(text(&offered).contains(&line), "{offered:?}");
    }
    let plan = json(&run(dir.path(), &["sweep", "experiments/first.toml", "--dry-run", "--json"]));
    assert_eq!(plan["cells"].as_array().unwrap().len(), 9);
    // A small part of it, all the way.
    let small = ["-s", "systems.lj13.reference.equilibration=50", "-s", "systems.lj13.reference.samples=100"];
    let small = [&small[..], &["-s", "samplers.md.samples=100", "--samplers", "md", "--seeds", "0", "-q"]].concat();
    ends_with(&run(dir.path(), &[&["sweep", "experiments/first.toml"], &small[..]].concat()), 0);
    let missing = run(dir.path(), &["sweep", "experiments/frist.toml"]);
    ends_with(&missing, 2);
    assert!(text(&missing).contains("did you mean experiments/first.toml?"), "{missing:?}");
}

#[test]
fn everything_is_listed_and_described() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["init"]);
    let file = dir.path().join("experiments/first.toml");
    let with_profile = std::fs::read_to_string(&file).unwrap() + "\n[profiles.long]\nseeds = [0, 1, 2, 3]\n";
    std::fs::write(&file, with_profile).unwrap();
    for (kind, expected) in [
        ("systems", "al3"),
        ("samplers", "Samples that somebody made elsewhere"),
        ("metrics", "geo-w1-ref"),
        ("profiles", "12 cells, 4 seeds"),
        ("baselines", "published numbers only"),
    ] {
        let shown = run(dir.path(), &["list", kind]);
        ends_with(&shown, 0);
        assert!(text(&shown).contains(expected), "{kind}: {}", text(&shown));
        let entries = json(&run(dir.path(), &["list", kind, "--json"]));
        assert_eq!(
            entries.as_array().unwrap().len() + 1,
            String::from_utf8_lossy(&shown.stdout).lines().count(),
            "{kind}"
        );
    }
    for (kind, name, expected) in [
        ("system", "aldp", "energy terms"),
        ("metric", "energy-w1", "kT"),
        ("profile", "long", "experiments/first.toml"),
        ("profile", "quick", "costs.aldp.evaluations"),
        ("baseline", "pita", "2.26"),
        ("sampler", "pita", "train.learning_rate"),
        ("section", "reference", "trajectory.lag"),
    ] {
        let shown = run(dir.path(), &["describe", kind, name]);
        ends_with(&shown, 0);
        assert!(text(&shown).contains(expected), "{kind} {name}: {}", text(&shown));
        json(&run(dir.path(), &["describe", kind, name, "--json"]));
    }
    for (line, expected) in [
        (&["describe", "system", "aldpp"][..], "did you mean `aldp`?"),
        (&["describe", "metric", "enrgy-w1"], "did you mean `energy-w1`?"),
        (&["describe", "profile", "lon"], "did you mean `long`?"),
        (&["describe", "baseline", "pta"], "did you mean `pita`?"),
        (&["describe", "sampler", "smcc"], "did you mean `smc`?"),
        (&["man", "swep"], "did you mean `sweep`?"),
        (&["sweep", "experiments/first.toml", "--dry-run", "--samplers", "mdd"], "did you mean `md`?"),
        (&["export", "metrcs"], "did you mean `metrics`?"),
        (&["eval", "--system", "lj13", "--temperature", "1", "--samples", "experiments/frist.toml"], "first.toml?"),
        (&["swep"], "sweep"),
    ] {
        let output = run(dir.path(), line);
        assert!(matches!(output.status.code(), Some(2 | 4 | 9)), "{line:?}: {output:?}");
        assert!(text(&output).contains(expected), "{line:?}: {}", text(&output));
    }
}

/// A folder of results from the environment; the option is stronger.
#[test]
fn results_by_environment() {
    let place = Place::new("");
    Made::default().write(&place.results());
    let ls =
        |args: &[&str]| program(place.dir.path(), args).env("PITA_BENCH_RESULTS", place.results()).output().unwrap();
    assert_eq!(json(&ls(&["ls", "--json"])).as_array().unwrap().len(), 1);
    ends_with(&ls(&["ls", "--results", "elsewhere"]), 4);
}

#[test]
fn manual_pages() {
    let dir = tempfile::tempdir().unwrap();
    for (words, title) in [
        (&["man"][..], "pita-bench"),
        (&["man", "sweep"], "pita-bench-sweep"),
        (&["man", "db", "rebuild"], "pita-bench-db-rebuild"),
    ] {
        let page = run(dir.path(), words);
        ends_with(&page, 0);
        assert!(text(&page).contains(&format!(".TH {title} 1")), "{words:?}: {}", text(&page));
    }
    let out = run(dir.path(), &["man", "--out", "pages"]);
    ends_with(&out, 0);
    for name in ["pita-bench", "pita-bench-sweep", "pita-bench-init", "pita-bench-db-rebuild"] {
        assert!(dir.path().join(format!("pages/{name}.1")).is_file(), "{name}");
    }
    assert!(!dir.path().join("pages/pita-bench-supervise.1").exists(), "hidden verbs have no page");
}

/// What a shell offers: runs, systems, samplers, metrics, profiles; and the registration that makes it ask.
#[test]
fn completions() {
    let place = Place::new("");
    let run_dir = Made::default().write(&place.results());
    let id = run_dir.id.to_string();
    run(place.dir.path(), &["init"]);
    // As fish asks: the last word is the one to be completed.
    let offered = |words: &[&str]| {
        let mut command = program(place.dir.path(), &["--", "pita-bench"]);
        let output = command.args(words).env("PITA_BENCH_COMPLETE", "fish").output().unwrap();
        ends_with(&output, 0);
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(json(&run(place.dir.path(), &["ls", "--json"])).as_array().unwrap().len(), 1);
    for (words, expected) in [
        (&["show", ""][..], id.as_str()),
        (&["diff", &id[..3]], &id),
        (&["--results", "results", "explain", ""], &id),
        (&["eval", "--system", "l"], "lj55"),
        (&["eval", "--metrics", "ess,energy"], "ess,energy-w1"),
        (&["sweep", "exp"], "experiments/first.toml"),
        (&["sweep", "experiments/first.toml", "--samplers", "md,"], "md,mala"),
        (&["sweep", "experiments/first.toml", "--systems", ""], "lj13"),
        (&["list", "sa"], "samplers"),
        (&["swe"], "sweep"),
    ] {
        let shown = offered(words);
        assert!(shown.lines().any(|line| line.split('\t').next() == Some(expected)), "{words:?}: {shown}");
    }
    assert!(!offered(&["show", "zz"]).contains(&id));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(place.dir.path(), &["completions", shell]);
        ends_with(&script, 0);
        assert!(text(&script).contains("PITA_BENCH_COMPLETE"), "{shell}: {}", text(&script));
    }
}
