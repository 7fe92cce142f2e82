//! Whether the files of an ended run are what they say, as far as that can be seen without computing anything again.

use super::{Evaluation, Failure, Partial, Provenance, Request, RunDir, atomic, evaluation, events, manifest};
use crate::array::{Arrays, Input};
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::{identity, systems};

/// What an audit found in order.
pub struct Audited {
    /// What was asked for.
    pub request: Request,
    /// Which code made the run, where and when; absent for some failed runs.
    pub provenance: Option<Provenance>,
    /// Samples, and what they cost; absent for a run that failed.
    pub result: Option<(Arrays, Counts)>,
    /// Its evaluations, newest first.
    pub evaluations: Vec<Evaluation>,
}

/// Reads every file of an ended run, and compares them with each other: digests, seed and spec, counts with the log, samples
/// with what was asked for.
///
/// # Errors
/// [`Error::Digest`], [`Error::Data`], [`Error::Shape`], [`Error::NonFinite`], naming the file; [`Error::Usage`] for a system
/// that cannot be built.
pub fn audit(run: &RunDir) -> Result<Audited> {
    let path = run.file("spec.json");
    let request: Request = atomic::read_json(&path)?;
    let found = identity::spec_digest(&request.spec);
    if found != request.spec_digest || request.seed != run.id.seed || !found.starts_with(&run.id.spec) {
        let (digest, seed) = (&request.spec_digest, request.seed);
        let message = format!("its digest is {found}, recorded {digest}, its seed {seed} (made by another version?)");
        return Err(Error::digest(path, format!("is not the spec of this run: {message}")));
    }
    events::read(&run.file("events.jsonl"))?;
    let path = run.file("provenance.json");
    let provenance: Option<Provenance> = atomic::read_json_if_there(&path)?;
    if provenance.as_ref().is_some_and(|p| p.spec_digest != found) {
        return Err(Error::digest(path, format!("is of another spec; expected {found}")));
    }
    let result = if run.file(manifest::NAME).exists() {
        manifest::verify(&run.path)?;
        Some((samples(run, &request)?, atomic::read_json(&run.file("counts.json"))?))
    } else {
        atomic::read_json::<Failure>(&run.file("failure.json"))?;
        None
    };
    Ok(Audited { request, provenance, result, evaluations: evaluation::all(run)? })
}

/// Samples that fit the system, are finite, and as many as the log and `partial.json` say.
fn samples(run: &RunDir, request: &Request) -> Result<Arrays> {
    let path = run.file("samples.npz");
    let samples = Input::open(&path, "positions")?;
    let atoms = systems::build(&request.spec.system)?.atoms;
    let made = (samples.positions(atoms)?.len() / (3 * atoms)) as u64;
    for name in ["energy", "log_weight", "parents", "log_q"] {
        if let Some(array) = samples.find(name)?
            && array.shape != [made as usize]
        {
            return Err(Error::shape(&path, format!("`{name}` has shape {:?}, expected [{made}]", array.shape)));
        }
    }
    let wrong = |message: String| Err(Error::data(&path, message));
    if made == 0 {
        return wrong("has no samples".into());
    }
    // Records of older versions do not say how many samples there were, nor that a budget ended them.
    let Some(recorded) = events::finished(&run.file("events.jsonl"))?.and_then(|f| f.samples) else {
        return Ok(samples.into_arrays());
    };
    if recorded != made {
        return wrong(format!("has {made} samples, the log of the run recorded {recorded}"));
    }
    let Some(asked) = request.spec.sampler.samples().map(|n| n as u64) else {
        return Ok(samples.into_arrays());
    };
    let path = run.file("partial.json");
    match atomic::read_json_if_there::<Partial>(&path)? {
        Some(p) if p.made != made || p.asked != asked => {
            Err(Error::data(&path, format!("says {p}, but there are {made} of {asked}")))
        }
        None if made != asked => wrong(format!("has {made} samples, {asked} were asked for")),
        _ => Ok(samples.into_arrays()),
    }
}
