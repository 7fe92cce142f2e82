//! The frame and the axes that panels share, and what is drawn between them.

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::style::{self, AXIS, GUIDE, INK, Key, LABEL, TICK, text};
use super::{Area, Drawing};

/// Text of a tick.
pub(super) type Ticks = fn(&f64) -> String;

/// An axis: its title, about how many ticks, and their text.
pub(super) type Axis<'a> = (&'a str, usize, Ticks);

/// A panel with two axes.
pub(super) type Chart<'a, X, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>;

/// Height below a plot: tick labels and an axis title.
pub(super) const FOOT: i32 = 92;
/// Width beside it: the same of the vertical axis.
pub(super) const SIDE: i32 = 140;

/// Left of the title of the vertical axis.
const EDGE: i32 = 12;

/// Size of a figure that has its legend above plots of one height.
pub(super) fn size(keys: &[Key], wide: u32, height: u32) -> (u32, u32) {
    (wide, style::legend_height(keys, wide) as u32 + height + FOOT as u32)
}

/// A panel with nothing drawn yet, `top` and `right` of it left free.
pub(super) fn chart<'a, X: AsRangedCoord, Y: AsRangedCoord>(
    area: &Area<'a>,
    (top, right): (i32, i32),
    x: X,
    y: Y,
) -> Drawing<Chart<'a, X::CoordDescType, Y::CoordDescType>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin_right(right).margin_top(top).margin_left(EDGE);
    builder.x_label_area_size(FOOT).y_label_area_size(SIDE - EDGE);
    builder.build_cartesian_2d(x, y)
}

/// Draws the axes, with a grid or without.
pub(super) fn draw<X, Y>(chart: &mut Chart<'_, X, Y>, x: Axis<'_>, y: Axis<'_>, grid: bool) -> Drawing
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut mesh = chart.configure_mesh();
    if grid {
        mesh.bold_line_style(RGBColor(228, 228, 228).stroke_width(2)).light_line_style(TRANSPARENT);
    } else {
        mesh.disable_mesh();
    }
    mesh.axis_style(INK.stroke_width(AXIS)).x_labels(x.1).y_labels(y.1).x_label_formatter(&x.2).y_label_formatter(&y.2);
    mesh.label_style(text(TICK)).axis_desc_style(text(LABEL)).x_desc(x.0).y_desc(y.0);
    mesh.draw()
}

/// Draws the marker of method `i` at points.
pub(super) fn markers<X: Ranged<ValueType = f64>, Y: Ranged<ValueType = f64>>(
    chart: &mut Chart<'_, X, Y>,
    (i, radius): (usize, f64),
    points: impl IntoIterator<Item = (f64, f64)>,
) -> Drawing {
    chart.draw_series(points.into_iter().map(|at| EmptyElement::at(at) + style::marker(i, radius, (0, 0))))?;
    Ok(())
}

/// Draws a vertical bar.
pub(super) fn bar<X: Ranged<ValueType = f64>, Y: Ranged<ValueType = f64>>(
    chart: &mut Chart<'_, X, Y>,
    x: f64,
    (low, high): (f64, f64),
    style: ShapeStyle,
) -> Drawing {
    chart.draw_series([PathElement::new([(x, low), (x, high)], style)])?;
    Ok(())
}

/// Draws a dark dashed line.
pub(super) fn guide<X: Ranged<ValueType = f64>, Y: Ranged<ValueType = f64>>(
    chart: &mut Chart<'_, X, Y>,
    ends: [(f64, f64); 2],
    width: u32,
) -> Drawing {
    chart.draw_series(DashedLineSeries::new(ends, GUIDE.0, GUIDE.1, INK.stroke_width(width)))?;
    Ok(())
}
