//! Networks in batches that fit the memory of a device: what does not fit is halved, for good, and noted.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::notes::note;
use crate::error::{Error, Result};

/// Largest batch where nothing is known yet.
pub(crate) const ANY: usize = usize::MAX / 2;

/// Calls `run` with ranges of samples that cover `0..n`, each but the last a multiple of `least`. A sample takes memory by its
/// `components`; `largest` counts pairs of them.
///
/// # Errors
/// [`Error::Device`] when not even `least` samples fit; whatever else `run` fails with.
pub(crate) fn in_batches(
    n: usize,
    largest: &AtomicUsize,
    (components, least): (usize, usize),
    mut run: impl FnMut(Range<usize>) -> Result<()>,
) -> Result<()> {
    let mut done = 0;
    while done < n {
        let most = (2 * largest.load(Ordering::Relaxed) / components).max(1).next_multiple_of(least);
        let range = done..n.min(done.saturating_add(most));
        match run(range.clone()) {
            Ok(()) => done = range.end,
            Err(Error::DeviceMemory) if range.len() > least => {
                let half = range.len().div_ceil(2).next_multiple_of(least);
                largest.fetch_min((half * components).div_ceil(2), Ordering::Relaxed);
                note(format!("device memory is short: networks in batches of {half} samples from here on"));
            }
            Err(Error::DeviceMemory) => return Err(Error::Device("out of device memory in the network".into())),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
