//! One transformer layer on a tile of configurations: `h += proj(attention(LN(h))); h += down(gelu(up(LN(h))))`.

use super::attention::{self, Scratch, Sizes};
use super::pieces::{gelu, gelu_reverse, norm, norm_reverse};
use super::shape::LayerShape;
use crate::flow::packing::{Linear, Weights, fit};
use crate::lanes::gemm::{Start, product};
use crate::lanes::num::{Lanes, add_all};
use crate::real::Real;

/// What a layer keeps of a tile for the way back.
#[derive(Debug, Clone, Default)]
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

/// Derivatives with respect to what each linear layer gives, and gradients of the norms.
#[derive(Debug, Clone, Default)]
pub(super) struct Bars<T> {
    pub linears: [Vec<Lanes<T>>; 4],
    /// Scale and shift of both norms.
    pub norms: [[Vec<Lanes<T>>; 2]; 2],
    inner: Vec<Lanes<T>>,
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

/// `y += x W + b`.
pub(super) fn add_linear<T: Real>(w: &Weights<T>, layer: &Linear, x: &[Lanes<T>], y: &mut [Lanes<T>]) {
    product(w.weight(layer), x, layer.inputs, Start::Add, y, layer.outputs);
    y.chunks_exact_mut(layer.outputs).for_each(|row| add_all(row, w.bias(layer)));
}

/// `y` is `x`, normed with a scale and a shift that begin at these lanes.
pub(super) fn normed<T: Real>(w: &Weights<T>, firsts: [usize; 2], width: usize, x: &[Lanes<T>], y: &mut Vec<Lanes<T>>) {
    fit(y, x.len());
    let [scale, shift] = firsts.map(|first| &w.packed[first..][..width]);
    norm(x, scale, shift, y);
}

impl LayerShape {
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
        h.clone_into(&mut record.h);
        let [normed1, attended, normed2, activated] = &mut record.inputs;
        normed(w, self.norm1, s.width, h, normed1);
        linear(w, qkv, normed1, &mut record.qkv);
        fit(attended, h.len());
        let frame = s.tokens * s.width;
        for (qkv, out) in record.qkv.chunks_exact(3 * frame).zip(attended.chunks_exact_mut(frame)) {
            attention::forward(s, qkv, out, scratch);
        }
        linear(w, out, attended, &mut record.middle);
        add_all(&mut record.middle, h);
        normed(w, self.norm2, s.width, &record.middle, normed2);
        linear(w, up, normed2, &mut record.up);
        fit(activated, record.up.len());
        gelu(&record.up, activated);
        h.copy_from_slice(&record.middle);
        add_linear(w, down, activated, h);
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
        h_bar.clone_into(down_bar);
        linear_reverse(w, down, down_bar, up_bar);
        gelu_reverse(&record.up, up_bar);
        linear_reverse(w, up, up_bar, &mut bars.inner);
        let scale = &w.packed[self.norm2[0]..][..s.width];
        norm_reverse(&record.middle, scale, &bars.inner, h_bar, scale2_bar, shift2_bar);
        h_bar.clone_into(out_bar);
        linear_reverse(w, out, out_bar, &mut bars.inner);
        fit(qkv_bar, record.qkv.len());
        let frame = s.tokens * s.width;
        let frames = record.qkv.chunks_exact(3 * frame).zip(bars.inner.chunks_exact(frame));
        for ((qkv, out_bar), qkv_bar) in frames.zip(qkv_bar.chunks_exact_mut(3 * frame)) {
            attention::reverse(s, qkv, out_bar, qkv_bar, scratch);
        }
        linear_reverse(w, qkv, qkv_bar, &mut bars.inner);
        let scale = &w.packed[self.norm1[0]..][..s.width];
        norm_reverse(&record.h, scale, &bars.inner, h_bar, scale1_bar, shift1_bar);
    }
}
