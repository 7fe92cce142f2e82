//! EDM preconditioning of one sample (Karras et al. 2022, sigma_data = 1).
//!
//! With `h = sigma^2`, `y = x / sqrt(1 + h)` and a backbone `F(ln(h) / 8, y, beta)`:
//!
//! ```text
//! D = x / (1 + h) + sqrt(h / (1 + h)) F        score = (D - x) / h = -x / (1 + h) + F / sqrt(h (1 + h))
//! U = |x|^2 / (2 (1 + h)) - <F, y> / sqrt(h)
//! ```

use crate::real::Real;

/// Coefficients at one variance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edm<T> {
    pub(crate) h: T,
    /// `1 / (1 + h)`.
    pub(crate) c_skip: T,
    pub(crate) c_in: T,
    pub(crate) c_out: T,
    pub(crate) noise: T,
    /// `1 / sqrt(h)`.
    pub(crate) inv_sigma: T,
}

impl<T: Real> Edm<T> {
    pub(crate) fn new(h: T) -> Self {
        let f = h.to_f64();
        Self {
            h,
            c_skip: T::from_f64(1.0 / (1.0 + f)),
            c_in: T::from_f64(1.0 / (1.0 + f).sqrt()),
            c_out: T::from_f64((f / (1.0 + f)).sqrt()),
            noise: T::from_f64(f.ln() / 8.0),
            inv_sigma: T::from_f64(1.0 / f.sqrt()),
        }
    }
}
