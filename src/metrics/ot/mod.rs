//! Exact optimal transport between point clouds with uniform weights.
//!
//! | file | job |
//! |---|---|
//! | [`ground`] | distances: one point against blocks of points |
//! | [`cloud`] | points merged where equal, and ordered in space |
//! | [`costs`] | costs on demand, of points or of a matrix |
//! | [`scan`] | columns of a row that are good at given prices |
//! | [`flows`] | where mass moves |
//! | [`network`] | shortest augmenting paths |
//! | [`levels`] | start from coarser problems |
//! | [`certificate`] | proof, over all pairs, that the result is optimal |
//!
//! Memory grows with the number of points, not of pairs; time about with its square. No result leaves this module unless
//! it is proven optimal to 1e-12 of its value.

mod certificate;
mod cloud;
mod costs;
mod flows;
mod ground;
mod levels;
mod network;
mod scan;

use certificate::prove;
use cloud::Cloud;
use costs::{Between, Costs, Dense};
pub use ground::Ground;

use crate::error::{Error, Result};

/// Largest least common multiple of unequal sizes.
const MOST: usize = 60_000;
/// Numbers up to here can be squared and summed.
const HUGE: f64 = 1e100;

/// Least mean cost over all one-to-one matchings of `cost [n, n]`, row-major.
///
/// # Errors
/// [`Error::Numerical`] when there are no costs, one is not finite, or they span so many orders of magnitude that the
/// result cannot be proven; [`Error::Interrupted`].
pub fn mean_cost(cost: &[f64], n: usize) -> Result<f64> {
    if n == 0 {
        return Err(numerical("no points"));
    }
    if cost.len() != n * n {
        return Err(Error::Internal(format!("optimal transport: {} costs for {n} by {n} points", cost.len())));
    }
    if !cost.iter().all(|c| c.abs() < HUGE) {
        return Err(numerical("a cost is not finite, or beyond 1e100"));
    }
    let ones = vec![1; n];
    Ok(least_cost(&Dense::new(cost, n), &ones, &ones)? / n as f64)
}

/// Wasserstein distance of order `p` (1 or 2) between `a [n, dim]` and `b [m, dim]`, in their unit.
///
/// For unequal sizes each point is split into equal parts, so that both sides have as many parts as the least common
/// multiple of the sizes, which must not exceed 60,000.
///
/// # Errors
/// [`Error::Usage`] for other `p` or dimensions and for sizes with a larger common multiple; otherwise as [`mean_cost`].
pub fn wasserstein(p: u32, a: &[f64], b: &[f64], dim: usize, ground: Ground) -> Result<f64> {
    if !(1..=2).contains(&p) {
        return Err(Error::Usage(format!("optimal transport of order {p}: only 1 and 2 are known")));
    }
    if dim == 0 || !a.len().is_multiple_of(dim) || !b.len().is_multiple_of(dim) {
        return Err(Error::Usage(format!("optimal transport: {} and {} numbers in rows of {dim}", a.len(), b.len())));
    }
    let (n, m) = (a.len() / dim, b.len() / dim);
    if n == 0 || m == 0 {
        return Err(numerical("no points"));
    }
    if !a.iter().chain(b).all(|x| x.abs() < HUGE) {
        return Err(numerical("a coordinate is not finite, or beyond 1e100"));
    }
    let common = gcd(n, m);
    let parts = n / common * m;
    if n != m && parts > MOST {
        return Err(Error::Usage(format!(
            "optimal transport between {n} and {m} points: the least common multiple {parts} exceeds {MOST}; give both \
             sides the same number of points"
        )));
    }
    let a = Cloud::new(a, dim, ground, (m / common) as u64);
    let b = Cloud::new(b, dim, ground, (n / common) as u64);
    let costs = Between::new(p, ground, a, b);
    let mean = least_cost(&costs, &costs.a.mass, &costs.b.mass)? / parts as f64;
    Ok(if p == 1 { mean } else { mean.sqrt() })
}

/// Least total cost of moving `supply` of rows to `demand` of columns.
fn least_cost<C: Costs>(costs: &C, supply: &[u64], demand: &[u64]) -> Result<f64> {
    let mut solved = levels::solve(costs, supply, demand)?;
    let mut proven = prove(costs, supply, demand, &solved.flows, solved.v.as_slice())?;
    if !proven.is_optimal() {
        // Prices from coarser levels may be so much larger than the least cost that it drowns in their rounding.
        solved = levels::solve_from_scratch(costs, supply, demand)?;
        proven = prove(costs, supply, demand, &solved.flows, solved.v.as_slice())?;
    }
    if proven.is_optimal() {
        return Ok(proven.cost);
    }
    Err(numerical(&format!(
        "the costs span too many orders of magnitude: {:e} may exceed the least cost by {:e}",
        proven.cost, proven.gap
    )))
}

fn numerical(message: &str) -> Error {
    Error::Numerical(format!("optimal transport: {message}"))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
