//! Where each named parameter of a network lies in one flat vector.

use std::ops::Range;

use crate::array::{Array, Arrays};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// One named tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name, as in weight files.
    pub name: String,
    /// Shape; linear weights are `[out, in]`.
    pub shape: Vec<usize>,
    /// First entry in the flat vector.
    pub offset: usize,
    /// Initial values are uniform in `[centre - bound, centre + bound]`.
    pub centre: f64,
    /// Half width.
    pub bound: f64,
}

impl Parameter {
    /// Its entries of the flat vector.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.iter().product::<usize>()
    }
}

/// All parameters of a network, in order, without gaps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// The parameters.
    pub parameters: Vec<Parameter>,
    len: usize,
}

impl Layout {
    /// Appends a parameter; `bound` is the half width of its uniform initialisation around 0.
    pub fn push(&mut self, name: impl Into<String>, shape: &[usize], bound: f64) {
        self.push_around(name, shape, 0.0, bound);
    }

    /// Appends a parameter whose initialisation is uniform around `centre`, within `bound`.
    pub fn push_around(&mut self, name: impl Into<String>, shape: &[usize], centre: f64, bound: f64) {
        let len: usize = shape.iter().product();
        self.parameters.push(Parameter { name: name.into(), shape: shape.to_vec(), offset: self.len, centre, bound });
        self.len += len;
    }

    /// Appends the weight `[out, in]` and bias `[out]` of a linear layer, PyTorch's default initialisation
    /// (uniform within `1/sqrt(in)`).
    pub fn push_linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        let bound = 1.0 / (inputs as f64).sqrt();
        self.push(format!("{name}.weight"), &[outputs, inputs], bound);
        self.push(format!("{name}.bias"), &[outputs], bound);
    }

    /// Length of the flat vector.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Initial values from our own streams (one item per parameter).
    #[must_use]
    pub fn init(&self, stream: &Stream) -> Vec<f64> {
        let mut flat = Vec::with_capacity(self.len);
        for (index, p) in self.parameters.iter().enumerate() {
            let mut draws = stream.at(index as u32);
            flat.extend(p.range().map(|_| p.centre + p.bound * (2.0 * draws.uniform() - 1.0)));
        }
        flat
    }

    /// The flat vector of named arrays (`prefix` in front of each name).
    ///
    /// # Errors
    /// [`Error::Usage`] when one is missing or has another shape.
    pub fn pack(&self, arrays: &Arrays, prefix: &str) -> Result<Vec<f64>> {
        let mut flat = Vec::with_capacity(self.len);
        for p in &self.parameters {
            let name = format!("{prefix}{}", p.name);
            let array = arrays.get(&name).ok_or_else(|| Error::Usage(format!("no weight `{name}`")))?;
            if array.shape != p.shape {
                return Err(Error::Usage(format!(
                    "weight `{name}` has shape {:?}, expected {:?}",
                    array.shape, p.shape
                )));
            }
            flat.extend(array.to_f64());
        }
        Ok(flat)
    }

    /// Named arrays (f64) of a flat vector, for a weight file.
    #[must_use]
    pub fn unpack(&self, flat: &[f64], prefix: &str) -> Arrays {
        let array = |p: &Parameter| Array::f64(&p.shape, flat[p.range()].to_vec());
        self.parameters.iter().map(|p| (format!("{prefix}{}", p.name), array(p))).collect()
    }
}
