//! Harmonic bonds and angles, Fourier torsions. Forces of the same type add up.

use super::element::Element;
use crate::energy::forcefield::ForceField;
use crate::energy::forcefield::params::{Angle, Bond, Torsion};
use crate::error::Result;

/// Bonds of a `HarmonicBondForce`.
pub(super) fn bonds(force: Element<'_>, field: &mut ForceField) -> Result<()> {
    not_periodic(force)?;
    for bond in force.required_list("Bonds", "Bond")? {
        let atoms = bond.atoms(["p1", "p2"], field.atoms())?;
        field.bonds.push(Bond { atoms, k: bond.number("k")?, r0: bond.number("d")? });
    }
    Ok(())
}

/// Angles of a `HarmonicAngleForce`.
pub(super) fn angles(force: Element<'_>, field: &mut ForceField) -> Result<()> {
    not_periodic(force)?;
    for angle in force.required_list("Angles", "Angle")? {
        let atoms = angle.atoms(["p1", "p2", "p3"], field.atoms())?;
        field.angles.push(Angle { atoms, k: angle.number("k")?, theta0: angle.number("a")? });
    }
    Ok(())
}

/// Torsions of a `PeriodicTorsionForce`.
pub(super) fn torsions(force: Element<'_>, field: &mut ForceField) -> Result<()> {
    not_periodic(force)?;
    for torsion in force.required_list("Torsions", "Torsion")? {
        let atoms = torsion.atoms(["p1", "p2", "p3", "p4"], field.atoms())?;
        let periodicity = torsion.count("periodicity")?;
        if periodicity == 0 {
            return Err(torsion.error("`periodicity` is 0, expected 1 or more"));
        }
        let (phase, k) = (torsion.number("phase")?, torsion.number("k")?);
        field.torsions.push(Torsion { atoms, periodicity, phase, k });
    }
    Ok(())
}

/// Forces with periodic boundaries are refused.
pub(super) fn not_periodic(force: Element<'_>) -> Result<()> {
    force.version_at_most(2)?;
    if force.flag("usesPeriodic")? {
        return Err(force.error("has usesPeriodic=\"1\": periodic boundaries are not supported"));
    }
    Ok(())
}
