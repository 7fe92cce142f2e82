//! What TICA sees of a frame: heavy-atom distances, sines and cosines of backbone dihedrals.

use crate::systems::Topology;
use crate::systems::dihedrals::{Backbone, Dihedral, per_frame, sine_cosine};

/// The features of PITA's public code.
///
/// Distances between all pairs of C, N and S atoms (row by row of the upper triangle, in the unit of the positions), then
/// sin phi, cos phi, sin psi, cos psi, sin omega, cos omega, each a block over residues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    atoms: Vec<usize>,
    dihedrals: [Vec<Dihedral>; 3],
}

impl Features {
    /// The features of a molecule.
    #[must_use]
    pub fn new(topology: &Topology, backbone: &Backbone) -> Self {
        let heavy = |i: &usize| matches!(topology.atoms[*i].element.as_str(), "C" | "N" | "S");
        Self {
            atoms: (0..topology.atoms.len()).filter(heavy).collect(),
            dihedrals: [backbone.phi.clone(), backbone.psi.clone(), backbone.omega.clone()],
        }
    }

    /// Number of features.
    #[must_use]
    pub fn dim(&self) -> usize {
        let n = self.atoms.len();
        n * n.saturating_sub(1) / 2 + 2 * self.dihedrals.iter().map(Vec::len).sum::<usize>()
    }

    /// The atoms between which distances are taken, ascending.
    #[must_use]
    pub fn atoms(&self) -> &[usize] {
        &self.atoms
    }

    /// Features `[n, dim]` of frames `positions [n, atoms, 3]`, in parallel.
    #[must_use]
    pub fn measure(&self, positions: &[f64], atoms: usize) -> Vec<f64> {
        per_frame(self.dim(), positions, atoms, |x, out| {
            let mut k = 0;
            for (i, &a) in self.atoms.iter().enumerate() {
                for &b in &self.atoms[i + 1..] {
                    let d = |c: usize| x[3 * a + c] - x[3 * b + c];
                    out[k] = (d(0) * d(0) + d(1) * d(1) + d(2) * d(2)).sqrt();
                    k += 1;
                }
            }
            for block in &self.dihedrals {
                for (i, dihedral) in block.iter().enumerate() {
                    let (sine, cosine) = sine_cosine(x, dihedral.atoms);
                    let norm = sine.hypot(cosine);
                    // Coincident atoms have no dihedral: 0, as atan2 has it.
                    let (sine, cosine) = if norm > 0.0 { (sine / norm, cosine / norm) } else { (0.0, 1.0) };
                    (out[k + i], out[k + block.len() + i]) = (sine, cosine);
                }
                k += 2 * block.len();
            }
        })
    }
}
