//! Schedules, losses, optimiser, annealing terms and resampling against the PyTorch reference, number by number.

use crate::common::golden_steps::{self, Annealer};
use crate::common::{close, f64s, facts, golden};
use candle_core::{DType, Device};
use pita_bench::array::Arrays;
use pita_bench::diffusion::sde;
use pita_bench::diffusion::{Elucidating, Gamma, systematic_faithful};
use pita_bench::nn::candle::CandleEgnn;
use pita_bench::nn::{self, Adam, Backbone, Ema, clip_norm};
use pita_bench::samplers::pita::loss::{Batch, LossTerms, LossWeights, Pair, clip_forces, loss, mean};
use pita_bench::spec::{GammaSchedule, NetSpec, NodeFeatures};

const F64: f64 = 1e-9;
const F32: f64 = 2e-5;
const DIM: usize = 39;

fn net(dtype: DType) -> CandleEgnn {
    let spec = NetSpec { node_features: NodeFeatures::Faithful, ..NetSpec::default() };
    CandleEgnn::new(13, &spec, dtype, Device::Cpu)
}

fn weights(net: &CandleEgnn) -> (Vec<f64>, Vec<f64>) {
    let pack = |file| net.layout().pack(&golden(file), "").unwrap();
    (pack("weights_egnn_score"), pack("weights_egnn_energy"))
}

fn scalar(file: &Arrays, name: &str) -> f64 {
    f64s(file, name)[0]
}

#[test]
fn schedules() {
    let g = golden("schedules");
    let t = f64s(&g, "t");
    for sigma_min in ["0.05", "0.01", "0.002"] {
        let s = Elucidating::new(sigma_min.parse().unwrap(), 80.0);
        let name = |part: &str| format!("elucidating_{sigma_min}.{part}");
        let map = |f: &dyn Fn(f64) -> f64| t.iter().map(|&t| f(t)).collect::<Vec<_>>();
        close("h", &map(&|t| s.h(t)), &f64s(&g, &name("h")), F64);
        close("g", &map(&|t| s.dh_dt(t).sqrt()), &f64s(&g, &name("g")), F64);
        close("dh_dt", &map(&|t| s.dh_dt(t)), &f64s(&g, &name("dh_dt")), F64);
        close("t(h(t))", &map(&|t| s.t_of_h(s.h(t))), &f64s(&g, &name("t_of_h")), F64);
    }
}

#[test]
fn gamma() {
    let g = golden("gamma");
    let t = f64s(&g, "t");
    for (name, gamma) in [
        ("constant", Gamma::new(GammaSchedule::Constant, 1.33)),
        ("linear", Gamma::new(GammaSchedule::Linear, 1.33)),
        ("sigmoid", Gamma::new(GammaSchedule::Sigmoid, 1.33)),
    ] {
        let at: Vec<f64> = t.iter().map(|&t| gamma.at(t)).collect();
        close(name, &at, &f64s(&g, &format!("{name}.gamma")), F64);
        let slope: Vec<f64> = t.iter().map(|&t| gamma.derivative(t)).collect();
        close(name, &slope, &f64s(&g, &format!("{name}.dgamma_dt_true")), F64);
    }
}

#[test]
fn resampling_as_the_reference() {
    let g = golden("resample");
    let cases = facts("resample")["cases"].as_object().unwrap().clone();
    for (case, about) in cases {
        // The f32 cases sum in f32, which moves bin edges: only f64 sums are ours.
        if about["dtype"] != "float64" {
            continue;
        }
        let count = about["bs"].as_u64().unwrap() as usize;
        let u = scalar(&g, &format!("{case}.u"));
        let got = systematic_faithful(&f64s(&g, &format!("{case}.logits")), count, u);
        let want = g[&format!("{case}.indices")].as_i64().unwrap();
        assert!(got.iter().map(|&i| i as i64).eq(want.iter().copied()), "{case}");
    }
}

#[test]
fn force_clipping() {
    let g = golden("clip");
    let mut forces = f64s(&g, "scores");
    clip_forces(&mut forces, DIM, 1000.0);
    close("clipped", &forces, &f64s(&g, "clipped_is_molecule_False"), F64);
    // Per particle: the same rule on rows of three.
    let mut forces = f64s(&g, "scores");
    clip_forces(&mut forces, 3, 1000.0);
    close("clipped per particle", &forces, &f64s(&g, "clipped_is_molecule_True"), F64);
}

#[test]
fn losses_and_parameter_gradients() {
    for (dtype, tolerance) in [(DType::F64, F64), (DType::F32, F32)] {
        let net = net(dtype);
        let (score, energy) = weights(&net);
        golden_steps::losses("loss_egnn", &net, [&score, &energy], Elucidating::new(0.05, 80.0), tolerance);
    }
}

/// Five steps of loss, joint clip, Adam and EMA.
#[test]
fn adam_clip_ema() {
    let g = golden("adam_ema");
    let net = net(DType::F64);
    let (score, energy) = weights(&net);
    let len = score.len();
    let mut params = [score, energy].concat();
    let mut adam = Adam::new(2 * len);
    let mut ema = Ema::new(&params, 0.999);
    let schedule = Elucidating::new(0.05, 80.0);
    let weights = LossWeights { score: 1.0, energy_score: 1.0, energy_matching: 1e-4, target_score: 0.0, du_dt: 0.0 };
    let per_step = |name: &str, step: usize| {
        let all = f64s(&g, name);
        let len = all.len() / 5;
        all[step * len..(step + 1) * len].to_vec()
    };
    for step in 0..5 {
        let h = per_step("ht", step);
        let batch = Batch {
            x0: per_step("x0", step),
            z: per_step("z", step),
            beta: vec![scalar_beta(); h.len()],
            h,
            energy: per_step("energies", step).iter().map(|e| -e).collect(),
            force: Vec::new(),
            mix: Vec::new(),
        };
        let mut grad = vec![0.0; 2 * len];
        let (gs, ge) = grad.split_at_mut(len);
        let (ps, pe) = params.split_at(len);
        let pair = Pair { score: ps, energy: pe };
        let terms = loss(&net, pair, &batch, &schedule, &weights, &mut Pair { score: gs, energy: ge }).unwrap();
        close("loss", &[terms.total(&weights)], &per_step("loss", step), F64);
        let norm = clip_norm(&mut grad, 0.5);
        close("grad norm", &[norm], &per_step("grad_norm", step), F64);
        adam.step(&mut params, &grad, 1e-3);
        ema.update(&params);
        for (what, values) in [("checksum_params", &params), ("checksum_ema", &ema.params)] {
            let want = per_step(what, step);
            let sums: Vec<f64> = [&values[..len], &values[len..]]
                .iter()
                .flat_map(|flat| {
                    net.layout().parameters.iter().flat_map(|p| {
                        let n: usize = p.shape.iter().product();
                        let part = &flat[p.offset..p.offset + n];
                        [part.iter().sum::<f64>(), part.iter().map(|x| x * x).sum::<f64>().sqrt()]
                    })
                })
                .collect();
            close(what, &sums, &want, F64);
        }
    }
    for (what, values) in [("params5", &params), ("ema5", &ema.params)] {
        for (head, flat) in [("score_net", &values[..len]), ("energy_net", &values[len..])] {
            for (name, got) in net.layout().unpack(flat, &format!("{what}.{head}.")) {
                close(&name, &got.to_f64(), &f64s(&g, &name), F64);
            }
        }
    }
}

/// 1.33 as the fixture used it: rounded to f32 on the way into the network.
fn scalar_beta() -> f64 {
    f64::from(1.33_f32)
}

#[test]
fn one_annealing_step() {
    for (dtype, tolerance) in [(DType::F64, F64), (DType::F32, F32)] {
        let net = net(dtype);
        let (score, energy) = weights(&net);
        let laplacian = |batch: nn::Batch<'_>| net.laplacian(&energy, batch).unwrap();
        let (heads, schedule) = ([&score[..], &energy], Elucidating::new(0.05, 80.0));
        let by = Annealer { net: &net, heads, schedule, laplacian: Some(&laplacian) };
        golden_steps::annealing("sde_egnn", &by, tolerance);
    }
}

#[test]
fn loss_terms_of_nothing_are_zero() {
    assert_eq!(mean(&LossTerms::default().target_score), 0.0);
    assert_eq!(sde::log_kernel_ratio(3, (1.0, 2.0), (1.0, 2.0)), 0.0);
}
