//! Against brute force, against an independent dense solver, and in the corners.

use std::f64::consts::{PI, TAU};

use super::*;
use crate::metrics::assignment::tests::brute_force;
use crate::metrics::wasserstein::line;
use crate::rng::{Draws, Purpose, Stream};

fn draws(seed: u64) -> Draws {
    Stream::new(seed, Purpose::Init, 0).at(0)
}

fn normal(seed: u64, n: usize, width: f64) -> Vec<f64> {
    let mut d = draws(seed);
    (0..n).map(|_| width * d.normal()).collect()
}

/// Angles in a few basins of different weights, some of them astride the seam.
fn basins(seed: u64, n: usize, dim: usize, rare: f64) -> Vec<f64> {
    let mut d = draws(seed);
    let mut angle = || {
        let middle = match d.uniform() {
            u if u < rare => 1.0,
            u if u < 0.5 => -1.4,
            _ => PI,
        };
        let x: f64 = middle + 0.3 * d.normal();
        x - TAU * (x / TAU).round()
    };
    (0..n * dim).map(|_| angle()).collect()
}

/// On a coarse grid: many equal points and equal costs.
fn grid(seed: u64, n: usize) -> Vec<f64> {
    let mut d = draws(seed);
    (0..n).map(|_| (6.0 * d.uniform()).floor()).collect()
}

fn matrix(p: u32, a: &[f64], b: &[f64], dim: usize, ground: Ground) -> Vec<f64> {
    let cost = |x, y| f64::powf(ground.squared(x, y), 0.5 * f64::from(p));
    a.chunks_exact(dim).flat_map(|x| b.chunks_exact(dim).map(move |y| cost(x, y))).collect()
}

/// Mean cost by Jonker and Volgenant's method, as the crate `lapjv` has it.
fn independent(cost: &[f64], n: usize) -> f64 {
    let (columns, _) = lapjv::lapjv(&lapjv::Matrix::from_shape_vec((n, n), cost.to_vec()).unwrap()).unwrap();
    columns.iter().enumerate().map(|(i, &j)| cost[i * n + j]).sum::<f64>() / n as f64
}

#[track_caller]
fn close(ours: f64, want: f64) {
    assert!((ours - want).abs() <= 1e-12 * want.abs().max(1e-12), "{ours:e} against {want:e}");
}

#[test]
fn by_hand() {
    // Crossing pays: (0,0)-(0,1) and (5,0)-(5,1).
    close(wasserstein(2, &[0.0, 0.0, 5.0, 0.0], &[5.0, 1.0, 0.0, 1.0], 2, Ground::Euclidean).unwrap(), 1.0);
    close(wasserstein(1, &[3.1], &[-3.1], 1, Ground::Torus).unwrap(), TAU - 6.2);
    close(wasserstein(1, &[0.0], &[0.0, 3.0], 1, Ground::Euclidean).unwrap(), 1.5);
    close(wasserstein(2, &[1.0; 600], &[2.0; 600], 2, Ground::Euclidean).unwrap(), 2f64.sqrt());
    close(mean_cost(&vec![-3.0; 90_000], 300, None).unwrap(), -3.0);
    close(mean_cost(&vec![0.0; 90_000], 300, None).unwrap(), 0.0);
}

#[test]
fn tiny_against_all_matchings() {
    for seed in 0..40 {
        let n = 1 + seed as usize % 7;
        let cost = if seed % 2 == 0 { normal(seed, n * n, 1.0) } else { grid(seed, n * n) };
        let want = brute_force(&cost, n, 0, 0) / n as f64;
        assert!((mean_cost(&cost, n, None).unwrap() - want).abs() < 1e-13);
        for ground in [Ground::Euclidean, Ground::Torus] {
            let (a, b) = (normal(seed, 2 * n, 2.0), normal(seed + 100, 2 * n, 2.0));
            let want = (brute_force(&matrix(2, &a, &b, 2, ground), n, 0, 0) / n as f64).sqrt();
            close(wasserstein(2, &a, &b, 2, ground).unwrap(), want);
        }
    }
}

#[test]
fn many_shapes_against_an_independent_solver() {
    let n = 300;
    let with_twins = |mut x: Vec<f64>| {
        // Ten points stand for half of all.
        (0..n).for_each(|k| x[n + k] = x[k % 20]);
        x
    };
    let shifted = |x: Vec<f64>, by: f64| x.iter().map(|x| x + by).collect::<Vec<_>>();
    let line = |x: Vec<f64>| x.iter().enumerate().map(|(k, x)| if k % 2 == 0 { *x } else { 0.0 }).collect::<Vec<_>>();
    let two_heaps = |x: Vec<f64>, n_far: usize| {
        x.iter().enumerate().map(|(k, x)| if k < 2 * n_far { x + 20.0 } else { *x }).collect::<Vec<_>>()
    };
    let (a, b) = (normal(1, 2 * n, 1.0), normal(2, 2 * n, 1.0));
    let cases = [
        ("same distribution", 2, Ground::Euclidean, a.clone(), b.clone()),
        ("wider", 2, Ground::Euclidean, a.clone(), normal(3, 2 * n, 4.0)),
        ("far apart", 2, Ground::Euclidean, a.clone(), shifted(b.clone(), 30.0)),
        ("mass must travel", 2, Ground::Euclidean, two_heaps(a.clone(), 100), two_heaps(b.clone(), 120)),
        ("equal points", 2, Ground::Euclidean, with_twins(a.clone()), with_twins(b.clone())),
        ("equal points, one side", 2, Ground::Torus, with_twins(basins(1, n, 2, 0.1)), basins(2, n, 2, 0.1)),
        ("grid", 2, Ground::Euclidean, grid(1, 2 * n), grid(2, 2 * n)),
        ("grid against itself", 2, Ground::Torus, grid(1, 2 * n), grid(1, 2 * n)),
        ("on a line", 2, Ground::Euclidean, line(a.clone()), line(b.clone())),
        ("torus", 2, Ground::Torus, basins(1, n, 2, 0.1), basins(2, n, 2, 0.1)),
        ("torus, other weights", 2, Ground::Torus, basins(1, n, 2, 0.1), basins(2, n, 2, 0.4)),
        ("torus, outside", 2, Ground::Torus, shifted(basins(1, n, 2, 0.1), 2.0 * TAU), basins(2, n, 2, 0.1)),
        ("torus in four dimensions", 4, Ground::Torus, basins(1, n, 4, 0.1), basins(2, n, 4, 0.2)),
        ("one dimension", 1, Ground::Torus, basins(1, n, 1, 0.1), basins(2, n, 1, 0.2)),
        ("seven dimensions", 7, Ground::Euclidean, normal(1, 7 * n, 1.0), normal(2, 7 * n, 1.0)),
    ];
    for (name, dim, ground, a, b) in cases {
        for p in [1, 2] {
            let cost = matrix(p, &a, &b, dim, ground);
            let want = independent(&cost, n);
            println!("{name}, order {p}: {want}");
            close(mean_cost(&cost, n, None).unwrap(), want);
            let ours = wasserstein(p, &a, &b, dim, ground).unwrap();
            close(if p == 2 { ours * ours } else { ours }, want);
        }
    }
}

#[test]
fn two_thousand_points_against_an_independent_solver() {
    let n = 2_000;
    let (a, b) = (basins(5, n, 2, 0.02), basins(6, n, 2, 0.03));
    let want = independent(&matrix(2, &a, &b, 2, Ground::Torus), n).sqrt();
    close(wasserstein(2, &a, &b, 2, Ground::Torus).unwrap(), want);
}

/// Unequal sizes are what replication to the least common multiple gives.
#[test]
fn unequal_sizes() {
    let (a, b) = (basins(1, 60, 2, 0.1), basins(2, 50, 2, 0.1));
    let copies = |x: &[f64], k: usize| x.chunks(2).flat_map(|x| x.repeat(k)).collect::<Vec<_>>();
    let want = independent(&matrix(1, &copies(&a, 5), &copies(&b, 6), 2, Ground::Torus), 300);
    close(wasserstein(1, &a, &b, 2, Ground::Torus).unwrap(), want);
    close(wasserstein(1, &b, &a, 2, Ground::Torus).unwrap(), want);
    // On the line the quantile functions tell: sizes without a common factor.
    for (n, m) in [(1_000, 999), (101, 100), (7, 300), (1, 50)] {
        let (a, b) = (normal(1, n, 1.0), normal(2, m, 1.3));
        for p in [1, 2] {
            close(wasserstein(p, &a, &b, 1, Ground::Euclidean).unwrap(), line(p, &a, &b).unwrap());
        }
    }
}

fn points<'a>(at: &'a [f64], weights: &'a [f64]) -> Points<'a> {
    Points { at, weights: Some(weights) }
}

/// Whole weights are what so many copies of a point give, without weights.
#[test]
fn weights_are_repetitions() {
    let (a, b) = (basins(1, 40, 2, 0.1), basins(2, 70, 2, 0.3));
    let copies = |x: &[f64], counts: &[f64]| -> Vec<f64> {
        x.chunks(2).zip(counts).flat_map(|(x, &c)| x.repeat(c as usize)).collect()
    };
    for seed in 0..5 {
        let (in_a, in_b) = (grid(seed, 40), grid(seed + 50, 70));
        let want = wasserstein(2, &copies(&a, &in_a), &copies(&b, &in_b), 2, Ground::Torus).unwrap();
        let halved: Vec<f64> = in_b.iter().map(|c| 0.5 * c).collect();
        close(weighted(2, points(&a, &in_a), points(&b, &halved), 2, Ground::Torus).unwrap(), want);
        let want = wasserstein(1, &copies(&a, &in_a), &b, 2, Ground::Euclidean).unwrap();
        close(weighted(1, points(&a, &in_a), b.as_slice().into(), 2, Ground::Euclidean).unwrap(), want);
    }
    // Four tenths of the mass move by one.
    close(weighted(1, points(&[0.0, 1.0], &[0.9, 0.1]), [0.0, 1.0][..].into(), 1, Ground::Euclidean).unwrap(), 0.4);
    assert!(weighted(1, points(&a, &[1.0; 39]), b.as_slice().into(), 2, Ground::Torus).is_err());
}

/// Importance weights of many orders of magnitude: proven optimal, and in time.
#[test]
fn importance_weights() {
    let (n, m) = (2_000, 1_999);
    let (a, b) = (basins(5, n, 2, 0.02), basins(6, m, 2, 0.03));
    let weights: Vec<f64> = normal(7, n, 3.0).iter().map(|w| w.exp()).collect();
    let got = weighted(2, points(&a, &weights), b.as_slice().into(), 2, Ground::Torus).unwrap();
    let back = weighted(2, b.as_slice().into(), points(&a, &weights), 2, Ground::Torus).unwrap();
    close(got, back);
}

/// The least cost is far below the distances between basins: it must not drown in the rounding of prices.
#[test]
fn tiny_distances_are_exact() {
    let a = basins(1, 500, 2, 0.1);
    for size in [1e-4, 1e-8] {
        // A shift is its own optimal plan.
        let b: Vec<f64> = a.iter().rev().map(|x| x + size).collect();
        let a: Vec<f64> = a.iter().rev().copied().collect();
        let moved = a.iter().zip(&b).map(|(&x, &y)| Ground::Torus.squared(&[x], &[y])).sum::<f64>();
        close(wasserstein(2, &a, &b, 2, Ground::Torus).unwrap(), (moved / 500.0).sqrt());
        assert_eq!(wasserstein(2, &a, &a, 2, Ground::Torus).unwrap(), 0.0);
    }
}

#[test]
fn any_number_of_threads_and_order_of_points() {
    let (a, b) = (basins(1, 1_500, 4, 0.1), basins(2, 1_500, 4, 0.2));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| wasserstein(2, &a, &b, 4, Ground::Torus).unwrap())
    };
    assert_eq!(on(1).to_bits(), on(3).to_bits());
    let turned: Vec<f64> = a.chunks(4).rev().flatten().copied().collect();
    assert_eq!(on(2).to_bits(), wasserstein(2, &turned, &b, 4, Ground::Torus).unwrap().to_bits());
}

#[test]
fn what_cannot_be_computed_is_said() {
    assert!(mean_cost(&[f64::NAN], 1, None).is_err());
    assert!(mean_cost(&[1e300], 1, None).is_err());
    assert!(mean_cost(&[], 0, None).is_err());
    assert!(mean_cost(&[1.0], 2, None).is_err());
    assert!(wasserstein(2, &[], &[1.0], 1, Ground::Torus).is_err());
    assert!(wasserstein(2, &[f64::INFINITY], &[1.0], 1, Ground::Torus).is_err());
    assert!(wasserstein(3, &[1.0], &[1.0], 1, Ground::Torus).is_err());
    assert!(wasserstein(1, &[1.0; 3], &[1.0; 4], 2, Ground::Torus).is_err());
}
