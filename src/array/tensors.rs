//! safetensors files: named arrays with a small text header, readable from PyTorch.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::{Array, Arrays, Data};
use crate::disk;
use crate::error::{Error, Result};

/// Reads a safetensors file.
///
/// # Errors
/// [`Error::Io`] when it cannot be opened, [`Error::Data`] when it is malformed.
pub fn read_safetensors(path: impl AsRef<Path>) -> Result<Arrays> {
    let path = path.as_ref();
    let bytes = disk::read(path, u64::MAX).map_err(Error::io(path))?;
    decode_safetensors(&bytes).map_err(|m| Error::data(path, m))
}

/// Decodes safetensors bytes (f32, f64, i64, i32 and u8 tensors; i32 and u8, as flags often are, become i64).
///
/// # Errors
/// A description of what is malformed.
pub fn decode_safetensors(bytes: &[u8]) -> Result<Arrays, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("not a safetensors file: {e}"))?;
    let mut arrays = Arrays::new();
    for (name, view) in file.tensors() {
        let bytes = view.data();
        let data = match view.dtype() {
            Dtype::F32 => Data::F32(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()),
            Dtype::F64 => Data::F64(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect()),
            Dtype::I64 => Data::I64(bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect()),
            Dtype::I32 => Data::I64(bytes.as_chunks().0.iter().map(|&b| i64::from(i32::from_le_bytes(b))).collect()),
            Dtype::U8 => Data::I64(bytes.iter().map(|&b| i64::from(b)).collect()),
            other => return Err(format!("tensor `{name}` is {other:?}; expected F32, F64, I64, I32 or U8")),
        };
        arrays.insert(name, Array { shape: view.shape().to_vec(), data });
    }
    Ok(arrays)
}

/// Encodes arrays as safetensors bytes, in name order.
///
/// # Errors
/// [`Error::Internal`] when an array's data does not fit its shape.
pub fn encode_safetensors(arrays: &Arrays) -> Result<Vec<u8>> {
    let raw: Vec<(&String, Vec<u8>, &Array)> = arrays
        .iter()
        .map(|(name, a)| {
            let bytes = match &a.data {
                Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
                Data::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
                Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            };
            (name, bytes, a)
        })
        .collect();
    let mut views = Vec::with_capacity(raw.len());
    for (name, bytes, a) in &raw {
        let dtype = match a.data {
            Data::F32(_) => Dtype::F32,
            Data::F64(_) => Dtype::F64,
            Data::I64(_) => Dtype::I64,
        };
        let view = TensorView::new(dtype, a.shape.clone(), bytes)
            .map_err(|e| Error::Internal(format!("array `{name}`: {e}")))?;
        views.push((name.as_str(), view));
    }
    serialize(views, None::<HashMap<String, String>>).map_err(|e| Error::Internal(e.to_string()))
}

/// Writes arrays as a safetensors file, whole or not at all.
///
/// # Errors
/// [`Error::Io`] when it cannot be written.
pub fn write_safetensors(path: impl AsRef<Path>, arrays: &Arrays) -> Result<()> {
    let path = path.as_ref();
    let bytes = encode_safetensors(arrays)?;
    disk::replace(path, |file| file.write_all(&bytes)).map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let mut arrays = Arrays::new();
        arrays.insert("w".into(), Array::f32(&[2, 2], vec![1.0, 2.0, 3.0, 4.0]));
        arrays.insert("n".into(), Array::i64(&[1], vec![i64::MIN]));
        arrays.insert("s".into(), Array::f64(&[], vec![0.1]));
        let bytes = encode_safetensors(&arrays).unwrap();
        assert_eq!(decode_safetensors(&bytes).unwrap(), arrays);
        assert!(decode_safetensors(&bytes[..bytes.len() - 1]).is_err());
    }
}
