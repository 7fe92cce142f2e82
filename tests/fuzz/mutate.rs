//! Changes to bytes: blind ones, and ones that know what numbers and words look like.

use pita_bench::rng::Draws;

/// Numbers at the edges of types.
const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "7",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e-320",
    "1e999",
    "nan",
    "inf",
    "0.1",
    "-1e-9",
];

/// Longest case: readers are linear, and large files only cost time.
const LONGEST: usize = 1 << 16;

/// A seed with a few changes; `words` belong to the format.
pub fn mutate(corpus: &[Vec<u8>], words: &[&str], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = corpus[draws.below(corpus.len())].clone();
    // Mostly few changes: many of them are caught at the door.
    let changes = few(5, draws);
    for _ in 0..changes {
        change(&mut bytes, corpus, words, draws);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str], draws: &mut Draws) {
    let n = bytes.len();
    let at = draws.below(n + 1);
    let span = at..n.min(at + few(8, draws));
    match draws.below(13) {
        0 if at < n => bytes[at] ^= 1 << draws.below(8),
        1 if at < n => bytes[at] = draws.bits() as u8,
        2 if at < n => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b' '][draws.below(8)],
        3 => drop(bytes.drain(span)),
        4 => {
            let piece = bytes[span].to_vec();
            let to = draws.below(n + 1);
            insert(bytes, to, &piece);
        }
        5 => bytes.truncate(at),
        6 => {
            let other = &corpus[draws.below(corpus.len())];
            let from = draws.below(other.len() + 1);
            let to = other.len().min(from + few(12, draws));
            insert(bytes, at, &other[from..to]);
        }
        7 => {
            let other = &corpus[draws.below(corpus.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[draws.below(other.len() + 1)..]);
        }
        8 | 9 => number(bytes, at, draws),
        10 if !words.is_empty() => insert(bytes, at, words[draws.below(words.len())].as_bytes()),
        11 if !words.is_empty() => swap_word(bytes, words, draws),
        // Four bytes: lengths and counts of binary formats.
        _ if at + 4 <= n => {
            let value = [0_u32, 1, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, draws.bits()][draws.below(7)];
            let put = if draws.below(2) == 0 { value.to_be_bytes() } else { value.to_le_bytes() };
            bytes[at..at + 4].copy_from_slice(&put);
        }
        _ => insert(bytes, at, &[draws.bits() as u8]),
    }
}

/// From 1 to 2^(`bits` - 1), small numbers more often.
fn few(bits: usize, draws: &mut Draws) -> usize {
    let width = draws.below(bits);
    1 + draws.below(1 << width)
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

/// Replaces the next number in a text by one at the edge of a type.
fn number(bytes: &mut Vec<u8>, at: usize, draws: &mut Draws) {
    let is = |b: &u8| b.is_ascii_digit();
    let Some(from) = bytes[at..].iter().position(is).map(|i| at + i) else { return };
    let to = bytes[from..].iter().position(|b| !is(b) && *b != b'.').map_or(bytes.len(), |i| from + i);
    bytes.splice(from..to, NUMBERS[draws.below(NUMBERS.len())].bytes());
}

/// Replaces a word of the format by another one.
fn swap_word(bytes: &mut Vec<u8>, words: &[&str], draws: &mut Draws) {
    let (old, new) = (words[draws.below(words.len())].as_bytes(), words[draws.below(words.len())].as_bytes());
    let found: Vec<usize> = bytes.windows(old.len()).enumerate().filter(|(_, w)| *w == old).map(|(i, _)| i).collect();
    if !found.is_empty() {
        let at = found[draws.below(found.len())];
        bytes.splice(at..at + old.len(), new.iter().copied());
    }
}
