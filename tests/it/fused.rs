//! The fused EGNN engine against the reference implementation's numbers (tests/golden) and finite differences.

use pita_bench::array::Arrays;
use pita_bench::nn::Layout;
use pita_bench::nn::candle::egnn_layout;
use pita_bench::nn::fused::{Egnn, NodeInputs, Real, Shape};
use pita_bench::spec::NetSpec;

use crate::common::golden;

const N: usize = 13;

fn get<T: Real>(arrays: &Arrays, name: &str) -> Vec<T> {
    arrays[name].to_f64().into_iter().map(T::from_f64).collect()
}

fn layout(layers: usize) -> Layout {
    egnn_layout(&NetSpec { hidden: 32, layers, ..NetSpec::default() })
}

fn net<T: Real>(which: &str, inputs: NodeInputs) -> Egnn<T> {
    let params = layout(3).pack(&golden(&format!("weights_egnn_{which}")), "").unwrap();
    Egnn::new(Shape { particles: N, layers: 3, inputs }, params.into_iter().map(T::from_f64).collect()).unwrap()
}

/// Largest difference relative to the largest expected entry.
fn check<T: Real>(what: &str, found: &[T], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let error = found.iter().zip(expected).fold(0.0_f64, |m, (a, b)| m.max((a.to_f64() - b).abs())) / scale;
    assert!(error <= tolerance, "{what}: {error:.2e} > {tolerance:.0e} of {scale}");
}

fn backbone<T: Real>(tolerance: f64, out: &str) {
    let g = golden("egnn");
    let (t, beta, x) = (get::<T>(&g, "t"), get(&g, "beta"), get(&g, "x"));
    let cotangent = get::<T>(&g, "cotangent");
    let (f, vjp) = net("score", NodeInputs::Published).backbone(&t, &beta, &x, Some(&cotangent));
    check("out", &f, &g[out].to_f64(), tolerance);
    check("vjp_x", &vjp, &g["vjp_x"].to_f64(), tolerance);
    let (f, _) = net("score", NodeInputs::Equivariant).backbone(&t, &beta, &x, None);
    check("out_fixed_nodes", &f, &g["out_fixed_nodes"].to_f64(), tolerance);
}

#[test]
fn backbone_f64() {
    backbone::<f64>(1e-10, "out");
}

#[test]
fn backbone_f32() {
    backbone::<f32>(2e-5, "out_f32");
}

fn nets<T: Real>(tolerance: f64) {
    let g = golden("nets_egnn");
    let (h, beta, x) = (get::<T>(&g, "h"), get::<T>(&g, "beta"), get::<T>(&g, "x"));
    let (score, energy) = (net("score", NodeInputs::Published), net("energy", NodeInputs::Published));
    let d = 3 * N;
    for case in 0..15 {
        let (h, beta, x) = (&h[case * 4..][..4], &beta[case * 4..][..4], &x[case * 4 * d..][..4 * d]);
        let scalars = |name: &str| g[name].to_f64()[case * 4..][..4].to_vec();
        let vectors = |name: &str| g[name].to_f64()[case * 4 * d..][..4 * d].to_vec();
        check(&format!("D {case}"), &score.denoise(h, beta, x), &vectors("D"), tolerance);
        check(&format!("score {case}"), &score.score(h, beta, x), &vectors("score"), tolerance);
        let e = energy.energy(h, beta, x);
        check(&format!("U {case}"), &e.u, &scalars("U"), tolerance);
        check(&format!("grad_U {case}"), &e.grad, &vectors("grad_U"), tolerance);
        check(&format!("dU_dh {case}"), &e.dh, &scalars("dU_dh"), tolerance);
    }
}

#[test]
fn nets_f64() {
    nets::<f64>(1e-9);
}

#[test]
fn nets_f32() {
    nets::<f32>(2e-5);
}

fn divergence<T: Real>(tolerance: f64) {
    let g = golden("nets_egnn");
    let (h, beta, x) = (get::<T>(&g, "h"), get::<T>(&g, "beta"), get::<T>(&g, "x"));
    let (score, div) = net::<T>("score", NodeInputs::Published).div_score(&h, &beta, &x);
    check("score", &score, &g["score"].to_f64(), tolerance);
    for case in 0..15 {
        let expected = &g["div_score"].to_f64()[case * 4..][..4];
        check(&format!("div_score {case}"), &div[case * 4..][..4], expected, tolerance);
    }
}

#[test]
fn divergence_f64() {
    divergence::<f64>(1e-9);
}

#[test]
fn divergence_f32() {
    divergence::<f32>(2e-5);
}

/// Every parameter gradient of the reference's training losses (first and second order) through the closures.
fn loss_gradients<T: Real>(case: &str, tolerance: f64) {
    let g = golden("loss_egnn");
    let d = 3 * N;
    let batch = 16;
    let double = case == "double";
    let centred = |name: &str| {
        let mut x = g[name].to_f64();
        for row in x.chunks_mut(d) {
            for c in 0..3 {
                let mean = (0..N).map(|i| row[3 * i + c]).sum::<f64>() / N as f64;
                (0..N).for_each(|i| row[3 * i + c] -= mean);
            }
        }
        x
    };
    let x0 = centred("x0");
    let (xt, h) = (g["mid.xt"].to_f64(), g["ht"].to_f64());
    let (lambda, slopes, energies) =
        (g["mid.lambda"].to_f64(), g["mid.clipped_nabla_U0"].to_f64(), g["energies"].to_f64());
    let beta = vec![T::from_f64(g["beta"].to_f64()[0]); batch];
    let typed = |x: &[f64]| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
    let (h0, h_target) = (0.0025, 0.213_242_767_578_065_46);
    let in_target = h.iter().filter(|&&h| h < h_target).count();

    let score = net::<T>("score", NodeInputs::Published);
    let mut grads = vec![T::ZERO; score.params.len()];
    let cotangent = |b: usize, den: &[T], out: &mut [T]| {
        for (i, o) in out.iter_mut().enumerate() {
            let den = den[i].to_f64();
            let at = b * d + i;
            let weight = if h[b] < h0 { 0.0 } else { lambda[b] };
            let mut v = 2.0 / batch as f64 * weight * (den - x0[at]);
            if double && h[b] < h_target {
                v += 0.01 * 2.0 / in_target as f64 * (den - (xt[at] - h[b] * slopes[at]));
            }
            *o = T::from_f64(v);
        }
    };
    let denoised = score.denoise_vjp(&typed(&h), &beta, &typed(&xt), cotangent, &mut grads);
    check("D_score", &denoised, &g["mid.D_score"].to_f64(), tolerance);
    compare(&grads, &g, &format!("{case}.grad.score_net."), tolerance);

    let energy = net::<T>("energy", NodeInputs::Published);
    let mut grads = vec![T::ZERO; energy.params.len()];
    let dh_dt = |h: f64| 14.0 * h.powf(13.0 / 14.0) * (80f64.powf(1.0 / 7.0) - 0.05f64.powf(1.0 / 7.0));
    let cotangent = |b: usize, _: T, grad: &[T], dh: T, v: &mut [T]| {
        for (i, v) in v.iter_mut().enumerate() {
            let den = xt[b * d + i] - h[b] * grad[i].to_f64();
            let residual = den - denoised[b * d + i].to_f64();
            *v = T::from_f64(-h[b] * 2.0 / batch as f64 * lambda[b] * residual);
        }
        // d/dtheta of 1e-6 sum_b (dU/dt)^2.
        let time = if double { 2e-6 * dh_dt(h[b]).powi(2) * dh.to_f64() } else { 0.0 };
        (T::ZERO, T::from_f64(time))
    };
    let out = energy.energy_vjp(&typed(&h), &beta, &typed(&xt), cotangent, &mut grads);
    check("U_t", &out.u, &g["mid.U_t"].to_f64(), tolerance);
    if double {
        compare(&grads, &g, &format!("{case}.grad.energy_net."), tolerance);
        return;
    }
    let matching = |b: usize, u: T, _: &[T], _: T, v: &mut [T]| {
        v.fill(T::ZERO);
        let residual = u.to_f64() + energies[b];
        (T::from_f64(if -energies[b] > 1000.0 { 0.0 } else { 2.0 / batch as f64 * residual }), T::ZERO)
    };
    let h_zero = vec![T::from_f64(h0); batch];
    let out = energy.energy_vjp(&h_zero, &beta, &typed(&x0), matching, &mut grads);
    check("U0_pred", &out.u, &g["mid.U0_pred"].to_f64(), tolerance);
    compare(&grads, &g, &format!("{case}.grad.energy_net."), tolerance);
}

fn compare<T: Real>(grads: &[T], golden: &Arrays, prefix: &str, tolerance: f64) {
    for p in &layout(3).parameters {
        let name = format!("{prefix}{}", p.name);
        let found = &grads[p.range()];
        match golden.get(&name).map(pita_bench::array::Array::to_f64) {
            Some(expected) if expected.iter().any(|&x| x != 0.0) => check(&name, found, &expected, tolerance),
            _ => assert!(found.iter().all(|x| x.to_f64() == 0.0), "{name} should be zero"),
        }
    }
}

#[test]
fn loss_gradients_lj13_f64() {
    loss_gradients::<f64>("lj13", 1e-9);
}

#[test]
fn loss_gradients_double_f64() {
    loss_gradients::<f64>("double", 1e-9);
}

#[test]
fn loss_gradients_lj13_f32() {
    // Gradients of gradients in f32, where h grad U and U0 (1e3) have cancelled digits: ten times the forward tolerance.
    loss_gradients::<f32>("lj13", 2e-4);
}

/// `d/dtheta (<v, grad U> + c U + a dU/dh)` against central differences of the first-order pass.
#[test]
fn second_order_by_finite_differences() {
    let g = golden("nets_egnn");
    let d = 3 * N;
    let (h, beta, x) =
        (&get::<f64>(&g, "h")[20..24], &get::<f64>(&g, "beta")[20..24], &get::<f64>(&g, "x")[20 * d..24 * d]);
    let mut net = net::<f64>("energy", NodeInputs::Equivariant);
    let v: Vec<f64> = (0..4 * d).map(|i| (0.7 * i as f64).sin()).collect();
    let (c, a) = (0.3, -0.8);
    let mut grads = vec![0.0; net.params.len()];
    let cotangent = |b: usize, _: f64, _: &[f64], _: f64, out: &mut [f64]| {
        out.copy_from_slice(&v[b * d..][..d]);
        (c, a)
    };
    net.energy_vjp(h, beta, x, cotangent, &mut grads);
    let objective = |net: &Egnn<f64>| {
        let e = net.energy(h, beta, x);
        let along: f64 = e.grad.iter().zip(&v).map(|(g, v)| g * v).sum();
        along + c * e.u.iter().sum::<f64>() + a * e.dh.iter().sum::<f64>()
    };
    let scale = grads.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    for i in (0..net.params.len()).step_by(397) {
        let (step, start) = (1e-5, net.params[i]);
        net.params[i] = start + step;
        let up = objective(&net);
        net.params[i] = start - step;
        let difference = (up - objective(&net)) / (2.0 * step);
        net.params[i] = start;
        assert!((difference - grads[i]).abs() < 1e-6 * scale, "parameter {i}: {difference} against {}", grads[i]);
    }
}

/// Sums do not depend on the number of threads, nor on what else is in the batch.
#[test]
fn results_do_not_depend_on_threads() {
    let net = net::<f32>("score", NodeInputs::Equivariant);
    let batch = 50;
    let h: Vec<f32> = (0..batch).map(|b| 0.1 + b as f32 * 0.03).collect();
    let beta = vec![1.33; batch];
    let x: Vec<f32> = (0..batch * 3 * N).map(|i| 2.0 * (i as f32 * 1.7).sin()).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut grads = vec![0.0; net.params.len()];
            let d = net.denoise_vjp(&h, &beta, &x, |_, d, v| v.copy_from_slice(d), &mut grads);
            (grads, d, net.div_score(&h, &beta, &x))
        })
    };
    let one = run(1);
    assert_eq!(one, run(3));
    assert!(one.0.iter().any(|&g| g != 0.0));
    let single = net.denoise(&h[7..8], &beta[7..8], &x[7 * 3 * N..8 * 3 * N]);
    assert_eq!(single, one.1[7 * 3 * N..8 * 3 * N]);
}

/// Equivariant node inputs: permuting particles permutes the score and leaves energy and divergence.
#[test]
fn permutation_equivariance() {
    let net = net::<f64>("energy", NodeInputs::Equivariant);
    let x: Vec<f64> = (0..3 * N).map(|i| 1.5 * (i as f64 * 2.3).sin()).collect();
    let swapped: Vec<f64> = x.chunks(3).rev().flatten().copied().collect();
    let (h, beta) = ([0.5], [1.2]);
    let (score, div) = net.div_score(&h, &beta, &x);
    let (score_swapped, div_swapped) = net.div_score(&h, &beta, &swapped);
    let back: Vec<f64> = score_swapped.chunks(3).rev().flatten().copied().collect();
    check("score", &back, &score, 1e-12);
    check("div", &div_swapped, &div, 1e-12);
    check("U", &net.energy(&h, &beta, &swapped).u, &net.energy(&h, &beta, &x).u, 1e-12);
}

#[test]
fn missing_weights_are_named() {
    let weights = golden("weights_egnn_score");
    let error = layout(3).pack(&weights, "net.").unwrap_err().to_string();
    assert!(error.contains("net.egnn.embedding.weight"), "{error}");
    let error = layout(4).pack(&weights, "").unwrap_err().to_string();
    assert!(error.contains("gcl_3"), "{error}");
}
