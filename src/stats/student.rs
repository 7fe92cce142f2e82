//! Student's t distribution.

/// `P(|T| > t)` for `df` degrees of freedom: the regularised incomplete beta function `I_x(df/2, 1/2)` at
/// `x = df / (df + t^2)`.
fn two_sided_p(t: f64, df: f64) -> f64 {
    incomplete_beta(df / (df + t * t), df / 2.0, 0.5)
}

/// The `t` with `P(|T| > t) = p`, by bisection; infinite for `p = 0`.
#[must_use]
pub fn quantile(p: f64, df: f64) -> f64 {
    if p <= 0.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while two_sided_p(high, df) > p && high < 1e15 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if two_sided_p(middle, df) > p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Regularised incomplete beta function by its continued fraction (Lentz), DLMF 8.17.22.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast below the mean; above, the symmetry I_x(a, b) = 1 - I_{1-x}(b, a) leads there.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let front = (a * x.ln() + b * (1.0 - x).ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)).exp() / a;
    const TINY: f64 = 1e-300;
    let (mut c, mut d, mut f) = (1.0, 0.0, 1.0);
    for i in 0..500 {
        let m = f64::from(i / 2);
        let term = if i == 0 {
            1.0
        } else if i % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        d = 1.0 + term * d;
        d = 1.0 / if d.abs() < TINY { TINY } else { d };
        c = 1.0 + term / c;
        c = if c.abs() < TINY { TINY } else { c };
        f *= c * d;
        if (1.0 - c * d).abs() < 1e-15 {
            break;
        }
    }
    front * (f - 1.0)
}

/// Logarithm of the gamma function for positive arguments: Stirling's series after the recurrence has led beyond 10.
fn ln_gamma(x: f64) -> f64 {
    let (mut shift, mut y) = (0.0, x);
    while y < 10.0 {
        shift += y.ln();
        y += 1.0;
    }
    let z = 1.0 / (y * y);
    let series = (1.0 / 12.0 - z * (1.0 / 360.0 - z * (1.0 / 1260.0 - z * (1.0 / 1680.0 - z / 1188.0)))) / y;
    (y - 0.5) * y.ln() - y + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of Student's t (two-sided), and the closed forms for one and two degrees of freedom.
    #[test]
    fn known_values() {
        for (p, df, t) in [
            (0.05, 1.0, 12.706_205),
            (0.05, 4.0, 2.776_445),
            (0.05, 30.0, 2.042_272),
            (0.01, 8.0, 3.355_387),
            (0.001, 8.0, 5.041_305),
            (0.001, 120.0, 3.373_454),
        ] {
            assert!((quantile(p, df) - t).abs() < 2e-6, "{p} {df}: {}", quantile(p, df));
        }
        for t in [0.1, 1.0, 5.0, 50.0] {
            let cauchy = 1.0 - 2.0 / std::f64::consts::PI * f64::atan(t);
            assert!((two_sided_p(t, 1.0) - cauchy).abs() < 1e-13);
            assert!((two_sided_p(t, 2.0) - (1.0 - t / (2.0 + t * t).sqrt())).abs() < 1e-13);
        }
        assert_eq!(quantile(0.0, 3.0), f64::INFINITY);
        assert!((ln_gamma(0.5) - 0.5 * std::f64::consts::PI.ln()).abs() < 1e-13);
        assert!((ln_gamma(5.0) - 24_f64.ln()).abs() < 1e-13);
    }
}
