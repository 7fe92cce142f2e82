//! Proof that a transport plan is optimal: prices that no pair undercuts and that the plan's cost equals.
//!
//! For any prices `v` of columns, `u_i = min_j c_ij - v_j` over all columns makes `sum a_i u_i + sum b_j v_j` a lower bound of
//! every plan's cost. The plan's cost less this bound is the sum of `flow_ij (c_ij - u_i - v_j)`, whose terms are not
//! negative, so that it is computed without cancellation. No step of the solver is trusted here.

use rayon::prelude::*;

use super::costs::Costs;
use super::flows::Flows;
use super::scan::{Scan, least};
use crate::error::{Error, Result};
use crate::stop;

/// Cost of a plan, and by how much at most it exceeds the least.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proven {
    /// Sum of mass times cost.
    pub cost: f64,
    /// Sum of mass times size of the cost: the same unless costs are negative.
    pub size: f64,
    /// Cost less the lower bound.
    pub gap: f64,
}

/// Gap, relative to the size of the cost, up to which a plan counts as optimal.
const TOLERANCE: f64 = 1e-12;

impl Proven {
    /// Whether no plan is cheaper.
    pub(super) fn is_optimal(&self) -> bool {
        self.gap <= TOLERANCE * self.size
    }
}

/// Checks a plan against prices `v`, over all pairs.
///
/// # Errors
/// [`Error::Internal`] when the plan does not move the given masses; [`Error::Interrupted`].
pub(super) fn prove<C: Costs>(costs: &C, flows: &Flows, v: &[f64]) -> Result<Proven> {
    let [supply, demand] = costs.masses();
    let (mut sent, mut received) = (vec![0; supply.len()], vec![0; demand.len()]);
    let mut by_row = vec![vec![]; supply.len()];
    for flow in flows.iter() {
        let (i, j) = (flow.row as usize, flow.column as usize);
        sent[i] += flow.mass;
        received[j] += flow.mass;
        by_row[i].push((j, flow.mass as f64));
    }
    if sent != supply || received != demand {
        return Err(Error::Internal("optimal transport: the plan does not move all mass".into()));
    }
    let row = |scan: &mut Scan, i: usize| {
        if stop::requested() {
            return Proven { cost: 0.0, size: 0.0, gap: 0.0 };
        }
        let row = &scan.row(costs, i)[..v.len()];
        let u = least(row, v);
        by_row[i].iter().fold(Proven { cost: 0.0, size: 0.0, gap: 0.0 }, |sum, &(j, mass)| Proven {
            cost: sum.cost + mass * row[j],
            size: sum.size + mass * row[j].abs(),
            gap: sum.gap + mass * ((row[j] - v[j]) - u),
        })
    };
    let rows: Vec<Proven> = (0..supply.len()).into_par_iter().map_init(|| Scan::new(costs), row).collect();
    stop::check()?;
    // One after the other: the sum does not depend on the number of threads.
    Ok(rows.iter().fold(Proven { cost: 0.0, size: 0.0, gap: 0.0 }, |sum, row| Proven {
        cost: sum.cost + row.cost,
        size: sum.size + row.size,
        gap: sum.gap + row.gap,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::costs::Dense;
    use super::*;

    /// Costs 1 on the diagonal, 2 and 3 off it.
    #[test]
    fn worse_plans_and_worse_prices_do_not_pass() {
        let matrix = [1.0, 2.0, 3.0, 1.0];
        let costs = Dense::new(&matrix, [vec![1; 2], vec![1; 2]]);
        let plan = |pairs: [(u32, u32); 2]| {
            let mut flows = Flows::new(2);
            pairs.iter().for_each(|&(i, j)| flows.add(i, j, 1, matrix[(2 * i + j) as usize]));
            flows
        };
        let check = |pairs, v: &[f64]| prove(&costs, &plan(pairs), v);
        let best = check([(0, 0), (1, 1)], &[0.0, 0.0]).unwrap();
        assert!(best.is_optimal() && best.cost == 2.0 && best.gap == 0.0);
        let swapped = check([(0, 1), (1, 0)], &[0.0, 0.0]).unwrap();
        assert!(!swapped.is_optimal() && swapped.cost == 5.0 && swapped.gap == 3.0);
        let priced = check([(0, 0), (1, 1)], &[0.0, 2.5]).unwrap();
        assert!(!priced.is_optimal() && priced.gap == 1.5);
        assert!(check([(0, 0), (1, 0)], &[0.0, 0.0]).is_err(), "a column taken twice");
    }
}
