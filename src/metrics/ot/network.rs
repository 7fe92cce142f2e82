//! Transport by shortest augmenting paths (Tomizawa 1971; Jonker and Volgenant 1987), without ever holding all edges.
//!
//! Prices `u` of rows and `v` of columns keep `u_i + v_j <= c_ij` for **all** pairs, with equality where mass flows.
//! Dijkstra's search from a row with mass left runs over a short list of each row's best columns. The list also has a
//! lower bound for all columns that are not in it. Prices of columns only fall, so the bound stays true; when a search
//! comes to need what lies beyond it, the row comes back in the queue and looks through all columns that the search is
//! not done with. So the searches are exact, though most edges are never looked at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::costs::Costs;
use super::flows::{Flows, NONE};
use super::scan::{Candidate, Prices, Scan};
use crate::error::Result;
use crate::stop;

/// Columns in a list (twice as many at most).
const COUNT: usize = 24;
/// A list that reaches less than this share of what it reached at first is made anew.
const STALE: f64 = 0.25;
/// Beyond its list, a row looks this many times as far as before.
const STEP: f64 = 16.0;

/// Best columns of a row.
struct List {
    /// By rising [`Candidate::floor`].
    best: Vec<Candidate>,
    /// Lower bound of cost less price of all other columns.
    beyond: f64,
    /// How far above the row's price `beyond` was at first.
    reach: f64,
    /// Number of the search that made it.
    made: u64,
}

/// A transport problem half-way solved.
pub(super) struct Network<'a, C> {
    costs: &'a C,
    /// Prices of rows.
    pub u: Vec<f64>,
    /// Prices of columns.
    pub v: Prices,
    /// The same, and `-inf` for columns that the search is done with.
    open: Prices,
    /// Mass that no column has taken yet.
    supply: Vec<u64>,
    /// Mass that no row has brought yet.
    demand: Vec<u64>,
    lists: Vec<List>,
    /// Mass that moves.
    pub flows: Flows,
    scan: Scan,
    search: Search,
}

/// State of one search; the vectors are reset where it went when it is over.
#[derive(Default)]
struct Search {
    /// Nearest first: `(bits of the distance, column or columns + row)`. Bits of positive numbers, with zero made
    /// positive by `+ 0.0`, are in their order.
    queue: BinaryHeap<Reverse<(u64, u32)>>,
    /// Of columns: length of the shortest path found yet.
    distance: Vec<f64>,
    /// Of columns: last row of that path.
    from: Vec<u32>,
    /// Of rows that the search reached: the flow that it came back along; [`NONE`] otherwise.
    via: Vec<u32>,
    seen_columns: Vec<u32>,
    done_columns: Vec<u32>,
    /// Rows, with their distances.
    rows: Vec<(u32, f64)>,
    /// Searches so far.
    number: u64,
    /// The nearest column with demand, and its distance.
    target: (u32, f64),
}

impl<'a, C: Costs> Network<'a, C> {
    /// Starts from prices `v` of columns; every row gets the best price that they allow.
    pub(super) fn new(costs: &'a C, v: Vec<f64>) -> Self {
        let ([rows, columns], [supply, demand]) = (costs.shape(), costs.masses());
        let v = Prices::new(v);
        let make = |scan: &mut Scan, i| {
            if stop::requested() {
                return (0.0, List { best: vec![], beyond: 0.0, reach: 0.0, made: 0 });
            }
            let beyond = scan.best(costs, i, &v, COUNT);
            let (found, price) = (scan.found(), scan.found()[0].0);
            (price, List { best: found.iter().map(Candidate::new).collect(), beyond, reach: beyond - price, made: 0 })
        };
        let (u, lists) = (0..rows).into_par_iter().map_init(|| Scan::new(costs), make).unzip();
        let search = Search {
            distance: vec![f64::INFINITY; columns],
            from: vec![NONE; columns],
            via: vec![NONE; rows],
            target: (NONE, f64::INFINITY),
            ..Search::default()
        };
        Self {
            costs,
            u,
            open: v.clone(),
            v,
            supply: supply.to_vec(),
            demand: demand.to_vec(),
            lists,
            flows: Flows::new(columns),
            scan: Scan::new(costs),
            search,
        }
    }

    /// Moves all mass that is left.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::error::Error::Interrupted).
    pub(super) fn solve(mut self) -> Result<Self> {
        stop::check()?;
        for i in 0..self.supply.len() {
            self.take_best(i);
        }
        for i in 0..self.supply.len() {
            while self.supply[i] > 0 {
                stop::check()?;
                self.augment(i);
            }
        }
        Ok(self)
    }

    /// Sends what it can along the edges of row `i` without slack.
    fn take_best(&mut self, i: usize) {
        for c in &self.lists[i].best {
            let j = c.column as usize;
            if self.supply[i] == 0 || c.cost - self.v.get(j) > self.u[i] {
                break;
            }
            let mass = self.supply[i].min(self.demand[j]);
            if mass > 0 {
                self.flows.add(i as u32, c.column, mass, c.cost);
                self.supply[i] -= mass;
                self.demand[j] -= mass;
            }
        }
    }

    /// Sends mass of row `source` along the shortest path to a column with demand, and moves the prices.
    fn augment(&mut self, source: usize) {
        self.search.number += 1;
        self.search.rows.push((source as u32, 0.0));
        self.relax(source, 0.0);
        while let Some(Reverse((bits, node))) = self.search.queue.pop() {
            let d = f64::from_bits(bits);
            if d >= self.search.target.1 {
                break;
            }
            let columns = self.search.distance.len();
            if node as usize >= columns {
                let i = node as usize - columns;
                let column = || self.flows.at(self.search.via[i]).column as usize;
                let at = if i == source { 0.0 } else { self.search.distance[column()] };
                self.reach_on(i, at, d);
            } else if d == self.search.distance[node as usize] {
                self.search.done_columns.push(node);
                self.open.set(node as usize, f64::NEG_INFINITY);
                let mut flow = self.flows.first(node as usize);
                while flow != NONE {
                    let i = self.flows.at(flow).row as usize;
                    if self.search.via[i] == NONE && i != source {
                        self.search.via[i] = flow;
                        self.search.rows.push((i as u32, d));
                        self.relax(i, d);
                    }
                    flow = self.flows.at(flow).next;
                }
            }
        }
        self.move_prices(source);
        self.move_mass(source);
        self.clear();
    }

    /// Looks at the columns in the list of row `i`, which is at distance `at`.
    fn relax(&mut self, i: usize, at: f64) {
        let base = at - self.u[i];
        let List { best, beyond, .. } = &self.lists[i];
        for c in best {
            if base + f64::from(c.floor) >= self.search.target.1 {
                return;
            }
            let d = base + (c.cost - self.open.get(c.column as usize));
            self.search.found(i, c.column, d.max(at), &self.demand);
        }
        self.search.come_back(i, (base + beyond).max(at));
    }

    /// Looks at the columns of row `i`, which is at distance `at`, that may be farther than `reached`.
    fn reach_on(&mut self, i: usize, at: f64, reached: f64) {
        let list = &self.lists[i];
        if list.beyond - self.u[i] < STALE * list.reach && list.made != self.search.number {
            self.list_anew(i);
            return self.relax(i, at);
        }
        // Most columns near by are done, as a rule, and cost nothing: a wide step.
        let step = STEP * list.reach.max(reached - at);
        let limit = if reached + step > reached { reached + step } else { f64::INFINITY };
        let limit = limit.min(self.search.target.1);
        let base = at - self.u[i];
        self.scan.below(self.costs, i, &self.open, limit - base);
        for &(reduced, _, column) in self.scan.found() {
            self.search.found(i, column, (base + reduced).max(at), &self.demand);
        }
        self.search.come_back(i, limit);
    }

    /// A new list for row `i`, whose prices have moved on: as far as the old one reached at first.
    fn list_anew(&mut self, i: usize) {
        let list = &mut self.lists[i];
        list.made = self.search.number;
        list.beyond = self.u[i] + list.reach;
        if list.beyond > self.u[i] {
            self.scan.below(self.costs, i, &self.v, list.beyond);
        } else {
            // Equal costs are all that it saw.
            list.beyond = self.scan.best(self.costs, i, &self.v, COUNT);
            list.reach = list.beyond - self.u[i];
        }
        let mut found = self.scan.sort();
        if found.len() > 2 * COUNT {
            list.beyond = found[COUNT].0;
            list.reach = list.beyond - self.u[i];
            found = &found[..COUNT];
        } else if found.len() < COUNT / 2 {
            list.reach *= 1.5;
        }
        list.best.clear();
        list.best.extend(found.iter().map(Candidate::new));
    }

    /// Prices after a search: no slack on the path found, none below zero anywhere.
    fn move_prices(&mut self, source: usize) {
        let length = self.search.target.1;
        for &j in &self.search.done_columns {
            let j = j as usize;
            let price = self.v.get(j) - (length - self.search.distance[j]);
            self.v.set(j, price);
            self.open.set(j, price);
        }
        for &(i, d) in &self.search.rows {
            let i = i as usize;
            // From the flow that led here, so that rounding does not add up.
            self.u[i] = if i == source {
                self.u[i] + (length - d)
            } else {
                let flow = self.flows.at(self.search.via[i]);
                flow.cost - self.v.get(flow.column as usize)
            };
        }
    }

    /// Mass along the path found: as much as fits.
    fn move_mass(&mut self, source: usize) {
        let target = self.search.target.0 as usize;
        let mut mass = self.supply[source].min(self.demand[target]);
        let mut i = self.search.from[target] as usize;
        while i != source {
            let back = self.flows.at(self.search.via[i]);
            mass = mass.min(back.mass);
            i = self.search.from[back.column as usize] as usize;
        }
        self.supply[source] -= mass;
        self.demand[target] -= mass;
        let mut j = target;
        loop {
            let i = self.search.from[j] as usize;
            let cost = self.cost(i, j);
            if i == source {
                self.flows.add(i as u32, j as u32, mass, cost);
                return;
            }
            let back = self.search.via[i];
            let next = self.flows.at(back).column as usize;
            self.flows.take(back, mass);
            self.flows.add(i as u32, j as u32, mass, cost);
            j = next;
        }
    }

    /// Cost of an edge that the search used.
    fn cost(&self, i: usize, j: usize) -> f64 {
        let listed = self.lists[i].best.iter().find(|c| c.column as usize == j);
        listed.map_or_else(|| self.costs.cost(i, j), |c| c.cost)
    }

    fn clear(&mut self) {
        let search = &mut self.search;
        for j in search.seen_columns.drain(..) {
            search.distance[j as usize] = f64::INFINITY;
        }
        for (i, _) in search.rows.drain(..) {
            search.via[i as usize] = NONE;
        }
        search.done_columns.clear();
        search.queue.clear();
        search.target = (NONE, f64::INFINITY);
    }
}

impl Search {
    /// A path of length `d` to `column` by way of row `i`.
    fn found(&mut self, i: usize, column: u32, d: f64, demand: &[u64]) {
        let (j, d) = (column as usize, d + 0.0);
        if d < self.distance[j] && d < self.target.1 {
            if self.distance[j] == f64::INFINITY {
                self.seen_columns.push(column);
            }
            self.distance[j] = d;
            self.from[j] = i as u32;
            if demand[j] > 0 {
                self.target = (column, d);
            } else {
                self.queue.push(Reverse((d.to_bits(), column)));
            }
        }
    }

    /// Row `i` may lead to more columns, but none nearer than `d`.
    fn come_back(&mut self, i: usize, d: f64) {
        if d < self.target.1 {
            self.queue.push(Reverse(((d + 0.0).to_bits(), (self.distance.len() + i) as u32)));
        }
    }
}
