//! NumPy `.npz`: a zip file of `.npy` arrays. Floats and integers of any width are read; strings are skipped.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar, WriterBuilder};

use super::{Array, Arrays, Data, npy_header};
use crate::disk;
use crate::error::{Error, Result};

/// Most bytes that one byte of a compressed file can stand for.
const DEFLATE: u64 = 1_040;
/// Arrays of more than [`FREE`] bytes take at most so many times the bytes of their file: numbers that were sampled hardly
/// shrink, so what unpacks to more is no ensemble, but made to fill the memory.
const SWELL: u64 = 64;
/// Bytes that any file may unpack to.
const FREE: u64 = 256 << 20;

/// Reads every numeric array of a `.npz` file.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened, [`Error::Data`] when it is not an npz file or is cut short.
pub fn read_npz(path: impl AsRef<Path>) -> Result<Arrays> {
    let path = path.as_ref();
    let file = disk::open(path).map_err(Error::io(path))?;
    decode_npz(BufReader::new(file), path)
}

/// The same of an open file; `path` is for messages.
///
/// # Errors
/// [`Error::Data`] when it is not an npz file or is cut short.
pub fn decode_npz(mut file: impl Read + Seek, path: &Path) -> Result<Arrays> {
    let bytes = file.seek(SeekFrom::End(0)).map_err(Error::io(path))?;
    file.seek(SeekFrom::Start(0)).map_err(Error::io(path))?;
    let mut zip = npyz::npz::NpzArchive::new(file)
        .map_err(|e| Error::data(path, format!("not an npz file ({e}); write one with numpy.savez")))?;
    let names: Vec<String> = zip.array_names().map(str::to_owned).collect();
    let mut arrays = Arrays::new();
    let mut unpacked = 0_u64;
    for name in names {
        let bad = |e: std::io::Error| Error::data(path, format!("array `{name}` is malformed: {e}"));
        let file_name = npyz::npz::file_name_from_array_name(&name);
        let mut member = match zip.zip_archive().by_name(&file_name) {
            Err(npyz::zip::result::ZipError::FileNotFound) => continue,
            member => member.map_err(|e| bad(std::io::Error::other(e)))?,
        };
        let size = member.size().min(bytes.saturating_mul(DEFLATE));
        unpacked = unpacked.saturating_add(size);
        if unpacked > FREE.max(bytes.saturating_mul(SWELL)) {
            let message = format!(
                "{bytes} bytes that unpack to {} MiB or more, which no ensemble does; save it with numpy.savez, not compressed",
                unpacked >> 20
            );
            return Err(Error::data(path, message));
        }
        let header = npy_header::read(&mut member, size).map_err(bad)?;
        let npy = NpyFile::new(std::io::Cursor::new(header).chain(member)).map_err(bad)?;
        if let Some(array) = read_npy(npy).map_err(bad)? {
            arrays.insert(name, array);
        }
    }
    Ok(arrays)
}

fn read_npy<R: std::io::Read>(npy: NpyFile<R>) -> std::io::Result<Option<Array>> {
    let shape: Vec<usize> = npy.shape().iter().map(|&n| n as usize).collect();
    if npy.order() == Order::Fortran && shape.len() > 1 {
        return Err(std::io::Error::other("Fortran order; save numpy.ascontiguousarray(x)"));
    }
    let DType::Plain(kind) = npy.dtype() else { return Ok(None) };
    let data = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 8) => Data::F64(npy.into_vec()?),
        (TypeChar::Float, 4) => Data::F32(npy.into_vec()?),
        (TypeChar::Int, 8) => Data::I64(npy.into_vec()?),
        (TypeChar::Int, 4) => Data::I64(npy.into_vec::<i32>()?.into_iter().map(i64::from).collect()),
        (TypeChar::Int, 1) => Data::I64(npy.into_vec::<i8>()?.into_iter().map(i64::from).collect()),
        (TypeChar::Uint, 1) => Data::I64(npy.into_vec::<u8>()?.into_iter().map(i64::from).collect()),
        (TypeChar::Uint, 4) => Data::I64(npy.into_vec::<u32>()?.into_iter().map(i64::from).collect()),
        _ => return Ok(None),
    };
    Ok(Some(Array { shape, data }))
}

/// Writes arrays as an uncompressed `.npz`, whole or not at all. The bytes depend on the arrays alone (no timestamps).
///
/// # Errors
/// [`Error::Io`] when the file cannot be written.
pub fn write_npz(path: impl AsRef<Path>, arrays: &Arrays) -> Result<()> {
    let path = path.as_ref();
    let bytes = encode(arrays).map_err(Error::io(path))?;
    disk::replace(path, |file| file.write_all(&bytes)).map_err(Error::io(path))
}

/// The bytes of the file. In memory first: the zip writer panics, or hides the system's reason, when a write fails.
fn encode(arrays: &Arrays) -> std::io::Result<Vec<u8>> {
    let mut npz = npyz::npz::NpzWriter::new(Cursor::new(Vec::new()));
    // The default is the current time: the same arrays would give other bytes two seconds later.
    let options = npyz::zip::write::FileOptions::default().last_modified_time(npyz::zip::DateTime::default());
    for (name, array) in arrays {
        let shape: Vec<u64> = array.shape.iter().map(|&n| n as u64).collect();
        macro_rules! put {
            ($v:expr) => {{
                let mut w = npz.array(name, options)?.default_dtype().shape(&shape).begin_nd()?;
                w.extend($v.iter().copied())?;
                w.finish()?;
            }};
        }
        match &array.data {
            Data::F32(v) => put!(v),
            Data::F64(v) => put!(v),
            Data::I64(v) => put!(v),
        }
    }
    Ok(npz.zip_writer().finish().map_err(std::io::Error::other)?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_cut_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let mut arrays = Arrays::new();
        arrays.insert("x".into(), Array::f64(&[2, 3], vec![1.0, -0.0, 3.5, f64::MAX, 5.0, 6.0]));
        arrays.insert("i".into(), Array::i64(&[], vec![-7]));
        arrays.insert("f".into(), Array::f32(&[0, 4], vec![]));
        write_npz(&path, &arrays).unwrap();
        assert_eq!(read_npz(&path).unwrap(), arrays);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(read_npz(&path), Err(Error::Data { .. })));
    }

    /// A file that NumPy wrote (compressed, with a string array, which is skipped).
    #[test]
    fn reads_numpy() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/physics/lj13_golden.npz");
        let arrays = read_npz(path).unwrap();
        assert_eq!(arrays["positions"].shape, [400, 13, 3]);
        assert!((arrays["energy"].to_f64()[0] + 83.089_644_07).abs() < 1e-7);
        assert!(arrays["kind_code"].as_i64().is_some());
    }
}
