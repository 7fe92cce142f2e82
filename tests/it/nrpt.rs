//! Non-reversible parallel tempering: the order of its swaps, and a ladder of equal rejection.

use pita_bench::array::Arrays;
use pita_bench::samplers::{Context, Sampler};
use pita_bench::spec::{Integrator, ReplicaExchangeSpec, SamplerSpec};

use crate::common::sampling::{self, finish, in_pieces};
use crate::common::targets::{DIM, context, moments};

fn start(spec: &ReplicaExchangeSpec, ctx: &Context) -> Box<dyn Sampler> {
    sampling::start(SamplerSpec::ReplicaExchange(spec.clone()), ctx)
}

fn run(spec: &ReplicaExchangeSpec, ctx: &mut Context) -> (Arrays, Vec<(String, f64)>) {
    let ended = finish(start(spec, ctx), ctx);
    (ended.samples(), ended.scalars())
}

fn last(scalars: &[(String, f64)], name: &str) -> f64 {
    scalars.iter().rev().find(|(n, _)| n == name).unwrap().1
}

/// On a flat surface every swap is accepted, and a replica goes straight from one end to the other and back: each of the
/// levels' replicas makes a round trip in 2 x levels rounds. (A random order of swaps would diffuse.)
#[test]
fn replicas_go_straight() {
    let (levels, rounds) = (6, 120);
    let spec = ReplicaExchangeSpec {
        ladder: (0..levels - 1).map(|l| 3.0 - 0.1 * f64::from(l)).collect(),
        copies: 2,
        exchange_every: 1,
        equilibration: rounds - 20,
        stride: 20,
        samples: 2,
        ..ReplicaExchangeSpec::default()
    };
    let (_, scalars) = run(&spec, &mut context(0.0, 1.0, None));
    assert_eq!(last(&scalars, "exchange.least_acceptance"), 1.0);
    assert_eq!(last(&scalars, "exchange.barrier"), 0.0);
    // 120 rounds are ten periods. A trip is counted from the hot end on, so the first of most replicas is not whole.
    let trips = last(&scalars, "exchange.round_trips");
    let whole = f64::from(2 * levels) * rounds as f64 / f64::from(2 * levels);
    assert!(trips <= whole && trips >= whole - f64::from(2 * 2 * levels), "{trips} of {whole}");
}

/// A bad ladder becomes one of equal rejection, which for a harmonic system is nearly geometric; the target is kept.
#[test]
fn the_ladder_is_tuned_to_equal_rejection() {
    for integrator in [Integrator::Mala, Integrator::Langevin] {
        let spec = ReplicaExchangeSpec {
            ladder: vec![8.0, 7.8, 7.5, 7.0],
            integrator,
            step: 0.3,
            copies: 500,
            exchange_every: 2,
            equilibration: 600,
            stride: 20,
            samples: 4_000,
            tuning: 4,
            ..ReplicaExchangeSpec::default()
        };
        let (samples, scalars) = run(&spec, &mut context(3.0, 1.0, None));
        let ladder: Vec<f64> = (0..5).map(|l| last(&scalars, &format!("exchange.temperature.{l}"))).collect();
        for (l, t) in ladder.iter().enumerate() {
            let want = 8.0 * (1.0_f64 / 8.0).powf(l as f64 / 4.0);
            assert!((t / want - 1.0).abs() < 0.05, "{integrator:?}: {ladder:?}");
        }
        // Independent ladders: the mean over copies of the mean over their frames.
        let squares: Vec<f64> =
            samples["positions"].to_f64().chunks(DIM).map(|x| x.iter().map(|x| x * x).sum()).collect();
        let means: Vec<f64> = (0..500).map(|c| squares.iter().skip(c).step_by(500).sum::<f64>() / 8.0).collect();
        let (mean, sd) = moments(&means);
        assert!((mean - 3.0).abs() < 4.0 * sd / 500_f64.sqrt(), "{integrator:?}: {mean}");
        // Four equal rejections: the least acceptance is the mean one.
        let (least, barrier) = (last(&scalars, "exchange.least_acceptance"), last(&scalars, "exchange.barrier"));
        assert!((1.0 - least - barrier / 4.0).abs() < 0.02, "{least}, {barrier}");
    }
}

/// Stopped in the middle of tuning and continued: the same bits.
#[test]
fn resume_is_exact() {
    for integrator in [Integrator::Mala, Integrator::Langevin] {
        let spec = ReplicaExchangeSpec {
            ladder: vec![4.0, 3.0],
            integrator,
            copies: 2,
            equilibration: 6_000,
            stride: 7,
            samples: 400,
            ..ReplicaExchangeSpec::non_reversible()
        };
        let whole = run(&spec, &mut context(1.0, 1.0, None)).0;
        assert_eq!(in_pieces(&mut context(1.0, 1.0, None), |ctx| start(&spec, ctx)).samples(), whole);
    }
}
