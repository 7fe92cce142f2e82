//! A bias on pairs of dihedrals (phi and psi of a residue), grown by hills as in well-tempered metadynamics (Barducci, Bussi and
//! Parrinello, Phys. Rev. Lett. 100, 020603, 2008), and a potential under it.
//!
//! `V(x) = sum_r S_r(phi_r, psi_r)`: an energy map for each pair, the periodic bicubic spline `S` through a grid over the torus, as
//! CMAP has it. Forces are its slopes. A hill at `(a, b)` adds to the grid, `w` its width,
//!
//! ```text
//! h K,   K = exp((cos(phi - a) + cos(psi - b) - 2)/w^2),   h = h_0 exp(-V(a, b)/D),   D = kT (factor - 1)
//! ```
//!
//! A Gaussian for small `w`, without a kink on the other side of a circle.

use std::f64::consts::TAU;
use std::sync::Arc;

use super::cmap::{self, Map};
use super::params::Cmap;
use crate::energy::Potential;
use crate::energy::lanes::{self, Kernel, Row};
use crate::error::Error;
use crate::real::Real;

/// Grid points in a width: the spline errs by at most some thousandths of a hill.
const POINTS: f64 = 2.0;

/// The atoms of two dihedrals.
pub type Pair = [[usize; 4]; 2];

/// The splines in the scalar type of a kernel, one term each.
struct Splines<T> {
    atoms: usize,
    maps: Vec<Map<T>>,
}

impl<T: Real> Splines<T> {
    /// Adds `sign` times their energies to `e [n]`, and the forces to `f [n, dim]`.
    fn add(&self, sign: T, x: &[T], e: &mut [T], f: &mut [T]) {
        let (mut energies, mut forces) = (vec![T::ZERO; e.len()], vec![T::ZERO; f.len()]);
        lanes::energy_forces(self, x, &mut energies, &mut forces);
        e.iter_mut().zip(energies).for_each(|(e, more)| *e += sign * more);
        f.iter_mut().zip(forces).for_each(|(f, more)| *f += sign * more);
    }
}

impl<T: Real> Kernel<T> for Splines<T> {
    type Scratch = ();

    fn atoms(&self) -> usize {
        self.atoms
    }

    fn terms(&self) -> usize {
        self.maps.len()
    }

    fn scratch(&self) {}

    fn evaluate(&self, (): &mut (), x: &[Row<T>], f: &mut [Row<T>], terms: &mut [Row<T>]) {
        f.fill(Row::ZERO);
        terms.fill(Row::ZERO);
        for (map, term) in self.maps.iter().zip(terms) {
            cmap::add(map, x, f, term);
        }
    }
}

/// Hills on pairs of dihedrals, in the energy unit of the potential that they are added to.
pub struct Bias {
    pairs: Vec<Pair>,
    width: f64,
    /// Points of a circle.
    size: usize,
    /// Energies `[pairs, second dihedral, first dihedral]`, point `i` at `2 pi i/size`.
    grid: Vec<f64>,
    double: Splines<f64>,
    single: Splines<f32>,
}

impl Bias {
    /// No hills yet, in molecules of so many atoms; `width` (rad) is that of hills to come.
    #[must_use]
    pub fn new(atoms: usize, pairs: &[Pair], width: f64) -> Self {
        let size = (POINTS * TAU / width).ceil() as usize;
        Self::from_grid(atoms, pairs, width, vec![0.0; pairs.len() * size * size])
    }

    /// The same with a grid `[pairs, second, first]` of the same size.
    fn from_grid(atoms: usize, pairs: &[Pair], width: f64, grid: Vec<f64>) -> Self {
        let size = (grid.len() / pairs.len().max(1)).isqrt();
        let maps = pairs.iter().zip(grid.chunks_exact(size * size));
        let maps: Vec<Cmap> =
            maps.map(|(pair, energies)| Cmap { size, energies: energies.to_vec(), places: vec![*pair] }).collect();
        Self {
            pairs: pairs.to_vec(),
            width,
            size,
            grid,
            double: Splines { atoms, maps: maps.iter().map(Map::new).collect() },
            single: Splines { atoms, maps: maps.iter().map(Map::new).collect() },
        }
    }

    /// The grid, for checkpoints.
    #[must_use]
    pub fn grid(&self) -> &[f64] {
        &self.grid
    }

    /// The same bias with a saved grid; `None` where it has another size.
    #[must_use]
    pub fn with_grid(&self, grid: Vec<f64>) -> Option<Self> {
        (grid.len() == self.grid.len()).then(|| Self::from_grid(self.double.atoms, &self.pairs, self.width, grid))
    }

    /// With one hill more of each walker on every pair, one walker after another: walkers that stand together pile up no more
    /// than one does that waits. `positions [n, atoms, 3]`, `angles [n, pairs, 2]` the dihedrals there (rad), `height` that of
    /// a hill where there is none, `tempering` the `D` above.
    #[must_use]
    pub fn grown(&self, positions: &[f64], angles: &[f64], height: f64, tempering: f64) -> Self {
        let (pairs, n) = (self.pairs.len(), self.size);
        let mut before = vec![0.0; angles.len() / 2];
        let mut forces = vec![0.0; positions.len()];
        lanes::batch(&self.double, positions, &mut forces, &mut before);
        let angles = angles.as_chunks::<2>().0;
        let mut grid = self.grid.clone();
        for (p, map) in grid.chunks_exact_mut(n * n).enumerate() {
            let mut hills: Vec<([f64; 2], f64)> = Vec::new();
            for (place, v) in angles.iter().zip(&before).skip(p).step_by(pairs) {
                let new: f64 =
                    hills.iter().map(|(at, h)| h * self.bump(place[0] - at[0]) * self.bump(place[1] - at[1])).sum();
                hills.push((*place, height * (-(v + new) / tempering).exp()));
            }
            for ([first, second], h) in hills {
                let along = |centre: f64| -> Vec<f64> {
                    (0..n).map(|i| self.bump(TAU * i as f64 / n as f64 - centre)).collect()
                };
                let (first, second) = (along(first), along(second));
                for (row, b) in map.chunks_exact_mut(n).zip(second) {
                    row.iter_mut().zip(&first).for_each(|(v, a)| *v += h * b * a);
                }
            }
        }
        Self::from_grid(self.double.atoms, &self.pairs, self.width, grid)
    }

    /// One factor of a hill, so far from its centre.
    fn bump(&self, angle: f64) -> f64 {
        ((angle.cos() - 1.0) / self.width.powi(2)).exp()
    }

    /// Adds `sign` times the bias at positions `x [n, atoms, 3]` to energies `e [n]` and forces `f [n, atoms, 3]`.
    pub fn add(&self, sign: f64, x: &[f64], e: &mut [f64], f: &mut [f64]) {
        self.double.add(sign, x, e, f);
    }
}

/// A potential under a bias: energies and forces of both.
pub struct Biased {
    plain: Arc<dyn Potential>,
    bias: Arc<Bias>,
}

impl Biased {
    /// Puts them together.
    #[must_use]
    pub fn new(plain: Arc<dyn Potential>, bias: Arc<Bias>) -> Self {
        Self { plain, bias }
    }
}

impl Potential for Biased {
    fn atoms(&self) -> usize {
        self.plain.atoms()
    }

    fn energy_forces(&self, positions: &[f64], energies: &mut [f64], forces: &mut [f64]) {
        self.plain.energy_forces(positions, energies, forces);
        self.bias.double.add(1.0, positions, energies, forces);
    }

    fn energy_forces_f32(&self, positions: &[f32], energies: &mut [f32], forces: &mut [f32]) {
        self.plain.energy_forces_f32(positions, energies, forces);
        self.bias.single.add(1.0, positions, energies, forces);
    }

    /// Those of the plain potential: the bias is no part of the molecule.
    fn term_names(&self) -> &'static [&'static str] {
        self.plain.term_names()
    }

    fn per_term(&self, positions: &[f64], terms: &mut [f64]) {
        self.plain.per_term(positions, terms);
    }

    fn fault(&self) -> Option<Error> {
        self.plain.fault()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::forcefield::Engine;
    use crate::energy::forcefield::params::{Bond, ForceField};
    use crate::rng::{Draws, Purpose, Stream};
    use crate::systems::dihedrals::dihedral;

    /// A chain with two pairs of dihedrals that share atoms.
    const ATOMS: usize = 6;
    const PAIRS: [Pair; 2] = [[[0, 1, 2, 3], [1, 2, 3, 4]], [[1, 2, 3, 4], [2, 3, 4, 5]]];

    fn draws(purpose: Purpose) -> Draws {
        Stream::new(5, purpose, 0).at(0)
    }

    /// Chains `[n, atoms, 3]` of steps near 1.
    fn chains(n: usize) -> Vec<f64> {
        let mut draws = draws(Purpose::Init);
        let mut x = vec![0.0; 3 * ATOMS * n];
        for frame in x.chunks_exact_mut(3 * ATOMS) {
            for k in 3..3 * ATOMS {
                let step = if k % 3 == (k / 3) % 2 { 1.0 } else { 0.0 };
                frame[k] = frame[k - 3] + step + 0.35 * draws.normal();
            }
        }
        x
    }

    /// Random places on both maps, `[n, pairs, 2]`.
    fn places(n: usize) -> Vec<f64> {
        let mut draws = draws(Purpose::Batch);
        (0..4 * n).map(|_| TAU * draws.uniform() - std::f64::consts::PI).collect()
    }

    fn grown(n: usize, width: f64) -> Bias {
        // Where walkers stand matters to heights alone, and those not with endless tempering.
        Bias::new(ATOMS, &PAIRS, width).grown(&chains(n), &places(n), 1.3, 1e300)
    }

    /// Energies and forces of the bias alone.
    fn alone(bias: &Bias, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut e, mut f) = (vec![0.0; x.len() / (3 * ATOMS)], vec![0.0; x.len()]);
        bias.add(1.0, x, &mut e, &mut f);
        (e, f)
    }

    /// The spline is the sum of the hills, to some thousandths of their height.
    #[test]
    fn bias_is_the_sum_of_its_hills() {
        let (n, width) = (7, 0.35);
        let (bias, x) = (grown(n, width), chains(200));
        let mut largest: f64 = 0.0;
        for (x, e) in x.chunks_exact(3 * ATOMS).zip(alone(&bias, &x).0) {
            let hills = places(n);
            let hills = hills.as_chunks::<2>().0.iter().enumerate().map(|(i, hill)| {
                let [a, b] = PAIRS[i % 2].map(|atoms| dihedral(x, atoms));
                1.3 * (((a - hill[0]).cos() + (b - hill[1]).cos() - 2.0) / (width * width)).exp()
            });
            let want: f64 = hills.sum();
            largest = largest.max(want);
            assert!((e - want).abs() < 3e-3, "{e} {want}");
        }
        assert!(largest > 0.5, "{largest}: no frame is near a hill");
    }

    /// Forces are the slopes of the energies; single precision agrees; the plain potential is in it.
    #[test]
    fn forces_of_a_biased_potential() {
        let bonds = (0..ATOMS - 1).map(|i| Bond { atoms: [i, i + 1], k: 7.0, r0: 1.0 }).collect();
        let plain = Engine::new(&ForceField { masses: vec![1.0; ATOMS], bonds, ..ForceField::default() });
        let n = 20;
        let x = chains(n);
        let evaluate = |potential: &dyn Potential, x: &[f64]| {
            let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
            potential.energy_forces(x, &mut e, &mut f);
            (e, f)
        };
        let (bare, _) = evaluate(&plain, &x);
        let biased = Biased::new(Arc::new(plain), Arc::new(grown(40, 0.5)));
        let (e, f) = evaluate(&biased, &x);
        let moved = e.iter().zip(&bare).filter(|(e, bare)| *e - *bare > 0.5).count();
        assert!(moved > n / 2, "{moved} frames feel the bias");
        let h = 1e-5;
        for k in 0..3 * ATOMS {
            let shifted = |h: f64| {
                let mut x = x.clone();
                x.chunks_exact_mut(3 * ATOMS).for_each(|frame| frame[k] += h);
                evaluate(&biased, &x).0
            };
            let (up, down) = (shifted(h), shifted(-h));
            for i in 0..n {
                let (slope, force) = ((down[i] - up[i]) / (2.0 * h), f[i * 3 * ATOMS + k]);
                assert!((slope - force).abs() < 1e-5 * (1.0 + force.abs()), "frame {i}, {k}: {slope} {force}");
            }
        }
        let single: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let (mut e32, mut f32_) = (vec![0.0; n], vec![0.0; x.len()]);
        biased.energy_forces_f32(&single, &mut e32, &mut f32_);
        let near = |a: f32, b: f64| (f64::from(a) - b).abs() < 2e-4 * (1.0 + b.abs());
        assert!(e32.iter().zip(&e).all(|(a, b)| near(*a, *b)) && f32_.iter().zip(&f).all(|(a, b)| near(*a, *b)));
    }

    /// Hills at one place: `V` after n of them is `D ln(1 + n h/D)` for small hills (Barducci, Bussi and Parrinello, eq. 3), whether
    /// one walker adds them in turn or many at once. Plain metadynamics would be at `n h`, four times as high.
    #[test]
    fn well_tempered_heights() {
        let x = chains(1);
        let places: Vec<f64> = PAIRS.as_flattened().iter().map(|&atoms| dihedral(&x, atoms)).collect();
        let (height, tempering, n) = (0.02, 1.0, 480);
        let want = tempering * (1.0 + f64::from(n) * height / tempering).ln();
        for together in [1, 60] {
            let (x, places) = (x.repeat(together), places.repeat(together));
            let mut bias = Bias::new(ATOMS, &PAIRS, 0.4);
            for _ in 0..n as usize / together {
                bias = bias.grown(&x, &places, height, tempering);
            }
            let v = alone(&bias, &x).0[0] / 2.0; // two pairs, each with as much
            assert!((v - want).abs() < 0.01 * want, "{together} walkers: {v}, expected {want}");
        }
    }

    /// A grid of another size is refused; the right one gives the same bias to the bit.
    #[test]
    fn grids_are_restored() {
        let (bias, x) = (grown(9, 0.35), chains(5));
        let again = Bias::new(ATOMS, &PAIRS, 0.35).with_grid(bias.grid().to_vec()).unwrap();
        assert_eq!(alone(&again, &x), alone(&bias, &x));
        assert!(Bias::new(ATOMS, &PAIRS, 0.5).with_grid(bias.grid().to_vec()).is_none());
    }
}
