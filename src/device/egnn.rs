//! The EGNN on a device: its backbone and reverse pass as kernels (`src/kernels/egnn.cuh`), one launch for a pass.

use std::sync::Arc;

use super::engine::{bytes_of, format_of, reals_of};
use super::heads::{Bare, Heads, Inputs, Pass};
use super::launch::{Arg, Call, Kept, Launch, Program};
use super::optimiser::{Gradient, Optimiser, Packing};
use crate::error::Result;
use crate::lanes::num::Lanes;
use crate::nn::fused::{FusedEgnn, HIDDEN, Rows};
use crate::nn::{Backbone, Layout, Learned};
use crate::real::Precision;
use crate::spec::{NetSpec, NodeFeatures};

/// Threads of a block: eight warps.
const THREADS: u32 = 256;

/// The EGNN as a backbone.
pub type DeviceEgnn = Heads<Egnn>;

/// The EGNN without its heads.
pub struct Egnn {
    launcher: Arc<dyn Launch>,
    precision: Precision,
    atoms: usize,
    layers: usize,
    published: bool,
    layout: Layout,
    rows: Arc<Rows>,
}

impl DeviceEgnn {
    /// A network for `atoms` particles.
    ///
    /// # Errors
    /// As [`FusedEgnn::new`].
    pub fn new(launcher: Arc<dyn Launch>, atoms: usize, spec: &NetSpec, precision: Precision) -> Result<Self> {
        let fused = FusedEgnn::<f64>::new(atoms, spec)?;
        Ok(Self::over(Egnn {
            launcher,
            precision,
            atoms,
            layers: spec.layers,
            published: spec.node_features == NodeFeatures::Faithful,
            layout: fused.layout().clone(),
            rows: fused.rows(),
        }))
    }
}

/// Values and tangents in turn, as the kernels have them; tangents that are not there are zero.
fn interleaved(lists: &[Vec<f64>], k: usize) -> Vec<f64> {
    let entry = |i: usize| (0..k).map(move |k| lists.get(k).map_or(0.0, |list| list[i]));
    (0..lists.first().map_or(0, Vec::len)).flat_map(entry).collect()
}

/// The reverse of [`interleaved`].
fn apart(values: &[f64], k: usize) -> Vec<Vec<f64>> {
    (0..k).map(|first| values.iter().skip(first).step_by(k).copied().collect()).collect()
}

impl Egnn {
    /// Reals of scratch memory of a block: `Egnn::reals` of the kernel.
    fn scratch(&self, k: usize) -> usize {
        let (n, four) = (self.atoms, |reals: usize| reals.next_multiple_of(4));
        let (node, e) = (n * k * HIDDEN, n * (n - 1));
        let edge = e * k * HIDDEN;
        let layer = 4 * node + 7 * edge + 3 * four(e * k) + four(3 * e * k);
        self.layers * layer + 5 * node + 3 * edge + 4 * four(e * k) + 2 * four(3 * n * k) + four(3 * e * k)
    }
}

impl Bare for Egnn {
    type Weights = [Kept; 2];
    /// Samples of a block, one after the other; their gradients are summed in order, then those of the blocks.
    const CHUNK: usize = 4;
    const BATCH: usize = 2_048;

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn dim(&self) -> usize {
        3 * self.atoms
    }

    /// Packed weights, and the same with transposed blocks.
    fn weights(&self, params: &[f64]) -> Self::Weights {
        let rows = self.rows.pack(params);
        let transposed = self.rows.transposed(&rows);
        [rows, transposed].map(|rows| {
            let flat: Vec<f64> = rows.iter().flat_map(|row| row.0).collect();
            Kept::new(bytes_of(self.precision, &flat))
        })
    }

    fn optimiser(&self, learned: &Learned) -> Optimiser {
        // Numbers packed as parameters are, counted from 1: 0 is what is none of them.
        let before = |number: &f64| *number as i32 - 1;
        let numbers: Vec<f64> = (1..=self.layout.len()).map(|i| i as f64).collect();
        let rows = self.rows.pack(&numbers);
        let transposed = self.rows.transposed(&rows);
        let entry = |row: usize, lane: usize| (1 + row * HIDDEN + lane) as f64;
        let entries: Vec<Lanes<f64>> =
            (0..self.rows.count()).map(|row| Lanes(std::array::from_fn(|lane| entry(row, lane)))).collect();
        let mut gradient = vec![0.0; self.layout.len()];
        self.rows.add_packed(&entries, &mut gradient);
        let packing = Packing {
            weights: [rows, transposed].iter().map(|r| r.iter().flat_map(|row| &row.0).map(before).collect()).collect(),
            gradient: gradient.iter().map(before).collect(),
        };
        Optimiser::new(&self.launcher, self.precision, &packing, learned)
    }

    fn launch(
        &self,
        weights: &Self::Weights,
        _: usize,
        inputs: &Inputs,
        grad: Option<&mut Gradient<'_>>,
    ) -> Result<Pass> {
        let (k, samples) = (inputs.y.len(), inputs.beta.len());
        let (suffix, size) = format_of(self.precision);
        let blocks = samples.div_ceil(Self::CHUNK);
        let rows = self.rows.count();
        let buffer = |reals: usize| vec![0_u8; size * reals];
        let convert = |values: &[f64]| bytes_of(self.precision, values);
        let (noise, beta) = (convert(&interleaved(&inputs.noise, k)), convert(&inputs.beta));
        let y = convert(&interleaved(&inputs.y, k));
        let back = !inputs.cotangent.is_empty();
        let cotangent = back.then(|| convert(&interleaved(&inputs.cotangent, k)));
        let coordinates = samples * self.dim() * k;
        let (mut out, mut y_bar) = (buffer(coordinates), buffer(if back { coordinates } else { 0 }));
        let mut noise_bar = buffer(if back { samples * k } else { 0 });
        let here = matches!(grad, Some(Gradient::Here(_)));
        let (mut sum, mut done) = (buffer(if here { rows * HIDDEN } else { 0 }), [0_u8; 4]);
        let weighs = grad.is_some();
        let kernel = format!("egnn_{}{suffix}", if k == 2 { "dual_" } else { "" });
        let [w, wt] = weights;
        let args = vec![
            Arg::Int(self.atoms as i32),
            Arg::Int(self.layers as i32),
            Arg::Int(i32::from(self.published)),
            Arg::Int(samples as i32),
            Arg::Int(Self::CHUNK as i32),
            Arg::Int(rows as i32),
            Arg::Kept(w),
            Arg::Kept(wt),
            Arg::In(&noise),
            Arg::In(&beta),
            Arg::In(&y),
            cotangent.as_deref().map_or(Arg::Null, Arg::In),
            Arg::Out(&mut out),
            if back { Arg::Out(&mut y_bar) } else { Arg::Null },
            if back { Arg::Out(&mut noise_bar) } else { Arg::Null },
            Arg::Scratch(blocks * self.scratch(k) * size),
            if weighs { Arg::Scratch(blocks * rows * HIDDEN * size) } else { Arg::Null },
            if weighs { Arg::InOut(&mut done) } else { Arg::Null },
            if weighs { Arg::Part { buffer: 0, byte: 0 } } else { Arg::Null },
        ];
        let call = Call { kernel, blocks: blocks as u32, threads: THREADS, shared: 16, args };
        let summed = if here { Arg::Out(&mut sum) } else { Arg::Scratch(size * rows * HIDDEN) };
        let mut program = Program { buffers: vec![summed], calls: vec![call] };
        if let Some(Gradient::There(target)) = &grad {
            target.add(&mut program, self.precision, Arg::Part { buffer: 0, byte: 0 });
        }
        self.launcher.run(program)?;
        if let Some(Gradient::Here(grad)) = grad {
            let lanes: Vec<Lanes<f64>> =
                reals_of(self.precision, &sum).as_chunks().0.iter().map(|row| Lanes(*row)).collect();
            self.rows.add_packed(&lanes, grad);
        }
        let apart = |bytes: &[u8]| apart(&reals_of(self.precision, bytes), k);
        Ok(Pass { out: apart(&out), y_bar: apart(&y_bar), noise_bar: apart(&noise_bar) })
    }
}
