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
use crate::samplers::md::mala::{DualAveraging, Mala};
use crate::samplers::{Context, state};

/// First step in internal coordinates, in squared standard deviations.
const FIRST_STEP: f64 = 0.03;
/// Name of the chart in checkpoints.
const CHART: &str = "chart";

/// What particles move in.
#[derive(Debug, Clone)]
enum Room {
    Cartesian,
    /// The chart is that of the particles at their temperature; none before there are particles.
    Internal {
        volume: Arc<Volume>,
        chart: Option<Chart>,
    },
}

/// The particles with their energies and forces.
#[derive(Debug, Clone)]
pub(super) struct Moves {
    room: Room,
    mala: Mala,
    step: DualAveraging,
    acceptance: f64,
}

impl Moves {
    /// No particles yet; `acceptance` is what steps are tuned to. With a `volume` they will move in its coordinates.
    #[must_use]
    pub(super) fn new(acceptance: f64, volume: Option<Arc<Volume>>) -> Self {
        let room = volume.map_or(Room::Cartesian, |volume| Room::Internal { volume, chart: None });
        Self { room, mala: Mala::default(), step: DualAveraging::new(1.0, acceptance), acceptance }
    }

    /// Puts particles in: positions `[n, dim]` with their energies `[n]` and forces `[n, dim]`; costs nothing. `step` is
    /// the squared length that is tried first on positions. What is not the molecule has no internal coordinates and is left out:
    /// gives the numbers of those that are in.
    ///
    /// # Errors
    /// As [`Chart::fit`].
    pub(super) fn begin(
        &mut self,
        mut x: Vec<f64>,
        energies: Vec<f64>,
        forces: Vec<f64>,
        step: f64,
    ) -> Result<Vec<usize>> {
        let mut first = step;
        let (mala, kept) = match &mut self.room {
            Room::Cartesian => {
                centre(&mut x, forces.len() / energies.len().max(1) / 3);
                let all = (0..energies.len()).collect();
                (Mala { positions: x, energies, forces, moves: 0 }, all)
            }
            Room::Internal { volume, chart } => {
                let (frames, kept) = Frames::measured(volume, &x, &forces);
                let fitted = Chart::fit(volume, &circles(volume, &frames.q), &frames.q)?;
                let (positions, forces) = frames.encoded(&fitted);
                (*chart, first) = (Some(fitted), FIRST_STEP);
                let energies = kept.iter().map(|&i| energies[i]).collect();
                (Mala { positions, energies, forces, moves: 0 }, kept)
            }
        };
        self.mala = mala;
        self.step = DualAveraging::near(first, self.acceptance);
        Ok(kept)
    }

    /// Begins another temperature. On positions, stable steps shrink with `ratio`, the new temperature over the old one; internal
    /// coordinates are whitened anew instead, by the particles as they are.
    ///
    /// # Errors
    /// As [`Chart::fit`].
    pub(super) fn cool(&mut self, ratio: f64) -> Result<()> {
        let mut shrink = ratio;
        if let Room::Internal { volume, chart: Some(chart) } = &mut self.room {
            let frames = Frames::decoded(chart, &self.mala.positions, &self.mala.forces);
            *chart = Chart::fit(volume, chart.circles(), &frames.q)?;
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
        let p = match &self.room {
            Room::Internal { chart: Some(chart), .. } => {
                self.mala.advance_in(chart, energy, Purpose::Sampling, key, at)?
            }
            _ => self.mala.advance(energy, Purpose::Sampling, key, at)?,
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
        match &self.room {
            Room::Internal { chart: Some(chart), .. } => chart.place(&rows),
            _ => rows,
        }
    }

    /// Unreduced energies `[n]`.
    #[must_use]
    pub(super) fn energies(&self) -> &[f64] {
        &self.mala.energies
    }

    /// The step by now: a squared length, or squared standard deviations.
    #[must_use]
    pub(super) fn step(&self) -> f64 {
        self.step.averaged()
    }

    /// Saves into `arrays`.
    pub(super) fn save(&self, arrays: &mut Arrays) {
        self.mala.save("moves", arrays);
        arrays.insert("moves.step".into(), state::floats(&self.step.state()));
        if let Room::Internal { chart: Some(chart), .. } = &self.room {
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
        if let Room::Internal { volume, chart } = &mut self.room {
            *chart = if self.mala.is_empty() { None } else { Some(Chart::load(volume, CHART, arrays)?) };
        }
        Ok(())
    }
}
