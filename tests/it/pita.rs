//! PITA from end to end on a tiny ladder: exact resume, independence of threads, counts, and every weight kind.

use pita_bench::array::{Array, Arrays};
use pita_bench::energy::{Metered, Purpose};
use pita_bench::error::Error;
use pita_bench::nn;
use pita_bench::rng::{self, Stream};
use pita_bench::samplers::trained::Trained;
use pita_bench::samplers::{Context, Sampler};
use pita_bench::spec::{
    AnnealSpec, Between, DitSpec, Engine, Grid, InitialSpec, Integrator, NetSpec, Noise, PitaSpec, Precision,
    RefineSpec, RelaxSpec, Resampling, SamplerSpec, Step, Target, TrainNoise, TrainOn, TrainSpec, Weights,
};

use crate::common::sampling::{self, finish, in_pieces, tiny_pita as tiny};

/// With tempered noise and path weights, resampled by the networks on the way; trained on mixed targets at the levels visited.
fn tiny_path() -> PitaSpec {
    let anneal = AnnealSpec {
        weights: Weights::Path,
        noise: Noise::Tempered,
        between: Between::KernelRatio,
        ess_threshold: 0.9,
        ..tiny().anneal
    };
    let train = TrainSpec { target: Target::Mixed, noise: TrainNoise::Visited, ..tiny().train };
    PitaSpec { anneal, train, ..tiny() }
}

/// The same with three paths for each particle.
fn tiny_draws() -> PitaSpec {
    PitaSpec { anneal: AnnealSpec { draws: Some(3), ..tiny_path().anneal }, ..tiny_path() }
}

/// Alanine dipeptide with everything that molecules have and clusters have not: the transformer, Langevin dynamics for the
/// initial data and for relaxation, one network per rung.
fn tiny_molecule() -> PitaSpec {
    PitaSpec {
        ladder: vec![1_200.0, 755.95],
        initial: InitialSpec {
            integrator: Integrator::Langevin,
            step: 0.001,
            friction: 0.3,
            precision: Precision::F32,
            samples: 60,
            walkers: 20,
            equilibration: 200,
            stride: 50,
            bias: None,
        },
        net: NetSpec {
            hidden: 32,
            layers: 1,
            dit: Some(DitSpec { heads: 1, beta_conditioning: false, ..DitSpec::default() }),
            ..NetSpec::default()
        },
        train: TrainSpec { rungs: TrainOn::Newest, target_score: 0.01, sigma_min: 0.01, ..tiny().train },
        anneal: AnnealSpec { steps: 8, weights: Weights::None, final_resampling: false, ..AnnealSpec::default() },
        refine: RefineSpec { steps: 120, ..RefineSpec::default() },
        relax: RelaxSpec { steps: 300, step: 0.001, friction: 1.0, precision: Precision::F64 },
        ..tiny()
    }
}

/// On a cluster, or on alanine dipeptide for what has a transformer.
fn context(spec: &PitaSpec, budget: Option<u64>) -> Context {
    let (name, temperature) = if spec.net.dit.is_some() { ("aldp", 555.52) } else { ("lj13", 2.0) };
    sampling::context(name, temperature, budget)
}

fn start(spec: &PitaSpec, ctx: &Context) -> Box<dyn Sampler> {
    sampling::start(SamplerSpec::Pita(spec.clone()), ctx)
}

fn run(spec: &PitaSpec) -> (Arrays, Context) {
    let mut ctx = context(spec, None);
    let samples = finish(start(spec, &ctx), &mut ctx).samples();
    (samples, ctx)
}

/// Stopped after every single step and continued in a fresh sampler: the same bits at the end.
#[test]
fn resume_anywhere_is_exact() {
    for spec in [tiny(), tiny_molecule(), tiny_path(), tiny_draws()] {
        let (whole, _) = run(&spec);
        assert_eq!(in_pieces(&mut context(&spec, None), |ctx| start(&spec, ctx)).samples(), whole);
    }
}

/// A step that looks back, with resampling on the way, stopped in the middle of annealing and between any two of its steps: the same bits
/// after the first rung's annealing and in the end. What it looks back to is part of a checkpoint: without it the rest is another path.
#[test]
fn what_steps_look_back_to_is_resumed() {
    let mut spec = tiny_path();
    spec.anneal = AnnealSpec { step: Step::SdeDpmSolver2m, ..spec.anneal };
    let run = |stops: &[u64], forget: bool| {
        let (mut ctx, mut annealed) = (context(&spec, None), None);
        let mut sampler = start(&spec, &ctx);
        loop {
            let progress = match sampler.step(&mut ctx) {
                Ok(progress) => progress,
                // So few steps may lead nowhere: then it is the same message.
                Err(error) => return (annealed.unwrap(), Err(error.to_string())),
            };
            if progress.finished {
                return (annealed.unwrap(), Ok(sampler.samples().unwrap()));
            }
            if !progress.phase.contains("annealing") {
                continue;
            }
            let mut state = sampler.state().unwrap();
            if stops.contains(&progress.done) {
                assert!(progress.done == 12 || state.contains_key("anneal.history.0.scores"));
                for (_, array) in state.iter_mut().filter(|(name, _)| forget && name.starts_with("anneal.history.")) {
                    *array = Array::f64(&array.shape.clone(), vec![0.0; array.to_f64().len()]);
                }
                sampler = start(&spec, &ctx);
                sampler.restore(&state).unwrap();
            }
            if progress.done == 12 && annealed.is_none() {
                annealed = Some(state);
            }
        }
    };
    let whole = run(&[], false);
    assert!(run(&[6], false) == whole, "stopped in the middle");
    assert!(run(&(1..=12).collect::<Vec<u64>>(), false) == whole, "stopped after every step");
    assert!(run(&[6], true).0 != whole.0, "the history matters");
}

#[test]
fn threads_do_not_matter() {
    for spec in [tiny(), tiny_molecule(), tiny_path()] {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&spec).0)
        };
        assert_eq!(with(1), with(3));
    }
}

/// Further draws of what a run with path weights left: by number the same whatever is drawn together, energies those of the positions,
/// weights where there is noise. Other runs leave none.
#[test]
fn further_draws() {
    let spec = tiny_path();
    let mut ctx = context(&spec, None);
    let mut sampler = start(&spec, &ctx);
    while !sampler.step(&mut ctx).unwrap().finished {}
    let weights = sampler.weights().unwrap();
    let kt = ctx.system.kt(ctx.system.temperature);
    let load = |anneal: AnnealSpec| {
        let spec = SamplerSpec::Pita(PitaSpec { anneal, ..spec.clone() });
        Trained::load(&spec, &ctx.system, &weights).unwrap()
    };
    for (step, grid) in
        [(Step::Ancestral, Grid::Edm), (Step::SdeDpmSolver2m, Grid::Geometric), (Step::Deis2, Grid::Edm)]
    {
        let model = load(AnnealSpec { steps: 7, step, grid, ..spec.anneal.clone() }).unwrap();
        assert!(model.evaluations() == 7 && !model.weighs_frames());
        let mut energy = Metered::new(ctx.system.potential(), None);
        let all = model.draw(&mut energy, kt, 3, 0..40).unwrap();
        let part = model.draw(&mut energy, kt, 3, 11..17).unwrap();
        assert_eq!(energy.counts().0[&Purpose::Sampling], 46);
        assert_eq!((&all.energies[11..17], &all.log_weight[11..17]), (&part.energies[..], &part.log_weight[..]));
        assert_eq!(all.log_weight.iter().all(|w| *w == 0.0), !step.has_density());
        let (mut e, mut f) = (vec![0.0; 40], vec![0.0; all.positions.len()]);
        ctx.system.potential().energy_forces(&all.positions, &mut e, &mut f);
        assert_eq!(e, all.energies);
        assert_ne!(model.draw(&mut energy, kt, 4, 0..40).unwrap().positions, all.positions);
    }
    assert!(load(AnnealSpec { weights: Weights::KernelRatio, noise: Noise::Published, ..tiny().anneal }).is_none());
    assert!(run_weights(&tiny()).keys().all(|name| name.contains("_net.")));
}

fn run_weights(spec: &PitaSpec) -> Arrays {
    let mut ctx = context(spec, None);
    let mut sampler = start(spec, &ctx);
    while !sampler.step(&mut ctx).unwrap().finished {}
    sampler.weights().unwrap()
}

/// Relaxation is counted, costs one evaluation a step, and leaves particles whose energies are theirs.
#[test]
fn molecules_are_relaxed_on_the_true_energy() {
    let (samples, ctx) = run(&tiny_molecule());
    let counts = &ctx.energy.counts().0;
    assert_eq!(counts[&Purpose::InitialData], 20 * (1 + 200 + 3 * 50));
    assert_eq!(counts[&Purpose::Refinement], (120 + 300) * (40 + 50));
    let (x, e) = (samples["positions"].to_f64(), samples["energy"].to_f64());
    let kt = ctx.system.kt(555.52);
    assert!(e.len() > 25 && e.iter().all(|e| e.abs() < 1_000.0 * kt), "{} of 50 are left", e.len());
    let (mut again, mut f) = (vec![0.0; e.len()], vec![0.0; x.len()]);
    ctx.system.potential().energy_forces(&x, &mut again, &mut f);
    // Centred after the last evaluation: the same up to rounding.
    assert!(e.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-6 * b.abs().max(1.0)));
}

/// Path weights cost what the final resampling costs, train no energy network, and come with the samples.
#[test]
fn path_weights_come_with_the_samples() {
    let mut ctx = context(&tiny_path(), None);
    let mut sampler = start(&tiny_path(), &ctx);
    let mut scalars = std::collections::BTreeMap::new();
    loop {
        let progress = sampler.step(&mut ctx).unwrap();
        scalars.extend(progress.scalars);
        if progress.finished {
            break;
        }
    }
    let samples = sampler.samples().unwrap();
    assert_eq!(samples["log_weight"].shape, samples["energy"].shape);
    assert!(scalars["anneal.log_z"].is_finite() && scalars["anneal.log_z.error"] > 0.0);
    assert_eq!((scalars["loss.energy_score"], scalars["loss.energy_matching"]), (0.0, 0.0));
    assert_eq!(ctx.energy.counts().0[&Purpose::Annealing], 40 + 50);
    assert!(!run(&tiny()).0.contains_key("log_weight"));
}

/// At the target what was drawn is kept with its weights, and resampled by them before it is refined.
#[test]
fn paths_are_resampled_at_the_target() {
    let anneal = AnnealSpec { between: Between::None, ..tiny_path().anneal };
    let spec = PitaSpec { anneal, refine: RefineSpec { steps: 0, ..RefineSpec::default() }, ..tiny_path() };
    let mut ctx = context(&spec, None);
    let mut sampler = start(&spec, &ctx);
    let mut ancestors = Vec::new();
    loop {
        let progress = sampler.step(&mut ctx).unwrap();
        ancestors.extend(progress.scalars.iter().filter(|(name, _)| name == "anneal.unique_parents").map(|s| s.1));
        if progress.finished {
            break;
        }
    }
    let plain = sampler.samples().unwrap();
    let (positions, parents) = (plain["positions"].to_f64(), plain["reweighted.parents"].as_i64().unwrap());
    let of = |i: i64| &positions[i as usize * 39..][..39];
    let resampled = plain["reweighted.positions"].to_f64();
    assert!(parents.iter().zip(resampled.chunks(39)).all(|(&i, x)| of(i) == x) && parents.len() > 1);
    // Systematic resampling: as often as the weight says, up to one.
    let mut distinct = parents.to_vec();
    distinct.dedup();
    assert!(ancestors.ends_with(&[distinct.len() as f64]) && distinct.len() < 50, "{ancestors:?}");
    let weights = plain["log_weight"].to_f64();
    let top = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = weights.iter().map(|w| (w - top).exp()).sum();
    for (i, w) in weights.iter().enumerate() {
        let (times, share) = (parents.iter().filter(|&&p| p == i as i64).count(), (w - top).exp() / total);
        assert!((times as f64 - share * parents.len() as f64).abs() < 1.0, "{i}: {times} times, {share}");
    }
}

/// Several paths for each particle: all are weighed, and as many as there are particles go on; at the target the first ones are shown,
/// and the weights choose among all.
#[test]
fn more_paths_than_particles() {
    // A tenth of these paths ends where energies are below the cut.
    let anneal = AnnealSpec { draws: Some(20), ..tiny_path().anneal };
    let (samples, ctx) = run(&PitaSpec { anneal, ..tiny_path() });
    let counts = &ctx.energy.counts().0;
    let moves = tiny().refine.steps as u64;
    assert_eq!((counts[&Purpose::Annealing], counts[&Purpose::Refinement]), (20 * (40 + 50), moves * (40 + 50)));
    assert_eq!((samples["positions"].shape[0], samples["log_weight"].shape[0]), (50, 50));
    let parents = samples["reweighted.parents"].as_i64().unwrap();
    assert!(parents.len() <= 50 && parents.iter().any(|&p| p >= 50), "none of those that are not shown: {parents:?}");
}

/// Without a ladder: data at the target, trained on and sampled with gamma = 1.
#[test]
fn no_ladder_is_a_plain_diffusion_model() {
    let spec =
        PitaSpec { ladder: vec![], refine: RefineSpec { steps: 0, ..RefineSpec::default() }, ..tiny_score_model() };
    let (samples, ctx) = run(&spec);
    let counts = &ctx.energy.counts().0;
    assert_eq!(counts[&Purpose::InitialData], 20 * (1 + 200 + 15));
    assert_eq!(counts[&Purpose::Annealing], 50);
    assert_eq!(counts.get(&Purpose::Refinement), None);
    assert!(!samples["energy"].to_f64().is_empty());
}

fn tiny_score_model() -> PitaSpec {
    let d = PitaSpec::score_scaling();
    PitaSpec {
        train: TrainSpec { energy_score: 0.0, energy_matching: 0.0, ..tiny().train },
        anneal: AnnealSpec { steps: 12, ..d.anneal },
        ..tiny()
    }
}

/// What a network says of a sample does not depend on who else is in the batch.
#[test]
fn batch_does_not_matter() {
    for engine in [Engine::Candle, Engine::Fused] {
        let net = nn::build(engine, 13, &NetSpec::default()).unwrap();
        let params = net.layout().init(&Stream::new(1, rng::Purpose::Weights, 0));
        let mut draws = Stream::new(2, rng::Purpose::Init, 0).at(0);
        let x: Vec<f64> = (0..20 * 39).map(|_| draws.normal()).collect();
        let (h, beta) = (vec![0.5; 20], vec![1.0; 20]);
        let all = net.energy(&params, nn::Batch { h: &h, beta: &beta, x: &x }).unwrap();
        let one = net.energy(&params, nn::Batch { h: &h[..1], beta: &beta[..1], x: &x[7 * 39..8 * 39] }).unwrap();
        assert_eq!((one.u[0], &one.grad[..]), (all.u[7], &all.grad[7 * 39..8 * 39]), "{engine:?}");
    }
}

/// By hand: 20 walkers x (1 + 200 + 3 x 5) moves; 40 and 50 particles evaluated once and moved 3 times.
#[test]
fn evaluations_are_counted() {
    let (samples, ctx) = run(&tiny());
    let counts = &ctx.energy.counts().0;
    assert_eq!(counts[&Purpose::InitialData], 20 * (1 + 200 + 15));
    assert_eq!(counts[&Purpose::Annealing], 40 + 50);
    assert_eq!(counts[&Purpose::Refinement], 3 * (40 + 50));
    assert_eq!(samples["positions"].shape, [50, 13, 3]);
    // The energies that come with the samples are those of the samples.
    let (x, n) = (samples["positions"].to_f64(), 50);
    let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
    ctx.system.potential().energy_forces(&x, &mut e, &mut f);
    assert_eq!(e, samples["energy"].to_f64());
}

#[test]
fn a_budget_stops_the_run() {
    let mut ctx = context(&tiny(), Some(1_000));
    let mut sampler = start(&tiny(), &ctx);
    let error = loop {
        match sampler.step(&mut ctx) {
            Ok(p) => assert!(!p.finished),
            Err(e) => break e,
        }
    };
    assert!(matches!(error, Error::BudgetSpent { budget: 1_000 }));
    assert_eq!(ctx.energy.counts().charged(), 1_000);
}

#[test]
fn every_weight_kind_runs() {
    for (weights, resampling, clamp_quantile) in [
        (Weights::Exact, Resampling::EveryStep, 0.9), // the reference's
        (Weights::Exact, Resampling::Ess, 1.0),
        (Weights::Hutchinson, Resampling::Ess, 1.0),
        (Weights::KernelRatio, Resampling::Ess, 1.0),
        (Weights::None, Resampling::Ess, 1.0),
    ] {
        let anneal = AnnealSpec { steps: 6, weights, resampling, clamp_quantile, ..AnnealSpec::default() };
        // One rung: the hardly trained nets of this test would make nothing that a second rung could learn from.
        let (samples, _) = run(&PitaSpec { anneal, ladder: vec![4.0], ..tiny() });
        assert!(samples["energy"].to_f64().iter().all(|e| e.is_finite()), "{weights:?}");
    }
}
