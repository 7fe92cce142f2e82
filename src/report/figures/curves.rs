//! Quality against cost as curves: one line for each way, means over seeds with their deviations.

use plotters::prelude::*;

use super::axes;
use super::style::{self, DOUBLE, Key, Mark, THIN};
use super::{Area, Drawing, Figure};

/// Height of the plot.
const HEIGHT: u32 = 1_000;

/// One way.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// How it is called.
    pub label: String,
    /// Cost, mean, deviation between seeds (0 where there is none).
    pub points: Vec<(f64, f64, f64)>,
}

/// Curves over a logarithmic cost; the values are linear from 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// The ways; those without a point are left out.
    pub curves: Vec<Curve>,
    /// Titles of the axes.
    pub axes: (String, String),
}

impl Curves {
    fn shown(&self) -> impl Iterator<Item = &Curve> {
        self.curves.iter().filter(|c| !c.points.is_empty())
    }

    fn keys(&self) -> Vec<Key> {
        self.shown().enumerate().map(|(i, c)| (Mark::Line(i), c.label.clone())).collect()
    }
}

impl Figure for Curves {
    fn size(&self) -> (u32, u32) {
        axes::size(&self.keys(), DOUBLE, HEIGHT)
    }

    fn draw(&self, area: &Area<'_>) -> Drawing {
        let rest = style::legend(area, &self.keys())?;
        let shown: Vec<&Curve> = self.shown().collect();
        let costs = || shown.iter().flat_map(|c| c.points.iter().map(|p| p.0));
        let (low, high) = (costs().fold(f64::INFINITY, f64::min), costs().fold(0.0, f64::max));
        if high <= 0.0 {
            return Ok(());
        }
        let values = shown.iter().flat_map(|c| c.points.iter().map(|p| p.1 + p.2));
        let top = values.fold(0.0, f64::max).max(1e-9);
        let mut chart = axes::chart(&rest, (12, 40), (low * 0.9..high * 1.12).log_scale(), 0.0..top * 1.05)?;
        axes::draw(&mut chart, (&self.axes.0, 10, style::log_tick), (&self.axes.1, 8, style::tick), true)?;
        for (i, curve) in shown.iter().enumerate() {
            for &(x, mean, deviation) in curve.points.iter().filter(|p| p.2 > 0.0) {
                let ends = ((mean - deviation).max(0.0), mean + deviation);
                axes::bar(&mut chart, x, ends, style::colour(i).stroke_width(THIN))?;
            }
            let line = || curve.points.iter().map(|p| (p.0, p.1));
            chart.draw_series(LineSeries::new(line(), style::line(i)))?;
            axes::markers(&mut chart, (i, 11.0), line())?;
        }
        Ok(())
    }
}
