//! Layer norm and GELU on rows of lanes, forward and reverse.

// Loops index several arrays at once; iterator adaptors would bring in closures that stay calls in vectorised code.
#![allow(clippy::needless_range_loop)]

use multiversion::multiversion;

use crate::lanes::num::{H, Lanes, one_row};
use crate::real::Real;

/// Added to the variance.
const EPSILON: f64 = 1e-5;

/// Sums the entries of a lane.
#[inline(always)]
fn total<T: Real>(lanes: &Lanes<T>) -> T {
    let mut sum = T::ZERO;
    for o in 0..H {
        sum += lanes.0[o];
    }
    sum
}

/// Mean and inverse standard deviation of a row.
#[inline(always)]
fn moments<T: Real>(row: &[Lanes<T>]) -> (T, T) {
    let per = T::ONE / T::from_f64((row.len() * H) as f64);
    let mut sum = Lanes([T::ZERO; H]);
    for lanes in row {
        for o in 0..H {
            sum.0[o] += lanes.0[o];
        }
    }
    let mean = total(&sum) * per;
    let mut square = Lanes([T::ZERO; H]);
    for lanes in row {
        for o in 0..H {
            let d = lanes.0[o] - mean;
            square.0[o] = d.fma(d, square.0[o]);
        }
    }
    (mean, T::ONE / (total(&square) * per + T::from_f64(EPSILON)).sqrt())
}

/// `y = (x - mean) / sd * w + b` for rows of `w.len()` lanes.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn norm<T: Real>(x: &[Lanes<T>], w: &[Lanes<T>], b: &[Lanes<T>], y: &mut [Lanes<T>]) {
    let width = w.len();
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
        let (mean, per) = moments(x);
        for c in 0..width {
            let c = one_row(c);
            for o in 0..H {
                y[c].0[o] = ((x[c].0[o] - mean) * per).fma(w[c].0[o], b[c].0[o]);
            }
        }
    }
}

/// Reverse pass of [`norm`]: adds to `x_bar`, and to the gradients of `w` and `b`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn norm_reverse<T: Real>(
    x: &[Lanes<T>],
    w: &[Lanes<T>],
    y_bar: &[Lanes<T>],
    x_bar: &mut [Lanes<T>],
    w_bar: &mut [Lanes<T>],
    b_bar: &mut [Lanes<T>],
) {
    let width = w.len();
    let per_width = T::ONE / T::from_f64((width * H) as f64);
    let rows = x.chunks_exact(width).zip(y_bar.chunks_exact(width)).zip(x_bar.chunks_exact_mut(width));
    for ((x, y_bar), x_bar) in rows {
        let (mean, per) = moments(x);
        let (mut sum, mut along) = (Lanes([T::ZERO; H]), Lanes([T::ZERO; H]));
        for c in 0..width {
            for o in 0..H {
                let hat = (x[c].0[o] - mean) * per;
                let bar = y_bar[c].0[o];
                w_bar[c].0[o] = hat.fma(bar, w_bar[c].0[o]);
                b_bar[c].0[o] += bar;
                let scaled = bar * w[c].0[o];
                sum.0[o] += scaled;
                along.0[o] = scaled.fma(hat, along.0[o]);
            }
        }
        let (sum, along) = (total(&sum) * per_width, total(&along) * per_width);
        for c in 0..width {
            for o in 0..H {
                let hat = (x[c].0[o] - mean) * per;
                x_bar[c].0[o] += per * (y_bar[c].0[o] * w[c].0[o] - sum - hat * along);
            }
        }
    }
}

/// `sum c_k x^k`, highest first.
#[inline(always)]
fn polynomial<T: Real, const N: usize>(x: T, c: [f64; N]) -> T {
    let mut sum = T::from_f64(c[0]);
    for k in 1..N {
        sum = sum.fma(x, T::from_f64(c[k]));
    }
    sum
}

/// Error function: Cody's rational approximations (1969), error below 1e-15 in f64.
#[inline(always)]
pub fn erf<T: Real>(x: T) -> T {
    let y = x.abs();
    let square = y * y;
    let small = x * polynomial(
        square,
        [
            1.857_777_061_846_031_5e-1,
            3.161_123_743_870_565_6,
            1.138_641_541_510_501_6e2,
            377.485_237_685_302,
            3.209_377_589_138_469_5e3,
        ],
    ) / polynomial(
        square,
        [1.0, 2.360_129_095_234_412_1e1, 2.440_246_379_344_441_7e2, 1.282_616_526_077_372_3e3, 2_844.236_833_439_17],
    );
    let decay = (-square).exp();
    let middle = decay
        * polynomial(
            y,
            [
                2.153_115_354_744_038_5e-8,
                5.641_884_969_886_701e-1,
                8.883_149_794_388_376,
                6.611_919_063_714_163e1,
                298.635_138_197_400_1,
                881.952_221_241_769,
                1.712_047_612_634_070_6e3,
                2.051_078_377_826_071_5e3,
                1.230_339_354_797_997_2e3,
            ],
        )
        / polynomial(
            y,
            [
                1.0,
                1.574_492_611_070_983_5e1,
                1.176_939_508_913_125e2,
                5.371_811_018_620_099e2,
                1.621_389_574_566_690_2e3,
                3.290_799_235_733_459_6e3,
                4.362_619_090_143_247e3,
                3.439_367_674_143_721_6e3,
                1.230_339_354_803_749_4e3,
            ],
        );
    let far = if y > T::ONE { y } else { T::ONE };
    let inverse = T::ONE / (far * far);
    let tail = polynomial(
        inverse,
        [
            1.631_538_713_730_209_8e-2,
            3.053_266_349_612_323_4e-1,
            3.603_448_999_498_044_4e-1,
            1.257_817_261_112_292_5e-1,
            1.608_378_514_874_228e-2,
            6.587_491_615_298_378e-4,
        ],
    ) / polynomial(
        inverse,
        [
            1.0,
            2.568_520_192_289_822,
            1.872_952_849_923_467_3,
            5.279_051_029_514_284e-1,
            6.051_834_131_244_132e-2,
            2.335_204_976_268_691_9e-3,
        ],
    );
    let large = decay / far * (T::from_f64(0.564_189_583_547_756_3) - inverse * tail);
    let rest = if y > T::from_f64(4.0) { large } else { middle };
    let outer = if x < T::ZERO { rest - T::ONE } else { T::ONE - rest };
    if y < T::from_f64(0.468_75) { small } else { outer }
}

/// `x Phi(x)` and its slope.
#[inline(always)]
fn gelu_at<T: Real>(x: T) -> (T, T) {
    let half = T::from_f64(0.5);
    let phi = half + half * erf(x * T::from_f64(std::f64::consts::FRAC_1_SQRT_2));
    let density = T::from_f64(0.398_942_280_401_432_7) * (-half * x * x).exp();
    (x * phi, x.fma(density, phi))
}

/// `y = x Phi(x)`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn gelu<T: Real>(x: &[Lanes<T>], y: &mut [Lanes<T>]) {
    for (x, y) in x.iter().zip(y) {
        for o in 0..H {
            y.0[o] = gelu_at(x.0[o]).0;
        }
    }
}

/// Reverse pass of [`gelu`] in place.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn gelu_reverse<T: Real>(x: &[Lanes<T>], bar: &mut [Lanes<T>]) {
    for (x, bar) in x.iter().zip(bar) {
        for o in 0..H {
            bar.0[o] = bar.0[o] * gelu_at(x.0[o]).1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the Taylor series, summed until nothing changes (in f64 good to 1e-12 up to 3), and the known tail.
    #[test]
    fn erf_is_right() {
        for i in -3_000..=3_000 {
            let x = f64::from(i) * 1e-3;
            let (mut term, mut sum, mut n) = (x, x, 0.0);
            while f64::abs(term) > 1e-18 {
                n += 1.0;
                term *= -x * x / n;
                sum += term / (2.0 * n + 1.0);
            }
            let exact = sum * std::f64::consts::FRAC_2_SQRT_PI;
            assert!((erf(x) - exact).abs() < 2e-13, "{x}: {} {exact}", erf(x));
            assert!((f64::from(erf(x as f32)) - erf(f64::from(x as f32))).abs() < 3e-7);
        }
        // erfc(4) and erfc(5), to ten digits (Abramowitz and Stegun, table 7.3, through the asymptotic series).
        assert!((1.0 - erf(4.0_f64) - 1.541_725_790_0e-8).abs() < 1e-16);
        assert!((1.0 - erf(4.000_001_f64) - 1.541_713_0e-8).abs() < 1e-13);
        assert!((1.0 - erf(5.0_f64) - 1.537_459_8e-12).abs() < 1e-15);
        assert_eq!(erf(9.0_f64), 1.0);
    }
}
