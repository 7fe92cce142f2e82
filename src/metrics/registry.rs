//! The metrics by id.

use serde::{Deserialize, Serialize};

use super::alignment::PairCost;
use super::compare::{Compared, Settings};
use super::side::Side;
use super::structure::chirality::Hand;
use super::structure::ramachandran::Pairing;
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
pub enum Compute {
    /// Of reduced energies, those beyond the limit left out ([`super::side::ENERGY_LIMIT`]), with weights of the samples.
    Energies(fn(&Pooled, Option<&[f64]>, &Pooled, Settings) -> Compared),
    /// Of frames as they are.
    Sides(fn(&Side, &Side, Settings) -> Result<Compared>),
    /// Of frames of a molecule: mirror images reflected, mixed handedness left out. Neither side is empty.
    Frames(fn(&Frames, &Frames, Settings) -> Result<Compared>),
    /// Of the array that the metric needs ([`Metric::array`]); no reference, no interval.
    Array(fn(&Array) -> Compared),
}

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
    pub compute: Compute,
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
    compute: Compute,
    description: &'static str,
    source: &'static str,
) -> Metric {
    Metric { id, title, version: 1, unit, direction, scope: Scope::All, array: None, compute, description, source }
}

impl Metric {
    const fn of(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    const fn needing(self, array: &'static str) -> Self {
        Self { array: Some(array), ..self }
    }

    const fn of_molecules(self, version: u32) -> Self {
        Self { scope: Scope::Molecules, version, ..self }
    }
}

/// Name of an array beside the samples: `ln p/q` up to a constant at the reference's frames, `[n]`.
pub const REFERENCE_LOG_WEIGHT: &str = "reference_log_weight";

/// Every metric, in table order. Version 2 of metrics of molecules: frames whose bonds cannot be are left out of them, as of energies
/// (where nearly all had been left out before: those kept their version, and with it what is known of clusters).
pub const METRICS: &[Metric] = &[
    metric(
        "energy-w1",
        "Energy-W1",
        "kT",
        Direction::Lower,
        Compute::Energies(|a, w, b, s| particles::on_the_line(1, a, w, b, s)),
        "1-Wasserstein distance between reduced energies of samples and reference; |u| > 1000 dropped and counted",
        "PITA's public code (energy distances); dropping instead of zeroing outliers is ours",
    ),
    metric(
        "energy-w2",
        "Energy-W2",
        "kT",
        Direction::Lower,
        Compute::Energies(|a, w, b, s| particles::on_the_line(2, a, w, b, s)),
        "2-Wasserstein distance (root of the mean squared cost) between reduced energies",
        "PITA's public code (energy distances)",
    ),
    metric(
        "distance-w2",
        "Distance-W2",
        "length",
        Direction::Lower,
        Compute::Sides(|a, b, s| Ok(particles::on_the_line(2, a.distances(), a.weights(), b.distances(), s))),
        "2-Wasserstein distance between all interatomic distances of all samples, pooled",
        "PITA's public code; iDEM logs it without the square root",
    )
    .of(Scope::Clusters),
    metric(
        "geo-w1-ref",
        "Geometric-W (reference code)",
        "length",
        Direction::Lower,
        Compute::Sides(|a, b, s| particles::geometric(PairCost::OnePass, a, b, s)),
        "Exact transport over samples; cost: match particles on unaligned distances, then Kabsch with reflections, \
         norm of the flat difference, not squared",
        "PITA's and iDEM's public code (`eot`)",
    )
    .of(Scope::Clusters),
    metric(
        "geo-w2",
        "Geometric-W2",
        "length",
        Direction::Lower,
        Compute::Sides(|a, b, s| particles::geometric(PairCost::IteratedSquared, a, b, s)),
        "Exact transport over samples; squared cost minimised over permutation, rotation and reflection by alternating \
         matching and Kabsch from several starts; square root",
        "this project",
    )
    .of(Scope::Clusters),
    metric(
        "mean-energy",
        "Mean energy",
        "kT",
        Direction::None,
        Compute::Energies(particles::mean_energy),
        "Mean reduced energy of the samples; the reference's mean stands in the note",
        "PITA's public code",
    ),
    metric(
        "mean-energy-diff",
        "Mean energy error",
        "kT",
        Direction::Lower,
        Compute::Energies(particles::mean_difference),
        "Absolute difference of the mean reduced energies of samples and reference",
        "PITA's public code (mean distance)",
    ),
    metric(
        "t-w2",
        "T-W2",
        "rad",
        Direction::Lower,
        Compute::Frames(structure::torus),
        "Exact transport between the torus points (all phi, all psi) of samples and reference; squared shorter way round, \
         summed over angles; square root",
        "PITA's public code (torus distances)",
    )
    .of_molecules(2),
    metric(
        "rama-kl",
        "Rama-KL",
        "nat",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(structure::rama_kl(a, b, s, Pairing::Listed))),
        "KL(reference || samples) of (phi, psi) histograms, 100 x 100 over the torus, 1e-10 added to both densities; k-th \
         phi with k-th psi, mean over pairs; depends on the number of samples",
        "TA-BG's public code; the pairing is that of PITA's public plots",
    )
    .of_molecules(2),
    metric(
        "rama-kl-residue",
        "Rama-KL (per residue)",
        "nat",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(structure::rama_kl(a, b, s, Pairing::Residue))),
        "As rama-kl, but phi and psi of the same residue; equal to it with one residue",
        "this project",
    )
    .of_molecules(2),
    metric(
        "rama-kl-weighted",
        "Rama-KL (reweighted)",
        "nat",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(structure::rama_kl_weighted(a, b, s))),
        "As rama-kl, samples counted by their importance weights; needs the array `log_weight`",
        "TA-BG's public code",
    )
    .needing("log_weight")
    .of_molecules(2),
    metric(
        "rama-tv",
        "Rama-TV",
        "fraction",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(structure::rama_tv(a, b, s))),
        "Total variation of the histograms of rama-kl",
        "CMT (annealed flows)",
    )
    .of_molecules(2),
    metric(
        "rama-jsd",
        "Rama-JSD",
        "nat",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(structure::rama_jsd(a, b, s))),
        "Jensen-Shannon divergence of the 100 x 100 Ramachandran histograms, phi and psi of the same residue, mean over \
         residues; at most ln 2; its floor depends on the number of samples",
        "Lin 1991; (phi, psi)-JSD of the data-free samplers' tables, whose cells are not stated",
    )
    .of(Scope::Molecules),
    metric(
        "tica-w1",
        "TICA-W1",
        "1",
        Direction::Lower,
        Compute::Frames(|a, b, s| structure::slow_components(1, Kind::Koopman, a, b, s)),
        "Exact transport between the first two time-lagged independent components, fitted on the reference's trajectories \
         with Koopman weights; distance not squared",
        "transferable-samplers' public code, by analogy with its W2",
    )
    .of_molecules(2),
    metric(
        "tica-w2",
        "TICA-W2",
        "1",
        Direction::Lower,
        Compute::Frames(|a, b, s| structure::slow_components(2, Kind::Koopman, a, b, s)),
        "As tica-w1 with squared distance; square root",
        "transferable-samplers' public code",
    )
    .of_molecules(2),
    metric(
        "tica-plain-w1",
        "TICA-W1 (no Koopman weights)",
        "1",
        Direction::Lower,
        Compute::Frames(|a, b, s| structure::slow_components(1, Kind::Plain, a, b, s)),
        "As tica-w1, fitted without weights",
        "PITA's public code as it runs: its Koopman weights never reach the fit",
    )
    .of_molecules(2),
    metric(
        "tica-plain-w2",
        "TICA-W2 (no Koopman weights)",
        "1",
        Direction::Lower,
        Compute::Frames(|a, b, s| structure::slow_components(2, Kind::Plain, a, b, s)),
        "As tica-w2, fitted without weights",
        "PITA's public code as it runs: its Koopman weights never reach the fit",
    )
    .of_molecules(2),
    metric(
        "bond-w1",
        "Bond-W1",
        "length",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(structure::bonds(a, b, s))),
        "Mean over bonds of the 1-Wasserstein distance between their lengths; the worst bond stands in the note",
        "this project",
    )
    .of_molecules(2),
    metric(
        "angle-w1",
        "Angle-W1",
        "rad",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(structure::bond_angles(a, b, s))),
        "Mean over bond angles of the 1-Wasserstein distance between their values; the worst angle stands in the note",
        "this project",
    )
    .of_molecules(2),
    metric(
        "chirality-flip-rate",
        "Mirror rate",
        "fraction",
        Direction::Lower,
        Compute::Sides(|a, b, s| Ok(structure::hand_rate(a, b, s, Rule::Graph, |hand| hand != Hand::Right))),
        "Samples that are not the right stereoisomer, whatever equal groups are labelled; mirror images are then reflected",
        "this project; the idea is that of PITA's public code",
    )
    .of_molecules(2),
    metric(
        "chirality-drop-rate",
        "Mixed-chirality rate",
        "fraction",
        Direction::Lower,
        Compute::Sides(|a, b, s| Ok(structure::hand_rate(a, b, s, Rule::Graph, |hand| hand == Hand::Mixed))),
        "Samples that are another stereoisomer, which no reflection puts right; structural metrics leave them out",
        "this project; the idea is that of PITA's public code",
    )
    .of_molecules(2),
    metric(
        "chirality-flip-rate-ref",
        "Mirror rate (reference code)",
        "fraction",
        Direction::Lower,
        Compute::Sides(|a, b, s| Ok(structure::hand_rate(a, b, s, Rule::Published, |hand| hand != Hand::Right))),
        "As chirality-flip-rate, with any atom of three heavy neighbours for a stereocentre (isopropyl groups too)",
        "PITA's public code (1 - `correct_symmetry_rate`)",
    )
    .of(Scope::Molecules),
    metric(
        "chirality-drop-rate-ref",
        "Mixed-chirality rate (reference code)",
        "fraction",
        Direction::Lower,
        Compute::Sides(|a, b, s| Ok(structure::hand_rate(a, b, s, Rule::Published, |hand| hand == Hand::Mixed))),
        "As chirality-drop-rate, with the stereocentres of chirality-flip-rate-ref",
        "PITA's public code (`uncorrectable_symmetry_rate`)",
    )
    .of(Scope::Molecules),
    metric(
        "phi-population",
        "P(phi > 0)",
        "fraction",
        Direction::None,
        Compute::Frames(|a, b, s| Ok(basins::population(a, b, s))),
        "Fraction of samples with phi > 0; of several phis the largest, all in the note",
        "this project",
    )
    .of_molecules(2),
    metric(
        "phi-population-error",
        "P(phi > 0) error",
        "fraction",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(basins::population_error(a, b, s))),
        "Absolute difference of phi-population to the reference; of several phis the largest",
        "this project",
    )
    .of_molecules(2),
    metric(
        "delta-f-phi",
        "dF(phi) error",
        "kT",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(basins::delta_f(a, b, s))),
        "Absolute error of the free-energy difference between 0 < phi < 2 rad and the rest; of several phis the largest; \
         not defined when a basin is empty",
        "SITA's public code",
    )
    .of_molecules(2),
    metric(
        "state-population-error",
        "State population error",
        "fraction",
        Direction::Lower,
        Compute::Frames(|a, b, s| Ok(states::population_error(a, b, s))),
        "Largest absolute difference of the population of a state to the reference, over residues with phi and psi and four \
         regions of their plane: alpha-R (phi < 0, -120 <= psi < 50 degrees), beta (phi < 0 else), alpha-L (phi >= 0, -50 <= \
         psi < 120), gamma; all populations with standard errors in the note",
        "this project",
    )
    .of(Scope::Molecules),
    metric(
        "basin-coverage",
        "Basin coverage",
        "fraction",
        Direction::Higher,
        Compute::Frames(|a, b, s| Ok(structure::basin_coverage(a, b, s))),
        "Mass of the reference in the 10-degree cells of (phi, psi) that samples visit, out of the fewest cells that hold \
         99 % of it; mean over pairs; depends on the number of samples",
        "this project",
    )
    .of_molecules(2),
    metric(
        "torsion-mmd",
        "Torsion-MMD",
        "1",
        Direction::Lower,
        Compute::Frames(joint::discrepancy),
        "Maximum mean discrepancy between all phi and psi together (at most 2,000 frames a side): root of the V-statistic with \
         the mean of exp(c/d sum(cos(x - y) - 1)), c = 8, 32, over d torsions as kernel; unlike metrics of one torsion or \
         pair it sees which go together. The note has the p of a permutation test where frames are independent",
        "Gretton et al. 2012",
    )
    .of(Scope::Molecules),
    metric(
        "ess",
        "ESS",
        "fraction",
        Direction::Higher,
        Compute::Array(arrays::ess),
        "Effective sample size of the importance weights, (sum w)^2 / (n sum w^2); needs the array `log_weight`",
        "Kong 1992",
    )
    .needing("log_weight"),
    metric(
        "further-energies",
        "Energies per further sample",
        "energies",
        Direction::Lower,
        Compute::Array(arrays::further_energies),
        "Energy evaluations of one more effective sample, once the model is trained: 1/ESS, as each draw costs one; needs the array \
         `log_weight`",
        "this project",
    )
    .needing("log_weight"),
    metric(
        "forward-ess",
        "Forward ESS",
        "fraction",
        Direction::Higher,
        Compute::Array(arrays::forward_ess),
        "Effective sample size of the weights w = p/q at the reference's frames, n^2 / (sum w sum 1/w), the largest 0.01 % \
         clipped; only of flows with a density. Unlike ess it falls when a mode of the target is missing",
        "TA-BG's public code",
    )
    .needing(REFERENCE_LOG_WEIGHT),
    metric(
        "unique-parents",
        "Unique parents",
        "fraction",
        Direction::Higher,
        Compute::Array(arrays::unique_parents),
        "Distinct ancestors left after resampling, per sample; needs the array `parents`",
        "PITA's public code (SMC diagnostics)",
    )
    .needing("parents"),
];

/// The id of every metric, in table order.
pub const IDS: [&str; METRICS.len()] = {
    let mut ids = [""; METRICS.len()];
    let mut i = 0;
    while i < ids.len() {
        ids[i] = METRICS[i].id;
        i += 1;
    }
    ids
};

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
            assert!(!matches!(m.compute, Compute::Array(_)) || m.array.is_some(), "{}: of which array?", m.id);
        }
        let message = by_id("energy_w1").unwrap_err().to_string();
        assert!(message.contains("did you mean `energy-w1`?"), "{message}");
    }
}
