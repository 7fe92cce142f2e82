//! Step-size adaptation by dual averaging (Hoffman & Gelman, JMLR 15, 1593, 2014, section 3.2).

/// One step size, adapted towards a target acceptance while switched on.
#[derive(Debug, Clone)]
pub(super) struct DualAveraging {
    log_step: f64,
    log_mean: f64,
    error: f64,
    count: f64,
    anchor: f64,
    target: f64,
    on: bool,
}

/// Their gamma, t0 and kappa.
const SHRINKAGE: f64 = 0.05;
const DELAY: f64 = 10.0;
const FORGETTING: f64 = 0.75;

impl DualAveraging {
    pub(super) fn new(step: f64) -> Self {
        let log_step = step.ln();
        Self { log_step, log_mean: log_step, error: 0.0, count: 0.0, anchor: log_step, target: 0.0, on: false }
    }

    pub(super) fn step(&self) -> f64 {
        self.log_step.exp()
    }

    pub(super) fn start(&mut self, target: f64) {
        *self = Self { target, on: true, ..Self::new(self.step()) };
    }

    pub(super) fn stop(&mut self) {
        if self.on {
            self.log_step = self.log_mean;
            self.on = false;
        }
    }

    /// Learns from a mean acceptance probability.
    pub(super) fn update(&mut self, acceptance: f64) {
        if !self.on {
            return;
        }
        self.count += 1.0;
        let weight = 1.0 / (self.count + DELAY);
        self.error += weight * (self.target - acceptance - self.error);
        self.log_step = self.anchor - self.count.sqrt() / SHRINKAGE * self.error;
        let weight = self.count.powf(-FORGETTING);
        self.log_mean += weight * (self.log_step - self.log_mean);
    }

    pub(super) fn state(&self) -> [f64; 7] {
        let on = if self.on { 1.0 } else { 0.0 };
        [self.log_step, self.log_mean, self.error, self.count, self.anchor, self.target, on]
    }

    pub(super) fn from_state([log_step, log_mean, error, count, anchor, target, on]: [f64; 7]) -> Self {
        Self { log_step, log_mean, error, count, anchor, target, on: on != 0.0 }
    }
}
