//! PDB files: atoms, residues and coordinates of the first model.
//!
//! A reader of our own, because the order of the atoms is all that ties a PDB file to its force field. `pdbtbx` (0.12; 15
//! more crates, 5 s of compilation) sorts atoms into chains and residues, so that interleaved residues come out in
//! another order; it panics on lines cut short and on coordinates that are `nan`; and it wants columns 55 to 80.
//!
//! Read are `ATOM`, `HETATM`, `TER`, `MODEL`, `ENDMDL` and `END`; everything else is skipped (bonds come from the force
//! field, not from `CONECT`). Columns follow the format description 3.3, section "Coordinate Section".

use std::path::Path;

use super::elements;
use super::topology::{Atom, Residue, Topology};
use crate::error::{Error, Result};

/// A structure as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Pdb {
    /// Atoms and residues, without bonds.
    pub topology: Topology,
    /// Coordinates `[atoms, 3]`, nm.
    pub positions: Vec<f64>,
    /// What was left out.
    pub notes: Vec<String>,
}

/// What makes two atoms of one residue: chain, number with insertion code, name.
#[derive(PartialEq)]
struct Place<'a>(&'a str, &'a str, &'a str);

/// Reads the text of a PDB file; `path` is for messages.
///
/// # Errors
/// [`Error::Data`] for lines that are cut short or malformed, a name that a residue has twice, an element that is not
/// known, a file without atoms; [`Error::NonFinite`] for coordinates that are not finite. Messages name the line.
pub fn read(path: &Path, text: &str) -> Result<Pdb> {
    let mut out = Pdb { topology: Topology::default(), positions: Vec::new(), notes: Vec::new() };
    // The residue being read, and the alternate location of each of its atoms.
    let (mut place, mut locations): (Option<Place<'_>>, Vec<&str>) = (None, Vec::new());
    let mut left_out = 0;
    for (i, line) in text.lines().enumerate() {
        let record = Record { path, number: i + 1, line };
        match line.get(..6).unwrap_or(line).trim_end() {
            "ATOM" | "HETATM" if line.is_ascii() => {}
            "ATOM" | "HETATM" => return Err(record.error("holds characters that are not ASCII")),
            "TER" => {
                place = None;
                continue;
            }
            "END" | "ENDMDL" => {
                let more = text.lines().skip(i + 1).filter(|l| l.starts_with("MODEL")).count();
                if more > 0 {
                    out.notes.push(format!("line {}: {more} more models are left out: the first one is taken", i + 1));
                }
                break;
            }
            _ => continue,
        }
        let here = Place(record.chain(), record.columns(23, 27), record.residue_name());
        if place.as_ref() != Some(&here) {
            let number = record.residue_number()?;
            out.topology.residues.push(Residue { name: here.2.to_owned(), number, chain: here.0.to_owned() });
            (place, locations) = (Some(here), Vec::new());
        }
        let (name, location) = (record.name()?, record.columns(17, 17));
        let first = out.topology.atoms.len() - locations.len();
        if let Some(same) = out.topology.atoms[first..].iter().position(|a| a.name == name) {
            if location == locations[same] {
                let residue = out.topology.residues.last().map_or("", |r| &r.name);
                return Err(record.error(&format!("atom name `{name}` is there twice in residue {residue}")));
            }
            left_out += 1;
            continue;
        }
        let residue = out.topology.residues.len() - 1;
        out.topology.atoms.push(Atom { name: name.to_owned(), element: record.element()?.to_owned(), residue });
        out.positions.extend(record.position()?);
        locations.push(location);
    }
    if left_out > 0 {
        out.notes.push(format!("{left_out} atoms of alternate locations are left out: the first one of each is taken"));
    }
    if out.topology.atoms.is_empty() {
        return Err(Error::data(path, "has no ATOM or HETATM records; expected a PDB file (mmCIF is not read)"));
    }
    Ok(out)
}

/// One `ATOM` or `HETATM` line.
struct Record<'a> {
    path: &'a Path,
    number: usize,
    line: &'a str,
}

impl<'a> Record<'a> {
    fn error(&self, message: &str) -> Error {
        Error::data(self.path, format!("line {}: {message}", self.number))
    }

    /// Columns `from` to `to` (from 1, both included) as they stand; they may be missing at the end of the line. The line
    /// is ASCII.
    fn raw(&self, from: usize, to: usize) -> &'a str {
        let end = to.min(self.line.len());
        &self.line[(from - 1).min(end)..end]
    }

    /// Columns without the blanks around them.
    fn columns(&self, from: usize, to: usize) -> &'a str {
        self.raw(from, to).trim()
    }

    fn name(&self) -> Result<&'a str> {
        let name = self.columns(13, 16);
        if name.is_empty() { Err(self.error("has no atom name (columns 13 to 16)")) } else { Ok(name) }
    }

    /// Three characters; a fourth one in column 21 is in use.
    fn residue_name(&self) -> &'a str {
        self.columns(18, 21)
    }

    fn chain(&self) -> &'a str {
        self.columns(22, 22)
    }

    fn residue_number(&self) -> Result<i64> {
        let text = self.columns(23, 26);
        let expected =
            || self.error(&format!("residue number (columns 23 to 26) is {text:?}, expected a whole number"));
        text.parse().map_err(|_| expected())
    }

    /// x, y and z in nm; the file has Angstrom.
    fn position(&self) -> Result<[f64; 3]> {
        if self.line.len() < 54 {
            let message = format!("ends at column {}, before its coordinates do (columns 31 to 54)", self.line.len());
            return Err(self.error(&message));
        }
        let mut out = [0.0; 3];
        for (c, name) in ["x", "y", "z"].iter().enumerate() {
            let (from, to) = (31 + 8 * c, 38 + 8 * c);
            let text = self.columns(from, to);
            let message = |what: &str| format!("{name} (columns {from} to {to}) is {text:?}, expected {what}");
            let x: f64 = text.parse().map_err(|_| self.error(&message("a number")))?;
            if !x.is_finite() {
                let message = format!("line {}: {}", self.number, message("a finite number"));
                return Err(Error::NonFinite { path: self.path.to_path_buf(), message });
            }
            out[c] = x / 10.0;
        }
        Ok(out)
    }

    /// Columns 77 and 78, or by the atom's name where they are blank.
    fn element(&self) -> Result<&'static str> {
        let symbol = self.columns(77, 78);
        if symbol.is_empty() {
            let name = self.raw(13, 16);
            let message = format!("no element (columns 77 and 78), and none follows from the atom name {name:?}");
            return elements::of_name(name).ok_or_else(|| self.error(&message));
        }
        let found = elements::by_symbol(symbol).map(|(symbol, _)| symbol);
        found.ok_or_else(|| self.error(&format!("element (columns 77 and 78) is {symbol:?}, which is none")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Pdb> {
        read(Path::new("x.pdb"), text)
    }

    fn message(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    const N: &str = "ATOM      1  N   ALA A   2       1.488   2.024   0.687  1.00  0.00           N\n";

    #[test]
    fn residues_models_and_alternate_locations() {
        let text = "\
REMARK   1 anything, even é
MODEL        1
ATOM      1  N   ALA A   2       1.488   2.024   0.687  1.00  0.00           N
ATOM      2  CA AALA A   2      -1.000   0.000   0.500
ATOM      3  CA BALA A   2      -9.000   9.000   9.500
ATOM      4  C   GLY A   2A      1.000   0.000   0.500
TER
HETATM    5 CL   GLY A   2A      1.000   0.000   0.500  1.00  0.00          Cl1-
ENDMDL
MODEL        2
ATOM      1  N   ALA A   2       7.000   2.024   0.687
ENDMDL
";
        let pdb = parse(text).unwrap();
        let atoms: Vec<_> =
            pdb.topology.atoms.iter().map(|a| (a.name.as_str(), a.element.as_str(), a.residue)).collect();
        assert_eq!(atoms, [("N", "N", 0), ("CA", "C", 0), ("C", "C", 1), ("CL", "Cl", 2)]);
        let names: Vec<_> =
            pdb.topology.residues.iter().map(|r| (r.name.as_str(), r.number, r.chain.as_str())).collect();
        assert_eq!(names, [("ALA", 2, "A"), ("GLY", 2, "A"), ("GLY", 2, "A")]);
        assert_eq!(pdb.positions[..6], [0.1488, 0.2024, 0.687 / 10.0, -0.1, 0.0, 0.05]);
        assert_eq!(
            pdb.notes,
            [
                "line 9: 1 more models are left out: the first one is taken",
                "1 atoms of alternate locations are left out: the first one of each is taken",
            ]
        );
    }

    #[test]
    fn bad_lines_are_named() {
        assert_eq!(message(&N[..40]), "x.pdb: line 1: ends at column 40, before its coordinates do (columns 31 to 54)");
        assert_eq!(
            message(&N.replace("   1.488", "********")),
            "x.pdb: line 1: x (columns 31 to 38) is \"********\", expected a number"
        );
        let nan = N.replace("2.024", "  nan");
        assert_eq!(message(&nan), "x.pdb: line 1: y (columns 39 to 46) is \"nan\", expected a finite number");
        assert!(matches!(parse(&nan), Err(Error::NonFinite { .. })));
        assert_eq!(message(&format!("{N}{N}")), "x.pdb: line 2: atom name `N` is there twice in residue ALA");
        assert_eq!(
            message(&N.replace("   N\n", "  Xx\n")),
            "x.pdb: line 1: element (columns 77 and 78) is \"Xx\", which is none"
        );
        assert_eq!(
            message(&N.replace("   N\n", "\n").replace(" N  ", " Q1 ")),
            "x.pdb: line 1: no element (columns 77 and 78), and none follows from the atom name \" Q1 \""
        );
        assert_eq!(
            message(&N.replace("  2  ", " A2  ")),
            "x.pdb: line 1: residue number (columns 23 to 26) is \"A2\", expected a whole number"
        );
        assert_eq!(message(&N.replace(" N  ", "    ")), "x.pdb: line 1: has no atom name (columns 13 to 16)");
        assert_eq!(message(&N.replace("ALA A", "ALé A")), "x.pdb: line 1: holds characters that are not ASCII");
        assert_eq!(
            message("data_x\nloop_\n"),
            "x.pdb: has no ATOM or HETATM records; expected a PDB file (mmCIF is not read)"
        );
    }

    /// Cut anywhere, a file is read or refused, without a panic.
    #[test]
    fn cut_anywhere() {
        let text = include_str!("molecules/aldp.pdb");
        for end in 0..text.len() {
            let _ = parse(&text[..end]);
        }
        assert_eq!(parse(text).unwrap().topology.atoms.len(), 22);
    }
}
