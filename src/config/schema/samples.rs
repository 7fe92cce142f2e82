//! `kind = "samples"`: which file is which seed.

use std::path::{Path, PathBuf};

use super::super::source::Sources;
use super::SamplerEntry;
use crate::disk;
use crate::identity;
use crate::spec::{SamplerSpec, SamplesSpec};

/// What `path` may be, in words.
const EXPECTED: &str = "a file of samples such as \"mine.npz\", \"mine-{seed}.npz\" or \"mine-*.npz\"";

/// A sampler at each of its seeds. Samples in files have the seeds that there are files for:
///
/// - `{seed}` in the path: every seed of the experiment has its file;
/// - a pattern (`*`, `?`, `[..]`): its files are seeds 0, 1, 2, .. in the order of their names, numbers in them as numbers;
/// - any other path: one file, at the first seed.
///
/// `{system}` stands for the key of the system. A file that is not there is a problem at the path.
pub(in crate::config) fn by_seed(
    sources: &Sources,
    entry: &SamplerEntry,
    system: &str,
    seeds: &[u64],
) -> Vec<(u64, SamplerSpec)> {
    let SamplerSpec::Samples(spec) = &entry.sampler else {
        return seeds.iter().map(|&seed| (seed, entry.sampler.clone())).collect();
    };
    let name = format!("samplers.{}", entry.key);
    if spec.path.is_empty() {
        // A path that is no string, or empty, was noted when it was read.
        if !sources.noted(&entry.path) {
            sources.problem(&entry.path, format!("`{name}` has no `path`, expected {EXPECTED}"), vec![]);
        }
        return Vec::new();
    }
    let path = spec.path.replace("{system}", system);
    let problem = |why: String| {
        sources.problem(&entry.path, format!("`{name}.path`: {why}"), vec![format!("expected {EXPECTED}")]);
    };
    let files = files(sources.folder(), &path, seeds).map_err(problem).unwrap_or_default();
    let mut found = Vec::new();
    for (seed, file) in files {
        let digest = if file.is_file() {
            sources.digest(&file, identity::sha256_file).map_err(|e| e.to_string())
        } else {
            Err(missing(&file))
        };
        match digest {
            Ok(digest) => {
                let path = std::path::absolute(&file).unwrap_or(file).display().to_string();
                found.push((seed, SamplerSpec::Samples(SamplesSpec { path, file: digest, ..spec.clone() })));
            }
            Err(why) => {
                let which = if path.contains("{seed}") { format!(" (seed {seed})") } else { String::new() };
                problem(why + &which);
            }
        }
    }
    found
}

/// The files that a path stands for, by seed.
fn files(folder: &Path, path: &str, seeds: &[u64]) -> Result<Vec<(u64, PathBuf)>, String> {
    if path.contains("{seed}") {
        let of = |&seed: &u64| (seed, folder.join(path.replace("{seed}", &seed.to_string())));
        return Ok(seeds.iter().map(of).collect());
    }
    let plain = folder.join(path);
    if plain.exists() || !path.contains(['*', '?', '[']) {
        return Ok(seeds.first().map(|&seed| (seed, plain)).into_iter().collect());
    }
    // The folder of the experiment may be called anything.
    let pattern = if Path::new(path).is_absolute() || folder.as_os_str().is_empty() {
        path.to_owned()
    } else {
        format!("{}/{path}", glob::Pattern::escape(&folder.display().to_string()))
    };
    let found = glob::glob(&pattern).map_err(|e| format!("`{path}` is no pattern: {e}"))?;
    let mut found: Vec<PathBuf> = found.filter_map(Result::ok).filter(|path| path.is_file()).collect();
    if found.is_empty() {
        return Err(format!("no file matches `{path}`"));
    }
    found.sort_by_cached_key(|path| by_number(&path.to_string_lossy()));
    Ok((0..).zip(found).collect())
}

/// A name as what it is sorted by: numbers in it count as numbers, so that `x-10` comes after `x-9`.
fn by_number(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(end);
        parts.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = tail;
    }
    parts
}

/// What is wrong with a file that is none, and the one that was perhaps meant.
fn missing(file: &Path) -> String {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return format!("{}: there is no folder {}", file.display(), folder.display());
    }
    if file.is_dir() {
        return format!("{} is a folder", file.display());
    }
    let near = disk::near(file).and_then(|near| Some(near.file_name()?.to_string_lossy().into_owned()));
    let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    format!("{} is not there{near}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_seeds() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a[1]"); // what looks like a pattern in the name of the folder is none
        std::fs::create_dir(&folder).unwrap();
        for name in ["x-10.npz", "x-9.npz", "x-9.txt", "[y].npz"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let names = |path: &str, seeds: &[u64]| -> Vec<(u64, String)> {
            let name = |(seed, file): (u64, PathBuf)| (seed, file.file_name().unwrap().to_str().unwrap().to_owned());
            files(&folder, path, seeds).unwrap().into_iter().map(name).collect()
        };
        assert_eq!(names("x-*.npz", &[5, 6, 7]), [(0, "x-9.npz".to_owned()), (1, "x-10.npz".to_owned())]);
        assert_eq!(names("x-{seed}.npz", &[9, 11]), [(9, "x-9.npz".to_owned()), (11, "x-11.npz".to_owned())]);
        assert_eq!(names("x-9.npz", &[4, 5]), [(4, "x-9.npz".to_owned())]);
        assert_eq!(names("[y].npz", &[0]), [(0, "[y].npz".to_owned())]);
        assert_eq!(files(&folder, "z*", &[0]).unwrap_err(), "no file matches `z*`");
        assert!(files(&folder, "z[", &[0]).unwrap_err().contains("is no pattern"));
        assert!(missing(&folder.join("x-8.npz")).ends_with("x-8.npz is not there; did you mean `x-9.npz`?"));
        assert!(missing(&folder.join("none/x.npz")).contains("there is no folder"));
    }
}
