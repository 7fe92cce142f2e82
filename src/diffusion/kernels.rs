//! One-step kernels of annealing: how particles move from one noise level to the next, and how noise would take them back.

use crate::spec::Noise;

/// Gaussian kernels of a step from variance `h` down to `h_next`, `q = h - h_next`: forward
/// `N(x + drift * score, forward)`, backward `N(x_next, backward)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// What the score is multiplied with.
    pub drift: f64,
    /// Variance of the forward kernel.
    pub forward: f64,
    /// Variance of the backward kernel.
    pub backward: f64,
}

impl Step {
    /// The kernels for an annealing factor `gamma` and data of variance `v` per coordinate; at 1 the forward one is the model's own
    /// denoising.
    ///
    /// *Published*: `F = N(x + gamma q s, q)`, `B = N(x', q)`; the marginals `p_h^gamma` are those of no noising, so that
    /// weights have to repair every stiff direction at every step. *Tempered*: `p_h^gamma` of a Gaussian of variance v is
    /// that of data of variance `v/gamma` noised by `h/gamma`, so `F = N(x + q s, q (v + h')/(v + h)/gamma)`,
    /// `B = N(x', q/gamma)` are exact for Gaussians at any step size.
    #[must_use]
    pub fn new(noise: Noise, gamma: f64, v: f64, h: f64, h_next: f64) -> Self {
        let q = h - h_next;
        match noise {
            Noise::Published => Self { drift: gamma * q, forward: q, backward: q },
            Noise::Tempered => {
                // The posterior of Gaussian data is narrower than the noise.
                let narrowing = (v + h_next) / (v + h);
                Self { drift: q, forward: q * narrowing / gamma, backward: q / gamma }
            }
        }
    }
}

/// Variance of the prior at variance `h`.
#[must_use]
pub fn prior(noise: Noise, gamma: f64, v: f64, h: f64) -> f64 {
    match noise {
        Noise::Published => h / gamma,
        Noise::Tempered => (v + h) / gamma,
    }
}

/// `log N(x; 0, variance)` in `freedom` dimensions, given `|x|^2`.
#[must_use]
pub fn log_normal(square: f64, variance: f64, freedom: usize) -> f64 {
    -0.5 * (square / variance + freedom as f64 * (std::f64::consts::TAU * variance).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data of variance v at gamma: forward and backward give the same joint law of both ends, at a step as large as the
    /// data. Covariances by hand: marginals `(v + h)/gamma`, cross `(v + h')/gamma`.
    #[test]
    fn tempered_kernels_are_exact_for_gaussians() {
        let (v, gamma, h, h_next) = (0.3, 1.7, 5.0, 0.2);
        let step = Step::new(Noise::Tempered, gamma, v, h, h_next);
        let (start, end) = ((v + h) / gamma, (v + h_next) / gamma);
        let slope = 1.0 - step.drift / (v + h);
        assert!((slope * slope * start + step.forward - end).abs() < 1e-14, "marginal");
        assert!((slope * start - end).abs() < 1e-14, "covariance of both ends");
        assert!((end + step.backward - start).abs() < 1e-14, "backward");
        assert_eq!(prior(Noise::Tempered, gamma, v, h), start);
        let published = Step::new(Noise::Published, gamma, v, h, h_next);
        let slope = 1.0 - published.drift / (v + h);
        assert!((slope * slope * start + published.forward - end).abs() > 0.1, "the published step is not");
    }

    #[test]
    fn normal_density() {
        assert!((log_normal(2.0, 4.0, 3) - (-0.25 - 1.5 * (8.0 * std::f64::consts::PI).ln())).abs() < 1e-14);
    }
}
