//! Font, colours, dash patterns, and the legend strip that all figures share.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, FontTransform, RGBColor};

use crate::error::{Error, Result};

/// Family name used in all figures.
pub(super) const FONT: &str = "sans-serif";
/// Size of tick labels, in pixels.
pub(super) const TICK: u32 = 27;
/// Size of axis titles and legend entries, in pixels.
pub(super) const LABEL: u32 = 31;
/// Near-black of the reference and the axes.
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
/// Fill of the reference.
pub(super) const REFERENCE_FILL: RGBColor = RGBColor(205, 205, 205);

/// Okabe and Ito's colours, darkest first, without black (reference) and yellow (too light for lines).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Dash length and gap in pixels; a gap of 0 is a solid line.
const DASHES: [(i32, i32); 6] = [(1, 0), (16, 7), (6, 5), (28, 8), (10, 10), (3, 4)];

/// Registers the embedded font once.
pub(super) fn register_font() -> Result<()> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        let bytes = include_bytes!("../fonts/DejaVuSans.ttf");
        plotters::style::register_font(FONT, FontStyle::Normal, bytes).is_ok()
    });
    if *done { Ok(()) } else { Err(Error::Internal("the embedded font is unreadable".into())) }
}

/// Colour of method number `i`.
pub(super) fn colour(i: usize) -> RGBColor {
    COLOURS[i % COLOURS.len()]
}

/// Line style of method number `i`.
pub(super) fn line(i: usize) -> ShapeStyle {
    colour(i).stroke_width(4)
}

/// Dash length and gap of method number `i`. After six methods colours repeat with other dashes.
pub(super) fn dash(i: usize) -> (i32, i32) {
    DASHES[(i + i / COLOURS.len()) % DASHES.len()]
}

/// A text style in the figure font.
pub(super) fn text(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK)
}

/// Writes text at a place in pixels.
pub(super) fn put<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    words: &str,
    place: (i32, i32),
    (h, v): (HPos, VPos),
    size: u32,
) -> Result<(), String> {
    let style = text(size).pos(Pos::new(h, v));
    area.draw(&Text::new(words.to_owned(), place, style)).map_err(|e| e.to_string())
}

/// Writes text upwards, centred on a place in pixels.
pub(super) fn put_upwards<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    words: &str,
    place: (i32, i32),
    size: u32,
) -> Result<(), String> {
    let style = text(size).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(words.to_owned(), place, style)).map_err(|e| e.to_string())
}

/// Writes text that must not be wider than `width`: smaller if need be (down to two thirds), then cut.
pub(super) fn fitted<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    words: &str,
    place: (i32, i32),
    anchor: (HPos, VPos),
    size: u32,
    width: i32,
) -> Result<(), String> {
    let wide = |words: &str, size: u32| -> Result<bool, String> {
        Ok(text(size).font.box_size(words).map_err(|e| e.to_string())?.0 as i32 > width)
    };
    let (mut words, mut small) = (words.to_owned(), size);
    while wide(&words, small)? && small * 3 > size * 2 {
        small -= 1;
    }
    while wide(&words, small)? && words.chars().count() > 2 {
        words = words.chars().take(words.chars().count() - 2).chain(['…']).collect();
    }
    put(area, &words, place, anchor, small)
}

/// A legend entry.
pub(super) enum Key {
    /// The filled reference.
    Reference(String),
    /// The line of method `i`.
    Line(usize, String),
    /// The marker of method `i`.
    Marker(usize, String),
    /// A thin dark dashed line.
    Guide(String),
}

impl Key {
    fn label(&self) -> &str {
        match self {
            Self::Reference(s) | Self::Line(_, s) | Self::Marker(_, s) | Self::Guide(s) => s,
        }
    }
}

const SWATCH: i32 = 58;
const ROW: i32 = 44;

/// Splits a legend strip off the top of `area` (as many rows as the entries need), draws it, returns the rest.
pub(super) fn legend<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    keys: &[Key],
) -> Result<DrawingArea<DB, Shift>, String> {
    let width = area.dim_in_pixel().0 as i32;
    let (left, gap) = (30, 34);
    let (mut x, mut row) = (left, 0);
    let mut places = Vec::new();
    for key in keys {
        let (w, _) = text(LABEL).font.box_size(key.label()).map_err(|e| e.to_string())?;
        let w = SWATCH + 12 + w as i32;
        if x > left && x + w > width - 10 {
            (x, row) = (left, row + 1);
        }
        places.push((x, 8 + row * ROW));
        x += w + gap;
    }
    let (strip, rest) = area.split_vertically(12 + (row + 1) * ROW);
    for (key, (x, y)) in keys.iter().zip(places) {
        swatch(&strip, key, x, y + ROW / 2)?;
        let label =
            Text::new(key.label().to_owned(), (x + SWATCH + 12, y + ROW / 2 - LABEL as i32 * 3 / 8), text(LABEL));
        strip.draw(&label).map_err(|e| e.to_string())?;
    }
    Ok(rest)
}

fn swatch<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, key: &Key, x: i32, y: i32) -> Result<(), String> {
    let stroke = |style: ShapeStyle, (on, off): (i32, i32)| -> Result<(), String> {
        let mut from = x;
        while from < x + SWATCH {
            let to = if off == 0 { x + SWATCH } else { (from + on).min(x + SWATCH) };
            area.draw(&PathElement::new(vec![(from, y), (to, y)], style)).map_err(|e| e.to_string())?;
            from = to + off;
        }
        Ok(())
    };
    match key {
        Key::Reference(_) => {
            let corners = [(x, y - 14), (x + SWATCH, y + 14)];
            area.draw(&Rectangle::new(corners, REFERENCE_FILL.filled())).map_err(|e| e.to_string())?;
            area.draw(&Rectangle::new(corners, INK.stroke_width(2))).map_err(|e| e.to_string())
        }
        Key::Line(i, _) => stroke(line(*i), dash(*i)),
        Key::Guide(_) => stroke(INK.stroke_width(2), (10, 6)),
        Key::Marker(i, _) => area.draw(&marker(*i, 15.0, (x + SWATCH / 2, y))).map_err(|e| e.to_string()),
    }
}

/// The marker of method `i`, of this radius around a point: circle, square, triangle, diamond, in turn.
pub(super) fn marker(i: usize, radius: f64, (x, y): (i32, i32)) -> Polygon<(i32, i32)> {
    let (corners, turn) = [(24, 0.0), (4, 0.125), (3, 0.75), (4, 0.0)][i % 4];
    let points: Vec<(i32, i32)> = (0..corners)
        .map(|k| {
            let angle = std::f64::consts::TAU * (f64::from(k) / f64::from(corners) + turn);
            (x + (radius * angle.cos()).round() as i32, y + (radius * angle.sin()).round() as i32)
        })
        .collect();
    Polygon::new(points, colour(i).filled())
}

/// Steps of an axis label: short, without trailing zeros.
pub(super) fn tick(x: &f64) -> String {
    let x = if x.abs() < 1e-12 { 0.0 } else { *x };
    let text = format!("{x:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A tick of a logarithmic axis: powers of ten as superscripts beyond a thousand, plain below.
pub(super) fn log_tick(x: &f64) -> String {
    let power = x.log10().round() as i32;
    if (x / 10.0_f64.powi(power) - 1.0).abs() > 1e-6 {
        return String::new();
    }
    if (-2..=3).contains(&power) {
        return tick(x);
    }
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let exponent: String =
        power.unsigned_abs().to_string().chars().map(|c| digits[c.to_digit(10).unwrap_or(0) as usize]).collect();
    format!("10{}{exponent}", if power < 0 { "⁻" } else { "" })
}
