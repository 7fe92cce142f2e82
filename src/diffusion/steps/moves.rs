//! All moves of a path, each with its kernel forward and its kernel back.

use super::Statistics;
use super::terms::{self, Form, Stage, Terms};
use crate::spec::{Corrector, Noise, Step};

/// What is asked of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scheme {
    /// How it steps.
    pub step: Step,
    /// What it does at a level.
    pub corrector: Corrector,
    /// Which marginals it has.
    pub noise: Noise,
    /// Ratio of the temperatures of data and target.
    pub gamma: f64,
    /// Share of the noise that `reversible` draws.
    pub eta: f64,
    /// Weight of the newest slope in GHVB.
    pub beta: f64,
    /// Share of a level's variance that a Langevin move renews.
    pub renewal: f64,
}

/// One move, from an evaluation at variance `from` to a place at variance `to`. Pairs are for narrow coordinates and circles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Move {
    /// Variance of the noise before.
    pub from: f64,
    /// And after.
    pub to: f64,
    /// What multiplies the newest slope and the average so far, where slopes are averaged.
    pub average: Option<(f64, f64)>,
    /// The step before once more, now that its end is evaluated; from its beginning, the newest prediction first.
    pub corrector: Option<[Terms; 2]>,
    /// Evaluations on the way.
    pub stages: Vec<Stage>,
    /// The mean.
    pub terms: [Terms; 2],
    /// What multiplies `x` itself there, for methods that know where its origin is.
    pub own: [f64; 2],
    /// Variances of the kernel forward; 0 without a density.
    pub forward: [f64; 2],
    /// What the kernel back multiplies the score at the arrival with: its mean is `x' - back_drift s(x')`.
    pub back_drift: [f64; 2],
    /// Variances of the kernel back.
    pub backward: [f64; 2],
}

impl Move {
    /// Whether its mean knows nothing but `x` and its score.
    #[must_use]
    pub fn plain(&self) -> bool {
        self.stages.is_empty() && self.corrector.is_none() && self.terms.iter().all(|t| t.single().is_some())
    }

    /// The same move of coordinates whose data have variance `v`, where it was planned in units of that.
    #[must_use]
    pub fn of_variance(mut self, v: f64) -> Self {
        (self.from, self.to) = (v * self.from, v * self.to);
        let stages = self.stages.iter_mut().flat_map(|stage| {
            stage.h *= v;
            &mut stage.terms
        });
        // A score is larger where lengths are smaller; places are lengths.
        let all = self.terms.iter_mut().chain(stages).chain(self.corrector.iter_mut().flatten());
        all.flat_map(|terms| &mut terms.scores).for_each(|s| *s *= v);
        for variances in [&mut self.forward, &mut self.back_drift, &mut self.backward] {
            variances.iter_mut().for_each(|x| *x *= v);
        }
        self
    }

    /// Evaluations of the network.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        1 + self.stages.len()
    }

    /// Predictions that it needs, that at hand included.
    #[must_use]
    pub fn reach(&self) -> usize {
        let corrected = self.corrector.as_ref().map_or(0, |terms| terms[0].scores.len());
        corrected.max(if self.stages.is_empty() { self.terms[0].scores.len() } else { 1 })
    }
}

fn drift(by: f64) -> Terms {
    Terms { scores: vec![by], places: vec![0.0] }
}

/// The moves between levels of falling variance, the last of which may be the data, 0.
#[must_use]
pub fn plan(scheme: &Scheme, levels: &[f64]) -> Vec<Move> {
    let mut moves = Vec::new();
    let sigmas: Vec<f64> = levels.iter().map(|h| h.sqrt()).collect();
    let mut nodes: Vec<f64> = Vec::new();
    for k in 0..levels.len() - 1 {
        let before: Vec<f64> = sigmas[..=k].iter().rev().copied().collect();
        let mut one = if scheme.step.has_density() {
            stochastic(scheme, levels[k], &before, levels[k + 1])
        } else {
            deterministic(scheme, &before, levels[k + 1])
        };
        (one.from, one.to) = (levels[k], levels[k + 1]);
        if scheme.step == Step::Ghvb2 {
            average(&mut one, scheme.beta, (sigmas[k], sigmas[k + 1]), &mut nodes);
        }
        moves.push(one);
        if scheme.corrector == Corrector::Langevin && levels[k + 1] > 0.0 {
            moves.push(langevin(scheme, levels[k + 1]));
        }
    }
    if scheme.step == Step::DpmSolverV3
        && let Some(low) = levels.iter().copied().filter(|h| *h > 0.0).reduce(f64::min).filter(|low| *low < levels[0])
    {
        follow(&mut moves, &Statistics::gaussian((levels[0], low)));
    }
    moves
}

/// Gives moves the multipliers of DPM-Solver-v3, of lower order than 3 at first; the step to the data has order 1.
pub fn follow(moves: &mut [Move], statistics: &Statistics) {
    let sigmas: Vec<f64> = moves.iter().map(|one| one.from.sqrt()).collect();
    for (k, one) in moves.iter_mut().enumerate().filter(|(_, one)| one.to > 0.0) {
        let before: Vec<f64> = sigmas[..=k].iter().rev().take(3).copied().collect();
        let steps = [0, 1].map(|kind| statistics.step(kind, &before, one.to.sqrt()));
        one.own = [steps[0].1, steps[1].1];
        one.terms = steps.map(|(terms, _)| terms);
    }
}

/// Averaged slopes instead of slopes: `nodes` are the averaged levels so far, newest first.
fn average(one: &mut Move, beta: f64, (from, to): (f64, f64), nodes: &mut Vec<f64>) {
    let before = nodes.first().copied();
    let node = before.map_or(from, |before| (1.0 - beta) * before + beta * from);
    nodes.insert(0, node);
    nodes.truncate(2);
    one.average = before.map(|before| (beta * from / node, (1.0 - beta) * before / node));
    let terms = terms::slopes(nodes, (from, to));
    one.terms = [terms.clone(), terms];
}

/// A step along the probability-flow equation, which is the same at every `gamma`: `gamma s` is the score of what has noise
/// `h/gamma`.
fn deterministic(scheme: &Scheme, sigmas: &[f64], next: f64) -> Move {
    let (step, to) = (scheme.step, next.sqrt());
    let corrector = (scheme.corrector == Corrector::Unipc && sigmas.len() > 1).then(|| {
        let sigmas = &sigmas[..sigmas.len().min(2 + terms::reach(step))];
        [Form::Data, Form::Noise].map(|form| terms::corrector(form, sigmas))
    });
    let (stages, terms) = match step {
        Step::Heun | Step::DpmSolver2 | Step::DpmSolver3 => {
            let (stages, terms) = terms::single_step(step, sigmas[0], to);
            (stages, [terms.clone(), terms])
        }
        _ => (vec![], [Form::Data, Form::Noise].map(|form| terms::multistep(step, form, sigmas, to))),
    };
    Move { corrector, stages, terms, ..Move::default() }
}

/// A step with noise. Data of variance 1 are exact at any size with `ancestral`, `stochastic-heun` and `reversible`: the kernels
/// forward and back give the same law of both ends then.
fn stochastic(scheme: &Scheme, h: f64, sigmas: &[f64], next: f64) -> Move {
    let (q, gamma) = (h - next, scheme.gamma);
    if scheme.noise == Noise::Published {
        let terms = [drift(gamma * q), drift(gamma * q)];
        return Move { terms, forward: [q; 2], backward: [q; 2], ..Move::default() };
    }
    let backward = q / gamma;
    let gaussian = [backward * (1.0 + next) / (1.0 + h), backward];
    let point = if next > 0.0 { [backward * next / h; 2] } else { gaussian };
    let plain = Move { terms: [drift(q), drift(q)], forward: gaussian, backward: [backward; 2], ..Move::default() };
    match scheme.step {
        Step::EulerMaruyama => Move { forward: [backward; 2], ..plain },
        Step::SdeDpmSolver1 => Move { forward: point, ..plain },
        Step::SdeDpmSolver2m => Move { terms: extrapolated(sigmas, next), forward: point, ..plain },
        Step::StochasticHeun if next > 0.0 => {
            let half = Terms { scores: vec![0.5 * q; 2], places: vec![0.0; 2] };
            let stage = Stage { h: next, terms: [drift(q), drift(q)] };
            Move { stages: vec![stage], terms: [half.clone(), half], ..plain }
        }
        Step::Reversible if next > 0.0 => reversible(scheme, h, next),
        _ => plain,
    }
}

/// SDE-DPM-Solver++ (2M): `x + (q/h) (D - x + (D - D_before)/(2 r))`; slopes in `h` on circles.
fn extrapolated(sigmas: &[f64], next: f64) -> [Terms; 2] {
    let h = sigmas[0] * sigmas[0];
    let q = h - next;
    if sigmas.len() < 2 || next <= 0.0 {
        return [drift(q), drift(q)];
    }
    let before = sigmas[1] * sigmas[1];
    let r = (sigmas[1] / sigmas[0]).ln() / (sigmas[0] / next.sqrt()).ln();
    let (b0, b1) = (q / h * (1.0 + 0.5 / r), -q / h * 0.5 / r);
    let ratio = q / (before - h);
    [
        Terms { scores: vec![b0 * h, b1 * before], places: vec![b0, b1] },
        Terms { scores: vec![q * (1.0 + 0.5 * ratio), -0.5 * q * ratio], places: vec![0.0; 2] },
    ]
}

/// DDIM with a share of its noise. For Gaussian data both ends have the correlation `rho = sqrt((1 + h')/(1 + h))^(eta^2)`: 1 follows
/// the probability flow, and `eta = 1` is `ancestral`. On circles `x + (1 + eta^2)/2 q s` with noise `eta^2 q`, and its reversal.
fn reversible(scheme: &Scheme, h: f64, next: f64) -> Move {
    let (q, gamma, eta2) = (h - next, scheme.gamma, scheme.eta * scheme.eta);
    let ratio = (1.0 + next) / (1.0 + h);
    let rho = ratio.sqrt().powf(eta2);
    let (a, back) = (ratio.sqrt() * rho, rho / ratio.sqrt());
    let rest = (1.0 - rho * rho) / gamma;
    Move {
        terms: [drift((1.0 - a) * (1.0 + h)), drift(0.5 * (1.0 + eta2) * q)],
        forward: [(1.0 + next) * rest, eta2 * q / gamma],
        back_drift: [(back - 1.0) * (1.0 + next), 0.5 * (1.0 - eta2) * q],
        backward: [(1.0 + h) * rest, eta2 * q / gamma],
        ..Move::default()
    }
}

/// A Langevin move at one level, the same kernel both ways: it renews a share of the variance of Gaussian data, exactly for these; of
/// that of the noise on circles.
fn langevin(scheme: &Scheme, h: f64) -> Move {
    let (gamma, share) = (scheme.gamma, scheme.renewal);
    let by = [(1.0 - (1.0 - share).sqrt()) * (1.0 + h), 0.5 * share * h];
    let variances = [share * (1.0 + h) / gamma, share * h / gamma];
    let (terms, back_drift) = (by.map(drift), by.map(|c| -c));
    Move { from: h, to: h, terms, forward: variances, back_drift, backward: variances, ..Move::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(step: Step, gamma: f64) -> Scheme {
        let (corrector, noise) = (Corrector::None, Noise::Tempered);
        Scheme { step, corrector, noise, gamma, eta: 0.6, beta: 0.7, renewal: 0.2 }
    }

    /// Harmonic data of variance 1 at gamma: the kernels forward and back of `reversible` and of Langevin moves give the same law of both
    /// ends, at any size. Marginals `(1 + h)/gamma`; covariances by hand.
    #[test]
    fn kernels_of_both_ways_agree_for_gaussians() {
        let (h, next, gamma) = (7.0, 0.3, 1.7);
        let part = scheme(Step::Reversible, gamma);
        for one in [reversible(&part, h, next), langevin(&part, h)] {
            let next = if one.to > 0.0 { h } else { next };
            let (start, end) = ((1.0 + h) / gamma, (1.0 + next) / gamma);
            let slope = 1.0 - one.terms[0].scores[0] / (1.0 + h);
            let back = 1.0 + one.back_drift[0] / (1.0 + next);
            assert!((slope * slope * start + one.forward[0] - end).abs() < 1e-12, "marginal");
            assert!((back * back * end + one.backward[0] - start).abs() < 1e-12, "marginal of the way back");
            assert!((slope * start - back * end).abs() < 1e-12, "covariance of both ends");
        }
        let whole = Scheme { eta: 1.0, ..part };
        let (all, plain) =
            (reversible(&whole, h, next), stochastic(&scheme(Step::Ancestral, gamma), h, &[h.sqrt()], next));
        assert!((all.terms[0].scores[0] - plain.terms[0].scores[0]).abs() < 1e-12 && all.back_drift[0].abs() < 1e-12);
        assert!((all.forward[0] - plain.forward[0]).abs() < 1e-12 && (all.forward[1] - plain.forward[1]).abs() < 1e-12);
    }

    /// The mean-reverting (Ornstein-Uhlenbeck, VP) process `y = x/sqrt(1 + h)` about the mean of whitened data: its posterior kernel is
    /// that of `ancestral` in other units, so that it is no other option. Its formula: `y' = (y/sqrt(a)) ...` of DDPM with
    /// `alpha = (1 + h')/(1 + h)`, score `s_y = sqrt(1 + h) s`.
    #[test]
    fn mean_reverting_process_is_ancestral() {
        let (h, next, x, s) = (5.0_f64, 2.0_f64, 1.3, -0.4);
        let one = stochastic(&scheme(Step::Ancestral, 1.0), h, &[h.sqrt()], next);
        let alpha = (1.0 + next) / (1.0 + h);
        let (y, s_y) = (x / (1.0 + h).sqrt(), s * (1.0 + h).sqrt());
        let mean = (y + (1.0 - alpha) * s_y) / alpha.sqrt();
        let ours = (x + one.terms[0].scores[0] * s) / (1.0 + next).sqrt();
        assert!((mean - ours).abs() < 1e-12, "{mean} {ours}");
        assert!((one.forward[0] / (1.0 + next) - (1.0 - alpha)).abs() < 1e-12, "beta, DDPM's larger variance");
    }

    /// With even steps, the multipliers of GHVB's paper: `((2 + b) v - (2 - b) v_before)/(2 b)`.
    #[test]
    fn averaged_slopes() {
        let beta = 0.7;
        let levels: Vec<f64> = (0..40).map(|k| (50.0 - f64::from(k)).powi(2)).collect();
        let moves = plan(&Scheme { beta, ..scheme(Step::Ghvb2, 1.0) }, &levels);
        // Far from the start the averaged level lags by (1 - b)/b steps.
        let last = &moves[38];
        let lag = (1.0 - beta) / beta;
        let node = 50.0 - 38.0 + lag;
        let (newest, before) = ((2.0 + beta) / (2.0 * beta), -(2.0 - beta) / (2.0 * beta));
        assert!((last.terms[0].scores[0] / node - newest).abs() < 1e-9, "{last:?}");
        assert!((last.terms[0].scores[1] / (node + 1.0) - before).abs() < 1e-9, "{last:?}");
        let (now, then) = last.average.unwrap();
        assert!((now - beta * 12.0 / node).abs() < 1e-9 && (then - (1.0 - beta) * (node + 1.0) / node).abs() < 1e-9);
    }
}
