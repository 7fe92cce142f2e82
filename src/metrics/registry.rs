//! The metrics by id.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Lower is better.
    Lower,
    /// Higher is better.
    Higher,
    /// Neither: a plain observation.
    None,
}

/// Identity and description of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Metric {
    /// Id in experiment files and tables.
    pub id: &'static str,
    /// Title of its table column.
    pub title: &'static str,
    /// Version of the definition; raised whenever the same input would give another number.
    pub version: u32,
    /// Unit; `length` stands for the system's length unit.
    pub unit: &'static str,
    /// Which way it improves.
    pub direction: Direction,
    /// What it measures.
    pub description: &'static str,
    /// Where the definition comes from.
    pub source: &'static str,
}

const fn metric(
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    direction: Direction,
    description: &'static str,
    source: &'static str,
) -> Metric {
    Metric { id, title, version: 1, unit, direction, description, source }
}

/// Every metric, in table order.
pub const METRICS: &[Metric] = &[
    metric(
        "energy-w1",
        "Energy-W1",
        "kT",
        Direction::Lower,
        "1-Wasserstein distance between reduced energies of samples and reference; |u| > 1000 dropped and counted",
        "PITA's public code (energy distances); dropping instead of zeroing outliers is ours",
    ),
    metric(
        "energy-w2",
        "Energy-W2",
        "kT",
        Direction::Lower,
        "2-Wasserstein distance (root of the mean squared cost) between reduced energies",
        "PITA's public code (energy distances)",
    ),
    metric(
        "distance-w2",
        "Distance-W2",
        "length",
        Direction::Lower,
        "2-Wasserstein distance between all interatomic distances of all samples, pooled",
        "PITA's public code; iDEM logs it without the square root",
    ),
    metric(
        "geo-w1-ref",
        "Geometric-W (reference code)",
        "length",
        Direction::Lower,
        "Exact transport over samples; cost: match particles on unaligned distances, then Kabsch with reflections, \
         norm of the flat difference, not squared",
        "PITA's and iDEM's public code (`eot`)",
    ),
    metric(
        "geo-w2",
        "Geometric-W2",
        "length",
        Direction::Lower,
        "Exact transport over samples; squared cost minimised over permutation, rotation and reflection by alternating \
         matching and Kabsch from several starts; square root",
        "this project",
    ),
    metric(
        "mean-energy",
        "Mean energy",
        "kT",
        Direction::None,
        "Mean reduced energy of the samples; the reference's mean stands in the note",
        "PITA's public code",
    ),
    metric(
        "mean-energy-diff",
        "Mean energy error",
        "kT",
        Direction::Lower,
        "Absolute difference of the mean reduced energies of samples and reference",
        "PITA's public code (mean distance)",
    ),
    metric(
        "ess",
        "ESS",
        "fraction",
        Direction::Higher,
        "Effective sample size of the importance weights, (sum w)^2 / (n sum w^2); needs the array `log_weight`",
        "Kong 1992",
    ),
    metric(
        "unique-parents",
        "Unique parents",
        "fraction",
        Direction::Higher,
        "Distinct ancestors left after resampling, per sample; needs the array `parents`",
        "PITA's public code (SMC diagnostics)",
    ),
];

/// The metric with this id.
///
/// # Errors
/// [`Error::Usage`] for an unknown id, with the nearest and all known ones.
pub fn by_id(id: &str) -> Result<&'static Metric> {
    METRICS.iter().find(|m| m.id == id).ok_or_else(|| {
        let nearest = METRICS
            .iter()
            .map(|m| (strsim::jaro_winkler(m.id, id), m.id))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(score, _)| *score > 0.8)
            .map_or(String::new(), |(_, near)| format!("; did you mean `{near}`?"));
        let known: Vec<_> = METRICS.iter().map(|m| m.id).collect();
        Error::Usage(format!("unknown metric `{id}`{nearest} Known: {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_misspellings_are_helped() {
        for (i, m) in METRICS.iter().enumerate() {
            assert!(METRICS[..i].iter().all(|o| o.id != m.id));
            assert_eq!(by_id(m.id).unwrap(), m);
        }
        let message = by_id("energy_w1").unwrap_err().to_string();
        assert!(message.contains("did you mean `energy-w1`?"), "{message}");
    }
}
