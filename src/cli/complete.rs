//! What a shell offers on TAB beyond the words of the command line: runs, systems, samplers, metrics, tags, experiments. The
//! shell calls this program for it, see [`super::manual`]; what cannot be read offers nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::experiments;
use crate::config::{self, Cell, Experiment};
use crate::metrics::METRICS;
use crate::store::{self, Filter, RunRow};
use crate::systems;

/// Most runs that are offered.
const MOST: usize = 200;

type Candidates = Vec<CompletionCandidate>;

/// Run ids, with what they are runs of.
#[must_use]
pub fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| -> Candidates {
        let prefix = current.to_string_lossy().into_owned();
        let found = recorded(&Filter { prefix: Some(prefix), limit: Some(MOST), ..Filter::default() });
        let about = |r: &RunRow| format!("{} {} seed {}, {}", r.system, r.label, r.seed, r.status);
        found.iter().map(|r| CompletionCandidate::new(&r.id).help(Some(about(r).into()))).collect()
    })
}

/// Systems that are built in.
#[must_use]
pub fn systems() -> ArgValueCompleter {
    words(|| systems::NAMES.iter().map(|s| (*s).to_owned()).collect())
}

/// Keys of systems in the experiment file of the command line, or in the recorded runs.
#[must_use]
pub fn keys_of_systems() -> ArgValueCompleter {
    words(|| keys(|cell| &cell.system, |row| &row.system))
}

/// The same of samplers.
#[must_use]
pub fn keys_of_samplers() -> ArgValueCompleter {
    words(|| keys(|cell| &cell.sampler, |row| &row.sampler))
}

/// Metric ids, with their titles.
#[must_use]
pub fn metrics() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| -> Candidates {
        let current = current.to_string_lossy();
        let fits = METRICS.iter().filter(|m| m.id.starts_with(&*current));
        fits.map(|m| CompletionCandidate::new(m.id).help(Some(m.title.into()))).collect()
    })
}

/// Tags of recorded runs.
#[must_use]
pub fn tags() -> ArgValueCompleter {
    words(|| recorded(&Filter::default()).into_iter().flat_map(|row| row.tags).collect())
}

/// Experiments that asked for recorded runs.
#[must_use]
pub fn experiment_names() -> ArgValueCompleter {
    words(|| recorded(&Filter::default()).into_iter().flat_map(|row| row.experiments).collect())
}

/// Profiles of the experiment file of the command line.
#[must_use]
pub fn profiles() -> ArgValueCompleter {
    words(|| typed_experiment().map_or_else(Vec::new, |experiment| experiment.profiles))
}

/// Those of the known words that begin as what is typed.
fn words(known: fn() -> Vec<String>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| beginning(current, known()))
}

fn beginning(current: &OsStr, known: impl IntoIterator<Item = String>) -> Candidates {
    let current = current.to_string_lossy();
    let known: BTreeSet<String> = known.into_iter().filter(|word| word.starts_with(&*current)).collect();
    known.into_iter().map(CompletionCandidate::new).collect()
}

/// Keys of the cells of the typed experiment; where none was typed, those of recorded runs.
fn keys(of_cell: fn(&Cell) -> &String, of_row: fn(&RunRow) -> &String) -> Vec<String> {
    match typed_experiment() {
        Some(experiment) => experiment.cells.iter().map(|cell| of_cell(cell).clone()).collect(),
        None => recorded(&Filter::default()).iter().map(|row| of_row(row).clone()).collect(),
    }
}

/// What was typed so far: the shell hands it over after `--`.
fn typed() -> Vec<String> {
    std::env::args().skip_while(|word| word != "--").skip(1).collect()
}

/// The experiment whose file is among what was typed.
fn typed_experiment() -> Option<Experiment> {
    let file = typed().into_iter().find(|word| word.ends_with(".toml"))?;
    config::load(file.as_ref(), None, &[]).ok()
}

/// Recorded runs in the results folder that was typed, else in the usual one.
fn recorded(filter: &Filter) -> Vec<RunRow> {
    let typed = typed();
    let after = |(option, value): (&String, &String)| (option == "--results").then(|| value.clone());
    let joined = typed.iter().find_map(|word| word.strip_prefix("--results=").map(str::to_owned));
    let results = typed.iter().zip(typed.iter().skip(1)).find_map(after).or(joined);
    let results = results.map_or_else(super::usual_results, PathBuf::from);
    if !results.join(store::NAME).is_file() {
        return Vec::new();
    }
    store::open_for_reading(&results).and_then(|connection| store::list(&connection, filter)).unwrap_or_default()
}

/// A file of experiments in `experiments/`, or any other path.
#[must_use]
pub fn experiment_files() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let typed = PathBuf::from(current);
        let folder = typed.parent().filter(|p| !p.as_os_str().is_empty());
        let here = std::fs::read_dir(folder.unwrap_or(std::path::Path::new("."))).into_iter().flatten().flatten();
        let name = |entry: std::fs::DirEntry| {
            let path = folder.map_or_else(|| PathBuf::from(entry.file_name()), |f| f.join(entry.file_name()));
            let text = path.to_str()?.to_owned();
            if path.is_dir() { Some(text + "/") } else { text.ends_with(".toml").then_some(text) }
        };
        let offered = experiments::files().into_iter().filter_map(|path| path.to_str().map(str::to_owned));
        beginning(current, offered.chain(here.filter_map(name)))
    })
}
