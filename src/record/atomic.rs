//! Files that are either the old ones or the new ones, never half of one, also after a power cut.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::disk;
use crate::error::{Error, Result};

/// Replaces `path`: temporary file, fsync, rename, fsync of the folder.
///
/// # Errors
/// [`Error::Io`]; the old file is untouched then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    disk::replace(path, |file| file.write_all(bytes)).map_err(Error::io(path))
}

/// [`write()`] where several processes may write the same file at once.
///
/// # Errors
/// [`Error::Io`]; the old file is untouched then.
pub fn write_shared(path: &Path, bytes: &[u8]) -> Result<()> {
    disk::replace_shared(path, |file| file.write_all(bytes)).map_err(Error::io(path))
}

/// Moves a finished temporary file to its place, durably.
///
/// # Errors
/// [`Error::Io`].
pub fn persist(temporary: &Path, path: &Path) -> Result<()> {
    disk::rename(temporary, path).and_then(|()| disk::sync_parent(path)).map_err(Error::io(path))
}

/// [`write()`] of a value as indented JSON.
///
/// # Errors
/// [`Error::Io`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write(path, &indented(value)?)
}

/// [`write_shared`] of a value as indented JSON.
///
/// # Errors
/// [`Error::Io`].
pub fn write_json_shared(path: &Path, value: &impl Serialize) -> Result<()> {
    write_shared(path, &indented(value)?)
}

fn indented(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| Error::Internal(format!("JSON: {e}")))?;
    text.push(b'\n');
    Ok(text)
}

/// Reads a JSON file.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Data`] when it is malformed.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::data(path, format!("malformed JSON: {e}")))
}

/// SHA-256 of a file, lower-case hex.
///
/// # Errors
/// [`Error::Io`].
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(Error::io(path))? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// SHA-256 of bytes, lower-case hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4 example "abc".
    #[test]
    fn sha256_known_answer() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write(&path, b"old").unwrap();
        std::fs::create_dir(path.with_added_extension("tmp")).unwrap(); // the temporary file cannot be made
        assert!(write(&path, b"new").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(sha256_file(&path).unwrap(), sha256(b"old"));
    }
}
