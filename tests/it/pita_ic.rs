//! PITA in internal coordinates from end to end with tiny settings: exact resume, threads, counts, budgets, what it draws.

use std::collections::BTreeMap;

use pita_bench::array::Arrays;
use pita_bench::diffusion::ess;
use pita_bench::energy::{Metered, Purpose};
use pita_bench::error::Error;
use pita_bench::metrics::evaluate::energies;
use pita_bench::metrics::weights::log_mean_exp;
use pita_bench::samplers::trained::Trained;
use pita_bench::samplers::{Context, Sampler, build};
use pita_bench::spec::{
    AutoLadder, Control, Corrector, Grid, IcAnnealSpec, IcNetSpec, IcTrainSpec, InitialSpec, Ladder, PitaIcSpec,
    RunSpec, SamplerSpec, Step, SystemSpec,
};

use crate::common::sampling::{self, finish, in_pieces};

fn tiny() -> PitaIcSpec {
    PitaIcSpec {
        ladder: Ladder::Fixed(vec![1_200.0]),
        initial: InitialSpec {
            samples: 300,
            walkers: 20,
            equilibration: 300,
            stride: 20,
            ..PitaIcSpec::default().initial
        },
        net: IcNetSpec { width: 32, blocks: 1 },
        train: IcTrainSpec { first_steps: 40, steps: 20, batch: 60, warm_up: 2, ..IcTrainSpec::default() },
        anneal: IcAnnealSpec { steps: 10, moves: 3, ..IcAnnealSpec::default() },
        particles: 200,
        samples: 70,
        refine: 2,
        ..PitaIcSpec::default()
    }
}

fn context(budget: Option<u64>) -> Context {
    sampling::context("aldp", 900.0, budget)
}

fn start(spec: &PitaIcSpec, ctx: &Context) -> Box<dyn Sampler> {
    sampling::start(SamplerSpec::PitaIc(spec.clone()), ctx)
}

fn run(spec: &PitaIcSpec, budget: Option<u64>) -> (Arrays, Context, BTreeMap<String, f64>, Arrays) {
    let mut ctx = context(budget);
    let ended = finish(start(spec, &ctx), &mut ctx);
    (ended.samples(), ctx, ended.scalars().into_iter().collect(), ended.sampler.weights().unwrap())
}

/// Stopped after every single step and continued in a fresh sampler: the same bits at the end; on three threads too.
#[test]
fn resume_anywhere_is_exact() {
    let (whole, _, _, weights) = run(&tiny(), None);
    let mut ctx = context(None);
    let resumed = in_pieces(&mut ctx, |ctx| start(&tiny(), ctx));
    assert!(resumed.samples() == whole && resumed.sampler.weights().unwrap() == weights);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert!(pool.install(|| run(&tiny(), None).0) == whole, "three threads");
    let damaged = |name: &str, numbers: &[i64]| {
        let mut state = start(&tiny(), &ctx).state().unwrap();
        state.insert(name.into(), pita_bench::array::Array::i64(&[numbers.len()], numbers.to_vec()));
        start(&tiny(), &ctx).restore(&state).is_err()
    };
    assert!(damaged("place", &[9, 0, 0]) && damaged("place", &[0, 7, 0]) && damaged("place", &[0]));
}

/// Every evaluation is counted, by purpose; what a budget leaves is used; one that cannot pay for the result is refused.
#[test]
fn counts_and_budgets() {
    let spec = tiny();
    let (samples, ctx, scalars, _) = run(&spec, None);
    let count = |ctx: &Context, purpose: Purpose| ctx.energy.counts().0.get(&purpose).copied().unwrap_or(0);
    assert_eq!(count(&ctx, Purpose::InitialData), 20 * (300 + 15 * 20 + 1));
    // Draws and moves outside of the molecule are not evaluated.
    let dropped = scalars["samples.dropped"] as u64;
    assert_eq!(count(&ctx, Purpose::Sampling), 70 - dropped);
    assert_eq!(count(&ctx, Purpose::Annealing), 200 - scalars["anneal.dropped"] as u64);
    let moved = count(&ctx, Purpose::Refinement);
    assert!(moved <= 3 * 200 + 2 * 70 && moved > 3 * 200, "{moved}");
    assert_eq!(samples["positions"].shape, [70 - dropped as usize, 22, 3]);
    assert_eq!(samples["reweighted.positions"].shape, [70, 22, 3]);

    let budget = 20 * 601 + 70 + 250;
    let (samples, ctx, ..) = run(&spec, Some(budget));
    assert!(ctx.energy.counts().charged() <= budget);
    assert!(samples["positions"].shape[0] > 60);
    let poor = PitaIcSpec { budget: Some(12_000), ..spec.clone() };
    let poor = RunSpec { system: SystemSpec::named("aldp", 900.0), sampler: SamplerSpec::PitaIc(poor) };
    assert!(matches!(build(&poor, &context(None)), Err(Error::Usage(m)) if m.contains("12000")));
    let cluster = sampling::context("lj13", 1.0, None);
    let spec = PitaIcSpec { ladder: Ladder::Fixed(vec![2.0]), ..spec };
    let spec = RunSpec { system: SystemSpec::named("lj13", 1.0), sampler: SamplerSpec::PitaIc(spec) };
    assert!(matches!(build(&spec, &cluster), Err(Error::Usage(m)) if m.contains("no internal coordinates")));
}

/// A ladder that is found on the way: it falls to the target by steps that leave what was asked for of the energies at hand, by the
/// rule itself, and is the same after a restart inside of any rung.
#[test]
fn ladder_by_effective_sample_size() {
    let spec = PitaIcSpec { ladder: Ladder::Auto(AutoLadder { hottest: 1_500.0, ess: 0.3 }), ..tiny() };
    let mut ctx = context(None);
    let mut resumed = in_pieces(&mut ctx, |ctx| start(&spec, ctx));
    let found: Vec<_> = resumed.told.iter_mut().filter_map(|progress| progress.population.take()).collect();
    let (samples, ..) = run(&spec, None);
    assert!(samples == resumed.samples());
    let temperatures: Vec<f64> = found.iter().map(|p| p.temperature).collect();
    assert!(temperatures.len() > 3 && temperatures[0] == 1_500.0, "{temperatures:?}");
    // The target is reached, and then sampled from itself.
    assert!(temperatures.ends_with(&[900.0, 900.0]) && temperatures.is_sorted_by(|a, b| a >= b), "{temperatures:?}");
    for (here, next) in found.iter().zip(&temperatures[1..]).take(temperatures.len() - 3) {
        // From those that are kept, in single precision: near what all of them say.
        let energies = energies(&ctx.system, &here.positions.to_f64());
        let (from, to) = (ctx.system.kt(here.temperature), ctx.system.kt(*next));
        let log_w: Vec<f64> = energies.iter().map(|e| e / from - e / to).collect();
        assert!((ess(&log_w) - 0.3).abs() < 0.08, "{} to {next}: {}", here.temperature, ess(&log_w));
    }
}

/// A pilot's levels, a start at less noise and steps that look back: resume is exact, evaluations are counted, weights are of the same
/// target. Steps without noise have no weights.
#[test]
fn other_steps() {
    let anneal = IcAnnealSpec {
        step: Step::SdeDpmSolver2m,
        grid: Grid::Kinetic,
        sigma_skip: Some(5.0),
        sigma_last: Some(0.05),
        ..tiny().anneal
    };
    let spec = PitaIcSpec { anneal, ..tiny() };
    let (whole, _, scalars, weights) = run(&spec, None);
    let mut ctx = context(None);
    let resumed = in_pieces(&mut ctx, |ctx| start(&spec, ctx));
    assert!(resumed.samples() == whole, "resumed");
    assert!(scalars["samples.ess"] > 0.0);
    let with = |anneal| {
        let spec = SamplerSpec::PitaIc(PitaIcSpec { anneal, ..spec.clone() });
        Trained::load(&spec, &ctx.system, &weights).unwrap().unwrap()
    };
    let mut energy = Metered::new(ctx.system.potential(), None);
    let kt = ctx.system.kt(ctx.system.temperature);
    let heun = with(IcAnnealSpec { step: Step::Heun, ..tiny().anneal });
    assert!(!heun.has_density() && heun.evaluations() == 19, "two for each step, one for that to the data");
    let drawn = heun.draw(&mut energy, kt, 5, 0..20).unwrap();
    assert!(drawn.log_weight.iter().all(|w| *w == 0.0 || *w == f64::NEG_INFINITY));
    assert!(!drawn.arrays(22, heun.has_density()).contains_key("log_weight"));
    let langevin = with(IcAnnealSpec { corrector: Corrector::Langevin, ..tiny().anneal });
    assert!(langevin.has_density() && langevin.evaluations() == 19);
    assert_eq!(langevin.draw(&mut energy, kt, 5, 0..20).unwrap().log_weight.len(), 20);
}

/// With the Fokker-Planck residual in training: another model, recorded losses, the same bits after stops at every step and on three
/// threads.
#[test]
fn residual_in_training() {
    let spec = PitaIcSpec { train: IcTrainSpec { fokker_planck: 0.3, ..tiny().train }, ..tiny() };
    let (whole, _, scalars, weights) = run(&spec, None);
    assert!(scalars["loss.fokker_planck"].is_finite() && weights != run(&tiny(), None).3);
    let mut ctx = context(None);
    let resumed = in_pieces(&mut ctx, |ctx| start(&spec, ctx));
    assert!(resumed.samples() == whole && resumed.sampler.weights().unwrap() == weights, "resumed");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert!(pool.install(|| run(&spec, None).0) == whole, "three threads");
    assert!(!run(&tiny(), None).2.contains_key("loss.fokker_planck"));
}

/// Children that are saved for later steps: fewer energies than there may be, the same bits after stops at every step, the same draws
/// whatever is drawn together.
#[test]
fn saved_children() {
    let anneal = IcAnnealSpec { children: Some(4), lookahead_steps: Some(3), rollover: true, ..tiny().anneal };
    let spec = PitaIcSpec { anneal, ..tiny() };
    let (whole, ctx, _, weights) = run(&spec, None);
    let mut other = context(None);
    let resumed = in_pieces(&mut other, |ctx| start(&spec, ctx));
    assert!(resumed.samples() == whole, "resumed");
    assert_eq!(other.energy.counts(), ctx.energy.counts());
    let found = ctx.energy.counts().0[&Purpose::Sampling];
    assert!(found > 70 * 6 && found < 70 * 14, "{found}");
    let spec = SamplerSpec::PitaIc(spec);
    let model = Trained::load(&spec, &ctx.system, &weights).unwrap().unwrap();
    let (mut energy, kt) = (Metered::new(ctx.system.potential(), None), ctx.system.kt(ctx.system.temperature));
    let all = model.draw(&mut energy, kt, 3, 0..20).unwrap();
    let part = model.draw(&mut energy, kt, 3, 5..9).unwrap();
    assert_eq!((&all.log_weight[5..9], &all.energies[5..9]), (&part.log_weight[..], &part.energies[..]));
}

/// Control, look-ahead and denoising moves together: resume is exact, also on three threads; every energy is counted and paid for.
#[test]
fn options_of_the_population() {
    let anneal = IcAnnealSpec {
        control: Control::Both,
        children: Some(3),
        lookahead_steps: Some(2),
        dmcmc: Some(2),
        dmcmc_sigma: Some(0.5),
        ..tiny().anneal
    };
    let spec = PitaIcSpec { anneal, ..tiny() };
    let (whole, ctx, scalars, weights) = run(&spec, None);
    let mut other = context(None);
    let resumed = in_pieces(&mut other, |ctx| start(&spec, ctx));
    assert!(resumed.samples() == whole && resumed.sampler.weights().unwrap() == weights, "resumed");
    assert_eq!(other.energy.counts(), ctx.energy.counts());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert!(pool.install(|| run(&spec, None).0) == whole, "three threads");
    for name in ["control.variance_before", "control.variance_after", "dmcmc.acceptance", "refine.acceptance"] {
        assert!(scalars[name].is_finite(), "{name}: {}", scalars[name]);
    }
    assert!(scalars["control.variance_after"] < scalars["control.variance_before"]);

    // A pilot of 480 in each of two rungs, three children in two steps; none is charged outside of the molecule.
    let count = |ctx: &Context, purpose: Purpose| ctx.energy.counts().0.get(&purpose).copied().unwrap_or(0);
    for (purpose, draws) in [(Purpose::Annealing, 200), (Purpose::Sampling, 70)] {
        let (found, most) = (count(&ctx, purpose), 480 + draws * 7);
        assert!(found > most / 2 && found <= most, "{purpose:?}: {found} of {most}");
    }
    let moved = count(&ctx, Purpose::Refinement);
    assert!(moved > 3 * 200 && moved <= 5 * 200 + 4 * 70, "{moved}");
    let budget = 20 * 601 + 480 + 70 * 7 + 900;
    let (_, ctx, ..) = run(&spec, Some(budget));
    assert!(ctx.energy.counts().charged() <= budget);

    // The run's own control is used again; another one is fitted first, and counted.
    let model = |anneal: &IcAnnealSpec, weights: &Arrays| {
        let spec = SamplerSpec::PitaIc(PitaIcSpec { anneal: anneal.clone(), ..spec.clone() });
        Trained::load(&spec, &ctx.system, weights).unwrap().unwrap()
    };
    let kt = ctx.system.kt(ctx.system.temperature);
    let mut energy = Metered::new(ctx.system.potential(), None);
    let mut own = model(&spec.anneal, &weights);
    own.prepare(&mut energy, kt).unwrap();
    assert_eq!(energy.counts().charged(), 0);
    let mut without = weights.clone();
    without.remove("control");
    let plain = IcAnnealSpec { control: Control::Vcg, steps: 6, ..tiny().anneal };
    let mut fitted = model(&plain, &without);
    fitted.prepare(&mut energy, kt).unwrap();
    let spent = energy.counts().charged();
    assert!(spent > 240 && spent <= 480, "{spent}");
    assert_eq!(own.evaluations(), 10 + 2, "two more children in the last step but one");
    assert_eq!(own.draw(&mut energy, kt, 3, 0..20).unwrap().log_weight.len(), 20);
    let drawn = fitted.draw(&mut energy, kt, 3, 0..20).unwrap();
    let part = fitted.draw(&mut energy, kt, 3, 5..9).unwrap();
    assert_eq!(drawn.log_weight[5..9], part.log_weight[..]);

    // Compensated steps have no weights and cost what others cost; so do levels where paths bend.
    let quick = IcAnnealSpec {
        step: Step::DpmSolverPp2m,
        corrector: Corrector::DcSolver,
        grid: Grid::Sada,
        steps: 6,
        ..tiny().anneal
    };
    let quick = model(&quick, &without);
    assert!(!quick.has_density() && quick.evaluations() == 6);
    assert!(quick.draw(&mut energy, kt, 3, 0..20).unwrap().positions.iter().all(|x| x.is_finite()));
}

/// Paths drawn backwards from the run's own refined samples have weights as its draws have: the two estimates of `ln Z` bracket
/// each other. All samples have the molecule's chirality.
#[test]
fn weights_of_given_frames() {
    let spec = PitaIcSpec {
        initial: InitialSpec { samples: 2_000, walkers: 100, equilibration: 1_000, stride: 50, ..tiny().initial },
        net: IcNetSpec { width: 64, blocks: 2 },
        train: IcTrainSpec { first_steps: 1_200, steps: 500, batch: 128, warm_up: 50, ..IcTrainSpec::default() },
        anneal: IcAnnealSpec { steps: 40, moves: 8, ..IcAnnealSpec::default() },
        samples: 1_000,
        particles: 1_000,
        refine: 20,
        ..tiny()
    };
    let (samples, ctx, scalars, weights) = run(&spec, None);
    let x = samples["reweighted.positions"].to_f64();
    let (mut e, mut f) = (vec![0.0; 1_000], vec![0.0; x.len()]);
    ctx.system.potential().energy_forces(&x, &mut e, &mut f);
    let kt = ctx.system.kt(ctx.system.temperature);
    let model = Trained::load(&SamplerSpec::PitaIc(spec), &ctx.system, &weights).unwrap().unwrap();
    let ratio = model.log_ratio(&x, &e, kt, 3).unwrap();
    let log_w = samples["log_weight"].to_f64();
    let dropped = scalars["samples.dropped"];
    assert!((ess(&log_w) * (1.0 - dropped / 1_000.0) - scalars["samples.ess"]).abs() < 1e-9, "{dropped} have none");
    // Draws of q have smaller weights p/q than samples of p, and ln Z (without the constants that make it absolute) lies between.
    let median = |v: &[f64]| {
        let mut v = v.to_vec();
        v.sort_by(f64::total_cmp);
        v[v.len() / 2]
    };
    let between = log_mean_exp(&log_w);
    assert!(median(&log_w) < between && between < median(&ratio), "{} {between} {}", median(&log_w), median(&ratio));
    assert!(median(&ratio) - median(&log_w) < 30.0, "{} {}", median(&log_w), median(&ratio));
    let mirrored: Vec<f64> = x.iter().enumerate().map(|(i, x)| if i % 3 == 0 { -x } else { *x }).collect();
    let outside = model.log_ratio(&mirrored, &e, kt, 3).unwrap();
    assert!(outside.iter().all(|w| *w == f64::INFINITY));

    // Further samples: the same by number whatever is drawn together, weights as the run's own, energies those of the positions.
    let mut energy = Metered::new(ctx.system.potential(), None);
    let all = model.draw(&mut energy, kt, 5, 0..300).unwrap();
    let part = model.draw(&mut energy, kt, 5, 130..200).unwrap();
    assert_eq!(all.log_weight[130..200], part.log_weight[..]);
    let (mut e, mut f) = (vec![0.0; 300], vec![0.0; all.positions.len()]);
    ctx.system.potential().energy_forces(&all.positions, &mut e, &mut f);
    for i in (0..300).filter(|&i| all.log_weight[i].is_finite()) {
        assert!((e[i] - all.energies[i]).abs() < 1e-6 * e[i].abs().max(1.0), "{i}: {} {}", e[i], all.energies[i]);
    }
    let spread = (median(&all.log_weight) - median(&log_w)).abs();
    assert!(spread < 3.0, "{spread}: the same model, other noise");
    let other = model.draw(&mut energy, kt, 6, 0..300).unwrap();
    assert!(other.log_weight.iter().zip(&all.log_weight).all(|(a, b)| a != b || !a.is_finite()));
}
