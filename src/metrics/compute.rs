//! How a metric is computed: the kinds of function that an entry of the registry can have.

use super::compare::{Compared, Settings};
use super::registry::Metric;
use super::side::Side;
use super::structure::{self, Frames};
use super::wasserstein::Pooled;
use crate::array::Array;
use crate::error::{Error, Result};

/// The function of a metric: samples first, reference second.
#[derive(Debug, Clone, Copy)]
pub enum Compute {
    /// Of reduced energies, those beyond the limit left out ([`super::side::ENERGY_LIMIT`]), with weights of the samples.
    Energies(fn(&Pooled, Option<&[f64]>, &Pooled, Settings) -> Compared),
    /// Of frames as they are.
    Sides(fn(&Side, &Side, Settings) -> Result<Compared>),
    /// Of frames of a molecule: mirror images reflected, mixed handedness left out. Neither side is empty.
    Frames(fn(&Frames, &Frames, Settings) -> Result<Compared>),
    /// Of the array that the metric needs ([`Metric::array`]); no reference, no interval.
    Array(fn(&Array) -> Compared),
}

impl Metric {
    /// The metric of `a` (samples) against `b` (reference), with an interval if `settings.bootstrap > 0`.
    ///
    /// # Errors
    /// [`Error::Numerical`] when optimal transport fails, [`Error::Internal`] for a metric of an array.
    pub fn compare(&self, a: &Side, b: &Side, settings: Settings) -> Result<Compared> {
        let mut found = match self.compute {
            Compute::Energies(of) => {
                let weights = a.kept_weights();
                let found = of(a.kept(), weights.as_deref(), b.kept(), settings);
                let found = Compared { dropped: a.len() - a.kept().groups(), ..found };
                // Without samples there is nothing to remark.
                if found.value.is_none() { Compared { note: String::new(), ..found } } else { found }
            }
            Compute::Sides(of) => of(a, b, settings)?,
            Compute::Frames(of) => structure::of_frames(a, b, |a, b| of(a, b, settings))?,
            Compute::Array(_) => return Err(Error::Internal(format!("`{}` does not compare two sets", self.id))),
        };
        if found.value.is_none() && found.note.is_empty() {
            found.note = "no usable samples".into();
        }
        Ok(found)
    }
}
