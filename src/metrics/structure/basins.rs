//! Populations of the two phi basins: which fraction of frames has phi > 0, and the free-energy difference across.
//!
//! The left-handed basin (phi > 0) of alanine is a few percent at room temperature, behind the slowest barrier: samplers
//! that collapse lose it first.

use super::Frames;
use crate::metrics::bootstrap::{LEAST, counted};
use crate::metrics::compare::{Compared, Settings, absolute, bootstrap_both, bootstrap_one, drawn};

/// A part of the circle that phi may lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basin {
    /// phi > 0.
    Positive,
    /// 0 < phi < 2 rad (SITA's public code).
    Left,
}

impl Basin {
    fn holds(self, phi: f64) -> bool {
        match self {
            Self::Positive => phi > 0.0,
            Self::Left => phi > 0.0 && phi < 2.0,
        }
    }
}

/// For every phi, which frames are inside.
fn inside(frames: &Frames, basin: Basin) -> Vec<Vec<bool>> {
    let (angles, width) = frames.torus();
    let phis = frames.structure().backbone.phi.len();
    (0..phis).map(|k| angles.iter().skip(k).step_by(width).map(|&phi| basin.holds(phi)).collect()).collect()
}

/// Fraction inside, with multiplicities in a bootstrap replicate.
fn fraction(inside: &[bool], counts: Option<&[u32]>) -> f64 {
    let hits: u32 = inside.iter().enumerate().filter(|(_, hit)| **hit).map(|(i, _)| counted(counts, i)).sum();
    f64::from(hits) / counts.map_or(inside.len() as f64, drawn)
}

/// Free energy inside minus free energy outside, kT; `None` when either is empty.
fn free_energy(inside: f64) -> Option<f64> {
    (inside > 0.0 && inside < 1.0).then(|| -(inside / (1.0 - inside)).ln())
}

/// Place and value of the largest.
fn largest(values: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    values.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
}

/// "ALA2 0.031, reference 0.040" for every phi.
fn listed(frames: &Frames, ours: &[f64], theirs: &[f64]) -> String {
    let names = frames.structure().phi_names();
    let each: Vec<String> = names
        .iter()
        .zip(ours.iter().zip(theirs))
        .map(|(name, (ours, theirs))| format!("{name} {ours:.4}, reference {theirs:.4}"))
        .collect();
    each.join("; ")
}

/// Fraction of samples with phi > 0; of several phis the largest.
pub(in crate::metrics) fn population(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (ours, theirs) = (inside(a, Basin::Positive), inside(b, Basin::Positive));
    let all = |sets: &[Vec<bool>]| sets.iter().map(|s| fraction(s, None)).collect::<Vec<_>>();
    let (p, q) = (all(&ours), all(&theirs));
    let Some((k, value)) = largest(p.iter().copied()) else { return no_phi() };
    let mut found = bootstrap_one(a.len(), Some(value), settings, |counts| Some(fraction(&ours[k], Some(counts))));
    found.note = format!("phi > 0: {}", listed(a, &p, &q));
    found
}

/// Absolute difference of the fractions with phi > 0; of several phis the largest.
pub(in crate::metrics) fn population_error(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (ours, theirs) = (inside(a, Basin::Positive), inside(b, Basin::Positive));
    let all = |sets: &[Vec<bool>]| sets.iter().map(|s| fraction(s, None)).collect::<Vec<_>>();
    let (p, q) = (all(&ours), all(&theirs));
    let Some((k, _)) = largest(p.iter().zip(&q).map(|(p, q)| (p - q).abs())) else { return no_phi() };
    let difference = |in_a: Option<&[u32]>, in_b: Option<&[u32]>| fraction(&ours[k], in_a) - fraction(&theirs[k], in_b);
    let mut found =
        absolute(bootstrap_both((a.len(), b.len()), Some(difference(None, None)), settings, |in_a, in_b| {
            Some(difference(Some(in_a), Some(in_b)))
        }));
    found.note = format!("phi > 0: {}", listed(a, &p, &q));
    found
}

/// Absolute error of the free-energy difference between 0 < phi < 2 rad and the rest, kT; of several phis the largest.
pub(in crate::metrics) fn delta_f(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (ours, theirs) = (inside(a, Basin::Left), inside(b, Basin::Left));
    let mut differences = Vec::new();
    let (mut f, mut g) = (Vec::new(), Vec::new());
    for (k, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let (Some(mine), Some(truth)) = (free_energy(fraction(ours, None)), free_energy(fraction(theirs, None))) else {
            let (whose, p) = match fraction(ours, None) {
                p if p > 0.0 && p < 1.0 => ("reference", fraction(theirs, None)),
                p => ("samples", p),
            };
            let empty = if p == 0.0 { "no" } else { "nothing but" };
            let name = &a.structure().phi_names()[k];
            return Compared::undefined(format!("{empty} frame of the {whose} has 0 < phi < 2 rad ({name})"));
        };
        differences.push(mine - truth);
        f.push(mine);
        g.push(truth);
    }
    let Some((k, _)) = largest(differences.iter().map(|d| d.abs())) else { return no_phi() };
    let mut found = absolute(bootstrap_both((a.len(), b.len()), Some(differences[k]), settings, |in_a, in_b| {
        Some(free_energy(fraction(&ours[k], Some(in_a)))? - free_energy(fraction(&theirs[k], Some(in_b)))?)
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
