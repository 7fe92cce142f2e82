//! The embedded font, and how wide text is in it.

use std::sync::{Arc, OnceLock};

use svg2pdf::usvg::fontdb::Database;
use ttf_parser::Face;

/// The font's name, and what a viewer without it should take.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, Arial, sans-serif";
const BYTES: &[u8] = include_bytes!("../fonts/DejaVuSans.ttf");

/// The embedded font and nothing of the machine.
pub(super) fn fonts() -> Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let mut fonts = Database::new();
        fonts.load_font_data(BYTES.to_vec());
        Arc::new(fonts)
    };
    Arc::clone(FONTS.get_or_init(load))
}

/// Width of a line of text, in the unit of the font size; without kerning, so rather more than less.
pub(super) fn width(text: &str, size: u32) -> f64 {
    static FACE: OnceLock<Option<Face<'static>>> = OnceLock::new();
    let Some(face) = FACE.get_or_init(|| Face::parse(BYTES, 0).ok()) else { return 0.0 };
    let advance = |c: char| face.glyph_hor_advance(face.glyph_index(c).unwrap_or_default()).unwrap_or(0);
    let units: u64 = text.chars().map(|c| u64::from(advance(c))).sum();
    units as f64 * f64::from(size) / f64::from(face.units_per_em())
}

/// Text in at most `most` lines that are not wider than `room`, broken at spaces (and where it says so itself, by a line
/// feed). What does not fit loses its middle: names mostly differ in their ends.
pub(super) fn wrapped(text: &str, size: u32, room: f64, most: usize) -> Vec<String> {
    let fits = |line: &str| width(line, size) <= room;
    let mut lines: Vec<String> = Vec::new();
    for part in text.lines().flat_map(|line| at_bracket(line, fits)) {
        let mut line = String::new();
        for word in part.split(' ') {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if line.is_empty() || fits(&longer) {
                line = longer;
            } else {
                lines.push(std::mem::replace(&mut line, word.to_owned()));
            }
        }
        lines.push(line);
    }
    if lines.len() > most.max(1) {
        let rest = lines.split_off(most.max(1) - 1).join(" ");
        lines.push(rest);
    }
    lines.iter().map(|line| without_middle(line, fits)).collect()
}

/// A line, or where it does not fit, what is before a bracket and what is in it, if these do.
fn at_bracket(line: &str, fits: impl Fn(&str) -> bool) -> Vec<&str> {
    match line.find(" (").map(|at| [&line[..at], &line[at + 1..]]) {
        Some(parts) if !fits(line) && parts.iter().all(|p| fits(p)) => parts.to_vec(),
        _ => vec![line],
    }
}

/// The line, or as much of both its ends as fits.
fn without_middle(line: &str, fits: impl Fn(&str) -> bool) -> String {
    if fits(line) {
        return line.to_owned();
    }
    let letters: Vec<char> = line.chars().collect();
    let cut = |kept: usize| -> String {
        let front = kept / 3;
        letters[..front].iter().chain(&['…']).chain(&letters[letters.len() - (kept - front)..]).collect()
    };
    (0..letters.len()).rev().map(cut).find(|short| fits(short)).unwrap_or_else(|| "…".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Advances as fontTools reads them from the file: 2,048 units to an em.
    #[test]
    fn widths() {
        for (text, units) in [("N", 1532.0), ("i", 569.0), ("NRPT", 1532.0 + 1423.0 + 1235.0 + 1251.0)] {
            assert!((width(text, 2048) - units).abs() < 0.5, "{text}: {} {units}", width(text, 2048));
        }
    }

    #[test]
    fn lines_fit_and_stay_different() {
        let room = width("Annealed SMC", 33) + 1.0;
        assert_eq!(wrapped("Annealed SMC (internal)", 33, room, 2), ["Annealed SMC", "(internal)"]);
        let wide = width("Annealed SMC (500", 33) + 1.0;
        assert_eq!(wrapped("Annealed SMC (500 particles)", 33, wide, 2), ["Annealed SMC", "(500 particles)"]);
        assert_eq!(wrapped("MD\nfriction = 0.5", 33, 1e3, 2), ["MD", "friction = 0.5"]);
        let long = |end: &str| wrapped(&format!("a-very-long-name-of-a-method-{end}"), 33, room, 2);
        assert_ne!(long("one"), long("two"));
        for line in long("one").iter().chain(&wrapped("one two three four five six seven", 33, room, 2)) {
            assert!(width(line, 33) <= room, "{line}");
        }
    }
}
