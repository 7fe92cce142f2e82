//! Bond lengths and bond angles, from the bond graph.

use super::name;
use crate::geometry::{cross, dot, minus, norm};
use crate::systems::Topology;
use crate::systems::dihedrals::per_frame;

/// Bonds and bonded angles of a molecule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Internal {
    /// Bonded pairs.
    pub bonds: Vec<[usize; 2]>,
    /// Angles at the second atom, between two of its bonds.
    pub angles: Vec<[usize; 3]>,
}

impl Internal {
    /// All bonds, and all pairs of bonds that share an atom.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        let mut angles = Vec::new();
        for (atom, bonded) in topology.neighbours().iter().enumerate() {
            for (i, &a) in bonded.iter().enumerate() {
                angles.extend(bonded[i + 1..].iter().map(|&b| [a, atom, b]));
            }
        }
        Self { bonds: topology.bonds.clone(), angles }
    }

    /// Lengths `[n, bonds]` in frames `positions [n, atoms, 3]`, in their unit.
    #[must_use]
    pub fn bond_lengths(&self, positions: &[f64], atoms: usize) -> Vec<f64> {
        per_frame(self.bonds.len(), positions, atoms, |x, out| {
            for (length, &[a, b]) in out.iter_mut().zip(&self.bonds) {
                *length = norm(minus(at(x, b), at(x, a)));
            }
        })
    }

    /// Angles `[n, angles]` in frames `positions [n, atoms, 3]`, rad, in [0, pi].
    #[must_use]
    pub fn bond_angles(&self, positions: &[f64], atoms: usize) -> Vec<f64> {
        per_frame(self.angles.len(), positions, atoms, |x, out| {
            for (angle, &[a, centre, b]) in out.iter_mut().zip(&self.angles) {
                let (u, v) = (minus(at(x, a), at(x, centre)), minus(at(x, b), at(x, centre)));
                // Unlike the arc cosine, exact near 0 and pi, and defined when atoms coincide.
                *angle = norm(cross(u, v)).atan2(dot(u, v));
            }
        })
    }

    /// Names of the bonds, such as `ALA2 CA-CB`.
    #[must_use]
    pub fn bond_names(&self, topology: &Topology) -> Vec<String> {
        self.bonds.iter().map(|atoms| name(topology, atoms)).collect()
    }

    /// Names of the angles, such as `ALA2 N-CA-CB`.
    #[must_use]
    pub fn angle_names(&self, topology: &Topology) -> Vec<String> {
        self.angles.iter().map(|atoms| name(topology, atoms)).collect()
    }
}

fn at(x: &[f64], i: usize) -> [f64; 3] {
    [x[3 * i], x[3 * i + 1], x[3 * i + 2]]
}
