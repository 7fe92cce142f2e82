//! The frame and the axes that panels share.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::style::{AXIS, INK, LABEL, TICK, text};

/// Text of a tick.
pub(super) type Ticks = fn(&f64) -> String;

/// An axis: its title, about how many ticks, and their text.
pub(super) type Axis<'a> = (&'a str, usize, Ticks);

/// A panel with two linear axes.
pub(super) type Plain<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Height below a plot: tick labels and an axis title.
pub(super) const FOOT: i32 = 92;
/// Width beside it: the same of the vertical axis.
pub(super) const SIDE: i32 = 140;

/// Left of the title of the vertical axis.
const EDGE: i32 = 12;

/// A panel without axes yet: what is left free at the top and at the right, and for the tick labels of the vertical axis.
pub(super) fn frame<'a, 'b, DB: DrawingBackend>(
    area: &'a DrawingArea<DB, Shift>,
    (top, right): (i32, i32),
    labels: i32,
) -> ChartBuilder<'a, 'b, DB> {
    let mut builder = ChartBuilder::on(area);
    builder.margin_right(right).margin_top(top).margin_left(EDGE);
    builder.x_label_area_size(FOOT).y_label_area_size(labels - EDGE);
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
        mesh.bold_line_style(RGBColor(228, 228, 228).stroke_width(2)).light_line_style(TRANSPARENT);
    } else {
        mesh.disable_mesh();
    }
    mesh.axis_style(INK.stroke_width(AXIS)).x_labels(x.1).y_labels(y.1).x_label_formatter(&x.2).y_label_formatter(&y.2);
    mesh.label_style(text(TICK)).axis_desc_style(text(LABEL)).x_desc(x.0).y_desc(y.0);
    mesh.draw().map_err(|e| e.to_string())
}
