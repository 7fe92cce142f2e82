//! Exact assignment for small square costs (13 particles), with buffers that are reused from pair to pair.

/// Shortest-augmenting-path solver (Hungarian method, O(n^3)). One per thread.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    n: usize,
    row_price: Vec<f64>,
    column_price: Vec<f64>,
    /// Row that owns each column; `n` where free. The last entry is a virtual column for the row being placed.
    owner: Vec<usize>,
    slack: Vec<f64>,
    previous: Vec<usize>,
    done: Vec<bool>,
    column_of: Vec<usize>,
}

impl Assignment {
    /// Buffers for `n` rows and columns.
    pub(super) fn new(n: usize) -> Self {
        Self {
            n,
            row_price: vec![0.0; n],
            column_price: vec![0.0; n + 1],
            owner: vec![n; n + 1],
            slack: vec![0.0; n],
            previous: vec![n; n],
            done: vec![false; n],
            column_of: vec![0; n],
        }
    }

    /// Column of each row that minimises the total of `cost [n, n]`. Entries must be finite: with others it is some
    /// permutation, not the best.
    pub(super) fn solve(&mut self, cost: &[f64]) -> &[usize] {
        let n = self.n;
        debug_assert_eq!(cost.len(), n * n);
        self.owner.fill(n);
        // Start: cheapest entry of each column as its price, then the cheapest rest of each row, matched where still
        // free. That is dual feasible and saves most searches.
        self.column_price.fill(f64::INFINITY);
        for row in cost.chunks_exact(n.max(1)) {
            for (price, &c) in self.column_price.iter_mut().zip(row) {
                *price = price.min(c);
            }
        }
        self.column_price[n] = 0.0;
        for row in 0..n {
            let (mut best, mut least) = (0, f64::INFINITY);
            for (j, &c) in cost[row * n..(row + 1) * n].iter().enumerate() {
                if c - self.column_price[j] < least {
                    (best, least) = (j, c - self.column_price[j]);
                }
            }
            self.row_price[row] = least;
            if self.owner[best] == n {
                self.owner[best] = row;
                self.column_of[row] = best;
            } else {
                self.column_of[row] = n;
            }
        }
        for row in 0..n {
            if self.column_of[row] == n {
                self.place(row, cost);
                for column in 0..n {
                    if self.owner[column] < n {
                        self.column_of[self.owner[column]] = column;
                    }
                }
            }
        }
        &self.column_of
    }

    /// Finds the cheapest augmenting path from `row` to a free column and flips it.
    fn place(&mut self, row: usize, cost: &[f64]) {
        let n = self.n;
        self.slack.fill(f64::INFINITY);
        self.done.fill(false);
        self.owner[n] = row;
        let mut column = n;
        while self.owner[column] < n {
            if column < n {
                self.done[column] = true;
            }
            let current = self.owner[column];
            let (mut least, mut next) = (f64::INFINITY, n);
            for (j, &c) in cost[current * n..(current + 1) * n].iter().enumerate() {
                if self.done[j] {
                    continue;
                }
                let reduced = c - self.row_price[current] - self.column_price[j];
                if reduced < self.slack[j] {
                    self.slack[j] = reduced;
                    self.previous[j] = column;
                }
                if self.slack[j] < least {
                    (least, next) = (self.slack[j], j);
                }
            }
            if next == n {
                // Only with non-finite costs, where nothing is least: any column still open ends the search.
                next = (0..n).find(|&j| !self.done[j]).unwrap_or(0);
                self.previous[next] = column;
                least = 0.0;
            }
            self.row_price[row] += least;
            for j in 0..n {
                if self.done[j] {
                    self.row_price[self.owner[j]] += least;
                    self.column_price[j] -= least;
                } else {
                    self.slack[j] -= least;
                }
            }
            column = next;
        }
        while column < n {
            let before = self.previous[column];
            self.owner[column] = self.owner[before];
            column = before;
        }
        self.owner[n] = n;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn total(cost: &[f64], n: usize, columns: &[usize]) -> f64 {
        columns.iter().enumerate().map(|(i, &j)| cost[i * n + j]).sum()
    }

    /// Least total of the rows from `row` on, over all ways to give them the columns that are not `taken`.
    pub(in crate::metrics) fn brute_force(cost: &[f64], n: usize, row: usize, taken: u32) -> f64 {
        if row == n {
            return 0.0;
        }
        let free = (0..n).filter(|j| taken >> j & 1 == 0);
        let total = |j: usize| cost[row * n + j] + brute_force(cost, n, row + 1, taken | 1 << j);
        free.map(total).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn ends_on_non_finite_costs() {
        for bad in [f64::NAN, f64::INFINITY] {
            let mut columns = Assignment::new(3).solve(&[bad; 9]).to_vec();
            columns.sort_unstable();
            assert_eq!(columns, [0, 1, 2]);
        }
    }

    #[test]
    fn equals_brute_force() {
        for n in 1..=7 {
            let mut solver = Assignment::new(n);
            for case in 0..60 {
                let mut draws = Stream::new(n as u64, Purpose::Evaluation, case).at(0);
                // Every third case has ties.
                let cost: Vec<f64> = (0..n * n)
                    .map(|_| if case % 3 == 0 { draws.below(4) as f64 } else { draws.uniform() - 0.3 })
                    .collect();
                let columns = solver.solve(&cost).to_vec();
                let mut sorted = columns.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..n).collect::<Vec<_>>());
                assert!((total(&cost, n, &columns) - brute_force(&cost, n, 0, 0)).abs() < 1e-12);
            }
        }
    }
}
