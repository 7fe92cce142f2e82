//! One coupling on one tile of rows: the perceptron that gives the spline parameters, the splines, and the way back.
//!
//! As in the reference no activation follows the first layer: `Lin, Lin + ReLU (four times), Lin`.

// Loops index several arrays at once, see `spline`.
#![allow(clippy::needless_range_loop)]

use multiversion::multiversion;

use super::packing::{Panel, Weights};
use super::shape::{Coupling, LAYERS};
use super::spline::{GROUP, Group, PARAMETERS, Raw, apply, reverse};
use crate::nn::fused::num::{H, Lanes, add_lanes};
use crate::nn::gemm::{Start, outer_columns, product};
use crate::real::Real;

/// What one tile keeps of one coupling for the way back.
#[derive(Debug, Clone)]
pub struct Record<T> {
    /// Transformed coordinates before the splines, `[rows][groups]`.
    at: Vec<Group<T>>,
    /// Inputs of the conditioner, `[rows][lanes]`.
    inputs: Vec<Lanes<T>>,
    /// What each layer gives (after its activation); the last are the raw spline parameters.
    outputs: [Vec<Lanes<T>>; LAYERS],
}

impl<T> Default for Record<T> {
    fn default() -> Self {
        Self { at: Vec::new(), inputs: Vec::new(), outputs: Default::default() }
    }
}

/// Derivatives with respect to what each layer gives (before its activation), and to the inputs.
#[derive(Debug, Clone)]
pub struct Bars<T> {
    inputs: Vec<Lanes<T>>,
    outputs: [Vec<Lanes<T>>; LAYERS],
}

impl<T> Default for Bars<T> {
    fn default() -> Self {
        Self { inputs: Vec::new(), outputs: Default::default() }
    }
}

fn fit<T: Real>(lanes: &mut Vec<Lanes<T>>, len: usize) {
    lanes.resize(len, Lanes([T::ZERO; H]));
}

impl Coupling {
    /// Transforms `rows [n, dim]` in place and adds the log-determinants to `log_det [n]`; `INVERSE` is the way to the data.
    pub(super) fn forward<T: Real, const INVERSE: bool>(
        &self,
        w: &Weights<T>,
        dim: usize,
        rows: &mut [T],
        log_det: &mut [f64],
        record: &mut Record<T>,
    ) {
        let n = log_det.len();
        fit(&mut record.inputs, n * self.layers[0].inputs);
        inputs(self, dim, rows, &mut record.inputs);
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, rest) = record.outputs.split_at_mut(i);
            let x = before.last().unwrap_or(&record.inputs);
            let y = &mut rest[0];
            fit(y, n * layer.outputs);
            product(w.weight(layer), x, layer.inputs, Start::Bias(w.bias(layer)), y, layer.outputs);
            if rectified(i) {
                relu(y);
            }
        }
        record.at.resize(n * self.groups(), [T::ZERO; GROUP]);
        splines::<T, INVERSE>(self, dim, rows, log_det, &mut record.at, &record.outputs[LAYERS - 1]);
    }

    /// Reverse pass: `rows_bar [n, dim]` from derivatives with respect to what [`Coupling::forward`] made to those with
    /// respect to what it got; `log_bar [n]` are the derivatives with respect to the log-determinants.
    pub(super) fn backward<T: Real, const INVERSE: bool>(
        &self,
        w: &Weights<T>,
        dim: usize,
        rows_bar: &mut [T],
        log_bar: &[T],
        record: &Record<T>,
        bars: &mut Bars<T>,
    ) {
        let n = log_bar.len();
        let last = &mut bars.outputs[LAYERS - 1];
        fit(last, n * self.layers[LAYERS - 1].outputs);
        splines_reverse::<T, INVERSE>(self, dim, rows_bar, log_bar, &record.at, &record.outputs[LAYERS - 1], last);
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let (before, rest) = bars.outputs.split_at_mut(i);
            let y_bar = &rest[0];
            let x_bar = before.last_mut().unwrap_or(&mut bars.inputs);
            fit(x_bar, n * layer.inputs);
            product(w.transposed(layer), y_bar, layer.outputs, Start::Zero, x_bar, layer.inputs);
            if i > 0 && rectified(i - 1) {
                relu_reverse(&record.outputs[i - 1], x_bar);
            }
        }
        inputs_reverse(self, dim, &record.inputs, &bars.inputs, rows_bar);
    }

    /// Adds one tile's part of the gradient to a panel.
    pub(super) fn gradient<T: Real>(
        &self,
        panel: &mut Panel<'_, T>,
        record: &Record<T>,
        bars: &Bars<T>,
        column: &mut Vec<Lanes<T>>,
    ) {
        let layer = panel.layer;
        let x = if layer == 0 { &record.inputs } else { &record.outputs[layer - 1] };
        column.clear();
        column.extend(bars.outputs[layer].chunks_exact(self.layers[layer].outputs).map(|row| row[panel.index]));
        for y in column.iter() {
            add_lanes(panel.bias, y);
        }
        outer_columns(x, self.layers[layer].inputs, column, column.len(), panel.weight);
    }
}

/// Whether an activation follows layer `i`.
fn rectified(i: usize) -> bool {
    (1..LAYERS - 1).contains(&i)
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
        for o in 0..H {
            lanes.0[o] = if lanes.0[o] > T::ZERO { lanes.0[o] } else { T::ZERO };
        }
    }
}

/// Clears the derivatives where the activation is off.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn relu_reverse<T: Real>(y: &[Lanes<T>], bar: &mut [Lanes<T>]) {
    for (y, bar) in y.iter().zip(bar) {
        for o in 0..H {
            bar.0[o] = if y.0[o] > T::ZERO { bar.0[o] } else { T::ZERO };
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
