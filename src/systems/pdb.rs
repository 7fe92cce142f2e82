//! PDB files: atoms, residues and coordinates of the first model.
//!
//! A reader of our own, because the order of the atoms is all that ties a PDB file to its force field. `pdbtbx` (0.12; 15
//! more crates, 5 s of compilation) sorts atoms into chains and residues, so that interleaved residues come out in
//! another order; it panics on lines cut short and on coordinates that are `nan`; and it wants columns 55 to 80.
//!
//! Read are `ATOM`, `HETATM`, `TER`, `MODEL`, `ENDMDL`, `END` and the box in `CRYST1`; everything else is skipped (bonds
//! come from the force field, not from `CONECT`). Columns follow the format description 3.3, section "Coordinate Section".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use super::elements;
use super::molecules::Said;
use super::topology::{Atom, Residue, Topology};
use super::wholeness::{Cell, cell_of};
use crate::error::{Error, Result};

/// A structure as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Pdb {
    /// Atoms and residues, without bonds.
    pub topology: Topology,
    /// What is said about the element of each atom; where nothing is, `topology` has an empty one.
    pub(super) said: Vec<Said>,
    /// Coordinates `[atoms, 3]`, nm.
    pub positions: Vec<f64>,
    /// The periodic box, where there is one (of 1 Å, as files without a crystal have it, is none).
    pub cell: Option<Cell>,
    /// What was left out.
    pub notes: Vec<String>,
}

/// What makes two atoms of one residue: chain, number with insertion code, name.
#[derive(PartialEq)]
struct Place<'a>(&'a str, &'a str, &'a str);

/// Reads the text of a PDB file; `path` is for messages. Names that a residue has more than once are numbered.
///
/// # Errors
/// [`Error::Data`] for lines that are cut short, malformed or look like atoms without being such records, a file without
/// atoms; [`Error::NonFinite`] for coordinates that are not finite. Messages name the line.
pub fn read(path: &Path, text: &str) -> Result<Pdb> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Line ends of old editors.
    let returns = (text.contains('\r') && !text.contains('\n')).then(|| text.replace('\r', "\n"));
    let text = returns.as_deref().unwrap_or(text);
    let mut out =
        Pdb { topology: Topology::default(), said: Vec::new(), positions: Vec::new(), cell: None, notes: Vec::new() };
    // The residue being read, and the alternate location of each of its atoms.
    let (mut place, mut locations): (Option<Place<'_>>, Vec<&str>) = (None, Vec::new());
    let (mut left_out, mut counted_on) = (0, 0);
    for (i, line) in text.lines().enumerate() {
        let record = Record { path, number: i + 1, line };
        match line.get(..6).unwrap_or(line).trim_end_matches(' ') {
            "ATOM" | "HETATM" if line.is_ascii() => {}
            "ATOM" | "HETATM" => return Err(record.error("holds characters that are not ASCII")),
            "TER" => {
                place = None;
                continue;
            }
            "END" | "ENDMDL" => {
                let begin = |word: &str| text.lines().skip(i + 1).filter(|l| l.starts_with(word)).count();
                let (models, atoms) = (begin("MODEL"), begin("ATOM") + begin("HETATM"));
                if models > 0 {
                    out.notes
                        .push(format!("line {}: {models} more models are left out: the first one is taken", i + 1));
                } else if atoms > 0 {
                    out.notes.push(format!("line {}: {atoms} atoms behind this END are left out", i + 1));
                }
                break;
            }
            "CRYST1" if line.is_ascii() => {
                out.cell = record.cell();
                continue;
            }
            _ if record.looks_like_an_atom() => {
                let message = "looks like an atom, but does not begin with `ATOM  ` or `HETATM` in columns 1 to 6; expected \
                               the fixed columns of the PDB format (no tabs, serial numbers in columns 7 to 11)";
                return Err(record.error(message));
            }
            _ => continue,
        }
        let here = Place(record.chain(), record.columns(23, 27), record.residue_name());
        if place.as_ref() != Some(&here) {
            let last = out.topology.residues.last().map_or(0, |residue| residue.number);
            let number = record.residue_number()?;
            counted_on += usize::from(number.is_none());
            let number = number.unwrap_or(last + 1);
            out.topology.residues.push(Residue { name: here.2.to_owned(), number, chain: here.0.to_owned() });
            (place, locations) = (Some(here), Vec::new());
        }
        let (name, location) = (record.name()?, record.columns(17, 17));
        let first = out.topology.atoms.len() - locations.len();
        let mut same = out.topology.atoms[first..].iter().zip(&locations).filter(|(a, _)| a.name == name).peekable();
        if same.peek().is_some() && same.all(|(_, &there)| there != location) {
            left_out += 1;
            continue;
        }
        let (residue, said) = (out.topology.residues.len() - 1, record.element());
        let element = if let Said::Element(symbol) | Said::Guess(symbol) = said { symbol } else { "" };
        out.topology.atoms.push(Atom { name: name.to_owned(), element: element.to_owned(), residue });
        out.said.push(said);
        out.positions.extend(record.position()?);
        locations.push(location);
    }
    if left_out > 0 {
        out.notes.push(format!("{left_out} atoms of alternate locations are left out: the first one of each is taken"));
    }
    if counted_on > 0 {
        out.notes.push(format!(
            "{counted_on} residues have numbers (columns 23 to 26) that are none: they are counted on from the one before"
        ));
    }
    if out.topology.atoms.is_empty() {
        return Err(Error::data(path, "has no ATOM or HETATM records; expected a PDB file (mmCIF is not read)"));
    }
    let numbered = number(&mut out.topology);
    if numbered > 0 {
        out.notes.push(format!(
            "{numbered} atoms have the name of another one in their residue: they are numbered (H1, H2, ..)"
        ));
    }
    Ok(out)
}

/// Numbers all names that a residue has more than once, past those that it has already; returns how many.
fn number(topology: &mut Topology) -> usize {
    let mut counts = BTreeMap::<(usize, String), usize>::new();
    for atom in &topology.atoms {
        *counts.entry((atom.residue, atom.name.clone())).or_default() += 1;
    }
    let mut taken: BTreeSet<(usize, String)> = counts.keys().cloned().collect();
    let mut last = BTreeMap::<(usize, String), usize>::new();
    let mut numbered = 0;
    for atom in &mut topology.atoms {
        let key = (atom.residue, atom.name.clone());
        if counts[&key] < 2 {
            continue;
        }
        let last = last.entry(key).or_default();
        let name = loop {
            *last += 1;
            let name = format!("{}{last}", atom.name);
            if taken.insert((atom.residue, name.clone())) {
                break name;
            }
        };
        atom.name = name;
        numbered += 1;
    }
    numbered
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

    /// Decimal; or hybrid-36 beyond 9999: a letter and three of 36 digits, `A000` being 10,000 and `a000` the number after `ZZZZ`.
    /// `None` where there is no room for it (`****`, other digits) or nothing.
    fn residue_number(&self) -> Result<Option<i64>> {
        let text = self.columns(23, 26);
        if let Ok(number) = text.parse() {
            return Ok(Some(number));
        }
        let full = text.len() == 4 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        let (cube, lower) = (36_i64.pow(3), text.contains(|c: char| c.is_ascii_lowercase()));
        match i64::from_str_radix(text, 36) {
            Ok(value) if full && value >= 10 * cube => {
                Ok(Some(value - 10 * cube + 10_000 + if lower { 26 * cube } else { 0 }))
            }
            _ if full || text.bytes().all(|b| b == b'*') => Ok(None),
            _ => {
                let expected = "expected a whole number (decimal or hybrid-36), or nothing: are the columns shifted?";
                Err(self.error(&format!("residue number (columns 23 to 26) is {text:?}, {expected}")))
            }
        }
    }

    /// The box of a `CRYST1` record, nm; `None` where it is none that a molecule fits in.
    fn cell(&self) -> Option<Cell> {
        let number = |from, to| self.columns(from, to).parse::<f64>().ok().filter(|x| x.is_finite());
        let lengths = [number(7, 15)?, number(16, 24)?, number(25, 33)?];
        let angles = [number(34, 40)?, number(41, 47)?, number(48, 54)?];
        lengths.iter().all(|length| *length > 5.0).then(|| cell_of(lengths.map(|length| length / 10.0), angles))
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

    /// What columns 77 and 78 say, or the atom's name where they are blank or no element.
    fn element(&self) -> Said {
        match elements::by_symbol(self.columns(77, 78)) {
            Some((symbol, _)) => Said::Element(symbol),
            None => elements::of_name(self.raw(13, 16)).map_or(Said::Nothing, Said::Guess),
        }
    }

    /// Whether a line of none of the records above would have been meant as an atom.
    fn looks_like_an_atom(&self) -> bool {
        let begins = |word: &str| {
            let line = self.line.trim_start();
            line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        begins("ATOM") || begins("HETATM")
    }
}

/// The text of a PDB file: atoms, coordinates `[atoms, 3]` (nm) and bonds, which viewers cannot guess for every residue;
/// `path` is for messages. Numbers that have no room in their columns begin again from 0.
///
/// # Errors
/// [`Error::Data`] for coordinates that do not fit into their columns.
pub fn write(path: &Path, topology: &Topology, positions: &[f64]) -> Result<String> {
    let mut out = String::new();
    for (i, (atom, x)) in topology.atoms.iter().zip(positions.as_chunks::<3>().0).enumerate() {
        let residue = &topology.residues[atom.residue];
        // Names begin in the second column of their field, where the element is one letter and there is room.
        let indent = if atom.element.len() == 1 && atom.name.len() < 4 { " " } else { "" };
        let name = format!("{indent}{}", atom.name);
        let [x, y, z] = x.map(|x| 10.0 * x);
        if ![x, y, z].iter().all(|x| (-999.999..=9_999.999).contains(x)) {
            return Err(Error::data(path, format!("atom {i} is at {x} {y} {z} Å, which a PDB file cannot hold")));
        }
        let _ = writeln!(
            out,
            "ATOM  {:>5} {name:<4} {:>3.3} {:1.1}{:>4}    {x:>8.3}{y:>8.3}{z:>8.3}  1.00  0.00          {:>2}",
            (i + 1) % 100_000,
            residue.name,
            residue.chain,
            residue.number.rem_euclid(10_000),
            atom.element,
        );
    }
    out.push_str("TER\n");
    // With more atoms the numbers above are not unique.
    if topology.atoms.len() < 100_000 {
        for (i, bonded) in topology.neighbours().iter().enumerate() {
            for four in bonded.chunks(4) {
                let numbers: String = four.iter().map(|j| format!("{:>5}", j + 1)).collect();
                let _ = writeln!(out, "CONECT{:>5}{numbers}", i + 1);
            }
        }
    }
    out.push_str("END\n");
    Ok(out)
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

    /// Numbers beyond four decimals: hybrid-36 goes on after 9999; what has no number is counted on.
    #[test]
    fn numbers_of_residues() {
        let numbers = |texts: &[&str]| {
            let lines: Vec<String> = texts.iter().map(|t| N.replace("   2  ", &format!("{t:>4}  "))).collect();
            let pdb = parse(&lines.concat()).unwrap();
            (pdb.topology.residues.iter().map(|r| r.number).collect::<Vec<_>>(), pdb.notes.len())
        };
        assert_eq!(numbers(&["-3", "9999", "A000", "A001", "ZZZZ"]), (vec![-3, 9999, 10_000, 10_001, 1_223_055], 0));
        assert_eq!(numbers(&["ZZZZ", "a000", "zzzz"]).0, [1_223_055, 1_223_056, 2_436_111]);
        assert_eq!(numbers(&["9998", "270f", "****", ""]), (vec![9998, 9999, 10_000, 10_001], 1));
    }

    /// Atoms behind the first END are another structure, or a mistake: that is said.
    #[test]
    fn an_end_before_the_last_atom() {
        let pdb = parse(&[N, "END\n", N, N, "END\n"].concat()).unwrap();
        assert_eq!(
            (pdb.topology.atoms.len(), &pdb.notes[..]),
            (1, &["line 2: 2 atoms behind this END are left out".to_owned()][..])
        );
        assert_eq!(parse(&[N, "END\n"].concat()).unwrap().notes, [""; 0]);
    }

    #[test]
    fn boxes() {
        let cell = |line: &str| parse(&format!("{line}\n{N}")).unwrap().cell;
        assert_eq!(cell("CRYST1    1.000    1.000    1.000  90.00  90.00  90.00 P 1           1"), None);
        assert_eq!(cell("CRYST1   20.000   20"), None);
        let [a, b, c] = cell("CRYST1   30.000   20.000   25.000  90.00  90.00 120.00 P 1           1").unwrap();
        assert_eq!((a, c), ([3.0, 0.0, 0.0], [0.0, 0.0, 2.5]));
        assert!((b[0] + 1.0).abs() < 1e-12 && (b[1] - 3.0_f64.sqrt()).abs() < 1e-12);
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
        for odd in [
            N.replace("ATOM  ", "atom  "),
            N.replace("ATOM      1", "ATOM1000000"),
            N.replace("ATOM  ", "ATOM\t"),
            format!(" {N}"),
        ] {
            assert!(
                message(&format!("{N}{odd}")).starts_with("x.pdb: line 2: looks like an atom, but does not"),
                "{odd}"
            );
        }
        assert_eq!(
            message(&N.replace("  2  ", " A2  ")),
            "x.pdb: line 1: residue number (columns 23 to 26) is \"A2\", expected a whole number (decimal or hybrid-36), or nothing: are \
             the columns shifted?"
        );
        assert_eq!(message(&N.replace(" N  ", "    ")), "x.pdb: line 1: has no atom name (columns 13 to 16)");
        assert_eq!(message(&N.replace("ALA A", "ALé A")), "x.pdb: line 1: holds characters that are not ASCII");
        assert_eq!(
            message("data_x\nloop_\n"),
            "x.pdb: has no ATOM or HETATM records; expected a PDB file (mmCIF is not read)"
        );
    }

    /// Marks of editors mean nothing; names that are there twice are numbered; elements that are none are not said.
    #[test]
    fn marks_and_names() {
        assert_eq!(parse(&format!("\u{feff}{N}")).unwrap(), parse(N).unwrap());
        let named = |name: &str| N.replace(" N  ", name);
        let pdb = parse(&[N, &named(" N2 "), N, N].concat()).unwrap();
        let names: Vec<&str> = pdb.topology.atoms.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["N1", "N2", "N3", "N4"]);
        assert_eq!(
            pdb.notes,
            ["3 atoms have the name of another one in their residue: they are numbered (H1, H2, ..)"]
        );
        let said = |line: &str| parse(line).unwrap().said;
        assert_eq!(said(&N.replace("   N\n", "  Xx\n")), [Said::Guess("N")]);
        assert_eq!(said(&N.replace("   N\n", "\n").replace(" N  ", " Q1 ")), [Said::Nothing]);
        assert_eq!(said(N), [Said::Element("N")]);
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

    /// What is written is read again, but for bonds.
    #[test]
    fn round_trip() {
        for text in [include_str!("molecules/aldp.pdb"), include_str!("molecules/al3.pdb")] {
            let pdb = parse(text).unwrap();
            let again = write(Path::new("x.pdb"), &pdb.topology, &pdb.positions).unwrap();
            assert_eq!(parse(&again).unwrap(), pdb);
            // Columns of the same atoms are the same, up to the number and what stands beyond the coordinates.
            let atoms = |text: &str| {
                let lines = text.lines().filter(|l| l.starts_with("ATOM") || l.starts_with("HETATM"));
                lines.map(|l| l[11..54].to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(atoms(&again), atoms(text));
        }
        let mut topology = parse(N).unwrap().topology;
        topology.atoms = vec![topology.atoms[0].clone(); 2];
        topology.bonds = vec![[0, 1]];
        let text = write(Path::new("x.pdb"), &topology, &[0.0; 6]).unwrap();
        assert!(text.ends_with("TER\nCONECT    1    2\nCONECT    2    1\nEND\n"), "{text}");
        assert!(matches!(write(Path::new("x.pdb"), &topology, &[1e4; 6]), Err(Error::Data { .. })));
    }
}
