//! One coupling on one tile of rows: the perceptron that gives the spline parameters, the splines, and the way back.
//!
//! As in the reference no activation follows the first layer: `Lin, Lin + ReLU (four times), Lin`. So the first two run as one,
//! see [`super::merged`]; the products are those of the layers from the second on.

// Loops index several arrays at once, see `spline`.
#![allow(clippy::needless_range_loop)]

use multiversion::multiversion;

use super::merged::Merged;
use super::packing::{Linear, Panel, Weights, fit, panels};
use super::shape::{Coupling, LAYERS};
use super::spline::{GROUP, Group, PARAMETERS, Raw, apply, reverse};
use crate::lanes::gemm::{Start, product};
use crate::lanes::num::{H, Lanes, one_row};
use crate::real::Real;

/// Matrix products of a pass.
const PRODUCTS: usize = LAYERS - 1;

/// What one tile keeps of one coupling for the way back; or, in passes without a way back, working memory: small, to stay in
/// the cache.
pub struct Record<T> {
    /// Whether there is a way back.
    kept: bool,
    /// Transformed coordinates before the splines, `[rows][groups]`.
    at: Vec<Group<T>>,
    /// Inputs of the conditioner, `[rows][lanes]`.
    inputs: Vec<Lanes<T>>,
    /// What each product gives (after its activation); the last are the raw spline parameters.
    outputs: [Vec<Lanes<T>>; PRODUCTS],
}

impl<T> Record<T> {
    /// For a pass with (`kept`) or without a way back.
    pub(super) fn new(kept: bool) -> Self {
        Self { kept, at: Vec::new(), inputs: Vec::new(), outputs: Default::default() }
    }

    /// Input and output of product `i`.
    fn ends(&mut self, i: usize) -> (&[Lanes<T>], &mut Vec<Lanes<T>>) {
        let slot = |i: usize| if self.kept || i == PRODUCTS - 1 { i } else { i % 2 };
        let (x, y) = (i.checked_sub(1).map(slot), slot(i));
        let (low, high) = self.outputs.split_at_mut(x.unwrap_or(0).max(y));
        match x {
            None => (&self.inputs, &mut high[0]),
            Some(x) if x < y => (&low[x], &mut high[0]),
            Some(_) => (&high[0], &mut low[y]),
        }
    }
}

/// Derivatives with respect to what each product gives (before its activation), and to the inputs.
#[derive(Default)]
pub struct Bars<T> {
    inputs: Vec<Lanes<T>>,
    outputs: [Vec<Lanes<T>>; PRODUCTS],
}

impl Coupling {
    /// The layer of product `i`, and the weights that hold it.
    fn product<'a, T>(&self, i: usize, w: &'a Weights<T>, merged: &'a Merged<T>) -> (Linear, &'a Weights<T>) {
        if i == 0 { (merged.layer, &merged.weights) } else { (self.layers[i + 1], w) }
    }

    /// Transforms `rows [n, dim]` in place and adds the log-determinants to `log_det [n]`; `inverse` is the way to the data.
    pub(super) fn forward<T: Real>(
        &self,
        inverse: bool,
        (w, merged): (&Weights<T>, &Merged<T>),
        rows: &mut [T],
        log_det: &mut [f64],
        record: &mut Record<T>,
    ) {
        let (n, dim) = (log_det.len(), rows.len() / log_det.len());
        fit(&mut record.inputs, n * self.layers[0].inputs);
        inputs(self, dim, rows, &mut record.inputs);
        for i in 0..PRODUCTS {
            let (layer, w) = self.product(i, w, merged);
            let (x, y) = record.ends(i);
            fit(y, n * layer.outputs);
            product(w.weight(&layer), x, layer.inputs, Start::Bias(w.bias(&layer)), y, layer.outputs);
            if i < PRODUCTS - 1 {
                relu(y);
            }
        }
        record.at.resize(n * self.groups(), [T::ZERO; GROUP]);
        let splines = if inverse { splines::<T, true> } else { splines::<T, false> };
        splines(self, dim, rows, log_det, &mut record.at, &record.outputs[PRODUCTS - 1]);
    }

    /// Reverse pass: `rows_bar [n, dim]` from derivatives with respect to what [`Coupling::forward`] made to those with
    /// respect to what it got; `log_bar [n]` are the derivatives with respect to the log-determinants.
    pub(super) fn backward<T: Real>(
        &self,
        inverse: bool,
        (w, merged): (&Weights<T>, &Merged<T>),
        rows_bar: &mut [T],
        log_bar: &[T],
        record: &Record<T>,
        bars: &mut Bars<T>,
    ) {
        let (n, dim) = (log_bar.len(), rows_bar.len() / log_bar.len());
        let last = &mut bars.outputs[PRODUCTS - 1];
        fit(last, n * self.layers[LAYERS - 1].outputs);
        let splines_reverse = if inverse { splines_reverse::<T, true> } else { splines_reverse::<T, false> };
        splines_reverse(self, dim, rows_bar, log_bar, &record.at, &record.outputs[PRODUCTS - 1], last);
        for i in (0..PRODUCTS).rev() {
            let (layer, w) = self.product(i, w, merged);
            let (before, rest) = bars.outputs.split_at_mut(i);
            let y_bar = &rest[0];
            let x_bar = before.last_mut().unwrap_or(&mut bars.inputs);
            fit(x_bar, n * layer.inputs);
            product(w.transposed(&layer), y_bar, layer.outputs, Start::Zero, x_bar, layer.inputs);
            if i > 0 {
                relu_reverse(&record.outputs[i - 1], x_bar);
            }
        }
        inputs_reverse(self, dim, &record.inputs, &bars.inputs, rows_bar);
    }

    /// The panels of the gradients of this coupling's products; `gradient` is that of all parameters.
    pub(super) fn panels<'a, T: Real>(
        &self,
        merged: &'a mut Merged<T>,
        gradient: &'a mut [Lanes<T>],
    ) -> Vec<Panel<'a, T>> {
        let mut all = panels(&[merged.layer], &mut merged.gradient);
        let others = panels(&self.layers[2..], gradient).into_iter();
        all.extend(others.map(|panel| Panel { layer: panel.layer + 1, ..panel }));
        all
    }

    /// Adds one tile's part of the gradient to a product's panel.
    pub(super) fn gradient<T: Real>(
        panel: &mut Panel<'_, T>,
        record: &Record<T>,
        bars: &Bars<T>,
        column: &mut Vec<Lanes<T>>,
    ) {
        let i = panel.layer;
        let x = if i == 0 { &record.inputs } else { &record.outputs[i - 1] };
        panel.add(x, &bars.outputs[i], column);
    }
}

/// Cosines and sines of the torsions, then bonds and angles.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn inputs<T: Real>(c: &Coupling, dim: usize, rows: &[T], out: &mut [Lanes<T>]) {
    let circular = c.circular_inputs.len();
    for (row, out) in rows.chunks_exact(dim).zip(out.chunks_exact_mut(c.layers[0].inputs)) {
        for (k, &i) in c.circular_inputs.iter().enumerate() {
            let (sin, cos) = row[i].sin_cos_turns();
            out[k / H].0[k % H] = cos;
            let k = k + circular;
            out[k / H].0[k % H] = sin;
        }
        for (k, &i) in c.straight_inputs.iter().enumerate() {
            let k = k + 2 * circular;
            out[k / H].0[k % H] = row[i];
        }
        for k in c.inputs()..out.len() * H {
            out[k / H].0[k % H] = T::ZERO;
        }
    }
}

fn inputs_reverse<T: Real>(c: &Coupling, dim: usize, values: &[Lanes<T>], bars: &[Lanes<T>], rows_bar: &mut [T]) {
    let circular = c.circular_inputs.len();
    let lanes = c.layers[0].inputs;
    let turn = T::from_f64(std::f64::consts::TAU);
    for ((row, x), bar) in rows_bar.chunks_exact_mut(dim).zip(values.chunks_exact(lanes)).zip(bars.chunks_exact(lanes))
    {
        let get = |lanes: &[Lanes<T>], k: usize| lanes[k / H].0[k % H];
        for (k, &i) in c.circular_inputs.iter().enumerate() {
            let (cos, sin) = (get(x, k), get(x, k + circular));
            row[i] += turn * (cos * get(bar, k + circular) - sin * get(bar, k));
        }
        for (k, &i) in c.straight_inputs.iter().enumerate() {
            row[i] += get(bar, k + 2 * circular);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn relu<T: Real>(y: &mut [Lanes<T>]) {
    for lanes in y {
        let lanes = one_row(lanes);
        for o in 0..H {
            lanes.0[o] = if lanes.0[o] > T::ZERO { lanes.0[o] } else { T::ZERO };
        }
    }
}

/// Clears the derivatives where the activation is off.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn relu_reverse<T: Real>(y: &[Lanes<T>], bar: &mut [Lanes<T>]) {
    for (y, bar) in y.iter().zip(bar) {
        let bar = one_row(bar);
        for o in 0..H {
            // As a factor, not a choice: that would become a branch for each number.
            bar.0[o] = bar.0[o] * if y.0[o] > T::ZERO { T::ONE } else { T::ZERO };
        }
    }
}

/// Which of group `g`'s coordinates are circular, and how many there are.
#[inline(always)]
fn members(c: &Coupling, g: usize) -> ([bool; GROUP], usize) {
    let used = GROUP.min(c.transformed.len() - g * GROUP);
    let mut circular = [false; GROUP];
    for l in 0..used {
        circular[l] = g * GROUP + l >= c.straight;
    }
    (circular, used)
}

/// The raw parameters of group `g` from a row of outputs: half lanes, parameter by parameter.
#[inline(always)]
fn raw<T: Real>(outputs: &[Lanes<T>], g: usize) -> Raw<T> {
    let mut raw = [[T::ZERO; GROUP]; PARAMETERS];
    for k in 0..PARAMETERS {
        let half = g * PARAMETERS + k;
        raw[k].copy_from_slice(&outputs[half / 2].0[half % 2 * GROUP..][..GROUP]);
    }
    raw
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn splines<T: Real, const INVERSE: bool>(
    c: &Coupling,
    dim: usize,
    rows: &mut [T],
    log_det: &mut [f64],
    at: &mut [Group<T>],
    outputs: &[Lanes<T>],
) {
    let (groups, lanes) = (c.groups(), c.layers[LAYERS - 1].outputs);
    for r in 0..log_det.len() {
        let row = &mut rows[r * dim..][..dim];
        let outputs = &outputs[r * lanes..][..lanes];
        for g in 0..groups {
            let (circular, used) = members(c, g);
            let transformed = &c.transformed[g * GROUP..][..used];
            let at = &mut at[r * groups + g];
            for (at, &i) in at.iter_mut().zip(transformed) {
                *at = row[i];
            }
            let (out, log) = apply::<T, INVERSE>(&raw(outputs, g), &circular, at);
            for (out, &i) in out.iter().zip(transformed) {
                row[i] = *out;
            }
            for log in &log[..used] {
                log_det[r] += log.to_f64();
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn splines_reverse<T: Real, const INVERSE: bool>(
    c: &Coupling,
    dim: usize,
    rows_bar: &mut [T],
    log_bar: &[T],
    at: &[Group<T>],
    outputs: &[Lanes<T>],
    bars: &mut [Lanes<T>],
) {
    let (groups, lanes) = (c.groups(), c.layers[LAYERS - 1].outputs);
    for r in 0..log_bar.len() {
        let row = &mut rows_bar[r * dim..][..dim];
        let outputs = &outputs[r * lanes..][..lanes];
        let bars = &mut bars[r * lanes..][..lanes];
        // An odd number of half lanes leaves one over.
        bars[lanes - 1] = Lanes([T::ZERO; H]);
        for g in 0..groups {
            let (circular, used) = members(c, g);
            let transformed = &c.transformed[g * GROUP..][..used];
            let (mut out_bar, mut log) = ([T::ZERO; GROUP], [T::ZERO; GROUP]);
            for (l, &i) in transformed.iter().enumerate() {
                out_bar[l] = row[i];
                log[l] = log_bar[r];
            }
            let mut raw_bar = [[T::ZERO; GROUP]; PARAMETERS];
            let at = &at[r * groups + g];
            let at_bar = reverse::<T, INVERSE>(&raw(outputs, g), &circular, at, &out_bar, &log, &mut raw_bar);
            for (bar, &i) in at_bar.iter().zip(transformed) {
                row[i] = *bar;
            }
            for k in 0..PARAMETERS {
                let half = g * PARAMETERS + k;
                bars[half / 2].0[half % 2 * GROUP..][..GROUP].copy_from_slice(&raw_bar[k]);
            }
        }
    }
}
