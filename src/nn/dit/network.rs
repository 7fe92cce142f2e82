//! The whole network on a micro-batch: `f = F(c_noise, y, beta)`, forward and reverse.

use super::attention::{Attention, HeadMemory};
use super::block::{BlockTape, Forward};
use super::conditioning::Conditioning;
use super::dropout::Dropout;
use super::edges;
use super::mat::{Mat, Scalars};
use super::norm::{Modulation, modulate, modulate_reverse};
use super::plan::{Packed, Plan};
use super::reverse::{BlockAdjoint, Reverse, Scratch};
use crate::lanes::num::Lanes;
use crate::lanes::pool::Loan;
use crate::real::Real;

/// Values, one tangent and adjoints of a micro-batch.
#[derive(Debug)]
pub struct Memory<T> {
    /// Scaled coordinates `[tokens, 3]`.
    pub y: Scalars<T>,
    /// Noise level of each sample.
    pub noise: Scalars<T>,
    /// Inverse temperature of each sample.
    pub beta: Vec<T>,
    /// Output `[tokens, 3]`.
    pub f: Scalars<T>,
    /// Adjoint of the output.
    pub f_bar: Scalars<T>,
    /// Adjoint of the coordinates.
    pub y_bar: Scalars<T>,
    /// Adjoint of the noise level.
    pub noise_bar: Scalars<T>,
    /// Conditioning.
    pub conditioning: Conditioning<T>,
    /// Blocks.
    pub blocks: Vec<BlockTape<T>>,
    /// Input of the output layer.
    pub last: Mat<T>,
    masks: Vec<[Mat<T>; 2]>,
    adjoints: Vec<BlockAdjoint<T>>,
    last_bar: Mat<T>,
    x_bar: Mat<T>,
    scratch: Scratch<T>,
    head: HeadMemory<T>,
    samples: usize,
}

/// A network with parameters: everything that does not change during a call.
pub struct Network<'a, T> {
    /// Shape and places.
    pub plan: &'a Plan,
    /// Parameters.
    pub w: Loan<'a, Packed<T>>,
    /// Rotary attention.
    pub attention: Attention<T>,
    /// Dropout, in training.
    pub dropout: Option<Dropout>,
}

impl<T: Real> Memory<T> {
    /// Memory for `samples`.
    pub fn new(plan: &Plan, samples: usize) -> Self {
        let attention = Attention::new(plan);
        let rows = samples * plan.tokens;
        let blocks = || plan.blocks.iter();
        let mat = || Mat::new(2, rows, plan.hidden);
        let coordinates = || Scalars::new(2, 3 * rows);
        let masks = || [Mat::new(1, rows, plan.hidden), Mat::new(1, rows, plan.hidden)];
        Self {
            y: coordinates(),
            noise: Scalars::new(2, samples),
            beta: vec![T::ZERO; samples],
            f: coordinates(),
            f_bar: coordinates(),
            y_bar: coordinates(),
            noise_bar: Scalars::new(2, samples),
            conditioning: Conditioning::new(plan, samples),
            blocks: blocks().map(|_| BlockTape::new(plan, &attention, 2, rows)).collect(),
            last: mat(),
            masks: blocks().filter(|_| plan.dropout > 0.0).map(|_| masks()).collect(),
            adjoints: blocks().map(|_| BlockAdjoint::new(plan, rows)).collect(),
            last_bar: mat(),
            x_bar: mat(),
            scratch: Scratch::new(plan, 2, rows),
            head: attention.memory(2),
            samples,
        }
    }

    /// Uses the memory for `samples`, at most as many as it was made for.
    pub fn set_samples(&mut self, plan: &Plan, samples: usize) {
        if samples == self.samples {
            return;
        }
        self.samples = samples;
        let rows = samples * plan.tokens;
        for s in [&mut self.y, &mut self.f, &mut self.f_bar, &mut self.y_bar] {
            s.set_len(3 * rows);
        }
        self.noise.set_len(samples);
        self.noise_bar.set_len(samples);
        self.beta.resize(samples, T::ZERO);
        self.conditioning.set_samples(samples);
        let tapes = self.blocks.iter_mut().flat_map(BlockTape::all);
        let adjoints = self.adjoints.iter_mut().flat_map(BlockAdjoint::all);
        let ends = [&mut self.last, &mut self.last_bar, &mut self.x_bar].into_iter().chain(self.scratch.all());
        for m in tapes.chain(adjoints).chain(self.masks.iter_mut().flatten()).chain(ends) {
            m.set_rows(rows);
        }
    }

    /// Multiplies the kept adjoints of sample `i` by `factors[i]`, as if the output's adjoint had been so scaled.
    pub fn scale_adjoints(&mut self, factors: &[T]) {
        for m in self.adjoints.iter_mut().flat_map(BlockAdjoint::all) {
            let per_sample = m.rows / factors.len() * m.lanes;
            for (sample, &factor) in m.part_mut(0, 1).chunks_exact_mut(per_sample).zip(factors) {
                for x in sample.iter_mut().flat_map(|lanes| &mut lanes.0) {
                    *x = *x * factor;
                }
            }
        }
    }
}

impl<T: Real> Network<'_, T> {
    /// Chooses the dropout masks of the samples `first..`; they hold for all passes until the next call.
    pub fn draw_masks(&self, m: &mut Memory<T>, first: usize) {
        if let Some(dropout) = &self.dropout {
            for i in 0..m.samples {
                dropout.fill(first + i, i * self.plan.tokens, self.plan.tokens, &mut m.masks);
            }
        }
    }

    /// `m.f` from `m.y`, `m.noise`, `m.beta`; the products only of the components from `from` on. `M = K`, or 1 when
    /// the noise level has no tangent.
    pub fn forward<const K: usize, const M: usize>(&self, m: &mut Memory<T>, from: usize) {
        let plan = self.plan;
        m.conditioning.forward::<M>(plan, &self.w, &m.noise, &m.beta);
        edges::embed::<T, K>(&self.w.forward[plan.embed..], &m.y, &mut m.blocks[0].x, K - 1);
        let mut run = Forward {
            w: &self.w,
            attention: &self.attention,
            head: &mut m.head,
            u: &mut m.scratch.u,
            y: &mut m.scratch.y,
            from,
            tangents: K - 1,
        };
        for b in 0..plan.blocks.len() {
            let masks = self.dropout.as_ref().map(|_| &m.masks[b]);
            let mods = &m.conditioning.mods[b];
            let (this, next) = m.blocks.split_at_mut(b + 1);
            let next = next.first_mut().map_or(&mut m.last, |next| &mut next.x);
            this[b].normalise::<K, M>(&plan.blocks[b], &mut run, mods);
            plan.blocks[b].qkv.forward(&self.w, run.u, &mut this[b].qkv, from, K);
            this[b].attend::<K>(&mut run, 0..plan.tokens);
            this[b].join::<K, M>(&plan.blocks[b], &mut run, mods, masks.map(|m| &m[0]));
            this[b].transform::<K, M>(&plan.blocks[b], &mut run, mods, masks.map(|m| &m[1]), next);
        }
        let mods = &m.conditioning.mods[plan.blocks.len()];
        self.output::<K, M>(&m.last, mods, run.u, &mut m.f, K - 1);
    }

    /// Output layer: `f = W (LN(x) w (1 + scale) + shift) + b`, with `tangents`.
    pub fn output<const K: usize, const M: usize>(
        &self,
        x: &Mat<T>,
        mods: &Mat<T>,
        u: &mut Mat<T>,
        f: &mut Scalars<T>,
        tangents: usize,
    ) {
        let (w, at) = (&self.w.forward[self.plan.final_norm..], Modulation::at(0, self.plan.hidden));
        modulate::<T, K, M>(x, w, mods, at, u, tangents);
        edges::output::<T, K>(&self.w.forward[self.plan.final_linear..], u, f, tangents);
    }

    /// `m.y_bar` and `m.noise_bar` from `m.f_bar`, after [`Self::forward`]; with `WEIGHTS` adds the last component of
    /// the parameter gradient to `grad`.
    pub fn reverse<const K: usize, const WEIGHTS: bool>(&self, m: &mut Memory<T>, from: usize, grad: &mut [Lanes<T>]) {
        let plan = self.plan;
        let last = plan.blocks.len();
        for mods in &mut m.conditioning.mods_bar {
            mods.part_mut(0, K).fill(Lanes([T::ZERO; 32]));
        }
        self.output_reverse::<K, WEIGHTS>(m, grad);
        let mut run =
            Reverse { w: &self.w, attention: &self.attention, head: &mut m.head, scratch: &mut m.scratch, from, grad };
        for b in (0..last).rev() {
            let masks = self.dropout.as_ref().map(|_| &m.masks[b]);
            let (mods, mods_bar) = (&m.conditioning.mods[b], &mut m.conditioning.mods_bar[b]);
            let adjoint = &mut m.adjoints[b];
            let bars = (&mut m.x_bar, mods_bar);
            adjoint.run::<K, WEIGHTS>(&m.blocks[b], &plan.blocks[b], &mut run, mods, masks, bars);
        }
        let w = &self.w.forward[plan.embed..];
        let embed = if WEIGHTS { &mut run.grad[plan.embed..] } else { &mut [] };
        edges::embed_reverse::<T, K, WEIGHTS>(w, &m.x_bar, &m.y, &mut m.y_bar, embed);
        let columns = &mut run.scratch.columns;
        m.conditioning.reverse::<K, WEIGHTS>(plan, &self.w, &m.noise, &mut m.noise_bar, run.grad, columns);
    }

    fn output_reverse<const K: usize, const WEIGHTS: bool>(&self, m: &mut Memory<T>, grad: &mut [Lanes<T>]) {
        let plan = self.plan;
        edges::output_reverse::<T, K>(&self.w.forward[plan.final_linear..], &m.f_bar, &mut m.last_bar);
        m.x_bar.part_mut(0, K).fill(Lanes([T::ZERO; 32]));
        let w = &self.w.forward[plan.final_norm..];
        let index = plan.blocks.len();
        let (mods, mods_bar) = (&m.conditioning.mods[index], &mut m.conditioning.mods_bar[index]);
        let norm = if WEIGHTS { &mut grad[plan.final_norm..] } else { &mut [] };
        let (at, u) = (Modulation::at(0, plan.hidden), &mut m.scratch.u);
        modulate_reverse::<T, K, WEIGHTS>(&m.last, w, mods, at, &m.last_bar, (&mut m.x_bar, mods_bar), (u, norm));
        if WEIGHTS {
            edges::output_gradient::<T, K>(u, &m.f_bar, &mut grad[plan.final_linear..]);
        }
    }
}
