//! Chemical elements: symbols, standard atomic weights (IUPAC 2021, abridged) and covalent radii (Cordero 2008, low spin);
//! and deuterium.

/// Symbol, mass (amu), covalent radius (pm).
const ELEMENTS: [(&str, f64, u16); 87] = [
    ("H", 1.008, 31),
    ("D", 2.014, 31),
    ("He", 4.0026, 28),
    ("Li", 6.94, 128),
    ("Be", 9.0122, 96),
    ("B", 10.81, 84),
    ("C", 12.011, 76),
    ("N", 14.007, 71),
    ("O", 15.999, 66),
    ("F", 18.998, 57),
    ("Ne", 20.18, 58),
    ("Na", 22.99, 166),
    ("Mg", 24.305, 141),
    ("Al", 26.982, 121),
    ("Si", 28.085, 111),
    ("P", 30.974, 107),
    ("S", 32.06, 105),
    ("Cl", 35.45, 102),
    ("Ar", 39.95, 106),
    ("K", 39.098, 203),
    ("Ca", 40.078, 176),
    ("Sc", 44.956, 170),
    ("Ti", 47.867, 160),
    ("V", 50.942, 153),
    ("Cr", 51.996, 139),
    ("Mn", 54.938, 150),
    ("Fe", 55.845, 132),
    ("Co", 58.933, 126),
    ("Ni", 58.693, 124),
    ("Cu", 63.546, 132),
    ("Zn", 65.38, 122),
    ("Ga", 69.723, 122),
    ("Ge", 72.63, 120),
    ("As", 74.922, 119),
    ("Se", 78.971, 120),
    ("Br", 79.904, 120),
    ("Kr", 83.798, 116),
    ("Rb", 85.468, 220),
    ("Sr", 87.62, 195),
    ("Y", 88.906, 190),
    ("Zr", 91.224, 175),
    ("Nb", 92.906, 164),
    ("Mo", 95.95, 154),
    ("Tc", 97.0, 147),
    ("Ru", 101.07, 146),
    ("Rh", 102.91, 142),
    ("Pd", 106.42, 139),
    ("Ag", 107.87, 145),
    ("Cd", 112.41, 144),
    ("In", 114.82, 142),
    ("Sn", 118.71, 139),
    ("Sb", 121.76, 139),
    ("Te", 127.6, 138),
    ("I", 126.9, 139),
    ("Xe", 131.29, 140),
    ("Cs", 132.91, 244),
    ("Ba", 137.33, 215),
    ("La", 138.91, 207),
    ("Ce", 140.12, 204),
    ("Pr", 140.91, 203),
    ("Nd", 144.24, 201),
    ("Pm", 145.0, 199),
    ("Sm", 150.36, 198),
    ("Eu", 151.96, 198),
    ("Gd", 157.25, 196),
    ("Tb", 158.93, 194),
    ("Dy", 162.5, 192),
    ("Ho", 164.93, 192),
    ("Er", 167.26, 189),
    ("Tm", 168.93, 190),
    ("Yb", 173.05, 187),
    ("Lu", 174.97, 187),
    ("Hf", 178.49, 175),
    ("Ta", 180.95, 170),
    ("W", 183.84, 162),
    ("Re", 186.21, 151),
    ("Os", 190.23, 144),
    ("Ir", 192.22, 141),
    ("Pt", 195.08, 136),
    ("Au", 196.97, 136),
    ("Hg", 200.59, 132),
    ("Tl", 204.38, 145),
    ("Pb", 207.2, 146),
    ("Bi", 208.98, 148),
    ("Po", 209.0, 140),
    ("At", 210.0, 150),
    ("Rn", 222.0, 150),
];

/// The element with this symbol, whatever its case: symbol as usual (`Cl`), and mass.
pub(super) fn by_symbol(symbol: &str) -> Option<(&'static str, f64)> {
    ELEMENTS.iter().find(|(s, ..)| s.eq_ignore_ascii_case(symbol)).map(|&(symbol, mass, _)| (symbol, mass))
}

/// Elements whose mass is within `tolerance` of this one, amu; the nearest first.
pub(super) fn by_mass(mass: f64, tolerance: f64) -> Vec<&'static str> {
    let off = |element: &&(&str, f64, u16)| (element.1 - mass).abs();
    let mut found: Vec<_> = ELEMENTS.iter().filter(|e| off(e) <= tolerance).collect();
    found.sort_by(|a, b| off(a).total_cmp(&off(b)));
    found.into_iter().map(|e| e.0).collect()
}

/// Covalent radius of an element, nm.
pub(super) fn radius(symbol: &str) -> Option<f64> {
    ELEMENTS.iter().find(|e| e.0 == symbol).map(|e| f64::from(e.2) / 1_000.0)
}

/// Whether the symbol is that of hydrogen or deuterium.
pub(super) fn is_hydrogen(symbol: &str) -> bool {
    matches!(symbol, "H" | "D")
}

/// The element that an atom name in columns 13 to 16 of a PDB file stands for. The symbol ends in column 14, except
/// that names of hydrogens with four characters begin in column 13.
pub(super) fn of_name(columns: &str) -> Option<&'static str> {
    let letters: String = columns.get(..2)?.chars().filter(char::is_ascii_alphabetic).collect();
    let four = columns.trim().len() == 4;
    if four && letters.starts_with(['H', 'h']) {
        return Some("H");
    }
    let one = by_symbol(letters.get(..1)?);
    by_symbol(&letters).or(one).map(|(symbol, _)| symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_pdb_format() {
        for (name, element) in [
            (" CA ", "C"),
            ("CA  ", "Ca"),
            (" N  ", "N"),
            ("HH31", "H"),
            ("1HB ", "H"),
            ("HG21", "H"),
            ("CL  ", "Cl"),
            (" OXT", "O"),
            (" H  ", "H"),
            ("ZN  ", "Zn"),
            (" SG ", "S"),
            ("CZ  ", "C"),
        ] {
            assert_eq!(of_name(name), Some(element), "{name:?}");
        }
        assert_eq!((of_name("    "), of_name("1234"), of_name(" Q  ")), (None, None, None));
        assert_eq!(by_symbol("CL"), Some(("Cl", 35.45)));
        assert_eq!((by_mass(12.01, 0.1), by_mass(40.0, 0.1)), (vec!["C"], vec!["Ar", "Ca"]));
        assert_eq!((radius("C"), radius("Xx")), (Some(0.076), None));
    }

    /// Masses rise with the place in the table, but for its three inversions (Ar-K, Co-Ni, Te-I).
    #[test]
    fn masses_ascend() {
        let falls: Vec<&str> = ELEMENTS.windows(2).filter(|w| w[1].1 < w[0].1).map(|w| w[1].0).collect();
        assert_eq!(falls, ["K", "Ni", "I"]);
    }
}
