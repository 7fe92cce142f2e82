//! The noise floor: what a metric gives between two disjoint halves of the reference, at the same sample size.
//!
//! A perfect sampler scores the floor, not zero; values below it are indistinguishable from it.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use super::bootstrap::{Draw, subset};
use super::compare::Settings;
use super::registry::{Direction, Metric};
use super::side::Side;
use crate::error::Result;

/// Two disjoint random halves of a reference: at most `n` frames each. `run` says which independent run each frame is of: where
/// there are two runs, the halves are of one run each, so that what a run missed is part of the floor.
pub(super) fn halves(reference: &Side, run: impl Fn(usize) -> usize, n: usize, seed: u64) -> (Side, Side) {
    let of = |r: usize| (0..reference.len()).filter(|&i| run(i) == r).collect::<Vec<_>>();
    let (first, second) = (of(0), of(1));
    if second.is_empty() {
        let size = n.min(reference.len() / 2);
        let order = subset(reference.len(), 2 * size, seed, Draw::Floor);
        return (reference.select(&order[..size]), reference.select(&order[size..]));
    }
    let size = n.min(first.len()).min(second.len());
    let draw = |frames: &[usize]| {
        let order = subset(frames.len(), size, seed, Draw::Floor);
        reference.select(&order.iter().map(|&k| frames[k]).collect::<Vec<_>>())
    };
    (draw(&first), draw(&second))
}

/// Floors already computed in this process, by (metric, version, settings, reference digest, system): the methods of
/// a table share them.
type Known = BTreeMap<(&'static str, u32, [u64; 4], String, String), Option<f64>>;
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// The floor of `metric` between [`halves`]; `None` for plain observations. `system` names system and temperature; a
/// reference without digest is never remembered.
///
/// # Errors
/// When optimal transport fails.
pub(super) fn floor(
    metric: &Metric,
    settings: Settings,
    digest: &str,
    system: &str,
    halves: &(Side, Side),
) -> Result<Option<f64>> {
    if metric.direction == Direction::None {
        return Ok(None);
    }
    let settings = Settings { bootstrap: 0, correlation: None, ..settings };
    let sizes = [settings.n as u64, settings.geo_n as u64, settings.ot_n as u64, settings.seed];
    let key = (metric.id, metric.version, sizes, digest.to_owned(), system.to_owned());
    // A poisoned lock only means that another evaluation panicked: the map itself is whole.
    let known = || KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(&value) = known().get(&key) {
        return Ok(value);
    }
    let value = metric.compare(&halves.0, &halves.1, settings)?.value;
    if !digest.is_empty() {
        known().insert(key, value);
    }
    Ok(value)
}
