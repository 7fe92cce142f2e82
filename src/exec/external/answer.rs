//! What a program leaves behind, checked before it is believed.

use std::path::Path;

use super::job::Job;
use crate::array::{Array, Input};
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::metrics::evaluate::energies;
use crate::record::atomic;
use crate::samplers::Samples;
use crate::spec::{ExternalSpec, Protocol};
use crate::systems::System;

/// Arrays that are taken over; others are left.
const TAKEN: [&str; 4] = ["positions", "log_weight", "parents", "energy"];
/// Median difference in kT from which the energies that a program reports are those of something else.
const FOREIGN: f64 = 1.0;

/// Samples and, with protocol `files`, counts.
///
/// # Errors
/// Naming the file and what was expected of it.
pub(super) fn read(job: &Job, spec: &ExternalSpec, system: &System) -> Result<(Samples, Option<Counts>)> {
    let counts = match spec.protocol {
        Protocol::Pipe => None,
        Protocol::Files => Some(counts(job, spec)?),
    };
    Ok((samples(job, system)?, counts))
}

fn samples(job: &Job, system: &System) -> Result<Samples> {
    let path = &job.output;
    plain_file(path, "`output` in the job file says where samples belong")?;
    let input = Input::open(path, "positions")?;
    let positions = input.positions(system.atoms)?;
    let n = positions.len() / (3 * system.atoms);
    if n == 0 {
        return Err(Error::data(path, "`positions` has no frames"));
    }
    for name in &TAKEN[1..] {
        let Some(array) = input.find(name)? else { continue };
        if array.shape != [n] {
            let message = format!("`{name}` has shape {:?}, expected [{n}] as `positions` has", array.shape);
            return Err(Error::shape(path, message));
        }
    }
    let mut arrays = input.into_arrays();
    arrays.retain(|name, _| TAKEN.contains(&name.as_str()));
    if let Some(i) = arrays.get("log_weight").and_then(|w| w.to_f64().iter().position(|w| !w.is_finite())) {
        let message = format!("`log_weight` is not finite at sample {i}");
        return Err(Error::NonFinite { path: path.clone(), message });
    }
    let ours = energies(system, &positions);
    if let Some(i) = ours.iter().position(|e| !e.is_finite()) {
        let message = format!("the energy of sample {i} is {}: do atoms lie on each other?", ours[i]);
        return Err(Error::NonFinite { path: path.clone(), message });
    }
    if let Some(theirs) = arrays.get("energy") {
        same_energy(&theirs.to_f64(), &ours, system)?;
    }
    arrays.insert("positions".into(), Array::f64(&[n, system.atoms, 3], positions));
    arrays.insert("energy".into(), Array::f64(&[n], ours));
    Ok(arrays)
}

/// A file that is there, and is neither a link to another one nor a device.
fn plain_file(path: &Path, remedy: &str) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(m) if m.is_file() => Ok(()),
        Ok(_) => Err(Error::data(path, format!("is not a regular file; {remedy}"))),
        Err(_) => Err(Error::data(path, format!("was not written; {remedy}"))),
    }
}

/// Another unit, another system or another order of atoms shows in the energies.
fn same_energy(theirs: &[f64], ours: &[f64], system: &System) -> Result<()> {
    let kt = system.kt(system.temperature);
    let mut apart: Vec<f64> = theirs.iter().zip(ours).map(|(a, b)| ((a - b) / kt).abs()).collect();
    apart.sort_by(f64::total_cmp);
    let median = apart[apart.len() / 2];
    if median <= FOREIGN {
        return Ok(());
    }
    Err(Error::Command(format!(
        "the energies it reports are not those of its samples (median difference {median:.3} kT): other units, another \
         order of atoms, or another force field? Lengths are in {}",
        system.length_unit
    )))
}

fn counts(job: &Job, spec: &ExternalSpec) -> Result<Counts> {
    let path = &job.counts;
    let expected = "expected evaluations by purpose, such as {\"sampling\": 12345}";
    plain_file(path, expected)?;
    let counts: Counts = atomic::read_json(path).map_err(|e| Error::data(path, format!("{e}; {expected}")))?;
    let made = counts.charged();
    match spec.budget.filter(|budget| made > *budget) {
        Some(budget) => {
            Err(Error::Command(format!("it reports {made} energy evaluations, but the budget is {budget}")))
        }
        None => Ok(counts),
    }
}
