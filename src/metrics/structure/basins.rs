//! Populations of the two phi basins: which fraction of frames has phi > 0, and the free-energy difference across.
//!
//! The left-handed basin (phi > 0) of alanine is a few percent at room temperature, behind the slowest barrier: samplers
//! that collapse lose it first.

use super::Frames;
use crate::metrics::bootstrap::LEAST;
use crate::metrics::compare::{Compared, Settings, absolute, bootstrap_both, bootstrap_one, mean};

/// The left-handed basin.
fn positive(phi: f64) -> bool {
    phi > 0.0
}

/// The same after SITA's public code.
fn left(phi: f64) -> bool {
    phi > 0.0 && phi < 2.0
}

/// For every phi, which frames are inside: 1, or 0.
fn inside(frames: &Frames, basin: fn(f64) -> bool) -> Vec<Vec<f64>> {
    let (angles, width) = frames.torus();
    let phis = frames.structure().backbone.phi.len();
    let hit = |&phi: &f64| f64::from(u8::from(basin(phi)));
    (0..phis).map(|k| angles.iter().skip(k).step_by(width).map(hit).collect()).collect()
}

/// Fraction inside, by mass.
pub(super) fn fraction(inside: &[f64], masses: Option<&[f64]>) -> f64 {
    mean(inside, masses).unwrap_or(f64::NAN)
}

/// The same of every phi.
fn fractions(inside: &[Vec<f64>], masses: Option<&[f64]>) -> Vec<f64> {
    inside.iter().map(|inside| fraction(inside, masses)).collect()
}

/// Free energy inside minus free energy outside, kT; `None` when either is empty.
fn free_energy(inside: f64) -> Option<f64> {
    (inside > 0.0 && inside < 1.0).then(|| -(inside / (1.0 - inside)).ln())
}

/// Place and value of the largest.
pub(super) fn largest(values: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    values.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
}

/// "ALA2 0.031, reference 0.040" for every phi.
fn listed(frames: &Frames, ours: &[f64], theirs: &[f64]) -> String {
    let each = frames.structure().phi_names().into_iter().zip(ours.iter().zip(theirs));
    let words = each.map(|(name, (ours, theirs))| format!("{name} {ours:.4}, reference {theirs:.4}"));
    words.collect::<Vec<_>>().join("; ")
}

/// Fraction of samples with phi > 0; of several phis the largest.
pub(in crate::metrics) fn population(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (ours, theirs) = (inside(a, positive), inside(b, positive));
    let (p, q) = (fractions(&ours, a.weights()), fractions(&theirs, None));
    let Some((k, _)) = largest(p.iter().copied()) else { return no_phi() };
    let mut found = bootstrap_one(a.len(), a.weights(), settings, |masses| Some(fraction(&ours[k], masses)));
    found.note = format!("phi > 0: {}", listed(a, &p, &q));
    found
}

/// Absolute difference of the fractions with phi > 0; of several phis the largest.
pub(in crate::metrics) fn population_error(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (ours, theirs) = (inside(a, positive), inside(b, positive));
    let (p, q) = (fractions(&ours, a.weights()), fractions(&theirs, None));
    let Some((k, _)) = largest(p.iter().zip(&q).map(|(p, q)| (p - q).abs())) else { return no_phi() };
    let mut found = absolute(bootstrap_both((a.len(), b.len()), a.weights(), settings, |in_a, in_b| {
        Some(fraction(&ours[k], in_a) - fraction(&theirs[k], in_b))
    }));
    found.note = format!("phi > 0: {}", listed(a, &p, &q));
    found
}

/// Absolute error of the free-energy difference between 0 < phi < 2 rad and the rest, kT; of several phis the largest.
pub(in crate::metrics) fn delta_f(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (ours, theirs) = (inside(a, left), inside(b, left));
    let (mut f, mut g) = (Vec::new(), Vec::new());
    for (k, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let p = fraction(ours, a.weights());
        let (Some(mine), Some(truth)) = (free_energy(p), free_energy(fraction(theirs, None))) else {
            let (whose, p) = match p {
                p if p > 0.0 && p < 1.0 => ("reference", fraction(theirs, None)),
                p => ("samples", p),
            };
            let empty = if p == 0.0 { "no" } else { "nothing but" };
            let name = &a.structure().phi_names()[k];
            return Compared::undefined(format!("{empty} frame of the {whose} has 0 < phi < 2 rad ({name})"));
        };
        f.push(mine);
        g.push(truth);
    }
    let Some((k, _)) = largest(f.iter().zip(&g).map(|(f, g)| (f - g).abs())) else { return no_phi() };
    let mut found = absolute(bootstrap_both((a.len(), b.len()), a.weights(), settings, |in_a, in_b| {
        Some(free_energy(fraction(&ours[k], in_a))? - free_energy(fraction(&theirs[k], in_b))?)
    }));
    found.note = format!("kT: {}", listed(a, &f, &g));
    if found.interval.is_none() && settings.bootstrap >= LEAST {
        found.note.push_str("; no interval: too few frames in a basin");
    }
    found
}

fn no_phi() -> Compared {
    Compared::undefined("the molecule has no phi dihedral")
}
