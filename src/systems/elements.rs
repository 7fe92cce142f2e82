//! Chemical elements: symbols and standard atomic weights (IUPAC 2021, abridged), and deuterium.

/// Symbol and mass, amu.
const ELEMENTS: [(&str, f64); 87] = [
    ("H", 1.008),
    ("D", 2.014),
    ("He", 4.0026),
    ("Li", 6.94),
    ("Be", 9.0122),
    ("B", 10.81),
    ("C", 12.011),
    ("N", 14.007),
    ("O", 15.999),
    ("F", 18.998),
    ("Ne", 20.18),
    ("Na", 22.99),
    ("Mg", 24.305),
    ("Al", 26.982),
    ("Si", 28.085),
    ("P", 30.974),
    ("S", 32.06),
    ("Cl", 35.45),
    ("Ar", 39.95),
    ("K", 39.098),
    ("Ca", 40.078),
    ("Sc", 44.956),
    ("Ti", 47.867),
    ("V", 50.942),
    ("Cr", 51.996),
    ("Mn", 54.938),
    ("Fe", 55.845),
    ("Co", 58.933),
    ("Ni", 58.693),
    ("Cu", 63.546),
    ("Zn", 65.38),
    ("Ga", 69.723),
    ("Ge", 72.63),
    ("As", 74.922),
    ("Se", 78.971),
    ("Br", 79.904),
    ("Kr", 83.798),
    ("Rb", 85.468),
    ("Sr", 87.62),
    ("Y", 88.906),
    ("Zr", 91.224),
    ("Nb", 92.906),
    ("Mo", 95.95),
    ("Tc", 97.0),
    ("Ru", 101.07),
    ("Rh", 102.91),
    ("Pd", 106.42),
    ("Ag", 107.87),
    ("Cd", 112.41),
    ("In", 114.82),
    ("Sn", 118.71),
    ("Sb", 121.76),
    ("Te", 127.6),
    ("I", 126.9),
    ("Xe", 131.29),
    ("Cs", 132.91),
    ("Ba", 137.33),
    ("La", 138.91),
    ("Ce", 140.12),
    ("Pr", 140.91),
    ("Nd", 144.24),
    ("Pm", 145.0),
    ("Sm", 150.36),
    ("Eu", 151.96),
    ("Gd", 157.25),
    ("Tb", 158.93),
    ("Dy", 162.5),
    ("Ho", 164.93),
    ("Er", 167.26),
    ("Tm", 168.93),
    ("Yb", 173.05),
    ("Lu", 174.97),
    ("Hf", 178.49),
    ("Ta", 180.95),
    ("W", 183.84),
    ("Re", 186.21),
    ("Os", 190.23),
    ("Ir", 192.22),
    ("Pt", 195.08),
    ("Au", 196.97),
    ("Hg", 200.59),
    ("Tl", 204.38),
    ("Pb", 207.2),
    ("Bi", 208.98),
    ("Po", 209.0),
    ("At", 210.0),
    ("Rn", 222.0),
];

/// The element with this symbol, whatever its case: symbol as usual (`Cl`), and mass.
pub(super) fn by_symbol(symbol: &str) -> Option<(&'static str, f64)> {
    ELEMENTS.iter().find(|(s, _)| s.eq_ignore_ascii_case(symbol)).copied()
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
    }

    /// Masses rise with the place in the table, but for its three inversions (Ar-K, Co-Ni, Te-I).
    #[test]
    fn masses_ascend() {
        let falls: Vec<&str> = ELEMENTS.windows(2).filter(|w| w[1].1 < w[0].1).map(|w| w[1].0).collect();
        assert_eq!(falls, ["K", "Ni", "I"]);
    }
}
