//! Molecules: a force field from a System XML, names and coordinates from a PDB file. Two are built in.
//!
//! `aldp` is alanine dipeptide (ACE-ALA-NME, 22 atoms), `al3` alanine tripeptide (33 atoms, NH3+ to COO-), both with
//! Amber ff14SB (`amber14-all.xml`) and OBC1 generalised Born (`implicit/obc1.xml`), no constraints, cut at 2 nm.
//! `scripts/physics_fixtures.py` makes their files with OpenMM and checks them.
//!
//! | file | job |
//! |---|---|
//! | `masses` | elements, by masses and by what the PDB file says |
//! | `bonds` | which harmonic terms are bonds |
//! | `canonical` | one text for all files that mean the same |

mod bonds;
mod canonical;
mod masses;

use std::path::Path;

use super::{Topology, openmm, pdb, wholeness};
use crate::energy::forcefield::ForceField;
use crate::error::{Error, Result};
use crate::geometry::centre;
use crate::spec::MoleculeFiles;
pub(super) use masses::Said;

/// A molecule, ready to be made a system.
#[derive(Debug, Clone, PartialEq)]
pub struct Molecule {
    /// Parameters.
    pub forcefield: ForceField,
    /// Names and bonds.
    pub topology: Topology,
    /// A low-energy configuration `[atoms, 3]`, nm, its centroid at the origin.
    pub start: Vec<f64>,
    /// Positions are divided by this before they enter a network (standard deviation of the data), nm.
    pub scale: f64,
    /// What was left out when the files were read.
    pub notes: Vec<String>,
}

/// Names that [`built_in`] knows.
pub const NAMES: &[&str] = &["aldp", "al3"];

/// The System XML and the PDB file of a built-in molecule, as text.
#[must_use]
pub fn built_in_files(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "aldp" => Some((include_str!("aldp.xml"), include_str!("aldp.pdb"))),
        "al3" => Some((include_str!("al3.xml"), include_str!("al3.pdb"))),
        _ => None,
    }
}

/// A built-in molecule; `None` for a name that is not one of [`NAMES`].
///
/// # Errors
/// None, unless the embedded files are broken.
pub fn built_in(name: &str) -> Result<Option<Molecule>> {
    // The last one is the scale of the paper's reference code.
    let (start, scale) = match name {
        "aldp" => (include_str!("aldp.start.txt"), 0.1640),
        "al3" => (include_str!("al3.start.txt"), 0.2059),
        _ => return Ok(None),
    };
    let Some((xml, pdb)) = built_in_files(name) else { return Ok(None) };
    let file = |extension: &str| Path::new("built-in").join(format!("{name}.{extension}"));
    let molecule = from_text(&file("xml"), xml, &file("pdb"), pdb)?;
    // PDB files are rounded to 0.001 Angstrom: the minimised structure lies beside it in full.
    let numbers = start.split_whitespace().map(str::parse).collect::<std::result::Result<Vec<f64>, _>>();
    match numbers {
        Ok(start) if start.len() == molecule.start.len() => Ok(Some(Molecule { start, scale, ..molecule })),
        _ => Err(Error::Internal(format!("the start structure of `{name}` does not fit its topology"))),
    }
}

/// A molecule from the texts of its two files; the paths are for messages. The start is that of the PDB file.
///
/// # Errors
/// See [`openmm::read`] and [`pdb::read`]; [`Error::Shape`] when the numbers of atoms differ, [`Error::Data`] when
/// elements and masses do not fit (which means: another order).
pub fn from_text(xml_path: &Path, xml: &str, pdb_path: &Path, pdb: &str) -> Result<Molecule> {
    let system = openmm::read(xml_path, xml)?;
    let mut structure = pdb::read(pdb_path, pdb)?;
    let (field, topology) = (system.forcefield, &mut structure.topology);
    let (particles, atoms) = (field.atoms(), topology.atoms.len());
    if particles != atoms {
        let notes: String = structure.notes.iter().map(|note| format!(" ({note})")).collect();
        let message = format!(
            "the XML has {particles} particles, the PDB {atoms} atoms{notes}; write both from the same topology"
        );
        return Err(Error::shape(pdb_path, message));
    }
    let (symbols, odd) = masses::symbols(&structure.said, &field, &structure.positions)
        .map_err(|message| Error::data(pdb_path, message))?;
    for (atom, symbol) in topology.atoms.iter_mut().zip(&symbols) {
        (*symbol).clone_into(&mut atom.element);
    }
    (topology.bonds, topology.rest) = bonds::bonds(&field, &symbols);
    let others = field.bonds.len() - topology.bonds.len();
    let others = (others > 0).then(|| {
        format!(
            "{others} of {} harmonic terms between pairs are no bonds (Urey-Bradley terms, restraints)",
            field.bonds.len()
        )
    });
    let broken = whole(topology, &mut structure.positions, structure.cell.as_ref());
    let atoms = structure.positions.len() / 3;
    centre(&mut structure.positions, atoms);
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (xml_name, pdb_name) = (name(xml_path), name(pdb_path));
    let notes = system.notes.iter().chain(&others).map(|note| format!("{xml_name}: {note}"));
    let notes = notes
        .chain(structure.notes.iter().chain(&odd).chain(&broken).map(|note| format!("{pdb_name}: {note}")))
        .collect();
    let scale = spread(&structure.positions);
    Ok(Molecule { forcefield: field, topology: structure.topology, start: structure.positions, scale, notes })
}

/// A molecule from the files of a spec.
///
/// # Errors
/// See [`from_text`].
pub fn from_files(files: &MoleculeFiles) -> Result<Molecule> {
    let (xml, pdb) = (&files.xml, &files.pdb);
    from_text(Path::new(&xml.path), &xml.text, Path::new(&pdb.path), &pdb.text)
}

/// Makes a structure that the periodic box of its file cuts whole; a note where that was necessary, or where its bonds
/// cannot be.
fn whole(topology: &Topology, x: &mut Vec<f64>, cell: Option<&wholeness::Cell>) -> Option<String> {
    let hint = wholeness::sort(topology, x, 1.0).hint?;
    if let Some(cell) = cell {
        let mut mended = x.clone();
        wholeness::make_whole(&topology.neighbours(), &mut mended, cell);
        if wholeness::sort(topology, &mended, 1.0).hint.is_none() {
            *x = mended;
            return Some("the structure was cut by the box (CRYST1) and is made whole".into());
        }
    }
    Some(format!(
        "the structure is not the molecule, though samplers start there and stereocentres are taken from it: {hint}"
    ))
}

/// Standard deviation of centred coordinates; 1 where all atoms lie on one point.
fn spread(x: &[f64]) -> f64 {
    let variance = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    if variance > 0.0 { variance.sqrt() } else { 1.0 }
}
