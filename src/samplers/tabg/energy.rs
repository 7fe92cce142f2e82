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

/// Which samples are kept when the `drop` of the highest energies go; NaN counts as the highest, cut energies tie in order.
#[must_use]
pub fn lowest(reduced: &[f64], drop: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..reduced.len()).collect();
    // Positive NaN is above infinity in the total order; a negative one would be below everything.
    let key = |i: usize| if reduced[i].is_finite() { reduced[i] } else { f64::INFINITY };
    order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
    let mut kept = vec![true; reduced.len()];
    order[..drop.min(reduced.len())].iter().for_each(|&i| kept[i] = false);
    kept
}
