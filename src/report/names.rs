//! Short names of rows for the panels and legends of figures: what differs, and never two alike.

use std::collections::{BTreeMap, BTreeSet};

use super::runs::RunResult;
use crate::text;

/// Short names of the rows among `runs`, by their labels in the table. Rows of one sampler that differ in settings are named
/// by these (`friction = 0.5`), below the sampler's name if there are others. A line feed is where a name may be broken.
#[must_use]
pub fn short<'a>(runs: impl IntoIterator<Item = &'a RunResult>) -> BTreeMap<String, String> {
    let rows: BTreeMap<String, &RunResult> = runs.into_iter().map(|r| (r.row_label(), r)).collect();
    let samplers: BTreeSet<&str> = rows.values().map(|r| r.label.as_str()).collect();
    let name = |run: &RunResult| {
        let same: Vec<&RunResult> = rows.values().copied().filter(|r| r.label == run.label).collect();
        let settings = differing(run, &same);
        match (settings.is_empty(), samplers.len()) {
            (true, _) => run.label.clone(),
            (false, 1) => settings.join("\n"),
            (false, _) => format!("{}\n{}", run.label, settings.join(", ")),
        }
    };
    let shorts: BTreeMap<String, String> = rows.iter().map(|(row, run)| (row.clone(), name(run))).collect();
    let alike = |name: &String| shorts.values().filter(|other| *other == name).count() > 1;
    shorts.iter().map(|(row, name)| (row.clone(), clean(if alike(name) { row } else { name }))).collect()
}

/// The swept settings of a run in which the rows of its sampler are not all the same, without the path that all keys share.
fn differing(run: &RunResult, same: &[&RunResult]) -> Vec<String> {
    let keys: Vec<&String> =
        run.swept.keys().filter(|k| same.iter().any(|r| r.swept.get(*k) != run.swept.get(*k))).collect();
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let ambiguous = |key: &str| keys.iter().filter(|other| last(other) == last(key)).count() > 1;
    let shown = |key: &String| {
        let name = if ambiguous(key) { key.clone() } else { last(key) };
        run.swept.get(key).map(|value| format!("{name} = {value}"))
    };
    keys.iter().filter_map(|key| shown(key)).collect()
}

/// Each line made safe and of bounded length.
fn clean(name: &str) -> String {
    name.lines().map(text::beginning).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::tests::example;

    fn run(label: &str, swept: &[(&str, &str)]) -> RunResult {
        let swept = swept.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        RunResult { label: label.into(), swept, ..example()[0].clone() }
    }

    #[test]
    fn names_say_what_differs() {
        let md = |friction: &str| run("MD", &[("md.friction", friction), ("md.step", "0.1")]);
        let (slow, fast, pita) = (md("0.5"), md("1.0"), run("PITA", &[]));
        let names = |runs: &[RunResult]| short(runs).into_values().collect::<Vec<_>>();
        assert_eq!(names(&[slow.clone(), fast.clone()]), ["friction = 0.5", "friction = 1.0"]);
        assert_eq!(names(&[slow.clone(), fast, pita.clone()]), ["MD\nfriction = 0.5", "MD\nfriction = 1.0", "PITA"]);
        assert_eq!(names(&[slow, pita]), ["MD", "PITA"]);
        let twice = run("MD", &[("a.step", "1"), ("b.step", "1")]);
        let other = run("MD", &[("a.step", "2"), ("b.step", "2")]);
        assert_eq!(names(&[twice, other])[0], "a.step = 1\nb.step = 1");
    }
}
