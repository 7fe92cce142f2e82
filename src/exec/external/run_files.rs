//! The files of a run while somebody else's program works beside them: what it should never have touched is put back, and
//! the run fails.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::record::{atomic, manifest};

/// What makes a run one that has ended, or is its result: none of it is there while a program works.
const ENDS: [&str; 2] = [manifest::NAME, "failure.json"];

/// What a run folder holds when a program starts.
pub(super) struct RunFiles {
    folder: PathBuf,
    request: Vec<u8>,
}

impl RunFiles {
    /// Keeps a copy of what was asked for, and removes what an earlier program left that was killed before its run ended.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn begin(folder: &Path) -> Result<Self> {
        let path = folder.join("spec.json");
        let request = std::fs::read(&path).map_err(Error::io(&path))?;
        let files = Self { folder: folder.to_path_buf(), request };
        files.restore()?;
        Ok(files)
    }

    /// Puts back what was changed and removes what was forged; names the first such file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn restore(&self) -> Result<Option<String>> {
        let mut touched = None;
        let path = self.folder.join("spec.json");
        if std::fs::read(&path).ok().as_ref() != Some(&self.request) {
            atomic::write(&path, &self.request)?;
            touched = Some(format!("{} was changed, and has been put back", path.display()));
        }
        for name in manifest::FILES.iter().chain(&ENDS).filter(|name| **name != "spec.json") {
            let path = self.folder.join(name);
            if std::fs::symlink_metadata(&path).is_ok() {
                let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                gone.map_err(Error::io(&path))?;
                touched.get_or_insert(format!("{} was written, and has been removed", path.display()));
            }
        }
        Ok(touched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_request_and_a_forged_end() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("spec.json"), "asked").unwrap();
        std::fs::write(at("samples.npz"), "of a process that was killed").unwrap();
        let files = RunFiles::begin(dir.path()).unwrap();
        assert!(!at("samples.npz").exists());
        std::fs::write(at("command.log"), "fine").unwrap();
        assert_eq!(files.restore().unwrap(), None);
        std::fs::write(at("spec.json"), "other").unwrap();
        std::fs::write(at(manifest::NAME), "forged").unwrap();
        assert!(files.restore().unwrap().unwrap().contains("spec.json was changed"));
        assert_eq!(std::fs::read(at("spec.json")).unwrap(), b"asked");
        assert!(!at(manifest::NAME).exists() && at("command.log").exists());
        std::fs::write(at("samples.npz"), "forged").unwrap();
        assert!(files.restore().unwrap().unwrap().contains("samples.npz was written"));
    }
}
