//! Rotary multi-head attention over the few tokens of a sample, in cache, head by head; forward and reverse, once for any
//! number of tangents.
//!
//! Rows of `qkv` hold queries, keys and values (`3 hidden` features, head by head); queries and keys are rotated there:
//! `S_ij = <q_i, k_j> / sqrt(head)`, `P = softmax_j(S)`, `o_i = sum_j P_ij v_j`. Every product is bilinear, so a tangent
//! of it is two products of the same kind ([`bilinear`]).

use std::ops::Range;

use multiversion::multiversion;

use super::mat::{Mat, pairs};
use super::norm::{across, less};
use super::plan::Plan;
use crate::lanes::gemm::{Start, outer_columns, product};
use crate::lanes::num::{H, Lanes, Num, Row, hadamard, one_row, times};
use crate::real::Real;

/// Base of the rotary frequencies.
const ROTARY_BASE: f64 = 10_000.0;

/// Angle by which feature `feature` of a head of width `head` turns for each token: both of a pair by the same.
#[must_use]
pub fn angle(token: usize, feature: usize, head: usize) -> f64 {
    token as f64 * ROTARY_BASE.powf(-2.0 * (feature / 2) as f64 / head as f64)
}

/// Rotation of token `i` (interleaved pairs `(2i, 2i + 1)`, angle `token * 10000^(-2i/head)`), and the shape.
#[derive(Debug, Clone)]
pub struct Attention<T> {
    tokens: usize,
    heads: usize,
    head: usize,
    hidden: usize,
    cos: Vec<Lanes<T>>,
    /// Of the first entry of each pair negative.
    sin: Vec<Lanes<T>>,
}

/// One head of one sample. Rows of features are `[tokens]` lanes; `turned` ones are `[lanes of tokens][features]`; rows
/// over all tokens as inputs of a product are padded with zeros to full lanes.
#[derive(Debug)]
pub struct HeadMemory<T> {
    q: Mat<T>,
    k: Mat<T>,
    v: Mat<T>,
    turned: Mat<T>,
    s: Mat<T>,
    s_bar: Mat<T>,
    o: Mat<T>,
    out: Mat<T>,
    out_turned: Mat<T>,
}

impl<T: Real> Attention<T> {
    /// Tables for a plan.
    pub fn new(plan: &Plan) -> Self {
        let angle = |token, lane| angle(token, lane % plan.head, plan.head);
        let table = |f: &dyn Fn(usize, usize) -> f64| -> Vec<Lanes<T>> {
            (0..plan.tokens).map(|t| Lanes(std::array::from_fn(|o| T::from_f64(f(t, o))))).collect()
        };
        Self {
            tokens: plan.tokens,
            heads: plan.heads,
            head: plan.head,
            hidden: plan.hidden,
            cos: table(&|t, o| angle(t, o).cos()),
            sin: table(&|t, o| if o % 2 == 0 { -angle(t, o).sin() } else { angle(t, o).sin() }),
        }
    }

    /// Lanes that hold one number per token.
    fn token_lanes(&self) -> usize {
        self.tokens.div_ceil(H)
    }

    /// Lanes of a row of probabilities: every head's.
    pub fn probability_lanes(&self) -> usize {
        self.heads * self.token_lanes()
    }

    /// Working memory.
    pub fn memory(&self, components: usize) -> HeadMemory<T> {
        let (n, lanes) = (self.tokens, self.token_lanes());
        let mat = |rows, lanes| Mat::new(components, rows, lanes);
        HeadMemory {
            q: mat(n, 1),
            k: mat(lanes * H, 1),
            v: mat(lanes * H, 1),
            turned: mat(lanes * H, 1),
            s: mat(n, lanes),
            s_bar: mat(n, lanes),
            o: mat(n, 1),
            out: mat(n, 1),
            out_turned: mat(lanes * H, 1),
        }
    }

    /// Rotates queries and keys (back when `BACK`) of the components `from..to`.
    pub fn rotate<const BACK: bool>(&self, qkv: &mut Mat<T>, from: usize, to: usize) {
        let lanes = qkv.lanes;
        rotate::<T, BACK>(&self.cos, &self.sin, 2 * self.hidden, lanes, qkv.part_mut(from, to));
    }

    /// `1/sqrt(head)`.
    fn scale(&self) -> T {
        T::from_f64(1.0 / (self.head as f64).sqrt())
    }

    /// Copies a head out of rows of lanes, from feature lane `offset` on.
    fn load(&self, from: &Mat<T>, sample: usize, head: usize, offset: usize, components: usize, to: &mut Mat<T>) {
        let start = head * self.head;
        let (c, lane) = (offset + start / H, start % H);
        for k in 0..components {
            let rows = from.part(k, k + 1)[sample * self.tokens * from.lanes..].chunks_exact(from.lanes);
            for (to, row) in to.part_mut(k, k + 1)[..self.tokens].iter_mut().zip(rows) {
                if self.head == H {
                    *to = row[c];
                } else {
                    to.0[..self.head].copy_from_slice(&row[c].0[lane..lane + self.head]);
                }
            }
        }
    }

    /// Writes a head into rows of lanes.
    fn store(&self, from: &Mat<T>, sample: usize, head: usize, offset: usize, components: usize, to: &mut Mat<T>) {
        let start = head * self.head;
        let (c, lane) = (offset + start / H, start % H);
        let lanes = to.lanes;
        for k in 0..components {
            let rows = to.part_mut(k, k + 1)[sample * self.tokens * lanes..].chunks_exact_mut(lanes);
            for (from, row) in from.part(k, k + 1)[..self.tokens].iter().zip(rows) {
                if self.head == H {
                    row[c] = *from;
                } else {
                    row[c].0[lane..lane + self.head].copy_from_slice(&from.0[..self.head]);
                }
            }
        }
    }

    /// Probabilities and outputs of every sample and head, for the tokens `queries`, with `tangents`.
    pub fn forward<const K: usize>(
        &self,
        qkv: &Mat<T>,
        p: &mut Mat<T>,
        o: &mut Mat<T>,
        m: &mut HeadMemory<T>,
        queries: Range<usize>,
        tangents: usize,
    ) {
        let (n, lanes, all) = (self.tokens, self.token_lanes(), tangents + 1);
        for sample in 0..qkv.rows / n {
            for head in 0..self.heads {
                self.load(qkv, sample, head, 0, all, &mut m.q);
                self.load(qkv, sample, head, self.hidden, all, &mut m.k);
                self.load(qkv, sample, head, 2 * self.hidden, all, &mut m.v);
                turn(&m.k, n, self.head, all, &mut m.turned);
                let rows = |x: &[Lanes<T>], lanes| queries.start * lanes..x.len().min(queries.end * lanes);
                bilinear(&m.q, &m.turned, &mut m.s, all, |q, k, s, start| {
                    let (x, y) = (rows(q, 1), rows(s, lanes));
                    product(k, &q[x], 1, start, &mut s[y], lanes);
                });
                softmax::<T, K>(&mut m.s, queries.clone(), n, self.scale(), tangents);
                bilinear(&m.s, &m.v, &mut m.o, all, |p, v, o, start| {
                    let (x, y) = (rows(p, lanes), rows(o, 1));
                    product(v, &p[x], lanes, start, &mut o[y], 1);
                });
                self.store(&m.o, sample, head, 0, all, o);
                copy(&m.s, (0, 0), p, (sample * n, head * lanes), (n, lanes), all);
            }
        }
    }

    /// Adjoint of (rotated) `qkv` from that of the output; `K - 1` tangents.
    pub fn reverse<const K: usize>(
        &self,
        qkv: &Mat<T>,
        p: &Mat<T>,
        o_bar: &Mat<T>,
        qkv_bar: &mut Mat<T>,
        m: &mut HeadMemory<T>,
    ) {
        let (n, lanes) = (self.tokens, self.token_lanes());
        for sample in 0..qkv.rows / n {
            for head in 0..self.heads {
                self.load(qkv, sample, head, 0, K, &mut m.q);
                self.load(qkv, sample, head, self.hidden, K, &mut m.k);
                self.load(qkv, sample, head, 2 * self.hidden, K, &mut m.v);
                self.load(o_bar, sample, head, 0, K, &mut m.o);
                copy(p, (sample * n, head * lanes), &mut m.s, (0, 0), (n, lanes), K);
                turn(&m.v, n, self.head, K, &mut m.turned);
                let sums = |x: &[Lanes<T>], y: &[Lanes<T>], g: &mut [Lanes<T>], start: Start<'_, T>| {
                    if matches!(start, Start::Zero) {
                        g.fill(Lanes([T::ZERO; H]));
                    }
                    outer_columns(x, lanes, y, n, g);
                };
                bilinear(&m.o, &m.turned, &mut m.s_bar, K, |o, v, p, start| product(v, o, 1, start, p, lanes));
                bilinear(&m.s, &m.o, &mut m.out_turned, K, sums);
                self.store(&m.out_turned, sample, head, 2 * self.hidden, K, qkv_bar);
                softmax_reverse::<T, K>(&m.s, &mut m.s_bar, self.scale());
                bilinear(&m.s_bar, &m.k, &mut m.out, K, |s, k, q, start| product(k, s, lanes, start, q, 1));
                self.store(&m.out, sample, head, 0, K, qkv_bar);
                bilinear(&m.s_bar, &m.q, &mut m.out_turned, K, sums);
                self.store(&m.out_turned, sample, head, self.hidden, K, qkv_bar);
            }
        }
    }
}

/// A bilinear `out = f(a, b)` with its tangents: `f(a_0, b_k) + f(a_k, b_0)`.
fn bilinear<T: Real>(
    a: &Mat<T>,
    b: &Mat<T>,
    out: &mut Mat<T>,
    components: usize,
    f: impl Fn(&[Lanes<T>], &[Lanes<T>], &mut [Lanes<T>], Start<'_, T>),
) {
    let (a0, b0) = (a.part(0, 1), b.part(0, 1));
    f(a0, b0, out.part_mut(0, 1), Start::Zero);
    for k in 1..components {
        f(a0, b.part(k, k + 1), out.part_mut(k, k + 1), Start::Zero);
        f(a.part(k, k + 1), b0, out.part_mut(k, k + 1), Start::Add);
    }
}

/// A place in rows of lanes: row, lane.
type Place = (usize, usize);

/// Copies a rectangle of `rows` times `lanes`.
fn copy<T: Real>(
    from: &Mat<T>,
    (from_row, from_lane): Place,
    to: &mut Mat<T>,
    (to_row, to_lane): Place,
    (rows, lanes): (usize, usize),
    components: usize,
) {
    let (from_lanes, to_lanes) = (from.lanes, to.lanes);
    for k in 0..components {
        let from = from.part(k, k + 1)[from_row * from_lanes..].chunks_exact(from_lanes);
        let to = to.part_mut(k, k + 1)[to_row * to_lanes..].chunks_exact_mut(to_lanes);
        for (from, to) in from.zip(to).take(rows) {
            to[to_lane..to_lane + lanes].copy_from_slice(&from[from_lane..from_lane + lanes]);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn rotate<T: Real, const BACK: bool>(
    cos: &[Lanes<T>],
    sin: &[Lanes<T>],
    rotated: usize,
    lanes: usize,
    rows: &mut [Lanes<T>],
) {
    for (r, row) in rows.chunks_exact_mut(lanes).enumerate() {
        let (cos, sin) = (&cos[r % cos.len()], &sin[r % cos.len()]);
        for x in &mut row[..rotated] {
            let mut out = *x;
            for o in 0..H {
                let s = if BACK { -sin.0[o] } else { sin.0[o] };
                out.0[o] = x.0[o].fma(cos.0[o], x.0[o ^ 1] * s);
            }
            *x = out;
        }
    }
}

/// `turned[c][f]` holds feature `f` of the tokens in lanes `c`.
fn turn<T: Real>(rows: &Mat<T>, tokens: usize, features: usize, components: usize, turned: &mut Mat<T>) {
    for k in 0..components {
        let turned = turned.part_mut(k, k + 1);
        for (t, row) in rows.part(k, k + 1)[..tokens].iter().enumerate() {
            let columns = turned[(t / H) * H..][..features].iter_mut();
            for (column, &x) in columns.zip(&row.0) {
                column.0[t % H] = x;
            }
        }
    }
}

/// Softmax of `scale` times each of some rows of `n` numbers; the lanes after them become zero.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn softmax<T: Real, const K: usize>(p: &mut Mat<T>, rows: Range<usize>, n: usize, scale: T, tangents: usize) {
    let lanes = n.div_ceil(H);
    for row in rows {
        let mut largest = p.get::<1>(row, 0)[0].0[0];
        for c in 0..lanes {
            let c = one_row(c);
            let s = p.get::<1>(row, c);
            for o in 0..H {
                if c * H + o < n && s[0].0[o] > largest {
                    largest = s[0].0[o];
                }
            }
        }
        let mut total = [Lanes([T::ZERO; H])];
        for c in 0..lanes {
            let c = one_row(c);
            let mut s = p.get::<1>(row, c);
            for o in 0..H {
                let kept = if c * H + o < n { T::ONE } else { T::ZERO };
                s[0].0[o] = ((s[0].0[o] - largest) * scale).exp() * kept;
                total[0].0[o] += s[0].0[o];
            }
            p.put(row, c, &s);
        }
        let inverse = Num([T::ONE / across(&total).0[0]]);
        for c in 0..lanes {
            let c = one_row(c);
            let value = times(inverse, &p.get::<1>(row, c));
            p.put(row, c, &value);
        }
        if K == 1 {
            continue;
        }
        // dp = p (ds - <p, ds>)
        for t in pairs::<2>(tangents) {
            let mut along = [Lanes([T::ZERO; H])];
            for c in 0..lanes {
                let c = one_row(c);
                let s = p.get_at::<2>(row, c, t);
                for o in 0..H {
                    along[0].0[o] = s[0].0[o].fma(s[1].0[o], along[0].0[o]);
                }
            }
            let along = across(&along).0[0];
            for c in 0..lanes {
                let c = one_row(c);
                let mut s = p.get_at::<2>(row, c, t);
                for o in 0..H {
                    s[1].0[o] = s[0].0[o] * (s[1].0[o] - along) * scale;
                }
                p.put_at(row, c, t, &s);
            }
        }
    }
}

/// `s_bar <- scale p (p_bar - <p, p_bar>)`, row by row; `s_bar` holds `p_bar` before.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn softmax_reverse<T: Real, const K: usize>(p: &Mat<T>, s_bar: &mut Mat<T>, scale: T) {
    for row in 0..p.rows {
        let mut inner = Num::<T, K>([T::ZERO; K]);
        for c in 0..p.lanes {
            let c = one_row(c);
            let both: Row<T, K> = hadamard(&p.get(row, c), &s_bar.get(row, c));
            inner += across(&both);
        }
        for c in 0..p.lanes {
            let c = one_row(c);
            let mut out: Row<T, K> = hadamard(&p.get(row, c), &less(&s_bar.get(row, c), inner));
            for k in 0..K {
                for o in 0..H {
                    out[k].0[o] = out[k].0[o] * scale;
                }
            }
            s_bar.put(row, c, &out);
        }
    }
}
