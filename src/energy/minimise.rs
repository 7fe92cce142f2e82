//! Energy minimisation of one configuration: L-BFGS (Nocedal 1980) with a backtracking line search, falling back to steepest
//! descent where the quasi-Newton direction does not lead downhill.

use std::collections::VecDeque;

use super::Potential;

/// Steps that the quasi-Newton direction remembers.
const HISTORY: usize = 10;
/// Fraction of the predicted decrease that a step must reach (Armijo).
const ARMIJO: f64 = 1e-4;
/// Iterations whose gain is looked at together.
const ROUND: usize = 100;
/// Halvings of a step before the direction is given up.
const HALVINGS: usize = 40;

/// When to stop, and how far a step may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minimise {
    /// Largest component of the force at which to stop, in the potential's units.
    pub force: f64,
    /// Largest move of a coordinate in one step, in the potential's length unit.
    pub longest_move: f64,
    /// Most iterations.
    pub iterations: usize,
    /// It ends too where a hundred iterations together gain less energy than this: large molecules crawl along soft modes.
    pub least: f64,
}

/// Where a minimisation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// Positions `[atoms, 3]`.
    pub positions: Vec<f64>,
    /// Energy there.
    pub energy: f64,
    /// Largest component of the force there.
    pub largest_force: f64,
    /// Energy evaluations it took.
    pub evaluations: usize,
}

/// Largest absolute value; NaN if there is one (`f64::max` would skip it).
fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m: f64, v| if m.is_nan() || v.is_nan() { f64::NAN } else { m.max(v.abs()) })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// One remembered step: `s` the move, `y` the change of the gradient, `1 / s.y`.
struct Step {
    s: Vec<f64>,
    y: Vec<f64>,
    rho: f64,
}

/// `H force` by the two-loop recursion: where L-BFGS wants to go.
fn direction(history: &VecDeque<Step>, force: &[f64]) -> Vec<f64> {
    let mut d = force.to_vec();
    let mut alphas = Vec::with_capacity(history.len());
    for step in history.iter().rev() {
        let alpha = step.rho * dot(&step.s, &d);
        d.iter_mut().zip(&step.y).for_each(|(d, y)| *d -= alpha * y);
        alphas.push(alpha);
    }
    if let Some(last) = history.back() {
        let scale = 1.0 / (last.rho * dot(&last.y, &last.y));
        d.iter_mut().for_each(|d| *d *= scale);
    }
    for (step, alpha) in history.iter().zip(alphas.iter().rev()) {
        let beta = step.rho * dot(&step.y, &d);
        d.iter_mut().zip(&step.s).for_each(|(d, s)| *d += (alpha - beta) * s);
    }
    d
}

impl Minimise {
    /// Goes downhill from `start [atoms, 3]`. The energy does not rise beyond rounding; with forces at rounding level it
    /// stops early. Where energy or forces are not finite at the start it stays there: `largest_force` is not finite then.
    #[must_use]
    pub fn run(&self, potential: &dyn Potential, start: &[f64]) -> Minimum {
        let mut evaluations = 0;
        let mut evaluate = |x: &[f64]| {
            let (mut energy, mut force) = ([0.0], vec![0.0; x.len()]);
            potential.energy_forces(x, &mut energy, &mut force);
            evaluations += 1;
            (energy[0], force)
        };
        let mut x = start.to_vec();
        let (mut energy, mut force) = evaluate(&x);
        let mut history: VecDeque<Step> = VecDeque::new();
        let mut mark = energy;
        for iteration in 1..=self.iterations {
            if iteration % ROUND == 0 {
                if mark - energy < self.least {
                    break;
                }
                mark = energy;
            }
            let top = largest(&force);
            if top <= self.force || !top.is_finite() || !energy.is_finite() {
                break;
            }
            let mut d = direction(&history, &force);
            if dot(&d, &force) <= 0.0 {
                history.clear();
                d.clone_from(&force);
            }
            // Steepest descent has no length of its own: a tenth of the longest move.
            let longest = if history.is_empty() { 0.1 * self.longest_move } else { self.longest_move };
            let mut length = if history.is_empty() { f64::INFINITY } else { 1.0 }.min(longest / largest(&d));
            let slope = dot(&d, &force);
            let mut found = None;
            for _ in 0..HALVINGS {
                let moved: Vec<f64> = x.iter().zip(&d).map(|(x, d)| x + length * d).collect();
                let (new_energy, new_force) = evaluate(&moved);
                let enough = new_energy <= energy - ARMIJO * length * slope;
                // Near the minimum differences of energies are rounding: go by the force instead.
                if enough || new_energy <= energy + 1e-14 * energy.abs() && largest(&new_force) < top {
                    found = Some((moved, new_energy, new_force));
                    break;
                }
                length *= 0.5;
            }
            match found {
                Some((moved, new_energy, new_force)) => {
                    let s: Vec<f64> = moved.iter().zip(&x).map(|(a, b)| a - b).collect();
                    let y: Vec<f64> = force.iter().zip(&new_force).map(|(old, new)| old - new).collect();
                    let curvature = dot(&s, &y);
                    if curvature > 1e-12 * dot(&y, &y).max(f64::MIN_POSITIVE) {
                        if history.len() == HISTORY {
                            history.pop_front();
                        }
                        history.push_back(Step { s, y, rho: 1.0 / curvature });
                    }
                    (x, energy, force) = (moved, new_energy, new_force);
                }
                None if history.is_empty() => break,
                None => history.clear(),
            }
        }
        let largest_force = if energy.is_finite() { largest(&force) } else { f64::NAN };
        Minimum { positions: x, energy, largest_force, evaluations }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::lj::LennardJones;
    use crate::energy::tests::Bowl;
    use crate::rng::{Purpose, Stream};
    use crate::systems::by_name;

    /// Stiffness from 1 to 1e4.
    fn bowl() -> Bowl {
        Bowl((0..9).map(|i| 10.0_f64.powf(f64::from(i) / 2.0)).collect())
    }

    #[test]
    fn an_anisotropic_bowl() {
        let settings = Minimise { force: 1e-9, longest_move: 1.0, iterations: 500, least: 0.0 };
        let end = settings.run(&bowl(), &[1.0; 9]);
        assert!(end.largest_force <= 1e-9 && end.energy < 1e-18, "{end:?}");
        // Steepest descent would need thousands at this condition number.
        assert!(end.evaluations < 200, "{}", end.evaluations);
    }

    /// Short moves take thousands of iterations; where a hundred of them gain less than asked for, that is the end.
    #[test]
    fn crawling_ends() {
        let patient = Minimise { force: 1e-9, longest_move: 1e-3, iterations: 5_000, least: 0.0 };
        let end = patient.run(&bowl(), &[1.0; 9]);
        assert!(end.energy < 1e-18 && end.evaluations > 900, "{end:?}");
        // The whole way down gains 7e3.
        let soon = Minimise { least: 1e4, ..patient }.run(&bowl(), &[1.0; 9]);
        assert!(soon.energy > 1.0 && (99..200).contains(&soon.evaluations), "{soon:?}");
    }

    /// A start that is not finite is no minimum, and stays where it is.
    #[test]
    fn not_finite_is_not_converged() {
        let settings = Minimise { force: 1e-9, longest_move: 1.0, iterations: 500, least: 0.0 };
        for bad in [f64::NAN, f64::INFINITY] {
            let mut start = [1.0; 9];
            start[4] = bad;
            let end = settings.run(&bowl(), &start);
            assert!(!end.largest_force.is_finite() && end.evaluations == 1, "{end:?}");
            assert_eq!(end.positions[..4], start[..4]);
        }
    }

    /// A shaken icosahedron goes back to the published minimum.
    #[test]
    fn shaken_lj13() {
        let (lj, mut draws) = (LennardJones::new(13), Stream::new(1, Purpose::Init, 0).at(0));
        let start: Vec<f64> = by_name("lj13", 1.0).unwrap().start.iter().map(|x| x + 0.05 * draws.normal()).collect();
        let end = Minimise { force: 1e-8, longest_move: 0.1, iterations: 2_000, least: 0.0 }.run(&lj, &start);
        assert!((end.energy + 83.089_644_07).abs() < 1e-8, "{end:?}");
    }

    /// A shaken peptide: forces vanish, the energy is not above that of the embedded minimum's basin by much, and its
    /// stereocentre stays as it is.
    #[test]
    fn shaken_alanine_dipeptide() {
        use crate::metrics::evaluate::energies;
        use crate::metrics::structure::chirality::{Chirality, Hand};
        let aldp = by_name("aldp", 300.0).unwrap();
        let mut draws = Stream::new(1, Purpose::Init, 0).at(0);
        let start: Vec<f64> = aldp.start.iter().map(|x| x + 0.01 * draws.normal()).collect();
        let before = energies(&aldp, &start)[0];
        let settings = Minimise { force: 1e-4, longest_move: 0.01, iterations: 5_000, least: 0.0 };
        let end = settings.run(&*aldp.potential(), &start);
        assert!(end.largest_force <= 1e-4, "{}", end.largest_force);
        assert!(before > 100.0 && end.energy < -150.0, "{before} to {}", end.energy);
        let hand = Chirality::new(aldp.topology.as_ref().unwrap(), &aldp.start).hand(&end.positions);
        assert_eq!(hand, Hand::Right);
    }
}
