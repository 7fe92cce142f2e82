//! Ways to draw from a finished model, through the binary: `draw --set`, `tune-steps`, `solvers`.

use serde_json::Value;

use crate::common::place::{Place, ends_with, text};

const EXPERIMENT: &str = r#"
name = "tiny"
seeds = [0, 1]
[systems.aldp]
temperature = 300.0
[metrics]
ids = ["energy-w1", "ess"]
n = 60
bootstrap = 0
[samplers.pita-ic]
kind = "pita-ic"
ladder = [1200.0]
initial = { samples = 300, walkers = 20, equilibration = 300, stride = 20 }
net = { width = 32, blocks = 1 }
train = { first_steps = 40, steps = 20, batch = 60, warm_up = 2 }
anneal = { steps = 10, moves = 3 }
particles = 200
samples = 70
refine = 2
[draws.kinetic]
grid = "kinetic"
[draws.heun]
label = "Heun"
step = "heun"
"#;

fn json(place: &Place, args: &[&str]) -> Value {
    let output = place.run(&[&["--quiet", "--json"], args].concat());
    ends_with(&output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn ways_to_draw() {
    let place = Place::new(EXPERIMENT);
    let file = place.experiment.to_str().unwrap().to_owned();
    let early = place.run(&["solvers", &file]);
    ends_with(&early, 4);
    assert!(text(&early).contains("trains the models"), "{}", text(&early));
    ends_with(&place.sweep(&[]), 0);
    let id = place.runs()[0].id.to_string();
    let out = place.dir.path().join("more.npz");
    let out = out.to_str().unwrap();

    // The same draws by number, with as many evaluations as were asked for; none have weights without noise.
    let plain = json(&place, &["draw", &id, "-n", "30", "--out", out]);
    assert_eq!((&plain["network_evaluations"], plain["ess"].is_f64()), (&Value::from(300), true));
    let fewer = json(&place, &["draw", &id, "-n", "30", "--set", "anneal.steps=4", "--out", out]);
    assert_eq!(fewer["network_evaluations"], 120);
    let heun = json(&place, &["draw", &id, "-n", "30", "--set", "anneal.step=heun", "--out", out]);
    assert_eq!((&heun["network_evaluations"], &heun["ess"]), (&Value::from(570), &Value::Null));
    for (set, part) in [
        ("anneal.step=hein", "did you mean `heun`"),
        ("anneal.sigma_skip=9", "beyond the noise of training"),
        ("train.steps=9", "anneal.KEY=VALUE"),
    ] {
        let output = place.run(&["draw", &id, "-n", "3", "--set", set, "--out", out]);
        ends_with(&output, 2);
        assert!(text(&output).contains(part), "{set}: {}", text(&output));
    }

    // A search is reproducible, stays within its budget, and its settings are those of an experiment file.
    let tuned = place.dir.path().join("tuned.toml");
    let search = ["tune-steps", &id, "--evaluations", "6", "--pilot", "20", "--budget", "100"];
    let found = json(&place, &[&search[..], &["--out", tuned.to_str().unwrap()]].concat());
    assert_eq!(found["trials"].as_array().unwrap().len(), 5);
    assert_eq!(found, json(&place, &search));
    let taken = found["trials"].as_array().unwrap().iter().rfind(|t| t["taken"] == true).unwrap();
    assert_eq!(taken["anneal"], found["settings"]);

    // With more to spend it tries all that can be asked for, within what it may spend, and counts what the pilots cost.
    let search = ["tune-steps", &id, "--evaluations", "6", "--pilot", "20", "--budget", "4000"];
    let all = json(&place, &search);
    let trials = all["trials"].as_array().unwrap();
    let energies = |t: &Value| t["energy_evaluations"].as_u64().unwrap();
    let with = |setting: &str| -> Vec<u64> {
        trials.iter().filter(|t| t["anneal"].to_string().contains(setting)).map(energies).collect()
    };
    let total: u64 = trials.iter().map(energies).sum();
    assert!(total <= 4_000 && all["energy_evaluations"] == total, "{total}");
    for setting in ["vcg", "vt-dis", "vcg-vt-dis"].map(|word| format!("control = \\\"{word}\\\"")) {
        // 480 paths of the fit, fewer where they clash, and 20 draws.
        let costs = with(&setting);
        assert!(!costs.is_empty() && costs.iter().all(|e| (200..=640).contains(e)), "{setting}: {costs:?}");
    }
    for (setting, most) in [("sada", 20), ("kinetic", 20), ("children = 2", 140), ("children = 4", 100)] {
        let costs = with(setting);
        assert!(costs.iter().any(|e| *e <= most), "{setting}: {costs:?}");
    }
    assert!(with("children = 4").iter().all(|e| *e > 40));
    let best = trials.iter().filter_map(|t| t["worth"].as_f64()).fold(f64::NEG_INFINITY, f64::max);
    let taken = trials.iter().rfind(|t| t["taken"] == true).unwrap();
    assert_eq!((taken["worth"].as_f64().unwrap(), &taken["anneal"]), (best, &all["settings"]));
    let written = std::fs::read_to_string(&tuned).unwrap();
    assert!(written.contains("[samplers.pita-ic.anneal]\n"), "{written}");
    let settings = EXPERIMENT
        .replace("anneal = { steps = 10, moves = 3 }\n", "")
        .replace("[draws.kinetic]", &format!("{written}\n[draws.kinetic]"));
    std::fs::write(place.dir.path().join("with.toml"), settings).unwrap();
    ends_with(&place.run(&["sweep", place.dir.path().join("with.toml").to_str().unwrap(), "--dry-run"]), 0);

    // Every way from every model within every number of evaluations.
    let measured = json(&place, &["solvers", &file, "--evaluations", "7,12", "-n", "40"]);
    let points = measured["points"].as_array().unwrap();
    assert_eq!(points.len(), 2 * 2 * 2);
    for point in points {
        let (heun, budget) = (point["label"] == "Heun", point["budget"].as_u64().unwrap());
        // Two for each step but the last: 7 and 11, the most that there is room for.
        let network = if heun { [(7, 7), (12, 11)].iter().find(|(b, _)| *b == budget).unwrap().1 } else { budget };
        assert_eq!(point["network"], network, "{point}");
        assert_eq!(point["ess"].is_null(), heun, "{point}");
    }
    let csv = std::fs::read_to_string(place.results().join("reports/tiny-solvers/solvers.csv")).unwrap();
    assert_eq!(csv.lines().count(), 9, "{csv}");
    for figure in ["ess", "ess-seconds", "energy-w1-seconds", "seconds"] {
        assert!(place.results().join(format!("reports/tiny-solvers/solvers-aldp-{figure}.svg")).exists(), "{figure}");
    }
    let table = place.run(&["--quiet", "solvers", &file, "--evaluations", "7", "-n", "40", "--seeds", "1"]);
    assert!(text(&table).contains("aldp: ESS (fraction)") && text(&table).contains("by seconds"), "{}", text(&table));
}

/// The accepted models can be drawn from.
#[test]
fn accepted_models() {
    let place = Place::new(EXPERIMENT);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundles = ["pita-ic-aldp.tar", "pita-lj13.tar"].map(|name| root.join("results/accepted/solvers").join(name));
    let bundles: Vec<&str> = bundles.iter().map(|path| path.to_str().unwrap()).collect();
    ends_with(&place.run(&[&["import"], &bundles[..]].concat()), 0);
    let file = root.join("experiments/solvers.toml");
    let file = file.to_str().unwrap();
    let asked = ["solvers", file, "--systems", "lj13", "--evaluations", "10", "--samples", "40"];
    let found = json(&place, &asked).to_string();
    assert!(found.contains("DPM-Solver++ (3M)"), "{found}");
    let out = place.dir.path().join("more.npz");
    let out = out.to_str().unwrap();
    let drawn = json(&place, &["draw", "2f7c2521", "-n", "20", "--set", "anneal.steps=10", "--out", out]);
    assert_eq!(drawn["network_evaluations"], 200);
}
