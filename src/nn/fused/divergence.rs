//! Exact trace of the backbone's Jacobian over all `3n` coordinates: one tangent direction per coordinate, pushed forward,
//! with three savings that change nothing in the result.
//!
//! - First layer: node features have no tangents and a coordinate of particle `k` moves only the distances to `k`, so the
//!   messages need one derivative (by the squared distance) per edge instead of one per direction.
//! - Every layer: the coordinate head is a scalar per edge, so its gradient `pull` in the edge's first pre-activation is
//!   formed once, and each direction costs a dot product.
//! - Last layer: the trace reads only the displacement of particle `k` under its own coordinates, so `n - 1` edges per
//!   direction remain. The mean that the output loses adds nothing: displacements do not change under translations.

use multiversion::multiversion;

use super::forward::{LayerTape, Net, Shape, Tape, block, inverse_num};
use super::kernels::{linear, linear_block};
use super::layout::row;
use super::reverse::gate;
use crate::lanes::num::{
    H, Lanes, Num, Row, add_lanes, add_scaled, add_times, dot, dot_const, dot_lanes, hadamard, one_row, product, times,
    zero_row,
};
use crate::real::Real;

/// Working memory.
#[derive(Debug)]
pub(super) struct Divergence<T> {
    /// Tangents of positions, `[direction][particle]`.
    x: Vec<[T; 3]>,
    /// Tangents of node features, `[direction][particle]`.
    h: Vec<Lanes<T>>,
    /// Tangents of summed messages, `[direction][particle]`.
    sums: Vec<Lanes<T>>,
    receive: Vec<Lanes<T>>,
    send: Vec<Lanes<T>>,
    /// Gradient of the bounded coordinate output of each edge in its first pre-activation.
    pull: Vec<Row<T, 1>>,
    edge: Vec<Row<T, 1>>,
    other: Vec<Row<T, 1>>,
    step: Vec<Step<T>>,
    no_messages: Vec<Row<T, 1>>,
}

/// Coordinate update of one edge: `tanh / (d + 1)` times the difference.
#[derive(Debug, Clone, Copy)]
struct Step<T> {
    /// `range / (d + 1)`.
    inverse: T,
    /// `range tanh / (d + 1)`.
    size: T,
    /// Derivative of `size` in the squared distance at fixed `tanh`.
    slope: T,
}

impl<T: Real> Divergence<T> {
    /// Memory for one sample.
    pub(super) fn new(shape: &Shape) -> Self {
        let (n, e) = (shape.particles, shape.edges());
        let nodes = || vec![Lanes([T::ZERO; H]); 3 * n * n];
        let edges = || vec![zero_row(); e];
        let step = Step { inverse: T::ZERO, size: T::ZERO, slope: T::ZERO };
        Self {
            x: vec![[T::ZERO; 3]; 3 * n * n],
            h: nodes(),
            sums: nodes(),
            receive: nodes(),
            send: nodes(),
            pull: edges(),
            edge: edges(),
            other: edges(),
            step: vec![step; e],
            no_messages: vec![zero_row(); n],
        }
    }

    /// The trace at the point that `tape` recorded.
    pub(super) fn trace(&mut self, net: &Net<T>, tape: &Tape<T, 1>) -> T {
        let mut trace = T::ZERO;
        for (l, layer) in tape.layers.iter().enumerate() {
            let [w, wt] = net.layer(l);
            let is_last = l + 1 == net.shape.layers;
            prepare(self, w, wt, net.shape.range(), layer);
            trace += if l == 0 {
                first(self, w, layer)
            } else if is_last {
                last(self, wt, (w, layer, &tape.layers[0]))
            } else {
                linear::<T, false>(block(w, row::EDGE0), &self.h, &mut self.receive);
                linear::<T, false>(block(w, row::EDGE0 + H), &self.h, &mut self.send);
                middle(self, w, layer, &tape.layers[0])
            };
            if !is_last {
                nodes(self, l == 0, w, layer);
            }
        }
        trace
    }
}

/// `memory.pull` and `memory.step` of a layer.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn prepare<T: Real>(memory: &mut Divergence<T>, w: &[Lanes<T>], wt: &[Lanes<T>], range: T, layer: &LayerTape<T, 1>) {
    for (e, z) in memory.edge.iter_mut().enumerate() {
        let e = one_row(e);
        let tanh = layer.tanh[e].0[0];
        let mut s = zero_row();
        add_scaled(&mut s, Num([T::ONE - tanh * tanh]), &w[row::COORD2]);
        *z = hadamard(&s, &layer.slope3[e]);
        let d2 = layer.d2[e].0[0];
        let inverse: Num<T, 2> = inverse_num(Num([d2, T::ONE]));
        memory.step[e] = Step {
            inverse: range * inverse.0[0],
            size: range * inverse.0[0] * tanh,
            slope: range * inverse.0[1] * tanh,
        };
    }
    linear::<T, false>(block(wt, row::COORD0), memory.edge.as_flattened(), memory.other.as_flattened_mut());
    gate::<T, 1, false>(w, layer, &memory.no_messages, &memory.other, &mut memory.edge, &mut []);
    linear::<T, false>(block(wt, row::EDGE2), memory.edge.as_flattened(), memory.pull.as_flattened_mut());
    for (pull, slope) in memory.pull.iter_mut().zip(&layer.slope1) {
        let pull = one_row(pull);
        *pull = hadamard(pull, slope);
    }
}

/// First layer: `memory.x`, `memory.sums`; returns its part of the trace.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn first<T: Real>(memory: &mut Divergence<T>, w: &[Lanes<T>], layer: &LayerTape<T, 1>) -> T {
    let n = layer.h.len();
    // Derivative of each message by the squared distance (current and initial are the same here).
    let mut along = w[row::EDGE0 + 2 * H];
    add_lanes(&mut along, &w[row::EDGE0 + 2 * H + 1]);
    for (z, slope) in memory.other.iter_mut().zip(&layer.slope1) {
        let z = one_row(z);
        *z = hadamard(&[along], slope);
    }
    linear::<T, false>(block(w, row::EDGE2), memory.other.as_flattened(), memory.edge.as_flattened_mut());
    for (e, s) in memory.edge.iter_mut().enumerate() {
        let e = one_row(e);
        *s = message_tangent(w, layer, e, &s[0]);
    }
    let two = T::ONE + T::ONE;
    let mut trace = T::ZERO;
    memory.sums.fill(Lanes([T::ZERO; H]));
    for k in 0..n {
        for c in 0..3 {
            let at = (3 * k + c) * n;
            let (x, sums) = (&mut memory.x[at..][..n], &mut memory.sums[at..][..n]);
            x.fill([T::ZERO; 3]);
            for i in 0..n {
                // Particle k feels all its edges, the others only the one to k.
                let neighbours = if i == k { 0..n } else { k..k + 1 };
                let sign = if i == k { T::ONE } else { -T::ONE };
                for j in neighbours {
                    if j == i {
                        continue;
                    }
                    let e = edge(n, i, j);
                    let diff = &layer.diff[e];
                    let d2 = two * sign * diff[c].0[0];
                    let tanh = d2 * dot_const(&along, &memory.pull[e]).0[0];
                    let step = memory.step[e];
                    let size = tanh * step.inverse + d2 * step.slope;
                    for a in 0..3 {
                        x[i][a] += size * diff[a].0[0];
                    }
                    x[i][c] += sign * step.size;
                    add_times(&mut sums[i], d2, &memory.edge[e][0]);
                }
            }
            trace += x[k][c];
            x[k][c] += T::ONE;
        }
    }
    trace
}

/// Node update: `memory.h` from `memory.h` and `memory.sums`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn nodes<T: Real>(memory: &mut Divergence<T>, is_first: bool, w: &[Lanes<T>], layer: &LayerTape<T, 1>) {
    if is_first {
        memory.h.fill(Lanes([T::ZERO; H]));
        linear::<T, false>(block(w, row::NODE0 + H), &memory.sums, &mut memory.receive);
    } else {
        linear::<T, false>(block(w, row::NODE0), &memory.h, &mut memory.receive);
        linear::<T, true>(block(w, row::NODE0 + H), &memory.sums, &mut memory.receive);
    }
    for direction in memory.receive.chunks_mut(layer.h.len()) {
        for (s, slope) in direction.iter_mut().zip(&layer.slope4) {
            let s = one_row(s);
            *s = product(s, &slope[0]);
        }
    }
    linear::<T, true>(block(w, row::NODE2), &memory.receive, &mut memory.h);
}

#[inline(always)]
fn subtract<T: Real>(a: &[T; 3], b: &[T; 3]) -> [T; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// Index of edge `(i, j)`.
#[inline(always)]
fn edge(n: usize, i: usize, j: usize) -> usize {
    i * (n - 1) + j - usize::from(j > i)
}

/// Tangent of the message of edge `e` from the tangent `v` of its second pre-activation.
#[inline(always)]
fn message_tangent<T: Real>(w: &[Lanes<T>], layer: &LayerTape<T, 1>, e: usize, v: &Lanes<T>) -> Row<T, 1> {
    let s = hadamard(&[*v], &layer.slope2[e]);
    let gate = layer.gate[e].0[0];
    let opens = gate * (T::ONE - gate) * dot_const(&w[row::ATT], &s).0[0];
    let mut m = times(Num([opens]), &layer.s2[e]);
    add_times(&mut m[0], gate, &s[0]);
    m
}

/// A layer that is neither first nor last: updates `x`, writes `sums`; returns its part of the trace.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn middle<T: Real>(memory: &mut Divergence<T>, w: &[Lanes<T>], layer: &LayerTape<T, 1>, first: &LayerTape<T, 1>) -> T {
    const BLOCK: usize = 4;
    let n = layer.h.len();
    let two = T::ONE + T::ONE;
    let (current, initial) = (&w[row::EDGE0 + 2 * H], &w[row::EDGE0 + 2 * H + 1]);
    let w2 = block(w, row::EDGE2);
    let mut trace = T::ZERO;
    for k in 0..n {
        for c in 0..3 {
            let at = (3 * k + c) * n;
            let mut moved = [T::ZERO; 3];
            let before = memory.x[at..][..n].to_vec();
            for i in 0..n {
                let mut sum = Lanes([T::ZERO; H]);
                let mut j = 0;
                while j < n {
                    let mut u = [Lanes([T::ZERO; H]); BLOCK];
                    let mut es = [usize::MAX; BLOCK];
                    let mut filled = 0;
                    while filled < BLOCK && j < n {
                        if j == i {
                            j += 1;
                            continue;
                        }
                        let e = edge(n, i, j);
                        let diff = &layer.diff[e];
                        let d = subtract(&before[i], &before[j]);
                        let d2 = two * (d[0] * diff[0].0[0] + d[1] * diff[1].0[0] + d[2] * diff[2].0[0]);
                        let sign = if i == k { two } else { -two };
                        let d2_first = if i == k || j == k { sign * first.diff[e][c].0[0] } else { T::ZERO };
                        let (a, b) = (&memory.receive[at + i], &memory.send[at + j]);
                        let mut z = [*a];
                        add_lanes(&mut z[0], b);
                        add_scaled(&mut z, Num([d2]), current);
                        add_scaled(&mut z, Num([d2_first]), initial);
                        let tanh = dot(&z, &memory.pull[e]).0[0];
                        let step = memory.step[e];
                        let size = tanh * step.inverse + d2 * step.slope;
                        for a in 0..3 {
                            let move_a = size * diff[a].0[0] + step.size * d[a];
                            memory.x[at + i][a] += move_a;
                            if i == k {
                                moved[a] += move_a;
                            }
                        }
                        u[filled] = hadamard(&z, &layer.slope1[e])[0];
                        es[filled] = e;
                        filled += 1;
                        j += 1;
                    }
                    let mut v = [Lanes([T::ZERO; H]); BLOCK];
                    linear_block::<T, BLOCK, false>(w2, &u, &mut v);
                    for (v, e) in v.iter().zip(es).take(filled) {
                        add_lanes(&mut sum, &message_tangent(w, layer, e, v)[0]);
                    }
                }
                memory.sums[at + i] = sum;
            }
            trace += moved[c];
        }
    }
    trace
}

/// The last layer's part of the trace; `layers`: packed rows, this layer, first layer.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn last<T: Real>(
    memory: &mut Divergence<T>,
    wt: &[Lanes<T>],
    layers: (&[Lanes<T>], &LayerTape<T, 1>, &LayerTape<T, 1>),
) -> T {
    let (w, layer, first) = layers;
    let n = layer.h.len();
    let two = T::ONE + T::ONE;
    // Gradients of the coordinate output in the features of the receiving and the sending node.
    let (receive, send) = (&mut memory.edge, &mut memory.other);
    linear::<T, false>(block(wt, row::EDGE0), memory.pull.as_flattened(), receive.as_flattened_mut());
    linear::<T, false>(block(wt, row::EDGE0 + H), memory.pull.as_flattened(), send.as_flattened_mut());
    let mut trace = T::ZERO;
    for k in 0..n {
        for j in 0..n {
            if j == k {
                continue;
            }
            let e = edge(n, k, j);
            let diff = &layer.diff[e];
            let along = dot_const(&w[row::EDGE0 + 2 * H], &memory.pull[e]).0[0];
            let along_first = dot_const(&w[row::EDGE0 + 2 * H + 1], &memory.pull[e]).0[0];
            let step = memory.step[e];
            for c in 0..3 {
                let at = (3 * k + c) * n;
                let d = subtract(&memory.x[at + k], &memory.x[at + j]);
                let d2 = two * (d[0] * diff[0].0[0] + d[1] * diff[1].0[0] + d[2] * diff[2].0[0]);
                let d2_first = two * first.diff[e][c].0[0];
                let features = dot_lanes(&receive[e][0], &memory.h[at + k]) + dot_lanes(&send[e][0], &memory.h[at + j]);
                let tanh = features + along * d2 + along_first * d2_first;
                trace += (tanh * step.inverse + d2 * step.slope) * diff[c].0[0] + step.size * d[c];
            }
        }
    }
    trace
}
