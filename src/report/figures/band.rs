//! A curve over seeds: each seed, their mean, and its interval.

use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;

use super::Drawing;
use super::axes::Chart;
use super::style;
use crate::stats::student::quantile;
use crate::stats::{self, LEVEL};

/// A mean, and the ends of its interval where there is one.
pub(super) type Mean = (f64, Option<(f64, f64)>);

/// A curve of every seed over the same places; not finite where a seed has no value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Band {
    /// Places along the horizontal axis.
    pub x: Vec<f64>,
    /// Values of each seed at these places.
    pub seeds: Vec<Vec<f64>>,
    /// The mean, and the ends of its 95 % t interval where there are two seeds or more; `None` where a seed has no value.
    pub mean: Vec<Option<Mean>>,
}

/// Half of a 95 % t interval of a mean over `seeds`, in standard deviations of a seed; `None` for one seed.
fn half(seeds: usize) -> Option<f64> {
    let freedom = seeds.checked_sub(1).filter(|f| *f > 0)? as f64;
    Some(quantile(LEVEL, freedom) / (seeds as f64).sqrt())
}

impl Band {
    /// Over seeds that have a value each at every place.
    pub(super) fn new(x: Vec<f64>, seeds: Vec<Vec<f64>>) -> Self {
        let half = half(seeds.len());
        let at = |i: usize| -> Option<Mean> {
            let values: Vec<f64> = seeds.iter().map(|s| s[i]).collect();
            let mean = stats::mean(&values).filter(|m| m.is_finite())?;
            let half = half.zip(stats::deviation(&values)).map(|(half, sd)| half * sd);
            Some((mean, half.map(|h| (mean - h, mean + h))))
        };
        let mean = (0..x.len()).map(at).collect();
        Self { x, seeds, mean }
    }

    /// The means that there are.
    pub(super) fn means(&self) -> impl Iterator<Item = (f64, f64)> {
        self.x.iter().zip(&self.mean).filter_map(|(&x, mean)| Some((x, mean.as_ref()?.0)))
    }

    /// The largest mean.
    pub(super) fn top(&self) -> f64 {
        self.means().map(|m| m.1).fold(0.0, f64::max)
    }

    /// Draws interval, seeds and mean in the colour of method `i`, no further than the vertical range.
    pub(super) fn draw<X: Ranged<ValueType = f64>, Y: Ranged<ValueType = f64>>(
        &self,
        chart: &mut Chart<'_, X, Y>,
        i: usize,
        (low, high): (f64, f64),
    ) -> Drawing {
        let inside = |y: f64| y.clamp(low, high);
        let ends = self.x.iter().zip(&self.mean).map(|(&x, m)| m.and_then(|m| m.1).map(|(lo, hi)| (x, lo, hi)));
        for piece in pieces(ends) {
            let upper = piece.iter().map(|&(x, _, hi)| (x, inside(hi)));
            let lower = piece.iter().rev().map(|&(x, lo, _)| (x, inside(lo)));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            chart.draw_series([Polygon::new(outline, style::band(i))])?;
        }
        if self.seeds.len() > 1 {
            for seed in &self.seeds {
                let points = self.x.iter().zip(seed).map(|(&x, &y)| y.is_finite().then_some((x, y)));
                strokes(chart, points, style::seed_line(i), (low, high))?;
            }
        }
        let points = self.x.iter().zip(&self.mean).map(|(&x, m)| m.map(|m| (x, m.0)));
        strokes(chart, points, style::line(i), (low, high))
    }
}

/// Draws a line that has gaps where there is no point, and where it is above the range.
pub(super) fn strokes<X: Ranged<ValueType = f64>, Y: Ranged<ValueType = f64>>(
    chart: &mut Chart<'_, X, Y>,
    points: impl Iterator<Item = Option<(f64, f64)>>,
    style: ShapeStyle,
    (low, high): (f64, f64),
) -> Drawing {
    for piece in pieces(points) {
        let piece = piece.into_iter().map(|(x, y)| (x, y.clamp(low, high)));
        chart.draw_series(LineSeries::new(piece, style))?;
    }
    Ok(())
}

/// Neighbours that are there, as pieces of two or more.
pub(super) fn pieces<T>(points: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut pieces = vec![Vec::new()];
    for point in points {
        match (point, pieces.last_mut()) {
            (Some(point), Some(piece)) => piece.push(point),
            _ => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|p| p.len() > 1);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three seeds of sd 1: 4.3027 (Student, 2 degrees of freedom) / sqrt(3) on either side.
    #[test]
    fn interval_over_seeds() {
        let band = Band::new(vec![0.0, 1.0], vec![vec![1.0, 1.0], vec![2.0, f64::INFINITY], vec![3.0, 1.0]]);
        let (mean, ends) = band.mean[0].unwrap();
        let (lo, hi) = ends.unwrap();
        assert!((mean - 2.0).abs() < 1e-12 && (hi - 2.0 - 2.484_14).abs() < 1e-4 && (2.0 - lo - 2.484_14).abs() < 1e-4);
        assert!(band.mean[1].is_none());
        assert_eq!(band.top(), 2.0);
        assert_eq!(Band::new(vec![0.0], vec![vec![4.0]]).mean, [Some((4.0, None))]);
    }

    #[test]
    fn pieces_skip_gaps() {
        let points = [Some(1), Some(2), None, Some(3), None, Some(4), Some(5)];
        assert_eq!(pieces(points.into_iter()), [vec![1, 2], vec![4, 5]]);
    }
}
