//! Digest of a source tree. Shared with the build script, so it uses nothing of this crate.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Files and folders of the project that decide what is compiled.
pub const INPUTS: [&str; 5] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml", "src"];

/// Files under [`INPUTS`] in `root`, relative to it with `/` between parts, sorted. `keep` leaves out what it refuses
/// (ignored files). Whatever cannot be read is left out.
pub fn files(root: &Path, keep: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo: Vec<PathBuf> = INPUTS.iter().map(|input| root.join(input)).collect();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            todo.extend(entries.map(|entry| entry.path()));
        } else if path.is_file() {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            let parts: Vec<_> = relative.components().map(|c| c.as_os_str().to_string_lossy()).collect();
            found.push(parts.join("/"));
        }
    }
    found.retain(|path| keep(path));
    found.sort();
    found
}

/// SHA-256 over path, length and content of each file, in the given order. It is the same number for a git checkout
/// (with uncommitted changes) and for the same files from a tarball.
pub fn digest(root: &Path, files: &[String]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        let content = std::fs::read(root.join(file)).unwrap_or_default();
        // Lengths keep one file's end apart from the next one's beginning.
        hash.update((file.len() as u64).to_le_bytes());
        hash.update(file.as_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(&content);
    }
    hex(&hash.finalize())
}

/// SHA-256 of one file; of nothing when it cannot be read.
pub fn file_digest(path: &Path) -> String {
    hex(&Sha256::digest(std::fs::read(path).unwrap_or_default()))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_name_and_border_matter() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let now = || digest(dir.path(), &files(dir.path(), |path| !path.ends_with(".tmp")));
        write("src/b.rs", "1");
        write("src/a/c.rs", "2");
        write("README.md", "not compiled");
        assert_eq!(files(dir.path(), |_| true), ["src/a/c.rs", "src/b.rs"]);
        let first = now();
        write("README.md", "changed");
        write("src/x.tmp", "ignored");
        assert_eq!(now(), first);
        write("src/b.rs", "3");
        let changed = now();
        assert_ne!(changed, first);
        write("src/b.rs", "1");
        assert_eq!(now(), first);
        std::fs::rename(dir.path().join("src/b.rs"), dir.path().join("src/d.rs")).unwrap();
        assert_ne!(now(), first);
        assert_ne!(now(), changed);
    }
}
