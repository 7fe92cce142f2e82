//! Files that are either the old ones or the new ones, never half of one, also after a power cut.

use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk;
use crate::error::{Error, Result};
pub use crate::identity::{sha256_file, sha256_hex as sha256};

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

/// Largest JSON file that is read: an accepted bundle of a large experiment has a few MiB.
pub const LARGEST_JSON: u64 = 64 << 20;

/// Reads a JSON file.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Data`] when it is too large, no regular file, or malformed.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse_json(&read_bounded(path, LARGEST_JSON)?, path)
}

/// [`read_json`] of a file that may not be there.
///
/// # Errors
/// As [`read_json`] for one that is.
pub fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match read_json(path) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Reads JSON that lies in memory; `path` is for messages.
///
/// # Errors
/// [`Error::Data`] with the place where it is malformed. Nesting ends at 128 levels.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T> {
    if bytes.is_empty() {
        return Err(Error::data(path, "is empty, expected JSON"));
    }
    serde_json::from_slice(bytes).map_err(|e| Error::data(path, format!("malformed JSON: {e}")))
}

/// The bytes of a regular file.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] for a folder, a device or a pipe, and for more than `limit` bytes.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    disk::read(path, limit).map_err(|e| match e.kind() {
        ErrorKind::IsADirectory | ErrorKind::InvalidInput | ErrorKind::FileTooLarge => Error::data(path, e.to_string()),
        _ => Error::io(path)(e),
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
    fn what_is_no_json_is_an_error_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        let refused = |content: &str| {
            std::fs::write(&path, content).unwrap();
            let Err(Error::Data { message, .. }) = read_json::<serde_json::Value>(&path) else {
                panic!("{content:.20}")
            };
            message
        };
        assert!(refused("").contains("is empty"));
        assert!(refused("{\n \"a\": }").contains("line 2 column 7"));
        assert!(refused(&"[".repeat(1_000_000)).contains("recursion limit exceeded at line 1 column 128"));
        assert!(refused(&"{\"a\":".repeat(1_000_000)).contains("recursion limit exceeded"));
        assert!(matches!(read_json::<serde_json::Value>(dir.path()), Err(Error::Data { .. })));
        std::fs::write(&path, vec![b' '; 10]).unwrap();
        assert_eq!(read_bounded(&path, 10).unwrap().len(), 10);
        assert!(matches!(read_bounded(&path, 9), Err(Error::Data { .. })));
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
