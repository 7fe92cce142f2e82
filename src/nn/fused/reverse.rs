//! The reverse pass of one sample: cotangents of the input, of `c_noise`, and of the weights. On numbers with a tangent it
//! yields derivatives of gradients (forward over reverse).

use multiversion::multiversion;

use super::forward::{LayerTape, Net, Shape, Tape, block, inverse_num, remove_mean, zero};
use super::kernels::{linear, outer};
use super::layout::row;
use crate::lanes::num::{H, Lanes, Num, Row, Vec3, add_lanes, add_last, add_row, add_scaled, dot, dot_const, dot3};
use crate::lanes::num::{hadamard, one_row, times, zero_row};
use crate::real::Real;

/// Working memory of one reverse pass.
#[derive(Debug)]
pub struct Reverse<T, const K: usize> {
    /// Cotangent of the input positions.
    pub y: Vec<Vec3<T, K>>,
    /// Cotangent of `c_noise`.
    pub noise: Num<T, K>,
    x: Vec<Vec3<T, K>>,
    h: Vec<Row<T, K>>,
    first: Vec<Num<T, K>>,
    d2: Vec<Num<T, K>>,
    diff: Vec<Vec3<T, K>>,
    z: Vec<Row<T, K>>,
    s: Vec<Row<T, K>>,
    node: Vec<Row<T, K>>,
    messages: Vec<Row<T, K>>,
    receive: Vec<Row<T, K>>,
    send: Vec<Row<T, K>>,
}

impl<T: Real, const K: usize> Reverse<T, K> {
    /// Memory for one sample.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let (n, e) = (shape.particles, shape.edges());
        let node = || vec![zero_row(); n];
        Self {
            y: vec![[zero(); 3]; n],
            noise: zero(),
            x: vec![[zero(); 3]; n],
            h: node(),
            first: vec![zero(); e],
            d2: vec![zero(); e],
            diff: vec![[zero(); 3]; e],
            z: vec![zero_row(); e],
            s: vec![zero_row(); e],
            node: node(),
            messages: node(),
            receive: node(),
            send: node(),
        }
    }

    /// Pulls `cotangent` of the output of `tape` back to `self.y` and `self.noise`; with `WEIGHTS`, adds the weight
    /// gradient (last component) to `grad`.
    pub fn run<const WEIGHTS: bool>(
        &mut self,
        net: &Net<T>,
        tape: &Tape<T, K>,
        inputs: (Num<T, K>, T),
        cotangent: &[Vec3<T, K>],
        grad: &mut [Lanes<T>],
    ) {
        self.x.copy_from_slice(cotangent);
        remove_mean(&mut self.x);
        for (y, x) in self.y.iter_mut().zip(&self.x) {
            *y = x.map(|c| -c);
        }
        self.first.fill(zero());
        self.h.fill(zero_row());
        for l in (0..net.shape.layers).rev() {
            let none = &mut [][..];
            let own = if WEIGHTS { &mut grad[row::FIRST + l * row::LAYER..][..row::LAYER] } else { none };
            self.layer::<WEIGHTS>(net, tape, l, own);
            if l == 0 {
                for (d2, first) in self.d2.iter_mut().zip(&self.first) {
                    *d2 += *first;
                }
            }
            differences(&tape.layers[l].diff, &self.d2, &self.diff, &mut self.x);
        }
        for (y, x) in self.y.iter_mut().zip(&self.x) {
            for c in 0..3 {
                y[c] += x[c];
            }
        }
        self.noise = embed::<T, K, WEIGHTS>(&net.shape, &net.rows, inputs, &self.h, grad);
    }

    /// Layer `l`: from cotangents of its output `self.x`, `self.h` to those of its node inputs `self.h`, differences
    /// `self.diff`, squared distances `self.d2` and initial squared distances (added to `self.first`).
    fn layer<const WEIGHTS: bool>(&mut self, net: &Net<T>, tape: &Tape<T, K>, l: usize, grad: &mut [Lanes<T>]) {
        let ([w, wt], layer) = (net.layer(l), &tape.layers[l]);
        let first = if l == 0 { &[][..] } else { &tape.layers[0].d2 };
        if l + 1 == net.shape.layers {
            self.messages.fill(zero_row());
        } else {
            if WEIGHTS {
                outer(&layer.s4, &self.h, &mut grad[row::NODE2..][..H]);
                add_bias(&self.h, &mut grad[row::NODE2_BIAS]);
            }
            linear::<T, false>(block(wt, row::NODE2), self.h.as_flattened(), self.node.as_flattened_mut());
            multiply(&mut self.node, &layer.slope4);
            linear::<T, true>(block(wt, row::NODE0), self.node.as_flattened(), self.h.as_flattened_mut());
            let messages = self.messages.as_flattened_mut();
            linear::<T, false>(block(wt, row::NODE0 + H), self.node.as_flattened(), messages);
            if WEIGHTS {
                outer(&layer.h, &self.node, &mut grad[row::NODE0..][..H]);
                outer(&layer.sum, &self.node, &mut grad[row::NODE0 + H..][..H]);
                add_bias(&self.node, &mut grad[row::NODE0_BIAS]);
            }
        }
        displace::<T, K, WEIGHTS>(self, w, net.shape.range(), layer, grad);
        if WEIGHTS {
            outer(&layer.m, &self.z, &mut grad[row::COORD0..][..H]);
        }
        linear::<T, false>(block(wt, row::COORD0), self.z.as_flattened(), self.s.as_flattened_mut());
        gate::<T, K, WEIGHTS>(w, layer, &self.messages, &self.s, &mut self.z, grad);
        if WEIGHTS {
            outer(&layer.s1, &self.z, &mut grad[row::EDGE2..][..H]);
        }
        linear::<T, false>(block(wt, row::EDGE2), self.z.as_flattened(), self.s.as_flattened_mut());
        edge_inputs::<T, K, WEIGHTS>(self, w, layer, first, grad);
        if WEIGHTS {
            outer(&layer.h, &self.receive, &mut grad[row::EDGE0..][..H]);
            outer(&layer.h, &self.send, &mut grad[row::EDGE0 + H..][..H]);
        }
        linear::<T, true>(block(wt, row::EDGE0), self.receive.as_flattened(), self.h.as_flattened_mut());
        linear::<T, true>(block(wt, row::EDGE0 + H), self.send.as_flattened(), self.h.as_flattened_mut());
    }
}

/// Cotangents of the differences, also through the squared distance, back to both ends.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn differences<T: Real, const K: usize>(
    tape: &[Vec3<T, K>],
    d2: &[Num<T, K>],
    diff: &[Vec3<T, K>],
    x: &mut [Vec3<T, K>],
) {
    let n = x.len();
    for i in 0..n {
        for k in 0..n - 1 {
            let e = i * (n - 1) + k;
            let j = if k < i { k } else { k + 1 };
            for c in 0..3 {
                let d = diff[e][c] + (d2[e] * tape[e][c]).scale(T::ONE + T::ONE);
                x[i][c] += d;
                x[j][c] -= d;
            }
        }
    }
}

/// Through the embedding of the nodes; returns the cotangent of `c_noise`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn embed<T: Real, const K: usize, const WEIGHTS: bool>(
    shape: &Shape,
    w: &[Lanes<T>],
    inputs: (Num<T, K>, T),
    h: &[Row<T, K>],
    grad: &mut [Lanes<T>],
) -> Num<T, K> {
    let mut along_noise = zero();
    for (i, h) in h.iter().enumerate() {
        for which in 0..2 {
            let noise = shape.is_noise(i, which);
            if noise {
                along_noise += dot_const(&w[row::EMBED + which], h);
            }
            if WEIGHTS {
                let input = if noise { inputs.0 } else { Num::constant(inputs.1) };
                add_last(&mut grad[row::EMBED + which], input, h);
            }
        }
        if WEIGHTS {
            add_lanes(&mut grad[row::EMBED_BIAS], &h[K - 1]);
        }
    }
    along_noise
}

/// Gradient of a bias.
fn add_bias<T: Real, const K: usize>(x: &[Row<T, K>], g: &mut Lanes<T>) {
    for x in x {
        add_lanes(g, &x[K - 1]);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn multiply<T: Real, const K: usize>(x: &mut [Row<T, K>], y: &[Row<T, K>]) {
    for (x, y) in x.iter_mut().zip(y) {
        let x = one_row(x);
        *x = hadamard(x, y);
    }
}

/// Through the coordinate update to the pre-activation `memory.z` of the coordinate network; writes `memory.d2` and
/// `memory.diff`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn displace<T: Real, const K: usize, const WEIGHTS: bool>(
    memory: &mut Reverse<T, K>,
    w: &[Lanes<T>],
    range: T,
    layer: &LayerTape<T, K>,
    grad: &mut [Lanes<T>],
) {
    let (x, d2, diff, z) = (&memory.x[..], &mut memory.d2[..], &mut memory.diff[..], &mut memory.z[..]);
    let n = x.len();
    let mut weight = Lanes([T::ZERO; H]);
    let mut bias = Lanes([T::ZERO; H]);
    for i in 0..n {
        for e in i * (n - 1)..(i + 1) * (n - 1) {
            let e = one_row(e);
            let inverse = inverse_num(layer.d2[e]);
            let tanh = layer.tanh[e];
            let step = (tanh * inverse).scale(range);
            for c in 0..3 {
                diff[e][c] = x[i][c] * step;
            }
            let step = dot3(&x[i], &layer.diff[e]).scale(range);
            // d inverse / d d2 = - inverse^2 / (2 root), root = 1 / inverse - 1.
            d2[e] = step * tanh * inverse_slope(layer.d2[e]);
            let logit = step * inverse * (Num::constant(T::ONE) - tanh * tanh);
            if WEIGHTS {
                add_last(&mut weight, logit, &layer.s3[e]);
            }
            let mut s = zero_row();
            add_scaled(&mut s, logit, &w[row::COORD2]);
            z[e] = hadamard(&s, &layer.slope3[e]);
            if WEIGHTS {
                add_lanes(&mut bias, &z[e][K - 1]);
            }
        }
    }
    if WEIGHTS {
        add_lanes(&mut grad[row::COORD2], &weight);
        add_lanes(&mut grad[row::COORD0_BIAS], &bias);
    }
}

/// Slope of [`inverse_num`] with its tangents: `f' = -f^2 / 2r`, `f'' = f^3 / 2r^2 + f^2 / 4r^3`.
#[inline(always)]
fn inverse_slope<T: Real, const K: usize>(d2: Num<T, K>) -> Num<T, K> {
    let (f, r) = super::forward::inverse(d2.0[0]);
    let half = T::from_f64(0.5);
    let slope = -(f * f) * half / r;
    let curvature = f * f * half / (r * r) * (f + half / r);
    d2.chain(slope, curvature)
}

/// Through attention: from cotangents of the messages to the pre-activation `z` of the second edge layer.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(super) fn gate<T: Real, const K: usize, const WEIGHTS: bool>(
    w: &[Lanes<T>],
    layer: &LayerTape<T, K>,
    messages: &[Row<T, K>],
    m: &[Row<T, K>],
    z: &mut [Row<T, K>],
    grad: &mut [Lanes<T>],
) {
    let n = messages.len();
    let mut weight = Lanes([T::ZERO; H]);
    let mut weight_bias = T::ZERO;
    let mut bias = Lanes([T::ZERO; H]);
    for i in 0..n {
        for e in i * (n - 1)..(i + 1) * (n - 1) {
            let e = one_row(e);
            let mut m = m[e];
            add_row(&mut m, &messages[i]);
            let gate = layer.gate[e];
            let logit = dot(&m, &layer.s2[e]) * gate * (Num::constant(T::ONE) - gate);
            let mut s = times(gate, &m);
            add_scaled(&mut s, logit, &w[row::ATT]);
            z[e] = hadamard(&s, &layer.slope2[e]);
            if WEIGHTS {
                add_last(&mut weight, logit, &layer.s2[e]);
                weight_bias += logit.last();
                add_lanes(&mut bias, &z[e][K - 1]);
            }
        }
    }
    if WEIGHTS {
        add_lanes(&mut grad[row::ATT], &weight);
        grad[row::ATT_BIAS].0[0] += weight_bias;
        add_lanes(&mut grad[row::EDGE2_BIAS], &bias);
    }
}

/// Through the first edge layer: adds to `memory.d2` and `memory.first`, and writes the sums over edges of each receiving and
/// each sending node.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn edge_inputs<T: Real, const K: usize, const WEIGHTS: bool>(
    memory: &mut Reverse<T, K>,
    w: &[Lanes<T>],
    layer: &LayerTape<T, K>,
    first: &[Num<T, K>],
    grad: &mut [Lanes<T>],
) {
    let (s, d2, d2_first) = (&memory.s[..], &mut memory.d2[..], &mut memory.first[..]);
    let (receive, send) = (&mut memory.receive[..], &mut memory.send[..]);
    let n = receive.len();
    let (current_row, initial_row) = (row::EDGE0 + 2 * H, row::EDGE0 + 2 * H + 1);
    let mut current = Lanes([T::ZERO; H]);
    let mut initial = Lanes([T::ZERO; H]);
    send.fill(zero_row());
    for i in 0..n {
        let mut total = zero_row();
        for k in 0..n - 1 {
            let e = i * (n - 1) + k;
            let j = if k < i { k } else { k + 1 };
            let z = hadamard(&s[e], &layer.slope1[e]);
            add_row(&mut total, &z);
            add_row(&mut send[j], &z);
            d2[e] += dot_const(&w[current_row], &z);
            d2_first[e] += dot_const(&w[initial_row], &z);
            if WEIGHTS {
                add_last(&mut current, layer.d2[e], &z);
                add_last(&mut initial, if first.is_empty() { layer.d2[e] } else { first[e] }, &z);
            }
        }
        receive[i] = total;
    }
    if WEIGHTS {
        add_lanes(&mut grad[current_row], &current);
        add_lanes(&mut grad[initial_row], &initial);
        for r in receive.iter() {
            add_lanes(&mut grad[row::EDGE0_BIAS], &r[K - 1]);
        }
    }
}
