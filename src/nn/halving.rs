//! A network whose batches fit the memory of its device: what does not fit is halved, for good, and noted.
//!
//! Results do not depend on how a batch is cut (see [`Backbone`]), up to the order in which parameter gradients are added.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::backbone::joined_pairs;
use super::{Backbone, Batch, Cotangent, EnergyOut, Layout, Seeds};
use crate::device;
use crate::error::Result;

/// A network in batches.
pub struct Halving {
    inner: Box<dyn Backbone>,
    /// Largest batch, by what is remembered of earlier calls.
    batch: Arc<AtomicUsize>,
}

impl Halving {
    /// Wraps a network.
    #[must_use]
    pub fn new(inner: Box<dyn Backbone>) -> Self {
        Self { inner, batch: Arc::new(AtomicUsize::new(device::ANY)) }
    }

    /// What `call` returns for the parts of a batch and their ranges of samples.
    fn parts<R>(&self, at: Batch<'_>, mut call: impl FnMut(Batch<'_>, Range<usize>) -> Result<R>) -> Result<Vec<R>> {
        let mut all = Vec::new();
        device::in_batches(at.h.len(), &self.batch, (2, 1), |r| {
            all.push(call(at.part(&r, self.dim()), r)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// As [`Self::parts`] (by first sample), while `call` adds to a gradient.
    fn with_gradient<R>(
        &self,
        at: Batch<'_>,
        grad: &mut [f64],
        call: impl Fn(Batch<'_>, usize, &mut [f64]) -> Result<R>,
    ) -> Result<Vec<R>> {
        self.parts(at, |part, r| {
            // Apart, so that a batch that failed half way leaves nothing behind.
            let mut own = vec![0.0; grad.len()];
            let out = call(part, r.start, &mut own)?;
            grad.iter_mut().zip(own).for_each(|(sum, g)| *sum += g);
            Ok(out)
        })
    }
}

impl Backbone for Halving {
    fn layout(&self) -> &Layout {
        self.inner.layout()
    }

    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn translation_invariant(&self) -> bool {
        self.inner.translation_invariant()
    }

    /// Dropout masks go by a sample's place in the batch: a halved batch has the same masks in both halves.
    fn in_training(&self, seed: u64, step: u64) -> Option<Box<dyn Backbone>> {
        Some(Box::new(Self { inner: self.inner.in_training(seed, step)?, batch: Arc::clone(&self.batch) }))
    }

    fn denoise(&self, params: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        Ok(self.parts(at, |part, _| self.inner.denoise(params, part))?.concat())
    }

    fn energy(&self, params: &[f64], at: Batch<'_>) -> Result<EnergyOut> {
        Ok(EnergyOut::joined(self.parts(at, |part, _| self.inner.energy(params, part))?))
    }

    fn divergence(&self, params: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok(joined_pairs(self.parts(at, |part, _| self.inner.divergence(params, part))?))
    }

    fn denoise_jvp(&self, params: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let dim = self.dim();
        let call =
            |part: Batch<'_>, r: Range<usize>| self.inner.denoise_jvp(params, part, &v[r.start * dim..r.end * dim]);
        Ok(joined_pairs(self.parts(at, call)?))
    }

    fn denoise_vjp(&self, params: &[f64], at: Batch<'_>, cotangent: Cotangent, grad: &mut [f64]) -> Result<Vec<f64>> {
        let parts = self.with_gradient(at, grad, |part, first, own| {
            let shifted = |i: usize, d: &[f64], out: &mut [f64]| cotangent(first + i, d, out);
            self.inner.denoise_vjp(params, part, &shifted, own)
        })?;
        Ok(parts.concat())
    }

    fn energy_vjp(&self, params: &[f64], at: Batch<'_>, seed: Seeds, grad: &mut [f64]) -> Result<EnergyOut> {
        let parts = self.with_gradient(at, grad, |part, first, own| {
            let shifted = |i: usize, u: f64, g: &[f64], dh: f64, v: &mut [f64]| seed(first + i, u, g, dh, v);
            self.inner.energy_vjp(params, part, &shifted, own)
        })?;
        Ok(EnergyOut::joined(parts))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use candle_core::{DType, Device};

    use super::*;
    use crate::error::Error;
    use crate::nn::EnergySeed;
    use crate::nn::candle::CandleEgnn;
    use crate::spec::NetSpec;

    /// Refuses more than three samples, as a card without memory does.
    struct Small(CandleEgnn);

    fn refuse(n: usize) -> Result<()> {
        match n {
            0..=3 => Ok(()),
            _ => Err(Error::DeviceMemory),
        }
    }

    impl Backbone for Small {
        fn layout(&self) -> &Layout {
            self.0.layout()
        }
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn denoise(&self, p: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
            refuse(at.h.len())?;
            self.0.denoise(p, at)
        }
        fn energy(&self, p: &[f64], at: Batch<'_>) -> Result<EnergyOut> {
            refuse(at.h.len())?;
            self.0.energy(p, at)
        }
        fn divergence(&self, p: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
            refuse(at.h.len())?;
            self.0.divergence(p, at)
        }
        fn denoise_jvp(&self, p: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
            refuse(at.h.len())?;
            self.0.denoise_jvp(p, at, v)
        }
        fn denoise_vjp(&self, p: &[f64], at: Batch<'_>, cotangent: Cotangent, grad: &mut [f64]) -> Result<Vec<f64>> {
            let out = self.0.denoise_vjp(p, at, cotangent, grad)?;
            refuse(at.h.len())?; // half way: the gradient is there already
            Ok(out)
        }
        fn energy_vjp(&self, p: &[f64], at: Batch<'_>, seed: Seeds, grad: &mut [f64]) -> Result<EnergyOut> {
            let out = self.0.energy_vjp(p, at, seed, grad)?;
            refuse(at.h.len())?;
            Ok(out)
        }
    }

    #[test]
    fn halves_change_nothing() {
        let spec = NetSpec { hidden: 8, layers: 1, ..NetSpec::default() };
        let net = || CandleEgnn::new(4, &spec, DType::F64, Device::Cpu);
        let (whole, halves) = (net(), Halving::new(Box::new(Small(net()))));
        let (n, dim) = (11, whole.dim());
        let wave = |len: usize, f: f64| (0..len).map(|i| (f * i as f64 + 0.3).sin()).collect::<Vec<f64>>();
        let (params, x, v) = (wave(whole.layout().len(), 0.7), wave(n * dim, 1.1), wave(n * dim, 0.9));
        let h: Vec<f64> = (0..n).map(|i| 0.5 + 0.1 * i as f64).collect();
        let beta = vec![1.0; n];
        let at = Batch { h: &h, beta: &beta, x: &x };
        let near = |a: &[f64], b: &[f64]| {
            assert_eq!(a.len(), b.len());
            let worst = a.iter().zip(b).fold(0.0, |m, (a, b)| f64::max(m, (a - b).abs() / b.abs().max(1.0)));
            assert!(worst < 1e-12, "{worst}");
        };
        let pair = |a: (Vec<f64>, Vec<f64>), b: (Vec<f64>, Vec<f64>)| {
            near(&a.0, &b.0);
            near(&a.1, &b.1);
        };
        near(&halves.denoise(&params, at).unwrap(), &whole.denoise(&params, at).unwrap());
        assert_eq!(halves.batch.load(Ordering::Relaxed), 3);
        assert!(device::notes().iter().any(|note| note.contains("batches of 3 samples")));
        near(&halves.energy(&params, at).unwrap().grad, &whole.energy(&params, at).unwrap().grad);
        pair(halves.divergence(&params, at).unwrap(), whole.divergence(&params, at).unwrap());
        pair(halves.denoise_jvp(&params, at, &v).unwrap(), whole.denoise_jvp(&params, at, &v).unwrap());
        let cotangent = |i: usize, d: &[f64], out: &mut [f64]| {
            out.iter_mut().zip(d).for_each(|(o, d)| *o = d * (1.0 + i as f64));
        };
        let seed = |i: usize, u: f64, g: &[f64], _: f64, v: &mut [f64]| {
            v.copy_from_slice(g);
            EnergySeed { c: u, w: 0.1 * i as f64 }
        };
        let again = Halving::new(Box::new(Small(net())));
        let (mut a, mut b) = (vec![1.0; params.len()], vec![1.0; params.len()]);
        near(
            &again.denoise_vjp(&params, at, &cotangent, &mut a).unwrap(),
            &whole.denoise_vjp(&params, at, &cotangent, &mut b).unwrap(),
        );
        near(&a, &b);
        let again = Halving::new(Box::new(Small(net())));
        near(
            &again.energy_vjp(&params, at, &seed, &mut a).unwrap().u,
            &whole.energy_vjp(&params, at, &seed, &mut b).unwrap().u,
        );
        near(&a, &b);
    }
}
