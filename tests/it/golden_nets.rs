//! The networks against the PyTorch reference, number by number: f64 within 1e-9, f32 within 2e-5 of the largest entry.

use crate::common::{close, f64s, golden};
use candle_core::{DType, Device};
use pita_bench::nn::candle::CandleEgnn;
use pita_bench::nn::{Backbone, Batch, EnergySeed};
use pita_bench::spec::{NetSpec, NodeFeatures};

const F64: f64 = 1e-9;
const F32: f64 = 2e-5;

fn net(node_features: NodeFeatures, dtype: DType) -> CandleEgnn {
    CandleEgnn::new(13, &NetSpec { node_features, ..NetSpec::default() }, dtype, Device::Cpu)
}

fn weights(net: &dyn Backbone, file: &str) -> Vec<f64> {
    net.layout().pack(&golden(file), "").unwrap()
}

#[test]
fn egnn_forward() {
    let g = golden("egnn");
    for (features, dtype, out, tolerance) in [
        (NodeFeatures::Faithful, DType::F64, "out", F64),
        (NodeFeatures::Fixed, DType::F64, "out_fixed_nodes", F64),
        (NodeFeatures::Faithful, DType::F32, "out_f32", F32),
    ] {
        let net = net(features, dtype);
        let w = weights(&net, "weights_egnn_score");
        let got = net.forward(&w, &f64s(&g, "t"), &f64s(&g, "beta"), &f64s(&g, "x")).unwrap();
        close(out, &got, &f64s(&g, out), tolerance);
    }
}

#[test]
fn heads_and_derivatives() {
    let g = golden("nets_egnn");
    let (h, beta, x) = (f64s(&g, "h"), f64s(&g, "beta"), f64s(&g, "x"));
    for (dtype, tolerance) in [(DType::F64, F64), (DType::F32, F32)] {
        let net = net(NodeFeatures::Faithful, dtype);
        let score = weights(&net, "weights_egnn_score");
        let energy = weights(&net, "weights_egnn_energy");
        let d = net.denoise(&score, Batch { h: &h, beta: &beta, x: &x }).unwrap();
        close("D", &d, &f64s(&g, "D"), tolerance);
        let e = net.energy(&energy, Batch { h: &h, beta: &beta, x: &x }).unwrap();
        close("U", &e.u, &f64s(&g, "U"), tolerance);
        let alone = net.energy_value(&energy, Batch { h: &h, beta: &beta, x: &x }).unwrap();
        close("U alone", &alone, &f64s(&g, "U"), tolerance);
        close("grad_U", &e.grad, &f64s(&g, "grad_U"), tolerance);
        close("dU_dh", &e.du_dh, &f64s(&g, "dU_dh"), tolerance);
        let (d2, div) = net.divergence(&score, Batch { h: &h, beta: &beta, x: &x }).unwrap();
        close("D beside the divergence", &d2, &d, tolerance);
        close("div_score", &div, &f64s(&g, "div_score"), tolerance);
    }
}

#[test]
fn laplacian() {
    let g = golden("nets_egnn");
    let net = net(NodeFeatures::Faithful, DType::F64);
    let energy = weights(&net, "weights_egnn_energy");
    let got = net.laplacian(&energy, Batch { h: &f64s(&g, "h"), beta: &f64s(&g, "beta"), x: &f64s(&g, "x") }).unwrap();
    close("lap_U", &got, &f64s(&g, "lap_U"), F64);
}

/// Directional derivatives of D against central differences of D.
#[test]
fn jvp_against_differences() {
    let g = golden("nets_egnn");
    let net = net(NodeFeatures::Fixed, DType::F64);
    let w = weights(&net, "weights_egnn_score");
    let (h, beta, x) = (f64s(&g, "h"), f64s(&g, "beta"), f64s(&g, "x"));
    let v: Vec<f64> = (0..x.len()).map(|i| ((i * 37 % 101) as f64 / 50.0) - 1.0).collect();
    let moved = |e: f64| -> Vec<f64> {
        let x: Vec<f64> = x.iter().zip(&v).map(|(x, v)| x + e * v).collect();
        net.denoise(&w, Batch { h: &h, beta: &beta, x: &x }).unwrap()
    };
    let e = 1e-5;
    let want: Vec<f64> = moved(e).iter().zip(moved(-e)).map(|(a, b)| (a - b) / (2.0 * e)).collect();
    let (_, got) = net.denoise_jvp(&w, Batch { h: &h, beta: &beta, x: &x }, &v).unwrap();
    close("dD/dx v", &got, &want, 1e-7); // truncation of the central difference
}

/// Every parameter that can matter gets a gradient, first and second order; candle drops some silently elsewhere.
#[test]
fn every_parameter_gets_a_gradient() {
    let g = golden("nets_egnn");
    let net = net(NodeFeatures::Fixed, DType::F64);
    let w = weights(&net, "weights_egnn_energy");
    let (h, beta, x) = (f64s(&g, "h"), f64s(&g, "beta"), f64s(&g, "x"));
    let mut first = vec![0.0; w.len()];
    net.denoise_vjp(&w, Batch { h: &h, beta: &beta, x: &x }, &|_, d, out| out.copy_from_slice(d), &mut first).unwrap();
    let mut second = vec![0.0; w.len()];
    let seed = |_: usize, _: f64, grad: &[f64], _: f64, v: &mut [f64]| {
        v.copy_from_slice(grad);
        EnergySeed::default()
    };
    net.energy_vjp(&w, Batch { h: &h, beta: &beta, x: &x }, &seed, &mut second).unwrap();
    for p in &net.layout().parameters {
        // The output embedding is never read; the last node update feeds nothing but it.
        let unread = p.name.contains("embedding_out") || p.name.contains("gcl_2.node_mlp");
        let len: usize = p.shape.iter().product();
        for grad in [&first, &second] {
            let reached = grad[p.offset..p.offset + len].iter().any(|&x| x != 0.0);
            assert_eq!(reached, !unread, "{}", p.name);
        }
    }
}
