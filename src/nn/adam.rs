//! Adam (Kingma and Ba 2015) on one flat vector, and gradient clipping.

/// Scales `grad` down to 2-norm `max` when it is longer (coefficient `min(1, max/(norm + 1e-6))`, as PyTorch does);
/// returns the norm before.
pub fn clip_norm(grad: &mut [f64], max: f64) -> f64 {
    let norm = grad.iter().map(|g| g * g).sum::<f64>().sqrt();
    let scale = (max / (norm + 1e-6)).min(1.0);
    grad.iter_mut().for_each(|g| *g *= scale);
    norm
}

/// Adam's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Steps taken.
    pub steps: u64,
    /// Running mean of gradients.
    pub mean: Vec<f64>,
    /// Running mean of squared gradients.
    pub square: Vec<f64>,
}

/// The numbers of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// What the mean of gradients, and that of their squares, keep of themselves.
    pub keep: [f64; 2],
    /// Added to the root of the latter.
    pub epsilon: f64,
    /// Step size over the bias of the mean.
    pub rate: f64,
    /// Bias of the mean of squares.
    pub correction: f64,
}

impl Adam {
    const BETA: (f64, f64) = (0.9, 0.999);
    const EPSILON: f64 = 1e-8;

    /// A fresh optimiser for `len` parameters.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { steps: 0, mean: vec![0.0; len], square: vec![0.0; len] }
    }

    /// What the next step of size `learning_rate` computes with.
    #[must_use]
    pub fn rates(&self, learning_rate: f64) -> Rates {
        let (b1, b2) = Self::BETA;
        let steps = (self.steps + 1) as f64;
        Rates {
            keep: [b1, b2],
            epsilon: Self::EPSILON,
            rate: learning_rate / (1.0 - b1.powf(steps)),
            correction: 1.0 - b2.powf(steps),
        }
    }

    /// One step of size `learning_rate` along `grad`.
    pub fn step(&mut self, params: &mut [f64], grad: &[f64], learning_rate: f64) {
        let Rates { keep: [b1, b2], epsilon, rate, correction } = self.rates(learning_rate);
        self.steps += 1;
        for (((p, &g), m), s) in params.iter_mut().zip(grad).zip(&mut self.mean).zip(&mut self.square) {
            *m = b1 * *m + (1.0 - b1) * g;
            *s = b2 * *s + (1.0 - b2) * g * g;
            *p -= rate * *m / ((*s / correction).sqrt() + epsilon);
        }
    }
}
