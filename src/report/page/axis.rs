//! The small axis below every value of a column: a dot at the value, a line for its interval, a tick at the noise floor.

use std::fmt::Write;

use crate::metrics::Direction;
use crate::report::figures::range;
use crate::report::table::{Cell, Table};

const WIDTH: f64 = 72.0;
const EDGE: f64 = 3.0;
/// Means that are this many times apart need a logarithmic axis.
const WIDE: f64 = 8.0;

/// The common axis of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    floor: Option<f64>,
}

impl Axis {
    /// From the values of a column; `None` with fewer than two.
    pub(super) fn of(table: &Table, column: usize) -> Option<Self> {
        let cells = || table.rows.iter().map(|r| &r.cells[column]);
        let means: Vec<f64> = cells().filter_map(|c| c.mean).filter(|m| m.is_finite()).collect();
        if means.len() < 2 {
            return None;
        }
        let floor = table.columns[column].floor.filter(|f| *f > 0.0);
        let positive = means.iter().all(|m| *m > 0.0) && table.columns[column].direction != Direction::None;
        let (least, most) = range(means.iter().copied().chain(floor))?;
        if positive && most > WIDE * least {
            return Some(Self { low: least / 1.6, high: most * 1.6, log: true, floor });
        }
        let pad = if most > least { 0.25 * (most - least) } else { most.abs().max(1e-9) };
        let low = if positive { 0.0 } else { least - pad };
        Some(Self { low, high: most + pad, log: false, floor })
    }

    /// Where a value lies, in pixels; beyond the ends at the ends.
    fn place(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        EDGE + share.clamp(0.0, 1.0) * (WIDTH - 2.0 * EDGE)
    }

    /// The picture of a cell, for the eye only: the numbers stand above it.
    pub(super) fn draw(&self, cell: &Cell) -> String {
        let Some(mean) = cell.mean.filter(|m| m.is_finite()) else { return String::new() };
        let mut out =
            format!("<svg class=\"axis\" viewBox=\"0 0 {WIDTH} 8\" aria-hidden=\"true\"><path d=\"M0 4H{WIDTH}\"/>");
        if let Some(floor) = self.floor {
            let _ = write!(out, "<path class=\"f\" d=\"M{:.1} 0V8\"/>", self.place(floor));
        }
        if let (Some(lo), Some(hi)) = (cell.lo, cell.hi) {
            let _ = write!(out, "<path class=\"i\" d=\"M{:.1} 4H{:.1}\"/>", self.place(lo), self.place(hi));
        }
        let _ = write!(out, "<circle cx=\"{:.1}\" cy=\"4\" r=\"2.6\"/></svg>", self.place(mean));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let line = Axis { low: 0.0, high: 2.0, log: false, floor: None };
        assert_eq!([-1.0, 0.0, 1.0, 2.0, 9.0].map(|x| line.place(x)), [3.0, 3.0, 36.0, 69.0, 69.0]);
        let log = Axis { low: 0.01, high: 100.0, log: true, floor: None };
        assert_eq!([-1.0, 0.01, 100.0].map(|x| log.place(x)), [3.0, 3.0, 69.0]);
        assert!((log.place(1.0) - 36.0).abs() < 1e-12);
    }
}
