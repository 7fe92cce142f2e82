//! Settings as a list, for whoever wants to know what there is.

use serde::Serialize;
use serde_json::{Map, Value};

use super::settings::{AUTO, Group, Kind, Rule, Word, one_of};

/// A setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Dotted path in its section.
    pub setting: String,
    /// `integer`, `number`, `boolean`, `word`, `list of numbers`, `table` and so on.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its value where nothing is written; null for none.
    pub default: Value,
    /// What it may be.
    pub expected: String,
    /// Another setting that it belongs to, such as `net.backbone = "dit"`.
    pub only_with: Option<String>,
    /// What each word means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// What it is.
    pub description: &'static str,
}

/// The settings of a group whose defaults are `values`.
#[must_use]
pub fn list(group: &Group, values: &Map<String, Value>) -> Vec<Entry> {
    let mut entries = Vec::new();
    walk(group, values, "", None, &mut entries);
    entries
}

fn walk(group: &Group, values: &Map<String, Value>, path: &str, with: Option<&str>, entries: &mut Vec<Entry>) {
    if let Some(preset) = group.preset {
        let (rule, default) = (one_of(preset.words), preset.words[0].name.into());
        entries.push(entry(&rule, preset.doc, format!("{path}{}", preset.key), default, with));
    }
    for setting in group.settings {
        let own = group.preset.zip(setting.rule.with);
        let own = own.map(|(preset, word)| format!("{path}{} = \"{word}\"", preset.key));
        let with = own.as_deref().or(with);
        let value = values.get(setting.name).filter(|value| !value.is_null());
        let inner = |group: &Group| value.and_then(Value::as_object).cloned().unwrap_or_else(group.default);
        let key = format!("{path}{}", setting.key());
        match setting.rule.kind {
            Kind::Hidden => {}
            Kind::Inline(group) => walk(group, &inner(group), path, with, entries),
            Kind::Table(group) | Kind::Optional(group) => {
                entries.push(entry(&setting.rule, setting.doc, key.clone(), Value::Null, with));
                walk(group, &inner(group), &format!("{key}."), with, entries);
            }
            kind => {
                // A record leaves out what is as it always was: the default of the field.
                let default = if setting.rule.required { Some(Value::Null) } else { value.cloned() };
                entries.push(entry(
                    &setting.rule,
                    setting.doc,
                    key.clone(),
                    default.unwrap_or_else(setting.default),
                    with,
                ));
                if let Kind::Ladder(_, Some(group)) = kind {
                    let with = format!("{key} = \"{}\"", AUTO[0].name);
                    walk(group, &(group.default)(), path, Some(&with), entries);
                }
            }
        }
    }
    others(group, values, path, entries);
}

/// Settings whose default is another one with another word of the group's preset.
fn others(group: &Group, values: &Map<String, Value>, path: &str, entries: &mut Vec<Entry>) {
    let Some(preset) = group.preset else { return };
    for word in preset.words {
        let Some(others) = (preset.values)(word.name) else { continue };
        let with = format!("{path}{} = \"{}\"", preset.key, word.name);
        for setting in
            group.settings.iter().filter(|s| s.rule.with.is_none() && others.get(s.name) != values.get(s.name))
        {
            let default = others.get(setting.name).cloned().unwrap_or_else(setting.default);
            entries.push(entry(&setting.rule, setting.doc, format!("{path}{}", setting.key()), default, Some(&with)));
        }
    }
}

fn entry(rule: &Rule, doc: &'static str, setting: String, default: Value, with: Option<&str>) -> Entry {
    Entry {
        setting,
        kind: rule.kind.name(),
        default,
        expected: rule.expected(),
        only_with: with.map(str::to_owned),
        words: if let Kind::Words(words) = rule.kind { words.to_vec() } else { Vec::new() },
        description: doc,
    }
}
