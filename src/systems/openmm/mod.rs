//! OpenMM's System XML (`openmm.XmlSerializer.serialize(system)`) as a [`ForceField`].
//!
//! | file | job |
//! |---|---|
//! | `element` | typed attributes, errors that name the line |
//! | `bonded` | `HarmonicBondForce`, `HarmonicAngleForce`, `PeriodicTorsionForce` |
//! | `cmap` | `CMAPTorsionForce` |
//! | `nonbonded` | `NonbondedForce` without periodicity |
//! | `gbsa_obc` | `GBSAOBCForce` |
//! | `custom_gb` | `CustomGBForce` as data |
//! | `born` | which generalised Born that is, by the values of its expressions |
//! | `expression` | those expressions, parsed and evaluated |
//!
//! What has no effect on the energy is left out and named in the notes; whatever else is not one of the terms of
//! [`ForceField`] is an error, never an approximation.

mod bonded;
mod born;
mod cmap;
mod custom_gb;
mod element;
mod expression;
mod gbsa_obc;
mod nonbonded;

use std::path::Path;

use self::element::Element;
use crate::energy::forcefield::ForceField;
use crate::energy::forcefield::params::GeneralizedBorn;
use crate::error::{Error, Result};

/// Forces that are read.
const KNOWN: &str = "HarmonicBondForce, HarmonicAngleForce, PeriodicTorsionForce, CMAPTorsionForce, NonbondedForce, CustomGBForce (as \
                     implicit/hct.xml, obc1.xml, obc2.xml, gbn.xml and gbn2.xml make it), GBSAOBCForce, CMMotionRemover (ignored)";

/// A System as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemXml {
    /// Its parameters.
    pub forcefield: ForceField,
    /// What was left out because the energy does not depend on it.
    pub notes: Vec<String>,
}

/// Reads the text of a System XML; `path` is for messages.
///
/// # Errors
/// [`Error::Data`] for text that is no System XML, is cut short, or holds something unsupported; [`Error::NonFinite`] for
/// parameters that are not finite. Messages name the line and the element.
pub fn read(path: &Path, text: &str) -> Result<SystemXml> {
    let document = roxmltree::Document::parse(text).map_err(|e| {
        let line = e.pos().row;
        Error::data(path, format!("line {line}: not XML, or cut short ({e}); write the file again"))
    })?;
    let root = Element::root(path, &document);
    if root.tag() != "System" || root.optional("type").is_some_and(|t| t != "System") {
        return Err(root.error("expected <System type=\"System\">, from openmm.XmlSerializer.serialize(system)"));
    }
    root.version_at_most(1)?;
    let mut system = SystemXml { forcefield: ForceField::default(), notes: Vec::new() };
    system.forcefield.masses = masses(root)?;
    if let Some(constraint) = root.list("Constraints", "Constraint")?.first() {
        return Err(constraint
            .error("constraints are not supported: create the System with constraints=None, rigidWater=False"));
    }
    for force in root.required_list("Forces", "Force")? {
        read_force(force, &mut system)?;
    }
    Ok(system)
}

fn masses(root: Element<'_>) -> Result<Vec<f64>> {
    let particles = root.required_list("Particles", "Particle")?;
    if particles.is_empty() {
        return Err(root.error("has no particles"));
    }
    particles
        .into_iter()
        .map(|particle| {
            if let Some(site) = particle.children().next() {
                return Err(site.error("virtual sites are not supported: use a force field without them"));
            }
            let mass = particle.number("mass")?;
            if mass > 0.0 {
                return Ok(mass);
            }
            Err(particle
                .error(format!("has mass {mass}, expected above 0: fixed and massless particles are not supported")))
        })
        .collect()
}

fn read_force(force: Element<'_>, system: &mut SystemXml) -> Result<()> {
    let field = &mut system.forcefield;
    match force.text("type")? {
        "HarmonicBondForce" => bonded::bonds(force, field),
        "HarmonicAngleForce" => bonded::angles(force, field),
        "PeriodicTorsionForce" => bonded::torsions(force, field),
        "CMAPTorsionForce" => cmap::read(force, field),
        "NonbondedForce" => {
            if field.nonbonded.is_some() {
                return Err(force.error("is the second NonbondedForce; a System may have one"));
            }
            field.nonbonded = Some(nonbonded::read(force, field.atoms())?);
            Ok(())
        }
        "GBSAOBCForce" => solvent(force, field, gbsa_obc::read),
        "CustomGBForce" => solvent(force, field, born::read),
        "CMMotionRemover" => {
            let line = force.line();
            system.notes.push(format!(
                "line {line}: CMMotionRemover is ignored: it has no energy, and acts in OpenMM's dynamics only"
            ));
            Ok(())
        }
        _ => Err(force.error(format!("is not supported; create the System without it. Read are: {KNOWN}"))),
    }
}

fn solvent(
    force: Element<'_>,
    field: &mut ForceField,
    read: fn(Element<'_>, usize) -> Result<GeneralizedBorn>,
) -> Result<()> {
    if field.gb.is_some() {
        return Err(force.error("is the second generalised Born force; a System may have one"));
    }
    field.gb = Some(read(force, field.atoms())?);
    Ok(())
}

/// One entry per particle, or an error that says how many there are.
fn per_particle<'a>(force: Element<'a>, atoms: usize) -> Result<Vec<Element<'a>>> {
    let particles = force.required_list("Particles", "Particle")?;
    if particles.len() == atoms {
        return Ok(particles);
    }
    Err(force.error(format!("has parameters for {} particles, the System has {atoms}", particles.len())))
}

/// The cutoff of a generalised Born force, nm: methods are 0 `NoCutoff`, 1 `CutoffNonPeriodic`, 2 `CutoffPeriodic`.
fn cutoff(force: Element<'_>) -> Result<Option<f64>> {
    match force.count("method")? {
        0 => Ok(None),
        1 => force.positive("cutoff").map(Some),
        2 => Err(force.error("uses method 2 (CutoffPeriodic): use NoCutoff or CutoffNonPeriodic")),
        other => Err(force.error(format!("uses method {other}, expected 0 (NoCutoff) or 1 (CutoffNonPeriodic)"))),
    }
}
