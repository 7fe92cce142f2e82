//! The floating-point type of the fused kernels, with elementary functions that vectorise in plain loops.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use serde::{Deserialize, Serialize};

/// Arithmetic that a setting asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single: positions, velocities, forces and noise.
    F32,
    /// Double.
    F64,
}

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
    /// Distance from 1 to the next number.
    const EPSILON: Self;
    /// The nearest number.
    fn from_f64(x: f64) -> Self;
    /// The number as f64 (exact).
    fn to_f64(self) -> f64;
    /// `self * a + b`, rounded once.
    fn fma(self, a: Self, b: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// A number from 32 random bits, uniform on (0, 1) (f32: rounded, 1 included).
    fn from_bits32(bits: u32) -> Self;
    /// `e^x`. Relative error below 2e-7 (f32, arguments clamped to [-87, 88]) or 4e-16 (f64, [-708, 709]).
    fn exp(self) -> Self;
    /// Natural logarithm of a positive normal number. Relative error below 2e-7 (f32) or 4e-16 (f64).
    fn ln(self) -> Self;
    /// Arctangent of a number in [-tan(pi/8), tan(pi/8)].
    fn arctangent(self) -> Self;
    /// Sine and cosine of `2 pi self` for `self` in [0, 1]. Error below 2e-7 (f32) or 4e-16 (f64).
    fn sin_cos_turns(self) -> (Self, Self);
    /// Hyperbolic tangent, relative error below 3e-7 (f32) or 1e-15 (f64).
    fn tanh(self) -> Self;

    /// Angle of the point `(x, self)` for `self >= 0`, in [0, pi]. Error below 3e-7 (f32) or 1e-15 (f64); 0 at the origin.
    #[inline(always)]
    fn angle(self, x: Self) -> Self {
        let (y, width) = (self, x.abs());
        // In the first octant, where far out the arctangent is added to pi/4: one division.
        let steep = y > width;
        let (low, high) = if steep { (width, y) } else { (y, width) };
        let far = low > Self::from_f64(0.414_213_562_373_095_05) * high;
        let (top, bottom) = if far { (low - high, low + high) } else { (low, high) };
        let bottom = if bottom > Self::ZERO { bottom } else { Self::ONE };
        let base = if far { Self::from_f64(FRAC_PI_4) } else { Self::ZERO };
        let angle = base + (top / bottom).arctangent();
        let angle = if steep { Self::from_f64(FRAC_PI_2) - angle } else { angle };
        if x < Self::ZERO { Self::from_f64(PI) - angle } else { angle }
    }

    /// Logistic function `1 / (1 + e^-x)`.
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp())
    }
}

/// The polynomial with these coefficients, that of the highest power first.
#[inline(always)]
fn horner<T: Real, const N: usize>(x: T, coefficients: &[T; N]) -> T {
    let mut sum = coefficients[0];
    for &c in &coefficients[1..] {
        sum = sum.fma(x, c);
    }
    sum
}

/// 1/(2n + 1), ..., 1/5, 1/3: coefficients of arcus and area functions.
const fn odd_reciprocals<const N: usize>() -> [f64; N] {
    let mut out = [0.0; N];
    let mut i = 0;
    while i < N {
        out[i] = 1.0 / (2 * (N - i) + 1) as f64;
        i += 1;
    }
    out
}

/// Sine and cosine of an angle from those of its distance to the nearest multiple `q` of a quarter turn.
macro_rules! quadrant {
    ($sin:expr, $cos:expr, $q:expr) => {{
        let (s, c, q) = ($sin, $cos, $q);
        let (s, c) = if q & 1 == 0 { (s, c) } else { (c, s) };
        (if q & 2 == 0 { s } else { -s }, if (q + 1) & 2 == 0 { c } else { -c })
    }};
}

#[allow(clippy::excessive_precision)] // polynomial coefficients as Cephes prints them
impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EPSILON: Self = f32::EPSILON;

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

    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }

    #[inline(always)]
    fn from_bits32(bits: u32) -> Self {
        (bits as f32).mul_add(2.328_306_4e-10, 1.164_153_2e-10)
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
        let p =
            horner(r, &[1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.000_000_1e-1]);
        let p = p.mul_add(r * r, r) + 1.0;
        p * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
    }

    /// Cephes' `logf`, after splitting off the exponent so that the mantissa lies in [sqrt(1/2), sqrt(2)).
    #[inline(always)]
    fn ln(self) -> Self {
        const SQRT_HALF: u32 = 0x3f35_04f3;
        let bits = self.to_bits();
        let exponent = (bits.wrapping_sub(SQRT_HALF) as i32) >> 23;
        let x = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32)) - 1.0;
        let e = exponent as f32;
        let z = x * x;
        let coefficients = [
            7.037_683_6e-2,
            -1.151_461_03e-1,
            1.167_699_87e-1,
            -1.242_014_08e-1,
            1.424_932_28e-1,
            -1.666_805_77e-1,
            2.000_071_48e-1,
            -2.499_999_4e-1,
            3.333_333_1e-1,
        ];
        let tail = e.mul_add(-2.121_944_4e-4, (x * z).mul_add(horner(x, &coefficients), -0.5 * z));
        e.mul_add(0.693_359_375, x + tail)
    }

    #[inline(always)]
    fn arctangent(self) -> Self {
        let z = self * self;
        let p = horner(z, &[8.053_744_5e-2, -1.387_768_56e-1, 1.997_771_06e-1, -3.333_294_9e-1]);
        (self * z).mul_add(p, self)
    }

    #[inline(always)]
    fn sin_cos_turns(self) -> (Self, Self) {
        const ROUND: f32 = 12_582_912.0;
        let shifted = self.mul_add(4.0, ROUND);
        let y = (self - 0.25 * (shifted - ROUND)) * std::f32::consts::TAU;
        let z = y * y;
        let s = horner(z, &[-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
        let c = horner(z, &[2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2]);
        quadrant!((s * z).mul_add(y, y), (c * z).mul_add(z, -0.5 * z) + 1.0, shifted.to_bits())
    }

    /// Cephes' `tanhf`: an odd polynomial below 0.625, else through the exponential.
    #[inline(always)]
    fn tanh(self) -> Self {
        let z = self * self;
        let p = horner(z, &[-5.704_988_7e-3, 2.063_908_9e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1]);
        let small = (p * z).mul_add(self, self);
        let large = 1.0 - 2.0 / (1.0 + Real::exp(2.0 * self));
        if z < 0.390_625 { small } else { large }
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EPSILON: Self = f64::EPSILON;

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
    fn abs(self) -> Self {
        f64::abs(self)
    }

    #[inline(always)]
    fn from_bits32(bits: u32) -> Self {
        (f64::from(bits) + 0.5) * 2.328_306_436_538_696_3e-10
    }

    /// As for f32, with the Taylor polynomial of degree 13 (remainder below 5e-18).
    #[inline(always)]
    fn exp(self) -> Self {
        const ROUND: f64 = 6_755_399_441_055_744.0;
        let x = if self > 709.0 { 709.0 } else { self };
        let x = if x < -708.0 { -708.0 } else { x };
        let shifted = x.mul_add(std::f64::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = n.mul_add(-1.428_606_820_309_417_3e-6, n.mul_add(-0.693_145_751_953_125, x));
        let coefficients = [
            1.605_904_383_682_161_3e-10,
            2.087_675_698_786_81e-9,
            2.505_210_838_544_172e-8,
            2.755_731_922_398_589_4e-7,
            2.755_731_922_398_589e-6,
            2.480_158_730_158_73e-5,
            1.984_126_984_126_984e-4,
            1.388_888_888_888_889e-3,
            8.333_333_333_333_333e-3,
            4.166_666_666_666_666_4e-2,
            1.666_666_666_666_666_6e-1,
            0.5,
        ];
        let p = horner(r, &coefficients).mul_add(r * r, r) + 1.0;
        p * f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
    }

    /// `ln(2^e m) = e ln 2 + 2 artanh((m - 1) / (m + 1))`, `m` in [sqrt(1/2), sqrt(2)).
    #[inline(always)]
    fn ln(self) -> Self {
        const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
        let bits = self.to_bits();
        let exponent = (bits.wrapping_sub(SQRT_HALF) as i64) >> 52;
        let m = f64::from_bits(bits.wrapping_sub((exponent << 52) as u64));
        let e = exponent as f64;
        let d = m - 1.0;
        let s = d / (m + 1.0);
        let z = s * s;
        let p = horner(z, &const { odd_reciprocals::<10>() });
        // d is exact and 2 s = d - s d: the leading term carries no rounding of the division.
        let tail = (2.0 * s * z).mul_add(p, e * 1.428_606_820_309_417_3e-6) - s * d;
        e.mul_add(0.693_145_751_953_125, d + tail)
    }

    #[inline(always)]
    fn arctangent(self) -> Self {
        let z = -self * self;
        (self * z).mul_add(horner(z, &const { odd_reciprocals::<21>() }), self)
    }

    #[inline(always)]
    fn sin_cos_turns(self) -> (Self, Self) {
        const ROUND: f64 = 6_755_399_441_055_744.0;
        let shifted = self.mul_add(4.0, ROUND);
        let y = (self - 0.25 * (shifted - ROUND)) * std::f64::consts::TAU;
        let z = y * y;
        let sine = [
            1.589_623_015_765_465_7e-10,
            -2.505_074_776_285_780_7e-8,
            2.755_731_362_138_572_5e-6,
            -1.984_126_982_958_954e-4,
            8.333_333_333_322_118e-3,
            -1.666_666_666_666_663e-1,
        ];
        let cosine = [
            -1.135_853_652_138_768e-11,
            2.087_570_084_197_473e-9,
            -2.755_731_417_929_674e-7,
            2.480_158_728_885_170_5e-5,
            -1.388_888_888_887_305_6e-3,
            4.166_666_666_666_659_3e-2,
        ];
        let (s, c) = (horner(z, &sine), horner(z, &cosine));
        quadrant!((s * z).mul_add(y, y), (c * z).mul_add(z, -0.5 * z) + 1.0, shifted.to_bits())
    }

    /// Cephes' `tanh`: an odd rational function below 0.625, else through the exponential.
    #[inline(always)]
    fn tanh(self) -> Self {
        let z = self * self;
        let p = horner(z, &[-9.643_991_794_250_522e-1, -9.928_772_310_019_186e1, -1.614_687_684_417_084_5e3]);
        let q =
            (z + 1.128_116_784_916_329_3e2).mul_add(z, 2.235_488_390_601_004_5e3).mul_add(z, 4.844_063_053_251_255e3);
        let small = (self * z).mul_add(p / q, self);
        let large = 1.0 - 2.0 / (1.0 + Real::exp(2.0 * self));
        if z < 0.390_625 { small } else { large }
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
        for i in 1..=200_000_u32 {
            let x = f32::from_bits(i * 10_000 + 0x0080_0000);
            let exact = f64::from(x).ln();
            assert!((f64::from(Real::ln(x)) - exact).abs() < 2e-7 * exact.abs().max(1e-30), "ln {x}");
            let near = 1.0 + (i as f32 - 100_000.0) * 1e-6;
            let exact = f64::from(near).ln();
            assert!((f64::from(Real::ln(near)) - exact).abs() <= 2e-7 * exact.abs(), "ln {near}");
            let turn = i as f32 / 200_000.0;
            let (s, c) = turn.sin_cos_turns();
            let exact = (f64::from(turn) * std::f64::consts::TAU).sin_cos();
            assert!((f64::from(s) - exact.0).abs() < 2e-7 && (f64::from(c) - exact.1).abs() < 2e-7, "{turn}");
            let (y, x) = (exact.0.abs() as f32, exact.1 as f32);
            let angle = f64::from(y).atan2(f64::from(x));
            assert!((f64::from(y.angle(x)) - angle).abs() < 3e-7, "angle {y} {x}");
        }
        assert_eq!(0.0_f32.angle(0.0), 0.0);
        assert!(Real::exp(f32::NAN).is_nan());
        assert!(Real::exp(f32::INFINITY) > 1e38);
        assert!(Real::exp(f32::NEG_INFINITY) < 2e-38);
    }

    #[test]
    fn f64_functions_match_the_standard_library() {
        for i in -200_000..=200_000_i32 {
            let x = f64::from(i) * 3.3e-3;
            let relative = |a: f64, b: f64| ((a - b) / b).abs();
            assert!(relative(Real::exp(x), f64::exp(x)) < 4e-16, "exp {x}");
            if i != 0 {
                let x = 1e-2 * x;
                assert!(relative(Real::tanh(x), f64::tanh(x)) < 1e-15, "tanh {x}");
            }
            let positive = f64::exp(x);
            assert!((Real::ln(positive) - positive.ln()).abs() <= 4e-16 * positive.ln().abs(), "ln {positive}");
            let near = 1.0 + f64::from(i) * 1e-6;
            assert!((Real::ln(near) - near.ln()).abs() <= 4e-16 * near.ln().abs(), "ln {near}");
            let turn = f64::from(i.unsigned_abs()) / 200_000.0;
            let (s, c) = turn.sin_cos_turns();
            let exact = (turn * std::f64::consts::TAU).sin_cos();
            // The argument of the standard functions is rounded: up to 2 pi 2^-53 off.
            assert!((s - exact.0).abs() < 1e-15 && (c - exact.1).abs() < 1e-15, "{turn}");
            let (y, x) = (exact.0.abs() * 3.0, exact.1 * 3.0);
            assert!((y.angle(x) - y.atan2(x)).abs() < 1e-15, "angle {y} {x}");
        }
    }

    #[test]
    fn uniform_from_bits_stays_inside() {
        for bits in [0, 1, u32::MAX - 1, u32::MAX] {
            let (single, double) = (f32::from_bits32(bits), f64::from_bits32(bits));
            assert!(single > 0.0 && single <= 1.0 && double > 0.0 && double < 1.0);
            assert!((f64::from(single) - double).abs() < 1e-7);
        }
    }
}
