//! What the report knows of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::energy::Counts;
use crate::metrics::MetricValue;
use crate::record::evaluation::Point;
use crate::spec::Counted;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Finished, with samples.
    Complete,
    /// Ended with an error.
    Failed,
    /// Nobody has begun it.
    NeverRun,
    /// Somebody works on it.
    Running,
    /// Begun, not ended, nobody works on it.
    Interrupted,
    /// Ended, but its files are not what they were.
    Damaged,
}

impl Status {
    /// The word used in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::NeverRun => "never run",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Damaged => "damaged",
        }
    }
}

/// One run (one cell of a sweep at one seed) with its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Run id, as unique prefix or in full; empty for a cell that was never run.
    pub run_id: String,
    /// System name.
    pub system: String,
    /// Target temperature.
    pub temperature: f64,
    /// Sampler kind; also the folder of its published numbers in `baselines/`.
    pub sampler: String,
    /// Name of the table row, such as `PITA`.
    pub label: String,
    /// Seed.
    pub seed: u64,
    /// Swept settings and their values, such as `anneal.weights = exact`.
    pub swept: BTreeMap<String, String>,
    /// Metrics; empty unless complete.
    pub metrics: Vec<MetricValue>,
    /// What stopping earlier would have been worth; of a run with two rows that of the reweighted one.
    #[serde(default)]
    pub curve: Vec<Point>,
    /// Energy evaluations by purpose.
    pub counts: Counts,
    /// Who counted them.
    #[serde(default)]
    pub counted: Counted,
    /// Energy evaluations of the reference that it is judged by, if that is there.
    pub reference: Option<Counts>,
    /// How it ended.
    pub status: Status,
    /// The code that judged its samples, where that is not this one.
    #[serde(default)]
    pub evaluated_by: Option<String>,
    /// Why it has fewer samples than were asked for, if so.
    #[serde(default)]
    pub partial: Option<String>,
    /// The bundle that it was imported from, if it was not made here.
    #[serde(default)]
    pub origin: Option<String>,
    /// Why it failed, or what is damaged.
    pub failure: Option<String>,
    /// Whether this is the second row of a run: its samples reweighted.
    pub reweighted: bool,
    /// Where its samples are.
    pub samples_path: Option<PathBuf>,
}

impl RunResult {
    /// Row label: the sampler's label and the swept settings.
    #[must_use]
    pub fn row_label(&self) -> String {
        if self.swept.is_empty() {
            return self.label.clone();
        }
        let swept: Vec<String> = self.swept.iter().map(|(k, v)| format!("{k} = {v}")).collect();
        format!("{} ({})", self.label, swept.join(", "))
    }
}
