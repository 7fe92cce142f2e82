//! Exact optimal transport between clouds of frames: torus-W2 and TICA-W.

use crate::error::Result;
use crate::metrics::compare::{Compared, Settings, in_blocks};
use crate::metrics::ot::{self, Ground, Points};

/// `W_p` between the first `settings.ot_n` points (at most what both sides have) of `a` (with weights, if any) and
/// `b [n, dim]`; the interval comes from disjoint blocks.
pub(super) fn clouds(
    p: u32,
    a: Points<'_>,
    b: &[f64],
    dim: usize,
    ground: Ground,
    settings: Settings,
) -> Result<Compared> {
    let n = settings.ot_n.min(a.at.len() / dim).min(b.len() / dim);
    in_blocks(n, a.weights, settings, |frames, weights| {
        let part = frames.start * dim..frames.end * dim;
        ot::weighted(p, Points { at: &a.at[part.clone()], weights }, b[part].into(), dim, ground)
    })
}
