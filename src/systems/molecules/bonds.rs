//! Which harmonic terms of a force field are bonds. Urey-Bradley terms (between the ends of an angle) and restraints have
//! the same form, and often stand in the same force.

use std::collections::{BTreeMap, BTreeSet};

use crate::energy::forcefield::ForceField;
use crate::energy::forcefield::params::Bond;
use crate::systems::elements;

/// A bond may be longer than the sum of its covalent radii by this much, nm. 1-3 distances exceed it by far more; those
/// of the heaviest elements (I-C-I: 0.35 against 0.278 nm) still do.
const LONGER: f64 = 0.04;
/// ... and as short as this share of the sum (triple bonds: 0.79).
const SHORTEST: f64 = 0.6;
/// A term weaker than this share of the median bond is a restraint.
const WEAKEST: f64 = 0.05;

/// The bonds of a molecule, sorted, with their rest lengths (nm).
pub(super) fn bonds(field: &ForceField, symbols: &[&str]) -> (Vec<[usize; 2]>, Vec<f64>) {
    let ends: BTreeSet<[usize; 2]> = field.angles.iter().map(|a| sorted([a.atoms[0], a.atoms[2]])).collect();
    let fits = |bond: &&Bond| {
        let [a, b] = bond.atoms.map(|i| elements::radius(symbols[i]));
        match a.zip(b) {
            Some((a, b)) => (SHORTEST * (a + b)..=a + b + LONGER).contains(&bond.r0),
            // Beads have no radii.
            None => !ends.contains(&sorted(bond.atoms)),
        }
    };
    let mut found: Vec<&Bond> = field.bonds.iter().filter(|b| b.k > 0.0).filter(fits).collect();
    found.sort_by(|a, b| a.k.total_cmp(&b.k));
    let least = found.get(found.len() / 2).map_or(0.0, |median| WEAKEST * median.k);
    // The stiffest term of a pair comes last and stays.
    let found = found.into_iter().filter(|b| b.k >= least).map(|b| (sorted(b.atoms), b.r0));
    found.collect::<BTreeMap<_, _>>().into_iter().unzip()
}

fn sorted([a, b]: [usize; 2]) -> [usize; 2] {
    [a.min(b), a.max(b)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::forcefield::params::Angle;

    fn field(terms: &[([usize; 2], f64, f64)], angles: &[[usize; 3]]) -> ForceField {
        ForceField {
            bonds: terms.iter().map(|&(atoms, r0, k)| Bond { atoms, k, r0 }).collect(),
            angles: angles.iter().map(|&atoms| Angle { atoms, k: 1.0, theta0: 1.0 }).collect(),
            ..ForceField::default()
        }
    }

    /// Rigid water has a term between its hydrogens; its oxygen may be tied to another one, or to a fixed length.
    #[test]
    fn terms_that_are_no_bonds() {
        let water = [([1, 0], 0.0957, 4e5), ([0, 2], 0.0957, 4e5), ([1, 2], 0.151_4, 4e5), ([0, 3], 0.3, 4e5)];
        let (found, rest) = bonds(&field(&water, &[]), &["O", "H", "H", "O"]);
        assert_eq!((found, rest), (vec![[0, 1], [0, 2]], vec![0.0957; 2]));
        // Carbons of a three-membered ring are bonded, though ends of an angle.
        let ring = [([0, 1], 0.15, 3e5), ([1, 2], 0.15, 3e5), ([0, 2], 0.15, 3e5)];
        assert_eq!(bonds(&field(&ring, &[[0, 1, 2]]), &["C"; 3]).0.len(), 3);
        // Of the length of a bond, but weak; of no length; without strength.
        let weak =
            [([0, 1], 0.15, 3e5), ([1, 2], 0.15, 3e5), ([2, 3], 0.15, 1e3), ([0, 3], 0.0, 3e5), ([0, 2], 0.15, 0.0)];
        assert_eq!(bonds(&field(&weak, &[]), &["C"; 4]).0, [[0, 1], [1, 2]]);
    }

    /// Carbon tetraiodide in a field with Urey-Bradley terms, and beads.
    #[test]
    fn heavy_atoms_and_beads() {
        let iodide = [([0, 1], 0.215, 2e5), ([0, 2], 0.215, 2e5), ([1, 2], 0.35, 2e4)];
        assert_eq!(bonds(&field(&iodide, &[[1, 0, 2]]), &["C", "I", "I"]).0, [[0, 1], [0, 2]]);
        let beads = [([0, 1], 0.47, 1_250.0), ([1, 2], 0.47, 1_250.0), ([0, 2], 0.8, 1_000.0)];
        assert_eq!(bonds(&field(&beads, &[[0, 1, 2]]), &["", "", ""]).0, [[0, 1], [1, 2]]);
    }
}
