//! A frozen plan: what an array runs, whatever happens to the experiment file meanwhile.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Cell;
use crate::disk;
use crate::error::{Error, Result};
use crate::identity;
use crate::plan::Flags;
use crate::record::{Results, atomic};

/// Version of the file.
pub(super) const FORMAT: u32 = 1;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The reference ensemble of the cell.
    Reference,
    /// The cell itself.
    Run,
}

/// What one task does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What it makes.
    pub kind: Kind,
    /// The cell, every setting written out.
    pub cell: Cell,
}

impl Entry {
    /// What tells it from other entries: two entries with the same key make the same files.
    #[must_use]
    pub fn key(&self) -> (Kind, String, u64) {
        let Cell { run, eval, seed, .. } = &self.cell;
        match self.kind {
            Kind::Reference => (self.kind, identity::reference_digest(&run.system, &eval.reference), 0),
            Kind::Run => (self.kind, identity::spec_digest(run), *seed),
        }
    }
}

/// `plan.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanFile {
    /// Version of the file.
    pub format: u32,
    /// Name of the experiment.
    pub experiment: String,
    /// Profile that it was in.
    pub profile: Option<String>,
    /// Digest of the code that froze it; only that code runs it.
    pub code_digest: String,
    /// Seconds between two checkpoints.
    pub checkpoint_every: u64,
    /// Run again what other code completed.
    pub rerun_stale: bool,
    /// Task N runs entry N.
    pub entries: Vec<Entry>,
}

impl PlanFile {
    /// Eight digits that stand for the whole plan.
    #[must_use]
    pub fn digest8(&self) -> String {
        identity::sha256_hex(identity::canonical(self))[..8].to_owned()
    }

    /// Its folder inside a results folder.
    #[must_use]
    pub fn folder(&self, results: &Path) -> PathBuf {
        Results(results).plans().join(format!("{}-{}", self.experiment, self.digest8()))
    }

    /// What to run again.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags { rerun_stale: self.rerun_stale, ..Flags::default() }
    }

    /// Writes it into its folder and returns the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, results: &Path) -> Result<PathBuf> {
        let folder = self.folder(results);
        std::fs::create_dir_all(folder.join("log")).map_err(Error::io(&folder))?;
        let path = folder.join("plan.json");
        atomic::write_json(&path, self)?;
        Ok(path)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Data`] for a file that is no plan or of another version.
    pub fn read(path: &Path) -> Result<Self> {
        let plan: Self = atomic::read_json(path)?;
        if plan.format != FORMAT {
            let message = format!("a plan of version {}, this program knows {FORMAT}", plan.format);
            return Err(Error::data(path, message));
        }
        Ok(plan)
    }

    /// Every plan of an experiment, with its folder.
    ///
    /// # Errors
    /// [`Error::Io`]. Folders without a readable plan are left out.
    pub fn all_of(results: &Path, experiment: &str) -> Result<Vec<(PathBuf, Self)>> {
        let root = Results(results).plans();
        let mut found = Vec::new();
        for folder in disk::entries(&root).map_err(Error::io(&root))? {
            match Self::read(&folder.join("plan.json")) {
                Ok(plan) if plan.experiment == experiment => found.push((folder, plan)),
                _ => {}
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }
}
