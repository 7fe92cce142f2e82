//! A program in the making: buffers, calls, matrix products.

use super::places::Linear;
use crate::device::engine::format_of;
use crate::device::launch::{Arg, Call, Program};
use crate::nn::dit::plan::Plan;
use crate::real::Precision;

/// Threads of a block; the product's tiles are made for them.
pub const THREADS: usize = 256;
/// Warps of a block.
pub const WARPS: usize = THREADS / 32;
/// Tiles of `src/kernels/dit_product.cuh`: rows, columns, and what a tile takes of the sum.
const TILE: [usize; 3] = [128, 64, 16];
/// Activation of the conditioning, as the kernels number them.
pub const SILU: usize = 0;
/// That of the blocks.
pub const GELU: usize = 1;
/// Columns that tiles are shifted by in shared memory.
const SHIFT: usize = 4;

/// A place in a buffer of the program.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    buffer: usize,
    byte: usize,
    size: usize,
}

impl Place {
    /// So many numbers further on.
    #[must_use]
    pub fn at(self, reals: usize) -> Self {
        Self { byte: self.byte + reals * self.size, ..self }
    }
}

impl From<Place> for Arg<'_> {
    fn from(place: Place) -> Self {
        Self::Part { buffer: place.buffer, byte: place.byte }
    }
}

/// A place, or no buffer.
#[must_use]
pub fn optional<'a>(place: Option<Place>) -> Arg<'a> {
    place.map_or(Arg::Null, Arg::from)
}

/// A number as `int`.
#[must_use]
pub fn int<'a>(x: usize) -> Arg<'a> {
    Arg::Int(x as i32)
}

/// A number as `long long`.
#[must_use]
pub fn long<'a>(x: i64) -> Arg<'a> {
    Arg::Long(x.cast_unsigned())
}

/// Shared memory of an attention kernel: two arrays of a head's rows, a column wider than they are.
#[must_use]
pub fn attention_reals(components: usize, plan: &Plan) -> usize {
    2 * components * plan.tokens * (plan.head + 1)
}

/// A factor of a product: entry `(i, j)` lies `i * row + j * column` after `place`, those of a second term `term` after those of
/// the first.
#[derive(Debug, Clone, Copy)]
struct Factor {
    place: Place,
    row: usize,
    column: usize,
    term: i64,
}

/// `C [m, n]` as sums over `k`, in pieces of `chunk` whose results lie `apart`.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    m: usize,
    n: usize,
    k: usize,
    chunk: usize,
    terms: usize,
    apart: usize,
}

/// Rows of a layer: how many of the values, and how many components.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Rows of a component.
    pub rows: usize,
    /// Values and tangents.
    pub components: usize,
}

/// Where parameter gradients go: parts `[chunks][parameters]`.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The parts.
    pub place: Place,
    /// Numbers of a part.
    pub len: usize,
    /// Samples of a part.
    pub samples: usize,
}

/// A program in the making.
pub struct Builder<'a> {
    /// What there is of it.
    pub program: Program<'a>,
    size: usize,
    suffix: &'static str,
}

impl<'a> Builder<'a> {
    /// An empty program.
    #[must_use]
    pub fn new(precision: Precision) -> Self {
        let (suffix, size) = format_of(precision);
        Self { program: Program::default(), size, suffix }
    }

    /// A buffer of numbers.
    pub fn buffer(&mut self, arg: Arg<'a>) -> Place {
        self.program.buffers.push(arg);
        Place { buffer: self.program.buffers.len() - 1, byte: 0, size: self.size }
    }

    /// A buffer of so many numbers that stays on the device.
    pub fn scratch(&mut self, reals: usize) -> Place {
        self.buffer(Arg::Scratch(reals * self.size))
    }

    /// A buffer of rows of so many features that stays on the device.
    pub fn rows(&mut self, batch: Batch, width: usize) -> Place {
        self.scratch(batch.components * batch.rows * width)
    }

    /// A kernel on numbers, or any number of tangents; `shared` in numbers.
    pub fn call(&mut self, kernel: &str, blocks: usize, shared: usize, args: Vec<Arg<'a>>) {
        let kernel = format!("dit_{kernel}_{}", self.suffix);
        let shared = (shared * self.size) as u32;
        self.program.calls.push(Call { kernel, blocks: blocks as u32, threads: THREADS as u32, shared, args });
    }

    /// A kernel on numbers (one component) or dual ones.
    pub fn pass(&mut self, kernel: &str, components: usize, blocks: usize, shared: usize, args: Vec<Arg<'a>>) {
        let dual = if components > 1 { "_dual" } else { "" };
        self.call(&format!("{kernel}{dual}"), blocks, shared, args);
    }

    /// `y = f(x)` of rows of `width` features.
    pub fn activate(&mut self, f: usize, batch: Batch, width: usize, x: Place, y: Place) {
        let n = batch.rows * width;
        let args = vec![int(f), long(n as i64), int(batch.components - 1), x.into(), y.into()];
        self.call("activate", (n * batch.components).div_ceil(THREADS), 0, args);
    }

    /// `bar <- bar f'(x)`.
    pub fn activate_back(&mut self, f: usize, batch: Batch, width: usize, x: Place, bar: Place) {
        let n = batch.rows * width;
        let args = vec![int(f), long(n as i64), x.into(), bar.into()];
        self.pass("activate_back", batch.components, n.div_ceil(THREADS), 0, args);
    }

    fn product(&mut self, s: Sizes, a: Factor, b: Factor, bias: Option<(Place, usize)>, add: bool, c: Place) {
        let blocks = s.m.div_ceil(TILE[0]) * s.n.div_ceil(TILE[1]) * s.k.div_ceil(s.chunk);
        let shared = TILE[2] * (TILE[0] + TILE[1] + 2 * SHIFT);
        let args = vec![
            int(s.m),
            int(s.n),
            int(s.k),
            int(s.chunk),
            int(s.terms),
            int(a.row),
            int(a.column),
            int(b.row),
            int(b.column),
            int(bias.map_or(0, |(_, rows)| rows)),
            int(usize::from(add)),
            long(a.term),
            long(b.term),
            long(s.apart as i64),
            a.place.into(),
            b.place.into(),
            optional(bias.map(|(place, _)| place)),
            c.into(),
        ];
        self.call("product", blocks, shared, args);
    }

    /// `y = x W^T + b`, or added to `y`; the bias belongs to the values.
    pub fn forward(&mut self, w: Place, l: &Linear, batch: Batch, x: Place, y: Place, add: bool) {
        let sizes =
            Sizes { m: batch.rows * batch.components, n: l.outputs, k: l.inputs, chunk: l.inputs, terms: 1, apart: 0 };
        let a = Factor { place: x, row: l.inputs, column: 1, term: 0 };
        let b = Factor { place: w.at(l.weight), row: 1, column: l.inputs, term: 0 };
        self.product(sizes, a, b, l.bias.map(|bias| (w.at(bias), batch.rows)), add, y);
    }

    /// `x_bar = y_bar W`, or added to `x_bar`.
    pub fn reverse(&mut self, w: Place, l: &Linear, batch: Batch, y_bar: Place, x_bar: Place, add: bool) {
        let sizes =
            Sizes { m: batch.rows * batch.components, n: l.inputs, k: l.outputs, chunk: l.outputs, terms: 1, apart: 0 };
        let a = Factor { place: y_bar, row: l.outputs, column: 1, term: 0 };
        let b = Factor { place: w.at(l.weight), row: l.inputs, column: 1, term: 0 };
        self.product(sizes, a, b, None, add, x_bar);
    }

    /// The last component of the gradient of a layer's parameters, in parts, if it is asked for; `rows` to a sample.
    pub fn gradient(&mut self, parts: Option<&Parts>, l: &Linear, batch: Batch, rows: usize, x: Place, y_bar: Place) {
        let Some(parts) = parts else { return };
        let last = batch.components - 1;
        let sizes = Sizes {
            m: l.outputs,
            n: l.inputs,
            k: batch.rows,
            chunk: parts.samples * rows,
            terms: batch.components,
            apart: parts.len,
        };
        // The values of one with the tangents of the other.
        let [outputs, inputs] = [l.outputs, l.inputs].map(|width| batch.rows * width);
        let a = Factor { place: y_bar.at(last * outputs), row: 1, column: l.outputs, term: -(outputs as i64) };
        let b = Factor { place: x, row: l.inputs, column: 1, term: inputs as i64 };
        self.product(sizes, a, b, None, false, parts.place.at(l.weight));
        if let Some(bias) = l.bias {
            let to = parts.place.at(bias);
            self.columns(batch.rows, l.outputs, parts.samples * rows, parts.len, y_bar.at(last * outputs), to);
        }
    }

    /// Sums of `chunk` rows `[rows, width]` each, `apart`.
    pub fn columns(&mut self, rows: usize, width: usize, chunk: usize, apart: usize, x: Place, out: Place) {
        let args = vec![int(rows), int(width), int(chunk), long(apart as i64), x.into(), out.into()];
        self.call("columns", (rows.div_ceil(chunk) * width).div_ceil(THREADS), 0, args);
    }
}
