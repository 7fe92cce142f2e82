//! EDM preconditioning of one sample (Karras et al. 2022, sigma_data = 1).
//!
//! With `h = sigma^2`, `y = x / sqrt(1 + h)` and a backbone `F(ln(h) / 8, y, beta)`:
//!
//! ```text
//! D = x / (1 + h) + sqrt(h / (1 + h)) F        score = (D - x) / h = -x / (1 + h) + F / sqrt(h (1 + h))
//! U = |x|^2 / (2 (1 + h)) - <F, y> / sqrt(h)
//! ```
//!
//! The heads share their formulas here; each engine says how it gets `F` and its adjoints. (candle, the reference, has formulas
//! of its own. The DiT adds the terms of its energy head in another order, which its records hold to the bit.)

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

    /// A coordinate of `D`, or of its derivative along something.
    #[inline(always)]
    pub(crate) fn denoised(&self, x: T, f: T) -> T {
        self.c_skip * x + self.c_out * f
    }

    /// Factor of the gradient `c_skip x + factor (F + y J)` of `U`, where `J` is the adjoint of `y` for the cotangent `y` of `F`.
    pub(crate) fn slope(&self) -> T {
        -(self.inv_sigma * self.c_in)
    }

    /// `U` and `dU/dh` from `<F, y>`, `|y|^2`, the adjoint of the noise level for the cotangent `y`, and `<F + y J, y>`.
    pub(crate) fn energy(&self, product: T, square: T, noise: T, along: T) -> (T, T) {
        let half = T::from_f64(0.5);
        // dy/dh = -y / (2 (1 + h)), dc_noise/dh = 1 / (8 h).
        let along_noise = noise * T::from_f64(0.125) / self.h;
        let along_y = half * self.c_skip * along;
        let du_dh = self.inv_sigma * (half * product / self.h - along_noise + along_y) - half * self.c_skip * square;
        (half * square - self.inv_sigma * product, du_dh)
    }

    /// Tangent of the noise level along `w` in `h`.
    pub(crate) fn noise_along(&self, w: T) -> T {
        w * T::from_f64(0.125) / self.h
    }

    /// Tangent of `y` is `c_in v - shrink x` along `(v, w)` in `(x, h)`.
    pub(crate) fn shrink(&self, w: T) -> T {
        T::from_f64(0.5) * w * self.c_skip * self.c_in
    }

    /// Adjoint of `F`, as multiples of `y` and its tangent, in the derivative of `U` along `w` in `h` plus `c U`: only
    /// `<F, y> / sqrt(h)` holds parameters; its factor's tangent is `-w / (2 h^(3/2))`, and `c` adds the value itself.
    pub(crate) fn second_order(&self, w: T, c: T) -> [T; 2] {
        [-self.inv_sigma, self.inv_sigma * (T::from_f64(0.5) * w / self.h - c)]
    }
}
