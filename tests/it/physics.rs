//! Energies, forces and dynamics against independent numbers.

use pita_bench::array::read_npz;
use pita_bench::energy::Potential;
use pita_bench::energy::lj::LennardJones;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/physics/lj13_golden.npz");

fn evaluate(lj: &LennardJones, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut e = vec![0.0; x.len() / (3 * lj.atoms())];
    let mut f = vec![0.0; x.len()];
    lj.energy_forces(x, &mut e, &mut f);
    (e, f)
}

/// 400 frames, thermal to overlapping (energies to 1e16): relative to the frame's own scale.
#[test]
fn lj13_golden() {
    let g = read_npz(GOLDEN).unwrap();
    let (x, energy, forces) = (g["positions"].to_f64(), g["energy"].to_f64(), g["forces"].to_f64());
    let lj = LennardJones::new(13);
    let (e, f) = evaluate(&lj, &x);
    let mut terms = vec![0.0; 2 * e.len()];
    lj.per_term(&x, &mut terms);
    let golden_terms = g["per_term"].to_f64();
    let (x32, mut e32, mut f32s): (Vec<f32>, _, _) =
        (g["positions"].to_f32(), vec![0.0_f32; e.len()], vec![0.0_f32; f.len()]);
    lj.energy_forces_f32(&x32, &mut e32, &mut f32s);
    for i in 0..e.len() {
        // Pair and well terms of opposite sign may cancel: the scale is that of the terms.
        let scale = golden_terms[2 * i].abs().max(golden_terms[2 * i + 1].abs()).max(1.0);
        assert!((e[i] - energy[i]).abs() <= 1e-12 * scale, "frame {i}: {} {}", e[i], energy[i]);
        for k in 0..2 {
            assert!((terms[2 * i + k] - golden_terms[2 * i + k]).abs() <= 1e-12 * scale, "frame {i} term {k}");
        }
        let row = i * 39..(i + 1) * 39;
        let largest = forces[row.clone()].iter().fold(0.0_f64, |m, f| m.max(f.abs())).max(1.0);
        for k in row.clone() {
            assert!((f[k] - forces[k]).abs() <= 1e-12 * largest, "frame {i} force {k}");
        }
        // f32: positions are rounded to 6e-8, and r^-12 amplifies that by 12/r; where pairs overlap at r = 0.05 a
        // rounded coordinate moves the energy by 1e-4 of itself.
        let f32_scale = scale.max(0.05 * largest);
        assert!((f64::from(e32[i]) - energy[i]).abs() <= 2e-4 * f32_scale, "frame {i}: {} {}", e32[i], energy[i]);
        if energy[i] < 1e3 {
            assert!((f64::from(e32[i]) - energy[i]).abs() <= 1e-5 * f32_scale, "frame {i}: {} {}", e32[i], energy[i]);
        }
    }
}

/// LJ-55 against a plain double loop over ordered pairs, and forces against central differences.
#[test]
fn lj55_plain_loop_and_differences() {
    let n = 55;
    let lj = LennardJones::new(n);
    // A jittered cubic lattice with spacing 1.1.
    let x: Vec<f64> = (0..3 * n)
        .map(|k| {
            let (a, c) = (k / 3, k % 3);
            let site = [a % 4, a / 4 % 4, a / 16][c] as f64;
            1.1 * site + 0.05 * ((k * 7919 % 101) as f64 / 50.0 - 1.0)
        })
        .collect();
    let plain = |x: &[f64]| -> f64 {
        let p = |i: usize| &x[3 * i..3 * i + 3];
        let mut e = 0.0;
        for i in 0..n {
            for j in (0..n).filter(|&j| j != i) {
                let r: f64 = p(i).iter().zip(p(j)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                e += r.powi(-12) - 2.0 * r.powi(-6);
            }
            for c in 0..3 {
                let mean = (0..n).map(|j| x[3 * j + c]).sum::<f64>() / n as f64;
                e += 0.5 * (x[3 * i + c] - mean).powi(2);
            }
        }
        e
    };
    let (e, f) = evaluate(&lj, &x);
    assert!((e[0] - plain(&x)).abs() < 1e-11 * e[0].abs());
    for k in [0, 17, 82, 164] {
        let shifted = |d: f64| {
            let mut y = x.clone();
            y[k] += d;
            plain(&y)
        };
        let want = -(shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        assert!((f[k] - want).abs() < 1e-6 * want.abs().max(1.0), "{k}: {} {want}", f[k]);
    }
}

/// The same bits wherever a frame stands in a batch, and however many threads there are.
#[test]
fn bits_do_not_depend_on_batch_or_threads() {
    let g = read_npz(GOLDEN).unwrap();
    let x = g["positions"].to_f64();
    let lj = LennardJones::new(13);
    let all = evaluate(&lj, &x);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| evaluate(&lj, &x)), all);
    for (start, len) in [(0, 1), (3, 33), (100, 7), (399, 1)] {
        let (e, f) = evaluate(&lj, &x[start * 39..(start + len) * 39]);
        assert_eq!(e, all.0[start..start + len]);
        assert_eq!(f, all.1[start * 39..(start + len) * 39]);
    }
}

mod dynamics {
    use std::sync::Arc;

    use pita_bench::energy::{Dynamics, Exchange, Metered, Purpose, exchange};
    use pita_bench::error::Error;
    use pita_bench::real::Precision;
    use pita_bench::rng;
    use pita_bench::samplers::Context;
    use pita_bench::samplers::md::langevin::Langevin;
    use pita_bench::samplers::md::mala::Mala;
    use pita_bench::samplers::md::space::Cartesian;
    use pita_bench::spec::{HotStartSpec, Integrator, MdSpec, ReplicaExchangeSpec, SamplerSpec};
    use pita_bench::systems;

    use crate::common::sampling::{finish, start};
    use crate::common::targets::{ATOMS, DIM, context};

    /// The mean of |x|^2 must be 3(N-1) kT/k within `sigmas` standard errors over independent frames.
    fn check_variance(what: &str, squares: &[f64], want: f64, sigmas: f64) {
        let n = squares.len() as f64;
        let mean = squares.iter().sum::<f64>() / n;
        let sd = (squares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((mean - want).abs() < sigmas * sd / n.sqrt(), "{what}: {mean} of {want}");
    }

    fn squares(x: &[f64]) -> Vec<f64> {
        x.chunks(DIM).map(|x| x.iter().map(|x| x * x).sum()).collect()
    }

    const MASSES: [f64; ATOMS] = [1.0, 2.0, 0.5, 3.0];

    fn moving(dt: f64, friction: f64) -> Dynamics<'static> {
        Dynamics { dt, friction, masses: &MASSES, precision: Precision::F64, seed: 1, first_step: 0 }
    }

    /// LangevinMiddle samples the exact variances of a harmonic oscillator at any stable step: positions (equal masses
    /// here: the centre of mass is then the centre of the well) and the velocities of half steps.
    #[test]
    fn langevin_harmonic_variance_and_kinetic_temperature() {
        let (k, kt) = (3.0, 0.7);
        let kts = vec![kt; 4_000];
        let free = (DIM - 3) as f64;
        let mut ctx = context(k, kt, None);
        let run = |masses: &[f64], ctx: &mut Context| {
            let x = vec![0.0; 4_000 * DIM];
            let mut md = Langevin::new(x, &kts, masses, (1, 0), &mut ctx.energy, Purpose::Sampling).unwrap();
            let d = Dynamics { masses, ..moving(0.4, 1.5) };
            md.advance(&mut ctx.energy, Purpose::Sampling, &d, &kts, 60, None).unwrap();
            md
        };
        let md = run(&[1.0; ATOMS], &mut ctx);
        check_variance("configuration", &squares(&md.positions), free * kt / k, 4.0);
        assert_eq!(ctx.energy.counts().charged(), 4_000 * 61);
        let md = run(&MASSES, &mut ctx);
        let kinetic: Vec<f64> = md
            .velocities
            .chunks(DIM)
            .map(|v| v.iter().enumerate().map(|(k, v)| MASSES[k / 3] * v * v).sum::<f64>())
            .collect();
        check_variance("kinetic", &kinetic, free * kt, 4.0);
    }

    /// Without friction the energy error falls as the square of the step. Velocities stand half a kick behind.
    #[test]
    fn energy_conservation_has_slope_two() {
        let drift = |dt: f64| {
            let mut ctx = context(2.0, 1.0, None);
            let x: Vec<f64> = (0..DIM).map(|i| (i as f64 * 1.7).sin()).collect();
            let mut md = Langevin::new(x, &[1.0], &MASSES, (3, 0), &mut ctx.energy, Purpose::Sampling).unwrap();
            let total = |md: &Langevin| {
                let kinetic = |k: usize| {
                    let m = MASSES[k / 3];
                    0.5 * m * (md.velocities[k] + 0.5 * dt * md.forces[k] / m).powi(2)
                };
                md.energies[0] + (0..DIM).map(kinetic).sum::<f64>()
            };
            // The first velocities are taken for those of half a step before.
            let start = total(&md);
            let mut worst = 0.0_f64;
            for _ in 0..(4.0 / dt) as usize {
                md.advance(&mut ctx.energy, Purpose::Sampling, &moving(dt, 0.0), &[1.0], 1, None).unwrap();
                worst = worst.max((total(&md) - start).abs());
            }
            worst
        };
        let slope = (drift(0.02) / drift(0.01)).log2();
        assert!((slope - 2.0).abs() < 0.05, "{slope}");
    }

    /// f32 and f64 walkers see the same noise: after a few steps they differ by rounding only. Splitting a stretch, and
    /// the number of a walker's neighbours, change no bit.
    #[test]
    fn langevin_precisions_and_splits() {
        let system = systems::by_name("lj13", 1.0).unwrap();
        let run = |n: usize, precision, stretches: &[usize]| {
            let mut energy = Metered::new(system.potential(), None);
            let kt = vec![1.0; n];
            let d = Dynamics { dt: 0.005, friction: 1.0, masses: &system.masses, precision, seed: 4, first_step: 0 };
            let x = system.start.repeat(n);
            let mut md = Langevin::new(x, &kt, &system.masses, (4, 0), &mut energy, Purpose::Sampling).unwrap();
            for &steps in stretches {
                assert_eq!(md.advance(&mut energy, Purpose::Sampling, &d, &kt, steps, None).unwrap(), steps);
            }
            md
        };
        let whole = run(37, Precision::F32, &[20]);
        assert_eq!(run(37, Precision::F32, &[7, 1, 12]), whole);
        assert_eq!(run(5, Precision::F32, &[20]).positions, whole.positions[..5 * 39]);
        let double = run(37, Precision::F64, &[20]);
        for (a, b) in double.positions.iter().zip(&whole.positions) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }

    /// Rounds of exchange, one of them after the last step: energies and forces stay those of the positions, and splitting
    /// the steps changes no bit.
    #[test]
    fn exchanges_keep_walkers_consistent() {
        let system = systems::by_name("lj13", 1.0).unwrap();
        let (levels, every) = (4, 3);
        let kt: Vec<f64> = (0..3 * levels).map(|i| 2.0 - 0.3 * (i % levels) as f64).collect();
        let run = |stretches: &[usize]| {
            let mut energy = Metered::new(system.potential(), None);
            let d = Dynamics {
                dt: 0.005,
                friction: 1.0,
                masses: &system.masses,
                precision: Precision::F64,
                seed: 4,
                first_step: 0,
            };
            let x = system.start.repeat(kt.len());
            let mut md = Langevin::new(x, &kt, &system.masses, (4, 0), &mut energy, Purpose::Sampling).unwrap();
            let (mut done, mut swaps) = (0, 0);
            for &steps in stretches {
                let rounds = exchange::rounds(done, steps, every).len();
                let mut accepted = vec![0; kt.len() * rounds];
                let mut plan = Exchange { levels, every, done, accepted: &mut accepted };
                let made = md.advance(&mut energy, Purpose::Sampling, &d, &kt, steps, Some(&mut plan)).unwrap();
                assert_eq!(made, steps);
                (done, swaps) = (done + steps, swaps + accepted.iter().sum::<i32>());
                let (mut e, mut f) = (vec![0.0; kt.len()], vec![0.0; md.positions.len()]);
                system.potential().energy_forces(&md.positions, &mut e, &mut f);
                for (a, b) in md.energies.iter().chain(&md.forces).zip(e.iter().chain(&f)) {
                    assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} for {b} after {done} steps");
                }
            }
            (md, swaps)
        };
        let whole = run(&[60]);
        assert!(whole.1 > 5, "{} swaps", whole.1);
        assert_eq!(run(&[3, 1, 2, 24, 30]), whole);
    }

    const SPACE: Cartesian = Cartesian { atoms: ATOMS };

    #[test]
    fn mala_harmonic_variance() {
        let (k, kt) = (3.0, 0.7);
        let mut ctx = context(k, kt, None);
        let mut mala = Mala::new(&SPACE, vec![0.0; 4_000 * DIM], &mut ctx.energy, Purpose::Sampling).unwrap();
        let mut acceptance = 0.0;
        for _ in 0..200 {
            let key = (1, rng::Purpose::Dynamics, 0);
            let p = mala.advance(&SPACE, &mut ctx.energy, Purpose::Sampling, key, |_| (kt, 0.08)).unwrap();
            acceptance = p.iter().sum::<f64>() / 4_000.0;
        }
        // A wrong proposal ratio would show: at this step a fifth of the moves is refused.
        assert!(acceptance > 0.5 && acceptance < 0.95, "{acceptance}");
        check_variance("mala", &squares(&mala.positions), (DIM - 3) as f64 * kt / k, 4.0);
    }

    /// Overlapping atoms come apart: without the truncated drift no move from there is ever accepted.
    #[test]
    fn mala_leaves_overlaps() {
        let system = systems::by_name("lj13", 1.0).unwrap();
        let (space, mut energy) = (Cartesian { atoms: system.atoms }, Metered::new(system.potential(), None));
        let mut x = system.start.clone();
        for c in 0..3 {
            x[3 + c] = x[c] + 0.1;
        }
        let mut mala = Mala::new(&space, x, &mut energy, Purpose::Refinement).unwrap();
        assert!(mala.energies[0] > 1e9);
        for _ in 0..500 {
            let key = (1, rng::Purpose::Refine, 0);
            mala.advance(&space, &mut energy, Purpose::Refinement, key, |_| (1.0, 1e-3)).unwrap();
        }
        assert!(mala.energies[0] < 100.0, "{}", mala.energies[0]);
    }

    /// The truncation acts and the target stays exact: at this step the drift is cut in most moves.
    #[test]
    fn truncated_mala_keeps_the_variance() {
        let (k, kt) = (3.0, 0.7);
        let mut ctx = context(k, kt, None);
        let x: Vec<f64> = (0..4_000 * DIM).map(|i| (i as f64 * 0.77).sin()).collect();
        let mut mala = Mala::new(&SPACE, x, &mut ctx.energy, Purpose::Sampling).unwrap();
        for _ in 0..400 {
            let key = (1, rng::Purpose::Dynamics, 0);
            mala.advance(&SPACE, &mut ctx.energy, Purpose::Sampling, key, |_| (kt, 8.0 * kt / k)).unwrap();
            let key = (2, rng::Purpose::Dynamics, 0);
            mala.advance(&SPACE, &mut ctx.energy, Purpose::Sampling, key, |_| (kt, 0.02)).unwrap();
        }
        check_variance("malta", &squares(&mala.positions), (DIM - 3) as f64 * kt / k, 4.0);
    }

    fn run(sampler: SamplerSpec, ctx: &mut Context) -> pita_bench::array::Arrays {
        finish(start(sampler, ctx), ctx).samples()
    }

    #[test]
    fn replica_exchange_keeps_the_target() {
        for integrator in [Integrator::Mala, Integrator::Langevin] {
            keeps_the_target(integrator);
        }
    }

    fn keeps_the_target(integrator: Integrator) {
        let (k, kt) = (3.0, 0.5);
        let mut ctx = context(k, kt, None);
        let sampler = ReplicaExchangeSpec {
            ladder: vec![2.0, 1.0],
            integrator,
            step: 0.3,
            copies: 2_000,
            exchange_every: 2,
            equilibration: 200,
            stride: 40,
            samples: 4_000,
            ..ReplicaExchangeSpec::default()
        };
        let samples = run(SamplerSpec::ReplicaExchange(sampler), &mut ctx);
        check_variance("exchange", &squares(&samples["positions"].to_f64()), (DIM - 3) as f64 * kt / k, 4.0);
    }

    /// Virial of LJ-13 at T = 2: the mean of -F.x is 3(N-1) kT in the canonical ensemble.
    #[test]
    fn lj13_configurational_temperature() {
        let system = Arc::new(systems::by_name("lj13", 2.0).unwrap());
        let mut ctx = Context { energy: Metered::new(system.potential(), None), system, seed: 2 };
        let spec = MdSpec { walkers: 64, equilibration: 2_000, stride: 50, samples: 64 * 100, ..MdSpec::default() };
        let samples = run(SamplerSpec::Md(spec), &mut ctx);
        let x = samples["positions"].to_f64();
        let n = x.len() / 39;
        let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
        ctx.system.potential().energy_forces(&x, &mut e, &mut f);
        let virial: Vec<f64> = (0..n).map(|i| -(i * 39..(i + 1) * 39).map(|k| x[k] * f[k]).sum::<f64>()).collect();
        // One mean per walker: walkers are independent, frames of one are not.
        let means: Vec<f64> = (0..64).map(|w| virial.iter().skip(w).step_by(64).sum::<f64>() / 100.0).collect();
        let mean = means.iter().sum::<f64>() / 64.0;
        let error = (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / 63.0 / 64.0).sqrt();
        assert!((mean - 72.0).abs() < 4.0 * error + 0.2, "{mean} +- {error}"); // 0.2: step error of the integrator
        assert_eq!(samples["energy"].to_f64(), e);
    }

    /// k steps, state, restore, the rest: the same bits as without the stop.
    #[test]
    fn resume_is_exact() {
        for sampler in [
            SamplerSpec::Md(MdSpec {
                walkers: 3,
                hot_start: Some(HotStartSpec { temperature: 4.0, steps: 1_500 }),
                equilibration: 3_000,
                stride: 7,
                samples: 2_000,
                ..MdSpec::default()
            }),
            SamplerSpec::ReplicaExchange(ReplicaExchangeSpec {
                ladder: vec![2.0],
                integrator: Integrator::Langevin,
                precision: Precision::F32,
                copies: 2,
                equilibration: 3_000,
                stride: 7,
                samples: 2_000,
                ..ReplicaExchangeSpec::default()
            }),
            SamplerSpec::Md(MdSpec {
                integrator: Integrator::Mala,
                step: 1e-3,
                walkers: 3,
                equilibration: 3_000,
                stride: 7,
                samples: 2_000,
                ..MdSpec::default()
            }),
            SamplerSpec::ReplicaExchange(ReplicaExchangeSpec {
                ladder: vec![2.0],
                copies: 2,
                equilibration: 3_000,
                stride: 7,
                samples: 1_000,
                ..ReplicaExchangeSpec::default()
            }),
        ] {
            let whole = run(sampler.clone(), &mut context(1.0, 1.0, None));
            let mut ctx = context(1.0, 1.0, None);
            let mut first = start(sampler.clone(), &ctx);
            for _ in 0..2 {
                assert!(!first.step(&mut ctx).unwrap().finished);
            }
            let mut second = start(sampler, &ctx);
            second.restore(&first.state().unwrap()).unwrap();
            assert_eq!(finish(second, &mut ctx).samples(), whole);
        }
    }

    /// The meter refuses what does not fit, counts nothing then, and leaves evaluation uncharged.
    #[test]
    fn budget_is_exact() {
        let mut ctx = context(1.0, 1.0, Some(10));
        let (x, mut f) = (vec![0.0; 6 * DIM], vec![0.0; 6 * DIM]);
        let mut e = vec![0.0; 6];
        ctx.energy.energy_forces(Purpose::Training, &x, &mut e, &mut f).unwrap();
        let refused = ctx.energy.energy_forces(Purpose::Annealing, &x, &mut e, &mut f);
        assert!(matches!(refused, Err(Error::BudgetSpent { budget: 10 })));
        assert_eq!((ctx.energy.counts().charged(), ctx.energy.left()), (6, Some(4)));
        ctx.energy.energy_forces(Purpose::Evaluation, &x, &mut e, &mut f).unwrap();
        ctx.energy.energy_forces(Purpose::Annealing, &x[..4 * DIM], &mut e[..4], &mut f[..4 * DIM]).unwrap();
        assert_eq!((ctx.energy.counts().charged(), ctx.energy.left()), (10, Some(0)));
        assert_eq!(ctx.energy.counts().0[&Purpose::Evaluation], 6);

        // A sampler under a budget keeps what it has recorded: 3 walkers, 1 + 20 whole moves and 2 walkers more.
        let mut ctx = context(1.0, 1.0, Some(65));
        let spec = MdSpec { walkers: 3, equilibration: 5, stride: 5, samples: 300, ..MdSpec::default() };
        let samples = run(SamplerSpec::Md(spec), &mut ctx);
        assert_eq!(ctx.energy.counts().charged(), 65);
        assert_eq!(samples["energy"].shape, [9]);
    }
}
