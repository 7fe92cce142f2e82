//! Z-matrices: which atom is placed by which three others.
//!
//! Capped alanine dipeptide has the published matrix of TA-BG. Other molecules get one from their topology: the peptide
//! backbone from N to C, then residue by residue what hangs on it, hydrogens of one methyl or amino group relative to the
//! first of them; then whatever is left, along the bonds.

use crate::error::{Error, Result};
use crate::systems::Topology;

/// A Z-matrix over `atoms` atoms; the row of an atom is the index of its torsion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZMatrix {
    /// The first three atoms `x0, x1, x2`: bond 0 is `x0 x1`, bond 1 `x1 x2`, angle 0 the one at `x1`.
    pub seed: [usize; 3],
    /// `[atom, bonded to, angle with, torsion with]`.
    pub rows: Vec<[usize; 4]>,
    /// Rows in an order in which every row's references are placed before it.
    pub order: Vec<usize>,
}

/// Names of ACE-ALA-NME in the order of the published matrix.
const DIPEPTIDE: [&str; 22] = [
    "HH31", "CH3", "HH32", "HH33", "C", "O", "N", "H", "CA", "HA", "CB", "HB1", "HB2", "HB3", "C", "O", "N", "H",
    "CH3", "HH31", "HH32", "HH33",
];

/// Its rows, as published (`aimat-lab/TA-BG`, from `noegroup/bgmol`): phi is torsion 4, psi torsion 11.
const DIPEPTIDE_ROWS: [[usize; 4]; 19] = [
    [0, 1, 4, 6],
    [1, 4, 6, 8],
    [2, 1, 4, 0],
    [3, 1, 4, 0],
    [4, 6, 8, 14],
    [5, 4, 6, 8],
    [7, 6, 8, 4],
    [11, 10, 8, 6],
    [12, 10, 8, 11],
    [13, 10, 8, 11],
    [15, 14, 8, 16],
    [16, 14, 8, 6],
    [17, 16, 14, 15],
    [18, 16, 14, 8],
    [19, 18, 16, 14],
    [20, 18, 16, 19],
    [21, 18, 16, 19],
    [9, 8, 6, 14],
    [10, 8, 14, 6],
];

impl ZMatrix {
    /// A matrix from its seed and rows.
    ///
    /// # Errors
    /// [`Error::Usage`] when some atom is not placed exactly once after its references.
    pub fn new(seed: [usize; 3], rows: Vec<[usize; 4]>) -> Result<Self> {
        let atoms = rows.len() + 3;
        let mut placed = vec![false; atoms];
        let mut order = Vec::with_capacity(rows.len());
        for atom in seed {
            *placed.get_mut(atom).ok_or_else(|| broken(atom))? = true;
        }
        while order.len() < rows.len() {
            let ready = |&row: &usize| {
                let [atom, b, a, t] = rows[row];
                let distinct = b != a && a != t && b != t;
                let known = |i: usize| placed.get(i) == Some(&true);
                distinct && placed.get(atom) == Some(&false) && known(b) && known(a) && known(t)
            };
            let Some(next) = (0..rows.len()).filter(|row| !order.contains(row)).find(ready) else {
                let stuck = (0..rows.len()).find(|row| !order.contains(row)).map_or(0, |row| rows[row][0]);
                return Err(broken(stuck));
            };
            placed[rows[next][0]] = true;
            order.push(next);
        }
        Ok(Self { seed, rows, order })
    }

    /// The Z-matrix of a molecule.
    ///
    /// # Errors
    /// [`Error::Usage`] when it has fewer than four atoms or is not connected by its bonds.
    pub fn of(topology: &Topology) -> Result<Self> {
        let names: Vec<&str> = topology.atoms.iter().map(|a| a.name.as_str()).collect();
        let residues: Vec<&str> = topology.residues.iter().map(|r| r.name.as_str()).collect();
        if names == DIPEPTIDE && residues == ["ACE", "ALA", "NME"] {
            return Self::new([14, 8, 6], DIPEPTIDE_ROWS.to_vec());
        }
        Builder::new(topology)?.build()
    }

    /// Atoms.
    #[must_use]
    pub fn atoms(&self) -> usize {
        self.rows.len() + 3
    }
}

fn broken(atom: usize) -> Error {
    Error::Usage(format!("Z-matrix: atom {atom} cannot be placed from three other atoms that come before it"))
}

/// Rows found so far.
struct Builder<'a> {
    topology: &'a Topology,
    neighbours: Vec<Vec<usize>>,
    seed: [usize; 3],
    rows: Vec<[usize; 4]>,
    placed: Vec<bool>,
}

impl<'a> Builder<'a> {
    fn new(topology: &'a Topology) -> Result<Self> {
        let neighbours = topology.neighbours();
        let heavy = |i: usize| !topology.atoms[i].is_hydrogen();
        let peptide = (0..topology.residues.len())
            .find_map(|r| Some([topology.find(r, "N")?, topology.find(r, "CA")?, topology.find(r, "C")?]));
        let any = |all: bool| {
            let atoms = 0..topology.atoms.len();
            atoms.filter(|&b| all || heavy(b)).find_map(|b| {
                let mut ends = neighbours[b].iter().copied().filter(|&i| all || heavy(i));
                Some([ends.next()?, b, ends.next()?])
            })
        };
        let seed = peptide.or_else(|| any(false)).or_else(|| any(true));
        let seed = seed.ok_or_else(|| Error::Usage("Z-matrix: the molecule has no two bonds at one atom".into()))?;
        let mut placed = vec![false; topology.atoms.len()];
        seed.iter().for_each(|&i| placed[i] = true);
        Ok(Self { topology, neighbours, seed, rows: Vec::new(), placed })
    }

    fn build(mut self) -> Result<ZMatrix> {
        let residues = self.topology.residues.len();
        for r in 1..residues {
            self.name(r, "N", [(r - 1, "C"), (r - 1, "CA"), (r - 1, "N")]);
            self.name(r, "CA", [(r, "N"), (r - 1, "C"), (r - 1, "CA")]);
            self.name(r, "C", [(r, "CA"), (r, "N"), (r - 1, "C")]);
        }
        for r in 0..residues {
            self.name(r, "CB", [(r, "CA"), (r, "C"), (r, "N")]);
            self.name(r, "O", [(r, "C"), (r, "CA"), (r + 1, "N")]);
            self.name(r, "HA", [(r, "CA"), (r, "N"), (r, "C")]);
            if r > 0 {
                self.name(r, "H", [(r, "N"), (r, "CA"), (r - 1, "C")]);
            }
            self.name(r, "HB1", [(r, "CB"), (r, "CA"), (r, "N")]);
            self.name(r, "HB2", [(r, "CB"), (r, "CA"), (r, "HB1")]);
            self.name(r, "HB3", [(r, "CB"), (r, "CA"), (r, "HB1")]);
            self.name(r, "H1", [(r, "N"), (r, "CA"), (r, "C")]);
            self.name(r, "H2", [(r, "N"), (r, "CA"), (r, "H1")]);
            self.name(r, "H3", [(r, "N"), (r, "CA"), (r, "H1")]);
            if r + 1 == residues {
                self.name(r, "O", [(r, "C"), (r, "CA"), (r, "N")]);
                self.name(r, "OXT", [(r, "C"), (r, "CA"), (r, "O")]);
            }
        }
        while self.along_bonds() {}
        match self.placed.iter().position(|p| !p) {
            None => ZMatrix::new(self.seed, self.rows),
            Some(atom) => Err(Error::Usage(format!(
                "Z-matrix: atom {atom} ({}) is not connected to the rest by bonds; one molecule is expected",
                self.topology.atoms[atom].name
            ))),
        }
    }

    /// Places an atom by names, if all four exist, its references are placed and it is bonded to the first of them.
    fn name(&mut self, residue: usize, atom: &str, references: [(usize, &str); 3]) {
        let Some(atom) = self.topology.find(residue, atom) else { return };
        let found = references.map(|(r, name)| self.topology.find(r, name).filter(|&i| self.placed[i]));
        if let [Some(b), Some(a), Some(t)] = found
            && !self.placed[atom]
            && self.neighbours[atom].contains(&b)
        {
            self.push([atom, b, a, t]);
        }
    }

    fn push(&mut self, row: [usize; 4]) {
        self.placed[row[0]] = true;
        self.rows.push(row);
    }

    /// Places one more atom beside a placed one; false when there is none.
    fn along_bonds(&mut self) -> bool {
        for atom in (0..self.placed.len()).filter(|&i| !self.placed[i]) {
            let heavy = |i: &usize| !self.topology.atoms[*i].is_hydrogen();
            let placed = |of: usize| self.neighbours[of].iter().copied().filter(|&i| self.placed[i]);
            for b in placed(atom) {
                // The angle at `b` is with a heavy atom where there is one.
                let Some(a) = placed(b).find(heavy).or_else(|| placed(b).next()) else { continue };
                // Siblings on `b` come first: a hydrogen is placed relative to another one of its group.
                let sibling = self.rows.iter().find(|row| row[1] == b && row[2] == a).map(|row| row[0]);
                // Beside another placed neighbour of `b` the torsion tells on which side of both the atom is.
                let beside = placed(b).find(|&t| t != a);
                let t = sibling.or(beside).or_else(|| placed(a).find(|&t| t != b));
                if let Some(t) = t {
                    self.push([atom, b, a, t]);
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::topology::{Atom, Residue};

    fn molecule(elements: &[&str], bonds: &[[usize; 2]]) -> Topology {
        let atom = |e: &&str| Atom { name: (*e).to_owned(), element: (*e).to_owned(), residue: 0 };
        Topology {
            atoms: elements.iter().map(atom).collect(),
            residues: vec![Residue { name: "LIG".into(), number: 1, chain: "A".into() }],
            bonds: bonds.to_vec(),
            rest: Vec::new(),
        }
    }

    /// Ethanol: no template fits, every atom is placed along the bonds.
    #[test]
    fn any_molecule_along_its_bonds() {
        let ethanol = molecule(
            &["C", "C", "O", "H", "H", "H", "H", "H", "H"],
            &[[0, 1], [1, 2], [0, 3], [0, 4], [0, 5], [1, 6], [1, 7], [2, 8]],
        );
        let z = ZMatrix::of(&ethanol).unwrap();
        assert_eq!(z.seed, [0, 1, 2]);
        assert_eq!(z.rows, [[3, 0, 1, 2], [4, 0, 1, 3], [5, 0, 1, 3], [6, 1, 0, 2], [7, 1, 0, 6], [8, 2, 1, 0]]);
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        let apart = molecule(&["C", "C", "O", "H", "H"], &[[0, 1], [1, 2], [3, 4]]);
        assert!(ZMatrix::of(&apart).unwrap_err().to_string().contains("not connected"));
        assert!(ZMatrix::of(&molecule(&["H", "H"], &[[0, 1]])).is_err());
        assert!(ZMatrix::new([0, 1, 2], vec![[3, 4, 1, 0], [4, 3, 1, 0]]).is_err(), "each waits for the other");
        assert!(ZMatrix::new([0, 1, 2], vec![[3, 2, 2, 0]]).is_err(), "an atom twice");
    }
}
