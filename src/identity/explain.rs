//! Which fields of two records differ.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field that differs. A side that lacks the field is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Dotted path, such as `sampler.train.batch`; list elements by number.
    pub path: String,
    /// Value on the left.
    pub left: Option<Value>,
    /// Value on the right.
    pub right: Option<Value>,
}

/// Fields that differ between two records (specs, codes, environments), by path. Numbers are compared by value:
/// `1` and `1.0` are the same.
#[must_use]
pub fn explain(a: &Value, b: &Value) -> Vec<Difference> {
    let mut out = Vec::new();
    walk(String::new(), Some(a), Some(b), &mut out);
    out.sort_by(|x, y| x.path.cmp(&y.path));
    out
}

fn walk(path: String, a: Option<&Value>, b: Option<&Value>, out: &mut Vec<Difference>) {
    match (a, b) {
        // A table that one side lacks is still listed field by field.
        (Some(Value::Object(_)) | None, Some(Value::Object(_))) | (Some(Value::Object(_)), None) => {
            let fields = |v: Option<&Value>| v.and_then(Value::as_object).cloned().unwrap_or_default();
            let (left, right) = (fields(a), fields(b));
            let mut keys: Vec<&String> = left.keys().chain(right.keys().filter(|k| !left.contains_key(*k))).collect();
            keys.sort();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(path, left.get(key), right.get(key), out);
            }
        }
        (Some(Value::Array(x)), Some(Value::Array(y))) if x.len() == y.len() => {
            for (i, (x, y)) in x.iter().zip(y).enumerate() {
                walk(format!("{path}.{i}"), Some(x), Some(y), out);
            }
        }
        _ if same(a, b) => {}
        _ => out.push(Difference { path, left: a.cloned(), right: b.cloned() }),
    }
}

fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Number(x)), Some(Value::Number(y))) => {
            x == y || x.is_f64() != y.is_f64() && x.as_f64() == y.as_f64()
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_the_fields() {
        let a = json!({"same": 1, "spelled": 1, "deep": {"x": 1, "gone": {"y": 2}}, "list": [1, 2], "longer": [1]});
        let b = json!({"same": 1, "spelled": 1.0, "deep": {"x": 3}, "list": [1, 5], "longer": [1, 2], "new": null});
        let found = explain(&a, &b);
        let paths: Vec<&str> = found.iter().map(|d| d.path.as_str()).collect();
        assert_eq!(paths, ["deep.gone.y", "deep.x", "list.1", "longer", "new"]);
        assert_eq!(found[0], Difference { path: "deep.gone.y".into(), left: Some(json!(2)), right: None });
        assert_eq!(found[1], Difference { path: "deep.x".into(), left: Some(json!(1)), right: Some(json!(3)) });
        assert!(explain(&a, &a).is_empty());
    }
}
