//! Densities over fixed bins, with nothing left out.

/// A density histogram on a range that the reference decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// Density per bin: fraction of all values per unit.
    pub density: Vec<f64>,
}

impl Histogram {
    /// Values beyond the edges are clipped into the first or last bin, as are infinite ones; NaN counts as the last.
    /// So a method with many bad samples shows a peak at the edge, not a smaller sample.
    #[must_use]
    pub fn clipped(values: &[f64], low: f64, high: f64, bins: usize) -> Self {
        let width = (high - low) / bins as f64;
        let mut counts = vec![0_u64; bins];
        for &v in values {
            let bin = ((v - low) / width).floor();
            let bin = if bin.is_nan() { bins - 1 } else { bin.clamp(0.0, (bins - 1) as f64) as usize };
            counts[bin] += 1;
        }
        let unit = 1.0 / (values.len().max(1) as f64 * width);
        Self { low, high, density: counts.into_iter().map(|c| c as f64 * unit).collect() }
    }

    /// Corner points of the step outline, from the axis and back to it.
    #[must_use]
    pub fn outline(&self) -> Vec<(f64, f64)> {
        let width = (self.high - self.low) / self.density.len() as f64;
        let mut points = vec![(self.low, 0.0)];
        for (i, &d) in self.density.iter().enumerate() {
            points.push((self.low + i as f64 * width, d));
            points.push((self.low + (i + 1) as f64 * width, d));
        }
        points.push((self.high, 0.0));
        points
    }

    /// Largest density.
    #[must_use]
    pub fn top(&self) -> f64 {
        self.density.iter().copied().fold(0.0, f64::max)
    }
}

/// Smallest and largest finite value, or `None`.
#[must_use]
pub(super) fn range(values: &[f64]) -> Option<(f64, f64)> {
    values.iter().copied().filter(|v| v.is_finite()).fold(None, |r, v| match r {
        None => Some((v, v)),
        Some((low, high)) => Some((f64::min(low, v), f64::max(high, v))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_and_normalises() {
        let h = Histogram::clipped(&[-9.0, 0.1, 0.6, 0.7, 50.0, f64::INFINITY, f64::NAN, 0.2], 0.0, 1.0, 2);
        // 3 of 8 in the first half, 5 of 8 in the second, bins 0.5 wide.
        assert_eq!(h.density, [0.75, 1.25]);
        assert_eq!(h.outline(), [(0.0, 0.0), (0.0, 0.75), (0.5, 0.75), (0.5, 1.25), (1.0, 1.25), (1.0, 0.0)]);
        assert_eq!(range(&[f64::NAN, 2.0, -1.0]), Some((-1.0, 2.0)));
        assert_eq!(range(&[]), None);
    }
}
