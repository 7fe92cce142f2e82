//! Causal attention of one configuration, forward and reverse.

#![allow(clippy::needless_range_loop)]

use multiversion::multiversion;

use crate::lanes::num::{H, Lanes};
use crate::real::Real;

/// Tokens are padded to a multiple of this in transposed arrays.
pub(super) const PAD: usize = 16;

/// Working memory of one configuration.
#[derive(Debug, Clone, Default)]
pub struct Scratch<T> {
    q: Vec<T>,
    k: Vec<T>,
    v: Vec<T>,
    k_across: Vec<T>,
    v_across: Vec<T>,
    p: Vec<T>,
    p_bar: Vec<T>,
    out: Vec<T>,
    bars: [Vec<T>; 3],
}

/// Sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    /// Tokens.
    pub tokens: usize,
    /// Width in lanes.
    pub width: usize,
    /// Features of a head.
    pub head: usize,
}

impl<T: Real> Scratch<T> {
    #[inline(always)]
    fn fill(&mut self, s: Sizes, qkv: &[Lanes<T>]) {
        let (features, padded) = (s.width * H, s.tokens.next_multiple_of(PAD));
        for (part, values) in [&mut self.q, &mut self.k, &mut self.v].into_iter().enumerate() {
            values.clear();
            for t in 0..s.tokens {
                for lanes in &qkv[(3 * t + part) * s.width..][..s.width] {
                    values.extend_from_slice(&lanes.0);
                }
            }
        }
        for (values, across) in [(&self.k, &mut self.k_across), (&self.v, &mut self.v_across)] {
            across.clear();
            across.resize(features * padded, T::ZERO);
            for t in 0..s.tokens {
                for c in 0..features {
                    across[c * padded + t] = values[t * features + c];
                }
            }
        }
        self.out.resize(features, T::ZERO);
        self.p.resize(padded, T::ZERO);
        self.p_bar.resize(padded, T::ZERO);
    }

    /// `p[j] = sum_c a[c] across[c][j]` over a head's features.
    #[inline(always)]
    fn products(a: &[T], across: &[T], p: &mut [T]) {
        for p in p.iter_mut() {
            *p = T::ZERO;
        }
        for (c, a) in a.iter().enumerate() {
            let across = &across[c * p.len()..][..p.len()];
            for j in 0..p.len() {
                p[j] = a.fma(across[j], p[j]);
            }
        }
    }

    /// Attention weights of token `i` in the head that begins at feature `first`.
    #[inline(always)]
    fn weights(&mut self, s: Sizes, i: usize, first: usize) {
        let features = s.width * H;
        let padded = self.p.len();
        let scale = T::ONE / T::from_f64(s.head as f64).sqrt();
        let q = &self.q[i * features + first..][..s.head];
        Self::products(q, &self.k_across[first * padded..], &mut self.p);
        let mut top = self.p[0];
        for j in 1..=i {
            top = if self.p[j] > top { self.p[j] } else { top };
        }
        for j in 0..padded {
            let e = ((self.p[j] - top) * scale).exp();
            self.p[j] = if j <= i { e } else { T::ZERO };
        }
        let mut sum = T::ZERO;
        for j in 0..=i {
            sum += self.p[j];
        }
        let per = T::ONE / sum;
        for p in &mut self.p {
            *p = *p * per;
        }
    }
}

/// `qkv [tokens][3 width]` to `out [tokens][width]`, in lanes.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn forward<T: Real>(s: Sizes, qkv: &[Lanes<T>], out: &mut [Lanes<T>], scratch: &mut Scratch<T>) {
    scratch.fill(s, qkv);
    let features = s.width * H;
    for i in 0..s.tokens {
        for first in (0..features).step_by(s.head) {
            scratch.weights(s, i, first);
            let out = &mut scratch.out[first..][..s.head];
            for o in out.iter_mut() {
                *o = T::ZERO;
            }
            for j in 0..=i {
                let (p, v) = (scratch.p[j], &scratch.v[j * features + first..][..s.head]);
                for c in 0..s.head {
                    out[c] = p.fma(v[c], out[c]);
                }
            }
        }
        for (lanes, values) in out[i * s.width..][..s.width].iter_mut().zip(scratch.out.chunks_exact(H)) {
            lanes.0.copy_from_slice(values);
        }
    }
}

/// Reverse pass of [`forward`]: `qkv_bar [tokens][3 width]`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub fn reverse<T: Real>(
    s: Sizes,
    qkv: &[Lanes<T>],
    out_bar: &[Lanes<T>],
    qkv_bar: &mut [Lanes<T>],
    scratch: &mut Scratch<T>,
) {
    scratch.fill(s, qkv);
    let features = s.width * H;
    let padded = scratch.p.len();
    let scale = T::ONE / T::from_f64(s.head as f64).sqrt();
    for bar in &mut scratch.bars {
        bar.clear();
        bar.resize(s.tokens * features, T::ZERO);
    }
    for i in 0..s.tokens {
        for (lanes, values) in out_bar[i * s.width..][..s.width].iter().zip(scratch.out.chunks_exact_mut(H)) {
            values.copy_from_slice(&lanes.0);
        }
        for first in (0..features).step_by(s.head) {
            scratch.weights(s, i, first);
            let out_bar = &scratch.out[first..][..s.head];
            Scratch::products(out_bar, &scratch.v_across[first * padded..], &mut scratch.p_bar);
            let mut mean = T::ZERO;
            for j in 0..=i {
                mean = scratch.p[j].fma(scratch.p_bar[j], mean);
            }
            let [q_bar, k_bar, v_bar] = &mut scratch.bars;
            let at = i * features + first;
            let q = &scratch.q[at..][..s.head];
            let q_bar = &mut q_bar[at..][..s.head];
            for j in 0..=i {
                let p = scratch.p[j];
                let score = scale * p * (scratch.p_bar[j] - mean);
                let at = j * features + first;
                let (k, k_bar, v_bar) =
                    (&scratch.k[at..][..s.head], &mut k_bar[at..][..s.head], &mut v_bar[at..][..s.head]);
                for c in 0..s.head {
                    q_bar[c] = score.fma(k[c], q_bar[c]);
                    k_bar[c] = score.fma(q[c], k_bar[c]);
                    v_bar[c] = p.fma(out_bar[c], v_bar[c]);
                }
            }
        }
    }
    for t in 0..s.tokens {
        for (part, bar) in scratch.bars.iter().enumerate() {
            let values = bar[t * features..][..features].chunks_exact(H);
            for (lanes, values) in qkv_bar[(3 * t + part) * s.width..][..s.width].iter_mut().zip(values) {
                lanes.0.copy_from_slice(values);
            }
        }
    }
}
