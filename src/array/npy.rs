//! NumPy's `.npy`: one array of any real number type, in either order of its axes.

use std::io::{Cursor, Read};

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr};

use super::dtype::{Kind, decode};
use super::{Array, Data, Problem, npy_header};

/// First bytes of a file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Bytes that are made room for before they are there.
const MOST_AT_ONCE: usize = 64 << 20;

/// Reads one array, of at most `size` bytes with its header.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn read(input: &mut impl Read, size: u64) -> Result<Array, Problem> {
    let damage = |e: std::io::Error| Problem::Damage(e.to_string());
    let head = npy_header::read(input, size).map_err(damage)?;
    let header = NpyHeader::from_reader(Cursor::new(&head)).map_err(damage)?;
    let (kind, big) = match header.dtype() {
        DType::Plain(plain) => (kind(&plain)?, plain.endianness() == Endianness::Big),
        _ => return Err(Problem::Type("a structured array; save its fields as arrays of their own".into())),
    };
    let shape: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
    let expected = shape.iter().try_fold(kind.size(), |all, &n| all.checked_mul(n));
    let expected = expected.ok_or_else(|| Problem::Damage("extents beyond all bounds".into()))?;
    // What a header promises is not believed without end.
    let mut bytes = Vec::with_capacity(expected.min(MOST_AT_ONCE));
    input.take(expected as u64).read_to_end(&mut bytes).map_err(damage)?;
    if bytes.len() < expected {
        return Err(Problem::Damage(format!("cut short: {} bytes of {expected}", bytes.len())));
    }
    // A member of a zip file checks its sum when its end is met.
    input.read(&mut [0]).map_err(damage)?;
    let data = decode(kind, big, &bytes).map_err(Problem::Type)?;
    let data = if header.order() == Order::Fortran && shape.len() > 1 { turned(&shape, data) } else { data };
    Ok(Array { shape, data })
}

/// The kind of number that a type string stands for.
fn kind(plain: &TypeStr) -> Result<Kind, Problem> {
    let size = plain.size_field();
    let refused = match plain.type_char() {
        TypeChar::Float if size == 16 => return Ok(Kind::X87),
        TypeChar::Float => return Ok(Kind::Float(size)),
        TypeChar::Int => return Ok(Kind::Int(size)),
        TypeChar::Uint => return Ok(Kind::Uint(size)),
        TypeChar::Bool => return Ok(Kind::Bool),
        TypeChar::Complex => format!("complex{} numbers; save their real part (x.real)", 8 * size),
        TypeChar::Object => "Python objects (dtype object); save numbers: numpy.asarray(x, dtype=float)".to_owned(),
        TypeChar::ByteStr | TypeChar::UnicodeStr => format!("text (dtype {plain}); save numbers"),
        TypeChar::DateTime | TypeChar::TimeDelta => format!("times (dtype {plain}); save numbers"),
        _ => format!("raw bytes (dtype {plain}), as NumPy writes bfloat16; save x.astype(numpy.float32)"),
    };
    Err(Problem::Type(refused))
}

/// Entries whose first axis runs fastest, in the order where the last one does.
fn turned(shape: &[usize], data: Data) -> Data {
    fn turn<T: Copy>(shape: &[usize], data: &[T]) -> Vec<T> {
        let strides: Vec<usize> = shape
            .iter()
            .scan(1, |next, &n| {
                let stride = *next;
                *next *= n;
                Some(stride)
            })
            .collect();
        let mut at = vec![0; shape.len()];
        let mut from = 0;
        let mut out = Vec::with_capacity(data.len());
        for _ in 0..data.len() {
            out.push(data[from]);
            for axis in (0..shape.len()).rev() {
                at[axis] += 1;
                from += strides[axis];
                if at[axis] < shape[axis] {
                    break;
                }
                from -= at[axis] * strides[axis];
                at[axis] = 0;
            }
        }
        out
    }
    match data {
        Data::F32(v) => Data::F32(turn(shape, &v)),
        Data::F64(v) => Data::F64(turn(shape, &v)),
        Data::I64(v) => Data::I64(turn(shape, &v)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        let header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        [MAGIC, b"\x01\x00", &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn of(bytes: &[u8]) -> Result<Array, Problem> {
        read(&mut &bytes[..], bytes.len() as u64)
    }

    /// `numpy.asfortranarray(numpy.arange(24).reshape(2, 3, 4))`: the first axis runs fastest.
    #[test]
    fn fortran_order() {
        let value = |i: usize, j: usize, k: usize| (12 * i + 4 * j + k) as u8;
        let written: Vec<u8> =
            (0..4).flat_map(|k| (0..3).flat_map(move |j| (0..2).map(move |i| value(i, j, k)))).collect();
        let array = of(&file("'|u1'", true, "(2, 3, 4)", &written)).unwrap();
        assert_eq!(array, Array::i64(&[2, 3, 4], (0..24).collect()));
        assert_eq!(of(&file("'|u1'", true, "(0, 3)", &[])).unwrap(), Array::i64(&[0, 3], vec![]));
    }

    #[test]
    fn what_is_no_real_number_is_named() {
        for (descr, size, words) in [
            ("'<c16'", 16, "complex128"),
            ("'<c8'", 8, "complex64"),
            ("'|O'", 8, "Python objects"),
            ("'<U2'", 8, "text (dtype <U2)"),
            ("'|S3'", 3, "text (dtype |S3)"),
            ("'<M8[s]'", 8, "times"),
            ("'|V2'", 2, "bfloat16"),
            ("[('x', '<f8')]", 8, "structured"),
        ] {
            match of(&file(descr, false, "(1,)", &vec![0; size])) {
                Err(Problem::Type(why)) => assert!(why.contains(words), "{descr}: {why}"),
                other => panic!("{descr}: {other:?}"),
            }
        }
        let cut = of(&file("'<f8'", false, "(2,)", &[0; 15]));
        assert!(matches!(&cut, Err(Problem::Damage(why)) if why == "cut short: 15 bytes of 16"), "{cut:?}");
    }
}
