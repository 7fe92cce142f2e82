//! Both heads of the DiT on batches, with their gradients: [`Backbone`] in f64 outside, `T` inside.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::attention::Attention;
use super::dropout::Dropout;
use super::mat::Scalars;
use super::network::{Memory, Network};
use super::plan::{Packed, Plan};
use super::tangents::Tangents;
use crate::error::Result;
use crate::lanes::num::{H, Lanes, Num, add_all};
use crate::lanes::pool::{Loan, Pool};
use crate::nn::backbone::joined_pairs;
use crate::nn::edm::Edm;
use crate::nn::{Backbone, Batch, Cotangent, EnergyOut, EnergySeed, Layout, Seeds};
use crate::real::Real;
use crate::spec::{DitSpec, NetSpec};

/// Samples that go through the network together: enough rows for the products, few enough for the cache.
const MICRO: usize = 8;
/// At most so many partial sums of a parameter gradient; a function of the batch size alone, so that sums do not depend
/// on the number of threads.
const GROUPS: usize = 16;

/// The DiT as a backbone, computing in `T` (f32 in production, f64 in tests).
#[derive(Debug)]
pub struct Dit<T> {
    plan: Plan,
    dropout: Option<Dropout>,
    pools: Arc<Pools<T>>,
}

/// Working memory that outlives a call.
#[derive(Debug, Default)]
struct Pools<T> {
    /// Packed parameters, for forward passes only and with transposed weights.
    packed: [Pool<Packed<T>>; 2],
    memory: Pool<Memory<T>>,
    tangents: Pool<Tangents<T>>,
    gradients: Pool<Vec<Lanes<T>>>,
}

impl<T: Real> Dit<T> {
    /// A network for `atoms` particles.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] for sizes that the kernels are not made for.
    pub fn new(atoms: usize, net: &NetSpec, dit: &DitSpec) -> Result<Self> {
        let plan = Plan::new(atoms, net, dit)?;
        Ok(Self { plan, dropout: None, pools: Arc::default() })
    }

    /// The network of these parameters; `reverse` if it will go backwards.
    fn network(&self, params: &[f64], reverse: bool) -> Network<'_, T> {
        let (plan, dropout) = (&self.plan, self.dropout);
        let mut w = self.pools.packed[usize::from(reverse)].lend(|| plan.packed(reverse));
        plan.pack(params, &mut w);
        Network { plan, w, attention: Attention::new(plan), dropout }
    }

    fn memory(&self) -> Loan<'_, Memory<T>> {
        self.pools.memory.lend(|| Memory::new(&self.plan, MICRO))
    }

    /// Makes the memory one of these samples, with their dropout.
    fn enter(&self, net: &Network<'_, T>, m: &mut Memory<T>, samples: &Range<usize>) {
        m.set_samples(&self.plan, samples.len());
        net.draw_masks(m, samples.start);
    }

    /// Runs `f` on micro-batches (and their first samples) of a batch, in parallel; results in order.
    fn each<R: Send>(
        &self,
        net: &Network<'_, T>,
        at: Batch<'_>,
        micro: usize,
        f: impl Fn(&mut Memory<T>, &Batch<'_>, usize) -> R + Sync + Send,
    ) -> Vec<R> {
        let samples = at.h.len();
        let starts: Vec<usize> = (0..samples).step_by(micro).collect();
        let run = |start: usize| {
            let range = start..(start + micro).min(samples);
            let mut m = self.memory();
            self.enter(net, &mut m, &range);
            f(&mut m, &at.part(&range, self.dim()), start)
        };
        starts.into_par_iter().map(run).collect()
    }

    /// As [`Self::each`], while `f` adds to a packed gradient, whose sum over all samples is added to `grad`.
    fn each_with_gradient<R: Send>(
        &self,
        net: &Network<'_, T>,
        at: Batch<'_>,
        grad: &mut [f64],
        f: impl Fn(&mut Memory<T>, &Batch<'_>, usize, &mut [Lanes<T>]) -> R + Sync + Send,
    ) -> Vec<R> {
        let samples = at.h.len();
        let group = samples.div_ceil(GROUPS).next_multiple_of(MICRO);
        let starts: Vec<usize> = (0..samples).step_by(group.max(1)).collect();
        let run = |start: usize| {
            let end = (start + group).min(samples);
            let mut sum = self.pools.gradients.lend(|| vec![Lanes([T::ZERO; H]); self.plan.lanes()]);
            sum.fill(Lanes([T::ZERO; H]));
            let mut results = Vec::new();
            let mut m = self.memory();
            for first in (start..end).step_by(MICRO) {
                let range = first..(first + MICRO).min(end);
                self.enter(net, &mut m, &range);
                results.push(f(&mut m, &at.part(&range, self.dim()), first, &mut sum));
            }
            (results, sum)
        };
        let mut groups: Vec<_> = starts.into_par_iter().map(run).collect();
        if let Some(((_, total), others)) = groups.split_first_mut() {
            for (_, sum) in others {
                add_all(total, sum);
            }
            self.plan.add_gradient(total, grad);
        }
        groups.into_iter().flat_map(|(results, _)| results).collect()
    }

    /// The network at scaled coordinates, noise level and temperature of some samples.
    fn run(&self, net: &Network<'_, T>, m: &mut Memory<T>, part: &Batch<'_>) {
        let dim = self.dim();
        for (i, (&h, &beta)) in part.h.iter().zip(part.beta).enumerate() {
            let edm = Edm::<f64>::new(h);
            m.noise.put::<1>(i, Num([T::from_f64(edm.noise)]));
            m.beta[i] = T::from_f64(beta);
            for k in i * dim..(i + 1) * dim {
                m.y.put::<1>(k, Num([T::from_f64(edm.c_in * part.x[k])]));
            }
        }
        net.forward::<1, 1>(m, 0);
    }

    /// `F` of coordinate `k` of the micro-batch.
    fn output(m: &Memory<T>, k: usize) -> f64 {
        m.f.get::<1>(k).0[0].to_f64()
    }

    /// Denoiser of a micro-batch.
    fn denoised(&self, net: &Network<'_, T>, m: &mut Memory<T>, part: &Batch<'_>) -> Vec<f64> {
        self.run(net, m, part);
        let dim = self.dim();
        let edm: Vec<Edm<f64>> = part.h.iter().map(|&h| Edm::new(h)).collect();
        let d = |(k, x): (usize, &f64)| edm[k / dim].denoised(*x, Self::output(m, k));
        part.x.iter().enumerate().map(d).collect()
    }

    /// Forward and reverse pass of the energy head; the adjoint of the output is `-y / sigma`, kept in `m`.
    fn energies(&self, net: &Network<'_, T>, m: &mut Memory<T>, part: &Batch<'_>) -> EnergyOut {
        let dim = self.dim();
        self.run(net, m, part);
        for (i, &h) in part.h.iter().enumerate() {
            let factor = T::from_f64(-Edm::<f64>::new(h).inv_sigma);
            for k in i * dim..(i + 1) * dim {
                m.f_bar.put(k, m.y.get::<1>(k).scale(factor));
            }
        }
        net.reverse::<1, false>(m, 0, &mut []);
        let mut out = EnergyOut::default();
        for (i, &h) in part.h.iter().enumerate() {
            let edm = Edm::<f64>::new(h);
            let (mut product, mut square, mut along) = (0.0, 0.0, 0.0);
            for k in i * dim..(i + 1) * dim {
                let y = m.y.get::<1>(k).0[0].to_f64();
                let f = Self::output(m, k);
                // Adjoint of y: from <F, y>, its right factor and its left one.
                let bar = m.y_bar.get::<1>(k).0[0].to_f64() - edm.inv_sigma * f;
                out.grad.push(edm.c_skip * part.x[k] + edm.c_in * bar);
                product += f * y;
                square += y * y;
                along += bar * y;
            }
            out.u.push(0.5 * square - edm.inv_sigma * product);
            // dy/dh = -y / (2 (1 + h)), dc_noise/dh = 1 / (8 h).
            let noise = m.noise_bar.get::<1>(i).0[0].to_f64();
            out.du_dh.push(0.5 * edm.inv_sigma * product / h + 0.125 * noise / h - 0.5 * edm.c_skip * (along + square));
        }
        out
    }

    /// Tangents along `v` in `x` and `w` in `h` of the inputs of a micro-batch whose values are loaded.
    fn load_tangent(&self, m: &mut Memory<T>, part: &Batch<'_>, seeds: &[EnergySeed], v: &[f64]) {
        let dim = self.dim();
        for (i, (&h, seed)) in part.h.iter().zip(seeds).enumerate() {
            let edm = Edm::<f64>::new(h);
            let noise = m.noise.get::<1>(i).0[0];
            m.noise.put(i, Num([noise, T::from_f64(edm.noise_along(seed.w))]));
            for k in i * dim..(i + 1) * dim {
                let slope = edm.c_in * (v[k] - 0.5 * seed.w * edm.c_skip * part.x[k]);
                let y = m.y.get::<1>(k).0[0];
                m.y.put(k, Num([y, T::from_f64(slope)]));
            }
        }
    }

    /// Adjoint of the output in the derivative of `U` along the loaded tangent, plus `c U`.
    fn seed_second_order(&self, m: &mut Memory<T>, part: &Batch<'_>, seeds: &[EnergySeed]) {
        let dim = self.dim();
        for (i, (&h, seed)) in part.h.iter().zip(seeds).enumerate() {
            let factor = Edm::<f64>::new(h).second_order(seed.w, seed.c).map(T::from_f64);
            for k in i * dim..(i + 1) * dim {
                m.f_bar.put(k, Num::<T, 2>(factor) * m.y.get::<2>(k));
            }
        }
    }

    /// The bare backbone `F [B, dim]` at network inputs, and the vector-Jacobian product of `cotangent [B, dim]`.
    #[must_use]
    pub fn forward(
        &self,
        params: &[f64],
        c_noise: &[f64],
        beta: &[f64],
        y: &[f64],
        cotangent: &[f64],
    ) -> (Vec<f64>, Vec<f64>) {
        let (net, dim) = (self.network(params, true), self.dim());
        // Noise levels in place of variances.
        let parts = self.each(&net, Batch { h: c_noise, beta, x: y }, MICRO, |m, part, first| {
            for (i, (&noise, &beta)) in part.h.iter().zip(part.beta).enumerate() {
                m.noise.put(i, Num([T::from_f64(noise)]));
                m.beta[i] = T::from_f64(beta);
            }
            for (k, (&y, &bar)) in part.x.iter().zip(&cotangent[first * dim..]).enumerate() {
                m.y.put(k, Num([T::from_f64(y)]));
                m.f_bar.put(k, Num([T::from_f64(bar)]));
            }
            net.forward::<1, 1>(m, 0);
            net.reverse::<1, false>(m, 0, &mut []);
            let all = |s: &Scalars<T>| (0..s.len).map(|k| s.get::<1>(k).0[0].to_f64()).collect::<Vec<_>>();
            (all(&m.f), all(&m.y_bar))
        });
        joined_pairs(parts)
    }
}

impl<T: Real> Backbone for Dit<T> {
    fn layout(&self) -> &Layout {
        &self.plan.layout
    }

    fn dim(&self) -> usize {
        3 * self.plan.tokens
    }

    fn translation_invariant(&self) -> bool {
        false
    }

    fn in_training(&self, seed: u64, step: u64) -> Option<Box<dyn Backbone>> {
        let dropout = (self.plan.dropout > 0.0).then(|| Dropout::new(self.plan.dropout, seed, step))?;
        Some(Box::new(Self { plan: self.plan.clone(), dropout: Some(dropout), pools: Arc::clone(&self.pools) }))
    }

    fn denoise(&self, params: &[f64], at: Batch<'_>) -> Result<Vec<f64>> {
        let net = self.network(params, false);
        Ok(self.each(&net, at, MICRO, |m, part, _| self.denoised(&net, m, part)).concat())
    }

    fn energy(&self, params: &[f64], at: Batch<'_>) -> Result<EnergyOut> {
        let net = self.network(params, true);
        Ok(EnergyOut::joined(self.each(&net, at, MICRO, |m, part, _| self.energies(&net, m, part))))
    }

    fn divergence(&self, params: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        let (net, dim) = (self.network(params, false), self.dim());
        let parts = self.each(&net, at, 1, |m, part, _| {
            let d = self.denoised(&net, m, part);
            let trace = self.pools.tangents.lend(|| Tangents::new(&net)).trace(&net, m);
            let edm = Edm::<f64>::new(part.h[0]);
            (d, edm.inv_sigma * edm.c_in * edm.c_in * trace - dim as f64 * edm.c_skip)
        });
        let (d, div): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok((d.concat(), div))
    }

    fn denoise_jvp(&self, params: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (net, dim) = (self.network(params, false), self.dim());
        let parts = self.each(&net, at, MICRO, |m, part, first| {
            let v = &v[first * dim..][..part.x.len()];
            let d = self.denoised(&net, m, part);
            self.load_tangent(m, part, &vec![EnergySeed::default(); part.h.len()], v);
            net.forward::<2, 1>(m, 1);
            let slope =
                |(k, v): (usize, &f64)| Edm::<f64>::new(part.h[k / dim]).denoised(*v, m.f.get::<2>(k).0[1].to_f64());
            (d, v.iter().enumerate().map(slope).collect())
        });
        Ok(joined_pairs(parts))
    }

    fn denoise_vjp(&self, params: &[f64], at: Batch<'_>, cotangent: Cotangent, grad: &mut [f64]) -> Result<Vec<f64>> {
        let (net, dim) = (self.network(params, true), self.dim());
        let parts = self.each_with_gradient(&net, at, grad, |m, part, first, sum| {
            let d = self.denoised(&net, m, part);
            let mut bar = vec![0.0; dim];
            for (i, (d, &h)) in d.chunks_exact(dim).zip(part.h).enumerate() {
                cotangent(first + i, d, &mut bar);
                let c_out = Edm::<f64>::new(h).c_out;
                for (k, bar) in bar.iter().enumerate() {
                    m.f_bar.put(i * dim + k, Num([T::from_f64(c_out * bar)]));
                }
            }
            net.reverse::<1, true>(m, 0, sum);
            d
        });
        Ok(parts.concat())
    }

    fn energy_vjp(&self, params: &[f64], at: Batch<'_>, seed: Seeds, grad: &mut [f64]) -> Result<EnergyOut> {
        let (net, dim) = (self.network(params, true), self.dim());
        let parts = self.each_with_gradient(&net, at, grad, |m, part, first, sum| {
            let out = self.energies(&net, m, part);
            let mut v = vec![0.0; part.x.len()];
            let seed_of = |(i, v): (usize, &mut [f64])| {
                seed(first + i, out.u[i], &out.grad[i * dim..(i + 1) * dim], out.du_dh[i], v)
            };
            let seeds: Vec<EnergySeed> = v.chunks_exact_mut(dim).enumerate().map(seed_of).collect();
            if v.iter().all(|&v| v == 0.0) && seeds.iter().all(|s| s.w == 0.0) {
                // The gradient of sum c U: the reverse pass done already, times c.
                let c: Vec<T> = seeds.iter().map(|s| T::from_f64(s.c)).collect();
                m.scale_adjoints(&c);
                for k in 0..part.x.len() {
                    m.f_bar.put(k, m.f_bar.get::<1>(k).scale(c[k / dim]));
                }
                net.reverse::<1, true>(m, 1, sum);
            } else {
                self.load_tangent(m, part, &seeds, &v);
                net.forward::<2, 2>(m, 1);
                self.seed_second_order(m, part, &seeds);
                net.reverse::<2, true>(m, 1, sum);
            }
            out
        });
        Ok(EnergyOut::joined(parts))
    }
}
