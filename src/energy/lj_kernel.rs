//! The inner loops of [`super::LennardJones`]: one block of frames, one frame per SIMD lane, coordinates as `[3*atoms][lane]`.
//!
//! Plain loops over lanes that the compiler turns into vector code; `multiversion` compiles them for AVX-512, AVX2 and
//! the baseline, and picks one at run time. Multiply-adds are written as `mul_add`, which is fused on every CPU (in
//! software, slowly, where the hardware has none): the same bits everywhere.
//!
//! Operations per pair and frame, a fused multiply-add counting 2: distance 3 + 5, reciprocal 1, powers 2, energy
//! 1 + 1 + 2, force factor 3, forces 12: [`FLOPS_PER_PAIR`].

use multiversion::multiversion;

/// Frames per block in f64: one AVX-512 register.
pub const LANES_F64: usize = 8;
/// Frames per block in f32: one AVX-512 register.
pub const LANES_F32: usize = 16;
/// Floating-point operations per unordered pair.
pub const FLOPS_PER_PAIR: usize = 30;
/// Floating-point operations per atom for centre and oscillator: mean 3, difference 3, energy 6, force 3.
pub const FLOPS_PER_ATOM: usize = 15;

macro_rules! kernel {
    ($name:ident, $t:ty, $lanes:ident) => {
        /// Energies `(lj, oscillator)` by lane, and forces, of one block.
        #[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
        pub fn $name(x: &[[$t; $lanes]], f: &mut [[$t; $lanes]]) -> ([$t; $lanes], [$t; $lanes]) {
            const L: usize = $lanes;
            let atoms = x.len() / 3;
            let (x, f) = (&x.as_chunks::<3>().0[..atoms], &mut f.as_chunks_mut::<3>().0[..atoms]);

            // Oscillator: starts the forces.
            let mut mean = [[0.0; L]; 3];
            for x in x {
                for c in 0..3 {
                    for l in 0..L {
                        mean[c][l] += x[c][l];
                    }
                }
            }
            let inverse = 1.0 / atoms as $t;
            let mut oscillator = [0.0; L];
            for (x, f) in x.iter().zip(f.iter_mut()) {
                for c in 0..3 {
                    for l in 0..L {
                        let d = inverse.mul_add(-mean[c][l], x[c][l]);
                        oscillator[l] = d.mul_add(0.5 * d, oscillator[l]);
                        f[c][l] = -d;
                    }
                }
            }

            // Pairs, each once: twice the energy and force of an unordered pair is in the factors 2 and 24.
            let mut lj = [0.0; L];
            for i in 0..atoms {
                let xi = x[i];
                let (head, tail) = f.split_at_mut(i + 1);
                let mut fi = head[i];
                for (xj, fj) in x[i + 1..].iter().zip(tail) {
                    for l in 0..L {
                        let dx = xi[0][l] - xj[0][l];
                        let dy = xi[1][l] - xj[1][l];
                        let dz = xi[2][l] - xj[2][l];
                        let s = 1.0 / dx.mul_add(dx, dy.mul_add(dy, dz * dz)); // r^-2
                        let s3 = s * s * s; // r^-6
                        let a = s3 - 1.0;
                        lj[l] = s3.mul_add(a - 1.0, lj[l]); // r^-12 - 2 r^-6
                        let k = (24.0 * s) * (s3 * a); // 24 (r^-14 - r^-8)
                        fi[0][l] = k.mul_add(dx, fi[0][l]);
                        fi[1][l] = k.mul_add(dy, fi[1][l]);
                        fi[2][l] = k.mul_add(dz, fi[2][l]);
                        fj[0][l] = (-k).mul_add(dx, fj[0][l]);
                        fj[1][l] = (-k).mul_add(dy, fj[1][l]);
                        fj[2][l] = (-k).mul_add(dz, fj[2][l]);
                    }
                }
                head[i] = fi;
            }
            for e in &mut lj {
                *e *= 2.0;
            }
            (lj, oscillator)
        }
    };
}

kernel!(block_f64, f64, LANES_F64);
kernel!(block_f32, f32, LANES_F32);
