//! The structural metrics.

use super::chirality::Hand;
use super::ramachandran::{BINS, Pairing, cell, coverage, kl, masses, total_variation};
use super::tica::Kind;
use super::{Frames, transport};
use crate::error::Result;
use crate::metrics::bootstrap::counted;
use crate::metrics::compare::{Compared, Settings, bootstrap_both, bootstrap_one, drawn};
use crate::metrics::ot::Ground;
use crate::metrics::side::Side;
use crate::metrics::wasserstein::{Pooled, pooled};

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
    let mut found = if a.is_empty() || b.is_empty() { Compared::undefined("no usable samples") } else { metric(a, b)? };
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

/// KL(reference || samples) of their histograms.
pub(in crate::metrics) fn rama_kl(a: &Frames, b: &Frames, settings: Settings, pairing: Pairing) -> Compared {
    histograms(a, b, settings, pairing, BINS, |p, q| kl(q, p))
}

/// The same with the samples' importance weights, if they have any (a half of the reference has none).
pub(in crate::metrics) fn rama_kl_weighted(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    weighted_histograms(a, b, settings, Pairing::Listed, BINS, |p, q| kl(q, p))
}

/// Total variation of their histograms.
pub(in crate::metrics) fn rama_tv(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    histograms(a, b, settings, Pairing::Listed, BINS, total_variation)
}

/// Mass of the reference's basins in cells that samples visit.
pub(in crate::metrics) fn basin_coverage(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    histograms(a, b, settings, Pairing::Listed, COVERAGE_BINS, |p, q| coverage(q, p, COVERAGE_SHARE))
}

/// Mean 1-Wasserstein distance of bond lengths.
pub(in crate::metrics) fn bonds(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (topology, internal) = (&a.structure().topology, &a.structure().internal);
    let measure = |f: &Frames| internal.bond_lengths(f.positions(), topology.atoms.len());
    coordinates(&measure(a), &measure(b), &internal.bond_names(topology), "bond", settings)
}

/// Mean 1-Wasserstein distance of bond angles.
pub(in crate::metrics) fn bond_angles(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (topology, internal) = (&a.structure().topology, &a.structure().internal);
    let measure = |f: &Frames| internal.bond_angles(f.positions(), topology.atoms.len());
    coordinates(&measure(a), &measure(b), &internal.angle_names(topology), "angle", settings)
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
        Rule::Graph => (structure.stereo.any(), a.hands()),
        Rule::Published => (!structure.chirality.centres().is_empty(), a.published_hands()),
    };
    if !any {
        return Compared::undefined("the molecule has no stereocentre");
    }
    let n = hands.len();
    if n == 0 {
        return Compared::undefined("no usable samples");
    }
    let hits: Vec<f64> = hands.iter().map(|&hand| f64::from(u8::from(count(hand)))).collect();
    let value = hits.iter().sum::<f64>() / n as f64;
    bootstrap_one(n, Some(value), settings, |counts| {
        Some(hits.iter().zip(counts).map(|(hit, &c)| hit * f64::from(c)).sum::<f64>() / drawn(counts))
    })
}

/// 2-Wasserstein distance of all phi and psi on the torus.
pub(in crate::metrics) fn torus(a: &Frames, b: &Frames, settings: Settings) -> Result<Compared> {
    let ((a, width), (b, _)) = (a.torus(), b.torus());
    if width == 0 {
        return Ok(Compared::undefined("the molecule has no phi or psi dihedral"));
    }
    transport::clouds(2, &a, &b, width, Ground::Torus, settings)
}

/// `W_p` of the first two slow components.
pub(in crate::metrics) fn tica(p: u32, kind: Kind, a: &Frames, b: &Frames, settings: Settings) -> Result<Compared> {
    if a.structure().tica.is_none() {
        return Ok(Compared::undefined("the reference has no TICA model (it needs contiguous trajectories)"));
    }
    let (Some(a), Some(b)) = (a.tics(kind), b.tics(kind)) else {
        return Ok(Compared::undefined("the TICA model has a single component"));
    };
    transport::clouds(p, a.points.as_flattened(), b.points.as_flattened(), 2, Ground::Euclidean, settings)
}

/// Mean over Ramachandran panels of `statistic(samples, reference)` on their histograms, every sample alike.
fn histograms(
    a: &Frames,
    b: &Frames,
    settings: Settings,
    pairing: Pairing,
    bins: usize,
    statistic: impl Fn(&[f64], &[f64]) -> f64 + Sync,
) -> Compared {
    panels(a, b, settings, pairing, bins, |_| 1.0, statistic)
}

/// The same with the samples' importance weights, if they have any.
fn weighted_histograms(
    a: &Frames,
    b: &Frames,
    settings: Settings,
    pairing: Pairing,
    bins: usize,
    statistic: impl Fn(&[f64], &[f64]) -> f64 + Sync,
) -> Compared {
    let Some(log_weight) = a.log_weight() else { return histograms(a, b, settings, pairing, bins, statistic) };
    let top = log_weight.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() || log_weight.iter().any(|w| w.is_nan()) {
        return Compared::undefined("`log_weight` holds no usable numbers");
    }
    let weights: Vec<f64> = log_weight.iter().map(|l| (l - top).exp()).collect();
    panels(a, b, settings, pairing, bins, |i| weights[i], statistic)
}

fn panels(
    a: &Frames,
    b: &Frames,
    settings: Settings,
    pairing: Pairing,
    bins: usize,
    weight: impl Fn(usize) -> f64 + Sync,
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
    let mean = |a_counts: Option<&[u32]>, b_counts: Option<&[u32]>| {
        let sum: f64 = in_a
            .iter()
            .zip(&in_b)
            .map(|(cells_a, cells_b)| {
                let p = masses(cells_a, |i| weight(i) * f64::from(counted(a_counts, i)), bins);
                let q = masses(cells_b, |i| f64::from(counted(b_counts, i)), bins);
                statistic(&p, &q)
            })
            .sum();
        sum / in_a.len() as f64
    };
    bootstrap_both((a.len(), b.len()), Some(mean(None, None)), settings, |a, b| Some(mean(Some(a), Some(b))))
}

/// Mean over internal coordinates of the 1-Wasserstein distance between `a` and `b [n, names]`; the note names the worst.
fn coordinates(a: &[f64], b: &[f64], names: &[String], what: &str, settings: Settings) -> Compared {
    let width = names.len();
    if width == 0 {
        return Compared::undefined(format!("the molecule has no {what}s"));
    }
    let columns = |values: &[f64]| -> Vec<Pooled> {
        let column = |k: usize| values.iter().skip(k).step_by(width).copied().collect::<Vec<_>>();
        (0..width).map(|k| Pooled::new(&column(k), 1)).collect()
    };
    let (columns_a, columns_b) = (columns(a), columns(b));
    let distances = |a_counts: Option<&[u32]>, b_counts: Option<&[u32]>| -> Option<Vec<f64>> {
        columns_a.iter().zip(&columns_b).map(|(a, b)| pooled(1, a, a_counts, b, b_counts)).collect()
    };
    let mean = |distances: &[f64]| distances.iter().sum::<f64>() / width as f64;
    let each = distances(None, None);
    let sizes = (a.len() / width, b.len() / width);
    let mut found = bootstrap_both(sizes, each.as_deref().map(mean), settings, |a, b| {
        distances(Some(a), Some(b)).as_deref().map(mean)
    });
    let worst = each.iter().flatten().zip(names).max_by(|a, b| a.0.total_cmp(b.0));
    if let Some((distance, name)) = worst {
        found.note = format!("worst {what}: {name}, {distance:.2e}");
    }
    found
}
