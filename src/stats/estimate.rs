//! A value over the runs (seeds) of a method with its 95 % interval, and the difference of two such values.
//!
//! With k runs the value is their mean. What a run says of its own sampling error, by its bootstrap interval, is part of the
//! spread between runs already, so the two are not added: the variance of a run is the larger of the variance between runs
//! and the mean variance within them (a lower bound of it, which catches runs that agree by chance). The standard error is
//! its root over sqrt(k), the interval Student's t with k - 1 degrees of freedom: never narrower than the plain t interval,
//! so it holds the truth at least as often. One run has the interval of its own samples alone.
//!
//! Two values are compared by Welch's test (Biometrika 34, 28, 1947; degrees of freedom by Satterthwaite). One run beside
//! several says nothing of the spread between runs, so that of the others is taken for it too.

use serde::Serialize;

use super::{deviation, mean, student};

/// Level of intervals and of verdicts: one in twenty differences by chance alone is called one.
pub const LEVEL: f64 = 0.05;

/// The 0.975 quantile of the normal distribution: half a 95 % interval in standard errors.
pub const NORMAL: f64 = 1.959_963_984_540_054;

/// The value of one run with the 95 % interval of its samples, if it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
}

impl Reading {
    /// Standard error by the longer arm of the interval: the other may have been cut off at a bound of the metric.
    fn error(&self) -> Option<f64> {
        let arm = (self.value - self.lo?).max(self.hi? - self.value);
        Some(arm.max(0.0) / NORMAL)
    }
}

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The value: of a run, or the mean over runs.
    pub value: f64,
    /// Lower end; absent when nothing says how uncertain the value is.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Standard error of the value.
    pub error: Option<f64>,
    /// Degrees of freedom of the error; `None` where it counts as known (one run's bootstrap).
    pub freedom: Option<f64>,
    /// Runs behind it; of a difference, of the side that has fewer.
    pub runs: usize,
}

impl Estimate {
    /// The value over runs; `None` without any.
    #[must_use]
    pub fn of(readings: &[Reading]) -> Option<Self> {
        let values: Vec<f64> = readings.iter().map(|r| r.value).collect();
        let value = mean(&values)?;
        let Some(between) = deviation(&values) else {
            let Reading { lo, hi, .. } = readings[0];
            return Some(Self { value, lo, hi, error: readings[0].error(), freedom: None, runs: 1 });
        };
        let squares: Vec<f64> = readings.iter().filter_map(Reading::error).map(|e| e * e).collect();
        let variance = mean(&squares).unwrap_or(0.0).max(between * between);
        let runs = values.len();
        let error = (variance / runs as f64).sqrt();
        Some(Self::symmetric(value, Some(error), Some((runs - 1) as f64), runs))
    }

    fn symmetric(value: f64, error: Option<f64>, freedom: Option<f64>, runs: usize) -> Self {
        let half = error.map(|e| quantile(LEVEL, freedom) * e);
        Self { value, lo: half.map(|h| value - h), hi: half.map(|h| value + h), error, freedom, runs }
    }

    /// `other` minus this, with its interval; without one where neither side says how uncertain it is.
    #[must_use]
    pub fn to(&self, other: &Self) -> Self {
        let value = other.value - self.value;
        let runs = self.runs.min(other.runs);
        let squares = self.beside(other).zip(other.beside(self));
        let Some(((a, free_a), (b, free_b))) = squares else { return Self::symmetric(value, None, None, runs) };
        let freedom = match (self.runs, other.runs) {
            // Both variances are those of the one side that has several runs.
            (1, 2..) => other.freedom,
            (2.., 1) => self.freedom,
            _ => {
                let part = |square: f64, freedom: Option<f64>| freedom.map_or(0.0, |f| square * square / f);
                let parts = part(a, free_a) + part(b, free_b);
                (parts > 0.0).then(|| (a + b).powi(2) / parts)
            }
        };
        Self::symmetric(value, Some((a + b).sqrt()), freedom, runs)
    }

    /// Variance of the value when it is compared with `other`, and its degrees of freedom.
    fn beside(&self, other: &Self) -> Option<(f64, Option<f64>)> {
        let own = self.error.map(|e| e * e);
        if self.runs == 1 && other.runs > 1 {
            let run = other.error?.powi(2) * other.runs as f64;
            return Some((own.unwrap_or(0.0).max(run), other.freedom));
        }
        Some((own?, self.freedom))
    }

    /// From how far off zero on a difference is one at a level, in standard errors.
    #[must_use]
    pub fn limit(&self, level: f64) -> f64 {
        quantile(level, self.freedom)
    }

    /// Whether a difference is one, beyond chance at a level; `None` when it is not zero and nothing says how uncertain it is.
    #[must_use]
    pub fn differs(&self, level: f64) -> Option<bool> {
        if self.value == 0.0 {
            return Some(false);
        }
        let error = self.error.filter(|e| *e > 0.0)?;
        Some(self.value.abs() > self.limit(level) * error)
    }
}

fn quantile(level: f64, freedom: Option<f64>) -> f64 {
    /// So many degrees of freedom are as good as a normal distribution (to 3e-7 of the quantile).
    const MANY: f64 = 1e7;
    student::quantile(level, freedom.unwrap_or(MANY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn reading(value: f64, half: f64) -> Reading {
        Reading { value, lo: Some(value - half), hi: Some(value + half) }
    }

    #[test]
    fn by_hand() {
        // Standard deviation 1, t = 4.3027 with two degrees of freedom, over sqrt(3).
        let narrow: Vec<Reading> = [1.0, 2.0, 3.0].map(|v| reading(v, 0.1)).into();
        let e = Estimate::of(&narrow).unwrap();
        assert!((e.value - 2.0).abs() < 1e-15 && (e.hi.unwrap() - 2.0 - 4.302_653 / 3_f64.sqrt()).abs() < 1e-5);
        // Runs that agree, each uncertain by 2: their own errors count.
        let wide = [1.0, 1.0].map(|v| reading(v, 2.0 * NORMAL));
        let e = Estimate::of(&wide).unwrap();
        assert!((e.error.unwrap() - 2_f64.sqrt()).abs() < 1e-12 && e.freedom == Some(1.0));
        // The lower arm was cut off at zero.
        let cut = Estimate::of(&[Reading { value: 0.1, lo: Some(0.0), hi: Some(0.1 + NORMAL) }]).unwrap();
        assert!((cut.error.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((cut.lo, cut.freedom, cut.runs), (Some(0.0), None, 1));
        assert_eq!(Estimate::of(&[]), None);
    }

    /// Welch's example by hand: variances 1/3 and 4/5 of the means with 2 and 4 degrees of freedom.
    #[test]
    fn welch() {
        let side = |value: f64, square: f64, runs: usize| {
            Estimate::symmetric(value, Some(f64::sqrt(square)), Some((runs - 1) as f64), runs)
        };
        let d = side(1.0, 1.0 / 3.0, 3).to(&side(4.0, 0.8, 5));
        assert!((d.value - 3.0).abs() < 1e-15 && (d.error.unwrap().powi(2) - (1.0 / 3.0 + 0.8)).abs() < 1e-12);
        let freedom = (1.0 / 3.0 + 0.8_f64).powi(2) / (1.0 / 9.0 / 2.0 + 0.64 / 4.0);
        assert!((d.freedom.unwrap() - freedom).abs() < 1e-9, "{d:?}");
        // Equal sides of five: the eight degrees of freedom of the pooled test.
        let same = side(0.0, 0.2, 5).to(&side(0.0, 0.2, 5));
        assert!((same.freedom.unwrap() - 8.0).abs() < 1e-9);
        // One run beside five whose runs have variance 1: the classical test of a single specimen.
        let single = Estimate::of(&[reading(3.0, 0.01)]).unwrap();
        let d = side(0.0, 0.2, 5).to(&single);
        assert!((d.error.unwrap() - 1.2_f64.sqrt()).abs() < 1e-9 && d.freedom == Some(4.0), "{d:?}");
        assert!((d.hi.unwrap() - 3.0 - 2.776_445 * 1.2_f64.sqrt()).abs() < 1e-5);
    }

    #[test]
    fn what_is_not_known() {
        let bare = |value: f64| Estimate::of(&[Reading { value, lo: None, hi: None }]).unwrap();
        assert_eq!(bare(1.0).to(&bare(2.0)).differs(LEVEL), None);
        assert_eq!(bare(1.0).to(&bare(1.0)).differs(LEVEL), Some(false));
        let exact = Estimate::of(&[reading(0.0, 0.0), reading(0.0, 0.0)]).unwrap();
        assert_eq!(exact.to(&exact).differs(LEVEL), Some(false));
        assert_eq!(exact.to(&Estimate { value: 1.0, ..exact }).differs(LEVEL), None);
    }

    /// Seeds with a spread of their own, seen through noise that each run states: the interval holds the truth at least 95
    /// times in 100, whichever of the two is larger.
    #[test]
    fn covers() {
        for (case, between, within) in [(0, 1.0, 0.1), (1, 1.0, 1.0), (2, 0.0, 1.0)] {
            for runs in [2, 3, 5] {
                let held = (0..1_000).filter(|trial| {
                    let mut draws = Stream::new(*trial, Purpose::Init, case).at(runs);
                    let readings: Vec<Reading> = (0..runs)
                        .map(|_| reading(between * draws.normal() + within * draws.normal(), NORMAL * within))
                        .collect();
                    let e = Estimate::of(&readings).unwrap();
                    e.lo < Some(0.0) && e.hi > Some(0.0)
                });
                // Binomial(1000, 0.95): standard deviation 6.9.
                let held = held.count();
                assert!(held >= 930, "{between} {within} {runs}: {held}");
            }
        }
    }
}
