//! The floating-point type of the fused kernels, with elementary functions that vectorise in plain loops.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// `f32` or `f64`.
pub trait Real:
    Copy
    + Default
    + Send
    + Sync
    + PartialOrd
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The nearest number.
    fn from_f64(x: f64) -> Self;
    /// The number as f64 (exact).
    fn to_f64(self) -> f64;
    /// `self * a + b`, rounded once.
    fn fma(self, a: Self, b: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// `e^x`. f32: relative error below 2e-7, arguments clamped to [-87, 88]; f64: the standard library's.
    fn exp(self) -> Self;
    /// Hyperbolic tangent, relative error below 3e-7 (f32) or 1e-15 (f64).
    fn tanh(self) -> Self;

    /// Logistic function `1 / (1 + e^-x)`.
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp())
    }
}

// Polynomial coefficients as Cephes prints them.
#[allow(clippy::excessive_precision)]
impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as f32
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    /// `2^n e^r` with `|r| <= ln(2)/2` and the minimax polynomial of Cephes' `expf`. Adding 1.5 2^23 rounds to an
    /// integer and leaves `n` in the low mantissa bits, so no conversion instruction is needed. NaN stays NaN.
    #[inline(always)]
    fn exp(self) -> Self {
        const ROUND: f32 = 12_582_912.0;
        let x = if self > 88.0 { 88.0 } else { self };
        let x = if x < -87.0 { -87.0 } else { x };
        let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_375, x));
        let mut p = 1.987_569_1e-4_f32;
        for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.000_000_1e-1] {
            p = p.mul_add(r, c);
        }
        let p = p.mul_add(r * r, r) + 1.0;
        p * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
    }

    /// Cephes' `tanhf`: an odd polynomial below 0.625, else through the exponential.
    #[inline(always)]
    fn tanh(self) -> Self {
        let z = self * self;
        let mut p = -5.704_988_7e-3_f32;
        for c in [2.063_908_9e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1] {
            p = p.mul_add(z, c);
        }
        let small = (p * z).mul_add(self, self);
        let large = 1.0 - 2.0 / (1.0 + Real::exp(2.0 * self));
        if z < 0.390_625 { small } else { large }
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f32_functions_match_f64() {
        for i in -40_000..=40_000 {
            let x = i as f32 * 2e-3;
            let d = f64::from(x);
            let relative = |a: f32, b: f64| ((f64::from(a) - b) / b).abs();
            assert!(relative(Real::exp(x), d.exp()) < 2e-7, "exp {x}");
            assert!(relative(x.sigmoid(), 1.0 / (1.0 + (-d).exp())) < 4e-7, "sigmoid {x}");
            if i != 0 {
                assert!(relative(Real::tanh(x), d.tanh()) < 3e-7, "tanh {x}");
            }
        }
        assert!(Real::exp(f32::NAN).is_nan());
        assert!(Real::exp(f32::INFINITY) > 1e38);
        assert!(Real::exp(f32::NEG_INFINITY) < 2e-38);
    }
}
