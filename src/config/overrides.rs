//! `-s a.b=c` on the command line. The value is TOML; a bare word is a string; a comma list sweeps.

use toml::de::DeValue;

use super::source::{At, Sources, known_notes};
use super::tree::{Entry, Node, Table, Value};
use crate::error::{Error, Result};
use crate::text;

/// What an override may reach.
const REACH: [&str; 4] = ["seeds", "systems", "samplers", "metrics"];
/// Fields that are lists themselves: a comma list is their value, not a sweep.
const LISTS: [&str; 3] = ["seeds", "ids", "ladder"];

/// Most parts of a path: settings lie a few tables deep.
pub(super) const DEEPEST: usize = 16;

/// A setting with the values it takes: one from `-s a.b=c`, several from a sweep.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) path: Vec<(String, At)>,
    pub(super) values: Vec<Node>,
}

impl Axis {
    /// The path as text.
    pub(super) fn name(&self) -> String {
        self.path.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(".")
    }

    /// Whether it changes the cells of this system and sampler.
    pub(super) fn concerns(&self, system: &str, sampler: &str) -> bool {
        let (section, name) = (self.path[0].0.as_str(), self.path.get(1).map(|p| p.0.as_str()));
        let own = |k: usize| self.path.get(k).map(|p| p.0.as_str());
        match section {
            "systems" => name == Some(system) && (own(2) != Some("samplers") || own(3) == Some(sampler)),
            "samplers" => name == Some(sampler),
            _ => true,
        }
    }

    /// Whether it sets something that a system may have settings of its own for.
    pub(super) fn of_all_systems(&self) -> bool {
        matches!(self.path[0].0.as_str(), "samplers" | "metrics")
    }

    /// Checks that the path begins in `tree`: a section, and an existing table there. (Its last keys are checked when
    /// they are read.) Notes a problem otherwise.
    pub(super) fn begins_in(&self, sources: &Sources, tree: &Table) -> bool {
        let (section, at) = &self.path[0];
        if !REACH.contains(&section.as_str()) {
            sources.problem(at, format!("unknown setting `{section}`"), known_notes(section, REACH));
            return false;
        }
        let named = matches!(section.as_str(), "systems" | "samplers");
        if named {
            let Some(table) = tree.table(section) else { return false };
            let Some((name, name_at)) = self.path.get(1) else {
                let message = format!("`{section}` is a whole section, expected {section}.NAME.FIELD");
                sources.problem(at, message, vec![]);
                return false;
            };
            if table.get(name).is_none() {
                sources.problem(name_at, format!("unknown table `{section}.{name}`"), known_notes(name, table.keys()));
                return false;
            }
        }
        true
    }

    /// Lays one value over a tree.
    pub(super) fn apply(&self, sources: &Sources, tree: &mut Table, value: &Node) {
        if !tree.set(&self.path, value.clone()) {
            let at = &self.path[self.path.len() - 1].1;
            sources.problem(at, format!("`{}` goes through something that is no table", self.name()), vec![]);
        }
    }
}

/// Parses the text of one override.
///
/// # Errors
/// [`Error::Usage`] when it has no `=` or an empty path or value.
pub(super) fn parse(sources: &mut Sources, text: &str) -> Result<Axis> {
    let bad = |what: &str| {
        let text = text::beginning(text);
        Error::Usage(format!("-s {text}: {what}, expected PATH=VALUE such as samplers.pita.train.steps=100"))
    };
    let (path, value) = text.split_once('=').ok_or_else(|| bad("no `=`"))?;
    if path.split('.').any(|part| part.trim().is_empty()) {
        return Err(bad("an empty part in the path"));
    }
    if path.split('.').count() > DEEPEST {
        return Err(bad("a path through too many tables"));
    }
    if value.trim().is_empty() {
        return Err(bad("no value"));
    }
    let source = sources.add_override(text);
    let mut start = 0;
    let mut place = |part: &str| {
        let at = At::new(source, &(start..start + part.len()));
        start += part.len() + 1;
        at
    };
    let keys: Vec<_> = path.split('.').map(|part| (part.trim().to_owned(), place(part))).collect();
    let mut values: Vec<Node> =
        split(value).into_iter().map(|piece| one(sources, source, piece, place(piece))).collect();
    let is_list = keys.last().is_some_and(|(key, _)| LISTS.contains(&key.as_str()));
    let lists = values.iter().any(|v| matches!(v.value, Value::List(_)));
    if is_list && !lists {
        let at = At::new(source, &(path.len() + 1..text.len()));
        values = vec![Node { at, value: Value::List(values) }];
    }
    Ok(Axis { path: keys, values })
}

/// One value: TOML if it parses, else a bare word.
fn one(sources: &Sources, source: usize, piece: &str, at: At) -> Node {
    match DeValue::parse(piece.trim()) {
        Ok(value) => relocate(Node::new(sources, source, &value), &at),
        Err(_) => Node { at, value: Value::Text(piece.trim().to_owned()) },
    }
}

/// Spans inside the value count from its own beginning: point at the whole value instead.
fn relocate(node: Node, at: &At) -> Node {
    let value = match node.value {
        Value::List(list) => Value::List(list.into_iter().map(|n| relocate(n, at)).collect()),
        Value::Table(table) => {
            let inner = |e: Entry| Entry { key: e.key, key_at: at.clone(), node: relocate(e.node, at) };
            Value::Table(Table { entries: table.entries.into_iter().map(inner).collect() })
        }
        other => other,
    };
    Node { at: at.clone(), value }
}

/// Splits at commas outside brackets and quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start) = (0_i32, None, 0);
    let mut pieces = Vec::new();
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), _) if q == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                pieces.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let mut sources = Sources::new(String::new(), String::new());
        parse(&mut sources, text).unwrap().values.iter().map(|v| format!("{} {}", v.kind(), v.text())).collect()
    }

    #[test]
    fn values_are_toml_or_bare_words() {
        assert_eq!(values("a.b=1"), ["an integer 1"]);
        assert_eq!(values("a.b=1e-3,0.5"), ["a float 0.001", "a float 0.5"]);
        assert_eq!(values("a.b=kernel-ratio,none"), ["a string kernel-ratio", "a string none"]);
        assert_eq!(values("a.b='x,y'"), ["a string x,y"]);
        assert_eq!(values("a.b=true"), ["a boolean true"]);
        assert_eq!(values("a.ladder=4,2"), ["a list [4, 2]"]);
        assert_eq!(values("a.ladder=[4,2],[3,2]"), ["a list [4, 2]", "a list [3, 2]"]);
        assert_eq!(values("seeds=3"), ["a list [3]"]);
    }

    #[test]
    fn malformed() {
        let mut sources = Sources::new(String::new(), String::new());
        for text in ["a.b", "=1", "a..b=1", "a.b=", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1"] {
            let message = parse(&mut sources, text).unwrap_err().to_string();
            assert!(message.starts_with(&format!("-s {text}: ")), "{message}");
        }
    }
}
