//! The EGNN of LJ-13 over [`Jet`].

use candle_core::{DType, Device, Result};

use super::heads::{Candle, JetNet, Weights};
use super::jet::Jet;
use crate::nn::Layout;
use crate::spec::{NetSpec, NodeFeatures};

/// Range of all coordinate updates together; each layer may move a particle's partners by `RANGE / layers`.
const RANGE: f64 = 15.0;

/// E(n)-equivariant network on a fully connected graph (Satorras et al. 2021, as PITA sets it up): displacement with its
/// mean removed.
pub struct Egnn {
    atoms: usize,
    spec: NetSpec,
    layout: Layout,
}

/// The EGNN as a backbone.
pub type CandleEgnn = Candle<Egnn>;

impl CandleEgnn {
    /// A network for `atoms` particles, computing in `dtype`.
    #[must_use]
    pub fn new(atoms: usize, spec: &NetSpec, dtype: DType, device: Device) -> Self {
        Self::of(Egnn { atoms, spec: spec.clone(), layout: egnn_layout(spec) }, dtype, device)
    }
}

impl Egnn {
    /// Node inputs `[B, n, 2]` from `c_noise [B, 1]` and `beta [B, 1]`.
    fn node_inputs(&self, w: &Weights, c_noise: &Jet, beta: &Jet) -> Result<Jet> {
        let n = self.atoms;
        // Entry k of the flat list of pairs.
        let is_beta = |k: usize| match self.spec.node_features {
            NodeFeatures::Fixed => k % 2 == 1,
            // [t]*n ++ [beta]*n reshaped to (n, 2).
            NodeFeatures::Faithful => k >= n,
        };
        let mask: Vec<f64> = (0..2 * n).map(|k| f64::from(u8::from(is_beta(k)))).collect();
        let is_beta = w.constant(&mask, &[1, n, 2])?;
        let is_time = Jet::constant(is_beta.affine(-1.0, 1.0)?);
        let time = c_noise.insert_axis(1)?.mul(&is_time)?;
        time.add(&beta.insert_axis(1)?.mul(&Jet::constant(is_beta))?)
    }
}

impl JetNet for Egnn {
    fn atoms(&self) -> usize {
        self.atoms
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn forward(&self, w: &Weights, c_noise: &Jet, x0: &Jet, beta: &Jet) -> Result<Jet> {
        let (n, hidden) = (self.atoms, self.spec.hidden);
        let range = RANGE / self.spec.layers as f64;
        // Self edges are computed with the rest and masked out of both sums.
        let other: Vec<f64> = (0..n * n).map(|k| f64::from(u8::from(k / n != k % n))).collect();
        let other = Jet::constant(w.constant(&other, &[1, n, n, 1])?);
        let differences = |x: &Jet| -> Result<(Jet, Jet)> {
            let d = x.insert_axis(2)?.sub(&x.insert_axis(3)?)?;
            // x.insert_axis(2) is [B, n, 1, 3] (receiver i); insert_axis(3) is [B, 1, n, 3] (sender j).
            let r2 = d.mul(&d)?.sum_last()?;
            Ok((d, r2))
        };
        let mut h = w.linear(&self.node_inputs(w, c_noise, beta)?, "egnn.embedding")?;
        let mut x = x0.clone();
        let (_, first_r2) = differences(&x)?;
        for layer in 0..self.spec.layers {
            let name = |part: &str| format!("egnn.gcl_{layer}.{part}");
            let (d, r2) = differences(&x)?;
            // First edge layer, factorised: W [h_i, h_j, r2, first r2] = A h_i + B h_j + c r2 + e first_r2.
            let w1 = w.get(&name("edge_mlp.0.weight"))?;
            let part = |start, len| w1.narrow(1, start, len)?.contiguous();
            let from_i = h.linear(&part(0, hidden)?, None)?.insert_axis(2)?;
            let from_j = h.linear(&part(hidden, hidden)?, None)?.insert_axis(3)?;
            let from_r2 = r2.linear(&part(2 * hidden, 1)?, Some(w.get(&name("edge_mlp.0.bias"))?))?;
            let from_first = first_r2.linear(&part(2 * hidden + 1, 1)?, None)?;
            let m = from_i.add(&from_j)?.add(&from_r2)?.add(&from_first)?.silu()?;
            let m = w.linear(&m, &name("edge_mlp.2"))?.silu()?;
            let gate = w.linear(&m, &name("att_mlp.0"))?.sigmoid()?;
            let m = m.mul(&gate)?.mul(&other)?;
            let push = w.linear(&m, &name("coord_mlp.0"))?.silu()?;
            let push = push.linear(w.get(&name("coord_mlp.2.weight"))?, None)?.tanh()?.scale(range)?;
            let unit = d.mul(&r2.offset(1e-8)?.sqrt()?.offset(1.0)?.recip()?)?;
            x = x.add(&unit.mul(&push)?.sum_second_last()?)?;
            let sum = m.sum_second_last()?;
            let w3 = w.get(&name("node_mlp.0.weight"))?;
            let w3_part = |start| w3.narrow(1, start, hidden)?.contiguous();
            let update = h
                .linear(&w3_part(0)?, Some(w.get(&name("node_mlp.0.bias"))?))?
                .add(&sum.linear(&w3_part(hidden)?, None)?)?
                .silu()?;
            h = h.add(&w.linear(&update, &name("node_mlp.2"))?)?;
        }
        let moved = x.sub(x0)?;
        let mean = moved.sum_second_last()?.scale(1.0 / n as f64)?.insert_axis(2)?;
        moved.sub(&mean)
    }
}

/// Parameters in PyTorch's order for this module; coordinate heads start small (Xavier, gain 1e-3).
#[must_use]
pub fn egnn_layout(spec: &NetSpec) -> Layout {
    let hidden = spec.hidden;
    let mut layout = Layout::default();
    layout.push_linear("egnn.embedding", 2, hidden);
    layout.push_linear("egnn.embedding_out", hidden, 2);
    for layer in 0..spec.layers {
        let name = |part: &str| format!("egnn.gcl_{layer}.{part}");
        layout.push_linear(&name("edge_mlp.0"), 2 * hidden + 2, hidden);
        layout.push_linear(&name("edge_mlp.2"), hidden, hidden);
        layout.push_linear(&name("node_mlp.0"), 2 * hidden, hidden);
        layout.push_linear(&name("node_mlp.2"), hidden, hidden);
        layout.push_linear(&name("coord_mlp.0"), hidden, hidden);
        let xavier = 1e-3 * (6.0 / (hidden as f64 + 1.0)).sqrt();
        layout.push(name("coord_mlp.2.weight"), &[1, hidden], xavier);
        layout.push_linear(&name("att_mlp.0"), hidden, 1);
    }
    layout
}
