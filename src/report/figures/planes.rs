//! Free energies over a plane, reference first and the methods beside it: Ramachandran maps and slow components (the kind
//! of the PITA paper's Figs. 4 and 5).

use std::f64::consts::PI;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::axes::FOOT;
use super::colour::viridis;
use super::density::{Density, Range};
use super::histogram::range;
use super::letters::wrapped;
use super::numbers;
use super::style::{self, AXIS, DOUBLE, INK, LABEL, LINE, SINGLE, TICK};
use super::{Area, Drawing, Figure};

/// Cells along each axis, as in PITA's public code.
const BINS: usize = 100;
/// Colours of the scale.
const LEVELS: usize = 64;
/// The scale goes down to the lowest cell of any panel, but not below this, kT.
const LOWEST: f64 = -2.0;
/// And up to the highest one, but at least and at most to these.
const HIGHEST: (f64, f64) = (4.0, 8.0);
/// What is drawn beyond the reference on either side, a fraction of its range.
const EDGE: f64 = 0.03;
/// Most panels side by side.
const COLUMNS: usize = 4;

/// What the axes of a plane are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// Angles in radians: from -π to π.
    Angles,
    /// Numbers without a unit: the range of the reference and a little more.
    Reference,
}

/// One plane that frames are projected onto.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// Title of the horizontal axis.
    pub x: String,
    /// Title of the vertical axis.
    pub y: String,
    /// One point a frame: of the reference, then of every method.
    pub clouds: Vec<Vec<[f64; 2]>>,
}

/// A row of panels for every plane (more, if there are many methods), and a colour bar. A cell's free energy is minus the
/// logarithm of its fraction of the frames, 0 in the fullest cell of the reference: one scale for all panels. Cells without
/// frames stay white.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    /// The reference's name, then the methods'.
    pub labels: Vec<String>,
    /// The planes.
    pub planes: Vec<Plane>,
    /// Their axes.
    pub axes: Axes,
}

/// What is drawn of one plane.
struct Drawn<'a> {
    plane: &'a Plane,
    ranges: (Range, Range),
    densities: Vec<Density>,
    /// Of the reference's fullest cell.
    peak: f64,
}

/// Sizes, in 300ths of an inch.
struct Layout {
    width: i32,
    columns: usize,
    /// Rows of one plane.
    rows: usize,
    /// Left of the first plot.
    left: i32,
    gap: i32,
    /// A cell of the histogram: whole pixels, so that all cells are equal.
    cell: i32,
    /// Titles of the panels in lines.
    titles: Vec<Vec<String>>,
    head: i32,
}

impl Layout {
    /// Tick labels and title of the vertical axis.
    const LEFT: i32 = 120;
    /// Colour bar with its labels.
    const RIGHT: i32 = 170;
    const GAP: (i32, i32) = (36, 100);

    fn plot(&self) -> i32 {
        self.cell * BINS as i32
    }

    fn row(&self) -> i32 {
        self.head + self.plot() + FOOT
    }

    /// Upper left corner of a panel's plot.
    fn corner(&self, plane: usize, panel: usize) -> (i32, i32) {
        let (column, row) = (panel % self.columns, plane * self.rows + panel / self.columns);
        (self.left + column as i32 * (self.plot() + self.gap), row as i32 * self.row() + self.head)
    }

    /// Left end of the colour bar.
    fn bar(&self) -> i32 {
        self.left + self.columns as i32 * (self.plot() + self.gap) - self.gap + 34
    }
}

impl Planes {
    fn layout(&self) -> Layout {
        let panels = self.labels.len().max(1);
        let columns = panels.div_ceil(panels.div_ceil(COLUMNS));
        let width = if columns > 2 { DOUBLE } else { SINGLE } as i32;
        let n = columns as i32;
        let room = width - Layout::LEFT - Layout::RIGHT;
        let cell = ((room - (n - 1) * Layout::GAP.0) / (n * BINS as i32)).clamp(1, 5);
        let plot = cell * BINS as i32;
        let gap = ((room - n * plot) / (n - 1).max(1)).clamp(Layout::GAP.0, Layout::GAP.1);
        let left = Layout::LEFT + (room - n * plot - (n - 1) * gap) / 2;
        let titles: Vec<Vec<String>> =
            self.labels.iter().map(|l| wrapped(l, LABEL, f64::from(plot + gap - 8), 3)).collect();
        let head = 24 + LINE * titles.iter().map(Vec::len).max().unwrap_or(1) as i32;
        Layout { width, columns, rows: panels.div_ceil(columns), left, gap, cell, titles, head }
    }

    /// Ranges of both axes.
    fn ranges(&self, plane: &Plane) -> (Range, Range) {
        let of = |axis: usize| match self.axes {
            Axes::Angles => (-PI, PI),
            Axes::Reference => match range(plane.clouds.first().into_iter().flatten().map(|p| p[axis])) {
                Some((low, high)) if high > low => (low - EDGE * (high - low), high + EDGE * (high - low)),
                Some((low, _)) => (low - 0.5, low + 0.5),
                None => (0.0, 1.0),
            },
        };
        (of(0), of(1))
    }

    fn drawn(&self) -> Vec<Drawn<'_>> {
        let plane = |plane| {
            let (x, y) = self.ranges(plane);
            let densities: Vec<Density> = plane.clouds.iter().map(|points| Density::new(points, x, y, BINS)).collect();
            let peak = densities.iter().map(Density::peak).find(|&p| p > 0.0).unwrap_or(1.0);
            Drawn { plane, ranges: (x, y), densities, peak }
        };
        self.planes.iter().map(plane).collect()
    }

    /// Both ends of the colour bar, whole numbers of kT.
    fn scale(drawn: &[Drawn<'_>]) -> Range {
        let ends = || drawn.iter().flat_map(|d| d.densities.iter().filter_map(|density| density.ends(d.peak)));
        let low = ends().map(|e| e.0).fold(0.0, f64::min).floor().max(LOWEST);
        let top = ends().map(|e| e.1).fold(HIGHEST.0, f64::max).ceil().min(HIGHEST.1);
        (low, top)
    }
}

impl Figure for Planes {
    fn size(&self) -> (u32, u32) {
        let layout = self.layout();
        let height = layout.row() * (layout.rows * self.planes.len()) as i32;
        (layout.width as u32, height.max(1) as u32)
    }

    fn draw(&self, area: &Area<'_>) -> Drawing {
        let layout = self.layout();
        let drawn = self.drawn();
        let scale = Self::scale(&drawn);
        for (k, shown) in drawn.iter().enumerate() {
            for (i, density) in shown.densities.iter().enumerate().take(self.labels.len()) {
                let (x, y) = layout.corner(k, i);
                let panel = Panel { area, plot: layout.plot(), x, y };
                panel.cells(density, layout.cell, scale, shown.peak)?;
                let left = i.is_multiple_of(layout.columns);
                panel.frame(&layout.titles[i], &shown.plane.x, left.then_some(shown.plane.y.as_str()))?;
                panel.ticks(&ticks(self.axes, shown.ranges.0), &ticks(self.axes, shown.ranges.1), left)?;
                panel.remark(density)?;
            }
        }
        let (_, top) = layout.corner(0, 0);
        let rows = (layout.rows * self.planes.len()) as i32;
        colour_bar(area, layout.bar(), (top, (rows - 1) * layout.row() + top + layout.plot()), scale)
    }
}

/// Ticks of an axis: how far along it, from 0 to 1, and their text.
fn ticks(axes: Axes, (low, high): Range) -> Vec<(f64, String)> {
    match axes {
        Axes::Angles => {
            ["−π", "", "0", "", "π"].iter().enumerate().map(|(i, t)| (i as f64 / 4.0, (*t).into())).collect()
        }
        Axes::Reference => {
            let at = |x: f64| ((x - low) / (high - low), style::tick(&x));
            numbers::even(low, high, 4).into_iter().map(at).collect()
        }
    }
}

/// One panel, its plot with the upper left corner at (x, y).
struct Panel<'a, 'b> {
    area: &'a Area<'b>,
    plot: i32,
    x: i32,
    y: i32,
}

impl Panel<'_, '_> {
    fn cells(&self, density: &Density, cell: i32, scale: Range, peak: f64) -> Drawing {
        let bottom = self.y + self.plot;
        for run in density.runs(LEVELS, scale, peak) {
            let (row, from, to) = (run.row as i32, run.from as i32, run.to as i32);
            let corners =
                [(self.x + from * cell, bottom - (row + 1) * cell), (self.x + to * cell, bottom - row * cell)];
            let colour = viridis(1.0 - run.level as f64 / (LEVELS - 1) as f64);
            self.area.draw(&Rectangle::new(corners, colour.filled()))?;
        }
        Ok(())
    }

    /// Border and titles.
    fn frame(&self, title: &[String], x_title: &str, y_title: Option<&str>) -> Drawing {
        border(self.area, (self.x, self.y), (self.x + self.plot, self.y + self.plot))?;
        let middle = self.x + self.plot / 2;
        style::put_above(self.area, title, (middle, self.y - 12))?;
        style::put(self.area, x_title, (middle, self.y + self.plot + 56), (HPos::Center, VPos::Top), LABEL)?;
        if let Some(title) = y_title {
            style::put_upwards(self.area, title, (self.x - 94, self.y + self.plot / 2))?;
        }
        Ok(())
    }

    fn ticks(&self, x: &[(f64, String)], y: &[(f64, String)], left: bool) -> Drawing {
        let at = |part: &f64| (part * f64::from(self.plot)).round() as i32;
        let bottom = self.y + self.plot;
        for (part, label) in x {
            let x = self.x + at(part);
            stroke(self.area, (x, bottom), (x, bottom + if label.is_empty() { 7 } else { 10 }))?;
            style::put(self.area, label, (x, bottom + 18), (HPos::Center, VPos::Top), TICK)?;
        }
        for (part, label) in y {
            let y = bottom - at(part);
            stroke(self.area, (self.x - if label.is_empty() { 7 } else { 10 }, y), (self.x, y))?;
            if left {
                style::put(self.area, label, (self.x - 18, y), (HPos::Right, VPos::Center), TICK)?;
            }
        }
        Ok(())
    }

    /// What the cells do not show: that there are no frames, or how many lie outside.
    fn remark(&self, density: &Density) -> Drawing {
        let total = density.frames();
        let share = density.outside as f64 / total.max(1) as f64;
        let text = match total {
            0 => "no frames".into(),
            _ if density.outside as u64 == total => "all outside".into(),
            _ if share >= 0.001 => format!("{:.1} % outside", 100.0 * share),
            _ => return Ok(()),
        };
        style::put_remark(self.area, &text, (self.x + self.plot - 4, self.y + 4))
    }
}

/// The scale, its lower end light and below, as energies are.
fn colour_bar(area: &Area<'_>, x: i32, (from, to): (i32, i32), (low, top): Range) -> Drawing {
    let right = x + 30;
    let height = to - from;
    let edge = |level: usize| to - height * level as i32 / LEVELS as i32;
    for level in 0..LEVELS {
        let colour = viridis(1.0 - level as f64 / (LEVELS - 1) as f64);
        // Each on top of the ones before: no seam shows what is behind.
        let corners = [(x, from), (right, edge(level))];
        area.draw(&Rectangle::new(corners, colour.filled()))?;
    }
    border(area, (x, from), (right, to))?;
    let step = if top - low > 6.0 { 2 } else { 1 };
    for energy in (low as i32..=top as i32).filter(|e| e % step == 0) {
        let y = to - (f64::from(height) * (f64::from(energy) - low) / (top - low)).round() as i32;
        stroke(area, (right, y), (right + 10, y))?;
        style::put(area, &style::tick(&f64::from(energy)), (right + 18, y), (HPos::Left, VPos::Center), TICK)?;
    }
    style::put_upwards(area, "free energy (kT)", (right + 84, (from + to) / 2))
}

/// A border around a plot, outside of it.
fn border(area: &Area<'_>, (x0, y0): (i32, i32), (x1, y1): (i32, i32)) -> Drawing {
    let w = AXIS as i32;
    for corners in [
        [(x0 - w, y0 - w), (x1 + w, y0)],
        [(x0 - w, y1), (x1 + w, y1 + w)],
        [(x0 - w, y0), (x0, y1)],
        [(x1, y0), (x1 + w, y1)],
    ] {
        area.draw(&Rectangle::new(corners, INK.filled()))?;
    }
    Ok(())
}

/// A horizontal or vertical line.
fn stroke(area: &Area<'_>, from: (i32, i32), to: (i32, i32)) -> Drawing {
    let corners = if from.0 == to.0 {
        [(from.0 - 1, from.1), (to.0 + 2, to.1)]
    } else {
        [(from.0, from.1 - 1), (to.0, to.1 + 2)]
    };
    area.draw(&Rectangle::new(corners, INK.filled()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(labels: usize, method: Vec<[f64; 2]>) -> Planes {
        let reference: Vec<[f64; 2]> = (0..400).map(|i| [f64::from(i % 20) * 0.01, f64::from(i / 20) * 0.01]).collect();
        let clouds = std::iter::once(reference).chain(std::iter::repeat_n(method, labels - 1)).collect();
        let labels = (0..labels).map(|i| format!("method {i}")).collect();
        Planes { labels, planes: vec![Plane { x: "x".into(), y: "y".into(), clouds }], axes: Axes::Angles }
    }

    /// One colour range over panels: a collapsed method goes below the reference's zero, and the scale with it.
    #[test]
    fn one_scale() {
        let spread = map(2, vec![[0.1, 0.1], [1.0, 1.0], [2.0, 2.0], [-1.0, 2.0]]);
        let drawn = spread.drawn();
        let (low, top) = Planes::scale(&drawn);
        assert_eq!(top, 4.0);
        let ends = drawn[0].densities[1].ends(drawn[0].peak).unwrap();
        assert!(low <= ends.0 && ends.1 <= top, "{low} {ends:?}");
        assert_eq!(Planes::scale(&map(2, vec![[0.1, 0.1]; 50]).drawn()).0, LOWEST);
    }

    #[test]
    fn layouts_are_those_of_a_paper() {
        for panels in 1..=9 {
            let layout = map(panels, vec![]).layout();
            assert!([SINGLE as i32, DOUBLE as i32].contains(&layout.width));
            assert!(layout.left >= Layout::LEFT && layout.bar() + 110 <= layout.width, "{panels}");
        }
        let labels: Vec<String> = ticks(Axes::Reference, (-1.3, 2.6)).into_iter().map(|t| t.1).collect();
        assert_eq!(labels, ["−1", "0", "1", "2"]);
    }
}
