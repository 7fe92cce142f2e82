//! How uncertain numbers are. Every table, comparison, check and figure takes its intervals and verdicts from here.
//!
//! | file | job |
//! |---|---|
//! | [`estimate`] | a value over runs with its interval; the difference of two |
//! | [`series`] | frames in time: how many independent samples they are worth |
//! | [`student`] | Student's t distribution |

pub mod estimate;
pub mod series;
pub mod student;

pub use estimate::{Estimate, LEVEL, Reading};

/// Mean; `None` without values.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation; `None` for fewer than two values.
#[must_use]
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Area under a curve over the logarithm of its abscissa, by the trapezoidal rule, per unit: the mean over all scales of cost. The value
/// itself where there is one point; `None` without any.
#[must_use]
pub fn area(curve: &[(f64, f64)]) -> Option<f64> {
    let (first, last) = (curve.first()?, curve.last()?);
    let width = (last.0 / first.0).ln();
    if width <= 0.0 {
        return Some(first.1);
    }
    let sum: f64 = curve.windows(2).map(|w| 0.5 * (w[0].1 + w[1].1) * (w[1].0 / w[0].0).ln()).sum();
    Some(sum / width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_by_hand() {
        let e = 1.0_f64.exp();
        assert!((area(&[(1.0, 0.0), (e, 1.0), (e * e, 2.0)]).unwrap() - 1.0).abs() < 1e-12);
        assert!((area(&[(1.0, 0.0), (e * e * e, 0.0), (e.powi(4), 4.0)]).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!((area(&[(7.0, 3.0)]), area(&[])), (Some(3.0), None));
    }
}
