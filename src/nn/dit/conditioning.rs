//! The conditioning of a sample: `c = SiLU(MLP(embedding(c_noise)) + MLP(embedding(beta)))`, and the modulations that each
//! block takes from it. Rows are samples.

use super::activation::{self, Silu};
use super::mat::{Mat, Scalars};
use super::plan::{FREQUENCIES, Linear, Packed, Plan};
use crate::lanes::num::{H, Lanes, Num, add_all};
use crate::real::Real;

/// Longest period of the embedding.
const MAX_PERIOD: f64 = 10_000.0;

/// Linear, SiLU, linear; with what its reverse pass needs.
#[derive(Debug)]
struct Mlp<T> {
    layers: [Linear; 2],
    input: Mat<T>,
    pre: Mat<T>,
    act: Mat<T>,
    out: Mat<T>,
}

/// Values and adjoints of a batch of samples.
#[derive(Debug)]
pub struct Conditioning<T> {
    time: Mlp<T>,
    temperature: Mlp<T>,
    sum: Mat<T>,
    c: Mat<T>,
    /// Modulations of every block (shift, scale, gate; twice), then of the output layer (shift, scale).
    pub mods: Vec<Mat<T>>,
    /// Their adjoints.
    pub mods_bar: Vec<Mat<T>>,
    c_bar: Mat<T>,
    pre_bar: Mat<T>,
    act_bar: Mat<T>,
    input_bar: Mat<T>,
}

impl<T: Real> Mlp<T> {
    fn new(layers: [Linear; 2], samples: usize) -> Self {
        let mat = |lanes| Mat::new(2, samples, lanes);
        let cond = layers[1].outputs;
        Self { layers, input: mat(layers[0].inputs), pre: mat(cond), act: mat(cond), out: mat(cond) }
    }

    fn forward<const K: usize>(&mut self, w: &Packed<T>) {
        self.layers[0].forward(w, &self.input, &mut self.pre, 0, K);
        activation::forward::<Silu, T>(&self.pre, &mut self.act, K - 1);
        self.layers[1].forward(w, &self.act, &mut self.out, 0, K);
    }
}

/// `embedding(t) = [cos(t f_k), sin(t f_k)]`, `f_k = 10000^(-k/128)`.
fn embed<T: Real, const K: usize>(t: Num<T, K>, row: usize, out: &mut Mat<T>) {
    let half = FREQUENCIES / 2;
    for c in 0..FREQUENCIES / H {
        let mut lanes = [Lanes([T::ZERO; H]); K];
        for o in 0..H {
            let feature = c * H + o;
            let f = (-MAX_PERIOD.ln() * (feature % half) as f64 / half as f64).exp();
            let (sin, cos) = (t.0[0].to_f64() * f).sin_cos();
            let (value, slope) = if feature < half { (cos, -sin * f) } else { (sin, cos * f) };
            lanes[0].0[o] = T::from_f64(value);
            for k in 1..K {
                lanes[k].0[o] = T::from_f64(slope) * t.0[k];
            }
        }
        out.put(row, c, &lanes);
    }
}

/// The slope of [`embed`] along `t`, and the adjoint of `t` from that of the embedding.
fn embed_reverse<T: Real, const K: usize>(t: Num<T, K>, row: usize, bar: &Mat<T>) -> Num<T, K> {
    let half = FREQUENCIES / 2;
    let mut sum = Num([T::ZERO; K]);
    for c in 0..FREQUENCIES / H {
        let bar = bar.get::<K>(row, c);
        for o in 0..H {
            let feature = c * H + o;
            let f = (-MAX_PERIOD.ln() * (feature % half) as f64 / half as f64).exp();
            let (sin, cos) = (t.0[0].to_f64() * f).sin_cos();
            let (value, slope) = if feature < half { (cos, -sin * f) } else { (sin, cos * f) };
            let slope = t.chain(T::from_f64(slope), T::from_f64(-value * f * f));
            let mut b = [T::ZERO; K];
            for k in 0..K {
                b[k] = bar[k].0[o];
            }
            sum += Num(b) * slope;
        }
    }
    sum
}

impl<T: Real> Conditioning<T> {
    /// Memory for `samples`, with one tangent.
    pub fn new(plan: &Plan, samples: usize) -> Self {
        let mat = |lanes| Mat::new(2, samples, lanes);
        let mods = || plan.modulations().map(|m| mat(m.outputs)).collect();
        Self {
            time: Mlp::new(plan.time, samples),
            temperature: Mlp::new(plan.temperature, samples),
            sum: mat(plan.cond),
            c: mat(plan.cond),
            mods: mods(),
            mods_bar: mods(),
            c_bar: mat(plan.cond),
            pre_bar: mat(plan.cond),
            act_bar: mat(plan.cond),
            input_bar: mat(FREQUENCIES / H),
        }
    }

    /// Uses the memory for fewer samples.
    pub fn set_samples(&mut self, samples: usize) {
        for mlp in [&mut self.time, &mut self.temperature] {
            for m in [&mut mlp.input, &mut mlp.pre, &mut mlp.act, &mut mlp.out] {
                m.set_rows(samples);
            }
        }
        let own =
            [&mut self.sum, &mut self.c, &mut self.c_bar, &mut self.pre_bar, &mut self.act_bar, &mut self.input_bar];
        for m in own.into_iter().chain(&mut self.mods).chain(&mut self.mods_bar) {
            m.set_rows(samples);
        }
    }

    /// Modulations at `noise` and `beta` (a constant), one of each per sample.
    pub fn forward<const K: usize>(&mut self, plan: &Plan, w: &Packed<T>, noise: &Scalars<T>, beta: &[T]) {
        for (i, &beta) in beta.iter().enumerate() {
            embed(noise.get::<K>(i), i, &mut self.time.input);
            embed(Num::<T, K>::constant(beta), i, &mut self.temperature.input);
        }
        self.time.forward::<K>(w);
        self.sum.part_mut(0, K).copy_from_slice(self.time.out.part(0, K));
        if plan.conditioned {
            self.temperature.forward::<K>(w);
            add_all(self.sum.part_mut(0, K), self.temperature.out.part(0, K));
        }
        activation::forward::<Silu, T>(&self.sum, &mut self.c, K - 1);
        for (linear, out) in plan.modulations().zip(&mut self.mods) {
            linear.forward(w, &self.c, out, 0, K);
        }
    }

    /// Adjoint of the noise level of each sample from those of the modulations; with `WEIGHTS` adds to `grad`.
    pub fn reverse<const K: usize, const WEIGHTS: bool>(
        &mut self,
        plan: &Plan,
        w: &Packed<T>,
        noise: &Scalars<T>,
        noise_bar: &mut Scalars<T>,
        grad: &mut [Lanes<T>],
        scratch: &mut Vec<Lanes<T>>,
    ) {
        for (b, linear) in plan.modulations().enumerate() {
            linear.reverse(w, &self.mods_bar[b], &mut self.c_bar, 0, K, b > 0);
            if WEIGHTS {
                linear.gradient::<T, K>(&self.c, &self.mods_bar[b], grad, scratch);
            }
        }
        // From here on c_bar holds the adjoint of the sum before the activation.
        activation::reverse::<Silu, T, K>(&self.sum, &self.c_bar, &mut self.act_bar, &mut self.c);
        std::mem::swap(&mut self.c_bar, &mut self.act_bar);
        for mlp in [&mut self.time, &mut self.temperature].into_iter().take(if plan.conditioned { 2 } else { 1 }) {
            if WEIGHTS {
                mlp.layers[1].gradient::<T, K>(&mlp.act, &self.c_bar, grad, scratch);
            }
            mlp.layers[1].reverse(w, &self.c_bar, &mut self.act_bar, 0, K, false);
            activation::reverse::<Silu, T, K>(&mlp.pre, &self.act_bar, &mut self.pre_bar, &mut mlp.act);
            if WEIGHTS {
                mlp.layers[0].gradient::<T, K>(&mlp.input, &self.pre_bar, grad, scratch);
            }
            // Only the noise level moves.
            if mlp.layers[0].weight == plan.time[0].weight {
                mlp.layers[0].reverse(w, &self.pre_bar, &mut self.input_bar, 0, K, false);
            }
        }
        for i in 0..self.input_bar.rows {
            noise_bar.put(i, embed_reverse(noise.get::<K>(i), i, &self.input_bar));
        }
    }
}
