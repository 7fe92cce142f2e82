//! One sample through the network, recording what the reverse pass needs. Runs on numbers (`K = 1`) or on numbers
//! with tangents.

use multiversion::multiversion;

use super::kernels::{linear, silu};
use super::layout::row;
use crate::lanes::num::{H, Lanes, Num, Row, Vec3, add_lanes, add_row, add_scaled, dot_const, dot3, one_row};
use crate::lanes::num::{times, zero_row};
use crate::real::Real;
use crate::spec::NodeFeatures;

/// Reach of all coordinate updates together.
const COORDINATE_RANGE: f64 = 15.0;
/// Keeps the distance differentiable at zero.
const DISTANCE_FLOOR: f64 = 1e-8;

/// Edges whose exponentials are taken together.
const GROUP: usize = 16;

/// Fixed quantities of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Particles.
    pub particles: usize,
    /// Layers.
    pub layers: usize,
    /// How the two scalars `c_noise` and beta enter the nodes.
    pub inputs: NodeFeatures,
}

impl Shape {
    /// Ordered pairs of particles.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.particles * (self.particles - 1)
    }

    /// Whether entry `which` (0 or 1) of node `i` is `c_noise` (else beta).
    pub(super) fn is_noise(&self, i: usize, which: usize) -> bool {
        match self.inputs {
            NodeFeatures::Fixed => which == 0,
            // `n` times `c_noise`, then `n` times beta, cut into pairs.
            NodeFeatures::Faithful => 2 * i + which < self.particles,
        }
    }

    /// Reach of one layer's coordinate update.
    pub(super) fn range<T: Real>(&self) -> T {
        T::from_f64(COORDINATE_RANGE / self.layers as f64)
    }
}

/// A network with parameters, as the passes read it.
#[derive(Debug)]
pub struct Net<T> {
    /// Its shape.
    pub shape: Shape,
    /// Packed weights.
    pub rows: Vec<Lanes<T>>,
    /// The same with their blocks transposed.
    pub transposed: Vec<Lanes<T>>,
}

impl<T> Net<T> {
    /// Packed weights of a layer, and the same with their blocks transposed.
    pub(super) fn layer(&self, l: usize) -> [&[Lanes<T>]; 2] {
        [&self.rows, &self.transposed].map(|rows| &rows[row::FIRST + l * row::LAYER..][..row::LAYER])
    }
}

/// What one layer did; edge `(i, j)` is entry `i (n - 1) + (j < i ? j : j - 1)`.
#[derive(Debug)]
pub struct LayerTape<T, const K: usize> {
    /// Node features before the layer.
    pub h: Vec<Row<T, K>>,
    /// `x_i - x_j`.
    pub diff: Vec<Vec3<T, K>>,
    /// Squared distance.
    pub d2: Vec<Num<T, K>>,
    /// Edge network: first activation and its slope.
    pub s1: Vec<Row<T, K>>,
    /// Its slope.
    pub slope1: Vec<Row<T, K>>,
    /// Edge network: second activation.
    pub s2: Vec<Row<T, K>>,
    /// Its slope.
    pub slope2: Vec<Row<T, K>>,
    /// Attention gate.
    pub gate: Vec<Num<T, K>>,
    /// Message: gate times second activation.
    pub m: Vec<Row<T, K>>,
    /// Coordinate network: activation.
    pub s3: Vec<Row<T, K>>,
    /// Its slope.
    pub slope3: Vec<Row<T, K>>,
    /// Coordinate network: bounded output.
    pub tanh: Vec<Num<T, K>>,
    /// Sum of a node's messages.
    pub sum: Vec<Row<T, K>>,
    /// Node network: activation.
    pub s4: Vec<Row<T, K>>,
    /// Its slope.
    pub slope4: Vec<Row<T, K>>,
}

/// Working memory of one forward pass.
#[derive(Debug)]
pub struct Tape<T, const K: usize> {
    /// Per layer.
    pub layers: Vec<LayerTape<T, K>>,
    /// Output: displacement with its mean removed.
    pub out: Vec<Vec3<T, K>>,
    x: Vec<Vec3<T, K>>,
    receive: Vec<Row<T, K>>,
    send: Vec<Row<T, K>>,
}

/// Zero.
pub(super) fn zero<T: Real, const K: usize>() -> Num<T, K> {
    Num([T::ZERO; K])
}

/// The 32 x 32 block of packed rows that starts at `at`.
pub(super) fn block<T>(rows: &[Lanes<T>], at: usize) -> &[Lanes<T>; H] {
    rows[at..].first_chunk().expect("packed rows hold whole blocks")
}

impl<T: Real, const K: usize> Tape<T, K> {
    /// Memory for one sample.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let (n, e) = (shape.particles, shape.edges());
        let edge = || vec![zero_row(); e];
        let node = || vec![zero_row(); n];
        let layer = || LayerTape {
            h: node(),
            diff: vec![[zero(); 3]; e],
            d2: vec![zero(); e],
            s1: edge(),
            slope1: edge(),
            s2: edge(),
            slope2: edge(),
            gate: vec![zero(); e],
            m: edge(),
            s3: edge(),
            slope3: edge(),
            tanh: vec![zero(); e],
            sum: node(),
            s4: node(),
            slope4: node(),
        };
        Self {
            layers: (0..shape.layers).map(|_| layer()).collect(),
            out: vec![[zero(); 3]; n],
            x: vec![[zero(); 3]; n],
            receive: node(),
            send: node(),
        }
    }

    /// Runs the network on `c_noise`, beta and `y`; the output is `self.out`.
    pub fn run(&mut self, net: &Net<T>, (noise, beta): (Num<T, K>, T), y: &[Vec3<T, K>]) {
        let shape = &net.shape;
        embed(shape, &net.rows, noise, Num::constant(beta), &mut self.layers[0].h);
        self.x.copy_from_slice(y);
        for l in 0..shape.layers {
            let [w, _] = net.layer(l);
            let (done, rest) = self.layers.split_at_mut(l);
            let (layer, after) = rest.split_at_mut(1);
            let layer = &mut layer[0];
            linear::<T, false>(block(w, row::EDGE0), layer.h.as_flattened(), self.receive.as_flattened_mut());
            linear::<T, false>(block(w, row::EDGE0 + H), layer.h.as_flattened(), self.send.as_flattened_mut());
            distances(&self.x, layer);
            let first = done.first().map_or(&[][..], |first| &first.d2);
            edge_inputs(w, &self.receive, &self.send, first, layer);
            silu(&w[row::EDGE0_BIAS], &mut layer.s1, &mut layer.slope1);
            linear::<T, false>(block(w, row::EDGE2), layer.s1.as_flattened(), layer.s2.as_flattened_mut());
            silu(&w[row::EDGE2_BIAS], &mut layer.s2, &mut layer.slope2);
            gate(w, layer);
            linear::<T, false>(block(w, row::COORD0), layer.m.as_flattened(), layer.s3.as_flattened_mut());
            silu(&w[row::COORD0_BIAS], &mut layer.s3, &mut layer.slope3);
            displace(w, shape.range(), layer, &mut self.x);
            if let Some(next) = after.first_mut() {
                linear::<T, false>(block(w, row::NODE0), layer.h.as_flattened(), layer.s4.as_flattened_mut());
                linear::<T, true>(block(w, row::NODE0 + H), layer.sum.as_flattened(), layer.s4.as_flattened_mut());
                silu(&w[row::NODE0_BIAS], &mut layer.s4, &mut layer.slope4);
                for (h, old) in next.h.iter_mut().zip(&layer.h) {
                    *h = *old;
                    add_lanes(&mut h[0], &w[row::NODE2_BIAS]);
                }
                linear::<T, true>(block(w, row::NODE2), layer.s4.as_flattened(), next.h.as_flattened_mut());
            }
        }
        for i in 0..shape.particles {
            self.out[i] = std::array::from_fn(|c| self.x[i][c] - y[i][c]);
        }
        remove_mean(&mut self.out);
    }
}

/// Node features before the first layer.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn embed<T: Real, const K: usize>(
    shape: &Shape,
    w: &[Lanes<T>],
    noise: Num<T, K>,
    beta: Num<T, K>,
    h: &mut [Row<T, K>],
) {
    for (i, h) in h.iter_mut().enumerate() {
        *h = zero_row();
        h[0] = w[row::EMBED_BIAS];
        for which in 0..2 {
            let input = if shape.is_noise(i, which) { noise } else { beta };
            add_scaled(h, input, &w[row::EMBED + which]);
        }
    }
}

/// Subtracts the mean over particles.
pub(super) fn remove_mean<T: Real, const K: usize>(x: &mut [Vec3<T, K>]) {
    let weight = T::from_f64(1.0 / x.len() as f64);
    for c in 0..3 {
        let mut mean = zero();
        for p in x.iter() {
            mean += p[c];
        }
        let mean = mean.scale(weight);
        for p in x.iter_mut() {
            p[c] -= mean;
        }
    }
}

/// `1 / (sqrt(d2 + 1e-8) + 1)`, and the root.
#[inline(always)]
pub(super) fn inverse<T: Real>(d2: T) -> (T, T) {
    let root = (d2 + T::from_f64(DISTANCE_FLOOR)).sqrt();
    (T::ONE / (root + T::ONE), root)
}

/// [`inverse`] with its tangents.
#[inline(always)]
pub(super) fn inverse_num<T: Real, const K: usize>(d2: Num<T, K>) -> Num<T, K> {
    let (value, root) = inverse(d2.0[0]);
    d2.chain(value, -(value * value) / (root + root))
}

/// Differences and squared distances.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn distances<T: Real, const K: usize>(x: &[Vec3<T, K>], layer: &mut LayerTape<T, K>) {
    let n = x.len();
    for i in 0..n {
        for k in 0..n - 1 {
            let e = i * (n - 1) + k;
            let (a, b) = (x[i], x[if k < i { k } else { k + 1 }]);
            let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
            layer.d2[e] = dot3(&d, &d);
            layer.diff[e] = d;
        }
    }
}

/// First edge layer, factorised: a term of the receiving node, one of the sending, one per distance.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn edge_inputs<T: Real, const K: usize>(
    w: &[Lanes<T>],
    receive: &[Row<T, K>],
    send: &[Row<T, K>],
    first: &[Num<T, K>],
    layer: &mut LayerTape<T, K>,
) {
    let n = receive.len();
    for i in 0..n {
        for k in 0..n - 1 {
            let e = i * (n - 1) + k;
            let mut z = receive[i];
            add_row(&mut z, &send[if k < i { k } else { k + 1 }]);
            add_scaled(&mut z, layer.d2[e], &w[row::EDGE0 + 2 * H]);
            let initial = if first.is_empty() { layer.d2[e] } else { first[e] };
            add_scaled(&mut z, initial, &w[row::EDGE0 + 2 * H + 1]);
            layer.s1[e] = z;
        }
    }
}

/// Attention, and the sum of each node's messages.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn gate<T: Real, const K: usize>(w: &[Lanes<T>], layer: &mut LayerTape<T, K>) {
    let n = layer.sum.len();
    let edges = layer.gate.len();
    for start in (0..edges).step_by(GROUP) {
        let end = if start + GROUP < edges { start + GROUP } else { edges };
        let mut values = [T::ZERO; GROUP];
        for e in start..end {
            let e = one_row(e);
            layer.gate[e] = dot_const(&w[row::ATT], &layer.s2[e]);
            values[e - start] = layer.gate[e].0[0] + w[row::ATT_BIAS].0[0];
        }
        for v in &mut values {
            *v = v.sigmoid();
        }
        for e in start..end {
            let value = values[e - start];
            let e = one_row(e);
            layer.gate[e] = layer.gate[e].chain(value, value * (T::ONE - value));
            layer.m[e] = times(layer.gate[e], &layer.s2[e]);
        }
    }
    for i in 0..n {
        let mut sum = zero_row();
        for e in i * (n - 1)..(i + 1) * (n - 1) {
            add_row(&mut sum, &layer.m[one_row(e)]);
        }
        layer.sum[i] = sum;
    }
}

/// Moves the coordinates.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn displace<T: Real, const K: usize>(w: &[Lanes<T>], range: T, layer: &mut LayerTape<T, K>, x: &mut [Vec3<T, K>]) {
    let n = x.len();
    let edges = layer.tanh.len();
    for start in (0..edges).step_by(GROUP) {
        let end = if start + GROUP < edges { start + GROUP } else { edges };
        let mut values = [T::ZERO; GROUP];
        for e in start..end {
            let e = one_row(e);
            layer.tanh[e] = dot_const(&w[row::COORD2], &layer.s3[e]);
            values[e - start] = layer.tanh[e].0[0];
        }
        for v in &mut values {
            *v = v.tanh();
        }
        for e in start..end {
            let value = values[e - start];
            layer.tanh[e] = layer.tanh[e].chain(value, T::ONE - value * value);
            let step = (layer.tanh[e] * inverse_num(layer.d2[e])).scale(range);
            for c in 0..3 {
                x[e / (n - 1)][c] += step * layer.diff[e][c];
            }
        }
    }
}
