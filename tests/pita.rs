//! PITA from end to end on a tiny ladder: exact resume, independence of threads, counts, and every weight kind.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::sync::Arc;

use pita_bench::array::Arrays;
use pita_bench::config::spec::{
    AnnealSpec, Engine, InitialSpec, NetSpec, PitaSpec, RefineSpec, Resampling, RunSpec, SamplerSpec, SystemSpec,
    TrainSpec, Weights,
};
use pita_bench::energy::{Metered, Purpose};
use pita_bench::error::Error;
use pita_bench::nn;
use pita_bench::rng::{self, Stream};
use pita_bench::samplers::{Context, Sampler, build};
use pita_bench::systems;

fn tiny() -> PitaSpec {
    PitaSpec {
        ladder: vec![4.0, 3.0],
        initial: InitialSpec { samples: 60, walkers: 20, equilibration: 200, stride: 5, ..InitialSpec::default() },
        train: TrainSpec { first_steps: 25, steps: 12, batch: 8, ..TrainSpec::default() },
        anneal: AnnealSpec { steps: 12, ..AnnealSpec::default() },
        refine: RefineSpec { steps: 3, ..RefineSpec::default() },
        particles: 40,
        samples: 50,
        ..PitaSpec::default()
    }
}

fn context(budget: Option<u64>) -> Context {
    let system = Arc::new(systems::by_name("lj13", 2.0).unwrap());
    Context { energy: Metered::new(system.potential(), budget), system, seed: 11 }
}

fn start(spec: &PitaSpec, ctx: &Context) -> Box<dyn Sampler> {
    let system = SystemSpec::named("lj13", 2.0);
    build(&RunSpec { system, sampler: SamplerSpec::Pita(spec.clone()) }, ctx).unwrap()
}

fn run(spec: &PitaSpec) -> (Arrays, Context) {
    let mut ctx = context(None);
    let mut sampler = start(spec, &ctx);
    while !sampler.step(&mut ctx).unwrap().finished {}
    (sampler.samples().unwrap(), ctx)
}

/// Stopped after every single step and continued in a fresh sampler: the same bits at the end.
#[test]
fn resume_anywhere_is_exact() {
    let (whole, _) = run(&tiny());
    let mut ctx = context(None);
    let mut sampler = start(&tiny(), &ctx);
    loop {
        let finished = sampler.step(&mut ctx).unwrap().finished;
        let state = sampler.state().unwrap();
        sampler = start(&tiny(), &ctx);
        sampler.restore(&state).unwrap();
        if finished {
            break;
        }
    }
    assert_eq!(sampler.samples().unwrap(), whole);
}

#[test]
fn threads_do_not_matter() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&tiny()).0)
    };
    assert_eq!(with(1), with(3));
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
        let all = net.energy(&params, &h, &beta, &x).unwrap();
        let one = net.energy(&params, &h[..1], &beta[..1], &x[7 * 39..8 * 39]).unwrap();
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
    let mut ctx = context(Some(1_000));
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
