//! One run as one file, to be carried elsewhere: a tar archive whose first entry says what follows.
//!
//! ```text
//! <run id>/bundle.json       run, and name, size and SHA-256 of every file that follows, in this order
//! <run id>/spec.json ...     the files of the run folder, see [`FILES`], and its evaluations
//! ```
//!
//! A bundle may come from anybody. It is unpacked into a fresh folder, file by file, and only what `bundle.json` announces,
//! under the few names that a run folder has; it becomes a run once every digest fits.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::audit::audit;
use super::{Origin, Request, Results, RunDir, RunId, Status, atomic, evaluation, manifest, tar, timestamp};
use crate::disk;
use crate::error::{Error, Result};
use crate::identity;

/// Files of a run folder that travel, where they exist.
pub const FILES: &[&str] = &[
    "spec.json",
    "provenance.json",
    "counts.json",
    "samples.npz",
    "weights.safetensors",
    "populations.npz",
    "partial.json",
    "metrics.json",
    "failure.json",
    "events.jsonl",
    "MANIFEST.sha256",
];
/// Version 1 had no evaluations, but one `metrics.json`.
const FORMAT: u32 = 2;
const INDEX: &str = "bundle.json";
/// Largest index.
const INDEX_BYTES: u64 = 1 << 20;

/// `bundle.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Version of the format.
    pub format: u32,
    /// Run id where it came from; also the folder inside the archive.
    pub run: String,
    /// Spec digest.
    pub spec_digest: String,
    /// Seed.
    pub seed: u64,
    /// What follows.
    pub files: Vec<Item>,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Name, one of [`FILES`] or that of an evaluation.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: String,
}

/// A file that is being written.
type Out = BufWriter<File>;

/// Writes a run that has ended into one file. The bytes depend on the run folder's files alone.
///
/// # Errors
/// [`Error::Refused`] for a run that has not ended, [`Error::Digest`] when its files are not those of its manifest,
/// [`Error::Io`].
pub fn write(run: &RunDir, path: &Path) -> Result<()> {
    let index = index(run, |_| true)?;
    create(path, |mut out| {
        put(run, &index, &mut out)?;
        tar::write_end(&mut out)?;
        Ok(out)
    })
}

/// Has `fill` write a file beside its place, and moves it there once it is whole.
///
/// # Errors
/// [`Error::Io`].
pub fn create(path: &Path, fill: impl FnOnce(Out) -> std::io::Result<Out>) -> Result<()> {
    let fresh = path.with_added_extension("tmp");
    let put = || {
        let out = fill(BufWriter::new(File::create(&fresh)?))?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
    };
    if let Err(e) = put() {
        let _ = std::fs::remove_file(&fresh);
        return Err(Error::io(path)(e));
    }
    atomic::persist(&fresh, path)
}

/// What travels of a run that has ended: the files that `wanted` says yes to.
///
/// # Errors
/// See [`write()`].
pub fn index(run: &RunDir, wanted: impl Fn(&str) -> bool) -> Result<Index> {
    match run.status() {
        Status::Complete | Status::Partial => manifest::verify(&run.path)?,
        Status::Failed => {}
        other => {
            let message = format!("{} is {}: only runs that have ended travel", run.id, other.word());
            return Err(Error::Refused(message));
        }
    }
    let request: Request = atomic::read_json(&run.file("spec.json"))?;
    let mut names: Vec<String> = FILES.iter().map(|name| (*name).to_owned()).collect();
    if run.status().has_samples() {
        names.extend(manifest::read(&run.path)?.into_iter().map(|(_, name)| name).filter(|n| evaluation::is_name(n)));
    }
    let mut files = Vec::new();
    for name in names {
        let file = run.file(&name);
        if file.exists() && wanted(&name) {
            let size = std::fs::metadata(&file).map_err(Error::io(&file))?.len();
            files.push(Item { name, size, sha256: atomic::sha256_file(&file)? });
        }
    }
    Ok(Index { format: FORMAT, run: run.id.to_string(), spec_digest: request.spec_digest, seed: request.seed, files })
}

/// Writes a run into an archive.
///
/// # Errors
/// Whatever reader and writer say; a file that changed meanwhile.
pub fn put(run: &RunDir, index: &Index, out: &mut impl Write) -> std::io::Result<()> {
    let mut head = serde_json::to_vec_pretty(index)?;
    head.push(b'\n');
    tar::write_entry(out, &format!("{}/{INDEX}", index.run), head.len() as u64, &mut &head[..])?;
    for item in &index.files {
        let mut file = File::open(run.file(&item.name))?;
        tar::write_entry(out, &format!("{}/{}", index.run, item.name), item.size, &mut file)?;
    }
    Ok(())
}

/// What is wrong with a bundle; the caller knows its path.
type Unpacked = std::result::Result<Index, String>;

/// Reads a bundle: `open` gives a place for each file that is announced. Every size and digest has been checked when this
/// returns.
///
/// # Errors
/// What is wrong with the bundle, in words.
pub fn unpack<W: Write>(input: &mut impl Read, open: impl FnMut(&str) -> std::io::Result<W>) -> Unpacked {
    let Some(first) = tar::read_header(input).map_err(cut)? else { return Err("is empty".into()) };
    let index = unpack_run(input, &first, open)?;
    match tar::read_header(input).map_err(cut)? {
        None => Ok(index),
        Some(more) => Err(format!("holds `{}`, which is not announced", more.name.escape_default())),
    }
}

/// What is wrong with an archive that cannot be read on.
#[allow(clippy::needless_pass_by_value)] // as `map_err` hands it over
pub fn cut(e: std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => String::from("is cut short"),
        _ => format!("holds {e}"),
    }
}

/// The run of an archive that begins with the header `first`.
///
/// # Errors
/// See [`unpack`].
pub fn unpack_run<W: Write>(
    input: &mut impl Read,
    first: &tar::Header,
    mut open: impl FnMut(&str) -> std::io::Result<W>,
) -> Unpacked {
    let folder = match first.name.rsplit_once('/') {
        Some((folder, INDEX)) if plain(folder) => folder.to_owned(),
        _ => return Err(format!("does not begin with <run>/{INDEX}, but with `{}`", first.name.escape_default())),
    };
    if first.size > INDEX_BYTES {
        return Err(format!("has a {INDEX} of {} bytes", first.size));
    }
    let mut head = vec![0; first.size as usize];
    input.read_exact(&mut head).map_err(cut)?;
    tar::read_padding(input, first.size).map_err(cut)?;
    let index: Index = serde_json::from_slice(&head).map_err(|e| format!("has a malformed {INDEX}: {e}"))?;
    if index.format == 0 || index.format > FORMAT {
        return Err(format!("is of version {}, this program knows 1 to {FORMAT}", index.format));
    }
    if index.run != folder {
        return Err(format!("is of run `{}`, in a folder `{folder}`", index.run.escape_default()));
    }
    let mut seen: Vec<&str> = Vec::new();
    for item in &index.files {
        let name = item.name.as_str();
        let known = FILES.contains(&name) || evaluation::is_name(name);
        if !known || seen.contains(&name) {
            return Err(format!("announces a file `{}`, which no run folder has", name.escape_default()));
        }
        seen.push(name);
        let Some(header) = tar::read_header(input).map_err(cut)? else { return Err(format!("lacks {name}")) };
        if header.name != format!("{folder}/{name}") || header.size != item.size {
            let found = header.name.escape_default();
            return Err(format!("has `{found}` ({} bytes) in place of {name} ({})", header.size, item.size));
        }
        let mut file = open(name).map_err(|e| format!("cannot be unpacked: {name}: {e}"))?;
        let found = copy(input, &mut file, item.size).map_err(cut)?;
        if found != item.sha256 {
            return Err(format!("holds a {name} with SHA-256 {found}, expected {}", item.sha256));
        }
        tar::read_padding(input, item.size).map_err(cut)?;
    }
    Ok(index)
}

/// Letters, digits and dashes: a run id.
fn plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Copies `size` bytes; returns their SHA-256.
fn copy(input: &mut impl Read, out: &mut impl Write, size: u64) -> std::io::Result<String> {
    let (mut hash, mut left, mut buffer) = (Sha256::new(), size, [0; 1 << 14]);
    while left > 0 {
        let n = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        input.read_exact(&mut buffer[..n])?;
        hash.update(&buffer[..n]);
        out.write_all(&buffer[..n])?;
        left -= n as u64;
    }
    out.flush()?;
    Ok(identity::tree::hex(&hash.finalize()))
}

/// A run that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The run here.
    pub run: RunDir,
    /// Its id where it came from.
    pub was: String,
    /// Whether it was here already.
    pub known: bool,
    /// Evaluations that it brought to a run that was here.
    pub evaluations: usize,
}

/// Makes a bundle a run of this results folder: the next attempt at its cell, unless it is here already.
///
/// # Errors
/// [`Error::Data`] for a malformed bundle, [`Error::Digest`] when what it holds is not what it says, [`Error::Io`].
pub fn import(results: &Path, path: &Path) -> Result<Imported> {
    let file = disk::open(path).map_err(Error::io(path))?;
    let sha256 = atomic::sha256_file(path)?;
    into_fresh(results, |fresh| {
        let index = unpack(&mut BufReader::new(file), |name| File::create_new(fresh.join(name)));
        admit(results, (path, &sha256), index.map_err(|m| Error::data(path, m))?, fresh)
    })
}

/// Gives `fill` a fresh folder to unpack a run into, and clears it away afterwards.
///
/// # Errors
/// Those of `fill`; [`Error::Io`].
pub fn into_fresh<T>(results: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let fresh = Results(results).runs().join(format!(".import-{}", std::process::id()));
    let clear = || if fresh.exists() { std::fs::remove_dir_all(&fresh).map_err(Error::io(&fresh)) } else { Ok(()) };
    clear()?;
    let folder = fresh.join(evaluation::FOLDER);
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let done = fill(&fresh);
    clear()?;
    done
}

/// Makes the unpacked files of a run a run of this results folder; `path` is the file that they came from, with its SHA-256.
///
/// # Errors
/// See [`import`].
pub fn admit(results: &Path, (path, sha256): (&Path, &str), index: Index, fresh: &Path) -> Result<Imported> {
    let _ = std::fs::remove_dir(fresh.join(evaluation::FOLDER)); // a run without evaluations has no folder of them
    let wrong = |message: String| Error::digest(path, message);
    let request: Request = atomic::read_json(&fresh.join("spec.json"))
        .map_err(|e| Error::data(path, format!("holds no usable spec.json: {e}")))?;
    let found = identity::spec_digest(&request.spec);
    if let Some(said) = [&request.spec_digest, &index.spec_digest].into_iter().find(|said| **said != found) {
        return Err(wrong(format!("its spec has digest {found}, it says {said} (made by another version?)")));
    }
    if request.seed != index.seed {
        let (one, other) = (index.seed, request.seed);
        return Err(wrong(format!("bundle.json says seed {one}, spec.json seed {other}")));
    }
    let complete = fresh.join(manifest::NAME).exists();
    if !complete && !fresh.join("failure.json").exists() {
        return Err(Error::data(path, "holds neither MANIFEST.sha256 nor failure.json: the run had not ended"));
    }
    let id = RunId { spec: found[..16].to_owned(), seed: index.seed, attempt: 0 };
    audit(&RunDir { id, path: fresh.to_path_buf() }).map_err(|e| {
        let inside = e.to_string().replace(&format!("{}/", fresh.display()), "");
        match e {
            Error::Io { .. } => e,
            Error::Digest { .. } => wrong(format!("holds a run whose files are not its own: {inside}")),
            _ => Error::data(path, format!("holds a run that is not sound: {inside}")),
        }
    })?;
    if complete {
        let listed: Vec<String> = manifest::read(fresh)?.into_iter().map(|(_, name)| name).collect();
        let loose = |item: &&Item| evaluation::is_name(&item.name) && !listed.contains(&item.name);
        if let Some(item) = index.files.iter().find(loose) {
            return Err(wrong(format!("its manifest lacks {}", item.name)));
        }
    }
    let here = super::attempts(results, &found, index.seed)?;
    let ours = proof(fresh)?;
    if let Some(run) = here.iter().find(|r| proof(&r.path).is_ok_and(|theirs| theirs == ours)) {
        let evaluations = if complete { adopt(fresh, run)? } else { 0 };
        return Ok(Imported { run: run.clone(), was: index.run, known: true, evaluations });
    }
    let origin = Origin {
        bundle: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sha256: sha256.to_owned(),
        run: index.run.clone(),
        time: timestamp(),
    };
    atomic::write_json(&fresh.join("origin.json"), &origin)?;
    let mut attempt = here.last().map_or(1, |r| r.id.attempt.saturating_add(1));
    loop {
        let run = RunDir::new(results, &found, index.seed, attempt);
        let parent: PathBuf = run.path.parent().map(Path::to_path_buf).unwrap_or_default();
        std::fs::create_dir_all(&parent).map_err(Error::io(&parent))?;
        match std::fs::rename(fresh, &run.path) {
            Ok(()) => {
                disk::sync_parent(&run.path).map_err(Error::io(&run.path))?;
                return Ok(Imported { run, was: index.run, known: false, evaluations: 0 });
            }
            Err(_) if run.path.exists() => attempt += 1, // begun meanwhile
            Err(e) => return Err(Error::io(&run.path)(e)),
        }
    }
}

/// What tells an ended run from others: what came out of it; else its failure.
fn proof(run: &Path) -> Result<Vec<u8>> {
    if !run.join(manifest::NAME).exists() {
        let path = run.join("failure.json");
        return std::fs::read(&path).map_err(Error::io(&path));
    }
    Ok(manifest::results(run)?.iter().flat_map(|(digest, name)| format!("{digest}  {name}\n").into_bytes()).collect())
}

/// Takes over the evaluations of an unpacked bundle that its run here does not have; returns their number.
fn adopt(fresh: &Path, run: &RunDir) -> Result<usize> {
    let here: Vec<String> = manifest::read(&run.path)?.into_iter().map(|(_, name)| name).collect();
    let theirs = manifest::read(fresh)?.into_iter().map(|(_, name)| name);
    let new: Vec<String> = theirs.filter(|name| evaluation::is_name(name) && !here.contains(name)).collect();
    if new.is_empty() {
        return Ok(0);
    }
    let busy = |holder| Error::Refused(format!("{} is worked on by {holder}; import again later", run.id));
    let _claim = run.claim()?.map_err(busy)?;
    let folder = run.file(evaluation::FOLDER);
    disk::create_folder(&folder).map_err(Error::io(&folder))?;
    for name in &new {
        atomic::persist(&fresh.join(name), &run.file(name))?;
    }
    evaluation::seal(run, &new.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(new.len())
}
