//! One run in progress, whoever does the work.

use crate::array::Arrays;
use crate::energy::Counts;
use crate::error::Result;
use crate::samplers::{Progress, Samples};

/// One run in progress: a sampler with all that it needs.
pub trait Work: Send {
    /// See [`Sampler::step`](crate::samplers::Sampler::step).
    ///
    /// # Errors
    /// Whatever ends the run.
    fn step(&mut self) -> Result<Progress>;
    /// Evaluations so far.
    fn counts(&self) -> Counts;
    /// See [`Sampler::state`](crate::samplers::Sampler::state); none where an interrupted run begins anew.
    ///
    /// # Errors
    /// When the state cannot be copied.
    fn state(&self) -> Result<Option<Arrays>> {
        Ok(None)
    }
    /// Continues from a checkpoint, where there are any.
    ///
    /// # Errors
    /// When it does not fit.
    fn restore(&mut self, state: &Arrays, counts: Counts) -> Result<()> {
        let _ = (state, counts);
        Ok(())
    }
    /// See [`Sampler::samples`](crate::samplers::Sampler::samples).
    ///
    /// # Errors
    /// When called too early.
    fn samples(&self) -> Result<Samples>;
    /// See [`Sampler::shortfall`](crate::samplers::Sampler::shortfall).
    fn shortfall(&self) -> Option<String> {
        None
    }
    /// See [`Sampler::weights`](crate::samplers::Sampler::weights).
    fn weights(&self) -> Option<Arrays> {
        None
    }
}
