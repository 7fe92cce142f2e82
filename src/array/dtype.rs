//! Raw bytes of any real number type, as one of the three that [`Data`] holds: nothing is lost but digits beyond f64.

use half::{bf16, f16};

use super::Data;

/// A type of numbers in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// IEEE floats of 2, 4 or 8 bytes.
    Float(u64),
    /// The upper half of an f32, as PyTorch has it.
    BFloat16,
    /// The 80 bits of x87, in 16 bytes: `numpy.longdouble` on Intel.
    X87,
    /// Integers with sign, of 1, 2, 4 or 8 bytes.
    Int(u64),
    /// Integers without.
    Uint(u64),
    /// One byte: 0 or 1.
    Bool,
}

impl Kind {
    /// Bytes of one number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Float(size) | Self::Int(size) | Self::Uint(size) => size as usize,
            Self::BFloat16 => 2,
            Self::X87 => 16,
            Self::Bool => 1,
        }
    }
}

/// The numbers in `bytes`, highest byte first where `big`.
///
/// # Errors
/// Why they are no numbers of that kind.
pub(super) fn decode(kind: Kind, big: bool, bytes: &[u8]) -> Result<Data, String> {
    macro_rules! numbers {
        ($t:ty) => {
            bytes
                .as_chunks::<{ size_of::<$t>() }>()
                .0
                .iter()
                .map(|&b| if big { <$t>::from_be_bytes(b) } else { <$t>::from_le_bytes(b) })
        };
    }
    Ok(match kind {
        Kind::Float(8) => Data::F64(numbers!(f64).collect()),
        Kind::Float(4) => Data::F32(numbers!(f32).collect()),
        Kind::Float(2) => Data::F32(numbers!(u16).map(|bits| f16::from_bits(bits).to_f32()).collect()),
        Kind::BFloat16 => Data::F32(numbers!(u16).map(|bits| bf16::from_bits(bits).to_f32()).collect()),
        Kind::X87 => Data::F64(numbers!(u128).map(x87).collect::<Option<_>>().ok_or_else(|| {
            "128-bit floats that are not those of Intel (x87): save numpy.asarray(x, dtype=float)".to_owned()
        })?),
        Kind::Int(8) => Data::I64(numbers!(i64).collect()),
        Kind::Int(4) => Data::I64(numbers!(i32).map(i64::from).collect()),
        Kind::Int(2) => Data::I64(numbers!(i16).map(i64::from).collect()),
        Kind::Int(1) => Data::I64(numbers!(i8).map(i64::from).collect()),
        Kind::Uint(8) => match numbers!(u64).map(|x| i64::try_from(x).ok()).collect() {
            Some(integers) => Data::I64(integers),
            None => Data::F64(numbers!(u64).map(|x| x as f64).collect()),
        },
        Kind::Uint(4) => Data::I64(numbers!(u32).map(i64::from).collect()),
        Kind::Uint(2) => Data::I64(numbers!(u16).map(i64::from).collect()),
        Kind::Uint(1) | Kind::Bool => Data::I64(numbers!(u8).map(i64::from).collect()),
        Kind::Float(size) => return Err(format!("floats of {size} bytes")),
        Kind::Int(size) | Kind::Uint(size) => return Err(format!("integers of {size} bytes")),
    })
}

/// Extended precision of x87: 64 bits of significand with the leading one written out, 15 of exponent, the sign; then six
/// bytes of padding. `None` where the leading one is missing: such numbers are of another 128-bit format.
fn x87(bits: u128) -> Option<f64> {
    let (significand, high) = (bits as u64, (bits >> 64) as u16);
    let exponent = i32::from(high & 0x7fff);
    let size = match (significand >> 63, exponent) {
        // Zero, and numbers below 1e-4932. Other formats have bits where x87 has padding.
        (0, 0) if bits >> 80 == 0 => 0.0,
        (0, _) => return None,
        (_, 0x7fff) if significand << 1 == 0 => f64::INFINITY,
        (_, 0x7fff) => f64::NAN,
        _ => significand as f64 * 2_f64.powi(-63) * f64::from(exponent - 16_383).exp2(),
    };
    Some(if high >> 15 == 1 { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        for (bits, want) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x0001, 2_f32.powi(-24)),
            (0x0400, 2_f32.powi(-14)),
            (0x3555, 0.333_251_95),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(decode(Kind::Float(2), true, &u16::to_be_bytes(bits)), Ok(Data::F32(vec![want])), "{bits:#x}");
        }
        assert!(matches!(decode(Kind::Float(2), false, &[0, 0x7e]), Ok(Data::F32(x)) if x[0].is_nan()));
        assert_eq!(decode(Kind::BFloat16, false, &[0x80, 0xbf, 0x49, 0x40]), Ok(Data::F32(vec![-1.0, 3.140_625])));
    }

    /// Bytes that `numpy.array([1, -2.5, 0, 0.1]).astype(numpy.longdouble)` writes on x86.
    #[test]
    fn extended() {
        let one = |significand: u64, high: u16| u128::from(significand) | u128::from(high) << 64;
        let numbers = [
            (one(1 << 63, 16_383), 1.0),
            (one(0xa000_0000_0000_0000, 0xc000), -2.5),
            (0, 0.0),
            (one(0xcccc_cccc_cccc_d000, 16_379), 0.1),
            (one(0xcccc_cccc_cccc_cccd, 16_379), 0.1),
            (one(1 << 63, 16_383 - 1_060), 2_f64.powi(-1_060)),
            (one(1 << 63, 0x7fff), f64::INFINITY),
            // Whatever the padding holds.
            (one(1 << 63, 16_383) | 7 << 100, 1.0),
        ];
        for (bits, want) in numbers {
            assert_eq!(x87(bits), Some(want), "{bits:#x}");
            assert_eq!(decode(Kind::X87, true, &bits.to_be_bytes()), Ok(Data::F64(vec![want])));
        }
        // 1.5 as IEEE quadruple precision: leading bits where x87 has padding.
        let quadruple = 0x3fff_8000_0000_0000_0000_0000_0000_0000_u128;
        assert_eq!(x87(quadruple), None);
        assert!(decode(Kind::X87, false, &quadruple.to_le_bytes()).unwrap_err().contains("x87"));
    }

    #[test]
    fn integers() {
        assert_eq!(decode(Kind::Int(2), true, &[0xff, 0xfe, 0, 3]), Ok(Data::I64(vec![-2, 3])));
        assert_eq!(decode(Kind::Uint(2), false, &[0xff, 0xff]), Ok(Data::I64(vec![65_535])));
        assert_eq!(decode(Kind::Uint(8), false, &[1, 0, 0, 0, 0, 0, 0, 0]), Ok(Data::I64(vec![1])));
        assert_eq!(decode(Kind::Uint(8), false, &[0xff; 8]), Ok(Data::F64(vec![2_f64.powi(64)])));
        assert_eq!(decode(Kind::Bool, false, &[1, 0]), Ok(Data::I64(vec![1, 0])));
    }
}
