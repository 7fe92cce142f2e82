//! The residual of the Fokker-Planck equation: none of exact scores, known ones of wrong ones, and its gradient by differences.

use super::*;
use crate::flow::Weights;
use crate::lanes::num::{H, Lanes};
use crate::samplers::pita_ic::fokker_planck::{AROUND, Rows, around, regularise, residuals, small};
use crate::samplers::pita_ic::net::{Net, Tile};

/// The two residuals of each of some rows in one dimension at variance `h`, in units of the step's share of `h`.
fn pairs(x: &[f64], h: f64, score: impl Fn(f64, &[f64], &mut [f64])) -> Vec<[f64; 2]> {
    let directions: Vec<f64> = (0..2 * x.len()).map(|i| streams(7).at(i as u32).normal()).collect();
    let mut s = vec![0.0; x.len()];
    score(h, x, &mut s);
    let (rows, levels) = around(1, x, &s, &vec![h; x.len()], &directions);
    let mut near = vec![0.0; AROUND * x.len()];
    score(levels[0], &rows, &mut near);
    let by = h / (h - levels[0]);
    residuals(1, &s, &near).chunks_exact(2).map(|r| [by * r[0], by * r[1]]).collect()
}

/// Gaussian data of any variance: nothing is left of the exact score; of one too long by a factor `a` there is what a line says, in
/// which directions have no part.
#[test]
fn residuals_of_gaussians_are_known() {
    let (v, h, q) = (0.4, 0.09, 0.009);
    let x = [-1.3, 0.2, 0.9];
    for a in [1.0, 0.8, 1.5] {
        let linear = |h: f64, x: &[f64], s: &mut [f64]| s.iter_mut().zip(x).for_each(|(s, x)| *s = -a * x / (v + h));
        for (x, pair) in x.iter().zip(pairs(&x, h, linear)) {
            let found = pair[0] * pair[1];
            let r = a * x / (v + h) - a * (x - q * a * x / (v + h)) / (v + h - q);
            assert!((found - 100.0 * r * r).abs() < 1e-12, "{a}: {found}");
            assert!(if a == 1.0 { found.abs() < 1e-20 } else { found > 1e-5 }, "{a}: {found}");
        }
    }
}

/// The mixture, on its own noised samples: the mean of the products of the exact score is small beside that of a score too short, while
/// that of squares of single residuals is large for the exact one as well.
#[test]
fn products_of_two_directions_leave_no_bias() {
    let (h, n) = (0.2_f64, 40_000);
    let rows: Vec<f64> = (0..n)
        .map(|i| {
            let mut draws = streams(5).at(i);
            let (_, mean, v) = MIXTURE[usize::from(draws.uniform() > MIXTURE[0].0)];
            mean + (v + h).sqrt() * draws.normal()
        })
        .collect();
    let mean = |all: &[f64]| {
        let m = all.iter().sum::<f64>() / all.len() as f64;
        let v = all.iter().map(|x| (x - m).powi(2)).sum::<f64>() / all.len() as f64;
        (m, (v / all.len() as f64).sqrt())
    };
    let products = |all: &[[f64; 2]]| mean(&all.iter().map(|r| r[0] * r[1]).collect::<Vec<f64>>());
    let all = pairs(&rows, h, score);
    let exact = products(&all);
    let short = products(&pairs(&rows, h, short(0.5, score)));
    let squares = mean(&all.iter().map(|r| r[0] * r[0]).collect::<Vec<f64>>());
    println!("exact {exact:?}, short {short:?}, squares {squares:?}");
    assert!(squares.0 > 10.0 * (exact.0.abs() + exact.1), "{squares:?} {exact:?}");
    assert!(short.0 > 10.0 * short.1 && exact.0.abs() < 0.1 * short.0 + 3.0 * exact.1, "{exact:?} {short:?}");
}

/// Levels below half a standard deviation whose step does not lead below the noise of training.
#[test]
fn rows_of_small_noise() {
    let h = [4e-4, 4.4e-4, 4.5e-4, 0.1, 0.25, 0.26, 3.0];
    assert_eq!((small(&h, 0.02), small(&h, 0.6), small(&[], 0.02)), (2..5, 6..6, 0..0));
}

/// The gradient of the residual loss with respect to the parameters, which goes by way of the places too, against differences.
#[test]
fn gradient_of_the_residual() {
    let net = Net::new((3, 2), 32, 1, (0.05, 4.0));
    let mut draws = streams(3).at(0);
    let mut w = Weights::<f64>::initial(&net.packing, &streams(2));
    w.packed.iter_mut().flat_map(|l| &mut l.0).for_each(|x| *x += 0.08 * draws.normal());
    let x: Vec<f64> = (0..5 * 6).map(|_| draws.normal()).collect();
    let h = [0.004, 0.01, 0.05, 0.1, 0.2, 0.7];
    let directions: Vec<f64> = (0..4 * 2 * 5).map(|_| draws.normal()).collect();
    let rows = Rows { x: &x, h: &h, which: 1..5, directions: &directions, per: 0.01 };
    let run = |w: &Weights<f64>| {
        let (mut tile, mut near) = (Tile::default(), Tile::default());
        net.features(&x, &h, &mut tile);
        net.forward::<f64, true>(w, &mut tile);
        tile.output_bars = vec![Lanes([0.0; H]); tile.outputs.len()];
        let loss = regularise(&net, w, &rows, &mut tile, &mut near);
        (loss, tile, near)
    };
    w.transpose(&net.packing);
    let (_, mut tile, near) = run(&w);
    net.reverse(&w, &mut tile);
    let mut gradient = vec![Lanes([0.0; H]); net.packing.lanes];
    net.gradient(&[tile, near], &mut gradient);
    let (mut seen, mut largest) = (0, 0.0_f64);
    for (lane, exact) in gradient.iter().enumerate() {
        for o in (lane % 37..H).step_by(37) {
            let start = w.packed[lane].0[o];
            let ends = [1e-5, -1e-5].map(|d| {
                w.packed[lane].0[o] = start + d;
                w.transpose(&net.packing);
                run(&w).0
            });
            w.packed[lane].0[o] = start;
            let slope = (ends[0] - ends[1]) / 2e-5;
            assert!((slope - exact.0[o]).abs() < 1e-6 * (1.0 + slope.abs()), "{lane} {o}: {slope} {}", exact.0[o]);
            seen += usize::from(slope.abs() > 1e-5);
            largest = largest.max(slope.abs());
        }
    }
    println!("{seen} derivatives, the largest {largest:.2e}");
    assert!(seen > 50 && largest > 1e-3, "{seen} {largest}");
}
