//! The force field as a potential: tables in both precisions, and the order of the passes over a block of frames.

use super::bonded::Bonded;
use super::born::{Born, BornRows};
use super::pairs::{PairRows, Pairs};
use super::params::ForceField;
use crate::energy::Potential;
use crate::energy::lanes::{self, Kernel, Row};
use crate::energy::langevin::{self, Dynamics, Precision, Walkers};
use crate::real::Real;

/// Names of the terms, in order.
pub const TERMS: [&str; 5] = ["bond", "angle", "torsion", "nonbonded", "gb"];

/// A force field ready to be evaluated, in f64 (reference) and f32 (production).
pub struct Engine {
    double: Tables<f64>,
    single: Tables<f32>,
}

impl Engine {
    /// Prepares both precisions.
    #[must_use]
    pub fn new(ff: &ForceField) -> Self {
        Self { double: Tables::new(ff), single: Tables::new(ff) }
    }
}

/// The parameters in one precision.
pub struct Tables<T> {
    atoms: usize,
    bonded: Bonded<T>,
    pairs: Pairs<T>,
    born: Option<Born<T>>,
}

impl<T: Real> Tables<T> {
    fn new(ff: &ForceField) -> Self {
        Self { atoms: ff.atoms(), bonded: Bonded::new(ff), pairs: Pairs::new(ff), born: ff.gb.as_ref().map(Born::new) }
    }
}

/// Memory of one thread.
pub struct Scratch<T> {
    pairs: PairRows<T>,
    born: BornRows<T>,
}

impl<T: Real> Kernel<T> for Tables<T> {
    type Scratch = Scratch<T>;

    fn atoms(&self) -> usize {
        self.atoms
    }

    fn terms(&self) -> usize {
        TERMS.len()
    }

    fn scratch(&self) -> Scratch<T> {
        let n = self.pairs.atoms.len();
        Scratch { pairs: PairRows::new(n), born: BornRows::new(self.atoms, n) }
    }

    fn evaluate(&self, scratch: &mut Scratch<T>, x: &[Row<T>], f: &mut [Row<T>], terms: &mut [Row<T>]) {
        f.fill(Row::ZERO);
        terms.fill(Row::ZERO);
        self.bonded.add(x, f, terms);
        self.pairs.start(x, &mut scratch.pairs, &mut terms[3]);
        if let Some(born) = &self.born {
            born.add(&self.pairs.atoms, &mut scratch.pairs, &mut scratch.born, &mut terms[4]);
        }
        self.pairs.finish(x, &scratch.pairs, f);
    }
}

impl Potential for Engine {
    fn atoms(&self) -> usize {
        self.double.atoms
    }

    fn energy_forces(&self, positions: &[f64], energies: &mut [f64], forces: &mut [f64]) {
        lanes::energy_forces(&self.double, positions, energies, forces);
    }

    fn energy_forces_f32(&self, positions: &[f32], energies: &mut [f32], forces: &mut [f32]) {
        lanes::energy_forces(&self.single, positions, energies, forces);
    }

    fn langevin(&self, walkers: Walkers<'_>, dynamics: &Dynamics<'_>, steps: usize) {
        match dynamics.precision {
            Precision::F32 => langevin::run(&self.single, walkers, dynamics, steps),
            Precision::F64 => langevin::run(&self.double, walkers, dynamics, steps),
        }
    }

    fn term_names(&self) -> &'static [&'static str] {
        &TERMS
    }

    fn per_term(&self, positions: &[f64], terms: &mut [f64]) {
        let mut forces = vec![0.0; positions.len()];
        lanes::batch(&self.double, positions, &mut forces, terms);
    }
}
