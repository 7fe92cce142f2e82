//! Variance-exploding noise: `x_t = x_0 + sigma(t) z`, `h = sigma^2`, `g^2 = dh/dt`, t from 0 (data) to 1 (noise).

/// The EDM ("elucidating") schedule of Karras et al. 2022:
/// `sigma(t) = (smax^(1/rho) + (1-t)(smin^(1/rho) - smax^(1/rho)))^rho`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elucidating {
    sigma_min: f64,
    rho: f64,
    /// `smin^(1/rho)`
    low: f64,
    /// `smax^(1/rho)`
    high: f64,
}

impl Elucidating {
    /// The schedule with rho = 7.
    #[must_use]
    pub fn new(sigma_min: f64, sigma_max: f64) -> Self {
        let rho = 7.0;
        Self { sigma_min, rho, low: sigma_min.powf(1.0 / rho), high: sigma_max.powf(1.0 / rho) }
    }

    /// Smallest noise level, `sigma(0)`.
    #[must_use]
    pub fn sigma_min(&self) -> f64 {
        self.sigma_min
    }

    fn root(&self, t: f64) -> f64 {
        self.high + (1.0 - t) * (self.low - self.high)
    }

    /// Variance `h(t)`.
    #[must_use]
    pub fn h(&self, t: f64) -> f64 {
        self.root(t).powf(2.0 * self.rho)
    }

    /// `dh/dt = g(t)^2`.
    #[must_use]
    pub fn dh_dt(&self, t: f64) -> f64 {
        2.0 * self.rho * (self.high - self.low) * self.root(t).powf(2.0 * self.rho - 1.0)
    }

    /// The inverse of `h(t)`.
    #[must_use]
    pub fn t_of_h(&self, h: f64) -> f64 {
        1.0 - (h.powf(0.5 / self.rho) - self.high) / (self.low - self.high)
    }
}

/// Geometric noise: `h(t) = smin^2 ((smax/smin)^(2t) - 1)`, so that `h(0) = 0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometric {
    sigma_min: f64,
    ratio: f64,
}

impl Geometric {
    /// From `sigma_min` (scale) to `sigma_max`.
    #[must_use]
    pub fn new(sigma_min: f64, sigma_max: f64) -> Self {
        Self { sigma_min, ratio: sigma_max / sigma_min }
    }

    /// Variance `h(t)`.
    #[must_use]
    pub fn h(&self, t: f64) -> f64 {
        self.sigma_min.powi(2) * (self.ratio.powf(2.0 * t) - 1.0)
    }

    /// `dh/dt = g(t)^2`.
    #[must_use]
    pub fn dh_dt(&self, t: f64) -> f64 {
        2.0 * self.sigma_min.powi(2) * self.ratio.ln() * self.ratio.powf(2.0 * t)
    }

    /// The inverse of `h(t)`.
    #[must_use]
    pub fn t_of_h(&self, h: f64) -> f64 {
        (h / self.sigma_min.powi(2)).ln_1p() / (2.0 * self.ratio.ln())
    }
}
