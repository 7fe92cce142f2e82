//! A look at the header of a `.npy` array before anything is believed: `npyz` multiplies and allocates what it says.

use std::io::{Error, ErrorKind, Read, Result};

/// Longest header: NumPy's own limit is 10,000 characters.
const LONGEST: usize = 1 << 16;
/// Largest product of extents where an extent of 0 makes the array empty.
const EMPTY: u64 = 1 << 40;

/// Reads the header of an array whose bytes, header included, are at most `size`, and returns it; but for the `L` of Python 2's
/// long integers (`3L`), which becomes a blank.
///
/// # Errors
/// `InvalidData` for a header that is none, or that promises more entries than bytes can follow.
pub(super) fn read(input: &mut impl Read, size: u64) -> Result<Vec<u8>> {
    let bad = |message: &str| Error::new(ErrorKind::InvalidData, message.to_owned());
    let mut bytes = vec![0; 10];
    input.read_exact(&mut bytes)?;
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(bad("not a .npy array"));
    }
    let mut length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    if bytes[6] >= 2 {
        let mut high = [0; 2];
        input.read_exact(&mut high)?;
        bytes.extend(high);
        length |= usize::from(u16::from_le_bytes(high)) << 16;
    }
    if length > LONGEST {
        return Err(bad("a header of more than 64 KiB"));
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    input.read_exact(&mut bytes[start..])?;
    let left = size.saturating_sub(bytes.len() as u64);
    match entries(&bytes[start..]) {
        Some((extents, _)) if extents > EMPTY => Err(bad("extents beyond all bounds")),
        Some((extents, false)) if extents > left => {
            Err(bad(&format!("the header promises {extents} entries, but only {left} bytes can follow")))
        }
        Some(_) => {
            // Not in quotes, where no digit stands before a capital letter: types are such as `<f8`.
            for i in start + 1..bytes.len() {
                if bytes[i] == b'L' && bytes[i - 1].is_ascii_digit() {
                    bytes[i] = b' ';
                }
            }
            Ok(bytes)
        }
        None => Err(bad("a header whose extents are no whole numbers")),
    }
}

/// Product of all extents in a header but those that are 0, and whether there is such a one. Outside of quotes, a header
/// holds no other numbers; where it does, they count too.
fn entries(header: &[u8]) -> Option<(u64, bool)> {
    let (mut product, mut empty, mut quote, mut i) = (1_u64, false, None, 0);
    while i < header.len() {
        let c = header[i];
        match quote {
            Some(q) => quote = (c != q).then_some(q),
            None if c == b'\'' || c == b'"' => quote = Some(c),
            None if c.is_ascii_digit() => {
                let end = header[i..].iter().position(|b| !b.is_ascii_alphanumeric()).map_or(header.len(), |n| i + n);
                // Python 2 wrote `3L`.
                let text = std::str::from_utf8(&header[i..end]).ok()?.trim_end_matches('L');
                let extent: u64 = text.parse().ok()?;
                empty |= extent == 0;
                product = product.checked_mul(extent.max(1))?;
                i = end;
                continue;
            }
            None => {}
        }
        i += 1;
    }
    Some((product, empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python 2 wrote it.
    #[test]
    fn long_integers() {
        let text = b"{'descr': '<f8', 'shape': (2L, 3L), }\n";
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((text.len() as u16).to_le_bytes());
        file.extend(text);
        let read = read(&mut &file[..], 1_000).unwrap();
        assert_eq!(&read[10..], b"{'descr': '<f8', 'shape': (2 , 3 ), }\n");
    }

    #[test]
    fn products() {
        assert_eq!(entries(b"{'descr': '<f8', 'fortran_order': False, 'shape': (20, 3L), }"), Some((60, false)));
        assert_eq!(entries(b"{'descr': '<f8', 'shape': (0, 7)}"), Some((7, true)));
        assert_eq!(entries(b"{'descr': '<f8', 'shape': ()}"), Some((1, false)));
        assert_eq!(entries(b"(4294967296, 4294967296)"), None);
        assert_eq!(entries(b"(18446744073709551616,)"), None);
        assert_eq!(entries(b"(0x10,)"), None);
    }

    #[test]
    fn promises() {
        let array = |shape: &str| {
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
            [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &[0; 16]].concat()
        };
        let read = |bytes: &[u8]| read(&mut &bytes[..], bytes.len() as u64);
        assert!(read(&array("(2,)")).is_ok());
        assert!(read(&array("(0, 4)")).is_ok());
        for shape in ["(1000,)", "(0, 99999999999999)", "(9223372036854775808, 4)"] {
            assert!(read(&array(shape)).is_err(), "{shape}");
        }
    }
}
