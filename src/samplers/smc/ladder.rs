//! The next temperature of a ladder by effective sample size, from energies that are paid already (Jasra, Stephens, Doucet
//! and Tsagaris 2011; conditional sample size: Zhou, Johansen and Aston 2016).

use super::weights::Weights;
use crate::error::{Error, Result};
use crate::systems::System;

/// Halvings of the bracket: more than a double has digits.
const HALVINGS: u32 = 60;

/// The largest inverse `kT` up to `coldest` at which a step from `beta` leaves the effective sample size `ess`;
/// `energies [n]` are unreduced. `None` when no step does.
#[must_use]
pub fn next(weights: &Weights, energies: &[f64], beta: f64, coldest: f64, ess: f64) -> Option<f64> {
    let left = |next: f64| weights.step_ess(&change(energies, beta, next));
    if left(coldest) >= ess {
        return Some(coldest);
    }
    let (mut low, mut high) = (beta, coldest);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if left(middle) >= ess { low = middle } else { high = middle }
    }
    (low > beta).then_some(low)
}

/// The temperature after `from`: the lowest one, down to the target, that leaves the effective sample size `ess`.
///
/// # Errors
/// [`Error::Numerical`] when no step does.
pub fn next_temperature(system: &System, weights: &Weights, energies: &[f64], from: f64, ess: f64) -> Result<f64> {
    let beta = |t: f64| system.kt(t).recip();
    let coldest = beta(system.temperature);
    match next(weights, energies, beta(from), coldest, ess) {
        Some(found) if found < coldest => Ok((system.boltzmann * found).recip()),
        Some(_) => Ok(system.temperature),
        None => Err(Error::Numerical(format!(
            "no step down from T = {from} leaves an effective sample size of {ess}: energies are not finite, or `ladder_ess` is too \
             high for {} particles",
            energies.len()
        ))),
    }
}

/// Changes of the log-weights from one inverse temperature to another.
#[must_use]
pub fn change(energies: &[f64], from: f64, to: f64) -> Vec<f64> {
    energies.iter().map(|e| (from - to) * e).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of the particles at energy 0, half at 1: with `w = exp(-step)` the effective sample size is
    /// `(1 + w)^2 / (2 (1 + w^2))`, which is 0.9 at w = 1/2.
    #[test]
    fn two_levels_by_hand() {
        let energies: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let weights = Weights::new(100, 100);
        let found = next(&weights, &energies, 0.3, 5.0, 0.9).unwrap();
        assert!((found - 0.3 - 2.0_f64.ln()).abs() < 1e-12, "{found}");
        assert_eq!(next(&weights, &energies, 0.3, 0.5, 0.9), Some(0.5), "the target is near enough");
        assert_eq!(next(&weights, &[f64::NAN; 100], 0.3, 0.5, 0.9), None);
    }
}
