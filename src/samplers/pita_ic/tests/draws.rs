//! Draws and their noise: weights of Gaussians, and of wells on a circle.

use super::*;
use crate::samplers::internal::chart::CIRCLE;
use crate::samplers::pita_ic::kernels::normals;

/// Harmonic data of variance 1 in 30 dimensions, 5 steps, the exact score: the tempered weights are constant and give
/// `Z = (2 pi / gamma)^15`; the published kernels' are worth nothing. So is a path forth and back.
#[test]
fn tempered_steps_are_exact_for_gaussians() {
    let (dim, n, gamma) = (30, 600, 1.26);
    let kernels = |noise| {
        let spec = IcAnnealSpec { noise, ..IcAnnealSpec::default() };
        Kernels::new((dim, 0), grid::edm(5, (0.02, 8.0)), &scheme(&spec, gamma))
    };
    let draws = |noise| drawn(&kernels(noise), n, linear(1.0));
    let share = |(rows, log): &(Vec<f64>, Vec<f64>), gamma: f64| {
        let log_w = rows.chunks_exact(dim).zip(log).map(|(x, log)| log - energy(gamma, x));
        ess(&log_w.collect::<Vec<f64>>())
    };
    let tempered = draws(Noise::Tempered);
    assert!(share(&draws(Noise::Published), gamma) < 0.1);
    assert!(share(&tempered, 1.0) < 0.9, "a wrong gamma shows");
    assert_equal(gamma, tempered, 1e-9);
    let exact = Stream::new(5, Purpose::Init, 0);
    let ends: Vec<f64> = (0..n * dim).map(|i| exact.at(i as u32).normal() / gamma.sqrt()).collect();
    let (mut rows, mut log) = (ends.clone(), vec![0.0; n]);
    kernels(Noise::Tempered).retrace(streams, 0..n as u32, &mut rows, &mut log, linear(1.0));
    assert_equal(gamma, (ends, log), 1e-9);
}

/// A circle with two wells of different depth, at the temperature of the data and at half of it: exact scores by quadrature.
/// Weights recover populations and Z. Ends that are not wrapped, or increments that are, would not.
#[test]
fn wells_on_a_circle() {
    let points = 400;
    let u = |x: f64| {
        let p = std::f64::consts::TAU / CIRCLE * x;
        1.2 * (2.0 * p).cos() + 0.5 * p.sin()
    };
    let grid: Vec<f64> = (0..points).map(|i| CIRCLE * (f64::from(i) / f64::from(points) - 0.5)).collect();
    let density: Vec<f64> = grid.iter().map(|&x| (-u(x)).exp()).collect();
    // Score of the noised density: the average of the wrapped kernel's slopes.
    let score = |h: f64, rows: &[f64], out: &mut [f64]| {
        let table: Vec<f64> = grid
            .iter()
            .map(|&x| {
                let (mut p, mut slope) = (0.0, 0.0);
                for (y, w) in grid.iter().zip(&density) {
                    for k in -5..=5 {
                        let d = x - y + CIRCLE * f64::from(k);
                        let g = w * (-0.5 * d * d / h).exp();
                        p += g;
                        slope -= g * d / h;
                    }
                }
                slope / p
            })
            .collect();
        for (x, s) in rows.iter().zip(out) {
            let place = (x / CIRCLE + 0.5).rem_euclid(1.0) * f64::from(points);
            let (i, part) = (place as usize % points as usize, place.fract());
            *s = table[i] + part * (table[(i + 1) % points as usize] - table[i]);
        }
    };
    let streams = |step| Stream::new(4, Purpose::Anneal, step);
    let steps = [Step::SdeDpmSolver2m, Step::StochasticHeun, Step::Reversible];
    let cases = [(1.0, Step::Ancestral), (2.0, Step::Ancestral)].into_iter().chain(steps.map(|step| (2.0, step)));
    for (gamma, step) in cases {
        let n = if step == Step::Ancestral { 6_000 } else { 2_000 };
        let spec = IcAnnealSpec { step, ..IcAnnealSpec::default() };
        let kernels = Kernels::new((0, 1), grid::edm(60, (0.05, 8.0)), &scheme(&spec, gamma));
        let (mut rows, mut log) = (vec![0.0; n], vec![0.0; n]);
        kernels.draw(streams, 0..n as u32, &mut rows, &mut log, score);
        assert!(rows.iter().all(|x| x.abs() <= CIRCLE / 2.0));
        log.iter_mut().zip(&rows).for_each(|(log, x)| *log -= gamma * u(*x));
        let weights = crate::diffusion::normalise(&log);
        let right: f64 = weights.iter().zip(&rows).filter(|(_, x)| **x > 0.0).map(|(w, _)| w).sum();
        let boltzmann: Vec<f64> = grid.iter().map(|&x| (-gamma * u(x)).exp()).collect();
        let z = boltzmann.iter().sum::<f64>() * CIRCLE / f64::from(points);
        let on_right = boltzmann[points as usize / 2..].iter().sum::<f64>() / boltzmann.iter().sum::<f64>();
        let effective = ess(&log) * n as f64;
        let bar = 4.0 * (on_right * (1.0 - on_right) / effective).sqrt() + 2e-3;
        println!("{step:?} gamma {gamma}: ess {:.3}", ess(&log));
        assert!(ess(&log) > 0.1, "{step:?} gamma {gamma}: {}", ess(&log));
        assert!((right - on_right).abs() < bar, "{step:?} gamma {gamma}: {right} {on_right} +- {bar}");
        let error = 4.0 / effective.sqrt();
        assert!((log_mean_exp(&log) - z.ln()).abs() < error, "{step:?}: {} {}", log_mean_exp(&log), z.ln());
    }
}

#[test]
fn noise_does_not_depend_on_the_split() {
    let (dim, stream) = (7, streams(3));
    let mut all = vec![0.0; 40 * dim];
    normals(&stream, 5..45, dim, &mut all);
    let mut part = vec![0.0; 9 * dim];
    normals(&stream, 20..29, dim, &mut part);
    assert_eq!(part, all[15 * dim..24 * dim]);
}
