//! What lies in a results folder and is needed by nobody. Finding and deleting are two steps.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::slurm::{Kind, PlanFile};
use super::{external, references};
use crate::disk;
use crate::error::{Error, Result};
use crate::record::{self, Results, RunDir, Status, claim, evaluation};

/// Younger files may still be written.
const YOUNG: Duration = Duration::from_secs(3_600);

/// Something that can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Garbage {
    /// File or folder.
    pub path: PathBuf,
    /// Bytes.
    pub bytes: u64,
    /// Why nobody needs it.
    pub why: &'static str,
}

/// Finds garbage; `superseded` adds attempts that did not complete where a later one did.
///
/// # Errors
/// [`Error::Io`] when a folder cannot be read.
pub fn find(results: &Path, superseded: bool) -> Result<Vec<Garbage>> {
    let mut found = Vec::new();
    let runs = record::all_runs(results)?;
    for (i, run) in runs.iter().enumerate() {
        let same = |r: &&RunDir| (&r.id.spec, r.id.seed) == (&run.id.spec, run.id.seed);
        let later = runs[i + 1..].iter().take_while(same).any(|r| r.status().has_samples());
        in_run(run, later && superseded, &mut found)?;
    }
    in_references(results, &mut found)?;
    in_plans(results, &mut found)?;
    for folder in [results.to_path_buf(), Results(results).runs(), Results(results).code()] {
        leftovers(&folder, &mut found)?;
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Deletes what was found; returns the bytes.
///
/// # Errors
/// [`Error::Io`] at the first that cannot be deleted.
pub fn delete(found: &[Garbage]) -> Result<u64> {
    for Garbage { path, .. } in found {
        let is_folder = std::fs::symlink_metadata(path).is_ok_and(|m| m.is_dir());
        let gone = if is_folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        gone.map_err(Error::io(path))?;
    }
    Ok(found.iter().map(|g| g.bytes).sum())
}

fn in_run(run: &RunDir, superseded: bool, found: &mut Vec<Garbage>) -> Result<()> {
    let status = run.status();
    if claim::holder(&run.file("claim")).is_some() {
        return Ok(()); // somebody works here, whatever the other files say
    }
    let superseded = superseded && !status.has_samples();
    let ended = status.has_samples() || status == Status::Failed;
    let program = external::work_folder(&run.path);
    if (superseded || ended) && program.exists() {
        add(&program, "the folder of a program that has ended", found);
    }
    if superseded {
        add(&run.path, "an attempt that did not complete; a later one did", found);
        return Ok(());
    }
    if ended {
        for (name, why) in [
            ("checkpoint", "checkpoints of a run that has ended"),
            ("external", "job files of a program that has ended"),
            ("claim", "the claim of a run that has ended"),
        ] {
            if run.file(name).exists() {
                add(&run.file(name), why, found);
            }
        }
    }
    leftovers(&run.file(evaluation::FOLDER), found)?;
    leftovers(&run.path, found)
}

fn in_references(results: &Path, found: &mut Vec<Garbage>) -> Result<()> {
    let root = Results(results).references();
    for path in entries(&root)? {
        let made = path.with_extension("").join("reference.json").exists();
        let held = claim::holder(&path.with_extension("claim")).is_some();
        if path.extension().is_some_and(|e| e == "partial") && made && !held {
            add(&path, "checkpoints of a reference that is made", found);
        }
        if path.is_dir() {
            leftovers(&path, found)?;
        }
    }
    leftovers(&root, found)
}

/// The frozen program of a plan that is done: by far its largest file.
fn in_plans(results: &Path, found: &mut Vec<Garbage>) -> Result<()> {
    for folder in entries(&Results(results).plans())? {
        let program = folder.join("pita-bench");
        let Ok(plan) = PlanFile::read(&folder.join("plan.json")) else { continue };
        if !program.exists() {
            continue;
        }
        let mut done = true;
        for entry in &plan.entries {
            let (kind, digest, seed) = entry.key();
            done &= match kind {
                Kind::Reference => references::exists(results, &entry.cell.run.system, &entry.cell.eval.reference),
                Kind::Run => record::attempts(results, &digest, seed)?.iter().any(|r| r.status().has_samples()),
            };
        }
        if done {
            add(&program, "the program of a plan that is done", found);
        }
    }
    Ok(())
}

/// Temporary files that were never moved to their place.
fn leftovers(folder: &Path, found: &mut Vec<Garbage>) -> Result<()> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let temporary = name.contains(".tmp") || name.ends_with(".probe") || name.starts_with(".import-");
        let old = std::fs::symlink_metadata(&path)
            .and_then(|m| m.modified())
            .is_ok_and(|t| SystemTime::now().duration_since(t).is_ok_and(|age| age > YOUNG));
        if temporary && old {
            add(&path, "left by a process that was killed while writing", found);
        }
    }
    Ok(())
}

fn add(path: &Path, why: &'static str, found: &mut Vec<Garbage>) {
    found.push(Garbage { path: path.to_path_buf(), bytes: bytes(path), why });
}

/// Bytes of a file, or of all files below a folder; links are not followed.
fn bytes(path: &Path) -> u64 {
    match std::fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => entries(path).unwrap_or_default().iter().map(|p| bytes(p)).sum(),
        Ok(m) => m.len(),
        Err(_) => 0,
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    disk::entries(folder).map_err(Error::io(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Claim, manifest};

    #[test]
    fn finds_what_nobody_needs_and_leaves_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let digest = "0123456789abcdef".repeat(4);
        let run = |attempt: u32| {
            let run = RunDir::new(dir.path(), &digest, 0, attempt);
            std::fs::create_dir_all(run.checkpoints()).unwrap();
            std::fs::write(run.checkpoints().join("a.safetensors"), [0; 100]).unwrap();
            std::fs::write(run.file("spec.json"), "{}").unwrap();
            run
        };
        let (failed, complete, working) = (run(1), run(2), run(3));
        std::fs::write(failed.file("failure.json"), "{}").unwrap();
        for name in ["counts.json", "samples.npz"] {
            std::fs::write(complete.file(name), "").unwrap();
        }
        manifest::write(&complete.path).unwrap();
        let claim = Claim::take(&working.file("claim")).unwrap().unwrap();
        let old = complete.file("counts.json.tmp");
        std::fs::write(&old, "half").unwrap();
        let references = dir.path().join("references");
        for name in ["aaaa", "aaaa.partial", "bbbb.partial"] {
            std::fs::create_dir_all(references.join(name)).unwrap();
        }
        std::fs::write(references.join("aaaa/reference.json"), "{}").unwrap();

        let names = |superseded| -> Vec<String> {
            let found = find(dir.path(), superseded).unwrap();
            found.iter().map(|g| g.path.strip_prefix(dir.path()).unwrap().display().to_string()).collect()
        };
        let cell = "runs/0123456789abcdef/s0";
        let expected =
            ["references/aaaa.partial".to_owned(), format!("{cell}/a1/checkpoint"), format!("{cell}/a2/checkpoint")];
        assert_eq!(names(false), expected, "a young temporary file stays");
        let long_ago = SystemTime::now() - 2 * YOUNG;
        std::fs::OpenOptions::new().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(
            names(true)[1..],
            [format!("{cell}/a1"), format!("{cell}/a2/checkpoint"), format!("{cell}/a2/counts.json.tmp")]
        );

        let found = find(dir.path(), false).unwrap();
        assert_eq!(delete(&found).unwrap(), 204);
        assert!(names(false).is_empty());
        drop(claim);
        assert!(working.checkpoints().exists() && failed.file("failure.json").exists());
        assert!(references.join("bbbb.partial").exists(), "one in the making stays");
    }
}
