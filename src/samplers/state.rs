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

/// The state of a sampler inside of another's: its names under `prefix`.
#[must_use]
pub fn under(prefix: &str, state: Arrays) -> Arrays {
    state.into_iter().map(|(name, array)| (format!("{prefix}{name}"), array)).collect()
}

/// The state that [`under`] put there.
#[must_use]
pub fn of(prefix: &str, state: &Arrays) -> Arrays {
    state.iter().filter_map(|(name, array)| Some((name.strip_prefix(prefix)?.to_owned(), array.clone()))).collect()
}

/// The item with the number that a checkpoint holds.
///
/// # Errors
/// When there is none: the checkpoint is damaged, or of another version.
pub fn one_of<T: Copy>(items: &[T], number: i64) -> Result<T> {
    let found = usize::try_from(number).ok().and_then(|i| items.get(i)).copied();
    found.ok_or_else(|| Error::Internal(format!("checkpoint holds phase {number}, expected one below {}", items.len())))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A damaged checkpoint is no other phase.
    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(one_of(&['a', 'b'], 1).unwrap(), 'b');
        for number in [-1, 2, i64::MAX] {
            assert!(one_of(&['a', 'b'], number).unwrap_err().to_string().contains("phase"));
        }
    }
}
