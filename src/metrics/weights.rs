//! Diagnostics of importance weights and resampling.

use crate::array::{Array, Arrays};
use crate::diffusion::systematic;
use crate::rng::{Purpose, Stream};

/// Step of the random stream that resampling for an evaluation uses (bootstrap and subsets count from 0).
const REWEIGHTING: u64 = 1 << 50;

/// Effective sample size per sample, `(sum w)^2 / (n sum w^2)`, in (0, 1]. `-inf` is a weight of zero.
///
/// `None` without samples, when no weight is positive, or when a log weight is NaN or `+inf`.
pub(super) fn ess(log_weight: &[f64]) -> Option<f64> {
    let (sum, squares) = relative(log_weight)?.into_iter().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    Some(sum * sum / (log_weight.len() as f64 * squares))
}

/// Weights relative to the largest; `None` without samples, when no weight is positive, or when a log weight is NaN or `+inf`.
pub(super) fn relative(log_weight: &[f64]) -> Option<Vec<f64>> {
    let top = log_weight.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let usable = top.is_finite() && !log_weight.iter().any(|w| w.is_nan());
    usable.then(|| log_weight.iter().map(|l| (l - top).exp()).collect())
}

/// Sets the `floor(fraction n)` largest log-weights to the smallest of them; returns how many. NaN must have been removed.
pub fn clip(log_w: &mut [f64], fraction: f64) -> usize {
    let k = (fraction * log_w.len() as f64) as usize;
    if k > 0 {
        let mut sorted = log_w.to_vec();
        let (_, &mut level, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        log_w.iter_mut().for_each(|w| *w = w.min(level));
    }
    k
}

/// Forward effective sample size, `n^2 / (sum w sum 1/w)` of weights `p/q` at samples of `p`, the `floor(fraction n)` largest
/// clipped. It is 0 where `q` misses what `p` has: a weight is infinite and not clipped.
///
/// `None` without samples, or when a log weight is NaN or `-inf`.
#[must_use]
pub fn forward_ess(log_w: &[f64], fraction: f64) -> Option<f64> {
    if log_w.is_empty() || log_w.iter().any(|w| w.is_nan() || *w == f64::NEG_INFINITY) {
        return None;
    }
    let mut log_w = log_w.to_vec();
    clip(&mut log_w, fraction);
    if log_w.contains(&f64::INFINITY) {
        return Some(0.0);
    }
    let inverse: Vec<f64> = log_w.iter().map(|w| -w).collect();
    Some((-log_mean_exp(&log_w) - log_mean_exp(&inverse)).exp())
}

/// `ln mean exp`: of log-weights this is the estimate of `ln Z_p / Z_q`. Minus infinity counts as a weight of zero.
#[must_use]
pub fn log_mean_exp(log_w: &[f64]) -> f64 {
    let top = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + (log_w.iter().map(|w| (w - top).exp()).sum::<f64>() / log_w.len() as f64).ln()
}

/// Samples resampled by their array `log_weight` (systematic resampling, as many as there were), with the indices drawn as
/// `parents`; `None` when there are no weights or none of them is usable. A sampler that has resampled and moved them itself says so
/// by arrays `reweighted.positions` and `reweighted.parents`: those, then.
#[must_use]
pub fn reweighted(samples: &Arrays, seed: u64) -> Option<Arrays> {
    let log_weight = samples.get("log_weight")?.to_f64();
    ess(&log_weight)?;
    let names = ["positions", "parents"];
    let own = names.map(|name| Some((name.to_owned(), samples.get(&format!("reweighted.{name}"))?.clone())));
    if let [Some(positions), Some(parents)] = own {
        return Some(Arrays::from([positions, parents]));
    }
    let u = Stream::new(seed, Purpose::Evaluation, REWEIGHTING).at(0).uniform();
    let drawn = systematic(&log_weight, log_weight.len(), u);
    let positions = samples.get("positions")?;
    let all = positions.to_f64();
    let width = all.len() / log_weight.len();
    let picked = drawn.iter().flat_map(|&i| &all[i * width..(i + 1) * width]).copied().collect();
    let parents = drawn.iter().map(|&i| i as i64).collect();
    Some(Arrays::from([
        ("positions".to_owned(), Array::f64(&positions.shape, picked)),
        ("parents".to_owned(), Array::i64(&[drawn.len()], parents)),
    ]))
}

/// Number of distinct ancestors per sample, in (0, 1]. `None` without samples.
pub(super) fn unique_parents(parents: &[i64]) -> Option<f64> {
    (!parents.is_empty()).then(|| distinct(parents) as f64 / parents.len() as f64)
}

/// How many different numbers there are.
#[must_use]
pub fn distinct(numbers: &[i64]) -> usize {
    let mut distinct = numbers.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(ess(&[700.0; 8]), Some(1.0));
        assert_eq!(ess(&[0.0, f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY]), Some(0.25));
        // Weights 1 and 3: 16 / (2 * 10).
        assert!((ess(&[-900.0, -900.0 + 3.0_f64.ln()]).unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(ess(&[]), None);
        assert_eq!(ess(&[f64::NEG_INFINITY]), None);
        assert_eq!(ess(&[0.0, f64::NAN]), None);
        // Weights 1 and 3 at samples of p: 4 / (4 * (1 + 1/3)).
        assert!((forward_ess(&[700.0, 700.0 + 3.0_f64.ln()], 0.0).unwrap() - 0.75).abs() < 1e-12);
        assert_eq!(forward_ess(&[0.0, 0.0, f64::INFINITY], 0.0), Some(0.0));
        assert!(
            (forward_ess(&[1.0, 1.0, 1.0, f64::INFINITY], 0.5).unwrap() - 1.0).abs() < 1e-12,
            "clipped to the next"
        );
        assert_eq!(forward_ess(&[], 0.0), None);
        assert_eq!(forward_ess(&[0.0, f64::NAN], 0.0), None);
        assert_eq!(unique_parents(&[3, 3, 0, 7]), Some(0.75));
        assert_eq!(unique_parents(&[]), None);
    }

    /// Weights 0, 1, 3 on points 10, 20, 30: four draws are 20 once and 30 three times.
    #[test]
    fn reweighting_by_hand() {
        let log_weight = [f64::NEG_INFINITY, -700.0, -700.0 + 3.0_f64.ln(), f64::NEG_INFINITY];
        let samples = Arrays::from([
            ("positions".to_owned(), Array::f64(&[4, 1, 1], vec![10.0, 20.0, 30.0, 40.0])),
            ("log_weight".to_owned(), Array::f64(&[4], log_weight.to_vec())),
        ]);
        let got = reweighted(&samples, 5).unwrap();
        assert_eq!(got["positions"], Array::f64(&[4, 1, 1], vec![20.0, 30.0, 30.0, 30.0]));
        assert_eq!(got["parents"].as_i64().unwrap(), [1, 2, 2, 2]);
        assert!(!got.contains_key("log_weight"), "the weights are used up");
        let mut bad = samples.clone();
        bad.insert("log_weight".into(), Array::f64(&[4], vec![f64::NAN; 4]));
        assert_eq!(reweighted(&bad, 5), None);
        bad.insert("log_weight".into(), Array::f64(&[4], log_weight.to_vec()));
        bad.insert("reweighted.positions".into(), Array::f64(&[1, 1, 1], vec![7.0]));
        bad.insert("reweighted.parents".into(), Array::i64(&[1], vec![2]));
        assert_eq!(reweighted(&bad, 5).unwrap()["positions"].to_f64(), [7.0], "resampled by the sampler");
        bad.remove("log_weight");
        assert_eq!(reweighted(&bad, 5), None);
    }
}
