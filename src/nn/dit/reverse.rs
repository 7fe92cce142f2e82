//! One transformer block, reverse: from the adjoint of its output to that of its input, and the gradients of its
//! parameters. On `K` components: with `K = 2` the derivative of the gradient along the tangent, from the same lines.

use super::activation::{self, Gelu};
use super::attention::{Attention, HeadMemory};
use super::block::{BlockTape, modulations};
use super::mat::Mat;
use super::norm::{modulate_reverse, residual_reverse};
use super::plan::{BlockPlan, Packed, Plan};
use crate::lanes::num::Lanes;
use crate::real::Real;

/// What the products of the reverse pass gave, kept so that a second pass on dual numbers need not do the values again.
#[derive(Debug)]
pub struct BlockAdjoint<T> {
    /// Of the activated hidden layer of the MLP.
    y: Mat<T>,
    /// Of its input.
    u2: Mat<T>,
    /// Of the output of the heads.
    o: Mat<T>,
    /// Of the input of queries, keys, values.
    u: Mat<T>,
}

/// Working memory of the reverse pass, shared by all blocks.
#[derive(Debug)]
pub struct Scratch<T> {
    /// Modulated rows.
    pub u: Mat<T>,
    /// Activated rows of the MLP.
    pub y: Mat<T>,
    branch_bar: Mat<T>,
    z_bar: Mat<T>,
    qkv_bar: Mat<T>,
    /// Columns of an outer product.
    pub columns: Vec<Lanes<T>>,
}

/// What all blocks share in a reverse pass.
pub struct Reverse<'a, T> {
    /// Packed parameters.
    pub w: &'a Packed<T>,
    /// Rotary attention.
    pub attention: &'a Attention<T>,
    /// Its working memory.
    pub head: &'a mut HeadMemory<T>,
    /// Working memory.
    pub scratch: &'a mut Scratch<T>,
    /// The first component whose products are wanted.
    pub from: usize,
    /// Packed gradient.
    pub grad: &'a mut [Lanes<T>],
}

impl<T: Real> BlockAdjoint<T> {
    /// Memory for `rows` tokens, with one tangent.
    pub fn new(plan: &Plan, rows: usize) -> Self {
        let mat = |lanes| Mat::new(2, rows, lanes);
        let hidden = plan.hidden;
        Self { y: mat(plan.blocks[0].mlp0.outputs), u2: mat(hidden), o: mat(hidden), u: mat(hidden) }
    }

    /// Its matrices.
    pub fn all(&mut self) -> [&mut Mat<T>; 4] {
        [&mut self.y, &mut self.u2, &mut self.o, &mut self.u]
    }

    /// Reverse pass of a block: the first of `bars` comes in as the adjoint of its output and leaves as that of its input.
    pub fn run<const K: usize, const WEIGHTS: bool>(
        &mut self,
        tape: &BlockTape<T>,
        plan: &BlockPlan,
        run: &mut Reverse<'_, T>,
        mods: &Mat<T>,
        masks: Option<&[Mat<T>; 2]>,
        (x_bar, mods_bar): (&mut Mat<T>, &mut Mat<T>),
    ) {
        let Scratch { u, y, branch_bar, z_bar, qkv_bar, columns } = &mut *run.scratch;
        let [attention, mlp] = modulations(x_bar.lanes);
        let mask = |which: usize| masks.map(|m| &m[which]);

        residual_reverse::<T, K>(x_bar, &tape.e, mask(1), mods, mlp, branch_bar, mods_bar);
        plan.mlp2.reverse(run.w, branch_bar, &mut self.y, run.from, K, false);
        activation::reverse::<Gelu, T, K>(&tape.z, &self.y, z_bar, y);
        plan.mlp0.reverse(run.w, z_bar, &mut self.u2, run.from, K, false);
        let w = &run.w.forward[plan.norm2..];
        let norm = if WEIGHTS { &mut run.grad[plan.norm2..] } else { &mut [] };
        let bars = (&mut *x_bar, &mut *mods_bar);
        modulate_reverse::<T, K, WEIGHTS>(&tape.x1, w, mods, mlp, &self.u2, bars, (&mut *u, norm));
        if WEIGHTS {
            plan.mlp2.gradient::<T, K>(y, branch_bar, run.grad, columns);
            plan.mlp0.gradient::<T, K>(u, z_bar, run.grad, columns);
        }

        residual_reverse::<T, K>(x_bar, &tape.a, mask(0), mods, attention, branch_bar, mods_bar);
        plan.out.reverse(run.w, branch_bar, &mut self.o, run.from, K, false);
        run.attention.reverse::<K>(&tape.qkv, &tape.p, &self.o, qkv_bar, run.head);
        run.attention.rotate::<true>(qkv_bar, 0, K);
        plan.qkv.reverse(run.w, qkv_bar, &mut self.u, run.from, K, false);
        let w = &run.w.forward[plan.norm1..];
        let norm = if WEIGHTS { &mut run.grad[plan.norm1..] } else { &mut [] };
        modulate_reverse::<T, K, WEIGHTS>(&tape.x, w, mods, attention, &self.u, (x_bar, mods_bar), (&mut *u, norm));
        if WEIGHTS {
            plan.out.gradient::<T, K>(&tape.o, branch_bar, run.grad, columns);
            plan.qkv.gradient::<T, K>(u, qkv_bar, run.grad, columns);
        }
    }
}

impl<T: Real> Scratch<T> {
    /// Memory for `rows` tokens.
    pub fn new(plan: &Plan, components: usize, rows: usize) -> Self {
        let mat = |lanes| Mat::new(components, rows, lanes);
        let (hidden, mlp, qkv) = (plan.hidden, plan.blocks[0].mlp0.outputs, plan.blocks[0].qkv.outputs);
        Self {
            u: mat(hidden),
            y: mat(mlp),
            branch_bar: mat(hidden),
            z_bar: mat(mlp),
            qkv_bar: mat(qkv),
            columns: Vec::new(),
        }
    }

    /// Its matrices.
    pub fn all(&mut self) -> [&mut Mat<T>; 5] {
        [&mut self.u, &mut self.y, &mut self.branch_bar, &mut self.z_bar, &mut self.qkv_bar]
    }
}
