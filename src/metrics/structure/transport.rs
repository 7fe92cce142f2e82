//! Exact optimal transport between clouds of frames: torus-W2 and TICA-W.

use crate::error::Result;
use crate::metrics::bootstrap::{self, BLOCKS};
use crate::metrics::compare::{Compared, Settings};
use crate::metrics::ot::{self, Ground};

/// `W_p` between the first `settings.ot_n` points (at most what both sides have) of `a` and `b [n, dim]`; the interval
/// comes from disjoint blocks.
pub(super) fn clouds(p: u32, a: &[f64], b: &[f64], dim: usize, ground: Ground, settings: Settings) -> Result<Compared> {
    let n = settings.ot_n.min(a.len() / dim).min(b.len() / dim);
    let distance = |from: usize, to: usize| {
        let part = from * dim..to * dim;
        ot::wasserstein(p, &a[part.clone()], &b[part], dim, ground)
    };
    let value = distance(0, n)?;
    let size = n / BLOCKS;
    let interval = if settings.bootstrap > 0 && size >= 10 {
        let mut blocks = [0.0; BLOCKS];
        for (k, block) in blocks.iter_mut().enumerate() {
            *block = distance(k * size, (k + 1) * size)?;
        }
        Some(bootstrap::block_interval(value, &blocks, settings.excess(n)))
    } else {
        None
    };
    Ok(Compared { value: Some(value), interval, used: (n, n), ..Compared::default() })
}
