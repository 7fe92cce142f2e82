//! Molecular dynamics at the first temperature, as training data for the forward KL.

use super::generator::Generator;
use crate::array::{Array, Arrays};
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::samplers::md::langevin::Langevin;
use crate::samplers::md::{check_stable, dynamics};
use crate::samplers::{Context, state};
use crate::spec::MdDataSpec;

/// Dynamics of one [`MdData::advance`]: about 50,000 evaluations.
const STRETCH: usize = 50_000;

/// Walkers and the frames that they have left.
#[derive(Debug, Clone, Default)]
pub struct MdData {
    walkers: Langevin,
    /// Rows of the unit cube.
    pub rows: Vec<f32>,
    /// Frames without a density under the flow.
    pub outside: usize,
    /// Frames so far, those outside included.
    pub frames: usize,
    /// Steps of every walker so far.
    pub steps: usize,
}

impl MdData {
    /// Steps of every walker from beginning to end.
    #[must_use]
    pub fn total(spec: &MdDataSpec) -> usize {
        spec.equilibration + spec.samples.div_ceil(spec.walkers) * spec.stride
    }

    /// A stretch of dynamics at `kt`, with at most `affordable` evaluations; true when it is complete or nothing is
    /// affordable any more.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the dynamics blows up.
    pub fn advance(
        &mut self,
        spec: &MdDataSpec,
        model: &dyn Generator,
        ctx: &mut Context,
        kt: f64,
        affordable: usize,
    ) -> Result<bool> {
        let kts = vec![kt; spec.walkers];
        let (system, purpose) = (&ctx.system, Purpose::InitialData);
        let mut left = affordable / spec.walkers;
        if self.walkers.energies.is_empty() {
            if left == 0 {
                return Ok(true);
            }
            let x = system.start.repeat(spec.walkers);
            self.walkers = Langevin::new(x, &kts, &system.masses, (ctx.seed, 0), &mut ctx.energy, purpose)?;
            left -= 1;
        }
        let until = Self::total(spec).min(self.steps + left).min(self.steps + (STRETCH / spec.walkers).max(1));
        while self.steps < until {
            let sampled = self.steps.saturating_sub(spec.equilibration);
            let frame = spec.equilibration + (sampled / spec.stride + 1) * spec.stride;
            let event = if self.steps < spec.equilibration { spec.equilibration } else { frame };
            let dynamics = dynamics(system, ctx.seed, spec.step, spec.friction, spec.precision);
            let steps = event.min(until) - self.steps;
            let done = self.walkers.advance(&mut ctx.energy, purpose, &dynamics, &kts, steps, None)?;
            check_stable(&self.walkers.energies, kt, self.walkers.steps, spec.step)?;
            self.steps += done;
            if self.steps == frame && self.steps > spec.equilibration {
                let take = spec.walkers.min(spec.samples - self.frames);
                let frame = self.walkers.positions.len() / spec.walkers;
                let (rows, outside) = model.encode(&self.walkers.positions[..take * frame]);
                self.rows.extend(rows);
                self.outside += outside;
                self.frames += take;
            }
        }
        Ok(self.steps == Self::total(spec) || left == 0)
    }

    /// The rows, once complete.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the flow has a density for none of the frames.
    pub fn take(&mut self) -> Result<Vec<f32>> {
        if self.rows.is_empty() {
            return Err(Error::Numerical(format!(
                "none of the {} frames of molecular dynamics lies where the flow has a density",
                self.frames
            )));
        }
        Ok(std::mem::take(&mut self.rows))
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        self.walkers.save(arrays);
        arrays.insert("data.rows".into(), Array::f32(&[self.rows.len()], self.rows.clone()));
        let numbers = [self.outside, self.frames, self.steps].map(|n| n as i64);
        arrays.insert("data.numbers".into(), state::integers(&numbers));
    }

    /// Reads what [`MdData::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn load(arrays: &Arrays) -> Result<Self> {
        let numbers = state::i64s(arrays, "data.numbers")?;
        Ok(Self {
            walkers: Langevin::load(arrays)?,
            rows: state::f32s(arrays, "data.rows")?,
            outside: numbers[0] as usize,
            frames: numbers[1] as usize,
            steps: numbers[2] as usize,
        })
    }
}
