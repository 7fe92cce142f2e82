//! `baseline.toml`: what a method is called, and how it is run.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::disk;
use crate::error::{Error, Result};
use crate::identity::tree;
use crate::spec::{ExternalSpec, Protocol};

/// Name of the file in a baseline's folder.
pub const NAME: &str = "baseline.toml";

/// A method that the table compares.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Its name; equals the sampler kind of built-in ones.
    pub name: String,
    /// Name in tables.
    pub title: String,
    /// Whether it can be run here, and how.
    pub kind: Kind,
    /// Sampler kind, when built in.
    #[serde(default)]
    pub sampler: Option<String>,
    /// Program and arguments, when external; run in the folder, the path of the job file is added.
    #[serde(default)]
    pub command: Vec<String>,
    /// How an external one gets at energies.
    #[serde(default)]
    pub protocol: Protocol,
    /// Seconds without a line from an external one after which it is given up.
    #[serde(default = "an_hour")]
    pub timeout: u64,
    /// MiB that the folder of an external one may hold.
    #[serde(default = "usual_disk")]
    pub disk: u64,
    /// Built in: settings that differ from the sampler's defaults. External: all settings there are, with their defaults.
    #[serde(default)]
    pub settings: toml::Table,
}

fn an_hour() -> u64 {
    3_600
}

fn usual_disk() -> u64 {
    ExternalSpec::DISK
}

/// How a baseline comes into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A sampler of this program.
    BuiltIn,
    /// Somebody else's program.
    External,
    /// Only its published numbers.
    Published,
}

/// Reads the `baseline.toml` of an external baseline.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Data`] when it is malformed or describes no program.
pub fn read_external(folder: &Path) -> Result<Baseline> {
    let path = folder.join(NAME);
    let text = disk::read_text(&path, disk::SMALL).map_err(Error::io(&path))?;
    parse_external(&path, &text)
}

/// The same of its text; `path` is for messages.
///
/// # Errors
/// [`Error::Data`] when it is malformed or describes no program.
pub fn parse_external(path: &Path, text: &str) -> Result<Baseline> {
    let baseline: Baseline = toml::from_str(text).map_err(|e| Error::data(path, e.to_string().trim_end()))?;
    let bad = |message: &str| Err(Error::data(path, message));
    if baseline.kind != Kind::External {
        return bad("is not `kind = \"external\"`: there is no program to run");
    }
    if baseline.command.iter().all(|word| word.trim().is_empty()) {
        return bad("has no `command`, expected a list such as [\"python3\", \"sample.py\"]");
    }
    if baseline.timeout == 0 {
        return bad("`timeout` is 0, expected seconds");
    }
    if baseline.disk == 0 || baseline.disk > u64::MAX >> 20 {
        return bad("`disk` is out of range, expected MiB");
    }
    Ok(baseline)
}

/// Digest of the files that a program consists of: every file below `folder` with its path, in the order of paths. Left
/// out: `baseline.toml` (what matters of it is in the spec), `expected.toml`, `README.md`, hidden files, Python's caches.
///
/// # Errors
/// [`Error::Io`] when a file cannot be read.
pub fn digest(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    collect(folder, Path::new(""), &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        let path = folder.join(file);
        let bytes = disk::read(&path, u64::MAX).map_err(Error::io(&path))?;
        hash.update(file.to_string_lossy().replace('\\', "/"));
        hash.update([0]);
        hash.update(Sha256::digest(&bytes));
    }
    Ok(tree::hex(&hash.finalize()))
}

fn collect(root: &Path, below: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let folder = root.join(below);
    for entry in std::fs::read_dir(&folder).map_err(Error::io(&folder))? {
        let entry = entry.map_err(Error::io(&folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = below.join(&name);
        let is_top = below.as_os_str().is_empty();
        let no_part = name.starts_with('.')
            || name == "__pycache__"
            || name.ends_with(".pyc")
            || is_top && [NAME, "expected.toml", "README.md"].contains(&name.as_str());
        if no_part {
            continue;
        }
        // A link to a folder is not followed: it may lead in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(root, &path, files)?;
        } else if root.join(&path).is_file() {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_sees_names_and_content_but_no_prose() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("sample.py", "a");
        let one = digest(dir.path()).unwrap();
        for no_part in ["README.md", "baseline.toml", "expected.toml", ".git/x", "__pycache__/sample.pyc", "b.pyc"] {
            put(no_part, "x");
        }
        assert_eq!(digest(dir.path()).unwrap(), one);
        put("lib/README.md", "part of the program");
        let two = digest(dir.path()).unwrap();
        assert_ne!(one, two);
        put("sample.py", "b");
        assert!(![one, two].contains(&digest(dir.path()).unwrap()));
        assert!(digest(&dir.path().join("none")).is_err());
    }
}
