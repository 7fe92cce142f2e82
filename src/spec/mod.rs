//! The resolved specification of a run: plain data, every default written out. Its canonical form is the run's identity.

mod external;
mod named;
mod pita;
mod pita_ic;
mod smc;
mod tabg;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::{Error, Result};
pub use crate::real::Precision;
pub use external::{ExternalSpec, Protocol};
pub use pita::{
    AnnealSpec, BackboneKind, Between, DitSpec, Engine, GammaSchedule, InitialSpec, NetSpec, NodeFeatures, Noise,
    PitaSpec, RefineSpec, RelaxSpec, Resampling, Target, TrainNoise, TrainOn, TrainSpec, Weights,
};
pub use pita_ic::{IcAnnealSpec, IcNetSpec, IcTrainSpec, PitaIcSpec};
pub use smc::{AutoLadder, Ladder, SmcSpec};
pub use tabg::{
    FlowSpec, ForwardKlSpec, MdDataSpec, ReverseKlSpec, StageSpec, Start, TabgCartSpec, TabgSpec, TarFlowSpec,
};

/// What is asked for: one system at one temperature, one sampler. The seed is kept apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The system.
    pub system: SystemSpec,
    /// The sampler with all its settings.
    pub sampler: SamplerSpec,
}

/// Temperatures that make sense, reduced or in kelvin: with any other, reduced energies are beyond what numbers hold.
pub const TEMPERATURES: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

/// A system at its target temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemSpec {
    /// Name, such as `lj13`.
    pub name: String,
    /// Target temperature (reduced for LJ, K for molecules).
    pub temperature: f64,
    /// The files of a molecule that is not built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<MoleculeFiles>,
}

impl SystemSpec {
    /// A built-in system.
    #[must_use]
    pub fn named(name: &str, temperature: f64) -> Self {
        Self { name: name.to_owned(), temperature, files: None }
    }
}

/// A molecule from files. Their text is part of the spec: a run's `spec.json` or a cell that travels holds the whole
/// molecule, and nothing can change behind it. In digests the content stands alone, without names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoleculeFiles {
    /// OpenMM System XML.
    pub xml: TextFile,
    /// PDB file.
    pub pdb: TextFile,
}

/// A text file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextFile {
    /// Where it was read from, for messages only.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl TextFile {
    /// Reads a file, gzip-ed or not, in UTF-8, in UTF-16 with a byte-order mark (as some consoles of Windows write), or in an
    /// encoding of one byte a character (accents in old remarks; what matters is ASCII).
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Data`] when it is no text.
    pub fn read(path: &Path) -> Result<Self> {
        let mut bytes = disk::read(path, disk::LARGE).map_err(Error::io(path))?;
        if disk::is_gzip(&bytes) {
            bytes = disk::gunzip(&bytes).map_err(|e| Error::data(path, e.to_string()))?;
        }
        let units = |big: bool| -> Vec<u16> {
            let pairs = bytes[2..].as_chunks::<2>().0.iter();
            pairs.map(|&b| if big { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) }).collect()
        };
        let text = match bytes {
            _ if bytes.starts_with(&[0xff, 0xfe]) => String::from_utf16(&units(false)).ok(),
            _ if bytes.starts_with(&[0xfe, 0xff]) => String::from_utf16(&units(true)).ok(),
            bytes => match String::from_utf8(bytes) {
                Ok(text) => Some(text),
                // No text has zero bytes.
                Err(e) if e.as_bytes().contains(&0) => None,
                Err(e) => Some(e.as_bytes().iter().map(|&byte| char::from(byte)).collect()),
            },
        };
        let text = text.ok_or_else(|| Error::data(path, "is not text"))?;
        Ok(Self { path: path.display().to_string(), text })
    }
}

/// A sampler by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant)] // one per run: its size does not matter
pub enum SamplerSpec {
    /// Plain molecular dynamics or MALA.
    Md(MdSpec),
    /// Temperature replica exchange.
    ReplicaExchange(ReplicaExchangeSpec),
    /// Progressive inference-time annealing.
    Pita(PitaSpec),
    /// Somebody else's program.
    External(ExternalSpec),
    /// Temperature-annealed Boltzmann generator on internal coordinates.
    TabgIc(TabgSpec),
    /// Temperature-annealed Boltzmann generator on Cartesian coordinates.
    TabgCart(TabgCartSpec),
    /// Progressive annealing in whitened internal coordinates.
    PitaIc(PitaIcSpec),
    /// Annealed sequential Monte Carlo.
    Smc(SmcSpec),
}

impl SamplerSpec {
    /// The sampler's kind, as in experiment files.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Md(_) => "md",
            Self::ReplicaExchange(_) => "replica-exchange",
            Self::Pita(_) => "pita",
            Self::External(_) => "external",
            Self::TabgIc(_) => "tabg-ic",
            Self::TabgCart(_) => "tabg-cart",
            Self::PitaIc(_) => "pita-ic",
            Self::Smc(_) => "smc",
        }
    }

    /// Charged energy evaluations that it may make.
    #[must_use]
    pub fn budget(&self) -> Option<u64> {
        match self {
            Self::Md(s) => s.budget,
            Self::ReplicaExchange(s) => s.budget,
            Self::Pita(s) => s.budget,
            Self::External(s) => s.budget,
            Self::TabgIc(s) => s.budget,
            Self::TabgCart(s) => s.budget,
            Self::PitaIc(s) => s.budget,
            Self::Smc(s) => s.budget,
        }
    }

    /// How many samples are asked for.
    #[must_use]
    pub fn samples(&self) -> usize {
        match self {
            Self::Md(s) => s.samples,
            Self::ReplicaExchange(s) => s.samples,
            Self::Pita(s) => s.samples,
            Self::External(s) => s.samples,
            Self::TabgIc(s) => s.samples,
            Self::TabgCart(s) => s.samples,
            Self::PitaIc(s) => s.samples,
            Self::Smc(s) => s.samples,
        }
    }

    /// Whether samples carry importance weights: a second row of the table is those resampled by them.
    #[must_use]
    pub fn weighted(&self) -> bool {
        match self {
            Self::TabgIc(_) | Self::TabgCart(_) | Self::PitaIc(_) => true,
            Self::Pita(s) => s.anneal.weights == Weights::Path,
            Self::Md(_) | Self::ReplicaExchange(_) | Self::External(_) | Self::Smc(_) => false,
        }
    }

    /// Walkers that took turns in the samples, a frame of each at a time, where samples are in the order of time: dynamics
    /// recorded as it went. `None` where samples are independent, or nothing is known of them (programs of others).
    #[must_use]
    pub fn walkers(&self) -> Option<usize> {
        match self {
            Self::Md(s) => Some(s.walkers),
            Self::ReplicaExchange(s) => Some(s.copies),
            Self::Smc(s) => Some(s.initial.samples),
            Self::Pita(_) | Self::External(_) | Self::TabgIc(_) | Self::TabgCart(_) | Self::PitaIc(_) => None,
        }
    }
}

/// How plain dynamics moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrator {
    /// Langevin dynamics (LangevinMiddle, [`crate::energy::langevin`]).
    Langevin,
    /// Metropolis-adjusted Langevin algorithm.
    Mala,
}

/// Plain MD or MALA: independent walkers from one configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MdSpec {
    /// Langevin dynamics or MALA.
    pub integrator: Integrator,
    /// Time step (Langevin) or initial step size (MALA, adapted during equilibration).
    pub step: f64,
    /// Friction, 1/time (Langevin).
    pub friction: f64,
    /// Arithmetic of Langevin dynamics.
    pub precision: Precision,
    /// Independent walkers.
    pub walkers: usize,
    /// Dynamics at a higher temperature first, so that walkers begin in different conformations.
    pub hot_start: Option<HotStartSpec>,
    /// Steps dropped at the beginning, per walker.
    pub equilibration: usize,
    /// Steps between two recorded frames of a walker.
    pub stride: usize,
    /// Frames recorded over all walkers.
    pub samples: usize,
    /// Stop at exactly this many charged energy evaluations.
    pub budget: Option<u64>,
}

impl Default for MdSpec {
    fn default() -> Self {
        Self {
            integrator: Integrator::Langevin,
            step: 0.005,
            friction: 1.0,
            precision: Precision::F64,
            walkers: 16,
            hot_start: None,
            equilibration: 2_000,
            stride: 100,
            samples: 10_000,
            budget: None,
        }
    }
}

/// Where walkers come from that do not begin in one conformation: every evaluation is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HotStartSpec {
    /// Temperature of the hot dynamics.
    pub temperature: f64,
    /// Its steps, per walker.
    pub steps: usize,
}

impl Default for HotStartSpec {
    fn default() -> Self {
        Self { temperature: 1_200.0, steps: 10_000 }
    }
}

/// Temperature replica exchange; also makes the reference sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaExchangeSpec {
    /// Temperatures above the target, high to low; the target is appended.
    pub ladder: Vec<f64>,
    /// How replicas move between exchanges.
    pub integrator: Integrator,
    /// Time step (Langevin only; MALA finds a step for each temperature).
    pub step: f64,
    /// Friction, 1/time (Langevin).
    pub friction: f64,
    /// Arithmetic of Langevin dynamics.
    pub precision: Precision,
    /// Independent copies of the whole ladder.
    pub copies: usize,
    /// Steps between two exchange attempts.
    pub exchange_every: usize,
    /// Steps dropped at the beginning (MALA adapts its step sizes here).
    pub equilibration: usize,
    /// Steps between two recorded frames at the target temperature.
    pub stride: usize,
    /// Frames recorded over all copies.
    pub samples: usize,
    /// Stop at exactly this many charged energy evaluations.
    pub budget: Option<u64>,
    /// How often the temperatures between the first and the target are chosen anew, in the first half of the
    /// equilibration. Left out of a record when they are not: such runs keep the identity they had before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tuning: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Default for ReplicaExchangeSpec {
    fn default() -> Self {
        Self {
            ladder: vec![4.0, 3.2, 2.6, 2.1, 1.7, 1.4, 1.2],
            integrator: Integrator::Mala,
            step: 0.005,
            friction: 1.0,
            precision: Precision::F64,
            copies: 32,
            exchange_every: 10,
            equilibration: 4_000,
            stride: 40,
            samples: 20_000,
            budget: None,
            tuning: 0,
        }
    }
}

impl ReplicaExchangeSpec {
    /// Non-reversible parallel tempering (Syed, Bouchard-Cote, Deligiannidis and Doucet 2021): even and odd pairs swap in
    /// turn, as always here, and the ladder is tuned to equal rejection.
    #[must_use]
    pub fn non_reversible() -> Self {
        Self { tuning: 5, copies: 16, samples: 10_000, ..Self::default() }
    }

    /// The name of the method that these settings are: folder of its published numbers in `baselines/`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        if self.tuning > 0 { "nrpt" } else { "replica-exchange" }
    }
}

/// How samples are judged. Not part of a run's identity: a finished run can be evaluated again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvalSpec {
    /// Metric ids, see [`crate::metrics`].
    pub metrics: Vec<String>,
    /// Samples per side for one-dimensional metrics.
    pub n: usize,
    /// Samples per side for aligned-geometry metrics, whose cost grows as n squared.
    pub geo_n: usize,
    /// Samples per side for optimal transport between dihedrals and between TICA components.
    pub ot_n: usize,
    /// Bootstrap replicates for confidence intervals.
    pub bootstrap: usize,
    /// The reference ensemble.
    pub reference: ReferenceSpec,
}

impl Default for EvalSpec {
    fn default() -> Self {
        Self {
            metrics: ["energy-w1", "energy-w2", "distance-w2", "geo-w1-ref", "geo-w2", "mean-energy"]
                .map(String::from)
                .to_vec(),
            n: 5_000,
            geo_n: 500,
            ot_n: 5_000,
            bootstrap: 200,
            reference: ReferenceSpec::default(),
        }
    }
}

/// A reference ensemble: replica exchange with a seed of its own, and for molecules contiguous trajectories from its
/// frames.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReferenceSpec {
    /// Seed.
    pub seed: u64,
    /// Settings of the replica exchange.
    pub sampler: ReplicaExchangeSpec,
    /// Trajectories that slow components (TICA) are fitted on; none without.
    #[serde(default)]
    pub trajectory: Option<TrajectorySpec>,
}

/// Contiguous Langevin trajectories at the target temperature, with the step and friction of the replica exchange; they
/// begin at its frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrajectorySpec {
    /// Independent trajectories.
    pub walkers: usize,
    /// Frames of each.
    pub frames: usize,
    /// Steps between two frames.
    pub stride: usize,
    /// Lag of TICA, in frames.
    pub lag: usize,
}

impl Default for TrajectorySpec {
    fn default() -> Self {
        Self { walkers: 64, frames: 200, stride: 1_000, lag: 25 }
    }
}
