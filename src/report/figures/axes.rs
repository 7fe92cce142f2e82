//! The frame and the axes that panels share.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use super::style::{INK, LABEL, TICK, text};

/// Text of a tick.
pub(super) type Ticks = fn(&f64) -> String;

/// An axis: its title, about how many ticks, and their text.
pub(super) type Axis<'a> = (&'a str, usize, Ticks);

/// A panel without axes yet: pixels left free at the top and at the right, and for the tick labels of the vertical axis.
pub(super) fn frame<'a, 'b, DB: DrawingBackend>(
    area: &'a DrawingArea<DB, Shift>,
    (top, right): (i32, i32),
    labels: i32,
) -> ChartBuilder<'a, 'b, DB> {
    let mut builder = ChartBuilder::on(area);
    builder.margin_right(right).margin_top(top).margin_bottom(6).margin_left(8);
    builder.x_label_area_size(80).y_label_area_size(labels);
    builder
}

/// Draws the axes, with a grid or without.
pub(super) fn draw<DB, X, Y>(
    chart: &mut ChartContext<'_, DB, Cartesian2d<X, Y>>,
    x: Axis<'_>,
    y: Axis<'_>,
    grid: bool,
) -> Result<(), String>
where
    DB: DrawingBackend,
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut mesh = chart.configure_mesh();
    if grid {
        mesh.bold_line_style(RGBColor(225, 225, 225)).light_line_style(TRANSPARENT);
    } else {
        mesh.disable_mesh();
    }
    mesh.axis_style(INK.stroke_width(2)).x_labels(x.1).y_labels(y.1).x_label_formatter(&x.2).y_label_formatter(&y.2);
    mesh.label_style(text(TICK)).axis_desc_style(text(LABEL)).x_desc(x.0).y_desc(y.0);
    mesh.draw().map_err(|e| e.to_string())
}
