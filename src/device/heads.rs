//! Both heads of a network on a device (see `nn::edm`), made of passes through the bare network: [`Backbone`] for whatever gives
//! these passes.
//!
//! What is differentiated for is decided on this side (the losses are closures), so a gradient is two passes: the head, then its
//! reverse with what the loss asks for. The exact divergence pushes one tangent per coordinate, as many at once as the network
//! takes.
//!
//! Parameters stay on the device while they do not change: annealing copies them there once for a rung. In training they and their
//! gradient stay there altogether ([`super::optimiser`]).

use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::batches::in_batches;
use super::launch::Kept;
use super::optimiser::{Gradient, Optimiser};
use crate::error::Result;
use crate::nn::edm::Edm;
use crate::nn::{Backbone, Batch, Cotangent, EnergyOut, Head, Layout, Learned, Pace, Resident, Seeds};

/// What a pass starts from: values and tangents, one list each.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// Noise level of each sample; its tangent only where it moves.
    pub noise: Vec<Vec<f64>>,
    /// Inverse temperature of each sample.
    pub beta: Vec<f64>,
    /// Scaled coordinates `[samples, dim]`, then as many tangents as the pass has.
    pub y: Vec<Vec<f64>>,
    /// Adjoint of the output, as many lists as `y`; none for a forward pass.
    pub cotangent: Vec<Vec<f64>>,
}

/// What a pass gives, one list for the values and for each tangent.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    /// Output `[samples, dim]`.
    pub out: Vec<Vec<f64>>,
    /// Adjoint of the scaled coordinates.
    pub y_bar: Vec<Vec<f64>>,
    /// Adjoint of the noise levels.
    pub noise_bar: Vec<Vec<f64>>,
}

/// A network without its heads, on a device.
pub trait Bare: Send + Sync + Sized + 'static {
    /// Parameters as the kernels read them.
    type Weights: AsRef<[Kept]> + Send + Sync;
    /// Samples whose parameter gradients are summed together, wherever a batch is cut.
    const CHUNK: usize;
    /// Samples of a launch at first; halved where memory is short.
    const BATCH: usize;
    /// As [`Backbone::translation_invariant`].
    const TRANSLATION_INVARIANT: bool = true;

    /// As [`Backbone::layout`].
    fn layout(&self) -> &Layout;

    /// As [`Backbone::dim`].
    fn dim(&self) -> usize;

    /// As [`Backbone::in_training`].
    fn in_training(&self, seed: u64, step: u64) -> Option<Self> {
        let _ = (seed, step);
        None
    }

    /// Most tangents of a forward pass.
    fn tangents(&self) -> usize {
        1
    }

    /// The parameters of a call.
    fn weights(&self, params: &[f64]) -> Self::Weights;

    /// An optimiser that knows how [`Bare::weights`] has them, and a launch their gradient.
    fn optimiser(&self, learned: &Learned) -> Optimiser;

    /// The samples `first..` of a batch through the network; with a cotangent (and one tangent at most) also back, and with
    /// `grad` the gradient of the parameters (last component), added to it.
    ///
    /// # Errors
    /// When the device refuses; `grad` is as it was then.
    fn launch(
        &self,
        weights: &Self::Weights,
        first: usize,
        inputs: &Inputs,
        grad: Option<&mut Gradient<'_>>,
    ) -> Result<Pass>;
}

/// A network on a device as a backbone.
pub struct Heads<B: Bare> {
    bare: Arc<B>,
    /// What is remembered of earlier calls, also by the versions of the network in training.
    memory: Arc<Memory<B::Weights>>,
}

/// What is remembered of earlier calls.
struct Memory<W> {
    /// Largest batch.
    batch: AtomicUsize,
    /// The latest parameters and how the kernels read them, one for each head.
    weights: Mutex<Vec<(Vec<f64>, Arc<W>)>>,
}

/// Numbers that a thread compares at a time.
const COMPARED: usize = 1 << 16;

/// Whether two lists have the same bits.
fn same(a: &[f64], b: &[f64]) -> bool {
    let bits = |chunk| bytemuck::cast_slice::<f64, u64>(chunk);
    a.len() == b.len() && a.par_chunks(COMPARED).zip(b.par_chunks(COMPARED)).all(|(a, b)| bits(a) == bits(b))
}

impl Inputs {
    /// A range of samples.
    fn part(&self, range: &Range<usize>, dim: usize) -> Self {
        let samples = |lists: &[Vec<f64>], width: usize| -> Vec<Vec<f64>> {
            lists.iter().map(|list| list[range.start * width..range.end * width].to_vec()).collect()
        };
        Self {
            noise: samples(&self.noise, 1),
            beta: self.beta[range.clone()].to_vec(),
            y: samples(&self.y, dim),
            cotangent: samples(&self.cotangent, dim),
        }
    }
}

impl Pass {
    /// Appends the samples of another pass.
    fn append(&mut self, part: Self) {
        let parts = [(&mut self.out, part.out), (&mut self.y_bar, part.y_bar), (&mut self.noise_bar, part.noise_bar)];
        for (all, part) in parts {
            all.resize(part.len(), Vec::new());
            all.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
        }
    }
}

impl<B: Bare> Heads<B> {
    /// The heads of a network.
    pub fn over(bare: B) -> Self {
        let memory = Memory { batch: AtomicUsize::new(B::BATCH), weights: Mutex::default() };
        Self { bare: Arc::new(bare), memory: Arc::new(memory) }
    }

    /// As [`Backbone::in_training`]; the same where that is no other.
    fn trained(&self, seed: u64, step: u64) -> Self {
        let bare = self.bare.in_training(seed, step).map_or_else(|| Arc::clone(&self.bare), Arc::new);
        Self { bare, memory: Arc::clone(&self.memory) }
    }

    /// The parameters as the kernels read them: those of the latest two calls with others are remembered.
    fn weights(&self, params: &[f64]) -> Arc<B::Weights> {
        let mut known = self.memory.weights.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().position(|(of, _)| same(of, params));
        let latest = match found {
            Some(place) => known.remove(place),
            None => (params.to_vec(), Arc::new(self.bare.weights(params))),
        };
        let weights = Arc::clone(&latest.1);
        known.truncate(1);
        known.insert(0, latest);
        weights
    }

    /// The network on a batch, in parts that fit the device.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] when it fails, or when not even the smallest part fits.
    pub fn pass(&self, weights: &B::Weights, inputs: &Inputs, mut grad: Option<&mut Gradient<'_>>) -> Result<Pass> {
        let (samples, dim) = (inputs.beta.len(), self.dim());
        // Parameter gradients are added in the same groups wherever a batch is cut.
        let least = if grad.is_some() { B::CHUNK } else { 1 };
        let components = inputs.y.len().max(2);
        let mut all = Pass::default();
        in_batches(samples, &self.memory.batch, (components, least), |range| {
            let some = inputs.part(&range, dim);
            all.append(self.bare.launch(weights, range.start, &some, grad.as_deref_mut())?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Network inputs without tangents, and the coefficients of each sample.
    fn plain(&self, at: Batch<'_>) -> (Inputs, Vec<Edm<f64>>) {
        let edm: Vec<Edm<f64>> = at.h.iter().map(|&h| Edm::new(h)).collect();
        let y = at.x.chunks_exact(self.dim()).zip(&edm).flat_map(|(x, edm)| x.iter().map(|x| edm.c_in * x)).collect();
        let noise = edm.iter().map(|edm| edm.noise).collect();
        (Inputs { noise: vec![noise], beta: at.beta.to_vec(), y: vec![y], cotangent: Vec::new() }, edm)
    }

    /// Denoiser from a pass.
    fn denoised(&self, edm: &[Edm<f64>], pass: &Pass, x: &[f64]) -> Vec<f64> {
        let dim = self.dim();
        let at = |(k, f): (usize, &f64)| edm[k / dim].denoised(x[k], *f);
        pass.out.first().into_iter().flatten().enumerate().map(at).collect()
    }

    /// Score head; on the way back also the gradient of its parameters: see [`Backbone::denoise_vjp`].
    fn scores(
        &self,
        weights: &B::Weights,
        at: Batch<'_>,
        back: Option<(Cotangent, &mut Gradient<'_>)>,
    ) -> Result<Vec<f64>> {
        let (mut inputs, edm) = self.plain(at);
        let d = self.denoised(&edm, &self.pass(weights, &inputs, None)?, at.x);
        let Some((cotangent, grad)) = back else { return Ok(d) };
        let dim = self.dim();
        let mut pulled = vec![0.0; at.x.len()];
        for (i, (row, out)) in d.chunks_exact(dim).zip(pulled.chunks_exact_mut(dim)).enumerate() {
            cotangent(i, row, out);
            out.iter_mut().for_each(|v| *v *= edm[i].c_out);
        }
        inputs.cotangent = vec![pulled];
        self.pass(weights, &inputs, Some(grad))?;
        Ok(d)
    }

    /// Energy head; on the way back also the gradient of its parameters: see [`Backbone::energy_vjp`].
    fn energies(
        &self,
        weights: &B::Weights,
        at: Batch<'_>,
        back: Option<(Seeds, &mut Gradient<'_>)>,
    ) -> Result<EnergyOut> {
        let (mut inputs, edm) = self.plain(at);
        inputs.cotangent.clone_from(&inputs.y);
        let pass = self.pass(weights, &inputs, None)?;
        let dim = self.dim();
        let mut all = EnergyOut::default();
        for (i, edm) in edm.iter().enumerate() {
            let row = i * dim..(i + 1) * dim;
            let (x, y, f) = (&at.x[row.clone()], &inputs.y[0][row.clone()], &pass.out[0][row.clone()]);
            let pulled: Vec<f64> = pass.y_bar[0][row].iter().zip(f).map(|(r, f)| r + f).collect();
            all.grad.extend(pulled.iter().zip(x).map(|(r, x)| edm.c_skip * x + edm.slope() * r));
            let (u, du_dh) = edm.energy(inner(f, y), inner(y, y), pass.noise_bar[0][i], inner(&pulled, y));
            all.u.push(u);
            all.du_dh.push(du_dh);
        }
        let Some((seed, grad)) = back else { return Ok(all) };
        let (mut noise, mut y) = (Vec::new(), Vec::new());
        let mut cotangent = vec![Vec::new(), Vec::new()];
        let mut v = vec![0.0; dim];
        for (i, edm) in edm.iter().enumerate() {
            let row = i * dim..(i + 1) * dim;
            let s = seed(i, all.u[i], &all.grad[row.clone()], all.du_dh[i], &mut v);
            let (shrink, factor) = (edm.shrink(s.w), edm.second_order(s.w, s.c));
            noise.push(edm.noise_along(s.w));
            for (v, k) in v.iter().zip(row) {
                let (value, slope) = (inputs.y[0][k], edm.c_in * v - shrink * at.x[k]);
                y.push(slope);
                cotangent[0].push(factor[0] * value);
                cotangent[1].push(factor[0] * slope + factor[1] * value);
            }
        }
        inputs.noise.push(noise);
        inputs.y.push(y);
        inputs.cotangent = cotangent;
        self.pass(weights, &inputs, Some(grad))?;
        Ok(all)
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl<B: Bare> Backbone for Heads<B> {
    fn layout(&self) -> &Layout {
        self.bare.layout()
    }

    fn dim(&self) -> usize {
        self.bare.dim()
    }

    fn translation_invariant(&self) -> bool {
        B::TRANSLATION_INVARIANT
    }

    fn in_training(&self, seed: u64, step: u64) -> Option<Box<dyn Backbone>> {
        Some(Box::new(Self { bare: self.bare.in_training(seed, step)?.into(), memory: Arc::clone(&self.memory) }))
    }

    fn resident(&self, learned: &Learned) -> Option<Box<dyn Resident>> {
        let heads = Self { bare: Arc::clone(&self.bare), memory: Arc::clone(&self.memory) };
        let weights = learned.params.chunks_exact(self.layout().len()).map(|head| self.bare.weights(head)).collect();
        Some(Box::new(Training { heads, weights, optimiser: self.bare.optimiser(learned) }))
    }

    fn denoise(&self, params: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        self.scores(&self.weights(params), at, None)
    }

    fn energy(&self, params: &[f64], at: Batch<'_>) -> Result<EnergyOut> {
        self.energies(&self.weights(params), at, None)
    }

    fn divergence(&self, params: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        let dim = self.dim();
        let (mut inputs, edm) = self.plain(at);
        let mut trace = vec![0.0; at.h.len()];
        let mut value = Vec::new();
        let weights = self.weights(params);
        for first in (0..dim).step_by(self.bare.tangents()) {
            let axes = first..dim.min(first + self.bare.tangents());
            inputs.y.truncate(1);
            for axis in axes.clone() {
                let unit = |k: usize| if k % dim == axis { edm[k / dim].c_in } else { 0.0 };
                inputs.y.push((0..at.x.len()).map(unit).collect());
            }
            let pass = self.pass(&weights, &inputs, None)?;
            for (axis, slope) in axes.zip(pass.out.iter().skip(1)) {
                for (i, (trace, edm)) in trace.iter_mut().zip(&edm).enumerate() {
                    *trace += edm.c_skip + edm.c_out * slope[i * dim + axis];
                }
            }
            if first == 0 {
                value = self.denoised(&edm, &pass, at.x);
            }
        }
        Ok((value, trace.iter().zip(at.h).map(|(t, h)| (t - dim as f64) / h).collect()))
    }

    fn denoise_jvp(&self, params: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (mut inputs, edm) = self.plain(at);
        let dim = self.dim();
        inputs.y.push(v.iter().enumerate().map(|(k, v)| edm[k / dim].c_in * v).collect());
        let pass = self.pass(&self.weights(params), &inputs, None)?;
        let slope = |(k, v): (usize, &f64)| edm[k / dim].denoised(*v, pass.out[1][k]);
        let slopes = v.iter().enumerate().map(slope).collect();
        Ok((self.denoised(&edm, &pass, at.x), slopes))
    }

    fn denoise_vjp(&self, params: &[f64], at: Batch<'_>, cotangent: Cotangent, grad: &mut [f64]) -> Result<Vec<f64>> {
        self.scores(&self.weights(params), at, Some((cotangent, &mut Gradient::Here(grad))))
    }

    fn energy_vjp(&self, params: &[f64], at: Batch<'_>, seed: Seeds, grad: &mut [f64]) -> Result<EnergyOut> {
        self.energies(&self.weights(params), at, Some((seed, &mut Gradient::Here(grad))))
    }
}

/// Heads and their optimiser, both on a device.
struct Training<B: Bare> {
    heads: Heads<B>,
    /// Parameters of each head, as the kernels read them.
    weights: Vec<B::Weights>,
    optimiser: Optimiser,
}

/// A head at one step of training.
struct Trained<'a, B: Bare> {
    heads: Heads<B>,
    weights: &'a B::Weights,
    grad: Gradient<'a>,
}

impl<B: Bare> Resident for Training<B> {
    fn head(&self, head: usize, seed: u64, step: u64) -> Box<dyn Head + '_> {
        let grad = Gradient::There(self.optimiser.target(head));
        Box::new(Trained { heads: self.heads.trained(seed, step), weights: &self.weights[head], grad })
    }

    fn step(&mut self, next: &Learned, pace: Pace) -> Result<f64> {
        let weights: Vec<&[Kept]> = self.weights.iter().map(AsRef::as_ref).collect();
        self.optimiser.step(next, pace, &weights)
    }

    fn read(&self) -> Result<[Vec<f64>; 4]> {
        self.optimiser.read()
    }
}

impl<B: Bare> Head for Trained<'_, B> {
    fn dim(&self) -> usize {
        self.heads.dim()
    }

    fn denoise_vjp(&mut self, at: Batch<'_>, cotangent: Cotangent) -> Result<Vec<f64>> {
        self.heads.scores(self.weights, at, Some((cotangent, &mut self.grad)))
    }

    fn energy_vjp(&mut self, at: Batch<'_>, seed: Seeds) -> Result<EnergyOut> {
        self.heads.energies(self.weights, at, Some((seed, &mut self.grad)))
    }
}
