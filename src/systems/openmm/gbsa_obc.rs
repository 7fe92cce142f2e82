//! `GBSAOBCForce`: OBC2 generalised Born with a surface term.

use std::f64::consts::PI;

use super::element::Element;
use super::{cutoff, per_particle};
use crate::energy::forcefield::params::{COULOMB, GeneralizedBorn};
use crate::error::Result;

/// Offset of the radii, nm.
const OFFSET: f64 = 0.009;

/// Reads the force. What its XML does not hold is fixed in OpenMM: the coefficients, the offset, the probe radius, the
/// Coulomb constant, `-1/cutoff` in the pair term where there is a cutoff.
pub(super) fn read(force: Element<'_>, atoms: usize) -> Result<GeneralizedBorn> {
    force.version_at_most(2)?;
    let mut out = GeneralizedBorn {
        charges: Vec::with_capacity(atoms),
        offset_radius: Vec::with_capacity(atoms),
        scaled_radius: Vec::with_capacity(atoms),
        offset: OFFSET,
        tanh: Some(vec![[1.0, 0.8, 4.85]; atoms]),
        neck: None,
        coulomb: COULOMB,
        solute: force.positive("soluteDielectric")?,
        solvent: force.positive("solventDielectric")?,
        kappa: 0.0,
        surface: 4.0 * PI * force.number("surfaceAreaEnergy")?,
        probe: 0.14,
        cutoff: cutoff(force)?,
        engulfed: true,
    };
    for particle in per_particle(force, atoms)? {
        let radius = particle.number("r")?;
        if radius <= OFFSET {
            return Err(particle.error(format!("`r` is {radius}, expected above {OFFSET} (nm)")));
        }
        out.charges.push(particle.number("q")?);
        out.offset_radius.push(radius - OFFSET);
        out.scaled_radius.push((radius - OFFSET) * particle.not_negative("scale")?);
    }
    Ok(out)
}
