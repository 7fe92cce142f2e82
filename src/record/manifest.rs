//! `MANIFEST.sha256`: the digests of a run's results. Its presence commits the run; `sha256sum -c` can check it.
//!
//! Lines are `<sha256>  <name>`, nothing else. Those of evaluations are added when they are made, the newest last.

use std::path::Path;

use super::files::is_evaluation;
use super::{atomic, events};
use crate::energy::Counts;
use crate::error::{Error, Result};

/// Name of the manifest.
pub const NAME: &str = "MANIFEST.sha256";

/// Files that a manifest lists, where they exist: what came out. All are functions of spec, seed and code alone.
pub const FILES: &[&str] =
    &["counts.json", "partial.json", "populations.npz", "samples.npz", "spec.json", "weights.safetensors"];

/// Files that it lists too: how the run came to be. They are this run's own. Older versions did not seal them.
pub const HISTORY: &[&str] = &["events.jsonl", "provenance.json"];

/// Without these a manifest is not whole.
const NEEDED: [&str; 3] = ["counts.json", "samples.npz", "spec.json"];
/// Largest manifest: some thousand evaluations.
const LARGEST: u64 = 1 << 20;

/// Commits a run: digests of all [`FILES`] and [`HISTORY`] there are. Nothing is appended to its log afterwards.
///
/// # Errors
/// [`Error::Io`].
pub fn write(dir: &Path) -> Result<()> {
    let mut text = String::new();
    for name in FILES.iter().chain(HISTORY) {
        let path = dir.join(name);
        if path.exists() {
            text += &format!("{}  {name}\n", atomic::sha256_file(&path)?);
        }
    }
    atomic::write(&dir.join(NAME), text.as_bytes())
}

/// Adds files to a manifest, or seals them anew, as its last lines; and the history of a run that an older version sealed
/// without it.
///
/// # Errors
/// As [`read`]; [`Error::Io`] when a file cannot be read or the manifest not be replaced: it is the old one then.
pub fn seal(dir: &Path, names: &[&str]) -> Result<()> {
    let mut lines = read(dir)?;
    lines.retain(|(_, name)| !names.contains(&name.as_str()));
    let unsealed = |file: &str| !names.contains(&file) && !lines.iter().any(|(_, name)| name == file);
    let history: Vec<&str> = HISTORY.iter().copied().filter(|file| unsealed(file) && dir.join(file).exists()).collect();
    for name in history.iter().chain(names) {
        lines.push((atomic::sha256_file(&dir.join(name))?, (*name).to_owned()));
    }
    let text: String = lines.iter().map(|(digest, name)| format!("{digest}  {name}\n")).collect();
    atomic::write(&dir.join(NAME), text.as_bytes())
}

/// The entries of a manifest, `(digest, file name)`.
///
/// # Errors
/// [`Error::Io`] without one, [`Error::Data`] for a malformed line and for a manifest that is not whole.
pub fn read(dir: &Path) -> Result<Vec<(String, String)>> {
    let path = dir.join(NAME);
    parse(&atomic::read_bounded(&path, LARGEST)?, &path)
}

/// The entries of a manifest that lies in memory; `path` is for messages.
///
/// # Errors
/// [`Error::Data`] for a malformed line, a name that is none or stands twice, and for a manifest that is not whole.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Vec<(String, String)>> {
    let wrong = |message: String| Err(Error::data(path, message));
    let mut lines: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        let fits = |(digest, name): &(&str, &str)| {
            let hex = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
            hex && !name.is_empty() && (!name.contains(['/', '\\']) || is_evaluation(name)) && !name.contains("..")
        };
        let Some((digest, name)) = line.split_once("  ").filter(fits) else {
            return wrong(format!("expected `<sha256>  <file>`, found `{}`", line.escape_debug()));
        };
        if lines.iter().any(|(_, known)| known == name) {
            return wrong(format!("lists {name} twice"));
        }
        lines.push((digest.to_owned(), name.to_owned()));
    }
    let lists = |name: &str| lines.iter().any(|(_, known)| known == name);
    if let Some(name) = NEEDED.iter().find(|name| !lists(name)) {
        return wrong(format!("is not whole: it lists no {name}"));
    }
    // Older versions sealed none of the history, ours all of it.
    match HISTORY.iter().find(|name| !lists(name)) {
        Some(name) if HISTORY.iter().any(|name| lists(name)) => wrong(format!("is not whole: it lists no {name}")),
        _ => Ok(lines),
    }
}

/// The entries of [`FILES`]: the same for the same spec, seed and code.
///
/// # Errors
/// As [`read`].
pub fn results(dir: &Path) -> Result<Vec<(String, String)>> {
    let mut lines = read(dir)?;
    lines.retain(|(_, name)| FILES.contains(&name.as_str()));
    Ok(lines)
}

/// Checks every file against the manifest, and the counts against the log of the run.
///
/// # Errors
/// [`Error::Digest`] naming the first file that was changed or is gone, or counts that the run did not come to;
/// [`Error::Data`] for a manifest that is not whole, and a log that does not hold the run's end.
pub fn verify(dir: &Path) -> Result<()> {
    verify_some(dir, |_| true)?;
    let (log, counts) = (dir.join("events.jsonl"), dir.join("counts.json"));
    let Some(finished) = events::finished(&log)? else {
        return Err(Error::data(log, "does not hold the end of the run, though the run is committed"));
    };
    let recorded: Counts = atomic::read_json(&counts)?;
    if recorded != finished.counts {
        let text = |counts: &Counts| serde_json::to_string(counts).unwrap_or_default();
        let message = format!("holds {}, the log of the run {}", text(&recorded), text(&finished.counts));
        return Err(Error::digest(counts, message));
    }
    let lines = read(dir)?;
    if finished.samples.is_some() && !HISTORY.iter().all(|name| lines.iter().any(|(_, listed)| listed == name)) {
        return Err(Error::data(dir.join(NAME), "is not whole: it lists neither log nor provenance"));
    }
    Ok(())
}

/// Checks the files whose names `which` says against the manifest.
///
/// # Errors
/// As [`verify`].
pub fn verify_some(dir: &Path, which: impl Fn(&str) -> bool) -> Result<()> {
    for (recorded, name) in read(dir)?.into_iter().filter(|(_, name)| which(name)) {
        let path = dir.join(&name);
        let found = match atomic::sha256_file(&path) {
            Ok(digest) => digest,
            Err(_) if !path.exists() => "no such file".to_owned(),
            Err(e) => return Err(e),
        };
        if found != recorded {
            let message = format!("changed since the run was committed: recorded sha256 {recorded}, found {found}");
            return Err(Error::digest(path, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::evaluation;
    use crate::record::{EventLog, Kind};

    /// A run's files, sealed.
    fn sealed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in
            [("spec.json", "abc"), ("counts.json", "{}"), ("samples.npz", ""), ("provenance.json", "{}")]
        {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let mut log = EventLog::open(&dir.path().join("events.jsonl")).unwrap();
        log.append(Kind::Finished { step: 1, counts: Counts::default(), samples: Some(0) }).unwrap();
        write(dir.path()).unwrap();
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        read(dir).unwrap().into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn evaluations_are_sealed_as_they_come() {
        let dir = sealed();
        std::fs::create_dir(dir.path().join(evaluation::FOLDER)).unwrap();
        let [a, b] = ["0123456789abcdef", "fedcba9876543210"].map(evaluation::name);
        for name in [&a, &b, &a] {
            std::fs::write(dir.path().join(name), name).unwrap();
            seal(dir.path(), &[name]).unwrap();
        }
        assert_eq!(names(dir.path())[5..], [b.as_str(), a.as_str()]);
        std::fs::write(dir.path().join(&b), "edited").unwrap();
        assert!(matches!(verify(dir.path()), Err(Error::Digest { path, .. }) if path.ends_with(&b)));
        verify_some(dir.path(), |name| !evaluation::is_name(name)).unwrap();
    }

    #[test]
    fn verify_sees_changed_and_missing_files() {
        let dir = sealed();
        let at = |name: &str| dir.path().join(name);
        let text = std::fs::read_to_string(at(NAME)).unwrap();
        assert!(text.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  spec.json\n"));
        assert_eq!(text.lines().count(), 5);
        verify(dir.path()).unwrap();
        for name in ["spec.json", "provenance.json", "events.jsonl"] {
            let before = std::fs::read(at(name)).unwrap();
            std::fs::write(at(name), "edited").unwrap();
            assert!(matches!(verify(dir.path()), Err(Error::Digest { path, .. }) if path == at(name)));
            std::fs::write(at(name), before).unwrap();
        }
        std::fs::remove_file(at("samples.npz")).unwrap();
        assert!(matches!(verify(dir.path()), Err(Error::Digest { message, .. }) if message.contains("no such file")));
    }

    /// Empty, cut, or without the history that this version seals: damaged. As an older version wrote it: whole.
    #[test]
    fn a_manifest_that_is_not_whole() {
        let dir = sealed();
        let path = dir.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let put = |keep: &dyn Fn(&str) -> bool| {
            let kept: String = lines.iter().filter(|l| keep(l)).map(|l| format!("{l}\n")).collect();
            std::fs::write(&path, kept).unwrap();
            verify(dir.path()).map_err(|e| e.to_string())
        };
        assert!(put(&|_| false).unwrap_err().contains("it lists no counts.json"));
        for name in ["counts.json", "samples.npz", "spec.json", "events.jsonl", "provenance.json"] {
            assert!(put(&|line| !line.ends_with(name)).unwrap_err().contains(&format!("it lists no {name}")), "{name}");
        }
        let old = |line: &str| !HISTORY.iter().any(|name| line.ends_with(name));
        assert!(put(&old).unwrap_err().contains("neither log nor provenance"), "this version seals both");
        let log = dir.path().join("events.jsonl");
        std::fs::write(&log, std::fs::read_to_string(&log).unwrap().replace(",\"samples\":0", "")).unwrap();
        put(&old).unwrap();
        seal(dir.path(), &[]).unwrap();
        assert_eq!(names(dir.path()).len(), 5, "its history is sealed with the next evaluation");
        let before = names(dir.path());
        seal(dir.path(), &before.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(names(dir.path()), before, "sealed anew, the history stands once");
        std::fs::write(&path, format!("{text}{}\n", lines[0])).unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn counts_are_those_of_the_log() {
        let dir = sealed();
        std::fs::write(dir.path().join("counts.json"), "{\"sampling\": 5}").unwrap();
        write(dir.path()).unwrap();
        let message = verify(dir.path()).unwrap_err().to_string();
        assert!(message.contains("holds {\"sampling\":5}, the log of the run {}"), "{message}");
        std::fs::write(dir.path().join("events.jsonl"), "").unwrap();
        write(dir.path()).unwrap();
        assert!(verify(dir.path()).unwrap_err().to_string().contains("does not hold the end"));
    }
}
