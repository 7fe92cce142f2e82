//! Is the reference converged? Its two halves against each other.

use plotters::prelude::*;

use super::axes;
use super::band::strokes;
use super::histogram::{Histogram, range};
use super::samples::filled;
use super::style::{self, AXIS, DOUBLE, Key, Mark};
use super::{Area, Drawing, Figure};
use crate::metrics::bootstrap::{Draw, subset};
use crate::metrics::wasserstein::line;

/// Left: reduced energies of the first and second half of the run. Right: Energy-W1 between `n` random frames of
/// either half, against `n`: on the dashed line (slope -1/2) while only noise separates them, flat once they differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Convergence {
    /// Reduced energies, in the order of sampling.
    pub energies: Vec<f64>,
}

impl Convergence {
    /// `(n, Energy-W1)` for n doubling up to half the reference; empty with fewer than 32 finite energies.
    fn curve(&self) -> Vec<(f64, f64)> {
        let (a, b) = self.halves();
        let size = a.len().min(b.len());
        let mut sizes: Vec<usize> =
            std::iter::successors(Some(16), |n| Some(n * 2)).take_while(|n| 4 * n <= 3 * size).collect();
        if size >= 16 {
            sizes.push(size);
        }
        let (in_a, in_b) = (subset(a.len(), size, 0, Draw::Samples), subset(b.len(), size, 0, Draw::Reference));
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

/// Height of a plot.
const HEIGHT: u32 = 480;

fn keys() -> [Key; 3] {
    [
        (Mark::Reference, "first half".into()),
        (Mark::Line(0), "second half".into()),
        (Mark::Guide, "noise alone (1/√n)".into()),
    ]
}

impl Figure for Convergence {
    fn size(&self) -> (u32, u32) {
        axes::size(&keys(), DOUBLE, HEIGHT)
    }

    fn draw(&self, area: &Area<'_>) -> Drawing {
        let rest = style::legend(area, &keys())?;
        let (left, right) = rest.split_horizontally(DOUBLE as i32 / 2);
        self.draw_halves(&left)?;
        self.draw_curve(&right)
    }
}

impl Convergence {
    fn draw_halves(&self, area: &Area<'_>) -> Drawing {
        let (a, b) = self.halves();
        let (low, high) = range(self.energies.iter().copied()).unwrap_or((0.0, 1.0));
        let high = high.max(low + 1e-9);
        let [a, b] = [a, b].map(|half| Histogram::new(&half, low, high, 50));
        let top = a.top().max(b.top()).max(1e-12) * 1.06;
        let margin = (high - low) * 0.01;
        let mut chart = axes::chart(area, (8, 40), low - margin..high + margin, 0.0..top)?;
        filled(&mut chart, &a)?;
        strokes(&mut chart, b.outline().into_iter().map(Some), style::line(0), (0.0, top))?;
        axes::draw(&mut chart, ("reduced energy E / kT", 6, style::tick), ("density", 5, style::tick), false)
    }

    fn draw_curve(&self, area: &Area<'_>) -> Drawing {
        let curve = self.curve();
        let Some((&first, &last)) = curve.first().zip(curve.last()) else { return Ok(()) };
        let guide = [first, (last.0, first.1 * (first.0 / last.0).sqrt())];
        let values = || curve.iter().chain(&guide).map(|p| p.1);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        let decade =
            |x: f64, up: bool| 10.0_f64.powf(if up { x.log10().ceil() + 1e-6 } else { x.log10().floor() - 1e-6 });
        let x = (first.0 * 0.6..(last.0 * 1.6).max(first.0 * 20.0)).log_scale();
        let mut chart = axes::chart(area, (8, 40), x, (decade(low, false)..decade(high, true)).log_scale())?;
        let (x, y) = ("frames of each half, n", "Energy-W1 (kT)");
        axes::draw(&mut chart, (x, 5, style::log_tick), (y, 5, style::log_tick), false)?;
        axes::guide(&mut chart, guide, AXIS)?;
        chart.draw_series(LineSeries::new(curve.clone(), style::line(0)))?;
        axes::markers(&mut chart, (0, 11.0), curve)
    }
}
