//! Interatomic distances and reduced energies, reference against methods (the kind of the PITA paper's Fig. 2).

use plotters::coord::Shift;
use plotters::prelude::*;

use super::histogram::{Histogram, range};
use super::style::{self, INK, Key, REFERENCE_FILL};
use super::{Figure, axes};

/// What is drawn of one ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleSet {
    /// Name in the legend.
    pub label: String,
    /// Pooled interatomic distances.
    pub distances: Vec<f64>,
    /// Reduced energies.
    pub energies: Vec<f64>,
}

/// Two panels. Ranges come from the reference: distances 100 bins over its range; energies 60 bins from 5 kT below its
/// lowest to 5 kT above its highest. Values beyond are clipped into the outermost bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The reference.
    pub reference: SampleSet,
    /// The methods, in table order.
    pub methods: Vec<SampleSet>,
    /// Unit of length.
    pub length_unit: String,
}

impl Figure for Samples {
    fn size(&self) -> (u32, u32) {
        (1200, 560)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(|e| e.to_string())?;
        let mut keys = vec![Key::Reference(self.reference.label.clone())];
        keys.extend(self.methods.iter().enumerate().map(|(i, m)| Key::Line(i, m.label.clone())));
        let rest = style::legend(area, &keys)?;
        let (left, right) = rest.split_horizontally(600);

        let (low, high) = range(&self.reference.distances).unwrap_or((0.0, 1.0));
        let histograms = self.histograms(|s| &s.distances, low, high.max(low + 1e-9), 100);
        let unit = self.length_unit.replace("_m", "ₘ");
        panel(&left, &histograms, None, &format!("interatomic distance ({unit})"))?;
        let (low, high) = range(&self.reference.energies).unwrap_or((0.0, 1.0));
        let histograms = self.histograms(|s| &s.energies, low - 5.0, high + 5.0, 60);
        panel(&right, &histograms, None, "reduced energy E / kT")
    }
}

impl Samples {
    /// The reference's histogram, then the methods'.
    fn histograms(&self, values: impl Fn(&SampleSet) -> &[f64], low: f64, high: f64, bins: usize) -> Vec<Histogram> {
        std::iter::once(&self.reference)
            .chain(&self.methods)
            .map(|s| Histogram::clipped(values(s), low, high, bins))
            .collect()
    }
}

/// One panel: the first histogram filled, the others as outlines, with the dashes of method 0 and those after it; a single
/// one solid, as method `alone`.
pub(super) fn panel<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    histograms: &[Histogram],
    alone: Option<usize>,
    title: &str,
) -> Result<(), String> {
    let Some((reference, methods)) = histograms.split_first() else { return Ok(()) };
    // A spike of clipped values may leave the panel; it must not flatten everything else.
    let top = methods.iter().map(Histogram::top).fold(reference.top(), f64::max).min(reference.top() * 2.0) * 1.06;
    let margin = (reference.high - reference.low) * 0.01;
    let mut chart = axes::frame(area, (8, 26), 104)
        .build_cartesian_2d(reference.low - margin..reference.high + margin, 0.0..top.max(1e-12))
        .map_err(|e| e.to_string())?;
    axes::draw(&mut chart, (title, 6, style::tick), ("density", 5, style::tick), false)?;
    let outline = reference.outline();
    chart
        .draw_series(std::iter::once(Polygon::new(outline.clone(), REFERENCE_FILL.filled())))
        .map_err(|e| e.to_string())?;
    chart.draw_series(LineSeries::new(outline, INK.stroke_width(2))).map_err(|e| e.to_string())?;
    for (i, method) in (alone.unwrap_or(0)..).zip(methods) {
        let outline: Vec<(f64, f64)> = method.outline().into_iter().map(|(x, y)| (x, y.min(top))).collect();
        let (on, off) = style::dash(i);
        if off == 0 || alone.is_some() {
            chart.draw_series(LineSeries::new(outline, style::line(i))).map_err(|e| e.to_string())?;
        } else {
            chart.draw_series(DashedLineSeries::new(outline, on, off, style::line(i))).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}
