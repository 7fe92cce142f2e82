//! Backbone dihedrals phi, psi, omega: which there are, and their values.
//!
//! Angles are in rad, in (-pi, pi], with the sign of IUPAC 1970, as mdtraj has them.

use rayon::prelude::*;

use super::Topology;
use crate::geometry::{cross, dot, minus};

/// Frames of one rayon task.
const TASK: usize = 256;

/// A dihedral of four atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dihedral {
    /// Its atoms; it turns about the bond between the second and the third.
    pub atoms: [usize; 4],
    /// The residue that it belongs to.
    pub residue: usize,
}

/// The backbone dihedrals of a molecule, in the order of residues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backbone {
    /// C of the residue before, N, CA, C.
    pub phi: Vec<Dihedral>,
    /// N, CA, C, N of the residue after.
    pub psi: Vec<Dihedral>,
    /// CA, C, N and CA of the residue after. Caps without a CA (ACE, NME) have none.
    pub omega: Vec<Dihedral>,
}

impl Backbone {
    /// Finds the dihedrals: residues follow one another where a C is bonded to an N of another residue.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        let neighbours = topology.neighbours();
        let mut found = Self::default();
        for residue in 0..topology.residues.len() {
            let atom = |name: &str| topology.find(residue, name);
            let across = |from: Option<usize>, name: &str| {
                neighbours[from?]
                    .iter()
                    .copied()
                    .find(|&to| topology.atoms[to].residue != residue && topology.atoms[to].name == name)
            };
            let (n, ca, c) = (atom("N"), atom("CA"), atom("C"));
            let next = across(c, "N");
            let next_ca = next.and_then(|n| topology.find(topology.atoms[n].residue, "CA"));
            let mut add = |list: fn(&mut Self) -> &mut Vec<Dihedral>, atoms: [Option<usize>; 4]| {
                if let [Some(a), Some(b), Some(c), Some(d)] = atoms {
                    list(&mut found).push(Dihedral { atoms: [a, b, c, d], residue });
                }
            };
            add(|b| &mut b.phi, [across(n, "C"), n, ca, c]);
            add(|b| &mut b.psi, [n, ca, c, next]);
            add(|b| &mut b.omega, [ca, c, next, next_ca]);
        }
        found
    }

    /// All phi, then all psi: the coordinates of the torus.
    #[must_use]
    pub fn phi_psi(&self) -> Vec<Dihedral> {
        [&self.phi[..], &self.psi].concat()
    }
}

/// Sine and cosine of the dihedral in a frame `x [atoms, 3]`, up to a common positive factor.
#[inline]
pub fn sine_cosine(x: &[f64], atoms: [usize; 4]) -> (f64, f64) {
    let [a, b, c, d] = atoms.map(|i| [x[3 * i], x[3 * i + 1], x[3 * i + 2]]);
    let (u, v, w) = (minus(b, a), minus(c, b), minus(d, c));
    let (left, right) = (cross(u, v), cross(v, w));
    (dot(u, right) * dot(v, v).sqrt(), dot(left, right))
}

/// The dihedral of four atoms in a frame `x [atoms, 3]`, rad, in (-pi, pi].
#[must_use]
#[inline]
pub fn dihedral(x: &[f64], atoms: [usize; 4]) -> f64 {
    use std::f64::consts::PI;
    let (sine, cosine) = sine_cosine(x, atoms);
    let angle = sine.atan2(cosine);
    if angle == -PI { PI } else { angle }
}

/// Values `[n, dihedrals]` in frames `positions [n, atoms, 3]`, in parallel.
#[must_use]
pub fn angles(dihedrals: &[Dihedral], positions: &[f64], atoms: usize) -> Vec<f64> {
    per_frame(dihedrals.len(), positions, atoms, |x, out| {
        for (angle, dihedral_) in out.iter_mut().zip(dihedrals) {
            *angle = dihedral(x, dihedral_.atoms);
        }
    })
}

/// `width` numbers of every frame of `positions [n, atoms, 3]`, in parallel: `[n, width]`.
pub fn per_frame(
    width: usize,
    positions: &[f64],
    atoms: usize,
    measure: impl Fn(&[f64], &mut [f64]) + Sync,
) -> Vec<f64> {
    let dim = 3 * atoms;
    let mut out = vec![0.0; positions.len() / dim * width];
    if width > 0 {
        out.par_chunks_mut(TASK * width).zip(positions.par_chunks(TASK * dim)).for_each(|(out, frames)| {
            for (out, x) in out.chunks_exact_mut(width).zip(frames.chunks_exact(dim)) {
                measure(x, out);
            }
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{FRAC_PI_2, PI};

    /// Looking along the middle bond, the far atom turns clockwise for positive angles (IUPAC).
    #[test]
    fn sign_and_range() {
        let at = |angle: f64| {
            let x = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, angle.cos(), angle.sin(), 1.0];
            dihedral(&x, [0, 1, 2, 3])
        };
        // The middle bond points along +z, away from the viewer, so clockwise is from x to y.
        assert!((at(FRAC_PI_2) - FRAC_PI_2).abs() < 1e-15);
        for k in -17..=18 {
            let angle = f64::from(k) * PI / 18.0;
            assert!((at(angle) - angle).abs() < 1e-14, "{angle}");
        }
        // Exactly trans, from below: pi, not -pi.
        let trans = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0, -0.0, 1.0];
        assert_eq!(dihedral(&trans, [0, 1, 2, 3]), PI);
        // Coincident atoms: some number, never NaN.
        assert!(dihedral(&[0.0; 12], [0, 1, 2, 3]).is_finite());
    }
}
