//! Where named parameters lie in packed lanes of 32, and the packed parameters themselves.

use std::ops::Range;

use rayon::prelude::*;

use crate::array::Arrays;
use crate::error::Result;
use crate::lanes::gemm::outer_columns;
use crate::lanes::num::{H, Lanes, add_lanes};
use crate::nn::Layout;
use crate::real::Real;
use crate::rng::Stream;

/// A linear layer in packed lanes: sizes in lanes of 32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Linear {
    /// First lane of the weight, `[outputs][32 inputs]` lanes.
    pub weight: usize,
    /// First lane of the bias.
    pub bias: usize,
    /// Inputs in lanes.
    pub inputs: usize,
    /// Outputs in lanes.
    pub outputs: usize,
}

/// Initial values of a layer.
#[derive(Debug, Clone, Copy)]
pub enum Init {
    /// PyTorch's default: weight and bias uniform within `1/sqrt(inputs)`.
    Default,
    /// Weight 0, every bias this number.
    Constant(f64),
    /// Weight 0, bias as by default.
    ZeroWeight,
}

/// How a tensor is packed.
#[derive(Debug, Clone, PartialEq)]
enum Pack {
    /// An `[out, in]` weight (or a bias, with one lane to a panel) in panels of 32 outputs; where each output goes, if not in order.
    Panels { lanes: usize, places: Option<Vec<usize>> },
    /// Rows, each padded to full lanes.
    Rows { lanes: usize },
}

/// Named parameters in file order, and where they lie.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packing {
    /// Names, shapes and initial values in file order.
    pub layout: Layout,
    /// Packed lanes of all parameters.
    pub lanes: usize,
    /// First lane and arrangement of each tensor.
    tensors: Vec<(usize, Pack)>,
    linears: Vec<Linear>,
}

impl Packing {
    /// Appends weight and bias of a linear layer; `places` says where each output goes, in a row of `outputs` lanes.
    pub fn linear(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
        init: Init,
        places: Option<(Vec<usize>, usize)>,
    ) -> Linear {
        let default = 1.0 / (inputs as f64).sqrt();
        let (weight_bound, bias_centre, bias_bound) = match init {
            Init::Default => (default, 0.0, default),
            Init::Constant(value) => (0.0, value, 0.0),
            Init::ZeroWeight => (0.0, 0.0, default),
        };
        self.layout.push(format!("{name}.weight"), &[outputs, inputs], weight_bound);
        self.layout.push_around(format!("{name}.bias"), &[outputs], bias_centre, bias_bound);
        let (places, lanes_out) = match places {
            Some((places, lanes)) => (Some(places), lanes),
            None => (None, outputs.div_ceil(H)),
        };
        let lanes_in = inputs.div_ceil(H);
        let weight = self.lanes;
        let bias = weight + lanes_in * H * lanes_out;
        self.lanes = bias + lanes_out;
        self.tensors.push((weight, Pack::Panels { lanes: lanes_in * H, places: places.clone() }));
        self.tensors.push((bias, Pack::Panels { lanes: 1, places }));
        let linear = Linear { weight, bias, inputs: lanes_in, outputs: lanes_out };
        self.linears.push(linear);
        linear
    }

    /// Appends rows of numbers, initially uniform around `centre` within `bound`; returns their first lane. A shape of one
    /// axis is one row.
    pub fn rows(&mut self, name: &str, shape: &[usize], centre: f64, bound: f64) -> usize {
        self.layout.push_around(name, shape, centre, bound);
        let first = self.lanes;
        let width = shape.last().copied().unwrap_or(1);
        let lanes = width.div_ceil(H);
        self.lanes += shape.iter().product::<usize>() / width * lanes;
        self.tensors.push((first, Pack::Rows { lanes }));
        first
    }

    /// Visits all parameters: `(index in file order, lane, element)`.
    fn visit(&self, mut f: impl FnMut(usize, usize, usize)) {
        for (p, (first, pack)) in self.layout.parameters.iter().zip(&self.tensors) {
            match pack {
                Pack::Panels { lanes, places } => {
                    let columns = p.shape.get(1).copied().unwrap_or(1);
                    for j in 0..p.shape[0] {
                        let o = places.as_ref().map_or(j, |p| p[j]);
                        for k in 0..columns {
                            f(p.offset + j * columns + k, first + o / H * lanes + k, o % H);
                        }
                    }
                }
                Pack::Rows { lanes } => {
                    let width = p.shape.last().copied().unwrap_or(1);
                    for (i, flat) in p.range().enumerate() {
                        f(flat, first + i / width * lanes + i % width / H, i % width % H);
                    }
                }
            }
        }
    }
}

/// Parameters of a flow in packed lanes, and the transposed weights that the reverse pass reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights<T> {
    /// All parameters; change them, then call [`Weights::transpose`].
    pub packed: Vec<Lanes<T>>,
    pub(super) transposed: Vec<Lanes<T>>,
}

impl<T: Real> Weights<T> {
    /// Random initial values.
    #[must_use]
    pub fn initial(packing: &Packing, stream: &Stream) -> Self {
        Self::from_flat(packing, &packing.layout.init(stream))
    }

    /// From named arrays.
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub fn from_arrays(packing: &Packing, arrays: &Arrays, prefix: &str) -> Result<Self> {
        Ok(Self::from_flat(packing, &packing.layout.pack(arrays, prefix)?))
    }

    fn from_flat(packing: &Packing, flat: &[f64]) -> Self {
        let mut packed = vec![Lanes([T::ZERO; H]); packing.lanes];
        packing.visit(|index, lane, element| packed[lane].0[element] = T::from_f64(flat[index]));
        Self { packed, transposed: Vec::new() }
    }

    /// Named arrays (f64) in file order, of parameters or of a gradient.
    #[must_use]
    pub fn to_arrays(packing: &Packing, packed: &[Lanes<T>], prefix: &str) -> Arrays {
        let mut flat = vec![0.0; packing.layout.len()];
        packing.visit(|index, lane, element| flat[index] = packed[lane].0[element].to_f64());
        packing.layout.unpack(&flat, prefix)
    }

    /// A layer's weight panels.
    pub(crate) fn weight(&self, layer: &Linear) -> &[Lanes<T>] {
        &self.packed[layer.weight..layer.bias]
    }

    /// A layer's bias.
    pub(crate) fn bias(&self, layer: &Linear) -> &[Lanes<T>] {
        &self.packed[layer.bias..][..layer.outputs]
    }

    /// A layer's transposed weight panels, `[inputs][32 outputs]` lanes.
    pub(crate) fn transposed(&self, layer: &Linear) -> &[Lanes<T>] {
        &self.transposed[layer.weight..layer.bias]
    }

    /// Writes the transposed weights anew: the reverse pass needs them.
    pub fn transpose(&mut self, packing: &Packing) {
        self.transposed.resize(self.packed.len(), Lanes([T::ZERO; H]));
        let packed = &self.packed;
        let weights = pieces(&mut self.transposed, packing.linears.iter().map(|layer| layer.weight..layer.bias));
        packing.linears.par_iter().zip(weights).for_each(|(layer, out)| {
            transpose_panels(&packed[layer.weight..layer.bias], layer.inputs, layer.outputs, out);
        });
    }
}

/// Ranges of lanes, in their order, to be changed at the same time.
pub(super) fn pieces<T>(mut rest: &mut [T], ranges: impl Iterator<Item = Range<usize>>) -> Vec<&mut [T]> {
    let mut at = 0;
    let next = |range: Range<usize>| {
        let (piece, tail) = std::mem::take(&mut rest)[range.start - at..].split_at_mut(range.len());
        (rest, at) = (tail, range.end);
        piece
    };
    ranges.map(next).collect()
}

/// Panels `[outputs][32 inputs]` as `[inputs][32 outputs]`.
pub(super) fn transpose_panels<T: Real>(weight: &[Lanes<T>], inputs: usize, outputs: usize, out: &mut [Lanes<T>]) {
    for o in 0..outputs {
        for i in 0..inputs {
            let from = &weight[(o * inputs + i) * H..][..H];
            let to = &mut out[(i * outputs + o) * H..][..H];
            for (k, lanes) in from.iter().enumerate() {
                for (to, value) in to.iter_mut().zip(lanes.0) {
                    to.0[k] = value;
                }
            }
        }
    }
}

/// Sizes memory of lanes.
pub(crate) fn fit<T: Real>(lanes: &mut Vec<Lanes<T>>, len: usize) {
    lanes.resize(len, Lanes([T::ZERO; H]));
}

/// A panel of 32 outputs of a layer's gradient: the unit that one thread sums.
pub(crate) struct Panel<'a, T> {
    /// The layer, or the product that it is part of.
    pub layer: usize,
    /// The panel among its outputs.
    pub index: usize,
    /// Gradient of its weights.
    pub weight: &'a mut [Lanes<T>],
    /// Gradient of its biases.
    pub bias: &'a mut Lanes<T>,
}

impl<T: Real> Panel<'_, T> {
    /// Adds the part of a tile of rows: what the layer got, and the derivatives with respect to what it gave.
    pub(crate) fn add(&mut self, x: &[Lanes<T>], y_bar: &[Lanes<T>], column: &mut Vec<Lanes<T>>) {
        let inputs = self.weight.len() / H;
        let outputs = y_bar.len() / (x.len() / inputs);
        column.clear();
        column.extend(y_bar.chunks_exact(outputs).map(|row| row[self.index]));
        for y in column.iter() {
            add_lanes(self.bias, y);
        }
        outer_columns(x, inputs, column, column.len(), self.weight);
    }
}

/// The panels of some layers (in the order of their lanes) in a gradient.
pub(crate) fn panels<'a, T: Real>(layers: &[Linear], gradient: &'a mut [Lanes<T>]) -> Vec<Panel<'a, T>> {
    let parts = pieces(gradient, layers.iter().map(|l| l.weight..l.bias + l.outputs));
    let of_layer = |(layer, part): (usize, &'a mut [Lanes<T>])| {
        let (weight, bias) = part.split_at_mut(layers[layer].bias - layers[layer].weight);
        let parts = weight.chunks_exact_mut(weight.len() / bias.len()).zip(bias);
        parts.enumerate().map(move |(index, (weight, bias))| Panel { layer, index, weight, bias })
    };
    parts.into_iter().enumerate().flat_map(of_layer).collect()
}
