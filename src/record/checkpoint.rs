//! Checkpoints in two slots: while one is written, the other stays whole.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic;
use crate::array::{Arrays, decode_safetensors, encode_safetensors};
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::{disk, stop};

const SLOTS: [&str; 2] = ["a", "b"];

/// `{slot}.json`: what the tensors beside it belong to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    step: u64,
    counts: Counts,
    sha256: String,
}

/// A checkpoint that was read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Sampler steps done.
    pub step: u64,
    /// Evaluations so far.
    pub counts: Counts,
    /// The sampler's state.
    pub state: Arrays,
    /// Slots that had to be passed over, and why.
    pub warnings: Vec<String>,
}

/// Writes a checkpoint over the older (or broken) slot and returns the slot's name.
///
/// # Errors
/// [`Error::Io`]; the other slot is whole then.
pub fn save(dir: &Path, step: u64, counts: &Counts, state: &Arrays) -> Result<&'static str> {
    let _keeping = stop::keeping();
    disk::create_folder(dir).map_err(Error::io(dir))?;
    let step_in = |slot| atomic::read_json::<Header>(&header_path(dir, slot)).ok().map(|h| h.step);
    let slot = if step_in("a") <= step_in("b") { "a" } else { "b" };
    let header = header_path(dir, slot);
    // Without its header a half-written slot is an empty one, not a corrupt one.
    if header.exists() {
        std::fs::remove_file(&header).map_err(Error::io(&header))?;
    }
    let bytes = encode_safetensors(state)?;
    atomic::write(&tensors_path(dir, slot), &bytes)?;
    atomic::write_json(&header, &Header { step, counts: counts.clone(), sha256: atomic::sha256(&bytes) })?;
    Ok(slot)
}

/// The newest valid checkpoint, `None` when there is none. A corrupt slot beside it is set aside (`.corrupt`), so that the
/// next [`save`] overwrites that one and not the valid one.
///
/// # Errors
/// [`Error::Digest`] when there are checkpoints, but none is as it was written.
pub fn load(dir: &Path) -> Result<Option<Checkpoint>> {
    let mut warnings = Vec::new();
    let (mut headers, mut corrupt) = (Vec::new(), Vec::new());
    let mut pass_over = |slot, why: Error| {
        corrupt.push(slot);
        warnings.push(format!("checkpoint slot {slot} is corrupt: {why}"));
    };
    for slot in SLOTS {
        let path = header_path(dir, slot);
        if path.exists() {
            match atomic::read_json::<Header>(&path) {
                Ok(header) => headers.push((header, slot)),
                Err(e) => pass_over(slot, e),
            }
        }
    }
    headers.sort_by_key(|(h, _)| std::cmp::Reverse(h.step));
    for (header, slot) in headers {
        let path = tensors_path(dir, slot);
        let bytes = std::fs::read(&path).unwrap_or_default();
        let found = atomic::sha256(&bytes);
        if found != header.sha256 {
            pass_over(slot, Error::digest(path, format!("recorded sha256 {}, found {found}", header.sha256)));
            continue;
        }
        let state = decode_safetensors(&bytes).map_err(|m| Error::data(&path, m))?;
        for slot in corrupt {
            let path = header_path(dir, slot);
            disk::rename(&path, &path.with_added_extension("corrupt")).map_err(Error::io(&path))?;
        }
        if !warnings.is_empty() {
            warnings.push(format!("going on from checkpoint slot {slot}, step {}", header.step));
        }
        return Ok(Some(Checkpoint { step: header.step, counts: header.counts, state, warnings }));
    }
    if warnings.is_empty() {
        return Ok(None);
    }
    let remedy = "delete this folder to start the run again from its beginning";
    Err(Error::digest(dir, format!("no usable checkpoint; {remedy}\n  {}", warnings.join("\n  "))))
}

/// Removes all checkpoints.
///
/// # Errors
/// [`Error::Io`].
pub fn remove(dir: &Path) -> Result<()> {
    if dir.exists() { std::fs::remove_dir_all(dir).map_err(Error::io(dir)) } else { Ok(()) }
}

fn header_path(dir: &Path, slot: &str) -> PathBuf {
    dir.join(format!("{slot}.json"))
}

fn tensors_path(dir: &Path, slot: &str) -> PathBuf {
    dir.join(format!("{slot}.safetensors"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;

    fn state(x: f64) -> Arrays {
        [("x".to_owned(), Array::f64(&[1], vec![x]))].into()
    }

    fn filled() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for step in 1..=3_u32 {
            save(dir.path(), u64::from(step), &Counts::default(), &state(f64::from(step))).unwrap();
        }
        dir
    }

    fn flip(path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn newest_then_older_then_error() {
        let dir = filled(); // step 3 is in slot a, step 2 in slot b
        let newest = load(dir.path()).unwrap().unwrap();
        assert_eq!((newest.step, &newest.state, newest.warnings.len()), (3, &state(3.0), 0));
        flip(&tensors_path(dir.path(), "a"));
        let older = load(dir.path()).unwrap().unwrap();
        assert_eq!((older.step, &older.state), (2, &state(2.0)));
        let [why, instead] = &older.warnings[..] else { panic!("{:?}", older.warnings) };
        assert!(why.contains("slot a is corrupt") && instead.contains("slot b, step 2"), "{why}; {instead}");
        // The next one goes over the corrupt slot: the valid one is whole while it is written.
        assert_eq!(save(dir.path(), 3, &Counts::default(), &state(3.0)).unwrap(), "a");
        assert_eq!(load(dir.path()).unwrap().unwrap().warnings.len(), 0);
        flip(&tensors_path(dir.path(), "a"));
        flip(&tensors_path(dir.path(), "b"));
        assert!(matches!(load(dir.path()), Err(Error::Digest { .. })));
    }

    #[test]
    fn a_kill_while_writing_leaves_the_other_slot() {
        let dir = filled();
        // Step 4 goes to slot b: its header is removed first, then its tensors are replaced.
        std::fs::remove_file(header_path(dir.path(), "b")).unwrap();
        std::fs::write(tensors_path(dir.path(), "b"), b"half").unwrap();
        let loaded = load(dir.path()).unwrap().unwrap();
        assert_eq!((loaded.step, loaded.warnings.len()), (3, 0));
        assert_eq!(save(dir.path(), 4, &Counts::default(), &state(4.0)).unwrap(), "b");
        assert_eq!(load(dir.path()).unwrap().unwrap().step, 4);
    }

    /// Cut off at every byte, either file of the newer slot: the older one is used.
    #[test]
    fn a_torn_slot_falls_back() {
        for path in [header_path, tensors_path] {
            let dir = filled();
            let whole = std::fs::read(path(dir.path(), "a")).unwrap();
            for length in 0..whole.len() - 1 {
                let dir = filled();
                std::fs::write(path(dir.path(), "a"), &whole[..length]).unwrap();
                let loaded = load(dir.path()).unwrap().unwrap();
                assert_eq!((loaded.step, loaded.warnings.len()), (2, 2), "cut at {length}");
            }
        }
    }

    #[test]
    fn none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(&dir.path().join("checkpoint")).unwrap(), None);
    }
}
