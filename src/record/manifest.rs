//! `MANIFEST.sha256`: the digests of a run's results. Its presence commits the run; `sha256sum -c` can check it.
//!
//! Lines are `<sha256>  <name>`, nothing else. Those of evaluations are added when they are made, the newest last.

use std::path::{Path, PathBuf};

use super::{atomic, evaluation};
use crate::error::{Error, Result};

/// Name of the manifest.
pub const NAME: &str = "MANIFEST.sha256";

/// Files that a manifest lists, where they exist. All are functions of spec, seed and code alone.
pub const FILES: &[&str] = &["counts.json", "partial.json", "samples.npz", "spec.json", "weights.safetensors"];

/// Commits a run: digests of all [`FILES`] there are.
///
/// # Errors
/// [`Error::Io`].
pub fn write(dir: &Path) -> Result<()> {
    let mut text = String::new();
    for name in FILES {
        let path = dir.join(name);
        if path.exists() {
            text += &format!("{}  {name}\n", atomic::sha256_file(&path)?);
        }
    }
    atomic::write(&dir.join(NAME), text.as_bytes())
}

/// Adds files to a manifest, or seals them anew, as its last lines.
///
/// # Errors
/// As [`read`]; [`Error::Io`] when a file cannot be read or the manifest not be replaced: it is the old one then.
pub fn seal(dir: &Path, names: &[&str]) -> Result<()> {
    let mut lines = read(dir)?;
    lines.retain(|(_, name)| !names.contains(&name.as_str()));
    for name in names {
        lines.push((atomic::sha256_file(&dir.join(name))?, (*name).to_owned()));
    }
    let text: String = lines.iter().map(|(digest, name)| format!("{digest}  {name}\n")).collect();
    atomic::write(&dir.join(NAME), text.as_bytes())
}

/// The entries of a manifest, `(digest, file name)`.
///
/// # Errors
/// [`Error::Io`] without one, [`Error::Data`] for a malformed line.
pub fn read(dir: &Path) -> Result<Vec<(String, String)>> {
    let path = dir.join(NAME);
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    text.lines()
        .map(|line| match line.split_once("  ") {
            Some((digest, name)) if digest.len() == 64 && (!name.contains('/') || evaluation::is_name(name)) => {
                Ok((digest.to_owned(), name.to_owned()))
            }
            _ => Err(Error::data(&path, format!("expected `<sha256>  <file>`, found `{line}`"))),
        })
        .collect()
}

/// Checks every file against the manifest.
///
/// # Errors
/// [`Error::Digest`] naming the first file that was changed or is gone.
pub fn verify(dir: &Path) -> Result<()> {
    verify_some(dir, |_| true)
}

/// Checks the files whose names `which` says against the manifest.
///
/// # Errors
/// As [`verify`].
pub fn verify_some(dir: &Path, which: impl Fn(&str) -> bool) -> Result<()> {
    for (recorded, name) in read(dir)?.into_iter().filter(|(_, name)| which(name)) {
        let path: PathBuf = dir.join(&name);
        let found = match atomic::sha256_file(&path) {
            Ok(digest) => digest,
            Err(_) if !path.exists() => "no such file".to_owned(),
            Err(e) => return Err(e),
        };
        if found != recorded {
            let message = format!("changed since the run was committed: recorded sha256 {recorded}, found {found}");
            return Err(Error::Digest { path, message });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_sealed_as_they_come() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("spec.json"), "abc").unwrap();
        write(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join(evaluation::FOLDER)).unwrap();
        let [a, b] = ["0123456789abcdef", "fedcba9876543210"].map(evaluation::name);
        for name in [&a, &b, &a] {
            std::fs::write(dir.path().join(name), name).unwrap();
            seal(dir.path(), &[name]).unwrap();
        }
        let names: Vec<String> = read(dir.path()).unwrap().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["spec.json", b.as_str(), a.as_str()]);
        std::fs::write(dir.path().join(&b), "edited").unwrap();
        assert!(matches!(verify(dir.path()), Err(Error::Digest { path, .. }) if path.ends_with(&b)));
        verify_some(dir.path(), |name| !evaluation::is_name(name)).unwrap();
    }

    #[test]
    fn verify_sees_changed_and_missing_files() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("spec.json"), "abc").unwrap();
        std::fs::write(at("counts.json"), "{}").unwrap();
        std::fs::write(at("events.jsonl"), "not listed").unwrap();
        write(dir.path()).unwrap();
        let text = std::fs::read_to_string(at(NAME)).unwrap();
        assert!(text.ends_with("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  spec.json\n"));
        assert_eq!(text.lines().count(), 2);
        verify(dir.path()).unwrap();
        std::fs::write(at("spec.json"), "abd").unwrap();
        assert!(matches!(verify(dir.path()), Err(Error::Digest { path, .. }) if path == at("spec.json")));
        std::fs::write(at("spec.json"), "abc").unwrap();
        std::fs::remove_file(at("counts.json")).unwrap();
        assert!(matches!(verify(dir.path()), Err(Error::Digest { message, .. }) if message.contains("no such file")));
    }
}
