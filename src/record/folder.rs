//! Where runs lie, what they are called, and what state their files are in.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Claim, Labels, Request, Results, atomic, claim, manifest};
use crate::disk;
use crate::error::{Error, Result};
use crate::identity::short;
use crate::plan::Status;

/// Identity of a run: what was asked, with which seed, which attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    /// First 16 digits of the spec digest.
    pub spec: String,
    /// Seed.
    pub seed: u64,
    /// Attempt, from 1.
    pub attempt: u32,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-s{}-a{}", &self.spec[..8.min(self.spec.len())], self.seed, self.attempt)
    }
}

/// A run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    /// The run.
    pub id: RunId,
    /// The folder.
    pub path: PathBuf,
}

impl RunDir {
    /// The folder of a run under a results folder, whether it exists or not.
    #[must_use]
    pub fn new(results: &Path, spec_digest: &str, seed: u64, attempt: u32) -> Self {
        let id = RunId { spec: short(spec_digest).to_owned(), seed, attempt };
        let path = cell_folder(results, spec_digest, seed).join(format!("a{attempt}"));
        Self { id, path }
    }

    /// The run that lies in this folder.
    ///
    /// # Errors
    /// [`Error::Data`] when the path does not end in `<spec16>/s<seed>/a<attempt>`.
    pub fn open(path: &Path) -> Result<Self> {
        let parse = || {
            let mut parts = path.iter().rev().map(|p| p.to_str());
            let attempt = parts.next()??.strip_prefix('a')?.parse().ok()?;
            let seed = parts.next()??.strip_prefix('s')?.parse().ok()?;
            let spec = parts.next()??;
            let is_digest = spec.len() == 16 && spec.bytes().all(|b| b.is_ascii_hexdigit());
            is_digest.then(|| RunId { spec: spec.to_owned(), seed, attempt })
        };
        let id = parse().ok_or_else(|| {
            Error::data(path, "not a run folder; expected a path that ends in <spec16>/s<seed>/a<attempt>")
        })?;
        Ok(Self { id, path: path.to_path_buf() })
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(&self) -> Result<()> {
        disk::create_folder(&self.path).map_err(Error::io(&self.path))
    }

    /// Takes the run's claim, or says who holds it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn claim(&self) -> Result<std::result::Result<Claim, claim::Holder>> {
        Claim::take(&self.file("claim"))
    }

    /// A file of the run.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder of checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.file("checkpoint")
    }

    /// The tags that people gave the run, sorted. They lie in a file of their own: tags change, results do not.
    ///
    /// # Errors
    /// [`Error::Data`] when the file is malformed.
    pub fn tags(&self) -> Result<Vec<String>> {
        Ok(atomic::read_json_if_there(&self.file("tags.json"))?.unwrap_or_default())
    }

    /// The experiments that asked for the run, each with its labels there: the first one first. It stands in `spec.json`, the
    /// others in a file of their own.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Data`].
    pub fn experiments(&self) -> Result<Vec<Labels>> {
        let mut all = vec![atomic::read_json::<Request>(&self.file("spec.json"))?.labels];
        for labels in self.later_experiments()? {
            if !all.contains(&labels) {
                all.push(labels);
            }
        }
        Ok(all)
    }

    fn later_experiments(&self) -> Result<Vec<Labels>> {
        Ok(atomic::read_json_if_there(&self.file("experiments.json"))?.unwrap_or_default())
    }

    /// Writes down that an experiment asked for the run under these labels; says whether that was new.
    ///
    /// # Errors
    /// As [`RunDir::experiments`].
    pub fn join(&self, labels: &Labels) -> Result<bool> {
        if self.experiments()?.contains(labels) {
            return Ok(false);
        }
        let mut later = self.later_experiments()?;
        later.push(labels.clone());
        atomic::write_json_shared(&self.file("experiments.json"), &later)?;
        Ok(true)
    }

    /// Adds and takes away tags; returns those that the run has now.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Data`].
    pub fn tag(&self, add: &[String], take: &[String]) -> Result<Vec<String>> {
        let before = self.tags()?;
        let mut tags: BTreeSet<String> = before.iter().chain(add).cloned().collect();
        tags.retain(|tag| !take.contains(tag));
        let tags: Vec<String> = tags.into_iter().collect();
        if tags != before {
            atomic::write_json_shared(&self.file("tags.json"), &tags)?;
        }
        Ok(tags)
    }

    /// State of the run, by its files.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.file(manifest::NAME).exists() {
            if manifest::read(&self.path).is_err() {
                return Status::Damaged;
            }
            if self.file("partial.json").exists() { Status::Partial } else { Status::Complete }
        } else if self.file("failure.json").exists() {
            Status::Failed
        } else if claim::holder(&self.file("claim")).is_some() {
            Status::Claimed
        } else {
            Status::Interrupted
        }
    }
}

/// All attempts at a cell, first to last.
///
/// # Errors
/// [`Error::Io`].
pub fn attempts(results: &Path, spec_digest: &str, seed: u64) -> Result<Vec<RunDir>> {
    runs_in(&cell_folder(results, spec_digest, seed))
}

/// Every run with this spec, whatever its seed.
///
/// # Errors
/// [`Error::Io`].
pub fn runs_of(results: &Path, spec_digest: &str) -> Result<Vec<RunDir>> {
    let spec = Results(results).runs_of(spec_digest);
    let mut runs = Vec::new();
    for seed in subfolders(&spec)? {
        runs.extend(runs_in(&seed)?);
    }
    Ok(runs)
}

/// Every run of a results folder, in the order of spec, seed, attempt.
///
/// # Errors
/// [`Error::Io`].
pub fn all_runs(results: &Path) -> Result<Vec<RunDir>> {
    let mut runs = Vec::new();
    for spec in subfolders(&Results(results).runs())? {
        for seed in subfolders(&spec)? {
            runs.extend(runs_in(&seed)?);
        }
    }
    runs.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(runs)
}

fn cell_folder(results: &Path, spec_digest: &str, seed: u64) -> PathBuf {
    Results(results).runs_of(spec_digest).join(format!("s{seed}"))
}

/// Runs begin with their `spec.json`: a folder without one holds nothing yet.
fn runs_in(cell: &Path) -> Result<Vec<RunDir>> {
    let mut runs: Vec<RunDir> = subfolders(cell)?.iter().filter_map(|p| RunDir::open(p).ok()).collect();
    runs.retain(|r| r.file("spec.json").exists());
    runs.sort_by_key(|r| r.id.attempt);
    Ok(runs)
}

fn subfolders(path: &Path) -> Result<Vec<PathBuf>> {
    let mut found = disk::entries(path).map_err(Error::io(path))?;
    found.retain(|entry| entry.is_dir());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn paths_ids_and_order() {
        let dir = tempfile::tempdir().unwrap();
        for attempt in [10, 2, 1] {
            let run = RunDir::new(dir.path(), DIGEST, 7, attempt);
            run.create().unwrap();
            std::fs::write(run.file("spec.json"), "{}").unwrap();
            assert_eq!(RunDir::open(&run.path).unwrap(), run);
        }
        let runs = attempts(dir.path(), DIGEST, 7).unwrap();
        assert_eq!(runs.iter().map(|r| r.id.attempt).collect::<Vec<_>>(), [1, 2, 10]);
        assert_eq!(runs[2].id.to_string(), "01234567-s7-a10");
        assert!(runs[0].path.ends_with("runs/0123456789abcdef/s7/a1"));
        assert_eq!(all_runs(dir.path()).unwrap(), runs);
        assert!(RunDir::open(dir.path()).is_err());
        assert!(all_runs(&dir.path().join("nowhere")).unwrap().is_empty());
    }

    #[test]
    fn tags_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::new(dir.path(), DIGEST, 0, 1);
        run.create().unwrap();
        let names = |tags: &[&str]| tags.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        assert!(run.tags().unwrap().is_empty());
        assert_eq!(run.tag(&names(&["b", "a", "b"]), &[]).unwrap(), ["a", "b"]);
        assert_eq!(run.tag(&names(&["c"]), &names(&["a", "x"])).unwrap(), ["b", "c"]);
        assert_eq!(run.tags().unwrap(), ["b", "c"]);
    }

    #[test]
    fn status_follows_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::new(dir.path(), DIGEST, 0, 1);
        run.create().unwrap();
        assert_eq!(run.status(), Status::Interrupted);
        let claim = run.claim().unwrap().unwrap();
        assert_eq!(run.status(), Status::Claimed);
        assert!(run.claim().unwrap().is_err());
        std::fs::write(run.file("failure.json"), "{}").unwrap();
        assert_eq!(run.status(), Status::Failed);
        std::fs::write(run.file(manifest::NAME), "").unwrap();
        assert_eq!(run.status(), Status::Damaged, "an empty manifest commits nothing");
        for name in ["counts.json", "samples.npz", "spec.json"] {
            std::fs::write(run.file(name), "").unwrap();
        }
        manifest::write(&run.path).unwrap();
        assert_eq!(run.status(), Status::Complete);
        std::fs::write(run.file("partial.json"), "{}").unwrap();
        assert_eq!((run.status(), run.status().has_samples()), (Status::Partial, true));
        drop(claim);
    }
}
