//! Handedness by the published rule, which takes any atom with three heavy neighbours for a stereocentre;
//! [`crate::systems::stereo`] knows better.

use crate::geometry::{cross, dot, minus};
use crate::systems::Topology;
pub use crate::systems::stereo::Hand;

/// The stereocentres of a molecule with the sign that each should have.
///
/// A centre is an atom with four bonds of which more than two lead to other elements than hydrogen (PITA's rule; the CA
/// of an L residue). Its sign is that of the triple product of the vectors to its first three neighbours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chirality {
    centres: Vec<Centre>,
}

/// A stereocentre.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Centre {
    atom: usize,
    neighbours: [usize; 3],
    /// Sign in the right configuration.
    sign: f64,
}

impl Chirality {
    /// The centres of `topology`, right in the configuration `right [atoms, 3]`.
    #[must_use]
    pub fn new(topology: &Topology, right: &[f64]) -> Self {
        let mut centres = Vec::new();
        for (atom, bonded) in topology.neighbours().iter().enumerate() {
            if let [a, b, c, _] = bonded[..]
                && bonded.iter().filter(|&&i| !topology.atoms[i].is_hydrogen()).count() > 2
            {
                let neighbours = [a, b, c];
                centres.push(Centre { atom, neighbours, sign: sign(right, atom, neighbours) });
            }
        }
        Self { centres }
    }

    /// The centre atoms, ascending.
    #[must_use]
    pub fn centres(&self) -> Vec<usize> {
        self.centres.iter().map(|c| c.atom).collect()
    }

    /// Handedness of a frame `x [atoms, 3]`; right when there is no centre.
    #[must_use]
    pub fn hand(&self, x: &[f64]) -> Hand {
        let product = |c: &Centre| sign(x, c.atom, c.neighbours) * c.sign;
        if self.centres.iter().all(|c| product(c) > 0.0) {
            Hand::Right
        } else if self.centres.iter().all(|c| product(c) < 0.0) {
            Hand::Mirror
        } else {
            Hand::Mixed
        }
    }
}

/// Sign of the triple product, 0 for a planar centre.
fn sign(x: &[f64], atom: usize, neighbours: [usize; 3]) -> f64 {
    let at = |i: usize| [x[3 * i], x[3 * i + 1], x[3 * i + 2]];
    let [u, v, w] = neighbours.map(|i| minus(at(i), at(atom)));
    let product = dot(u, cross(v, w));
    if product == 0.0 { 0.0 } else { product.signum() }
}
