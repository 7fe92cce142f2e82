//! Terms of the annealed reverse SDE with Feynman-Kac weights (PITA), and the kernel-ratio increment that needs no
//! divergence (Radon-Nikodym view). All per sample, on plain slices.

/// What the networks say at one sample and time.
#[derive(Debug, Clone, Copy)]
pub struct Local<'a> {
    /// `dU/dx [dim]`.
    pub grad_u: &'a [f64],
    /// Score `[dim]`.
    pub score: &'a [f64],
    /// Divergence of the score.
    pub div_score: f64,
    /// `U`.
    pub u: f64,
    /// `dU/dt`.
    pub du_dt: f64,
}

/// Drift of the position, against reversed time:
/// `-gamma g2/2 grad U + gamma b`, `b = g2/2 score`.
pub fn drift_x(gamma: f64, g2: f64, at: &Local, out: &mut [f64]) {
    for ((o, gu), s) in out.iter_mut().zip(at.grad_u).zip(at.score) {
        *o = gamma * 0.5 * g2 * (s - gu);
    }
}

/// Rate of the log-weight:
/// `gamma^2 <-grad U, b> + gamma div b + gamma dU/dt + dgamma/dt U`.
#[must_use]
pub fn drift_a(gamma: f64, dgamma_dt: f64, g2: f64, at: &Local) -> f64 {
    let cross: f64 = at.grad_u.iter().zip(at.score).map(|(gu, s)| -gu * 0.5 * g2 * s).sum();
    gamma * gamma * cross + gamma * 0.5 * g2 * at.div_score + gamma * at.du_dt + dgamma_dt * at.u
}

/// Clamps values from above at their `q` quantile (linear interpolation, as PyTorch's and NumPy's default).
/// The reference clamps the weight rate at q = 0.9: it tames outliers and biases the weights.
pub fn clamp_above(values: &mut [f64], q: f64) {
    if q >= 1.0 || values.is_empty() {
        return;
    }
    let limit = quantile(values, q);
    values.iter_mut().for_each(|v| *v = v.min(limit));
}

/// The `q` quantile with linear interpolation.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = q * (sorted.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + part * (sorted[high] - sorted[low])
}

/// Log ratio of the backward to the forward one-step kernel, both Gaussian with variances `q_b`, `q_f` per coordinate
/// in a space of `freedom` dimensions: `log N(x; b, q_b) - log N(x_next; f, q_f)` given the squared residuals.
#[must_use]
pub fn log_kernel_ratio(freedom: usize, backward: (f64, f64), forward: (f64, f64)) -> f64 {
    let (r2_b, q_b) = backward;
    let (r2_f, q_f) = forward;
    0.5 * (r2_f / q_f - r2_b / q_b) + 0.5 * freedom as f64 * (q_f / q_b).ln()
}
