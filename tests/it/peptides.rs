//! Peptides from the experiment file to the report, through the binary; references that were interrupted; molecules from
//! files.

use std::cell::Cell;
use std::path::Path;

use pita_bench::array::{Array, read_npz, write_npz};
use pita_bench::error::Error;
use pita_bench::exec::references;
use pita_bench::spec::{
    InitialSpec, Integrator, Ladder, Precision, ReferenceSpec, ReplicaExchangeSpec, SmcSpec, SystemSpec, TrajectorySpec,
};
use pita_bench::systems::by_name;

use crate::common::place::{pita, printed};

const EXPERIMENT: &str = r#"
name = "tiny"
[systems.aldp]
temperature = 300.0
[systems.aldp.reference]
ladder = [600.0, 420.0]
copies = 4
exchange_every = 10
equilibration = 100
stride = 20
samples = 200
trajectory = { walkers = 8, frames = 100, stride = 10, lag = 1 }

[samplers.md]
kind = "md"
step = 0.001
friction = 1.0
precision = "f32"
walkers = 5
hot_start = { temperature = 600.0, steps = 50 }
equilibration = 100
stride = 10
samples = 1000
budget = 3_001

[metrics]
ids = ["energy-w1", "t-w2", "rama-kl", "tica-w1", "tica-plain-w2", "phi-population", "bond-w1", "chirality-flip-rate", "ess"]
n = 100
bootstrap = 20
"#;

/// Sweep, a second sweep that does nothing, the table with the cost of the reference, and every figure.
#[test]
fn sweep_and_report() {
    let dir = tempfile::tempdir().unwrap();
    let experiment = dir.path().join("tiny.toml");
    std::fs::write(&experiment, EXPERIMENT).unwrap();
    let (file, results) = (experiment.to_str().unwrap(), dir.path().join("results"));
    let table = printed(&pita(&results, &["sweep", file]));
    // 3,001 evaluations: the start, 600 steps of 5 walkers.
    assert!(table.contains("| 3,001 |"), "{table}");
    // (100 + 50 x 20) steps of 12 walkers and their start; 100 x 10 steps of 8 walkers and theirs.
    let cost = 12 * (100 + 50 * 20) + 12 + 8 * 1_000 + 8;
    assert!(table.contains(&format!("{},{:03} |", cost / 1000, cost % 1000)), "{table}");
    let json = printed(&pita(&results, &["sweep", file, "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["cells"][0]["outcome"], "done", "{json}");
    for figure in ["ramachandran", "phi", "tica", "energies", "samples", "reference"] {
        for extension in ["svg", "png", "pdf"] {
            let path = results.join(format!("reports/tiny/figures/{figure}-aldp-T300.{extension}"));
            assert!(std::fs::metadata(&path).unwrap().len() > 1_000, "{}", path.display());
        }
    }
    let html = std::fs::read_to_string(results.join("reports/tiny/report.html")).unwrap();
    assert!(html.contains("Rama-KL") && html.contains("φ"), "structural metrics and figures are in the page");
}

fn small_reference() -> ReferenceSpec {
    ReferenceSpec {
        seed: 3,
        sampler: ReplicaExchangeSpec {
            ladder: vec![600.0, 420.0],
            integrator: Integrator::Langevin,
            step: 0.001,
            friction: 1.0,
            precision: Precision::F32,
            copies: 2,
            exchange_every: 10,
            equilibration: 1_000,
            stride: 20,
            samples: 400,
            budget: None,
            tuning: 0,
        },
        trajectory: Some(TrajectorySpec { walkers: 3, frames: 12, stride: 20, lag: 2 }),
        ..ReferenceSpec::default()
    }
}

/// Stopped again and again, in the exchange and in the trajectories: the same bytes as made in one go, every evaluation
/// counted once; a changed file is refused.
#[test]
fn interrupted_references_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let whole = goes_on(dir.path(), &small_reference());
    assert_eq!(whole.report.counts.charged(), 6 * (1_000 + 200 * 20) + 6 + 3 * 12 * 20 + 3);
    assert_eq!(whole.report.exchange_acceptance.len(), 2);
}

/// The same where annealed SMC makes the ensemble.
#[test]
fn interrupted_references_by_smc_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let smc = SmcSpec {
        ladder: Ladder::Fixed(vec![600.0, 420.0]),
        initial: InitialSpec {
            integrator: Integrator::Langevin,
            step: 0.001,
            samples: 200,
            walkers: 20,
            equilibration: 200,
            stride: 20,
            ..InitialSpec::default()
        },
        moves: 60,
        samples: 200,
        ..SmcSpec::default()
    };
    let trajectory = Some(TrajectorySpec { walkers: 3, frames: 40, stride: 50, lag: 2 });
    let whole = goes_on(dir.path(), &ReferenceSpec { smc: Some(smc), trajectory, ..small_reference() });
    // Dynamics, moves on two rungs, trajectories.
    assert_eq!(whole.report.counts.charged(), 20 * (200 + 200 / 20 * 20) + 20 + 2 * 60 * 200 + 3 * 40 * 50 + 3);
    assert_eq!((whole.report.frames, &whole.report.ladder[..]), (200, &[600.0, 420.0, 300.0][..]));
    assert!(whole.report.exchange_acceptance.is_empty() && whole.report.mean_energy_error > 0.0);
}

/// Makes a reference of alanine dipeptide in one go and with stops, and gives it.
fn goes_on(dir: &Path, spec: &ReferenceSpec) -> references::Reference {
    let system = SystemSpec::named("aldp", 300.0);
    let whole = references::ensure(&dir.join("a"), &system, spec, &mut |_| {}, &|| false).unwrap();
    let (mut stops, mut made) = (0, None);
    while made.is_none() {
        // Two looks: the first step is done, the second is not.
        let looks = Cell::new(0);
        let impatient = || {
            looks.set(looks.get() + 1);
            looks.get() > 1
        };
        match references::ensure(&dir.join("b"), &system, spec, &mut |_| {}, &impatient) {
            Ok(reference) => made = Some(reference),
            Err(Error::Interrupted) => stops += 1,
            Err(e) => panic!("{e}"),
        }
    }
    let made = made.unwrap();
    assert!(stops > 12, "{stops}");
    assert_eq!(made.report, whole.report);
    let bytes = |reference: &references::Reference| std::fs::read(reference.dir.join("reference.npz")).unwrap();
    assert!(bytes(&made) == bytes(&whole));
    assert_eq!(whole.report.phi_positive.len(), 1);
    assert!(whole.set().unwrap().tica.is_some());

    let npz = made.dir.join("reference.npz");
    let mut changed = bytes(&made);
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&npz, changed).unwrap();
    let refused = references::ensure(&dir.join("b"), &system, spec, &mut |_| {}, &|| false);
    assert!(matches!(refused, Err(Error::Digest { .. })));
    whole
}

/// The files of a built-in molecule give its energies.
#[test]
fn molecules_from_files_are_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let aldp = by_name("aldp", 300.0).unwrap();
    let frames =
        Array::f64(&[2, 22, 3], [&aldp.start[..], &aldp.start.iter().map(|x| 1.01 * x).collect::<Vec<_>>()].concat());
    write_npz(path("x.npz"), &[("positions".to_owned(), frames)].into()).unwrap();
    let source = |name: &str| format!("{}/src/systems/molecules/{name}", env!("CARGO_MANIFEST_DIR"));
    let (xml, pdb) = (source("aldp.xml"), source("aldp.pdb"));
    let ask = |system: &[&str], out: &str| {
        let (x, y) = (path("x.npz"), path(out));
        printed(&pita(dir.path(), &[&["energy"], system, &["--in", &x, "--out", &y]].concat()));
        read_npz(path(out)).unwrap()
    };
    let built_in = ask(&["--system", "aldp"], "a.npz");
    assert_eq!(ask(&["--xml", &xml, "--pdb", &pdb], "b.npz"), built_in);
    assert!((built_in["energy"].to_f64()[0] + 160.754_083).abs() < 1e-5, "the minimum of the golden set");
}

/// Both flows in a sweep: two rows each, and an effective sample size at the reference's frames; MD has no density.
#[test]
fn flows_in_a_sweep() {
    let flows = r#"
[samplers.flow]
kind = "tabg-ic"
start = "forward-kl"
ladder = [600.0]
flow = { blocks = 2, hidden = 32 }
data = { walkers = 8, equilibration = 500, stride = 20, samples = 400 }
forward_kl = { steps = 100, batch = 64, learning_rate = 1e-3 }
anneal = { draws = 2_000, buffer = 200, steps = 1, batch = 64, min_effective = 1 }
fine_tune = 0
samples = 300

[samplers.tar]
kind = "tabg-cart"
ladder = [600.0]
flow = { channels = 3, blocks = 2, layers = 1, width = 32, head = 16 }
data = { walkers = 8, equilibration = 500, stride = 20, samples = 400 }
forward_kl = { steps = 20, batch = 64, learning_rate = 1e-3 }
anneal = { draws = 500, buffer = 200, steps = 1, batch = 64, min_effective = 1 }
fine_tune = 0
samples = 300
"#;
    let dir = tempfile::tempdir().unwrap();
    let experiment = dir.path().join("flows.toml");
    let asked = EXPERIMENT
        .replace(r#""ess"]"#, r#""ess", "forward-ess"]"#)
        .replace("[metrics]", &format!("{flows}\n[metrics]"));
    std::fs::write(&experiment, asked).unwrap();
    let (file, results) = (experiment.to_str().unwrap(), dir.path().join("results"));
    let table = printed(&pita(&results, &["sweep", file]));
    assert!(table.contains("| flow reweighted |") && table.contains("| tar reweighted |"), "{table}");
    for (sampler, has) in [("md", false), ("flow", true), ("tar", true)] {
        let shown = printed(&pita(&results, &["ls", "--sampler", sampler, "--json"]));
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let id = shown[0]["id"].as_str().unwrap();
        let run = printed(&pita(&results, &["show", id, "--json"]));
        let run: serde_json::Value = serde_json::from_str(&run).unwrap();
        let metrics = run["evaluation"]["metrics"].as_array().unwrap();
        let forward = metrics.iter().find(|m| m["id"] == "forward-ess").unwrap();
        match forward["value"].as_f64() {
            Some(ess) => assert!(has && (0.0..=1.0).contains(&ess), "{forward}"),
            None => assert!(!has && forward["note"].as_str().unwrap().contains("reference_log_weight"), "{forward}"),
        }
    }
}
