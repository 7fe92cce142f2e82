//! The force field as a potential: tables in both precisions, and the order of the passes over a block of frames.

use super::bonded::Bonded;
use super::born::{Born, BornRows};
use super::cmap::{self, Map};
use super::pairs::{PairRows, Pairs, tiles};
use super::params::{ForceField, GeneralizedBorn};
use crate::energy::Potential;
use crate::energy::lanes::{self, Kernel, Row, Sum};
use crate::energy::langevin::{self, Dynamics, Walkers};
use crate::energy::tables;
use crate::real::Real;

/// Names of the terms, in order. Energy maps of two dihedrals (CMAP) count as torsions.
pub const TERMS: [&str; 5] = ["bond", "angle", "torsion", "nonbonded", "gb"];

/// A force field ready to be evaluated, in f64 (reference) and f32 (production).
pub struct Engine {
    parameters: ForceField,
    double: Tables<f64>,
    single: Tables<f32>,
}

impl Engine {
    /// Prepares both precisions.
    #[must_use]
    pub fn new(ff: &ForceField) -> Self {
        Self { parameters: ff.clone(), double: Tables::new(ff), single: Tables::new(ff) }
    }

    /// Floating-point operations of one f32 evaluation with forces, counted from the loops as if all pairs were within the
    /// cutoff (a fused multiply-add is two; divisions and square roots one; comparisons and selections none). Per pair: distance
    /// 12, Lennard-Jones and Coulomb 22, descreening 2 x 69 + 4 (26 of the 69 in the logarithm), solvation energy 48 (22 in the
    /// exponential), chain rule 4, forces 12. Per bond 25, angle 90, torsion 140 and 14 more for every periodicity, energy map of
    /// two torsions 400, Born radius 60.
    #[must_use]
    pub fn flops(&self) -> u64 {
        let t = &self.single;
        let (direct, all) = (t.pairs.direct() as u64, t.pairs.atoms.len() as u64);
        let solvation = if t.born.is_some() { (2 * 69 + 4 + 48 + 4) * all + 60 * t.atoms as u64 } else { 0 };
        let (bonds, angles, torsions, periods) = t.bonded.counts();
        let places: usize = t.cmaps.iter().map(|map| map.places.len()).sum();
        24 * all
            + 22 * direct
            + solvation
            + 25 * bonds
            + 90 * angles
            + 140 * torsions
            + 14 * periods
            + 400 * places as u64
    }
}

/// The parameters in one precision.
pub struct Tables<T> {
    atoms: usize,
    bonded: Bonded<T>,
    cmaps: Vec<Map<T>>,
    pairs: Pairs<T>,
    born: Option<Born<T>>,
}

impl<T: Real> Tables<T> {
    fn new(ff: &ForceField) -> Self {
        let (bonded, cmaps) = (Bonded::new(ff), ff.cmaps.iter().map(Map::new).collect());
        Self { atoms: ff.atoms(), bonded, cmaps, pairs: Pairs::new(ff), born: ff.gb.as_ref().map(Born::new) }
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
        self.cmaps.iter().for_each(|map| cmap::add(map, x, f, &mut terms[2]));
        let (pairs, rows, radii) = (&self.pairs.atoms, &mut scratch.pairs, &mut scratch.born);
        let mut sum = Sum::ZERO;
        radii.integral.fill(Row::ZERO);
        for tile in tiles(pairs.len()) {
            if self.pairs.start(&tile, x, rows, &mut sum)
                && let Some(born) = &self.born
            {
                born.descreen(&tile, pairs, rows, radii);
            }
        }
        sum.end(&mut terms[3]);
        if let Some(born) = &self.born {
            born.add(pairs, rows, radii, &mut terms[4]);
        }
        for (t, tile) in tiles(pairs.len()).enumerate() {
            if rows.far[t] {
                continue;
            }
            if let Some(born) = &self.born {
                born.chain(&tile, pairs, rows, radii);
            }
            self.pairs.finish(&tile, x, rows, f);
        }
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
        langevin::run(&self.single, &self.double, walkers, dynamics, steps);
    }

    fn term_names(&self) -> &'static [&'static str] {
        &TERMS
    }

    fn per_term(&self, positions: &[f64], terms: &mut [f64]) {
        let mut forces = vec![0.0; positions.len()];
        lanes::batch(&self.double, positions, &mut forces, terms);
    }

    fn tables(&self) -> Option<tables::Tables> {
        // Of generalised Born the kernels know OBC alone, and no energy maps.
        let obc = self.parameters.gb.as_ref().is_none_or(GeneralizedBorn::is_obc);
        (obc && self.parameters.cmaps.is_empty()).then(|| tables::Tables::forcefield(&self.parameters, self.flops()))
    }
}
