//! Training of both heads on the rungs reached so far.

use super::buffer::Buffer;
use super::loss::{Batch, LossTerms, LossWeights, Pair, losses, mean, mixing};
use crate::array::Arrays;
use crate::diffusion::Elucidating;
use crate::error::{Error, Result};
use crate::geometry::{random_rotation, rotate};
use crate::nn::{Backbone, Learned, Learning, Pace};
use crate::rng::{Purpose, Stream};
use crate::samplers::state;
use crate::spec::{Target, TrainNoise, TrainOn, TrainSpec};

/// Training noise: `ln sigma ~ N(-1.2, 1.2^2)` (EDM).
const LOG_SIGMA: (f64, f64) = (-1.2, 1.2);

/// What one temperature offers for training.
pub(crate) struct Rung<'a> {
    /// Its samples.
    pub buffer: &'a Buffer,
    /// `kT` there.
    pub kt: f64,
    /// Conditioning temperature, `T_0/T_k` rounded to two digits.
    pub beta: f64,
    /// Mean square of a coordinate of the reduced force; asked for by mixed targets alone.
    pub fisher: f64,
}

/// Parameters of both heads (score first, then energy), optimiser and average.
pub(crate) struct Trainer {
    learning: Learning,
    /// Steps over all rungs: keys the random streams.
    steps: u64,
}

impl Trainer {
    /// Both heads start from the same random weights.
    #[must_use]
    pub(crate) fn new(net: &dyn Backbone, spec: &TrainSpec, seed: u64) -> Self {
        let one = net.layout().init(&Stream::new(seed, Purpose::Weights, 0));
        let learned = Learned::new([one.clone(), one].concat(), spec.ema);
        Self { learning: Learning::new(learned), steps: 0 }
    }

    /// Ends a stretch of training: brings what was learned to where it is used.
    ///
    /// # Errors
    /// When a device fails.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.learning.settle()
    }

    /// The averaged parameters, which sampling uses, as they were when training settled.
    #[must_use]
    pub(crate) fn averaged(&self) -> Pair<&[f64]> {
        let params = &self.learning.settled().ema.params;
        let (score, energy) = params.split_at(params.len() / 2);
        Pair { score, energy }
    }

    /// One step on a batch from `rungs` (the last is the newest); returns the terms and the gradient norm.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the loss is not finite.
    pub(crate) fn step(
        &mut self,
        net: &dyn Backbone,
        spec: &TrainSpec,
        schedule: &Elucidating,
        rungs: &[Rung],
        seed: u64,
    ) -> Result<(LossTerms, f64)> {
        let batch = draw(net.dim(), spec, schedule, rungs, seed, self.steps);
        let weights = LossWeights::from(spec);
        let pace = Pace { clip: spec.clip, learning_rate: spec.learning_rate };
        let (terms, norm) = self.learning.step(net, (seed, self.steps), pace, |[score, energy]| {
            losses(Pair { score, energy }, &batch, schedule, &weights)
        })?;
        if !norm.is_finite() {
            return Err(Error::Numerical(format!(
                "training diverged at step {}: gradient norm {norm}, score loss {:.3e}, energy-score loss {:.3e}, \
                 energy matching {:.3e}; try a smaller learning_rate",
                self.steps,
                mean(&terms.score),
                mean(&terms.energy_score),
                mean(&terms.energy_matching)
            )));
        }
        self.steps += 1;
        Ok((terms, norm))
    }

    /// Saves into `arrays`.
    ///
    /// # Errors
    /// When a device fails.
    pub(crate) fn save(&self, arrays: &mut Arrays) -> Result<()> {
        let learned = self.learning.learned()?;
        let Learned { params, adam, ema } = &*learned;
        for (name, values) in [
            ("train.params", params),
            ("train.adam.mean", &adam.mean),
            ("train.adam.square", &adam.square),
            ("train.ema", &ema.params),
        ] {
            arrays.insert(name.into(), state::floats(values));
        }
        let steps = [self.steps, adam.steps, ema.updates].map(|n| n as i64);
        arrays.insert("train.steps".into(), state::integers(&steps));
        Ok(())
    }

    /// Continues from what [`Trainer::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub(crate) fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        let mut learned = self.learning.settled().clone();
        learned.params = state::f64s(arrays, "train.params")?;
        learned.adam.mean = state::f64s(arrays, "train.adam.mean")?;
        learned.adam.square = state::f64s(arrays, "train.adam.square")?;
        learned.ema.params = state::f64s(arrays, "train.ema")?;
        let steps = state::i64s(arrays, "train.steps")?;
        [self.steps, learned.adam.steps, learned.ema.updates] = [0, 1, 2].map(|i| steps[i] as u64);
        self.learning = Learning::new(learned);
        Ok(())
    }
}

/// Draws a batch: from the newest rung, or half from it and the rest from all rungs alike; each sample rotated at random.
fn draw(dim: usize, spec: &TrainSpec, schedule: &Elucidating, rungs: &[Rung], seed: u64, step: u64) -> Batch {
    let which = Stream::new(seed, Purpose::Batch, step);
    let noise = Stream::new(seed, Purpose::TrainNoise, step);
    let turn = Stream::new(seed, Purpose::Rotation, step);
    let mut batch = Batch::default();
    for i in 0..spec.batch {
        let mut pick = which.at(i as u32);
        let k = match spec.rungs {
            TrainOn::All if i % 2 == 1 => pick.below(rungs.len()),
            _ => rungs.len() - 1,
        };
        let (buffer, kt) = (rungs[k].buffer, rungs[k].kt);
        let j = pick.below(buffer.energy.len());
        let row = j * dim..(j + 1) * dim;
        let rotation = random_rotation(&mut turn.at(i as u32));
        batch.x0.extend(rotate(&rotation, &buffer.x[row.clone()]));
        batch.force.extend(rotate(&rotation, &buffer.force[row]).map(|f| f / kt));
        batch.energy.push(buffer.energy[j] / kt);
        batch.beta.push(rungs[k].beta);
        let mut draws = noise.at(i as u32);
        let h = match spec.noise {
            TrainNoise::Edm => (2.0 * (LOG_SIGMA.0 + LOG_SIGMA.1 * draws.normal())).exp(),
            TrainNoise::Visited => schedule.h(draws.uniform()),
        };
        batch.h.push(h);
        if spec.target == Target::Mixed {
            batch.mix.push(mixing(h, rungs[k].fisher));
        }
        batch.z.extend((0..dim).map(|_| draws.normal()));
    }
    batch
}
