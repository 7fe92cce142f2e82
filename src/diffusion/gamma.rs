//! Annealing factor gamma(t): from 1 at noise (t = 1) to `end` at data (t = 0).

use crate::spec::GammaSchedule;

/// Slope of the logistic curve.
const SHARPNESS: f64 = 10.0;

/// A schedule of the annealing factor with its derivative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gamma {
    kind: GammaSchedule,
    end: f64,
}

/// Logistic progress at `t` and its derivative.
fn logistic(t: f64) -> (f64, f64) {
    let s = 1.0 / (1.0 + (-SHARPNESS * (0.5 - t)).exp());
    (s, -s * (1.0 - s) * SHARPNESS)
}

impl Gamma {
    /// Rises from 1 to `end` over the whole time (`constant`: `end` throughout).
    #[must_use]
    pub fn new(kind: GammaSchedule, end: f64) -> Self {
        Self { kind, end }
    }

    /// gamma(t).
    #[must_use]
    pub fn at(&self, t: f64) -> f64 {
        let span = self.end - 1.0;
        match self.kind {
            GammaSchedule::Constant => self.end,
            GammaSchedule::Linear => 1.0 + span * (1.0 - t).clamp(0.0, 1.0),
            GammaSchedule::Sigmoid => 1.0 + span * logistic(t).0,
        }
    }

    /// dgamma/dt (negative while gamma rises towards the data).
    #[must_use]
    pub fn derivative(&self, t: f64) -> f64 {
        let span = self.end - 1.0;
        match self.kind {
            GammaSchedule::Linear if (0.0..=1.0).contains(&t) => -span,
            GammaSchedule::Constant | GammaSchedule::Linear => 0.0,
            GammaSchedule::Sigmoid => span * logistic(t).1,
        }
    }
}
