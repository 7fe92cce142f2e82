//! The structural metrics.

use super::Frames;
use super::chirality::Hand;
use super::internal::Internal;
use super::ramachandran::{BINS, Pairing, cell, coverage, kl, masses};
use super::tica::Kind;
use crate::error::Result;
use crate::metrics::bootstrap::counted;
use crate::metrics::compare::{Compared, Settings, bootstrap_both, bootstrap_one, in_blocks, mean};
use crate::metrics::ot::{self, Ground, Points};
use crate::metrics::side::Side;
use crate::metrics::wasserstein::{Pooled, pooled};
use crate::metrics::weights::relative;
use crate::systems::Topology;

/// Cells along each angle for `basin-coverage`: 10 degrees, so that a few thousand frames fill a basin.
const COVERAGE_BINS: usize = 36;
/// Mass of the reference that its basins hold.
const COVERAGE_SHARE: f64 = 0.99;

/// A metric of frames of right handedness. It is undefined, with a reason, for systems without topology and without frames.
pub(in crate::metrics) fn of_frames(
    a: &Side,
    b: &Side,
    metric: impl FnOnce(&Frames, &Frames) -> Result<Compared>,
) -> Result<Compared> {
    let (Some(a), Some(b)) = (a.frames(), b.frames()) else { return Ok(no_topology()) };
    let mut found = if a.is_empty() || b.is_empty() {
        Compared::undefined("no usable samples")
    } else if a.weights().is_some_and(|w| w.iter().all(|w| *w == 0.0)) {
        Compared::undefined("no frame in use has a weight")
    } else {
        metric(a, b)?
    };
    found.dropped = a.dropped();
    if a.reflected() > 0 {
        found.remark(&format!("{} mirror images reflected", a.reflected()));
    }
    if b.reflected() + b.dropped() > 0 {
        found.remark(&format!("in the reference {} reflected, {} dropped", b.reflected(), b.dropped()));
    }
    Ok(found)
}

fn no_topology() -> Compared {
    Compared::undefined("the system has no topology")
}

/// A distance of the samples' histograms from the reference's.
pub(in crate::metrics) fn rama(
    a: &Frames,
    b: &Frames,
    settings: Settings,
    pairing: Pairing,
    distance: fn(&[f64], &[f64]) -> f64,
) -> Compared {
    panels(a, b, a.weights(), settings, (pairing, BINS), distance)
}

/// KL(reference || samples) with the samples' importance weights, if they have any (a half of the reference has none).
pub(in crate::metrics) fn rama_kl_weighted(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let Some(log_weight) = a.log_weight() else { return rama(a, b, settings, Pairing::Listed, kl) };
    let Some(weights) = relative(&log_weight) else {
        return Compared::undefined("`log_weight` holds no usable numbers");
    };
    panels(a, b, Some(&weights), settings, (Pairing::Listed, BINS), kl)
}

/// Mass of the reference's basins in cells that samples visit.
pub(in crate::metrics) fn basin_coverage(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    panels(a, b, a.weights(), settings, (Pairing::Listed, COVERAGE_BINS), |p, q| coverage(p, q, COVERAGE_SHARE))
}

/// Mean 1-Wasserstein distance of bond lengths.
pub(in crate::metrics) fn bonds(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    coordinates(a, b, settings, "bond", Internal::bond_names, Internal::bond_lengths)
}

/// Mean 1-Wasserstein distance of bond angles.
pub(in crate::metrics) fn bond_angles(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    coordinates(a, b, settings, "angle", Internal::angle_names, Internal::bond_angles)
}

/// What a stereocentre is.
#[derive(Clone, Copy)]
pub(in crate::metrics) enum Rule {
    /// By the bond graph.
    Graph,
    /// Any atom with three heavy neighbours.
    Published,
}

/// Fraction of all samples whose handedness is counted.
pub(in crate::metrics) fn hand_rate(
    a: &Side,
    b: &Side,
    settings: Settings,
    rule: Rule,
    count: impl Fn(Hand) -> bool,
) -> Compared {
    let (Some(a), Some(_)) = (a.frames(), b.frames()) else { return no_topology() };
    let structure = a.structure();
    let (any, hands) = match rule {
        Rule::Graph => (structure.stereo.any(), &a.hands),
        Rule::Published => (!structure.chirality.centres().is_empty(), &a.published),
    };
    if !any {
        return Compared::undefined("the molecule has no stereocentre");
    }
    let n = hands.len();
    if n == 0 {
        return Compared::undefined("no usable samples");
    }
    let hits: Vec<f64> = hands.iter().map(|&hand| f64::from(u8::from(count(hand)))).collect();
    bootstrap_one(n, a.hand_weights.as_deref(), settings, |masses| mean(&hits, masses))
}

/// 2-Wasserstein distance of all phi and psi on the torus.
pub(in crate::metrics) fn torus(a: &Frames, b: &Frames, settings: Settings) -> Result<Compared> {
    let ((ours, width), (theirs, _)) = (a.torus(), b.torus());
    if width == 0 {
        return Ok(Compared::undefined("the molecule has no phi or psi dihedral"));
    }
    clouds(2, Points { at: &ours, weights: a.weights() }, &theirs, width, Ground::Torus, settings)
}

/// `W_p` of the first two slow components.
pub(in crate::metrics) fn tica(p: u32, kind: Kind, a: &Frames, b: &Frames, settings: Settings) -> Result<Compared> {
    if a.structure().tica.is_none() {
        return Ok(Compared::undefined("the reference has no TICA model (it needs contiguous trajectories)"));
    }
    let (Some(ours), Some(theirs)) = (a.tics(kind), b.tics(kind)) else {
        return Ok(Compared::undefined("the TICA model has a single component"));
    };
    let ours = Points { at: ours.points.as_flattened(), weights: a.weights() };
    clouds(p, ours, theirs.points.as_flattened(), 2, Ground::Euclidean, settings)
}

/// `W_p` between the first `settings.ot_n` points (at most what both sides have) of `a` (with weights, if any) and
/// `b [n, dim]`; the interval comes from disjoint blocks.
fn clouds(p: u32, a: Points<'_>, b: &[f64], dim: usize, ground: Ground, settings: Settings) -> Result<Compared> {
    let n = settings.ot_n.min(a.at.len() / dim).min(b.len() / dim);
    in_blocks(n, a.weights, settings, |frames, weights| {
        let part = frames.start * dim..frames.end * dim;
        ot::weighted(p, Points { at: &a.at[part.clone()], weights }, b[part].into(), dim, ground)
    })
}

/// Mean over Ramachandran panels of `statistic(reference, samples)` on their histograms, the samples with weights.
fn panels(
    a: &Frames,
    b: &Frames,
    weights: Option<&[f64]>,
    settings: Settings,
    (pairing, bins): (Pairing, usize),
    statistic: impl Fn(&[f64], &[f64]) -> f64 + Sync,
) -> Compared {
    let cells = |frames: &Frames| -> Vec<Vec<u32>> {
        let panels = frames.ramachandran(pairing);
        panels.iter().map(|panel| panel.points.iter().map(|[phi, psi]| cell(*phi, *psi, bins)).collect()).collect()
    };
    let (in_a, in_b) = (cells(a), cells(b));
    if in_a.is_empty() {
        return Compared::undefined("the molecule has no pair of phi and psi");
    }
    bootstrap_both((a.len(), b.len()), weights, settings, |mass_a, mass_b| {
        let each = in_a.iter().zip(&in_b).map(|(cells_a, cells_b)| {
            let ours = masses(cells_a, |i| counted(mass_a, i), bins);
            let reference = masses(cells_b, |i| counted(mass_b, i), bins);
            statistic(&reference, &ours)
        });
        Some(each.sum::<f64>() / in_a.len() as f64)
    })
}

/// Mean over internal coordinates of the 1-Wasserstein distance between what both sides measure; the note names the worst.
fn coordinates(
    a: &Frames,
    b: &Frames,
    settings: Settings,
    what: &str,
    names: fn(&Internal, &Topology) -> Vec<String>,
    measure: fn(&Internal, &[f64], usize) -> Vec<f64>,
) -> Compared {
    let (structure, weights) = (a.structure(), a.weights());
    let names = names(&structure.internal, &structure.topology);
    let width = names.len();
    if width == 0 {
        return Compared::undefined(format!("the molecule has no {what}s"));
    }
    let columns = |frames: &Frames| -> Vec<Pooled> {
        let values = measure(&structure.internal, frames.positions(), structure.atoms());
        let column = |k: usize| values.iter().skip(k).step_by(width).copied().collect::<Vec<_>>();
        (0..width).map(|k| Pooled::new(&column(k), 1)).collect()
    };
    let (columns_a, columns_b) = (columns(a), columns(b));
    let distances = |in_a: Option<&[f64]>, in_b: Option<&[f64]>| -> Option<Vec<f64>> {
        columns_a.iter().zip(&columns_b).map(|(a, b)| pooled(1, a, in_a, b, in_b)).collect()
    };
    let mean = |distances: &[f64]| distances.iter().sum::<f64>() / width as f64;
    let each = distances(weights, None);
    let sizes = (a.len(), b.len());
    let mut found = bootstrap_both(sizes, weights, settings, |a, b| distances(a, b).as_deref().map(mean));
    let worst = each.iter().flatten().zip(names).max_by(|a, b| a.0.total_cmp(b.0));
    if let Some((distance, name)) = worst {
        found.note = format!("worst {what}: {name}, {distance:.2e}");
    }
    found
}
