//! DPM-Solver-v3 with what a pilot says of the model: orders of convergence, exact for Gaussians, better in few steps.

use super::*;
use crate::diffusion::steps::follow;
use crate::samplers::internal::chart::CIRCLE;

/// Ends of paths of a step from `starts` on `n` even steps in `ln sigma`, with the pilot's statistics where it is DPM-Solver-v3.
fn ends_of(
    (shape, ends): ((usize, usize), (f64, f64)),
    (step, n): (Step, usize),
    starts: &[f64],
    score: impl Fn(f64, &[f64], &mut [f64]),
) -> Vec<f64> {
    let scheme = scheme(&asked(step, Corrector::None), 1.0);
    let mut kernels = Kernels::between(shape, &grid::geometric(n + 1, ends), &scheme);
    if step == Step::DpmSolverV3 {
        let statistics = pilot::statistics(&kernels, streams, &score);
        follow(&mut kernels.moves, &statistics);
    }
    walked(&kernels, starts, score)
}

/// With the statistics of a pilot, which are noisy functions of the noise, the order is 3 on the mixture. In few steps it errs less than
/// the other methods of that order, which are the same with other statistics.
#[test]
fn order_with_statistics_of_the_model() {
    let exact = exact_ends();
    let error = |step, n| distance(&ends_of(((1, 0), ENDS), (step, n), &starts(), score), &exact);
    let [coarse, fine] = [400, 800].map(|n| error(Step::DpmSolverV3, n));
    let slope = (coarse / fine).log2();
    println!("{coarse:.2e} {fine:.2e} slope {slope:.2}");
    assert!((slope - 3.0).abs() < 0.3, "slope {slope}");
    for n in [12, 16, 24] {
        let [own, plus, deis] = [Step::DpmSolverV3, Step::DpmSolverPp3m, Step::Deis3].map(|step| error(step, n));
        println!("{n} steps: {own:.2e}, DPM-Solver++ (3M) {plus:.2e}, DEIS (3) {deis:.2e}");
        assert!(own < plus && own < deis, "{n} steps: {own} {plus} {deis}");
    }
}

/// Data of any variance: nothing is left beside `l x`, so that few steps end where they should, at `x sqrt((v + h')/(v + h))`.
#[test]
fn gaussians_of_any_variance_are_exact() {
    let ends = (0.3, 8.0);
    for v in [0.2, 1.0, 3.0] {
        let exact = ((v + 0.09) / (v + 64.0_f64)).sqrt();
        let end = |step| ends_of(((1, 0), ends), (step, 5), &[5.0], linear(v))[0] / 5.0 / exact - 1.0;
        let (own, plus) = (end(Step::DpmSolverV3), end(Step::DpmSolverPp3m));
        println!("variance {v}: {own:.2e}, DPM-Solver++ (3M) {plus:.2e}");
        assert!(own.abs() < 3e-4 && (v == 1.0 || own.abs() < 0.05 * plus.abs()), "variance {v}: {own} {plus}");
    }
}

/// Circles take slopes, with statistics of their own: the order is 3 on a density of two harmonics, from noise where it is uniform.
#[test]
fn order_on_circles() {
    let w = std::f64::consts::TAU / CIRCLE;
    let periodic = |h: f64, rows: &[f64], out: &mut [f64]| {
        for (x, s) in rows.iter().zip(out) {
            let (a, b) = (0.6 * (-0.5 * h * w * w).exp(), 0.3 * (-2.0 * h * w * w).exp());
            let p = 1.0 + a * (w * x + 0.4).cos() + b * (2.0 * w * x).cos();
            *s = -w * (a * (w * x + 0.4).sin() + 2.0 * b * (2.0 * w * x).sin()) / p;
        }
    };
    let starts: Vec<f64> = (0..9).map(|i| CIRCLE * (f64::from(i) / 9.0 - 0.5)).collect();
    let ends = |n| ends_of(((0, 1), (0.3, 9.0)), (Step::DpmSolverV3, n), &starts, periodic);
    let [coarse, middle, fine] = [100, 200, 400].map(ends);
    let slope = (distance(&coarse, &middle) / distance(&middle, &fine)).log2();
    println!("slope {slope:.2}");
    assert!((slope - 3.0).abs() < 0.3, "slope {slope}");
}
