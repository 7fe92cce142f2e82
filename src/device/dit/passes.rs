//! The whole network as calls of kernels: forward, and in reverse.

use super::Dit;
use super::builder::{Batch, Builder, Parts, Place, THREADS, WARPS, attention_reals, int, long, optional};
use super::conditioning;
use super::run::Run;
use crate::device::heads::Bare;
use crate::device::launch::Arg;
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

/// Half a block, as the kernels of `dit_rows.cuh` see it: the branch that is added, by block and half.
#[derive(Clone, Copy)]
struct Branch {
    a: Place,
    block: usize,
    half: usize,
}

/// What a branch's sum is then modulated with: modulations of block `block`, from half `half` on.
#[derive(Clone, Copy)]
struct Norm {
    w: usize,
    block: usize,
    half: usize,
}

impl Run<'_> {
    fn hidden(&self) -> usize {
        self.net.hidden()
    }

    fn rows(&self) -> usize {
        self.samples * self.net.plan.tokens
    }

    fn batch(&self) -> Batch {
        Batch { rows: self.rows(), components: self.components }
    }

    /// A buffer of rows of so many features.
    fn mat(&self, b: &mut Builder<'_>, features: usize) -> Place {
        b.scratch(self.components * self.rows() * features)
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
        let Some(masks) = self.net.masks else { return self };
        let (layers, per) = (2 * self.net.places.blocks.len(), self.net.plan.tokens * self.hidden());
        let out = b.scratch(layers * self.samples * per);
        let args = vec![
            int(layers),
            int(self.samples),
            int(per),
            int(first),
            int(Purpose::Dropout as usize),
            int(masks.below as usize),
            Arg::Long(masks.seed),
            Arg::Long(masks.step),
            out.into(),
        ];
        // Eight masks of one Philox block to a thread.
        b.call("masks", (layers * self.samples * per / 8).div_ceil(THREADS), 0, args);
        Self { masks: Some(out), ..self }
    }

    fn mask(&self, branch: Branch) -> Option<Place> {
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
        branch: Option<Branch>,
        norm: Norm,
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
            optional(branch.map(|branch| branch.a)),
            optional(branch.and_then(|branch| self.mask(branch))),
            optional(of.map(|(branch, (_, shift))| mods[branch.block].at(shift + 2 * self.hidden()))),
            self.w.at(norm.w).into(),
            mods[norm.block].at(shift).into(),
            x.into(),
            u.into(),
        ];
        b.pass("advance", self.components, (self.rows() * tangents.max(1)).div_ceil(WARPS), 0, args);
    }

    fn gelu(&self, b: &mut Builder<'_>, z: Place, y: Place) {
        let n = self.rows() * self.net.places.blocks[0].mlp[0].outputs;
        let args = vec![int(1), long(n as i64), int(self.components - 1), z.into(), y.into()];
        b.call("activate", (n * self.components).div_ceil(THREADS), 0, args);
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
        let mut x = self.mat(b, hidden);
        b.forward(self.w, &places.embed, batch, y, x, false);
        let mut before = None;
        let mut next = (x, None);
        for (index, block) in places.blocks.iter().enumerate() {
            let t = match blocks.last() {
                // The same buffers again, but for those that are read beside what is written.
                Some(&t) if !keep => BlockTape { x: next.0, ..t },
                _ => BlockTape {
                    x: next.0,
                    u: self.mat(b, hidden),
                    qkv: self.mat(b, 3 * hidden),
                    p: b.scratch(self.probabilities()),
                    o: self.mat(b, hidden),
                    a: self.mat(b, hidden),
                    x1: self.mat(b, hidden),
                    u1: self.mat(b, hidden),
                    z: self.mat(b, block.mlp[0].outputs),
                    y: self.mat(b, block.mlp[0].outputs),
                    e: self.mat(b, hidden),
                },
            };
            let norm = Norm { w: block.norm1, block: index, half: 0 };
            self.advance(b, mods, (x, t.x, t.u), before, norm);
            b.forward(self.w, &block.qkv, batch, t.u, t.qkv, false);
            let mut args = self.attention_args();
            args.extend([t.qkv.into(), t.p.into(), t.o.into()]);
            let shared = attention_reals(self.components.min(2), &self.net.plan);
            b.pass("attend", self.components, self.units(), shared, args);
            b.forward(self.w, &block.out, batch, t.o, t.a, false);
            let branch = Branch { a: t.a, block: index, half: 0 };
            let norm = Norm { w: block.norm2, block: index, half: 1 };
            self.advance(b, mods, (t.x, t.x1, t.u1), Some(branch), norm);
            b.forward(self.w, &block.mlp[0], batch, t.u1, t.z, false);
            self.gelu(b, t.z, t.y);
            b.forward(self.w, &block.mlp[1], batch, t.y, t.e, false);
            before = Some(Branch { a: t.e, block: index, half: 1 });
            x = t.x1;
            // Without a tape the input's buffer is free by now.
            next = (if keep { self.mat(b, hidden) } else { t.x }, Some(t.u));
            blocks.push(t);
        }
        let (last, spare) = next;
        let last_u = match spare {
            Some(u) if !keep => u,
            _ => self.mat(b, hidden),
        };
        let norm = Norm { w: places.last_norm, block: places.blocks.len(), half: 0 };
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
        let chunks = self.samples.div_ceil(Dit::CHUNK);
        let parts = grad.map(|_| Parts { place: b.scratch(chunks * places.len), len: places.len, samples: Dit::CHUNK });
        let parts = parts.as_ref();
        let modulation = |index: usize| self.modulation(index, 0).0;
        let mods_bar: Vec<Place> =
            (0..=places.blocks.len()).map(|i| b.scratch(self.components * self.samples * modulation(i))).collect();
        let (x_bar, branch_bar, u_bar) = (self.mat(b, hidden), self.mat(b, hidden), self.mat(b, hidden));
        let (o_bar, qkv_bar, z_bar) = (self.mat(b, hidden), self.mat(b, 3 * hidden), self.mat(b, 4 * hidden));
        let s_bar = b.scratch(self.probabilities());
        let w_bar = b.scratch(self.samples * hidden);
        let (mods, mods_bar) = (&tape.conditioning.mods[..], &mods_bar[..]);
        let retreat = Retreat { run: self, mods, mods_bar, x_bar, branch_bar, w_bar, parts };

        b.reverse(self.w, &places.last, batch, f_bar, u_bar, false);
        if let Some(parts) = parts {
            b.gradient(parts, &places.last, batch, tokens, tape.last_u, f_bar);
        }
        let branch = |index: usize| Branch { a: tape.blocks[index].e, block: index, half: 1 };
        let before = |index: usize| index.checked_sub(1).map(branch);
        let norm = Norm { w: places.last_norm, block: places.blocks.len(), half: 0 };
        retreat.call(b, tape.last, u_bar, before(places.blocks.len()), norm, true);
        for (index, (block, t)) in places.blocks.iter().zip(&tape.blocks).enumerate().rev() {
            b.reverse(self.w, &block.mlp[1], batch, branch_bar, z_bar, false);
            let n = self.rows() * block.mlp[0].outputs;
            let args = vec![int(1), long(n as i64), t.z.into(), z_bar.into()];
            b.pass("activate_back", self.components, n.div_ceil(THREADS), 0, args);
            b.reverse(self.w, &block.mlp[0], batch, z_bar, u_bar, false);
            if let Some(parts) = parts {
                b.gradient(parts, &block.mlp[1], batch, tokens, t.y, branch_bar);
                b.gradient(parts, &block.mlp[0], batch, tokens, t.u1, z_bar);
            }
            let norm = Norm { w: block.norm2, block: index, half: 1 };
            retreat.call(b, t.x1, u_bar, Some(Branch { a: t.a, block: index, half: 0 }), norm, false);

            b.reverse(self.w, &block.out, batch, branch_bar, o_bar, false);
            let mut args = self.attention_args();
            args.extend([t.qkv.into(), t.p.into(), o_bar.into(), s_bar.into(), qkv_bar.into()]);
            let shared = attention_reals(self.components, &self.net.plan);
            b.pass("attend_back", self.components, self.units(), shared, args);
            b.reverse(self.w, &block.qkv, batch, qkv_bar, u_bar, false);
            if let Some(parts) = parts {
                b.gradient(parts, &block.out, batch, tokens, t.o, branch_bar);
                b.gradient(parts, &block.qkv, batch, tokens, t.u, qkv_bar);
            }
            let norm = Norm { w: block.norm1, block: index, half: 0 };
            retreat.call(b, t.x, u_bar, before(index), norm, false);
        }
        b.reverse(self.w, &places.embed, batch, x_bar, y_bar, false);
        if let Some(parts) = parts {
            b.gradient(parts, &places.embed, batch, tokens, tape.y, x_bar);
        }
        self.condition_back(b, &tape.conditioning, mods_bar, noise_bar, parts);
        if let (Some(parts), Some(grad)) = (parts, grad) {
            b.columns(chunks, places.len, chunks, 0, parts.place, grad);
        }
    }
}

/// What all calls of `dit_retreat` share.
struct Retreat<'a> {
    run: &'a Run<'a>,
    mods: &'a [Place],
    mods_bar: &'a [Place],
    x_bar: Place,
    branch_bar: Place,
    w_bar: Place,
    parts: Option<&'a Parts>,
}

impl Retreat<'_> {
    /// The reverse of `Run::advance`, whose output was `x`.
    fn call(&self, b: &mut Builder<'_>, x: Place, u_bar: Place, branch: Option<Branch>, norm: Norm, fresh: bool) {
        let (run, hidden, tokens) = (self.run, self.run.hidden(), self.run.net.plan.tokens);
        let of = branch.map(|branch| (branch, run.modulation(branch.block, branch.half)));
        let gates = |mods: &[Place]| of.map(|(branch, (_, shift))| mods[branch.block].at(shift + 2 * hidden));
        let (width, shift) = run.modulation(norm.block, norm.half);
        let args = vec![
            int(run.samples),
            int(tokens),
            int(hidden),
            int(usize::from(fresh)),
            int(of.map_or(0, |(_, (width, _))| width)),
            int(width),
            x.into(),
            u_bar.into(),
            optional(branch.map(|branch| branch.a)),
            optional(branch.and_then(|branch| run.mask(branch))),
            optional(gates(self.mods)),
            run.w.at(norm.w).into(),
            self.mods[norm.block].at(shift).into(),
            self.x_bar.into(),
            self.branch_bar.into(),
            optional(gates(self.mods_bar)),
            self.mods_bar[norm.block].at(shift).into(),
            self.w_bar.into(),
        ];
        b.pass("retreat", run.components, run.samples, 2 * tokens * run.components, args);
        if let Some(parts) = self.parts {
            b.columns(run.samples, hidden, parts.samples, parts.len, self.w_bar, parts.place.at(norm.w));
        }
    }
}
