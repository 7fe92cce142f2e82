//! Panels of one size: a column for every method, below each other what is shown of it.

use super::axes::{FOOT, SIDE};
use super::letters::wrapped;
use super::style::{self, DOUBLE, Key, LABEL, LINE, SINGLE};
use super::{Area, Drawing};

/// Between two panels.
const GAP: i32 = 44;
/// Between two panels with labels.
const LABELS: i32 = 112;
/// Below a panel with its axis.
const BELOW: i32 = 26;
/// Right of the last one.
const RIGHT: i32 = 30;

/// Where panels are. Methods beyond the first four are further down, in a block of their own.
pub(super) struct Grid {
    /// The legend above.
    keys: Vec<Key>,
    /// Titles of the methods in lines.
    titles: Vec<Vec<String>>,
    columns: usize,
    /// Panels of one method.
    rows: usize,
    /// Height of the legend.
    top: i32,
    plot: (i32, i32),
    /// Between two plots.
    gap: i32,
    head: i32,
}

impl Grid {
    /// Most panels side by side.
    const COLUMNS: usize = 4;
    /// Highest plot: 1.4 inches.
    const HIGHEST: f64 = 420.0;

    /// A column for every title, `rows` panels in it, below a legend. A plot is `shape` times as high as wide, but not higher
    /// than 1.4 inches.
    pub(super) fn new(titles: &[String], rows: usize, keys: Vec<Key>, shape: f64) -> Self {
        let methods = titles.len().max(1);
        let columns = methods.div_ceil(methods.div_ceil(Self::COLUMNS));
        let room = Self::wide(columns) as i32 - SIDE - RIGHT - (columns as i32 - 1) * GAP;
        let width = room / columns as i32;
        let titles: Vec<Vec<String>> =
            titles.iter().map(|t| wrapped(t, LABEL, f64::from(width + GAP - 8), 3)).collect();
        let lines = titles.iter().map(Vec::len).max().unwrap_or(1) as i32;
        let plot = (width, (f64::from(width) * shape).min(Self::HIGHEST) as i32);
        let top = style::legend_height(&keys, Self::wide(columns));
        Self { keys, titles, columns, rows, top, plot, gap: GAP, head: 24 + lines * LINE }
    }

    /// With room for labels beside every panel: where each has a vertical axis of its own.
    pub(super) fn apart(mut self) -> Self {
        let gaps = self.columns as i32 - 1;
        self.plot.0 -= (LABELS - self.gap) * gaps / self.columns as i32;
        self.gap = LABELS;
        self
    }

    fn wide(columns: usize) -> u32 {
        if columns > 1 { DOUBLE } else { SINGLE }
    }

    /// From one panel to the next below.
    fn row(&self) -> i32 {
        self.plot.1 + FOOT + BELOW
    }

    fn block(&self) -> i32 {
        self.head + self.rows as i32 * self.row()
    }

    /// Width and height of it all.
    pub(super) fn size(&self) -> (u32, u32) {
        let blocks = self.titles.len().max(1).div_ceil(self.columns) as i32;
        (Self::wide(self.columns), (self.top + blocks * self.block()) as u32)
    }

    /// Whether a method's panels are the leftmost ones.
    pub(super) fn first(&self, method: usize) -> bool {
        method.is_multiple_of(self.columns)
    }

    /// The plot of a method's panel: its left, upper corner.
    pub(super) fn corner(&self, method: usize, row: usize) -> (i32, i32) {
        let (column, block) = ((method % self.columns) as i32, (method / self.columns) as i32);
        let x = SIDE + column * (self.plot.0 + self.gap);
        let y = self.top + block * self.block() + self.head + row as i32 * self.row();
        (x, y)
    }

    /// A panel with room for its axes: for a frame without margins and with labels of [`SIDE`].
    pub(super) fn panel<'a>(&self, area: &Area<'a>, method: usize, row: usize) -> Area<'a> {
        let (x, y) = self.corner(method, row);
        area.clone().shrink((x - SIDE, y), (SIDE + self.plot.0, self.plot.1 + FOOT))
    }

    /// Draws the legend and the titles.
    pub(super) fn put_heads(&self, area: &Area<'_>) -> Drawing {
        style::legend(area, &self.keys)?;
        for (i, lines) in self.titles.iter().enumerate() {
            let (x, y) = self.corner(i, 0);
            style::put_above(area, lines, (x + self.plot.0 / 2, y - 12))?;
        }
        Ok(())
    }

    /// A remark inside a panel, in its right, upper corner.
    pub(super) fn remark(&self, area: &Area<'_>, (method, row): (usize, usize), words: &str) -> Drawing {
        let (x, y) = self.corner(method, row);
        style::put_remark(area, words, (x + self.plot.0, y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_a_paper() {
        for (methods, wide) in [(1, SINGLE), (2, DOUBLE), (4, DOUBLE), (7, DOUBLE)] {
            let grid = Grid::new(&vec!["method".to_owned(); methods], 2, vec![], 0.7);
            assert_eq!(grid.size().0, wide);
            for (i, row) in (0..methods).flat_map(|i| [(i, 0), (i, 1)]) {
                let (x, y) = grid.corner(i, row);
                assert!(x + grid.plot.0 + RIGHT <= wide as i32, "{methods} {i}");
                assert!(y + grid.plot.1 + FOOT <= grid.size().1 as i32, "{methods} {i} {row}");
                assert_eq!(grid.first(i), x == SIDE);
            }
        }
    }
}
