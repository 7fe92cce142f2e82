//! A whole experiment as one file: its cells, their runs with all evaluations, and the references that judged them. With samples it
//! can be imported; without, it is small enough to keep, and regenerates tables anywhere.
//!
//! ```text
//! experiment/experiment.json                  what follows, and every cell with its settings written out
//! references/<16 digits>/reference.json ...   references that were made for it
//! accepted/<name>/reference.json ...          accepted ones as they were: the program may come with others some day
//! <run id>/bundle.json ...                    as in the bundle of a run, see `record::bundle`
//! ```

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::references::accepted;
use crate::config::{Cell, Experiment};
use crate::error::{Error, Result};
use crate::identity;
use crate::record::bundle::{self, Imported, cut};
use crate::record::{Results, RunDir, atomic, attempts, tar};
use crate::spec::SamplerSpec;
use crate::{disk, stop, text};

/// The first entry.
const HEAD: &str = "experiment/experiment.json";
const FORMAT: u32 = 1;
/// Accepted references.
const ACCEPTED: &str = "accepted";
/// Largest head.
const HEAD_BYTES: u64 = 64 << 20;
/// Largest file of a reference.
const REFERENCE_BYTES: u64 = 4 << 30;
/// More than an archive has behind its end.
const TAIL: u64 = 1 << 20;
/// Files of a run that hold samples and models: most of its size.
const LARGE: [&str; 3] = ["samples.npz", "weights.safetensors", "populations.npz"];
/// Files of a reference, the large one first.
const REFERENCE: [&str; 2] = ["reference.npz", "reference.json"];

/// `experiment.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    format: u32,
    /// Whether samples and models are in it.
    pub samples: bool,
    /// The experiment, as it was resolved.
    pub experiment: Experiment,
    /// Ids of the runs that follow.
    pub runs: Vec<String>,
    /// Folders of the references that follow.
    pub references: Vec<String>,
    /// Names of the accepted ones.
    pub accepted: Vec<String>,
}

/// Writes an experiment into one file: of each cell the latest attempt that has ended.
///
/// # Errors
/// [`Error::NothingSelected`] when no cell has; [`Error::Digest`] for damaged runs; files that cannot be read or written.
pub fn export(experiment: &Experiment, results: &Path, samples: bool, path: &Path) -> Result<Head> {
    let mut experiment = experiment.clone();
    experiment.path = experiment.path.file_name().map(PathBuf::from).unwrap_or_default();
    let mut runs: BTreeMap<String, RunDir> = BTreeMap::new();
    let (mut names, mut accepted) = (BTreeSet::new(), BTreeSet::new());
    for cell in &mut experiment.cells {
        let ended = attempts(results, &identity::spec_digest(&cell.run), cell.seed)?;
        let latest = ended.into_iter().rev().find(|run| run.status().has_samples());
        runs.extend(latest.map(|run| (run.id.to_string(), run)));
        match &cell.eval.reference.accepted {
            Some(name) => accepted.insert(name.clone()),
            None => names.insert(identity::reference_digest(&cell.run.system, &cell.eval.reference)[..16].to_owned()),
        };
        // Where a file of samples lay says nothing elsewhere.
        if let SamplerSpec::Samples(spec) = &mut cell.run.sampler {
            spec.path = Path::new(&spec.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        }
    }
    if runs.is_empty() {
        let file = experiment.path.display();
        return Err(Error::NothingSelected(format!("no cell of {file} has ended: run `pita-bench sweep` first")));
    }
    let folder = |name: &str| Results(results).references().join(name);
    names.retain(|name| folder(name).join(REFERENCE[1]).exists());
    let wanted = |name: &str| samples || !LARGE.contains(&name);
    let indices = runs.values().map(|run| bundle::index(run, wanted)).collect::<Result<Vec<_>>>()?;
    let head = Head {
        format: FORMAT,
        samples,
        experiment,
        runs: runs.keys().cloned().collect(),
        references: names.into_iter().collect(),
        accepted: accepted.into_iter().collect(),
    };
    let ensembles = ensembles(results, &head)?;

    bundle::create(path, |out| {
        let mut out = GzEncoder::new(out, Compression::default());
        let text = serde_json::to_vec_pretty(&head)?;
        tar::write_entry(&mut out, HEAD, text.len() as u64, &mut &text[..])?;
        for name in &head.references {
            for file in REFERENCE.iter().filter(|file| samples || **file != REFERENCE[0]) {
                let mut source = File::open(folder(name).join(file))?;
                let size = source.metadata()?.len();
                tar::write_entry(&mut out, &format!("{}/{name}/{file}", Results::REFERENCES), size, &mut source)?;
            }
        }
        for (name, bytes) in &ensembles {
            tar::write_entry(&mut out, name, bytes.len() as u64, &mut &bytes[..])?;
        }
        for (run, index) in runs.values().zip(&indices) {
            bundle::put(run, index, &mut out)?;
        }
        tar::write_end(&mut out)?;
        out.finish()
    })?;
    Ok(head)
}

/// The files of accepted ensembles that travel: their cards, and with samples all of them.
fn ensembles(results: &Path, head: &Head) -> Result<Vec<(String, Cow<'static, [u8]>)>> {
    let mut all = Vec::new();
    for name in &head.accepted {
        for file in accepted::FILES.iter().take(if head.samples { 3 } else { 1 }) {
            if let Some(bytes) = accepted::bytes(results, name, file)? {
                all.push((format!("{ACCEPTED}/{name}/{file}"), bytes));
            }
        }
    }
    Ok(all)
}

/// Whether a file is an experiment, rather than the bundle of a run.
///
/// # Errors
/// [`Error::Io`].
pub fn is_one(path: &Path) -> Result<bool> {
    let mut first = [0; 2];
    let read = disk::open(path).and_then(|mut file| file.read_exact(&mut first));
    match read {
        Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => Err(Error::io(path)(e)),
        _ => Ok(first == [0x1f, 0x8b]),
    }
}

/// An experiment that is being read.
struct Reader<'a> {
    path: &'a Path,
    input: GzDecoder<BufReader<File>>,
    head: Head,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let wrong = |message: String| Error::data(path, message);
        let mut input = GzDecoder::new(BufReader::new(disk::open(path).map_err(Error::io(path))?));
        let first = tar::read_header(&mut input).map_err(|e| wrong(cut(e)))?;
        let Some(first) = first.filter(|first| first.name == HEAD && first.size <= HEAD_BYTES) else {
            return Err(wrong(format!("does not begin with {HEAD}: no experiment that `pita-bench export` wrote")));
        };
        let mut text = vec![0; first.size as usize];
        input.read_exact(&mut text).map_err(|e| wrong(cut(e)))?;
        tar::read_padding(&mut input, first.size).map_err(|e| wrong(cut(e)))?;
        let head: Head = atomic::parse_json(&text, path)?;
        if head.format != FORMAT {
            return Err(wrong(format!("is of version {}, this program knows {FORMAT}", head.format)));
        }
        Ok(Self { path, input, head })
    }

    /// Unpacks the references into `results`, but for those that are there, and of the accepted ones those that are `wanted`; gives
    /// each run to `run`, unpacked into a fresh folder: its place follows from its index.
    fn read(
        mut self,
        results: &Path,
        wanted: impl Fn(&str) -> bool,
        mut run: impl FnMut(bundle::Index, &Path) -> Result<()>,
    ) -> Result<Head> {
        let path = self.path;
        let wrong = |message: String| Error::data(path, message);
        while let Some(header) = tar::read_header(&mut self.input).map_err(|e| wrong(cut(e)))? {
            stop::check()?;
            let fits = |known: &[String], name: &str, files: &[&str], file: &str| {
                known.iter().any(|known| known == name) && files.contains(&file) && header.size <= REFERENCE_BYTES
            };
            let parts: Vec<&str> = header.name.split('/').collect();
            match parts[..] {
                [Results::REFERENCES, name, file]
                    if fits(&self.head.references, name, &REFERENCE, file)
                        && name.bytes().all(|b| b.is_ascii_hexdigit()) =>
                {
                    self.keep(&header, &Results(results).references().join(name), file, true)?;
                }
                [ACCEPTED, name, file]
                    if fits(&self.head.accepted, name, &accepted::FILES, file) && text::ascii_name(name).is_ok() =>
                {
                    self.keep(&header, &accepted::root(results).join(name), file, wanted(name))?;
                }
                [id, _] if self.head.runs.iter().any(|known| known == id) => bundle::into_fresh(results, |fresh| {
                    let open = |name: &str| File::create_new(fresh.join(name));
                    run(bundle::unpack_run(&mut self.input, &header, open).map_err(wrong)?, fresh)
                })?,
                _ => return Err(wrong(format!("holds `{}`, which is not announced", header.name.escape_default()))),
            }
        }
        // To the very end: only there gzip says whether all of it was right.
        let mut rest = Vec::new();
        (&mut self.input).take(TAIL).read_to_end(&mut rest).map_err(|e| wrong(cut(e)))?;
        if rest.iter().any(|byte| *byte != 0) || rest.len() as u64 == TAIL {
            return Err(wrong("goes on behind its end".into()));
        }
        Ok(self.head)
    }

    /// Unpacks a file of a reference, unless it is there already or not wanted.
    fn keep(&mut self, header: &tar::Header, folder: &Path, file: &str, wanted: bool) -> Result<()> {
        let wrong = |message: String| Error::data(self.path, message);
        let to = folder.join(file);
        let mut content = (&mut self.input).take(header.size);
        let copied = if !wanted || to.exists() {
            std::io::copy(&mut content, &mut std::io::sink())
        } else {
            disk::create_folder(folder).map_err(Error::io(folder))?;
            File::create(&to).and_then(|mut out| std::io::copy(&mut content, &mut out))
        };
        if copied.map_err(Error::io(&to))? != header.size {
            return Err(wrong("is cut short".into()));
        }
        tar::read_padding(&mut self.input, header.size).map_err(|e| wrong(cut(e)))
    }
}

/// Makes every run of an experiment a run of this results folder. Accepted references that are known here stay as they are here.
///
/// # Errors
/// As [`bundle::import`]; [`Error::Usage`] for an experiment without samples. What came before a fault stays.
pub fn import(results: &Path, path: &Path) -> Result<(Head, Vec<Imported>)> {
    let reader = Reader::open(path)?;
    if !reader.head.samples {
        return Err(Error::Usage(format!(
            "{} holds no samples, so its runs cannot be checked: `pita-bench report --from` shows its tables",
            path.display()
        )));
    }
    let sha256 = atomic::sha256_file(path)?;
    let mut all = Vec::new();
    let known = accepted::names(results);
    let head = reader.read(
        results,
        |name| !known.iter().any(|known| known == name),
        |index, fresh| {
            all.push(bundle::admit(results, (path, &sha256), index, fresh)?);
            Ok(())
        },
    )?;
    for Imported { run, .. } in &all {
        let its = |cell: &&Cell| identity::short(&identity::spec_digest(&cell.run)) == run.id.spec;
        for cell in head.experiment.cells.iter().filter(its) {
            run.join(&super::planned::labels(&head.experiment.name, cell))?;
        }
    }
    Ok((head, all))
}

/// Lays an experiment out as a results folder of its own, for its report.
///
/// # Errors
/// [`Error::Data`] for a malformed file; a folder that cannot be written.
pub fn lay_out(path: &Path, folder: &Path) -> Result<Head> {
    Reader::open(path)?.read(
        folder,
        |_| true,
        |index, fresh| {
            if !index.spec_digest.bytes().all(|b| b.is_ascii_hexdigit()) || index.spec_digest.len() != 64 {
                return Err(Error::data(path, "holds a run whose spec digest is none"));
            }
            let run = RunDir::new(folder, &index.spec_digest, index.seed, 1);
            let parent = run.path.parent().map(Path::to_path_buf).unwrap_or_default();
            std::fs::create_dir_all(&parent).map_err(Error::io(&parent))?;
            std::fs::rename(fresh, &run.path).map_err(Error::io(&run.path))
        },
    )
}
