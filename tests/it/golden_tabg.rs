//! Losses, weights, resampling and schedules of TA-BG against its public code, number by number.

use crate::common::close;
use crate::common::f64s;
use crate::common::tabg::{facts, flow, golden, integers, molecule, rows};
use pita_bench::flow::{Coordinates, Flow, Tape, Toward, Weights};
use pita_bench::lanes::num::{H, Lanes};
use pita_bench::metrics::weights::{clip, forward_ess, log_mean_exp};
use pita_bench::samplers::tabg::energy::lowest;
use pita_bench::samplers::tabg::energy::{cut, cut_slope};
use pita_bench::samplers::tabg::{rates, weights};
use pita_bench::systems::BOLTZMANN;

const F64: f64 = 1e-9;

fn scalar(file: &pita_bench::array::Arrays, name: &str) -> f64 {
    f64s(file, name)[0]
}

#[test]
fn energy_cut() {
    let g = golden("losses");
    let u = f64s(&g, "energy_cut.u");
    for ((u, want), slope) in u.iter().zip(f64s(&g, "energy_cut.out")).zip(f64s(&g, "energy_cut.grad")) {
        let got = cut(*u);
        assert!(
            got == want || (got - want).abs() < 1e-9 * want.abs() || (got.is_nan() && want.is_nan()),
            "{u}: {got} {want}"
        );
        // At 1e8 - 1 the reference's derivative is 0/0 in the branch not taken; at the cap it is that of either side.
        if !slope.is_nan() && *u != 1e20 {
            assert!((cut_slope(*u) - slope).abs() <= 1e-9 * slope, "{u}: {} {slope}", cut_slope(*u));
        }
    }
    let mut finite: Vec<f64> = u.into_iter().filter(|u| u.is_finite() && *u < 1e12).collect();
    finite.push(2e8);
    for u in finite {
        let e = 1e-3 * u.abs().max(1.0);
        let (numeric, exact) = ((cut(u + e) - cut(u - e)) / (2.0 * e), cut_slope(u));
        if (u - 1e8).abs() > 1e6 {
            assert!((numeric - exact).abs() < 1e-4 * exact.abs() + 1e-10, "{u}: {numeric} {exact}");
        }
    }
}

/// Dropping the highest energies, NaN first.
#[test]
fn dropped_energies() {
    let g = golden("losses");
    let (u, log_det) = (f64s(&g, "dropk.energy"), f64s(&g, "dropk.logdet"));
    for drop in [2, 3, 4, 10] {
        let kept = lowest(&u, drop);
        let losses: Vec<f64> = (0..u.len()).filter(|&i| kept[i]).map(|i| u[i] - log_det[i]).collect();
        let got = losses.iter().sum::<f64>() / losses.len() as f64;
        let want = scalar(&g, &format!("dropk.loss_{drop}"));
        assert!((got - want).abs() < 1e-9 * want.abs() || (got.is_nan() && want.is_nan()), "{drop}: {got} {want}");
    }
    assert_eq!(lowest(&[f64::NAN, 1.0, 3.0, f64::NEG_INFINITY, -f64::NAN], 3), [false, true, true, false, false]);
}

/// The reverse KL on real energies: positions, energies, forces, loss and the gradient of every parameter.
#[test]
fn reverse_kl() {
    let (g, ic) = (golden("losses"), golden("ic_aldp"));
    let system = molecule("aldp");
    let coordinates = Coordinates::new(system.topology.as_ref().unwrap(), &f64s(&ic, "min_structure")).unwrap();
    let (flow, w): (Flow<f64>, Weights<f64>) = flow(&golden("flow_aldp"), "aldp");
    let (dim, frame) = (60, 66);
    let mut u = rows(&g, "revkl.z");
    let n = u.len() / dim;
    let (mut log_det, mut tape) = (vec![0.0; n], Tape::default());
    flow.record(Toward::Data, &w, &mut u, &mut log_det, &mut tape);
    let mut scratch = coordinates.scratch();
    let mut x = vec![0.0; n * frame];
    for i in 0..n {
        log_det[i] += coordinates.decode(&u[i * dim..][..dim], &mut x[i * frame..][..frame], &mut scratch);
    }
    close("x", &x, &f64s(&g, "revkl.x"), F64);
    close("ln|dx/dz|", &log_det, &f64s(&g, "revkl.logdet"), F64);
    let (mut energies, mut forces) = (vec![0.0; n], vec![0.0; x.len()]);
    system.potential().energy_forces(&x, &mut energies, &mut forces);
    let kt = BOLTZMANN * 1_200.0;
    // Overlaps: energies span ten orders of magnitude, so each is compared with itself.
    let reduced: Vec<f64> = energies.iter().map(|e| e / kt).collect();
    let (u_1200, u_600) = (f64s(&g, "revkl.u_1200"), f64s(&g, "revkl.u_600"));
    for i in 0..n {
        assert!((cut(reduced[i]) - u_1200[i]).abs() < 1e-7 * u_1200[i].abs().max(1.0), "{i}");
        assert!((cut(reduced[i]) * 2.0 - u_600[i]).abs() < 1e-7 * u_600[i].abs().max(1.0), "{i}");
    }
    for drop in [0, 4, 10, 40, 64] {
        let kept = lowest(&reduced, drop);
        let losses: Vec<f64> = (0..n).filter(|&i| kept[i]).map(|i| cut(reduced[i]) - log_det[i]).collect();
        let got = losses.iter().sum::<f64>() / losses.len() as f64;
        let want = scalar(&g, &format!("revkl.loss_drop{drop}"));
        assert!((got - want).abs() < 1e-7 * want.abs(), "{drop}: {got} {want}");
    }
    let kept = lowest(&reduced, 64);
    let factor = -1.0 / 32.0;
    let mut bar = vec![0.0; u.len()];
    for i in (0..n).filter(|&i| kept[i]) {
        let slope = factor * cut_slope(reduced[i]) / kt;
        let mut x_bar: Vec<f64> = forces[i * frame..][..frame].iter().map(|f| slope * f).collect();
        let (u, x) = (&u[i * dim..][..dim], &x[i * frame..][..frame]);
        coordinates.pull_back(u, x, &mut x_bar, factor, &mut bar[i * dim..][..dim], &mut scratch);
    }
    let log_bar: Vec<f64> = kept.iter().map(|&k| if k { factor } else { 0.0 }).collect();
    let mut gradient = vec![Lanes([0.0; H]); flow.shape.packing.lanes];
    flow.reverse(Toward::Data, &w, &mut tape, &mut bar, &log_bar, &mut gradient);
    let norm = pita_bench::lanes::adam::norm(&gradient);
    let want = scalar(&g, "revkl.grad_norm_drop64");
    assert!((norm - want).abs() < 1e-7 * want, "{norm} {want}");
    for (name, got) in Weights::to_arrays(&flow.shape.packing, &gradient, "revkl.grad_drop64.") {
        if !name.ends_with("lin5.weight") {
            close(&name, &got.to_f64(), &f64s(&g, &name), 1e-7);
        }
    }
}

#[test]
fn importance_weights() {
    let g = golden("losses");
    let (log_q, u) = (f64s(&g, "weights.log_q"), f64s(&g, "weights.u_1200"));
    let temperatures = f64s(&g, "weights.temperatures");
    let ratio = 1_200.0 / temperatures[1];
    let all: Vec<f64> = log_q.iter().zip(&u).map(|(q, u)| -u * ratio - q).collect();
    let kept = integers(&g, "weights.kept");
    assert!((0..all.len()).filter(|&i| all[i].is_finite()).eq(kept.iter().copied()));
    let log_w: Vec<f64> = kept.iter().map(|&i| all[i]).collect();
    // The reference computes these in f32.
    close("log w", &log_w, &f64s(&g, "weights.log_w"), 1e-6);
    let log_w = f64s(&g, "weights.log_w");
    let uniforms = f64s(&g, "weights.uniforms");
    for (name, fraction) in [("none", 0.0), ("0.001", 1e-3), ("0.01", 1e-2)] {
        let mut clipped = log_w.clone();
        clip(&mut clipped, fraction);
        let drawn: Vec<usize> =
            weights::resample(&clipped, uniforms.iter().copied()).iter().map(|&i| kept[i]).collect();
        assert_eq!(drawn, integers(&g, &format!("weights.clip_{name}.indices")), "{name}");
        if name == "0.001" {
            close("p", &pita_bench::diffusion::normalise(&clipped), &f64s(&g, "weights.clip_0.001.p"), F64);
        }
    }
    for (name, fraction) in [("none", 0.0), ("0.0001", 1e-4), ("0.001", 1e-3), ("0.01", 1e-2)] {
        let want = scalar(&g, &format!("ess.reverse_clip_{name}"));
        let got = weights::reverse_ess(&log_w, fraction);
        assert!((got - want).abs() < F64 * want, "reverse {name}: {got} {want}");
    }
    let forward = f64s(&g, "ess.forward_log_w");
    for (name, fraction) in [("none", 0.0), ("0.001", 1e-3), ("0.01", 1e-2)] {
        let want = scalar(&g, &format!("ess.forward_clip_{name}"));
        let got = forward_ess(&forward, fraction).unwrap();
        assert!((got - want).abs() < F64 * want, "forward {name}: {got} {want}");
    }
    let shifted: Vec<f64> = log_w.iter().map(|w| w + 1_000.0).collect();
    assert!((log_mean_exp(&shifted) - log_mean_exp(&log_w) - 1_000.0).abs() < 1e-9);
    assert!((log_mean_exp(&[0.0, f64::NEG_INFINITY, 3.0_f64.ln()]) - (4.0_f64 / 3.0).ln()).abs() < 1e-15);
}

#[test]
fn ladder_and_learning_rates() {
    let g = golden("losses");
    let spec = pita_bench::spec::TabgIcSpec::default();
    let ladder: Vec<f64> = spec.ladder.iter().copied().chain([300.0]).collect();
    for (ours, theirs) in ladder.iter().zip(f64s(&g, "ladder")) {
        assert!((ours - theirs).abs() <= 0.005, "two digits: {ours} {theirs}");
    }
    let warmed: Vec<f64> = (0..200).map(|i| rates::warmed_cosine(1e-4, i, 20, 200)).collect();
    close("warm-up and cosine", &warmed, &f64s(&g, "lr.warmup_cosine"), F64);
    let restarted: Vec<f64> = (0..90).map(|i| rates::cosine(5e-6, i % 30, 30)).collect();
    close("warm restarts", &restarted, &f64s(&g, "lr.warm_restarts"), F64);
    let boltzmann = facts("losses")["R_kJ_mol_K"].as_f64().unwrap();
    assert!((boltzmann - BOLTZMANN).abs() < 1e-17);
}
