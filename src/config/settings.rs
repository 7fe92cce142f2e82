//! Reads the settings that `spec` declares: what a table says, laid over the values at hand.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::fields::Fields;
use super::tree::{Node, Value};
use crate::spec::settings::{self, AUTO, Float, Group, Kind, Setting, Settings, shown};

impl Fields<'_> {
    /// Settings over `values`. Keys of other settings are left to others.
    pub(super) fn settings<T: Settings>(&self, values: T) -> T {
        self.over(T::GROUP, &values).unwrap_or(values)
    }

    /// The settings of `group` over `values`, which may have other fields beside them.
    pub(super) fn over<T: Serialize + DeserializeOwned>(&self, group: &'static Group, values: &T) -> Option<T> {
        let read = serde_json::from_value(Json::Object(self.group(group, settings::fields(values))));
        let problem =
            |e| self.problem(&self.at, format!("a mistake of this program: settings that do not fit: {e}"), vec![]);
        read.map_err(problem).ok()
    }

    /// The same as JSON.
    fn group(&self, group: &'static Group, mut values: Map<String, Json>) -> Map<String, Json> {
        let word = group.preset.map(|preset| {
            let word = self.word(preset.key, preset.words).unwrap_or(preset.words[0].name);
            if let Some(others) = (preset.values)(word) {
                values = others;
            }
            word
        });
        for setting in group.settings.iter().filter(|s| s.rule.with.is_none_or(|with| word == Some(with))) {
            let here = values.get(setting.name).filter(|value| !value.is_null());
            if let Some(read) = self.setting(setting, here) {
                values.insert(setting.name.to_owned(), read);
            }
        }
        let values = Json::Object(values);
        for setting in group.settings.iter().filter(|s| !values[s.name].is_null()) {
            let value = &values[setting.name];
            for limit in setting.rule.limits {
                if let Some(expected) = limit.broken(value, |key| values[key].clone()) {
                    self.complain(setting.key(), &format!("is {}, expected {expected}", shown(value)), vec![]);
                }
            }
        }
        for complaint in (group.check)(&values) {
            self.complain(complaint.setting, &complaint.message, complaint.notes);
        }
        if let Json::Object(values) = values { values } else { Map::new() }
    }

    /// What is written for a setting whose value is `here`, if anything right is.
    fn setting(&self, setting: &'static Setting, here: Option<&Json>) -> Option<Json> {
        let key = setting.key();
        let kind = setting.rule.kind;
        let inner = |fields: &Fields<'_>, group: &'static Group| {
            let base = here.and_then(Json::as_object).cloned().unwrap_or_else(group.default);
            Some(Json::Object(fields.group(group, base)))
        };
        match kind {
            Kind::Hidden | Kind::Special(..) => None,
            Kind::Table(group) | Kind::Optional(group) => {
                let fields = self.nested(key);
                if matches!(kind, Kind::Optional(_)) && fields.table.is_none() {
                    return None;
                }
                let read = inner(&fields, group);
                fields.finish();
                read
            }
            Kind::Inline(group) => here.and_then(|_| inner(self, group)),
            Kind::Ladder(_, Some(auto)) if self.is_text(key) => {
                self.word(key, AUTO);
                Some(Json::Object(self.group(auto, (auto.default)())))
            }
            _ => {
                let node = self.node(key);
                if node.is_none() && setting.rule.required {
                    self.missing(key, &setting.rule.expected());
                }
                self.value(node?, key, kind)
            }
        }
    }

    /// A value that is no table.
    fn value(&self, node: &Node, key: &'static str, kind: Kind) -> Option<Json> {
        match kind {
            Kind::Count(least, most) => self.integer(node, key, least, most).map(Json::from),
            Kind::Among(_) | Kind::Flag => {
                let found = match (kind, &node.value) {
                    (Kind::Among(all), Value::Int(i)) => {
                        u64::try_from(*i).ok().filter(|n| all.contains(n)).map(Json::from)
                    }
                    (Kind::Flag, Value::Bool(flag)) => Some(Json::from(*flag)),
                    _ => None,
                };
                if found.is_none() {
                    self.wrong(node, key, &kind.expected());
                }
                found
            }
            Kind::Float(rule) => self.number(node, key, rule).map(Json::from),
            Kind::Words(words) => self.one_of(node, key, words).map(Json::from),
            Kind::Ladder(least, _) => self.ladder(node, key, least),
            Kind::Table(_) | Kind::Optional(_) | Kind::Inline(_) | Kind::Special(..) | Kind::Hidden => None,
        }
    }

    /// Temperatures from high to low, at least so many.
    fn ladder(&self, node: &Node, key: &'static str, least: usize) -> Option<Json> {
        let Value::List(list) = &node.value else {
            self.wrong(node, key, &Kind::Ladder(least, None).expected());
            return None;
        };
        let mut ladder: Vec<f64> = Vec::new();
        for node in list {
            let Some(t) = self.number(node, key, Float::Temperature) else { continue };
            if let Some(&last) = ladder.last().filter(|&&last| t >= last) {
                let message = format!("`{}` does not descend: {t} comes after {last}", self.name(key));
                self.problem(&node.at, message, vec![String::from("list temperatures from high to low, none twice")]);
            }
            ladder.push(t);
        }
        if ladder.len() < least {
            let note = vec![String::from("temperatures above the target, high to low, such as [4.0, 2.0]")];
            self.complain(key, "is empty, expected at least one", note);
        }
        Some(ladder.into())
    }
}
