//! A molecule as text, one for all files that mean the same: comments, line ends, spaces, the order of attributes and the
//! version that wrote them are gone, and so is what the energy does not depend on.

use std::fmt::Write;

use super::Molecule;
use crate::energy::forcefield::params::{GeneralizedBorn, Nonbonded};

impl Molecule {
    /// Every parameter, name and coordinate, a line each, in the order of the files.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut out = Lines(String::new());
        let field = &self.forcefield;
        for (i, (atom, mass)) in self.topology.atoms.iter().zip(&field.masses).enumerate() {
            let residue = &self.topology.residues[atom.residue];
            let names = [&atom.name, &atom.element, &residue.name, &residue.chain].map(|name| format!("{name:?}"));
            let place = format!("atom {} {} {}", names.join(" "), residue.number, atom.residue);
            out.line(&place, &[], &[*mass, self.start[3 * i], self.start[3 * i + 1], self.start[3 * i + 2]]);
        }
        field.bonds.iter().for_each(|b| out.line("bond", &b.atoms, &[b.k, b.r0]));
        field.angles.iter().for_each(|a| out.line("angle", &a.atoms, &[a.k, a.theta0]));
        for t in &field.torsions {
            out.line(&format!("torsion {}", t.periodicity), &t.atoms, &[t.phase, t.k]);
        }
        for map in &field.cmaps {
            out.line(&format!("cmap {}", map.size), &[], &map.energies);
            map.places.iter().for_each(|place| out.line("cmap at", place.as_flattened(), &[]));
        }
        field.nonbonded.iter().for_each(|n| out.nonbonded(n));
        field.gb.iter().for_each(|gb| out.born(gb));
        out.0
    }
}

struct Lines(String);

impl Lines {
    fn line(&mut self, what: &str, atoms: &[usize], numbers: &[f64]) {
        self.0.push_str(what);
        for i in atoms {
            let _ = write!(self.0, " {i}");
        }
        for x in numbers {
            // No sign on nothing.
            let _ = write!(self.0, " {:?}", x + 0.0);
        }
        self.0.push('\n');
    }

    fn nonbonded(&mut self, n: &Nonbonded) {
        if let Some(cutoff) = n.cutoff {
            self.line("cutoff", &[], &[cutoff.distance, cutoff.dielectric]);
        }
        for ((q, s), e) in n.charges.iter().zip(&n.sigma).zip(&n.epsilon) {
            self.line("nonbonded", &[], &[*q, *s, *e]);
        }
        for e in &n.exceptions {
            self.line("exception", &e.atoms, &[e.charge_product, e.sigma, e.epsilon]);
        }
    }

    fn born(&mut self, gb: &GeneralizedBorn) {
        let solvent = [gb.offset, gb.coulomb, gb.solute, gb.solvent, gb.kappa, gb.surface, gb.probe];
        self.line(if gb.engulfed { "born engulfed" } else { "born" }, &[], &solvent);
        gb.cutoff.iter().for_each(|c| self.line("born cutoff", &[], &[*c]));
        for ((q, o), s) in gb.charges.iter().zip(&gb.offset_radius).zip(&gb.scaled_radius) {
            self.line("born atom", &[], &[*q, *o, *s]);
        }
        gb.tanh.iter().flatten().for_each(|c| self.line("born tanh", &[], c));
        if let Some(neck) = &gb.neck {
            self.line("neck", &neck.kind, &[neck.reach]);
            neck.pairs.iter().for_each(|(depth, centre)| self.line("neck pair", &[], &[*depth, *centre]));
        }
    }
}
