//! Exact optimal transport between point clouds of any sizes, with weights or without.
//!
//! | file | job |
//! |---|---|
//! | [`ground`] | distances: one point against blocks of points |
//! | [`masses`] | weights as whole numbers of the same sum |
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
mod masses;
mod network;
mod scan;

use certificate::prove;
use cloud::Cloud;
use costs::{Between, Costs, Dense};
pub use ground::Ground;

use crate::error::{Error, Result};

/// Numbers up to here can be squared and summed.
const HUGE: f64 = 1e100;

/// Least mean cost over all one-to-one matchings of `cost [n, n]`, row-major; with weights `[n]` of rows, of all plans.
///
/// # Errors
/// [`Error::Numerical`] when there are no costs, one is not finite, weights are no weights, or costs span so many orders
/// of magnitude that the result cannot be proven; [`Error::Interrupted`].
pub fn mean_cost(cost: &[f64], n: usize, weights: Option<&[f64]>) -> Result<f64> {
    if n == 0 {
        return Err(numerical("no points"));
    }
    if cost.len() != n * n {
        return Err(Error::Internal(format!("optimal transport: {} costs for {n} by {n} points", cost.len())));
    }
    if !cost.iter().all(|c| c.abs() < HUGE) {
        return Err(numerical("a cost is not finite, or beyond 1e100"));
    }
    let (masses, total) = masses::of([weights, None], [n, n]).map_err(|why| numerical(&why))?;
    Ok(least_cost(&Dense::new(cost, masses))? / total as f64)
}

/// A cloud of points.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    /// Coordinates `[n, dim]`.
    pub at: &'a [f64],
    /// How much each counts `[n]`, on any scale; all alike if `None`.
    pub weights: Option<&'a [f64]>,
}

impl<'a> From<&'a [f64]> for Points<'a> {
    fn from(at: &'a [f64]) -> Self {
        Self { at, weights: None }
    }
}

/// Wasserstein distance of order `p` (1 or 2) between `a [n, dim]` and `b [m, dim]`, in their unit, every point alike.
///
/// # Errors
/// See [`weighted`].
pub fn wasserstein(p: u32, a: &[f64], b: &[f64], dim: usize, ground: Ground) -> Result<f64> {
    weighted(p, a.into(), b.into(), dim, ground)
}

/// The same of points with weights, which are rounded to 2^-52 of their sum; without weights nothing is rounded.
///
/// # Errors
/// [`Error::Usage`] for other `p` or dimensions; [`Error::Numerical`] for weights that are negative, not finite, all zero
/// or another number than points; otherwise as [`mean_cost`].
pub fn weighted(p: u32, a: Points<'_>, b: Points<'_>, dim: usize, ground: Ground) -> Result<f64> {
    let ([a, b], weights) = ([a.at, b.at], [a.weights, b.weights]);
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
    let ([mass_a, mass_b], total) = masses::of(weights, [n, m]).map_err(|why| numerical(&why))?;
    let costs = Between::new(p, ground, Cloud::new(a, dim, ground, &mass_a), Cloud::new(b, dim, ground, &mass_b));
    let mean = least_cost(&costs)? / total as f64;
    Ok(if p == 1 { mean } else { mean.sqrt() })
}

/// Least total cost of moving the masses of rows to columns.
fn least_cost<C: Costs>(costs: &C) -> Result<f64> {
    let mut solved = levels::solve(costs)?;
    let mut proven = prove(costs, &solved.flows, solved.v.as_slice())?;
    if !proven.is_optimal() {
        // Prices from coarser levels may be so much larger than the least cost that it drowns in their rounding.
        solved = levels::solve_from_scratch(costs)?;
        proven = prove(costs, &solved.flows, solved.v.as_slice())?;
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

#[cfg(test)]
mod tests;
