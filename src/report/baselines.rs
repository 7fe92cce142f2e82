//! Published and accepted numbers: `baselines/<name>/{baseline,expected}.toml`, compiled in.

use serde::{Deserialize, Serialize};

use crate::config;
use crate::error::{Error, Result};
use crate::systems::energy_tag;

pub use crate::config::baseline::Kind;

/// A method that the table compares.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Folder name; equals the sampler kind of built-in ones.
    pub name: String,
    /// Name in tables.
    pub title: String,
    /// Whether it can be run here.
    pub kind: Kind,
    /// Sampler kind, when built in.
    pub sampler: Option<String>,
    /// Numbers to compare with.
    pub expected: Vec<Expected>,
}

/// One number to compare with. Published and accepted values are separate: the first is never adjusted to ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// System name.
    pub system: String,
    /// Energy function that the number was measured with: [`crate::systems::energy_tag`], or the name of another one.
    pub energy: String,
    /// Temperature.
    pub temperature: f64,
    /// Metric id.
    pub metric: String,
    /// Published value.
    pub published: Option<f64>,
    /// Its stated spread.
    pub published_sd: Option<f64>,
    /// Value that we accept from our own runs.
    pub accepted: Option<f64>,
    /// How far ours may be from `accepted`.
    pub tolerance: Option<f64>,
    /// Where the published value stands.
    pub source: String,
    /// Remarks.
    #[serde(default)]
    pub note: String,
}

impl Expected {
    /// Where the published value stands, with which energy function, and what is to be said of it.
    #[must_use]
    pub fn about(&self) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!(". {}", self.note) };
        format!("{} (energy function {}){note}", self.source, self.energy)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedFile {
    expected: Vec<Expected>,
}

macro_rules! folder {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../baselines/", $name, "/baseline.toml")),
            include_str!(concat!("../../baselines/", $name, "/expected.toml")),
        )
    };
}

const FOLDERS: &[(&str, &str, &str)] = &[
    folder!("md"),
    folder!("pita"),
    folder!("fkc"),
    folder!("score-scaling"),
    folder!("md-diff"),
    folder!("pita-ic"),
    folder!("tabg-ic"),
    folder!("ta-bg"),
    folder!("smc"),
    folder!("nrpt"),
    folder!("idem"),
    folder!("adjoint-sampling"),
    folder!("asbs"),
    folder!("ecnf"),
    folder!("sbg"),
    folder!("falcon"),
    folder!("openmm-md"),
    folder!("numpy-mala"),
];

/// All baselines.
///
/// # Errors
/// [`Error::Internal`] when a compiled-in file is malformed (a test guards this).
pub fn all() -> Result<Vec<Baseline>> {
    FOLDERS
        .iter()
        .map(|(name, baseline, expected)| {
            let bad = |e: toml::de::Error| Error::Internal(format!("baselines/{name}: {e}"));
            let config::baseline::Baseline { name, title, kind, sampler, .. } =
                toml::from_str(baseline).map_err(bad)?;
            let expected = toml::from_str::<ExpectedFile>(expected).map_err(bad)?.expected;
            Ok(Baseline { name, title, kind, sampler, expected })
        })
        .collect()
}

impl Baseline {
    /// The number to compare `metric` with on a system at a temperature: never one of another energy function, however alike
    /// the molecules are.
    #[must_use]
    pub fn expected(&self, system: &str, temperature: f64, metric: &str) -> Option<&Expected> {
        self.of(system, temperature, metric).find(|e| Some(e.energy.as_str()) == energy_tag(system))
    }

    /// Numbers of the same molecule, temperature and metric with other energy functions, which are not compared.
    pub fn foreign(&self, system: &str, temperature: f64, metric: &str) -> impl Iterator<Item = &Expected> {
        self.of(system, temperature, metric).filter(move |e| Some(e.energy.as_str()) != energy_tag(system))
    }

    fn of(&self, system: &str, temperature: f64, metric: &str) -> impl Iterator<Item = &Expected> {
        self.expected.iter().filter(move |e| {
            e.system == system && (e.temperature - temperature).abs() <= 1e-9 * temperature.abs() && e.metric == metric
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::by_id;

    #[test]
    fn files_are_sound() {
        let all = all().unwrap();
        assert_eq!(all.len(), FOLDERS.len());
        for (baseline, (folder, ..)) in all.iter().zip(FOLDERS) {
            assert_eq!(&baseline.name, folder);
            assert_eq!(baseline.sampler.is_some(), baseline.kind == Kind::BuiltIn);
            for e in &baseline.expected {
                by_id(&e.metric).unwrap();
                assert!(!e.source.is_empty());
                assert_eq!(e.accepted.is_some(), e.tolerance.is_some());
            }
        }
        let pita = all.iter().find(|b| b.name == "pita").unwrap();
        assert_eq!(pita.expected("lj13", 1.0, "energy-w2").unwrap().published, Some(2.26));
        assert_eq!(pita.expected("lj13", 2.0, "energy-w2"), None);
        // The tripeptide's energy is ours; the dipeptide's is another one.
        let falcon = all.iter().find(|b| b.name == "falcon").unwrap();
        assert_eq!(falcon.expected("al3", 310.0, "energy-w2").unwrap().published, Some(0.544));
        assert_eq!(falcon.foreign("al3", 310.0, "energy-w2").count(), 0);
        assert_eq!(falcon.expected("aldp", 300.0, "energy-w2"), None);
        assert_eq!(falcon.foreign("aldp", 300.0, "energy-w2").next().unwrap().published, Some(0.225));
        // A system of one's own has no published numbers.
        assert_eq!(falcon.expected("mine", 310.0, "energy-w2"), None);
    }
}
