//! Schedules, losses, optimiser, annealing terms and resampling against the PyTorch reference, number by number.

use crate::common::{close, facts, golden};
use candle_core::{DType, Device};
use pita_bench::array::Arrays;
use pita_bench::diffusion::sde::{self, Local, clamp_above, drift_a, drift_x, quantile};
use pita_bench::diffusion::{Elucidating, Gamma, Geometric, systematic_faithful};
use pita_bench::geometry::centre;
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

fn f64s(file: &Arrays, name: &str) -> Vec<f64> {
    file.get(name).unwrap_or_else(|| panic!("no {name}")).to_f64()
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
    let s = Geometric::new(0.02, 100.0);
    let h: Vec<f64> = t.iter().map(|&t| s.h(t)).collect();
    close("geometric h", &h, &f64s(&g, "geometric_0.02_100.h"), F64);
    let slope: Vec<f64> = t.iter().map(|&t| s.dh_dt(t)).collect();
    close("geometric dh_dt", &slope, &f64s(&g, "geometric_0.02_100.dh_dt"), F64);
    let back: Vec<f64> = h.iter().map(|&h| s.t_of_h(h)).collect();
    close("geometric t", &back, &f64s(&g, "geometric_0.02_100.t_of_h"), F64);
}

#[test]
fn gamma() {
    let g = golden("gamma");
    let t = f64s(&g, "t");
    for (name, gamma) in [
        ("constant", Gamma::new(GammaSchedule::Constant, 1.33)),
        ("linear", Gamma::new(GammaSchedule::Linear, 1.33)),
        ("linear_75_25", Gamma::new(GammaSchedule::Linear, 1.33).between(0.75, 0.25)),
        ("sigmoid", Gamma::new(GammaSchedule::Sigmoid, 1.33)),
        ("sigmoid_75_25_s20", Gamma::new(GammaSchedule::Sigmoid, 1.33).between(0.75, 0.25).sharpness(20.0)),
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

/// The fixture's energies and forces are of the log density: the reduced energy is the negative, the force the same.
fn batch(g: &Arrays, beta: f64) -> Batch {
    let h = f64s(g, "ht");
    Batch {
        x0: f64s(g, "x0"),
        z: f64s(g, "z"),
        beta: vec![beta; h.len()],
        h,
        energy: f64s(g, "energies").iter().map(|e| -e).collect(),
        force: f64s(g, "forces"),
        mix: Vec::new(),
    }
}

#[test]
fn losses_and_parameter_gradients() {
    let g = golden("loss_egnn");
    let cases = facts("loss_egnn")["cases"].clone();
    for (dtype, tolerance) in [(DType::F64, F64), (DType::F32, F32)] {
        let net = net(dtype);
        let (score, energy) = weights(&net);
        for case in ["lj13", "double"] {
            let w = |key: &str| cases[case]["weights"][key].as_f64().unwrap();
            let weights = LossWeights {
                score: w("score"),
                energy_score: w("energy_score"),
                energy_matching: w("energy_matching"),
                target_score: w("target_score"),
                du_dt: w("dU_dt_regularization"),
            };
            let (mut gs, mut ge) = (vec![0.0; score.len()], vec![0.0; energy.len()]);
            let batch = batch(&g, scalar(&g, "beta"));
            let schedule = Elucidating::new(0.05, 80.0);
            let params = Pair { score: &score[..], energy: &energy[..] };
            let mut grad = Pair { score: &mut gs[..], energy: &mut ge[..] };
            let terms = loss(&net, params, &batch, &schedule, &weights, &mut grad).unwrap();
            let want = |name: &str| f64s(&g, &format!("{case}.{name}"));
            close("score", &terms.score, &want("score"), tolerance);
            close("energy_score", &terms.energy_score, &want("energy_score"), tolerance);
            if weights.energy_matching > 0.0 {
                close("energy_matching", &terms.energy_matching, &want("energy_matching"), tolerance);
            }
            if weights.target_score > 0.0 {
                close("target_score", &terms.target_score, &want("target_score"), tolerance);
            }
            if weights.du_dt > 0.0 {
                close("dU_dt", &[terms.du_dt], &want("dU_dt_regularization"), tolerance);
            }
            close("total", &[terms.total(&weights)], &want("total"), tolerance);
            let (mut all_got, mut all_want) = (Vec::new(), Vec::new());
            for (head, grad) in [("score_net", &gs), ("energy_net", &ge)] {
                for (name, got) in net.layout().unpack(grad, &format!("{head}.")) {
                    let (got, want) = (got.to_f64(), want(&format!("grad.{name}")));
                    if want.iter().all(|&x| x == 0.0) {
                        assert!(got.iter().all(|&x| x == 0.0), "{name}");
                    } else if dtype == DType::F64 {
                        close(&format!("{case} {name}"), &got, &want, tolerance);
                    }
                    all_got.extend(got);
                    all_want.extend(want);
                }
            }
            // In f32 small tensors lose digits to cancellation: the whole gradient is compared with its largest entry.
            close(&format!("{case} gradient"), &all_got, &all_want, tolerance);
        }
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
    let g = golden("sde_egnn");
    let cases = facts("sde_egnn")["cases"].as_object().unwrap().clone();
    let schedule = Elucidating::new(0.05, 80.0);
    for (dtype, tolerance) in [(DType::F64, F64), (DType::F32, F32)] {
        let net = net(dtype);
        let (score, energy) = weights(&net);
        for (case, about) in &cases {
            let get = |name: &str| f64s(&g, &format!("{case}.{name}"));
            let (t, x) = (get("t")[0], get("x"));
            let n = x.len() / DIM;
            let h = vec![schedule.h(t); n];
            let beta = vec![about["beta"].as_f64().unwrap(); n];
            let (g2, gamma, dgamma) = (schedule.dh_dt(t), get("gamma")[0], get("dgamma_dt")[0]);
            let e = net.energy(&energy, nn::Batch { h: &h, beta: &beta, x: &x }).unwrap();
            let (s, div) = if about["score_net"] == true {
                let (d, div) = net.divergence(&score, nn::Batch { h: &h, beta: &beta, x: &x }).unwrap();
                let s = d.iter().zip(&x).map(|(d, x)| (d - x) / h[0]).collect::<Vec<_>>();
                (s, div)
            } else {
                let lap = net.laplacian(&energy, nn::Batch { h: &h, beta: &beta, x: &x }).unwrap();
                (e.grad.iter().map(|g| -g).collect(), lap.iter().map(|l| -l).collect())
            };
            let div_b: Vec<f64> = div.iter().map(|d| 0.5 * g2 * d).collect();
            close("div_b", &div_b, &get("div_b"), tolerance);
            let mut rate = Vec::new();
            let mut drift = vec![0.0; n * DIM];
            for (i, &div_score) in div.iter().enumerate() {
                let row = i * DIM..(i + 1) * DIM;
                let local = Local {
                    grad_u: &e.grad[row.clone()],
                    score: &s[row.clone()],
                    div_score,
                    u: e.u[i],
                    du_dt: e.du_dh[i] * g2,
                };
                drift_x(gamma, g2, &local, &mut drift[row]);
                rate.push(drift_a(gamma, dgamma, g2, &local));
            }
            close(&format!("{case} drift_X"), &drift, &get("drift_X"), tolerance);
            // The terms of the weight cancel: its rounding error is relative to the largest term, not to their sum.
            let sum = |name: &str| get(name).iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            let largest_term = gamma.powi(2) * sum("cross_term") + gamma * (sum("div_b") + sum("dU_dt"));
            let check = |what: &str, got: &[f64], want: &[f64]| {
                for (a, b) in got.iter().zip(want) {
                    assert!((a - b).abs() <= tolerance * largest_term, "{case} {what}: {a} {b} of {largest_term}");
                }
            };
            check("drift_A", &rate, &get("drift_A_unclamped"));
            check("q90", &[quantile(&rate, 0.9)], &get("q90"));
            clamp_above(&mut rate, 0.9);
            check("clamped", &rate, &get("drift_A"));
            let mut next: Vec<f64> = x
                .iter()
                .zip(&drift)
                .zip(get("z"))
                .map(|((x, d), z)| x + d * 1e-3 + g2.sqrt() * z * 1e-3_f64.sqrt())
                .collect();
            centre(&mut next, 13);
            close("x_next", &next, &get("x_next"), tolerance);
        }
    }
}

#[test]
fn loss_terms_of_nothing_are_zero() {
    assert_eq!(mean(&LossTerms::default().target_score), 0.0);
    assert_eq!(sde::log_kernel_ratio(3, (1.0, 2.0), (1.0, 2.0)), 0.0);
}
