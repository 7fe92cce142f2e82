//! The resolved specification of a run: plain data, every default written out. Its canonical form is the run's identity.
//!
//! Each setting is declared once (`settings`), and what the declaration says is what is read, recorded and shown by `describe`;
//! `kinds` lists the samplers.

mod bias;
mod dynamics;
mod evaluation;
mod external;
mod kinds;
mod listing;
mod named;
mod pita;
mod pita_ic;
mod samples;
pub mod settings;
mod smc;
mod steps;
mod tabg;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::{Error, Result};
pub use crate::real::Precision;
pub use bias::{BiasSpec, growth};
pub use dynamics::{HotStartSpec, Integrator, MdSpec, PRECISIONS, ReplicaExchangeSpec};
pub use evaluation::{EvalSpec, MOST_REPLICATES, ReferenceSpec, TrajectorySpec};
pub use external::{ExternalSpec, Protocol};
pub use kinds::{KINDS, SamplerKind};
pub use listing::{Entry, list};
pub use pita::{
    AnnealSpec, Between, DitSpec, Engine, GammaSchedule, InitialSpec, NetSpec, NodeFeatures, Noise, PitaSpec,
    RefineSpec, RelaxSpec, Resampling, Target, TrainNoise, TrainOn, TrainSpec, Weights,
};
pub use pita_ic::{IcAnnealSpec, IcNetSpec, IcTrainSpec, PitaIcSpec};
pub use samples::SamplesSpec;
pub use smc::{AutoLadder, Coordinates, Ladder, SmcSpec};
pub use steps::{Control, Corrector, Grid, Step};
pub use tabg::{
    Flow, FlowSpec, ForwardKlSpec, MdDataSpec, ReverseKlSpec, StageSpec, Start, TabgCartSpec, TabgIcSpec, TabgSpec,
    TarFlowSpec,
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
    TabgIc(TabgIcSpec),
    /// Temperature-annealed Boltzmann generator on Cartesian coordinates.
    TabgCart(TabgCartSpec),
    /// Progressive annealing in whitened internal coordinates.
    PitaIc(PitaIcSpec),
    /// Annealed sequential Monte Carlo.
    Smc(SmcSpec),
    /// Samples that somebody made elsewhere.
    Samples(SamplesSpec),
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
            Self::Samples(_) => "samples",
        }
    }

    /// Charged energy evaluations that it may make.
    #[must_use]
    pub fn budget(&self) -> Option<u64> {
        self.extent().1
    }

    /// How many samples are asked for; `None` for whatever a file holds.
    #[must_use]
    pub fn samples(&self) -> Option<usize> {
        self.extent().0
    }

    /// Samples and budget.
    fn extent(&self) -> (Option<usize>, Option<u64>) {
        match self {
            Self::Md(s) => (Some(s.samples), s.budget),
            Self::ReplicaExchange(s) => (Some(s.samples), s.budget),
            Self::Pita(s) => (Some(s.samples), s.budget),
            Self::External(s) => (Some(s.samples), s.budget),
            Self::TabgIc(s) => (Some(s.samples), s.budget),
            Self::TabgCart(s) => (Some(s.samples), s.budget),
            Self::PitaIc(s) => (Some(s.samples), s.budget),
            Self::Smc(s) => (Some(s.samples), s.budget),
            Self::Samples(_) => (None, None),
        }
    }

    /// Whether samples carry importance weights: a second row of the table is those resampled by them.
    #[must_use]
    pub fn weighted(&self) -> Weighted {
        match self {
            Self::TabgIc(_) | Self::TabgCart(_) | Self::PitaIc(_) => Weighted::Always,
            Self::Pita(s) if s.anneal.weights == Weights::Path => Weighted::Always,
            Self::Samples(_) => Weighted::Perhaps,
            Self::Pita(_) | Self::Md(_) | Self::ReplicaExchange(_) | Self::External(_) | Self::Smc(_) => {
                Weighted::Never
            }
        }
    }

    /// Who counted the energy evaluations of a run.
    #[must_use]
    pub fn counted(&self) -> Counted {
        match self {
            Self::External(s) if s.protocol == Protocol::Files => Counted::Claimed,
            Self::Samples(s) if s.evaluations.is_some() => Counted::Claimed,
            Self::Samples(_) => Counted::Unknown,
            _ => Counted::Here,
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
            Self::Samples(s) => s.walkers,
            Self::Pita(_) | Self::External(_) | Self::TabgIc(_) | Self::TabgCart(_) | Self::PitaIc(_) => None,
        }
    }
}

/// Whether the samples of a sampler have importance weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighted {
    /// All of them.
    Always,
    /// Where the file has them.
    Perhaps,
    /// None.
    Never,
}

/// Who counted energy evaluations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// This program's meter.
    #[default]
    Here,
    /// Whoever made the samples: nobody here can check it.
    Claimed,
    /// Nobody says.
    Unknown,
}

impl Counted {
    /// The word used in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Claimed => "claimed",
            Self::Unknown => "unknown",
        }
    }
}
