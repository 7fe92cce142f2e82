//! The whole network on a micro-batch: `f = F(c_noise, y, beta)`, forward and reverse.

use super::attention::{Attention, HeadMemory};
use super::block::{BlockTape, Forward};
use super::conditioning::Conditioning;
use super::dropout::Dropout;
use super::mat::{Mat, Scalars};
use super::norm::{Modulation, modulate, modulate_reverse};
use super::plan::{Packed, Plan};
use super::reverse::{BlockAdjoint, Reverse, Scratch};
use crate::nn::fused::num::{Lanes, Num, Row, add_last, add_row, add_scaled, dot_const};
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
    heads: (HeadMemory<T, 1>, HeadMemory<T, 2>),
    samples: usize,
}

/// Head memory by number of components.
pub trait Components<T>: Sized {
    /// The memory for it.
    fn of(heads: &mut (HeadMemory<T, 1>, HeadMemory<T, 2>)) -> &mut Self;
}

impl<T> Components<T> for HeadMemory<T, 1> {
    fn of(heads: &mut (HeadMemory<T, 1>, HeadMemory<T, 2>)) -> &mut Self {
        &mut heads.0
    }
}

impl<T> Components<T> for HeadMemory<T, 2> {
    fn of(heads: &mut (HeadMemory<T, 1>, HeadMemory<T, 2>)) -> &mut Self {
        &mut heads.1
    }
}

/// A network with parameters: everything that does not change during a call.
pub struct Network<'a, T> {
    /// Shape and places.
    pub plan: &'a Plan,
    /// Parameters.
    pub w: Packed<T>,
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
            heads: (attention.memory(), attention.memory()),
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
        self.blocks.iter_mut().for_each(|b| b.set_rows(rows));
        let adjoints = self.adjoints.iter_mut().flat_map(BlockAdjoint::all);
        for m in adjoints.chain(self.masks.iter_mut().flatten()) {
            m.set_rows(rows);
        }
        for m in [&mut self.last, &mut self.last_bar, &mut self.x_bar] {
            m.set_rows(rows);
        }
        self.scratch.set_rows(rows);
    }

    /// Samples in use.
    pub fn samples(&self) -> usize {
        self.samples
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
    fn output_modulation(&self) -> Modulation {
        let hidden = self.plan.hidden;
        Modulation { shift: 0, scale: hidden, gate: 0 }
    }

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
    pub fn forward<const K: usize, const M: usize>(&self, m: &mut Memory<T>, from: usize)
    where
        HeadMemory<T, K>: Components<T>,
    {
        let plan = self.plan;
        m.conditioning.forward::<M>(plan, &self.w, &m.noise, &m.beta);
        self.embed::<K>(&m.y, &mut m.blocks[0].x);
        let mut run = Forward {
            w: &self.w,
            attention: &self.attention,
            head: HeadMemory::<T, K>::of(&mut m.heads),
            u: &mut m.scratch.u,
            y: &mut m.scratch.y,
            from,
        };
        for b in 0..plan.blocks.len() {
            let masks = self.dropout.as_ref().map(|_| &m.masks[b]);
            let mods = &m.conditioning.mods[b];
            let (this, next) = m.blocks.split_at_mut(b + 1);
            let next = next.first_mut().map_or(&mut m.last, |next| &mut next.x);
            this[b].attend::<K, M>(&plan.blocks[b], &mut run, mods, masks.map(|m| &m[0]));
            this[b].transform::<K, M>(&plan.blocks[b], &mut run, mods, masks.map(|m| &m[1]), next);
        }
        let mods = &m.conditioning.mods[plan.blocks.len()];
        self.output::<K, M>(&m.last, mods, run.u, &mut m.f);
    }

    /// Coordinates to features: `x = W y + b`.
    pub fn embed<const K: usize>(&self, y: &Scalars<T>, x: &mut Mat<T>) {
        let w = &self.w.forward[self.plan.embed..];
        for row in 0..x.rows {
            for c in 0..x.lanes {
                let mut out: Row<T, K> = [Lanes([T::ZERO; 32]); K];
                out[0] = w[3 * x.lanes + c];
                for axis in 0..3 {
                    add_scaled(&mut out, y.get::<K>(3 * row + axis), &w[axis * x.lanes + c]);
                }
                x.put(row, c, &out);
            }
        }
    }

    /// Output layer: `f = W (LN(x) w (1 + scale) + shift) + b`.
    pub fn output<const K: usize, const M: usize>(
        &self,
        x: &Mat<T>,
        mods: &Mat<T>,
        u: &mut Mat<T>,
        f: &mut Scalars<T>,
    ) {
        modulate::<T, K, M>(x, &self.w.forward[self.plan.final_norm..], mods, self.output_modulation(), u);
        let w = &self.w.forward[self.plan.final_linear..];
        for row in 0..x.rows {
            for axis in 0..3 {
                let mut sum = Num::<T, K>::constant(w[3 * x.lanes].0[axis]);
                for c in 0..x.lanes {
                    sum += dot_const(&w[axis * x.lanes + c], &u.get::<K>(row, c));
                }
                f.put(3 * row + axis, sum);
            }
        }
    }

    /// `m.y_bar` and `m.noise_bar` from `m.f_bar`, after [`Self::forward`]; with `WEIGHTS` adds the last component of
    /// the parameter gradient to `grad`.
    pub fn reverse<const K: usize, const WEIGHTS: bool>(&self, m: &mut Memory<T>, from: usize, grad: &mut [Lanes<T>])
    where
        HeadMemory<T, K>: Components<T>,
    {
        let plan = self.plan;
        let last = plan.blocks.len();
        for mods in &mut m.conditioning.mods_bar {
            mods.part_mut(0, K).fill(Lanes([T::ZERO; 32]));
        }
        self.output_reverse::<K, WEIGHTS>(m, grad);
        let mut run = Reverse {
            w: &self.w,
            attention: &self.attention,
            head: HeadMemory::<T, K>::of(&mut m.heads),
            scratch: &mut m.scratch,
            from,
            grad,
        };
        for b in (0..last).rev() {
            let masks = self.dropout.as_ref().map(|_| &m.masks[b]);
            let (mods, mods_bar) = (&m.conditioning.mods[b], &mut m.conditioning.mods_bar[b]);
            let adjoint = &mut m.adjoints[b];
            adjoint.run::<K, WEIGHTS>(&m.blocks[b], &plan.blocks[b], &mut run, mods, masks, &mut m.x_bar, mods_bar);
        }
        self.embed_reverse::<K, WEIGHTS>(&m.x_bar, &m.y, &mut m.y_bar, run.grad);
        let columns = &mut run.scratch.columns;
        m.conditioning.reverse::<K, WEIGHTS>(plan, &self.w, &m.noise, &mut m.noise_bar, run.grad, columns);
    }

    fn embed_reverse<const K: usize, const WEIGHTS: bool>(
        &self,
        x_bar: &Mat<T>,
        y: &Scalars<T>,
        y_bar: &mut Scalars<T>,
        grad: &mut [Lanes<T>],
    ) {
        let at = self.plan.embed;
        for row in 0..x_bar.rows {
            let mut sums = [Num([T::ZERO; K]); 3];
            for c in 0..x_bar.lanes {
                let bar = x_bar.get::<K>(row, c);
                for axis in 0..3 {
                    let place = at + axis * x_bar.lanes + c;
                    sums[axis] += dot_const(&self.w.forward[place], &bar);
                    if WEIGHTS {
                        add_last(&mut grad[place], y.get::<K>(3 * row + axis), &bar);
                    }
                }
                if WEIGHTS {
                    add_last(&mut grad[at + 3 * x_bar.lanes + c], Num::<T, K>::constant(T::ONE), &bar);
                }
            }
            for axis in 0..3 {
                y_bar.put(3 * row + axis, sums[axis]);
            }
        }
    }

    fn output_reverse<const K: usize, const WEIGHTS: bool>(&self, m: &mut Memory<T>, grad: &mut [Lanes<T>]) {
        let (plan, at) = (self.plan, self.plan.final_linear);
        let lanes = plan.hidden;
        for row in 0..m.last.rows {
            let f_bar: [Num<T, K>; 3] = [0, 1, 2].map(|axis| m.f_bar.get(3 * row + axis));
            for c in 0..lanes {
                let mut out: Row<T, K> = [Lanes([T::ZERO; 32]); K];
                for axis in 0..3 {
                    add_scaled(&mut out, f_bar[axis], &self.w.forward[at + axis * lanes + c]);
                }
                m.last_bar.put(row, c, &out);
            }
        }
        m.x_bar.part_mut(0, K).fill(Lanes([T::ZERO; 32]));
        let w = &self.w.forward[plan.final_norm..];
        let index = plan.blocks.len();
        let (mods, mods_bar) = (&m.conditioning.mods[index], &mut m.conditioning.mods_bar[index]);
        let norm = if WEIGHTS { &mut grad[plan.final_norm..] } else { &mut [] };
        let at_mods = self.output_modulation();
        let u = &mut m.scratch.u;
        modulate_reverse::<T, K, WEIGHTS>(&m.last, w, mods, at_mods, &m.last_bar, &mut m.x_bar, mods_bar, u, norm);
        if !WEIGHTS {
            return;
        }
        for row in 0..m.last.rows {
            for axis in 0..3 {
                let bar = m.f_bar.get::<K>(3 * row + axis);
                for c in 0..lanes {
                    add_last(&mut grad[at + axis * lanes + c], bar, &u.get::<K>(row, c));
                }
                grad[at + 3 * lanes].0[axis] += bar.last();
            }
        }
    }
}

/// Adds `x` to `y`, for callers outside the kernels.
pub fn accumulate<T: Real>(y: &mut [Lanes<T>], x: &[Lanes<T>]) {
    for (y, x) in y.iter_mut().zip(x) {
        add_row(std::array::from_mut(y), std::array::from_ref(x));
    }
}
