//! A look at a program's folder while it works: one that deletes or fills it is ended at once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::disk;

/// Time between two counts of the bytes.
const EVERY: Duration = Duration::from_secs(1);
/// Files that are counted at most; more count as too much.
const FILES: usize = 200_000;
/// Bytes that have to stay free on the disk while a program's folder holds more than that.
const FREE: u64 = 256 << 20;

/// Watches one folder.
pub(super) struct Watch {
    folder: PathBuf,
    /// What must not go away.
    needed: Vec<PathBuf>,
    /// Most bytes.
    limit: u64,
    looked: Option<Instant>,
}

impl Watch {
    pub(super) fn new(folder: &Path, needed: Vec<PathBuf>, limit: u64) -> Self {
        Self { folder: folder.to_path_buf(), needed, limit, looked: None }
    }

    /// What the program did to its folder, if anything that cannot be gone on with.
    pub(super) fn complaint(&mut self) -> Option<String> {
        if let Some(gone) = self.needed.iter().find(|path| !path.exists()) {
            return Some(format!("deleted what it was given: {} is gone", gone.display()));
        }
        if self.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return None;
        }
        self.looked = Some(Instant::now());
        let (bytes, files) = size(&self.folder);
        let (folder, mib, limit) = (self.folder.display(), bytes >> 20, self.limit >> 20);
        if files > FILES {
            return Some(format!("filled its folder: more than {FILES} files in {folder}"));
        }
        if bytes > self.limit {
            let allowed = format!("more than the {limit} MiB that `disk` in baseline.toml allows");
            return Some(format!("filled its folder: {mib} MiB in {folder}, {allowed}"));
        }
        let free = disk::free(&self.folder).filter(|free| *free < FREE && bytes > FREE)?;
        Some(format!("filled the disk: {mib} MiB in {folder}, and {} MiB are free", free >> 20))
    }
}

/// Bytes and files below a folder; links are not followed.
fn size(folder: &Path) -> (u64, usize) {
    let (mut bytes, mut files, mut todo) = (0, 0, vec![folder.to_path_buf()]);
    while let Some(path) = todo.pop() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            files += 1;
            if files > FILES {
                return (bytes, files);
            }
            match entry.metadata() {
                Ok(m) if m.is_dir() => todo.push(entry.path()),
                Ok(m) => bytes += used(&m),
                Err(_) => {} // gone meanwhile
            }
        }
    }
    (bytes, files)
}

/// Bytes on the disk: a file with holes is smaller than it says.
#[cfg(unix)]
fn used(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn used(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_and_filled() {
        let dir = tempfile::tempdir().unwrap();
        let job = dir.path().join("job.json");
        std::fs::write(&job, "{}").unwrap();
        let watch = || Watch::new(dir.path(), vec![job.clone()], 1 << 20);
        assert_eq!(watch().complaint(), None);
        std::fs::create_dir(dir.path().join("deep")).unwrap();
        std::fs::write(dir.path().join("deep/big"), vec![1; 3 << 20]).unwrap();
        let message = watch().complaint().unwrap();
        assert!(message.contains("filled its folder: 3 MiB") && message.contains("1 MiB that `disk`"), "{message}");
        std::fs::remove_file(&job).unwrap();
        assert!(watch().complaint().unwrap().contains("job.json is gone"));
    }
}
