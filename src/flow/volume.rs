//! Internal coordinates that keep volumes: `u = r^3/3` of a bond, `v = -cos a` of an angle, the torsion itself.
//!
//! Placing an atom covers `r^2 sin a dr da dt = du dv dt`, so `d^3x` of all atoms is the product of these (and of the pose): the
//! density of a Boltzmann ensemble in them is `exp(-E/kT)`, without a Jacobian, at every temperature.
//!
//! Of the rows of a Z-matrix that turn about one bond, one keeps its torsion and the others are placed relative to it
//! ([`grouped`]): one coordinate turns the group, the others are stiff.

use super::internal::{Internal, axes, axes_of, measure, place, pull_back};
use super::{Coordinates, ZMatrix};
use crate::error::Result;
use crate::geometry::Vector;
use crate::systems::Topology;

/// The same atoms, with one torsion for each bond that they turn about: of the rows on one axis whose torsion goes across it, the
/// first with a heavy atom keeps it, the others are placed relative to that atom.
///
/// # Errors
/// None for a matrix of a connected molecule.
pub fn grouped(z: &ZMatrix, topology: &Topology) -> Result<ZMatrix> {
    let neighbours = topology.neighbours();
    let heavy = |row: &[usize; 4]| topology.atoms[row[0]].element != "H";
    let across = |row: &[usize; 4]| neighbours[row[2]].contains(&row[3]);
    let leader = |axis: [usize; 2]| {
        let mut rows = z.rows.iter().filter(|row| [row[1], row[2]] == axis && across(row));
        let first = rows.clone().next();
        rows.find(|row| heavy(row)).or(first).map(|row| row[0])
    };
    let relative = |row: &[usize; 4]| match leader([row[1], row[2]]) {
        Some(atom) if across(row) && atom != row[0] => [row[0], row[1], row[2], atom],
        _ => *row,
    };
    ZMatrix::new(z.seed, z.rows.iter().map(relative).collect())
}

/// Volume-preserving internal coordinates of one molecule: first all bonds, then all angles, then all torsions.
#[derive(Debug, Clone)]
pub struct Volume {
    z: ZMatrix,
    /// Torsions that say which mirror image a centre is, and the signs that the molecule's structure gives them.
    centres: Vec<(usize, f64)>,
    /// Knows what else has to be asked about a frame.
    coordinates: Coordinates,
}

/// Working memory of one configuration.
#[derive(Debug, Clone)]
pub struct Scratch {
    q: Internal,
    gradient: Internal,
    /// Derivatives with respect to positions, used up by the reverse pass.
    bars: Vec<f64>,
}

impl Volume {
    /// Of a molecule; `structure [atoms, 3]` (nm) says which mirror image it is.
    ///
    /// # Errors
    /// As [`Coordinates::new`].
    pub fn new(topology: &Topology, structure: &[f64]) -> Result<Self> {
        let coordinates = Coordinates::new(topology, structure)?;
        let z = grouped(coordinates.z_matrix(), topology)?;
        let mut q = Internal::zeros(&z);
        measure(&z, structure, &mut q);
        let centres = coordinates.chirality().iter().map(|&row| (row, q.torsions[row].signum())).collect();
        Ok(Self { centres, z, coordinates })
    }

    /// Coordinates of a configuration: `3 atoms - 6`.
    #[must_use]
    pub fn dim(&self) -> usize {
        3 * self.z.atoms() - 6
    }

    /// Atoms.
    #[must_use]
    pub fn atoms(&self) -> usize {
        self.z.atoms()
    }

    /// The Z-matrix.
    #[must_use]
    pub fn z_matrix(&self) -> &ZMatrix {
        &self.z
    }

    /// The first torsion among the coordinates.
    #[must_use]
    pub fn first_torsion(&self) -> usize {
        2 * self.z.rows.len() + 3
    }

    /// Working memory.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        let bars = vec![0.0; 3 * self.atoms()];
        Scratch { q: Internal::zeros(&self.z), gradient: Internal::zeros(&self.z), bars }
    }

    /// Whether a configuration exists at `q` and is the molecule, not a mirror image of one of its centres. Torsions are taken as
    /// they are: outside (-pi, pi] a sign means nothing.
    #[must_use]
    pub fn contains(&self, q: &[f64]) -> bool {
        let bonds = self.z.rows.len() + 2;
        let (stretched, torsions) = q.split_at(self.first_torsion());
        let (lengths, angles) = stretched.split_at(bonds);
        lengths.iter().all(|&u| u > 0.0)
            && angles.iter().all(|v| v.abs() < 1.0)
            && self.centres.iter().all(|&(row, sign)| torsions[row].sin() * sign > 0.0)
    }

    /// Whether a frame `x [atoms, 3]` has the stereochemistry of the molecule, as flows on internal coordinates ask it.
    #[must_use]
    pub fn right(&self, x: &[f64]) -> bool {
        self.coordinates.right(x)
    }

    /// Measures `x [atoms, 3]` into `q [dim]`, torsions in (-pi, pi].
    pub fn measure(&self, x: &[f64], q: &mut [f64], scratch: &mut Scratch) {
        measure(&self.z, x, &mut scratch.q);
        let Internal { bonds, angles, torsions } = &scratch.q;
        let all = bonds.iter().map(|r| r.powi(3) / 3.0).chain(angles.iter().map(|a| -a.cos()));
        for (q, value) in q.iter_mut().zip(all.chain(torsions.iter().copied())) {
            *q = value;
        }
    }

    /// Places `q` (which [`Volume::contains`]) at the canonical pose.
    pub fn place(&self, q: &[f64], x: &mut [f64], scratch: &mut Scratch) {
        self.internal(q, scratch);
        place(&self.z, &scratch.q, x);
    }

    /// Lengths and angles of `q`.
    fn internal(&self, q: &[f64], scratch: &mut Scratch) {
        let (stretched, torsions) = q.split_at(self.first_torsion());
        let (lengths, angles) = stretched.split_at(self.z.rows.len() + 2);
        scratch.q.bonds.iter_mut().zip(lengths).for_each(|(r, u)| *r = (3.0 * u).cbrt());
        scratch.q.angles.iter_mut().zip(angles).for_each(|(a, v)| *a = (-v).acos());
        scratch.q.torsions.copy_from_slice(torsions);
    }

    /// Forces along the coordinates, `(dx/dq)^T force`, of `x` that [`Volume::place`] made of `q`.
    pub fn pull_back(&self, (q, x): (&[f64], &[f64]), force: &[f64], out: &mut [f64], scratch: &mut Scratch) {
        self.internal(q, scratch);
        self.reverse(x, axes(), force, out, scratch);
    }

    /// The same in any pose: [`Volume::measure`] was called last, with `x`.
    pub fn pull_back_posed(&self, x: &[f64], force: &[f64], out: &mut [f64], scratch: &mut Scratch) {
        self.reverse(x, axes_of(&self.z, x), force, out, scratch);
    }

    fn reverse(&self, x: &[f64], axes: [Vector; 2], force: &[f64], out: &mut [f64], scratch: &mut Scratch) {
        let Scratch { q, gradient, bars } = scratch;
        bars.copy_from_slice(force);
        pull_back(&self.z, q, x, axes, bars, gradient);
        let bonds = gradient.bonds.iter().zip(&q.bonds).map(|(g, r)| g / (r * r));
        let angles = gradient.angles.iter().zip(&q.angles).map(|(g, a)| g / a.sin());
        for (out, g) in out.iter_mut().zip(bonds.chain(angles).chain(gradient.torsions.iter().copied())) {
            *out = g;
        }
    }
}
