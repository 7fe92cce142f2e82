//! NumPy `.npz`: a zip file of `.npy` arrays, deflated or not.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use npyz::WriterBuilder;
use npyz::zip::{CompressionMethod, ZipArchive};

use super::{Array, Arrays, Data, Problem, Problems, npy};
use crate::disk;
use crate::error::{Error, Result};

/// Most bytes that one byte of a compressed file can stand for.
const DEFLATE: u64 = 1_040;
/// Arrays of more than [`FREE`] bytes take at most so many times the bytes of their file: numbers that were sampled hardly
/// shrink, so what unpacks to more is no ensemble, but made to fill the memory.
const SWELL: u64 = 64;
/// Bytes that any file may unpack to.
const FREE: u64 = 256 << 20;

/// Reads every numeric array of a `.npz` file, and passes over the others.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened, [`Error::Data`] when it is not an npz file or is damaged.
pub fn read_npz(path: impl AsRef<Path>) -> Result<Arrays> {
    let path = path.as_ref();
    let file = disk::open(path).map_err(Error::io(path))?;
    decode_npz(BufReader::new(file), path)
}

/// The same of an open file; `path` is for messages.
///
/// # Errors
/// [`Error::Data`] when it is not an npz file or is damaged.
pub fn decode_npz(file: impl Read + Seek, path: &Path) -> Result<Arrays> {
    let (arrays, problems) = decode_all(file, path)?;
    let damaged = problems.into_iter().find_map(|(name, problem)| match problem {
        Problem::Damage(why) => Some(Error::data(path, format!("array `{name}` is malformed: {why}"))),
        Problem::Type(_) => None,
    });
    damaged.map_or(Ok(arrays), Err)
}

/// The arrays of an open file that can be used, and why the others cannot.
///
/// # Errors
/// [`Error::Data`] when it is not a zip file, or unpacks to more than any ensemble would.
pub(super) fn decode_all(mut file: impl Read + Seek, path: &Path) -> Result<(Arrays, Problems)> {
    let bytes = file.seek(SeekFrom::End(0)).map_err(Error::io(path))?;
    file.seek(SeekFrom::Start(0)).map_err(Error::io(path))?;
    let mut zip = ZipArchive::new(file)
        .map_err(|e| Error::data(path, format!("not an npz file ({e}); write one with numpy.savez")))?;
    let (mut arrays, mut problems) = (Arrays::new(), Problems::new());
    let mut unpacked = 0_u64;
    for i in 0..zip.len() {
        let name = zip.by_index_raw(i).map_or_else(|_| format!("member {i}"), |member| member.name().to_owned());
        let array = match zip.by_index(i) {
            Ok(member) if member.is_dir() => continue,
            Ok(mut member) => {
                let size = member.size().min(bytes.saturating_mul(DEFLATE));
                unpacked = unpacked.saturating_add(size);
                if unpacked > FREE.max(bytes.saturating_mul(SWELL)) {
                    let message = format!(
                        "{bytes} bytes that unpack to {} MiB or more, which no ensemble does; save it with numpy.savez, not compressed",
                        unpacked >> 20
                    );
                    return Err(Error::data(path, message));
                }
                npy::read(&mut member, size)
            }
            Err(e) => Err(Problem::Damage(e.to_string())),
        };
        // As NumPy: up to a zero byte.
        let name = name.split('\0').next().unwrap_or_default();
        let name = name.strip_suffix(".npy").unwrap_or(name).to_owned();
        match array {
            Ok(array) => drop(arrays.insert(name, array)),
            Err(problem) => drop(problems.insert(name, problem)),
        }
    }
    Ok((arrays, problems))
}

/// Writes arrays as a deflated `.npz`, whole or not at all. The bytes depend on the arrays alone (no timestamps).
///
/// # Errors
/// [`Error::Io`] when the file cannot be written.
pub fn write_npz(path: impl AsRef<Path>, arrays: &Arrays) -> Result<()> {
    write(path.as_ref(), arrays, CompressionMethod::Deflated)
}

/// The same, not deflated, as `numpy.savez` does: a tenth larger, and several times as fast.
///
/// # Errors
/// See [`write_npz`].
pub fn write_npz_plain(path: impl AsRef<Path>, arrays: &Arrays) -> Result<()> {
    write(path.as_ref(), arrays, CompressionMethod::Stored)
}

fn write(path: &Path, arrays: &Arrays, method: CompressionMethod) -> Result<()> {
    let bytes = encode(arrays, method).map_err(Error::io(path))?;
    disk::replace(path, |file| file.write_all(&bytes)).map_err(Error::io(path))
}

/// The bytes of the file. In memory first: the zip writer panics, or hides the system's reason, when a write fails. Array by array: its
/// compressor takes longer to clear its buffer for a number than to compress it.
fn encode(arrays: &Arrays, method: CompressionMethod) -> std::io::Result<Vec<u8>> {
    let size = |array: &Array| 8 * array.len() + 1_024;
    let all = arrays.values().map(size).sum();
    let mut file = npyz::zip::ZipWriter::new(Cursor::new(Vec::with_capacity(all)));
    // The default is the current time: the same arrays would give other bytes two seconds later.
    let options = npyz::zip::write::FileOptions::default().last_modified_time(npyz::zip::DateTime::default());
    let options = options.compression_method(method);
    for (name, array) in arrays {
        let shape: Vec<u64> = array.shape.iter().map(|&n| n as u64).collect();
        let mut bytes = Vec::with_capacity(size(array));
        macro_rules! put {
            ($v:expr) => {{
                let mut w = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd()?;
                w.extend($v.iter().copied())?;
                w.finish()?;
            }};
        }
        match &array.data {
            Data::F32(v) => put!(v),
            Data::F64(v) => put!(v),
            Data::I64(v) => put!(v),
        }
        file.start_file(npyz::npz::file_name_from_array_name(name), options)?;
        file.write_all(&bytes)?;
    }
    Ok(file.finish().map_err(std::io::Error::other)?.into_inner())
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
        write_npz_plain(&path, &arrays).unwrap();
        assert_eq!(read_npz(&path).unwrap(), arrays);
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
