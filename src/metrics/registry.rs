//! The metrics by id.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::alignment::Aligner;
use super::compare::{Compared, Settings};
use super::side::Side;
use super::structure::chirality::Hand;
use super::structure::ramachandran::{Pairing, jensen_shannon, kl, total_variation};
use super::structure::tica::Kind;
use super::structure::{self, Frames, Rule, basins, joint, states};
use super::wasserstein::Pooled;
use super::{arrays, particles};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::words;

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

/// What a metric makes sense for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Every system.
    All,
    /// Clusters of identical particles: it does not tell them apart.
    Clusters,
    /// Molecules: it needs a topology.
    Molecules,
}

/// The function of a metric: samples first, reference second.
#[derive(Debug, Clone, Copy)]
pub(super) enum Compute {
    /// Of reduced energies, those beyond the limit left out ([`super::side::ENERGY_LIMIT`]), with weights of the samples.
    Energies(OfEnergies),
    /// Of frames as they are.
    Sides(OfBoth<Side>),
    /// Of frames of a molecule: mirror images reflected, mixed handedness left out. Neither side is empty.
    Frames(OfBoth<Frames>),
    /// Of the array that the metric needs ([`Metric::array`]); no reference, no interval.
    Array(OfArray),
}

type OfEnergies = fn(&Pooled, Option<&[f64]>, &Pooled, Settings) -> Compared;
type OfBoth<S> = fn(&S, &S, Settings) -> Result<Compared>;
type OfArray = fn(&Array) -> Compared;

/// Identity and description of a metric.
#[derive(Debug, Clone, Copy, Serialize)]
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
    /// What it makes sense for.
    pub scope: Scope,
    /// The array beside the samples without which it is not defined.
    pub array: Option<&'static str>,
    /// How it is computed.
    #[serde(skip)]
    pub(super) compute: Compute,
    /// What it measures.
    pub description: &'static str,
    /// Where the definition comes from.
    pub source: &'static str,
}

/// A metric of every system that lower values improve, version 1, of this project: the methods below say what else it is.
const fn metric(id: &'static str, title: &'static str, unit: &'static str, compute: Compute) -> Metric {
    let (direction, scope) = (Direction::Lower, Scope::All);
    let (description, source) = ("", "this project");
    Metric { id, title, version: 1, unit, direction, scope, array: None, compute, description, source }
}

const fn energies(id: &'static str, title: &'static str, of: OfEnergies) -> Metric {
    metric(id, title, "kT", Compute::Energies(of))
}

const fn sides(scope: Scope, id: &'static str, title: &'static str, unit: &'static str, of: OfBoth<Side>) -> Metric {
    Metric { scope, ..metric(id, title, unit, Compute::Sides(of)) }
}

const fn frames(id: &'static str, title: &'static str, unit: &'static str, of: OfBoth<Frames>) -> Metric {
    Metric { scope: Scope::Molecules, ..metric(id, title, unit, Compute::Frames(of)) }
}

const fn array(id: &'static str, title: &'static str, unit: &'static str, name: &'static str, of: OfArray) -> Metric {
    metric(id, title, unit, Compute::Array(of)).needing(name)
}

impl Metric {
    const fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    const fn direction(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    const fn needing(self, array: &'static str) -> Self {
        Self { array: Some(array), ..self }
    }

    const fn description(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    const fn source(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    /// Whether it is one of energies.
    pub(super) fn of_energies(&self) -> bool {
        matches!(self.compute, Compute::Energies(_))
    }

    /// The metric of `a` (samples) against `b` (reference), with an interval if `settings.bootstrap > 0`.
    ///
    /// # Errors
    /// [`Error::Numerical`] when optimal transport fails, [`Error::Internal`] for a metric of an array.
    pub(super) fn compare(&self, a: &Side, b: &Side, settings: Settings) -> Result<Compared> {
        let mut found = match self.compute {
            Compute::Energies(of) => {
                let weights = a.kept_weights();
                let found = of(a.kept(), weights.as_deref(), b.kept(), settings);
                let found = Compared { dropped: a.len() - a.kept().groups(), ..found };
                // Without samples there is nothing to remark.
                if found.value.is_none() { Compared { note: String::new(), ..found } } else { found }
            }
            Compute::Sides(of) => of(a, b, settings)?,
            Compute::Frames(of) => structure::of_frames(a, b, |a, b| of(a, b, settings))?,
            Compute::Array(_) => return Err(Error::Internal(format!("`{}` does not compare two sets", self.id))),
        };
        if found.value.is_none() && found.note.is_empty() {
            found.note = "no usable samples".into();
        }
        Ok(found)
    }
}

/// Name of an array beside the samples: `ln p/q` up to a constant at the reference's frames, `[n]`.
pub const REFERENCE_LOG_WEIGHT: &str = "reference_log_weight";

/// Every metric, in table order. Version 2 of metrics of molecules: frames whose bonds cannot be are left out of them, as of energies
/// (where nearly all had been left out before: those kept their version, and with it what is known of clusters).
pub const METRICS: &[Metric] = &[
    energies("energy-w1", "Energy-W1", |a, w, b, s| particles::on_the_line(1, a, w, b, s))
        .description(
            "1-Wasserstein distance between reduced energies of samples and reference; |u| > 1000 dropped and counted",
        )
        .source("PITA's public code (energy distances); dropping instead of zeroing outliers is ours"),
    energies("energy-w2", "Energy-W2", |a, w, b, s| particles::on_the_line(2, a, w, b, s))
        .description("2-Wasserstein distance (root of the mean squared cost) between reduced energies")
        .source("PITA's public code (energy distances)"),
    sides(Scope::Clusters, "distance-w2", "Distance-W2", "length", |a, b, s| {
        Ok(particles::on_the_line(2, a.distances(), a.weights(), b.distances(), s))
    })
    .description("2-Wasserstein distance between all interatomic distances of all samples, pooled")
    .source("PITA's public code; iDEM logs it without the square root"),
    sides(Scope::Clusters, "geo-w1-ref", "Geometric-W (reference code)", "length", |a, b, s| {
        particles::geometric(Aligner::one_pass, |mean| mean, a, b, s)
    })
    .description(
        "Exact transport over samples; cost: match particles on unaligned distances, then Kabsch with reflections, \
         norm of the flat difference, not squared",
    )
    .source("PITA's and iDEM's public code (`eot`)"),
    sides(Scope::Clusters, "geo-w2", "Geometric-W2", "length", |a, b, s| {
        particles::geometric(Aligner::iterated_squared, f64::sqrt, a, b, s)
    })
    .description(
        "Exact transport over samples; squared cost minimised over permutation, rotation and reflection by \
         alternating matching and Kabsch from several starts; square root",
    ),
    energies("mean-energy", "Mean energy", particles::mean_energy)
        .direction(Direction::None)
        .description("Mean reduced energy of the samples; the reference's mean stands in the note")
        .source("PITA's public code"),
    energies("mean-energy-diff", "Mean energy error", particles::mean_difference)
        .description("Absolute difference of the mean reduced energies of samples and reference")
        .source("PITA's public code (mean distance)"),
    frames("t-w2", "T-W2", "rad", structure::torus)
        .version(2)
        .description(
            "Exact transport between the torus points (all phi, all psi) of samples and reference; squared shorter way \
             round, summed over angles; square root",
        )
        .source("PITA's public code (torus distances)"),
    frames("rama-kl", "Rama-KL", "nat", |a, b, s| Ok(structure::rama(a, b, s, Pairing::Listed, kl)))
        .version(2)
        .description(
            "KL(reference || samples) of (phi, psi) histograms, 100 x 100 over the torus, 1e-10 added to both \
             densities; k-th phi with k-th psi, mean over pairs; depends on the number of samples",
        )
        .source("TA-BG's public code; the pairing is that of PITA's public plots"),
    frames("rama-kl-residue", "Rama-KL (per residue)", "nat", |a, b, s| {
        Ok(structure::rama(a, b, s, Pairing::Residue, kl))
    })
    .version(2)
    .description("As rama-kl, but phi and psi of the same residue; equal to it with one residue"),
    frames("rama-kl-weighted", "Rama-KL (reweighted)", "nat", |a, b, s| Ok(structure::rama_kl_weighted(a, b, s)))
        .needing("log_weight")
        .version(2)
        .description("As rama-kl, samples counted by their importance weights; needs the array `log_weight`")
        .source("TA-BG's public code"),
    frames("rama-tv", "Rama-TV", "fraction", |a, b, s| Ok(structure::rama(a, b, s, Pairing::Listed, total_variation)))
        .version(2)
        .description("Total variation of the histograms of rama-kl")
        .source("CMT (annealed flows)"),
    frames("rama-jsd", "Rama-JSD", "nat", |a, b, s| Ok(structure::rama(a, b, s, Pairing::Residue, jensen_shannon)))
        .description(
            "Jensen-Shannon divergence of the 100 x 100 Ramachandran histograms, phi and psi of the same residue, mean \
             over residues; at most ln 2; its floor depends on the number of samples",
        )
        .source("Lin 1991; (phi, psi)-JSD of the data-free samplers' tables, whose cells are not stated"),
    frames("tica-w1", "TICA-W1", "1", |a, b, s| structure::slow_components(1, Kind::Koopman, a, b, s))
        .version(2)
        .description(
            "Exact transport between the first two time-lagged independent components, fitted on the reference's \
             trajectories with Koopman weights; distance not squared",
        )
        .source("transferable-samplers' public code, by analogy with its W2"),
    frames("tica-w2", "TICA-W2", "1", |a, b, s| structure::slow_components(2, Kind::Koopman, a, b, s))
        .version(2)
        .description("As tica-w1 with squared distance; square root")
        .source("transferable-samplers' public code"),
    frames("tica-plain-w1", "TICA-W1 (no Koopman weights)", "1", |a, b, s| {
        structure::slow_components(1, Kind::Plain, a, b, s)
    })
    .version(2)
    .description("As tica-w1, fitted without weights")
    .source("PITA's public code as it runs: its Koopman weights never reach the fit"),
    frames("tica-plain-w2", "TICA-W2 (no Koopman weights)", "1", |a, b, s| {
        structure::slow_components(2, Kind::Plain, a, b, s)
    })
    .version(2)
    .description("As tica-w2, fitted without weights")
    .source("PITA's public code as it runs: its Koopman weights never reach the fit"),
    frames("bond-w1", "Bond-W1", "length", |a, b, s| Ok(structure::bonds(a, b, s))).version(2).description(
        "Mean over bonds of the 1-Wasserstein distance between their lengths; the worst bond stands in the note",
    ),
    frames("angle-w1", "Angle-W1", "rad", |a, b, s| Ok(structure::bond_angles(a, b, s))).version(2).description(
        "Mean over bond angles of the 1-Wasserstein distance between their values; the worst angle stands in the \
         note",
    ),
    sides(Scope::Molecules, "chirality-flip-rate", "Mirror rate", "fraction", |a, b, s| {
        Ok(structure::hand_rate(a, b, s, Rule::Graph, |hand| hand != Hand::Right))
    })
    .version(2)
    .description(
        "Samples that are not the right stereoisomer, whatever equal groups are labelled; mirror images are then \
         reflected",
    )
    .source("this project; the idea is that of PITA's public code"),
    sides(Scope::Molecules, "chirality-drop-rate", "Mixed-chirality rate", "fraction", |a, b, s| {
        Ok(structure::hand_rate(a, b, s, Rule::Graph, |hand| hand == Hand::Mixed))
    })
    .version(2)
    .description(
        "Samples that are another stereoisomer, which no reflection puts right; structural metrics leave them out",
    )
    .source("this project; the idea is that of PITA's public code"),
    sides(Scope::Molecules, "chirality-flip-rate-ref", "Mirror rate (reference code)", "fraction", |a, b, s| {
        Ok(structure::hand_rate(a, b, s, Rule::Published, |hand| hand != Hand::Right))
    })
    .description(
        "As chirality-flip-rate, with any atom of three heavy neighbours for a stereocentre (isopropyl groups too)",
    )
    .source("PITA's public code (1 - `correct_symmetry_rate`)"),
    sides(
        Scope::Molecules,
        "chirality-drop-rate-ref",
        "Mixed-chirality rate (reference code)",
        "fraction",
        |a, b, s| Ok(structure::hand_rate(a, b, s, Rule::Published, |hand| hand == Hand::Mixed)),
    )
    .description("As chirality-drop-rate, with the stereocentres of chirality-flip-rate-ref")
    .source("PITA's public code (`uncorrectable_symmetry_rate`)"),
    frames("phi-population", "P(phi > 0)", "fraction", |a, b, s| Ok(basins::population(a, b, s)))
        .version(2)
        .direction(Direction::None)
        .description("Fraction of samples with phi > 0; of several phis the largest, all in the note"),
    frames("phi-population-error", "P(phi > 0) error", "fraction", |a, b, s| Ok(basins::population_error(a, b, s)))
        .version(2)
        .description("Absolute difference of phi-population to the reference; of several phis the largest"),
    frames("delta-f-phi", "dF(phi) error", "kT", |a, b, s| Ok(basins::delta_f(a, b, s)))
        .version(2)
        .description(
            "Absolute error of the free-energy difference between 0 < phi < 2 rad and the rest; of several phis the \
             largest; not defined when a basin is empty",
        )
        .source("SITA's public code"),
    frames("state-population-error", "State population error", "fraction", |a, b, s| {
        Ok(states::population_error(a, b, s))
    })
    .description(
        "Largest absolute difference of the population of a state to the reference, over residues with phi and psi \
         and four regions of their plane: alpha-R (phi < 0, -120 <= psi < 50 degrees), beta (phi < 0 else), \
         alpha-L (phi >= 0, -50 <= psi < 120), gamma; all populations with standard errors in the note",
    ),
    frames("basin-coverage", "Basin coverage", "fraction", |a, b, s| Ok(structure::basin_coverage(a, b, s)))
        .version(2)
        .direction(Direction::Higher)
        .description(
            "Mass of the reference in the 10-degree cells of (phi, psi) that samples visit, out of the fewest cells \
             that hold 99 % of it; mean over pairs; depends on the number of samples",
        ),
    frames("torsion-mmd", "Torsion-MMD", "1", joint::discrepancy)
        .description(
            "Maximum mean discrepancy between all phi and psi together (at most 2,000 frames a side): root of the \
             V-statistic with the mean of exp(c/d sum(cos(x - y) - 1)), c = 8, 32, over d torsions as kernel; unlike \
             metrics of one torsion or pair it sees which go together. The note has the p of a permutation test where \
             frames are independent",
        )
        .source("Gretton et al. 2012"),
    array("ess", "ESS", "fraction", "log_weight", arrays::ess)
        .direction(Direction::Higher)
        .description(
            "Effective sample size of the importance weights, (sum w)^2 / (n sum w^2); needs the array `log_weight`",
        )
        .source("Kong 1992"),
    array("further-energies", "Energies per further sample", "energies", "log_weight", arrays::further_energies)
        .description(
            "Energy evaluations of one more effective sample, once the model is trained: 1/ESS, as each draw costs \
             one; needs the array `log_weight`",
        ),
    array("forward-ess", "Forward ESS", "fraction", REFERENCE_LOG_WEIGHT, arrays::forward_ess)
        .direction(Direction::Higher)
        .description(
            "Effective sample size of the weights w = p/q at the reference's frames, n^2 / (sum w sum 1/w), the \
             largest 0.01 % clipped; only of flows with a density. Unlike ess it falls when a mode of the target is \
             missing",
        )
        .source("TA-BG's public code"),
    array("unique-parents", "Unique parents", "fraction", "parents", arrays::unique_parents)
        .direction(Direction::Higher)
        .description("Distinct ancestors left after resampling, per sample; needs the array `parents`")
        .source("PITA's public code (SMC diagnostics)"),
];

/// The id of every metric, in table order.
pub static IDS: LazyLock<Vec<&str>> = LazyLock::new(|| METRICS.iter().map(|m| m.id).collect());

/// Every metric that makes sense for a molecule, or for a cluster of identical particles.
#[must_use]
pub fn ids_for(molecule: bool) -> Vec<String> {
    let other = if molecule { Scope::Clusters } else { Scope::Molecules };
    METRICS.iter().filter(|m| m.scope != other).map(|m| m.id.to_owned()).collect()
}

/// The metric with this id.
///
/// # Errors
/// [`Error::Usage`] for an unknown id, with the nearest and all known ones.
pub fn by_id(id: &str) -> Result<&'static Metric> {
    let found = METRICS.iter().find(|m| m.id == id);
    found.ok_or_else(|| Error::Usage(words::unknown("metric", id, &IDS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_misspellings_are_helped() {
        for (i, m) in METRICS.iter().enumerate() {
            assert!(METRICS[..i].iter().all(|o| o.id != m.id));
            assert_eq!(by_id(m.id).unwrap().title, m.title);
            assert!(!m.description.is_empty(), "{}: what does it measure?", m.id);
            assert!(!matches!(m.compute, Compute::Array(_)) || m.array.is_some(), "{}: of which array?", m.id);
        }
        let message = by_id("energy_w1").unwrap_err().to_string();
        assert!(message.contains("did you mean `energy-w1`?"), "{message}");
    }
}
