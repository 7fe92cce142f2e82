//! Is the reference converged? Its two halves against each other.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::histogram::{Histogram, range};
use super::samples::panel;
use super::style::{self, INK, Key};
use super::{Figure, axes};
use crate::metrics::bootstrap::{Draw, subset};
use crate::metrics::wasserstein::line;

/// Left: reduced energies of the first and second half of the run. Right: Energy-W1 between `n` random frames of
/// either half, against `n`: on the dashed line (slope -1/2) while only noise separates them, flat once they differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Convergence {
    /// Reduced energies, in the order of sampling.
    pub energies: Vec<f64>,
    /// Seed of the random subsets.
    pub seed: u64,
}

impl Convergence {
    /// `(n, Energy-W1)` for n doubling up to half the reference; empty with fewer than 32 finite energies.
    #[must_use]
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let (a, b) = self.halves();
        let size = a.len().min(b.len());
        let mut sizes: Vec<usize> =
            std::iter::successors(Some(16), |n| Some(n * 2)).take_while(|n| 4 * n <= 3 * size).collect();
        if size >= 16 {
            sizes.push(size);
        }
        let (in_a, in_b) =
            (subset(a.len(), size, self.seed, Draw::Samples), subset(b.len(), size, self.seed, Draw::Reference));
        let pick = |from: &[f64], order: &[usize]| order.iter().map(|&i| from[i]).collect::<Vec<_>>();
        sizes
            .into_iter()
            .filter_map(|n| {
                // Mean over disjoint blocks of n, so that small n are not one lucky draw.
                let values: Vec<f64> = in_a
                    .chunks_exact(n)
                    .zip(in_b.chunks_exact(n))
                    .take(64)
                    .filter_map(|(x, y)| line(1, &pick(&a, x), &pick(&b, y)))
                    .collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                (mean > 0.0).then_some((n as f64, mean))
            })
            .collect()
    }

    fn halves(&self) -> (Vec<f64>, Vec<f64>) {
        let (a, b) = self.energies.split_at(self.energies.len() / 2);
        let finite = |x: &[f64]| x.iter().copied().filter(|v| v.is_finite()).collect();
        (finite(a), finite(b))
    }
}

impl Figure for Convergence {
    fn size(&self) -> (u32, u32) {
        (1200, 560)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(|e| e.to_string())?;
        let keys = [
            Key::Reference("first half".into()),
            Key::Line(0, "second half".into()),
            Key::Guide("noise alone (1/√n)".into()),
        ];
        let rest = style::legend(area, &keys)?;
        let (left, right) = rest.split_horizontally(600);
        let (a, b) = self.halves();
        let (low, high) = range(&self.energies).unwrap_or((0.0, 1.0));
        let high = high.max(low + 1e-9);
        panel(
            &left,
            &[Histogram::clipped(&a, low, high, 50), Histogram::clipped(&b, low, high, 50)],
            None,
            "reduced energy E / kT",
        )?;
        let curve = self.curve();
        let Some((&first, &last)) = curve.first().zip(curve.last()) else { return Ok(()) };
        let guide = [first, (last.0, first.1 * (first.0 / last.0).sqrt())];
        let values = || curve.iter().chain(&guide).map(|p| p.1);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        let decade = |x: f64, up: bool| 10.0_f64.powf(if up { x.log10().ceil() } else { x.log10().floor() });
        let mut chart = axes::frame(&right, (8, 26), 104)
            .build_cartesian_2d(
                (first.0 * 0.6..(last.0 * 1.6).max(first.0 * 20.0)).log_scale(),
                (decade(low, false)..decade(high, true)).log_scale(),
            )
            .map_err(|e| e.to_string())?;
        axes::draw(
            &mut chart,
            ("frames of each half, n", 5, style::log_tick),
            ("Energy-W1 (kT)", 5, style::log_tick),
            false,
        )?;
        chart.draw_series(DashedLineSeries::new(guide, 10, 6, INK.stroke_width(2))).map_err(|e| e.to_string())?;
        chart.draw_series(LineSeries::new(curve.clone(), style::line(0))).map_err(|e| e.to_string())?;
        chart
            .draw_series(curve.iter().map(|&p| EmptyElement::at(p) + style::marker(0, 9.0, (0, 0))))
            .map_err(|e| e.to_string())?;
        Ok(())
    }
}
