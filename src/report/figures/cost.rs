//! Quality against cost: Energy-W1 over charged energy evaluations.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{self, INK, Key};
use super::{Figure, axes};

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Row of the table; runs of the same row share a marker.
    pub label: String,
    /// Charged energy evaluations.
    pub evaluations: f64,
    /// Value of the metric.
    pub value: f64,
}

/// Mean over the runs of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Row of the table.
    pub label: String,
    /// Charged energy evaluations, mean.
    pub evaluations: f64,
    /// The 95 % interval of the mean value.
    pub ends: (f64, f64),
}

/// A scatter of runs, both axes logarithmic; down and left is better. Intervals are drawn as far as the axis of the runs
/// goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Runs with positive cost and value; others are left out.
    pub points: Vec<Point>,
    /// Intervals of the rows' means; an end at or below zero lies beyond the axis.
    pub bars: Vec<Bar>,
    /// Noise floor.
    pub floor: Option<f64>,
    /// Title of the value axis.
    pub metric: String,
}

impl Figure for Cost {
    fn size(&self) -> (u32, u32) {
        (1200, 720)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(|e| e.to_string())?;
        let shown: Vec<&Point> = self.points.iter().filter(|p| p.evaluations > 0.0 && p.value > 0.0).collect();
        let mut labels: Vec<&str> = Vec::new();
        for p in &shown {
            if !labels.contains(&p.label.as_str()) {
                labels.push(&p.label);
            }
        }
        let floor = self.floor.filter(|f| *f > 0.0);
        let mut keys: Vec<Key> = labels.iter().enumerate().map(|(i, l)| Key::Marker(i, (*l).to_owned())).collect();
        if floor.is_some() {
            keys.push(Key::Guide("noise floor".into()));
        }
        let rest = style::legend(area, &keys)?;
        let decades = |values: Vec<f64>| {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(0.0, f64::max);
            if high == 0.0 {
                (0.1, 10.0)
            } else {
                // A hair wider than the decades: a tick on the very edge can be lost to rounding.
                let (low, high) = ((low * 0.9).log10().floor(), (high * 1.1).log10().ceil());
                (10.0_f64.powf(low - 1e-6), 10.0_f64.powf(high + 1e-6))
            }
        };
        let (x_low, x_high) = decades(shown.iter().map(|p| p.evaluations).collect());
        let (y_low, y_high) = decades(shown.iter().map(|p| p.value).chain(floor).collect());
        let mut chart = axes::frame(&rest, (12, 40), 120)
            .build_cartesian_2d((x_low..x_high).log_scale(), (y_low..y_high).log_scale())
            .map_err(|e| e.to_string())?;
        axes::draw(
            &mut chart,
            ("charged energy evaluations", 8, style::log_tick),
            (&self.metric, 6, style::log_tick),
            true,
        )?;
        if let Some(floor) = floor {
            chart
                .draw_series(DashedLineSeries::new([(x_low, floor), (x_high, floor)], 10, 6, INK.stroke_width(2)))
                .map_err(|e| e.to_string())?;
        }
        let number = |label: &str| labels.iter().position(|l| *l == label).unwrap_or(0);
        let bars = self.bars.iter().filter(|b| b.evaluations > 0.0 && b.ends.1 > y_low).map(|b| {
            let ends = [b.ends.0, b.ends.1].map(|y| (b.evaluations, y.clamp(y_low, y_high)));
            PathElement::new(ends.to_vec(), style::colour(number(&b.label)).stroke_width(3))
        });
        chart.draw_series(bars).map_err(|e| e.to_string())?;
        chart
            .draw_series(
                shown.iter().map(|p| {
                    EmptyElement::at((p.evaluations, p.value)) + style::marker(number(&p.label), 15.0, (0, 0))
                }),
            )
            .map_err(|e| e.to_string())?;
        Ok(())
    }
}
