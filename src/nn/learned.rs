//! What training changes, on the host.

use super::{Adam, Ema, clip_norm};

/// Parameters of all heads one after the other, Adam's moments and the average of the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// The parameters.
    pub params: Vec<f64>,
    /// Their optimiser.
    pub adam: Adam,
    /// Their average.
    pub ema: Ema,
}

/// Settings of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Longest gradient.
    pub clip: f64,
    /// Adam's step size.
    pub learning_rate: f64,
}

impl Learned {
    /// At the beginning, from these parameters; the average decays by `decay`.
    #[must_use]
    pub fn new(params: Vec<f64>, decay: f64) -> Self {
        Self { adam: Adam::new(params.len()), ema: Ema::new(&params, decay), params }
    }

    /// A step along `grad`, which is clipped; returns its norm before. Where that is no number, nothing changes.
    pub fn step(&mut self, grad: &mut [f64], pace: Pace) -> f64 {
        let norm = clip_norm(grad, pace.clip);
        if norm.is_finite() {
            self.adam.step(&mut self.params, grad, pace.learning_rate);
            self.ema.update(&self.params);
        }
        norm
    }

    /// Counts a step that was taken elsewhere.
    pub(super) fn count(&mut self) {
        self.adam.steps += 1;
        self.ema.updates += 1;
    }
}
