//! A metric of two sides, by the function that its entry of the registry has.

use super::compare::{Compared, Settings};
use super::registry::{Compute, Metric};
use super::side::Side;
use super::structure;
use crate::error::{Error, Result};

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
