//! All couplings, towards the data and back, and the reverse pass of both directions.

use rayon::prelude::*;

use super::conditioner::{Bars, Record};
use super::merged::Merged;
use super::packing::Weights;
use super::shape::{Coupling, Shape};
use crate::lanes::num::Lanes;
use crate::lanes::pool::Pool;
use crate::real::Real;

/// Most rows that go through together (a multiple of the rows that the products take at once).
pub const TILE: usize = 96;

/// Rows that go through together when there are this many: small batches are cut so that several threads share them evenly.
/// No number depends on it.
fn tile(rows: usize) -> usize {
    (rows / 8).next_multiple_of(12).clamp(12, TILE)
}

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toward {
    /// From the prior to the data: inverse splines.
    Data,
    /// From the data to the prior.
    Prior,
}

/// A step through the flow.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A coupling, by index.
    Couple(usize),
    /// Adds to the shifted torsions, in turns.
    Shift(f64),
}

/// A normalizing flow on the unit cube.
#[derive(Debug)]
pub struct Flow<T> {
    /// Its architecture.
    pub shape: Shape,
    scratch: Pool<Record<T>>,
}

/// What a pass over some rows keeps for its reverse pass.
#[derive(Debug, Default)]
pub struct Tape<T> {
    merged: Vec<Merged<T>>,
    tiles: Vec<Tile<T>>,
    rows: usize,
}

/// One tile of a tape: a record per coupling, and working memory of the reverse pass.
#[derive(Debug)]
struct Tile<T> {
    records: Vec<Record<T>>,
    bars: Bars<T>,
}

impl<T: Real> Flow<T> {
    /// A flow of this architecture.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape, scratch: Pool::default() }
    }

    /// Coordinates of a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.shape.counts.dim()
    }

    fn steps(&self, toward: Toward) -> Vec<Step> {
        let blocks = self.shape.shifts.iter().enumerate();
        let mut steps: Vec<Step> =
            blocks.flat_map(|(b, &s)| [Step::Couple(2 * b), Step::Couple(2 * b + 1), Step::Shift(s)]).collect();
        if toward == Toward::Prior {
            steps.reverse();
        }
        steps
    }

    /// Adds to the shifted torsions of some rows, modulo 1.
    fn shift(&self, rows: &mut [T], by: f64, toward: Toward) {
        let by = T::from_f64(by);
        for row in rows.chunks_exact_mut(self.dim()) {
            for &i in &self.shape.shifted {
                let x = &mut row[i];
                match toward {
                    Toward::Data => {
                        *x += by;
                        *x = if *x >= T::ONE { *x - T::ONE } else { *x };
                    }
                    Toward::Prior => {
                        *x -= by;
                        *x = if *x < T::ZERO { *x + T::ONE } else { *x };
                    }
                }
            }
        }
    }

    fn merged(&self, w: &Weights<T>) -> Vec<Merged<T>> {
        self.shape.couplings.par_iter().map(|coupling| Merged::new(coupling, w)).collect()
    }

    fn step(
        &self,
        (step, toward): (Step, Toward),
        w: &Weights<T>,
        merged: &[Merged<T>],
        rows: &mut [T],
        log_det: &mut [f64],
        record: &mut Record<T>,
    ) {
        match (step, toward) {
            (Step::Shift(by), _) => self.shift(rows, by, toward),
            (Step::Couple(i), Toward::Data) => {
                self.shape.couplings[i].forward::<T, true>((w, &merged[i]), self.dim(), rows, log_det, record);
            }
            (Step::Couple(i), Toward::Prior) => {
                self.shape.couplings[i].forward::<T, false>((w, &merged[i]), self.dim(), rows, log_det, record);
            }
        }
    }

    /// Transforms `rows [n, dim]` in place; `log_det [n]` are the logarithms of the determinants.
    pub fn apply(&self, toward: Toward, w: &Weights<T>, rows: &mut [T], log_det: &mut [f64]) {
        log_det.fill(0.0);
        let tile = tile(log_det.len());
        let tiles = rows.par_chunks_mut(tile * self.dim()).zip(log_det.par_chunks_mut(tile));
        let steps = self.steps(toward);
        let merged = self.merged(w);
        tiles.for_each(|(rows, log_det)| {
            let mut record = self.scratch.lend(|| Record::new(false));
            for &step in &steps {
                self.step((step, toward), w, &merged, rows, log_det, &mut record);
            }
        });
    }

    /// As [`Flow::apply`], keeping on `tape` what [`Flow::reverse`] needs.
    pub fn record(&self, toward: Toward, w: &Weights<T>, rows: &mut [T], log_det: &mut [f64], tape: &mut Tape<T>) {
        log_det.fill(0.0);
        tape.rows = log_det.len();
        let tile = tile(tape.rows);
        let tiles = tape.rows.div_ceil(tile);
        if tape.tiles.len() < tiles {
            let new = || Tile {
                records: (0..self.shape.couplings.len()).map(|_| Record::new(true)).collect(),
                bars: Bars::default(),
            };
            tape.tiles.resize_with(tiles, new);
        }
        tape.merged = self.merged(w);
        let (steps, merged) = (self.steps(toward), &tape.merged);
        let parts = rows.par_chunks_mut(tile * self.dim()).zip(log_det.par_chunks_mut(tile));
        parts.zip(&mut tape.tiles).for_each(|((rows, log_det), tile)| {
            let mut none = Record::new(false);
            for &step in &steps {
                let record = if let Step::Couple(i) = step { &mut tile.records[i] } else { &mut none };
                self.step((step, toward), w, merged, rows, log_det, record);
            }
        });
    }

    /// Reverse pass of what [`Flow::record`] kept: turns `rows_bar [n, dim]` from derivatives with respect to its results
    /// into those with respect to its rows, and adds those with respect to the parameters to `gradient` (packed as they
    /// are). `log_bar [n]` are the derivatives with respect to the log-determinants. The weights must be transposed.
    pub fn reverse(
        &self,
        toward: Toward,
        w: &Weights<T>,
        tape: &mut Tape<T>,
        rows_bar: &mut [T],
        log_bar: &[T],
        gradient: &mut [Lanes<T>],
    ) {
        let (dim, tile) = (self.dim(), tile(tape.rows));
        let tiles = &mut tape.tiles[..tape.rows.div_ceil(tile)];
        for step in self.steps(toward).into_iter().rev() {
            let Step::Couple(i) = step else { continue }; // shifts do not change derivatives
            let (coupling, merged) = (&self.shape.couplings[i], &mut tape.merged[i]);
            let parts = rows_bar.par_chunks_mut(tile * dim).zip(log_bar.par_chunks(tile));
            parts.zip(tiles.par_iter_mut()).for_each(|((rows_bar, log_bar), tile)| {
                let Tile { records, bars } = tile;
                match toward {
                    Toward::Data => {
                        coupling.backward::<T, true>((w, &*merged), dim, rows_bar, log_bar, &records[i], bars);
                    }
                    Toward::Prior => {
                        coupling.backward::<T, false>((w, &*merged), dim, rows_bar, log_bar, &records[i], bars);
                    }
                }
            });
            let tiles = &*tiles;
            coupling.panels(merged, gradient).into_par_iter().for_each_init(Vec::new, |column, mut panel| {
                for tile in tiles {
                    Coupling::gradient(&mut panel, &tile.records[i], &tile.bars, column);
                }
            });
        }
        let (mut rest, mut at) = (gradient, 0);
        let mut parts = Vec::new();
        for (coupling, merged) in self.shape.couplings.iter().zip(&tape.merged) {
            let [first, _, third, ..] = &coupling.layers;
            let (two, tail) = rest[first.weight - at..].split_at_mut(third.weight - first.weight);
            parts.push((coupling, merged, two));
            (rest, at) = (tail, third.weight);
        }
        parts.into_par_iter().for_each(|(coupling, merged, two)| merged.pull_back(coupling, w, two));
    }
}
