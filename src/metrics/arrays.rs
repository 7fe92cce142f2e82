//! Metrics of one array beside the samples.

use super::compare::Compared;
use super::weights;
use crate::array::Array;

/// Share of the largest weights that the forward effective sample size clips, as in TA-BG's public code.
const FORWARD_CLIP: f64 = 1e-4;

/// Effective sample size of log weights.
pub(super) fn ess(log_weight: &Array) -> Compared {
    of(log_weight, weights::ess(&log_weight.to_f64()))
}

/// Energies that one more effective sample costs once there is a model to draw from: one for each draw.
pub(super) fn further_energies(log_weight: &Array) -> Compared {
    of(log_weight, weights::ess(&log_weight.to_f64()).map(f64::recip))
}

/// Distinct ancestors per sample.
pub(super) fn unique_parents(parents: &Array) -> Compared {
    of(parents, parents.as_i64().and_then(weights::unique_parents))
}

/// The forward effective sample size; the note says how much of what it lacks is due to a thousandth of the frames.
pub(super) fn forward_ess(log_w: &Array) -> Compared {
    let numbers = log_w.to_f64();
    let mut found = of(log_w, weights::forward_ess(&numbers, FORWARD_CLIP));
    found.used = (0, log_w.len());
    if let (Some(_), Some(ess)) = (found.value, weights::forward_ess(&numbers, 1e-3)) {
        found.note = format!("{ess:.4} with 0.1 % clipped");
    }
    found
}

fn of(array: &Array, value: Option<f64>) -> Compared {
    Compared { value: value.filter(|v| v.is_finite()), used: (array.len(), 0), ..Compared::default() }
}
