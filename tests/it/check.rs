//! Nightly checks through the program: each verdict with its exit code.
//!
//! The program cannot be rebuilt inside a test, so code that was different when the bundle was accepted is made up the other
//! way round: the bundle is accepted from an experiment with another constant (a spring in a molecule's XML, or a
//! temperature), and then its digests are replaced by those of the experiment that is checked. That is exactly what a
//! bundle would hold that was accepted by code with that constant, for the same settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use crate::common::place::{Place, ends_with, json, text};
use pita_bench::check::{Bundle, Tier, Verdict};
use pita_bench::config::{self, Experiment};
use pita_bench::identity;
use serde_json::Value;

const LJ: &str = r#"
name = "tiny"
title = "Tiny"
seeds = [0, 1, 2, 3]
[systems.lj13]
temperature = 2.0
reference = { ladder = [4.0], copies = 8, equilibration = 400, stride = 10, samples = 400 }
[samplers]
md = { kind = "md", label = "MD", walkers = 8, equilibration = 500, stride = 40, samples = 200 }
[metrics]
ids = ["energy-w1", "mean-energy", "distance-w2"]
n = 200
bootstrap = 40
"#;

/// A molecule of one's own: the XML can be changed.
const MOLECULE: &str = r#"
name = "molecule"
seeds = [0, 1]
[systems.mine]
xml = "mine.xml"
pdb = "mine.pdb"
temperature = 300.0
reference = { ladder = [450.0], step = 0.001, copies = 2, equilibration = 200, exchange_every = 20, stride = 20, samples = 60, trajectory = { walkers = 3, frames = 12, stride = 10, lag = 2 } }
[samplers]
md = { kind = "md", step = 0.001, walkers = 4, equilibration = 100, stride = 10, samples = 60 }
[metrics]
ids = ["energy-w1", "mean-energy"]
n = 60
bootstrap = 40
"#;

fn check(place: &Place, more: &[&str]) -> Output {
    let file = place.experiment.to_str().unwrap().to_owned();
    place.run(&[&["--quiet", "--json", "check", &file], more].concat())
}

fn accept(place: &Place) {
    let file = place.experiment.to_str().unwrap().to_owned();
    ends_with(&place.run(&["accept", &file, "--reason", "a test"]), 0);
}

#[track_caller]
fn says(output: &Output, verdict: Verdict, tiers: &[Tier]) -> Value {
    ends_with(output, verdict.exit_code().code());
    let found = json(output);
    assert_eq!(found["report"]["verdict"], serde_json::json!(verdict), "{found:#}");
    assert_eq!(found["report"]["tiers"], serde_json::json!(tiers), "{found:#}");
    found
}

fn bundle_folder(place: &Place, name: &str) -> std::path::PathBuf {
    place.results().join("accepted").join(name)
}

/// Digests of an experiment: of every spec and every reference.
fn digests(experiment: &Experiment) -> Vec<String> {
    let mut all = Vec::new();
    for cell in &experiment.cells {
        for digest in
            [identity::spec_digest(&cell.run), identity::reference_digest(&cell.run.system, &cell.eval.reference)]
        {
            if !all.contains(&digest) {
                all.push(digest);
            }
        }
        all.push(identity::eval_digest(&cell.eval));
        all.dedup();
    }
    all
}

/// Gives the bundle of `from` the digests of `to`: as if it had been accepted for those settings by other code.
fn relabel(dir: &Path, from: &Experiment, to: &Experiment) {
    let pairs: BTreeMap<String, String> = digests(from).into_iter().zip(digests(to)).collect();
    let path = dir.join("accepted.json");
    let mut json = std::fs::read_to_string(&path).unwrap();
    for (old, new) in &pairs {
        json = json.replace(old, new);
        let folder = |digest: &str| dir.join("references").join(&digest[..16]);
        if folder(old).exists() && old != new {
            std::fs::rename(folder(old), folder(new)).unwrap();
        }
    }
    std::fs::write(path, json).unwrap();
}

/// Has the bundle say that other code made it.
fn by_other_code(dir: &Path) {
    let path = dir.join("accepted.json");
    let json = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, json.replace(&identity::code().sampling, &"0".repeat(64))).unwrap();
}

fn load(place: &Place, set: &[&str]) -> Experiment {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    config::load(&place.experiment, None, &set).unwrap()
}

/// From the first check to the second: not comparable, accepted, pass bit for bit; other seeds; a changed setting; a history.
#[test]
fn a_year_of_nights() {
    let place = Place::new(LJ);
    let first = says(&check(&place, &[]), Verdict::NotComparable, &[]);
    assert!(first["report"]["findings"][0]["message"].as_str().unwrap().contains("nothing was accepted"));
    let nothing = place.run(&["accept", place.experiment.to_str().unwrap(), "--reason", " "]);
    ends_with(&nothing, 2);
    accept(&place);
    let again = says(&check(&place, &[]), Verdict::Pass, &[Tier::R1, Tier::R2]);
    assert_eq!(again["report"]["same_bits"], serde_json::json!([4, 4]));

    // Other seeds: other bits, the same statistics, and the check says that it could apply no more than that.
    let seeds = LJ.replace("[0, 1, 2, 3]", "[4, 5, 6, 7]");
    std::fs::write(&place.experiment, seeds).unwrap();
    let other = says(&check(&place, &[]), Verdict::Pass, &[Tier::R0, Tier::R2]);
    assert!(other["report"]["applied"].as_str().unwrap().contains("0 of 4 cells have the accepted bytes"));

    // Other settings are another question, and the answer names them.
    std::fs::write(&place.experiment, LJ.replace("stride = 40", "stride = 41")).unwrap();
    let changed = says(&check(&place, &[]), Verdict::NotComparable, &[]);
    let message = changed["report"]["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("sampler.stride"), "{message}");

    // The pages are there and load nothing.
    let page = std::fs::read_to_string(place.results().join("reports/tiny/history.html")).unwrap();
    assert!(page.contains("not comparable") && page.contains("lj13 | MD | energy-w1") && page.contains("<svg"));
    assert!(!page.contains("<script") && !page.contains("src="));
    assert!(place.results().join("reports/tiny/report.html").exists());

    // A second acceptance keeps the first one's reason.
    std::fs::write(&place.experiment, LJ).unwrap();
    ends_with(&check(&place, &["--keep", "1"]), 0);
    accept(&place);
    let bundle = Bundle::read(&bundle_folder(&place, "tiny")).unwrap().unwrap();
    assert_eq!((bundle.before.len(), bundle.accepted.reason.as_str()), (1, "a test"));
    let checks = place.results().join("checks/tiny");
    let nights: Vec<_> = std::fs::read_dir(&checks).unwrap().flatten().map(|e| e.path()).collect();
    assert_eq!((nights.len(), nights.iter().filter(|n| n.join("runs").exists()).count()), (5, 1), "pruned");
}

/// A constant that is wrong by a quarter (the temperature of the heat bath): the metrics say which, how far, and since when.
///
/// Eight seeds a side: with four, Welch's test has about six degrees of freedom and its limit is about 4.7 standard errors of
/// a mean energy that seeds know to 0.8 kT; with eight it is about 3.5 of 0.5 kT, and the energy is off by far more.
#[test]
fn a_broken_constant_drifts() {
    let right = LJ.replace("[0, 1, 2, 3]", "[0, 1, 2, 3, 4, 5, 6, 7]");
    let place = Place::new(&right);
    let broken = right.replace("temperature = 2.0", "temperature = 2.5");
    std::fs::write(&place.experiment, &broken).unwrap();
    ends_with(&check(&place, &[]), 7);
    accept(&place);
    let accepted = load(&place, &[]);
    std::fs::write(&place.experiment, &right).unwrap();
    let dir = bundle_folder(&place, "tiny");
    relabel(&dir, &accepted, &load(&place, &[]));
    by_other_code(&dir);
    for night in 0..2 {
        let found = says(&check(&place, &[]), Verdict::Drift, &[Tier::R0, Tier::R2]);
        let findings = found["report"]["findings"].as_array().unwrap();
        let energy =
            findings.iter().find(|f| f["key"] == "lj13 | MD | mean-energy").unwrap_or_else(|| panic!("{found:#}"));
        assert!(energy["message"].as_str().unwrap().contains("standard errors, the limit is"), "{energy}");
        let since = energy["since"].as_str().unwrap();
        assert!(since.starts_with("tonight") == (night == 0), "{since}");
    }
    let file = place.experiment.to_str().unwrap();
    let shown = place.run(&["check", file]);
    ends_with(&shown, 6);
    assert!(text(&shown).contains("drift (R0)  lj13 | MD | mean-energy:"), "{}", text(&shown));
}

/// The molecule with its XML changed by `change` when the bundle was accepted.
fn molecule(change: impl Fn(&str) -> String) -> Place {
    let place = Place::new(MOLECULE);
    let xml = include_str!("../../src/systems/molecules/aldp.xml");
    let file = |name: &str| place.dir.path().join(name);
    std::fs::write(file("mine.pdb"), include_str!("../../src/systems/molecules/aldp.pdb")).unwrap();
    std::fs::write(file("mine.xml"), change(xml)).unwrap();
    ends_with(&check(&place, &[]), 7);
    accept(&place);
    let accepted = load(&place, &[]);
    std::fs::write(file("mine.xml"), xml).unwrap();
    relabel(&bundle_folder(&place, "molecule"), &accepted, &load(&place, &[]));
    place
}

/// The value of the first attribute `name="..."` replaced.
fn replaced(xml: &str, name: &str, change: impl Fn(f64) -> f64) -> String {
    let start = xml.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
    let end = start + xml[start..].find('"').unwrap();
    let value: f64 = xml[start..end].parse().unwrap();
    format!("{}{:?}{}", &xml[..start], change(value), &xml[end..])
}

/// One spring of a force field is wrong by a thousandth: nothing that statistics could see, but energies of fixed frames do.
#[test]
fn a_slightly_broken_constant_is_seen_by_energies() {
    let place = molecule(|xml| replaced(xml, "k", |k| 1.001 * k));
    by_other_code(&bundle_folder(&place, "molecule"));
    let found = says(&check(&place, &[]), Verdict::Drift, &[Tier::R0, Tier::R2]);
    let findings = found["report"]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|f| f["key"] == "mine | energies" && f["tier"] == "R2"), "{found:#}");
}

/// A constant that differs in its last bit: trajectories part, so bits differ. By other code that is a pass (R0, R2); by the
/// same code on the same machine it is a drift (R1).
#[test]
fn one_ulp_is_no_drift_unless_bits_are_demanded() {
    let place = molecule(|xml| replaced(xml, "k", f64::next_up));
    let found = says(&check(&place, &[]), Verdict::Drift, &[Tier::R0, Tier::R1, Tier::R2]);
    let findings = found["report"]["findings"].as_array().unwrap();
    assert!(!findings.is_empty() && findings.iter().all(|f| f["tier"] == "R1"), "{found:#}");
    assert!(findings[0]["message"].as_str().unwrap().contains("samples.npz"), "{found:#}");
    by_other_code(&bundle_folder(&place, "molecule"));
    let found = says(&check(&place, &[]), Verdict::Pass, &[Tier::R0, Tier::R2]);
    let off = found["report"]["probes"][0]["energy"].as_f64().unwrap();
    assert!(off < 1e-12, "{off}");
}

/// A cell that fails: incomplete, not a pass.
#[test]
fn a_failed_cell_is_incomplete() {
    let place = Place::new(LJ);
    ends_with(&check(&place, &[]), 7);
    accept(&place);
    let accepted = load(&place, &[]);
    std::fs::write(&place.experiment, LJ.replace("walkers = 8", "walkers = 8, step = 0.5")).unwrap();
    relabel(&bundle_folder(&place, "tiny"), &accepted, &load(&place, &[]));
    let found = says(&check(&place, &[]), Verdict::Incomplete, &[Tier::R2]);
    let message = found["report"]["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("use a smaller step"), "{message}");
}

/// Interrupted by a kill: the same command goes on in the same folder.
#[test]
fn a_killed_check_goes_on() {
    let place = Place::new(LJ);
    let file = place.experiment.to_str().unwrap().to_owned();
    let mut killed = place.command(&["--quiet", "check", &file]);
    killed.env("PITA_BENCH_FAULT", "any:60:kill");
    assert_eq!(killed.output().unwrap().status.code(), None);
    ends_with(&check(&place, &[]), 7);
    let nights = std::fs::read_dir(place.results().join("checks/tiny")).unwrap().count();
    assert_eq!(nights, 1);
}

/// The bundle of this repository is of the experiment as it is: without this a change of one of them would be noticed at night,
/// as `not comparable`.
/// A verdict that cannot be read is a gap in the history: tonight is judged all the same, and says so.
#[test]
fn a_damaged_verdict_stops_no_night() {
    let place = Place::new(&LJ.replace("seeds = [0, 1, 2, 3]", "seeds = [0]"));
    let file = place.experiment.to_str().unwrap().to_owned();
    check(&place, &[]);
    ends_with(&place.run(&["accept", &file, "--reason", "a test"]), 0);
    let checks = place.results().join("checks/tiny");
    let night = std::fs::read_dir(checks).unwrap().next().unwrap().unwrap().path();
    for content in ["", "{", "[[[["] {
        std::fs::write(night.join("verdict.json"), content).unwrap();
        let found = json(&check(&place, &[]));
        assert_eq!(found["report"]["verdict"], "pass", "{found:#}");
        let warnings = found["report"]["warnings"].to_string();
        assert!(warnings.contains("verdict.json") && warnings.contains("left out of the history"), "{warnings}");
    }
}

#[test]
fn the_accepted_bundle_fits_its_experiment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundle = Bundle::read(&root.join("results/accepted/nightly")).unwrap().unwrap();
    let experiment = config::load(&root.join("experiments/nightly.toml"), None, &[]).unwrap();
    let cell = |system: &str, seed: u64, spec: String, eval: String| format!("{system} {seed} {spec} {eval}");
    let mut wanted: Vec<String> = experiment
        .cells
        .iter()
        .map(|c| cell(&c.system, c.seed, identity::spec_digest(&c.run), identity::eval_digest(&c.eval)))
        .collect();
    let mut accepted: Vec<String> =
        bundle.side.cells.iter().map(|c| cell(&c.system, c.seed, c.spec.clone(), c.eval.clone())).collect();
    wanted.sort();
    accepted.sort();
    assert_eq!(accepted, wanted, "run `pita-bench check experiments/nightly.toml`, then `pita-bench accept`");
}
