//! Settings of a sampler that is somebody else's program.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a program gets at energies, and who counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// It computes energies itself and reports how many.
    #[default]
    Files,
    /// It asks for them on its standard output: they are counted here, and the budget is exact.
    Pipe,
}

/// A program described by a `baseline.toml`. Its identity is what decides the result: the command, the files of its folder
/// (as a digest), the protocol and the settings; not where the folder lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalSpec {
    /// Name in `baseline.toml`; not part of the identity.
    pub name: String,
    /// Where `baseline.toml` lies; not part of the identity.
    pub folder: String,
    /// Digest of the folder's files, see `config::baseline`.
    pub files: String,
    /// Program and arguments; the path of the job file is added. Run in the folder.
    pub command: Vec<String>,
    /// How it gets at energies.
    pub protocol: Protocol,
    /// Its own settings, handed over as they are.
    pub settings: BTreeMap<String, Value>,
    /// Samples it is asked for.
    pub samples: usize,
    /// Charged energy evaluations that it may make.
    pub budget: Option<u64>,
    /// Seconds without a line from it after which it is given up; not part of the identity.
    pub timeout: u64,
    /// MiB that its folder may hold; not part of the identity.
    #[serde(default = "disk", skip_serializing_if = "is_usual")]
    pub disk: u64,
}

fn disk() -> u64 {
    ExternalSpec::DISK
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde wants it
fn is_usual(disk: &u64) -> bool {
    *disk == ExternalSpec::DISK
}

impl ExternalSpec {
    /// MiB that a program's folder may hold where `baseline.toml` says nothing.
    pub const DISK: u64 = 65_536;
}

impl Default for ExternalSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            folder: String::new(),
            files: String::new(),
            command: Vec::new(),
            protocol: Protocol::default(),
            settings: BTreeMap::new(),
            samples: 10_000,
            budget: None,
            timeout: 3_600,
            disk: Self::DISK,
        }
    }
}
