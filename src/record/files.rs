//! The JSON files of a run folder, and their names.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::identity::{Code, Parts, short};
use crate::spec::RunSpec;

/// Folder of evaluations in a run folder.
pub const EVALUATIONS: &str = "evaluations";
/// The one judgement of a run of an older version.
pub const LEGACY_EVALUATION: &str = "metrics.json";

/// Name of an evaluation's file in its run folder.
#[must_use]
pub fn evaluation_name(digest: &str) -> String {
    format!("{EVALUATIONS}/{}.json", short(digest))
}

/// Whether a run folder may have a file of that name as an evaluation.
#[must_use]
pub fn is_evaluation(name: &str) -> bool {
    let digits = name.strip_prefix("evaluations/").and_then(|rest| rest.strip_suffix(".json"));
    digits.is_some_and(|d| d.len() == 16 && d.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

/// `spec.json`: what was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Digest of `spec`.
    pub spec_digest: String,
    /// Seed.
    pub seed: u64,
    /// How the run is called in reports; not part of the digest.
    pub labels: Labels,
    /// The resolved spec.
    pub spec: RunSpec,
}

/// Where a run came from, for people and reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Name of the experiment that first asked for it.
    pub experiment: String,
    /// Key of the system.
    pub system: String,
    /// Key of the sampler.
    pub sampler: String,
    /// How the sampler is called in reports.
    pub label: String,
    /// Swept settings and their values.
    pub swept: Vec<(String, String)>,
}

/// `provenance.json`: which code made the run, where and when. In no digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Digest of the spec.
    pub spec_digest: String,
    /// Digest of what was compiled.
    pub code_digest: String,
    /// Digest of the code that can change samples: whether the run is stale, and who may continue it. Empty in records of
    /// versions that had one digest for everything; such code is not ours.
    #[serde(default)]
    pub sampling_digest: String,
    /// Digest of the code that can change metrics.
    #[serde(default)]
    pub evaluation_digest: String,
    /// Digest of the environment.
    pub env_digest: String,
    /// What was compiled.
    pub code: Value,
    /// Where it ran.
    pub env: Value,
    /// One entry per process that worked on the run.
    pub sessions: Vec<Session>,
}

impl Provenance {
    /// Seconds of all sessions.
    #[must_use]
    pub fn wall_seconds(&self) -> f64 {
        self.sessions.iter().map(|s| s.wall_seconds).sum()
    }

    /// Seconds of all sessions that went into recording; `None` where that was not measured.
    #[must_use]
    pub fn recording_seconds(&self) -> Option<f64> {
        self.sessions.iter().map(|s| s.recording_seconds).sum()
    }
}

/// One process's work on a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Digest of the code that worked.
    pub code_digest: String,
    /// When it began.
    pub start: String,
    /// When it ended; absent when it was killed.
    pub end: Option<String>,
    /// How long it worked.
    pub wall_seconds: f64,
    /// The GPU that it worked on; absent for the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// How much of it the sampler did not have: events, checkpoints, progress. Absent in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_seconds: Option<f64>,
}

/// `code/<16 digits of the code digest>.json` in the results folder: what a build consists of, once for all its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeFile {
    /// The build.
    pub code: Code,
    /// Its source files and crates.
    pub parts: Parts,
}

/// `partial.json`: a run that ended as it should, with fewer samples than were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// Samples that were asked for.
    pub asked: u64,
    /// Samples there are.
    pub made: u64,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} samples: {}", self.made, self.asked, self.reason)
    }
}

/// `origin.json`: where a run comes from that was not made in this results folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Name of the bundle's file.
    pub bundle: String,
    /// SHA-256 of the bundle.
    pub sha256: String,
    /// Its id where it was made.
    pub run: String,
    /// When it was imported.
    pub time: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} (SHA-256 {}), {}", self.run, self.bundle, short(&self.sha256), self.time)
    }
}

/// `failure.json`: why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's text.
    pub reason: String,
    /// When.
    pub time: String,
}
