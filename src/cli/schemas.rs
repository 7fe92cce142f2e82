//! What `--json` prints: the keys of every verb, with a version. Within a version keys are only ever added; what is marked `?` is
//! there where it applies. The list is the table of the guide `json`; a test drives every verb and compares.

use serde_json::{Value, json};

/// Version of all these shapes. In objects it stands as `schema`; lists have no place for it.
pub const VERSION: u32 = 1;

const GUIDE: &str = include_str!("../guide/json.md");

/// What a verb prints.
pub struct Schema {
    /// Verb with the options that decide.
    pub verb: &'static str,
    /// What the value is: `object`, `list` of objects, or `map` from run ids.
    pub shape: &'static str,
    /// Keys of the object, or of each entry.
    pub keys: Vec<&'static str>,
}

/// All of them: the rows of the table.
pub fn schemas() -> impl Iterator<Item = Schema> {
    GUIDE.lines().filter_map(|line| {
        let (verb, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (shape, keys) = rest.split_once(" | ")?;
        let keys = keys.split('`').map(str::trim).filter(|word| !["", "|"].contains(word)).collect();
        Some(Schema { verb, shape, keys })
    })
}

/// All of them as JSON.
#[must_use]
pub fn all() -> Vec<Value> {
    let entry = |s: Schema| json!({"verb": s.verb, "shape": s.shape, "keys": s.keys, "version": VERSION});
    schemas().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row is read, whole.
    #[test]
    fn the_guide_is_read() {
        assert!(GUIDE.contains(&format!("version {VERSION}")));
        let rows = GUIDE.lines().filter(|line| line.starts_with("| `"));
        let again = schemas().map(|s| {
            let keys: Vec<String> = s.keys.iter().map(|key| format!("`{key}`")).collect();
            format!("| `{}` | {} | {} |", s.verb, s.shape, keys.join(" "))
        });
        assert!(rows.eq(again) && schemas().count() > 50);
        assert!(schemas().all(|s| ["object", "list", "map"].contains(&s.shape)));
    }
}
