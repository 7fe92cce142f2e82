//! One transformer block, forward:
//!
//! ```text
//! u  = LN(x) w1 (1 + scale1) + shift1      o = attention(u Wqkv)      x1 = x + gate1 (o Wout) * mask1
//! u2 = LN(x1) w2 (1 + scale2) + shift2     z = u2 W1 + b1             next = x1 + gate2 (GELU(z) W2 + b2) * mask2
//! ```
//!
//! On values (`K = 1`), or on values with any number of tangents, taken as pairs (`K = 2`). What the products gave for
//! components below `from` is taken as known (from an earlier pass on the same memory); the cheap steps between are done
//! again for all.

use std::ops::Range;

use super::activation::{self, Gelu};
use super::attention::{Attention, HeadMemory};
use super::mat::Mat;
use super::norm::{Modulation, modulate, residual};
use super::plan::{BlockPlan, Packed, Plan};
use crate::real::Real;

/// What the reverse pass needs of a block; rows are tokens, sample by sample.
#[derive(Debug)]
pub struct BlockTape<T> {
    /// Input.
    pub x: Mat<T>,
    /// Queries and keys, rotated, and values.
    pub qkv: Mat<T>,
    /// Attention probabilities, head by head.
    pub p: Mat<T>,
    /// Output of the heads.
    pub o: Mat<T>,
    /// Attention branch before its gate.
    pub a: Mat<T>,
    /// Middle of the block.
    pub x1: Mat<T>,
    /// Hidden layer of the MLP before its activation.
    pub z: Mat<T>,
    /// MLP branch before its gate.
    pub e: Mat<T>,
}

/// What all blocks share in a forward pass.
pub struct Forward<'a, T> {
    /// Packed parameters.
    pub w: &'a Packed<T>,
    /// Rotary attention.
    pub attention: &'a Attention<T>,
    /// Its working memory.
    pub head: &'a mut HeadMemory<T>,
    /// Modulated rows `u`.
    pub u: &'a mut Mat<T>,
    /// Activated rows of the MLP.
    pub y: &'a mut Mat<T>,
    /// The first component whose products are wanted.
    pub from: usize,
    /// Tangents.
    pub tangents: usize,
}

/// Lanes of the attention's modulation and of the MLP's in a block's row of modulations.
pub fn modulations(hidden: usize) -> [Modulation; 2] {
    [Modulation::at(0, hidden), Modulation::at(3 * hidden, hidden)]
}

impl<T: Real> BlockTape<T> {
    /// Memory for `rows` tokens.
    pub fn new(plan: &Plan, attention: &Attention<T>, components: usize, rows: usize) -> Self {
        let mat = |lanes| Mat::new(components, rows, lanes);
        let hidden = plan.hidden;
        let (mlp, qkv) = (plan.blocks[0].mlp0.outputs, plan.blocks[0].qkv.outputs);
        Self {
            x: mat(hidden),
            qkv: mat(qkv),
            p: mat(attention.probability_lanes()),
            o: mat(hidden),
            a: mat(hidden),
            x1: mat(hidden),
            z: mat(mlp),
            e: mat(hidden),
        }
    }

    /// Its matrices.
    pub fn all(&mut self) -> [&mut Mat<T>; 8] {
        [&mut self.x, &mut self.qkv, &mut self.p, &mut self.o, &mut self.a, &mut self.x1, &mut self.z, &mut self.e]
    }

    /// From `x` to `u`.
    pub fn normalise<const K: usize, const M: usize>(&self, plan: &BlockPlan, run: &mut Forward<'_, T>, mods: &Mat<T>) {
        let [attention, _] = modulations(self.x.lanes);
        modulate::<T, K, M>(&self.x, &run.w.forward[plan.norm1..], mods, attention, run.u, run.tangents);
    }

    /// From the products in `qkv` to `o`.
    pub fn attend<const K: usize>(&mut self, run: &mut Forward<'_, T>, queries: Range<usize>) {
        run.attention.rotate::<false>(&mut self.qkv, run.from, run.tangents + 1);
        run.attention.forward::<K>(&self.qkv, &mut self.p, &mut self.o, run.head, queries, run.tangents);
    }

    /// From `o` to `x1`.
    pub fn join<const K: usize, const M: usize>(
        &mut self,
        plan: &BlockPlan,
        run: &mut Forward<'_, T>,
        mods: &Mat<T>,
        mask: Option<&Mat<T>>,
    ) {
        let [attention, _] = modulations(self.x.lanes);
        plan.out.forward(run.w, &self.o, &mut self.a, run.from, run.tangents + 1);
        residual::<T, K, M>(&self.x, &self.a, mask, mods, attention, &mut self.x1, run.tangents);
    }

    /// From `x1` to the next block's input.
    pub fn transform<const K: usize, const M: usize>(
        &mut self,
        plan: &BlockPlan,
        run: &mut Forward<'_, T>,
        mods: &Mat<T>,
        mask: Option<&Mat<T>>,
        next: &mut Mat<T>,
    ) {
        let ([_, mlp], all) = (modulations(self.x.lanes), run.tangents + 1);
        modulate::<T, K, M>(&self.x1, &run.w.forward[plan.norm2..], mods, mlp, run.u, run.tangents);
        plan.mlp0.forward(run.w, run.u, &mut self.z, run.from, all);
        activation::forward::<Gelu, T>(&self.z, run.y, run.tangents);
        plan.mlp2.forward(run.w, run.y, &mut self.e, run.from, all);
        residual::<T, K, M>(&self.x1, &self.e, mask, mods, mlp, next, run.tangents);
    }
}
