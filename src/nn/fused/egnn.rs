//! The EGNN with EDM preconditioning (formulas in `nn::edm`): denoiser, score, energy, and their gradients, on batches.

use std::sync::Arc;

use super::batch::{dual_points, for_each, points, sum_gradients};
use super::divergence::Divergence;
use super::forward::{Shape, Tape, zero};
use super::layout::Rows;
use super::reverse::{Net, Reverse, inner};
use crate::error::{Error, Result};
use crate::lanes::num::{H, Lanes, Num, Vec3};
use crate::nn::candle::egnn_layout;
use crate::nn::edm::Edm;
use crate::real::Real;
use crate::spec::NetSpec;

/// The network: its shape and its parameters as one flat vector, which an optimiser may change between calls.
#[derive(Debug, Clone)]
pub struct Egnn<T> {
    /// Shape.
    pub shape: Shape,
    /// Where each parameter lies in the packed rows.
    pub(super) rows: Arc<Rows>,
    /// Parameters, as [`egnn_layout`] has them; so are gradients.
    pub params: Vec<T>,
}

/// The energy net on a batch of `B` samples of `3n` coordinates.
#[derive(Debug, Clone, PartialEq)]
pub struct Energy<T> {
    /// Reduced energy `[B]`.
    pub u: Vec<T>,
    /// Its gradient in the positions `[B, 3n]`.
    pub grad: Vec<T>,
    /// Its derivative in `h` at fixed positions `[B]`.
    pub dh: Vec<T>,
}

/// Working memory of a thread.
struct Memory<T, const K: usize> {
    y: Vec<Vec3<T, K>>,
    tape: Tape<T, K>,
    reverse: Reverse<T, K>,
    cotangent: Vec<Vec3<T, K>>,
}

impl<T: Real, const K: usize> Memory<T, K> {
    fn new(shape: &Shape) -> Self {
        let points = || vec![[zero(); 3]; shape.particles];
        Self { y: points(), tape: Tape::new(shape), reverse: Reverse::new(shape), cotangent: points() }
    }
}

/// Packed weights of one call.
struct Weights<T> {
    rows: Vec<Lanes<T>>,
    transposed: Vec<Lanes<T>>,
}

impl<T: Real> Egnn<T> {
    /// A network from a flat parameter vector.
    ///
    /// # Errors
    /// [`Error::Internal`] when its length does not fit the layout.
    pub fn new(shape: Shape, params: Vec<T>) -> Result<Self> {
        let layout = egnn_layout(&NetSpec { hidden: H, layers: shape.layers, ..NetSpec::default() });
        if params.len() != layout.len() {
            return Err(Error::Internal(format!("{} EGNN parameters, expected {}", params.len(), layout.len())));
        }
        if shape.particles < 2 || shape.layers == 0 {
            return Err(Error::Usage("the EGNN needs at least 2 particles and 1 layer".into()));
        }
        Ok(Self { shape, rows: Arc::new(Rows::new(&layout, shape.layers)), params })
    }

    fn weights(&self) -> Weights<T> {
        let rows = self.rows.pack(&self.params);
        Weights { transposed: self.rows.transposed(&rows), rows }
    }

    fn dim(&self) -> usize {
        3 * self.shape.particles
    }

    /// The backbone `F(noise, y, beta)`, `[B, 3n]`; with `cotangent`, also the vector-Jacobian product in `y`.
    #[must_use]
    pub fn backbone(&self, noise: &[T], beta: &[T], y: &[T], cotangent: Option<&[T]>) -> (Vec<T>, Vec<T>) {
        let (w, d) = (self.weights(), self.dim());
        let mut out = vec![T::ZERO; y.len()];
        let mut vjp = vec![T::ZERO; y.len()];
        let memory = || Memory::<T, 1>::new(&self.shape);
        for_each(noise.len(), &mut out, &mut vjp, memory, |m, b, out, vjp| {
            points(&y[b * d..][..d], T::ONE, &mut m.y);
            let noise = Num([noise[b]]);
            m.tape.run(&self.shape, &w.rows, noise, beta[b], &m.y);
            write(&m.tape.out, out);
            if let Some(cotangent) = cotangent {
                points(&cotangent[b * d..][..d], T::ONE, &mut m.cotangent);
                self.pull::<1, false>(&w, m, (noise, beta[b]), &mut []);
                write(&m.reverse.y, vjp);
            }
        });
        (out, vjp)
    }

    /// Reverse pass of `m.cotangent` through `m.tape`.
    fn pull<const K: usize, const WEIGHTS: bool>(
        &self,
        w: &Weights<T>,
        m: &mut Memory<T, K>,
        inputs: (Num<T, K>, T),
        grad: &mut [Lanes<T>],
    ) {
        let Memory { tape, reverse, cotangent, .. } = m;
        let net = Net { shape: &self.shape, rows: &w.rows, transposed: &w.transposed };
        reverse.run::<WEIGHTS>(net, tape, inputs, cotangent, grad);
    }

    /// The backbone inside the preconditioned network, at `m.y`.
    fn precondition(&self, w: &Weights<T>, m: &mut Memory<T, 1>, edm: &Edm<T>, beta: T, x: &[T]) {
        points(x, edm.c_in, &mut m.y);
        m.tape.run(&self.shape, &w.rows, Num([edm.noise]), beta, &m.y);
    }

    /// Denoiser `D [B, 3n]` at variances `h [B]`, inverse temperatures `beta [B]`, positions `x [B, 3n]`.
    #[must_use]
    pub fn denoise(&self, h: &[T], beta: &[T], x: &[T]) -> Vec<T> {
        self.combined(h, beta, x, |edm| (edm.c_skip, edm.c_out))
    }

    /// Score `(D - x) / h`, `[B, 3n]`, without the cancellation of the denoiser at small `h`.
    #[must_use]
    pub fn score(&self, h: &[T], beta: &[T], x: &[T]) -> Vec<T> {
        self.combined(h, beta, x, |edm| (-edm.c_skip, edm.inv_sigma * edm.c_in))
    }

    /// `a x + b F`.
    fn combined(&self, h: &[T], beta: &[T], x: &[T], factors: impl Fn(&Edm<T>) -> (T, T) + Sync + Send) -> Vec<T> {
        let (w, d) = (self.weights(), self.dim());
        let mut out = vec![T::ZERO; x.len()];
        let mut none = vec![T::ZERO; h.len()];
        let memory = || Memory::<T, 1>::new(&self.shape);
        for_each(h.len(), &mut out, &mut none, memory, |m, k, out, _| {
            let (edm, x) = (Edm::new(h[k]), &x[k * d..][..d]);
            self.precondition(&w, m, &edm, beta[k], x);
            let (a, b) = factors(&edm);
            combine(&m.tape.out, a, x, b, out);
        });
        out
    }

    /// Denoiser `D [B, 3n]` and its directional derivative `dD/dx v [B, 3n]`.
    #[must_use]
    pub fn denoise_jvp(&self, h: &[T], beta: &[T], x: &[T], v: &[T]) -> (Vec<T>, Vec<T>) {
        let (w, d) = (self.weights(), self.dim());
        let mut out = vec![T::ZERO; x.len()];
        let mut slope = vec![T::ZERO; x.len()];
        let memory = || Memory::<T, 2>::new(&self.shape);
        for_each(h.len(), &mut out, &mut slope, memory, |m, b, out, slope| {
            let (edm, x, v) = (Edm::new(h[b]), &x[b * d..][..d], &v[b * d..][..d]);
            dual_points(x, edm.c_in, |i| edm.c_in * v[i], &mut m.y);
            m.tape.run(&self.shape, &w.rows, Num([edm.noise, T::ZERO]), beta[b], &m.y);
            for (k, f) in m.tape.out.as_flattened().iter().enumerate() {
                out[k] = edm.denoised(x[k], f.0[0]);
                slope[k] = edm.denoised(v[k], f.0[1]);
            }
        });
        (out, slope)
    }

    /// Score `[B, 3n]` and its exact divergence `[B]`, the trace over all `3n` coordinates.
    #[must_use]
    pub fn div_score(&self, h: &[T], beta: &[T], x: &[T]) -> (Vec<T>, Vec<T>) {
        let (w, d) = (self.weights(), self.dim());
        let mut score = vec![T::ZERO; x.len()];
        let mut div = vec![T::ZERO; h.len()];
        let memory = || (Memory::<T, 1>::new(&self.shape), Divergence::new(&self.shape));
        for_each(h.len(), &mut score, &mut div, memory, |(m, divergence), b, score, div| {
            let (edm, x) = (Edm::new(h[b]), &x[b * d..][..d]);
            self.precondition(&w, m, &edm, beta[b], x);
            let scale = edm.inv_sigma * edm.c_in;
            combine(&m.tape.out, -edm.c_skip, x, scale, score);
            let trace = divergence.trace(&self.shape, &w.rows, &w.transposed, &m.tape);
            div[0] = scale * edm.c_in * trace - T::from_f64(d as f64) * edm.c_skip;
        });
        (score, div)
    }

    /// Energy, its gradient and its derivative in `h`.
    #[must_use]
    pub fn energy(&self, h: &[T], beta: &[T], x: &[T]) -> Energy<T> {
        let (w, d) = (self.weights(), self.dim());
        let mut grad = vec![T::ZERO; x.len()];
        let mut scalars = vec![T::ZERO; 2 * h.len()];
        let memory = || Memory::<T, 1>::new(&self.shape);
        for_each(h.len(), &mut grad, &mut scalars, memory, |m, b, grad, scalars| {
            self.energy_of(&w, m, &Edm::new(h[b]), (beta[b], &x[b * d..][..d]), (grad, scalars));
        });
        split(grad, &scalars)
    }

    /// One sample: writes the gradient, and `U`, `dU/dh` to `scalars`.
    fn energy_of(
        &self,
        w: &Weights<T>,
        m: &mut Memory<T, 1>,
        edm: &Edm<T>,
        (beta, x): (T, &[T]),
        (grad, scalars): (&mut [T], &mut [T]),
    ) {
        self.precondition(w, m, edm, beta, x);
        m.cotangent.copy_from_slice(&m.y);
        self.pull::<1, false>(w, m, (Num([edm.noise]), beta), &mut []);
        let product = inner(&m.tape.out, &m.y);
        // Gradient of the product in y: F from the right factor, the pulled-back y from the left.
        for (r, f) in m.reverse.y.iter_mut().zip(&m.tape.out) {
            for c in 0..3 {
                r[c] += f[c];
            }
        }
        combine(&m.reverse.y, edm.c_skip, x, edm.slope(), grad);
        let along = inner(&m.reverse.y, &m.y);
        (scalars[0], scalars[1]) = edm.energy(product, inner(&m.y, &m.y), m.reverse.noise.0[0], along);
    }

    /// Parameter gradient of `sum_b <cotangent_b, D_b>`, added to `grads`; returns the denoiser.
    /// `cotangent(b, D_b, out)` writes the cotangent of sample `b`.
    pub fn denoise_vjp(
        &self,
        h: &[T],
        beta: &[T],
        x: &[T],
        cotangent: impl Fn(usize, &[T], &mut [T]) + Sync,
        grads: &mut [T],
    ) -> Vec<T> {
        let (w, d) = (self.weights(), self.dim());
        let mut out = vec![T::ZERO; x.len()];
        let mut none = vec![T::ZERO; h.len()];
        let memory = || (Memory::<T, 1>::new(&self.shape), vec![T::ZERO; d]);
        let sum = sum_gradients(w.rows.len(), h.len(), &mut out, &mut none, memory, |(m, v), b, out, _, grad| {
            let (edm, x) = (Edm::new(h[b]), &x[b * d..][..d]);
            self.precondition(&w, m, &edm, beta[b], x);
            combine(&m.tape.out, edm.c_skip, x, edm.c_out, out);
            cotangent(b, out, v);
            points(v, edm.c_out, &mut m.cotangent);
            self.pull::<1, true>(&w, m, (Num([edm.noise]), beta[b]), grad);
        });
        self.rows.add_packed(&sum, grads);
        out
    }

    /// Parameter gradient of `sum_b <v_b, grad U_b> + c_b U_b + a_b dU_b/dh`, added to `grads`; returns the energy.
    /// `cotangent(b, U_b, grad U_b, dU_b/dh, v)` writes `v_b` and returns `(c_b, a_b)`; these count as constants.
    ///
    /// The first and last terms together are the derivative of `U` along `(v, a)` in `(x, h)`: a reverse pass on dual
    /// numbers.
    pub fn energy_vjp(
        &self,
        h: &[T],
        beta: &[T],
        x: &[T],
        cotangent: impl Fn(usize, T, &[T], T, &mut [T]) -> (T, T) + Sync,
        grads: &mut [T],
    ) -> Energy<T> {
        let (w, d) = (self.weights(), self.dim());
        let mut grad_x = vec![T::ZERO; x.len()];
        let mut scalars = vec![T::ZERO; 2 * h.len()];
        let memory = || (Memory::<T, 1>::new(&self.shape), Memory::<T, 2>::new(&self.shape), vec![T::ZERO; d]);
        let f = |(m, dual, v): &mut (Memory<T, 1>, Memory<T, 2>, Vec<T>),
                 b: usize,
                 grad_x: &mut [T],
                 scalars: &mut [T],
                 grad: &mut [Lanes<T>]| {
            let (edm, x, beta) = (Edm::new(h[b]), &x[b * d..][..d], beta[b]);
            self.energy_of(&w, m, &edm, (beta, x), (&mut *grad_x, &mut *scalars));
            let (c, a) = cotangent(b, scalars[0], grad_x, scalars[1], v);
            if a == T::ZERO && v.iter().all(|v| *v == T::ZERO) {
                // The value alone, as in energy matching: its parameter gradient is that of the tape at hand.
                let factor = Num([-(edm.inv_sigma * c)]);
                for (cotangent, y) in m.cotangent.iter_mut().zip(&m.y) {
                    *cotangent = y.map(|y| factor * y);
                }
                self.pull::<1, true>(&w, m, (Num([edm.noise]), beta), grad);
                return;
            }
            let shrink = edm.shrink(a);
            dual_points(x, edm.c_in, |i| edm.c_in * v[i] - shrink * x[i], &mut dual.y);
            let noise = Num([edm.noise, edm.noise_along(a)]);
            dual.tape.run(&self.shape, &w.rows, noise, beta, &dual.y);
            let factor = Num(edm.second_order(a, c));
            for (cotangent, y) in dual.cotangent.iter_mut().zip(&dual.y) {
                *cotangent = y.map(|y| factor * y);
            }
            self.pull::<2, true>(&w, dual, (noise, beta), grad);
        };
        let sum = sum_gradients(w.rows.len(), h.len(), &mut grad_x, &mut scalars, memory, f);
        self.rows.add_packed(&sum, grads);
        split(grad_x, &scalars)
    }
}

/// `U` and `dU/dh` lie in pairs.
fn split<T: Real>(grad: Vec<T>, scalars: &[T]) -> Energy<T> {
    let pairs = scalars.as_chunks::<2>().0;
    Energy { u: pairs.iter().map(|p| p[0]).collect(), grad, dh: pairs.iter().map(|p| p[1]).collect() }
}

fn write<T: Real>(x: &[Vec3<T, 1>], out: &mut [T]) {
    for (o, x) in out.iter_mut().zip(x.as_flattened()) {
        *o = x.0[0];
    }
}

/// `a x + b f`.
fn combine<T: Real>(f: &[Vec3<T, 1>], a: T, x: &[T], b: T, out: &mut [T]) {
    for ((o, f), x) in out.iter_mut().zip(f.as_flattened()).zip(x) {
        *o = a * *x + b * f.0[0];
    }
}
