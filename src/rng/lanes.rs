//! Normal draws for many items at once, in loops that vectorise.

use super::Stream;
use super::philox::{M, WEYL};
use crate::real::Real;

impl Stream {
    /// Block `block` of the normal draws of items `first..first + N`: four standard normals each, `out[k][l]` the k-th of
    /// item `first + l`. They are a function of the 32-bit words of the block (Box-Muller on pairs of them), so that f32
    /// and f64 give the same numbers up to rounding. The largest possible draw is 6.8.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // lanes: the same index into every array
    pub fn normals<T: Real, const N: usize>(&self, first: u32, block: u32, out: &mut [[T; N]; 4]) {
        let [_, _, step, purpose] = self.counter(block, first);
        let mut c = [[block; N], [first; N], [step; N], [purpose; N]];
        for l in 0..N {
            c[1][l] = first.wrapping_add(l as u32);
        }
        let mut key = self.key;
        for _ in 0..10 {
            for l in 0..N {
                let a = u64::from(M[0]) * u64::from(c[0][l]);
                let b = u64::from(M[1]) * u64::from(c[2][l]);
                c[0][l] = (b >> 32) as u32 ^ c[1][l] ^ key[0];
                c[1][l] = b as u32;
                c[2][l] = (a >> 32) as u32 ^ c[3][l] ^ key[1];
                c[3][l] = a as u32;
            }
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let minus_two = T::from_f64(-2.0);
        for pair in 0..2 {
            for l in 0..N {
                let r = (minus_two * T::from_bits32(c[2 * pair][l]).ln()).sqrt();
                let (sin, cos) = T::from_bits32(c[2 * pair + 1][l]).sin_cos_turns();
                out[2 * pair][l] = r * cos;
                out[2 * pair + 1][l] = r * sin;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rng::{Purpose, Stream, philox4x32};

    /// Against the scalar generator and the standard library, in both precisions.
    #[test]
    fn lanes_are_the_scalar_draws() {
        let stream = Stream::new(0x0123_4567_89ab_cdef, Purpose::Dynamics, 0x12_3456_789a);
        let mut double = [[0.0_f64; 16]; 4];
        let mut single = [[0.0_f32; 16]; 4];
        for block in 0..200 {
            stream.normals(7, block, &mut double);
            stream.normals(7, block, &mut single);
            for l in 0..16 {
                let bits = philox4x32(stream.counter(block, 7 + l as u32), stream.key);
                let uniform = bits.map(|b| (f64::from(b) + 0.5) / 2.0_f64.powi(32));
                for pair in 0..2 {
                    let r = (-2.0 * uniform[2 * pair].ln()).sqrt();
                    let (sin, cos) = (std::f64::consts::TAU * uniform[2 * pair + 1]).sin_cos();
                    for (k, exact) in [(2 * pair, r * cos), (2 * pair + 1, r * sin)] {
                        assert!((double[k][l] - exact).abs() < 1e-13, "{k} {l}");
                        // Rounding a uniform near 1 to f32 moves small radii: sqrt(2 * 6e-8).
                        assert!((f64::from(single[k][l]) - exact).abs() < 4e-4, "{k} {l}: {} {exact}", single[k][l]);
                    }
                }
            }
        }
    }
}
