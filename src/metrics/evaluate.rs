//! All metrics of one set of samples.

use std::sync::Arc;

use super::bootstrap::{Draw, subset};
use super::compare::{Compared, Settings, Side, compare};
use super::registry::{Direction, FORWARD_ESS, Metric, by_id};
use super::structure::Structure;
use super::{MetricValue, ReferenceSet, append, floor, weights};
use crate::array::{Arrays, get};
use crate::error::{Error, Result};
use crate::spec::EvalSpec;
use crate::systems::System;

/// Share of the largest weights that the forward effective sample size clips, as in TA-BG's public code.
const FORWARD_CLIP: f64 = 1e-4;
/// Name of an array beside the samples: `ln p/q` up to a constant at the reference's frames, `[n]`.
pub const REFERENCE_LOG_WEIGHT: &str = "reference_log_weight";

/// Coordinates at or beyond this count as non-finite: their squares would overflow.
const COORDINATE_LIMIT: f64 = 1e100;

/// Evaluates the metrics of `spec` on `samples` (`positions [n, atoms, 3]`; optional `log_weight [n]`, `parents [n]`).
///
/// Energies are recomputed in f64 (evaluation: not charged to the method). At most `spec.n` samples and reference
/// frames are used, drawn without replacement; the same reference frames for all methods at the same seed. Samples
/// with non-finite positions or energies are left out and counted. No value is ever NaN.
///
/// # Errors
/// [`Error::Usage`] for an unknown metric; [`Error::Data`] or [`Error::Shape`] when `positions` is missing or does
/// not fit the system, or when the reference is empty; [`Error::NonFinite`] when the reference has such coordinates.
pub fn evaluate(
    system: &System,
    samples: &Arrays,
    reference: &ReferenceSet,
    spec: &EvalSpec,
    seed: u64,
) -> Result<Vec<MetricValue>> {
    let kt = system.kt(system.temperature);
    let subject = Subject {
        name: format!("{} at {}", system.name, system.temperature),
        atoms: system.atoms,
        length_unit: system.length_unit,
        kt,
        energies: &|positions| energies(system, positions),
        structure: Structure::of(system)?,
    };
    judge(&subject, samples, reference, spec, seed)
}

/// What [`judge`] needs of a system.
struct Subject<'a> {
    name: String,
    atoms: usize,
    length_unit: &'static str,
    kt: f64,
    /// Unreduced energies of frames.
    energies: &'a dyn Fn(&[f64]) -> Vec<f64>,
    structure: Option<Structure>,
}

fn judge(
    subject: &Subject,
    samples: &Arrays,
    reference: &ReferenceSet,
    spec: &EvalSpec,
    seed: u64,
) -> Result<Vec<MetricValue>> {
    let metrics = spec.metrics.iter().map(|id| by_id(id)).collect::<Result<Vec<_>>>()?;
    let settings = Settings { n: spec.n, geo_n: spec.geo_n, ot_n: spec.ot_n, bootstrap: spec.bootstrap, seed };
    let structure = subject.structure.clone().map(|s| s.with_tica(reference.tica.clone())).transpose()?.map(Arc::new);

    let (usable, not_finite) = usable(samples, subject.atoms)?;
    let ours = usable.select(&subset(usable.len(), spec.n, seed, Draw::Samples));
    let reduced = (subject.energies)(ours.positions()).into_iter().map(|e| e / subject.kt).collect();
    let ours = ours.with_energies(reduced).with_structure(structure.clone());

    let whole = whole(reference, subject)?.with_structure(structure);
    let truth = whole.select(&subset(whole.len(), spec.n, seed, Draw::Reference));
    let halves = floor::halves(&whole, spec.n, seed);

    metrics
        .into_iter()
        .map(|metric| {
            let mut value = blank(metric, subject.length_unit, &reference.digest);
            value.dropped = not_finite;
            match (metric.id, samples.get("log_weight")) {
                ("ess", _) => one_sided(&mut value, samples, "log_weight", |a| weights::ess(&a.to_f64())),
                (FORWARD_ESS, _) => forward_ess(&mut value, samples),
                ("unique-parents", _) => {
                    one_sided(&mut value, samples, "parents", |a| a.as_i64().and_then(weights::unique_parents));
                }
                ("rama-kl-weighted", None) => missing(&mut value, "log_weight"),
                _ => {
                    value.floor = floor::floor(metric, settings, &reference.digest, &subject.name, &halves)?;
                    fill(&mut value, compare(metric.id, &ours, &truth, settings)?);
                }
            }
            if value.dropped > 0 {
                append(&mut value.note, &format!("{} samples dropped", value.dropped));
            }
            Ok(value)
        })
        .collect()
}

/// The samples with finite positions, and how many have not.
fn usable(samples: &Arrays, atoms: usize) -> Result<(Side, usize)> {
    let dim = 3 * atoms;
    let all = positions(samples, atoms)?;
    let frames = all.len() / dim;
    let finite: Vec<usize> =
        (0..frames).filter(|f| all[f * dim..(f + 1) * dim].iter().all(|x| x.abs() < COORDINATE_LIMIT)).collect();
    let log_weight = samples.get("log_weight").map(crate::array::Array::to_f64);
    if let Some(weights) = &log_weight
        && weights.len() != frames
    {
        let message = format!("`log_weight` has {} entries, expected {frames} as `positions` has", weights.len());
        return Err(Error::shape("samples", message));
    }
    Ok((Side::new(atoms, all, vec![]).with_log_weight(log_weight).select(&finite), frames - finite.len()))
}

/// All of the reference.
fn whole(reference: &ReferenceSet, subject: &Subject) -> Result<Side> {
    let dim = 3 * subject.atoms;
    let reduced = reference.energies.iter().map(|e| e / subject.kt).collect();
    let whole = Side::new(subject.atoms, reference.positions.clone(), reduced);
    if whole.is_empty() || !reference.positions.len().is_multiple_of(dim) || reference.energies.len() != whole.len() {
        return Err(Error::shape(
            "reference",
            format!(
                "{} coordinates and {} energies; expected n * {dim} coordinates and n energies, n > 0",
                reference.positions.len(),
                reference.energies.len()
            ),
        ));
    }
    if reference.positions.iter().any(|x| x.is_nan() || x.abs() >= COORDINATE_LIMIT) {
        let message = "the reference has non-finite coordinates; remove such frames".into();
        return Err(Error::NonFinite { path: "reference".into(), message });
    }
    Ok(whole)
}

/// Fills in a comparison; no number that is not finite gets through.
fn fill(value: &mut MetricValue, found: Compared) {
    value.value = found.value.filter(|v| v.is_finite());
    if let (Some(_), Some((lo, hi))) = (value.value, found.interval) {
        let fraction = value.unit == "fraction";
        let least = if fraction || value.direction != Direction::None { 0.0 } else { f64::NEG_INFINITY };
        let most = if fraction { 1.0 } else { f64::INFINITY };
        (value.lo, value.hi) = (Some(lo.max(least)), Some(hi.min(most)));
    }
    (value.n_samples, value.n_reference) = found.used;
    value.dropped += found.dropped;
    value.note = match (found.value, value.value) {
        (None, _) => format!("not defined: {}", found.note),
        (Some(_), None) => "not defined: the value is not finite".into(),
        _ => found.note,
    };
}

fn missing(value: &mut MetricValue, array: &str) {
    value.note = format!("not defined: the samples have no array `{array}`");
}

/// Fills a metric of one optional array; absent arrays make it "not defined".
fn one_sided(
    value: &mut MetricValue,
    samples: &Arrays,
    array: &str,
    metric: impl Fn(&crate::array::Array) -> Option<f64>,
) {
    match samples.get(array) {
        None => missing(value, array),
        Some(a) => {
            value.n_samples = a.len();
            value.value = metric(a).filter(|v| v.is_finite());
            if value.value.is_none() {
                value.note = format!("not defined: `{array}` holds no usable numbers");
            }
        }
    }
}

/// The forward effective sample size; the note says how much of what it lacks is due to a thousandth of the frames.
fn forward_ess(value: &mut MetricValue, samples: &Arrays) {
    one_sided(value, samples, REFERENCE_LOG_WEIGHT, |a| weights::forward_ess(&a.to_f64(), FORWARD_CLIP));
    (value.n_samples, value.n_reference) = (0, value.n_samples);
    let log_w = samples.get(REFERENCE_LOG_WEIGHT).map(crate::array::Array::to_f64);
    if let Some(ess) = log_w.and_then(|log_w| weights::forward_ess(&log_w, 1e-3)) {
        append(&mut value.note, &format!("{ess:.4} with 0.1 % clipped"));
    }
}

fn blank(metric: &Metric, length_unit: &str, digest: &str) -> MetricValue {
    MetricValue {
        id: metric.id.into(),
        version: metric.version,
        unit: if metric.unit == "length" { length_unit } else { metric.unit }.into(),
        direction: metric.direction,
        value: None,
        lo: None,
        hi: None,
        floor: None,
        n_samples: 0,
        n_reference: 0,
        dropped: 0,
        reference: digest.into(),
        note: String::new(),
    }
}

/// Unreduced energies of frames, in f64.
#[must_use]
pub fn energies(system: &System, positions: &[f64]) -> Vec<f64> {
    let mut energies = vec![0.0; positions.len() / (3 * system.atoms)];
    let mut forces = vec![0.0; positions.len()];
    if !energies.is_empty() {
        system.potential().energy_forces(positions, &mut energies, &mut forces);
    }
    energies
}

fn positions(samples: &Arrays, atoms: usize) -> Result<Vec<f64>> {
    let array = get(samples, "positions", "samples")?;
    match array.shape[..] {
        [_, a, 3] if a == atoms => Ok(array.to_f64()),
        [_, d] if d == 3 * atoms => Ok(array.to_f64()),
        _ => Err(Error::shape(
            "samples",
            format!("`positions` has shape {:?}, expected [n, {atoms}, 3] for this system", array.shape),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::rng::{Purpose, Stream};

    const ATOMS: usize = 4;

    /// Harmonic energies: half the squared distance from the origin.
    fn harmonic(positions: &[f64]) -> Vec<f64> {
        positions.chunks_exact(3 * ATOMS).map(|x| 0.5 * x.iter().map(|x| x * x).sum::<f64>()).collect()
    }

    fn normals(seed: u64, frames: usize, sd: f64) -> Vec<f64> {
        let mut draws = Stream::new(seed, Purpose::Init, 0).at(0);
        (0..frames * 3 * ATOMS).map(|_| sd * draws.normal()).collect()
    }

    fn arrays(positions: Vec<f64>) -> Arrays {
        let shape = [positions.len() / (3 * ATOMS), ATOMS, 3];
        Arrays::from([("positions".to_owned(), Array::f64(&shape, positions))])
    }

    fn reference(digest: &str) -> ReferenceSet {
        let positions = normals(1, 3_000, 1.0);
        ReferenceSet { digest: digest.into(), energies: harmonic(&positions), positions, tica: None }
    }

    fn run(samples: &Arrays, metrics: &[&str], reference: &ReferenceSet, seed: u64) -> Vec<MetricValue> {
        let subject = Subject {
            name: "test".into(),
            atoms: ATOMS,
            length_unit: "nm",
            kt: 2.0,
            energies: &|x| harmonic(x),
            structure: None,
        };
        let spec = EvalSpec {
            metrics: metrics.iter().map(|m| (*m).to_owned()).collect(),
            n: 1_000,
            geo_n: 60,
            bootstrap: 100,
            ..EvalSpec::default()
        };
        judge(&subject, samples, reference, &spec, seed).unwrap()
    }

    const ALL: [&str; 9] = [
        "energy-w1",
        "energy-w2",
        "distance-w2",
        "geo-w1-ref",
        "geo-w2",
        "mean-energy",
        "mean-energy-diff",
        "ess",
        "unique-parents",
    ];

    /// Mean reduced energy of a 12-dimensional unit normal at kT = 2 is 3; scaled by s, it is 3 s^2.
    #[test]
    fn good_samples_are_near_the_floor_and_bad_ones_are_not() {
        let good = run(&arrays(normals(2, 1_500, 1.0)), &ALL, &reference("a"), 0);
        let bad = run(&arrays(normals(2, 1_500, 1.5)), &ALL, &reference("a"), 0);
        for (g, b) in good.iter().zip(&bad).take(5) {
            let floor = g.floor.unwrap();
            assert!(g.value.unwrap() < 3.0 * floor, "{}: {:?} floor {floor}", g.id, g.value);
            assert!(b.value.unwrap() > g.hi.unwrap(), "{}", g.id);
            assert!(b.lo.unwrap() <= b.value.unwrap() && b.value.unwrap() <= b.hi.unwrap());
        }
        // E is chi-squared with 12 degrees of freedom, halved twice: standard error of the mean 1.2 / sqrt(1000).
        assert!((good[5].value.unwrap() - 3.0).abs() < 5.0 * 1.23 / 1_000.0_f64.sqrt());
        assert!((bad[6].value.unwrap() - 3.75).abs() < 0.5);
        assert_eq!((bad[2].unit.as_str(), bad[0].n_samples, bad[3].n_samples), ("nm", 1_000, 60));
        assert_eq!((bad[7].value, bad[8].value), (None, None));
        assert!(bad[7].note.contains("no array `log_weight`"));
        // Scaling by 1.5 moves every energy quantile by 1.25 of itself: W1 is 3.75 up to noise.
        assert!((bad[0].value.unwrap() - 3.75).abs() < 0.5);
    }

    #[test]
    fn hopeless_samples_are_counted_never_nan() {
        let mut positions = normals(3, 100, 1.0);
        positions[0] = f64::NAN;
        positions[12] = f64::INFINITY;
        positions[24] = 1e6;
        positions[36] = 1e200;
        let mut samples = arrays(positions);
        samples.insert("log_weight".into(), Array::f64(&[100], vec![f64::NAN; 100]));
        samples.insert("parents".into(), Array::i64(&[100], (0..100).map(|i| i / 2).collect()));
        let values =
            run(&samples, &["energy-w1", "distance-w2", "mean-energy", "ess", "unique-parents"], &reference("b"), 0);
        // Two frames are not finite, one would overflow, one has u = 2.5e11.
        assert_eq!((values[0].dropped, values[0].n_samples, values[1].dropped), (4, 96, 3));
        assert!(values[0].note.contains("4 samples dropped"));
        for v in &values {
            assert!([v.value, v.lo, v.hi].iter().flatten().all(|x| x.is_finite()), "{v:?}");
        }
        assert_eq!((values[3].value, values[4].value), (None, Some(0.5)));

        let none = run(&arrays(vec![f64::NAN; 12]), &ALL, &reference("b"), 0);
        assert!(none.iter().all(|v| v.value.is_none() && !v.note.is_empty()));
    }

    #[test]
    fn repeats_and_depends_on_the_seed() {
        let samples = arrays(normals(4, 1_500, 1.0));
        let first = run(&samples, &ALL, &reference("c"), 5);
        // Another digest: nothing is remembered from the first call.
        let mut second = run(&samples, &ALL, &reference("d"), 5);
        second.iter_mut().for_each(|v| v.reference = "c".into());
        assert_eq!(first, second);
        assert_ne!(first[0].value, run(&samples, &ALL, &reference("c"), 6)[0].value);
    }
}
