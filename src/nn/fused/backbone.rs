//! [`Backbone`] on the fused engine: f64 slices outside, `T` inside.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{Egnn, NodeInputs, Real, Rows, Shape};
use crate::error::{Error, Result};
use crate::nn::candle::egnn_layout;
use crate::nn::{Backbone, Batch, Cotangent, EnergyOut, Layout, Seeds};
use crate::spec::{NetSpec, NodeFeatures};

/// The fused EGNN as a backbone, computing in `T` (f32 in production, f64 in tests).
pub struct FusedEgnn<T> {
    shape: Shape,
    layout: Layout,
    rows: Arc<Rows>,
    scalar: PhantomData<fn() -> T>,
}

fn cast<T: Real>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&x| T::from_f64(x)).collect()
}

fn wide<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|x| x.to_f64()).collect()
}

fn add<T: Real>(more: &[T], grad: &mut [f64]) {
    grad.iter_mut().zip(more).for_each(|(sum, g)| *sum += g.to_f64());
}

impl<T: Real> FusedEgnn<T> {
    /// A network for `atoms` particles.
    ///
    /// # Errors
    /// [`Error::Usage`] when the width is not the one that the kernels are made for.
    pub fn new(atoms: usize, spec: &NetSpec) -> Result<Self> {
        if spec.hidden != super::HIDDEN {
            return Err(Error::Usage(format!(
                "engine = \"fused\" is made for net.hidden = {}, not {}; use engine = \"candle\"",
                super::HIDDEN,
                spec.hidden
            )));
        }
        let inputs = match spec.node_features {
            NodeFeatures::Fixed => NodeInputs::Equivariant,
            NodeFeatures::Faithful => NodeInputs::Published,
        };
        let shape = Shape { particles: atoms, layers: spec.layers, inputs };
        let layout = egnn_layout(spec);
        if atoms < 2 || spec.layers == 0 {
            return Err(Error::Usage("the EGNN needs at least 2 particles and 1 layer".into()));
        }
        let rows = Arc::new(Rows::new(&layout, spec.layers));
        Ok(Self { shape, layout, rows, scalar: PhantomData })
    }

    /// Where each parameter lies in the packed rows.
    pub(crate) fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.rows)
    }

    fn net(&self, params: &[f64]) -> Egnn<T> {
        Egnn { shape: self.shape, rows: self.rows(), params: cast(params) }
    }
}

impl<T: Real> Backbone for FusedEgnn<T> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn dim(&self) -> usize {
        3 * self.shape.particles
    }

    fn denoise(&self, params: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        Ok(wide(&self.net(params).denoise(&cast(at.h), &cast(at.beta), &cast(at.x))))
    }

    fn energy(&self, params: &[f64], at: Batch<'_>) -> Result<EnergyOut> {
        let e = self.net(params).energy(&cast(at.h), &cast(at.beta), &cast(at.x));
        Ok(EnergyOut { u: wide(&e.u), grad: wide(&e.grad), du_dh: wide(&e.dh) })
    }

    fn divergence(&self, params: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        let (score, div) = self.net(params).div_score(&cast(at.h), &cast(at.beta), &cast(at.x));
        let dim = self.dim();
        let d = score.iter().zip(at.x).enumerate().map(|(k, (s, x))| x + at.h[k / dim] * s.to_f64()).collect();
        Ok((d, wide(&div)))
    }

    fn denoise_jvp(&self, params: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (d, jv) = self.net(params).denoise_jvp(&cast(at.h), &cast(at.beta), &cast(at.x), &cast(v));
        Ok((wide(&d), wide(&jv)))
    }

    fn denoise_vjp(&self, params: &[f64], at: Batch<'_>, cotangent: Cotangent, grad: &mut [f64]) -> Result<Vec<f64>> {
        let net = self.net(params);
        let mut sum = vec![T::ZERO; net.params.len()];
        let pull = |i: usize, d: &[T], out: &mut [T]| {
            let mut wide_out = vec![0.0; d.len()];
            cotangent(i, &wide(d), &mut wide_out);
            out.copy_from_slice(&cast::<T>(&wide_out));
        };
        let d = net.denoise_vjp(&cast(at.h), &cast(at.beta), &cast(at.x), pull, &mut sum);
        add(&sum, grad);
        Ok(wide(&d))
    }

    fn energy_vjp(&self, params: &[f64], at: Batch<'_>, seed: Seeds, grad: &mut [f64]) -> Result<EnergyOut> {
        let net = self.net(params);
        let mut sum = vec![T::ZERO; net.params.len()];
        let pull = |i: usize, u: T, g: &[T], dh: T, v: &mut [T]| {
            let mut wide_v = vec![0.0; g.len()];
            let s = seed(i, u.to_f64(), &wide(g), dh.to_f64(), &mut wide_v);
            v.copy_from_slice(&cast::<T>(&wide_v));
            (T::from_f64(s.c), T::from_f64(s.w))
        };
        let e = net.energy_vjp(&cast(at.h), &cast(at.beta), &cast(at.x), pull, &mut sum);
        add(&sum, grad);
        Ok(EnergyOut { u: wide(&e.u), grad: wide(&e.grad), du_dh: wide(&e.dh) })
    }
}
