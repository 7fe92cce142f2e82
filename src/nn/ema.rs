//! Exponential moving average of parameters, with warm-up.

/// Decay at update `n` (1 at the first): `min(decay, (1 + n)/(10 + n))`.
#[must_use]
pub fn warm_decay(decay: f64, n: u64) -> f64 {
    decay.min((1.0 + n as f64) / (10.0 + n as f64))
}

/// The averaged parameters; sampling uses these.
#[derive(Debug, Clone, PartialEq)]
pub struct Ema {
    /// Updates so far.
    pub updates: u64,
    /// Averaged parameters.
    pub params: Vec<f64>,
    decay: f64,
}

impl Ema {
    /// Starts from the given parameters.
    #[must_use]
    pub fn new(params: &[f64], decay: f64) -> Self {
        Self { updates: 0, params: params.to_vec(), decay }
    }

    /// How much of the way to the parameters the next update goes.
    #[must_use]
    pub fn follow(&self) -> f64 {
        1.0 - warm_decay(self.decay, self.updates + 1)
    }

    /// Moves the average towards `params`.
    pub fn update(&mut self, params: &[f64]) {
        let follow = self.follow();
        self.updates += 1;
        for (e, &p) in self.params.iter_mut().zip(params) {
            *e -= follow * (*e - p);
        }
    }
}
