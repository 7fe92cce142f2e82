//! Equal groups that changed places. Molecular dynamics never exchanges the two methyl groups of valine, a flow may: it is
//! the same molecule, but whatever goes by labels would take it for another one.

use std::collections::BTreeMap;

use super::{Stereo, Unit, volume};

/// Two equal branches at a unit, atom by atom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Swap {
    unit: Unit,
    /// Sign of the unit in the right configuration.
    sign: i8,
    pairs: Vec<(usize, usize)>,
}

impl Swap {
    /// Exchanges the branches where the unit is the wrong way round.
    pub(super) fn apply(&self, x: &mut [f64]) {
        if volume(x, &self.unit) == -self.sign {
            for &(a, b) in &self.pairs {
                (0..3).for_each(|c| x.swap(3 * a + c, 3 * b + c));
            }
        }
    }
}

/// What can be exchanged, large branches first, because theirs may hold others. Single atoms are left alone: methyl groups
/// turn, and no metric goes by the labels of single hydrogens.
pub(super) fn swaps(stereo: &Stereo) -> Vec<Swap> {
    let ranks = stereo.refined(stereo.graph.ranks.clone(), &stereo.right);
    let mut out: Vec<Swap> = Vec::new();
    for (unit, &sign) in stereo.units.iter().zip(&stereo.right) {
        let around = &unit.neighbours;
        let equal = (0..around.len()).flat_map(|a| (0..a).map(move |b| (around[b], around[a])));
        let equal = equal.filter(|&(a, b)| ranks[a] == ranks[b]);
        let pairs = equal.filter_map(|(a, b)| matched(stereo, &ranks, unit.atom, a, b)).find(|pairs| pairs.len() > 1);
        out.extend(pairs.filter(|_| sign != 0).map(|pairs| Swap { unit: unit.clone(), sign, pairs }));
    }
    out.sort_by_key(|swap| std::cmp::Reverse(swap.pairs.len()));
    out
}

/// The atoms of the branch of `a` with those of the branch of `b`; `None` where both are one, in a ring.
fn matched(stereo: &Stereo, ranks: &[u64], centre: usize, a: usize, b: usize) -> Option<Vec<(usize, usize)>> {
    let graph = &stereo.graph;
    if graph.branch(a, centre).binary_search(&b).is_ok() {
        return None;
    }
    let mut partner = BTreeMap::from([(a, b)]);
    let mut stack = vec![(a, b)];
    while let Some((i, j)) = stack.pop() {
        let further = |of: usize| {
            let mut found: Vec<usize> = graph.neighbours[of].iter().copied().filter(|&k| k != centre).collect();
            found.sort_by_key(|&k| (ranks[k], k));
            found
        };
        for (k, l) in further(i).into_iter().zip(further(j)) {
            if let std::collections::btree_map::Entry::Vacant(place) = partner.entry(k) {
                place.insert(l);
                stack.push((k, l));
            }
        }
    }
    // Bonds have to go over into bonds.
    let kept = partner.iter().all(|(&i, &j)| {
        let mut bonded = graph.neighbours[i].iter().filter(|&&k| k != centre);
        bonded.all(|k| partner.get(k).is_some_and(|l| graph.neighbours[j].contains(l)))
    });
    kept.then(|| partner.into_iter().collect())
}
