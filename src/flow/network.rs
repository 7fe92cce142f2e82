//! All couplings, towards the data and back, and the reverse pass of both directions.

use rayon::prelude::*;

use super::conditioner::{Bars, Record};
use super::merged::Merged;
use super::packing::{Weights, pieces};
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

/// A normalizing flow on the unit cube.
pub struct Flow<T> {
    /// Its architecture.
    pub shape: Shape,
    scratch: Pool<Record<T>>,
}

/// What a pass over some rows keeps for its reverse pass.
#[derive(Default)]
pub struct Tape<T> {
    merged: Vec<Merged<T>>,
    tiles: Vec<Tile<T>>,
    rows: usize,
}

/// One tile of a tape: a record per coupling, and working memory of the reverse pass.
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

    /// Couplings in the order of a direction.
    fn order(&self, toward: Toward) -> impl DoubleEndedIterator<Item = usize> {
        let n = self.shape.couplings.len();
        (0..n).map(move |i| if toward == Toward::Data { i } else { n - 1 - i })
    }

    /// Adds what follows a block (towards the data) to the shifted torsions of some rows, modulo 1.
    fn shift(&self, block: usize, toward: Toward, rows: &mut [T]) {
        let by = T::from_f64(self.shape.shifts[block]);
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

    /// Takes a tile through; with `records`, one for each coupling or one for all of them.
    fn run(
        &self,
        toward: Toward,
        (w, merged): (&Weights<T>, &[Merged<T>]),
        rows: &mut [T],
        log_det: &mut [f64],
        records: &mut [Record<T>],
    ) {
        let (inverse, many) = (toward == Toward::Data, records.len());
        for i in self.order(toward) {
            // A block is two couplings and a shift.
            let last = i % 2 == 1;
            if last && !inverse {
                self.shift(i / 2, toward, rows);
            }
            self.shape.couplings[i].forward(inverse, (w, &merged[i]), rows, log_det, &mut records[i % many]);
            if last && inverse {
                self.shift(i / 2, toward, rows);
            }
        }
    }

    /// Transforms `rows [n, dim]` in place; `log_det [n]` are the logarithms of the determinants.
    pub fn apply(&self, toward: Toward, w: &Weights<T>, rows: &mut [T], log_det: &mut [f64]) {
        log_det.fill(0.0);
        let tile = tile(log_det.len());
        let tiles = rows.par_chunks_mut(tile * self.dim()).zip(log_det.par_chunks_mut(tile));
        let merged = self.merged(w);
        tiles.for_each(|(rows, log_det)| {
            let mut record = self.scratch.lend(|| Record::new(false));
            self.run(toward, (w, &merged), rows, log_det, std::slice::from_mut(&mut *record));
        });
    }

    /// As [`Flow::apply`], keeping on `tape` what [`Flow::reverse`] needs.
    pub fn record(&self, toward: Toward, w: &Weights<T>, rows: &mut [T], log_det: &mut [f64], tape: &mut Tape<T>) {
        log_det.fill(0.0);
        tape.rows = log_det.len();
        let tile = tile(tape.rows);
        let tiles = tape.rows.div_ceil(tile).max(tape.tiles.len());
        let records = || self.shape.couplings.iter().map(|_| Record::new(true)).collect();
        tape.tiles.resize_with(tiles, || Tile { records: records(), bars: Bars::default() });
        tape.merged = self.merged(w);
        let merged = &tape.merged;
        let parts = rows.par_chunks_mut(tile * self.dim()).zip(log_det.par_chunks_mut(tile));
        parts.zip(&mut tape.tiles).for_each(|((rows, log_det), tile)| {
            self.run(toward, (w, merged), rows, log_det, &mut tile.records);
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
        // Shifts do not change derivatives.
        for i in self.order(toward).rev() {
            let (coupling, merged) = (&self.shape.couplings[i], &mut tape.merged[i]);
            let parts = rows_bar.par_chunks_mut(tile * dim).zip(log_bar.par_chunks(tile));
            parts.zip(tiles.par_iter_mut()).for_each(|((rows_bar, log_bar), Tile { records, bars })| {
                coupling.backward(toward == Toward::Data, (w, &*merged), rows_bar, log_bar, &records[i], bars);
            });
            let tiles = &*tiles;
            coupling.panels(merged, gradient).into_par_iter().for_each_init(Vec::new, |column, mut panel| {
                for tile in tiles {
                    Coupling::gradient(&mut panel, &tile.records[i], &tile.bars, column);
                }
            });
        }
        let couplings = &self.shape.couplings;
        let first_two = pieces(gradient, couplings.iter().map(|c| c.layers[0].weight..c.layers[2].weight));
        let parts = couplings.par_iter().zip(&tape.merged).zip(first_two);
        parts.for_each(|((coupling, merged), two)| merged.pull_back(coupling, w, two));
    }
}
