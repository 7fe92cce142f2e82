//! The reverse pass of decoding, for training on the flow's own samples.
//!
//! Decoding is the inverse of encoding, so it needs no rules of its own: at fixed `z = F(x)` parameters move what is decoded by
//! `dx = -J^{-1} dF`, `J = dF/dx`. The `J` of a block is triangular in the order of its tokens. `J^T v = g` is solved by Jacobi
//! iterations, each a reverse pass of encoding over all tokens at once: exact after as many as there are tokens, and to
//! rounding mostly long before.

use rayon::prelude::*;

use super::network::{TILES, TarTape, Tile};
use super::shape::TarFlow;
use crate::flow::packing::Weights;
use crate::lanes::num::Lanes;
use crate::real::Real;

impl TarFlow {
    /// Of a loss `sum_i L(x_i) + c ln|dz/dx|_i` on decoded configurations `x [n, dim]`: adds the derivatives with respect to the
    /// parameters, at fixed `z`, to `gradient`. `bars [n, dim]` go in as `dL/dx` and come out as derivatives with respect to
    /// `z`; `x` comes out as `z`. The weights must be transposed.
    pub fn decode_reverse<T: Real>(
        &self,
        w: &Weights<T>,
        x: &mut [T],
        bars: &mut [T],
        c: f64,
        tape: &mut TarTape<T>,
        gradient: &mut [Lanes<T>],
    ) {
        let size = self.tile() * self.dim();
        let mut log_det = vec![0.0; x.len() / self.dim()];
        let chunk = TILES * size;
        let chunks = x.chunks_mut(chunk).zip(bars.chunks_mut(chunk)).zip(log_det.chunks_mut(chunk / self.dim()));
        for ((x, bars), log_det) in chunks {
            let tiles = self.record(w, x, log_det, tape);
            for b in 0..self.blocks.len() {
                let parts = bars.par_chunks_mut(size).zip(tiles.par_iter_mut());
                parts.for_each(|(bars, tile)| self.solve(b, w, bars, T::from_f64(c), tile));
                self.block_gradient(b, tiles, gradient);
            }
        }
    }

    /// Takes `bars` from derivatives with respect to what block `b` decodes to those with respect to what it decodes from, and
    /// leaves in the tile what the parameters' gradient needs.
    fn solve<T: Real>(&self, b: usize, w: &Weights<T>, bars: &mut [T], c: T, tile: &mut Tile<T>) {
        let dim = self.dim();
        let stretch = self.stretch(b, bars.len(), tile);
        let accuracy = T::from_f64(32.0) * T::EPSILON;
        let mut v: Vec<T> = bars.iter().zip(&stretch).map(|(g, s)| *g * *s).collect();
        let mut trial = vec![T::ZERO; v.len()];
        for iteration in 0..=self.sizes.tokens {
            trial.iter_mut().zip(&v).for_each(|(trial, v)| *trial = -*v);
            self.block_reverse(b, w, &mut trial, c, tile);
            // What is left of g - J^T v, g the derivatives of the loss, the logarithm of the determinant included.
            let frames = trial.chunks_exact_mut(dim).zip(bars.chunks_exact(dim));
            let solved = frames.fold(true, |solved, (trial, bars)| {
                let (mut left, mut scale) = (T::ZERO, T::ZERO);
                for (trial, g) in trial.iter_mut().zip(bars) {
                    scale = larger(scale, larger(g.abs(), trial.abs()));
                    *trial += *g;
                    left = larger(left, trial.abs());
                }
                solved && left <= accuracy * scale
            });
            if solved || iteration == self.sizes.tokens {
                break;
            }
            for ((v, left), s) in v.iter_mut().zip(&trial).zip(&stretch) {
                *v = left.fma(*s, *v);
            }
        }
        bars.copy_from_slice(&v);
    }

    /// The inverse of the diagonal of `J`: the factors `e^a` of the tokens, 1 for the first.
    fn stretch<T: Real>(&self, b: usize, len: usize, tile: &Tile<T>) -> Vec<T> {
        let (channels, tokens, dim) = (self.channels, self.sizes.tokens, self.dim());
        let mut stretch = vec![T::ONE; len];
        for (i, frame) in stretch.chunks_exact_mut(dim).enumerate() {
            for s in 1..tokens {
                let out = &tile.blocks[b].out[i * tokens + s - 1].0;
                let to = &mut frame[self.token(b, s) * channels..][..channels];
                to.iter_mut().zip(out).for_each(|(to, a)| *to = a.exp());
            }
        }
        stretch
    }
}

fn larger<T: Real>(a: T, b: T) -> T {
    if b > a { b } else { a }
}
