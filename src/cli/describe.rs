//! `list` and `describe`: which metrics, systems, samplers and sections there are, and everything about one, from what the program
//! itself uses.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Globals, output};
use crate::error::{Error, Result};
use crate::metrics::{METRICS, Metric, by_id};
use crate::spec::settings::{Group, Settings, fields, shown};
use crate::spec::{self, Entry, EvalSpec, KINDS, ReferenceSpec};
use crate::systems::{self, NAMES};
use crate::words::unknown;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench list metrics
  pita-bench list samplers
  pita-bench list systems --json")]
pub struct ListArgs {
    /// What
    kind: Kind,
}

/// Arguments of `describe`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench describe metric energy-w1
  pita-bench describe sampler pita         # its settings: types, defaults, bounds
  pita-bench describe section metrics      # settings of [metrics]
  pita-bench describe system aldp --json")]
pub struct DescribeArgs {
    /// Of what kind it is
    kind: Kind,
    /// Its name
    name: String,
}

/// What can be described.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// A column of a table.
    #[value(alias = "metrics")]
    Metric,
    /// What is sampled.
    #[value(alias = "systems")]
    System,
    /// What samples: a `kind` of experiment files, with its settings.
    #[value(alias = "samplers")]
    Sampler,
    /// Another table of experiment files, with its settings.
    #[value(alias = "sections")]
    Section,
}

/// Tables of experiment files that are no samplers.
const SECTIONS: [(&str, &str, &Group); 2] = [
    ("metrics", "[metrics]: how samples are judged", EvalSpec::GROUP),
    ("reference", "[systems.NAME.reference]: the ensemble that samples are compared with", ReferenceSpec::GROUP),
];

/// Runs `list`.
///
/// # Errors
/// When nobody reads any more.
pub fn list(args: &ListArgs, globals: &Globals) -> Result<()> {
    let (header, entries) = match args.kind {
        Kind::Metric => {
            (vec!["METRIC", "UNIT", "BETTER", "MEASURES"], METRICS.iter().map(metric).collect::<Result<Vec<_>>>()?)
        }
        Kind::System => {
            let all = NAMES.iter().map(|name| system(name)).collect::<Result<Vec<_>>>()?;
            (vec!["SYSTEM", "ATOMS", "LENGTH", "IS"], all)
        }
        Kind::Sampler => {
            let all = KINDS.iter().map(|kind| json!({ "name": kind.name, "description": kind.doc }));
            (vec!["SAMPLER", "IS"], all.collect())
        }
        Kind::Section => {
            let all = SECTIONS.iter().map(|(name, is, _)| json!({ "name": name, "description": is }));
            (vec!["SECTION", "IS"], all.collect())
        }
    };
    if globals.json {
        return output::json(&entries);
    }
    let keys: &[&str] = match args.kind {
        Kind::Metric => &["id", "unit", "direction", "description"],
        Kind::System => &["name", "atoms", "length_unit", "description"],
        Kind::Sampler | Kind::Section => &["name", "description"],
    };
    let rows = entries.iter().map(|entry| keys.iter().map(|key| word(&entry[key])).collect());
    let header = header.into_iter().map(String::from).collect();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    output::line(output::columns(&rows))
}

/// Runs `describe`.
///
/// # Errors
/// [`Error::Usage`](crate::error::Error::Usage) for an unknown name.
pub fn describe(args: &DescribeArgs, globals: &Globals) -> Result<()> {
    let entry = match args.kind {
        Kind::Metric => metric(by_id(&args.name)?)?,
        Kind::System => system(&args.name)?,
        Kind::Sampler | Kind::Section => return settings(args, globals),
    };
    if globals.json {
        return output::json(&entry);
    }
    let fields = entry.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let rows: Vec<Vec<String>> = fields.map(|(key, value)| vec![key.replace('_', " "), word(value)]).collect();
    output::line(output::columns(&rows))
}

/// The settings of a sampler or a section.
fn settings(args: &DescribeArgs, globals: &Globals) -> Result<()> {
    let name = args.name.as_str();
    let (what, is, entries) = if matches!(args.kind, Kind::Sampler) {
        let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            return Err(Error::Usage(unknown("kind of sampler", name, &known)));
        };
        ("sampler", kind.doc, spec::list(kind.settings, &fields(&(kind.default)())))
    } else {
        let Some((_, is, group)) = SECTIONS.iter().find(|(known, ..)| *known == name) else {
            return Err(Error::Usage(unknown("section", name, &SECTIONS.map(|(name, ..)| name))));
        };
        ("section", *is, spec::list(group, &(group.default)()))
    };
    if globals.json {
        return output::json(&json!({ "kind": what, "name": name, "description": is, "settings": entries }));
    }
    let header = ["SETTING", "TYPE", "DEFAULT", "EXPECTED", "IS"].map(String::from).to_vec();
    let row = |entry: &Entry| {
        let default = if entry.default.is_null() { String::from("-") } else { shown(&entry.default) };
        let only = entry.only_with.iter().map(|other| format!("Only with {other}. "));
        let is = only.collect::<String>() + entry.description;
        vec![entry.setting.clone(), entry.kind.to_owned(), default, entry.expected.clone(), is]
    };
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(entries.iter().map(row)).collect();
    output::line(format!("{name}: {is}\n\n{}", output::columns(&rows)))
}

fn metric(metric: &Metric) -> Result<Value> {
    serde_json::to_value(metric).map_err(|e| crate::error::Error::Internal(format!("metrics as JSON: {e}")))
}

fn system(name: &str) -> Result<Value> {
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

/// A value as a cell.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) => output::words(value),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_described() {
        for m in METRICS {
            let value = metric(m).unwrap();
            assert!(
                ["id", "title", "unit", "direction", "scope", "description", "source"]
                    .iter()
                    .all(|k| value[*k].is_string())
            );
            assert_eq!(value["version"], m.version);
        }
        for name in NAMES {
            let value = system(name).unwrap();
            assert!(value["atoms"].as_u64() > Some(0) && !value["energy_terms"].as_array().unwrap().is_empty());
        }
    }
}
