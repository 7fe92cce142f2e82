//! What a run costs is known before it runs: evaluations to the last one; and what cannot fit is refused at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pita_bench::config;
use pita_bench::energy::Metered;
use pita_bench::plan::cost;
use pita_bench::samplers::reference::Making;
use pita_bench::samplers::{Context, build};
use pita_bench::spec::{
    FlowSpec, ForwardKlSpec, HotStartSpec, Integrator, MdDataSpec, MdSpec, PitaIcSpec, PitaSpec, ReferenceSpec,
    ReplicaExchangeSpec, ReverseKlSpec, RunSpec, SamplerSpec, StageSpec, Start, SystemSpec, TabgIcSpec, TrainSpec,
    TrajectorySpec,
};
use pita_bench::systems;
use serde_json::Value;

use crate::common::place::Place;
use crate::common::sampling::tiny_pita;

fn context(system: &SystemSpec) -> Context {
    let system = Arc::new(systems::build(system).unwrap());
    Context { energy: Metered::new(system.potential(), None), system, seed: 3 }
}

/// Evaluations that a run of a sampler makes, and those that were expected.
fn counted(name: &str, temperature: f64, sampler: SamplerSpec) -> (u64, u64) {
    let run = RunSpec { system: SystemSpec::named(name, temperature), sampler };
    let mut ctx = context(&run.system);
    let expected = cost::run(&run, ctx.system.atoms, ctx.system.topology.is_some()).evaluations.unwrap();
    let mut sampler = build(&run, &ctx).unwrap();
    while !sampler.step(&mut ctx).unwrap().finished {}
    (ctx.energy.counts().charged(), expected)
}

#[test]
fn evaluations_are_known_to_the_last_one() {
    let md = MdSpec { walkers: 3, equilibration: 20, stride: 7, samples: 10, ..MdSpec::default() };
    let hot = Some(HotStartSpec { temperature: 2.0, steps: 15 });
    let exchange = ReplicaExchangeSpec {
        ladder: vec![2.0, 1.5],
        copies: 2,
        equilibration: 30,
        stride: 5,
        samples: 7,
        ..ReplicaExchangeSpec::default()
    };
    let pita = tiny_pita();
    let tabg = TabgIcSpec {
        ladder: vec![1_200.0],
        flow: FlowSpec { blocks: 1, hidden: 32 },
        reverse_kl: ReverseKlSpec { steps: 6, batch: 40, warm_up: 2, drop: 3, ..ReverseKlSpec::default() },
        forward_kl: ForwardKlSpec { steps: 4, batch: 64, learning_rate: 1e-3 },
        data: MdDataSpec { samples: 50, walkers: 20, equilibration: 30, stride: 20, ..MdDataSpec::default() },
        anneal: StageSpec { draws: 300, buffer: 100, min_effective: 0, steps: 2, batch: 60, ..StageSpec::default() },
        samples: 70,
        ..TabgIcSpec::default()
    };
    for (name, temperature, sampler) in [
        ("lj13", 1.0, SamplerSpec::Md(md.clone())),
        ("lj13", 1.0, SamplerSpec::Md(MdSpec { integrator: Integrator::Mala, step: 1e-4, hot_start: hot, ..md })),
        ("lj13", 1.0, SamplerSpec::ReplicaExchange(exchange.clone())),
        (
            "lj13",
            1.0,
            SamplerSpec::ReplicaExchange(ReplicaExchangeSpec { integrator: Integrator::Langevin, ..exchange }),
        ),
        ("lj13", 1.0, SamplerSpec::Pita(pita.clone())),
        ("lj13", 1.0, SamplerSpec::Pita(PitaSpec { ladder: vec![], ..pita })),
        ("aldp", 900.0, SamplerSpec::TabgIc(tabg.clone())),
        (
            "aldp",
            900.0,
            SamplerSpec::TabgIc(TabgIcSpec { start: Start::ForwardKl, fine_tune_start: 1, ..tabg.clone() }),
        ),
        ("aldp", 900.0, SamplerSpec::TabgIc(TabgIcSpec { start_at_target: true, ..tabg })),
    ] {
        let kind = format!("{sampler:?}");
        let (found, expected) = counted(name, temperature, sampler);
        assert_eq!(found, expected, "{kind}");
    }
}

#[test]
fn references_too() {
    let sampler = ReplicaExchangeSpec {
        ladder: vec![400.0],
        integrator: Integrator::Langevin,
        step: 0.001,
        copies: 4,
        equilibration: 20,
        stride: 5,
        samples: 16,
        ..ReplicaExchangeSpec::default()
    };
    let trajectory = Some(TrajectorySpec { walkers: 2, frames: 6, stride: 3, lag: 1 });
    let spec = ReferenceSpec { seed: 1, sampler, trajectory, ..ReferenceSpec::default() };
    let mut ctx = context(&SystemSpec::named("aldp", 300.0));
    let expected = cost::reference(&spec, ctx.system.atoms, true).evaluations.unwrap();
    let mut making = Making::new(&spec, &ctx).unwrap();
    while !making.step(&mut ctx).unwrap().finished {}
    assert_eq!(ctx.energy.counts().charged(), expected);
}

const EXPERIMENT: &str = r#"
seeds = [0, 1]
[systems.lj13]
temperature = 1.0
reference = { ladder = [2.0], copies = 2, equilibration = 10, stride = 2, samples = 40 }
[samplers.md]
kind = "md"
walkers = 2
equilibration = 10
stride = 2
samples = 40
[samplers.pita]
kind = "pita"
[samplers.tabg]
kind = "tabg-cart"
ladder = [4.0, 2.0]
[metrics]
ids = ["energy-w1"]
"#;

#[test]
fn a_dry_run_says_what_it_would_cost() {
    let place = Place::new(EXPERIMENT);
    let file = place.experiment.to_str().unwrap();
    let plan: Value = serde_json::from_slice(&place.run(&["sweep", file, "--dry-run", "--json"]).stdout).unwrap();
    let md = &plan["cells"][0]["forecast"];
    assert_eq!(md["evaluations"], 2 * (1 + 10 + 20 * 2), "{plan}");
    assert!(md["memory_bytes"].as_u64().unwrap() > 3 * 40 * 39 * 8 && md["seconds_from"] == "rates", "{md}");
    assert_eq!(
        (plan["references"].as_array().unwrap().len(), &plan["references"][0]["there"]),
        (1, &Value::Bool(false))
    );
    let text = String::from_utf8(place.run(&["sweep", file, "--dry-run"]).stdout).unwrap();
    for expected in
        ["EVALUATIONS", "MEMORY", "DISK", "TIME", "reference", "6 of 6 cells would run", "1 of 1 reference would"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // Once there are runs, times are theirs, and the reference is there.
    assert!(place.run(&["--quiet", "sweep", file, "--samplers", "md", "--seeds", "0"]).status.success());
    let plan: Value = serde_json::from_slice(&place.run(&["sweep", file, "--dry-run", "--json"]).stdout).unwrap();
    assert_eq!(
        (&plan["cells"][1]["forecast"]["seconds_from"], &plan["references"][0]["there"]),
        (&"earlier-runs".into(), &true.into())
    );
}

/// What cannot be counted, held or stored is refused within a second, with the setting or the sampler named.
#[test]
fn what_cannot_fit_is_refused_at_once() {
    let place = Place::new(EXPERIMENT);
    let file = place.experiment.to_str().unwrap();
    let huge = i64::MAX.to_string();
    let most = u32::MAX.to_string();
    let set = |key: &str, value: &str| format!("{key}={value}");
    let mut cases: Vec<Vec<String>> = Vec::new();
    for key in ["samples", "walkers", "stride", "equilibration"] {
        cases.push(vec![set(&format!("samplers.md.{key}"), &huge)]);
    }
    for key in ["samples", "copies", "equilibration", "stride"] {
        cases.push(vec![set(&format!("systems.lj13.reference.{key}"), &huge)]);
    }
    for key in ["n", "geo_n", "ot_n", "bootstrap"] {
        cases.push(vec![set(&format!("metrics.{key}"), &huge)]);
    }
    cases.push(vec![set("samplers.md.walkers", &most)]);
    cases.push(vec![set("samplers.md.samples", &most)]);
    cases.push(vec![
        set("samplers.md.stride", &most),
        set("samplers.md.samples", "100000"),
        set("samplers.md.equilibration", &most),
    ]);
    cases.push(vec![set("systems.lj13.reference.samples", &most)]);
    cases.push(vec![set("samplers.pita.particles", &most)]);
    cases.push(vec![set("samplers.pita.samples", &most)]);
    cases.push(vec![set("samplers.pita.net.hidden", &most)]);
    cases.push(vec![set("samplers.pita.train.batch", &most)]);
    cases.push(vec![set("samplers.pita.initial.walkers", &most)]);
    cases.push(vec![set("samplers.tabg.flow.blocks", &most)]);
    cases.push(vec![set("samplers.tabg.flow.width", "1073741824")]);
    cases.push(vec![set("samplers.tabg.anneal.buffer", &most)]);
    cases.push(vec![set("metrics.bootstrap", &most)]);
    cases.push(vec![set("systems.lj13.temperature", "1e-300")]);
    cases.push(vec![set("systems.lj13.temperature", "1e300")]);
    for case in cases {
        let mut args = vec!["sweep", file, "--dry-run"];
        args.extend(case.iter().flat_map(|s| ["-s", s.as_str()]));
        let began = Instant::now();
        let output = place.run(&args);
        let took = began.elapsed();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{case:?}: {output:?}");
        let named = case.iter().any(|s| {
            let key = s.split('=').next().unwrap();
            let owner = key.split('.').take(2).collect::<Vec<_>>().join(".");
            message.contains(key) || message.contains(&owner)
        });
        assert!(named || message.contains("metrics.") || case[0].starts_with("metrics."), "{case:?}: {message}");
        // A second in release on an idle machine.
        assert!(took < Duration::from_secs(5), "{case:?}: {took:?}");
    }
}

/// What a batch takes: bytes a row within a third of what runs were seen to hold (largest resident size, two batches apart).
#[test]
fn memory_of_a_batch() {
    let of = |name: &str, sampler: SamplerSpec| {
        let atoms = if name == "lj13" { 13 } else { 22 };
        cost::run(&RunSpec { system: SystemSpec::named(name, 300.0), sampler }, atoms, name != "lj13").memory as f64
    };
    let flow = |hidden: usize, batch: usize| {
        let reverse_kl = ReverseKlSpec { batch, ..ReverseKlSpec::default() };
        let flow = FlowSpec { hidden, ..FlowSpec::default() };
        of("aldp", SamplerSpec::TabgIc(TabgIcSpec { flow, reverse_kl, ..TabgIcSpec::default() }))
    };
    let score = |batch: usize| {
        let mut spec = PitaIcSpec::default();
        spec.train.batch = batch;
        of("aldp", SamplerSpec::PitaIc(spec))
    };
    let cluster = |batch: usize| {
        let train = TrainSpec { batch, ..TrainSpec::default() };
        of("lj13", SamplerSpec::Pita(PitaSpec { train, ..PitaSpec::default() }))
    };
    let narrow = |batch: usize| flow(16, batch);
    let wide = |batch: usize| flow(128, batch);
    let seen: [(&dyn Fn(usize) -> f64, f64); 4] = [(&narrow, 79e3), (&wide, 111e3), (&score, 48e3), (&cluster, 9.8e3)];
    for (memory, measured) in seen {
        let row = (memory(1_100_000) - memory(100_000)) / 1e6;
        assert!((row / measured - 1.0).abs() < 0.33, "{row} bytes a row, {measured} seen");
    }
}

#[test]
fn seeds_and_grids_are_counted_before_they_are_made() {
    let begins = |text: String| {
        let began = Instant::now();
        let message = config::load_text(std::path::Path::new("x.toml"), text, None, &[]).unwrap_err().to_string();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        message
    };
    let own = "[systems.lj13]\ntemperature = 1.0\n[samplers.md]\nkind = \"md\"\n";
    let list = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let message = begins(format!("seeds = [{}]\n{own}", list(300_000)));
    assert!(message.contains("lists 300000 seeds, expected at most 10000") && message.len() < 3_000, "{message}");
    let axis = |key: &str| {
        format!("samplers.md.{key} = [{}]\n", (1..101).map(|i| i.to_string()).collect::<Vec<_>>().join(","))
    };
    let grid =
        format!("{own}[sweep]\n{}{}{}{}", axis("walkers"), axis("stride"), axis("samples"), axis("equilibration"));
    let message = begins(grid);
    assert!(message.contains("100000000 cells"), "{message}");
    // Two million seeds are more than any experiment file holds.
    let place = Place::new(&format!("seeds = [{}]\n{own}", list(2_000_000)));
    let output = place.run(&["sweep", place.experiment.to_str().unwrap(), "--dry-run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("tiny.toml: holds more than 4 MiB"), "{output:?}");
}
