//! A point cloud made ready for transport: equal points merged into one with their number as mass, near points near in
//! memory.

use super::ground::{Ground, LANES};

/// Distinct points with integer masses, in an order in which neighbours in space are neighbours in memory.
#[derive(Debug, Clone)]
pub(super) struct Cloud {
    pub dim: usize,
    /// `[count, dim]`.
    pub points: Vec<f64>,
    /// Mass of each point, positive.
    pub mass: Vec<u64>,
}

impl Cloud {
    /// Merges and orders `points [n, dim]` with masses `mass [n]`; those without mass are left out.
    pub(super) fn new(points: &[f64], dim: usize, ground: Ground, mass: &[u64]) -> Self {
        let points: Vec<f64> = points.iter().map(|&x| ground.inside(x)).collect();
        let at = |i: u32| &points[i as usize * dim..][..dim];
        let mut order: Vec<u32> = (0..(points.len() / dim) as u32).filter(|&i| mass[i as usize] > 0).collect();
        let compare = |&i: &u32, &j: &u32| {
            at(i).iter().zip(at(j)).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(i.cmp(&j))
        };
        order.sort_unstable_by(compare);
        let groups = order.chunk_by(|&i, &j| at(i) == at(j));
        let together = |g: &[u32]| g.iter().map(|&i| mass[i as usize]).sum::<u64>();
        let (mut distinct, masses): (Vec<u32>, Vec<u64>) = groups.map(|g| (g[0], together(g))).unzip();
        let mut mass_of = vec![0; points.len() / dim];
        distinct.iter().zip(masses).for_each(|(&i, m)| mass_of[i as usize] = m);
        sort_in_space(&mut distinct, &points, dim);
        Self {
            dim,
            points: distinct.iter().flat_map(|&i| at(i)).copied().collect(),
            mass: distinct.iter().map(|&i| mass_of[i as usize]).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.mass.len()
    }

    pub(super) fn point(&self, i: usize) -> &[f64] {
        &self.points[i * self.dim..][..self.dim]
    }

    /// Every `group` neighbours as the one in their middle, with the mass of all; and which those in the middle are.
    pub(super) fn coarse(&self, group: usize) -> (Self, Vec<usize>) {
        let middle = |first: usize| (first + self.len().min(first + group)) / 2;
        let middles: Vec<usize> = (0..self.len()).step_by(group).map(middle).collect();
        let points = middles.iter().flat_map(|&i| self.point(i)).copied().collect();
        let mass = self.mass.chunks(group).map(|g| g.iter().sum()).collect();
        (Self { dim: self.dim, points, mass }, middles)
    }

    /// Boxes around the points of each block: middles and half widths, each `[boxes / LANES, dim, LANES]`.
    pub(super) fn boxes(&self) -> (Vec<f64>, Vec<f64>) {
        let (mut middles, mut halves) = (vec![], vec![]);
        for block in self.points.chunks(LANES * self.dim) {
            for d in 0..self.dim {
                let inside = block.iter().skip(d).step_by(self.dim);
                let (lo, hi) = inside.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &x| (lo.min(x), hi.max(x)));
                middles.push(0.5 * (lo + hi));
                // A little more, so that rounding never leaves a point outside.
                halves.push(0.5 * (hi - lo) + 1e-14 * (lo.abs() + hi.abs()));
            }
        }
        (in_lanes(&middles, self.dim), in_lanes(&halves, self.dim))
    }
}

/// `points [n, dim]` as `[ceil(n / LANES), dim, LANES]`, the last point repeated.
pub(super) fn in_lanes(points: &[f64], dim: usize) -> Vec<f64> {
    let n = points.len() / dim;
    let mut out = Vec::with_capacity(n.next_multiple_of(LANES) * dim);
    for first in (0..n).step_by(LANES) {
        for d in 0..dim {
            out.extend((first..first + LANES).map(|i| points[i.min(n - 1) * dim + d]));
        }
    }
    out
}

/// Orders points by halving along the widest side again and again.
fn sort_in_space(order: &mut [u32], points: &[f64], dim: usize) {
    if order.len() <= 4 {
        return;
    }
    let at = |i: u32, d: usize| points[i as usize * dim + d];
    let width = |d: usize| {
        let (lo, hi) =
            order.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &i| (lo.min(at(i, d)), hi.max(at(i, d))));
        hi - lo
    };
    let widths: Vec<f64> = (0..dim).map(width).collect();
    let widest = (0..dim).max_by(|&d, &e| widths[d].total_cmp(&widths[e])).unwrap_or(0);
    let half = order.len() / 2;
    order.select_nth_unstable_by(half, |&i, &j| at(i, widest).total_cmp(&at(j, widest)).then(i.cmp(&j)));
    let (left, right) = order.split_at_mut(half);
    sort_in_space(left, points, dim);
    sort_in_space(right, points, dim);
}
