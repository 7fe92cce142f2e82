//! The little of the tar format (POSIX ustar) that bundles need: regular files with short names, nothing else. `tar tf`
//! reads what is written here; what is read here is refused unless it is of that kind.

use std::io::{Read, Write};

/// Bytes of a block.
const BLOCK: usize = 512;
/// Longest name.
pub const NAME: usize = 100;

/// What stands before a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Path inside the archive.
    pub name: String,
    /// Bytes of the file.
    pub size: u64,
}

/// Writes the header of a file. The bytes depend on name and size alone (no owner, no time).
///
/// # Errors
/// `InvalidInput` for a name that is empty or too long; whatever the writer says.
pub fn write_header(out: &mut impl Write, header: &Header) -> std::io::Result<()> {
    let Header { name, size } = header;
    if name.is_empty() || name.len() > NAME || *size >= 1 << 33 {
        let message = format!("`{name}` ({size} bytes) does not fit into a bundle");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
    }
    let mut block = [0_u8; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum = checksum(&block);
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.write_all(&block)
}

/// Fills up the last block of a file of `size` bytes.
///
/// # Errors
/// Whatever the writer says.
pub fn write_padding(out: &mut impl Write, size: u64) -> std::io::Result<()> {
    out.write_all(&[0; BLOCK][..padding(size)])
}

/// Writes a file of `size` bytes.
///
/// # Errors
/// Whatever reader and writer say; content of another size.
pub fn write_entry(out: &mut impl Write, name: &str, size: u64, content: &mut dyn Read) -> std::io::Result<()> {
    write_header(out, &Header { name: name.to_owned(), size })?;
    if std::io::copy(&mut content.take(size), out)? != size {
        return Err(std::io::Error::other(format!("{name} changed while it was read")));
    }
    write_padding(out, size)
}

/// Ends an archive.
///
/// # Errors
/// Whatever the writer says.
pub fn write_end(out: &mut impl Write) -> std::io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

/// Reads the next header; `None` at the end of the archive.
///
/// # Errors
/// `InvalidData` for anything but a regular file, `UnexpectedEof` for an archive that is cut short.
pub fn read_header(input: &mut impl Read) -> std::io::Result<Option<Header>> {
    let bad = |message: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, message.to_owned());
    let mut block = [0_u8; BLOCK];
    input.read_exact(&mut block)?;
    if block == [0; BLOCK] {
        return Ok(None);
    }
    let text = |range: std::ops::Range<usize>| {
        let bytes = &block[range];
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        std::str::from_utf8(&bytes[..end]).map(str::trim).map_err(|_| bad("a header that is not text"))
    };
    let octal = |range, what| u64::from_str_radix(text(range)?, 8).map_err(|_| bad(what));
    if !block[257..].starts_with(b"ustar") {
        return Err(bad("not a tar archive"));
    }
    if octal(148..156, "a header without a checksum")? != checksum(&block) {
        return Err(bad("a header with a wrong checksum"));
    }
    if !matches!(block[156], b'0' | 0) || block[345] != 0 {
        return Err(bad("something that is not a regular file with a short name (a link, a folder, a device)"));
    }
    Ok(Some(Header { name: text(0..NAME)?.to_owned(), size: octal(124..136, "a header without a size")? }))
}

/// Skips what fills up the last block of a file.
///
/// # Errors
/// As [`read_header`].
pub fn read_padding(input: &mut impl Read, size: u64) -> std::io::Result<()> {
    input.read_exact(&mut [0; BLOCK][..padding(size)])
}

fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// Sum of all bytes, with those of the sum itself as spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    block.iter().enumerate().map(|(i, &b)| if (148..156).contains(&i) { 32 } else { u64::from(b) }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let mut bytes = Vec::new();
        for (name, size) in [("a/x", 3_u64), ("a/y", 512), ("a/z", 0)] {
            write_header(&mut bytes, &Header { name: name.into(), size }).unwrap();
            bytes.extend(vec![7; size as usize]);
            write_padding(&mut bytes, size).unwrap();
        }
        write_end(&mut bytes).unwrap();
        let mut input = &bytes[..];
        for (name, size) in [("a/x", 3_u64), ("a/y", 512), ("a/z", 0)] {
            assert_eq!(read_header(&mut input).unwrap(), Some(Header { name: name.into(), size }));
            input = &input[size as usize..];
            read_padding(&mut input, size).unwrap();
        }
        assert_eq!(read_header(&mut input).unwrap(), None);
        let changed = |at: usize, byte: u8| {
            let mut block = bytes[..BLOCK].to_vec();
            block[at] = byte;
            let sum = checksum(block[..].try_into().unwrap());
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            read_header(&mut &block[..])
        };
        assert!(changed(0, b'b').is_ok());
        for (at, byte) in [(156, b'2'), (156, b'5'), (345, b'/'), (124, b'9'), (257, b'x')] {
            assert!(changed(at, byte).is_err(), "byte {at}");
        }
        assert!(read_header(&mut &bytes[..100]).is_err());
        let mut flipped = bytes.clone();
        flipped[1] ^= 1;
        assert!(read_header(&mut &flipped[..]).unwrap_err().to_string().contains("checksum"));
    }
}
