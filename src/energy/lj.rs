//! Lennard-Jones cluster with a harmonic tie to its own centre (LJ-13, LJ-55).
//!
//! ```text
//! E(x) = sum_{i != j} [ r_ij^-12 - 2 r_ij^-6 ] + 1/2 sum_i |x_i - x̄|^2
//! ```
//!
//! The first sum runs over *ordered* pairs, so the well of one pair is 2 deep, at distance 1. Reduced units throughout.
//! Example: two atoms at distance 1 have `E = 2 (1 - 2) + 1/2 (1/4 + 1/4) = -1.75`.

use rayon::prelude::*;

use super::Potential;
use super::lj_kernel::{LANES_F32, LANES_F64, block_f32, block_f64};

/// The Lennard-Jones cluster of `atoms` atoms.
///
/// f64 energies and forces agree with plain loops to about 1e-14 relative; f32 to about 1e-6 of the frame's largest
/// term (the tests hold it to 2e-6 on every golden frame whose atoms do not overlap).
///
/// Frames are worked through in blocks, one frame per SIMD lane. Lanes never meet, and every operation is the same
/// fused or plain one on every CPU: a frame's bits do not depend on its place in the batch, the batch size, the number
/// of threads or the instruction set.
#[derive(Debug, Clone)]
pub struct LennardJones {
    atoms: usize,
}

impl LennardJones {
    /// A cluster of `atoms` atoms.
    #[must_use]
    pub fn new(atoms: usize) -> Self {
        Self { atoms }
    }
}

/// Frames handed to a thread at a time: enough to outweigh the hand-over.
const FRAMES_PER_TASK: usize = 64;

macro_rules! batch {
    ($name:ident, $t:ty, $lanes:ident, $block:ident) => {
        /// `(energy, lj term, oscillator term)` goes to `put` for every frame; forces to `forces`.
        fn $name<R: Send>(
            atoms: usize,
            positions: &[$t],
            results: &mut [R],
            forces: &mut [$t],
            put: impl Fn(&mut R, $t, $t) + Sync,
        ) {
            let dim = 3 * atoms;
            assert_eq!(positions.len(), results.len() * dim, "positions must be [n, atoms, 3]");
            assert_eq!(forces.len(), results.len() * dim, "forces must be [n, atoms, 3]");
            let task = |(positions, (results, forces)): (&[$t], (&mut [R], &mut [$t]))| {
                let (mut x, mut f) = (vec![[0.0; $lanes]; dim], vec![[0.0; $lanes]; dim]);
                let blocks =
                    positions.chunks($lanes * dim).zip(results.chunks_mut($lanes).zip(forces.chunks_mut($lanes * dim)));
                for (positions, (results, forces)) in blocks {
                    let n = results.len();
                    for lane in 0..$lanes {
                        // Spare lanes repeat the last frame: no NaN, no branch in the kernel.
                        let frame = &positions[lane.min(n - 1) * dim..][..dim];
                        for (x, &p) in x.iter_mut().zip(frame) {
                            x[lane] = p;
                        }
                    }
                    let (lj, oscillator) = $block(&x, &mut f);
                    for (lane, result) in results.iter_mut().enumerate() {
                        put(result, lj[lane], oscillator[lane]);
                        for (out, f) in forces[lane * dim..][..dim].iter_mut().zip(&f) {
                            *out = f[lane];
                        }
                    }
                }
            };
            positions
                .par_chunks(FRAMES_PER_TASK * dim)
                .zip(results.par_chunks_mut(FRAMES_PER_TASK).zip(forces.par_chunks_mut(FRAMES_PER_TASK * dim)))
                .for_each(task);
        }
    };
}

batch!(batch_f64, f64, LANES_F64, block_f64);
batch!(batch_f32, f32, LANES_F32, block_f32);

impl Potential for LennardJones {
    fn atoms(&self) -> usize {
        self.atoms
    }

    fn energy_forces(&self, positions: &[f64], energies: &mut [f64], forces: &mut [f64]) {
        batch_f64(self.atoms, positions, energies, forces, |e, lj, oscillator| *e = lj + oscillator);
    }

    fn energy_forces_f32(&self, positions: &[f32], energies: &mut [f32], forces: &mut [f32]) {
        batch_f32(self.atoms, positions, energies, forces, |e, lj, oscillator| *e = lj + oscillator);
    }

    fn term_names(&self) -> &'static [&'static str] {
        &["lj", "oscillator"]
    }

    fn per_term(&self, positions: &[f64], terms: &mut [f64]) {
        let mut forces = vec![0.0; positions.len()];
        let terms = terms.as_chunks_mut::<2>().0;
        batch_f64(self.atoms, positions, terms, &mut forces, |t, lj, oscillator| *t = [lj, oscillator]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Plain double loop over ordered pairs, written from the formula.
    fn plain(x: &[f64]) -> (f64, Vec<f64>) {
        let n = x.len() / 3;
        let (mut e, mut f) = (0.0, vec![0.0; x.len()]);
        for i in 0..n {
            for j in (0..n).filter(|&j| j != i) {
                let d: Vec<f64> = (0..3).map(|c| x[3 * i + c] - x[3 * j + c]).collect();
                let r = d.iter().map(|d| d * d).sum::<f64>().sqrt();
                e += r.powi(-12) - 2.0 * r.powi(-6);
                for c in 0..3 {
                    f[3 * i + c] += 24.0 * (r.powi(-14) - r.powi(-8)) * d[c];
                }
            }
        }
        for c in 0..3 {
            let mean = (0..n).map(|i| x[3 * i + c]).sum::<f64>() / n as f64;
            for i in 0..n {
                e += 0.5 * (x[3 * i + c] - mean).powi(2);
                f[3 * i + c] -= x[3 * i + c] - mean;
            }
        }
        (e, f)
    }

    /// `frames` jittered cubic grids with spacing 1.1.
    fn grid(atoms: usize, frames: usize) -> Vec<f64> {
        let mut x = Vec::new();
        for frame in 0..frames {
            let mut d = Stream::new(5, Purpose::Init, 0).at(frame as u32);
            for a in 0..atoms {
                x.extend([a % 4, a / 4 % 4, a / 16].map(|k| 1.1 * k as f64 + 0.1 * d.normal()));
            }
        }
        x
    }

    #[test]
    fn two_atoms() {
        let (mut e, mut f) = ([0.0], [0.0; 6]);
        LennardJones::new(2).energy_forces(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0], &mut e, &mut f);
        assert_eq!(e, [-1.75]);
        assert_eq!(f, [0.5, 0.0, 0.0, -0.5, 0.0, 0.0]);
    }

    #[test]
    fn lj55_against_plain_loops() {
        let (n, x) = (11, grid(55, 11));
        let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
        LennardJones::new(55).energy_forces(&x, &mut e, &mut f);
        for k in 0..n {
            let (pe, pf) = plain(&x[165 * k..][..165]);
            assert!((e[k] - pe).abs() < 1e-12 * pe.abs(), "{} {pe}", e[k]);
            let top = pf.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(f[165 * k..][..165].iter().zip(&pf).all(|(a, b)| (a - b).abs() < 1e-12 * top));
        }
    }

    #[test]
    fn forces_are_minus_the_gradient() {
        let lj = LennardJones::new(13);
        let x = grid(13, 1);
        let (mut e, mut f) = ([0.0], vec![0.0; 39]);
        lj.energy_forces(&x, &mut e, &mut f);
        let top = f.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        let h = 1e-5;
        let mut scratch = vec![0.0; 39];
        for k in 0..39 {
            let mut at = |d: f64| {
                let mut y = x.clone();
                y[k] += d;
                lj.energy_forces(&y, &mut e, &mut scratch);
                e[0]
            };
            // Fourth-order central difference.
            let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            assert!((f[k] + slope).abs() < 1e-7 * top, "{k}: {} {slope}", f[k]);
        }
    }

    #[test]
    fn same_bits_for_any_threads_and_split() {
        let (n, x) = (203, grid(13, 203));
        let x32: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let lj = LennardJones::new(13);
        let on = |threads: usize, split: usize| {
            let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
            let (mut e32, mut f32) = (vec![0.0f32; n], vec![0.0f32; x.len()]);
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                for (k, x) in x.chunks(39 * split).enumerate() {
                    let (a, m) = (k * split, x.len() / 39);
                    lj.energy_forces(x, &mut e[a..][..m], &mut f[39 * a..][..39 * m]);
                    lj.energy_forces_f32(&x32[39 * a..][..39 * m], &mut e32[a..][..m], &mut f32[39 * a..][..39 * m]);
                }
            });
            (e, f, e32, f32)
        };
        let whole = on(1, n);
        assert!(whole.0.windows(2).all(|w| w[0] != w[1]));
        for (threads, split) in [(2, n), (2, 64), (1, 1), (2, 7), (1, 101)] {
            assert!(on(threads, split) == whole, "{threads} threads, split {split}");
        }
    }
}
