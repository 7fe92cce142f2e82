//! A ladder on which every pair of neighbours rejects its swaps alike (Syed, Bouchard-Cote, Deligiannidis and Doucet 2021,
//! section 5.3): rejections add up to the communication barrier as a function of the inverse temperature, which a monotone
//! cubic interpolates and equal parts divide. Round trips per round tend to `1/(2 + 2 barrier)` as levels are added.

/// Least rejection of a pair: a rate of zero would leave its temperatures undetermined.
const LEAST: f64 = 1e-6;
/// Halvings of the bracket around a temperature: more than a double has digits.
const HALVINGS: u32 = 60;

/// As many levels between the same ends, such that the rejections would be equal. `kt` falls; `rejections` are those of
/// neighbours, one less.
#[must_use]
pub(super) fn equalised(kt: &[f64], rejections: &[f64]) -> Vec<f64> {
    if rejections.len() < 2 {
        return kt.to_vec();
    }
    let beta: Vec<f64> = kt.iter().map(|kt| kt.recip()).collect();
    let mut sum = 0.0;
    let below = std::iter::once(0.0).chain(rejections.iter().map(|r| {
        sum += r.max(LEAST);
        sum
    }));
    let curve = Monotone::new(beta, below.collect());
    let pairs = rejections.len();
    let inner = (1..pairs).map(|k| curve.inverse(curve.y[pairs] * k as f64 / pairs as f64).recip());
    std::iter::once(kt[0]).chain(inner).chain([kt[pairs]]).collect()
}

/// A monotone piecewise cubic through rising points (Fritsch and Butland 1984).
struct Monotone {
    x: Vec<f64>,
    y: Vec<f64>,
    slope: Vec<f64>,
}

impl Monotone {
    fn new(x: Vec<f64>, y: Vec<f64>) -> Self {
        let last = x.len() - 1;
        let width = |i: usize| x[i + 1] - x[i];
        let secant = |i: usize| (y[i + 1] - y[i]) / width(i);
        let slope = (0..=last)
            .map(|i| match i {
                0 => secant(0),
                i if i == last => secant(last - 1),
                i => {
                    // Harmonic mean, weighted by the widths: at most three times either secant, so no overshoot.
                    let (left, right) = (2.0 * width(i) + width(i - 1), width(i) + 2.0 * width(i - 1));
                    (left + right) / (left / secant(i - 1) + right / secant(i))
                }
            })
            .collect();
        Self { x, y, slope }
    }

    fn at(&self, i: usize, x: f64) -> f64 {
        let width = self.x[i + 1] - self.x[i];
        let t = (x - self.x[i]) / width;
        let (a, b) = ((1.0 + 2.0 * t) * (1.0 - t).powi(2), t * t * (3.0 - 2.0 * t));
        let (c, d) = (t * (1.0 - t).powi(2), t * t * (t - 1.0));
        a * self.y[i] + b * self.y[i + 1] + width * (c * self.slope[i] + d * self.slope[i + 1])
    }

    /// Where the curve reaches `y`, which lies inside of its range.
    fn inverse(&self, y: f64) -> f64 {
        let i = self.y.partition_point(|&v| v <= y).clamp(1, self.y.len() - 1) - 1;
        let (mut low, mut high) = (self.x[i], self.x[i + 1]);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if self.at(i, middle) <= y { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In many dimensions a harmonic system rejects swaps in proportion to the logarithm of the ratio of temperatures: from
    /// any ladder the tuned one is geometric.
    #[test]
    fn harmonic_rejections_lead_to_a_geometric_ladder() {
        let mut kt: Vec<f64> = vec![4.0, 3.9, 3.5, 3.4, 2.0, 1.2, 1.0];
        for _ in 0..6 {
            let rejections: Vec<f64> = kt.windows(2).map(|w| 0.3 * (w[0] / w[1]).ln()).collect();
            assert!((rejections.iter().sum::<f64>() - 0.3 * 4.0_f64.ln()).abs() < 1e-12);
            kt = equalised(&kt, &rejections);
        }
        for (k, kt) in kt.iter().enumerate() {
            let want = 4.0 * 0.25_f64.powf(k as f64 / 6.0);
            assert!((kt - want).abs() < 1e-3, "level {k}: {kt}, not {want}");
        }
    }

    /// Equal rejections stay as they are; pairs that never reject do no harm; two levels are their own ends.
    #[test]
    fn fixed_points() {
        let kt = [4.0, 2.0, 1.0];
        let same = equalised(&kt, &[0.4, 0.4]);
        assert!(kt.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-12), "{same:?}");
        let flat = equalised(&kt, &[0.0, 0.0]);
        assert!(flat.is_sorted_by(|a, b| a > b), "{flat:?}");
        assert_eq!(equalised(&[2.0, 1.0], &[0.7]), [2.0, 1.0]);
        assert_eq!(equalised(&[2.0], &[]), [2.0]);
    }
}
