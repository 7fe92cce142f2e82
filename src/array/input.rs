//! Files of arrays that somebody else made: the format is told by the content, so that a pipe will do, and what cannot be
//! used is named when it is asked for.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Array, Arrays, Problem, Problems, decode_xtc, npy, npz, precision, tensors};
use crate::disk;
use crate::error::{Error, Result};

/// Bytes that tell a format.
const HEAD: usize = 9;

/// Arrays of a file.
#[derive(Debug)]
pub struct Input {
    path: PathBuf,
    arrays: Arrays,
    problems: Problems,
    precision: Option<f64>,
}

impl Input {
    /// Reads an `.npz`, `.npy`, `.safetensors` or `.xtc` file, gzip-ed or not, or what is open already: standard input (`-`),
    /// `/dev/fd/N`; `main` is the name of an array without one: that of an `.npy` file, or the only one of an `.npz` file,
    /// `arr_0`.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Data`] when it is of no known format or is damaged.
    pub fn open(path: impl AsRef<Path>, main: &str) -> Result<Self> {
        let path = path.as_ref();
        let open_already = ["/dev/stdin", "/dev/fd", "/proc/self/fd"].iter().any(|p| path.starts_with(p));
        if path == Path::new("-") {
            Self::stream(std::io::stdin().lock(), Path::new("standard input"), main)
        } else if open_already {
            Self::stream(File::open(path).map_err(Error::io(path))?, path, main)
        } else {
            // Not a pipe or a device: opening it might wait for ever.
            Self::decode(BufReader::new(disk::open(path).map_err(Error::io(path))?), path, main)
        }
    }

    /// All of a stream, unless its first bytes show that it is none of ours: it might never end.
    fn stream(mut stream: impl Read, path: &Path, main: &str) -> Result<Self> {
        let mut bytes = Vec::new();
        stream.by_ref().take(HEAD as u64).read_to_end(&mut bytes).map_err(Error::io(path))?;
        if Format::told(&bytes).is_none() && !disk::is_gzip(&bytes) {
            let what = foreign(&bytes).unwrap_or("is not npz, npy, safetensors or xtc data");
            return Err(Error::data(path, what));
        }
        stream.read_to_end(&mut bytes).map_err(Error::io(path))?;
        Self::decode(Cursor::new(bytes), path, main)
    }

    /// The same of an open file, gzip-ed or not; `path` is for messages, and tells the format where the content does not.
    ///
    /// # Errors
    /// See [`Input::open`].
    pub fn decode(mut file: impl Read + Seek, path: &Path, main: &str) -> Result<Self> {
        let io = || Error::io(path);
        let mut head = Vec::new();
        file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(io())?;
        file.seek(SeekFrom::Start(0)).map_err(io())?;
        if !disk::is_gzip(&head) {
            return Self::decode_plain(file, &head, path, main);
        }
        let mut packed = Vec::new();
        file.read_to_end(&mut packed).map_err(io())?;
        let bytes = disk::gunzip(&packed).map_err(|e| Error::data(path, e.to_string()))?;
        let head = &bytes[..HEAD.min(bytes.len())];
        // `x.npy.gz` is told by what it was before.
        let inner = Self::decode_plain(Cursor::new(&bytes), head, &path.with_extension(""), main);
        match inner {
            Ok(input) => Ok(Self { path: path.to_path_buf(), ..input }),
            Err(Error::Data { message, .. }) => Err(Error::data(path, message)),
            Err(other) => Err(other),
        }
    }

    fn decode_plain(mut file: impl Read + Seek, head: &[u8], path: &Path, main: &str) -> Result<Self> {
        let io = || Error::io(path);
        if let (None, Some(what)) = (Format::told(head), foreign(head)) {
            return Err(Error::data(path, what));
        }
        let mut whole = || -> Result<Vec<u8>> {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(io())?;
            Ok(bytes)
        };
        let mut stated = None;
        let (mut arrays, mut problems) = match Format::of(head, path) {
            Format::Npz => npz::decode_all(file, path)?,
            Format::Xtc => {
                let bytes = whole()?;
                stated = precision(&bytes);
                (decode_xtc(&bytes, path)?, Problems::new())
            }
            Format::Safetensors => tensors::decode_all(&whole()?).map_err(|why| Error::data(path, why))?,
            Format::Npy => {
                let bytes = whole()?;
                match npy::read(&mut &bytes[..], bytes.len() as u64) {
                    Ok(array) => ([(main.to_owned(), array)].into(), Problems::new()),
                    Err(Problem::Damage(why)) => return Err(Error::data(path, format!("malformed: {why}"))),
                    Err(problem) => (Arrays::new(), [(main.to_owned(), problem)].into()),
                }
            }
        };
        if arrays.len() + problems.len() == 1 {
            arrays.remove(UNNAMED).map(|array| arrays.insert(main.to_owned(), array));
            problems.remove(UNNAMED).map(|problem| problems.insert(main.to_owned(), problem));
        }
        Ok(Self { path: path.to_path_buf(), arrays, problems, precision: stated })
    }

    /// Where they were read from, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Steps per unit of length that positions were rounded to, where the format says so (XTC).
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        self.precision
    }

    /// All arrays that can be used.
    #[must_use]
    pub fn arrays(&self) -> &Arrays {
        &self.arrays
    }

    /// The same.
    #[must_use]
    pub fn into_arrays(self) -> Arrays {
        self.arrays
    }

    /// Names of all arrays, also of those that cannot be used.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().chain(self.problems.keys()).map(String::as_str)
    }

    /// The array `name`, if the file has it.
    ///
    /// # Errors
    /// [`Error::Data`] when it has, but it cannot be used.
    pub fn find(&self, name: &str) -> Result<Option<&Array>> {
        match self.problems.get(name) {
            Some(problem) => Err(Error::data(&self.path, format!("array `{name}` is {problem}"))),
            None => Ok(self.arrays.get(name)),
        }
    }

    /// The array `name`.
    ///
    /// # Errors
    /// [`Error::Data`] when there is none, with all that the file holds; or when it cannot be used.
    pub fn get(&self, name: &str) -> Result<&Array> {
        self.find(name)?.ok_or_else(|| {
            let usable = self.arrays.iter().map(|(name, array)| format!("{name} {:?}", array.shape));
            let others = self.problems.iter().map(|(name, problem)| format!("{name} ({problem})"));
            let held: Vec<String> = usable.chain(others).collect();
            let held = if held.is_empty() { "nothing".into() } else { held.join(", ") };
            Error::data(&self.path, format!("no array `{name}`; the file holds: {held}"))
        })
    }

    /// The array `name` of one number a frame, `[n]` (or of as many numbers in more axes), if the file has it.
    ///
    /// # Errors
    /// [`Error::Data`] when it cannot be used, [`Error::Shape`] for another shape.
    pub fn column(&self, name: &str, n: usize) -> Result<Option<&Array>> {
        let found = self.find(name)?;
        if let Some(array) = found
            && (array.len() != n || array.shape.is_empty())
        {
            let message = format!("`{name}` has shape {:?}, expected [{n}]: one number a frame", array.shape);
            return Err(Error::shape(&self.path, message));
        }
        Ok(found)
    }

    /// How much each of `n` frames or points counts, if the file says so: `weights`, or `log_weight` up to a constant.
    ///
    /// # Errors
    /// [`Error::Data`] when both are there, [`Error::NonFinite`] for weights that are negative or no numbers, or all zero;
    /// see also [`Input::column`].
    pub fn weights(&self, n: usize) -> Result<Option<Vec<f64>>> {
        let (plain, log) = (self.column("weights", n)?, self.column("log_weight", n)?);
        let (name, given) = match (plain, log) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(Error::data(&self.path, "holds both `weights` and `log_weight`; leave one of them out"));
            }
            (Some(plain), None) => ("weights", plain.to_f64()),
            (None, Some(log)) => ("log_weight", log.to_f64()),
        };
        let top = given.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = if log.is_some() { given.iter().map(|l| (l - top).exp()).collect() } else { given.clone() };
        let bad = |message: String| Error::NonFinite { path: self.path.clone(), message };
        if let Some(i) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
            return Err(bad(format!("`{name}` is {} at entry {i}; no weight can be made of that", given[i])));
        }
        if weights.iter().all(|w| *w == 0.0) {
            return Err(bad(format!("`{name}` is zero throughout")));
        }
        Ok(Some(weights))
    }

    /// Arrays that nobody reads, though they are called like weights.
    #[must_use]
    pub fn nearly_weights(&self) -> Vec<&str> {
        let like = |name: &&str| {
            let name = name.to_lowercase();
            (name.contains("weight") || name.starts_with("logw") || name.starts_with("log_w") || name == "w")
                && !["weights", "log_weight"].contains(&name.as_str())
        };
        self.names().filter(like).collect()
    }

    /// `positions [n, atoms, 3]`, or `[n, 3*atoms]`, or without `n` (one frame), or with more axes before (`[walkers,
    /// frames, atoms, 3]`, walker after walker): finite, and of the right atom count.
    ///
    /// # Errors
    /// [`Error::Data`] without such an array, [`Error::Shape`] for another shape, [`Error::NonFinite`] for NaN or infinity.
    pub fn positions(&self, atoms: usize) -> Result<Vec<f64>> {
        let array = self.get("positions")?;
        let fits = match array.shape[..] {
            [.., a, 3] if a == atoms => true,
            [.., d] => d == 3 * atoms,
            [] => false,
        };
        if !fits {
            return Err(Error::shape(
                &self.path,
                format!("`positions` has shape {:?}, expected [n, {atoms}, 3] for this system", array.shape),
            ));
        }
        let positions = array.to_f64();
        if let Some(i) = positions.iter().position(|x| !x.is_finite()) {
            return Err(Error::NonFinite {
                path: self.path.clone(),
                message: format!(
                    "`positions` is {} at frame {}, atom {}, axis {}; remove such frames first",
                    positions[i],
                    i / (3 * atoms),
                    i / 3 % atoms,
                    i % 3
                ),
            });
        }
        Ok(positions)
    }

    /// All arrays of a file of samples, and its [`Input::precision`]: `positions` checked, at least one frame; weights of
    /// either kind as `log_weight`; `log_weight` and `parents` of one number a frame.
    ///
    /// # Errors
    /// See [`Input::positions`], [`Input::weights`] and [`Input::column`].
    pub fn samples(self, atoms: usize) -> Result<(Arrays, Option<f64>)> {
        let positions = self.positions(atoms)?;
        let n = positions.len() / (3 * atoms);
        if n == 0 {
            return Err(Error::data(&self.path, "`positions` has no frames"));
        }
        let mut columns = Arrays::from([("positions".to_owned(), Array::f64(&[n, atoms, 3], positions))]);
        let weights = self.weights(n)?;
        for name in ["log_weight", "parents"] {
            if let Some(array) = self.column(name, n)? {
                columns.insert(name.to_owned(), Array { shape: vec![n], ..array.clone() });
            }
        }
        if let (Some(weights), None) = (weights, self.find("log_weight")?) {
            columns.insert("log_weight".into(), Array::f64(&[n], weights.into_iter().map(f64::ln).collect()));
        }
        let precision = self.precision;
        let mut arrays = self.into_arrays();
        arrays.extend(columns);
        Ok((arrays, precision))
    }
}

/// `positions [n, atoms, 3]` of a file of any format: see [`Input::positions`].
///
/// # Errors
/// See [`Input::open`] and [`Input::positions`].
pub fn read_positions(path: impl AsRef<Path>, atoms: usize) -> Result<Vec<f64>> {
    Input::open(path, "positions")?.positions(atoms)
}

/// What `numpy.savez(file, x)` calls an array.
const UNNAMED: &str = "arr_0";

/// What a file is that is often handed over and not read, by its first bytes, and the remedy.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 8] = [
        (b"\x89HDF", "is an HDF5 file, which is not read: save positions with numpy.savez"),
        (b"CDF", "is a NetCDF file, which is not read: save positions (nm) with numpy.savez"),
        (b"\x54\0\0\0CORD", "is a DCD trajectory, which is not read: save positions (nm) with numpy.savez"),
        (b"\0\0\x07\xc9", "is a TRR trajectory, which is not read: save positions with numpy.savez, or as XTC"),
        (b"BZh", "is compressed by bzip2: unpack it first, or use gzip"),
        (b"\xfd7zXZ", "is compressed by xz: unpack it first, or use gzip"),
        (b"\x28\xb5\x2f\xfd", "is compressed by zstd: unpack it first, or use gzip"),
        (b"\x80", "looks like a Python pickle, which is not read: save arrays with numpy.savez"),
    ];
    known.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| *what)
}

enum Format {
    Npz,
    Npy,
    Safetensors,
    Xtc,
}

impl Format {
    /// By the first bytes.
    fn told(head: &[u8]) -> Option<Self> {
        let word = head.first_chunk().map(|b| i32::from_be_bytes(*b));
        if head.starts_with(b"PK") {
            Some(Self::Npz)
        } else if head.starts_with(npy::MAGIC) {
            Some(Self::Npy)
        } else if word == Some(1995) || word == Some(2023) {
            Some(Self::Xtc)
        } else {
            (head.get(8) == Some(&b'{')).then_some(Self::Safetensors)
        }
    }

    /// By the first bytes; failing that, by the extension, so that the error is about that format.
    fn of(head: &[u8], path: &Path) -> Self {
        let is = |extension: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension));
        Self::told(head).unwrap_or_else(|| {
            if is("safetensors") {
                Self::Safetensors
            } else if is("xtc") {
                Self::Xtc
            } else if is("npy") {
                Self::Npy
            } else {
                Self::Npz
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{encode_safetensors, write_npz};
    use super::*;

    fn decode(bytes: &[u8], name: &str) -> Result<Input> {
        Input::decode(Cursor::new(bytes), Path::new(name), "positions")
    }

    #[test]
    fn content_decides() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npz");
        let x = Array::f64(&[2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let named = Arrays::from([("positions".to_owned(), x.clone())]);
        write_npz(&path, &named).unwrap();
        let npz = std::fs::read(&path).unwrap();
        write_npz(&path, &Arrays::from([(UNNAMED.to_owned(), x.clone())])).unwrap();
        let unnamed = std::fs::read(&path).unwrap();
        let head = format!("{:<117}\n", "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }");
        let numbers = x.to_f64().into_iter().flat_map(f64::to_le_bytes);
        let npy: Vec<u8> = b"\x93NUMPY\x01\x00\x76\x00".iter().copied().chain(head.bytes()).chain(numbers).collect();
        for bytes in [&npz[..], &unnamed, &npy, &encode_safetensors(&named).unwrap()] {
            assert_eq!(decode(bytes, "standard input").unwrap().positions(1).unwrap(), x.to_f64());
        }
        let message = |bytes: &[u8], name: &str| decode(bytes, name).unwrap_err().to_string();
        assert!(message(b"", "x.npz").contains("not an npz file"));
        assert!(message(b"", "x.npy").contains("malformed"));
        assert!(message(b"HDF data, no trajectory", "x.xtc").contains("XTC"));
        assert!(message(b"HDF", "x.safetensors").contains("not a safetensors file"));
    }

    #[test]
    fn what_is_there_is_named() {
        let problem = Problem::Type("complex128 numbers; save their real part (x.real)".into());
        let input = Input {
            path: "x.npz".into(),
            arrays: [("x".to_owned(), Array::f64(&[2, 1], vec![0.0; 2]))].into(),
            problems: [("log_weight".to_owned(), problem)].into(),
            precision: None,
        };
        let message = |result: Result<&Array>| result.unwrap_err().to_string();
        assert_eq!(
            message(input.get("positions")),
            "x.npz: no array `positions`; the file holds: x [2, 1], log_weight (complex128 numbers; save their real part \
             (x.real))"
        );
        assert!(message(input.get("log_weight")).contains("array `log_weight` is complex128"));
        assert!(input.find("parents").unwrap().is_none() && input.find("log_weight").is_err());
        assert!(input.column("x", 2).unwrap().is_some() && input.column("x", 3).is_err());
    }

    #[test]
    fn weights_of_either_kind() {
        let weights = |arrays: &[(&str, &[f64])]| {
            let array = |(name, w): &(&str, &[f64])| ((*name).to_owned(), Array::f64(&[w.len()], w.to_vec()));
            let arrays = arrays.iter().map(array).collect();
            Input { path: "x.npz".into(), arrays, problems: Problems::new(), precision: None }.weights(2)
        };
        assert_eq!(weights(&[]).unwrap(), None);
        assert_eq!(weights(&[("weights", &[0.0, 3.0])]).unwrap(), Some(vec![0.0, 3.0]));
        assert_eq!(weights(&[("log_weight", &[-1e4, f64::NEG_INFINITY])]).unwrap(), Some(vec![1.0, 0.0]));
        for (name, bad) in [("weights", [0.0, 0.0]), ("weights", [-1.0, 2.0]), ("log_weight", [f64::NAN, 0.0])] {
            assert!(weights(&[(name, &bad)]).unwrap_err().to_string().contains(name), "{bad:?}");
        }
        assert!(weights(&[("log_weight", &[f64::NEG_INFINITY; 2])]).is_err());
        assert!(weights(&[("weights", &[1.0; 3])]).is_err());
        assert!(weights(&[("weights", &[1.0; 2]), ("log_weight", &[1.0; 2])]).is_err());
    }
}
