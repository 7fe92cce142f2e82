//! Rotary multi-head attention over the few tokens of a sample, in cache, head by head; forward and reverse, once for any
//! number of tangents.
//!
//! Rows of `qkv` hold queries, keys and values (`3 hidden` features, head by head); queries and keys are rotated there:
//! `S_ij = <q_i, k_j> / sqrt(head)`, `P = softmax_j(S)`, `o_i = sum_j P_ij v_j`.

use multiversion::multiversion;

use super::mat::Mat;
use super::plan::Plan;
use crate::nn::fused::num::{H, Lanes, Num, Row, add_row, times};
use crate::real::Real;

/// Base of the rotary frequencies.
const ROTARY_BASE: f64 = 10_000.0;

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

/// One head of one sample, features or tokens as lanes.
#[derive(Debug, Clone)]
pub struct HeadMemory<T, const K: usize> {
    q: Vec<Row<T, K>>,
    k: Vec<Row<T, K>>,
    v: Vec<Row<T, K>>,
    /// `[lanes of tokens][features]`.
    turned: Vec<Row<T, K>>,
    q_bar: Vec<Row<T, K>>,
    k_bar: Vec<Row<T, K>>,
    v_bar: Vec<Row<T, K>>,
}

#[inline(always)]
fn zero<T: Real, const K: usize>() -> Row<T, K> {
    [Lanes([T::ZERO; H]); K]
}

impl<T: Real> Attention<T> {
    /// Tables for a plan.
    pub fn new(plan: &Plan) -> Self {
        let angle = |token: usize, lane: usize| {
            let pair = (lane % plan.head) / 2;
            token as f64 * ROTARY_BASE.powf(-2.0 * pair as f64 / plan.head as f64)
        };
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
    pub fn token_lanes(&self) -> usize {
        self.tokens.div_ceil(H)
    }

    /// Lanes of a row of probabilities: every head's.
    pub fn probability_lanes(&self) -> usize {
        self.heads * self.token_lanes()
    }

    /// Working memory.
    pub fn memory<const K: usize>(&self) -> HeadMemory<T, K> {
        let rows = || vec![zero(); self.tokens];
        let turned = vec![zero(); self.token_lanes() * H];
        HeadMemory { q: rows(), k: rows(), v: rows(), turned, q_bar: rows(), k_bar: rows(), v_bar: rows() }
    }

    /// Rotates queries and keys (back when `BACK`) of the components `from..to`.
    pub fn rotate<const BACK: bool>(&self, qkv: &mut Mat<T>, from: usize, to: usize) {
        let lanes = qkv.lanes;
        rotate::<T, BACK>(&self.cos, &self.sin, 2 * self.hidden, lanes, qkv.part_mut(from, to));
    }

    /// `1/sqrt(head)`.
    #[inline(always)]
    fn scale(&self) -> T {
        T::from_f64(1.0 / (self.head as f64).sqrt())
    }

    /// Copies a head out of rows of lanes, from feature lane `offset` on.
    #[inline(always)]
    fn load<const K: usize>(&self, from: &Mat<T>, sample: usize, head: usize, offset: usize, to: &mut [Row<T, K>]) {
        let start = head * self.head;
        let (c, lane) = (offset + start / H, start % H);
        for t in 0..self.tokens {
            let row = from.get::<K>(sample * self.tokens + t, c);
            to[t] = if self.head == H { row } else { shifted(&row, lane, self.head) };
        }
    }

    /// Writes a head into rows of lanes.
    #[inline(always)]
    fn store<const K: usize>(&self, from: &[Row<T, K>], sample: usize, head: usize, offset: usize, to: &mut Mat<T>) {
        let start = head * self.head;
        let (c, lane) = (offset + start / H, start % H);
        for t in 0..self.tokens {
            let row = sample * self.tokens + t;
            if self.head == H {
                to.put(row, c, &from[t]);
            } else {
                let mut whole = to.get::<K>(row, c);
                for k in 0..K {
                    whole[k].0[lane..lane + self.head].copy_from_slice(&from[t][k].0[..self.head]);
                }
                to.put(row, c, &whole);
            }
        }
    }

    /// Probabilities and outputs of every sample and head.
    pub fn forward<const K: usize>(&self, qkv: &Mat<T>, p: &mut Mat<T>, o: &mut Mat<T>, memory: &mut HeadMemory<T, K>) {
        forward(self, qkv, p, o, memory);
    }

    /// Adjoint of (rotated) `qkv` from that of the output.
    pub fn reverse<const K: usize>(
        &self,
        qkv: &Mat<T>,
        p: &Mat<T>,
        o_bar: &Mat<T>,
        qkv_bar: &mut Mat<T>,
        memory: &mut HeadMemory<T, K>,
    ) {
        reverse(self, qkv, p, o_bar, qkv_bar, memory);
    }
}

/// `width` lanes from `lane` on, then zeros.
#[inline(always)]
fn shifted<T: Real, const K: usize>(row: &Row<T, K>, lane: usize, width: usize) -> Row<T, K> {
    let mut out = zero();
    for k in 0..K {
        out[k].0[..width].copy_from_slice(&row[k].0[lane..lane + width]);
    }
    out
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
#[inline(always)]
fn turn<T: Real, const K: usize>(rows: &[Row<T, K>], features: usize, turned: &mut [Row<T, K>]) {
    for (t, row) in rows.iter().enumerate() {
        let lanes = &mut turned[(t / H) * H..][..H];
        for k in 0..K {
            for f in 0..features {
                lanes[f][k].0[t % H] = row[k].0[f];
            }
        }
    }
}

/// `<x, column>` of a row with every column of `turned`: one number per token in lanes.
#[inline(always)]
fn against<T: Real, const K: usize>(x: &Row<T, K>, features: usize, turned: &[Row<T, K>]) -> Row<T, K> {
    let mut out: Row<T, K> = zero();
    for f in 0..features {
        let column = &turned[f];
        for k in 0..K {
            let a = x[0].0[f];
            for o in 0..H {
                out[k].0[o] = a.fma(column[k].0[o], out[k].0[o]);
            }
        }
        for k in 1..K {
            let a = x[k].0[f];
            for o in 0..H {
                out[k].0[o] = a.fma(column[0].0[o], out[k].0[o]);
            }
        }
    }
    out
}

/// Number in lane `t`, with tangents.
#[inline(always)]
fn lane<T: Real, const K: usize>(x: &Row<T, K>, t: usize) -> Num<T, K> {
    let mut out = [T::ZERO; K];
    for k in 0..K {
        out[k] = x[k].0[t];
    }
    Num(out)
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn forward<T: Real, const K: usize>(
    at: &Attention<T>,
    qkv: &Mat<T>,
    p: &mut Mat<T>,
    o: &mut Mat<T>,
    m: &mut HeadMemory<T, K>,
) {
    let (n, token_lanes) = (at.tokens, at.token_lanes());
    for sample in 0..qkv.rows / n {
        for head in 0..at.heads {
            at.load(qkv, sample, head, 0, &mut m.q);
            at.load(qkv, sample, head, at.hidden, &mut m.k);
            at.load(qkv, sample, head, 2 * at.hidden, &mut m.v);
            turn(&m.k, at.head, &mut m.turned);
            for i in 0..n {
                let row = sample * n + i;
                for c in 0..token_lanes {
                    let s = against(&m.q[i], at.head, &m.turned[c * H..]);
                    p.put(row, head * token_lanes + c, &s);
                }
                softmax::<T, K>(p, row, head * token_lanes, n, at.scale());
                let mut out = zero();
                for j in 0..n {
                    let weight = lane(&p.get::<K>(row, head * token_lanes + j / H), j % H);
                    add_row(&mut out, &times(weight, &m.v[j]));
                }
                m.q_bar[i] = out;
            }
            at.store(&m.q_bar, sample, head, 0, o);
        }
    }
}

/// Softmax of `scale` times `n` numbers in lanes from `first` on; the lanes after them become zero.
#[inline(always)]
fn softmax<T: Real, const K: usize>(p: &mut Mat<T>, row: usize, first: usize, n: usize, scale: T) {
    let token_lanes = n.div_ceil(H);
    let mut largest = p.get::<1>(row, first)[0].0[0];
    for c in 0..token_lanes {
        let s = p.get::<1>(row, first + c);
        for o in 0..H {
            if c * H + o < n && s[0].0[o] > largest {
                largest = s[0].0[o];
            }
        }
    }
    let mut total = Num::<T, K>([T::ZERO; K]);
    for c in 0..token_lanes {
        let mut s = p.get::<K>(row, first + c);
        for o in 0..H {
            let kept = if c * H + o < n { T::ONE } else { T::ZERO };
            s[0].0[o] = ((s[0].0[o] - largest) * scale).exp() * kept;
        }
        for k in 1..K {
            for o in 0..H {
                s[k].0[o] = s[k].0[o] * s[0].0[o] * scale;
            }
        }
        total += super::norm::across(&s);
        p.put(row, first + c, &s);
    }
    let inverse = T::ONE / total.0[0];
    let inverse = total.chain(inverse, -(inverse * inverse));
    for c in 0..token_lanes {
        let s = times(inverse, &p.get::<K>(row, first + c));
        p.put(row, first + c, &s);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn reverse<T: Real, const K: usize>(
    at: &Attention<T>,
    qkv: &Mat<T>,
    p: &Mat<T>,
    o_bar: &Mat<T>,
    qkv_bar: &mut Mat<T>,
    m: &mut HeadMemory<T, K>,
) {
    let (n, token_lanes) = (at.tokens, at.token_lanes());
    for sample in 0..qkv.rows / n {
        for head in 0..at.heads {
            at.load(qkv, sample, head, 0, &mut m.q);
            at.load(qkv, sample, head, at.hidden, &mut m.k);
            at.load(qkv, sample, head, 2 * at.hidden, &mut m.v);
            turn(&m.v, at.head, &mut m.turned);
            // The output's adjoint lies in q_bar until row i of it is replaced by the query's.
            at.load(o_bar, sample, head, 0, &mut m.q_bar);
            m.k_bar.fill(zero());
            m.v_bar.fill(zero());
            for i in 0..n {
                let (row, bar) = (sample * n + i, m.q_bar[i]);
                let mut inner = Num::<T, K>([T::ZERO; K]);
                for c in 0..token_lanes {
                    let p_bar = against(&bar, at.head, &m.turned[c * H..]);
                    let both = crate::nn::fused::num::hadamard(&p_bar, &p.get::<K>(row, head * token_lanes + c));
                    inner += super::norm::across(&both);
                }
                let mut q_bar = zero();
                for c in 0..token_lanes {
                    let p_bar = against(&bar, at.head, &m.turned[c * H..]);
                    let p = p.get::<K>(row, head * token_lanes + c);
                    let centred = super::norm::less(&p_bar, inner);
                    let s_bar = crate::nn::fused::num::hadamard(&centred, &p);
                    let end = if n - c * H < H { n - c * H } else { H };
                    for t in 0..end {
                        let j = c * H + t;
                        add_row(&mut m.v_bar[j], &times(lane(&p, t), &bar));
                        let s = lane(&s_bar, t).scale(at.scale());
                        add_row(&mut m.k_bar[j], &times(s, &m.q[i]));
                        add_row(&mut q_bar, &times(s, &m.k[j]));
                    }
                }
                m.q_bar[i] = q_bar;
            }
            at.store(&m.q_bar, sample, head, 0, qkv_bar);
            at.store(&m.k_bar, sample, head, at.hidden, qkv_bar);
            at.store(&m.v_bar, sample, head, 2 * at.hidden, qkv_bar);
        }
    }
}
