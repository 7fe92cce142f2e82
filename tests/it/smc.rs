//! Annealed SMC against closed forms; exact resume, counts, independence of threads.

use std::sync::Arc;

use pita_bench::array::Arrays;
use pita_bench::energy::{Metered, Purpose};
use pita_bench::error::Error;
use pita_bench::rng::{self, Stream};
use pita_bench::samplers::smc::ladder::change;
use pita_bench::samplers::smc::weights::Weights;
use pita_bench::samplers::{Context, Sampler, build};
use pita_bench::spec::{
    AutoLadder, Coordinates, InitialSpec, Integrator, Ladder, MdSpec, Precision, RunSpec, SamplerSpec, SmcSpec,
    SystemSpec,
};
use pita_bench::systems;

use crate::common::sampling::{self, finish, in_pieces};
use crate::common::targets::{DIM, Harmonic, TwoWells, moments, on};

/// Dimensions of the centre-free subspace.
const FREE: f64 = (DIM - 3) as f64;

fn start(spec: &SmcSpec, ctx: &Context) -> Box<dyn Sampler> {
    sampling::start(SamplerSpec::Smc(spec.clone()), ctx)
}

/// Samples, and every scalar that was recorded.
fn run(spec: &SmcSpec, ctx: &mut Context) -> (Arrays, Vec<(String, f64)>) {
    let ended = finish(start(spec, ctx), ctx);
    (ended.samples(), ended.scalars())
}

fn all(scalars: &[(String, f64)], name: &str) -> Vec<f64> {
    scalars.iter().filter(|(n, _)| n == name).map(|(_, value)| *value).collect()
}

fn last(scalars: &[(String, f64)], name: &str) -> f64 {
    *all(scalars, name).last().unwrap()
}

fn harmonic(ladder: Ladder, walkers: usize) -> SmcSpec {
    SmcSpec {
        ladder,
        initial: InitialSpec {
            samples: 240,
            walkers,
            equilibration: 60,
            stride: if walkers == 240 { 1 } else { 2 },
            ..InitialSpec::default()
        },
        moves: 8,
        samples: 240,
        ..SmcSpec::default()
    }
}

/// Particles are told of at every temperature: their reduced energies, k x^2/2 over T, have mean d/2 there.
#[test]
fn particles_on_the_way() {
    let mut ctx = on(Harmonic { k: 7.0 }, 1.0, None, 5);
    let ended = finish(start(&harmonic(Ladder::Fixed(vec![4.0, 2.0]), 240), &ctx), &mut ctx);
    let found: Vec<_> = ended.told.into_iter().filter_map(|progress| progress.population).collect();
    assert_eq!(found.iter().map(|p| p.temperature).collect::<Vec<_>>(), [4.0, 2.0, 1.0]);
    for population in found {
        // 240 particles: a standard error of sqrt(d/2 / 240), or 0.27; resampled ones are fewer.
        let particles = population.positions.shape[0] as f64;
        let square = population.positions.to_f64().iter().map(|x| x * x).sum::<f64>();
        let mean = 0.5 * 7.0 * square / population.temperature / particles;
        assert!((mean - 0.5 * FREE).abs() < 1.5, "{mean} at {}", population.temperature);
    }
}

/// `ln Z/Z_0 = d/2 ln T/T_0` within its error over seeds; the error bar is what estimates scatter by, also where the frames
/// of one walker are nearly the same.
#[test]
fn harmonic_normalising_constant_and_its_error_bar() {
    let exact = 0.5 * FREE * (1.0_f64 / 4.0).ln();
    let fixed = || Ladder::Fixed(vec![4.0, 2.8, 2.0, 1.4]);
    let auto = || Ladder::Auto(AutoLadder { hottest: 4.0, ess: 0.6 });
    for (what, ladder, walkers) in [("fixed", fixed(), 240), ("auto", auto(), 240), ("few walkers", fixed(), 40)] {
        let spec = harmonic(ladder, walkers);
        let found: Vec<(f64, f64)> = (0..40)
            .map(|seed| {
                let (_, scalars) = run(&spec, &mut on(Harmonic { k: 3.0 }, 1.0, None, seed));
                (last(&scalars, "smc.log_z"), last(&scalars, "smc.log_z.error"))
            })
            .collect();
        let (mean, scatter) = moments(&found.iter().map(|f| f.0).collect::<Vec<_>>());
        let bar = moments(&found.iter().map(|f| f.1).collect::<Vec<_>>()).0;
        assert!(
            (mean - exact).abs() < 4.0 * scatter / 40_f64.sqrt() + 0.5 * scatter * scatter,
            "{what}: {mean} for {exact} +- {scatter}"
        );
        // 40 values give their scatter to 11 %: three of those.
        assert!((bar / scatter - 1.0).abs() < 0.35, "{what}: error bar {bar}, scatter {scatter}");
    }
}

/// Frames at the target have its variance, with and without resampling on the way, and with several frames of each particle.
#[test]
fn harmonic_variance_at_the_target() {
    for (ess_threshold, samples) in [(0.5, 4_000), (0.0, 4_000), (1.0, 9_000)] {
        let initial =
            InitialSpec { samples: 4_000, walkers: 4_000, equilibration: 60, stride: 1, ..InitialSpec::default() };
        let spec = SmcSpec {
            initial,
            ess_threshold,
            samples,
            stride: 5,
            moves: 6,
            ..harmonic(Ladder::Fixed(vec![4.0, 2.5, 1.6]), 1)
        };
        let (found, scalars) = run(&spec, &mut on(Harmonic { k: 3.0 }, 1.0, None, 3));
        assert_eq!(found["positions"].shape, [samples, 4, 3]);
        assert_eq!(found["parents"].shape, [samples]);
        assert!(!found.contains_key("log_weight"), "resampled at the target");
        // One mean per particle: frames of one are not independent.
        let squares: Vec<f64> =
            found["positions"].to_f64().chunks(DIM).map(|x| x.iter().map(|x| x * x).sum()).collect();
        let (mean, sd) = moments(&squares[..4_000]);
        let distinct = last(&scalars, "smc.unique_parents");
        assert!(
            (mean - FREE / 3.0).abs() < 4.0 * sd / distinct.sqrt(),
            "threshold {ess_threshold}: {mean}, {distinct} left"
        );
        assert!((moments(&squares).0 - FREE / 3.0).abs() < 4.0 * sd / distinct.sqrt());
    }
}

/// Weights of exact draws at T = 4 for T = 2 give the normalising constant and the variance there; with a ratio of
/// temperatures that is 10 % wrong the same checks fail.
#[test]
fn a_wrong_ratio_of_temperatures_is_seen() {
    let z = |target: f64| {
        let n = 20_000;
        let stream = Stream::new(8, rng::Purpose::Init, 1);
        let squares: Vec<f64> = (0..n)
            .map(|i| {
                let mut draws = stream.at(i);
                (0..9).map(|_| 4.0 * draws.normal().powi(2)).sum()
            })
            .collect();
        let energies: Vec<f64> = squares.iter().map(|s| 0.5 * s).collect();
        let mut weights = Weights::new(n as usize, n as usize);
        weights.advance(&change(&energies, 0.25, 1.0 / target)).unwrap();
        let (log_z, error) = weights.log_z();
        let kept = weights.resample(0.5);
        let (mean, sd) = moments(&kept.iter().map(|&i| squares[i]).collect::<Vec<_>>());
        let effective = weights.unique_parents() as f64;
        let off = [(log_z - 0.5 * FREE * 0.5_f64.ln()) / error, (mean - FREE * 2.0) / (sd / effective.sqrt())];
        off.map(f64::abs)
    };
    assert!(z(2.0).iter().all(|z| *z < 4.0), "{:?}", z(2.0));
    assert!(z(2.2).iter().all(|z| *z > 6.0), "{:?}", z(2.2));
}

/// Two wells that moves cross at the start and hardly at the target: populations follow the weights.
#[test]
fn populations_of_two_wells() {
    let (half, shares) = (3.0, [0.2, 0.8]);
    let initial =
        InitialSpec { samples: 1_500, walkers: 1_500, equilibration: 400, stride: 1, ..InitialSpec::default() };
    let spec = SmcSpec {
        ladder: Ladder::Auto(AutoLadder { hottest: 6.0, ess: 0.5 }),
        initial,
        moves: 10,
        samples: 1_500,
        ..SmcSpec::default()
    };
    let right: Vec<f64> = (0..8)
        .map(|seed| {
            let (found, scalars) = run(&spec, &mut on(TwoWells { half, shares }, 1.0, None, seed));
            let temperatures = all(&scalars, "smc.temperature");
            assert!(temperatures.is_sorted_by(|a, b| a > b) && temperatures.last() == Some(&1.0), "{temperatures:?}");
            // Each step but the last leaves what was asked for.
            let steps = all(&scalars, "smc.step_ess");
            let (end, others) = steps.split_last().unwrap();
            assert!(others.iter().all(|ess| (ess - 0.5).abs() < 1e-6) && *end >= 0.5, "{steps:?}");
            let x = found["positions"].to_f64();
            x.chunks(DIM).filter(|x| TwoWells::along(x) > 0.0).count() as f64 / 1_500.0
        })
        .collect();
    let (mean, scatter) = moments(&right);
    // Of each Gaussian 0.135 % lie beyond the middle.
    let want = shares[1] * (1.0 - 0.00135) + shares[0] * 0.00135;
    assert!((mean - want).abs() < 4.0 * scatter / 8_f64.sqrt(), "{mean} for {want} +- {scatter}");
    assert!(scatter < 0.05, "{scatter}");
}

fn tiny(ladder: Ladder) -> SmcSpec {
    SmcSpec {
        ladder,
        initial: InitialSpec { samples: 60, walkers: 20, equilibration: 200, stride: 5, ..InitialSpec::default() },
        moves: 5,
        stride: 3,
        samples: 150,
        ..SmcSpec::default()
    }
}

fn kinds() -> [SmcSpec; 3] {
    let auto = tiny(Ladder::Auto(AutoLadder { hottest: 4.0, ess: 0.3 }));
    let langevin = InitialSpec { integrator: Integrator::Langevin, step: 0.003, ..auto.initial.clone() };
    [tiny(Ladder::Fixed(vec![4.0, 3.0])), auto.clone(), SmcSpec { initial: langevin, ..auto }]
}

fn cluster(budget: Option<u64>) -> Context {
    sampling::context("lj13", 2.0, budget)
}

/// Stopped after every single step and continued in a fresh sampler: the same bits at the end.
#[test]
fn resume_anywhere_is_exact() {
    for spec in kinds() {
        let (whole, _) = run(&spec, &mut cluster(None));
        assert_eq!(in_pieces(&mut cluster(None), |ctx| start(&spec, ctx)).samples(), whole);
    }
}

#[test]
fn threads_do_not_matter() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| kinds().map(|spec| run(&spec, &mut cluster(None)).0))
    };
    assert_eq!(with(1), with(3));
}

/// By hand: 20 walkers x (1 + 200 + 3 x 5) moves; 60 particles x (2 x 5 + 2 x 3) moves, of which three rounds are recorded,
/// the last by half.
#[test]
fn evaluations_are_counted() {
    let mut ctx = cluster(None);
    let (samples, _) = run(&tiny(Ladder::Fixed(vec![4.0, 3.0])), &mut ctx);
    let counts = &ctx.energy.counts().0;
    assert_eq!(counts[&Purpose::InitialData], 20 * (1 + 200 + 15));
    assert_eq!(counts[&Purpose::Sampling], 60 * (5 + 5 + 3 + 3));
    assert_eq!(counts.len(), 2);
    let (x, n) = (samples["positions"].to_f64(), 150);
    let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
    ctx.system.potential().energy_forces(&x, &mut e, &mut f);
    assert_eq!(e, samples["energy"].to_f64());
    let parents = samples["parents"].as_i64().unwrap();
    assert_eq!(parents[..60], parents[60..120], "the same particles again");
    assert_eq!(parents[120..], *parents[..60].iter().step_by(2).copied().collect::<Vec<_>>());
}

/// A budget is spent to the last evaluation: before the target that is an error, at the target the end.
#[test]
fn budgets_are_exact() {
    let spec = tiny(Ladder::Fixed(vec![4.0, 3.0]));
    let mut ctx = cluster(Some(4_500));
    let mut sampler = start(&spec, &ctx);
    let error = loop {
        if let Err(e) = sampler.step(&mut ctx) {
            break e;
        }
    };
    assert!(matches!(error, Error::BudgetSpent { budget: 4_500 }));
    assert_eq!(ctx.energy.counts().charged(), 4_500);
    let enough = 20 * 216 + 60 * 13 + 7;
    let mut ctx = cluster(Some(enough));
    let (samples, _) = run(&spec, &mut ctx);
    assert_eq!((samples["energy"].shape[0], ctx.energy.counts().charged()), (120, enough));
}

#[test]
fn a_ladder_that_does_not_fall_is_refused() {
    let ctx = cluster(None);
    for ladder in [Ladder::Fixed(vec![]), Ladder::Fixed(vec![1.5]), Ladder::Auto(AutoLadder { hottest: 2.0, ess: 0.5 })]
    {
        let system = SystemSpec::named("lj13", 2.0);
        let error = build(&RunSpec { system, sampler: SamplerSpec::Smc(tiny(ladder)) }, &ctx).err().unwrap();
        assert!(error.to_string().contains("must fall and end above the target temperature 2"), "{error}");
    }
}

/// In internal coordinates of a peptide: recorded energies are those of the frames, chirality stays, a resume gives the same bits,
/// the mean energy is that of plain dynamics at the target, and what has no such coordinates is refused.
#[test]
fn in_internal_coordinates() {
    let system = Arc::new(systems::by_name("aldp", 900.0).unwrap());
    let context = || Context { energy: Metered::new(system.potential(), None), system: Arc::clone(&system), seed: 5 };
    let initial = InitialSpec {
        integrator: Integrator::Langevin,
        step: 0.001,
        friction: 1.0,
        precision: Precision::F64,
        samples: 800,
        walkers: 50,
        equilibration: 3_000, // 3 ps: from the minimum, potential energy rises for as long as friction takes
        stride: 30,
        bias: None,
    };
    let spec = SmcSpec {
        ladder: Ladder::Fixed(vec![1_200.0]),
        coordinates: Coordinates::Internal,
        initial: initial.clone(),
        moves: 20,
        stride: 10,
        samples: 1_600,
        ..SmcSpec::default()
    };
    let mut ctx = context();
    let (found, scalars) = run(&spec, &mut ctx);
    let (x, recorded) = (found["positions"].to_f64(), found["energy"].to_f64());
    let (mut energies, mut forces) = (vec![0.0; 1_600], vec![0.0; x.len()]);
    system.potential().energy_forces(&x, &mut energies, &mut forces);
    for (now, then) in energies.iter().zip(&recorded) {
        assert!((now - then).abs() < 1e-6 * then.abs().max(1.0), "{now} {then}");
    }
    assert!(last(&scalars, "smc.acceptance") > 0.2, "{scalars:?}");
    let topology = system.topology.as_ref().unwrap();
    let volume = pita_bench::flow::Volume::new(topology, &system.start).unwrap();
    assert!(x.chunks_exact(66).all(|frame| volume.right(frame)));

    let md = MdSpec {
        integrator: Integrator::Langevin,
        step: 0.001,
        friction: 1.0,
        precision: Precision::F64,
        samples: 600,
        walkers: 50,
        equilibration: 4_000,
        stride: 100,
        ..MdSpec::default()
    };
    let mut other = context();
    let md = RunSpec { system: SystemSpec::named("aldp", 900.0), sampler: SamplerSpec::Md(md) };
    let mut sampler = build(&md, &other).unwrap();
    while !sampler.step(&mut other).unwrap().finished {}
    let (mean, sd) = moments(&sampler.samples().unwrap()["energy"].to_f64());
    let ours = moments(&recorded).0;
    // Frames are worth as many as there are ancestors left, and two of each walker. 1200 K would be 75 kJ/mol apart.
    let error = sd * (1.0 / last(&scalars, "smc.unique_parents") + 1.0 / 100.0).sqrt();
    assert!(error < 8.0 && (ours - mean).abs() < 4.0 * error, "{ours} for {mean}, error {error}");

    // In the dynamics, in the moves, between recorded frames.
    for phase in ["initial data", "moves", "recording"] {
        let mut first = context();
        let mut sampler = start(&spec, &first);
        while !sampler.step(&mut first).unwrap().phase.ends_with(phase) {}
        let (state, counts) = (sampler.state().unwrap(), first.energy.counts().clone());
        let mut again = context();
        again.energy.restore(counts);
        let mut sampler = start(&spec, &again);
        sampler.restore(&state).unwrap();
        while !sampler.step(&mut again).unwrap().finished {}
        assert_eq!(sampler.samples().unwrap(), found, "stopped in {phase}");
    }

    let cluster = Arc::new(systems::by_name("lj13", 1.0).unwrap());
    let cluster = Context { energy: Metered::new(cluster.potential(), None), system: cluster, seed: 0 };
    let spec = SmcSpec { ladder: Ladder::Fixed(vec![2.0]), ..spec };
    let spec = RunSpec { system: SystemSpec::named("lj13", 1.0), sampler: SamplerSpec::Smc(spec) };
    assert!(matches!(build(&spec, &cluster), Err(Error::Usage(m)) if m.contains("no internal coordinates")));
}
