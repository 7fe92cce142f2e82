//! What there is, as JSON: systems, kinds of samplers, metrics, profiles, baselines. From what the program itself uses.

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::experiments;
use crate::config::{self, ReferenceProfile};
use crate::error::{Error, Result};
use crate::exec::forecast;
use crate::exec::references::accepted;
use crate::plan::cost;
use crate::report::baselines::{self, Baseline, Kind};
use crate::report::table::number;
use crate::spec::{KINDS, ReferenceSpec, SystemSpec};
use crate::systems::{self, molecules};
use crate::words;

/// Kinds of samplers.
#[must_use]
pub fn samplers() -> Vec<Value> {
    KINDS.iter().map(|kind| json!({ "kind": kind.name, "description": kind.doc })).collect()
}

/// A built-in system.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn system(name: &str) -> Result<Value> {
    /// Any will do: nothing here depends on it.
    const TEMPERATURE: f64 = 300.0;
    let system = systems::by_name(name, TEMPERATURE)?;
    let molecule = system.topology.as_ref();
    let energy = if molecule.is_some() { "kJ/mol" } else { "reduced" };
    let description = match molecule {
        Some(topology) => {
            let residues: Vec<String> = topology.residues.iter().map(|r| format!("{}{}", r.name, r.number)).collect();
            format!("molecule {}, {} bonds", residues.join("-"), topology.bonds.len())
        }
        None => "cluster of identical Lennard-Jones particles in a harmonic well, reduced units".to_owned(),
    };
    Ok(json!({
        "name": system.name,
        "description": description,
        "energy_function": systems::energy_tag(name),
        "atoms": system.atoms,
        "length_unit": system.length_unit,
        "energy_unit": energy,
        "temperature_unit": if molecule.is_some() { "K" } else { "reduced" },
        "energy_terms": system.potential().term_names(),
    }))
}

/// Accepted reference ensembles of the program and of a results folder.
///
/// # Errors
/// When one is damaged.
pub fn references(results: &Path) -> Result<Vec<Value>> {
    let one = |name: &String| {
        let (card, digest) = accepted::card(results, name)?;
        let runs = card.runs.len();
        let (evaluations, floor) = (card.report.counts.charged(), number(card.report.split_energy_w1));
        Ok(json!({
            "name": name, "system": card.system.name, "temperature": card.system.temperature, "runs": runs, "digest": digest,
            "description": format!("{runs} runs, {evaluations} energy evaluations; Energy-W1 {floor} between them"),
        }))
    };
    accepted::names(results).iter().map(one).collect()
}

/// Profiles: those of the experiment files in `experiments/`, and the ready-made ones of references of molecules. A file that
/// cannot be read has its reason in place of cells.
///
/// # Errors
/// When a system cannot be built.
pub fn profiles() -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for file in experiments::files() {
        let of = file.display().to_string();
        let Ok(experiment) = config::load(&file, None, &[]) else {
            let why = "cannot be read: `sweep` says why";
            found.push(json!({"name": null, "of": of, "default": false, "description": why}));
            continue;
        };
        for name in &experiment.profiles {
            let loaded = config::load(&file, Some(name), &[])?;
            let seeds: BTreeSet<u64> = loaded.cells.iter().map(|cell| cell.seed).collect();
            let cells = loaded.cells.len();
            found.push(json!({
                "name": name, "of": of, "default": experiment.profile.as_ref() == Some(name),
                "description": format!("{cells} cells, {} seeds", seeds.len()), "cells": cells, "seeds": seeds,
            }));
        }
    }
    for (word, profile) in ReferenceProfile::WORDS.iter().zip(ReferenceProfile::value_variants()) {
        found.push(reference(word.name, *profile)?);
    }
    Ok(found)
}

/// A ready-made reference: what it costs on each built-in molecule.
fn reference(name: &str, profile: ReferenceProfile) -> Result<Value> {
    let mut costs = serde_json::Map::new();
    let mut words = Vec::new();
    for molecule in molecules::NAMES {
        let spec = SystemSpec::named(molecule, 300.0);
        let atoms = systems::build(&spec)?.atoms;
        let cost = cost::reference(&ReferenceSpec::ready_made(&spec, profile), atoms, true);
        let evaluations = cost.evaluations.unwrap_or(0);
        words.push(format!("{molecule} {:.0} million evaluations", evaluations as f64 / 1e6));
        costs.insert((*molecule).to_owned(), json!({"evaluations": evaluations, "disk": forecast::bytes(cost.disk)}));
    }
    Ok(json!({
        "name": name, "of": "reference", "default": name == "quick",
        "description": format!("at 300 K: {}", words.join(", ")), "costs": costs,
    }))
}

/// One profile by its name: everywhere where it is.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn profile(name: &str) -> Result<Vec<Value>> {
    let all = profiles()?;
    let found: Vec<Value> = all.iter().filter(|p| p["name"] == name).cloned().collect();
    if found.is_empty() {
        let known: BTreeSet<&str> = all.iter().filter_map(|p| p["name"].as_str()).collect();
        return Err(Error::Usage(words::unknown("profile", name, &Vec::from_iter(known))));
    }
    Ok(found)
}

/// Methods that tables know by name.
///
/// # Errors
/// When a compiled-in file is malformed.
pub fn baselines() -> Result<Vec<Value>> {
    Ok(baselines::all()?.iter().map(summary).collect())
}

/// One of them, with its numbers.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn baseline(name: &str) -> Result<Value> {
    let all = baselines::all()?;
    let Some(found) = all.iter().find(|b| b.name == name) else {
        let known: Vec<&str> = all.iter().map(|b| b.name.as_str()).collect();
        return Err(Error::Usage(words::unknown("baseline", name, &known)));
    };
    let mut value = summary(found);
    value["expected"] = json!(found.expected);
    Ok(value)
}

fn summary(baseline: &Baseline) -> Value {
    let is = match baseline.kind {
        Kind::BuiltIn => "built in",
        Kind::External => "external program",
        Kind::Published => "published numbers only",
    };
    let published = baseline.expected.iter().filter(|e| e.published.is_some()).count();
    json!({
        "name": baseline.name, "title": baseline.title, "is": is, "sampler": baseline.sampler,
        "numbers": baseline.expected.len(), "published": published,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::METRICS;

    #[test]
    fn everything_can_be_described() {
        for m in METRICS {
            let value = json!(m);
            let words = ["id", "title", "unit", "direction", "scope", "description", "source"];
            assert!(words.iter().all(|k| value[*k].is_string()));
            assert_eq!(value["version"], m.version);
        }
        for name in systems::NAMES {
            let value = system(name).unwrap();
            assert!(value["atoms"].as_u64() > Some(0) && !value["energy_terms"].as_array().unwrap().is_empty());
        }
        for entry in baselines().unwrap() {
            let found = baseline(entry["name"].as_str().unwrap()).unwrap();
            assert_eq!(found["expected"].as_array().unwrap().len() as u64, entry["numbers"].as_u64().unwrap());
        }
        let quick = profile("quick").unwrap();
        let reference = quick.iter().find(|p| p["of"] == "reference").unwrap();
        assert!(reference["costs"]["aldp"]["evaluations"].as_u64() > Some(1_000_000));
        assert!(profile("quik").unwrap_err().to_string().contains("did you mean `quick`?"));
        assert!(baseline("pitta").unwrap_err().to_string().contains("did you mean `pita`?"));
    }
}
