//! Losses with their gradients and one step of annealing, by two networks, against what PyTorch made of them.

use pita_bench::array::Arrays;
use pita_bench::diffusion::Elucidating;
use pita_bench::diffusion::sde::{Local, clamp_above, drift_a, drift_x, quantile};
use pita_bench::geometry::centre;
use pita_bench::nn::{self, Backbone};
use pita_bench::samplers::pita::loss::{Batch, LossWeights, Pair, loss};

use super::{close, f64s, facts, golden};

/// The fixture's energies and forces are of the log density: the reduced energy is the negative, the force the same.
pub fn batch(g: &Arrays) -> Batch {
    let h = f64s(g, "ht");
    Batch {
        x0: f64s(g, "x0"),
        z: f64s(g, "z"),
        beta: vec![f64s(g, "beta")[0]; h.len()],
        h,
        energy: f64s(g, "energies").iter().map(|e| -e).collect(),
        force: f64s(g, "forces"),
        mix: Vec::new(),
    }
}

/// Losses of every case of a file, with the gradients of the heads' parameters: the score's and the energy's.
pub fn losses(file: &str, net: &dyn Backbone, [score, energy]: [&[f64]; 2], schedule: Elucidating, tolerance: f64) {
    let g = golden(file);
    for (case, about) in facts(file)["cases"].as_object().unwrap() {
        let w = |key: &str| about["weights"][key].as_f64().unwrap();
        let weights = LossWeights {
            score: w("score"),
            energy_score: w("energy_score"),
            energy_matching: w("energy_matching"),
            target_score: w("target_score"),
            du_dt: w("dU_dt_regularization"),
        };
        let (mut gs, mut ge) = (vec![0.0; score.len()], vec![0.0; energy.len()]);
        let mut grad = Pair { score: &mut gs[..], energy: &mut ge[..] };
        let terms = loss(net, Pair { score, energy }, &batch(&g), &schedule, &weights, &mut grad).unwrap();
        let want = |name: &str| f64s(&g, &format!("{case}.{name}"));
        close("score", &terms.score, &want("score"), tolerance);
        close("energy_score", &terms.energy_score, &want("energy_score"), tolerance);
        for (weight, name, got) in [
            (weights.energy_matching, "energy_matching", &terms.energy_matching[..]),
            (weights.target_score, "target_score", &terms.target_score),
            (weights.du_dt, "dU_dt_regularization", &[terms.du_dt]),
        ] {
            if weight > 0.0 {
                close(name, got, &want(name), tolerance);
            }
        }
        close("total", &[terms.total(&weights)], &want("total"), tolerance);
        let (mut all_got, mut all_want) = (Vec::new(), Vec::new());
        for (head, grad) in [("score_net", &gs), ("energy_net", &ge)] {
            for (name, got) in net.layout().unpack(grad, &format!("{head}.")) {
                let (got, want) = (got.to_f64(), want(&format!("grad.{name}")));
                if want.iter().all(|&x| x == 0.0) {
                    assert!(got.iter().all(|&x| x == 0.0), "{name}");
                } else if tolerance < 1e-8 {
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

/// Laplacians of the energies at a batch, where there is no head for the score.
pub type Laplacian<'a> = &'a dyn Fn(nn::Batch<'_>) -> Vec<f64>;

/// Networks that make steps of annealing: the parameters of the heads, the score's and the energy's.
pub struct Annealer<'a> {
    pub net: &'a dyn Backbone,
    pub heads: [&'a [f64]; 2],
    pub schedule: Elucidating,
    pub laplacian: Option<Laplacian<'a>>,
}

/// A step of annealing for every case of a file.
pub fn annealing(file: &str, by: &Annealer<'_>, tolerance: f64) {
    let all = golden(file);
    for (case, about) in facts(file)["cases"].as_object().unwrap() {
        one(&all, case, about, by, tolerance);
    }
}

fn one(all: &Arrays, case: &str, about: &serde_json::Value, by: &Annealer<'_>, tolerance: f64) {
    let (net, [score, energy], schedule) = (by.net, by.heads, by.schedule);
    let get = |name: &str| f64s(all, &format!("{case}.{name}"));
    let (t, x) = (get("t")[0], get("x"));
    let n = x.len() / net.dim();
    let (h, beta) = (vec![schedule.h(t); n], vec![about["beta"].as_f64().unwrap(); n]);
    let batch = || nn::Batch { h: &h, beta: &beta, x: &x };
    let (g2, gamma, dgamma) = (schedule.dh_dt(t), get("gamma")[0], get("dgamma_dt")[0]);
    let e = net.energy(energy, batch()).unwrap();
    close(&format!("{case} U"), &e.u, &get("U"), tolerance);
    // Where there is no head for it, the score is that of the energy.
    let (s, div): (Vec<f64>, Vec<f64>) = if about["score_net"] == false {
        let laplacian = by.laplacian.unwrap()(batch());
        (e.grad.iter().map(|g| -g).collect(), laplacian.iter().map(|l| -l).collect())
    } else {
        let (d, div) = net.divergence(score, batch()).unwrap();
        (d.iter().zip(&x).map(|(d, x)| (d - x) / h[0]).collect(), div)
    };
    let div_b: Vec<f64> = div.iter().map(|d| 0.5 * g2 * d).collect();
    close(&format!("{case} div_b"), &div_b, &get("div_b"), tolerance);
    let (mut rate, mut drift) = (Vec::new(), vec![0.0; x.len()]);
    for (i, &div_score) in div.iter().enumerate() {
        let row = i * net.dim()..(i + 1) * net.dim();
        let (grad_u, score) = (&e.grad[row.clone()], &s[row.clone()]);
        let local = Local { grad_u, score, div_score, u: e.u[i], du_dt: e.du_dh[i] * g2 };
        drift_x(gamma, g2, &local, &mut drift[row]);
        rate.push(drift_a(gamma, dgamma, g2, &local));
    }
    close(&format!("{case} drift_X"), &drift, &get("drift_X"), tolerance);
    // The terms of the weight cancel: its rounding error is relative to the largest term, not to their sum.
    let largest = |name: &str| get(name).iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let terms = gamma.powi(2) * largest("cross_term") + gamma * (largest("div_b") + largest("dU_dt"));
    let check = |what: &str, got: &[f64], want: &[f64]| {
        assert_eq!(got.len(), want.len(), "{case} {what}");
        for (a, b) in got.iter().zip(want) {
            assert!((a - b).abs() <= tolerance * terms, "{case} {what}: {a} {b} of {terms}");
        }
    };
    check("drift_A", &rate, &get("drift_A_unclamped"));
    check("q90", &[quantile(&rate, 0.9)], &get("q90"));
    clamp_above(&mut rate, 0.9);
    check("clamped", &rate, &get("drift_A"));
    let step = |((x, d), z): ((&f64, &f64), f64)| x + d * 1e-3 + g2.sqrt() * z * 1e-3_f64.sqrt();
    let mut next: Vec<f64> = x.iter().zip(&drift).zip(get("z")).map(step).collect();
    centre(&mut next, net.dim() / 3);
    close(&format!("{case} x_next"), &next, &get("x_next"), tolerance);
}
