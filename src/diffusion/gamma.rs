//! Annealing factor gamma(t): from `start` at noise (t = 1) to `end` at data (t = 0).

use crate::spec::GammaSchedule;

/// A schedule of the annealing factor with its derivative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gamma {
    kind: GammaSchedule,
    start: f64,
    end: f64,
    t_start: f64,
    t_end: f64,
    sharpness: f64,
}

impl Gamma {
    /// Rises from 1 to `end` over the whole time (`constant`: `end` throughout).
    #[must_use]
    pub fn new(kind: GammaSchedule, end: f64) -> Self {
        Self { kind, start: 1.0, end, t_start: 1.0, t_end: 0.0, sharpness: 10.0 }
    }

    /// Rises between `t_start` and `t_end` only (`t_start > t_end`).
    #[must_use]
    pub fn between(self, t_start: f64, t_end: f64) -> Self {
        Self { t_start, t_end, ..self }
    }

    /// Slope of the logistic curve (10 by default).
    #[must_use]
    pub fn sharpness(self, sharpness: f64) -> Self {
        Self { sharpness, ..self }
    }

    /// Logistic progress at `t` and its derivative, scaled so that it is 0 at `t_start` and 1 at `t_end`.
    fn logistic(&self, t: f64) -> (f64, f64) {
        let width = self.t_start - self.t_end;
        let center = 0.5 * (self.t_start + self.t_end);
        let u = (center - t) / width;
        let s = 1.0 / (1.0 + (-self.sharpness * u).exp());
        (s, -s * (1.0 - s) * self.sharpness / width)
    }

    /// gamma(t).
    #[must_use]
    pub fn at(&self, t: f64) -> f64 {
        let span = self.end - self.start;
        match self.kind {
            GammaSchedule::Constant => self.end,
            GammaSchedule::Linear => {
                let u = (self.t_start - t) / (self.t_start - self.t_end);
                self.start + span * u.clamp(0.0, 1.0)
            }
            GammaSchedule::Sigmoid => self.start + span * self.logistic(t).0,
        }
    }

    /// dgamma/dt (negative while gamma rises towards the data).
    #[must_use]
    pub fn derivative(&self, t: f64) -> f64 {
        let span = self.end - self.start;
        match self.kind {
            GammaSchedule::Constant => 0.0,
            GammaSchedule::Linear => {
                if t <= self.t_start && t >= self.t_end {
                    -span / (self.t_start - self.t_end)
                } else {
                    0.0
                }
            }
            GammaSchedule::Sigmoid => span * self.logistic(t).1,
        }
    }
}
