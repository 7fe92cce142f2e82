//! Which element every atom is: the PDB file says it, or the masses of the XML do; where both speak, they have to agree,
//! because nothing else tells that the two files have their atoms in the same order.
//!
//! Masses may be repartitioned (hydrogens heavier at the cost of what they hang on), hydrogens may be deuterium. Masses
//! that are no element's (united atoms, beads, all alike) say nothing: then the bonds of the XML have to fit the structure.

use crate::energy::forcefield::ForceField;
use crate::energy::forcefield::params::Bond;
use crate::systems::elements;

/// What the PDB file says about the element of an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// By its columns for elements.
    Element(&'static str),
    /// Nothing, but its name would be that of this one.
    Guess(&'static str),
    /// Nothing.
    Nothing,
}

impl Said {
    fn symbol(self) -> &'static str {
        match self {
            Self::Element(symbol) | Self::Guess(symbol) => symbol,
            Self::Nothing => "",
        }
    }

    fn agrees(self, element: &str) -> bool {
        match self {
            Self::Element(said) | Self::Guess(said) => same(said, element),
            Self::Nothing => true,
        }
    }
}

/// Isotopes of hydrogen are one element.
fn same(a: &str, b: &str) -> bool {
    a == b || elements::is_hydrogen(a) && elements::is_hydrogen(b)
}

/// Symbols of all atoms (empty for a bead), and a note where masses and names do not agree.
///
/// # Errors
/// What speaks against the two files having the same order of atoms.
pub(super) fn symbols(
    said: &[Said],
    field: &ForceField,
    x: &[f64],
) -> Result<(Vec<&'static str>, Option<String>), String> {
    let restored = restored(field);
    let contradicted = |symbols: &[&str]| {
        let wrong = |&i: &usize| matches!(said[i], Said::Element(e) if !same(e, symbols[i]));
        (0..symbols.len()).filter(wrong).collect::<Vec<_>>()
    };
    let guessed = |symbols: &[&str]| symbols.iter().zip(said).filter(|(symbol, said)| said.agrees(symbol)).count();
    // The reading that contradicts the PDB file least; of equals the last, masses as they are.
    let readings = [&restored, &field.masses].into_iter().filter_map(|masses| read(masses, said));
    let best = readings.max_by_key(|symbols| (usize::MAX - contradicted(symbols).len(), guessed(symbols)));
    let fits = structure_fits(field, x);
    // One mass for all is the choice of who simulates, whatever element it would be.
    let alike = field.masses.iter().all(|mass| *mass == field.masses[0]);
    let best = best.filter(|symbols| !(alike && fits && !contradicted(symbols).is_empty()));
    let against = |atom: usize| {
        let (mass, says) = (field.masses[atom], said[atom].symbol());
        format!(
            "atom {atom}: the PDB says {says}, the XML has a mass of {mass}, and the bonds of the XML do not fit the \
             structure; expected the same order of atoms in both"
        )
    };
    let Some(symbols) = best else {
        if fits {
            let note = "masses are not those of elements: elements are what the PDB file says";
            return Ok((said.iter().map(|said| said.symbol()).collect(), Some(note.to_owned())));
        }
        let odd = |&i: &usize| !candidates(restored[i]).iter().any(|e| said[i].agrees(e));
        return Err(against((0..said.len()).find(odd).unwrap_or(0)));
    };
    match contradicted(&symbols)[..] {
        [] => Ok((symbols, None)),
        [first, ref others @ ..] if fits => {
            let (n, says, mass) = (1 + others.len(), said[first].symbol(), field.masses[first]);
            let note = format!(
                "elements of {n} atoms are not those of their masses in the XML, which are taken (atom {first}: {says}, \
                 {mass} amu)"
            );
            Ok((symbols, Some(note)))
        }
        [first, ..] => Err(against(first)),
    }
}

/// Elements by mass; what the PDB file says chooses among several. `None` when some mass is no element's.
fn read(masses: &[f64], said: &[Said]) -> Option<Vec<&'static str>> {
    let one = |(&mass, said): (&f64, &Said)| {
        let candidates = candidates(mass);
        candidates.iter().find(|e| said.agrees(e)).or(candidates.first()).copied()
    };
    masses.iter().zip(said).map(one).collect()
}

/// A mass this far from its element's is another element, amu. (Force fields round to 0.01.)
const TOLERANCE: f64 = 0.1;

fn candidates(mass: f64) -> Vec<&'static str> {
    elements::by_mass(mass, TOLERANCE)
}

/// Mass of hydrogen, amu.
const HYDROGEN: f64 = 1.008;
/// No hydrogen is made heavier than this, amu.
const HEAVIEST_HYDROGEN: f64 = 5.0;
/// Longest bond of a hydrogen, nm (H-I: 0.161).
const HYDROGEN_BOND: f64 = 0.17;

/// Masses before hydrogens were made heavier: what they have above their own goes back to what they hang on.
fn restored(field: &ForceField) -> Vec<f64> {
    let mut masses = field.masses.clone();
    let mut terms: Vec<Vec<(f64, usize)>> = vec![Vec::new(); masses.len()];
    for bond in &field.bonds {
        let [a, b] = bond.atoms;
        terms[a].push((bond.r0, b));
        terms[b].push((bond.r0, a));
    }
    // A hydrogen has one short term; a carbon that gave away most of its mass has several.
    let parent = |atom: usize| {
        let &(shortest, parent) = terms[atom].iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
        let alone = terms[atom].iter().filter(|term| term.0 <= 1.3 * shortest).count() == 1;
        (field.masses[atom] < HEAVIEST_HYDROGEN && alone && shortest < HYDROGEN_BOND).then_some(parent)
    };
    for atom in 0..masses.len() {
        if let Some(heavy) = parent(atom).filter(|&p| parent(p).is_none()) {
            masses[heavy] += field.masses[atom] - HYDROGEN;
            masses[atom] = HYDROGEN;
        }
    }
    masses
}

/// A bond of the structure differs from its rest length by less than this share.
const STRETCH: f64 = 0.35;
/// Share of the harmonic terms that have to fit the structure.
const ENOUGH: f64 = 0.95;

/// Whether the harmonic terms have about their rest length in `x [atoms, 3]`, nm. Without terms nothing can be said.
fn structure_fits(field: &ForceField, x: &[f64]) -> bool {
    let fits = |bond: &&Bond| {
        let [a, b] = bond.atoms.map(|i| &x[3 * i..3 * i + 3]);
        let r = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        (r - bond.r0).abs() <= STRETCH * bond.r0
    };
    let n = field.bonds.len();
    n > 0 && field.bonds.iter().filter(fits).count() as f64 >= ENOUGH * n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Methanol: H3C-OH, atoms C, H, H, H, O, H.
    fn methanol(masses: [f64; 6]) -> ForceField {
        let bond = |a, b, r0| Bond { atoms: [a, b], r0, k: 1e5 };
        let bonds = vec![bond(0, 1, 0.109), bond(2, 0, 0.109), bond(0, 3, 0.109), bond(0, 4, 0.141), bond(4, 5, 0.096)];
        ForceField { masses: masses.to_vec(), bonds, ..ForceField::default() }
    }

    const SAID: [Said; 6] = [
        Said::Guess("Ca"),
        Said::Nothing,
        Said::Guess("Hg"),
        Said::Guess("Ho"),
        Said::Element("O"),
        Said::Element("H"),
    ];
    const FOUND: [&str; 6] = ["C", "H", "H", "H", "O", "H"];

    #[test]
    fn masses_decide_and_may_be_repartitioned() {
        // As they are; 3.024 and 4 amu for hydrogens; deuterium.
        for masses in [
            [12.011, 1.008, 1.008, 1.008, 15.999, 1.008],
            [5.963, 3.024, 3.024, 3.024, 13.983, 3.024],
            [3.035, 4.0, 4.0, 4.0, 13.007, 4.0],
        ] {
            assert_eq!(symbols(&SAID, &methanol(masses), &[0.0; 18]), Ok((FOUND.to_vec(), None)), "{masses:?}");
        }
        let (heavy, note) = symbols(&SAID, &methanol([12.01, 2.014, 2.014, 2.014, 15.999, 2.014]), &[0.0; 18]).unwrap();
        assert_eq!((heavy, note), (vec!["C", "D", "D", "D", "O", "D"], None));
    }

    #[test]
    fn another_order_is_refused_and_odd_masses_need_a_structure_that_fits() {
        let swapped = methanol([12.011, 1.008, 1.008, 1.008, 1.008, 15.999]);
        let error = symbols(&SAID, &swapped, &[0.0; 18]).unwrap_err();
        assert!(error.starts_with("atom 4: the PDB says O, the XML has a mass of 1.008"), "{error}");
        // On a line with bonds of the right length, in the order H C H .. of the terms.
        let mut x = [0.0; 18];
        for (atom, at) in [(1, 0.109), (2, -0.109), (3, 0.11), (4, 0.141), (5, 0.237)] {
            x[3 * atom] = at;
        }
        // One mass for all, an element's or none's; beads.
        for masses in [[50.0; 6], [1.0; 6], [12.0; 6], [40.08; 6], [15.023, 72.0, 1.0, 1.0, 16.0, 1.0]] {
            let (found, note) = symbols(&SAID, &methanol(masses), &x).unwrap();
            assert_eq!(found, ["Ca", "", "Hg", "Ho", "O", "H"]);
            assert!(note.unwrap().contains("elements are what the PDB file says"));
            assert!(symbols(&SAID, &methanol(masses), &[0.0; 18]).is_err());
        }
        let (found, note) = symbols(&SAID, &swapped, &x).unwrap();
        assert_eq!((found[4], found[5]), ("H", "O"));
        assert!(note.unwrap().contains("elements of 2 atoms are not those of their masses"));
    }
}
