//! Multipliers of deterministic steps along the probability-flow equation `dx/dsigma = (x - D)/sigma = -sigma s`.
//!
//! With `lambda = -ln sigma` and `k = lambda' - lambda` its solution is
//! `x' = (sigma'/sigma) x + sigma' int exp(lambda) D dlambda = x - int sigma s dsigma`. Methods extrapolate `D` in lambda (data form)
//! or `-sigma s` in sigma (noise form). On circles there is no absolute prediction: they take the noise form always, the one of Adams
//! and Bashforth where a method is multistep.

use crate::spec::Step;

/// What a method extrapolates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Denoised predictions, for coordinates that are nearly Gaussian.
    Data,
    /// Slopes, for circles.
    Noise,
}

/// Multipliers of predictions, the one at hand first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// Of the scores.
    pub scores: Vec<f64>,
    /// Of the places where they were taken, relative to `x`.
    pub places: Vec<f64>,
}

/// An evaluation on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Variance of the noise there.
    pub h: f64,
    /// How to get there from `x`: narrow coordinates, circles.
    pub terms: [Terms; 2],
}

impl Terms {
    /// `sum b_j (D_j - x)` of predictions at noise `sigma_j`.
    fn of_data(sigmas: &[f64], b: Vec<f64>) -> Self {
        Self { scores: b.iter().zip(sigmas).map(|(b, sigma)| b * sigma * sigma).collect(), places: b }
    }

    /// `sum e_j (-sigma_j s_j)`.
    fn of_slopes(sigmas: &[f64], e: &[f64]) -> Self {
        Self { scores: e.iter().zip(sigmas).map(|(e, sigma)| -e * sigma).collect(), places: vec![0.0; e.len()] }
    }

    /// The multiplier of the only score, if that is all there is.
    #[must_use]
    pub fn single(&self) -> Option<f64> {
        if let [drift] = self.scores[..] { Some(drift) } else { None }
    }
}

/// `int_0^k exp(t - k) l_j(t) dt` of the Lagrange polynomials at `nodes`: how predictions at these distances in lambda weigh in the
/// exact solution.
fn exponential(nodes: &[f64], k: f64) -> Vec<f64> {
    quadrature(nodes, (0.0, k), |t| (t - k).exp())
}

/// `int l_j(t) weight(t) dt` between two ends.
pub(super) fn quadrature(nodes: &[f64], (from, to): (f64, f64), weight: impl Fn(f64) -> f64) -> Vec<f64> {
    // Gauss and Legendre's 5 points, on 16 parts: exact for polynomials, 1e-13 for exponentials over a few units.
    const POINTS: [(f64, f64); 5] = [
        (0.0, 128.0 / 225.0),
        (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
        (0.906_179_845_938_664, 0.236_926_885_056_189_08),
        (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    ];
    const PARTS: u32 = 16;
    let half = 0.5 * (to - from) / f64::from(PARTS);
    let mut sums = vec![0.0; nodes.len()];
    for part in 0..PARTS {
        for (at, w) in POINTS {
            let t = from + half * (f64::from(2 * part + 1) + at);
            for (j, sum) in sums.iter_mut().enumerate() {
                let others = nodes.iter().enumerate().filter(|(i, _)| *i != j);
                let lagrange: f64 = others.map(|(_, node)| (t - node) / (nodes[j] - node)).product();
                *sum += w * half * weight(t) * lagrange;
            }
        }
    }
    sums
}

/// Levels before that a step looks back to.
#[must_use]
pub fn reach(step: Step) -> usize {
    match step {
        Step::SdeDpmSolver2m | Step::DpmSolverPp2m | Step::Deis2 | Step::Ghvb2 => 1,
        Step::DpmSolverPp3m | Step::Deis3 | Step::DpmSolverV3 => 2,
        _ => 0,
    }
}

/// A deterministic multistep method from `sigmas[0]` to `to`, given the levels before, newest first: as many as there are are used, up
/// to its order. The step to the data has order 1, `x' = D`.
#[must_use]
pub fn multistep(step: Step, form: Form, sigmas: &[f64], to: f64) -> Terms {
    let order = if to > 0.0 { sigmas.len().min(1 + reach(step)) } else { 1 };
    let sigmas = &sigmas[..order];
    let data = matches!(step, Step::DpmSolverPp2m | Step::DpmSolverPp3m | Step::Ddim);
    match form {
        Form::Data if data => {
            let rest = 1.0 - to / sigmas[0];
            let k = (sigmas[0] / to).ln();
            let b = match order {
                1 => vec![rest],
                2 => {
                    let r = (sigmas[1] / sigmas[0]).ln() / k;
                    vec![rest * (1.0 + 0.5 / r), -rest * 0.5 / r]
                }
                _ => third(sigmas, k),
            };
            Terms::of_data(sigmas, b)
        }
        _ => slopes(sigmas, (sigmas[0], to)),
    }
}

/// The method of Adams and Bashforth between two levels: slopes at `nodes` are extrapolated. GHVB's averaged slopes are those at
/// averaged levels, so that this is GHVB on any grid (with even steps, the multipliers of its paper).
#[must_use]
pub fn slopes(nodes: &[f64], ends: (f64, f64)) -> Terms {
    Terms::of_slopes(nodes, &quadrature(nodes, ends, |_| 1.0))
}

/// The multipliers of DPM-Solver++ (3M), written out for each prediction. The public code takes half of the second derivative
/// (`D2` without its factor 2 beside `phi3`): that has order 2, measured with the test of orders; this has order 3.
fn third(sigmas: &[f64], k: f64) -> Vec<f64> {
    let (r0, r1) = ((sigmas[1] / sigmas[0]).ln() / k, (sigmas[2] / sigmas[1]).ln() / k);
    let phi1 = (-k).exp_m1();
    let phi2 = phi1 / k + 1.0;
    let phi3 = phi2 / k - 0.5;
    // First and second differences as rows over the three predictions.
    let (a, b) = ([1.0 / r0, -1.0 / r0, 0.0], [0.0, 1.0 / r1, -1.0 / r1]);
    let mix = r0 / (r0 + r1);
    (0..3)
        .map(|j| {
            let first = a[j] + mix * (a[j] - b[j]);
            let second = (a[j] - b[j]) / (r0 + r1);
            (if j == 0 { -phi1 } else { 0.0 }) + phi2 * first - 2.0 * phi3 * second
        })
        .collect()
}

/// UniPC's corrector: the step from `sigmas[1]` to `sigmas[0]` again, knowing the prediction at its end. Multipliers of `D_j - x` and
/// slopes as ever, `x` being where the step began. The paper's `B(h)` is the exact integral here.
#[must_use]
pub fn corrector(form: Form, sigmas: &[f64]) -> Terms {
    let (to, from) = (sigmas[0], sigmas[1]);
    match form {
        Form::Data => {
            let nodes: Vec<f64> = sigmas.iter().map(|sigma| (from / sigma).ln()).collect();
            Terms::of_data(sigmas, exponential(&nodes, (from / to).ln()))
        }
        Form::Noise => slopes(sigmas, (from, to)),
    }
}

/// A deterministic single-step method from `from` to `to`: evaluations on the way, and the step.
#[must_use]
pub fn single_step(step: Step, from: f64, to: f64) -> (Vec<Stage>, Terms) {
    let slopes = Terms::of_slopes;
    let stage = |sigma: f64, terms: Terms| Stage { h: sigma * sigma, terms: [terms.clone(), terms] };
    let euler = slopes(&[from], &[to - from]);
    let k = (from / to).ln();
    match step {
        _ if to <= 0.0 => (vec![], euler),
        Step::Heun => (vec![stage(to, euler)], slopes(&[from, to], &[0.5 * (to - from); 2])),
        Step::DpmSolver2 => {
            let middle = (from * to).sqrt();
            let half = slopes(&[from], &[middle - from]);
            (vec![stage(middle, half)], slopes(&[from, middle], &[0.0, to - from]))
        }
        Step::DpmSolver3 => {
            let (r1, r2) = (1.0 / 3.0, 2.0 / 3.0);
            let (s1, s2) = (from * (-r1 * k).exp(), from * (-r2 * k).exp());
            let first = slopes(&[from], &[s1 - from]);
            let bend = -s2 * r2 / r1 * ((r2 * k).exp_m1() / (r2 * k) - 1.0);
            let second = slopes(&[from, s1], &[s2 - from - bend, bend]);
            let bend = -to / r2 * (k.exp_m1() / k - 1.0);
            let all = slopes(&[from, s1, s2], &[to - from - bend, 0.0, bend]);
            (vec![stage(s1, first), stage(s2, second)], all)
        }
        _ => (vec![], euler),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: two predictions at distances 0 and -r in lambda, and the moments `1 - e^-k`, `k - 1 + e^-k` of the exponential.
    #[test]
    fn exponential_weights_by_hand() {
        let (k, r) = (0.7_f64, 0.4);
        let b = exponential(&[0.0, -r], k);
        let (m0, m1) = (1.0 - (-k).exp(), k - 1.0 + (-k).exp());
        assert!((b[0] - (m0 + m1 / r)).abs() < 1e-13 && (b[1] + m1 / r).abs() < 1e-13, "{b:?}");
    }

    /// Constant predictions `D` are exact for every method, and so are constant slopes: the multipliers add up.
    #[test]
    fn multipliers_add_up() {
        let sigmas = [1.0, 1.7, 2.4];
        for step in [Step::Ddim, Step::DpmSolverPp2m, Step::DpmSolverPp3m, Step::Deis2, Step::Deis3, Step::Ghvb2] {
            let slopes = multistep(step, Form::Noise, &sigmas, 0.6);
            let sum: f64 = slopes.scores.iter().zip(&sigmas).map(|(s, sigma)| -s / sigma).sum();
            assert!((sum - (0.6 - 1.0)).abs() < 1e-13, "{step:?}");
            if multistep(step, Form::Data, &sigmas, 0.6).places[0] != 0.0 {
                let sum: f64 = multistep(step, Form::Data, &sigmas, 0.6).places.iter().sum();
                assert!((sum - 0.4).abs() < 1e-13, "{step:?}");
            }
            let end = multistep(step, Form::Data, &sigmas, 0.0);
            assert!(end.scores.len() == 1 && (end.scores[0] - 1.0).abs() < 1e-13, "to the data: x + h s");
        }
        // DPM-Solver++ (3M) is the exact integral of the parabola.
        let k = (1.0_f64 / 0.6).ln();
        let nodes: Vec<f64> = sigmas.iter().map(|s: &f64| -s.ln()).collect();
        for (a, b) in third(&sigmas, k).iter().zip(exponential(&nodes, k)) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }
}
