//! What lies where in a results folder. Nothing else knows the names.

use std::path::{Path, PathBuf};

use crate::identity::short;

/// A results folder.
#[derive(Debug, Clone, Copy)]
pub struct Results<'a>(pub &'a Path);

impl Results<'_> {
    /// Folder of references, also in a bundle and beside what was accepted.
    pub const REFERENCES: &'static str = "references";

    /// Run folders.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    /// Those with this spec.
    #[must_use]
    pub fn runs_of(&self, spec_digest: &str) -> PathBuf {
        self.runs().join(short(spec_digest))
    }

    /// What the builds behind the runs consist of, a file for each.
    #[must_use]
    pub fn code(&self) -> PathBuf {
        self.0.join("code")
    }

    /// The file of one of them.
    #[must_use]
    pub fn code_of(&self, digest: &str) -> PathBuf {
        self.code().join(format!("{}.json", short(digest)))
    }

    /// Reference ensembles.
    #[must_use]
    pub fn references(&self) -> PathBuf {
        self.0.join(Self::REFERENCES)
    }

    /// One of them.
    #[must_use]
    pub fn reference(&self, digest: &str) -> PathBuf {
        self.references().join(short(digest))
    }

    /// Plans of sweeps on a cluster.
    #[must_use]
    pub fn plans(&self) -> PathBuf {
        self.0.join("plans")
    }

    /// The report of this name.
    #[must_use]
    pub fn report(&self, name: &str) -> PathBuf {
        self.0.join("reports").join(name)
    }

    /// The checks of an experiment, a folder for each night.
    #[must_use]
    pub fn checks(&self, experiment: &str) -> PathBuf {
        self.0.join("checks").join(experiment)
    }

    /// What was accepted, a bundle for each experiment.
    #[must_use]
    pub fn accepted(&self) -> PathBuf {
        self.0.join("accepted")
    }
}
