//! Coarse to fine: prices of a problem with half of the points are a good start for all of them.

use rayon::prelude::*;

use super::costs::Costs;
use super::network::Network;
use super::scan::Scan;
use crate::error::Result;
use crate::stop;

/// Rows per task.
const TASK: usize = 64;

/// Solves a transport problem, with a start from coarser ones where there are any.
///
/// # Errors
/// [`Error::Interrupted`](crate::error::Error::Interrupted).
pub(super) fn solve<C: Costs>(costs: &C) -> Result<Network<'_, C>> {
    let Some((coarse, rows)) = costs.coarse() else { return solve_from_scratch(costs) };
    let u = solve(&coarse)?.u;
    Network::new(costs, column_prices(costs, &rows, &u)).solve()
}

/// Solves a transport problem. Slower, but prices are no larger than the costs that matter.
///
/// # Errors
/// As [`solve`].
pub(super) fn solve_from_scratch<C: Costs>(costs: &C) -> Result<Network<'_, C>> {
    let rows: Vec<usize> = (0..costs.shape()[0]).collect();
    Network::new(costs, column_prices(costs, &rows, &vec![0.0; rows.len()])).solve()
}

/// Highest prices of columns that rows `rows` with prices `u` allow: `v_j = min_i c_ij - u_i`.
fn column_prices<C: Costs>(costs: &C, rows: &[usize], u: &[f64]) -> Vec<f64> {
    let [_, columns] = costs.shape();
    let lower = |mut v: Vec<f64>, other: &[f64], u: f64| {
        v.iter_mut().zip(other).for_each(|(v, c)| *v = if c - u < *v { c - u } else { *v });
        v
    };
    let task = |(rows, u): (&[usize], &[f64])| {
        let mut scan = Scan::new(costs);
        let all = vec![f64::INFINITY; columns];
        let rows = rows.iter().zip(u).take_while(|_| !stop::requested());
        rows.fold(all, |v, (&i, &u)| lower(v, scan.row(costs, i), u))
    };
    rows.par_chunks(TASK)
        .zip(u.par_chunks(TASK))
        .map(task)
        .reduce(|| vec![f64::INFINITY; columns], |v, other| lower(v, &other, 0.0))
}
