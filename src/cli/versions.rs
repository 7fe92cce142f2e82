//! `report --compare`: the same experiment by two versions of the code.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::output::{self, Shape};
use super::{Globals, diff};
use crate::compare::{self, Row};
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::identity;
use crate::record::{Results, atomic};
use crate::report::page;
use crate::store::{self, Filter, Owner};
use crate::text;

/// Compares the runs of two versions, writes `compare.{md,csv,json,html}` and prints the table.
///
/// # Errors
/// [`Error::NothingSelected`] when a version has no evaluated run of the experiment; files that cannot be written.
pub fn compare(experiment: &Experiment, versions: [&str; 2], out: Option<&Path>, globals: &Globals) -> Result<()> {
    let connection = globals.database()?;
    // Seeds of one spec lie together.
    let specs: BTreeSet<String> = experiment
        .cells
        .chunk_by(|a, b| a.run == b.run)
        .map(|cells| identity::spec_digest(&cells[0].run)[..8].to_owned())
        .collect();
    let side = |version: &str| -> Result<Vec<Owner>> {
        let filter = if version.starts_with('@') || version.contains('=') {
            Filter::parse(version)?
        } else {
            Filter { code: Some(version.to_owned()), ..Filter::default() }
        };
        let mut found = store::owners(&connection, &filter)?;
        found.retain(|owner| owner.run.get(..8).is_some_and(|spec| specs.contains(spec)));
        if found.is_empty() {
            let file = experiment.path.display();
            return Err(Error::NothingSelected(format!(
                "no evaluated run of {file} by `{version}`; `pita-bench ls --json` lists code and revision of each run"
            )));
        }
        Ok(found)
    };
    let (a, b) = (side(versions[0])?, side(versions[1])?);
    let (left, right, notes) = store::shared(&connection, &a, &b)?;
    let rows = compare::compare(&left, &right);
    let folder = out.map_or_else(|| Results(&globals.results).report(&experiment.report), Path::to_path_buf);
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let title = format!("{}: {} and {}", experiment.title, versions[0], versions[1]);
    let table = |shape: Shape| diff::table(&rows, versions[0], versions[1], shape);
    let (md, csv) = (Shape { md: true, csv: false }, Shape { md: false, csv: true });
    let said: String = notes.iter().map(|note| format!("\n- {}", text::markdown(note))).collect();
    let markdown =
        format!("# {}\n\n{}\n\n{}\n{said}", text::markdown(&title), sentence(&rows), diff::shown(&table(md), md));
    let value = json!({"a": versions[0], "b": versions[1], "metrics": rows, "notes": notes});
    let page = page::versions::page(&title, versions, &rows, &notes);
    atomic::write(&folder.join("compare.md"), markdown.as_bytes())?;
    atomic::write(&folder.join("compare.csv"), (csv.table(&table(csv)) + "\n").as_bytes())?;
    atomic::write_json(&folder.join("compare.json"), &value)?;
    atomic::write(&folder.join("compare.html"), page.as_bytes())?;
    if globals.json {
        return output::json(&value);
    }
    output::line(format!("{markdown}\n{}", folder.join("compare.html").display()))
}

/// How many metrics got better, worse, or neither.
fn sentence(rows: &[Row]) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for row in rows {
        *counts.entry(row.verdict).or_insert(0) += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(verdict, n): (_, &i32)| format!("{n} {}", verdict.word())).collect();
    format!("{} values compared, B against A: {}.", rows.len(), parts.join(", "))
}
