//! Decoding token by token, keys and values of earlier tokens cached.

#![allow(clippy::needless_range_loop)]

use multiversion::multiversion;
use rayon::prelude::*;

use super::attention::PAD;
use super::layer::{add_linear, linear, normed};
use super::pieces::gelu;
use super::shape::{MOST_TOKENS, TarFlow};
use crate::flow::packing::{Weights, fit};
use crate::lanes::num::{H, Lanes, add_all};
use crate::real::Real;

/// Configurations of a tile.
const TILE: usize = 48;

/// Keys and values of one layer for one configuration.
#[derive(Debug, Clone)]
struct Cache<T> {
    /// Keys, `[features][tokens]`.
    keys: Vec<T>,
    /// Values, `[tokens][features]`.
    values: Vec<T>,
}

/// Working memory of a tile.
#[derive(Default)]
struct Scratch<T> {
    /// `[layers][configurations]`.
    caches: Vec<Vec<Cache<T>>>,
    tokens: Vec<Lanes<T>>,
    h: Vec<Lanes<T>>,
    inner: Vec<Lanes<T>>,
    wide: Vec<Lanes<T>>,
    high: Vec<Lanes<T>>,
    out: Vec<Lanes<T>>,
}

impl TarFlow {
    /// Decodes `z [n, dim]` in place; `log_det [n]` are the logarithms of the determinants `|dx/dz|`.
    pub fn decode<T: Real>(&self, w: &Weights<T>, z: &mut [T], log_det: &mut [f64]) {
        log_det.fill(0.0);
        let tiles = z.par_chunks_mut(TILE * self.dim()).zip(log_det.par_chunks_mut(TILE));
        tiles.for_each_init(
            || self.scratch(),
            |scratch, (z, log_det)| {
                for b in (0..self.blocks.len()).rev() {
                    self.decode_block(b, w, z, log_det, scratch);
                }
            },
        );
    }

    fn scratch<T: Real>(&self) -> Scratch<T> {
        let (features, tokens) = (self.sizes.width * H, self.sizes.tokens);
        let keys = vec![T::ZERO; features * tokens.next_multiple_of(PAD)];
        let cache = Cache { keys, values: vec![T::ZERO; features * tokens] };
        let layers = self.blocks.first().map_or(0, |b| b.layers.len());
        Scratch { caches: vec![vec![cache; TILE]; layers], ..Scratch::default() }
    }

    fn decode_block<T: Real>(&self, b: usize, w: &Weights<T>, z: &mut [T], log_det: &mut [f64], s: &mut Scratch<T>) {
        let (block, c, tokens, width) = (&self.blocks[b], self.channels, self.sizes.tokens, self.sizes.width);
        let dim = self.dim();
        for place in 0..tokens {
            let token = self.token(b, place);
            s.tokens.clear();
            for (i, z) in z.chunks_exact_mut(dim).enumerate() {
                let values = &mut z[token * c..][..c];
                if place > 0 {
                    let out = &s.out[i].0;
                    for k in 0..c {
                        values[k] = values[k].fma(out[k].exp(), out[c + k]);
                        log_det[i] += out[k].to_f64();
                    }
                }
                let mut lanes = Lanes([T::ZERO; H]);
                lanes.0[..c].copy_from_slice(values);
                s.tokens.push(lanes);
            }
            if place + 1 == tokens {
                return;
            }
            linear(w, &block.input, &s.tokens, &mut s.h);
            let position = &w.packed[block.positions + token * width..][..width];
            for row in s.h.chunks_exact_mut(width) {
                add_all(row, position);
            }
            for (layer, caches) in block.layers.iter().zip(&mut s.caches) {
                let [qkv, out, up, down] = &layer.linears;
                normed(w, layer.norm1, width, &s.h, &mut s.inner);
                linear(w, qkv, &s.inner, &mut s.wide);
                let rows = s.wide.chunks_exact(3 * width).zip(s.inner.chunks_exact_mut(width));
                for ((qkv, attended), cache) in rows.zip(caches) {
                    attend(qkv, cache, place, self.sizes.head, attended);
                }
                linear(w, out, &s.inner, &mut s.wide);
                add_all(&mut s.h, &s.wide);
                normed(w, layer.norm2, width, &s.h, &mut s.inner);
                linear(w, up, &s.inner, &mut s.wide);
                fit(&mut s.high, s.wide.len());
                gelu(&s.wide, &mut s.high);
                add_linear(w, down, &s.high, &mut s.h);
            }
            linear(w, &block.output, &s.h, &mut s.out);
        }
    }
}

/// Attention of the token at `place` to itself and those before it, whose keys and values are cached; caches its own.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn attend<T: Real>(qkv: &[Lanes<T>], cache: &mut Cache<T>, place: usize, head: usize, attended: &mut [Lanes<T>]) {
    let width = attended.len();
    let features = width * H;
    let padded = cache.keys.len() / features;
    for f in 0..features {
        cache.keys[f * padded + place] = qkv[width + f / H].0[f % H];
        cache.values[place * features + f] = qkv[2 * width + f / H].0[f % H];
    }
    let scale = T::ONE / T::from_f64(head as f64).sqrt();
    let used = (place + 1).next_multiple_of(PAD);
    let mut p = [T::ZERO; MOST_TOKENS];
    let p = &mut p[..used];
    for first in (0..features).step_by(head) {
        for p in p.iter_mut() {
            *p = T::ZERO;
        }
        for f in first..first + head {
            let (q, keys) = (qkv[f / H].0[f % H], &cache.keys[f * padded..][..used]);
            for j in 0..used {
                p[j] = q.fma(keys[j], p[j]);
            }
        }
        let mut top = p[0];
        for j in 1..=place {
            top = if p[j] > top { p[j] } else { top };
        }
        let mut sum = T::ZERO;
        for j in 0..used {
            p[j] = ((p[j] - top) * scale).exp();
        }
        for j in 0..=place {
            sum += p[j];
        }
        let per = T::ONE / sum;
        for f in first..first + head {
            attended[f / H].0[f % H] = T::ZERO;
        }
        for j in 0..=place {
            let (p, values) = (p[j] * per, &cache.values[j * features..][..features]);
            for f in first..first + head {
                let to = &mut attended[f / H].0[f % H];
                *to = p.fma(values[f], *to);
            }
        }
    }
}
