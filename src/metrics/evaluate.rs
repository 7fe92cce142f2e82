//! All metrics of one set of samples.

use std::cell::OnceCell;

use super::alignment::{PairCost, pair_costs};
use super::bootstrap::{self, BLOCKS, Draw, subset};
use super::registry::{Direction, Metric, by_id};
use super::wasserstein::{Pooled, interatomic_distances, pooled};
use super::{MetricValue, ReferenceSet, floor, ot, weights};
use crate::array::{Arrays, get};
use crate::config::spec::EvalSpec;
use crate::error::{Error, Result};
use crate::systems::System;

/// Reduced energies beyond this are dropped (and counted): a single overlap of particles would decide the mean.
pub const ENERGY_LIMIT: f64 = 1_000.0;

/// Sizes and seed that a value depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Settings {
    /// Samples per side of one-dimensional metrics.
    pub n: usize,
    /// Samples per side of aligned-geometry metrics.
    pub geo_n: usize,
    /// Bootstrap replicates.
    pub bootstrap: usize,
    /// Seed of subsets and replicates.
    pub seed: u64,
}

/// One side of a comparison: frames with their reduced energies.
#[derive(Debug, Clone)]
pub struct Side {
    atoms: usize,
    positions: Vec<f64>,
    energies: Vec<f64>,
    kept: OnceCell<Pooled>,
    distances: OnceCell<Pooled>,
}

impl Side {
    /// Frames `[n, atoms, 3]` with reduced energies `[n]` (empty when no metric needs them).
    #[must_use]
    pub fn new(atoms: usize, positions: Vec<f64>, energies: Vec<f64>) -> Self {
        Self { atoms, positions, energies, kept: OnceCell::new(), distances: OnceCell::new() }
    }

    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len() / (3 * self.atoms)
    }

    /// Whether there are no frames.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The frames with these indices.
    #[must_use]
    pub fn select(&self, frames: &[usize]) -> Self {
        let dim = 3 * self.atoms;
        let positions = frames.iter().flat_map(|&f| &self.positions[f * dim..(f + 1) * dim]).copied().collect();
        let energies =
            if self.energies.is_empty() { vec![] } else { frames.iter().map(|&f| self.energies[f]).collect() };
        Self::new(self.atoms, positions, energies)
    }

    /// Reduced energies within ±[`ENERGY_LIMIT`], ascending.
    fn kept(&self) -> &Pooled {
        self.kept.get_or_init(|| {
            let kept: Vec<f64> = self.energies.iter().copied().filter(|u| u.abs() <= ENERGY_LIMIT).collect();
            Pooled::new(&kept, 1)
        })
    }

    /// All interatomic distances, ascending.
    fn distances(&self) -> &Pooled {
        let pairs = (self.atoms * self.atoms.saturating_sub(1) / 2).max(1);
        self.distances.get_or_init(|| Pooled::new(&interatomic_distances(&self.positions, self.atoms), pairs))
    }

    fn first(&self, frames: usize) -> &[f64] {
        &self.positions[..frames * 3 * self.atoms]
    }
}

/// Value of a two-sided metric, and its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Compared {
    /// The value; `None` when a side is empty.
    pub value: Option<f64>,
    /// 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Frames used of the first and the second side.
    pub used: (usize, usize),
}

/// Computes a two-sided metric between `a` (samples) and `b` (reference), with an interval if `bootstrap > 0`.
///
/// # Errors
/// [`Error::Numerical`] when optimal transport fails, [`Error::Internal`] for a metric that is not two-sided.
pub fn compare(id: &str, a: &Side, b: &Side, settings: Settings) -> Result<Compared> {
    match id {
        "energy-w1" => Ok(on_the_line(1, a.kept(), b.kept(), settings)),
        "energy-w2" => Ok(on_the_line(2, a.kept(), b.kept(), settings)),
        "distance-w2" => Ok(on_the_line(2, a.distances(), b.distances(), settings)),
        "mean-energy-diff" => Ok(mean_difference(a.kept(), b.kept(), settings)),
        "geo-w1-ref" => geometric(PairCost::OnePass, a, b, settings),
        "geo-w2" => geometric(PairCost::IteratedSquared, a, b, settings),
        _ => Err(Error::Internal(format!("`{id}` does not compare two sets"))),
    }
}

fn replicate(a: &Pooled, b: &Pooled, seed: u64, r: usize) -> (Vec<u32>, Vec<u32>) {
    (
        bootstrap::counts(a.groups(), seed, Draw::ReplicateSamples, r),
        bootstrap::counts(b.groups(), seed, Draw::ReplicateReference, r),
    )
}

fn on_the_line(p: u32, a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    let value = pooled(p, a, None, b, None);
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            let (in_a, in_b) = replicate(a, b, settings.seed, r);
            pooled(p, a, Some(&in_a), b, Some(&in_b))
        })
    });
    Compared { value, interval, used: (a.groups(), b.groups()) }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean of a replicate: every group is one value, and groups were numbered before sorting, so any order will do.
fn weighted_mean(values: &[f64], counts: &[u32]) -> f64 {
    values.iter().zip(counts).map(|(v, &c)| v * f64::from(c)).sum::<f64>() / values.len() as f64
}

fn mean_difference(a: &Pooled, b: &Pooled, settings: Settings) -> Compared {
    let value = mean(a.values()).zip(mean(b.values())).map(|(a, b)| a - b);
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            let (in_a, in_b) = replicate(a, b, settings.seed, r);
            Some(weighted_mean(a.values(), &in_a) - weighted_mean(b.values(), &in_b))
        })
    });
    // The interval of the signed difference, folded at zero.
    let interval = interval
        .map(|(lo, hi)| (if lo <= 0.0 && hi >= 0.0 { 0.0 } else { lo.abs().min(hi.abs()) }, lo.abs().max(hi.abs())));
    Compared { value: value.map(f64::abs), interval, used: (a.groups(), b.groups()) }
}

/// Exact transport over frames; the interval comes from disjoint blocks of the one cost matrix.
fn geometric(kind: PairCost, a: &Side, b: &Side, settings: Settings) -> Result<Compared> {
    let n = settings.geo_n.min(a.len()).min(b.len());
    if n == 0 {
        return Ok(Compared::default());
    }
    let cost = pair_costs(kind, a.first(n), b.first(n), a.atoms);
    let finish = |mean: f64| if kind == PairCost::OnePass { mean } else { mean.sqrt() };
    let value = finish(ot::mean_cost(&cost, n)?);
    let size = n / BLOCKS;
    let interval = if settings.bootstrap > 0 && size >= 10 {
        let mut blocks = [0.0; BLOCKS];
        for (k, block) in blocks.iter_mut().enumerate() {
            let inside = k * size..(k + 1) * size;
            let part: Vec<f64> = inside.clone().flat_map(|i| cost[i * n..][inside.clone()].to_vec()).collect();
            *block = finish(ot::mean_cost(&part, size)?);
        }
        Some(bootstrap::block_interval(value, &blocks))
    } else {
        None
    };
    Ok(Compared { value: Some(value), interval, used: (n, n) })
}

/// Evaluates the metrics of `spec` on `samples` (`positions [n, atoms, 3]`; optional `log_weight [n]`, `parents [n]`).
///
/// Energies are recomputed in f64 (evaluation: not charged to the method). At most `spec.n` samples and reference
/// frames are used, drawn without replacement; the same reference frames for all methods at the same seed. Samples
/// with non-finite positions or energies are left out and counted. No value is ever NaN.
///
/// # Errors
/// [`Error::Usage`] for an unknown metric; [`Error::Data`] or [`Error::Shape`] when `positions` is missing or does
/// not fit the system, or when the reference is empty.
pub fn evaluate(
    system: &System,
    samples: &Arrays,
    reference: &ReferenceSet,
    spec: &EvalSpec,
    seed: u64,
) -> Result<Vec<MetricValue>> {
    let metrics = spec.metrics.iter().map(|id| by_id(id)).collect::<Result<Vec<_>>>()?;
    let settings = Settings { n: spec.n, geo_n: spec.geo_n, bootstrap: spec.bootstrap, seed };
    let kt = system.kt(system.temperature);
    let reduced = |positions: &[f64]| -> Vec<f64> { energies(system, positions).into_iter().map(|e| e / kt).collect() };

    let all = positions(samples, system.atoms)?;
    let dim = 3 * system.atoms;
    let finite: Vec<usize> =
        (0..all.len() / dim).filter(|f| all[f * dim..(f + 1) * dim].iter().all(|x| x.is_finite())).collect();
    let not_finite = all.len() / dim - finite.len();
    let usable = Side::new(system.atoms, all, vec![]).select(&finite);
    let mut ours = usable.select(&subset(usable.len(), spec.n, seed, Draw::Samples));
    ours.energies = reduced(&ours.positions);

    let whole =
        Side::new(system.atoms, reference.positions.clone(), reference.energies.iter().map(|e| e / kt).collect());
    if whole.is_empty() || !reference.positions.len().is_multiple_of(dim) || whole.energies.len() != whole.len() {
        return Err(Error::shape(
            "reference",
            format!(
                "{} coordinates and {} energies; expected n * {dim} coordinates and n energies, n > 0",
                reference.positions.len(),
                reference.energies.len()
            ),
        ));
    }
    let truth = whole.select(&subset(whole.len(), spec.n, seed, Draw::Reference));
    let halves = floor::halves(&whole, spec.n, seed);
    let name = format!("{} at {}", system.name, system.temperature);

    let mut values = Vec::with_capacity(metrics.len());
    for metric in metrics {
        let mut value = blank(metric, system, &reference.digest);
        value.dropped = not_finite;
        match metric.id {
            "ess" => one_sided(&mut value, samples, "log_weight", |a| weights::ess(&a.to_f64())),
            "unique-parents" => {
                one_sided(&mut value, samples, "parents", |a| a.as_i64().and_then(weights::unique_parents));
            }
            _ => {
                let compared = if metric.id == "mean-energy" {
                    value.note = match mean(truth.kept().values()) {
                        Some(mean) => format!("reference mean {mean:.4} kT"),
                        None => "the reference has no usable energies".into(),
                    };
                    mean_energy(ours.kept(), settings)
                } else {
                    let settings = Settings { bootstrap: 0, ..settings };
                    value.floor = floor::floor(metric, settings, &reference.digest, &name, &halves)?;
                    compare(metric.id, &ours, &truth, Settings { bootstrap: spec.bootstrap, ..settings })?
                };
                value.value = compared.value.filter(|v| v.is_finite());
                if let (Some(_), Some((lo, hi))) = (value.value, compared.interval) {
                    let least = if metric.direction == Direction::Lower { 0.0 } else { f64::NEG_INFINITY };
                    (value.lo, value.hi) = (Some(lo.max(least)), Some(hi));
                }
                (value.n_samples, value.n_reference) = compared.used;
                if metric.id.contains("energy") {
                    value.dropped += ours.len() - ours.kept().groups();
                }
                if value.value.is_none() && !value.note.is_empty() {
                    value.note.push_str("; ");
                }
                if value.value.is_none() {
                    value.note.push_str("not defined: no usable samples");
                }
            }
        }
        if value.dropped > 0 {
            let separator = if value.note.is_empty() { "" } else { "; " };
            value.note = format!("{}{separator}{} samples dropped", value.note, value.dropped);
        }
        values.push(value);
    }
    Ok(values)
}

fn mean_energy(kept: &Pooled, settings: Settings) -> Compared {
    let value = mean(kept.values());
    let interval = value.and_then(|value| {
        bootstrap::interval(value, settings.bootstrap, |r| {
            let counts = bootstrap::counts(kept.groups(), settings.seed, Draw::ReplicateSamples, r);
            Some(weighted_mean(kept.values(), &counts))
        })
    });
    Compared { value, interval, used: (kept.groups(), 0) }
}

/// Fills a metric of one optional array; absent arrays make it "not defined".
fn one_sided(
    value: &mut MetricValue,
    samples: &Arrays,
    array: &str,
    metric: impl Fn(&crate::array::Array) -> Option<f64>,
) {
    match samples.get(array) {
        None => value.note = format!("not defined: the samples have no array `{array}`"),
        Some(a) => {
            value.n_samples = a.len();
            value.value = metric(a).filter(|v| v.is_finite());
            if value.value.is_none() {
                value.note = format!("not defined: `{array}` holds no usable numbers");
            }
        }
    }
}

fn blank(metric: &Metric, system: &System, digest: &str) -> MetricValue {
    MetricValue {
        id: metric.id.into(),
        version: metric.version,
        unit: if metric.unit == "length" { system.length_unit } else { metric.unit }.into(),
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
