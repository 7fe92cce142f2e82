//! The DiT of ALDP and AL3 over [`Jet`]: the reference that `nn::dit` is checked against.

use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

use super::heads::{Candle, JetNet, Weights};
use super::jet::Jet;
use crate::nn::Layout;
use crate::nn::dit::dropout::Dropout;
use crate::nn::dit::plan::Plan;
use crate::spec::{DitSpec, NetSpec};

/// Frequencies of the sinusoidal embedding.
const FREQUENCIES: usize = 128;

/// Diffusion transformer: one token per atom, adaLN-zero conditioning on noise level and temperature, rotary attention.
pub struct DitJet {
    plan: Plan,
    hidden: usize,
    /// In training.
    masks: Option<Masks>,
}

/// Dropout of one training step.
struct Masks {
    dropout: Dropout,
    /// What is kept, `[B, 2 blocks, n, hidden]`: every pass over a batch sees the same network.
    kept: Mutex<Option<Tensor>>,
}

/// The DiT as a backbone.
pub type CandleDit = Candle<DitJet>;

impl CandleDit {
    /// A network for `atoms` particles, computing in `dtype`.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] for sizes that the fast engine could not have either.
    pub fn new(
        atoms: usize,
        spec: &NetSpec,
        dit: &DitSpec,
        dtype: DType,
        device: Device,
    ) -> crate::error::Result<Self> {
        Ok(Self::of(DitJet { plan: Plan::new(atoms, spec, dit)?, hidden: spec.hidden, masks: None }, dtype, device))
    }
}

/// `W1 SiLU(W0 [cos(t f), sin(t f)] + b0) + b1` of `t [B, 1]`.
fn embedding_mlp(w: &Weights, t: &Jet, name: &str) -> Result<Jet> {
    let frequency = |k: usize| (-(10_000.0_f64.ln()) * k as f64 / FREQUENCIES as f64).exp();
    let frequencies: Vec<f64> = (0..FREQUENCIES).map(frequency).collect();
    let angle = t.mul(&Jet::constant(w.constant(&frequencies, &[1, FREQUENCIES])?))?;
    let first = w.get(&format!("{name}.mlp.0.weight"))?;
    let part = |start| first.narrow(1, start, FREQUENCIES)?.contiguous();
    let cos = angle.cos()?.linear(&part(0)?, Some(w.get(&format!("{name}.mlp.0.bias"))?))?;
    let pre = cos.add(&angle.sin()?.linear(&part(FREQUENCIES)?, None)?)?;
    w.linear(&pre.silu()?, &format!("{name}.mlp.2"))
}

/// `(x - mean) / sqrt(var + 1e-5)` over the last axis of `width`, times `weight`.
fn layer_norm(x: &Jet, weight: &Jet, width: usize) -> Result<Jet> {
    let mean = x.sum_last()?.scale(1.0 / width as f64)?;
    let d = x.sub(&mean)?;
    let variance = d.mul(&d)?.sum_last()?.scale(1.0 / width as f64)?;
    d.mul(&variance.offset(1e-5)?.sqrt()?.recip()?)?.mul(weight)
}

/// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
fn gelu(x: &Jet) -> Result<Jet> {
    let inner = x.add(&x.mul(x)?.mul(x)?.scale(0.044_715)?)?.scale((2.0 / std::f64::consts::PI).sqrt())?;
    x.mul(&inner.tanh()?.offset(1.0)?)?.scale(0.5)
}

impl DitJet {
    /// Part `index` of the modulations `name` of `c [B, cond]`, `[B, 1, hidden]`.
    fn modulation(&self, w: &Weights, c: &Jet, name: &str, index: usize) -> Result<Jet> {
        let rows = |suffix: &str| -> Result<Tensor> {
            let all = w.get(&format!("{name}.adaLN_modulation.{suffix}"))?;
            all.narrow(0, index * self.hidden, self.hidden)?.contiguous()
        };
        c.linear(&rows("weight")?, Some(&rows("bias")?))?.insert_axis(2)
    }

    /// `LN(x) (1 + scale) + shift`, the modulations from `first` on.
    fn modulated(&self, w: &Weights, x: &Jet, c: &Jet, (name, norm): (&str, &str), first: usize) -> Result<Jet> {
        let weight = Jet::constant(w.get(&format!("{name}.{norm}.weight"))?.clone());
        let scale = self.modulation(w, c, name, first + 1)?.offset(1.0)?;
        layer_norm(x, &weight, self.hidden)?.mul(&scale)?.add(&self.modulation(w, c, name, first)?)
    }

    /// Rotates `[B, n, heads, head]` by its token's angles: `x cos + swap(x) sin`.
    fn rotated(&self, w: &Weights, x: &Jet) -> Result<Jet> {
        let (n, head) = (self.plan.tokens, self.plan.head);
        let angle = |i: usize| (i / head) as f64 * 10_000.0_f64.powf(-2.0 * ((i % head) / 2) as f64 / head as f64);
        let table = |f: fn(f64) -> f64| -> Result<Jet> {
            let values: Vec<f64> = (0..n * head).map(|i| f(angle(i))).collect();
            Ok(Jet::constant(w.constant(&values, &[1, n, 1, head])?))
        };
        // (x W^T)_{2i} = -x_{2i+1}, (x W^T)_{2i+1} = x_{2i}
        let mut swap = vec![0.0; head * head];
        for i in (0..head).step_by(2) {
            swap[i * head + i + 1] = -1.0;
            swap[(i + 1) * head + i] = 1.0;
        }
        let swapped = x.linear(&w.constant(&swap, &[head, head])?, None)?;
        x.mul(&table(f64::cos)?)?.add(&swapped.mul(&table(f64::sin)?)?)
    }

    /// What is kept of the samples `0..batch`.
    fn kept(&self, w: &Weights, masks: &Masks, batch: usize) -> Result<Tensor> {
        let mut known = masks.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = known.as_ref().filter(|kept| kept.dim(0).is_ok_and(|n| n == batch)) {
            return Ok(kept.clone());
        }
        let (branches, n) = (2 * self.plan.blocks.len(), self.plan.tokens);
        let mut bytes = vec![0; batch * branches * n * self.hidden];
        let samples = bytes.par_chunks_mut(branches * n * self.hidden).enumerate();
        samples.for_each(|(sample, out)| masks.dropout.kept(sample, out));
        let kept = Tensor::from_vec(bytes, (batch, branches, n, self.hidden), w.device)?;
        *known = Some(kept.clone());
        Ok(kept)
    }

    /// `a [B, n, hidden]` of a branch (attention 0, MLP 1 of block 0, ...), less what is dropped.
    fn dropped(&self, w: &Weights, a: Jet, branch: usize) -> Result<Jet> {
        let Some(masks) = &self.masks else { return Ok(a) };
        let kept = self.kept(w, masks, a.value.dim(0)?)?.narrow(1, branch, 1)?.squeeze(1)?.contiguous()?;
        a.mul(&Jet::constant(kept.to_dtype(w.dtype)?.affine(masks.dropout.factor(), 0.0)?))
    }

    /// Multi-head attention of `u [B, n, hidden]`.
    fn attention(&self, w: &Weights, u: &Jet, name: &str) -> Result<Jet> {
        let (n, heads, head) = (self.plan.tokens, self.plan.heads, self.plan.head);
        let batch = u.value.dim(0)?;
        let weight = w.get(&format!("{name}.attn_qkv.weight"))?;
        let part = |index: usize| -> Result<Jet> {
            let rows = weight.narrow(0, index * self.hidden, self.hidden)?.contiguous()?;
            u.linear(&rows, None)?.reshape(&[batch, n, heads, head])
        };
        let q = self.rotated(w, &part(0)?)?.reshape(&[batch, n, 1, heads, head])?;
        let k = self.rotated(w, &part(1)?)?.reshape(&[batch, 1, n, heads, head])?;
        let v = part(2)?.reshape(&[batch, 1, n, heads, head])?;
        // Scores [B, i, j, heads]; no maximum is subtracted: they are small.
        let s = q.mul(&k)?.sum_last()?.scale(1.0 / (head as f64).sqrt())?.reshape(&[batch, n, n, heads])?;
        let e = s.exp()?;
        let total = e.sum_second_last()?.reshape(&[batch, n, 1, heads])?;
        let p = e.mul(&total.recip()?)?.reshape(&[batch, n, n, heads, 1])?;
        let weighted = p.mul(&v)?.reshape(&[batch, n, n, self.hidden])?;
        weighted.sum_second_last()?.linear(w.get(&format!("{name}.attn_out.weight"))?, None)
    }
}

impl JetNet for DitJet {
    const TRANSLATION_INVARIANT: bool = false;

    fn atoms(&self) -> usize {
        self.plan.tokens
    }

    fn layout(&self) -> &Layout {
        &self.plan.layout
    }

    fn in_training(&self, seed: u64, step: u64) -> Option<Self> {
        let dropout = (self.plan.dropout > 0.0).then(|| Dropout::new(self.plan.dropout, seed, step))?;
        let masks = Some(Masks { dropout, kept: Mutex::new(None) });
        Some(Self { plan: self.plan.clone(), hidden: self.hidden, masks })
    }

    fn forward(&self, w: &Weights, c_noise: &Jet, x: &Jet, beta: &Jet) -> Result<Jet> {
        let mut c = embedding_mlp(w, c_noise, "sigma_map")?;
        if self.plan.conditioned {
            c = c.add(&embedding_mlp(w, beta, "sigma_map_temp")?)?;
        }
        let c = c.silu()?;
        let mut x = w.linear(x, "vocab_embed")?;
        for b in 0..self.plan.blocks.len() {
            let name = format!("blocks.{b}");
            let u = self.modulated(w, &x, &c, (&name, "norm1"), 0)?;
            let a = self.dropped(w, self.attention(w, &u, &name)?, 2 * b)?;
            x = x.add(&self.modulation(w, &c, &name, 2)?.mul(&a)?)?;
            let u = self.modulated(w, &x, &c, (&name, "norm2"), 3)?;
            let e = w.linear(&gelu(&w.linear(&u, &format!("{name}.mlp.0"))?)?, &format!("{name}.mlp.2"))?;
            let e = self.dropped(w, e, 2 * b + 1)?;
            x = x.add(&self.modulation(w, &c, &name, 5)?.mul(&e)?)?;
        }
        let u = self.modulated(w, &x, &c, ("output_layer", "norm_final"), 0)?;
        w.linear(&u, "output_layer.linear")
    }
}
