//! Scores of rows, and how sums over outputs change with the rows themselves.

use super::{HARMONICS, Net, Tile, fit};
use crate::flow::Weights;
use crate::lanes::gemm::{Start, product};
use crate::lanes::num::{H, Lanes};
use crate::real::Real;
use crate::samplers::internal::chart::TURN;

/// What an output is multiplied with in the score at variance `h`, and what the row itself is taken away with (narrow coordinates).
#[must_use]
pub fn scales(h: f64) -> (f64, f64) {
    (1.0 / (h * (1.0 + h)).sqrt(), 1.0 / (1.0 + h))
}

impl Net {
    /// Scores `[n, dim]` of rows whose outputs a tile holds, at variances `h`: one for each row, or one for all.
    pub fn scores<T: Real>(&self, rows: &[f64], h: &[f64], tile: &Tile<T>, out: &mut [f64]) {
        let (dim, lanes) = (self.dim(), self.output_lanes());
        let parts = out.chunks_exact_mut(dim).zip(rows.chunks_exact(dim)).zip(tile.outputs.chunks_exact(lanes));
        for (r, ((scores, row), output)) in parts.enumerate() {
            let (scale, pull) = scales(h[r.min(h.len() - 1)]);
            for (k, (s, x)) in scores.iter_mut().zip(row).enumerate() {
                let learned = scale * output[k / H].0[k % H].to_f64();
                *s = if k < self.narrow { learned - pull * x } else { learned };
            }
        }
    }

    /// After [`Net::reverse`]: derivatives `[n, dim]` with respect to the rows at variances `h` (one for each) that the tile's inputs
    /// were filled with, of what its `output_bars` are derivatives of.
    #[must_use]
    pub fn places_reverse<T: Real>(&self, w: &Weights<T>, h: &[f64], tile: &Tile<T>) -> Vec<f64> {
        let (dim, input) = (self.dim(), &self.layers[0]);
        let mut bars: Vec<Lanes<T>> = Vec::new();
        fit(&mut bars, h.len() * input.inputs);
        product(w.transposed(input), &tile.stream_bars[0], input.outputs, Start::Zero, &mut bars, input.inputs);
        let mut places = vec![0.0; h.len() * dim];
        let rows = bars.chunks_exact(input.inputs).zip(tile.inputs.chunks_exact(input.inputs));
        for ((place, (bars, inputs)), h) in places.chunks_exact_mut(dim).zip(rows).zip(h) {
            let at = |all: &[Lanes<T>], k: usize| all[k / H].0[k % H].to_f64();
            let scale = 1.0 / (1.0 + h).sqrt();
            for (k, place) in place.iter_mut().enumerate() {
                if k < self.narrow {
                    *place = scale * at(bars, k);
                    continue;
                }
                let first = self.narrow + 2 * HARMONICS * (k - self.narrow);
                for m in 0..HARMONICS {
                    // Cosine and sine of so many turns, with the damping that they have.
                    let (c, s) = (first + 2 * m, first + 2 * m + 1);
                    let turn = TURN * (m + 1) as f64;
                    *place += turn * (at(bars, s) * at(inputs, c) - at(bars, c) * at(inputs, s));
                }
            }
        }
        places
    }
}
