//! A TOML value that remembers where each part was written, so that merged settings still name their line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{At, Sources};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// Dates are nothing we read; kept to be refused with a clear message.
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

/// Entries in the order of the file: the order of rows in a report.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

/// One `key = value`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: At,
    pub(super) node: Node,
}

impl Node {
    /// Converts a parsed value of source number `source`.
    pub(super) fn new(sources: &Sources, source: usize, value: &Spanned<DeValue<'_>>) -> Self {
        let at = At::new(source, &value.span());
        let value = match value.get_ref() {
            DeValue::String(s) => Value::Text(s.to_string()),
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).map_or_else(
                |_| {
                    sources.problem(&at, "integer out of range", vec![format!("largest: {}", i64::MAX)]);
                    Value::Int(i64::MAX)
                },
                Value::Int,
            ),
            DeValue::Float(f) => Value::Float(f.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(b) => Value::Bool(*b),
            DeValue::Datetime(d) => Value::Date(d.to_string()),
            DeValue::Array(a) => Value::List(a.iter().map(|v| Self::new(sources, source, v)).collect()),
            DeValue::Table(t) => Value::Table(Table::new(sources, source, t)),
        };
        Self { at, value }
    }

    /// What the value is, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a string",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bool(_) => "a boolean",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The value as it would be typed; strings without quotes.
    pub(super) fn text(&self) -> String {
        match &self.value {
            Value::Text(s) | Value::Date(s) => s.clone(),
            Value::Int(i) => i.to_string(),
            Value::Float(f) => f.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::List(l) => format!("[{}]", l.iter().map(Self::text).collect::<Vec<_>>().join(", ")),
            Value::Table(_) => String::from("{..}"),
        }
    }

    /// The value as JSON, if it is of the same type as `example` (integers pass for floats; lists are all of one type).
    pub(super) fn like(&self, example: &toml::Value) -> Option<serde_json::Value> {
        use toml::Value as T;
        Some(match (&self.value, example) {
            (Value::Text(s), T::String(_)) => s.as_str().into(),
            (Value::Int(i), T::Integer(_)) => (*i).into(),
            (Value::Int(i), T::Float(_)) => (*i as f64).into(),
            (Value::Float(x), T::Float(_)) if x.is_finite() => (*x).into(),
            (Value::Bool(b), T::Boolean(_)) => (*b).into(),
            (Value::List(items), T::Array(examples)) => match examples.first() {
                Some(example) => items.iter().map(|i| i.like(example)).collect::<Option<Vec<_>>>()?.into(),
                None => return None,
            },
            _ => return None,
        })
    }

    /// The string inside, if it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The table inside, if it is one.
    pub(super) fn table(&self) -> Option<&Table> {
        if let Value::Table(t) = &self.value { Some(t) } else { None }
    }
}

impl Table {
    /// Converts a parsed table, entries in the order of the text.
    pub(super) fn new(sources: &Sources, source: usize, table: &DeTable<'_>) -> Self {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                key_at: At::new(source, &key.span()),
                node: Node::new(sources, source, value),
            })
            .collect();
        entries.sort_by(|a, b| a.key_at.cmp(&b.key_at));
        Self { entries }
    }

    /// The entry of `key`.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.key == key)
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.node)
    }

    /// The table under `key`, if there is one.
    pub(super) fn table(&self, key: &str) -> Option<&Self> {
        self.get(key).and_then(Node::table)
    }

    /// All keys, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|e| e.key.as_str())
    }

    /// Without one key.
    pub(super) fn without(mut self, key: &str) -> Self {
        self.entries.retain(|e| e.key != key);
        self
    }

    /// Lays `over` on top: tables are merged, anything else is replaced whole.
    pub(super) fn merge(&mut self, over: &Self) {
        for new in &over.entries {
            match (self.entries.iter_mut().find(|e| e.key == new.key), new.node.table()) {
                (Some(Entry { node: Node { value: Value::Table(old), .. }, .. }), Some(table)) => old.merge(table),
                (Some(old), _) => *old = new.clone(),
                (None, _) => self.entries.push(new.clone()),
            }
        }
    }

    /// With `over` laid on top.
    pub(super) fn merged(mut self, over: &Self) -> Self {
        self.merge(over);
        self
    }

    /// Sets the value at a path, making tables on the way. `keys` are the path's parts and where each was written.
    /// Returns `false` when a part of the path is there and is no table.
    pub(super) fn set(&mut self, keys: &[(String, At)], node: Node) -> bool {
        let Some(((key, at), rest)) = keys.split_first() else { return false };
        if self.entry(key).is_none() {
            let node = Node { at: at.clone(), value: Value::Table(Self::default()) };
            self.entries.push(Entry { key: key.clone(), key_at: at.clone(), node });
        }
        let Some(entry) = self.entries.iter_mut().find(|e| e.key == *key) else { return false };
        if rest.is_empty() {
            (entry.key_at, entry.node) = (at.clone(), node);
            return true;
        }
        match &mut entry.node.value {
            Value::Table(table) => table.set(rest, node),
            _ => false,
        }
    }
}
