//! Settings of a row that differ from the defaults of its kind, or from those of another row of the same kind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

use super::shell;
use crate::identity::explain;
use crate::report::detail::Detail;
use crate::spec::settings::fields;
use crate::spec::{SamplerKind, list};
use crate::text::{self, html as escape};

/// One setting that is not as in the defaults, or not as in a sibling.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    /// Dotted path.
    pub(super) path: String,
    /// Here.
    pub(super) here: String,
    /// In the defaults of the kind.
    pub(super) default: String,
    /// In rows of the same kind that have it otherwise: row and value.
    pub(super) siblings: Vec<(String, String)>,
    /// What it is.
    pub(super) about: &'static str,
}

/// The settings of a row that differ; `siblings` are the other rows of the table with their details.
pub(super) fn differing(detail: &Detail, siblings: &[(&str, &Detail)]) -> Vec<Setting> {
    let kind = SamplerKind::named(&detail.kind);
    let default = kind.map(|k| serde_json::to_value((k.default)()).unwrap_or_default());
    let about: BTreeMap<String, &'static str> = kind.map_or_else(BTreeMap::new, |k| {
        let entries = list(k.settings, &fields(&(k.default)()));
        entries.into_iter().map(|e| (e.setting, e.description)).collect()
    });
    let setting = |path: &String| Setting {
        path: path.clone(),
        here: shown(at(&detail.settings, path)),
        default: default.as_ref().map_or(String::new(), |default| shown(at(default, path))),
        siblings: vec![],
        about: about.get(path).copied().unwrap_or_default(),
    };
    let own = default.iter().flat_map(|default| changed(default, &detail.settings));
    let mut found: BTreeMap<String, Setting> = own.map(|path| (path.clone(), setting(&path))).collect();
    for (label, other) in siblings.iter().filter(|(_, other)| other.kind == detail.kind) {
        for path in changed(&detail.settings, &other.settings) {
            let theirs = ((*label).to_owned(), shown(at(&other.settings, &path)));
            found.entry(path).or_insert_with_key(setting).siblings.push(theirs);
        }
    }
    found.into_values().collect()
}

/// Paths of the settings that differ. A list is one setting, whichever of its elements differ.
fn changed(a: &Value, b: &Value) -> BTreeSet<String> {
    let whole = |path: &str| -> String {
        let names = path.split('.').take_while(|part| part.parse::<usize>().is_err());
        names.collect::<Vec<_>>().join(".")
    };
    explain(a, b).iter().map(|d| whole(&d.path)).collect()
}

/// The value at a dotted path.
fn at<'a>(settings: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(settings, |value, name| value.get(name))
}

/// A value as in experiment files, cut where it is long.
fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".into(),
        Some(Value::String(s)) => text::beginning(s),
        Some(other) => text::beginning(&other.to_string().replace(',', ", ").replace('"', "")),
    }
}

pub(super) fn put(out: &mut String, settings: &[Setting], kind: &str) {
    out.push_str("<section><h4>Settings that differ</h4>");
    if settings.is_empty() {
        let _ = writeln!(
            out,
            "<p class=\"none\">None: all are the defaults of <code>{}</code>.</p></section>",
            escape(kind)
        );
        return;
    }
    let others = settings.iter().any(|s| !s.siblings.is_empty());
    let row = |s: &Setting| {
        let tip = if s.about.is_empty() { String::new() } else { format!(" title=\"{}\"", escape(s.about)) };
        let same = if s.here == s.default { " class=\"none\"" } else { "" };
        let all = s.siblings.iter().map(|(label, value)| escape(&format!("{label}: {value}")));
        let all = all.collect::<Vec<_>>().join("<br>");
        format!(
            "<td><code{tip}>{}</code></td><td{same}>{}</td><td class=\"none\">{}</td>{}",
            escape(&s.path),
            escape(&s.here),
            escape(&s.default),
            if others { format!("<td>{all}</td>") } else { String::new() }
        )
    };
    let theirs = if others { "<th>other rows of this kind</th>" } else { "" };
    let head = format!("<th>setting of <code>{}</code></th><th>here</th><th>default</th>{theirs}", escape(kind));
    let table = shell::small("small settings", &head, settings.iter().map(row));
    let _ = writeln!(out, "<div class=\"wide\">{table}</div></section>");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn md(change: &[(&str, Value)]) -> Detail {
        let kind = SamplerKind::named("md").unwrap();
        let mut settings = serde_json::to_value((kind.default)()).unwrap();
        for (key, value) in change {
            settings[key] = value.clone();
        }
        Detail { kind: "md".into(), settings, ..Detail::default() }
    }

    #[test]
    fn against_defaults_and_siblings() {
        let here = md(&[("walkers", json!(3))]);
        let other = md(&[("walkers", json!(3)), ("stride", json!(77))]);
        let elsewhere = Detail { kind: "smc".into(), ..md(&[]) };
        let found = differing(&here, &[("MD long", &other), ("SMC", &elsewhere)]);
        let paths: Vec<&str> = found.iter().map(|s| s.path.as_str()).collect();
        assert_eq!(paths, ["stride", "walkers"]);
        assert_eq!(found[0].siblings, [("MD long".to_owned(), "77".to_owned())]);
        assert_eq!(found[0].here, found[0].default);
        assert_eq!((found[1].here.as_str(), found[1].siblings.len()), ("3", 0));
        assert!(found[1].about.ends_with('.'), "{}", found[1].about);
        assert!(differing(&md(&[]), &[]).is_empty());
    }
}
