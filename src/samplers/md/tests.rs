//! Closed forms, equipartition, resuming and budgets.

use std::sync::Arc;

use super::*;
use crate::config::spec::{Integrator, MdSpec};
use crate::energy::{Metered, Potential};
use crate::systems::by_name;

/// `E = k/2 sum |x|^2`: on the centred subspace every direction has variance `kT/k`.
struct Harmonic(f64, usize);

impl Potential for Harmonic {
    fn atoms(&self) -> usize {
        self.1
    }
    fn energy_forces(&self, x: &[f64], e: &mut [f64], f: &mut [f64]) {
        for (e, x) in e.iter_mut().zip(x.chunks(3 * self.1)) {
            *e = 0.5 * self.0 * x.iter().map(|x| x * x).sum::<f64>();
        }
        f.iter_mut().zip(x).for_each(|(f, x)| *f = -self.0 * x);
    }
    fn energy_forces_f32(&self, _: &[f32], _: &mut [f32], _: &mut [f32]) {}
    fn term_names(&self) -> &'static [&'static str] {
        &[]
    }
    fn per_term(&self, _: &[f64], _: &mut [f64]) {}
}

/// Mean of `2E / (6 kT)` over walkers and its standard error, walkers being independent.
fn mean_and_error(per_walker: &[f64]) -> (f64, f64) {
    let n = per_walker.len() as f64;
    let mean = per_walker.iter().sum::<f64>() / n;
    let variance = per_walker.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn harmonic_variance_is_exact() {
    let (kt, k, walkers) = (0.7, 3.0, 64);
    for integrator in ["langevin", "mala"] {
        let mut energy = Metered::new(Arc::new(Harmonic(k, 3)), None);
        let start = vec![0.0; 9 * walkers];
        let init = Stream::new(1, rng::Purpose::Init, 0);
        // BAOAB's configurations are exact for harmonic forces at any step; MALA's by detailed balance (a large step).
        let mut langevin = Langevin::new(start.clone(), 3, kt, 0.5, 1.0, &init);
        let mut mala = Mala::new(start, 3, kt, 0.2);
        let mut sums = vec![0.0; walkers];
        for step in 0..2_200 {
            let stream = Stream::new(1, rng::Purpose::Dynamics, step);
            let e = if integrator == "mala" {
                mala.step(&mut energy, Purpose::Sampling, &stream).unwrap();
                mala.energies()
            } else {
                langevin.step(&mut energy, Purpose::Sampling, &stream).unwrap();
                langevin.energies()
            };
            if step >= 200 {
                sums.iter_mut().zip(e).for_each(|(s, e)| *s += e / 2_000.0 * 2.0 / (6.0 * kt));
            }
        }
        let (mean, error) = mean_and_error(&sums);
        assert!(error < 0.01 && (mean - 1.0).abs() < 4.0 * error, "{integrator}: {mean} +- {error}");
        if integrator == "mala" {
            assert!((0.1..0.95).contains(&mala.acceptance(0)), "rejections matter: {}", mala.acceptance(0));
        }
    }
}

fn context(budget: Option<u64>) -> Context {
    let system = Arc::new(by_name("lj13", 2.0).unwrap());
    Context { energy: Metered::new(system.potential(), budget), system, seed: 3 }
}

/// `<-x.F> = 3 (N - 1) kT` on LJ-13, at a temperature where the cluster stays solid: at T = 2 it melts and evaporates, which
/// takes far longer than a test (while it expands, `<-x.F>` is below its limit).
#[test]
fn virial_of_lj13() {
    let mut ctx = context(None);
    let mut mala = Mala::new(start(&ctx, 128), 13, 0.3, 1e-4);
    mala.adapt(ACCEPTANCE);
    let mut sums = vec![0.0; 128];
    for step in 0..5_000 {
        if step == 1_000 {
            mala.freeze();
            mala.reset_statistics();
        }
        mala.step(&mut ctx.energy, Purpose::Sampling, &Stream::new(1, rng::Purpose::Dynamics, step)).unwrap();
        if step >= 1_000 {
            for (s, (x, f)) in sums.iter_mut().zip(mala.positions().chunks(39).zip(mala.forces().chunks(39))) {
                *s -= x.iter().zip(f).map(|(x, f)| x * f).sum::<f64>() / (36.0 * 0.3) / 4_000.0;
            }
        }
    }
    let (mean, error) = mean_and_error(&sums);
    assert!((mala.acceptance(0) - ACCEPTANCE).abs() < 0.08, "{}", mala.acceptance(0));
    assert!(error < 0.02 && (mean - 1.0).abs() < 4.0 * error, "{mean} +- {error}");
}

fn samplers(ctx: &Context) -> Vec<Box<dyn Sampler>> {
    let md = |integrator| MdSpec {
        integrator,
        equilibration: 20_000,
        stride: 1_000,
        walkers: 4,
        samples: 100,
        ..MdSpec::default()
    };
    let exchange = ReplicaExchangeSpec {
        ladder: vec![4.0, 3.0],
        copies: 2,
        equilibration: 20_000,
        stride: 300,
        samples: 50,
        ..ReplicaExchangeSpec::default()
    };
    vec![
        build(&md(Integrator::Langevin), ctx).unwrap(),
        build(&md(Integrator::Mala), ctx).unwrap(),
        build_replica_exchange(&exchange, ctx).unwrap(),
    ]
}

#[test]
fn resumes_bit_for_bit() {
    for kind in 0..3 {
        let mut ctx = context(None);
        let mut whole = samplers(&ctx).remove(kind);
        let first = whole.step(&mut ctx).unwrap();
        assert!(!first.finished && first.done > 0);
        let saved = whole.state().unwrap();
        while !whole.step(&mut ctx).unwrap().finished {}
        let mut ctx = context(None);
        let mut rest = samplers(&ctx).remove(kind);
        rest.restore(&saved).unwrap();
        while !rest.step(&mut ctx).unwrap().finished {}
        assert!(whole.state().unwrap() == rest.state().unwrap(), "sampler {kind}");
    }
}

#[test]
fn budget_is_used_to_the_last_evaluation() {
    for (kind, budget) in [(0, 90_001), (1, 90_001), (2, 124_001)] {
        let mut ctx = context(Some(budget));
        let mut sampler = samplers(&ctx).remove(kind);
        while !sampler.step(&mut ctx).unwrap().finished {}
        assert_eq!(ctx.energy.counts().charged(), budget);
        let n = sampler.samples().unwrap()["energy"].len();
        assert!(n > 0 && n < 50, "sampler {kind}: {n} frames");
    }
}

/// Mean energy `36/2 kT` of 13 harmonic atoms at the target, whatever is exchanged with the hotter rungs.
#[test]
fn replica_exchange_keeps_the_target_exact() {
    let mut ctx = context(None);
    ctx.energy = Metered::new(Arc::new(Harmonic(2.0, 13)), None);
    let spec = ReplicaExchangeSpec {
        ladder: vec![3.0, 2.5],
        copies: 32,
        exchange_every: 2,
        equilibration: 500,
        stride: 2,
        samples: 32 * 800,
        ..ReplicaExchangeSpec::default()
    };
    let mut sampler = ReplicaExchange::new(&spec, &ctx, Purpose::Sampling).unwrap();
    while !sampler.step(&mut ctx).unwrap().finished {}
    let energies = sampler.samples().unwrap()["energy"].to_f64();
    let per_copy: Vec<f64> = energies.chunks(800).map(|e| e.iter().sum::<f64>() / 800.0 / 36.0).collect();
    let (mean, error) = mean_and_error(&per_copy);
    assert!(error < 0.01 && (mean - 1.0).abs() < 4.0 * error, "{mean} +- {error}");
    assert!(sampler.exchange_acceptance().iter().all(|a| (0.2..0.9).contains(a)) && sampler.round_trips() > 100);
}
