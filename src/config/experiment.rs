//! An experiment: file, profile, overrides and sweep, expanded into cells.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::de::DeTable;

use super::draws::Draws;
use super::overrides::{self, Axis, DEEPEST};
use super::schema::{self, Settings};
use super::source::{At, Sources, known_notes};
use super::tree::{Node, Table, Value};
use crate::disk;
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::identity;
use crate::spec::{EvalSpec, RunSpec};
use crate::text;

/// Most cells of one experiment.
const MOST_CELLS: usize = 50_000;

/// A resolved experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its file, as given.
    pub path: PathBuf,
    /// Short name, part of file names (default: the file's stem).
    pub name: String,
    /// Folder of its reports: the name; with the profile, unless that is the file's own choice, and a digest of the overrides,
    /// if there are any, so that reports of variants lie beside each other.
    pub report: String,
    /// Heading of reports (default: the name).
    pub title: String,
    /// The profile in use, if the file has any.
    pub profile: Option<String>,
    /// The profiles that the file offers.
    pub profiles: Vec<String>,
    /// Systems x samplers x sweep x seeds, in the order of the file.
    pub cells: Vec<Cell>,
    /// Ways to draw from its finished models, for `solvers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draws: Vec<Draws>,
}

/// One run of an experiment, every setting written out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Key of the row group (`[systems.KEY]`).
    pub system: String,
    /// Key of the row (`[samplers.KEY]`).
    pub sampler: String,
    /// How the sampler is called in reports.
    pub label: String,
    /// Swept settings that concern this cell: path and value, in the order of the sweep.
    pub swept: Vec<(String, String)>,
    /// Seed.
    pub seed: u64,
    /// What is run.
    pub run: RunSpec,
    /// How it is judged.
    pub eval: EvalSpec,
}

impl Cell {
    /// Name of the row in reports: the label, and the swept settings (without the sampler's own prefix) if there are any.
    #[must_use]
    pub fn row(&self) -> String {
        if self.swept.is_empty() {
            return self.label.clone();
        }
        let prefix = format!("samplers.{}.", self.sampler);
        let swept = self.swept.iter().map(|(path, value)| {
            let path = path.strip_prefix(&prefix).unwrap_or(path);
            format!("{path} = {value}")
        });
        format!("{} ({})", self.label, swept.collect::<Vec<_>>().join(", "))
    }
}

/// Reads an experiment file in a profile (default: the file's own choice), with overrides `a.b=c`.
///
/// # Errors
/// [`Error::Io`] when the file may not be read; [`Error::Usage`] when there is none, and with every mistake found (file, line, column, what was
/// expected, the nearest known key). All profiles are checked, not only the one in use.
pub fn load(path: &Path, profile: Option<&str>, overrides: &[String]) -> Result<Experiment> {
    let text = disk::read_text(path, disk::SMALL).map_err(|e| unreadable(path, e))?;
    load_text(path, text, profile, overrides)
}

/// Why a file that was named is no experiment, with the one that was perhaps meant.
fn unreadable(path: &Path, why: std::io::Error) -> Error {
    let missing = why.kind() == std::io::ErrorKind::NotFound;
    let error = Error::io(path)(why);
    if error.exit_code() != ExitCode::Data {
        return error;
    }
    let near = if missing { disk::near(path) } else { None };
    let near = near.map_or(String::new(), |near| format!("; did you mean {}?", near.display()));
    Error::Usage(format!("{error}{near}"))
}

/// The same of the text of a file; files that it names are relative to `path`.
///
/// # Errors
/// See [`load`].
pub fn load_text(path: &Path, text: String, profile: Option<&str>, overrides: &[String]) -> Result<Experiment> {
    let mut sources = Sources::new(path.display().to_string(), text);
    let axes: Vec<Axis> = overrides.iter().map(|text| overrides::parse(&mut sources, text)).collect::<Result<_>>()?;
    let tree = parse(&sources)?;
    let base = tree.clone().without("profiles");

    let profiles = profiles(&sources, &tree);
    let names: Vec<&str> = profiles.iter().map(|(name, _)| *name).collect();
    let chosen = chosen(&sources, &tree, profile, &names)?;
    let (used, others): (Vec<_>, Vec<_>) = profiles.iter().partition(|(name, _)| chosen.as_deref() == Some(*name));
    for (_, over) in others {
        expand(&sources, &base.clone().merged(over), &[]);
    }
    let merged = used.into_iter().fold(base, |base, (_, over)| base.merged(over));
    let (settings, cells) = expand(&sources, &merged, &axes);
    sources.check()?;

    let name = match settings.name {
        Some(name) => name,
        None => named_after(path)?,
    };
    let own = tree.get("profile").and_then(Node::as_text);
    let mut report = name.clone();
    if let Some(profile) = chosen.as_deref().filter(|profile| Some(*profile) != own) {
        report += &format!("-{profile}");
    }
    let mut experiment = Experiment {
        path: path.to_path_buf(),
        report,
        title: settings.title.unwrap_or_else(|| name.clone()),
        name,
        profile: chosen,
        profiles: names.into_iter().map(String::from).collect(),
        cells,
        draws: settings.draws,
    };
    experiment.set_apart(overrides);
    Ok(experiment)
}

impl Experiment {
    /// Notes that something was set or left out, in words: its reports get a folder of their own. The order does not matter.
    pub fn set_apart(&mut self, what: &[String]) {
        if what.is_empty() {
            return;
        }
        let sorted: BTreeSet<&str> = what.iter().map(|text| text.trim()).collect();
        let digest = identity::sha256_hex(sorted.into_iter().collect::<Vec<_>>().join("\n"));
        self.report += &format!("-{}", &digest[..8]);
    }
}

/// The name of an experiment that has none of its own: the stem of its file.
fn named_after(path: &Path) -> Result<String> {
    let stem = path.file_stem().map_or_else(|| "experiment".into(), |s| s.to_string_lossy().into_owned());
    match text::name(&stem) {
        Ok(()) => Ok(stem),
        Err(expected) => Err(Error::Usage(format!(
            "{}: the file's name becomes the experiment's, \"{}\": expected {expected}; give it another with `name = \"...\"`",
            path.display(),
            text::beginning(&stem)
        ))),
    }
}

fn parse(sources: &Sources) -> Result<Table> {
    match DeTable::parse(sources.text(0)) {
        Ok(table) => Ok(Table::new(sources, 0, table.get_ref())),
        Err(e) => {
            sources.problem(&At::new(0, &e.span().unwrap_or(0..0)), format!("not TOML: {}", e.message()), vec![]);
            sources.check()?;
            Err(Error::Internal(String::from("a TOML error that was not noted")))
        }
    }
}

/// The file's profiles, each a table of the sections that it may change.
fn profiles<'a>(sources: &Sources, tree: &'a Table) -> Vec<(&'a str, &'a Table)> {
    const SECTIONS: [&str; 5] = ["seeds", "systems", "samplers", "metrics", "sweep"];
    let mut profiles = Vec::new();
    let Some(node) = tree.get("profiles") else { return profiles };
    let Some(all) = node.table() else {
        sources.problem(&node.at, format!("`profiles` is {}, expected tables [profiles.NAME]", node.kind()), vec![]);
        return profiles;
    };
    for entry in &all.entries {
        let Some(table) = entry.node.table() else {
            let message = format!("`profiles.{}` is {}, expected a table", entry.key, entry.node.kind());
            sources.problem(&entry.node.at, message, vec![]);
            continue;
        };
        for inner in &table.entries {
            if !SECTIONS.contains(&inner.key.as_str()) {
                let message = format!("unknown key `{}` in `profiles.{}`", inner.key, entry.key);
                sources.problem(&inner.key_at, message, known_notes(&inner.key, SECTIONS));
            }
        }
        if let Err(expected) = text::name(&entry.key) {
            let message = format!("profile \"{}\": expected {expected}", text::beginning(&entry.key));
            sources.problem(&entry.key_at, message, vec![String::from("it names folders of reports")]);
        }
        profiles.push((entry.key.as_str(), table));
    }
    profiles
}

/// The profile to use: asked for, else the file's default.
fn chosen(sources: &Sources, tree: &Table, asked: Option<&str>, names: &[&str]) -> Result<Option<String>> {
    let known = names.iter().copied();
    if let Some(asked) = asked {
        if names.contains(&asked) {
            return Ok(Some(asked.to_owned()));
        }
        let notes = if names.is_empty() { vec!["it has no profiles".into()] } else { known_notes(asked, known) };
        return Err(Error::Usage(format!("--profile {asked}: unknown profile; {}", notes.join(" "))));
    }
    let Some(node) = tree.get("profile") else { return Ok(None) };
    match node.as_text() {
        Some(name) if names.contains(&name) => return Ok(Some(name.to_owned())),
        Some(name) => sources.problem(&node.at, format!("unknown profile `{name}`"), known_notes(name, known)),
        None => {
            let message = format!("`profile` is {}, expected the name of a profile", node.kind());
            sources.problem(&node.at, message, vec![]);
        }
    }
    Ok(None)
}

/// Cells of a merged tree. `axes` come from the command line: single values replace settings, lists sweep.
fn expand(sources: &Sources, tree: &Table, axes: &[Axis]) -> (Settings, Vec<Cell>) {
    let mut sweep: Vec<Axis> = sweep(sources, tree);
    let mut fixed: Vec<(&Axis, &Node)> = Vec::new();
    for axis in axes {
        if !axis.begins_in(sources, tree) {
            continue;
        }
        sweep.retain(|other| other.name() != axis.name());
        if axis.values.len() > 1 {
            distinct(sources, axis);
            sweep.push(axis.clone());
        } else {
            fixed.push((axis, &axis.values[0]));
        }
    }
    let mut changed = tree.clone();
    for (axis, value) in &fixed {
        axis.apply(sources, &mut changed, value);
    }
    let base = schema::settings(sources, &changed);
    let mut rows = Vec::new();
    for (s, system) in base.systems.iter().enumerate() {
        for (m, sampler) in base.samplers.iter().enumerate().filter(|(_, sampler)| sampler.runs_on(&system.key)) {
            let concerned: Vec<&Axis> = sweep.iter().filter(|a| a.concerns(&system.key, &sampler.key)).collect();
            rows.push((s, m, concerned));
        }
    }
    let cells_of = |axes: &[&Axis]| axes.iter().fold(base.seeds.len(), |n, axis| n.saturating_mul(axis.values.len()));
    let count = rows.iter().fold(0_usize, |n, (.., axes)| n.saturating_add(cells_of(axes)));
    let mut cells = Vec::new();
    if count > MOST_CELLS {
        let message = format!("{count} cells (systems x samplers x sweep x seeds), expected at most {MOST_CELLS}");
        sources.problem(&At::new(0, &(0..0)), message, vec![String::from("split it into several experiments")]);
        return (base, cells);
    }
    for (s, m, concerned) in rows {
        for point in product(&concerned) {
            let set = [&fixed[..], &point[..]].concat();
            let here = schema::settings(sources, &local(sources, tree, &base.systems[s].key, &set));
            // A sweep changes values only: positions in the lists stay, unless something was wrong (and noted).
            let (Some(system), Some(sampler)) = (here.systems.get(s), here.samplers.get(m)) else { continue };
            schema::check_ladders(sources, system, sampler);
            let swept: Vec<_> = point.iter().map(|(axis, value)| (axis.name(), value.text())).collect();
            let seeds = schema::samples::by_seed(sources, sampler, &system.key, &here.seeds);
            cells.extend(seeds.into_iter().map(|(seed, own)| Cell {
                system: system.key.clone(),
                sampler: sampler.key.clone(),
                label: sampler.label.clone(),
                swept: swept.clone(),
                seed,
                run: RunSpec { system: system.system.clone(), sampler: own },
                eval: EvalSpec { reference: system.reference.clone(), ..here.metrics.clone() },
            }));
        }
    }
    (base, cells)
}

/// The tree as one system sees it: its own settings over those of all systems, and above both what was set.
fn local(sources: &Sources, tree: &Table, system: &str, set: &[(&Axis, &Node)]) -> Table {
    let mut tree = tree.clone();
    for (axis, value) in set {
        axis.apply(sources, &mut tree, value);
    }
    schema::overlay(sources, &mut tree, system);
    for (axis, value) in set.iter().filter(|(axis, _)| axis.of_all_systems()) {
        axis.apply(sources, &mut tree, value);
    }
    tree
}

/// Every combination of the axes' values; the last axis varies fastest.
fn product<'a>(axes: &[&'a Axis]) -> Vec<Vec<(&'a Axis, &'a Node)>> {
    axes.iter().fold(vec![Vec::new()], |points, &axis| {
        let extend = |point: &Vec<_>| {
            let point = point.clone();
            axis.values.iter().map(move |value| [point.clone(), vec![(axis, value)]].concat()).collect::<Vec<_>>()
        };
        points.iter().flat_map(extend).collect()
    })
}

/// The `[sweep]` section: paths (quoted, or as dotted keys) with lists of values.
fn sweep(sources: &Sources, tree: &Table) -> Vec<Axis> {
    let mut axes = Vec::new();
    match tree.get("sweep") {
        None => {}
        Some(Node { value: Value::Table(table), .. }) => collect(sources, table, &mut Vec::new(), &mut axes),
        Some(node) => sources.problem(&node.at, format!("`sweep` is {}, expected a table", node.kind()), vec![]),
    }
    axes.retain(|axis| axis.begins_in(sources, tree));
    axes
}

fn collect(sources: &Sources, table: &Table, path: &mut Vec<(String, At)>, axes: &mut Vec<Axis>) {
    for entry in &table.entries {
        let depth = path.len();
        path.extend(entry.key.split('.').map(|part| (part.to_owned(), entry.key_at.clone())));
        if path.len() > DEEPEST {
            let message = format!("`{}` goes through too many tables", text::beginning(&entry.key));
            sources.problem(&entry.key_at, message, vec![]);
            path.truncate(depth);
            continue;
        }
        match &entry.node.value {
            Value::Table(inner) => collect(sources, inner, path, axes),
            Value::List(values) if !values.is_empty() => {
                let axis = Axis { path: path.clone(), values: values.clone() };
                distinct(sources, &axis);
                axes.push(axis);
            }
            _ => {
                let message = format!("sweep over `{}` expects a list of values", entry.key);
                sources.problem(&entry.node.at, message, vec![]);
            }
        }
        path.truncate(depth);
    }
}

/// A value listed twice would run the same cell twice.
fn distinct(sources: &Sources, axis: &Axis) {
    let mut seen = BTreeSet::new();
    for value in &axis.values {
        if !seen.insert(value.text()) {
            let message = format!("sweep over `{}` lists {} twice", axis.name(), value.text());
            sources.problem(&value.at, message, vec![]);
        }
    }
}
