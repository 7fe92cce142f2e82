//! What the atoms of a molecule are called and how they are bonded.

/// Atoms, residues and bonds of a molecule; atoms are numbered from 0 in the order of the coordinates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Topology {
    /// The atoms.
    pub atoms: Vec<Atom>,
    /// The residues, in order.
    pub residues: Vec<Residue>,
    /// Bonded pairs, each once, smaller index first, sorted.
    pub bonds: Vec<[usize; 2]>,
    /// Their lengths at rest, nm; empty where they are not known.
    pub rest: Vec<f64>,
}

/// An atom.
#[derive(Debug, Clone, PartialEq)]
pub struct Atom {
    /// Name, such as `CA`.
    pub name: String,
    /// Element symbol, such as `C`; empty for an atom of no element (a bead).
    pub element: String,
    /// Its residue, an index into [`Topology::residues`].
    pub residue: usize,
}

/// A residue.
#[derive(Debug, Clone, PartialEq)]
pub struct Residue {
    /// Name, such as `ALA`.
    pub name: String,
    /// Number in the file.
    pub number: i64,
    /// Chain identifier.
    pub chain: String,
}

impl Atom {
    /// Whether it is a hydrogen of any mass.
    #[must_use]
    pub fn is_hydrogen(&self) -> bool {
        super::elements::is_hydrogen(&self.element)
    }
}

impl Topology {
    /// The atom `name` of residue `residue`.
    #[must_use]
    pub fn find(&self, residue: usize, name: &str) -> Option<usize> {
        self.atoms.iter().position(|a| a.residue == residue && a.name == name)
    }

    /// Bonded neighbours of every atom, ascending.
    #[must_use]
    pub fn neighbours(&self) -> Vec<Vec<usize>> {
        let mut out = vec![Vec::new(); self.atoms.len()];
        for &[a, b] in &self.bonds {
            out[a].push(b);
            out[b].push(a);
        }
        out.iter_mut().for_each(|n| n.sort_unstable());
        out
    }
}
