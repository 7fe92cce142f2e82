//! Encoding in one pass, and its reverse pass.

use rayon::prelude::*;

use super::attention::Scratch;
use super::layer::{Bars, Record, linear, linear_reverse};
use super::shape::TarFlow;
use crate::flow::packing::{Linear, Weights, fit, panels};
use crate::lanes::num::{H, Lanes, add_all};
use crate::real::Real;

/// Rows (tokens of all configurations) of a tile in training, about.
const ROWS: usize = 132;

/// Tiles whose activations are kept at once.
pub(super) const TILES: usize = 8;

/// Working memory of encoding with a reverse pass.
#[derive(Debug, Clone, Default)]
pub struct TarTape<T> {
    tiles: Vec<Tile<T>>,
}

/// Derivatives of a loss with respect to what encoding gives.
pub struct Seeds<'a, T> {
    /// Gets the `z` of a configuration and writes the derivatives with respect to it.
    pub z: &'a (dyn Fn(&[T], &mut [T]) + Sync),
    /// With respect to every `ln|dz/dx|`.
    pub log_det: f64,
}

/// What a tile keeps of a block.
#[derive(Debug, Clone, Default)]
pub(super) struct BlockRecord<T> {
    /// Tokens of the block's order, `[rows][lanes]`.
    tokens: Vec<Lanes<T>>,
    layers: Vec<Record<T>>,
    /// What the output layer gets.
    last: Vec<Lanes<T>>,
    /// Log-scales and shifts.
    pub(super) out: Vec<Lanes<T>>,
    /// What comes out, `[n, dim]`.
    z: Vec<T>,
}

/// Configurations that one thread works on.
#[derive(Debug, Clone, Default)]
pub(super) struct Tile<T> {
    pub(super) blocks: Vec<BlockRecord<T>>,
    scratch: Scratch<T>,
    layers: Vec<Bars<T>>,
    input: Vec<Lanes<T>>,
    output: Vec<Lanes<T>>,
    inner: Vec<Lanes<T>>,
}

impl<T: Real> Tile<T> {
    fn new(flow: &TarFlow) -> Self {
        let layers = flow.blocks.first().map_or(0, |b| b.layers.len());
        let block = BlockRecord { layers: vec![Record::default(); layers], ..BlockRecord::default() };
        Self { blocks: vec![block; flow.blocks.len()], layers: vec![Bars::default(); layers], ..Self::default() }
    }
}

impl TarFlow {
    /// Configurations of a tile.
    pub(super) fn tile(&self) -> usize {
        (ROWS / self.sizes.tokens).max(1)
    }

    /// Token at place `s` of block `b`: the odd ones go backwards.
    pub(super) fn token(&self, b: usize, s: usize) -> usize {
        if b.is_multiple_of(2) { s } else { self.sizes.tokens - 1 - s }
    }

    /// Encodes a tile `x [n, dim]` in place through block `b`.
    fn encode_block<T: Real>(
        &self,
        b: usize,
        w: &Weights<T>,
        x: &mut [T],
        log_det: &mut [f64],
        record: &mut BlockRecord<T>,
        (h, scratch): (&mut Vec<Lanes<T>>, &mut Scratch<T>),
    ) {
        let (block, c, tokens, width) = (&self.blocks[b], self.channels, self.sizes.tokens, self.sizes.width);
        record.tokens.clear();
        for x in x.chunks_exact(self.dim()) {
            for s in 0..tokens {
                let mut lanes = Lanes([T::ZERO; H]);
                lanes.0[..c].copy_from_slice(&x[self.token(b, s) * c..][..c]);
                record.tokens.push(lanes);
            }
        }
        linear(w, &block.input, &record.tokens, h);
        for frame in h.chunks_exact_mut(tokens * width) {
            for (s, row) in frame.chunks_exact_mut(width).enumerate() {
                let position = &w.packed[block.positions + self.token(b, s) * width..][..width];
                add_all(row, position);
            }
        }
        for (layer, record) in block.layers.iter().zip(&mut record.layers) {
            layer.forward(w, self.sizes, h, record, scratch);
        }
        record.last.clone_from(h);
        linear(w, &block.output, h, &mut record.out);
        for (i, x) in x.chunks_exact_mut(self.dim()).enumerate() {
            for s in 1..tokens {
                let out = &record.out[i * tokens + s - 1].0;
                for k in 0..c {
                    let x = &mut x[self.token(b, s) * c + k];
                    *x = (*x - out[c + k]) * (-out[k]).exp();
                    log_det[i] -= out[k].to_f64();
                }
            }
        }
        x.clone_into(&mut record.z);
    }

    /// Encodes `x [n, dim]` in place; `log_det [n]` are the logarithms of the determinants `|dz/dx|`.
    pub fn encode<T: Real>(&self, w: &Weights<T>, x: &mut [T], log_det: &mut [f64]) {
        log_det.fill(0.0);
        let tiles = x.par_chunks_mut(self.tile() * self.dim()).zip(log_det.par_chunks_mut(self.tile()));
        tiles.for_each_init(
            || Tile::new(self),
            |tile, (x, log_det)| {
                for b in 0..self.blocks.len() {
                    let (record, inner) = (&mut tile.blocks[0], &mut tile.inner);
                    self.encode_block(b, w, x, log_det, record, (inner, &mut tile.scratch));
                }
            },
        );
    }

    /// Encodes `x [n, dim]` in place, and adds a loss's derivatives with respect to the parameters to `gradient`, from those
    /// with respect to what comes out. The weights must be transposed.
    pub fn encode_with_gradient<T: Real>(
        &self,
        w: &Weights<T>,
        x: &mut [T],
        log_det: &mut [f64],
        seeds: &Seeds<'_, T>,
        tape: &mut TarTape<T>,
        gradient: &mut [Lanes<T>],
    ) {
        log_det.fill(0.0);
        let (dim, tile) = (self.dim(), self.tile());
        let many = TILES * tile;
        for (x, log_det) in x.chunks_mut(many * dim).zip(log_det.chunks_mut(many)) {
            let tiles = self.record(w, x, log_det, tape);
            let mut bars = vec![T::ZERO; x.len()];
            x.par_chunks(dim).zip(bars.par_chunks_mut(dim)).for_each(|(z, bar)| (seeds.z)(z, bar));
            for b in (0..self.blocks.len()).rev() {
                let parts = bars.par_chunks_mut(tile * dim).zip(tiles.par_iter_mut());
                parts.for_each(|(bars, tile)| self.block_reverse(b, w, bars, T::from_f64(seeds.log_det), tile));
                self.block_gradient(b, tiles, gradient);
            }
        }
    }

    /// Encodes a few tiles' configurations in place, and keeps what their reverse pass needs in the tiles that are returned.
    pub(super) fn record<'a, T: Real>(
        &self,
        w: &Weights<T>,
        x: &mut [T],
        log_det: &mut [f64],
        tape: &'a mut TarTape<T>,
    ) -> &'a mut [Tile<T>] {
        tape.tiles.resize_with(TILES, || Tile::new(self));
        let tiles = &mut tape.tiles[..log_det.len().div_ceil(self.tile())];
        let parts = x.par_chunks_mut(self.tile() * self.dim()).zip(log_det.par_chunks_mut(self.tile()));
        parts.zip(tiles.par_iter_mut()).for_each(|((x, log_det), tile)| {
            let Tile { blocks, scratch, inner, .. } = tile;
            for (b, record) in blocks.iter_mut().enumerate() {
                self.encode_block(b, w, x, log_det, record, (inner, scratch));
            }
        });
        tiles
    }

    /// Reverse pass of block `b` on a tile: `bars [n, dim]` from derivatives with respect to `z` to those with respect to `x`.
    pub(super) fn block_reverse<T: Real>(
        &self,
        b: usize,
        w: &Weights<T>,
        bars: &mut [T],
        log_bar: T,
        tile: &mut Tile<T>,
    ) {
        let (block, c, tokens) = (&self.blocks[b], self.channels, self.sizes.tokens);
        let Tile { blocks, scratch, layers, input, output, inner } = tile;
        let record = &blocks[b];
        output.clear();
        fit(output, record.out.len());
        let frames = bars.chunks_exact_mut(self.dim()).zip(record.z.chunks_exact(self.dim()));
        for (i, (bar, z)) in frames.enumerate() {
            for s in 1..tokens {
                let row = i * tokens + s - 1;
                let (out, to) = (&record.out[row].0, &mut output[row].0);
                for k in 0..c {
                    let at = self.token(b, s) * c + k;
                    let scaled = bar[at] * (-out[k]).exp();
                    to[k] = -(bar[at] * z[at]) - log_bar;
                    to[c + k] = -scaled;
                    bar[at] = scaled;
                }
            }
        }
        linear_reverse(w, &block.output, output, inner);
        for ((layer, record), bars) in block.layers.iter().zip(&record.layers).zip(layers.iter_mut()).rev() {
            layer.backward(w, self.sizes, inner, record, bars, scratch);
        }
        linear_reverse(w, &block.input, inner, input);
        for (i, bar) in bars.chunks_exact_mut(self.dim()).enumerate() {
            for s in 0..tokens {
                for k in 0..c {
                    bar[self.token(b, s) * c + k] += input[i * tokens + s].0[k];
                }
            }
        }
    }

    /// Adds the gradient of block `b`'s parameters over the tiles, in their order.
    pub(super) fn block_gradient<T: Real>(&self, b: usize, tiles: &[Tile<T>], gradient: &mut [Lanes<T>]) {
        let (block, width) = (&self.blocks[b], self.sizes.width);
        for tile in tiles {
            for (row, bar) in tile.inner.chunks_exact(width).enumerate() {
                let at = block.positions + self.token(b, row % self.sizes.tokens) * width;
                add_all(&mut gradient[at..][..width], bar);
            }
            for (layer, bars) in block.layers.iter().zip(&tile.layers) {
                for (firsts, norms) in [layer.norm1, layer.norm2].iter().zip(&bars.norms) {
                    for (&first, bar) in firsts.iter().zip(norms) {
                        add_all(&mut gradient[first..][..width], bar);
                    }
                }
            }
        }
        let linears = std::iter::once(block.input).chain(block.layers.iter().flat_map(|layer| layer.linears));
        let linears: Vec<Linear> = linears.chain([block.output]).collect();
        panels(&linears, gradient).into_par_iter().for_each_init(Vec::new, |column, mut panel| {
            for tile in tiles {
                let record = &tile.blocks[b];
                let (x, y_bar) = match panel.layer {
                    0 => (&record.tokens, &tile.inner),
                    i if i + 1 == linears.len() => (&record.last, &tile.output),
                    i => {
                        let (layer, k) = ((i - 1) / 4, (i - 1) % 4);
                        (&record.layers[layer].inputs[k], &tile.layers[layer].linears[k])
                    }
                };
                panel.add(x, y_bar, column);
            }
        });
    }
}
