//! Where each parameter lies in the flat vector an optimiser sees, and in the packed rows the kernels see.

use crate::array::{Array, Arrays};
use crate::error::{Error, Result};
use crate::lanes::num::{H, Lanes};
use crate::real::Real;

/// Number of scalar inputs of a node.
pub const NODE_INPUTS: usize = 2;

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

/// One parameter tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name in weight files, without the network's prefix.
    pub name: String,
    /// Shape; weights are `[out, in]`.
    pub shape: Vec<usize>,
    /// First entry in the flat vector; entries are row-major.
    pub offset: usize,
    /// First packed row; `None` for the embedding_out tensors, which the output does not depend on.
    packed: Option<usize>,
}

impl Parameter {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `(flat index, packed row, lane)` of every entry.
    fn places(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let transposed = self.shape.len() == 2 && self.shape[0] == H;
        let columns = if transposed { self.shape[1] } else { 1 };
        self.packed
            .into_iter()
            .flat_map(move |first| (0..self.len()).map(move |i| (self.offset + i, first + i % columns, i / columns)))
    }
}

/// Every parameter of a network with `layers` layers, in flat order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The tensors.
    pub parameters: Vec<Parameter>,
    /// Number of layers.
    pub layers: usize,
}

impl Layout {
    /// The layout of a network: embedding, layers, then the unused embedding_out.
    #[must_use]
    pub fn new(layers: usize) -> Self {
        let mut out = Self { parameters: Vec::new(), layers };
        out.push("egnn.embedding.weight".into(), &[H, NODE_INPUTS], Some(row::EMBED));
        out.push("egnn.embedding.bias".into(), &[H], Some(row::EMBED_BIAS));
        for l in 0..layers {
            let tensors: [(&str, &[usize], usize); 13] = [
                ("edge_mlp.0.weight", &[H, 2 * H + 2], row::EDGE0),
                ("edge_mlp.0.bias", &[H], row::EDGE0_BIAS),
                ("edge_mlp.2.weight", &[H, H], row::EDGE2),
                ("edge_mlp.2.bias", &[H], row::EDGE2_BIAS),
                ("node_mlp.0.weight", &[H, 2 * H], row::NODE0),
                ("node_mlp.0.bias", &[H], row::NODE0_BIAS),
                ("node_mlp.2.weight", &[H, H], row::NODE2),
                ("node_mlp.2.bias", &[H], row::NODE2_BIAS),
                ("coord_mlp.0.weight", &[H, H], row::COORD0),
                ("coord_mlp.0.bias", &[H], row::COORD0_BIAS),
                ("coord_mlp.2.weight", &[1, H], row::COORD2),
                ("att_mlp.0.weight", &[1, H], row::ATT),
                ("att_mlp.0.bias", &[1], row::ATT_BIAS),
            ];
            for (name, shape, at) in tensors {
                out.push(format!("egnn.gcl_{l}.{name}"), shape, Some(row::FIRST + l * row::LAYER + at));
            }
        }
        out.push("egnn.embedding_out.weight".into(), &[NODE_INPUTS, H], None);
        out.push("egnn.embedding_out.bias".into(), &[NODE_INPUTS], None);
        out
    }

    fn push(&mut self, name: String, shape: &[usize], packed: Option<usize>) {
        let offset = self.len();
        self.parameters.push(Parameter { name, shape: shape.to_vec(), offset, packed });
    }

    /// Entries of the flat vector.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parameters.last().map_or(0, |p| p.offset + p.len())
    }

    /// Whether there are no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// Packed rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        row::FIRST + self.layers * row::LAYER
    }

    /// The flat vector from named arrays (`prefix` is put before each name).
    ///
    /// # Errors
    /// [`Error::Usage`] that names a missing tensor or one of the wrong shape.
    pub fn read<T: Real>(&self, arrays: &Arrays, prefix: &str) -> Result<Vec<T>> {
        let mut flat = Vec::with_capacity(self.len());
        for p in &self.parameters {
            let name = format!("{prefix}{}", p.name);
            let array = arrays.get(&name).ok_or_else(|| {
                Error::Usage(format!("weights: no tensor `{name}` of shape {:?}; is this file of an EGNN?", p.shape))
            })?;
            if array.shape != p.shape {
                return Err(Error::Usage(format!(
                    "weights: `{name}` has shape {:?}, expected {:?} (hidden width {H}, {} layers)",
                    array.shape, p.shape, self.layers
                )));
            }
            flat.extend(array.to_f64().into_iter().map(T::from_f64));
        }
        Ok(flat)
    }

    /// Named f64 arrays from a flat vector (parameters or a gradient).
    #[must_use]
    pub fn write<T: Real>(&self, flat: &[T], prefix: &str) -> Arrays {
        let array = |p: &Parameter| {
            let entries = flat[p.offset..p.offset + p.len()].iter().map(|x| x.to_f64()).collect();
            Array::f64(&p.shape, entries)
        };
        self.parameters.iter().map(|p| (format!("{prefix}{}", p.name), array(p))).collect()
    }

    /// Packed rows of a flat vector.
    #[must_use]
    pub fn pack<T: Real>(&self, flat: &[T]) -> Vec<Lanes<T>> {
        let mut rows = vec![Lanes([T::ZERO; H]); self.rows()];
        for (i, r, lane) in self.parameters.iter().flat_map(Parameter::places) {
            rows[r].0[lane] = flat[i];
        }
        rows
    }

    /// Adds packed rows (a gradient) to a flat vector.
    pub fn add_packed<T: Real>(&self, rows: &[Lanes<T>], flat: &mut [T]) {
        for (i, r, lane) in self.parameters.iter().flat_map(Parameter::places) {
            flat[i] += rows[r].0[lane];
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
