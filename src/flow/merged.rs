//! A conditioner's first two layers as one: no activation stands between them, and the merged layer is as cheap as the first.
//!
//! With rows times matrices, `(x W0 + b0) W1 + b1 = x (W0 W1) + (b0 W1 + b1)`. Derivatives `D`, `d` with respect to the merged
//! weight and bias give those with respect to the two layers: `W0^T D + b0^T d` and `d` for the second, `D W1^T` and `d W1^T`
//! for the first. All of it is done once per call, whatever the number of rows.

use super::packing::{Linear, Weights, transpose_panels};
use super::shape::Coupling;
use crate::lanes::gemm::{Start, product};
use crate::lanes::num::{H, Lanes, add_all};
use crate::real::Real;

/// The merged layer of one coupling.
pub(super) struct Merged<T> {
    /// Where its numbers lie in `weights` and in `gradient`.
    pub layer: Linear,
    pub weights: Weights<T>,
    pub gradient: Vec<Lanes<T>>,
}

fn zeros<T: Real>(len: usize) -> Vec<Lanes<T>> {
    vec![Lanes([T::ZERO; H]); len]
}

/// `[a][b]` lanes as `[b][a]`: panels as rows and back.
fn swapped<T: Real>(lanes: &[Lanes<T>], b: usize) -> Vec<Lanes<T>> {
    (0..b).flat_map(|j| lanes[j..].iter().step_by(b).copied()).collect()
}

impl<T: Real> Merged<T> {
    pub(super) fn new(coupling: &Coupling, w: &Weights<T>) -> Self {
        let [first, second, ..] = &coupling.layers;
        let (inputs, hidden, outputs) = (first.inputs, first.outputs, second.outputs);
        let weight = inputs * H * outputs;
        let layer = Linear { weight: 0, bias: weight, inputs, outputs };
        let mut rows = zeros(weight);
        product(w.weight(second), &swapped(w.weight(first), inputs * H), hidden, Start::Zero, &mut rows, outputs);
        let mut packed = swapped(&rows, outputs);
        packed.resize(weight + outputs, Lanes([T::ZERO; H]));
        product(w.weight(second), w.bias(first), hidden, Start::Bias(w.bias(second)), &mut packed[weight..], outputs);
        let mut transposed = zeros(weight);
        transpose_panels(&packed[..weight], inputs, outputs, &mut transposed);
        Self { layer, weights: Weights { packed, transposed }, gradient: zeros(weight + outputs) }
    }

    /// Adds the two layers' derivatives to `gradient`, which begins with the first of them.
    pub(super) fn pull_back(&self, coupling: &Coupling, w: &Weights<T>, gradient: &mut [Lanes<T>]) {
        let [first, second, ..] = &coupling.layers;
        let (inputs, hidden, outputs) = (first.inputs, first.outputs, second.outputs);
        let (d_weight, d_bias) = self.gradient.split_at(self.layer.bias);
        let from = |lane: usize| lane - first.weight;

        let mut rows = zeros(inputs * H * hidden);
        product(w.transposed(second), &swapped(d_weight, inputs * H), outputs, Start::Zero, &mut rows, hidden);
        add_all(&mut gradient[..from(first.bias)], &swapped(&rows, hidden));
        let bias = &mut gradient[from(first.bias)..from(second.weight)];
        product(w.transposed(second), d_bias, outputs, Start::Add, bias, hidden);

        let mut rows = zeros(hidden * H * outputs);
        product(d_weight, &swapped(w.transposed(first), hidden * H), inputs, Start::Zero, &mut rows, outputs);
        for (row, b) in rows.chunks_exact_mut(outputs).zip(w.bias(first).iter().flat_map(|b| b.0)) {
            for (row, d) in row.iter_mut().zip(d_bias) {
                row.0.iter_mut().zip(d.0).for_each(|(row, d)| *row = b.fma(d, *row));
            }
        }
        add_all(&mut gradient[from(second.weight)..], &swapped(&rows, outputs));
        add_all(&mut gradient[from(second.bias)..][..outputs], d_bias);
    }
}
