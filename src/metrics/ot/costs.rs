//! Where costs come from: a matrix, or points whose distances are computed when they are asked for.
//!
//! Columns come in blocks of [`LANES`]; lower bounds of the costs in a block say which blocks need not be looked at.

use super::cloud::{Cloud, representative};
use super::ground::{Ground, LANES};

/// Neighbouring points that the next coarser level takes as one.
const GROUP: usize = 2;
/// Levels with fewer points on a side than this are not coarsened any more.
const COARSEST: usize = 64;

/// Transport costs, row by row.
pub(super) trait Costs: Sync + Sized {
    /// Number of rows and of columns.
    fn shape(&self) -> (usize, usize);

    /// Lower bounds of the costs of row `i` in each block; `out [blocks rounded up to LANES]`, the rest is undefined.
    fn floors(&self, i: usize, out: &mut [f64]);

    /// Costs of row `i` in the chosen blocks; `out [chosen, LANES]`, undefined past the last column.
    fn costs(&self, i: usize, chosen: &[u32], out: &mut [f64]);

    /// Cost of one pair, with the same rounding as [`Costs::costs`].
    fn cost(&self, i: usize, j: usize) -> f64 {
        let mut out = [0.0; LANES];
        self.costs(i, &[(j / LANES) as u32], &mut out);
        out[j % LANES]
    }

    /// A smaller problem whose prices are a good start for this one.
    fn coarse(&self) -> Option<Coarse<Self>> {
        None
    }
}

/// A coarser level: groups of points stand as one.
pub(super) struct Coarse<C> {
    pub costs: C,
    pub supply: Vec<u64>,
    pub demand: Vec<u64>,
    /// Row of the finer level that stands for each row.
    pub rows: Vec<usize>,
}

/// A cost matrix.
pub(super) struct Dense<'a> {
    costs: &'a [f64],
    n: usize,
    /// Least cost of each row in each block.
    floors: Vec<f64>,
}

impl<'a> Dense<'a> {
    pub(super) fn new(costs: &'a [f64], n: usize) -> Self {
        let least = |block: &[f64]| block.iter().copied().fold(f64::INFINITY, f64::min);
        let floors = costs.chunks_exact(n).flat_map(|row| row.chunks(LANES).map(least)).collect();
        Self { costs, n, floors }
    }
}

impl Costs for Dense<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.n, self.n)
    }

    fn floors(&self, i: usize, out: &mut [f64]) {
        let blocks = self.n.div_ceil(LANES);
        out[..blocks].copy_from_slice(&self.floors[i * blocks..][..blocks]);
    }

    fn costs(&self, i: usize, chosen: &[u32], out: &mut [f64]) {
        let row = &self.costs[i * self.n..][..self.n];
        for (&block, out) in chosen.iter().zip(out.as_chunks_mut::<LANES>().0) {
            let row = &row[block as usize * LANES..];
            if let Some(full) = row.first_chunk() {
                *out = *full;
            } else {
                out[..row.len()].copy_from_slice(row);
            }
        }
    }

    fn cost(&self, i: usize, j: usize) -> f64 {
        self.costs[i * self.n + j]
    }
}

/// Distances, to the power `p`, between two clouds.
pub(super) struct Between {
    ground: Ground,
    p: u32,
    pub a: Cloud,
    pub b: Cloud,
    /// Coordinates of `b`, in blocks.
    columns: Vec<f64>,
    /// Boxes around the blocks: middles and half widths.
    boxes: (Vec<f64>, Vec<f64>),
}

impl Between {
    pub(super) fn new(p: u32, ground: Ground, a: Cloud, b: Cloud) -> Self {
        let (columns, boxes) = (b.blocks(), b.boxes());
        Self { ground, p, a, b, columns, boxes }
    }
}

impl Costs for Between {
    fn shape(&self) -> (usize, usize) {
        (self.a.len(), self.b.len())
    }

    fn floors(&self, i: usize, out: &mut [f64]) {
        self.ground.floors(self.p, self.a.point(i), &self.boxes.0, &self.boxes.1, out);
    }

    fn costs(&self, i: usize, chosen: &[u32], out: &mut [f64]) {
        self.ground.distances(self.p, self.a.point(i), &self.columns, chosen, out);
    }

    fn coarse(&self) -> Option<Coarse<Self>> {
        if self.a.len().min(self.b.len()) < COARSEST {
            return None;
        }
        let (a, b) = (self.a.coarse(GROUP), self.b.coarse(GROUP));
        let rows = (0..a.len()).map(|k| representative(k, GROUP, self.a.len())).collect();
        let (supply, demand) = (a.mass.clone(), b.mass.clone());
        Some(Coarse { costs: Self::new(self.p, self.ground, a, b), supply, demand, rows })
    }
}
