//! Training steps of both heads of a network, on the host or where the network computes.

use std::borrow::Cow;

use super::learned::{Learned, Pace};
use super::{Backbone, Given, Head, Resident};
use crate::error::Result;

/// The parameters of both heads, the score's first, in training.
pub struct Learning {
    /// What is learned; its counts alone while there is something `there`.
    here: Learned,
    there: Option<Box<dyn Resident>>,
}

impl Learning {
    /// From here on.
    #[must_use]
    pub fn new(learned: Learned) -> Self {
        Self { here: learned, there: None }
    }

    /// A step along the gradient of `losses`, which are asked with both heads as training sees them at this step of `seed`. Returns
    /// what they return, and the norm of the gradient before it was clipped; where that is no number, nothing changes.
    ///
    /// # Errors
    /// Those of the losses; when the engine fails.
    pub fn step<T>(
        &mut self,
        net: &dyn Backbone,
        (seed, step): (u64, u64),
        pace: Pace,
        losses: impl FnOnce([&mut dyn Head; 2]) -> Result<T>,
    ) -> Result<(T, f64)> {
        if self.there.is_none() {
            self.there = net.resident(&self.here);
        }
        if let Some(there) = &mut self.there {
            let [mut score, mut energy] = [0, 1].map(|head| there.head(head, seed, step));
            let out = losses([&mut *score, &mut *energy])?;
            drop((score, energy));
            let norm = there.step(&self.here, pace)?;
            if norm.is_finite() {
                self.here.count();
            }
            return Ok((out, norm));
        }
        let noisy = net.in_training(seed, step);
        let net = noisy.as_deref().unwrap_or(net);
        let half = self.here.params.len() / 2;
        let mut grad = vec![0.0; 2 * half];
        let (score_grad, energy_grad) = grad.split_at_mut(half);
        let (score, energy) = self.here.params.split_at(half);
        let out = losses([
            &mut Given { net, params: score, grad: score_grad },
            &mut Given { net, params: energy, grad: energy_grad },
        ])?;
        let norm = self.here.step(&mut grad, pace);
        Ok((out, norm))
    }

    /// What is learned, wherever it is.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn learned(&self) -> Result<Cow<'_, Learned>> {
        let Some(there) = &self.there else { return Ok(Cow::Borrowed(&self.here)) };
        let mut learned = self.here.clone();
        [learned.params, learned.adam.mean, learned.adam.square, learned.ema.params] = there.read()?;
        Ok(Cow::Owned(learned))
    }

    /// Brings everything back to the host, and leaves nothing where the network computes.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn settle(&mut self) -> Result<()> {
        if let Cow::Owned(learned) = self.learned()? {
            self.here = learned;
        }
        self.there = None;
        Ok(())
    }

    /// What is on the host: everything after [`Learning::settle`], and before the first step.
    #[must_use]
    pub fn settled(&self) -> &Learned {
        &self.here
    }
}
