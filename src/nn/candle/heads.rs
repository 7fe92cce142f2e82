//! Both EDM heads on any network over [`Jet`], with every derivative training and annealing need.

use candle_core::{D, DType, Device, Tensor, Var};

use super::jet::Jet;
use crate::error::Result;
use crate::nn::{Backbone, Batch, Cotangent, EnergyOut, Layout, Parameter, Seeds};

/// A network `F(c_noise, x, beta)`, written once over values and tangents.
pub trait JetNet: Send + Sync {
    /// See [`Backbone::translation_invariant`].
    const TRANSLATION_INVARIANT: bool = true;

    /// Particles.
    fn atoms(&self) -> usize;

    /// Order of the parameters.
    fn layout(&self) -> &Layout;

    /// See [`Backbone::in_training`].
    fn in_training(&self, seed: u64, step: u64) -> Option<Self>
    where
        Self: Sized,
    {
        let _ = (seed, step);
        None
    }

    /// `F [B, n, 3]` of `c_noise [B, 1]`, `x [B, n, 3]`, `beta [B, 1]`.
    ///
    /// # Errors
    /// On device failure.
    fn forward(&self, w: &Weights, c_noise: &Jet, x: &Jet, beta: &Jet) -> candle_core::Result<Jet>;
}

/// A network with both heads.
pub struct Candle<N> {
    net: N,
    dtype: DType,
    device: Device,
}

/// Flat parameters cut into tensors, in layout order.
pub struct Weights<'a> {
    layout: &'a Layout,
    tensors: Vec<Tensor>,
    /// As precise as the weights.
    pub(super) dtype: DType,
    /// Where they are.
    pub(super) device: &'a Device,
}

impl Weights<'_> {
    /// A parameter by name.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &str) -> candle_core::Result<&Tensor> {
        let index = self.layout.parameters.iter().position(|p| p.name == name);
        index.map(|i| &self.tensors[i]).ok_or_else(|| candle_core::Error::Msg(format!("no parameter {name}")))
    }

    /// The linear layer `name` with its bias.
    ///
    /// # Errors
    /// On shape mismatch.
    pub fn linear(&self, x: &Jet, name: &str) -> candle_core::Result<Jet> {
        let bias = self.get(&format!("{name}.bias"))?;
        x.linear(self.get(&format!("{name}.weight"))?, Some(bias))
    }

    /// A constant of the network, where and as precise as the weights.
    ///
    /// # Errors
    /// On device failure.
    pub fn constant(&self, values: &[f64], shape: &[usize]) -> candle_core::Result<Tensor> {
        Tensor::from_slice(values, shape, self.device)?.to_dtype(self.dtype)
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

impl<N: JetNet + 'static> Candle<N> {
    /// The heads of `net`, computing in `dtype`.
    #[must_use]
    pub fn of(net: N, dtype: DType, device: Device) -> Self {
        Self { net, dtype, device }
    }

    fn weights(&self, tensors: Vec<Tensor>) -> Weights<'_> {
        Weights { layout: self.net.layout(), tensors, dtype: self.dtype, device: &self.device }
    }

    /// Rounded before it is copied: half the bytes go to a device.
    fn tensor(&self, values: &[f64], shape: &[usize]) -> Result<Tensor> {
        Ok(match self.dtype {
            DType::F32 => Tensor::from_vec(values.iter().map(|&x| x as f32).collect(), shape, &self.device)?,
            dtype => Tensor::from_slice(values, shape, &self.device)?.to_dtype(dtype)?,
        })
    }

    fn flat(t: &Tensor) -> Result<Vec<f64>> {
        Ok(match t.dtype() {
            DType::F32 => t.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).collect(),
            _ => t.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?,
        })
    }

    /// Parameters as plain tensors: nothing is recorded for them in reverse mode.
    fn constants(&self, params: &[f64]) -> Result<Weights<'_>> {
        let tensor = |p: &Parameter| self.tensor(&params[p.range()], &p.shape);
        Ok(self.weights(self.net.layout().parameters.iter().map(tensor).collect::<Result<_>>()?))
    }

    /// Parameters as variables, to differentiate with respect to them.
    fn variables(&self, params: &[f64]) -> Result<(Weights<'_>, Vec<Var>)> {
        let constants = self.constants(params)?;
        let vars = constants.tensors.iter().map(Var::from_tensor).collect::<candle_core::Result<Vec<_>>>()?;
        let tensors = vars.iter().map(|v| v.as_tensor().clone()).collect();
        Ok((self.weights(tensors), vars))
    }

    /// Adds the gradients of `loss` to the flat `grad`. A parameter that the loss does not reach (the unused output
    /// embedding, the last node update) has none.
    fn accumulate(&self, loss: &Tensor, vars: &[Var], grad: &mut [f64]) -> Result<()> {
        let store = loss.backward()?;
        for (p, var) in self.net.layout().parameters.iter().zip(vars) {
            if let Some(g) = store.get(var) {
                for (sum, g) in grad[p.range()].iter_mut().zip(Self::flat(g)?) {
                    *sum += g;
                }
            }
        }
        Ok(())
    }

    /// Score head: `D [B, 3n]`, with tangents `[k, B, 3n]` along those of `x`.
    fn denoiser(&self, w: &Weights, at: Batch<'_>, along: Option<Tensor>) -> Result<Jet> {
        let x = Jet::new(self.rows(at.x)?, along);
        let p = Precondition::new(&self.column(at.h)?)?;
        let f = self.raw(w, &p, &self.column(at.beta)?, &x.mul(&p.c_in)?)?;
        Ok(p.c_skip.mul(&x)?.add(&p.c_out.mul(&f)?)?)
    }

    /// Values and tangents of the score head.
    fn pushed(&self, params: &[f64], at: Batch<'_>, along: Tensor) -> Result<(Vec<f64>, Tensor)> {
        let d = self.denoiser(&self.constants(params)?, at, Some(along))?;
        let tangent = d.tangent.ok_or_else(|| candle_core::Error::Msg("no tangent".into()))?;
        Ok((Self::flat(&d.value)?, tangent))
    }

    /// Energy head: `U [B, 1]` of `x [B, 3n]`, `h [B, 1]`, `beta [B]`.
    fn energy_jet(&self, w: &Weights, h: &Jet, beta: &[f64], x: &Jet) -> Result<Jet> {
        let p = Precondition::new(h)?;
        let scaled = x.mul(&p.c_in)?;
        let inner = self.raw(w, &p, &self.column(beta)?, &scaled)?.mul(&scaled)?.sum_last()?;
        // (1 - c_s)/(2h) = c_s/2, since 1 - 1/(1+h) = h/(1+h).
        let quadratic = p.c_skip.scale(0.5)?.mul(&x.mul(x)?.sum_last()?)?;
        let coupling = p.c_out.mul(&p.c_in.mul(h)?.recip()?)?;
        Ok(quadratic.sub(&coupling.mul(&inner)?)?)
    }

    fn raw(&self, w: &Weights, p: &Precondition, beta: &Jet, scaled: &Jet) -> Result<Jet> {
        let batch = scaled.value.dim(0)?;
        let x = scaled.reshape(&[batch, self.net.atoms(), 3])?;
        Ok(self.net.forward(w, &p.c_noise, &x, beta)?.reshape(&[batch, self.dim()])?)
    }

    /// `h`, `beta` as constants `[B, 1]`.
    fn column(&self, values: &[f64]) -> Result<Jet> {
        Ok(Jet::constant(self.tensor(values, &[values.len(), 1])?))
    }

    fn rows(&self, values: &[f64]) -> Result<Tensor> {
        self.tensor(values, &[values.len() / self.dim(), self.dim()])
    }

    fn energy_out(&self, w: &Weights, at: Batch<'_>) -> Result<EnergyOut> {
        let x = Var::from_tensor(&self.rows(at.x)?)?;
        let h = Var::from_tensor(&self.column(at.h)?.value)?;
        let jet = |v: &Var| Jet::constant(v.as_tensor().clone());
        let u = self.energy_jet(w, &jet(&h), at.beta, &jet(&x))?.value;
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
    pub fn forward(&self, params: &[f64], c_noise: &[f64], beta: &[f64], x: &[f64]) -> Result<Vec<f64>> {
        let x = Jet::constant(self.tensor(x, &[c_noise.len(), self.net.atoms(), 3])?);
        let w = self.constants(params)?;
        Self::flat(&self.net.forward(&w, &self.column(c_noise)?, &x, &self.column(beta)?)?.value)
    }

    /// Laplacian of `U`, `[B]`: one reverse pass over each of `dim` forward tangents. For the energy-only drift.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn laplacian(&self, params: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        let (batch, dim) = (at.h.len(), self.dim());
        let w = self.constants(params)?;
        let mut trace = vec![0.0; batch];
        for k in 0..dim {
            let seed: Vec<f64> = (0..batch * dim).map(|i| f64::from(u8::from(i % dim == k))).collect();
            let x = Var::from_tensor(&self.rows(at.x)?)?;
            let jet = Jet::new(x.as_tensor().clone(), Some(self.tensor(&seed, &[1, batch, dim])?));
            let u = self.energy_jet(&w, &self.column(at.h)?, at.beta, &jet)?;
            if let Some(slope) = u.tangent
                && let Some(row) = slope.sum_all()?.backward()?.get(&x)
            {
                for (sum, entry) in trace.iter_mut().zip(Self::flat(&row.narrow(1, k, 1)?)?) {
                    *sum += entry;
                }
            }
        }
        Ok(trace)
    }
}

impl<N: JetNet + 'static> Backbone for Candle<N> {
    fn layout(&self) -> &Layout {
        self.net.layout()
    }

    fn dim(&self) -> usize {
        3 * self.net.atoms()
    }

    fn translation_invariant(&self) -> bool {
        N::TRANSLATION_INVARIANT
    }

    fn in_training(&self, seed: u64, step: u64) -> Option<Box<dyn Backbone>> {
        Some(Box::new(Self::of(self.net.in_training(seed, step)?, self.dtype, self.device.clone())))
    }

    fn denoise(&self, params: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        Self::flat(&self.denoiser(&self.constants(params)?, at, None)?.value)
    }

    fn energy(&self, params: &[f64], at: Batch<'_>) -> Result<EnergyOut> {
        self.energy_out(&self.constants(params)?, at)
    }

    fn divergence(&self, params: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        let dim = self.dim();
        let eye = Tensor::eye(dim, self.dtype, &self.device)?.reshape((dim, 1, dim))?;
        let seeds = eye.broadcast_as((dim, at.h.len(), dim))?.contiguous()?;
        let (value, tangent) = self.pushed(params, at, seeds)?;
        let trace = Self::flat(&tangent.broadcast_mul(&eye)?.sum(D::Minus1)?.sum(0)?)?;
        let div = trace.iter().zip(at.h).map(|(t, h)| (t - dim as f64) / h).collect();
        Ok((value, div))
    }

    fn denoise_jvp(&self, params: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (value, tangent) = self.pushed(params, at, self.tensor(v, &[1, at.h.len(), self.dim()])?)?;
        Ok((value, Self::flat(&tangent)?))
    }

    fn denoise_vjp(&self, params: &[f64], at: Batch<'_>, cotangent: Cotangent, grad: &mut [f64]) -> Result<Vec<f64>> {
        let dim = self.dim();
        let (w, vars) = self.variables(params)?;
        let d = self.denoiser(&w, at, None)?.value;
        let value = Self::flat(&d)?;
        let mut cot = vec![0.0; value.len()];
        for (i, (row, out)) in value.chunks(dim).zip(cot.chunks_mut(dim)).enumerate() {
            cotangent(i, row, out);
        }
        let loss = (d * self.rows(&cot)?)?.sum_all()?;
        self.accumulate(&loss, &vars, grad)?;
        Ok(value)
    }

    fn energy_vjp(&self, params: &[f64], at: Batch<'_>, seed: Seeds, grad: &mut [f64]) -> Result<EnergyOut> {
        let (batch, dim) = (at.h.len(), self.dim());
        let (w, vars) = self.variables(params)?;
        let out = self.energy_out(&self.constants(params)?, at)?;
        let mut v = vec![0.0; batch * dim];
        let (mut c, mut dh) = (vec![0.0; batch], vec![0.0; batch]);
        for i in 0..batch {
            let row = i * dim..(i + 1) * dim;
            let s = seed(i, out.u[i], &out.grad[row.clone()], out.du_dh[i], &mut v[row]);
            (c[i], dh[i]) = (s.c, s.w);
        }
        let x = Jet::new(self.rows(at.x)?, Some(self.tensor(&v, &[1, batch, dim])?));
        let h = Jet::new(self.column(at.h)?.value, Some(self.tensor(&dh, &[1, batch, 1])?));
        let u = self.energy_jet(&w, &h, at.beta, &x)?;
        let mut loss = (u.value * self.column(&c)?.value)?.sum_all()?;
        if let Some(t) = u.tangent {
            loss = (loss + t.sum_all()?)?;
        }
        self.accumulate(&loss, &vars, grad)?;
        Ok(out)
    }
}
