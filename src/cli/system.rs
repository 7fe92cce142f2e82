//! Which system a verb is about: a built-in one by name, or a molecule from its two files.

use std::path::PathBuf;

use super::{Globals, complete};
use crate::array::Input;
use crate::error::{Error, Result};
use crate::spec::{MoleculeFiles, SystemSpec, TEMPERATURES, TextFile};
use crate::systems::{self, System, wholeness};

/// `--system NAME`, or `--xml FILE --pdb FILE`.
#[derive(Debug, clap::Args)]
pub struct SystemArgs {
    /// Built-in system: lj13, lj55, aldp (alanine dipeptide) or al3 (alanine tripeptide)
    #[arg(long, value_name = "NAME", add = complete::systems(), required_unless_present_any = ["xml", "pdb"], conflicts_with_all = ["xml", "pdb"])]
    pub system: Option<String>,
    /// Another molecule: its force field, as written by openmm.XmlSerializer.serialize(system); needs --pdb
    #[arg(long, value_name = "FILE", requires = "pdb")]
    pub xml: Option<PathBuf>,
    /// Another molecule: names of its atoms, and a structure to start from; needs --xml
    #[arg(long, value_name = "FILE", requires = "xml")]
    pub pdb: Option<PathBuf>,
}

impl SystemArgs {
    /// The spec of the system; a molecule is called by the stem of its PDB file.
    ///
    /// # Errors
    /// When the files cannot be read, or the temperature makes no sense.
    pub fn spec(&self, temperature: f64) -> Result<SystemSpec> {
        if !TEMPERATURES.contains(&temperature) {
            return Err(Error::Usage(format!(
                "--temperature {temperature:?}: expected a positive number, from 1e-6 to 1e6"
            )));
        }
        let (Some(xml), Some(pdb)) = (&self.xml, &self.pdb) else {
            return Ok(SystemSpec::named(self.system.as_deref().unwrap_or_default(), temperature));
        };
        let name = pdb.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let files = Some(MoleculeFiles { xml: TextFile::read(xml)?, pdb: TextFile::read(pdb)? });
        Ok(SystemSpec { name, temperature, files })
    }

    /// The system of a spec, and on stderr what was left out when its files were read.
    ///
    /// # Errors
    /// See [`systems::build`].
    pub fn build(spec: &SystemSpec, globals: &Globals) -> Result<System> {
        let system = systems::build(spec)?;
        if spec.files.is_some() {
            system.notes.iter().for_each(|note| globals.note(note));
        }
        Ok(system)
    }
}

/// Makes frames whole by the box that stands beside them in their file; says of how many, and how many are not the molecule.
pub(super) fn mend(system: &System, input: &Input, x: &mut [f64], globals: &Globals) {
    let Some(topology) = &system.topology else { return };
    let (whole, sorted) = wholeness::mended(topology, input.arrays(), x, system.scale);
    let n = x.len() / (3 * system.atoms);
    let foreign = n - sorted.kept.len();
    if whole > 0 {
        globals.note(format!("{whole} frames were cut by the box of the file and are made whole"));
    }
    if let Some(hint) = sorted.hint {
        globals.note(format!("{foreign} of {n} frames are not the molecule: {hint}"));
    }
}
