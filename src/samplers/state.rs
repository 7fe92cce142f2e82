//! Reading a sampler's saved state.

use crate::array::{Array, Arrays};
use crate::error::{Error, Result};

fn find<'a>(state: &'a Arrays, name: &str) -> Result<&'a Array> {
    state.get(name).ok_or_else(|| Error::Internal(format!("checkpoint holds no array `{name}`")))
}

/// The floats of array `name`.
///
/// # Errors
/// When the checkpoint lacks it.
pub fn f64s(state: &Arrays, name: &str) -> Result<Vec<f64>> {
    Ok(find(state, name)?.to_f64())
}

/// The floats of array `name`, as f32.
///
/// # Errors
/// When the checkpoint lacks it.
pub fn f32s(state: &Arrays, name: &str) -> Result<Vec<f32>> {
    Ok(find(state, name)?.to_f32())
}

/// The integers of array `name`.
///
/// # Errors
/// When the checkpoint lacks it or it holds floats.
pub fn i64s(state: &Arrays, name: &str) -> Result<Vec<i64>> {
    let integers = find(state, name)?.as_i64().map(<[i64]>::to_vec);
    integers.ok_or_else(|| Error::Internal(format!("checkpoint array `{name}` is not an integer array")))
}

/// A one-dimensional float array.
#[must_use]
pub fn floats(values: &[f64]) -> Array {
    Array::f64(&[values.len()], values.to_vec())
}

/// A one-dimensional integer array.
#[must_use]
pub fn integers(values: &[i64]) -> Array {
    Array::i64(&[values.len()], values.to_vec())
}
