//! The DiT against the PyTorch reference, number by number: f64 within 1e-9, f32 within 2e-5 of the largest entry.

use crate::common::golden_steps::{self, Annealer};
use crate::common::{close, f64s, facts, golden};
use candle_core::{DType, Device};
use pita_bench::array::Arrays;
use pita_bench::diffusion::Elucidating;
use pita_bench::nn::candle::CandleDit;
use pita_bench::nn::dit::Dit;
use pita_bench::nn::{self, Backbone};
use pita_bench::real::Real;
use pita_bench::spec::{DitSpec, NetSpec};

const F64: f64 = 1e-9;
const F32: f64 = 2e-5;

fn spec(beta_conditioning: bool) -> (NetSpec, DitSpec) {
    let dit = DitSpec { heads: 2, cond: 16, dropout: 0.1, beta_conditioning };
    (NetSpec { hidden: 32, layers: 2, ..NetSpec::default() }, dit)
}

fn small<T: Real>(atoms: usize, beta_conditioning: bool) -> Dit<T> {
    let (net, dit) = spec(beta_conditioning);
    Dit::new(atoms, &net, &dit).unwrap()
}

fn weights(net: &dyn Backbone, file: &str) -> Vec<f64> {
    net.layout().pack(&golden(file), "").unwrap()
}

fn forward_and_vjp<T: Real>(tolerance: f64) {
    for atoms in [22, 33] {
        let g = golden(&format!("dit{atoms}"));
        let (t, beta, x, cotangent) = (f64s(&g, "t"), f64s(&g, "beta"), f64s(&g, "x"), f64s(&g, "cotangent"));
        let net = small::<T>(atoms, true);
        let w = weights(&net, "weights_dit_score");
        let (out, vjp) = net.forward(&w, &t, &beta, &x, &cotangent);
        close("out", &out, &f64s(&g, "out"), tolerance);
        close("vjp_x", &vjp, &f64s(&g, "vjp_x"), tolerance);
        let unconditioned = small::<T>(atoms, false);
        let (out, _) = unconditioned.forward(&w, &t, &beta, &x, &cotangent);
        close("out_unconditioned", &out, &f64s(&g, "out_unconditioned"), tolerance);
    }
}

#[test]
fn forward_and_vjp_f64() {
    forward_and_vjp::<f64>(F64);
}

#[test]
fn forward_and_vjp_f32() {
    forward_and_vjp::<f32>(F32);
}

/// The published size, weights from an integer hash (`tests/golden/README.md`).
#[test]
fn full_size() {
    let hash = |p: u32, i: u32| {
        let mut x = (p << 24).wrapping_add(i);
        x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
        x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
        x ^= x >> 16;
        (f64::from(x >> 16) / 65_536.0 - 0.5) * 0.25
    };
    let g = golden("dit_full");
    let names = facts("dit_full")["parameters"].as_array().unwrap().clone();
    fn check<T: Real>(g: &Arrays, names: &[serde_json::Value], hash: impl Fn(u32, u32) -> f64, tolerance: f64) {
        let spec = NetSpec::dit();
        let net = Dit::<T>::new(22, &spec, spec.dit.as_ref().unwrap()).unwrap();
        let layout = net.layout();
        assert_eq!(layout.parameters.len(), names.len());
        let mut params = Vec::with_capacity(layout.len());
        for (p, about) in layout.parameters.iter().zip(names) {
            assert_eq!(about[1].as_str().unwrap(), p.name);
            let shape: Vec<u64> = about[2].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            assert!(shape.iter().map(|&n| n as usize).eq(p.shape.iter().copied()), "{}", p.name);
            let one = f64::from(u8::from(p.name.contains("norm")));
            let len: usize = p.shape.iter().product();
            params.extend((0..len).map(|i| one + hash(about[0].as_u64().unwrap() as u32, i as u32)));
        }
        close("hash", &params[..8], &f64s(g, "first_weights")[..8], 0.0);
        let x = f64s(g, "x");
        let (out, _) = net.forward(&params, &f64s(g, "t"), &f64s(g, "beta"), &x, &x);
        close("out", &out, &f64s(g, "out"), tolerance);
    }
    check::<f64>(&g, &names, hash, F64);
    check::<f32>(&g, &names, hash, F32);
}

/// Both heads with their first derivatives; the divergence of every `stride`-th sample.
fn heads_and_derivatives(net: &dyn Backbone, stride: usize, tolerance: f64) {
    let g = golden("nets_dit22");
    let (h, beta, x) = (f64s(&g, "h"), f64s(&g, "beta"), f64s(&g, "x"));
    let score = weights(net, "weights_dit_score");
    let energy = weights(net, "weights_dit_energy");
    let d = net.denoise(&score, nn::Batch { h: &h, beta: &beta, x: &x }).unwrap();
    close("D", &d, &f64s(&g, "D"), tolerance);
    let e = net.energy(&energy, nn::Batch { h: &h, beta: &beta, x: &x }).unwrap();
    close("U", &e.u, &f64s(&g, "U"), tolerance);
    let alone = net.energy_value(&energy, nn::Batch { h: &h, beta: &beta, x: &x }).unwrap();
    close("U alone", &alone, &f64s(&g, "U"), tolerance);
    close("grad_U", &e.grad, &f64s(&g, "grad_U"), tolerance);
    close("dU_dh", &e.du_dh, &f64s(&g, "dU_dh"), tolerance);
    let every = |values: &[f64], width: usize| -> Vec<f64> {
        values.chunks(width).step_by(stride).flatten().copied().collect()
    };
    let (h, beta, x) = (every(&h, 1), every(&beta, 1), every(&x, net.dim()));
    let (d2, div) = net.divergence(&score, nn::Batch { h: &h, beta: &beta, x: &x }).unwrap();
    close("D beside the divergence", &d2, &every(&d, net.dim()), tolerance);
    close("div_score", &div, &every(&f64s(&g, "div_score"), 1), tolerance);
}

#[test]
fn heads_and_derivatives_f64() {
    heads_and_derivatives(&small::<f64>(22, true), 1, F64);
}

#[test]
fn heads_and_derivatives_f32() {
    heads_and_derivatives(&small::<f32>(22, true), 1, F32);
}

#[test]
fn laplacian() {
    let g = golden("nets_dit22");
    let (net, dit) = spec(true);
    let net = CandleDit::new(22, &net, &dit, DType::F64, Device::Cpu).unwrap();
    let energy = weights(&net, "weights_dit_energy");
    let every =
        |name: &str, width: usize| f64s(&g, name).chunks(width).step_by(20).flatten().copied().collect::<Vec<_>>();
    let (h, beta, x) = (every("h", 1), every("beta", 1), every("x", net.dim()));
    let lap = net.laplacian(&energy, nn::Batch { h: &h, beta: &beta, x: &x }).unwrap();
    close("lap_U", &lap, &every("lap_U", 1), F64);
}

/// The reference engine computes the same network: every value, derivative and parameter gradient of the fixtures.
#[test]
fn candle_reference() {
    let (net, dit) = spec(true);
    for atoms in [22, 33] {
        let g = golden(&format!("dit{atoms}"));
        let net = CandleDit::new(atoms, &net, &dit, DType::F64, Device::Cpu).unwrap();
        let w = weights(&net, "weights_dit_score");
        let out = net.forward(&w, &f64s(&g, "t"), &f64s(&g, "beta"), &f64s(&g, "x")).unwrap();
        close("out", &out, &f64s(&g, "out"), F64);
    }
    let net = CandleDit::new(22, &net, &dit, DType::F64, Device::Cpu).unwrap();
    heads_and_derivatives(&net, 20, F64);
    losses_and_parameter_gradients(&net, F64);
}

fn losses_and_parameter_gradients(net: &dyn Backbone, tolerance: f64) {
    let (score, energy) = (weights(net, "weights_dit_score"), weights(net, "weights_dit_energy"));
    golden_steps::losses("loss_dit22", net, [&score, &energy], Elucidating::new(0.01, 80.0), tolerance);
}

#[test]
fn losses_and_parameter_gradients_f64() {
    losses_and_parameter_gradients(&small::<f64>(22, true), F64);
}

#[test]
fn losses_and_parameter_gradients_f32() {
    losses_and_parameter_gradients(&small::<f32>(22, true), F32);
}

fn one_annealing_step<T: Real>(tolerance: f64) {
    let net = small::<T>(22, true);
    let (score, energy) = (weights(&net, "weights_dit_score"), weights(&net, "weights_dit_energy"));
    let (heads, schedule) = ([&score[..], &energy], Elucidating::new(0.01, 80.0));
    golden_steps::annealing("sde_dit22", &Annealer { net: &net, heads, schedule, laplacian: None }, tolerance);
}

#[test]
fn one_annealing_step_f64() {
    one_annealing_step::<f64>(F64);
}

#[test]
fn one_annealing_step_f32() {
    one_annealing_step::<f32>(F32);
}
