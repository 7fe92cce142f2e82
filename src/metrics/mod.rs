//! Metrics: how far samples are from a reference ensemble, each number with its identity, interval and noise floor.
//!
//! | file | job |
//! |---|---|
//! | [`registry`] | which metrics there are: id, version, unit, direction, source, function |
//! | `particles` | metrics of energies, distances and whole configurations |
//! | [`wasserstein`] | exact Wasserstein distances on the line |
//! | `assignment` | small exact assignment (particle matching) |
//! | [`ot`] | exact optimal transport between point clouds |
//! | [`alignment`] | distances up to permutation, rotation and reflection |
//! | [`weights`] | effective sample sizes, clipping, log-partition estimates, unique parents |
//! | [`bootstrap`] | subsets and 95 % intervals |
//! | [`rounding`] | coordinates that a lossy file rounded, and what that does to energies |
//! | `floor` | the same metric between two disjoint halves of the reference |
//! | `order` | frames in time: how far they are correlated |
//! | `usable` | which frames can be judged: finite ones, whole, whose bonds can be |
//! | `side` | one set of frames, with what is computed from it once |
//! | `compare` | what a comparison of two sets gives, and how it gets its interval |
//! | [`structure`] | metrics of molecules: dihedrals, Ramachandran, TICA, chirality, bonds, basins |
//! | `arrays` | metrics of one array beside the samples |
//! | [`mod@evaluate`] | all of it for one set of samples |
//!
//! All energies here are reduced, `u = E / kT` at the evaluated temperature.

pub mod alignment;
mod arrays;
mod assignment;
pub mod bootstrap;
mod compare;
pub mod evaluate;
mod floor;
mod order;
pub mod ot;
mod particles;
pub mod registry;
pub mod rounding;
mod side;
pub mod structure;
mod usable;
pub mod wasserstein;
pub mod weights;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use evaluate::{Judge, evaluate};
pub use registry::{Direction, METRICS, Metric, REFERENCE_LOG_WEIGHT, by_id};

/// An independent reference ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceSet {
    /// Digest that identifies the ensemble; stored with every value computed against it.
    pub digest: String,
    /// Positions `[n, atoms, 3]`, in the system's length unit.
    pub positions: Vec<f64>,
    /// Energies `[n]`, unreduced, in the system's energy unit.
    pub energies: Vec<f64>,
    /// TICA models, fitted on contiguous trajectories of the same ensemble ([`structure::Structure::fit_tica`]); without
    /// them TICA metrics are not defined. They belong to what the digest identifies.
    pub tica: Option<Arc<structure::tica::Models>>,
    /// Steps per unit of length that its file says positions were rounded to.
    pub precision: Option<f64>,
    /// Independent runs that its frames come from, in turns: frame `i` is of run `i % runs`. Floors are distances between the
    /// first two where there are as many, and between random halves where there is one.
    pub runs: usize,
}

/// One metric of one set of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// Id of the metric, such as `energy-w1`.
    pub id: String,
    /// Version of its definition: values of different versions are not comparable.
    pub version: u32,
    /// Unit, such as `kT`.
    pub unit: String,
    /// Whether lower or higher is better.
    pub direction: Direction,
    /// The value; `None` where it is not defined for these samples (the note says why).
    pub value: Option<f64>,
    /// Lower end of the 95 % interval.
    pub lo: Option<f64>,
    /// Upper end of the 95 % interval.
    pub hi: Option<f64>,
    /// The same metric between two disjoint halves of the reference.
    pub floor: Option<f64>,
    /// Samples used.
    pub n_samples: usize,
    /// Independent samples that they are worth, where they are frames of dynamics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_effective: Option<usize>,
    /// Reference frames used.
    pub n_reference: usize,
    /// Samples left out: non-finite; energy metrics: a reduced energy outside ±1,000; structural metrics: mixed chirality.
    pub dropped: usize,
    /// Digest of the reference ensemble.
    pub reference: String,
    /// Remarks for the reader; empty for none.
    pub note: String,
}

impl MetricValue {
    /// Without a value yet; `digest` is that of the reference.
    pub(crate) fn blank(metric: &Metric, length_unit: &str, digest: &str) -> Self {
        Self {
            id: metric.id.into(),
            version: metric.version,
            unit: if metric.unit == "length" { length_unit } else { metric.unit }.into(),
            direction: metric.direction,
            value: None,
            lo: None,
            hi: None,
            floor: None,
            n_samples: 0,
            n_effective: None,
            n_reference: 0,
            dropped: 0,
            reference: digest.into(),
            note: String::new(),
        }
    }
}

/// A metric of samples as they are and, where they have importance weights, by those.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Weighed {
    /// Every sample alike.
    #[serde(flatten)]
    pub plain: MetricValue,
    /// Every sample counted by its weight; `None` without usable weights, and for metrics of the weights themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reweighted: Option<f64>,
    /// Its 95 % interval; weights are resampled with their samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reweighted_interval: Option<(f64, f64)>,
}

/// Adds a remark to a note.
fn append(note: &mut String, remark: &str) {
    if !note.is_empty() {
        note.push_str("; ");
    }
    note.push_str(remark);
}
