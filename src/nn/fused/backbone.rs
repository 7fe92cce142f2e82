//! Both heads of the EGNN on batches, with their gradients (formulas in `nn::edm`): [`Backbone`] in f64 outside, `T` inside.

use std::marker::PhantomData;
use std::sync::Arc;

use super::batch::{for_each, sum_gradients};
use super::divergence::Divergence;
use super::forward::{Net, Shape, Tape, zero};
use super::layout::Rows;
use super::reverse::Reverse;
use crate::error::{Error, Result};
use crate::lanes::num::{Num, Vec3, dot3};
use crate::nn::candle::egnn_layout;
use crate::nn::edm::Edm;
use crate::nn::{Backbone, Batch, Cotangent, EnergyOut, Layout, Seeds};
use crate::real::Real;
use crate::spec::NetSpec;

/// The fused EGNN as a backbone, computing in `T` (f32 in production, f64 in tests).
pub struct FusedEgnn<T> {
    shape: Shape,
    layout: Layout,
    rows: Arc<Rows>,
    scalar: PhantomData<fn() -> T>,
}

/// Working memory of a thread.
struct Memory<T, const K: usize> {
    y: Vec<Vec3<T, K>>,
    tape: Tape<T, K>,
    reverse: Reverse<T, K>,
    cotangent: Vec<Vec3<T, K>>,
}

/// One sample: its coefficients, inverse temperature and coordinates.
type Sample<'a, T> = (Edm<T>, T, &'a [f64]);

fn sample<'a, T: Real>(at: &Batch<'a>, i: usize, dim: usize) -> Sample<'a, T> {
    (Edm::new(T::from_f64(at.h[i])), T::from_f64(at.beta[i]), &at.x[i * dim..][..dim])
}

impl<T: Real, const K: usize> Memory<T, K> {
    fn new(shape: &Shape) -> Self {
        let points = || vec![[zero(); 3]; shape.particles];
        Self { y: points(), tape: Tape::new(shape), reverse: Reverse::new(shape), cotangent: points() }
    }

    /// The adjoint of the output is `factor y`.
    fn seed(&mut self, factor: Num<T, K>) {
        for (cotangent, y) in self.cotangent.iter_mut().zip(&self.y) {
            *cotangent = y.map(|y| factor * y);
        }
    }
}

impl<T: Real> Memory<T, 1> {
    /// The network at a sample.
    fn run(&mut self, net: &Net<T>, (edm, beta, x): &Sample<'_, T>) {
        points(x, edm.c_in, &mut self.y);
        self.tape.run(net, (Num([edm.noise]), *beta), &self.y);
    }

    /// The energy head at a sample: writes the gradient, and `U`, `dU/dh` to `scalars`.
    fn energy(&mut self, net: &Net<T>, at: &Sample<'_, T>, grad: &mut [f64], scalars: &mut [f64]) {
        self.run(net, at);
        let (edm, beta, x) = at;
        let Self { y, tape, reverse, .. } = self;
        reverse.run::<false>(net, tape, (Num([edm.noise]), *beta), y, &mut []);
        let product = inner(&tape.out, y);
        // Gradient of the product in y: F from the right factor, the pulled-back y from the left.
        for (r, f) in reverse.y.iter_mut().zip(&tape.out) {
            for c in 0..3 {
                r[c] += f[c];
            }
        }
        combine(&reverse.y, edm.c_skip, x, edm.slope(), grad);
        let (u, du_dh) = edm.energy(product, inner(y, y), reverse.noise.0[0], inner(&reverse.y, y));
        scalars.copy_from_slice(&[u, du_dh].map(T::to_f64));
    }
}

impl<T: Real> Memory<T, 2> {
    /// The network at a sample, along `v(x, k)` in coordinate `k` of the scaled coordinates and `w` in `h`.
    fn run(&mut self, net: &Net<T>, (edm, beta, x): &Sample<'_, T>, v: impl Fn(T, usize) -> T, w: T) -> (Num<T, 2>, T) {
        for (i, (p, x)) in self.y.iter_mut().zip(x.as_chunks::<3>().0).enumerate() {
            let x = x.map(T::from_f64);
            *p = std::array::from_fn(|c| Num([x[c] * edm.c_in, v(x[c], 3 * i + c)]));
        }
        let inputs = (Num([edm.noise, edm.noise_along(w)]), *beta);
        self.tape.run(net, inputs, &self.y);
        inputs
    }
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
        if atoms < 2 || spec.layers == 0 {
            return Err(Error::Usage("the EGNN needs at least 2 particles and 1 layer".into()));
        }
        let shape = Shape { particles: atoms, layers: spec.layers, inputs: spec.node_features };
        let layout = egnn_layout(spec);
        let rows = Arc::new(Rows::new(&layout, spec.layers));
        Ok(Self { shape, layout, rows, scalar: PhantomData })
    }

    /// Where each parameter lies in the packed rows.
    pub(crate) fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.rows)
    }

    fn net(&self, params: &[f64]) -> Net<T> {
        let rows = self.rows.pack(params);
        Net { shape: self.shape, transposed: self.rows.transposed(&rows), rows }
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
        let (net, d) = (self.net(params), self.dim());
        let (mut out, mut vjp) = (vec![0.0; y.len()], vec![0.0; y.len()]);
        let memory = || Memory::<T, 1>::new(&self.shape);
        for_each(c_noise.len(), &mut out, &mut vjp, memory, |m, b, out, vjp| {
            points(&y[b * d..][..d], T::ONE, &mut m.y);
            points(&cotangent[b * d..][..d], T::ONE, &mut m.cotangent);
            let inputs = (Num([T::from_f64(c_noise[b])]), T::from_f64(beta[b]));
            m.tape.run(&net, inputs, &m.y);
            m.reverse.run::<false>(&net, &m.tape, inputs, &m.cotangent, &mut []);
            for (to, from) in [(out, &m.tape.out), (vjp, &m.reverse.y)] {
                to.iter_mut().zip(from.as_flattened()).for_each(|(to, x)| *to = x.0[0].to_f64());
            }
        });
        (out, vjp)
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
        let (net, dim) = (self.net(params), self.dim());
        let (mut d, mut none) = (vec![0.0; at.x.len()], vec![0.0; at.h.len()]);
        for_each(
            at.h.len(),
            &mut d,
            &mut none,
            || Memory::<T, 1>::new(&self.shape),
            |m, b, d, _| {
                let sample = sample(&at, b, dim);
                m.run(&net, &sample);
                let (edm, _, x) = sample;
                combine(&m.tape.out, edm.c_skip, x, edm.c_out, d);
            },
        );
        Ok(d)
    }

    fn energy(&self, params: &[f64], at: Batch<'_>) -> Result<EnergyOut> {
        let (net, dim) = (self.net(params), self.dim());
        let (mut grad, mut scalars) = (vec![0.0; at.x.len()], vec![0.0; 2 * at.h.len()]);
        for_each(
            at.h.len(),
            &mut grad,
            &mut scalars,
            || Memory::<T, 1>::new(&self.shape),
            |m, b, grad, scalars| {
                m.energy(&net, &sample(&at, b, dim), grad, scalars);
            },
        );
        Ok(split(grad, &scalars))
    }

    fn divergence(&self, params: &[f64], at: Batch<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        let (net, dim) = (self.net(params), self.dim());
        let (mut d, mut div) = (vec![0.0; at.x.len()], vec![0.0; at.h.len()]);
        let memory = || (Memory::<T, 1>::new(&self.shape), Divergence::new(&self.shape));
        for_each(at.h.len(), &mut d, &mut div, memory, |(m, divergence), b, d, div| {
            let sample = sample(&at, b, dim);
            m.run(&net, &sample);
            let (edm, _, x) = sample;
            // The score first, without the cancellation of the denoiser at small h.
            let scale = edm.inv_sigma * edm.c_in;
            combine(&m.tape.out, -edm.c_skip, x, scale, d);
            d.iter_mut().zip(x).for_each(|(s, x)| *s = x + at.h[b] * *s);
            let trace = divergence.trace(&net, &m.tape);
            div[0] = (scale * edm.c_in * trace - T::from_f64(dim as f64) * edm.c_skip).to_f64();
        });
        Ok((d, div))
    }

    fn denoise_jvp(&self, params: &[f64], at: Batch<'_>, v: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (net, dim) = (self.net(params), self.dim());
        let (mut d, mut slope) = (vec![0.0; at.x.len()], vec![0.0; at.x.len()]);
        for_each(
            at.h.len(),
            &mut d,
            &mut slope,
            || Memory::<T, 2>::new(&self.shape),
            |m, b, d, slope| {
                let sample = sample(&at, b, dim);
                let v = |k: usize| T::from_f64(v[b * dim + k]);
                m.run(&net, &sample, |_, k| sample.0.c_in * v(k), T::ZERO);
                let (edm, _, x) = sample;
                for (k, f) in m.tape.out.as_flattened().iter().enumerate() {
                    d[k] = edm.denoised(T::from_f64(x[k]), f.0[0]).to_f64();
                    slope[k] = edm.denoised(v(k), f.0[1]).to_f64();
                }
            },
        );
        Ok((d, slope))
    }

    fn denoise_vjp(&self, params: &[f64], at: Batch<'_>, cotangent: Cotangent, grad: &mut [f64]) -> Result<Vec<f64>> {
        let (net, dim) = (self.net(params), self.dim());
        let (mut d, mut none) = (vec![0.0; at.x.len()], vec![0.0; at.h.len()]);
        let memory = || (Memory::<T, 1>::new(&self.shape), vec![0.0; dim]);
        let sum = sum_gradients(net.rows.len(), at.h.len(), &mut d, &mut none, memory, |(m, v), b, d, _, grad| {
            let sample = sample(&at, b, dim);
            m.run(&net, &sample);
            let (edm, beta, x) = sample;
            combine(&m.tape.out, edm.c_skip, x, edm.c_out, d);
            cotangent(b, d, v);
            points(v, edm.c_out, &mut m.cotangent);
            m.reverse.run::<true>(&net, &m.tape, (Num([edm.noise]), beta), &m.cotangent, grad);
        });
        self.rows.add_packed(&sum, grad);
        Ok(d)
    }

    /// The first and second terms together are the derivative of `U` along `(v, w)` in `(x, h)`: a reverse pass on dual
    /// numbers.
    fn energy_vjp(&self, params: &[f64], at: Batch<'_>, seed: Seeds, grad: &mut [f64]) -> Result<EnergyOut> {
        let (net, dim) = (self.net(params), self.dim());
        let (mut grad_x, mut scalars) = (vec![0.0; at.x.len()], vec![0.0; 2 * at.h.len()]);
        let memory = || (Memory::<T, 1>::new(&self.shape), Memory::<T, 2>::new(&self.shape), vec![0.0; dim]);
        let (rows, samples) = (net.rows.len(), at.h.len());
        let sum =
            sum_gradients(rows, samples, &mut grad_x, &mut scalars, memory, |(m, dual, v), b, g, scalars, grad| {
                let sample = sample(&at, b, dim);
                m.energy(&net, &sample, g, scalars);
                let s = seed(b, scalars[0], g, scalars[1], v);
                let (c, w, edm) = (T::from_f64(s.c), T::from_f64(s.w), sample.0);
                let v = |k: usize| T::from_f64(v[k]);
                if w == T::ZERO && (0..dim).all(|k| v(k) == T::ZERO) {
                    // The value alone, as in energy matching: its parameter gradient is that of the tape at hand.
                    m.seed(Num([-(edm.inv_sigma * c)]));
                    m.reverse.run::<true>(&net, &m.tape, (Num([edm.noise]), sample.1), &m.cotangent, grad);
                    return;
                }
                let shrink = edm.shrink(w);
                let inputs = dual.run(&net, &sample, |x, k| edm.c_in * v(k) - shrink * x, w);
                dual.seed(Num(edm.second_order(w, c)));
                dual.reverse.run::<true>(&net, &dual.tape, inputs, &dual.cotangent, grad);
            });
        self.rows.add_packed(&sum, grad);
        Ok(split(grad_x, &scalars))
    }
}

/// `U` and `dU/dh` lie in pairs.
fn split(grad: Vec<f64>, scalars: &[f64]) -> EnergyOut {
    let (u, du_dh) = scalars.as_chunks::<2>().0.iter().map(|p| (p[0], p[1])).unzip();
    EnergyOut { u, grad, du_dh }
}

/// Points from a flat row.
fn points<T: Real>(x: &[f64], scale: T, out: &mut [Vec3<T, 1>]) {
    for (p, x) in out.iter_mut().zip(x.as_chunks::<3>().0) {
        *p = x.map(|c| Num([T::from_f64(c) * scale]));
    }
}

/// `a x + b f`.
fn combine<T: Real>(f: &[Vec3<T, 1>], a: T, x: &[f64], b: T, out: &mut [f64]) {
    for ((o, f), x) in out.iter_mut().zip(f.as_flattened()).zip(x) {
        *o = (a * T::from_f64(*x) + b * f.0[0]).to_f64();
    }
}

/// `<a, b>`.
fn inner<T: Real>(a: &[Vec3<T, 1>], b: &[Vec3<T, 1>]) -> T {
    let mut total = T::ZERO;
    for (a, b) in a.iter().zip(b) {
        total += dot3(a, b).0[0];
    }
    total
}
