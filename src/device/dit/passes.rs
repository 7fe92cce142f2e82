//! The whole network as calls of kernels: forward, and in reverse.

use super::builder::{Batch, Builder, GELU, Parts, Place, THREADS, WARPS, attention_reals, int, optional};
use super::{Dit, Run, conditioning};
use crate::device::heads::Bare;
use crate::device::launch::Arg;
use crate::nn::dit::dropout::Dropout;
use crate::nn::fused::HIDDEN as LANES;
use crate::rng::Purpose;

/// What the reverse pass needs of a block; rows are tokens, sample by sample.
#[derive(Clone, Copy)]
struct BlockTape {
    /// Input, and the same normalised and modulated.
    x: Place,
    u: Place,
    qkv: Place,
    /// Attention probabilities.
    p: Place,
    /// Output of the heads, and the attention branch before its gate.
    o: Place,
    a: Place,
    /// Middle of the block, and the same normalised and modulated.
    x1: Place,
    u1: Place,
    /// Hidden layer of the MLP before and after its activation, and the branch before its gate.
    z: Place,
    y: Place,
    e: Place,
}

/// What the reverse pass needs.
pub struct Tape {
    conditioning: conditioning::Tape,
    blocks: Vec<BlockTape>,
    y: Place,
    last: Place,
    last_u: Place,
}

/// Half a block, as the kernels of `dit_rows.cuh` see it: of a branch that is added (its place), or of a norm (its weight); the
/// branch's gate and what the norm is modulated with are those of half `half` of block `block`.
#[derive(Clone, Copy)]
struct Half<P> {
    of: P,
    block: usize,
    half: usize,
}

impl Run<'_> {
    fn hidden(&self) -> usize {
        self.net.plan.hidden * LANES
    }

    fn rows(&self) -> usize {
        self.samples * self.net.plan.tokens
    }

    fn batch(&self) -> Batch {
        Batch { rows: self.rows(), components: self.components }
    }

    /// Units of an attention kernel: every head of every sample, with each tangent.
    fn units(&self) -> usize {
        self.samples * self.net.plan.heads * (self.components - 1).max(1)
    }

    /// Numbers of all attention probabilities.
    fn probabilities(&self) -> usize {
        self.units() * self.components.min(2) * self.net.plan.tokens.pow(2)
    }

    /// The same with the dropout masks of the samples `first..`, if there is dropout.
    #[must_use]
    pub(super) fn with_masks(self, b: &mut Builder<'_>, first: usize) -> Self {
        let Some((seed, step)) = self.net.dropping else { return self };
        let (layers, per) = (2 * self.net.places.blocks.len(), self.net.plan.tokens * self.hidden());
        let out = b.scratch(layers * self.samples * per);
        let args = vec![
            int(layers),
            int(self.samples),
            int(per),
            int(first),
            int(Purpose::Dropout as usize),
            int(Dropout::threshold(self.net.plan.dropout) as usize),
            Arg::Long(seed),
            Arg::Long(step),
            out.into(),
        ];
        // Eight masks of one Philox block to a thread.
        b.call("masks", (layers * self.samples * per / 8).div_ceil(THREADS), 0, args);
        Self { masks: Some(out), ..self }
    }

    fn mask(&self, branch: Half<Place>) -> Option<Place> {
        self.masks.map(|all| all.at((2 * branch.block + branch.half) * self.rows() * self.hidden()))
    }

    /// Width of a row of modulations, and where the shift of a half lies in it; the scale comes after it, then the gate.
    fn modulation(&self, block: usize, half: usize) -> (usize, usize) {
        let places = &self.net.places;
        let linear = places.blocks.get(block).map_or(&places.last_modulation, |b| &b.modulation);
        (linear.outputs, 3 * half * self.hidden())
    }

    /// `x = x_in + gate branch`, `u = LN(x) w (1 + scale) + shift`.
    fn advance(
        &self,
        b: &mut Builder<'_>,
        mods: &[Place],
        (x_in, x, u): (Place, Place, Place),
        branch: Option<Half<Place>>,
        norm: Half<usize>,
    ) {
        let of = branch.map(|branch| (branch, self.modulation(branch.block, branch.half)));
        let (width, shift) = self.modulation(norm.block, norm.half);
        let tangents = self.components - 1;
        let args = vec![
            int(self.samples),
            int(self.net.plan.tokens),
            int(self.hidden()),
            int(tangents),
            int(usize::from(self.moved)),
            int(of.map_or(0, |(_, (width, _))| width)),
            int(width),
            x_in.into(),
            optional(branch.map(|branch| branch.of)),
            optional(branch.and_then(|branch| self.mask(branch))),
            optional(of.map(|(branch, (_, shift))| mods[branch.block].at(shift + 2 * self.hidden()))),
            self.w.at(norm.of).into(),
            mods[norm.block].at(shift).into(),
            x.into(),
            u.into(),
        ];
        b.pass("advance", self.components, (self.rows() * tangents.max(1)).div_ceil(WARPS), 0, args);
    }

    fn attention_args<'a>(&self) -> Vec<Arg<'a>> {
        let plan = &self.net.plan;
        vec![int(self.samples), int(plan.tokens), int(plan.heads), int(plan.head), self.tables.into()]
    }

    /// Output `f` at `y [components][rows, 3]`. With `keep` every block has buffers of its own.
    pub(super) fn forward(
        &self,
        b: &mut Builder<'_>,
        noise: Place,
        beta: Place,
        y: Place,
        f: Place,
        keep: bool,
    ) -> Tape {
        let (places, batch, hidden) = (&self.net.places, self.batch(), self.hidden());
        let conditioning = self.condition(b, noise, beta);
        let mods = &conditioning.mods;
        let mut blocks: Vec<BlockTape> = Vec::new();
        let mut x = b.rows(batch, hidden);
        b.forward(self.w, &places.embed, batch, y, x, false);
        let mut before = None;
        let mut next = x;
        for (index, block) in places.blocks.iter().enumerate() {
            let t = match blocks.last() {
                // The same buffers again, but for those that are read beside what is written.
                Some(&t) if !keep => BlockTape { x: next, ..t },
                _ => BlockTape {
                    x: next,
                    u: b.rows(batch, hidden),
                    qkv: b.rows(batch, 3 * hidden),
                    p: b.scratch(self.probabilities()),
                    o: b.rows(batch, hidden),
                    a: b.rows(batch, hidden),
                    x1: b.rows(batch, hidden),
                    u1: b.rows(batch, hidden),
                    z: b.rows(batch, block.mlp[0].outputs),
                    y: b.rows(batch, block.mlp[0].outputs),
                    e: b.rows(batch, hidden),
                },
            };
            let norm = Half { of: block.norm1, block: index, half: 0 };
            self.advance(b, mods, (x, t.x, t.u), before, norm);
            b.forward(self.w, &block.qkv, batch, t.u, t.qkv, false);
            let mut args = self.attention_args();
            args.extend([t.qkv.into(), t.p.into(), t.o.into()]);
            let shared = attention_reals(self.components.min(2), &self.net.plan);
            b.pass("attend", self.components, self.units(), shared, args);
            b.forward(self.w, &block.out, batch, t.o, t.a, false);
            let branch = Half { of: t.a, block: index, half: 0 };
            let norm = Half { of: block.norm2, block: index, half: 1 };
            self.advance(b, mods, (t.x, t.x1, t.u1), Some(branch), norm);
            b.forward(self.w, &block.mlp[0], batch, t.u1, t.z, false);
            b.activate(GELU, batch, block.mlp[0].outputs, t.z, t.y);
            b.forward(self.w, &block.mlp[1], batch, t.y, t.e, false);
            before = Some(Half { of: t.e, block: index, half: 1 });
            x = t.x1;
            // Without a tape the input's buffer is free by now.
            next = if keep { b.rows(batch, hidden) } else { t.x };
            blocks.push(t);
        }
        let last = next;
        let last_u = match blocks.last() {
            Some(t) if !keep => t.u,
            _ => b.rows(batch, hidden),
        };
        let norm = Half { of: places.last_norm, block: places.blocks.len(), half: 0 };
        self.advance(b, mods, (x, last, last_u), before, norm);
        b.forward(self.w, &places.last, batch, last_u, f, false);
        Tape { conditioning, blocks, y, last, last_u }
    }

    /// Adjoints of the inputs from that of the output, after [`Self::forward`] with `keep`; with `grad` also the gradient of all
    /// parameters.
    pub(super) fn reverse(
        &self,
        b: &mut Builder<'_>,
        tape: &Tape,
        f_bar: Place,
        y_bar: Place,
        noise_bar: Place,
        grad: Option<Place>,
    ) {
        let (places, batch, hidden, tokens) = (&self.net.places, self.batch(), self.hidden(), self.net.plan.tokens);
        let (len, chunks) = (self.net.plan.layout.len(), self.samples.div_ceil(Dit::CHUNK));
        let parts = grad.map(|_| Parts { place: b.scratch(chunks * len), len, samples: Dit::CHUNK });
        let parts = parts.as_ref();
        let mods_bar: Vec<Place> =
            self.modulations().map(|linear| b.rows(self.batch_of_samples(), linear.outputs)).collect();
        let [x_bar, branch_bar, u_bar, o_bar] = [(); 4].map(|()| b.rows(batch, hidden));
        let [qkv_bar, z_bar] = [3, 4].map(|times| b.rows(batch, times * hidden));
        let s_bar = b.scratch(self.probabilities());
        let w_bar = b.scratch(self.samples * hidden);
        let (mods, mods_bar) = (&tape.conditioning.mods[..], &mods_bar[..]);
        // The reverse of `advance`, whose output was `x`.
        let retreat = |b: &mut Builder<'_>, x: Place, branch: Option<Half<Place>>, norm: Half<usize>, fresh: bool| {
            let of = branch.map(|branch| (branch, self.modulation(branch.block, branch.half)));
            let gates = |mods: &[Place]| of.map(|(branch, (_, shift))| mods[branch.block].at(shift + 2 * hidden));
            let (width, shift) = self.modulation(norm.block, norm.half);
            let args = vec![
                int(self.samples),
                int(tokens),
                int(hidden),
                int(usize::from(fresh)),
                int(of.map_or(0, |(_, (width, _))| width)),
                int(width),
                x.into(),
                u_bar.into(),
                optional(branch.map(|branch| branch.of)),
                optional(branch.and_then(|branch| self.mask(branch))),
                optional(gates(mods)),
                self.w.at(norm.of).into(),
                mods[norm.block].at(shift).into(),
                x_bar.into(),
                branch_bar.into(),
                optional(gates(mods_bar)),
                mods_bar[norm.block].at(shift).into(),
                w_bar.into(),
            ];
            b.pass("retreat", self.components, self.samples, 2 * tokens * self.components, args);
            if let Some(parts) = parts {
                b.columns(self.samples, hidden, parts.samples, parts.len, w_bar, parts.place.at(norm.of));
            }
        };

        b.reverse(self.w, &places.last, batch, f_bar, u_bar, false);
        b.gradient(parts, &places.last, batch, tokens, tape.last_u, f_bar);
        let branch = |index: usize| Half { of: tape.blocks[index].e, block: index, half: 1 };
        let before = |index: usize| index.checked_sub(1).map(branch);
        let norm = Half { of: places.last_norm, block: places.blocks.len(), half: 0 };
        retreat(b, tape.last, before(places.blocks.len()), norm, true);
        for (index, (block, t)) in places.blocks.iter().zip(&tape.blocks).enumerate().rev() {
            b.reverse(self.w, &block.mlp[1], batch, branch_bar, z_bar, false);
            b.activate_back(GELU, batch, block.mlp[0].outputs, t.z, z_bar);
            b.reverse(self.w, &block.mlp[0], batch, z_bar, u_bar, false);
            b.gradient(parts, &block.mlp[1], batch, tokens, t.y, branch_bar);
            b.gradient(parts, &block.mlp[0], batch, tokens, t.u1, z_bar);
            let norm = Half { of: block.norm2, block: index, half: 1 };
            retreat(b, t.x1, Some(Half { of: t.a, block: index, half: 0 }), norm, false);

            b.reverse(self.w, &block.out, batch, branch_bar, o_bar, false);
            let mut args = self.attention_args();
            args.extend([t.qkv.into(), t.p.into(), o_bar.into(), s_bar.into(), qkv_bar.into()]);
            let shared = attention_reals(self.components, &self.net.plan);
            b.pass("attend_back", self.components, self.units(), shared, args);
            b.reverse(self.w, &block.qkv, batch, qkv_bar, u_bar, false);
            b.gradient(parts, &block.out, batch, tokens, t.o, branch_bar);
            b.gradient(parts, &block.qkv, batch, tokens, t.u, qkv_bar);
            let norm = Half { of: block.norm1, block: index, half: 0 };
            retreat(b, t.x, before(index), norm, false);
        }
        b.reverse(self.w, &places.embed, batch, x_bar, y_bar, false);
        b.gradient(parts, &places.embed, batch, tokens, tape.y, x_bar);
        self.condition_back(b, &tape.conditioning, mods_bar, noise_bar, parts);
        if let (Some(parts), Some(grad)) = (parts, grad) {
            b.columns(chunks, len, chunks, 0, parts.place, grad);
        }
    }
}
