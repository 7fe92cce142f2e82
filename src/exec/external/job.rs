//! The files that a program gets. Paths in `job.json` are absolute; fields are only ever added.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::array::{Array, write_npz};
use crate::config::Cell;
use crate::error::{Error, Result};
use crate::record::atomic;
use crate::spec::{ExternalSpec, Protocol, SystemSpec};
use crate::systems::{System, molecules};

/// Version of `job.json` and of the messages.
pub(super) const FORMAT: u32 = 1;

/// Where the files of a job lie.
pub(super) struct Job {
    folder: PathBuf,
    pub(super) file: PathBuf,
    pub(super) work: PathBuf,
    pub(super) output: PathBuf,
    pub(super) counts: PathBuf,
}

/// `job.json`.
#[derive(Serialize)]
struct File<'a> {
    /// [`FORMAT`].
    format: u32,
    protocol: Protocol,
    system: Molecule<'a>,
    /// Everything random has to come from this.
    seed: u64,
    /// Charged evaluations, at most; `null` for no limit.
    budget: Option<u64>,
    /// Samples asked for; fewer where the budget ends.
    samples: usize,
    settings: &'a std::collections::BTreeMap<String, Value>,
    /// Where the samples are to be written.
    output: &'a Path,
    /// Where the counts are to be written (protocol `files`).
    counts: &'a Path,
    /// A folder of its own.
    work: &'a Path,
}

#[derive(Serialize)]
struct Molecule<'a> {
    name: &'a str,
    atoms: usize,
    /// K for molecules, reduced for clusters.
    temperature: f64,
    /// `k_B T`, in `energy_unit`.
    kt: f64,
    energy_unit: &'static str,
    length_unit: &'static str,
    xml: Option<PathBuf>,
    pdb: Option<PathBuf>,
    /// `positions [1, atoms, 3]`, `masses [atoms]`.
    start: PathBuf,
}

impl Job {
    /// Writes the files of a job into `folder`, which is emptied first.
    pub(super) fn write(folder: &Path, cell: &Cell, spec: &ExternalSpec, system: &System) -> Result<Self> {
        let folder = std::path::absolute(folder).map_err(Error::io(folder))?;
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        let at = |name: &str| folder.join(name);
        let job = Self {
            file: at("job.json"),
            work: at("work"),
            output: at("samples.npz"),
            counts: at("counts.json"),
            folder: folder.clone(),
        };
        std::fs::create_dir_all(&job.work).map_err(Error::io(&job.work))?;
        let start = at("start.npz");
        let positions = Array::f64(&[1, system.atoms, 3], system.start.clone());
        let masses = Array::f64(&[system.atoms], system.masses.clone());
        write_npz(&start, &[("positions".to_owned(), positions), ("masses".to_owned(), masses)].into())?;
        let put = |name: &str, text: &str| -> Result<PathBuf> {
            std::fs::write(at(name), text).map_err(Error::io(at(name)))?;
            Ok(at(name))
        };
        let (xml, pdb) = texts(&cell.run.system).unzip();
        let molecule = Molecule {
            name: &system.name,
            atoms: system.atoms,
            temperature: system.temperature,
            kt: system.kt(system.temperature),
            energy_unit: if system.topology.is_some() { "kJ/mol" } else { "epsilon" },
            length_unit: system.length_unit,
            xml: xml.map(|text| put("system.xml", text)).transpose()?,
            pdb: pdb.map(|text| put("system.pdb", text)).transpose()?,
            start,
        };
        let file = File {
            format: FORMAT,
            protocol: spec.protocol,
            system: molecule,
            seed: cell.seed,
            budget: spec.budget,
            samples: spec.samples,
            settings: &spec.settings,
            output: &job.output,
            counts: &job.counts,
            work: &job.work,
        };
        atomic::write_json(&job.file, &file)?;
        Ok(job)
    }

    /// Removes the files.
    pub(super) fn remove(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.folder).map_err(Error::io(&self.folder))
    }
}

/// System XML and PDB of a molecule.
fn texts(system: &SystemSpec) -> Option<(&str, &str)> {
    match &system.files {
        Some(files) => Some((&files.xml.text, &files.pdb.text)),
        None => molecules::built_in_files(&system.name),
    }
}
