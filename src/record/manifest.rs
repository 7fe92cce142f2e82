//! `MANIFEST.sha256`: the digests of a run's results. Its presence commits the run; `sha256sum -c` can check it.

use std::path::{Path, PathBuf};

use super::atomic;
use crate::error::{Error, Result};

/// Name of the manifest.
pub const NAME: &str = "MANIFEST.sha256";

/// Files that a manifest lists, where they exist. All are functions of spec, seed and code alone.
pub const FILES: &[&str] = &["counts.json", "samples.npz", "spec.json", "weights.safetensors"];

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

/// The entries of a manifest, `(digest, file name)`.
///
/// # Errors
/// [`Error::Io`] without one, [`Error::Data`] for a malformed line.
pub fn read(dir: &Path) -> Result<Vec<(String, String)>> {
    let path = dir.join(NAME);
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    text.lines()
        .map(|line| match line.split_once("  ") {
            Some((digest, name)) if digest.len() == 64 && !name.contains('/') => {
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
    for (recorded, name) in read(dir)? {
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
