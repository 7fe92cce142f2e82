//! Sizes, colours, and the legend strip that all figures share.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::letters::{FAMILY, width};
use super::{Area, Drawing};

/// Units of an inch: all lengths below are in 300ths, the pixels of the PNG.
pub(super) const INCH: u32 = 300;
/// Width of one column of a paper: 3.4 inches.
pub(super) const SINGLE: u32 = 1020;
/// Width of both: 7 inches.
pub(super) const DOUBLE: u32 = 2100;
/// Size of tick labels: 7 points.
pub(super) const TICK: u32 = 29;
/// Size of axis titles, panel titles and legend entries: 8 points.
pub(super) const LABEL: u32 = 33;
/// Height of a line of such text.
pub(super) const LINE: i32 = 42;
/// Width of the line of a mean.
pub(super) const BOLD: u32 = 5;
/// Width of the line of one seed.
pub(super) const THIN: u32 = 2;
/// Width of axes and of the reference's line.
pub(super) const AXIS: u32 = 3;
/// Near-black of the reference and the axes.
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
/// Fill of the reference.
pub(super) const REFERENCE_FILL: RGBColor = RGBColor(212, 212, 212);

/// Okabe and Ito's colours without black (reference) and yellow (too light for lines); then two of Paul Tol's muted scheme.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(136, 34, 85),
    RGBColor(153, 153, 51),
];

/// Width of a mark in a legend.
const SWATCH: i32 = 66;
/// Dash length and gap of a line without gaps, in a legend.
const SOLID: (i32, i32) = (SWATCH, 0);
/// Dash length and gap of guides.
pub(super) const GUIDE: (i32, i32) = (12, 9);

/// Colour of method number `i`.
pub(super) fn colour(i: usize) -> RGBColor {
    COLOURS[i % COLOURS.len()]
}

/// Line of the mean of method number `i`.
pub(super) fn line(i: usize) -> ShapeStyle {
    colour(i).stroke_width(BOLD)
}

/// Line of one seed of method number `i`.
pub(super) fn seed_line(i: usize) -> ShapeStyle {
    colour(i).mix(0.55).stroke_width(THIN)
}

/// Fill of the interval of method number `i`.
pub(super) fn band(i: usize) -> ShapeStyle {
    colour(i).mix(0.18).filled()
}

/// A text style in the figure font.
pub(super) fn text(size: u32) -> TextStyle<'static> {
    // Plotters writes a font size that is smaller than asked for by this factor.
    const PLOTTERS: f64 = 1.24;
    (FAMILY, f64::from(size) * PLOTTERS).into_font().color(&INK)
}

/// Writes text at a place.
pub(super) fn put(area: &Area<'_>, words: &str, place: (i32, i32), (h, v): (HPos, VPos), size: u32) -> Drawing {
    let style = text(size).pos(Pos::new(h, v));
    area.draw(&Text::new(words.to_owned(), place, style))
}

/// Writes a remark that ends at a place, on white: it may stand on what is drawn.
pub(super) fn put_remark(area: &Area<'_>, words: &str, (right, top): (i32, i32)) -> Drawing {
    let left = right - width(words, TICK).ceil() as i32 - 12;
    let paper = Rectangle::new([(left, top), (right, top + 40)], WHITE.mix(0.85).filled());
    area.draw(&paper)?;
    put(area, words, (right - 6, top + 5), (HPos::Right, VPos::Top), TICK)
}

/// Writes text upwards, centred on a place.
pub(super) fn put_upwards(area: &Area<'_>, words: &str, place: (i32, i32)) -> Drawing {
    let style = text(LABEL).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(words.to_owned(), place, style))
}

/// Writes lines of text, each centred, the last one just above a place.
pub(super) fn put_above(area: &Area<'_>, lines: &[String], (x, y): (i32, i32)) -> Drawing {
    for (from_below, line) in lines.iter().rev().enumerate() {
        put(area, line, (x, y - LINE * from_below as i32), (HPos::Center, VPos::Bottom), LABEL)?;
    }
    Ok(())
}

/// How something looks in a legend.
pub(super) enum Mark {
    /// The filled reference.
    Reference,
    /// The line of method `i`.
    Line(usize),
    /// The line and the marker of method `i`.
    Course(usize),
    /// The marker of method `i`.
    Marker(usize),
    /// The line of one seed of method `i`.
    Seed(usize),
    /// A dark line.
    Dark,
    /// A thin dark dashed line.
    Guide,
    /// The interval of method `i`, or of all of them.
    Band(Option<usize>),
}

/// A legend entry: how it looks, and what that is.
pub(super) type Key = (Mark, String);

fn label((_, words): &Key) -> String {
    words.replace('\n', ", ")
}

const ROW: i32 = 48;

/// Where each entry goes, and how many rows there are, in a strip of this width.
fn places(keys: &[Key], wide: i32) -> (Vec<(i32, i32)>, i32) {
    let (left, gap) = (24, 44);
    let (mut x, mut row) = (left, 0);
    let mut places = Vec::new();
    for key in keys {
        let w = SWATCH + 14 + width(&label(key), LABEL).ceil() as i32;
        if x > left && x + w > wide - 10 {
            (x, row) = (left, row + 1);
        }
        places.push((x, 8 + row * ROW));
        x += w + gap;
    }
    (places, row + 1)
}

/// Height of a legend strip.
pub(super) fn legend_height(keys: &[Key], wide: u32) -> i32 {
    16 + places(keys, wide as i32).1 * ROW
}

/// Splits a legend strip off the top of `area` (as many rows as the entries need), draws it, returns the rest.
pub(super) fn legend<'a>(area: &Area<'a>, keys: &[Key]) -> Drawing<Area<'a>> {
    let wide = area.dim_in_pixel().0;
    let (places, _) = places(keys, wide as i32);
    let (strip, rest) = area.split_vertically(legend_height(keys, wide));
    for (key, (x, y)) in keys.iter().zip(places) {
        swatch(&strip, &key.0, x, y + ROW / 2)?;
        put(&strip, &label(key), (x + SWATCH + 14, y + ROW / 2), (HPos::Left, VPos::Center), LABEL)?;
    }
    Ok(rest)
}

fn swatch(area: &Area<'_>, mark: &Mark, x: i32, y: i32) -> Drawing {
    let stroke = |style: ShapeStyle, (on, off): (i32, i32)| -> Drawing {
        let mut from = x;
        while from < x + SWATCH {
            let to = (from + on).min(x + SWATCH);
            area.draw(&PathElement::new([(from, y), (to, y)], style))?;
            from = to + off;
        }
        Ok(())
    };
    let corners = [(x, y - 15), (x + SWATCH, y + 15)];
    let fill = |style: ShapeStyle| area.draw(&Rectangle::new(corners, style));
    match *mark {
        Mark::Reference => {
            fill(REFERENCE_FILL.filled())?;
            fill(INK.stroke_width(AXIS))
        }
        Mark::Band(i) => fill(i.map_or(INK.mix(0.18).filled(), band)),
        Mark::Line(i) => stroke(line(i), SOLID),
        Mark::Seed(i) => stroke(seed_line(i), SOLID),
        Mark::Dark => stroke(INK.stroke_width(AXIS), SOLID),
        Mark::Guide => stroke(INK.stroke_width(AXIS), GUIDE),
        Mark::Course(i) => {
            stroke(line(i), SOLID)?;
            area.draw(&marker(i, 13.0, (x + SWATCH / 2, y)))
        }
        Mark::Marker(i) => area.draw(&marker(i, 15.0, (x + SWATCH / 2, y))),
    }
}

/// The marker of method `i`, of this radius around a point: circle, square, triangle, diamond, in turn.
pub(super) fn marker(i: usize, radius: f64, (x, y): (i32, i32)) -> Polygon<(i32, i32)> {
    let round = if radius < 10.0 { 12 } else { 24 };
    let (corners, turn) = [(round, 0.0), (4, 0.125), (3, 0.75), (4, 0.0)][i % 4];
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
    text.trim_end_matches('0').trim_end_matches('.').replace('-', "−")
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

/// A tick at the logarithm of a number: powers of ten as [`log_tick`] has them, multiples of large ones as `3×10⁵`.
pub(super) fn power_tick(x: &f64) -> String {
    let power = (x + 1e-6).floor() as i32;
    let digit = 10.0_f64.powf(x - f64::from(power));
    let whole = |p: i32| log_tick(&10.0_f64.powi(p));
    match ((digit - 1.0).abs() < 1e-5, (-3..=3).contains(&power)) {
        (true, _) => whole(power),
        (_, true) => tick(&10.0_f64.powf(*x)),
        _ => format!("{}×{}", tick(&digit), whole(power)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_logarithms() {
        let ticks = [0.1_f64, 0.5, 200.0, 1000.0, 1e5, 3e5, 2e-5].map(|x| power_tick(&x.log10()));
        assert_eq!(ticks, ["0.1", "0.5", "200", "1000", "10⁵", "3×10⁵", "2×10⁻⁵"]);
        assert_eq!([-20.0, 0.25].map(|x| tick(&x)), ["−20", "0.25"]);
    }
}
