//! The reference ensemble of a system, from the cache in the results folder or made there.
//!
//! ```text
//! results/references/<16 digits of the digest>/           reference.json (written last), reference.npz
//! results/references/<16 digits>.partial/                 checkpoints of one in the making
//! results/references/<16 digits>.claim                    who makes it
//! ```
//!
//! Accepted ensembles ([`accepted`]) are used as they are; those of the built-in systems come with the program.

pub mod accepted;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::progress::Show;
use crate::array::{Arrays, get, read_npz, write_npz};
use crate::device;
use crate::disk;
use crate::energy::Metered;
use crate::error::{Error, Result};
use crate::identity;
use crate::metrics::ReferenceSet;
use crate::metrics::structure::tica::Models;
use crate::record::claim::Claim;
use crate::record::{Results, atomic, checkpoint};
use crate::samplers::reference::{Convergence, Making};
use crate::samplers::{Context, Progress};
use crate::spec::{ReferenceSpec, SystemSpec};
use crate::{stop, systems};

/// Time between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// Time between two looks at a reference that somebody else is making.
const WAIT: Duration = Duration::from_millis(300);

/// A finished reference ensemble.
#[derive(Debug, Clone)]
pub struct Reference {
    /// What was asked for, as a digest.
    pub digest: String,
    /// Its folder.
    pub dir: PathBuf,
    /// All arrays, see [`Making::finish`].
    pub arrays: Arrays,
    /// Independent runs that its frames come from, in turns.
    pub runs: usize,
    /// How far it can be trusted.
    pub report: Convergence,
}

/// What `reference.json` holds.
#[derive(Serialize, Deserialize)]
struct Card {
    system: SystemSpec,
    spec: ReferenceSpec,
    npz_sha256: String,
    report: Convergence,
}

/// Loads the reference, or makes it; goes on with one that was interrupted, waits for one that another process makes.
///
/// # Errors
/// [`Error::Digest`] when a cached file was changed; [`Error::Interrupted`] when `interrupted` says so.
pub fn ensure(
    results: &Path,
    system: &SystemSpec,
    spec: &ReferenceSpec,
    progress: &mut Show<'_>,
    interrupted: &dyn Fn() -> bool,
) -> Result<Reference> {
    let digest = identity::reference_digest(system, spec);
    if let Some(name) = &spec.accepted {
        return accepted::load(results, name, system, digest);
    }
    let root = Results(results).references();
    let dir = root.join(&digest[..16]);
    while !dir.join("reference.json").exists() {
        std::fs::create_dir_all(&root).map_err(Error::io(&root))?;
        match Claim::take(&dir.with_extension("claim"))? {
            Ok(_claim) => {
                if !dir.join("reference.json").exists() {
                    make(&dir, system, spec, progress, interrupted)?;
                }
            }
            Err(holder) => {
                progress(&Progress { total: 1, phase: format!("made by {holder}"), ..Progress::default() });
                if interrupted() {
                    return Err(Error::Interrupted);
                }
                std::thread::sleep(WAIT);
            }
        }
    }
    load(&dir, digest)
}

/// The reference without a word about it, as metrics want it.
///
/// # Errors
/// See [`ensure`].
pub fn quietly(results: &Path, system: &SystemSpec, spec: &ReferenceSpec) -> Result<ReferenceSet> {
    ensure(results, system, spec, &mut |_| {}, &stop::requested)?.set()
}

/// Whether the reference is there.
#[must_use]
pub fn exists(results: &Path, system: &SystemSpec, spec: &ReferenceSpec) -> bool {
    match &spec.accepted {
        Some(name) => accepted::card(results, name).is_ok(),
        None => made_card(results, system, spec).exists(),
    }
}

/// What is known of a reference that is there.
pub struct Known {
    /// SHA-256 that stands for all of it.
    pub content: String,
    /// How far it can be trusted: over all its runs.
    pub report: Convergence,
    /// Each of them, where there are several.
    pub reports: Vec<Convergence>,
}

/// What is known of a reference, if it is there.
#[must_use]
pub fn known(results: &Path, system: &SystemSpec, spec: &ReferenceSpec) -> Option<Known> {
    if let Some(name) = &spec.accepted {
        let (card, content) = accepted::card(results, name).ok()?;
        return Some(Known { content, report: card.report, reports: card.reports });
    }
    let card: Card = atomic::read_json(&made_card(results, system, spec)).ok()?;
    Some(Known { content: card.npz_sha256, report: card.report, reports: Vec::new() })
}

/// Where a reference that was made here says what it is.
fn made_card(results: &Path, system: &SystemSpec, spec: &ReferenceSpec) -> PathBuf {
    let digest = identity::reference_digest(system, spec);
    Results(results).reference(&digest).join("reference.json")
}

/// References of a results folder that are not what was made: file and what is wrong with it.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed; [`Error::Interrupted`].
pub fn damaged(results: &Path) -> Result<Vec<String>> {
    let root = Results(results).references();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        stop::check()?;
        let dir = entry.path();
        if dir.join("reference.json").exists()
            && let Err(e) = load(&dir, String::new())
        {
            found.push(e.to_string());
        }
    }
    found.sort();
    Ok(found)
}

impl Reference {
    /// As metrics want it.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn set(&self) -> Result<ReferenceSet> {
        let path = self.dir.join("reference.npz");
        Ok(ReferenceSet {
            digest: self.digest.clone(),
            positions: get(&self.arrays, "positions", &path)?.to_f64(),
            energies: get(&self.arrays, "energy", &path)?.to_f64(),
            tica: Models::of_reference(&self.arrays, &path)?.map(Arc::new),
            precision: None,
            runs: self.runs,
        })
    }
}

fn load(dir: &Path, digest: String) -> Result<Reference> {
    let card: Card = atomic::read_json(&dir.join("reference.json")).map_err(|e| match e {
        Error::Data { path, message } => {
            Error::data(path, format!("{message}; delete the folder {} to make the reference again", dir.display()))
        }
        other => other,
    })?;
    let npz = dir.join("reference.npz");
    let found = atomic::sha256_file(&npz)?;
    if found != card.npz_sha256 {
        let (recorded, remedy) = (card.npz_sha256, "delete the folder to make the reference again");
        return Err(Error::digest(npz, format!("SHA-256 is {found}, recorded {recorded}; {remedy}")));
    }
    Ok(Reference { digest, dir: dir.to_path_buf(), arrays: read_npz(&npz)?, runs: 1, report: card.report })
}

fn make(
    dir: &Path,
    system: &SystemSpec,
    spec: &ReferenceSpec,
    progress: &mut Show<'_>,
    interrupted: &dyn Fn() -> bool,
) -> Result<()> {
    let sys = Arc::new(systems::build(system)?);
    let energy = Metered::new(device::potential(&sys.potential())?, None);
    let mut ctx = Context { system: sys, energy, seed: spec.seed };
    let mut making = Making::new(spec, &ctx)?;
    let partial = dir.with_extension("partial");
    let mut step = 0;
    if let Some(found) = checkpoint::load(&partial)? {
        making.restore(&found.state)?;
        ctx.energy.restore(found.counts);
        step = found.step;
    }
    let mut saved = Instant::now();
    loop {
        let stop = interrupted();
        if stop || saved.elapsed() >= CHECKPOINT_EVERY {
            checkpoint::save(&partial, step, ctx.energy.counts(), &making.state()?)?;
            saved = Instant::now();
        }
        if stop {
            return Err(Error::Interrupted);
        }
        let mut p = making.step(&mut ctx)?;
        p.evaluations = ctx.energy.counts().charged();
        step += 1;
        progress(&p);
        if p.finished {
            break;
        }
    }
    let (samples, report) = making.finish(&ctx)?;
    disk::create_folder(dir).map_err(Error::io(dir))?;
    let npz = dir.join("reference.npz");
    write_npz(&npz, &samples)?;
    let npz_sha256 = atomic::sha256_file(&npz)?;
    let card = Card { system: system.clone(), spec: spec.clone(), npz_sha256, report };
    // A number that is not finite could be written, as null, but not read.
    let read = serde_json::to_value(&card).and_then(serde_json::from_value::<Card>);
    read.map_err(|_| {
        Error::Numerical(format!("the reference of {} is unusable: energies are not finite", system.name))
    })?;
    // Written last: from here on the reference is there.
    atomic::write_json(&dir.join("reference.json"), &card)?;
    checkpoint::remove(&partial)
}
