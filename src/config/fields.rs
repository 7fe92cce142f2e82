//! Reads one table of an experiment file: types, bounds, unknown keys. Problems are noted and reading goes on with the
//! default, so that one run reports every mistake.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::baseline::{self, Baseline};
use super::source::{At, Sources, known_notes};
use super::tree::{Entry, Node, Table, Value};
use crate::error::{Error, Result};
use crate::spec::TextFile;
use crate::spec::settings::{Float, Kind, Word, at_least};
use crate::text;
use crate::words::nearest;

/// Most seeds of one experiment.
const SEEDS: usize = 10_000;

/// A table being read.
pub(super) struct Fields<'a> {
    sources: &'a Sources,
    pub(super) table: Option<&'a Table>,
    /// Dotted path, for messages; empty for the whole file.
    path: String,
    /// Where the table is named.
    pub(super) at: At,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// Reads `table` (absent: all defaults), named at `at`.
    pub(super) fn new(sources: &'a Sources, table: Option<&'a Table>, path: impl Into<String>, at: At) -> Self {
        Self { sources, table, path: path.into(), at, known: RefCell::default() }
    }

    /// Notes a problem somewhere in this table.
    pub(super) fn problem(&self, at: &At, message: impl Into<String>, notes: Vec<String>) {
        self.sources.problem(at, message, notes);
    }

    /// Full name of a field.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The raw value; the key counts as known from here on.
    pub(super) fn node(&self, key: &'static str) -> Option<&'a Node> {
        self.known.borrow_mut().push(key);
        self.table.and_then(|t| t.get(key))
    }

    /// Whether a field was written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|t| t.get(key).is_some())
    }

    /// Whether a field was written as a string.
    pub(super) fn is_text(&self, key: &str) -> bool {
        self.table.and_then(|t| t.get(key)).is_some_and(|n| n.as_text().is_some())
    }

    /// Where the last part of a dotted path that is written has its value; the table's name when none is.
    pub(super) fn place(&self, path: &str) -> At {
        let (mut table, mut at) = (self.table, &self.at);
        for key in path.split('.') {
            let Some(node) = table.and_then(|table| table.get(key)) else { break };
            (table, at) = (node.table(), &node.at);
        }
        at.clone()
    }

    /// Notes what is wrong with a setting, by its dotted path from here.
    pub(super) fn complain(&self, path: &str, message: &str, notes: Vec<String>) {
        self.problem(&self.place(path), format!("`{}` {message}", self.name(path)), notes);
    }

    pub(super) fn wrong(&self, node: &Node, key: &str, expected: &str) {
        let found = match node.value {
            Value::List(_) | Value::Table(_) => node.kind().to_owned(),
            Value::Text(_) | Value::Date(_) => format!("{} (\"{}\")", node.kind(), text::beginning(&node.text())),
            _ => format!("{} ({})", node.kind(), node.text()),
        };
        self.problem(&node.at, format!("`{}` is {found}, expected {expected}", self.name(key)), vec![]);
    }

    pub(super) fn number(&self, node: &Node, key: &str, rule: Float) -> Option<f64> {
        #[allow(clippy::cast_precision_loss)] // settings are small
        let x = match node.value {
            Value::Int(i) => i as f64,
            Value::Float(f) => f,
            _ => {
                self.wrong(node, key, rule.text());
                return None;
            }
        };
        if !rule.holds(x) {
            // Without three hundred zeros.
            let plain = x == 0.0 || (1e-5..1e15).contains(&x.abs());
            let found = if plain { x.to_string() } else { format!("{x:e}") };
            self.problem(&node.at, format!("`{}` is {found}, expected {}", self.name(key), rule.text()), vec![]);
            return None;
        }
        // -0.0 and 0.0 are one setting.
        Some(x + 0.0)
    }

    /// A float without a default.
    pub(super) fn required_float(&self, key: &'static str, rule: Float) -> Option<f64> {
        let node = self.node(key);
        if node.is_none() {
            self.missing(key, rule.text());
        }
        node.and_then(|n| self.number(n, key, rule))
    }

    /// Notes that `key` is missing.
    pub(super) fn missing(&self, key: &str, expected: &str) {
        let keys = self.table.iter().flat_map(|t| t.keys());
        let near = nearest(key, keys).map(|near| format!("did you write `{near}` for `{key}`?"));
        let message = format!("`{}` has no `{key}`, expected {expected}", self.path);
        self.problem(&self.at, message, near.into_iter().collect());
    }

    pub(super) fn integer(&self, node: &Node, key: &str, min: u64, max: u64) -> Option<u64> {
        let expected = at_least(min);
        let Value::Int(i) = node.value else {
            self.wrong(node, key, &expected);
            return None;
        };
        let expected = match u64::try_from(i) {
            Ok(i) if (min..=max).contains(&i) => return Some(i),
            Ok(i) if i > max => format!("at most {max}"),
            _ => expected,
        };
        self.problem(&node.at, format!("`{}` is {i}, expected {expected}", self.name(key)), vec![]);
        None
    }

    /// A string, not empty.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let node = self.node(key)?;
        match node.as_text() {
            Some(text) if !text.trim().is_empty() => return Some(text.to_owned()),
            Some(_) => self.complain(key, "is empty", vec![]),
            None => self.wrong(node, key, "a string"),
        }
        None
    }

    /// Notes why what a field names cannot be used.
    pub(super) fn refused(&self, key: &str, why: &Error) {
        self.problem(&self.place(key), format!("`{}`: {why}", self.name(key)), vec![]);
    }

    /// A text file, its path relative to the experiment file.
    pub(super) fn file(&self, key: &'static str) -> Option<TextFile> {
        let path = self.sources.folder().join(self.text(key)?);
        TextFile::read(&path).map_err(|e| self.refused(key, &e)).ok()
    }

    /// The folder of an external baseline, relative to the experiment file: what its `baseline.toml` says, where it lies,
    /// and the digest of its files.
    pub(super) fn baseline(&self, key: &'static str) -> Option<(Baseline, String, String)> {
        if !self.has(key) {
            self.missing(key, "the folder of a `baseline.toml`, such as \"../baselines/openmm-md\"");
        }
        let folder = self.sources.folder().join(self.text(key)?);
        let read = || -> Result<_> {
            let baseline = baseline::read_external(&folder)?;
            let folder = folder.canonicalize().map_err(Error::io(&folder))?;
            let files = self.sources.digest(&folder, baseline::digest)?;
            Ok((baseline, folder.display().to_string(), files))
        };
        read().map_err(|e| self.refused(key, &e)).ok()
    }

    /// Every value of a table whose keys and types are those of `defaults`.
    pub(super) fn values(&self, defaults: &toml::Table) -> BTreeMap<String, serde_json::Value> {
        let json = |value: &toml::Value| serde_json::to_value(value).unwrap_or_default();
        let known: Vec<&str> = defaults.keys().map(String::as_str).collect();
        let mut values: BTreeMap<_, _> = defaults.iter().map(|(key, value)| (key.clone(), json(value))).collect();
        for entry in self.table.iter().flat_map(|t| &t.entries) {
            let Some(default) = defaults.get(&entry.key) else {
                let message = format!("unknown key `{}` in `{}`", entry.key, self.path);
                self.problem(&entry.key_at, message, known_notes(&entry.key, known.iter().copied()));
                continue;
            };
            match entry.node.like(default) {
                Some(value) => _ = values.insert(entry.key.clone(), value),
                None => self.wrong(&entry.node, &entry.key, &format!("a {} as in baseline.toml", default.type_str())),
            }
        }
        values
    }

    /// One of some words.
    pub(super) fn word(&self, key: &'static str, words: &'static [Word]) -> Option<&'static str> {
        self.node(key).and_then(|node| self.one_of(node, key, words))
    }

    pub(super) fn one_of(&self, node: &Node, key: &str, words: &'static [Word]) -> Option<&'static str> {
        let Value::Text(found) = &node.value else {
            self.wrong(node, key, &Kind::Words(words).expected());
            return None;
        };
        let word = words.iter().find(|word| word.name == found);
        if word.is_none() {
            let message = format!("unknown value `{}` of `{}`", text::beginning(found), self.name(key));
            self.problem(&node.at, message, known_notes(found, words.iter().map(|word| word.name)));
        }
        word.map(|word| word.name)
    }

    /// The elements of a list.
    pub(super) fn list(&self, key: &'static str, expected: &str) -> Option<&'a [Node]> {
        let node = self.node(key)?;
        if let Value::List(list) = &node.value {
            return Some(list);
        }
        self.wrong(node, key, expected);
        None
    }

    /// Seeds: whole numbers, at least one, none twice.
    pub(super) fn seeds(&self, key: &'static str) -> Option<Vec<u64>> {
        let list = self.list(key, "a list of seeds, such as [0, 1, 2]")?;
        if list.is_empty() {
            self.complain(key, "is empty, expected at least one", vec![]);
        }
        if list.len() > SEEDS {
            self.complain(key, &format!("lists {} seeds, expected at most {SEEDS}", list.len()), vec![]);
            return None;
        }
        let (mut seeds, mut seen) = (Vec::new(), BTreeSet::new());
        for node in list {
            let Some(seed) = self.integer(node, key, 0, u64::MAX) else { continue };
            if !seen.insert(seed) {
                self.problem(&node.at, format!("seed {seed} is listed twice"), vec![]);
            }
            seeds.push(seed);
        }
        Some(seeds)
    }

    /// Names out of a known list, none twice.
    pub(super) fn names(&self, key: &'static str, what: &str, all: &[&str]) -> Option<Vec<String>> {
        let list = self.list(key, &format!("a list of {what}s"))?;
        let mut names = Vec::new();
        for node in list {
            let Value::Text(name) = &node.value else {
                self.wrong(node, key, &format!("the name of a {what}"));
                continue;
            };
            if !all.contains(&name.as_str()) {
                let message = format!("unknown {what} `{}`", text::beginning(name));
                self.problem(&node.at, message, known_notes(name, all.iter().copied()));
            } else if names.contains(name) {
                self.problem(&node.at, format!("{what} `{name}` is listed twice"), vec![]);
            } else {
                names.push(name.clone());
            }
        }
        Some(names)
    }

    /// The fields of a value that has to be a table.
    pub(super) fn child(&self, entry: &'a Entry) -> Self {
        let (node, path) = (&entry.node, self.name(&entry.key));
        if node.table().is_none() {
            self.problem(&node.at, format!("`{path}` is {}, expected a table", node.kind()), vec![]);
        }
        Self::new(self.sources, node.table(), path, entry.key_at.clone())
    }

    /// A table inside this one.
    pub(super) fn nested(&self, key: &'static str) -> Self {
        self.known.borrow_mut().push(key);
        let absent = || Self::new(self.sources, None, self.name(key), self.at.clone());
        self.table.and_then(|t| t.entry(key)).map_or_else(absent, |entry| self.child(entry))
    }

    /// Ends the reading: every key that nobody asked for is unknown.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for entry in self.table.iter().flat_map(|t| &t.entries) {
            if !known.contains(&entry.key.as_str()) {
                let place = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
                let notes = known_notes(&entry.key, known.iter().copied());
                self.problem(&entry.key_at, format!("unknown key `{}`{place}", entry.key), notes);
            }
        }
    }
}
