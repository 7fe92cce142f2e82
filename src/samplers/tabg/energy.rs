//! Reduced energies, regularised: overlapping atoms must not dominate a batch.

/// Above this the logarithm of the excess is taken.
const HIGH: f64 = 1e8;
/// Above this nothing changes any more.
const CAP: f64 = 1e20;

/// The cut of a reduced energy: itself up to 1e8, `1e8 + ln(u - 1e8 + 1)` above, constant from 1e20 on; NaN when not finite.
#[must_use]
pub fn cut(u: f64) -> f64 {
    if !u.is_finite() {
        return f64::NAN;
    }
    if u <= HIGH { u } else { HIGH + (u.min(CAP) - HIGH).ln_1p() }
}

/// Derivative of [`cut`]; 0 when not finite.
#[must_use]
pub fn cut_slope(u: f64) -> f64 {
    match u {
        u if !u.is_finite() || u >= CAP => 0.0,
        u if u <= HIGH => 1.0,
        u => 1.0 / (u - HIGH + 1.0),
    }
}
