//! A network whose batches fit the memory of its device: what does not fit is halved, for good, and noted.
//!
//! Results do not depend on how a batch is cut (see [`Backbone`]), up to the order in which parameter gradients are added.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Backbone, Cotangent, EnergyOut, Layout, Seeds};
use crate::device;
use crate::error::{Error, Result};

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
        Self { inner, batch: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    /// Calls `run` with ranges of samples that cover `0..n`.
    fn batches(&self, n: usize, mut run: impl FnMut(Range<usize>) -> Result<()>) -> Result<()> {
        let mut done = 0;
        while done < n {
            let batch = self.batch.load(Ordering::Relaxed);
            let end = n.min(done.saturating_add(batch));
            match run(done..end) {
                Ok(()) => done = end,
                Err(Error::DeviceMemory) if end - done > 1 => {
                    let half = (end - done).div_ceil(2);
                    self.batch.fetch_min(half, Ordering::Relaxed);
                    device::note(format!("device memory is short: networks in batches of {half} samples from here on"));
                }
                Err(Error::DeviceMemory) => {
                    return Err(Error::Device("out of device memory with a single sample".into()));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Two lists of outputs, one number and `dim` numbers per sample or whatever `call` returns, put together.
    fn pairs(
        &self,
        n: usize,
        call: impl Fn(Range<usize>, Range<usize>) -> Result<(Vec<f64>, Vec<f64>)>,
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let dim = self.dim();
        self.batches(n, |r| {
            let (a, b) = call(r.clone(), r.start * dim..r.end * dim)?;
            first.extend(a);
            second.extend(b);
            Ok(())
        })?;
        Ok((first, second))
    }
}

fn append(all: &mut EnergyOut, part: EnergyOut) {
    all.u.extend(part.u);
    all.grad.extend(part.grad);
    all.du_dh.extend(part.du_dh);
}

fn nothing() -> EnergyOut {
    EnergyOut { u: Vec::new(), grad: Vec::new(), du_dh: Vec::new() }
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

    fn denoise(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> Result<Vec<f64>> {
        let call = |r: Range<usize>, rows: Range<usize>| {
            Ok((self.inner.denoise(params, &h[r.clone()], &beta[r], &x[rows])?, Vec::new()))
        };
        Ok(self.pairs(h.len(), call)?.0)
    }

    fn energy(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> Result<EnergyOut> {
        let (mut all, dim) = (nothing(), self.dim());
        self.batches(h.len(), |r| {
            let rows = r.start * dim..r.end * dim;
            append(&mut all, self.inner.energy(params, &h[r.clone()], &beta[r], &x[rows])?);
            Ok(())
        })?;
        Ok(all)
    }

    fn divergence(&self, params: &[f64], h: &[f64], beta: &[f64], x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        self.pairs(h.len(), |r, rows| self.inner.divergence(params, &h[r.clone()], &beta[r], &x[rows]))
    }

    fn denoise_jvp(
        &self,
        params: &[f64],
        h: &[f64],
        beta: &[f64],
        x: &[f64],
        v: &[f64],
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        self.pairs(h.len(), |r, rows| {
            self.inner.denoise_jvp(params, &h[r.clone()], &beta[r], &x[rows.clone()], &v[rows])
        })
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
        let (mut all, dim) = (Vec::new(), self.dim());
        self.batches(h.len(), |r| {
            let rows = r.start * dim..r.end * dim;
            let shifted = |i: usize, d: &[f64], out: &mut [f64]| cotangent(r.start + i, d, out);
            // Apart, so that a batch that failed half way leaves nothing behind.
            let mut part = vec![0.0; grad.len()];
            all.extend(self.inner.denoise_vjp(
                params,
                &h[r.clone()],
                &beta[r.clone()],
                &x[rows],
                &shifted,
                &mut part,
            )?);
            grad.iter_mut().zip(part).for_each(|(sum, g)| *sum += g);
            Ok(())
        })?;
        Ok(all)
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
        let (mut all, dim) = (nothing(), self.dim());
        self.batches(h.len(), |r| {
            let rows = r.start * dim..r.end * dim;
            let shifted = |i: usize, u: f64, g: &[f64], dh: f64, v: &mut [f64]| seed(r.start + i, u, g, dh, v);
            let mut part = vec![0.0; grad.len()];
            let out = self.inner.energy_vjp(params, &h[r.clone()], &beta[r.clone()], &x[rows], &shifted, &mut part)?;
            append(&mut all, out);
            grad.iter_mut().zip(part).for_each(|(sum, g)| *sum += g);
            Ok(())
        })?;
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
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
        fn denoise(&self, p: &[f64], h: &[f64], b: &[f64], x: &[f64]) -> Result<Vec<f64>> {
            refuse(h.len())?;
            self.0.denoise(p, h, b, x)
        }
        fn energy(&self, p: &[f64], h: &[f64], b: &[f64], x: &[f64]) -> Result<EnergyOut> {
            refuse(h.len())?;
            self.0.energy(p, h, b, x)
        }
        fn divergence(&self, p: &[f64], h: &[f64], b: &[f64], x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
            refuse(h.len())?;
            self.0.divergence(p, h, b, x)
        }
        fn denoise_jvp(&self, p: &[f64], h: &[f64], b: &[f64], x: &[f64], v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
            refuse(h.len())?;
            self.0.denoise_jvp(p, h, b, x, v)
        }
        fn denoise_vjp(
            &self,
            p: &[f64],
            h: &[f64],
            b: &[f64],
            x: &[f64],
            cotangent: Cotangent<'_>,
            grad: &mut [f64],
        ) -> Result<Vec<f64>> {
            let out = self.0.denoise_vjp(p, h, b, x, cotangent, grad)?;
            refuse(h.len())?; // half way: the gradient is there already
            Ok(out)
        }
        fn energy_vjp(
            &self,
            p: &[f64],
            h: &[f64],
            b: &[f64],
            x: &[f64],
            seed: Seeds<'_>,
            grad: &mut [f64],
        ) -> Result<EnergyOut> {
            let out = self.0.energy_vjp(p, h, b, x, seed, grad)?;
            refuse(h.len())?;
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
        let near = |a: &[f64], b: &[f64]| {
            assert_eq!(a.len(), b.len());
            let worst = a.iter().zip(b).fold(0.0, |m, (a, b)| f64::max(m, (a - b).abs() / b.abs().max(1.0)));
            assert!(worst < 1e-12, "{worst}");
        };
        let pair = |a: (Vec<f64>, Vec<f64>), b: (Vec<f64>, Vec<f64>)| {
            near(&a.0, &b.0);
            near(&a.1, &b.1);
        };
        near(&halves.denoise(&params, &h, &beta, &x).unwrap(), &whole.denoise(&params, &h, &beta, &x).unwrap());
        assert_eq!(halves.batch.load(Ordering::Relaxed), 3);
        assert!(device::notes().iter().any(|note| note.contains("batches of 3 samples")));
        near(&halves.energy(&params, &h, &beta, &x).unwrap().grad, &whole.energy(&params, &h, &beta, &x).unwrap().grad);
        pair(halves.divergence(&params, &h, &beta, &x).unwrap(), whole.divergence(&params, &h, &beta, &x).unwrap());
        pair(
            halves.denoise_jvp(&params, &h, &beta, &x, &v).unwrap(),
            whole.denoise_jvp(&params, &h, &beta, &x, &v).unwrap(),
        );
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
            &again.denoise_vjp(&params, &h, &beta, &x, &cotangent, &mut a).unwrap(),
            &whole.denoise_vjp(&params, &h, &beta, &x, &cotangent, &mut b).unwrap(),
        );
        near(&a, &b);
        let again = Halving::new(Box::new(Small(net())));
        near(
            &again.energy_vjp(&params, &h, &beta, &x, &seed, &mut a).unwrap().u,
            &whole.energy_vjp(&params, &h, &beta, &x, &seed, &mut b).unwrap().u,
        );
        near(&a, &b);
    }
}
