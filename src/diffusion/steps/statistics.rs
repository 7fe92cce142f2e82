//! DPM-Solver-v3 (arXiv 2310.13268): a multistep method without noise that knows what a model's scores are like on the way.
//!
//! With `lambda = -ln sigma` the probability-flow equation is `dx/dlambda = h s`. It is split by numbers `l`, and what is left follows
//! numbers `r` (the paper's `s`, which stands for scores here), both functions of the noise:
//!
//! ```text
//! N = h s + l x,   dx/dlambda = -l x + N,   dN/dlambda = r N + rest
//! l = -E tr d(h s)/dx / d,                  r = E <N, dN/dlambda> / E |N|^2   (along paths)
//! ```
//!
//! so that `N` depends least on `x`, and what of it is left changes least. The exact solution from `lambda_0`,
//! `x' = e^-L (x + int e^(L + R) G dlambda)` with `L = int l`, `R = int r` and `G = e^-R N`, is approached by the polynomial through
//! `G` at this level and those before. `l = 1, r = 0` are DPM-Solver++, `l = 0, r = -1` DPM-Solver.
//!
//! The paper has numbers of their own for every coordinate, and an offset `b = E dN/dlambda - r E N`. Here all narrow coordinates share
//! one, which so few particles as a pilot's tell well: whitened, they differ little. Scores have the mean 0 under their own density, and
//! whitened data too: `E N = 0` at every noise, and `b` is 0. Circles have no absolute place: `l` is 0 for them, `N` a slope.

use super::terms::{Terms, quadrature};

/// `l` and `r` at levels of evenly rising lambda, splines between them, constant beyond; pairs are for narrow coordinates and circles.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The first lambda, and the distance of the levels.
    first: f64,
    spacing: f64,
    rates: [Curve; 2],
    bends: [Curve; 2],
}

/// A function by its values at the levels, its second derivatives there, and its integral from the first one.
#[derive(Debug, Clone, PartialEq)]
struct Curve {
    values: Vec<f64>,
    bent: Vec<f64>,
    integral: Vec<f64>,
}

impl Curve {
    /// The cubic spline whose ends are parabolas: a curve that is less smooth would cost the method its order.
    fn new(values: Vec<f64>) -> Self {
        let n = values.len();
        let (mut bent, mut factor) = (vec![0.0; n], vec![0.0; n]);
        for i in 1..n.saturating_sub(1) {
            let ends = f64::from(u8::from(i == 1)) + f64::from(u8::from(i + 2 == n));
            let pivot = 1.0 / (4.0 + ends - factor[i - 1]);
            factor[i] = if i + 2 == n { 0.0 } else { pivot };
            bent[i] = pivot * (6.0 * (values[i + 1] - 2.0 * values[i] + values[i - 1]) - bent[i - 1]);
        }
        for i in (1..n.saturating_sub(1)).rev() {
            bent[i] -= factor[i] * bent[i + 1];
        }
        if n > 2 {
            (bent[0], bent[n - 1]) = (bent[1], bent[n - 2]);
        }
        let mut curve = Self { integral: vec![0.0; n], values, bent };
        for i in 1..n {
            curve.integral[i] = curve.integral[i - 1] + curve.piece(i - 1, 1.0).1;
        }
        curve
    }

    /// Value at a part of the way from level `i` to the next, and integral from that level, in units of the spacing.
    fn piece(&self, i: usize, u: f64) -> (f64, f64) {
        let (a, b, p, q, v) = (self.values[i], self.values[i + 1], self.bent[i], self.bent[i + 1], 1.0 - u);
        let value = a * v + b * u + (p * (v * v * v - v) + q * (u * u * u - u)) / 6.0;
        let (half, fourth) = (0.5 * u * u, 0.25 * u * u * u * u);
        let bent = p * (0.25 * (1.0 - v * v * v * v) - u + half) + q * (fourth - half);
        (value, a * (u - half) + b * half + bent / 6.0)
    }

    /// Value and integral at a place in units of the spacing.
    fn at(&self, place: f64) -> (f64, f64) {
        let last = self.values.len() - 1;
        let inside = place.clamp(0.0, last as f64);
        let i = (inside as usize).min(last - 1);
        let (value, integral) = self.piece(i, inside - i as f64);
        (value, self.integral[i] + integral + (place - inside) * value)
    }
}

impl Statistics {
    /// From values at variances whose `lambda = -ln sigma` rises evenly; two at least.
    #[must_use]
    pub fn new(levels: &[f64], rates: [Vec<f64>; 2], bends: [Vec<f64>; 2]) -> Self {
        let lambda = |h: &f64| -0.5 * h.ln();
        let first = levels.first().map_or(0.0, lambda);
        let last = levels.last().map_or(1.0, lambda);
        let spacing = (last - first) / (levels.len() - 1) as f64;
        Self { first, spacing, rates: rates.map(Curve::new), bends: bends.map(Curve::new) }
    }

    /// Those of whitened Gaussian data between two variances, which have no `N` at all (`r` is 0 then); slopes of circles as
    /// DPM-Solver has them.
    #[must_use]
    pub fn gaussian((high, low): (f64, f64)) -> Self {
        const LEVELS: usize = 512;
        let levels = super::grid::geometric(LEVELS, (low.sqrt(), high.sqrt()));
        let narrow = levels.iter().map(|h| h / (1.0 + h)).collect();
        Self::new(&levels, [narrow, vec![0.0; LEVELS]], [vec![0.0; LEVELS], vec![-1.0; LEVELS]])
    }

    /// `l` and its integral, `r` and its integral, at `ln sigma = -lambda`; integrals in lambda from the first level.
    fn at(&self, kind: usize, lambda: f64) -> [f64; 4] {
        let place = (lambda - self.first) / self.spacing;
        let ((l, big_l), (r, big_r)) = (self.rates[kind].at(place), self.bends[kind].at(place));
        [l, self.spacing * big_l, r, self.spacing * big_r]
    }

    /// The step from `sigmas[0]` to `to` above 0, given the levels before, newest first: multipliers, and that of `x` itself.
    pub(super) fn step(&self, kind: usize, sigmas: &[f64], to: f64) -> (Terms, f64) {
        let from = self.at(kind, -sigmas[0].ln());
        let nodes: Vec<f64> = sigmas.iter().map(|sigma| (sigmas[0] / sigma).ln()).collect();
        let k = (sigmas[0] / to).ln();
        let end = self.at(kind, -to.ln());
        // The weight of G over the step, less what `x` loses.
        let weight = |t: f64| {
            let here = self.at(kind, t - sigmas[0].ln());
            (here[1] - end[1] + here[3] - from[3]).exp()
        };
        let integrals = quadrature(&nodes, (0.0, k), weight);
        let mut terms = Terms { scores: vec![], places: vec![] };
        let mut own = (from[1] - end[1]).exp_m1();
        for (c, sigma) in integrals.iter().zip(sigmas) {
            let there = self.at(kind, -sigma.ln());
            // G = e^-R (h s + l (x + its place)).
            let c = c * (from[3] - there[3]).exp();
            terms.scores.push(c * sigma * sigma);
            terms.places.push(c * there[0]);
            own += c * there[0];
        }
        (terms, own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `l = h/(1 + h)`: its integral is `-ln sqrt(1 + h)`, by hand.
    #[test]
    fn integrals_by_hand() {
        let of = Statistics::gaussian((64.0, 0.01));
        let exact = |h: f64| -0.5 * h.ln_1p();
        for h in [40.0_f64, 3.0, 0.2, 0.011] {
            let [l, big, ..] = of.at(0, -0.5 * h.ln());
            assert!((l - h / (1.0 + h)).abs() < 1e-5 && (big - exact(h) + exact(64.0)).abs() < 1e-6, "{h}: {l} {big}");
        }
    }

    /// With `l = 1, r = 0` it is DPM-Solver++, with `l = 0, r = -1` slopes `-sigma s` are extrapolated in lambda: constant ones are exact.
    #[test]
    fn other_methods_are_special_cases() {
        let levels = super::super::grid::geometric(9, (0.1, 4.0));
        let all = |x: f64| [vec![x; 9], vec![x; 9]];
        let sigmas = [1.0, 1.7, 2.4];
        let (plus, own) = Statistics::new(&levels, all(1.0), all(0.0)).step(0, &sigmas, 0.6);
        let known =
            super::super::terms::multistep(crate::spec::Step::DpmSolverPp3m, super::super::Form::Data, &sigmas, 0.6);
        for (a, b) in plus.scores.iter().zip(&known.scores).chain(plus.places.iter().zip(&known.places)) {
            assert!((a - b).abs() < 1e-12, "{plus:?} {known:?}");
        }
        assert!(own.abs() < 1e-12, "{own}");
        let (slopes, own) = Statistics::new(&levels, all(0.0), all(-1.0)).step(1, &sigmas, 0.6);
        let sum: f64 = slopes.scores.iter().zip(&sigmas).map(|(s, sigma)| -s / sigma).sum();
        assert!((sum - (0.6 - 1.0)).abs() < 1e-12 && own == 0.0, "{sum} {own}");
    }
}
