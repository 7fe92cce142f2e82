//! `NonbondedForce`: Lennard-Jones and Coulomb, without periodicity.

use std::collections::BTreeSet;

use super::element::Element;
use super::per_particle;
use crate::energy::forcefield::params::{Cutoff, Exception, Nonbonded};
use crate::error::Result;

/// `NonbondedForce::NonbondedMethod`, by number.
const METHODS: [&str; 6] = ["NoCutoff", "CutoffNonPeriodic", "CutoffPeriodic", "Ewald", "PME", "LJPME"];

/// Reads the force of a System with `atoms` particles. `dispersionCorrection` acts in periodic systems only and is
/// ignored.
pub(super) fn read(force: Element<'_>, atoms: usize) -> Result<Nonbonded> {
    force.version_at_most(4)?;
    let cutoff = match force.count("method")? {
        0 => None,
        1 => Some(Cutoff { distance: force.positive("cutoff")?, dielectric: force.positive("rfDielectric")? }),
        method => {
            let name = METHODS.get(method as usize).copied().unwrap_or("unknown");
            let message = format!("uses method {method} ({name}): use NoCutoff or CutoffNonPeriodic");
            return Err(force.error(message));
        }
    };
    if cutoff.is_some() && force.flag("useSwitchingFunction")? {
        return Err(
            force.error("uses a switching function, which is not supported: call setUseSwitchingFunction(False)")
        );
    }
    if force.flag("exceptionsUsePeriodic")? {
        return Err(force.error("has exceptionsUsePeriodic=\"1\": periodic boundaries are not supported"));
    }
    for (tag, item) in
        [("GlobalParameters", "Parameter"), ("ParticleOffsets", "Offset"), ("ExceptionOffsets", "Offset")]
    {
        if let Some(found) = force.list(tag, item)?.first() {
            return Err(found.error(format!("<{tag}> of a NonbondedForce are not supported: use fixed parameters")));
        }
    }
    let mut out = Nonbonded {
        charges: Vec::with_capacity(atoms),
        sigma: Vec::with_capacity(atoms),
        epsilon: Vec::with_capacity(atoms),
        exceptions: Vec::new(),
        cutoff,
    };
    for particle in per_particle(force, atoms)? {
        out.charges.push(particle.number("q")?);
        out.sigma.push(particle.not_negative("sig")?);
        out.epsilon.push(particle.not_negative("eps")?);
    }
    let mut seen = BTreeSet::new();
    for exception in force.required_list("Exceptions", "Exception")? {
        let [a, b] = exception.atoms(["p1", "p2"], atoms)?;
        if !seen.insert([a.min(b), a.max(b)]) {
            return Err(exception.error(format!("is the second exception of particles {a} and {b}")));
        }
        out.exceptions.push(Exception {
            atoms: [a, b],
            charge_product: exception.number("q")?,
            sigma: exception.not_negative("sig")?,
            epsilon: exception.not_negative("eps")?,
        });
    }
    Ok(out)
}
