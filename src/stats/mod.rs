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
