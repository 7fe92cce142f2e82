//! What the report knows of a run.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::path::PathBuf;

use crate::energy::Counts;
use crate::metrics::MetricValue;
use crate::record::Status;
use crate::record::evaluation::Point;
use crate::spec::Counted;

/// One run (one cell of a sweep at one seed) with its metrics.
#[derive(Debug, Clone, Default, PartialEq)]
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
    pub curve: Vec<Point>,
    /// Energy evaluations by purpose.
    pub counts: Counts,
    /// Who counted them.
    pub counted: Counted,
    /// Energy evaluations of the reference that it is judged by, if that is there.
    pub reference: Option<Counts>,
    /// How it ended, `Partial` as `Complete`; `None` while nobody has begun it.
    pub status: Option<Status>,
    /// The code that judged its samples, where that is not this one.
    pub evaluated_by: Option<String>,
    /// Why it has fewer samples than were asked for, if so.
    pub partial: Option<String>,
    /// The bundle that it was imported from, if it was not made here.
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

    /// Whether it has samples.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.status == Some(Status::Complete)
    }

    /// The word for how it ended.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.status.map_or("never run", Status::word)
    }

    /// Its value of a metric.
    #[must_use]
    pub fn metric(&self, id: &str) -> Option<&MetricValue> {
        self.metrics.iter().find(|m| m.id == id)
    }
}

/// Items by a key, in the order in which the keys first appear.
pub(super) fn by_key<K: Clone + Eq + Hash, T>(items: impl IntoIterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
    let mut places = HashMap::new();
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    for (key, item) in items {
        let at = *places.entry(key.clone()).or_insert(groups.len());
        if at == groups.len() {
            groups.push((key, Vec::new()));
        }
        groups[at].1.push(item);
    }
    groups
}
