//! safetensors files: named arrays with a small text header, readable from PyTorch.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::dtype::{Kind, decode};
use super::{Array, Arrays, Data, Problem, Problems};
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

/// Decodes safetensors bytes, tensors of any real number type.
///
/// # Errors
/// A description of what is malformed.
pub fn decode_safetensors(bytes: &[u8]) -> Result<Arrays, String> {
    let (arrays, problems) = decode_all(bytes)?;
    match problems.first_key_value() {
        Some((name, problem)) => Err(format!("tensor `{name}` is {problem}")),
        None => Ok(arrays),
    }
}

/// The tensors that can be used, and why the others cannot.
///
/// # Errors
/// A description of what is malformed.
pub(super) fn decode_all(bytes: &[u8]) -> Result<(Arrays, Problems), String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("not a safetensors file: {e}"))?;
    let (mut arrays, mut problems) = (Arrays::new(), Problems::new());
    for (name, view) in file.tensors() {
        let kind = match view.dtype() {
            Dtype::F64 => Some(Kind::Float(8)),
            Dtype::F32 => Some(Kind::Float(4)),
            Dtype::F16 => Some(Kind::Float(2)),
            Dtype::BF16 => Some(Kind::BFloat16),
            Dtype::I64 => Some(Kind::Int(8)),
            Dtype::I32 => Some(Kind::Int(4)),
            Dtype::I16 => Some(Kind::Int(2)),
            Dtype::I8 => Some(Kind::Int(1)),
            Dtype::U64 => Some(Kind::Uint(8)),
            Dtype::U32 => Some(Kind::Uint(4)),
            Dtype::U16 => Some(Kind::Uint(2)),
            Dtype::U8 => Some(Kind::Uint(1)),
            Dtype::BOOL => Some(Kind::Bool),
            _ => None,
        };
        let refused = || format!("{}, which is not read; save it as F32", view.dtype());
        match kind.ok_or_else(refused).and_then(|kind| decode(kind, false, view.data())) {
            Ok(data) => drop(arrays.insert(name, Array { shape: view.shape().to_vec(), data })),
            Err(why) => drop(problems.insert(name, Problem::Type(why))),
        }
    }
    Ok((arrays, problems))
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

    /// Tensors of other types, as `safetensors` writes them.
    #[test]
    fn every_real_type() {
        let view = |dtype, bytes: &'static [u8]| TensorView::new(dtype, vec![2], bytes).unwrap();
        let bytes = serialize(
            [
                ("half", view(Dtype::F16, &[0, 0x3c, 0, 0xc0])),
                ("brain", view(Dtype::BF16, &[0x80, 0x3f, 0, 0xc0])),
                ("short", view(Dtype::I16, &[0xff, 0xff, 2, 0])),
                ("flag", view(Dtype::BOOL, &[1, 0])),
                ("odd", view(Dtype::F8_E4M3, &[1, 0])),
            ],
            None::<HashMap<String, String>>,
        )
        .unwrap();
        let (arrays, problems) = decode_all(&bytes).unwrap();
        assert_eq!(arrays["half"], Array::f32(&[2], vec![1.0, -2.0]));
        assert_eq!(arrays["brain"], arrays["half"]);
        assert_eq!(arrays["short"], Array::i64(&[2], vec![-1, 2]));
        assert_eq!(arrays["flag"], Array::i64(&[2], vec![1, 0]));
        assert_eq!(problems["odd"].to_string(), "F8_E4M3, which is not read; save it as F32");
        assert!(decode_safetensors(&bytes).unwrap_err().contains("tensor `odd` is F8_E4M3"));
    }
}
