//! Densities over fixed bins. What lies beyond them is not drawn, and counted.

use super::band::Band;

/// A density histogram on a range that the reference decides.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// Density per bin: fraction of all values per unit.
    pub density: Vec<f64>,
    /// Fraction of the values that are in no bin, those that are not finite too.
    pub beyond: f64,
}

impl Histogram {
    /// Values on `low..=high` in equal bins. Densities are fractions of all values: with much beyond the range, the area under
    /// them is less than one.
    pub(super) fn new(values: &[f64], low: f64, high: f64, bins: usize) -> Self {
        let width = (high - low) / bins as f64;
        let mut counts = vec![0_u64; bins];
        let mut beyond = 0_u64;
        for &v in values {
            if (low..=high).contains(&v) {
                counts[(((v - low) / width) as usize).min(bins - 1)] += 1;
            } else {
                beyond += 1;
            }
        }
        let all = values.len().max(1) as f64;
        let density = counts.into_iter().map(|c| c as f64 / (all * width)).collect();
        Self { low, high, density, beyond: beyond as f64 / all }
    }

    /// Corner points of the steps, two for each bin.
    pub(super) fn steps(&self) -> Vec<(f64, f64)> {
        let width = (self.high - self.low) / self.density.len() as f64;
        let edge = |i: usize| self.low + i as f64 * width;
        self.density.iter().enumerate().flat_map(|(i, &d)| [(edge(i), d), (edge(i + 1), d)]).collect()
    }

    /// The steps with their ends on the axis.
    pub(super) fn outline(&self) -> Vec<(f64, f64)> {
        std::iter::once((self.low, 0.0)).chain(self.steps()).chain([(self.high, 0.0)]).collect()
    }

    /// Largest density.
    pub(super) fn top(&self) -> f64 {
        self.density.iter().copied().fold(0.0, f64::max)
    }

    /// Histograms of seeds as one curve with its interval.
    pub(super) fn band(seeds: &[Self]) -> Band {
        let x = seeds.first().map_or(vec![], |h| h.steps().iter().map(|p| p.0).collect());
        Band::new(x, seeds.iter().map(|h| h.steps().iter().map(|p| p.1).collect()).collect())
    }
}

/// Smallest and largest finite value, or `None`.
pub(in crate::report) fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|v| v.is_finite()).fold(None, |r, v| match r {
        None => Some((v, v)),
        Some((low, high)) => Some((f64::min(low, v), f64::max(high, v))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No bin of overflow: values beyond the range are in no bin.
    #[test]
    fn leaves_out_and_counts() {
        let h = Histogram::new(&[-9.0, 0.1, 0.6, 0.7, 50.0, f64::INFINITY, f64::NAN, 1.0], 0.0, 1.0, 2);
        // 1 of 8 in the first half, 3 of 8 in the second, bins 0.5 wide; 4 of 8 beyond.
        assert_eq!((h.density.clone(), h.beyond), (vec![0.25, 0.75], 0.5));
        assert_eq!(h.outline(), [(0.0, 0.0), (0.0, 0.25), (0.5, 0.25), (0.5, 0.75), (1.0, 0.75), (1.0, 0.0)]);
        let mean = Histogram::band(&[h.clone(), h]).mean;
        assert_eq!((mean.len(), mean[3].unwrap().0), (4, 0.75));
        assert_eq!(range([f64::NAN, 2.0, -1.0]), Some((-1.0, 2.0)));
        assert_eq!(range([]), None);
    }
}
