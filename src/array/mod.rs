//! Named n-dimensional arrays, and their file formats.
//!
//! | file | job |
//! |---|---|
//! | `input` | files of other people: any format, by content; standard input |
//! | `npz`, `npy`, `npy_header` | NumPy's files |
//! | `tensors` | safetensors: weights, checkpoints |
//! | `xtc` | compressed trajectories |
//! | `dtype` | raw bytes of every real number type |

mod dtype;
mod input;
mod npy;
mod npy_header;
mod npz;
mod tensors;
mod xtc;

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};

pub use input::{Input, read_positions};
pub use npz::{decode_npz, read_npz, write_npz, write_npz_plain};
pub use tensors::{decode_safetensors, encode_safetensors, read_safetensors, write_safetensors};
use xtc::precision;
pub use xtc::{decode_xtc, read_xtc, write_xtc};

/// Numbers of one array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 64-bit integers.
    I64(Vec<i64>),
}

/// One array.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// The numbers.
    pub data: Data,
}

/// Arrays by name, in name order.
pub type Arrays = BTreeMap<String, Array>;

/// Why an array that is there cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    /// Its entries are no real numbers: what they are, and the remedy.
    Type(String),
    /// What is wrong with its bytes.
    Damage(String),
}

/// The same by name.
type Problems = BTreeMap<String, Problem>;

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Type(what) => f.write_str(what),
            Self::Damage(what) => write!(f, "malformed ({what})"),
        }
    }
}

impl Array {
    /// An f64 array.
    #[must_use]
    pub fn f64(shape: &[usize], data: Vec<f64>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape: shape.to_vec(), data: Data::F64(data) }
    }

    /// An f32 array.
    #[must_use]
    pub fn f32(shape: &[usize], data: Vec<f32>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape: shape.to_vec(), data: Data::F32(data) }
    }

    /// An i64 array.
    #[must_use]
    pub fn i64(shape: &[usize], data: Vec<i64>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape: shape.to_vec(), data: Data::I64(data) }
    }

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

    /// The entries as f64 (exact for f32; integers above 2^53 lose digits).
    #[must_use]
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Data::F64(v) => v.clone(),
            Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
        }
    }

    /// The entries as f32 (rounded).
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.data {
            Data::F32(v) => v.clone(),
            Data::F64(v) => v.iter().map(|&x| x as f32).collect(),
            Data::I64(v) => v.iter().map(|&x| x as f32).collect(),
        }
    }

    /// The entries as i64, `None` for a float array.
    #[must_use]
    pub fn as_i64(&self) -> Option<&[i64]> {
        match &self.data {
            Data::I64(v) => Some(v),
            _ => None,
        }
    }
}

/// The array `name`, or an error that lists what the file holds.
///
/// # Errors
/// [`Error::Data`] when there is none.
pub fn get<'a>(arrays: &'a Arrays, name: &str, path: impl AsRef<Path>) -> Result<&'a Array> {
    arrays.get(name).ok_or_else(|| {
        let names: Vec<_> = arrays.keys().map(String::as_str).collect();
        Error::data(path, format!("no array `{name}`; the file holds: {}", names.join(", ")))
    })
}

/// Whether a file is an XTC trajectory, by its extension.
#[must_use]
pub fn is_xtc(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("xtc"))
}

/// The format that frames are written in: `npz` or `xtc`, by the extension of the file.
///
/// # Errors
/// [`Error::Usage`] for another extension.
pub fn frames_format(path: &Path) -> Result<&'static str> {
    if is_xtc(path) {
        Ok("xtc")
    } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz")) {
        Ok("npz")
    } else {
        Err(Error::Usage(format!("{}: frames are written as .npz or .xtc", path.display())))
    }
}

/// Writes frames `positions [n, atoms, 3]`: an `.xtc` file (rounded, see [`write_xtc`]) or an `.npz` file (exact), by its
/// extension.
///
/// # Errors
/// See [`frames_format`], [`write_xtc`] and [`write_npz`].
pub fn write_frames(path: impl AsRef<Path>, positions: &[f64], atoms: usize) -> Result<()> {
    let path = path.as_ref();
    if frames_format(path)? == "xtc" {
        return write_xtc(path, positions, atoms, xtc::PRECISION);
    }
    let shape = [positions.len() / (3 * atoms), atoms, 3];
    write_npz(path, &[("positions".to_owned(), Array::f64(&shape, positions.to_vec()))].into())
}
