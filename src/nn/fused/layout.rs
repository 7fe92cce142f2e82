//! Where each parameter lies in the packed rows that the kernels see.

use crate::lanes::num::{H, Lanes};
use crate::nn::Layout;
use crate::real::Real;

/// First packed row of each tensor of a layer; a `[32, in]` weight takes `in` rows (transposed), a bias one.
pub mod row {
    /// Edge network, first weight: 32 rows for the receiving node, 32 for the sending, current and initial distance.
    pub const EDGE0: usize = 0;
    /// Its bias.
    pub const EDGE0_BIAS: usize = 66;
    /// Edge network, second weight.
    pub const EDGE2: usize = 67;
    /// Its bias.
    pub const EDGE2_BIAS: usize = 99;
    /// Node network, first weight: 32 rows for the node, 32 for the summed messages.
    pub const NODE0: usize = 100;
    /// Its bias.
    pub const NODE0_BIAS: usize = 164;
    /// Node network, second weight.
    pub const NODE2: usize = 165;
    /// Its bias.
    pub const NODE2_BIAS: usize = 197;
    /// Coordinate network, first weight.
    pub const COORD0: usize = 198;
    /// Its bias.
    pub const COORD0_BIAS: usize = 230;
    /// Coordinate network, second weight.
    pub const COORD2: usize = 231;
    /// Attention weight.
    pub const ATT: usize = 232;
    /// Attention bias, in lane 0.
    pub const ATT_BIAS: usize = 233;
    /// Rows of a layer.
    pub const LAYER: usize = 234;
    /// Embedding weight (before the layers).
    pub const EMBED: usize = 0;
    /// Embedding bias.
    pub const EMBED_BIAS: usize = 2;
    /// Rows before the first layer.
    pub const FIRST: usize = 3;
}

/// First packed row of a tensor; none for those of embedding_out, which the output does not depend on.
fn first_row(name: &str) -> Option<usize> {
    let name = name.strip_prefix("egnn.")?;
    let Some((layer, tensor)) = name.strip_prefix("gcl_").and_then(|rest| rest.split_once('.')) else {
        return match name {
            "embedding.weight" => Some(row::EMBED),
            "embedding.bias" => Some(row::EMBED_BIAS),
            _ => None,
        };
    };
    let at = match tensor {
        "edge_mlp.0.weight" => row::EDGE0,
        "edge_mlp.0.bias" => row::EDGE0_BIAS,
        "edge_mlp.2.weight" => row::EDGE2,
        "edge_mlp.2.bias" => row::EDGE2_BIAS,
        "node_mlp.0.weight" => row::NODE0,
        "node_mlp.0.bias" => row::NODE0_BIAS,
        "node_mlp.2.weight" => row::NODE2,
        "node_mlp.2.bias" => row::NODE2_BIAS,
        "coord_mlp.0.weight" => row::COORD0,
        "coord_mlp.0.bias" => row::COORD0_BIAS,
        "coord_mlp.2.weight" => row::COORD2,
        "att_mlp.0.weight" => row::ATT,
        "att_mlp.0.bias" => row::ATT_BIAS,
        _ => return None,
    };
    Some(row::FIRST + layer.parse::<usize>().ok()? * row::LAYER + at)
}

/// The packed rows of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    layers: usize,
    /// Entry of the flat vector, packed row and lane of every parameter.
    places: Vec<(usize, usize, usize)>,
}

impl Rows {
    /// Of a network with so many layers, whose parameters lie as `layout` says.
    #[must_use]
    pub fn new(layout: &Layout, layers: usize) -> Self {
        let mut places = Vec::with_capacity(layout.len());
        for p in &layout.parameters {
            let Some(first) = first_row(&p.name) else { continue };
            let columns = if p.shape.len() == 2 && p.shape[0] == H { p.shape[1] } else { 1 };
            places.extend(p.range().enumerate().map(|(i, flat)| (flat, first + i % columns, i / columns)));
        }
        Self { layers, places }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        row::FIRST + self.layers * row::LAYER
    }

    /// Packed rows of a flat vector.
    #[must_use]
    pub fn pack<T: Real>(&self, flat: &[f64]) -> Vec<Lanes<T>> {
        let mut rows = vec![Lanes([T::ZERO; H]); self.count()];
        for &(i, r, lane) in &self.places {
            rows[r].0[lane] = T::from_f64(flat[i]);
        }
        rows
    }

    /// Adds packed rows (a gradient) to a flat vector.
    pub fn add_packed<T: Real>(&self, rows: &[Lanes<T>], flat: &mut [f64]) {
        for &(i, r, lane) in &self.places {
            flat[i] += rows[r].0[lane].to_f64();
        }
    }

    /// The packed rows with each 32 x 32 block transposed, for products with the transposed weights.
    #[must_use]
    pub fn transposed<T: Real>(&self, rows: &[Lanes<T>]) -> Vec<Lanes<T>> {
        let mut out = rows.to_vec();
        for l in 0..self.layers {
            let layer = row::FIRST + l * row::LAYER;
            let blocks = [row::EDGE0, row::EDGE0 + H, row::EDGE2, row::NODE0, row::NODE0 + H, row::NODE2, row::COORD0];
            for block in blocks.map(|b| layer + b) {
                for k in 0..H {
                    for o in 0..H {
                        out[block + o].0[k] = rows[block + k].0[o];
                    }
                }
            }
        }
        out
    }
}
