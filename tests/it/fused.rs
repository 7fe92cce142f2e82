//! The fused EGNN engine against the reference implementation's numbers (tests/golden) and finite differences.

use pita_bench::array::Arrays;
use pita_bench::nn::candle::egnn_layout;
use pita_bench::nn::fused::FusedEgnn;
use pita_bench::nn::{Backbone, Batch, EnergySeed, Layout};
use pita_bench::real::Real;
use pita_bench::spec::{NetSpec, NodeFeatures};

use crate::common::{close, golden};

const N: usize = 13;

fn get(arrays: &Arrays, name: &str) -> Vec<f64> {
    arrays[name].to_f64()
}

fn layout(layers: usize) -> Layout {
    egnn_layout(&NetSpec { hidden: 32, layers, ..NetSpec::default() })
}

fn net<T: Real>(node_features: NodeFeatures) -> FusedEgnn<T> {
    FusedEgnn::new(N, &NetSpec { node_features, ..NetSpec::default() }).unwrap()
}

fn params(which: &str) -> Vec<f64> {
    layout(3).pack(&golden(&format!("weights_egnn_{which}")), "").unwrap()
}

/// The score that a denoiser at `h` stands for.
fn score(d: &[f64], x: &[f64], h: &[f64]) -> Vec<f64> {
    d.iter().zip(x).enumerate().map(|(k, (d, x))| (d - x) / h[k / (3 * N)]).collect()
}

fn backbone<T: Real>(tolerance: f64, out: &str) {
    let g = golden("egnn");
    let (t, beta, x, cotangent) = (get(&g, "t"), get(&g, "beta"), get(&g, "x"), get(&g, "cotangent"));
    let params = params("score");
    let (f, vjp) = net::<T>(NodeFeatures::Faithful).forward(&params, &t, &beta, &x, &cotangent);
    close("out", &f, &get(&g, out), tolerance);
    close("vjp_x", &vjp, &get(&g, "vjp_x"), tolerance);
    let (f, _) = net::<T>(NodeFeatures::Fixed).forward(&params, &t, &beta, &x, &cotangent);
    close("out_fixed_nodes", &f, &get(&g, "out_fixed_nodes"), tolerance);
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
    let (h, beta, x) = (get(&g, "h"), get(&g, "beta"), get(&g, "x"));
    let (net, score_params, energy_params) = (net::<T>(NodeFeatures::Faithful), params("score"), params("energy"));
    let d = 3 * N;
    for case in 0..15 {
        let at = Batch { h: &h, beta: &beta, x: &x }.part(&(case * 4..case * 4 + 4), d);
        let scalars = |name: &str| get(&g, name)[case * 4..][..4].to_vec();
        let vectors = |name: &str| get(&g, name)[case * 4 * d..][..4 * d].to_vec();
        close(&format!("D {case}"), &net.denoise(&score_params, at).unwrap(), &vectors("D"), tolerance);
        // Without the cancellation of the denoiser at small h.
        let (beside, _) = net.divergence(&score_params, at).unwrap();
        close(&format!("score {case}"), &score(&beside, at.x, at.h), &vectors("score"), tolerance);
        let e = net.energy(&energy_params, at).unwrap();
        close(&format!("U {case}"), &e.u, &scalars("U"), tolerance);
        close(&format!("grad_U {case}"), &e.grad, &vectors("grad_U"), tolerance);
        close(&format!("dU_dh {case}"), &e.du_dh, &scalars("dU_dh"), tolerance);
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
    let (h, beta, x) = (get(&g, "h"), get(&g, "beta"), get(&g, "x"));
    let at = Batch { h: &h, beta: &beta, x: &x };
    let (d, div) = net::<T>(NodeFeatures::Faithful).divergence(&params("score"), at).unwrap();
    close("score", &score(&d, &x, &h), &get(&g, "score"), tolerance);
    for case in 0..15 {
        let expected = &get(&g, "div_score")[case * 4..][..4];
        close(&format!("div_score {case}"), &div[case * 4..][..4], expected, tolerance);
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
    let beta = vec![get(&g, "beta")[0]; batch];
    let (h0, h_target) = (0.0025, 0.213_242_767_578_065_46);
    let in_target = h.iter().filter(|&&h| h < h_target).count();

    let net = net::<T>(NodeFeatures::Faithful);
    let (params, mut grads) = (params("score"), vec![0.0; net.layout().len()]);
    let cotangent = |b: usize, den: &[f64], out: &mut [f64]| {
        for (i, o) in out.iter_mut().enumerate() {
            let den = den[i];
            let at = b * d + i;
            let weight = if h[b] < h0 { 0.0 } else { lambda[b] };
            let mut v = 2.0 / batch as f64 * weight * (den - x0[at]);
            if double && h[b] < h_target {
                v += 0.01 * 2.0 / in_target as f64 * (den - (xt[at] - h[b] * slopes[at]));
            }
            *o = v;
        }
    };
    let noisy = Batch { h: &h, beta: &beta, x: &xt };
    let denoised = net.denoise_vjp(&params, noisy, &cotangent, &mut grads).unwrap();
    close("D_score", &denoised, &get(&g, "mid.D_score"), tolerance);
    compare(&grads, &g, &format!("{case}.grad.score_net."), tolerance);

    let (params, mut grads) = (self::params("energy"), vec![0.0; net.layout().len()]);
    let dh_dt = |h: f64| 14.0 * h.powf(13.0 / 14.0) * (80f64.powf(1.0 / 7.0) - 0.05f64.powf(1.0 / 7.0));
    let seed = |b: usize, _: f64, grad: &[f64], dh: f64, v: &mut [f64]| {
        for (i, v) in v.iter_mut().enumerate() {
            let den = xt[b * d + i] - h[b] * grad[i];
            let residual = den - denoised[b * d + i];
            *v = -h[b] * 2.0 / batch as f64 * lambda[b] * residual;
        }
        // d/dtheta of 1e-6 sum_b (dU/dt)^2.
        EnergySeed { c: 0.0, w: if double { 2e-6 * dh_dt(h[b]).powi(2) * dh } else { 0.0 } }
    };
    let out = net.energy_vjp(&params, noisy, &seed, &mut grads).unwrap();
    close("U_t", &out.u, &get(&g, "mid.U_t"), tolerance);
    if double {
        compare(&grads, &g, &format!("{case}.grad.energy_net."), tolerance);
        return;
    }
    let matching = |b: usize, u: f64, _: &[f64], _: f64, v: &mut [f64]| {
        v.fill(0.0);
        let residual = u + energies[b];
        EnergySeed { c: if -energies[b] > 1000.0 { 0.0 } else { 2.0 / batch as f64 * residual }, w: 0.0 }
    };
    let clean = Batch { h: &vec![h0; batch], beta: &beta, x: &x0 };
    let out = net.energy_vjp(&params, clean, &matching, &mut grads).unwrap();
    close("U0_pred", &out.u, &get(&g, "mid.U0_pred"), tolerance);
    compare(&grads, &g, &format!("{case}.grad.energy_net."), tolerance);
}

fn compare(grads: &[f64], golden: &Arrays, prefix: &str, tolerance: f64) {
    for p in &layout(3).parameters {
        let name = format!("{prefix}{}", p.name);
        let found = &grads[p.range()];
        match golden.get(&name).map(pita_bench::array::Array::to_f64) {
            Some(expected) if expected.iter().any(|&x| x != 0.0) => close(&name, found, &expected, tolerance),
            _ => assert!(found.iter().all(|&x| x == 0.0), "{name} should be zero"),
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
    let (h, beta, x) = (get(&g, "h"), get(&g, "beta"), get(&g, "x"));
    let at = Batch { h: &h, beta: &beta, x: &x }.part(&(20..24), d);
    let (net, mut params) = (net::<f64>(NodeFeatures::Fixed), params("energy"));
    let v: Vec<f64> = (0..4 * d).map(|i| (0.7 * i as f64).sin()).collect();
    let seed = EnergySeed { c: 0.3, w: -0.8 };
    let mut grads = vec![0.0; params.len()];
    let write = |b: usize, _: f64, _: &[f64], _: f64, out: &mut [f64]| {
        out.copy_from_slice(&v[b * d..][..d]);
        seed
    };
    net.energy_vjp(&params, at, &write, &mut grads).unwrap();
    let objective = |params: &[f64]| {
        let e = net.energy(params, at).unwrap();
        let along: f64 = e.grad.iter().zip(&v).map(|(g, v)| g * v).sum();
        along + seed.c * e.u.iter().sum::<f64>() + seed.w * e.du_dh.iter().sum::<f64>()
    };
    let scale = grads.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    for i in (0..params.len()).step_by(397) {
        let (step, start) = (1e-5, params[i]);
        params[i] = start + step;
        let up = objective(&params);
        params[i] = start - step;
        let difference = (up - objective(&params)) / (2.0 * step);
        params[i] = start;
        assert!((difference - grads[i]).abs() < 1e-6 * scale, "parameter {i}: {difference} against {}", grads[i]);
    }
}

/// Sums do not depend on the number of threads, nor on what else is in the batch.
#[test]
fn results_do_not_depend_on_threads() {
    let (net, params) = (net::<f32>(NodeFeatures::Fixed), params("score"));
    let batch = 50;
    let h: Vec<f64> = (0..batch).map(|b| 0.1 + b as f64 * 0.03).collect();
    let beta = vec![1.33; batch];
    let x: Vec<f64> = (0..batch * 3 * N).map(|i| 2.0 * (i as f64 * 1.7).sin()).collect();
    let at = Batch { h: &h, beta: &beta, x: &x };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut grads = vec![0.0; params.len()];
            let d = net.denoise_vjp(&params, at, &|_, d, v| v.copy_from_slice(d), &mut grads).unwrap();
            (grads, d, net.divergence(&params, at).unwrap())
        })
    };
    let one = run(1);
    assert_eq!(one, run(3));
    assert!(one.0.iter().any(|&g| g != 0.0));
    let single = net.denoise(&params, at.part(&(7..8), 3 * N)).unwrap();
    assert_eq!(single, one.1[7 * 3 * N..8 * 3 * N]);
}

/// Equivariant node inputs: permuting particles permutes the score and leaves energy and divergence.
#[test]
fn permutation_equivariance() {
    let (net, params) = (net::<f64>(NodeFeatures::Fixed), params("energy"));
    let x: Vec<f64> = (0..3 * N).map(|i| 1.5 * (i as f64 * 2.3).sin()).collect();
    let swapped: Vec<f64> = x.chunks(3).rev().flatten().copied().collect();
    let at = |x| Batch { h: &[0.5], beta: &[1.2], x };
    let (d, div) = net.divergence(&params, at(&x)).unwrap();
    let (d_swapped, div_swapped) = net.divergence(&params, at(&swapped)).unwrap();
    let back: Vec<f64> = score(&d_swapped, &swapped, &[0.5]).chunks(3).rev().flatten().copied().collect();
    close("score", &back, &score(&d, &x, &[0.5]), 1e-12);
    close("div", &div_swapped, &div, 1e-12);
    close("U", &net.energy(&params, at(&swapped)).unwrap().u, &net.energy(&params, at(&x)).unwrap().u, 1e-12);
}

#[test]
fn missing_weights_are_named() {
    let weights = golden("weights_egnn_score");
    let error = layout(3).pack(&weights, "net.").unwrap_err().to_string();
    assert!(error.contains("net.egnn.embedding.weight"), "{error}");
    let error = layout(4).pack(&weights, "").unwrap_err().to_string();
    assert!(error.contains("gcl_3"), "{error}");
}
