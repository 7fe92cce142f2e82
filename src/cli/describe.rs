//! `list` and `describe`: what there is, and everything about one of it.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Globals, catalogue, output, schemas};
use crate::error::{Error, Result};
use crate::metrics::{METRICS, by_id};
use crate::spec::settings::{Group, Settings, fields, shown};
use crate::spec::{self, Entry, EvalSpec, KINDS, ReferenceSpec, SamplerKind};
use crate::systems::NAMES;
use crate::words::unknown;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench list metrics
  pita-bench list samplers
  pita-bench list systems --json
  pita-bench list profiles

Profiles are those of the files in experiments/, and the ready-made references of molecules.")]
pub struct ListArgs {
    /// What
    kind: Listed,
}

/// Arguments of `describe`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench describe metric energy-w1
  pita-bench describe sampler pita         # its settings: types, defaults, bounds
  pita-bench describe section metrics      # settings of [metrics]
  pita-bench describe baseline pita
  pita-bench describe profile quick
  pita-bench describe system aldp --json")]
pub struct DescribeArgs {
    /// Of what kind it is
    kind: Kind,
    /// Its name
    name: String,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Listed {
    /// What is sampled.
    #[value(alias = "system")]
    Systems,
    /// Kinds of samplers, as `kind` in an experiment.
    #[value(alias = "sampler")]
    Samplers,
    /// Columns of a table.
    #[value(alias = "metric")]
    Metrics,
    /// How long, how exact: variants of an experiment or of a reference.
    #[value(alias = "profile")]
    Profiles,
    /// Methods with numbers to compare with.
    #[value(alias = "baseline")]
    Baselines,
    /// Accepted reference ensembles.
    #[value(alias = "reference")]
    References,
    /// What `--json` prints, verb by verb.
    #[value(alias = "schema")]
    Schemas,
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
    /// A variant of an experiment or of a reference.
    #[value(alias = "profiles")]
    Profile,
    /// A method with numbers to compare with.
    #[value(alias = "baselines")]
    Baseline,
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
    let (columns, entries): (&[(&str, &str)], Vec<Value>) = match args.kind {
        Listed::Metrics => (
            &[("METRIC", "id"), ("UNIT", "unit"), ("BETTER", "direction"), ("MEASURES", "description")],
            METRICS.iter().map(|metric| json!(metric)).collect(),
        ),
        Listed::Systems => (
            &[("SYSTEM", "name"), ("ATOMS", "atoms"), ("LENGTH", "length_unit"), ("IS", "description")],
            NAMES.iter().map(|name| catalogue::system(name)).collect::<Result<_>>()?,
        ),
        Listed::Samplers => (&[("KIND", "kind"), ("IS", "description")], catalogue::samplers()),
        Listed::Profiles => (
            &[("PROFILE", "name"), ("OF", "of"), ("DEFAULT", "default"), ("IS", "description")],
            catalogue::profiles()?,
        ),
        Listed::Baselines => (
            &[
                ("BASELINE", "name"),
                ("TITLE", "title"),
                ("IS", "is"),
                ("NUMBERS", "numbers"),
                ("PUBLISHED", "published"),
            ],
            catalogue::baselines()?,
        ),
        Listed::References => (
            &[
                ("REFERENCE", "name"),
                ("SYSTEM", "system"),
                ("TEMPERATURE", "temperature"),
                ("RUNS", "runs"),
                ("IS", "description"),
            ],
            catalogue::references(&globals.results)?,
        ),
        Listed::Schemas => (&[("VERB", "verb"), ("VALUE", "shape"), ("KEYS", "keys")], schemas::all()),
    };
    let row = |entry: &Value| columns.iter().map(|(_, key)| word(&entry[*key])).collect();
    let rows = output::titled(columns.iter().map(|(title, _)| *title), entries.iter().map(row));
    globals.print(|| &entries, || output::columns(&rows))
}

/// Runs `describe`.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn describe(args: &DescribeArgs, globals: &Globals) -> Result<()> {
    let entry = match args.kind {
        Kind::Metric => json!(by_id(&args.name)?),
        Kind::System => catalogue::system(&args.name)?,
        Kind::Sampler | Kind::Section => return settings(args, globals),
        Kind::Profile => Value::Array(catalogue::profile(&args.name)?),
        Kind::Baseline => catalogue::baseline(&args.name)?,
    };
    let entries = entry.as_array().map_or_else(|| vec![&entry], |all| all.iter().collect());
    globals.print(|| &entry, || entries.into_iter().map(text).collect::<Vec<_>>().join("\n\n"))
}

/// The settings of a sampler or a section.
fn settings(args: &DescribeArgs, globals: &Globals) -> Result<()> {
    let name = args.name.as_str();
    let (what, is, entries) = if matches!(args.kind, Kind::Sampler) {
        let Some(kind) = SamplerKind::named(name) else {
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
    let value = || json!({ "kind": what, "name": name, "description": is, "settings": entries });
    let row = |entry: &Entry| {
        let default = if entry.default.is_null() { String::from("-") } else { shown(&entry.default) };
        let only = entry.only_with.iter().map(|other| format!("Only with {other}. "));
        let is = only.collect::<String>() + entry.description;
        vec![entry.setting.clone(), entry.kind.to_owned(), default, entry.expected.clone(), is]
    };
    let rows = output::titled(["SETTING", "TYPE", "DEFAULT", "EXPECTED", "IS"], entries.iter().map(row));
    globals.print(value, || format!("{name}: {is}\n\n{}", output::columns(&rows)))
}

/// Fields of an entry, and below them its lists of records as tables.
fn text(entry: &Value) -> String {
    let fields = || entry.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let records = |value: &Value| value.as_array().is_some_and(|all| all.iter().any(Value::is_object));
    let mut rows = Vec::new();
    for (key, value) in fields().filter(|(_, value)| !records(value)) {
        match value {
            Value::Object(_) => output::flatten(key, value, &mut rows),
            _ => rows.push(vec![key.replace('_', " "), word(value)]),
        }
    }
    let mut text = output::columns(&rows);
    for (key, value) in fields().filter(|(_, value)| records(value)) {
        text += &format!("\n\n{key}\n{}", output::indented(&table(value)));
    }
    text
}

/// Records as rows: a column for each field that any of them has, but for those that are empty throughout.
fn table(records: &Value) -> Vec<Vec<String>> {
    let records: Vec<&serde_json::Map<String, Value>> =
        records.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
    let empty = |value: &Value| value.is_null() || value == "";
    let mut keys: Vec<&String> = Vec::new();
    for key in records.iter().flat_map(|record| record.keys()) {
        if !keys.contains(&key) && records.iter().any(|record| record.get(key).is_some_and(|value| !empty(value))) {
            keys.push(key);
        }
    }
    let cell = |value: Option<&Value>| value.filter(|value| !empty(value)).map_or("-".into(), word);
    let rows = records.iter().map(|record| keys.iter().map(|key| cell(record.get(*key))).collect());
    output::titled(keys.iter().map(|key| key.replace('_', " ")), rows)
}

/// A value as a cell.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Array(all) if all.iter().all(Value::is_string) => output::words(value),
        Value::Array(all) => all.iter().map(word).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
