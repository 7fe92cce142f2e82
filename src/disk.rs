//! The file operations that results depend on, and the seam through which tests make them fail.
//!
//! Whatever must survive a crash is written with [`replace`] (the old file or the new one, never half of one) or appended
//! to a [`File`]. Tests set the environment variable `PITA_BENCH_FAULT` to `OPERATION:N:HOW` and run the real program:
//!
//! | `OPERATION` | counts, from 1 |
//! |---|---|
//! | `write` | writes to files |
//! | `sync` | fsyncs of files and folders |
//! | `rename` | renames |
//! | `any` | all of them |
//!
//! | `HOW` | what happens at the N-th |
//! |---|---|
//! | `io` | it fails once with an I/O error |
//! | `full` | it and all later ones fail: no space left on the device |
//! | `kill` | the process dies on the spot |
//!
//! A write that fails, or in which the process dies, leaves the first half of its bytes, as a real one may.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::words::nearest;

/// A file whose writes and syncs may be made to fail.
#[derive(Debug)]
pub struct File(std::fs::File);

/// Most bytes of a text that people write: experiment files, descriptions of programs.
pub const SMALL: u64 = 4 << 20;
/// Most bytes of any other text: force fields, structures.
pub const LARGE: u64 = 1 << 30;

/// Opens a file for reading, if it is one. Opening a pipe may wait for ever, and reading a device may never end.
///
/// # Errors
/// `IsADirectory` for a folder, `InvalidInput` for a device, a pipe or a socket; those of the system.
pub fn open(path: &Path) -> Result<std::fs::File> {
    let found = std::fs::metadata(path)?;
    match not_a_file(&found) {
        None => std::fs::File::open(path),
        Some(what) => {
            let kind = if found.is_dir() { ErrorKind::IsADirectory } else { ErrorKind::InvalidInput };
            Err(Error::new(kind, format!("is {what}, expected a file")))
        }
    }
}

/// The bytes of a file, at most `most`.
///
/// # Errors
/// As [`open`]; `FileTooLarge` for more.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("holds more than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// The file beside one that is not there that was perhaps meant: the nearest name with the same ending.
#[must_use]
pub fn near(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let names: Vec<String> = names.filter(|name| Path::new(name).extension() == path.extension()).collect();
    let near = nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near))
}

/// The text of a file, of at most `most` bytes.
///
/// # Errors
/// As [`read`]; `InvalidData` where it is no text.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "is not text (UTF-8)"))
}

/// Bytes that any gzip-ed file may unpack to, and how many times its own ones beyond that: force fields shrink to a
/// twentieth, samples hardly; what unpacks to more was made to fill the memory.
const UNPACKED: (u64, u64) = (256 << 20, 64);

/// Whether these are the first bytes of a file that gzip made.
#[must_use]
pub fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// What gzip packed.
///
/// # Errors
/// `InvalidData` where the bytes are damaged, `FileTooLarge` where they unpack to more than any file of ours would.
pub fn gunzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let most = UNPACKED.0.max(UNPACKED.1.saturating_mul(bytes.len() as u64));
    let mut out = Vec::new();
    let damaged = |e: Error| Error::new(ErrorKind::InvalidData, format!("damaged gzip data: {e}"));
    flate2::read::MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut out).map_err(damaged)?;
    if out.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("unpacks to more than {} MiB", most >> 20)));
    }
    Ok(out)
}

/// What something is that is no file.
#[must_use]
pub fn not_a_file(found: &std::fs::Metadata) -> Option<&'static str> {
    match found {
        m if m.is_file() => None,
        m if m.is_dir() => Some("a folder"),
        _ => Some("a device, a pipe or a socket"),
    }
}

/// Opens a file for appending, or creates it.
///
/// # Errors
/// Those of the system.
pub fn append(path: &Path) -> Result<File> {
    std::fs::OpenOptions::new().create(true).append(true).open(path).map(File)
}

/// Replaces `path` by what `fill` writes: temporary file beside it, fsync, rename, fsync of the folder.
///
/// # Errors
/// Those of the system and of `fill`; the old file is untouched then (unless only the last fsync failed).
pub fn replace(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    replace_through(path, &path.with_added_extension("tmp"), fill)
}

/// [`replace`] where several processes may write the same file at once: each has a temporary file of its own. The last one
/// stays; one that was killed leaves its temporary file.
///
/// # Errors
/// As [`replace`].
pub fn replace_shared(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    replace_through(path, &path.with_added_extension(format!("{}-{n}.tmp", std::process::id())), fill)
}

fn replace_through(path: &Path, temporary: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let put = || -> Result<()> {
        let mut file = File(std::fs::File::create(temporary)?);
        fill(&mut file)?;
        file.sync()?;
        rename(temporary, path)
    };
    put().inspect_err(|_| drop(std::fs::remove_file(temporary)))?;
    sync_parent(path)
}

/// Renames a file.
///
/// # Errors
/// Those of the system.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fault(Operation::Rename).map_or_else(|| std::fs::rename(from, to), Err)
}

/// What lies in a folder; nothing in one that is not there.
///
/// # Errors
/// Those of the system.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// Makes the directory entry of `path` durable.
///
/// # Errors
/// Those of the system.
pub fn sync_parent(path: &Path) -> Result<()> {
    // A bare file name has the empty path as parent: the working directory.
    let parent = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    parent.map_or(Ok(()), |parent| File(std::fs::File::open(parent)?).sync())
}

/// Bytes that are free on the disk of a folder, if the system says so.
#[cfg(unix)]
#[must_use]
pub fn free(folder: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    #[allow(clippy::useless_conversion)] // their width differs between systems
    Some(u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size())))
}

/// Other systems do not say.
#[cfg(not(unix))]
#[must_use]
pub fn free(_: &Path) -> Option<u64> {
    None
}

/// Makes a folder and those above it, durably.
///
/// # Errors
/// Those of the system.
pub fn create_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        create_folder(parent)?;
    }
    match std::fs::create_dir(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists || !path.is_dir() => Err(e),
        _ => sync_parent(path),
    }
}

impl File {
    /// Makes content and length durable.
    ///
    /// # Errors
    /// Those of the system.
    pub fn sync(&self) -> Result<()> {
        fault(Operation::Sync).map_or_else(|| self.0.sync_all(), Err)
    }

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_len(&self, length: u64) -> Result<()> {
        self.0.set_len(length)
    }

    /// Bytes in the file.
    ///
    /// # Errors
    /// Those of the system.
    pub fn size(&self) -> Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let Some(plan) = plan() else { return self.0.write(bytes) };
        if plan.is_due(Operation::Write) {
            self.0.write_all(&bytes[..bytes.len() / 2])?;
            return Err(plan.act());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Write,
    Sync,
    Rename,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Io,
    Full,
    Kill,
}

/// What is to fail. Absent outside tests.
struct Plan {
    /// `None` counts every operation.
    operation: Option<Operation>,
    at: u64,
    how: How,
    count: AtomicU64,
}

fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    PLAN.get_or_init(|| std::env::var("PITA_BENCH_FAULT").ok().as_deref().and_then(Plan::parse)).as_ref()
}

fn fault(operation: Operation) -> Option<Error> {
    plan().filter(|plan| plan.is_due(operation)).map(Plan::act)
}

impl Plan {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let operation = match parts.next()? {
            "write" => Some(Operation::Write),
            "sync" => Some(Operation::Sync),
            "rename" => Some(Operation::Rename),
            "any" => None,
            _ => return None,
        };
        let at = parts.next()?.parse().ok()?;
        let how = match parts.next()? {
            "io" => How::Io,
            "full" => How::Full,
            "kill" => How::Kill,
            _ => return None,
        };
        Some(Self { operation, at, how, count: AtomicU64::new(0) })
    }

    fn is_due(&self, operation: Operation) -> bool {
        if self.operation.is_some_and(|o| o != operation) {
            return false;
        }
        let n = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        n == self.at || n > self.at && self.how == How::Full
    }

    fn act(&self) -> Error {
        const EIO: i32 = 5;
        const ENOSPC: i32 = 28;
        match self.how {
            How::Io => Error::from_raw_os_error(EIO),
            How::Full => Error::from_raw_os_error(ENOSPC),
            How::Kill => std::process::abort(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted() {
        let once = Plan::parse("sync:2:io").unwrap();
        let due: Vec<bool> = (0..4).map(|_| once.is_due(Operation::Sync)).collect();
        assert_eq!(due, [false, true, false, false]);
        assert!(!once.is_due(Operation::Write));
        let full = Plan::parse("any:2:full").unwrap();
        let due = [Operation::Write, Operation::Rename, Operation::Sync].map(|o| full.is_due(o));
        assert_eq!(due, [false, true, true]);
        assert_eq!(full.act().kind(), std::io::ErrorKind::StorageFull);
        for bad in ["", "write", "write:x:io", "write:1", "write:1:never", "read:1:io"] {
            assert!(Plan::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_failed_fill_keeps_the_old_file_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        replace(&path, |f| f.write_all(b"old")).unwrap();
        let failed = replace(&path, |f| {
            f.write_all(b"half of the ne")?;
            Err(Error::other("full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn many_writers_of_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        replace_shared(&path, |f| f.write_all(b"whole")).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_files_are_opened_and_not_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, [b'a'; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap().len(), 10);
        assert_eq!(read(&path, 9).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(open(dir.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(read(Path::new("/dev/zero"), 9).unwrap_err().kind(), ErrorKind::InvalidInput);
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path, 9).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn folders() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c");
        create_folder(&path).unwrap();
        create_folder(&path).unwrap();
        std::fs::write(path.join("file"), "").unwrap();
        assert!(create_folder(&path.join("file")).is_err());
        assert!(create_folder(&path.join("file/below")).is_err());
    }
}
