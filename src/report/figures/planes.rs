//! Free energies over a plane, reference first and the methods beside it: Ramachandran maps and slow components (the kind
//! of the PITA paper's Figs. 4 and 5).

use std::f64::consts::PI;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::Figure;
use super::colour::viridis;
use super::density::{Density, Range};
use super::histogram::range;
use super::style::{self, INK, LABEL, TICK};

/// Cells along each axis, as in PITA's public code.
const BINS: usize = 100;
/// Colours of the scale.
const LEVELS: usize = 64;
/// Free energy at the dark end, kT; higher in slow components where the reference goes higher.
const TOP: f64 = 6.0;

/// What the axes of a plane are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// Angles in radians: from -π to π.
    Angles,
    /// Numbers without a unit: the range of the reference, without ticks.
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
/// logarithm of its count, 0 in the fullest cell of the panel; cells without frames stay white.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    /// The reference's name, then the methods'.
    pub labels: Vec<String>,
    /// The planes.
    pub planes: Vec<Plane>,
    /// Their axes.
    pub axes: Axes,
}

/// Sizes in pixels.
struct Layout {
    columns: usize,
    /// Rows of one plane.
    rows: usize,
    /// A cell of the histogram: whole pixels, so that all cells are equal.
    cell: i32,
    /// Of text, relative to a figure as wide as a column.
    scale: f64,
    /// Whether the axes have ticks.
    ticks: bool,
}

impl Layout {
    /// A length or font size that grows with the figure.
    fn px(&self, length: u32) -> i32 {
        (f64::from(length) * self.scale).round() as i32
    }

    fn plot(&self) -> i32 {
        self.cell * BINS as i32
    }

    fn left(&self) -> i32 {
        self.px(if self.ticks { 96 } else { 56 })
    }

    fn gap(&self) -> i32 {
        self.px(if self.ticks { 44 } else { 26 })
    }

    /// Title above a panel.
    fn head(&self) -> i32 {
        self.px(50)
    }

    /// Tick labels and axis title below it.
    fn foot(&self) -> i32 {
        self.px(if self.ticks { 94 } else { 58 })
    }

    /// Colour bar with its labels.
    fn right(&self) -> i32 {
        self.px(136)
    }

    fn row(&self) -> i32 {
        self.head() + self.plot() + self.foot()
    }

    fn width(&self) -> i32 {
        let columns = self.columns as i32;
        self.left() + columns * self.plot() + (columns - 1) * self.gap() + self.right()
    }
}

impl Planes {
    fn layout(&self) -> Layout {
        let panels = self.labels.len().max(1);
        let most = if self.planes.len() > 1 { 5 } else { 4 };
        let columns = panels.div_ceil(panels.div_ceil(most));
        let layout = Layout {
            columns,
            rows: panels.div_ceil(columns),
            cell: if columns > 2 { 3 } else { 4 },
            scale: 1.0,
            ticks: self.axes == Axes::Angles,
        };
        let scale = (f64::from(layout.width()) / 1200.0).clamp(1.0, 1.4);
        Layout { scale, ..layout }
    }

    /// Ranges of both axes.
    fn ranges(&self, plane: &Plane) -> (Range, Range) {
        let of = |axis: usize| match self.axes {
            Axes::Angles => (-PI, PI),
            Axes::Reference => {
                let values: Vec<f64> = plane.clouds.first().into_iter().flatten().map(|p| p[axis]).collect();
                match range(&values) {
                    Some((low, high)) if high > low => (low, high),
                    Some((low, _)) => (low - 0.5, low + 0.5),
                    None => (0.0, 1.0),
                }
            }
        };
        (of(0), of(1))
    }

    /// Free energy at the dark end of the colour bar.
    fn top(&self, densities: &[Vec<Density>]) -> f64 {
        match self.axes {
            Axes::Angles => TOP,
            Axes::Reference => {
                let highest = densities.iter().filter_map(|d| d.first()?.highest()).fold(TOP, f64::max);
                (highest / 2.0).ceil() * 2.0
            }
        }
    }
}

impl Figure for Planes {
    fn size(&self) -> (u32, u32) {
        let layout = self.layout();
        let height = layout.row() * (layout.rows * self.planes.len()) as i32;
        (layout.width() as u32, height.max(1) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(|e| e.to_string())?;
        let layout = self.layout();
        let densities: Vec<Vec<Density>> = self
            .planes
            .iter()
            .map(|plane| {
                let (x, y) = self.ranges(plane);
                plane.clouds.iter().map(|points| Density::new(points, x, y, BINS)).collect()
            })
            .collect();
        let top = self.top(&densities);
        for (k, (plane, densities)) in self.planes.iter().zip(&densities).enumerate() {
            for (i, (label, density)) in self.labels.iter().zip(densities).enumerate() {
                let (column, row) = ((i % layout.columns) as i32, (k * layout.rows + i / layout.columns) as i32);
                let x = layout.left() + column * (layout.plot() + layout.gap());
                let y = row * layout.row() + layout.head();
                let panel = Panel { area, layout: &layout, x, y };
                panel.cells(density, top)?;
                panel.frame(label, &plane.x, (column == 0).then_some(plane.y.as_str()))?;
                if layout.ticks {
                    panel.ticks(column == 0)?;
                }
                panel.remark(density)?;
            }
        }
        let rows = (layout.rows * self.planes.len()) as i32;
        let bottom = (rows - 1) * layout.row() + layout.head() + layout.plot();
        colour_bar(area, &layout, (layout.head(), bottom), top)
    }
}

/// One panel, its plot with the upper left corner at (x, y).
struct Panel<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    layout: &'a Layout,
    x: i32,
    y: i32,
}

impl<DB: DrawingBackend> Panel<'_, DB> {
    fn cells(&self, density: &Density, top: f64) -> Result<(), String> {
        let cell = self.layout.cell;
        let bottom = self.y + self.layout.plot();
        for run in density.runs(LEVELS, top) {
            let (row, from, to) = (run.row as i32, run.from as i32, run.to as i32);
            let corners =
                [(self.x + from * cell, bottom - (row + 1) * cell), (self.x + to * cell, bottom - row * cell)];
            let colour = viridis(1.0 - run.level as f64 / (LEVELS - 1) as f64);
            self.area.draw(&Rectangle::new(corners, colour.filled())).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// Border and titles.
    fn frame(&self, label: &str, x_title: &str, y_title: Option<&str>) -> Result<(), String> {
        let plot = self.layout.plot();
        border(self.area, (self.x, self.y), (self.x + plot, self.y + plot))?;
        let (middle, size) = (self.x + plot / 2, self.layout.px(LABEL));
        let above = (middle, self.y - self.layout.px(12));
        style::fitted(
            self.area,
            label,
            above,
            (HPos::Center, VPos::Bottom),
            size as u32,
            plot + self.layout.gap() - 4,
        )?;
        let below = (middle, self.y + plot + self.layout.px(if self.layout.ticks { 48 } else { 12 }));
        style::put(self.area, x_title, below, (HPos::Center, VPos::Top), size as u32)?;
        if let Some(title) = y_title {
            let place = (self.x - self.layout.px(if self.layout.ticks { 76 } else { 30 }), self.y + plot / 2);
            style::put_upwards(self.area, title, place, size as u32)?;
        }
        Ok(())
    }

    /// Ticks of angles, with labels at -π, 0 and π.
    fn ticks(&self, left: bool) -> Result<(), String> {
        let (plot, size) = (self.layout.plot(), self.layout.px(TICK));
        for quarter in 0..=4 {
            let length = self.layout.px(if quarter % 2 == 0 { 9 } else { 6 });
            let at = plot * quarter / 4;
            let (x, y) = (self.x + at, self.y + plot - at);
            stroke(self.area, (x, self.y + plot), (x, self.y + plot + length))?;
            stroke(self.area, (self.x - length, y), (self.x, y))?;
            let label = match quarter {
                0 => "−π",
                2 => "0",
                4 => "π",
                _ => continue,
            };
            let below = (x, self.y + plot + self.layout.px(13));
            style::put(self.area, label, below, (HPos::Center, VPos::Top), size as u32)?;
            if left {
                let beside = (self.x - self.layout.px(15), y);
                style::put(self.area, label, beside, (HPos::Right, VPos::Center), size as u32)?;
            }
        }
        Ok(())
    }

    /// What the cells do not show: that there are no frames, or how many lie outside.
    fn remark(&self, density: &Density) -> Result<(), String> {
        let inside: u64 = density.counts.iter().map(|&c| u64::from(c)).sum();
        let total = inside + density.outside as u64;
        let share = density.outside as f64 / total.max(1) as f64;
        let text = match (total, inside) {
            (0, _) => "no frames".into(),
            (_, 0) => "all outside".into(),
            _ if share >= 0.001 => format!("{:.1} % outside", 100.0 * share),
            _ => return Ok(()),
        };
        let size = self.layout.px(TICK * 4 / 5) as u32;
        let place = (self.x + self.layout.plot() - self.layout.px(8), self.y + self.layout.px(8));
        style::put(self.area, &text, place, (HPos::Right, VPos::Top), size)
    }
}

/// The scale, from `top` kT at the lower end to 0 at the upper.
fn colour_bar<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    layout: &Layout,
    (from, to): (i32, i32),
    top: f64,
) -> Result<(), String> {
    let x = layout.width() - layout.right() + layout.px(22);
    let right = x + layout.px(26);
    let height = to - from;
    let edge = |level: usize| from + height * level as i32 / LEVELS as i32;
    for level in 0..LEVELS {
        let colour = viridis(1.0 - level as f64 / (LEVELS - 1) as f64);
        let corners = [(x, edge(level)), (right, edge(level + 1))];
        area.draw(&Rectangle::new(corners, colour.filled())).map_err(|e| e.to_string())?;
    }
    border(area, (x, from), (right, to))?;
    let step = if top > 10.0 { 4 } else { 2 };
    for energy in (0..=top as i32).step_by(step) {
        let y = from + (f64::from(height) * f64::from(energy) / top).round() as i32;
        stroke(area, (right, y), (right + layout.px(7), y))?;
        let place = (right + layout.px(12), y);
        style::put(area, &energy.to_string(), place, (HPos::Left, VPos::Center), layout.px(TICK) as u32)?;
    }
    let place = (layout.width() - layout.px(24), (from + to) / 2);
    style::put_upwards(area, "free energy (kT)", place, layout.px(LABEL) as u32)
}

/// A border of two pixels around a plot, outside of it.
fn border<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    (x0, y0): (i32, i32),
    (x1, y1): (i32, i32),
) -> Result<(), String> {
    for corners in [
        [(x0 - 2, y0 - 2), (x1 + 2, y0)],
        [(x0 - 2, y1), (x1 + 2, y1 + 2)],
        [(x0 - 2, y0), (x0, y1)],
        [(x1, y0), (x1 + 2, y1)],
    ] {
        area.draw(&Rectangle::new(corners, INK.filled())).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// A horizontal or vertical line of two pixels.
fn stroke<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, from: (i32, i32), to: (i32, i32)) -> Result<(), String> {
    let corners = if from.0 == to.0 {
        [(from.0 - 1, from.1), (to.0 + 1, to.1)]
    } else {
        [(from.0, from.1 - 1), (to.0, to.1 + 1)]
    };
    area.draw(&Rectangle::new(corners, INK.filled())).map_err(|e| e.to_string())
}
