//! The packed coordinates of one frame: integers in as few bits as their range needs.
//!
//! Each atom is either one number of mixed radix over the range of the whole frame, or, in a run behind such an atom, a
//! small difference from the atom before. Bits are filled from the highest; numbers of several bytes come lowest byte
//! first. The scheme is that of xdr3dfcoord (F. van Hoesel, 1995).

/// Sizes of small differences, about 2^(i/3): three numbers below size `i` fit into `i` bits. None are below [`FIRST`].
#[rustfmt::skip]
const SIZES: [u32; 73] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 101, 128, 161, 203, 256, 322, 406, 512, 645,
    812, 1024, 1290, 1625, 2048, 2580, 3250, 4096, 5060, 6501, 8192, 10321, 13003, 16384, 20642, 26007, 32768, 41285,
    52015, 65536, 82570, 104031, 131072, 165140, 208063, 262144, 330280, 416127, 524287, 660561, 832255, 1048576,
    1321122, 1664510, 2097152, 2642245, 3329021, 4194304, 5284491, 6658042, 8388607, 10568983, 13316085, 16777216,
];
/// First size that is used.
pub(super) const FIRST: usize = 9;
/// Behind the last one.
pub(super) const LAST: usize = SIZES.len();
/// Ranges above are not multiplied, but stored one by one.
const LARGEST_PRODUCT: u64 = 0xff_ffff;

/// How a coordinate triple is stored over the whole range of a frame.
struct Full {
    low: [i32; 3],
    sizes: [u64; 3],
    /// Bits of the product of the sizes, or of each where one is too large.
    bits: Bits,
}

enum Bits {
    Together(u32),
    Each([u32; 3]),
}

impl Full {
    fn new(low: [i32; 3], high: [i32; 3]) -> Option<Self> {
        let mut sizes = [0; 3];
        for c in 0..3 {
            sizes[c] = u64::try_from(i64::from(high[c]) - i64::from(low[c]) + 1).ok().filter(|&s| s > 0)?;
        }
        let bits = if sizes.iter().any(|&s| s > LARGEST_PRODUCT) {
            Bits::Each(sizes.map(|s| 64 - s.leading_zeros()))
        } else {
            let product: u128 = sizes.iter().map(|&s| u128::from(s)).product();
            Bits::Together(128 - product.leading_zeros())
        };
        Some(Self { low, sizes, bits })
    }

    fn read(&self, bits: &mut Reader<'_>) -> Option<[i64; 3]> {
        let number = match self.bits {
            Bits::Together(n) => bits.triple(n, self.sizes)?,
            Bits::Each(n) => [bits.take(n[0])?, bits.take(n[1])?, bits.take(n[2])?].map(|x| x as i64),
        };
        Some([0, 1, 2].map(|c| number[c] + i64::from(self.low[c])))
    }
}

/// Bits of a byte slice, from the highest of the first byte.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// The next `n <= 32` bits as a number.
    fn take(&mut self, n: u32) -> Option<u64> {
        let end = self.at + n as usize;
        let bytes = self.bytes.get(self.at / 8..end.div_ceil(8))?;
        let all = bytes.iter().fold(0_u64, |all, &byte| all << 8 | u64::from(byte));
        let number = all >> (end.div_ceil(8) * 8 - end) & ((1 << n) - 1);
        self.at = end;
        Some(number)
    }

    /// Three numbers below `sizes` out of `n` bits.
    fn triple(&mut self, n: u32, sizes: [u64; 3]) -> Option<[i64; 3]> {
        let mut number = 0_u128;
        for shift in (0..n).step_by(8) {
            number |= u128::from(self.take((n - shift).min(8))?) << shift;
        }
        let (b, c) = (u128::from(sizes[1]), u128::from(sizes[2]));
        let first = i64::try_from(number / (b * c)).ok().filter(|&x| x < sizes[0] as i64)?;
        Some([first, (number / c % b) as i64, (number % c) as i64])
    }
}

/// Bits being put into bytes.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet.
    open: u64,
    held: u32,
}

impl Writer {
    /// The lowest `n <= 32` bits of a number.
    fn put(&mut self, number: u64, n: u32) {
        self.open = self.open << n | number & ((1 << n) - 1);
        self.held += n;
        while self.held >= 8 {
            self.held -= 8;
            self.bytes.push((self.open >> self.held) as u8);
        }
        self.open &= (1 << self.held) - 1;
    }

    fn finish(mut self) -> Vec<u8> {
        if self.held > 0 {
            self.put(0, 8 - self.held);
        }
        self.bytes
    }
}

/// The smallest and largest numbers of each axis, and the packed bytes. Differences are not used: at the precision that is
/// written here they would save one bit in ten.
pub(super) fn pack(numbers: &[[i32; 3]]) -> ([i32; 3], [i32; 3], Vec<u8>) {
    let low = [0, 1, 2].map(|c| numbers.iter().map(|x| x[c]).min().unwrap_or(0));
    let high = [0, 1, 2].map(|c| numbers.iter().map(|x| x[c]).max().unwrap_or(0));
    let mut out = Writer::default();
    if let Some(full) = Full::new(low, high) {
        for x in numbers {
            let x = [0, 1, 2].map(|c| (i64::from(x[c]) - i64::from(low[c])) as u64);
            match full.bits {
                Bits::Each(n) => (0..3).for_each(|c| out.put(x[c], n[c])),
                Bits::Together(n) => {
                    let [a, b, c] = x.map(u128::from);
                    let number = (a * u128::from(full.sizes[1]) + b) * u128::from(full.sizes[2]) + c;
                    for shift in (0..n).step_by(8) {
                        out.put((number >> shift) as u64, (n - shift).min(8));
                    }
                }
            }
            // No other run of differences than before: none.
            out.put(0, 1);
        }
    }
    (low, high, out.finish())
}

/// Reads `atoms` triples between `low` and `high` from packed bytes; `None` when the bytes are damaged. `small` is the place
/// of the first size of differences in the table.
pub(super) fn unpack(bytes: &[u8], atoms: usize, low: [i32; 3], high: [i32; 3], small: usize) -> Option<Vec<[i64; 3]>> {
    let full = Full::new(low, high)?;
    let mut bits = Reader { bytes, at: 0 };
    let mut out: Vec<[i64; 3]> = Vec::with_capacity(atoms);
    let (mut small, mut run) = (small, 0);
    while out.len() < atoms {
        let anchor = full.read(&mut bits)?;
        // One less than this is added to the place in the table.
        let mut change = 1;
        if bits.take(1)? == 1 {
            let both = bits.take(5)? as usize;
            (run, change) = (both / 3, both % 3);
        }
        let size = u64::from(*SIZES.get(small).filter(|&&s| s > 0)?);
        let mut before = anchor;
        for k in 0..run {
            let difference = bits.triple(small as u32, [size; 3])?;
            let here = [0, 1, 2].map(|c| before[c] + difference[c] - (size / 2) as i64);
            out.push(here);
            if k == 0 {
                // The second atom comes first: in water that is the oxygen, near to both hydrogens.
                out.push(anchor);
            }
            before = here;
        }
        if run == 0 {
            out.push(anchor);
        }
        small = (small + change).checked_sub(1)?;
    }
    (out.len() == atoms).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_go_in_and_out() {
        let mut out = Writer::default();
        for (number, n) in [(1, 1), (0x1_2345, 17), (0, 3), (u64::MAX, 32), (5, 3)] {
            out.put(number, n);
        }
        let bytes = out.finish();
        let mut bits = Reader { bytes: &bytes, at: 0 };
        assert_eq!([1, 17, 3, 32, 3].map(|n| bits.take(n)), [1, 0x1_2345, 0, 0xffff_ffff, 5].map(Some));
        assert_eq!((bytes.len(), bits.take(9)), (7, None));
    }

    #[test]
    fn packs_every_range() {
        for range in [0, 1, 7, 1_000, 0xff_fffe, 0xff_ffff, 0x100_0000, 2_000_000_000] {
            let numbers =
                [[-1_000_000_000, 5, range / 3], [range - 1_000_000_000, range / 2, 0], [-1_000_000_000, 0, range]];
            let (low, high, bytes) = pack(&numbers);
            let back = unpack(&bytes, 3, low, high, FIRST).unwrap();
            assert_eq!(back, numbers.map(|x| x.map(i64::from)), "{range}");
            assert_eq!(unpack(&bytes[..bytes.len() / 2], 3, low, high, FIRST), None);
        }
    }
}
