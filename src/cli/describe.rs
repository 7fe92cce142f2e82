//! `list` and `describe`: which metrics and systems there are, and everything about one, from what the program itself uses.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Globals, output};
use crate::error::Result;
use crate::metrics::{METRICS, Metric, by_id};
use crate::systems::{self, NAMES};

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench list metrics
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
}

/// Runs `list`.
///
/// # Errors
/// When nobody reads any more.
pub fn list(args: &ListArgs, globals: &Globals) -> Result<()> {
    let (header, entries) = match args.kind {
        Kind::Metric => {
            (["METRIC", "UNIT", "BETTER", "MEASURES"], METRICS.iter().map(metric).collect::<Result<Vec<_>>>()?)
        }
        Kind::System => {
            let all = NAMES.iter().map(|name| system(name)).collect::<Result<Vec<_>>>()?;
            (["SYSTEM", "ATOMS", "LENGTH", "IS"], all)
        }
    };
    if globals.json {
        return output::json(&entries);
    }
    let keys = match args.kind {
        Kind::Metric => ["id", "unit", "direction", "description"],
        Kind::System => ["name", "atoms", "length_unit", "description"],
    };
    let rows = entries.iter().map(|entry| keys.map(|key| word(&entry[key])).to_vec());
    let rows: Vec<Vec<String>> = std::iter::once(header.map(String::from).to_vec()).chain(rows).collect();
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
    };
    if globals.json {
        return output::json(&entry);
    }
    let fields = entry.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let rows: Vec<Vec<String>> = fields.map(|(key, value)| vec![key.replace('_', " "), word(value)]).collect();
    output::line(output::columns(&rows))
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
