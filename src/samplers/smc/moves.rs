//! Markov chains of the particles at one temperature: MALA on the true energy with one step size for all of them, on positions of atoms
//! or in internal coordinates.

use std::sync::Arc;

use crate::array::Arrays;
use crate::energy::Purpose;
use crate::error::Result;
use crate::flow::Volume;
use crate::geometry::centre;
use crate::rng;
use crate::samplers::internal::chart::circles;
use crate::samplers::internal::{Chart, Frames};
use crate::samplers::md::Taken;
use crate::samplers::md::mala::{DualAveraging, Mala};
use crate::samplers::md::space::Cartesian;
use crate::samplers::{Context, state};

/// First step in internal coordinates, in squared standard deviations.
const FIRST_STEP: f64 = 0.03;
/// Name of the chart in checkpoints.
const CHART: &str = "chart";

/// The particles with their energies and forces.
#[derive(Debug, Clone)]
pub(super) struct Moves {
    /// Internal coordinates to move in, if not positions.
    volume: Option<Arc<Volume>>,
    /// Their chart, that of the particles at their temperature; none before there are particles.
    chart: Option<Chart>,
    pub(super) mala: Mala,
    /// Of MALA, a squared length or squared standard deviations.
    pub(super) step: DualAveraging,
    acceptance: f64,
}

impl Moves {
    /// No particles yet; `acceptance` is what steps are tuned to. With a `volume` they will move in its coordinates.
    #[must_use]
    pub(super) fn new(acceptance: f64, volume: Option<Arc<Volume>>) -> Self {
        let step = DualAveraging::new(1.0, acceptance);
        Self { volume, chart: None, mala: Mala::default(), step, acceptance }
    }

    /// Puts particles in; costs nothing. `step` is the squared length that is tried first on positions. What is not the molecule has no
    /// internal coordinates and is left out: gives the origins of those that are in.
    ///
    /// # Errors
    /// As [`Chart::fit`].
    pub(super) fn begin(&mut self, particles: Taken, step: f64) -> Result<Vec<i64>> {
        let Taken { mut x, energies, forces, origin } = particles;
        let Some(volume) = &self.volume else {
            centre(&mut x, forces.len() / energies.len().max(1) / 3);
            self.mala = Mala { positions: x, energies, forces, moves: 0 };
            self.step = DualAveraging::near(step, self.acceptance);
            return Ok(origin);
        };
        let (frames, kept) = Frames::measured(volume, &x, &forces);
        let chart = Chart::fit(volume, &circles(volume, &frames.q), &frames.q)?;
        let (positions, forces) = frames.encoded(&chart);
        let energies = kept.iter().map(|&i| energies[i]).collect();
        self.mala = Mala { positions, energies, forces, moves: 0 };
        self.step = DualAveraging::near(FIRST_STEP, self.acceptance);
        self.chart = Some(chart);
        Ok(kept.into_iter().map(|i| origin[i]).collect())
    }

    /// Begins another temperature. On positions, stable steps shrink with `ratio`, the new temperature over the old one; internal
    /// coordinates are whitened anew instead, by the particles as they are.
    ///
    /// # Errors
    /// As [`Chart::fit`].
    pub(super) fn cool(&mut self, ratio: f64) -> Result<()> {
        let mut shrink = ratio;
        if let Some(chart) = &mut self.chart {
            let frames = Frames::decoded(chart, &self.mala.positions, &self.mala.forces);
            *chart = Chart::fit(chart.volume(), chart.circles(), &frames.q)?;
            (self.mala.positions, self.mala.forces) = frames.encoded(chart);
            shrink = 1.0;
        }
        self.step = DualAveraging::near(self.step.averaged() * shrink, self.acceptance);
        Ok(())
    }

    /// Keeps some of the particles, one possibly several times.
    pub(super) fn select(&mut self, kept: &[usize]) {
        self.mala = self.mala.select(kept);
    }

    /// One move of every particle at `kt`. The step is adapted while `adapting` and fixed otherwise, which leaves the
    /// target invariant. Returns the mean acceptance.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`].
    pub(super) fn advance(&mut self, ctx: &mut Context, kt: f64, adapting: bool) -> Result<f64> {
        let step = if adapting { self.step.current() } else { self.step.averaged() };
        let key = (ctx.seed, rng::Purpose::Refine, 0);
        let (energy, at) = (&mut ctx.energy, |_| (kt, step));
        let p = match &self.chart {
            Some(chart) => self.mala.advance(chart, energy, Purpose::Sampling, key, at)?,
            None => self.mala.advance(&Cartesian { atoms: ctx.system.atoms }, energy, Purpose::Sampling, key, at)?,
        };
        let mean = p.iter().sum::<f64>() / p.len() as f64;
        if adapting {
            self.step.update(mean);
        }
        Ok(mean)
    }

    /// Positions of some particles `[n, atoms, 3]`: centred, or in the canonical pose of internal coordinates.
    #[must_use]
    pub(super) fn positions(&self, which: &[usize]) -> Vec<f64> {
        let dim = self.mala.positions.len() / self.mala.len().max(1);
        let rows: Vec<f64> =
            which.iter().flat_map(|&i| &self.mala.positions[i * dim..(i + 1) * dim]).copied().collect();
        match &self.chart {
            Some(chart) => chart.place(&rows),
            None => rows,
        }
    }

    /// Saves into `arrays`.
    pub(super) fn save(&self, arrays: &mut Arrays) {
        self.mala.save("moves", arrays);
        arrays.insert("moves.step".into(), state::floats(&self.step.state()));
        if let Some(chart) = &self.chart {
            chart.save(CHART, arrays);
        }
    }

    /// Reads what [`Moves::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub(super) fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        self.mala = Mala::load("moves", arrays)?;
        self.step = DualAveraging::from_state(&state::f64s(arrays, "moves.step")?);
        let volume = self.volume.as_ref().filter(|_| !self.mala.is_empty());
        self.chart = volume.map(|volume| Chart::load(volume, CHART, arrays)).transpose()?;
        Ok(())
    }
}
