//! What a report says of a run beyond its row: how it was made, by what, and the numbers that it recorded on its way.

use serde_json::Value;

use crate::samplers::reference::Convergence;

/// A number that a run recorded as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name, such as `anneal.ess`.
    pub name: String,
    /// Steps done and value, in order, thinned such that extremes stay; finite values only.
    pub points: Vec<(f64, f64)>,
    /// How many there were.
    pub recorded: usize,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detail {
    /// Kind of its sampler, as in experiment files.
    pub kind: String,
    /// Settings of its sampler, all written out; of paths only the last part.
    pub settings: Value,
    /// Samples.
    pub samples: Option<u64>,
    /// Whether their file is there (a bundle may leave it out).
    pub has_samples: bool,
    /// Seconds of all sessions.
    pub seconds: Option<f64>,
    /// When it began.
    pub began: Option<String>,
    /// The code that made it, as people know it.
    pub code: Option<String>,
    /// Where it ran: processor, cores, memory, system, GPU.
    pub machine: Option<String>,
    /// What was recorded of it by name: digests of 64 digits each.
    pub digests: Vec<(&'static str, String)>,
    /// Curves, in the order of first appearance.
    pub curves: Vec<Curve>,
    /// Warnings that it recorded.
    pub warnings: Vec<String>,
}

/// The reference that a system was judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceCard {
    /// System name.
    pub system: String,
    /// Temperature.
    pub temperature: f64,
    /// Name of an accepted one.
    pub name: Option<String>,
    /// Digest of its settings.
    pub settings: String,
    /// SHA-256 of what it consists of.
    pub content: Option<String>,
    /// How far it can be trusted, over all its runs.
    pub report: Convergence,
    /// The same of each independent run; empty where there is one.
    pub runs: Vec<Convergence>,
}
