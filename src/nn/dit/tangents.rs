//! Exact divergence: all coordinate directions pushed forward through the network, a group at a time, on top of one
//! sample's values. Only the products of the tangents are computed; one block's buffers serve all.
//!
//! Direction `(i, axis)` starts at token `i` alone and is read off there alone: queries, keys and values of the first block,
//! and everything after the last block's keys and values, are computed for that token only. With 6 blocks this saves a
//! sixth of all products.

use super::attention::HeadMemory;
use super::block::{BlockTape, Forward};
use super::edges;
use super::mat::{Mat, Scalars};
use super::network::{Memory, Network};
use super::plan::Linear;
use crate::lanes::gemm::{Start, product_panels};
use crate::lanes::num::{H, Lanes, Num};
use crate::real::Real;

/// Tokens whose directions are pushed together: their rows stay in cache between the products.
const GROUP: usize = 2;

/// Working memory for one sample.
#[derive(Debug)]
pub struct Tangents<T> {
    y: Scalars<T>,
    /// A group's directions, one component each.
    group: Buffers<T>,
    head: HeadMemory<T>,
    /// Rows of the directions' own tokens: input and result of a product.
    own: [Vec<Lanes<T>>; 2],
    /// The end of the network at every direction's own token: pairs of a value and a tangent, one row per direction.
    last: Buffers<T>,
    f: Scalars<T>,
}

/// What one block needs.
#[derive(Debug)]
struct Buffers<T> {
    tape: BlockTape<T>,
    next: Mat<T>,
    u: Mat<T>,
    hidden: Mat<T>,
}

impl<T: Real> Buffers<T> {
    fn new(net: &Network<'_, T>, components: usize, rows: usize) -> Self {
        let mat = |lanes| Mat::new(components, rows, lanes);
        Self {
            tape: BlockTape::new(net.plan, &net.attention, components, rows),
            next: mat(net.plan.hidden),
            u: mat(net.plan.hidden),
            hidden: mat(net.plan.blocks[0].mlp0.outputs),
        }
    }
}

/// Copies a row (of a matrix, its component and row) to the component and row of another.
fn copy_row<T: Real>(from: (&Mat<T>, usize, usize), to: &mut Mat<T>, (part, row): (usize, usize)) {
    let lanes = from.0.lanes;
    let source = &from.0.part(from.1, from.1 + 1)[from.2 * lanes..][..lanes];
    to.part_mut(part, part + 1)[row * lanes..][..lanes].copy_from_slice(source);
}

impl<T: Real> Tangents<T> {
    /// Memory for one sample.
    pub fn new(net: &Network<'_, T>) -> Self {
        let (tokens, directions) = (net.plan.tokens, 3 * net.plan.tokens);
        let all = 3 * GROUP + 1;
        Self {
            y: Scalars::new(all, 3 * tokens),
            group: Buffers::new(net, all, tokens),
            head: net.attention.memory(all),
            own: [Vec::new(), Vec::new()],
            last: Buffers::new(net, 2, directions),
            f: Scalars::new(2, 3 * directions),
        }
    }

    /// Trace of `dF/dy` at the one sample whose values `m` holds.
    pub fn trace(&mut self, net: &Network<'_, T>, m: &Memory<T>) -> f64 {
        let tokens = net.plan.tokens;
        for first in (0..tokens).step_by(GROUP) {
            self.push(net, m, first, GROUP.min(tokens - first));
        }
        self.finish(net, m)
    }

    /// Directions of the tokens `first..first + group`, up to the last block's attention.
    fn push(&mut self, net: &Network<'_, T>, m: &Memory<T>, first: usize, group: usize) {
        let (tangents, blocks) = (3 * group, &net.plan.blocks);
        for i in 0..self.y.len {
            for t in 1..=tangents {
                let slope = if i == 3 * first + t - 1 { T::ONE } else { T::ZERO };
                self.y.put_at(i, t, Num([m.y.get::<1>(i).0[0], slope]));
            }
        }
        let Self { y, group: Buffers { tape, next, u, hidden }, head, own, last: end, .. } = self;
        edges::embed::<T, 2>(&net.w.forward[net.plan.embed..], y, &mut tape.x, tangents);
        let mut run = Forward { w: &net.w, attention: &net.attention, head, u, y: hidden, from: 1, tangents };
        for (b, values) in m.blocks.iter().enumerate() {
            known(tape, values);
            let (plan, mods, last) = (&blocks[b], &m.conditioning.mods[b], b + 1 == blocks.len());
            tape.normalise::<2, 1>(plan, &mut run, mods);
            let (only_own, queries) = if b == 0 {
                tape.qkv.part_mut(1, tangents + 1).fill(Lanes([T::ZERO; H]));
                (0..plan.qkv.outputs, 0..tape.x.rows)
            } else if last {
                (0..net.plan.hidden, first..first + group)
            } else {
                (0..0, 0..tape.x.rows)
            };
            let weight = &net.w.forward[plan.qkv.weight..];
            if only_own.end < plan.qkv.outputs {
                let (x, y) = (run.u.part(1, tangents + 1), tape.qkv.part_mut(1, tangents + 1));
                let panels = only_own.end..plan.qkv.outputs;
                product_panels(weight, x, plan.qkv.inputs, Start::Zero, y, plan.qkv.outputs, panels);
            }
            own_rows(&plan.qkv, weight, run.u, &mut tape.qkv, (first, tangents), only_own, own);
            tape.attend::<2>(&mut run, queries);
            if last {
                for t in 1..=tangents {
                    let (row, to) = (first + (t - 1) / 3, 3 * first + t - 1);
                    copy_row((&tape.x, 0, row), &mut end.tape.x, (0, to));
                    copy_row((&tape.x, t, row), &mut end.tape.x, (1, to));
                    copy_row((&tape.o, t, row), &mut end.tape.o, (1, to));
                }
            } else {
                tape.join::<2, 1>(plan, &mut run, mods, None);
                tape.transform::<2, 1>(plan, &mut run, mods, None, next);
                std::mem::swap(&mut tape.x, next);
            }
        }
    }

    /// From the last block's attention to the trace, each direction at its own token.
    fn finish(&mut self, net: &Network<'_, T>, m: &Memory<T>) -> f64 {
        let Self { last: Buffers { tape, next, u, hidden }, head, f, .. } = self;
        let (index, mods) = (net.plan.blocks.len() - 1, &m.conditioning.mods);
        let (values, plan) = (&m.blocks[index], &net.plan.blocks[index]);
        for to in 0..tape.x.rows {
            copy_row((&values.a, 0, to / 3), &mut tape.a, (0, to));
            copy_row((&values.z, 0, to / 3), &mut tape.z, (0, to));
            copy_row((&values.e, 0, to / 3), &mut tape.e, (0, to));
        }
        let mut run = Forward { w: &net.w, attention: &net.attention, head, u, y: hidden, from: 1, tangents: 1 };
        tape.join::<2, 1>(plan, &mut run, &mods[index], None);
        tape.transform::<2, 1>(plan, &mut run, &mods[index], None, next);
        net.output::<2, 1>(next, &mods[index + 1], run.u, f, 1);
        (0..tape.x.rows).map(|to| f.get::<2>(3 * to + to % 3).0[1].to_f64()).sum()
    }
}

/// Takes over the products of the values.
fn known<T: Real>(tape: &mut BlockTape<T>, values: &BlockTape<T>) {
    for (own, value) in
        [(&mut tape.qkv, &values.qkv), (&mut tape.a, &values.a), (&mut tape.z, &values.z), (&mut tape.e, &values.e)]
    {
        own.part_mut(0, 1).copy_from_slice(value.part(0, 1));
    }
}

/// Some panels of a layer, each tangent at its own token alone.
fn own_rows<T: Real>(
    linear: &Linear,
    weight: &[Lanes<T>],
    u: &Mat<T>,
    out: &mut Mat<T>,
    (first, tangents): (usize, usize),
    panels: std::ops::Range<usize>,
    [x, y]: &mut [Vec<Lanes<T>>; 2],
) {
    let lanes = out.lanes;
    x.clear();
    for t in 1..=tangents {
        x.extend(&u.part(t, t + 1)[(first + (t - 1) / 3) * u.lanes..][..u.lanes]);
    }
    y.resize(tangents * lanes, Lanes([T::ZERO; H]));
    product_panels(weight, x, linear.inputs, Start::Zero, y, lanes, panels.clone());
    for (y, t) in y.chunks_exact(lanes).zip(1..=tangents) {
        let row = &mut out.part_mut(t, t + 1)[(first + (t - 1) / 3) * lanes..][..lanes];
        row[panels.clone()].copy_from_slice(&y[panels.clone()]);
    }
}
