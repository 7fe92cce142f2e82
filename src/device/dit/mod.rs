//! The diffusion transformer on a device: every pass is one program, whose kernels (`src/kernels/dit_*.cuh`) run one after the
//! other on buffers that stay there.
//!
//! | file | what |
//! |---|---|
//! | [`places`] | where each parameter lies in the flat vector |
//! | [`builder`] | a program in the making: buffers, calls, matrix products |
//! | [`conditioning`] | embeddings, their MLPs, modulations; forward and reverse |
//! | [`passes`] | the whole network, forward and reverse |
//!
//! The formulas are those of `nn::dit`. Buffers are `[1 + tangents][rows][features]`: one product takes the rows of the values and
//! of all tangents. Sums over samples run in groups of [`Bare::CHUNK`], whose results are added in order, and no kernel adds
//! atomically: a pass repeats bit for bit, and everything that belongs to one sample does not depend on its batch. A gradient of a
//! batch that was cut differs by rounding alone.

pub mod builder;
pub mod conditioning;
pub mod passes;
pub mod places;

use std::sync::Arc;

use self::builder::{Builder, Place};
use self::places::Places;
use super::engine::{bytes_of, format_of, reals_of};
use super::heads::{Bare, Heads, Inputs, Pass};
use super::launch::{Arg, Kept, Launch};
use super::optimiser::{Gradient, Optimiser, Packing};
use crate::error::{Error, Result};
use crate::nn::dit::attention::angle;
use crate::nn::dit::plan::Plan;
use crate::nn::{Layout, Learned};
use crate::real::Precision;
use crate::spec::{DitSpec, NetSpec};

/// The DiT as a backbone.
pub type DeviceDit = Heads<Dit>;

/// The DiT without its heads.
#[derive(Clone)]
pub struct Dit {
    launcher: Arc<dyn Launch>,
    precision: Precision,
    plan: Plan,
    places: Places,
    /// Cosines and signed sines of the rotary attention, `[2, tokens, head]`, as bytes.
    tables: Vec<u8>,
    /// Seed and step of the training that features are dropped in.
    dropping: Option<(u64, u64)>,
}

impl DeviceDit {
    /// A network for `atoms` particles.
    ///
    /// # Errors
    /// As [`Plan::new`]; [`Error::NoDevice`] for more particles than the device's shared memory holds.
    pub fn new(
        launcher: Arc<dyn Launch>,
        atoms: usize,
        net: &NetSpec,
        dit: &DitSpec,
        precision: Precision,
    ) -> Result<Self> {
        let plan = Plan::new(atoms, net, dit)?;
        let places = Places::new(&plan.layout, net.layers)?;
        let (_, size) = format_of(precision);
        let (needs, has) = (size * builder::attention_reals(2, &plan), launcher.shared_limit());
        if needs > has {
            return Err(Error::NoDevice(format!(
                "the transformer's attention over {atoms} particles needs {needs} bytes of shared memory, the device has {has}"
            )));
        }
        let entries = || (0..atoms).flat_map(|t| (0..plan.head).map(move |f| (t, f)));
        let cos = entries().map(|(t, f)| angle(t, f, plan.head).cos());
        let sin = entries().map(|(t, f)| angle(t, f, plan.head).sin() * if f % 2 == 0 { -1.0 } else { 1.0 });
        let tables = bytes_of(precision, &cos.chain(sin).collect::<Vec<f64>>());
        Ok(Self::over(Dit { launcher, precision, plan, places, tables, dropping: None }))
    }
}

/// What all calls of a pass share.
#[derive(Clone, Copy)]
struct Run<'a> {
    /// The network.
    net: &'a Dit,
    /// Samples.
    samples: usize,
    /// Values and tangents.
    components: usize,
    /// Whether noise levels have a tangent.
    moved: bool,
    /// Flat parameters.
    w: Place,
    /// Tables of the rotary attention.
    tables: Place,
    /// Dropout masks `[2 blocks, samples, tokens, hidden]`.
    masks: Option<Place>,
}

impl Bare for Dit {
    /// The flat parameters.
    type Weights = [Kept; 1];
    const CHUNK: usize = 16;
    const BATCH: usize = 1_024;
    const TRANSLATION_INVARIANT: bool = false;

    fn layout(&self) -> &Layout {
        &self.plan.layout
    }

    fn dim(&self) -> usize {
        3 * self.plan.tokens
    }

    fn in_training(&self, seed: u64, step: u64) -> Option<Self> {
        (self.plan.dropout > 0.0).then(|| Self { dropping: Some((seed, step)), ..self.clone() })
    }

    /// All directions of a sample: what they share is computed once.
    fn tangents(&self) -> usize {
        self.dim()
    }

    fn weights(&self, params: &[f64]) -> [Kept; 1] {
        [Kept::new(bytes_of(self.precision, params))]
    }

    fn optimiser(&self, learned: &Learned) -> Optimiser {
        let all = 0..self.plan.layout.len() as i32;
        let unused = self.places.unused(self.plan.conditioned);
        let gradient = all.clone().map(|i| if unused.contains(&(i as usize)) { -1 } else { i }).collect();
        let packing = Packing { weights: vec![all.collect()], gradient };
        Optimiser::new(&self.launcher, self.precision, &packing, learned)
    }

    fn launch(
        &self,
        [weights]: &[Kept; 1],
        first: usize,
        inputs: &Inputs,
        grad: Option<&mut Gradient<'_>>,
    ) -> Result<Pass> {
        let (_, size) = format_of(self.precision);
        let (components, samples, back) = (inputs.y.len(), inputs.beta.len(), !inputs.cotangent.is_empty());
        let convert = |values: &[f64]| bytes_of(self.precision, values);
        let mut noise = inputs.noise.clone();
        if back {
            // The reverse pass has tangents of everything.
            noise.resize(components, vec![0.0; samples]);
        }
        let moved = noise.len() > 1;
        let (noise, beta) = (convert(&noise.concat()), convert(&inputs.beta));
        let (y, cotangent) = (convert(&inputs.y.concat()), convert(&inputs.cotangent.concat()));
        let buffer = |reals: usize| vec![0_u8; size * reals];
        let (mut out, mut y_bar) = (buffer(components * samples * self.dim()), buffer(0));
        let (mut noise_bar, mut sum) = (buffer(0), buffer(0));

        let mut builder = Builder::new(self.precision);
        let w = builder.buffer(Arg::Kept(weights));
        let [tables, noise, beta, y] = [&self.tables, &noise, &beta, &y].map(|bytes| builder.buffer(Arg::In(bytes)));
        let f = builder.buffer(Arg::Out(&mut out));
        let run = Run { net: self, samples, components, moved, w, tables, masks: None };
        let run = run.with_masks(&mut builder, first);
        let tape = run.forward(&mut builder, noise, beta, y, f, back);
        if back {
            y_bar = buffer(components * samples * self.dim());
            noise_bar = buffer(components * samples);
            let here = matches!(grad, Some(Gradient::Here(_)));
            sum = buffer(if here { self.plan.layout.len() } else { 0 });
            let f_bar = builder.buffer(Arg::In(&cotangent));
            let [y_bar, noise_bar] = [&mut y_bar, &mut noise_bar].map(|bytes| builder.buffer(Arg::Out(bytes)));
            let sum = match &grad {
                Some(Gradient::Here(_)) => Some(builder.buffer(Arg::Out(&mut sum))),
                Some(Gradient::There(_)) => Some(builder.scratch(self.plan.layout.len())),
                None => None,
            };
            run.reverse(&mut builder, &tape, f_bar, y_bar, noise_bar, sum);
            if let (Some(Gradient::There(target)), Some(sum)) = (&grad, sum) {
                target.add(&mut builder.program, self.precision, sum.into());
            }
        }
        self.launcher.run(builder.program)?;
        if let Some(Gradient::Here(grad)) = grad {
            let (unused, sum) = (self.places.unused(self.plan.conditioned), reals_of(self.precision, &sum));
            for used in [0..unused.start, unused.end..sum.len()] {
                grad[used.clone()].iter_mut().zip(&sum[used]).for_each(|(g, s)| *g += s);
            }
        }
        let lists = |bytes: &[u8]| -> Vec<Vec<f64>> {
            let values = reals_of(self.precision, bytes);
            values.chunks((values.len() / components).max(1)).map(<[f64]>::to_vec).collect()
        };
        Ok(Pass { out: lists(&out), y_bar: lists(&y_bar), noise_bar: lists(&noise_bar) })
    }
}
