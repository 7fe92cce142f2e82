//! `.xtc`: compressed trajectories of GROMACS, as VMD, MDAnalysis and mdtraj read and write them. Positions only.
//!
//! A file is a series of frames: a header (magic number, atoms, step, time, box, atoms again), then the coordinates as
//! multiples of 1/precision, packed into bits; nine atoms or fewer as plain floats. Positions are nm for molecules; other
//! units stand as they are. There is no checksum: a flipped bit may read as another number.
//!
//! A codec of our own, because energies need a precision of 1e-6 nm: `molly` (0.7) writes wrong coordinates where three
//! ranges make more than about 61 bits, as they do then, and panics on damaged files.

mod coordinates;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use rayon::prelude::*;

use super::{Array, Arrays};
use crate::error::{Error, Result};
use coordinates::{FIRST, LAST, pack, unpack};

/// Steps per unit of length: 1e-6 nm, in place of the customary 1e-3 nm, which would move energies by many kT. Thermal
/// forces of some 1,000 kJ/mol/nm make that some 1e-3 kJ/mol per frame.
pub(super) const PRECISION: f32 = 1e6;
/// Coordinates beyond this would overflow the integers of the format (nm).
const LIMIT: f64 = 1_000.0;
/// Bytes before the coordinates.
const HEADER: usize = 56;
/// Most atoms that are stored as plain floats.
const PLAIN: usize = 9;

/// Reads all frames as `positions [n, atoms, 3]`, and as `box [n, 3, 3]` where there is one.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened; [`Error::Data`] when it is not an XTC file, is cut short, damaged, or
/// holds no frames; [`Error::Shape`] when the number of atoms changes.
pub fn read_xtc(path: impl AsRef<Path>) -> Result<Arrays> {
    let path = path.as_ref();
    let bytes = crate::disk::read(path, u64::MAX).map_err(Error::io(path))?;
    decode_xtc(&bytes, path)
}

/// The same of the bytes of a file; `path` is for messages.
///
/// # Errors
/// See [`read_xtc`].
pub fn decode_xtc(bytes: &[u8], path: &Path) -> Result<Arrays> {
    let mut frames: Vec<&[u8]> = Vec::new();
    let (mut rest, mut atoms) = (bytes, 0);
    while !rest.is_empty() {
        let at = |message: String| Error::data(path, format!("frame {}: {message}", frames.len()));
        let (here, length) = measure(rest).map_err(at)?;
        if frames.is_empty() {
            atoms = here;
        } else if here != atoms {
            let message = format!("frame {} has {here} atoms, the first one {atoms}", frames.len());
            return Err(Error::shape(path, message));
        }
        let (frame, behind) = rest.split_at(length);
        frames.push(frame);
        rest = behind;
    }
    if atoms == 0 {
        return Err(Error::data(path, "holds no atoms; expected an XTC trajectory"));
    }
    let mut positions = vec![0.0; frames.len() * 3 * atoms];
    positions.par_chunks_exact_mut(3 * atoms).zip(&frames).enumerate().try_for_each(|(i, (out, bytes))| {
        let damaged = || Error::data(path, format!("frame {i}: the packed coordinates are damaged"));
        decode(bytes, atoms, out).ok_or_else(damaged)
    })?;
    let mut out = Arrays::from([("positions".to_owned(), Array::f64(&[frames.len(), atoms, 3], positions))]);
    // Behind magic number, atoms, step and time.
    let floats =
        |frame: &&[u8]| frame[16..52].as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_be_bytes(*b))).collect();
    let boxes: Vec<Vec<f64>> = frames.iter().map(floats).collect();
    if boxes.iter().any(|cell| cell.iter().any(|x| *x != 0.0)) {
        out.insert("box".to_owned(), Array::f64(&[frames.len(), 3, 3], boxes.concat()));
    }
    Ok(out)
}

/// The least precision of all frames of a file that [`decode_xtc`] takes, in steps per unit of length; `None` where
/// coordinates are plain floats.
pub(super) fn precision(bytes: &[u8]) -> Option<f64> {
    let (mut rest, mut least) = (bytes, None);
    while let Ok((atoms, length)) = measure(rest) {
        if atoms > PLAIN {
            let here = f64::from(f32::from_be_bytes(*rest[HEADER..].first_chunk()?));
            least = Some(least.map_or(here, |least: f64| least.min(here)));
        }
        rest = &rest[length..];
    }
    least
}

/// Coordinates of a frame that [`measure`] found whole.
fn decode(bytes: &[u8], atoms: usize, out: &mut [f64]) -> Option<()> {
    let words = bytes[HEADER..].as_chunks::<4>().0;
    let (int, float) = (|i: usize| i32::from_be_bytes(words[i]), |i: usize| f64::from(f32::from_be_bytes(words[i])));
    if atoms <= PLAIN {
        (0..3 * atoms).for_each(|i| out[i] = float(i));
        return Some(());
    }
    let precision = float(0);
    let (low, high) = ([int(1), int(2), int(3)], [int(4), int(5), int(6)]);
    let packed = if bytes[..4] == 1995_i32.to_be_bytes() { 36 } else { 40 };
    let numbers = unpack(&bytes[HEADER + packed..], atoms, low, high, int(7) as usize)?;
    for (out, number) in out.as_chunks_mut::<3>().0.iter_mut().zip(numbers) {
        *out = number.map(|x| x as f64 / precision);
    }
    Some(())
}

/// Atoms and bytes of the frame that begins here, from its header alone.
fn measure(bytes: &[u8]) -> Result<(usize, usize), String> {
    let word = |at: usize| bytes.get(at..at + 4).map(|b| i32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let cut = |expected: usize| format!("is cut short: {} bytes are left, {expected} expected", bytes.len());
    let magic = word(0).ok_or_else(|| cut(HEADER))?;
    if magic != 1995 && magic != 2023 {
        return Err(format!("begins with {magic}, not with 1995 or 2023; expected an XTC trajectory"));
    }
    let count = |at: usize| word(at).map(|n| usize::try_from(n).unwrap_or(0));
    let (atoms, again) = count(4).zip(count(HEADER - 4)).ok_or_else(|| cut(HEADER))?;
    if atoms != again || atoms == 0 {
        return Err(format!("gives {atoms} atoms, then {again}: the header is damaged"));
    }
    if atoms <= PLAIN {
        let length = HEADER + 12 * atoms;
        return if bytes.len() < length { Err(cut(length)) } else { Ok((atoms, length)) };
    }
    // Precision, smallest and largest integers, index of the first bit length, number of packed bytes.
    let packed = HEADER + if magic == 1995 { 36 } else { 40 };
    let tail = word(packed - 4).map(|n| n as u32 as usize).ok_or_else(|| cut(packed))?;
    let precision = word(HEADER).map_or(f32::NAN, |bits| f32::from_bits(bits as u32));
    let ranges = (0..3).all(|c| {
        let ends = word(HEADER + 4 + 4 * c).zip(word(HEADER + 16 + 4 * c));
        ends.and_then(|(low, high)| high.checked_sub(low)).is_some_and(|range| (0..i32::MAX).contains(&range))
    });
    let index = word(HEADER + 28).is_some_and(|i| (FIRST as i32..LAST as i32).contains(&i));
    if !(precision > 0.0 && precision.is_finite() && ranges && index) || (magic == 2023 && word(packed - 8) != Some(0))
    {
        return Err("the header of the packed coordinates is damaged".into());
    }
    let length = packed + tail.div_ceil(4) * 4;
    if bytes.len() < length {
        return Err(cut(length));
    }
    // An atom takes a bit or more: this keeps a damaged count from taking all memory.
    if atoms > 8 * tail {
        return Err(format!("{atoms} atoms do not fit into {tail} bytes: the header is damaged"));
    }
    Ok((atoms, length))
}

/// Writes frames `positions [n, atoms, 3]`, rounded to `1/precision` (to f32 with nine atoms or fewer);
/// steps and times count the frames, and there is no box.
///
/// # Errors
/// [`Error::Data`] for coordinates that are not finite or beyond 1,000; [`Error::Io`] when the file cannot be written.
pub fn write_xtc(path: impl AsRef<Path>, positions: &[f64], atoms: usize, precision: f32) -> Result<()> {
    let path = path.as_ref();
    if let Some(i) = positions.iter().position(|x| x.is_nan() || x.abs() > LIMIT) {
        let message = format!("frame {} holds {}; XTC files take up to ±{LIMIT}", i / (3 * atoms), positions[i]);
        return Err(Error::data(path, message));
    }
    let file = File::create(path).map_err(Error::io(path))?;
    let mut out = BufWriter::new(file);
    for (i, x) in positions.chunks_exact(3 * atoms).enumerate() {
        out.write_all(&encode(i, x, precision)).map_err(Error::io(path))?;
    }
    out.flush().map_err(Error::io(path))?;
    out.get_ref().sync_all().map_err(Error::io(path))
}

/// The bytes of a frame.
fn encode(index: usize, x: &[f64], precision: f32) -> Vec<u8> {
    let (points, atoms) = (x.as_chunks::<3>().0, (x.len() / 3) as u32);
    let mut bytes = Vec::with_capacity(HEADER + 36 + 4 * x.len());
    let mut put = |word: [u8; 4]| bytes.extend(word);
    put(1995_i32.to_be_bytes());
    put(atoms.to_be_bytes());
    put((index as u32).to_be_bytes());
    put((index as f32).to_be_bytes());
    (0..9).for_each(|_| put([0; 4]));
    put(atoms.to_be_bytes());
    if points.len() <= PLAIN {
        x.iter().for_each(|&x| put((x as f32).to_be_bytes()));
        return bytes;
    }
    let numbers: Vec<[i32; 3]> = points.iter().map(|p| p.map(|x| (x * f64::from(precision)).round() as i32)).collect();
    let (low, high, mut packed) = pack(&numbers);
    put(precision.to_be_bytes());
    low.into_iter().chain(high).for_each(|n| put(n.to_be_bytes()));
    put((FIRST as u32).to_be_bytes());
    put((packed.len() as u32).to_be_bytes());
    packed.resize(packed.len().div_ceil(4) * 4, 0);
    bytes.extend(packed);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn normals(frames: usize, atoms: usize, sd: f64) -> Vec<f64> {
        let mut draws = Stream::new(3, Purpose::Init, 0).at(0);
        (0..frames * 3 * atoms).map(|_| sd * draws.normal()).collect()
    }

    #[test]
    fn round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.xtc");
        for (atoms, sd) in [(1, 0.3), (9, 0.3), (10, 0.3), (22, 0.3), (33, 20.0), (55, 1.0), (13, 0.0), (400, 90.0)] {
            let positions = normals(7, atoms, sd);
            write_xtc(&path, &positions, atoms, 1e5).unwrap();
            assert_eq!(precision(&std::fs::read(&path).unwrap()), (atoms > 9).then_some(1e5));
            write_xtc(&path, &positions, atoms, PRECISION).unwrap();
            let stated = precision(&std::fs::read(&path).unwrap());
            assert_eq!(stated, (atoms > 9).then_some(1e6));
            let back = &read_xtc(&path).unwrap()["positions"];
            assert_eq!(back.shape, [7, atoms, 3]);
            for (a, b) in positions.iter().zip(back.to_f64()) {
                let error = if atoms > 9 { 0.501e-6 } else { 6e-8 * a.abs() };
                assert!((a - b).abs() <= error, "{atoms}: {a} {b}");
            }
            // Written again, the bytes are the same.
            let bytes = std::fs::read(&path).unwrap();
            write_xtc(&path, &back.to_f64(), atoms, PRECISION).unwrap();
            assert!(bytes == std::fs::read(&path).unwrap());
        }
    }

    /// A chain of 60 atoms that mdtraj 1.11 wrote at the customary precision of 0.001, with runs of small differences.
    #[test]
    fn reads_mdtraj() {
        let arrays = read_xtc(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/structure/mdtraj.xtc")).unwrap();
        assert_eq!(arrays["positions"].shape, [3, 60, 3]);
        for (i, x) in arrays["positions"].to_f64().into_iter().enumerate() {
            let (f, a, c) = ((i / 180) as f64, (i / 3 % 60) as f64, i % 3);
            let along = if c == 0 { 0.11 * a } else { 0.0 };
            let expected = 0.1 * (1.7 * a + c as f64).sin() + along + 0.013 * f;
            assert!((x - expected).abs() < 0.000_501, "{i}: {x} {expected}");
        }
    }

    /// Cut anywhere but between frames, a file is refused, with its path.
    #[test]
    fn cut_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.xtc");
        for atoms in [3, 12] {
            write_xtc(&path, &normals(3, atoms, 0.2), atoms, PRECISION).unwrap();
            let whole = std::fs::read(&path).unwrap();
            let mut good = 0;
            for end in 0..whole.len() {
                std::fs::write(&path, &whole[..end]).unwrap();
                match read_xtc(&path) {
                    Ok(_) => good += 1,
                    Err(Error::Data { message, .. }) => {
                        assert!(message.contains("cut short") || end == 0, "{end}: {message}");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(good, 2);
        }
    }

    /// Any byte changed, a file is read or refused; nothing else happens.
    #[test]
    fn damage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.xtc");
        write_xtc(&path, &normals(1, 12, 0.2), 12, PRECISION).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut refused = 0;
        for i in 0..whole.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[i] ^= change;
                std::fs::write(&path, &bytes).unwrap();
                match read_xtc(&path) {
                    Ok(_) => {}
                    Err(Error::Data { .. }) => refused += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        assert!(refused > 50, "{refused}");
    }

    #[test]
    fn refusals() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.xtc");
        for bad in [f64::NAN, f64::INFINITY, -1_000.1] {
            assert!(matches!(write_xtc(&path, &[0.0, 0.0, bad], 1, PRECISION), Err(Error::Data { .. })));
        }
        std::fs::write(&path, b"PK\x03\x04 not a trajectory").unwrap();
        let message = read_xtc(&path).unwrap_err().to_string();
        assert!(message.contains("frame 0: begins with 1347093252"), "{message}");
        write_xtc(&path, &normals(1, 12, 0.2), 12, PRECISION).unwrap();
        let mut two = std::fs::read(&path).unwrap();
        write_xtc(&path, &normals(1, 13, 0.2), 13, PRECISION).unwrap();
        two.extend(std::fs::read(&path).unwrap());
        std::fs::write(&path, &two).unwrap();
        assert!(matches!(read_xtc(&path), Err(Error::Shape { .. })));
    }
}
