//! Parameters and optimiser of the flow.

use crate::array::{Array, Arrays};
use crate::error::{Error, Result};
use crate::flow::{Packing, Weights};
use crate::lanes::num::{H, Lanes};
use crate::lanes::{PackedAdam, adam};
use crate::rng::{Purpose, Stream};
use crate::samplers::state;

/// Steps that may be skipped in a row before the run fails.
const PATIENCE: u64 = 100;

/// Step size and regularisation of one step.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Adam's step size.
    pub rate: f64,
    /// L2 regularisation.
    pub decay: f64,
    /// Largest gradient norm.
    pub clip: f64,
}

/// Parameters, their gradient, Adam's state.
#[derive(Debug, Clone)]
pub struct Trainer {
    /// The parameters.
    pub weights: Weights<f32>,
    /// Where a step's gradient is summed.
    pub gradient: Vec<Lanes<f32>>,
    adam: PackedAdam<f32>,
    /// Steps skipped because loss or gradient was not finite: in all, and in a row.
    pub skipped: [u64; 2],
}

impl Trainer {
    /// A flow at its beginning.
    #[must_use]
    pub fn new(packing: &Packing, seed: u64) -> Self {
        let zeros = vec![Lanes([0.0; H]); packing.lanes];
        Self {
            weights: Weights::initial(packing, &Stream::new(seed, Purpose::Weights, 0)),
            adam: PackedAdam::new(zeros.len()),
            gradient: zeros,
            skipped: [0, 0],
        }
    }

    /// Before a step: no gradient, current transposed weights.
    pub fn begin(&mut self, packing: &Packing) {
        self.gradient.iter_mut().for_each(|g| *g = Lanes([0.0; H]));
        self.weights.transpose(packing);
    }

    /// Steps along the gradient, unless it or the loss is not finite; returns its norm.
    ///
    /// # Errors
    /// [`Error::Numerical`] after 100 skipped steps in a row.
    pub fn finish(&mut self, loss: f64, pace: Pace) -> Result<f64> {
        let norm = adam::norm(&self.gradient);
        if !loss.is_finite() || !norm.is_finite() {
            self.skipped[0] += 1;
            self.skipped[1] += 1;
            if self.skipped[1] > PATIENCE {
                return Err(Error::Numerical(format!(
                    "training diverged: loss {loss} and gradient norm {norm} for {} steps in a row; try a smaller \
                     learning_rate, or a larger drop in reverse_kl",
                    self.skipped[1]
                )));
            }
            return Ok(norm);
        }
        self.skipped[1] = 0;
        let factor = (pace.clip / (norm + 1e-6)).min(1.0); // as PyTorch
        self.adam.step(&mut self.weights.packed, &self.gradient, factor, pace.rate, pace.decay);
        Ok(norm)
    }

    /// Forgets the optimiser's state.
    pub fn restart(&mut self) {
        self.adam = PackedAdam::new(self.gradient.len());
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        for (name, lanes) in
            [("params", &self.weights.packed), ("adam.mean", &self.adam.mean), ("adam.square", &self.adam.square)]
        {
            let flat: Vec<f32> = lanes.iter().flat_map(|l| l.0).collect();
            arrays.insert(format!("train.{name}"), Array::f32(&[flat.len()], flat));
        }
        let steps = [self.adam.steps, self.skipped[0], self.skipped[1]].map(|n| n as i64);
        arrays.insert("train.steps".into(), state::integers(&steps));
    }

    /// Continues from what [`Trainer::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing or has another length.
    pub fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        let lanes = self.gradient.len();
        let get = |name: &str| -> Result<Vec<Lanes<f32>>> {
            let name = format!("train.{name}");
            let array = arrays.get(&name).filter(|a| a.len() == lanes * H);
            let array = array.ok_or_else(|| Error::Internal(format!("checkpoint: `{name}` is not of this flow")))?;
            Ok(array.to_f32().as_chunks::<H>().0.iter().map(|c| Lanes(*c)).collect())
        };
        self.weights.packed = get("params")?;
        self.adam.mean = get("adam.mean")?;
        self.adam.square = get("adam.square")?;
        let steps = state::i64s(arrays, "train.steps")?;
        self.adam.steps = steps[0] as u64;
        self.skipped = [steps[1] as u64, steps[2] as u64];
        Ok(())
    }
}
