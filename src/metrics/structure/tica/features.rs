//! What TICA sees of a frame: heavy-atom distances, sines and cosines of backbone dihedrals.

use crate::systems::Topology;
use crate::systems::dihedrals::{Backbone, Dihedral, per_frame, sine_cosine};

/// Most C, N and S atoms of a molecule between all of which distances are taken: the eigenproblem grows as their sixth power.
const MOST: usize = 64;

/// The features of PITA's public code; of larger molecules than it has, ours.
///
/// Distances between all pairs of C, N and S atoms (row by row of the upper triangle, in the unit of the positions), of peptides with
/// more than 64 of them between alpha carbons; then sin phi, cos phi, sin psi, cos psi, sin omega, cos omega, each a block over
/// residues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    atoms: Vec<usize>,
    dihedrals: [Vec<Dihedral>; 3],
}

impl Features {
    /// The features of a molecule.
    #[must_use]
    pub fn new(topology: &Topology, backbone: &Backbone) -> Self {
        Self::of_at_most(MOST, topology, backbone)
    }

    fn of_at_most(most: usize, topology: &Topology, backbone: &Backbone) -> Self {
        let heavy = |i: &usize| matches!(topology.atoms[*i].element.as_str(), "C" | "N" | "S");
        let mut atoms: Vec<usize> = (0..topology.atoms.len()).filter(heavy).collect();
        let phi = backbone.phi.iter().map(|phi| phi.atoms[2]);
        let mut alpha: Vec<usize> = backbone.psi.iter().map(|psi| psi.atoms[1]).chain(phi).collect();
        alpha.sort_unstable();
        alpha.dedup();
        if atoms.len() > most && !alpha.is_empty() {
            atoms = alpha;
        }
        Self { atoms, dihedrals: [backbone.phi.clone(), backbone.psi.clone(), backbone.omega.clone()] }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::by_name;

    #[test]
    fn large_peptides_have_alpha_carbons() {
        let system = by_name("al3", 300.0).unwrap();
        let topology = system.topology.as_ref().unwrap();
        let backbone = Backbone::new(topology);
        let names = |features: &Features| -> Vec<String> {
            features.atoms().iter().map(|a| topology.atoms[*a].name.clone()).collect()
        };
        let all = Features::new(topology, &backbone);
        assert_eq!(all, Features::of_at_most(all.atoms().len(), topology, &backbone));
        let few = Features::of_at_most(all.atoms().len() - 1, topology, &backbone);
        assert_eq!(names(&few), ["CA", "CA", "CA"]);
        assert_eq!(few.dim(), 3 + 2 * (backbone.phi.len() + backbone.psi.len() + backbone.omega.len()));
        let x = few.measure(&system.start, system.atoms);
        let at = |a: usize| &system.start[3 * few.atoms()[a]..][..3];
        let far = at(0).iter().zip(at(1)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        assert!((x[0] - far).abs() < 1e-12 && far > 0.3, "{x:?}");
    }
}
