//! What a sampler made, beside what it was asked for: complete means complete.

use crate::array::{Array, Arrays};
use crate::error::{Error, Result};
use crate::record::Partial;

/// Checks samples before they are recorded. Fewer than asked for are a partial result where the sampler gives the reason
/// (`shortfall`).
///
/// # Errors
/// [`Error::Numerical`] for none at all, for fewer than asked without a reason, for more than asked, and for such as are
/// not finite.
pub(super) fn check(asked: usize, samples: &Arrays, shortfall: Option<String>) -> Result<Option<Partial>> {
    let wrong = |message: String| Err(Error::Numerical(message));
    let made = samples.get("positions").map_or(0, |x| x.shape.first().copied().unwrap_or(0));
    if made == 0 {
        let why = shortfall.map_or_else(String::new, |reason| format!(": {reason}"));
        return wrong(format!("none of {asked} samples was made{why}"));
    }
    finite(samples)?;
    match shortfall {
        _ if made == asked => Ok(None),
        Some(reason) if made < asked => Ok(Some(Partial { asked: asked as u64, made: made as u64, reason })),
        None if made < asked => wrong(format!("{made} of {asked} samples were made, and no budget ended it")),
        _ => wrong(format!("{made} samples were made, but {asked} were asked for")),
    }
}

/// Positions have to be finite, and energies where the weight is not zero: a flow may draw atoms on top of each other.
fn finite(samples: &Arrays) -> Result<()> {
    let numbers = |name: &str| samples.get(name).map_or_else(Vec::new, Array::to_f64);
    let positions = numbers("positions");
    if let Some(i) = positions.iter().position(|x| !x.is_finite()) {
        let per_sample = positions.len() / samples["positions"].shape[0];
        let (sample, x) = (i / per_sample, positions[i]);
        return Err(Error::Numerical(format!("`positions` of sample {sample} holds {x}")));
    }
    let weights = numbers("log_weight");
    if let Some(i) = weights.iter().position(|w| w.is_nan() || *w == f64::INFINITY) {
        return Err(Error::Numerical(format!("`log_weight` of sample {i} is {}", weights[i])));
    }
    if !weights.is_empty() && weights.iter().all(|w| *w == f64::NEG_INFINITY) {
        return Err(Error::Numerical(String::from("no sample has a weight above zero")));
    }
    let unused = |i: usize| weights.get(i).is_some_and(|w| *w == f64::NEG_INFINITY);
    let energies = numbers("energy");
    match energies.iter().enumerate().find(|(i, e)| !e.is_finite() && !unused(*i)) {
        Some((i, e)) => Err(Error::Numerical(format!("the energy of sample {i} is {e}: do atoms lie on each other?"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(x: &[f64], energy: &[f64], log_weight: &[f64]) -> Arrays {
        let mut arrays: Arrays = [("positions".to_owned(), Array::f64(&[x.len() / 3, 1, 3], x.to_vec()))].into();
        for (name, values) in [("energy", energy), ("log_weight", log_weight)] {
            if !values.is_empty() {
                arrays.insert(name.to_owned(), Array::f64(&[values.len()], values.to_vec()));
            }
        }
        arrays
    }

    #[test]
    fn complete_partial_or_failed() {
        let two = samples(&[0.0; 6], &[1.0, 2.0], &[]);
        let budget = || Some("the energy budget ended it".to_owned());
        assert_eq!(check(2, &two, None).unwrap(), None);
        let partial = check(20, &two, budget()).unwrap().unwrap();
        assert_eq!(partial.to_string(), "2 of 20 samples: the energy budget ended it");
        let refused = |asked, samples: &Arrays, why| check(asked, samples, why).unwrap_err().to_string();
        assert_eq!(refused(20, &two, None), "2 of 20 samples were made, and no budget ended it");
        assert_eq!(refused(1, &two, None), "2 samples were made, but 1 were asked for");
        let none = "none of 5 samples was made: the energy budget ended it";
        assert_eq!(refused(5, &samples(&[], &[], &[]), budget()), none);
    }

    #[test]
    fn what_is_not_finite_fails() {
        let (inf, zero) = (f64::INFINITY, f64::NEG_INFINITY);
        let refused = |x: &[f64], e: &[f64], w: &[f64]| check(2, &samples(x, e, w), None).unwrap_err().to_string();
        assert_eq!(refused(&[0.0, 0.0, 0.0, 0.0, f64::NAN, 0.0], &[], &[]), "`positions` of sample 1 holds NaN");
        assert!(refused(&[0.0; 6], &[1.0, inf], &[]).contains("the energy of sample 1 is inf"));
        assert!(refused(&[0.0; 6], &[1.0, inf], &[0.0, 0.0]).contains("the energy of sample 1 is inf"));
        assert!(refused(&[0.0; 6], &[1.0, 1.0], &[0.0, f64::NAN]).contains("`log_weight` of sample 1 is NaN"));
        assert!(refused(&[0.0; 6], &[1.0, 1.0], &[zero; 2]).contains("no sample has a weight"));
        // A draw of a flow whose weight is zero is in no estimate.
        assert_eq!(check(2, &samples(&[0.0; 6], &[1.0, inf], &[0.0, zero]), None).unwrap(), None);
    }
}
