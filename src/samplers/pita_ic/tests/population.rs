//! Look-ahead, denoising MCMC, control and compensation: exact for Gaussians, exact weights and moments for the mixture.

use super::*;
use crate::samplers::pita_ic::kernels::Children;
use crate::spec::Control;

/// Look-ahead with children in all steps; with `rollover` as many as are needed.
fn looking(dim: usize, levels: Vec<f64>, step: Step, gamma: f64, (count, rollover): (usize, bool)) -> Kernels {
    let children = Children { count, steps: levels.len(), rollover };
    kernels(dim, levels, (step, Corrector::None), gamma).looking(Some(children))
}

/// Draws with look-ahead by a value of each row: ends and log-weights without their energies.
fn draw_ahead(kernels: &Kernels, n: usize, value: impl Fn(&[f64]) -> f64) -> (Vec<f64>, Vec<f64>) {
    let dim = kernels.dim();
    let (mut rows, mut log) = (vec![0.0; n * dim], vec![0.0; n]);
    let mut value = |rows: &[f64]| Ok(rows.chunks_exact(dim).map(&value).collect());
    let score = |h: f64, x: &[f64], s: &mut [f64]| if dim == 1 { score(h, x, s) } else { linear(1.0)(h, x, s) };
    let children = kernels.children.unwrap();
    kernels.draw_ahead(children, &streams, 0..n as u32, (&mut rows, &mut log), &mut value, score).unwrap();
    (rows, log)
}

/// Of harmonic data at any gamma all children are worth the same: every weight is `Z = (2 pi/gamma)^(d/2)`. A value without the
/// distance to the prediction would tell them apart.
#[test]
fn children_of_gaussians_are_equal() {
    let (dim, gamma) = (6, 1.7);
    let kernels = looking(dim, grid::edm(5, (0.05, 4.0)), Step::Ancestral, gamma, (4, false));
    assert_equal(gamma, draw_ahead(&kernels, 200, |x| -energy(gamma, x)), 1e-9);
    assert_eq!(kernels.evaluations(), 5 + 3 * 4, "the data have none");
}

/// Few and coarse steps with children, valued by the target, by something else, and where some are impossible: weights have the mean
/// `int p^gamma` and give its moments. Values of the target make them more equal.
#[test]
fn weights_of_a_choice_are_exact() {
    for (step, gamma) in
        [(Step::Ancestral, 1.0), (Step::EulerMaruyama, 1.4), (Step::SdeDpmSolver2m, 1.4), (Step::StochasticHeun, 1.4)]
    {
        let steps = if step == Step::SdeDpmSolver2m { 60 } else { 5 };
        let measure = |count: usize, rollover: bool, value: &dyn Fn(&[f64]) -> f64| {
            let kernels = looking(1, grid::edm(steps, (0.1, 4.0)), step, gamma, (count, rollover));
            let n = if rollover { 6_000 } else { 20_000 };
            assert_moments(&format!("{step:?} {count}"), gamma, draw_ahead(&kernels, n, value))
        };
        let alone = measure(2, false, &|_| 0.0);
        let target = |x: &[f64]| gamma * mixture(x[0], 0.0).0;
        let (seen, saved) = (measure(8, false, &target), measure(4, true, &target));
        println!("{step:?} {gamma}: ess {alone:.3}, with eight children {seen:.3}, up to four {saved:.3}");
        assert!(step != Step::EulerMaruyama || seen > alone + 0.05, "{alone} {seen}");
        for rollover in [false, true] {
            measure(4, rollover, &|x| if x[0] < 0.0 { f64::NEG_INFINITY } else { -0.5 * x[0] });
        }
    }
}

/// Of Gaussian data every child is as good as its parent: two of each are enough in every step, at the first of which the parent is valued
/// too. Of others there are more, and never more than there may be.
#[test]
fn saved_children_are_not_drawn() {
    let (dim, gamma, n, steps) = (6, 1.7, 200, 5);
    let energies = std::cell::Cell::new(0);
    let kernels = looking(dim, grid::edm(steps, (0.05, 4.0)), Step::Ancestral, gamma, (4, true));
    let counted = |x: &[f64]| {
        energies.set(energies.get() + 1);
        -energy(gamma, x)
    };
    assert_equal(gamma, draw_ahead(&kernels, n, counted), 1e-9);
    assert_eq!(energies.take(), n * (1 + 2 * steps));
    for (value, least) in [(1.0, 0), (30.0, 2 * n * steps)] {
        draw_ahead(&kernels, n, |x| value * counted(&x[..1]));
        let found = energies.take();
        assert!(found > least && found <= n * (1 + 4 * steps), "{value}: {found}");
    }
}

/// With children in no step, and where only the first ones could have some, draws are those of plain paths, to the last bit.
#[test]
fn only_the_last_steps_look_ahead() {
    let plain = kernels(1, grid::edm(6, (0.05, 4.0)), (Step::Ancestral, Corrector::None), 1.0);
    let with = |steps| {
        let children = Children { count: 2, steps, rollover: false };
        draw_ahead(&plain.clone().looking(Some(children)), 50, |x| mixture(x[0], 0.0).0)
    };
    let draws = drawn(&plain, 50, score);
    assert!(with(0) == draws && with(1).0 != draws.0);
}

/// Denoising MCMC on harmonic data accepts everything; on the mixture it keeps samples of the target, and makes them of particles that
/// all begin in one place.
#[test]
fn denoising_moves_keep_the_target() {
    let gamma = 1.4;
    let key = |m: u64, which: u64| move |step: u64| Stream::new(5, Purpose::Exchange, (m << 20) | (2 * step + which));
    for step in [Step::Ancestral, Step::Reversible, Step::SdeDpmSolver2m] {
        let steps = if step == Step::SdeDpmSolver2m { 60 } else { 8 };
        let kernels = kernels(1, grid::edm(steps, (0.05, 2.0)), (step, Corrector::None), gamma);
        if step != Step::SdeDpmSolver2m {
            let (mut x, mut log) = (vec![0.3, -1.2, 2.0], vec![0.0; 3]);
            let before = x.clone();
            kernels.renoise((key(0, 0), key(0, 1)), 0..3, &mut x, &mut log, linear(1.0));
            for ((old, new), log) in before.iter().zip(&x).zip(&log) {
                let chance = log + 0.5 * gamma * (old * old - new * new);
                assert!(chance.abs() < 1e-9 && old != new, "{step:?}: {chance}");
            }
        }
        let (_, quantiles) = annealed(gamma);
        for start in [quantiles.clone(), vec![0.6; 4_000]] {
            let (mut x, mut accepted) = (start.clone(), 0.0);
            for m in 0..12 {
                let (mut new, mut log) = (x.clone(), vec![0.0; x.len()]);
                kernels.renoise((key(m, 0), key(m, 1)), 0..4_000, &mut new, &mut log, score);
                let accept = Stream::new(5, Purpose::Accept, m);
                for (i, (x, new)) in x.iter_mut().zip(&new).enumerate() {
                    let chance = log[i] + gamma * (mixture(*new, 0.0).0 - mixture(*x, 0.0).0);
                    if accept.at(i as u32).uniform() < chance.exp() {
                        (*x, accepted) = (*new, accepted + 1.0 / 48_000.0);
                    }
                }
            }
            let mean = |of: fn(f64) -> f64, x: &[f64]| x.iter().map(|x| of(*x)).sum::<f64>() / x.len() as f64;
            println!("{step:?}: {accepted:.3} accepted");
            assert!(accepted > 0.4 && accepted < 1.0, "{step:?}: {accepted}");
            // Four standard errors of 4,000 particles.
            type Moment = fn(f64) -> f64;
            let moments: [(Moment, f64); 3] =
                [(|x| f64::from(u8::from(x < 0.0)), 0.032), (|x| x * x, 0.08), (|x| x, 0.06)];
            for (of, bar) in moments {
                let (found, exact) = (mean(of, &x), mean(of, &quantiles));
                assert!((found - exact).abs() < bar, "{step:?}: {found} {exact}");
            }
        }
    }
}

/// A score that is too short by a fifth, and variances without their `(1 + h')/(1 + h)`: for harmonic data there are controls that make
/// all weights equal, `theta = 1/4` and `tau = -ln r` on levels whose `1 + h` fall by a factor `r`. Least squares find them.
#[test]
fn controls_of_gaussians_are_found() {
    let (gamma, r, n) = (1.3, 1.6_f64, 300);
    let levels: Vec<f64> = (1..=7).rev().map(|k| r.powi(k) - 1.0).collect();
    for (control, step, factor, want) in [
        (Control::Vcg, Step::Ancestral, 0.8, [0.25, 0.0]),
        (Control::VtDis, Step::EulerMaruyama, 1.0, [0.0, -r.ln()]),
        (Control::Both, Step::EulerMaruyama, 0.8, [0.25, -r.ln()]),
    ] {
        let (plain, score) = (kernels(5, levels.clone(), (step, Corrector::None), gamma), short(factor, linear(1.0)));
        let pilot = plain.pilot(streams, 0..n, &score);
        let ends = pilot.log_ratio.iter().zip(pilot.rows.chunks_exact(5));
        let log_w: Vec<f64> = ends.map(|(log, x)| log - energy(gamma, x)).collect();
        let (found, [before, after]) = pilot.fit(control, &log_w);
        println!("{control:?}: variance {before:.2e} {after:.2e}");
        assert!(before > 0.1 && after < 1e-12, "{control:?}: {before} {after}");
        let controlled = plain.clone().controlled(&found);
        for (ours, plain) in controlled.moves.iter().zip(&plain.moves) {
            let theta = ours.terms[0].scores[0] / plain.terms[0].scores[0] - 1.0;
            let tau = (ours.forward[0] / plain.forward[0]).ln();
            assert!((theta - want[0]).abs() < 1e-6 && (tau - want[1]).abs() < 1e-6, "{control:?}: {theta} {tau}");
        }
        assert_equal(gamma, drawn(&controlled, 100, score), 1e-5);
    }
}

/// Controls of the mixture make weights of other paths more equal, and leave them exact, both ways.
#[test]
fn weights_under_control_are_exact() {
    let gamma = 1.4;
    let levels = grid::edm(10, (0.05, 4.0));
    for (control, step, factor) in [
        (Control::Vcg, Step::Ancestral, 0.8),
        (Control::VtDis, Step::EulerMaruyama, 1.0),
        (Control::Both, Step::EulerMaruyama, 0.8),
    ] {
        let (plain, score) = (kernels(1, levels.clone(), (step, Corrector::None), gamma), short(factor, score));
        let pilot = plain.pilot(streams, 0..480, &score);
        let log_w: Vec<f64> =
            pilot.log_ratio.iter().zip(&pilot.rows).map(|(log, x)| log + gamma * mixture(*x, 0.0).0).collect();
        let (found, [before, after]) = pilot.fit(control, &log_w);
        println!("{control:?}: variance {before:.3} {after:.3}");
        let measure = |kernels: &Kernels| {
            let (rows, log) = drawn(kernels, 20_000, &score);
            ess(&assert_mean(&format!("{control:?}"), gamma, (&rows, log)))
        };
        let controlled = plain.clone().controlled(&found);
        let (before, after) = (measure(&plain), measure(&controlled));
        assert!(after > before + 0.02, "{control:?}: {before} {after}");
        assert_backwards(&format!("{control:?}"), gamma, &controlled, score);
    }
    // Saved and read.
    let pilot = kernels(1, levels, (Step::Ancestral, Corrector::None), gamma).pilot(streams, 0..480, score);
    let (found, _) = pilot.fit(Control::Both, &pilot.log_ratio);
    assert_eq!(crate::samplers::pita_ic::Control::load(&found.save()).unwrap(), found);
}

/// Data of variance 0.4, whose paths without noise all are multiples of one another: the compensated steps end where many small ones do,
/// which is `x sqrt((v + h')/(v + h))`.
#[test]
fn compensated_steps_are_exact_for_gaussians() {
    let (v, ends) = (0.4, (0.3, 8.0));
    let exact = ((v + 0.09) / (v + 64.0_f64)).sqrt();
    for step in [Step::Ddim, Step::DpmSolverPp2m, Step::Deis2, Step::Deis3] {
        let scheme = scheme(&asked(step, Corrector::DcSolver), 1.0);
        let plain = Kernels::between((1, 0), &grid::geometric(7, ends), &scheme);
        let ended = |kernels: &Kernels| (walked(kernels, &[5.0], linear(v))[0] / 5.0 / exact - 1.0).abs();
        let compensated = plain.clone().compensated(&scheme, &[-9.0, 3.0, 14.0], linear(v));
        let (before, after) = (ended(&plain), ended(&compensated));
        println!("{step:?}: relative error {before:.2e}, compensated {after:.2e}");
        assert!(after < 2e-3 && after < 0.1 * before, "{step:?}: {before} {after}");
        assert_eq!(compensated.evaluations(), plain.evaluations());
    }
}

/// Few steps on the mixture: compensated on some starts, paths from others end nearer to where they should. DDIM and DPM-Solver++ (2M)
/// differ by a multiple of the same difference, so that they are one method then.
#[test]
fn compensation_helps_other_paths() {
    let exact = exact_ends();
    let some: Vec<f64> = (0..24).map(|i| 1_600.0 * (f64::from(i) / 23.0 - 0.5)).collect();
    let errors = [Step::Ddim, Step::DpmSolverPp2m, Step::Deis2].map(|step| {
        let scheme = scheme(&asked(step, Corrector::DcSolver), 1.0);
        let plain = Kernels::between((1, 0), &grid::geometric(13, ENDS), &scheme);
        let error = |kernels: &Kernels| distance(&walked(kernels, &starts(), score), &exact);
        let (before, after) = (error(&plain), error(&plain.clone().compensated(&scheme, &some, score)));
        println!("{step:?}: {before:.2e} {after:.2e}");
        (before, after)
    });
    assert!(errors[0].1 < 0.2 * errors[0].0 && errors[2].1 < 0.5 * errors[2].0, "{errors:?}");
    assert!((errors[0].1 - errors[1].1).abs() < 3e-10, "{errors:?}");
}

/// Data of variance `v`: paths without noise are `c sqrt(v + sigma^2)`, whose slopes bend by `3 c v sigma/(v + sigma^2)^(5/2)`. Levels
/// lie at equal shares of the integral of that to the power 1/3.
#[test]
fn levels_where_paths_bend() {
    let (v, ends, steps) = (0.5, (0.02, 8.0), 9);
    let levels = pilot::bends((3, 0), (steps, ends, 1.0), streams, linear(v));
    let points = 400_000;
    let width = ends.1 / f64::from(points);
    let rate = |i: u32| {
        let sigma = width * (f64::from(i) + 0.5);
        width * (sigma / (v + sigma * sigma).powf(2.5)).cbrt()
    };
    let whole: f64 = (0..points).map(rate).sum();
    let below = |h: f64| (0..(h.sqrt() / width) as u32).map(rate).sum::<f64>() / whole;
    for (k, h) in levels.iter().enumerate() {
        let share = below(*h);
        println!("{k}: sigma {:.3}, share {share:.3}", h.sqrt());
        assert!((share - (1.0 - k as f64 / steps as f64)).abs() < 0.03, "{k}: {share}");
    }
}
