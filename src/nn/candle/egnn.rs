//! The EGNN backbone of LJ-13 with both EDM heads, over [`Jet`].

use candle_core::{D, DType, Device, Result, Tensor, Var};

use super::Jet;
use crate::config::spec::{NetSpec, NodeFeatures};
use crate::nn::{Backbone, Cotangent, EnergyOut, Layout, Seeds};

/// Range of all coordinate updates together; each layer may move a particle's partners by `RANGE / layers`.
const RANGE: f64 = 15.0;

/// E(n)-equivariant network on a fully connected graph (Satorras et al. 2021, as PITA sets it up).
pub struct CandleEgnn {
    atoms: usize,
    spec: NetSpec,
    layout: Layout,
    dtype: DType,
    device: Device,
}

/// Flat parameters cut into tensors, in layout order.
struct Weights<'a> {
    layout: &'a Layout,
    tensors: Vec<Tensor>,
}

impl Weights<'_> {
    fn get(&self, name: &str) -> Result<&Tensor> {
        let index = self.layout.parameters.iter().position(|p| p.name == name);
        index.map(|i| &self.tensors[i]).ok_or_else(|| candle_core::Error::Msg(format!("no parameter {name}")))
    }

    fn linear(&self, x: &Jet, name: &str) -> Result<Jet> {
        let bias = self.get(&format!("{name}.bias"))?;
        x.linear(self.get(&format!("{name}.weight"))?, Some(bias))
    }
}

/// EDM coefficients of a batch, `[B, 1]` each.
struct Precondition {
    c_skip: Jet,
    c_in: Jet,
    c_out: Jet,
    c_noise: Jet,
}

impl Precondition {
    fn new(h: &Jet) -> Result<Self> {
        let c_skip = h.offset(1.0)?.recip()?;
        let c_in = c_skip.sqrt()?;
        let c_out = h.mul(&c_skip)?.sqrt()?;
        Ok(Self { c_skip, c_in, c_out, c_noise: h.ln()?.scale(0.125)? })
    }
}

impl CandleEgnn {
    /// A network for `atoms` particles, computing in `dtype`.
    #[must_use]
    pub fn new(atoms: usize, spec: &NetSpec, dtype: DType, device: Device) -> Self {
        Self { atoms, spec: spec.clone(), layout: egnn_layout(spec), dtype, device }
    }

    fn tensor(&self, values: &[f64], shape: &[usize]) -> Result<Tensor> {
        Tensor::from_slice(values, shape, &self.device)?.to_dtype(self.dtype)
    }

    fn flat(t: &Tensor) -> Result<Vec<f64>> {
        t.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
    }

    /// Parameters as plain tensors: nothing is recorded for them in reverse mode.
    fn constants(&self, params: &[f64]) -> Result<Weights<'_>> {
        let mut tensors = Vec::with_capacity(self.layout.parameters.len());
        for p in &self.layout.parameters {
            let len: usize = p.shape.iter().product();
            tensors.push(self.tensor(&params[p.offset..p.offset + len], &p.shape)?);
        }
        Ok(Weights { layout: &self.layout, tensors })
    }

    /// Parameters as variables, to differentiate with respect to them.
    fn variables(&self, params: &[f64]) -> Result<(Weights<'_>, Vec<Var>)> {
        let constants = self.constants(params)?;
        let vars = constants.tensors.iter().map(Var::from_tensor).collect::<Result<Vec<_>>>()?;
        let tensors = vars.iter().map(|v| v.as_tensor().clone()).collect();
        Ok((Weights { layout: &self.layout, tensors }, vars))
    }

    /// Adds the gradients of `loss` to the flat `grad`. A parameter that the loss does not reach (the unused output
    /// embedding, the last node update) has none.
    fn accumulate(&self, loss: &Tensor, vars: &[Var], grad: &mut [f64]) -> Result<()> {
        let store = loss.backward()?;
        for (p, var) in self.layout.parameters.iter().zip(vars) {
            if let Some(g) = store.get(var) {
                let len: usize = p.shape.iter().product();
                for (sum, g) in grad[p.offset..p.offset + len].iter_mut().zip(Self::flat(g)?) {
                    *sum += g;
                }
            }
        }
        Ok(())
    }

    /// Node inputs `[B, n, 2]` from `c_noise [B, 1]` and `beta [B, 1]`.
    fn node_inputs(&self, c_noise: &Jet, beta: &Jet) -> Result<Jet> {
        let n = self.atoms;
        let times_beta = |node: usize| -> (f64, f64) {
            match self.spec.node_features {
                NodeFeatures::Fixed => (0.0, 1.0),
                // [t]*n ++ [beta]*n reshaped to (n, 2): entry k of the flat list is t for k < n, else beta.
                NodeFeatures::Faithful => (f64::from(u8::from(2 * node >= n)), f64::from(u8::from(2 * node + 1 >= n))),
            }
        };
        let mask: Vec<f64> = (0..n).flat_map(|i| [times_beta(i).0, times_beta(i).1]).collect();
        let is_beta = self.tensor(&mask, &[1, n, 2])?;
        let is_time = Jet::constant(is_beta.affine(-1.0, 1.0)?);
        let time = c_noise.insert_axis(1)?.mul(&is_time)?;
        time.add(&beta.insert_axis(1)?.mul(&Jet::constant(is_beta))?)
    }

    /// `F(c_noise, x, beta)`: displacement `[B, n, 3]` with its mean removed, of `x [B, n, 3]`.
    fn backbone(&self, w: &Weights, c_noise: &Jet, x0: &Jet, beta: &Jet) -> Result<Jet> {
        let (n, hidden) = (self.atoms, self.spec.hidden);
        let range = RANGE / self.spec.layers as f64;
        // Self edges are computed with the rest and masked out of both sums.
        let other: Vec<f64> = (0..n * n).map(|k| f64::from(u8::from(k / n != k % n))).collect();
        let other = Jet::constant(self.tensor(&other, &[1, n, n, 1])?);
        let differences = |x: &Jet| -> Result<(Jet, Jet)> {
            let d = x.insert_axis(2)?.sub(&x.insert_axis(3)?)?;
            // x.insert_axis(2) is [B, n, 1, 3] (receiver i); insert_axis(3) is [B, 1, n, 3] (sender j).
            let r2 = d.mul(&d)?.sum_last()?;
            Ok((d, r2))
        };
        let mut h = w.linear(&self.node_inputs(c_noise, beta)?, "egnn.embedding")?;
        let mut x = x0.clone();
        let (_, first_r2) = differences(&x)?;
        for layer in 0..self.spec.layers {
            let name = |part: &str| format!("egnn.gcl_{layer}.{part}");
            let (d, r2) = differences(&x)?;
            // First edge layer, factorised: W [h_i, h_j, r2, first r2] = A h_i + B h_j + c r2 + e first_r2.
            let w1 = w.get(&name("edge_mlp.0.weight"))?;
            let part = |start, len| w1.narrow(1, start, len)?.contiguous();
            let from_i = h.linear(&part(0, hidden)?, None)?.insert_axis(2)?;
            let from_j = h.linear(&part(hidden, hidden)?, None)?.insert_axis(3)?;
            let from_r2 = r2.linear(&part(2 * hidden, 1)?, Some(w.get(&name("edge_mlp.0.bias"))?))?;
            let from_first = first_r2.linear(&part(2 * hidden + 1, 1)?, None)?;
            let m = from_i.add(&from_j)?.add(&from_r2)?.add(&from_first)?.silu()?;
            let m = w.linear(&m, &name("edge_mlp.2"))?.silu()?;
            let gate = w.linear(&m, &name("att_mlp.0"))?.sigmoid()?;
            let m = m.mul(&gate)?.mul(&other)?;
            let push = w.linear(&m, &name("coord_mlp.0"))?.silu()?;
            let push = push.linear(w.get(&name("coord_mlp.2.weight"))?, None)?.tanh()?.scale(range)?;
            let unit = d.mul(&r2.offset(1e-8)?.sqrt()?.offset(1.0)?.recip()?)?;
            x = x.add(&unit.mul(&push)?.sum_second_last()?)?;
            let sum = m.sum_second_last()?;
            let w3 = w.get(&name("node_mlp.0.weight"))?;
            let w3_part = |start| w3.narrow(1, start, hidden)?.contiguous();
            let update = h
                .linear(&w3_part(0)?, Some(w.get(&name("node_mlp.0.bias"))?))?
                .add(&sum.linear(&w3_part(hidden)?, None)?)?
                .silu()?;
            h = h.add(&w.linear(&update, &name("node_mlp.2"))?)?;
        }
        let moved = x.sub(x0)?;
        let mean = moved.sum_second_last()?.scale(1.0 / n as f64)?.insert_axis(2)?;
        moved.sub(&mean)
    }

    /// Score head: `D [B, 3n]` of `x [B, 3n]`, `h [B, 1]`, `beta [B, 1]`.
    fn denoiser(&self, w: &Weights, h: &Jet, beta: &Jet, x: &Jet) -> Result<Jet> {
        let p = Precondition::new(h)?;
        let f = self.raw(w, &p, beta, &x.mul(&p.c_in)?)?;
        p.c_skip.mul(x)?.add(&p.c_out.mul(&f)?)
    }

    /// Energy head: `U [B, 1]`.
    fn energy_jet(&self, w: &Weights, h: &Jet, beta: &Jet, x: &Jet) -> Result<Jet> {
        let p = Precondition::new(h)?;
        let scaled = x.mul(&p.c_in)?;
        let inner = self.raw(w, &p, beta, &scaled)?.mul(&scaled)?.sum_last()?;
        // (1 - c_s)/(2h) = c_s/2, since 1 - 1/(1+h) = h/(1+h).
        let quadratic = p.c_skip.scale(0.5)?.mul(&x.mul(x)?.sum_last()?)?;
        let coupling = p.c_out.mul(&p.c_in.mul(h)?.recip()?)?;
        quadratic.sub(&coupling.mul(&inner)?)
    }

    fn raw(&self, w: &Weights, p: &Precondition, beta: &Jet, scaled: &Jet) -> Result<Jet> {
        let batch = scaled.value.dim(0)?;
        let x = scaled.reshape(&[batch, self.atoms, 3])?;
        self.backbone(w, &p.c_noise, &x, beta)?.reshape(&[batch, 3 * self.atoms])
    }

    /// `h`, `beta` as constants `[B, 1]`.
    fn column(&self, values: &[f64]) -> Result<Jet> {
        Ok(Jet::constant(self.tensor(values, &[values.len(), 1])?))
    }

    fn rows(&self, values: &[f64], batch: usize) -> Result<Tensor> {
        self.tensor(values, &[batch, 3 * self.atoms])
    }

    fn energy_out(&self, w: &Weights, h: &[f64], beta: &[f64], x: &[f64]) -> Result<EnergyOut> {
        let batch = h.len();
        let x = Var::from_tensor(&self.rows(x, batch)?)?;
        let h = Var::from_tensor(&self.tensor(h, &[batch, 1])?)?;
        let jet = |v: &Var| Jet::constant(v.as_tensor().clone());
        let u = self.energy_jet(w, &jet(&h), &self.column(beta)?, &jet(&x))?.value;
        let grads = u.sum_all()?.backward()?;
        let missing = || candle_core::Error::Msg("the energy does not depend on its input".into());
        Ok(EnergyOut {
            u: Self::flat(&u)?,
            grad: Self::flat(grads.get(&x).ok_or_else(missing)?)?,
            du_dh: Self::flat(grads.get(&h).ok_or_else(missing)?)?,
        })
    }

    /// The bare backbone `F [B, dim]` at network inputs `c_noise [B]`, `beta [B]`, `x_in [B, dim]`.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn forward(&self, params: &[f64], c_noise: &[f64], beta: &[f64], x: &[f64]) -> crate::error::Result<Vec<f64>> {
        let batch = c_noise.len();
        let x = Jet::constant(self.rows(x, batch)?.reshape((batch, self.atoms, 3))?);
        let w = self.constants(params)?;
        Ok(Self::flat(&self.backbone(&w, &self.column(c_noise)?, &x, &self.column(beta)?)?.value)?)
    }

    /// Laplacian of `U`, `[B]`: one reverse pass over each of `dim` forward tangents. For the energy-only drift.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn laplacian(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> crate::error::Result<Vec<f64>> {
        let (batch, dim) = (h.len(), self.dim());
        let w = self.constants(params)?;
        let mut trace = vec![0.0; batch];
        for k in 0..dim {
            let seed: Vec<f64> = (0..batch * dim).map(|i| f64::from(u8::from(i % dim == k))).collect();
            let x = Var::from_tensor(&self.rows(x, batch)?)?;
            let jet = Jet::new(x.as_tensor().clone(), Some(self.tensor(&seed, &[1, batch, dim])?));
            let u = self.energy_jet(&w, &self.column(h)?, &self.column(beta)?, &jet)?;
            if let Some(slope) = u.tangent {
                let grads = slope.sum_all()?.backward()?;
                if let Some(row) = grads.get(&x) {
                    for (sum, entry) in trace.iter_mut().zip(Self::flat(&row.narrow(1, k, 1)?)?) {
                        *sum += entry;
                    }
                }
            }
        }
        Ok(trace)
    }
}

/// Parameters in PyTorch's order for this module; coordinate heads start small (Xavier, gain 1e-3).
#[must_use]
pub fn egnn_layout(spec: &NetSpec) -> Layout {
    let hidden = spec.hidden;
    let mut layout = Layout::default();
    layout.push_linear("egnn.embedding", 2, hidden);
    layout.push_linear("egnn.embedding_out", hidden, 2);
    for layer in 0..spec.layers {
        let name = |part: &str| format!("egnn.gcl_{layer}.{part}");
        layout.push_linear(&name("edge_mlp.0"), 2 * hidden + 2, hidden);
        layout.push_linear(&name("edge_mlp.2"), hidden, hidden);
        layout.push_linear(&name("node_mlp.0"), 2 * hidden, hidden);
        layout.push_linear(&name("node_mlp.2"), hidden, hidden);
        layout.push_linear(&name("coord_mlp.0"), hidden, hidden);
        let xavier = 1e-3 * (6.0 / (hidden as f64 + 1.0)).sqrt();
        layout.push(name("coord_mlp.2.weight"), &[1, hidden], xavier);
        layout.push_linear(&name("att_mlp.0"), hidden, 1);
    }
    layout
}

impl Backbone for CandleEgnn {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn dim(&self) -> usize {
        3 * self.atoms
    }

    fn denoise(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> crate::error::Result<Vec<f64>> {
        let x = Jet::constant(self.rows(x, h.len())?);
        let w = self.constants(params)?;
        Ok(Self::flat(&self.denoiser(&w, &self.column(h)?, &self.column(beta)?, &x)?.value)?)
    }

    fn energy(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> crate::error::Result<EnergyOut> {
        Ok(self.energy_out(&self.constants(params)?, h, beta, x)?)
    }

    fn divergence(
        &self,
        params: &[f64],
        h: &[f64],
        beta: &[f64],
        x: &[f64],
    ) -> crate::error::Result<(Vec<f64>, Vec<f64>)> {
        let (batch, dim) = (h.len(), self.dim());
        let w = self.constants(params)?;
        let eye = Tensor::eye(dim, self.dtype, &self.device)?.reshape((dim, 1, dim))?;
        let seeds = eye.broadcast_as((dim, batch, dim))?.contiguous()?;
        let x = Jet::new(self.rows(x, batch)?, Some(seeds));
        let d = self.denoiser(&w, &self.column(h)?, &self.column(beta)?, &x)?;
        let value = Self::flat(&d.value)?;
        let tangent = d.tangent.ok_or_else(|| candle_core::Error::Msg("no tangent".into()))?;
        let trace = Self::flat(&tangent.broadcast_mul(&eye)?.sum(D::Minus1)?.sum(0)?)?;
        let div = trace.iter().zip(h).map(|(t, h)| (t - dim as f64) / h).collect();
        Ok((value, div))
    }

    fn denoise_jvp(
        &self,
        params: &[f64],
        h: &[f64],
        beta: &[f64],
        x: &[f64],
        v: &[f64],
    ) -> crate::error::Result<(Vec<f64>, Vec<f64>)> {
        let batch = h.len();
        let w = self.constants(params)?;
        let seed = self.tensor(v, &[1, batch, self.dim()])?;
        let x = Jet::new(self.rows(x, batch)?, Some(seed));
        let d = self.denoiser(&w, &self.column(h)?, &self.column(beta)?, &x)?;
        let tangent = d.tangent.ok_or_else(|| candle_core::Error::Msg("no tangent".into()))?;
        Ok((Self::flat(&d.value)?, Self::flat(&tangent)?))
    }

    fn denoise_vjp(
        &self,
        params: &[f64],
        h: &[f64],
        beta: &[f64],
        x: &[f64],
        cotangent: Cotangent<'_>,
        grad: &mut [f64],
    ) -> crate::error::Result<Vec<f64>> {
        let (batch, dim) = (h.len(), self.dim());
        let (w, vars) = self.variables(params)?;
        let x = Jet::constant(self.rows(x, batch)?);
        let d = self.denoiser(&w, &self.column(h)?, &self.column(beta)?, &x)?.value;
        let value = Self::flat(&d)?;
        let mut cot = vec![0.0; batch * dim];
        for (i, (row, out)) in value.chunks(dim).zip(cot.chunks_mut(dim)).enumerate() {
            cotangent(i, row, out);
        }
        let loss = (d * self.rows(&cot, batch)?)?.sum_all()?;
        self.accumulate(&loss, &vars, grad)?;
        Ok(value)
    }

    fn energy_vjp(
        &self,
        params: &[f64],
        h: &[f64],
        beta: &[f64],
        x: &[f64],
        seed: Seeds<'_>,
        grad: &mut [f64],
    ) -> crate::error::Result<EnergyOut> {
        let (batch, dim) = (h.len(), self.dim());
        let (w, vars) = self.variables(params)?;
        let out = self.energy_out(&self.constants(params)?, h, beta, x)?;
        let mut v = vec![0.0; batch * dim];
        let (mut c, mut dh) = (vec![0.0; batch], vec![0.0; batch]);
        for i in 0..batch {
            let row = i * dim..(i + 1) * dim;
            let s = seed(i, out.u[i], &out.grad[row.clone()], out.du_dh[i], &mut v[row]);
            (c[i], dh[i]) = (s.c, s.w);
        }
        let x = Jet::new(self.rows(x, batch)?, Some(self.tensor(&v, &[1, batch, dim])?));
        let h = Jet::new(self.tensor(h, &[batch, 1])?, Some(self.tensor(&dh, &[1, batch, 1])?));
        let u = self.energy_jet(&w, &h, &self.column(beta)?, &x)?;
        let mut loss = (u.value * self.tensor(&c, &[batch, 1])?)?.sum_all()?;
        if let Some(t) = u.tangent {
            loss = (loss + t.sum_all()?)?;
        }
        self.accumulate(&loss, &vars, grad)?;
        Ok(out)
    }
}
