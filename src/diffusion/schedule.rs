//! Variance-exploding noise: `x_t = x_0 + sigma(t) z`, `h = sigma^2`, `g^2 = dh/dt`, t from 0 (data) to 1 (noise).

/// The EDM ("elucidating") schedule of Karras et al. 2022:
/// `sigma(t) = (smax^(1/rho) + (1-t)(smin^(1/rho) - smax^(1/rho)))^rho`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elucidating {
    /// `smin^(1/rho)`
    low: f64,
    /// `smax^(1/rho)`
    high: f64,
}

impl Elucidating {
    const RHO: f64 = 7.0;

    /// The schedule with rho = 7.
    #[must_use]
    pub fn new(sigma_min: f64, sigma_max: f64) -> Self {
        Self { low: sigma_min.powf(1.0 / Self::RHO), high: sigma_max.powf(1.0 / Self::RHO) }
    }

    fn root(&self, t: f64) -> f64 {
        self.high + (1.0 - t) * (self.low - self.high)
    }

    /// Variance `h(t)`.
    #[must_use]
    pub fn h(&self, t: f64) -> f64 {
        self.root(t).powf(2.0 * Self::RHO)
    }

    /// `dh/dt = g(t)^2`.
    #[must_use]
    pub fn dh_dt(&self, t: f64) -> f64 {
        2.0 * Self::RHO * (self.high - self.low) * self.root(t).powf(2.0 * Self::RHO - 1.0)
    }

    /// The inverse of `h(t)`.
    #[must_use]
    pub fn t_of_h(&self, h: f64) -> f64 {
        1.0 - (h.powf(0.5 / Self::RHO) - self.high) / (self.low - self.high)
    }
}
