//! Where costs come from: a matrix, or points whose distances are computed when they are asked for.
//!
//! Columns come in blocks of [`LANES`]; lower bounds of the costs in a block say which blocks need not be looked at.

use super::cloud::{Cloud, in_lanes};
use super::ground::{Ground, LANES};

/// Neighbouring points that the next coarser level takes as one.
const GROUP: usize = 2;
/// Levels with fewer points on a side than this are not coarsened any more.
const COARSEST: usize = 64;

/// A transport problem: masses, and costs row by row.
pub(super) trait Costs: Sync + Sized {
    /// Masses of the rows and of the columns, with the same sum.
    fn masses(&self) -> [&[u64]; 2];

    /// Number of rows and of columns.
    fn shape(&self) -> [usize; 2] {
        self.masses().map(<[u64]>::len)
    }

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

    /// A smaller problem, where groups of points stand as one, whose prices are a good start for this one; and the row of this one
    /// that stands for each of its rows.
    fn coarse(&self) -> Option<(Self, Vec<usize>)> {
        None
    }
}

/// A cost matrix.
pub(super) struct Dense<'a> {
    costs: &'a [f64],
    masses: [Vec<u64>; 2],
    n: usize,
    /// Least cost of each row in each block.
    floors: Vec<f64>,
}

impl<'a> Dense<'a> {
    /// Of `costs [n, n]`, with the masses of rows and of columns.
    pub(super) fn new(costs: &'a [f64], masses: [Vec<u64>; 2]) -> Self {
        let n = masses[1].len();
        let least = |block: &[f64]| block.iter().copied().fold(f64::INFINITY, f64::min);
        let floors = costs.chunks_exact(n).flat_map(|row| row.chunks(LANES).map(least)).collect();
        Self { costs, masses, n, floors }
    }
}

impl Costs for Dense<'_> {
    fn masses(&self) -> [&[u64]; 2] {
        [&self.masses[0], &self.masses[1]]
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
        let (columns, boxes) = (in_lanes(&b.points, b.dim), b.boxes());
        Self { ground, p, a, b, columns, boxes }
    }
}

impl Costs for Between {
    fn masses(&self) -> [&[u64]; 2] {
        [&self.a.mass, &self.b.mass]
    }

    fn floors(&self, i: usize, out: &mut [f64]) {
        self.ground.floors(self.p, self.a.point(i), &self.boxes.0, &self.boxes.1, out);
    }

    fn costs(&self, i: usize, chosen: &[u32], out: &mut [f64]) {
        self.ground.distances(self.p, self.a.point(i), &self.columns, chosen, out);
    }

    fn coarse(&self) -> Option<(Self, Vec<usize>)> {
        if self.a.len().min(self.b.len()) < COARSEST {
            return None;
        }
        let ((a, rows), (b, _)) = (self.a.coarse(GROUP), self.b.coarse(GROUP));
        Some((Self::new(self.p, self.ground, a, b), rows))
    }
}
