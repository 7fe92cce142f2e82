//! How runs were made, read from their folders: provenance, manifest, log; and the cards of references.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use serde_json::Value;

use super::detail::{Curve, Detail, ReferenceCard};
use super::load::{first_seeds, kind, without_folders};
use super::runs::{RunResult, by_key};
use crate::config::{Cell, Experiment};
use crate::error::Result;
use crate::exec::{Asked, references};
use crate::identity::{self, Code};
use crate::record::evaluation::{self, Evaluation, Found};
use crate::record::{self, Event, Kind, Provenance, RunDir, atomic, events, manifest};

/// Most points of a curve: more cannot be seen at its size.
const POINTS: usize = 80;

/// Details of the runs that a report shows, of each row the first seeds, by run id; what cannot be read is left out (the table
/// names damaged runs).
///
/// # Errors
/// When run folders cannot be listed.
pub fn details(experiment: &Experiment, results: &Path, runs: &[RunResult]) -> Result<BTreeMap<String, Detail>> {
    let shown: HashSet<&str> =
        first_seeds(runs.iter()).iter().flat_map(|(_, of)| of.iter().map(|r| r.run_id.as_str())).collect();
    // Ids without the attempt: folders of runs that are not shown are not looked into.
    let asked_for: HashSet<&str> = shown.iter().filter_map(|id| Some(id.rsplit_once('-')?.0)).collect();
    let mut found = BTreeMap::new();
    for cells in experiment.cells.chunk_by(|a, b| a.run == b.run && a.eval == b.eval) {
        let asked = Asked::of(results, &cells[0])?;
        for cell in cells {
            if !asked_for.contains(format!("{}-s{}", &asked.spec_digest[..8], cell.seed).as_str()) {
                continue;
            }
            let Some(run) = record::attempts(results, &asked.spec_digest, cell.seed)?.pop() else { continue };
            let id = run.id.to_string();
            if shown.contains(id.as_str()) {
                found.insert(id, detail(cell, &run, &asked));
            }
        }
    }
    Ok(found)
}

/// The references of an experiment that are there, one for each system and temperature.
#[must_use]
pub fn reference_cards(experiment: &Experiment, results: &Path) -> Vec<ReferenceCard> {
    let mut cards: Vec<ReferenceCard> = Vec::new();
    for cell in &experiment.cells {
        let (system, spec) = (&cell.run.system, &cell.eval.reference);
        if cards.iter().any(|c| c.system == system.name && c.temperature == system.temperature) {
            continue;
        }
        if let Some(known) = references::known(results, system, spec) {
            cards.push(ReferenceCard {
                system: system.name.clone(),
                temperature: system.temperature,
                name: spec.accepted.clone(),
                settings: identity::reference_digest(system, spec),
                content: Some(known.content),
                report: known.report,
                runs: known.reports,
            });
        }
    }
    cards
}

fn detail(cell: &Cell, run: &RunDir, asked: &Asked) -> Detail {
    let provenance: Option<Provenance> = atomic::read_json(&run.file("provenance.json")).ok();
    let made = provenance.as_ref();
    let sealed = manifest::read(&run.path).unwrap_or_default();
    let judged = match evaluation::find(run, &asked.yardstick, cell.seed) {
        Ok(Found::Own(evaluation) | Found::OtherCode(evaluation)) => Some(evaluation),
        _ => None,
    };
    let log = events::read(&run.file("events.jsonl")).unwrap_or_default();
    let mut settings = serde_json::to_value(&cell.run.sampler).unwrap_or_default();
    without_paths(&mut settings);
    Detail {
        kind: kind(cell).to_owned(),
        settings,
        samples: log
            .iter()
            .rev()
            .find_map(|e| if let Kind::Finished { samples, .. } = e.kind { samples } else { None }),
        has_samples: run.file("samples.npz").exists(),
        seconds: made.map(Provenance::wall_seconds),
        began: made.and_then(|p| Some(p.sessions.first()?.start.clone())),
        code: made.and_then(|p| Some(serde_json::from_value::<Code>(p.code.clone()).ok()?.short())),
        machine: made.map(|p| machine(&p.env)),
        digests: digests(&asked.spec_digest, made, judged.as_ref(), &sealed),
        curves: curves(&log),
        warnings: log.iter().filter_map(|e| warning(e, run, cell)).collect(),
    }
}

/// Spec, code, evaluation, samples: what there is of them.
fn digests(
    spec: &str,
    provenance: Option<&Provenance>,
    judged: Option<&Evaluation>,
    sealed: &[(String, String)],
) -> Vec<(&'static str, String)> {
    let file = |name: &str| sealed.iter().find(|(_, n)| n == name).map(|(digest, _)| digest.clone());
    let all = [
        ("spec", Some(spec.to_owned())),
        ("code", provenance.map(|p| p.code_digest.clone())),
        ("environment", provenance.map(|p| p.env_digest.clone())),
        ("evaluation", judged.map(|e| e.digest.clone())),
        ("samples", file("samples.npz")),
        ("weights", file("weights.safetensors")),
    ];
    all.into_iter().filter_map(|(name, digest)| Some((name, digest.filter(|d| !d.is_empty())?))).collect()
}

/// A recorded environment in words.
fn machine(env: &Value) -> String {
    let text = |key: &str| env[key].as_str().map(str::to_owned);
    let count = |key: &str| env[key].as_u64().filter(|n| *n > 0);
    let cores = count("cores").map(|n| format!("{n} {}", if n == 1 { "core" } else { "cores" }));
    let memory = count("memory_mib").map(|mib| format!("{:.0} GiB", mib as f64 / 1024.0));
    let parts = [text("cpu"), cores, memory, text("os"), text("device")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn warning(event: &Event, run: &RunDir, cell: &Cell) -> Option<String> {
    match &event.kind {
        Kind::Warning { message } => Some(without_folders(message, run, cell)),
        Kind::BudgetSpent { budget, .. } => Some(format!("the budget of {budget} energy evaluations was spent")),
        _ => None,
    }
}

/// Replaces absolute paths among settings by their last part: where this machine keeps things is nobody's business.
fn without_paths(value: &mut Value) {
    match value {
        Value::String(text) => {
            let windows = text.as_bytes().get(1..3).is_some_and(|b| b == b":\\" || b == b":/");
            if text.starts_with('/') || text.starts_with("\\\\") || windows {
                *text = text.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default().to_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_paths),
        Value::Object(fields) => fields.values_mut().for_each(without_paths),
        _ => {}
    }
}

/// The scalars of a log by name. A step that came twice (after a resume) counts once.
fn curves(log: &[Event]) -> Vec<Curve> {
    let mut found = Vec::new();
    for event in log {
        let Kind::Scalars { step, values, .. } = &event.kind else { continue };
        let finite = values.iter().filter_map(|(name, value)| Some((name, value.filter(|v| v.is_finite())?)));
        found.extend(finite.map(|(name, value)| (name, (*step, value))));
    }
    let curve = |(name, values): (&String, Vec<(u64, f64)>)| {
        let values: BTreeMap<u64, f64> = values.into_iter().collect();
        let points: Vec<(f64, f64)> = values.into_iter().map(|(step, value)| (step as f64, value)).collect();
        Curve { name: name.clone(), recorded: points.len(), points: thinned(&points) }
    };
    by_key(found).into_iter().map(curve).collect()
}

/// At most [`POINTS`] points: of each stretch its lowest and its highest, in their order.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let stretches = POINTS / 2;
    let ends = (0..stretches).flat_map(|i| {
        let places = i * points.len() / stretches..(i + 1) * points.len() / stretches;
        let by = |a: &usize, b: &usize| points[*a].1.total_cmp(&points[*b].1);
        [places.clone().min_by(by), places.max_by(by)].into_iter().flatten()
    });
    ends.collect::<BTreeSet<_>>().into_iter().map(|i| points[i]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn extremes_of_long_curves_stay() {
        let long: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), if i == 4_321 { 9.0 } else { 0.5 })).collect();
        let short = thinned(&long);
        assert!(short.len() <= POINTS && short.contains(&(4_321.0, 9.0)), "{}", short.len());
        assert!(short.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!(thinned(&long[..POINTS]), long[..POINTS]);
    }

    #[test]
    fn steps_that_came_twice_count_once() {
        let event = |n: u64, step: u64, value: Option<f64>| Event {
            n,
            time: String::new(),
            kind: Kind::Scalars { step, phase: "x".into(), values: [("loss".to_owned(), value)].into() },
        };
        let found =
            curves(&[event(0, 1, Some(3.0)), event(1, 2, None), event(2, 1, Some(3.0)), event(3, 3, Some(1.0))]);
        assert_eq!(found, [Curve { name: "loss".into(), points: vec![(1.0, 3.0), (3.0, 1.0)], recorded: 2 }]);
    }

    #[test]
    fn paths_of_this_machine_stay_here() {
        let mut settings = json!({"path": "/home/me/x.npz", "list": ["C:\\data\\y.npz"], "kind": "a/b", "n": 1});
        without_paths(&mut settings);
        assert_eq!(settings, json!({"path": "x.npz", "list": ["y.npz"], "kind": "a/b", "n": 1}));
    }

    #[test]
    fn machines_in_words() {
        let env = json!({"cpu": "AMD EPYC", "cores": 1, "memory_mib": 24_105, "os": "linux x86_64"});
        assert_eq!(machine(&env), "AMD EPYC, 1 core, 24 GiB, linux x86_64");
        assert_eq!(machine(&json!({})), "");
    }
}
