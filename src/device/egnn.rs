//! The EGNN on a device: preconditioning here, the backbone and its reverse pass as kernels (`src/kernels/egnn.cuh`).
//!
//! The formulas are those of `nn::fused::egnn`. What is differentiated for is decided on this side (the losses are closures), so
//! a training step is four launches: both heads, then both gradients. The exact divergence takes one tangent per coordinate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::engine::bytes_of;
use super::launch::{Arg, Call, Failure, Launch};
use crate::config::spec::{NetSpec, NodeFeatures};
use crate::energy::Precision;
use crate::error::{Error, Result};
use crate::nn::edm::Edm;
use crate::nn::fused::num::Lanes;
use crate::nn::fused::{FusedEgnn, HIDDEN, Layout as Rows};
use crate::nn::{Backbone, Cotangent, EnergyOut, Layout, Seeds};

/// Samples of a block, one after the other; their gradients are summed in order, then those of the blocks.
const CHUNK: usize = 4;
/// Samples of a launch at first; halved where memory is short.
const BATCH: usize = 2_048;
/// Threads of a block: eight warps.
const THREADS: u32 = 256;

/// The EGNN as a backbone.
pub struct DeviceEgnn {
    launcher: Arc<dyn Launch>,
    precision: Precision,
    atoms: usize,
    layers: usize,
    published: bool,
    layout: Layout,
    rows: Rows,
    /// For each entry of the packed layout's flat vector, its place in ours.
    place: Vec<usize>,
    batch: AtomicUsize,
}

/// What a pass through the backbone gives, per sample, `K` numbers each.
#[derive(Default)]
struct Pass {
    out: Vec<f64>,
    y_bar: Vec<f64>,
    noise_bar: Vec<f64>,
}

/// What a pass starts from: `K` numbers each.
struct Inputs {
    /// Number of components: 1, or 2 with tangents.
    k: usize,
    noise: Vec<f64>,
    beta: Vec<f64>,
    y: Vec<f64>,
    cotangent: Option<Vec<f64>>,
}

impl DeviceEgnn {
    /// A network for `atoms` particles.
    ///
    /// # Errors
    /// As [`FusedEgnn::new`].
    pub fn new(launcher: Arc<dyn Launch>, atoms: usize, spec: &NetSpec, precision: Precision) -> Result<Self> {
        let fused = FusedEgnn::<f64>::new(atoms, spec)?;
        Ok(Self {
            launcher,
            precision,
            atoms,
            layers: spec.layers,
            published: spec.node_features == NodeFeatures::Faithful,
            layout: fused.layout().clone(),
            rows: Rows::new(spec.layers),
            place: fused.place().to_vec(),
            batch: AtomicUsize::new(BATCH),
        })
    }

    /// Reals of scratch memory of a block: `Egnn::reals` of the kernel.
    fn scratch(&self, k: usize) -> usize {
        let (n, four) = (self.atoms, |reals: usize| reals.next_multiple_of(4));
        let (node, e) = (n * k * HIDDEN, n * (n - 1));
        let edge = e * k * HIDDEN;
        let layer = 4 * node + 7 * edge + 3 * four(e * k) + four(3 * e * k);
        self.layers * layer + 5 * node + 3 * edge + 4 * four(e * k) + 2 * four(3 * n * k) + four(3 * e * k)
    }

    /// Packed weights, and the same with transposed blocks, as bytes.
    fn weights(&self, params: &[f64]) -> [Vec<u8>; 2] {
        let flat: Vec<f64> = self.place.iter().map(|&i| params[i]).collect();
        let rows = self.rows.pack(&flat);
        let transposed = self.rows.transposed(&rows);
        [rows, transposed].map(|rows| {
            let flat: Vec<f64> = rows.iter().flat_map(|row| row.0).collect();
            bytes_of(self.precision, &flat)
        })
    }

    /// The backbone on a batch; with a cotangent also its product with the Jacobian, and with `grad` the gradient of the weights,
    /// added to it.
    fn pass(&self, params: &[f64], inputs: &Inputs, mut grad: Option<&mut [f64]>) -> Result<Pass> {
        let weights = self.weights(params);
        let (samples, per) = (inputs.beta.len(), 3 * self.atoms * inputs.k);
        let mut all = Pass::default();
        let mut done = 0;
        while done < samples {
            let end = samples.min(done + self.batch.load(Ordering::Relaxed));
            let some = Inputs {
                k: inputs.k,
                noise: inputs.noise[done * inputs.k..end * inputs.k].to_vec(),
                beta: inputs.beta[done..end].to_vec(),
                y: inputs.y[done * per..end * per].to_vec(),
                cotangent: inputs.cotangent.as_ref().map(|c| c[done * per..end * per].to_vec()),
            };
            match self.launch(&weights, &some, grad.as_deref_mut()) {
                Ok(pass) => {
                    all.out.extend(pass.out);
                    all.y_bar.extend(pass.y_bar);
                    all.noise_bar.extend(pass.noise_bar);
                    done = end;
                }
                Err(Failure::OutOfMemory) if end - done > CHUNK => {
                    // Whole blocks, so that gradients are added in the same groups.
                    let half = (end - done).div_ceil(2).next_multiple_of(CHUNK);
                    self.batch.fetch_min(half, Ordering::Relaxed);
                    super::choice::note(format!(
                        "device memory is short: networks in batches of {half} samples from here on"
                    ));
                }
                Err(Failure::OutOfMemory) => return Err(Error::Device("out of device memory in the network".into())),
                Err(Failure::Other(message)) => return Err(Error::Device(message)),
            }
        }
        Ok(all)
    }

    /// One launch.
    fn launch(&self, weights: &[Vec<u8>; 2], inputs: &Inputs, grad: Option<&mut [f64]>) -> Result<Pass, Failure> {
        let (k, samples) = (inputs.k, inputs.beta.len());
        let size = if self.precision == Precision::F32 { 4 } else { 8 };
        let blocks = samples.div_ceil(CHUNK);
        let rows = self.rows.rows();
        let buffer = |reals: usize| vec![0_u8; size * reals];
        let convert = |values: &[f64]| bytes_of(self.precision, values);
        let (noise, beta, y) = (convert(&inputs.noise), convert(&inputs.beta), convert(&inputs.y));
        let cotangent = inputs.cotangent.as_deref().map(convert);
        let back = inputs.cotangent.is_some();
        let (mut out, mut y_bar) = (buffer(inputs.y.len()), buffer(if back { inputs.y.len() } else { 0 }));
        let mut noise_bar = buffer(if back { samples * k } else { 0 });
        let (mut sum, mut done) = (buffer(rows * HIDDEN), [0_u8; 4]);
        let weighs = grad.is_some();
        let kernel = format!("egnn_{}{}", if k == 2 { "dual_" } else { "" }, if size == 4 { "f32" } else { "f64" });
        let [w, wt] = weights;
        let args = vec![
            Arg::Int(self.atoms as i32),
            Arg::Int(self.layers as i32),
            Arg::Int(i32::from(self.published)),
            Arg::Int(samples as i32),
            Arg::Int(CHUNK as i32),
            Arg::Int(rows as i32),
            Arg::In(w),
            Arg::In(wt),
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
            if weighs { Arg::Out(&mut sum) } else { Arg::Null },
        ];
        self.launcher.launch(Call { kernel: &kernel, blocks: blocks as u32, threads: THREADS, shared: 16, args })?;
        if let Some(grad) = grad {
            let lanes: Vec<Lanes<f64>> = self.reals(&sum).as_chunks().0.iter().map(|row| Lanes(*row)).collect();
            let mut flat = vec![0.0; self.place.len()];
            self.rows.add_packed(&lanes, &mut flat);
            self.place.iter().zip(flat).for_each(|(&i, g)| grad[i] += g);
        }
        Ok(Pass { out: self.reals(&out), y_bar: self.reals(&y_bar), noise_bar: self.reals(&noise_bar) })
    }

    fn reals(&self, bytes: &[u8]) -> Vec<f64> {
        match self.precision {
            Precision::F32 => bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            Precision::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        }
    }

    /// Network inputs without tangents, and the coefficients of each sample.
    fn plain(&self, h: &[f64], beta: &[f64], x: &[f64]) -> (Inputs, Vec<Edm<f64>>) {
        let edm: Vec<Edm<f64>> = h.iter().map(|&h| Edm::new(h)).collect();
        let y = x.chunks_exact(self.dim()).zip(&edm).flat_map(|(x, edm)| x.iter().map(|x| edm.c_in * x)).collect();
        let noise = edm.iter().map(|edm| edm.noise).collect();
        (Inputs { k: 1, noise, beta: beta.to_vec(), y, cotangent: None }, edm)
    }

    /// Energy head; see `Egnn::energy_of` of the CPU's engine.
    fn energies(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> Result<EnergyOut> {
        let (mut inputs, edm) = self.plain(h, beta, x);
        inputs.cotangent = Some(inputs.y.clone());
        let pass = self.pass(params, &inputs, None)?;
        let dim = self.dim();
        let mut all = EnergyOut { u: Vec::new(), grad: Vec::new(), du_dh: Vec::new() };
        for (i, edm) in edm.iter().enumerate() {
            let row = i * dim..(i + 1) * dim;
            let (x, y, f) = (&x[row.clone()], &inputs.y[row.clone()], &pass.out[row.clone()]);
            let pulled: Vec<f64> = pass.y_bar[row].iter().zip(f).map(|(r, f)| r + f).collect();
            let (product, y2) = (inner(f, y), inner(y, y));
            let slope = -(edm.inv_sigma * edm.c_in);
            all.grad.extend(pulled.iter().zip(x).map(|(r, x)| edm.c_skip * x + slope * r));
            all.u.push(0.5 * y2 - edm.inv_sigma * product);
            let along_noise = pass.noise_bar[i] * 0.125 / edm.h;
            let along_y = 0.5 * edm.c_skip * inner(&pulled, y);
            let du_dh = edm.inv_sigma * (0.5 * product / edm.h - along_noise + along_y) - 0.5 * edm.c_skip * y2;
            all.du_dh.push(du_dh);
        }
        Ok(all)
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Values and tangents, in turn.
fn pairs(values: impl Iterator<Item = f64>, tangents: impl Iterator<Item = f64>) -> Vec<f64> {
    values.zip(tangents).flat_map(|(v, t)| [v, t]).collect()
}

impl Backbone for DeviceEgnn {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn dim(&self) -> usize {
        3 * self.atoms
    }

    fn denoise(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> Result<Vec<f64>> {
        let (inputs, edm) = self.plain(h, beta, x);
        let pass = self.pass(params, &inputs, None)?;
        let dim = self.dim();
        let at = |(k, f): (usize, &f64)| edm[k / dim].c_skip * x[k] + edm[k / dim].c_out * f;
        Ok(pass.out.iter().enumerate().map(at).collect())
    }

    fn energy(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> Result<EnergyOut> {
        self.energies(params, h, beta, x)
    }

    fn divergence(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let dim = self.dim();
        let (mut value, mut div) = (Vec::with_capacity(x.len()), Vec::with_capacity(h.len()));
        // Every sample once for each coordinate, a few samples at a time.
        for first in (0..h.len()).step_by(BATCH) {
            let samples = first..h.len().min(first + BATCH);
            let mut trace = vec![0.0; samples.len()];
            for axis in 0..dim {
                let unit = |k: usize| f64::from(u8::from(k % dim == axis));
                let v: Vec<f64> = (0..samples.len() * dim).map(unit).collect();
                let rows = samples.start * dim..samples.end * dim;
                let (d, jv) = self.denoise_jvp(params, &h[samples.clone()], &beta[samples.clone()], &x[rows], &v)?;
                trace.iter_mut().enumerate().for_each(|(i, t)| *t += jv[i * dim + axis]);
                if axis == 0 {
                    value.extend(d);
                }
            }
            div.extend(trace.iter().zip(&h[samples]).map(|(t, h)| (t - dim as f64) / h));
        }
        Ok((value, div))
    }

    fn denoise_jvp(
        &self,
        params: &[f64],
        h: &[f64],
        beta: &[f64],
        x: &[f64],
        v: &[f64],
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        let (plain, edm) = self.plain(h, beta, x);
        let dim = self.dim();
        let tangent = v.iter().enumerate().map(|(k, v)| edm[k / dim].c_in * v);
        let y = pairs(plain.y.iter().copied(), tangent);
        let noise = pairs(plain.noise.iter().copied(), std::iter::repeat(0.0));
        let pass = self.pass(params, &Inputs { k: 2, noise, beta: plain.beta, y, cotangent: None }, None)?;
        let at = |(k, [f, df]): (usize, &[f64; 2])| {
            let edm = &edm[k / dim];
            (edm.c_skip * x[k] + edm.c_out * f, edm.c_skip * v[k] + edm.c_out * df)
        };
        Ok(pass.out.as_chunks().0.iter().enumerate().map(at).unzip())
    }

    fn denoise_vjp(
        &self,
        params: &[f64],
        h: &[f64],
        beta: &[f64],
        x: &[f64],
        cotangent: Cotangent<'_>,
        grad: &mut [f64],
    ) -> Result<Vec<f64>> {
        let d = self.denoise(params, h, beta, x)?;
        let (mut inputs, edm) = self.plain(h, beta, x);
        let dim = self.dim();
        let mut pulled = vec![0.0; x.len()];
        for (i, (row, out)) in d.chunks_exact(dim).zip(pulled.chunks_exact_mut(dim)).enumerate() {
            cotangent(i, row, out);
            out.iter_mut().for_each(|v| *v *= edm[i].c_out);
        }
        inputs.cotangent = Some(pulled);
        self.pass(params, &inputs, Some(grad))?;
        Ok(d)
    }

    fn energy_vjp(
        &self,
        params: &[f64],
        h: &[f64],
        beta: &[f64],
        x: &[f64],
        seed: Seeds<'_>,
        grad: &mut [f64],
    ) -> Result<EnergyOut> {
        let energy = self.energies(params, h, beta, x)?;
        let (plain, edm) = self.plain(h, beta, x);
        let dim = self.dim();
        let (mut noise, mut y, mut cotangent) = (Vec::new(), Vec::new(), Vec::new());
        let mut v = vec![0.0; dim];
        for (i, edm) in edm.iter().enumerate() {
            let row = i * dim..(i + 1) * dim;
            let s = seed(i, energy.u[i], &energy.grad[row.clone()], energy.du_dh[i], &mut v);
            // The direction (v, w) in (x, h), as the CPU's engine has it.
            let shrink = 0.5 * s.w * edm.c_skip * edm.c_in;
            let tangent = v.iter().zip(&x[row.clone()]).map(|(v, x)| edm.c_in * v - shrink * x);
            let dual = pairs(plain.y[row].iter().copied(), tangent);
            noise.extend([edm.noise, s.w * 0.125 / edm.h]);
            // Only <F, y> / sqrt(h) holds parameters; its factor's tangent is -w / (2 h^(3/2)), and c adds the value itself.
            let factor = [-edm.inv_sigma, edm.inv_sigma * (0.5 * s.w / edm.h - s.c)];
            cotangent.extend(
                dual.as_chunks::<2>().0.iter().flat_map(|[y, dy]| [factor[0] * y, factor[0] * dy + factor[1] * y]),
            );
            y.extend(dual);
        }
        let inputs = Inputs { k: 2, noise, beta: plain.beta, y, cotangent: Some(cotangent) };
        self.pass(params, &inputs, Some(grad))?;
        Ok(energy)
    }
}
