//! One number for all labellings of one stereoisomer.
//!
//! Ranks by constitution are refined together with the signs of units and double bonds, counted relative to the ranks of
//! what stands around them: a sign counts as soon as those differ, so that centres which differ by the configuration of
//! their branches alone are found too. Where two equal ways around a ring meet at a unit, one of them is marked; the
//! least number over both choices is taken.

use super::graph::mix;
use super::{Held, Stereo, Unit};

/// Rounds of refinement.
const ROUNDS: usize = 32;
/// Marks set one after the other, at most.
const MARKS: usize = 4;

impl Stereo {
    /// The number of the stereoisomer with these signs.
    pub(super) fn signature(&self, signs: &[i8]) -> u64 {
        self.least(self.graph.ranks.clone(), signs, 0)
    }

    /// Ranks by constitution and configuration.
    pub(super) fn refined(&self, mut ranks: Vec<u64>, signs: &[i8]) -> Vec<u64> {
        let (of_units, of_held) = signs.split_at(self.units.len());
        for _ in 0..ROUNDS.min(ranks.len()) {
            let mut more = vec![0; ranks.len()];
            for (unit, sign) in self.units.iter().zip(of_units) {
                more[unit.atom] = unit.parity(&ranks).map_or(0, |parity| code(parity * sign));
            }
            for (held, sign) in self.held.iter().zip(of_held) {
                let code = held.parity(&ranks).map_or(0, |parity| code(parity * sign));
                held.ends.iter().for_each(|&end| more[end] = mix(more[end], code));
            }
            ranks = self.graph.refined(&ranks, |i| more[i]);
        }
        ranks
    }

    fn least(&self, ranks: Vec<u64>, signs: &[i8], marks: usize) -> u64 {
        let ranks = self.refined(ranks, signs);
        let open: Vec<(u64, [usize; 2])> = self.units.iter().filter_map(|unit| self.open(unit, &ranks)).collect();
        let Some(first) = open.iter().map(|(rank, _)| *rank).min().filter(|_| marks < MARKS) else {
            return ranks.iter().fold(0, |sum, &rank| sum.wrapping_add(mix(2, rank)));
        };
        let ways = open.iter().filter(|(rank, _)| *rank == first).flat_map(|(_, pair)| pair);
        let marked = ways.map(|&i| {
            let mut ranks = ranks.clone();
            ranks[i] = mix(ranks[i], 3);
            self.least(ranks, signs, marks + 1)
        });
        marked.min().unwrap_or_default()
    }

    /// A unit with two different neighbours and two equal ones that meet again in a ring: its rank and those two.
    fn open(&self, unit: &Unit, ranks: &[u64]) -> Option<(u64, [usize; 2])> {
        let around = &unit.neighbours;
        let pairs = || (0..around.len()).flat_map(|a| (0..a).map(move |b| [around[a], around[b]]));
        let mut equal = pairs().filter(|[a, b]| ranks[*a] == ranks[*b]);
        let pair = equal.next().filter(|_| around.len() == 4 && equal.next().is_none())?;
        let ring = self.graph.branch(pair[0], unit.atom).binary_search(&pair[1]).is_ok();
        ring.then_some((ranks[unit.atom], pair))
    }
}

fn code(sign: i8) -> u64 {
    match sign {
        1 => 11,
        -1 => 12,
        _ => 13,
    }
}

impl Unit {
    /// Sign of the permutation that sorts the neighbours by rank; `None` where two are equal.
    fn parity(&self, ranks: &[u64]) -> Option<i8> {
        let mut parity = 1;
        for (k, &a) in self.neighbours.iter().enumerate() {
            for &b in &self.neighbours[..k] {
                match ranks[a].cmp(&ranks[b]) {
                    std::cmp::Ordering::Less => parity = -parity,
                    std::cmp::Ordering::Equal => return None,
                    std::cmp::Ordering::Greater => {}
                }
            }
        }
        Some(parity)
    }
}

impl Held {
    /// -1 for every end whose neighbour of the higher rank is not its first one; `None` where two are equal.
    fn parity(&self, ranks: &[u64]) -> Option<i8> {
        self.others.iter().try_fold(1, |parity, others| match others[..] {
            [a, b] if ranks[a] == ranks[b] => None,
            [a, b] if ranks[b] > ranks[a] => Some(-parity),
            _ => Some(parity),
        })
    }
}
