//! All metrics of one set of samples.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bootstrap::{Draw, subset};
use super::compare::{Compared, Correlation, Settings};
use super::order::Order;
use super::registry::{Compute, Direction, Metric, by_id};
use super::rounding::{Effect, Rounding};
use super::side::Side;
use super::structure::Structure;
use super::usable::{Usable, usable, whole};
use super::{MetricValue, ReferenceSet, Weighed, append, floor};
use crate::array::Arrays;
use crate::error::Result;
use crate::spec::EvalSpec;
use crate::stop;
use crate::systems::System;

/// Evaluates the metrics of `spec` on `samples`: see [`Judge`], whose one answer this is.
///
/// # Errors
/// See [`Judge::new`] and [`Judge::values`].
pub fn evaluate(
    system: &System,
    samples: &Arrays,
    reference: &ReferenceSet,
    spec: &EvalSpec,
    seed: u64,
    walkers: Option<usize>,
) -> Result<Vec<MetricValue>> {
    Judge::new(system, reference, spec, seed)?.values(samples, walkers)
}

/// The metrics of a system against one reference, for any number of sets of samples (`positions [n, atoms, 3]`; optional
/// `log_weight [n]`, `parents [n]`): what they need of the reference is computed once.
///
/// Energies are recomputed in f64 (evaluation: not charged to the method). At most `spec.n` samples and reference
/// frames are used, drawn without replacement; the same reference frames for all methods at the same seed. Samples
/// with non-finite positions or energies are left out and counted. No value is ever NaN.
pub struct Judge<'a> {
    system: &'a System,
    structure: Option<Arc<Structure>>,
    metrics: Vec<&'static Metric>,
    settings: Settings,
    digest: &'a str,
    /// The reference's frames in use.
    truth: Side,
    /// What floors are distances of.
    halves: (Side, Side),
    /// How many frames of the reference have bonds that cannot be, and the likely cause.
    impossible: Option<(usize, String)>,
    /// What the rounding of the reference's positions did to energies.
    rounded: Option<String>,
}

impl<'a> Judge<'a> {
    /// # Errors
    /// [`Usage`](crate::error::Error::Usage) for an unknown metric; [`Data`](crate::error::Error::Data) or
    /// [`Shape`](crate::error::Error::Shape) when the reference is empty or does not fit the system;
    /// [`NonFinite`](crate::error::Error::NonFinite) when it has such coordinates.
    pub fn new(system: &'a System, reference: &'a ReferenceSet, spec: &EvalSpec, seed: u64) -> Result<Self> {
        let structure = Structure::of(system)?;
        let metrics = spec.metrics.iter().map(|id| by_id(id)).collect::<Result<Vec<_>>>()?;
        let EvalSpec { n, geo_n, ot_n, bootstrap, .. } = *spec;
        let settings = Settings { n, geo_n, ot_n, bootstrap, seed, correlation: None };
        let structure = structure.map(|s| s.with_tica(reference.tica.clone())).transpose()?.map(Arc::new);
        let Usable { side: whole, kept, impossible, .. } = whole(reference, system)?;
        let whole = whole.with_structure(structure.clone());
        let truth = whole.select(&subset(whole.len(), n, seed, Draw::Reference));
        let halves = floor::halves(&whole, |i| kept[i] % reference.runs.max(1), n, seed);
        let rounded = rounding(system, &metrics, "reference", &truth, reference.precision);
        let digest = &reference.digest;
        Ok(Self { system, structure, metrics, settings, digest, truth, halves, impossible, rounded })
    }

    /// The metrics of `samples`. Intervals take into account how far samples of dynamics are correlated in time: `walkers` says how
    /// many walkers took turns in them, frame by frame; `None` stands for independent samples.
    ///
    /// # Errors
    /// [`Data`](crate::error::Error::Data) or [`Shape`](crate::error::Error::Shape) when `positions` is missing or does not fit the
    /// system; [`Interrupted`](crate::error::Error::Interrupted).
    pub fn values(&self, samples: &Arrays, walkers: Option<usize>) -> Result<Vec<MetricValue>> {
        let found = self.all((samples, None), walkers, false, &mut |_, _, _| {})?;
        Ok(found.into_iter().map(|value| value.plain).collect())
    }

    /// The same, and beside it the values with every sample counted by its importance weight `log_weight`: exactly, without
    /// resampling. `precision` is what the samples' file says of its steps per unit of length, if it says it. `progress` is told
    /// which metric comes next: how many are done, how many there are, its id.
    ///
    /// # Errors
    /// See [`Judge::values`].
    pub fn reweighted(
        &self,
        samples: (&Arrays, Option<f64>),
        walkers: Option<usize>,
        progress: &mut dyn FnMut(usize, usize, &str),
    ) -> Result<Vec<Weighed>> {
        self.all(samples, walkers, true, progress)
    }

    /// The bare numbers of independent samples, by id; of metrics that compare frames, where they are defined. At most `n` frames are
    /// used, an eighth of them for distances of aligned geometries.
    ///
    /// # Errors
    /// See [`Judge::values`].
    pub fn numbers(&self, samples: &Arrays, n: usize) -> Result<BTreeMap<String, f64>> {
        let Settings { n: all, geo_n, ot_n, .. } = self.settings;
        let (n, geo_n, ot_n) = (n.min(all), (n / 8).min(geo_n), n.min(ot_n));
        let settings = Settings { n, geo_n, ot_n, bootstrap: 0, ..self.settings };
        let (_, side) = self.ready(samples, n)?;
        let mut numbers = BTreeMap::new();
        for metric in self.metrics.iter().filter(|m| m.array.is_none()) {
            let value = metric.compare(&side, &self.truth, settings)?.value.filter(|v| v.is_finite());
            numbers.extend(value.map(|v| (metric.id.to_owned(), v)));
            stop::check()?;
        }
        Ok(numbers)
    }

    /// The samples that can be judged, and at most `n` of them with all that metrics need.
    fn ready(&self, samples: &Arrays, n: usize) -> Result<(Usable, Side)> {
        let all = usable(samples, self.system)?;
        let side = all.side.select(&subset(all.side.len(), n, self.settings.seed, Draw::Samples));
        let reduced = self.reduced(&side);
        Ok((all, side.with_energies(reduced).with_structure(self.structure.clone())))
    }

    fn reduced(&self, side: &Side) -> Vec<f64> {
        let kt = self.system.kt(self.system.temperature);
        energies(self.system, side.positions()).into_iter().map(|e| e / kt).collect()
    }

    fn all(
        &self,
        (samples, precision): (&Arrays, Option<f64>),
        walkers: Option<usize>,
        reweight: bool,
        progress: &mut dyn FnMut(usize, usize, &str),
    ) -> Result<Vec<Weighed>> {
        let Self { system, settings, truth, .. } = self;
        let (usable, ours) = self.ready(samples, settings.n)?;
        let structure = self.structure.as_deref();
        let order = walkers.map(|walkers| Order::new(&usable, &self.reduced(&usable.side), walkers, structure));
        let Usable { side, frames, impossible, .. } = usable;
        let count = side.len();
        drop(side);
        let weighted = if reweight { ours.reweighted() } else { None };
        let rounded = rounding(system, &self.metrics, "samples", &ours, precision);
        let name = format!("{} at {}", system.name, system.temperature);
        let all = self.metrics.len();
        let judged = |(done, &metric): (usize, &&'static Metric)| {
            progress(done, all, metric.id);
            let mut value = MetricValue::blank(metric, system.length_unit, self.digest);
            value.dropped = frames - count;
            let mut by_weight = None;
            match (metric.array.map(|name| (name, samples.get(name))), metric.compute) {
                (Some((name, None)), _) => value.note = format!("not defined: the samples have no array `{name}`"),
                (Some((name, Some(array))), Compute::Array(of)) => {
                    let mut found = of(array);
                    if found.value.is_none() {
                        found.note = format!("`{name}` holds no usable numbers");
                    }
                    fill(&mut value, found);
                }
                _ => {
                    value.floor = floor::floor(metric, *settings, self.digest, &name, &self.halves)?;
                    let correlation = order.map(|o| Correlation { total: count, inefficiency: o.of(metric) });
                    let settings = Settings { correlation, ..*settings };
                    fill(&mut value, metric.compare(&ours, truth, settings)?);
                    value.n_effective = correlation.map(|_| settings.effective(value.n_samples));
                    // A metric of an array has its weights already.
                    if let Some(weighted) = weighted.as_ref().filter(|_| metric.array.is_none()) {
                        let mut other = MetricValue::blank(metric, system.length_unit, "");
                        fill(&mut other, metric.compare(weighted, truth, settings)?);
                        by_weight = Some(other);
                    }
                }
            }
            stop::check()?;
            for note in rounded.iter().chain(&self.rounded).filter(|_| metric.of_energies()) {
                append(&mut value.note, note);
            }
            for (what, sorted_out) in [("samples", &impossible), ("frames of the reference", &self.impossible)] {
                if let Some((n, hint)) = sorted_out {
                    append(&mut value.note, &format!("{n} {what} are not the molecule ({hint})"));
                }
            }
            if value.dropped > 0 {
                append(&mut value.note, &format!("{} samples dropped", value.dropped));
            }
            let reweighted = by_weight.as_ref().and_then(|v| v.value);
            let reweighted_interval = by_weight.and_then(|v| v.lo.zip(v.hi));
            Ok(Weighed { plain: value, reweighted, reweighted_interval })
        };
        self.metrics.iter().enumerate().map(judged).collect()
    }
}

/// What a file's rounding of positions did to their energies, in words, if any of the metrics is one of those.
fn rounding(system: &System, metrics: &[&Metric], whose: &str, side: &Side, precision: Option<f64>) -> Option<String> {
    let energetic = metrics.iter().any(|m| m.of_energies());
    let rounding = energetic.then(|| Rounding::of(side.positions(), precision)).flatten()?;
    // Clashes that energy metrics leave out would decide the size.
    let kept = side.select(&side.kept_frames());
    let kt = system.kt(system.temperature);
    let Effect { mean, rms } = rounding.effect(kept.positions(), 3 * system.atoms, &|x| energies(system, x));
    let effect = Effect { mean: mean / kt, rms: rms / kt };
    let words = || format!("{whose} {}, {}", rounding.describe(system.length_unit), effect.describe("kT"));
    rounding.matters(effect).then(words)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::energy::tests::Bowl;
    use crate::rng::{Purpose, Stream};

    const ATOMS: usize = 4;

    /// At kT = 2; energies are half the squared distance from the origin.
    fn system() -> System {
        let mut system = System::new("test", 2.0, Arc::new(Bowl(vec![1.0; 3 * ATOMS])), vec![0.0; 3 * ATOMS]);
        system.length_unit = "nm";
        system
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
        ReferenceSet {
            digest: digest.into(),
            energies: energies(&system(), &positions),
            positions,
            tica: None,
            precision: None,
            runs: 1,
        }
    }

    fn run(
        samples: &Arrays,
        metrics: &[&str],
        reference: &ReferenceSet,
        seed: u64,
        walkers: Option<usize>,
    ) -> Vec<MetricValue> {
        let spec = EvalSpec {
            metrics: metrics.iter().map(|m| (*m).to_owned()).collect(),
            n: 1_000,
            geo_n: 60,
            bootstrap: 100,
            ..EvalSpec::default()
        };
        Judge::new(&system(), reference, &spec, seed).unwrap().values(samples, walkers).unwrap()
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
        let good = run(&arrays(normals(2, 1_500, 1.0)), &ALL, &reference("a"), 0, None);
        let bad = run(&arrays(normals(2, 1_500, 1.5)), &ALL, &reference("a"), 0, None);
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
        let values = run(
            &samples,
            &["energy-w1", "distance-w2", "mean-energy", "ess", "unique-parents"],
            &reference("b"),
            0,
            None,
        );
        // Two frames are not finite, one would overflow, one has u = 2.5e11.
        assert_eq!((values[0].dropped, values[0].n_samples, values[1].dropped), (4, 96, 3));
        assert!(values[0].note.contains("4 samples dropped"));
        for v in &values {
            assert!([v.value, v.lo, v.hi].iter().flatten().all(|x| x.is_finite()), "{v:?}");
        }
        assert_eq!((values[3].value, values[4].value), (None, Some(0.5)));

        let none = run(&arrays(vec![f64::NAN; 12]), &ALL, &reference("b"), 0, None);
        assert!(none.iter().all(|v| v.value.is_none() && !v.note.is_empty()));
    }

    /// Coordinates of first-order autoregression, whose squares and so energies are correlated by rho^t = 0.9^t: frames are
    /// worth a nineteenth of them. Intervals hold the mean energy of 3 kT as often as they should.
    #[test]
    fn intervals_of_dynamics() {
        let (walkers, frames, rho) = (8, 250, 0.9_f64.sqrt());
        let trials = 120;
        let (mut held, mut naive, mut worth) = (0, 0, 0);
        let reference = reference("e");
        for trial in 0..trials {
            let mut x = vec![0.0; walkers * frames * 3 * ATOMS];
            for lane in 0..walkers * 3 * ATOMS {
                let mut draws = Stream::new(100 + trial, Purpose::Dynamics, lane as u64).at(0);
                let mut now = draws.normal();
                for f in 0..frames {
                    x[f * walkers * 3 * ATOMS + lane] = now;
                    now = rho * now + (1.0 - rho * rho).sqrt() * draws.normal();
                }
            }
            let samples = arrays(x);
            let inside = |v: &MetricValue| i32::from(v.lo.unwrap() < 3.0 && 3.0 < v.hi.unwrap());
            let known = &run(&samples, &["mean-energy"], &reference, trial, Some(walkers))[0];
            let unknown = &run(&samples, &["mean-energy"], &reference, trial, None)[0];
            assert_eq!((known.value, unknown.n_effective), (unknown.value, None));
            held += inside(known);
            naive += inside(unknown);
            worth += known.n_effective.unwrap();
        }
        // A thousand of two thousand frames: 1000 / (1 + 999 / 1999 * 18) = 100.
        assert!((worth as f64 / (100.0 * trials as f64) - 1.0).abs() < 0.15, "{worth}");
        // Binomial(120, 0.95): mean 114, standard deviation 2.4.
        assert!(held >= 106, "{held}");
        assert!(naive < 85, "{naive}");
    }

    #[test]
    fn repeats_and_depends_on_the_seed() {
        let samples = arrays(normals(4, 1_500, 1.0));
        let first = run(&samples, &ALL, &reference("c"), 5, None);
        // Another digest: nothing is remembered from the first call.
        let mut second = run(&samples, &ALL, &reference("d"), 5, None);
        second.iter_mut().for_each(|v| v.reference = "c".into());
        assert_eq!(first, second);
        assert_ne!(first[0].value, run(&samples, &ALL, &reference("c"), 6, None)[0].value);
    }
}
