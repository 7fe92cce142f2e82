//! Tonight's folder, and what earlier nights said.
//!
//! ```text
//! results/checks/<name>/<20261125T010000Z>/    a results folder of its own: runs, references, database
//!   session.json     begun by which code; continued by the same code after a crash
//!   verdict.json     what was found: the night is over
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::verdict::Past;
use crate::disk;
use crate::error::{Error, Result};
use crate::identity;
use crate::record::{atomic, timestamp};

/// `session.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    time: String,
    code: String,
}

/// Goes on with a night that this code began and did not end, or begins one.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn open(checks: &Path) -> Result<PathBuf> {
    let code = &identity::code().digest;
    if let Some(last) = nights(checks)?.pop()
        && !last.join("verdict.json").exists()
        && atomic::read_json::<Begun>(&last.join("session.json")).is_ok_and(|b| b.code == *code)
    {
        return Ok(last);
    }
    let time = timestamp();
    let stem: String = time.chars().filter(|c| !"-:".contains(*c)).collect();
    let named = |k: u32| checks.join(if k == 1 { stem.clone() } else { format!("{stem}-{k}") });
    let dir = (1..).map(named).find(|dir| !dir.exists()).unwrap_or_else(|| named(1));
    disk::create_folder(&dir).map_err(Error::io(&dir))?;
    atomic::write_json(&dir.join("session.json"), &Begun { time, code: code.clone() })?;
    Ok(dir)
}

/// When a night began.
pub(super) fn began(night: &Path) -> Result<String> {
    atomic::read_json::<Begun>(&night.join("session.json")).map(|b| b.time)
}

/// Earlier nights that came to an end, oldest first, and a line for each whose verdict cannot be read: history has a gap there,
/// and tonight is judged all the same.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed.
pub fn past(checks: &Path) -> Result<(Vec<Past>, Vec<String>)> {
    let (mut past, mut damaged) = (Vec::new(), Vec::new());
    for verdict in nights(checks)?.into_iter().map(|n| n.join("verdict.json")).filter(|v| v.exists()) {
        match atomic::read_json(&verdict) {
            Ok(night) => past.push(night),
            Err(e) => damaged.push(format!("{e}; that night is left out of the history: remove the file to forget it")),
        }
    }
    Ok((past, damaged))
}

/// The latest night that came to an end.
///
/// # Errors
/// [`Error::Io`].
pub fn finished(checks: &Path) -> Result<Option<PathBuf>> {
    Ok(nights(checks)?.into_iter().rfind(|n| n.join("verdict.json").exists()))
}

/// Removes runs and references of all but the latest `keep` nights; what they said is kept.
pub(super) fn prune(checks: &Path, keep: usize) -> Result<()> {
    let nights = nights(checks)?;
    for night in &nights[..nights.len().saturating_sub(keep.max(1))] {
        for entry in std::fs::read_dir(night).map_err(Error::io(night))?.flatten() {
            let path = entry.path();
            let kept = ["verdict.json", "session.json"].iter().any(|name| path.ends_with(name));
            // What cannot be removed is tried again tomorrow.
            let _ = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else if kept {
                Ok(())
            } else {
                std::fs::remove_file(&path)
            };
        }
    }
    Ok(())
}

/// All nights, oldest first.
fn nights(checks: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(checks) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io(checks))?,
    };
    let mut nights: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.join("session.json").exists()).collect();
    nights.sort();
    Ok(nights)
}
