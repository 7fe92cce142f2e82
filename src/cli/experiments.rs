//! The experiment files of a project: those in `experiments/` of the current folder.

use std::path::{Path, PathBuf};

use crate::config;
use crate::error::{Error, Result};

/// Where they are looked for.
const FOLDER: &str = "experiments";

/// The files, by name.
#[must_use]
pub fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}

/// The file that was named; where none was, an error that offers what there is.
///
/// # Errors
/// [`Error::Usage`].
pub fn chosen<'a>(file: Option<&'a Path>, verb: &str) -> Result<&'a Path> {
    file.ok_or_else(|| {
        let found = files();
        if found.is_empty() {
            return Error::Usage(format!(
                "which experiment? {verb} takes an experiment file, and there is none in {FOLDER}/; `pita-bench init` writes one"
            ));
        }
        let lines: Vec<String> = found.iter().map(|path| format!("  pita-bench {verb} {}{}", path.display(), about(path))).collect();
        Error::Usage(format!("which experiment? There are\n{}", lines.join("\n")))
    })
}

/// Title and profiles of a file, as a remark; nothing where it cannot be read.
fn about(path: &Path) -> String {
    let Ok(found) = config::load(path, None, &[]) else { return String::new() };
    let all = found.profiles.join(", ");
    let profiles = if all.is_empty() { all } else { format!(" (profiles {all})") };
    format!("    # {}{profiles}", found.title)
}
