//! The unit cube that the couplings work on, and Cartesian coordinates.
//!
//! Bonds cover 0.035 nm and angles 0.9 rad on either side of one energy-minimised structure, torsions the whole circle. Some
//! torsions are confined to the part of the circle in which that structure has them, see `windows`: those that decide about
//! the handedness of a centre, about the places of equal groups and about double bonds.

use std::f64::consts::{PI, TAU};

use super::internal::{Internal, axes, measure, place, pull_back};
use super::windows::{Windows, windows};
use super::{Counts, ZMatrix};
use crate::error::{Error, Result};
use crate::systems::Topology;

/// nm per unit of a bond's coordinate: 0.007 at a standard deviation of 0.1.
const BOND: f64 = 0.07;
/// rad per unit of an angle's coordinate: 0.18 at a standard deviation of 0.1.
const ANGLE: f64 = 1.8;

/// The map between the unit cube and Cartesian coordinates of one molecule.
#[derive(Debug, Clone)]
pub struct Coordinates {
    z: ZMatrix,
    minimum: Internal,
    windows: Windows,
    constant: f64,
}

/// Working memory of one configuration.
#[derive(Debug, Clone)]
pub struct Scratch {
    q: Internal,
    gradient: Internal,
}

impl Coordinates {
    /// Around the energy-minimised structure `minimum [atoms, 3]`, nm.
    ///
    /// # Errors
    /// [`Error::Usage`] when no Z-matrix can be built or an angle of the structure is too flat for it.
    pub fn new(topology: &Topology, minimum: &[f64]) -> Result<Self> {
        let z = ZMatrix::of(topology)?;
        let mut q = Internal::zeros(&z);
        measure(&z, minimum, &mut q);
        if let Some(row) = q.angles.iter().position(|a| !(0.1..PI - 0.1).contains(a)) {
            let degrees = q.angles[row].to_degrees();
            return Err(Error::Usage(format!(
                "internal coordinates: angle {row} of the structure is {degrees:.1} degrees"
            )));
        }
        let windows = windows(topology, &z, &q.torsions, minimum);
        let mut out = Self { minimum: q, windows, constant: 0.0, z };
        let Counts { bonds, angles, torsions } = out.counts();
        // Each coordinate's own units, and those of the pose (two angles of it in turns), as the reference counts them.
        out.constant = bonds as f64 * BOND.ln()
            + angles as f64 * (ANGLE / PI).ln()
            + out.windows.turns.iter().map(|(_, scale)| scale.ln()).sum::<f64>()
            + angles as f64 * PI.ln()
            + (torsions + 2) as f64 * TAU.ln();
        Ok(out)
    }

    /// The Z-matrix.
    #[must_use]
    pub fn z_matrix(&self) -> &ZMatrix {
        &self.z
    }

    /// Coordinates of each kind.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let rows = self.z.rows.len();
        Counts { bonds: rows + 2, angles: rows + 1, torsions: rows }
    }

    /// Atoms.
    #[must_use]
    pub fn atoms(&self) -> usize {
        self.z.atoms()
    }

    /// Whether a frame `x [atoms, 3]` is the right stereoisomer beyond doubt. The windows of torsions leave little else; where they leave
    /// nothing else, this is not asked.
    #[must_use]
    pub fn right(&self, x: &[f64]) -> bool {
        self.windows.stereo.as_ref().is_none_or(|stereo| stereo.beyond_doubt(x))
    }

    /// Torsions that decide about chirality.
    #[must_use]
    pub fn chirality(&self) -> &[usize] {
        &self.windows.chirality
    }

    /// Torsions that are confined to a part of the circle.
    #[must_use]
    pub fn confined(&self) -> Vec<usize> {
        (0..self.z.rows.len()).filter(|&row| self.windows.turns[row].1 < 1.0).collect()
    }

    /// `(loc, scale)` of every torsion: its turns from -pi are `loc + scale u`.
    #[must_use]
    pub fn constraints(&self) -> &[(f64, f64)] {
        &self.windows.turns
    }

    /// Working memory.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        Scratch { q: Internal::zeros(&self.z), gradient: Internal::zeros(&self.z) }
    }

    /// Decodes `u [dim]` into `x [atoms, 3]` (nm, canonical pose); returns `ln |dx/du|`, pose included.
    pub fn decode(&self, u: &[f64], x: &mut [f64], scratch: &mut Scratch) -> f64 {
        self.internal(u, &mut scratch.q);
        place(&self.z, &scratch.q, x);
        scratch.q.log_jacobian() + self.constant
    }

    /// `ln |dx/du|` alone.
    pub fn log_jacobian(&self, u: &[f64], scratch: &mut Scratch) -> f64 {
        self.internal(u, &mut scratch.q);
        scratch.q.log_jacobian() + self.constant
    }

    fn internal(&self, u: &[f64], q: &mut Internal) {
        let (bonds, rest) = u.split_at(q.bonds.len());
        let (angles, torsions) = rest.split_at(q.angles.len());
        for (q, (u, min)) in q.bonds.iter_mut().zip(bonds.iter().zip(&self.minimum.bonds)) {
            *q = (u - 0.5) * BOND + min;
        }
        for (q, (u, min)) in q.angles.iter_mut().zip(angles.iter().zip(&self.minimum.angles)) {
            *q = (u - 0.5) * ANGLE + min;
        }
        for ((q, u), (loc, scale)) in q.torsions.iter_mut().zip(torsions).zip(&self.windows.turns) {
            *q = (loc + scale * u) * TAU - PI;
        }
    }

    /// Encodes `x [atoms, 3]` into `u [dim]`; returns `ln |dx/du|`, or `None` where the flow has no density: a coordinate
    /// outside the unit cube (a bond or angle far off, the wrong chirality, hydrogens that changed places) or not finite.
    pub fn encode(&self, x: &[f64], u: &mut [f64], scratch: &mut Scratch) -> Option<f64> {
        let q = &mut scratch.q;
        measure(&self.z, x, q);
        let (bonds, rest) = u.split_at_mut(q.bonds.len());
        let (angles, torsions) = rest.split_at_mut(q.angles.len());
        for (u, (q, min)) in bonds.iter_mut().zip(q.bonds.iter().zip(&self.minimum.bonds)) {
            *u = (q - min) / BOND + 0.5;
        }
        for (u, (q, min)) in angles.iter_mut().zip(q.angles.iter().zip(&self.minimum.angles)) {
            *u = (q - min) / ANGLE + 0.5;
        }
        for ((u, q), &(loc, scale)) in torsions.iter_mut().zip(&q.torsions).zip(&self.windows.turns) {
            let turns = (q + PI) / TAU;
            // A window may reach over the end of the circle.
            let turns = if loc + scale > 1.0 && turns < loc { turns + 1.0 } else { turns };
            *u = (turns - loc) / scale;
        }
        let inside = u.iter().all(|u| (0.0..=1.0).contains(u)) && self.right(x);
        inside.then(|| scratch.q.log_jacobian() + self.constant)
    }

    /// Reverse pass of [`Coordinates::decode`]: the derivative of `x . x_bar + factor ln |dx/du|` with respect to `u`. `x` is
    /// what `decode` made of `u`; `x_bar` is used up.
    pub fn pull_back(
        &self,
        u: &[f64],
        x: &[f64],
        x_bar: &mut [f64],
        factor: f64,
        u_bar: &mut [f64],
        scratch: &mut Scratch,
    ) {
        let Scratch { q, gradient } = scratch;
        self.internal(u, q);
        pull_back(&self.z, q, x, axes(), x_bar, gradient);
        q.log_jacobian_gradient(factor, gradient);
        let torsions = gradient.torsions.iter().zip(&self.windows.turns).map(|(g, (_, scale))| g * scale * TAU);
        let all = gradient.bonds.iter().map(|g| g * BOND).chain(gradient.angles.iter().map(|g| g * ANGLE));
        for (bar, g) in u_bar.iter_mut().zip(all.chain(torsions)) {
            *bar = g;
        }
    }
}
