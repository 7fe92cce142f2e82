//! One transformer layer on a tile of configurations: `h += proj(attention(LN(h))); h += down(gelu(up(LN(h))))`.

use super::attention::{self, Scratch, Sizes};
use super::pieces::{gelu, gelu_reverse, norm, norm_reverse};
use super::shape::LayerShape;
use crate::flow::packing::{Linear, Weights};
use crate::lanes::gemm::{Start, product};
use crate::lanes::num::{H, Lanes, add_all};
use crate::real::Real;

/// What a layer keeps of a tile for the way back.
#[derive(Debug, Clone)]
pub(super) struct Record<T> {
    /// What comes in.
    pub h: Vec<Lanes<T>>,
    /// What each linear layer gets: normed, attended, normed, activated.
    pub inputs: [Vec<Lanes<T>>; 4],
    qkv: Vec<Lanes<T>>,
    /// After the attention.
    middle: Vec<Lanes<T>>,
    up: Vec<Lanes<T>>,
}

impl<T> Default for Record<T> {
    fn default() -> Self {
        Self { h: Vec::new(), inputs: Default::default(), qkv: Vec::new(), middle: Vec::new(), up: Vec::new() }
    }
}

/// Derivatives with respect to what each linear layer gives, and gradients of the norms.
#[derive(Debug, Clone)]
pub(super) struct Bars<T> {
    pub linears: [Vec<Lanes<T>>; 4],
    /// Scale and shift of both norms.
    pub norms: [[Vec<Lanes<T>>; 2]; 2],
    inner: Vec<Lanes<T>>,
}

impl<T> Default for Bars<T> {
    fn default() -> Self {
        Self { linears: Default::default(), norms: Default::default(), inner: Vec::new() }
    }
}

pub(super) fn fit<T: Real>(lanes: &mut Vec<Lanes<T>>, len: usize) {
    lanes.resize(len, Lanes([T::ZERO; H]));
}

/// `y = x W + b`, sized to the rows of `x`.
pub(super) fn linear<T: Real>(w: &Weights<T>, layer: &Linear, x: &[Lanes<T>], y: &mut Vec<Lanes<T>>) {
    fit(y, x.len() / layer.inputs * layer.outputs);
    product(w.weight(layer), x, layer.inputs, Start::Bias(w.bias(layer)), y, layer.outputs);
}

/// `x_bar = y_bar W`.
pub(super) fn linear_reverse<T: Real>(w: &Weights<T>, layer: &Linear, y_bar: &[Lanes<T>], x_bar: &mut Vec<Lanes<T>>) {
    fit(x_bar, y_bar.len() / layer.outputs * layer.inputs);
    product(w.transposed(layer), y_bar, layer.outputs, Start::Zero, x_bar, layer.inputs);
}

pub(super) fn add_bias<T: Real>(rows: &mut [Lanes<T>], bias: &[Lanes<T>]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        add_all(row, bias);
    }
}

impl LayerShape {
    /// Scale and shift of a norm.
    fn norm<'a, T: Real>(&self, w: &'a Weights<T>, which: [usize; 2], width: usize) -> [&'a [Lanes<T>]; 2] {
        which.map(|first| &w.packed[first..first + width])
    }

    /// Moves `h [rows][width]` through the layer.
    pub(super) fn forward<T: Real>(
        &self,
        w: &Weights<T>,
        s: Sizes,
        h: &mut [Lanes<T>],
        record: &mut Record<T>,
        scratch: &mut Scratch<T>,
    ) {
        let [qkv, out, up, down] = &self.linears;
        record.h.clear();
        record.h.extend_from_slice(h);
        let [normed1, attended, normed2, activated] = &mut record.inputs;
        fit(normed1, h.len());
        let [scale, shift] = self.norm(w, self.norm1, s.width);
        norm(h, scale, shift, normed1);
        linear(w, qkv, normed1, &mut record.qkv);
        fit(attended, h.len());
        let frame = s.tokens * s.width;
        for (qkv, out) in record.qkv.chunks_exact(3 * frame).zip(attended.chunks_exact_mut(frame)) {
            attention::forward(s, qkv, out, scratch);
        }
        linear(w, out, attended, &mut record.middle);
        add_all(&mut record.middle, h);
        fit(normed2, h.len());
        let [scale, shift] = self.norm(w, self.norm2, s.width);
        norm(&record.middle, scale, shift, normed2);
        linear(w, up, normed2, &mut record.up);
        fit(activated, record.up.len());
        gelu(&record.up, activated);
        h.copy_from_slice(&record.middle);
        product(w.weight(down), activated, down.inputs, Start::Add, h, down.outputs);
        add_bias(h, w.bias(down));
    }

    /// Reverse pass: `h_bar` from derivatives with respect to what came out to those with respect to what came in.
    pub(super) fn backward<T: Real>(
        &self,
        w: &Weights<T>,
        s: Sizes,
        h_bar: &mut [Lanes<T>],
        record: &Record<T>,
        bars: &mut Bars<T>,
        scratch: &mut Scratch<T>,
    ) {
        let [qkv, out, up, down] = &self.linears;
        for norms in bars.norms.iter_mut().flatten() {
            norms.clear();
            fit(norms, s.width);
        }
        let [qkv_bar, out_bar, up_bar, down_bar] = &mut bars.linears;
        let [[scale1_bar, shift1_bar], [scale2_bar, shift2_bar]] = &mut bars.norms;
        down_bar.clear();
        down_bar.extend_from_slice(h_bar);
        linear_reverse(w, down, down_bar, up_bar);
        gelu_reverse(&record.up, up_bar);
        linear_reverse(w, up, up_bar, &mut bars.inner);
        let [scale, _] = self.norm(w, self.norm2, s.width);
        norm_reverse(&record.middle, scale, &bars.inner, h_bar, scale2_bar, shift2_bar);
        out_bar.clear();
        out_bar.extend_from_slice(h_bar);
        linear_reverse(w, out, out_bar, &mut bars.inner);
        fit(qkv_bar, record.qkv.len());
        let frame = s.tokens * s.width;
        let frames = record.qkv.chunks_exact(3 * frame).zip(bars.inner.chunks_exact(frame));
        for ((qkv, out_bar), qkv_bar) in frames.zip(qkv_bar.chunks_exact_mut(3 * frame)) {
            attention::reverse(s, qkv, out_bar, qkv_bar, scratch);
        }
        linear_reverse(w, qkv, qkv_bar, &mut bars.inner);
        let [scale, _] = self.norm(w, self.norm1, s.width);
        norm_reverse(&record.h, scale, &bars.inner, h_bar, scale1_bar, shift1_bar);
    }
}
