//! Stereochemistry from the bond graph: which atoms and double bonds have two configurations, and whether a frame is the
//! molecule, its mirror image or another isomer, however its equal groups are labelled.
//!
//! | file | job |
//! |---|---|
//! | `graph` | neighbours, ranks of atoms by constitution, rings |
//! | `signature` | one number per stereoisomer |
//! | `relabel` | equal groups back in the places that the right configuration has them in |
//!
//! Tetrahedral units are atoms with four bonds, and sulphur, phosphorus, selenium and arsenic with three (nitrogen with three
//! inverts).
//! Double bonds are held where C=C, C=N or N=N is as short as a double bond and not in a small ring; peptide bonds are
//! longer and stay free; triple bonds and the ends of cumulated ones (allenes, azides) are straight and have no sides.
//! Axial chirality (allenes, hindered biaryls) is not looked for.

mod graph;
mod relabel;
mod signature;

use std::collections::HashMap;

use self::graph::Graph;
use self::relabel::Swap;
use crate::geometry::{cross, dot, minus, norm};
use crate::systems::Topology;

/// Longest double bonds by elements, nm. Aromatic bonds (0.139 and more) and peptide bonds (C-N 0.133) are longer.
const DOUBLE: [(&str, &str, f64); 3] = [("C", "C", 0.138_5), ("C", "N", 0.131_5), ("N", "N", 0.128_5)];
/// An end whose one other neighbour stands straighter than this has no sides: cosine of the angle.
const STRAIGHT: f64 = -0.866;
/// Rings up to this many atoms have cis double bonds alone.
const SMALL_RING: usize = 7;

/// Handedness of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// The molecule.
    Right,
    /// Its mirror image.
    Mirror,
    /// Another stereoisomer, or a flat centre: no reflection helps.
    Mixed,
}

/// An atom whose neighbours stand around it in one of two ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The atom in the middle.
    pub atom: usize,
    /// Its three or four neighbours, ascending.
    pub neighbours: Vec<usize>,
}

/// A double bond with something on either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The bonded atoms.
    pub ends: [usize; 2],
    /// One or two neighbours of each, ascending.
    pub others: [Vec<usize>; 2],
}

/// The stereochemistry of a molecule, as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Stereo {
    graph: Graph,
    units: Vec<Unit>,
    held: Vec<Held>,
    /// Signs of units, then of double bonds, in the right configuration.
    right: Vec<i8>,
    /// Units and double bonds whose other configuration is another molecule, by their place among the signs.
    real: Vec<usize>,
    /// Signs that can matter.
    watched: Vec<bool>,
    signature: u64,
    swaps: Vec<Swap>,
    /// Stereocentres, with the sign of every three neighbours as seen from the atom.
    seen_from: Vec<(Unit, Vec<i8>)>,
}

impl Stereo {
    /// Of a molecule that is right in the configuration `right [atoms, 3]`, nm.
    #[must_use]
    pub fn new(topology: &Topology, right: &[f64]) -> Self {
        let graph = Graph::new(topology);
        let element = |i: usize| topology.atoms[i].element.as_str();
        let tetrahedral = |i: &usize| match graph.neighbours[*i].len() {
            4 => true,
            3 => ["S", "P", "Se", "As"].contains(&element(*i)),
            _ => false,
        };
        let units = (0..topology.atoms.len()).filter(tetrahedral);
        let units: Vec<Unit> = units.map(|atom| Unit { atom, neighbours: graph.neighbours[atom].clone() }).collect();
        let held = held(topology, &graph, right);
        // Two equal neighbours without neighbours of their own never become different.
        let leaves = |unit: &Unit| {
            let leaf = |&&i: &&usize| graph.neighbours[i].len() == 1;
            let mut ranks: Vec<u64> = unit.neighbours.iter().filter(leaf).map(|&i| graph.ranks[i]).collect();
            ranks.sort_unstable();
            ranks.windows(2).any(|pair| pair[0] == pair[1])
        };
        let watched = units.iter().map(|unit| !leaves(unit)).chain(held.iter().map(|_| true)).collect();
        let mut out = Self {
            graph,
            units,
            held,
            right: Vec::new(),
            real: Vec::new(),
            watched,
            signature: 0,
            swaps: Vec::new(),
            seen_from: Vec::new(),
        };
        out.right = out.signs(right);
        out.signature = out.signature(&out.right);
        let matters = |&k: &usize| {
            let mut other = out.right.clone();
            other[k] = if other[k] == 0 { 1 } else { -other[k] };
            out.watched[k] && out.signature(&other) != out.signature
        };
        out.real = (0..out.right.len()).filter(matters).collect();
        out.swaps = relabel::swaps(&out);
        let centres = out.real.iter().filter_map(|&k| out.units.get(k)).cloned();
        out.seen_from = centres.map(|unit| (unit.clone(), threes(right, &unit))).collect();
        out
    }

    /// All atoms whose neighbours stand in one of two ways, most of which are no stereocentres.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// All double bonds that do not turn.
    #[must_use]
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// The stereocentres, ascending.
    #[must_use]
    pub fn centres(&self) -> Vec<usize> {
        self.real.iter().filter_map(|&k| self.units.get(k)).map(|unit| unit.atom).collect()
    }

    /// Whether the other arrangement around this atom is another molecule.
    #[must_use]
    pub fn is_centre(&self, atom: usize) -> bool {
        self.real.iter().filter_map(|&k| self.units.get(k)).any(|unit| unit.atom == atom)
    }

    /// Whether some other arrangement of the same bonds is another molecule.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.real.is_empty()
    }

    /// Handedness of a frame `x [atoms, 3]`; see [`Stereo::judge`] for many.
    #[must_use]
    pub fn hand(&self, x: &[f64]) -> Hand {
        self.judge().hand(x)
    }

    /// Whether a frame `x [atoms, 3]` with labels as in the right configuration is it beyond doubt: around every stereocentre
    /// any three neighbours stand as they should, not only all four together.
    #[must_use]
    pub fn beyond_doubt(&self, x: &[f64]) -> bool {
        self.seen_from.iter().all(|(unit, signs)| threes(x, unit) == *signs) && self.hand(x) == Hand::Right
    }

    /// Judges frames, and remembers what it has seen.
    #[must_use]
    pub fn judge(&self) -> Judge<'_> {
        Judge { stereo: self, seen: HashMap::new() }
    }

    /// Signs of what can matter in `x [atoms, 3]`: of volumes, and cis (1) or trans (-1). Others count as right.
    fn signs(&self, x: &[f64]) -> Vec<i8> {
        let units = self.units.iter().map(|unit| volume(x, unit));
        let held = self.held.iter().map(|held| side(x, held));
        let all = units.chain(held).zip(&self.watched).enumerate();
        all.map(|(k, (sign, watched))| if *watched { sign } else { self.right.get(k).copied().unwrap_or(sign) })
            .collect()
    }

    /// Puts equal groups of `x [atoms, 3]` back in their places, so that labels mean the same in all frames.
    pub fn relabel(&self, x: &mut [f64]) {
        for swap in &self.swaps {
            swap.apply(x);
        }
    }
}

/// Tells frames apart.
pub struct Judge<'a> {
    stereo: &'a Stereo,
    seen: HashMap<Vec<i8>, Hand>,
}

impl Judge<'_> {
    /// Handedness of a frame `x [atoms, 3]`.
    pub fn hand(&mut self, x: &[f64]) -> Hand {
        let stereo = self.stereo;
        if !stereo.any() {
            return Hand::Right;
        }
        let signs = stereo.signs(x);
        if signs == stereo.right {
            return Hand::Right;
        }
        *self.seen.entry(signs).or_insert_with_key(|signs| {
            if stereo.signature(signs) == stereo.signature {
                return Hand::Right;
            }
            let units = stereo.units.len();
            let mirrored: Vec<i8> = signs.iter().enumerate().map(|(k, s)| if k < units { -s } else { *s }).collect();
            if stereo.signature(&mirrored) == stereo.signature { Hand::Mirror } else { Hand::Mixed }
        })
    }
}

fn held(topology: &Topology, graph: &Graph, right: &[f64]) -> Vec<Held> {
    let length = |k: usize| {
        let [a, b] = topology.bonds[k];
        topology.rest.get(k).copied().unwrap_or_else(|| norm(minus(at(right, a), at(right, b))))
    };
    let double = |&k: &usize| {
        let mut symbols = topology.bonds[k].map(|i| topology.atoms[i].element.as_str());
        symbols.sort_unstable();
        DOUBLE.iter().any(|&(a, b, longest)| symbols == [a, b] && length(k) <= longest)
    };
    let bonds = (0..topology.bonds.len()).filter(double).map(|k| topology.bonds[k]);
    let found = bonds.filter_map(|ends| {
        let [a, b] = ends;
        let others = [(a, b), (b, a)]
            .map(|(of, not)| graph.neighbours[of].iter().copied().filter(|&i| i != not).collect::<Vec<_>>());
        let bent = |k: usize| match others[k][..] {
            [other] => {
                let (to, along) =
                    (minus(at(right, other), at(right, ends[k])), minus(at(right, ends[1 - k]), at(right, ends[k])));
                dot(to, along) > STRAIGHT * norm(to) * norm(along)
            }
            [_, _] => true,
            _ => false,
        };
        let both = bent(0) && bent(1);
        (both && graph.around(a, b).is_none_or(|ring| ring > SMALL_RING)).then_some(Held { ends, others })
    });
    found.collect()
}

fn at(x: &[f64], i: usize) -> [f64; 3] {
    [x[3 * i], x[3 * i + 1], x[3 * i + 2]]
}

fn sign(x: f64) -> i8 {
    i8::from(x > 0.0) - i8::from(x < 0.0)
}

/// Sign of the volume that the neighbours span, with the atom itself where there are three.
fn volume(x: &[f64], unit: &Unit) -> i8 {
    let apex = at(x, unit.neighbours.get(3).copied().unwrap_or(unit.atom));
    let [u, v, w] = [0, 1, 2].map(|k| minus(at(x, unit.neighbours[k]), apex));
    sign(dot(u, cross(v, w)))
}

/// Signs of the volumes of all three neighbours that a fourth is left out of, seen from the atom.
fn threes(x: &[f64], unit: &Unit) -> Vec<i8> {
    let around: Vec<[f64; 3]> = unit.neighbours.iter().map(|&i| minus(at(x, i), at(x, unit.atom))).collect();
    let without = |k: usize| {
        let others: Vec<[f64; 3]> = around.iter().enumerate().filter(|(i, _)| *i != k).map(|(_, v)| *v).collect();
        sign(dot(others[0], cross(others[1], others[2])))
    };
    // With three neighbours there is one way.
    (if around.len() == 4 { 0..4 } else { 3..4 }).map(without).collect()
}

/// 1 where the first neighbours of both ends are on one side, -1 where they are on either.
fn side(x: &[f64], held: &Held) -> i8 {
    let [a, b] = held.ends.map(|i| at(x, i));
    let axis = minus(b, a);
    let [u, v] = [0, 1].map(|k| cross(axis, minus(at(x, held.others[k][0]), [a, b][k])));
    sign(dot(u, v))
}

#[cfg(test)]
mod tests;
