//! How the samples of a run were judged. A run keeps every evaluation, each in a file of its own,
//! `evaluations/<16 digits>.json`, that the manifest seals when it is made; the order of its lines is the order of time.
//!
//! Runs of versions that kept one judgement have a `metrics.json` instead. It is read where it lies, as the oldest
//! evaluation, by code that is not ours; the next evaluation of the run seals it as it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RunDir, atomic, manifest};
use crate::disk;
use crate::error::{Error, Result};
use crate::identity::{self, Yardstick};
use crate::spec::EvalSpec;

pub use super::files::{
    EVALUATIONS as FOLDER, LEGACY_EVALUATION as LEGACY, evaluation_name as name, is_evaluation as is_name,
};

/// One evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Its identity: digest of yardstick and seed.
    #[serde(default)]
    pub digest: String,
    /// Digest of the yardstick: all that decides the numbers but the seed. The same for runs that may be compared.
    #[serde(default)]
    pub yardstick: String,
    /// Digest of the evaluation settings.
    pub eval_digest: String,
    /// Digest of the reference ensemble's settings.
    pub reference_digest: String,
    /// SHA-256 of its frames: made again by other code they may differ. Absent in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_sha256: Option<String>,
    /// Digest of the whole code that evaluated.
    pub code_digest: String,
    /// Digest of the code that can change metrics; empty in records of older versions.
    #[serde(default)]
    pub evaluation_code: String,
    /// Seed of subsets and replicates; absent in records of older versions, where it is that of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The values, see [`crate::metrics`].
    pub metrics: Vec<Value>,
    /// Those of the samples resampled by their importance weights, for methods whose weights are a row of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reweighted: Vec<Value>,
    /// What stopping earlier would have been worth, in the order of the cost: of the second row, where there are two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<Point>,
    /// The evaluation settings; absent in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval: Option<EvalSpec>,
}

/// A run on its way, judged as its samples are, without intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Charged energy evaluations until then.
    pub evaluations: f64,
    /// Values by metric.
    pub metrics: BTreeMap<String, f64>,
}

impl Evaluation {
    /// Without values yet.
    #[must_use]
    pub fn new(yardstick: &Yardstick, seed: u64, eval: &EvalSpec) -> Self {
        Self {
            digest: yardstick.evaluation(seed),
            yardstick: yardstick.digest(),
            eval_digest: yardstick.settings.clone(),
            reference_digest: yardstick.reference.clone(),
            reference_sha256: yardstick.content.clone(),
            code_digest: identity::code().digest.clone(),
            evaluation_code: yardstick.code.clone(),
            seed: Some(seed),
            metrics: Vec::new(),
            reweighted: Vec::new(),
            curve: Vec::new(),
            eval: Some(eval.clone()),
        }
    }

    /// Whether it answers the same question, by whatever code. Content that either side does not know is no difference.
    fn answers(&self, yardstick: &Yardstick, seed: u64) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        self.eval_digest == yardstick.settings
            && self.reference_digest == yardstick.reference
            && self.seed.is_none_or(|s| s == seed)
            && same(&self.reference_sha256, &yardstick.content)
    }

    /// Whether the same code would measure the same again.
    fn is_by(&self, yardstick: &Yardstick) -> bool {
        let version = |value: &Value| {
            let wanted = value["id"].as_str().and_then(|id| yardstick.versions.get(id));
            wanted.is_none_or(|wanted| value["version"].as_u64() == Some(u64::from(*wanted)))
        };
        self.evaluation_code == yardstick.code && self.metrics.iter().all(version)
    }

    /// What older versions did not write down. Their code is known by its digest alone, so it is never ours.
    fn completed(mut self, seed: u64) -> Self {
        if self.digest.is_empty() {
            let yardstick = Yardstick {
                settings: self.eval_digest.clone(),
                versions: [].into(),
                reference: self.reference_digest.clone(),
                content: self.reference_sha256.clone(),
                code: format!("one digest: {}", self.code_digest),
            };
            self.yardstick = yardstick.digest();
            self.digest = yardstick.evaluation(seed);
        }
        self
    }
}

/// What a run has for a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The answer.
    Own(Evaluation),
    /// An answer by other code: a table that shows it says so.
    OtherCode(Evaluation),
    /// None.
    Missing,
}

/// All evaluations of a run, newest first.
///
/// # Errors
/// [`Error::Digest`] for one that was changed since it was made, [`Error::Data`] for a malformed one, [`Error::Io`].
pub fn all(run: &RunDir) -> Result<Vec<Evaluation>> {
    sealed(run)?.iter().map(|(digest, name)| read(run, name, digest.as_deref())).collect()
}

/// The evaluation of a run that answers a question: our own before one by other code, the newer before the older.
///
/// # Errors
/// As [`all`].
pub fn find(run: &RunDir, yardstick: &Yardstick, seed: u64) -> Result<Found> {
    let sealed = sealed(run)?;
    let exact = name(&yardstick.evaluation(seed));
    if let Some((digest, name)) = sealed.iter().find(|(_, name)| *name == exact) {
        return read(run, name, digest.as_deref()).map(Found::Own);
    }
    let mut found = Found::Missing;
    for (digest, name) in &sealed {
        // A damaged answer to another question is nobody's answer to this one.
        let Ok(evaluation) = read(run, name, digest.as_deref()) else { continue };
        if !evaluation.answers(yardstick, seed) {
            continue;
        }
        if evaluation.is_by(yardstick) {
            return Ok(Found::Own(evaluation)); // against a reference whose content one side does not know
        }
        if found == Found::Missing {
            found = Found::OtherCode(evaluation);
        }
    }
    Ok(found)
}

/// Writes an evaluation beside those that there are, and seals it. Only the holder of the run's claim may.
///
/// # Errors
/// [`Error::Io`].
pub fn keep(run: &RunDir, evaluation: &Evaluation) -> Result<()> {
    let folder = run.file(FOLDER);
    disk::create_folder(&folder).map_err(Error::io(&folder))?;
    let name = name(&evaluation.digest);
    atomic::write_json(&run.file(&name), evaluation)?;
    seal(run, &[name.as_str()])
}

/// Seals evaluations that were just written; before the first of them, once, the judgement of an older version as it is.
///
/// # Errors
/// [`Error::Io`].
pub fn seal(run: &RunDir, names: &[&str]) -> Result<()> {
    let sealed = manifest::read(&run.path)?.iter().any(|(_, name)| name == LEGACY);
    let legacy = (!sealed && run.file(LEGACY).exists()).then_some(LEGACY);
    manifest::seal(&run.path, &legacy.into_iter().chain(names.iter().copied()).collect::<Vec<_>>())
}

/// Names of the evaluations of a run with their digests in the manifest, newest first. A file that no line seals was being
/// written when its process died; only the one of older versions was never sealed.
fn sealed(run: &RunDir) -> Result<Vec<(Option<String>, String)>> {
    let mut found: Vec<(Option<String>, String)> = match manifest::read(&run.path) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        lines => lines?
            .into_iter()
            .filter(|(_, name)| name == LEGACY || is_name(name))
            .map(|(digest, name)| (Some(digest), name))
            .collect(),
    };
    found.reverse();
    if !found.iter().any(|(_, name)| name == LEGACY) && run.file(LEGACY).exists() {
        found.push((None, LEGACY.to_owned()));
    }
    Ok(found)
}

fn read(run: &RunDir, name: &str, sealed: Option<&str>) -> Result<Evaluation> {
    let path = run.file(name);
    let bytes = atomic::read_bounded(&path, atomic::LARGEST_JSON)?;
    if let Some(sealed) = sealed {
        let found = atomic::sha256(&bytes);
        if found != sealed {
            let message = format!("changed since it was made: recorded sha256 {sealed}, found {found}");
            return Err(Error::digest(path, message));
        }
    }
    atomic::parse_json(&bytes, &path).map(|evaluation: Evaluation| evaluation.completed(run.id.seed))
}
