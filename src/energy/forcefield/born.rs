//! Generalised Born solvation of one block of frames, in three passes: descreening integrals by pairs, Born radii by
//! atoms, energies by pairs; then the chain rule back to the distances.

use std::ops::Range;

use multiversion::multiversion;

use super::pairs::{PairRows, tiles};
use super::params;
use crate::energy::lanes::{LANES, Row, Sum};
use crate::real::Real;

/// The parameters in the scalar type of a kernel.
pub(super) struct Born<T> {
    atoms: Vec<Atom<T>>,
    /// Coefficients of the tanh by atom; `None` for `1/B = 1/o - I`.
    tanh: Option<Vec<[T; 3]>>,
    necks: Option<params::Neck<T>>,
    offset: T,
    /// `tau = coulomb (1/solute - 1/solvent)`.
    tau: T,
    salt: Option<Salt<T>>,
    surface: T,
    probe: T,
    /// Cutoff; infinite for none.
    cutoff: T,
    /// Subtracted from `1/f`.
    shift: T,
    engulfed: bool,
}

/// `tau(f) = inside - outside exp(-kappa f)`.
#[derive(Clone, Copy)]
struct Salt<T> {
    inside: T,
    outside: T,
    kappa: T,
}

impl<T: Real> Salt<T> {
    /// `tau` and its derivative at `f`.
    #[inline(always)]
    fn tau(&self, f: T) -> (T, T) {
        let screened = self.outside * (-(self.kappa * f)).exp();
        (self.inside - screened, self.kappa * screened)
    }
}

struct Atom<T> {
    charge: T,
    offset_radius: T,
    scaled_radius: T,
}

/// What the passes leave for one another.
pub(super) struct BornRows<T> {
    /// `dI_i/dr / r` by pair, i the first atom; then `dI_j/dr / r`.
    inner: Vec<[Row<T>; 2]>,
    /// `I`, zero before the first tile and later `dE/dI`, by atom.
    pub integral: Vec<Row<T>>,
    /// `B` by atom.
    radius: Vec<Row<T>>,
    /// `1/B` by atom.
    inv_radius: Vec<Row<T>>,
    /// `dE/dB` by atom.
    pull: Vec<Row<T>>,
    /// `dB/dI` by atom.
    gain: Vec<Row<T>>,
}

impl<T: Real> BornRows<T> {
    /// Memory for this many atoms and pairs.
    pub(super) fn new(atoms: usize, pairs: usize) -> Self {
        let rows = || vec![Row::ZERO; atoms];
        Self {
            inner: vec![[Row::ZERO; 2]; pairs],
            integral: rows(),
            radius: rows(),
            inv_radius: rows(),
            pull: rows(),
            gain: rows(),
        }
    }
}

impl<T: Real> Born<T> {
    /// Prepares the parameters.
    pub(super) fn new(gb: &params::GeneralizedBorn) -> Self {
        let t = T::from_f64;
        let atoms = (0..gb.charges.len()).map(|i| Atom {
            charge: t(gb.charges[i]),
            offset_radius: t(gb.offset_radius[i]),
            scaled_radius: t(gb.scaled_radius[i]),
        });
        Self {
            atoms: atoms.collect(),
            tanh: gb.tanh.as_ref().map(|tanh| tanh.iter().map(|c| c.map(t)).collect()),
            necks: gb.neck.as_ref().map(|neck| params::Neck {
                kind: neck.kind.clone(),
                pairs: neck.pairs.iter().map(|&(depth, centre)| (t(depth), t(centre))).collect(),
                reach: t(neck.reach),
            }),
            offset: t(gb.offset),
            tau: t(gb.coulomb * (1.0 / gb.solute - 1.0 / gb.solvent)),
            salt: (gb.kappa != 0.0).then(|| Salt {
                inside: t(gb.coulomb / gb.solute),
                outside: t(gb.coulomb / gb.solvent),
                kappa: t(gb.kappa),
            }),
            surface: t(gb.surface),
            probe: t(gb.probe),
            cutoff: t(gb.cutoff.unwrap_or(f64::INFINITY)),
            shift: t(gb.cutoff.map_or(0.0, f64::recip)),
            engulfed: gb.engulfed,
        }
    }

    /// Adds what the pairs of a tile descreen, at distances that [`Pairs::start`](super::pairs::Pairs::start) left.
    pub(super) fn descreen(
        &self,
        tile: &Range<usize>,
        pairs: &[[usize; 2]],
        rows: &PairRows<T>,
        born: &mut BornRows<T>,
    ) {
        if self.engulfed {
            descreen::<T, true>(self, tile, pairs, rows, born);
        } else {
            descreen::<T, false>(self, tile, pairs, rows, born);
        }
        if let Some(necks) = &self.necks {
            bridge((self, necks), tile, pairs, rows, born);
        }
    }

    /// Adds the energy, and its direct part of `dE/dr / r` to the slopes of the pairs.
    pub(super) fn add(
        &self,
        pairs: &[[usize; 2]],
        rows: &mut PairRows<T>,
        born: &mut BornRows<T>,
        energy: &mut Row<T>,
    ) {
        match &self.tanh {
            Some(tanh) => radii(self, tanh, born, energy),
            None => bare_radii(self, born, energy),
        }
        if let Some(salt) = &self.salt {
            screen(self, salt, born, energy);
        }
        let mut sum = Sum::ZERO;
        for (t, tile) in tiles(pairs.len()).enumerate() {
            if rows.far[t] {
                sum.added(tile.end - 1);
            } else if self.salt.is_some() {
                interact::<T, true>(self, &tile, pairs, rows, born, &mut sum);
            } else {
                interact::<T, false>(self, &tile, pairs, rows, born, &mut sum);
            }
        }
        sum.end(energy);
        by_integral(born);
    }

    /// Adds to the slopes of a tile what comes through the radii.
    pub(super) fn chain(&self, tile: &Range<usize>, pairs: &[[usize; 2]], rows: &mut PairRows<T>, born: &BornRows<T>) {
        chain(&pairs[tile.clone()], &mut rows.slope[tile.clone()], &born.inner[tile.clone()], &born.integral);
    }
}

/// What atom j takes from the integral of atom i at distance `r`, and its derivative by `r`.
#[inline(always)]
fn piece<T: Real, const ENGULFED: bool>(o: T, s: T, r: T, inv_r: T) -> (T, T) {
    let (half, quarter, two) = (T::from_f64(0.5), T::from_f64(0.25), T::from_f64(2.0));
    let d = r - s;
    let apart = d.abs();
    let upper = r + s;
    let buried = o > apart;
    let lower = if buried { o } else { apart };
    let sign = if d > T::ZERO { T::ONE } else { -T::ONE };
    let moves = if buried { T::ZERO } else { sign };
    // One division for both: 1/L = U / (L U).
    let inv = T::ONE / (lower * upper);
    let (inv_l, inv_u) = (upper * inv, lower * inv);
    let log = (lower * inv_u).ln();
    let (l2, u2) = (inv_l * inv_l, inv_u * inv_u);
    let ratio = s * s * inv_r;
    let squares = u2 - l2;
    let w = quarter * (r - ratio);
    let mut value = inv_l - inv_u + w * squares + half * log * inv_r;
    let mut slope = u2 - moves * l2
        + quarter * ratio.fma(inv_r, T::ONE) * squares
        + two * w * (moves * l2 * inv_l - u2 * inv_u)
        + half * inv_r * (moves * inv_l - inv_u - log * inv_r);
    if ENGULFED {
        let swallowed = o < s - r;
        value += if swallowed { two * (T::ONE / o - inv_l) } else { T::ZERO };
        slope += if swallowed { -(two * l2) } else { T::ZERO };
    }
    let touches = upper > o;
    (if touches { half * value } else { T::ZERO }, if touches { half * slope } else { T::ZERO })
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn descreen<T: Real, const ENGULFED: bool>(
    gb: &Born<T>,
    tile: &Range<usize>,
    pairs: &[[usize; 2]],
    rows: &PairRows<T>,
    born: &mut BornRows<T>,
) {
    for p in tile.clone() {
        let [i, j] = pairs[p];
        let (a, b) = (&gb.atoms[i], &gb.atoms[j]);
        let (r, inv_r) = (&rows.r[p], &rows.inv_r[p - tile.start]);
        let (mut to_i, mut to_j) = (Row::ZERO, Row::ZERO);
        let [inner_i, inner_j] = &mut born.inner[p];
        for l in 0..LANES {
            let (r, inv) = (r.0[l], inv_r.0[l]);
            let (value_i, slope_i) = piece::<T, ENGULFED>(a.offset_radius, b.scaled_radius, r, inv);
            let (value_j, slope_j) = piece::<T, ENGULFED>(b.offset_radius, a.scaled_radius, r, inv);
            let inside = r < gb.cutoff;
            to_i.0[l] = if inside { value_i } else { T::ZERO };
            to_j.0[l] = if inside { value_j } else { T::ZERO };
            inner_i.0[l] = if inside { slope_i * inv } else { T::ZERO };
            inner_j.0[l] = if inside { slope_j * inv } else { T::ZERO };
        }
        born.integral[i].add(&to_i);
        born.integral[j].add(&to_j);
    }
}

/// Adds the necks between neighbouring spheres to the integrals.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn bridge<T: Real>(
    (gb, necks): (&Born<T>, &params::Neck<T>),
    tile: &Range<usize>,
    pairs: &[[usize; 2]],
    rows: &PairRows<T>,
    born: &mut BornRows<T>,
) {
    let (two, six) = (T::from_f64(2.0), T::from_f64(6.0));
    let (square, sixth) = (T::from_f64(100.0), T::from_f64(3e5));
    let rho = |i: usize| gb.atoms[i].offset_radius + gb.offset;
    let kinds = necks.pairs.len().isqrt();
    for p in tile.clone() {
        let [i, j] = pairs[p];
        let (ki, kj) = (necks.kind[i], necks.kind[j]);
        let reach = rho(i) + rho(j) + necks.reach;
        let (r, inv_r) = (&rows.r[p], &rows.inv_r[p - tile.start]);
        for (side, atom, (depth, centre)) in
            [(0, i, necks.pairs[ki * kinds + kj]), (1, j, necks.pairs[kj * kinds + ki])]
        {
            let (inner, integral) = (&mut born.inner[p][side], &mut born.integral[atom]);
            for l in 0..LANES {
                let r = r.0[l];
                let inside = r < reach && r < gb.cutoff;
                let x = r - centre;
                let x2 = x * x;
                let x4 = x2 * x2;
                let shape = T::ONE / (T::ONE + square * x2 + sixth * x4 * x2);
                let value = if inside { depth * shape } else { T::ZERO };
                integral.0[l] += value;
                // d shape / dr = -shape^2 (200 x + 6 3e5 x^5)
                inner.0[l] -= value * shape * (two * square * x + six * sixth * x4 * x) * inv_r.0[l];
            }
        }
    }
}

/// What salt changes of the energies of single charges.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn screen<T: Real>(gb: &Born<T>, salt: &Salt<T>, born: &mut BornRows<T>, energy: &mut Row<T>) {
    let mut sum = Sum::ZERO;
    for (i, atom) in gb.atoms.iter().enumerate() {
        let square = T::from_f64(0.5) * atom.charge * atom.charge;
        for l in 0..LANES {
            let (b, inv_b) = (born.radius[i].0[l], born.inv_radius[i].0[l]);
            let (tau, slope) = salt.tau(b);
            sum.part.0[l] += square * (gb.tau - tau) * inv_b;
            born.pull[i].0[l] += square * ((tau - gb.tau) * inv_b - slope) * inv_b;
        }
        sum.added(i);
    }
    sum.end(energy);
}

/// Own terms of atom `i` in lane `l`, whose Born radius is `1 / inv_b`; gives the radius and their energy.
#[inline(always)]
fn alone<T: Real>(gb: &Born<T>, born: &mut BornRows<T>, (i, l): (usize, usize), inv_b: T) -> (T, T) {
    let (half, six) = (T::from_f64(0.5), T::from_f64(6.0));
    let atom = &gb.atoms[i];
    let rho = atom.offset_radius + gb.offset;
    let charge = half * gb.tau * atom.charge * atom.charge;
    let reach = rho + gb.probe;
    let surface = gb.surface * reach * reach;
    let b = T::ONE / inv_b;
    let ratio = rho * inv_b;
    let ratio2 = ratio * ratio;
    let ace = surface * ratio2 * ratio2 * ratio2;
    born.radius[i].0[l] = b;
    born.inv_radius[i].0[l] = inv_b;
    born.pull[i].0[l] = (charge * inv_b - six * ace) * inv_b;
    (b, ace - charge * inv_b)
}

/// Born radii of HCT: `1/B = 1/o - I`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn bare_radii<T: Real>(gb: &Born<T>, born: &mut BornRows<T>, energy: &mut Row<T>) {
    let mut sum = Sum::ZERO;
    for (i, atom) in gb.atoms.iter().enumerate() {
        let inv_o = T::ONE / atom.offset_radius;
        for l in 0..LANES {
            let inv_b = inv_o - born.integral[i].0[l];
            let (b, energy) = alone(gb, born, (i, l), inv_b);
            sum.part.0[l] += energy;
            born.gain[i].0[l] = b * b;
        }
        sum.added(i);
    }
    sum.end(energy);
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn radii<T: Real>(gb: &Born<T>, tanh: &[[T; 3]], born: &mut BornRows<T>, energy: &mut Row<T>) {
    let (two, three) = (T::from_f64(2.0), T::from_f64(3.0));
    let mut sum = Sum::ZERO;
    for (i, (atom, &[alpha, beta, gamma])) in gb.atoms.iter().zip(tanh).enumerate() {
        let o = atom.offset_radius;
        let (inv_o, inv_rho) = (T::ONE / o, T::ONE / (o + gb.offset));
        for l in 0..LANES {
            let psi = born.integral[i].0[l] * o;
            let u = psi * (alpha + psi * (gamma * psi - beta));
            let tanh = u.tanh();
            let inv_b = inv_o - tanh * inv_rho;
            let (b, energy) = alone(gb, born, (i, l), inv_b);
            sum.part.0[l] += energy;
            let slope = alpha + psi * (three * gamma * psi - two * beta);
            born.gain[i].0[l] = b * b * (T::ONE - tanh * tanh) * slope * o * inv_rho;
        }
        sum.added(i);
    }
    sum.end(energy);
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn interact<T: Real, const SALT: bool>(
    gb: &Born<T>,
    tile: &Range<usize>,
    pairs: &[[usize; 2]],
    rows: &mut PairRows<T>,
    born: &mut BornRows<T>,
    sum: &mut Sum<T>,
) {
    let (half, quarter) = (T::from_f64(0.5), T::from_f64(0.25));
    for p in tile.clone() {
        let [i, j] = pairs[p];
        let tqq = gb.tau * gb.atoms[i].charge * gb.atoms[j].charge;
        let (r, slope) = (&rows.r[p], &mut rows.slope[p]);
        let (mut pull_i, mut pull_j) = (Row::ZERO, Row::ZERO);
        let (bi, bj) = (&born.radius[i], &born.radius[j]);
        let (inv_i, inv_j) = (&born.inv_radius[i], &born.inv_radius[j]);
        for l in 0..LANES {
            let r = r.0[l];
            let r2 = r * r;
            let exponent = quarter * r2 * inv_i.0[l] * inv_j.0[l];
            let damped = (-exponent).exp();
            let product = bi.0[l] * bj.0[l];
            let inv_f = T::ONE / product.fma(damped, r2).sqrt();
            let inside = r < gb.cutoff;
            // dE / d(f^2)
            let outer = match &gb.salt {
                Some(salt) if SALT => {
                    let qq = if inside { gb.atoms[i].charge * gb.atoms[j].charge } else { T::ZERO };
                    let (tau, slope) = salt.tau(T::ONE / inv_f);
                    sum.part.0[l] += qq * tau * (gb.shift - inv_f);
                    half * inv_f * qq * (tau * inv_f * inv_f + slope * (gb.shift - inv_f))
                }
                _ => {
                    let tqq = if inside { tqq } else { T::ZERO };
                    sum.part.0[l] += tqq * (gb.shift - inv_f);
                    half * tqq * inv_f * inv_f * inv_f
                }
            };
            // d(f^2)/dr / r = 2 (1 - damped / 4); d(f^2)/dB_i = B_j damped (1 + exponent)
            slope.0[l] += outer * (T::from_f64(2.0) - half * damped);
            let common = outer * damped * (T::ONE + exponent);
            pull_i.0[l] = common * bj.0[l];
            pull_j.0[l] = common * bi.0[l];
        }
        born.pull[i].add(&pull_i);
        born.pull[j].add(&pull_j);
        sum.added(p);
    }
}

/// `dE/dB dB/dI`, in place of the integrals.
fn by_integral<T: Real>(born: &mut BornRows<T>) {
    for ((out, pull), gain) in born.integral.iter_mut().zip(&born.pull).zip(&born.gain) {
        for l in 0..LANES {
            out.0[l] = pull.0[l] * gain.0[l];
        }
    }
}

/// `dE/dI dI/dr`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn chain<T: Real>(pairs: &[[usize; 2]], slopes: &mut [Row<T>], inner: &[[Row<T>; 2]], by_integral: &[Row<T>]) {
    for ((&[i, j], slope), [inner_i, inner_j]) in pairs.iter().zip(slopes).zip(inner) {
        let (gi, gj) = (&by_integral[i], &by_integral[j]);
        for l in 0..LANES {
            slope.0[l] += gi.0[l].fma(inner_i.0[l], gj.0[l] * inner_j.0[l]);
        }
    }
}
