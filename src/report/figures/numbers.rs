//! Where ticks go.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

/// A linear axis with ticks at given places.
pub(super) struct Ticked {
    axis: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Ticked {
    /// From the lower to the upper end.
    pub(super) fn new((low, high): (f64, f64), ticks: Vec<f64>) -> Self {
        Self { axis: (low..high).into(), ticks }
    }

    /// With the usual ticks: those of logarithms, or about five even ones.
    pub(super) fn usual((low, high): (f64, f64), logarithmic: bool) -> Self {
        Self::new((low, high), if logarithmic { powers(low, high) } else { even(low, high, 5) })
    }
}

impl Ranged for Ticked {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.axis.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.axis.range()
    }
}

/// Multiples of 1, 2 or 5 times a power of ten: about `count` between two numbers.
pub(super) fn even(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count.max(1) as f64;
    if !(rough > 0.0 && rough.is_finite()) {
        return vec![low];
    }
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|s| s * power >= rough * 0.999).unwrap_or(10.0);
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|k| k as f64 * step).collect()
}

/// Logarithms of ticks between two logarithms: powers of ten, or also numbers between these where there would be few.
fn powers(low: f64, high: f64) -> Vec<f64> {
    // Up to 9,999 a number is short enough for many of them.
    let (span, short) = (high - low, (-3.0..4.0).contains(&low) && high < 4.0);
    let (low, high) = (10.0_f64.powf(low), 10.0_f64.powf(high));
    let ticks = match (span < 2.2, span < 1.2 || short) {
        (true, true) => rounded(low, high),
        (true, false) => multiples(&[1.0, 3.0], low, high),
        _ => multiples(&[1.0], low, high),
    };
    ticks.iter().map(|x| x.log10()).collect()
}

/// A range of logarithms that holds values, and a little more.
pub(super) fn around(logarithms: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = super::histogram::range(logarithms)?;
    let pad = (0.07 * (high - low)).max(0.04);
    Some((low - pad, high + pad))
}

/// 1, 2 and 5 times powers of ten between two positive numbers; more where there are fewer than three.
pub(super) fn rounded(low: f64, high: f64) -> Vec<f64> {
    let few = multiples(&[1.0, 2.0, 5.0], low, high);
    if few.len() < 3 { multiples(&[1.0, 1.5, 2.0, 3.0, 4.0, 6.0], low, high) } else { few }
}

/// These digits times powers of ten, between two positive numbers.
fn multiples(digits: &[f64], low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = decades.flat_map(|d| digits.iter().map(move |x| x * 10.0_f64.powi(d)));
    all.filter(|x| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks() {
        assert_eq!(even(-1.3, 2.6, 4), [-1.0, 0.0, 1.0, 2.0]);
        assert_eq!(even(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(even(1.0, 1.0, 5), [1.0]);
        assert_eq!(rounded(300.0, 1200.0), [300.0, 400.0, 600.0, 1000.0]);
        assert_eq!(rounded(0.9, 6.0), [1.0, 2.0, 5.0]);
        assert_eq!(powers(-1.0, 3.0), [-1.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(powers(-1.0, 0.0).len(), 4); // 0.1, 0.2, 0.5, 1
        assert_eq!(powers(4.9, 6.6).len(), 4); // 1 and 3 times 10^5 and 10^6
        assert_eq!(powers(5.6, 6.7).len(), 4); // 5 x 10^5; 1, 2 and 5 times 10^6
        let (low, high) = around([f64::NEG_INFINITY, 1.0, 2.0]).unwrap();
        assert!((low - 0.93).abs() < 1e-9 && (high - 2.07).abs() < 1e-9);
    }
}
