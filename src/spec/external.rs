//! Settings of a sampler that is somebody else's program.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settings::{budget, count, count_to, hidden, settings, special};

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

settings! {
    /// A program described by a `baseline.toml`. Its identity is what decides the result: the command, the files of its folder
    /// (as a digest), the protocol and the settings; not where the folder lies.
    pub struct ExternalSpec {
        /// Name in `baseline.toml`; not part of the identity.
        name: String = String::new(), hidden();
        /// The folder of its `baseline.toml`, relative to the experiment file; not part of the identity.
        folder: String = String::new(), special("text", "a path").key("baseline").required();
        /// Digest of the folder's files, see `config::baseline`.
        files: String = String::new(), hidden();
        /// Program and arguments; the path of the job file is added. Run in the folder.
        command: Vec<String> = Vec::new(), hidden();
        /// How it gets at energies.
        protocol: Protocol = Protocol::default(), hidden();
        /// Its own settings, handed over as they are.
        settings: BTreeMap<String, Value> = BTreeMap::new(), special("table", "keys of [settings] in `baseline.toml`");
        /// Samples it is asked for.
        samples: usize = 10_000, count(1);
        /// Charged energy evaluations that it may make.
        budget: Option<u64> = None, budget();
        /// Seconds without a line from it after which it is given up (default: as `baseline.toml` says); not part of the identity.
        timeout: u64 = 3_600, count_to(1, u64::MAX);
        /// MiB that its folder may hold; not part of the identity.
        #[serde(default = "disk", skip_serializing_if = "is_usual")]
        disk: u64 = Self::DISK, hidden();
    }
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
