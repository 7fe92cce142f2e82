//! The bond graph: neighbours, ranks of atoms that do not depend on labels, rings.

use std::collections::VecDeque;

use crate::systems::Topology;

/// Neighbours and ranks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Graph {
    /// Bonded neighbours of every atom, ascending.
    pub(super) neighbours: Vec<Vec<usize>>,
    /// Atoms of one rank have the same surroundings, as far as elements and bonds tell (Weisfeiler and Leman 1968;
    /// Morgan 1965 for molecules). Isotopes are one element.
    pub(super) ranks: Vec<u64>,
}

/// Rounds of refinement: differences further away than this many bonds are not seen.
const ROUNDS: usize = 64;

impl Graph {
    pub(super) fn new(topology: &Topology) -> Self {
        let neighbours = topology.neighbours();
        let symbol = |i: usize| if topology.atoms[i].is_hydrogen() { "H" } else { topology.atoms[i].element.as_str() };
        let first = |i: usize| symbol(i).bytes().fold(neighbours[i].len() as u64, |h, b| mix(h, u64::from(b)));
        let mut out = Self { ranks: (0..topology.atoms.len()).map(first).collect(), neighbours };
        for _ in 0..ROUNDS.min(out.ranks.len()) {
            out.ranks = out.refined(&out.ranks, |_| 0);
        }
        out
    }

    /// Ranks after one more round: from an atom's own rank, what else there is about it, and its neighbours' ranks.
    pub(super) fn refined(&self, ranks: &[u64], more: impl Fn(usize) -> u64) -> Vec<u64> {
        let of = |(i, around): (usize, &Vec<usize>)| {
            let sum = around.iter().fold(0_u64, |sum, &j| sum.wrapping_add(mix(1, ranks[j])));
            mix(mix(ranks[i], more(i)), sum)
        };
        self.neighbours.iter().enumerate().map(of).collect()
    }

    /// Atoms of the smallest ring over the bond `a b`, if there is one.
    pub(super) fn around(&self, a: usize, b: usize) -> Option<usize> {
        let mut distance = vec![usize::MAX; self.neighbours.len()];
        distance[a] = 1;
        let mut queue = VecDeque::from([a]);
        while let Some(i) = queue.pop_front() {
            for &j in &self.neighbours[i] {
                if distance[j] == usize::MAX && !(i == a && j == b) {
                    distance[j] = distance[i] + 1;
                    queue.push_back(j);
                }
            }
        }
        (distance[b] != usize::MAX).then_some(distance[b])
    }

    /// Atoms that are reached from `from` without passing `centre`, ascending.
    pub(super) fn branch(&self, from: usize, centre: usize) -> Vec<usize> {
        let mut seen = vec![false; self.neighbours.len()];
        (seen[from], seen[centre]) = (true, true);
        let mut stack = vec![from];
        while let Some(i) = stack.pop() {
            for &j in &self.neighbours[i] {
                if !std::mem::replace(&mut seen[j], true) {
                    stack.push(j);
                }
            }
        }
        (0..seen.len()).filter(|&i| seen[i] && i != centre).collect()
    }
}

/// A hash of two numbers (the finisher of `SplitMix64`).
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
