//! Searches through the columns of a row, at given prices: a few vector operations for each block that matters.

use multiversion::multiversion;

use super::costs::Costs;
use super::ground::LANES;

/// Blocks between two looks at the limit.
const TOGETHER: usize = 4;

/// A column that a row may be matched with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub cost: f64,
    /// Cost less the column's price when this was found, rounded down. Prices only fall: it stays a lower bound.
    pub floor: f32,
    pub column: u32,
}

/// A column found: cost less price, cost, column.
pub(super) type Found = (f64, f64, u32);

impl Candidate {
    pub(super) fn new(&(reduced, cost, column): &Found) -> Self {
        Self { cost, floor: round_down(reduced), column }
    }
}

/// Best first; among equals, the first column.
fn order(a: &Found, b: &Found) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.2.cmp(&b.2))
}

/// Prices of columns in whole blocks: spare columns have price `-inf`, and so are never good.
#[derive(Debug, Clone)]
pub(super) struct Prices {
    columns: usize,
    all: Vec<f64>,
    /// Highest price in each block.
    top: Vec<f64>,
}

impl Prices {
    pub(super) fn new(mut prices: Vec<f64>) -> Self {
        let columns = prices.len();
        prices.resize(columns.next_multiple_of(LANES), f64::NEG_INFINITY);
        let mut new = Self { columns, top: vec![0.0; prices.len() / LANES], all: prices };
        (0..new.top.len()).for_each(|b| new.update(b * LANES));
        new
    }

    pub(super) fn as_slice(&self) -> &[f64] {
        &self.all[..self.columns]
    }

    pub(super) fn get(&self, j: usize) -> f64 {
        self.all[j]
    }

    pub(super) fn set(&mut self, j: usize, price: f64) {
        self.all[j] = price;
        self.update(j);
    }

    /// Notes the highest price in the block of column `j`.
    fn update(&mut self, j: usize) {
        let block = &self.all.as_chunks::<LANES>().0[j / LANES];
        let mut high = [f64::NEG_INFINITY; 8];
        for part in block.as_chunks::<8>().0 {
            for l in 0..8 {
                high[l] = if part[l] > high[l] { part[l] } else { high[l] };
            }
        }
        self.top[j / LANES] = high.into_iter().fold(f64::NEG_INFINITY, f64::max);
    }
}

/// Work space of searches. One per thread.
pub(super) struct Scan {
    /// Of each block: lower bound of cost less price.
    bounds: Vec<f64>,
    sorted: Vec<f64>,
    chosen: Vec<u32>,
    costs: Vec<f64>,
    found: Vec<Found>,
}

impl Scan {
    pub(super) fn new(costs: &impl Costs) -> Self {
        let blocks = costs.shape()[1].div_ceil(LANES);
        Self {
            bounds: vec![0.0; blocks.next_multiple_of(LANES)],
            sorted: vec![],
            chosen: vec![],
            costs: vec![0.0; blocks * LANES],
            found: vec![],
        }
    }

    /// All costs of row `i`; undefined past the last column.
    pub(super) fn row(&mut self, costs: &impl Costs, i: usize) -> &[f64] {
        self.chosen.clear();
        self.chosen.extend(0..(self.costs.len() / LANES) as u32);
        costs.costs(i, &self.chosen, &mut self.costs);
        &self.costs
    }

    /// What the last search found.
    pub(super) fn found(&self) -> &[Found] {
        &self.found
    }

    /// The same, best first.
    pub(super) fn sort(&mut self) -> &[Found] {
        self.found.sort_unstable_by(order);
        &self.found
    }

    /// Finds all columns of row `i` whose cost less price is below `limit`.
    pub(super) fn below(&mut self, costs: &impl Costs, i: usize, prices: &Prices, limit: f64) {
        costs.floors(i, &mut self.bounds);
        subtract(&mut self.bounds, &prices.top);
        self.found.clear();
        self.chosen.clear();
        choose(&self.bounds[..prices.top.len()], f64::NEG_INFINITY, limit, &mut self.chosen);
        costs.costs(i, &self.chosen, &mut self.costs);
        collect(&self.chosen, &self.costs, &prices.all, limit, &mut self.found);
    }

    /// Finds the `count` best columns of row `i`, best first; gives a lower bound of cost less price for all others.
    pub(super) fn best(&mut self, costs: &impl Costs, i: usize, prices: &Prices, count: usize) -> f64 {
        let blocks = prices.top.len();
        costs.floors(i, &mut self.bounds);
        subtract(&mut self.bounds, &prices.top);
        // The most promising blocks give a limit; then all blocks that may hold something below it.
        let few = 2 * count.div_ceil(LANES);
        let (mut limit, mut promising) = (f64::INFINITY, f64::INFINITY);
        if few < blocks {
            self.sorted.clear();
            self.sorted.extend_from_slice(&self.bounds[..blocks]);
            promising = self.sorted.select_nth_unstable_by(few - 1, f64::total_cmp).1.next_up();
        }
        self.found.clear();
        for (from, to) in [(f64::NEG_INFINITY, promising), (promising, f64::INFINITY)] {
            self.chosen.clear();
            choose(&self.bounds[..blocks], from, limit.min(to), &mut self.chosen);
            for first in (0..self.chosen.len()).step_by(TOGETHER) {
                let chosen = &self.chosen[first..self.chosen.len().min(first + TOGETHER)];
                costs.costs(i, chosen, &mut self.costs);
                collect(chosen, &self.costs, &prices.all, limit, &mut self.found);
                if self.found.len() >= 2 * count {
                    limit = self.found.select_nth_unstable_by(count - 1, order).1.0;
                    self.found.truncate(count);
                }
            }
        }
        if count < self.found.len() {
            limit = self.found.select_nth_unstable_by(count - 1, order).1.0;
            self.found.truncate(count);
        }
        self.found.sort_unstable_by(order);
        limit
    }
}

/// The largest single-precision number that is not above `x`.
fn round_down(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) > x { near.next_down() } else { near }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn subtract(bounds: &mut [f64], top: &[f64]) {
    bounds.iter_mut().zip(top).for_each(|(b, t)| *b -= t);
}

/// Blocks with bounds from `from` to below `to`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn choose(bounds: &[f64], from: f64, to: f64, chosen: &mut Vec<u32>) {
    for (k, bounds) in bounds.chunks(LANES).enumerate() {
        let mut hits = 0_u32;
        for (l, b) in bounds.iter().enumerate() {
            hits |= u32::from(*b >= from && *b < to) << l;
        }
        while hits != 0 {
            chosen.push((k * LANES) as u32 + hits.trailing_zeros());
            hits &= hits - 1;
        }
    }
}

/// Columns of the chosen blocks with cost less price below the limit.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn collect(chosen: &[u32], costs: &[f64], prices: &[f64], limit: f64, found: &mut Vec<Found>) {
    let prices = prices.as_chunks::<LANES>().0;
    for (&block, costs) in chosen.iter().zip(costs.as_chunks::<LANES>().0) {
        let prices = &prices[block as usize];
        let mut hits = 0_u32;
        for l in 0..LANES {
            hits |= u32::from(costs[l] - prices[l] < limit) << l;
        }
        while hits != 0 {
            let l = hits.trailing_zeros() as usize;
            found.push((costs[l] - prices[l], costs[l], (block as usize * LANES + l) as u32));
            hits &= hits - 1;
        }
    }
}

/// Least cost less price.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl+fma", "x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn least(costs: &[f64], prices: &[f64]) -> f64 {
    let mut low = [f64::INFINITY; LANES];
    let (costs, rest) = costs.as_chunks::<LANES>();
    let (prices, price_rest) = prices.as_chunks::<LANES>();
    for (c, v) in costs.iter().zip(prices) {
        for l in 0..LANES {
            let reduced = c[l] - v[l];
            low[l] = if reduced < low[l] { reduced } else { low[l] };
        }
    }
    let rest = rest.iter().zip(price_rest).map(|(c, v)| c - v);
    low.into_iter().chain(rest).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::super::cloud::Cloud;
    use super::super::costs::Between;
    use super::super::ground::Ground;
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Blocks that are passed over hold nothing that was asked for.
    #[test]
    fn finds_what_a_plain_pass_finds() {
        let mut d = Stream::new(3, Purpose::Init, 0).at(0);
        for (ground, p) in [(Ground::Torus, 2), (Ground::Torus, 1), (Ground::Euclidean, 2), (Ground::Euclidean, 1)] {
            let mut cloud = |n: usize| {
                let x: Vec<f64> = (0..2 * n).map(|_| 1.5 * d.normal()).collect();
                Cloud::new(&x, 2, ground, &vec![1; n])
            };
            let costs = Between::new(p, ground, cloud(20), cloud(1_001));
            let prices: Vec<f64> = (0..1_001).map(|_| 0.05 * d.normal()).collect();
            let blocks = Prices::new(prices.clone());
            let mut scan = Scan::new(&costs);
            for i in 0..20 {
                let cost = |j: usize| ground.squared(costs.a.point(i), costs.b.point(j)).powf(0.5 * f64::from(p));
                let mut want: Vec<(f64, usize)> = (0..1_001).map(|j| (cost(j) - prices[j], j)).collect();
                want.sort_by(|a, b| a.0.total_cmp(&b.0));
                let columns = |found: &[Found]| found.iter().map(|f| f.2 as usize).collect::<Vec<_>>();
                let first = |count: usize| want[..count].iter().map(|w| w.1).collect::<Vec<_>>();
                for count in [1, 24, 100] {
                    let beyond = scan.best(&costs, i, &blocks, count);
                    assert_eq!(columns(scan.found()), first(count));
                    assert!(beyond <= want[count].0 && beyond >= want[count - 1].0 - 1e-12);
                    scan.below(&costs, i, &blocks, 0.5 * (want[count - 1].0 + want[count].0));
                    assert_eq!(columns(scan.sort()), first(count));
                }
            }
        }
    }
}
