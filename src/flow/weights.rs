//! Packed parameters, and their way from and to named arrays.

use rayon::prelude::*;

use super::shape::{LAYERS, Linear, Shape};
use crate::array::Arrays;
use crate::error::Result;
use crate::nn::fused::num::{H, Lanes};
use crate::real::Real;
use crate::rng::Stream;

/// Parameters of a flow in packed lanes, and the transposed weights that the reverse pass reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights<T> {
    /// All parameters; change them, then call [`Weights::transpose`].
    pub packed: Vec<Lanes<T>>,
    transposed: Vec<Lanes<T>>,
}

impl<T: Real> Weights<T> {
    /// Random initial values: the flow is the identity.
    #[must_use]
    pub fn initial(shape: &Shape, stream: &Stream) -> Self {
        Self::from_flat(shape, &shape.layout.init(stream))
    }

    /// From named arrays, see [`Shape::layout`].
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub fn from_arrays(shape: &Shape, arrays: &Arrays, prefix: &str) -> Result<Self> {
        Ok(Self::from_flat(shape, &shape.layout.pack(arrays, prefix)?))
    }

    fn from_flat(shape: &Shape, flat: &[f64]) -> Self {
        let mut packed = vec![Lanes([T::ZERO; H]); shape.lanes];
        places(shape, |flat_index, lane, element| packed[lane].0[element] = T::from_f64(flat[flat_index]));
        Self { packed, transposed: Vec::new() }
    }

    /// Named arrays (f64) in file order.
    #[must_use]
    pub fn to_arrays(shape: &Shape, packed: &[Lanes<T>], prefix: &str) -> Arrays {
        let mut flat = vec![0.0; shape.layout.len()];
        places(shape, |index, lane, element| flat[index] = packed[lane].0[element].to_f64());
        shape.layout.unpack(&flat, prefix)
    }

    /// A layer's weight panels.
    pub(super) fn weight(&self, layer: &Linear) -> &[Lanes<T>] {
        &self.packed[layer.weight..layer.bias]
    }

    /// A layer's bias.
    pub(super) fn bias(&self, layer: &Linear) -> &[Lanes<T>] {
        &self.packed[layer.bias..][..layer.outputs]
    }

    /// A layer's transposed weight panels, `[inputs][32 outputs]` lanes.
    pub(super) fn transposed(&self, layer: &Linear) -> &[Lanes<T>] {
        &self.transposed[layer.weight..layer.bias]
    }

    /// Writes the transposed weights anew: the reverse pass needs them.
    pub fn transpose(&mut self, shape: &Shape) {
        self.transposed.resize(self.packed.len(), Lanes([T::ZERO; H]));
        let packed = &self.packed;
        let mut rest = &mut self.transposed[..];
        let mut parts = Vec::new();
        for layer in shape.couplings.iter().flat_map(|c| &c.layers) {
            let (weight, tail) = rest.split_at_mut(layer.bias - layer.weight);
            parts.push((layer, weight));
            rest = &mut tail[layer.outputs..];
        }
        parts.into_par_iter().for_each(|(layer, out)| {
            let weight = &packed[layer.weight..layer.bias];
            for o in 0..layer.outputs {
                for i in 0..layer.inputs {
                    let from = &weight[(o * layer.inputs + i) * H..][..H];
                    let to = &mut out[(i * layer.outputs + o) * H..][..H];
                    for (k, lanes) in from.iter().enumerate() {
                        for (to, value) in to.iter_mut().zip(lanes.0) {
                            to.0[k] = value;
                        }
                    }
                }
            }
        });
    }
}

/// Visits all parameters: `(index in file order, lane, element)`.
fn places(shape: &Shape, mut visit: impl FnMut(usize, usize, usize)) {
    let mut tensors = shape.layout.parameters.iter();
    for coupling in &shape.couplings {
        for (i, layer) in coupling.layers.iter().enumerate() {
            let (Some(weight), Some(bias)) = (tensors.next(), tensors.next()) else { return };
            let [outputs, inputs] = weight.shape[..] else { return };
            for j in 0..outputs {
                let o = if i == LAYERS - 1 { coupling.place(j) } else { j };
                for k in 0..inputs {
                    visit(weight.offset + j * inputs + k, layer.weight + (o / H) * layer.inputs * H + k, o % H);
                }
                visit(bias.offset + j, layer.bias + o / H, o % H);
            }
        }
    }
}
