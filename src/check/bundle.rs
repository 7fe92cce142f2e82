//! The accepted bundle: what a check compares with.
//!
//! ```text
//! results/accepted/<name>/
//!   accepted.json              cells, code, machine, reason; replaced last, so the bundle is the old or the new one
//!   references/<16 digits>/    the references that samples are judged by
//!   probes/<system>-<16>.npz   energies and forces of fixed frames
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cells::{self, Side};
use super::probe;
use crate::config::Experiment;
use crate::disk;
use crate::error::{Error, Result};
use crate::exec::references;
use crate::record::{Results, atomic, timestamp};
use crate::{array, identity};

/// Layout of the bundle.
const VERSION: u32 = 1;

/// One acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// When.
    pub time: String,
    /// Why.
    pub reason: String,
    /// By which code.
    pub code: String,
    /// Git commit, if known.
    pub revision: Option<String>,
}

/// `accepted.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// Layout.
    pub version: u32,
    /// Experiment.
    pub experiment: String,
    /// This acceptance.
    pub accepted: Acceptance,
    /// Earlier ones, oldest first.
    pub before: Vec<Acceptance>,
    /// What was accepted.
    pub side: Side,
    /// Files of probes, by key of the system.
    pub probes: BTreeMap<String, String>,
}

impl Bundle {
    /// Reads a bundle; `None` when nothing was accepted yet.
    ///
    /// # Errors
    /// [`Error::Data`] when it is malformed or of a newer layout.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join("accepted.json");
        let bundle: Self = match atomic::read_json(&path) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if bundle.version > VERSION {
            let message = format!("a bundle of layout {}, this program knows {VERSION}; update it", bundle.version);
            return Err(Error::data(&path, message));
        }
        Ok(Some(bundle))
    }
}

/// First 16 digits of the references of an experiment.
fn reference_digests(experiment: &Experiment) -> BTreeSet<String> {
    let digest =
        |c: &crate::config::Cell| identity::reference_digest(&c.run.system, &c.eval.reference)[..16].to_owned();
    experiment.cells.iter().map(digest).collect()
}

/// Copies the references that `experiment` asks for from one folder to another, where they are there and not yet at their
/// destination; the card last.
pub(super) fn copy_references(experiment: &Experiment, from: &Path, to: &Path) -> Result<()> {
    for digest in reference_digests(experiment) {
        let (from, to) = (Results(from).reference(&digest), Results(to).reference(&digest));
        if !from.join("reference.json").exists() || to.join("reference.json").exists() {
            continue;
        }
        disk::create_folder(&to).map_err(Error::io(&to))?;
        for name in ["reference.npz", "reference.json"] {
            let source = from.join(name);
            let bytes = std::fs::read(&source).map_err(Error::io(&source))?;
            atomic::write_shared(&to.join(name), &bytes)?;
        }
    }
    Ok(())
}

/// Makes what lies in `results` the accepted bundle in `dir`.
///
/// # Errors
/// [`Error::NothingSelected`] when a cell is not complete; [`Error::Usage`] without a reason.
pub fn accept(experiment: &Experiment, results: &Path, dir: &Path, reason: &str) -> Result<Bundle> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Error::Usage("--reason: say why these numbers are right; it is kept with them".into()));
    }
    let side = cells::gather(experiment, results)?;
    if let Some(first) = side.missing.first() {
        return Err(Error::NothingSelected(format!(
            "{} of {} cells are not complete, so there is nothing to accept; the first: {} {} seed {}: {}",
            side.missing.len(),
            experiment.cells.len(),
            first.system,
            first.row,
            first.seed,
            first.why
        )));
    }
    let before = Bundle::read(dir)?.map_or_else(Vec::new, |old| [old.before, vec![old.accepted]].concat());
    copy_references(experiment, results, dir)?;
    let mut probes = BTreeMap::new();
    for cell in &experiment.cells {
        if probes.contains_key(&cell.system) {
            continue;
        }
        let reference = references::quietly(results, &cell.run.system, &cell.eval.reference)?;
        let probe = probe::make(&cell.run.system, &reference.positions)?;
        let digest = identity::sha256_hex(array::encode_safetensors(&probe)?);
        let name = format!("probes/{}-{}.npz", cell.system, &digest[..16]);
        let folder = dir.join("probes");
        disk::create_folder(&folder).map_err(Error::io(&folder))?;
        array::write_npz(dir.join(&name), &probe)?;
        probes.insert(cell.system.clone(), name);
    }
    let accepted = Acceptance {
        time: timestamp(),
        reason: reason.to_owned(),
        code: side.code.digest.clone(),
        revision: side.code.revision.clone(),
    };
    let bundle = Bundle { version: VERSION, experiment: experiment.name.clone(), accepted, before, side, probes };
    atomic::write_json(&dir.join("accepted.json"), &bundle)?;
    tidy(dir, experiment, &bundle);
    Ok(bundle)
}

/// Removes what only an earlier bundle needed; what cannot be removed stays, and disturbs nobody.
fn tidy(dir: &Path, experiment: &Experiment, bundle: &Bundle) {
    let references = reference_digests(experiment);
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries(Results(dir).references()) {
        if !references.contains(&*entry.file_name().to_string_lossy()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    for entry in entries(dir.join("probes")) {
        let name = format!("probes/{}", entry.file_name().to_string_lossy());
        if !bundle.probes.values().any(|kept| *kept == name) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
