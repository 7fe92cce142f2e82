//! `pita-bench diff`: the metrics of two runs, or of two selections of runs, side by side.

use serde_json::json;

use super::ls::Only;
use super::output::{self, Shape};
use super::{Globals, complete};
use crate::compare::{self, Row, Verdict};
use crate::error::{Error, Result};
use crate::stats::Estimate;
use crate::store::{self, Filter, Owner, RunRow};

/// Header of the column of verdicts.
const VERDICT: &str = "B IS";

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench diff 3f2a 91bc
  pita-bench diff @accepted @tonight --md
  pita-bench diff sampler=md sampler=mala --systems lj13
  pita-bench diff code=9e1c0d code=77ab12 --csv

A and B are runs (any unique beginning of an id) or selections, see `pita-bench ls --help`. A selection stands for the mean
over its runs; methods are matched by name and system unless there is one on each side. The verdict is about B: better or worse
than A, or a tie when the 95 % interval of the difference holds zero or both are within the noise floor. Intervals over several
runs are Student's t over them; one run alone has that of its samples, which knows nothing of other seeds. Of the evaluations of
a run the one is taken that both sides have; where they have none in common, that is said.")]
pub struct Args {
    /// Run id, unique beginning of one, or a selection.
    #[arg(add = complete::runs())]
    a: String,
    /// What to compare with it.
    #[arg(add = complete::runs())]
    b: String,
    /// Only these, on both sides.
    #[command(flatten)]
    only: Only,
    /// How it is printed.
    #[command(flatten)]
    shape: Shape,
}

/// One side: what it is called, and its runs.
struct Side {
    name: String,
    json: serde_json::Value,
    evaluations: Option<u64>,
    runs: Vec<Owner>,
}

/// Runs the verb.
///
/// # Errors
/// When an id is not unique, a selection is empty, or a run has not been evaluated.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let connection = globals.database()?;
    let (a, b) = (side(&connection, &args.a, &args.only)?, side(&connection, &args.b, &args.only)?);
    let (left, right, notes) = store::shared(&connection, &a.runs, &b.runs)?;
    let rows = compare::compare(&left, &right);
    if rows.is_empty() {
        return Err(Error::NothingSelected(format!(
            "{} and {} have no method with a metric in common; `pita-bench ls` lists the runs",
            args.a, args.b
        )));
    }
    if globals.json {
        return output::json(&json!({"a": a.json, "b": b.json, "metrics": rows, "notes": notes}));
    }
    let mut table = table(&rows, &a.name, &b.name, args.shape);
    if let (Some(x), Some(y), false) = (a.evaluations, b.evaluations, args.shape.csv) {
        let mut line = vec![String::new(); table[0].len()];
        let metric = table[0].iter().position(|h| h == "METRIC").unwrap_or(0);
        // The last column of that name: both sides may be the same run.
        let right = table[0].iter().rposition(|h| *h == b.name).unwrap_or(0);
        line[metric] = "evaluations".into();
        line[metric + 1] = output::grouped(x);
        line[right] = output::grouped(y);
        table.push(line);
    }
    output::line(shown(&table, args.shape))?;
    notes.iter().for_each(|note| globals.note(note));
    Ok(())
}

fn side(connection: &rusqlite::Connection, text: &str, only: &Only) -> Result<Side> {
    let parsed = Filter::parse(text)?;
    let single = parsed.prefix.is_some();
    let filter = only.narrow(parsed)?;
    if single {
        let row: RunRow = store::find(connection, text)?;
        let exactly = Filter { prefix: Some(row.id.clone()), ..filter };
        let mut runs = store::owners(connection, &exactly)?;
        runs.retain(|owner| *owner.run == *row.id);
        if runs.is_empty() {
            let remedy = "sweep its experiment again to evaluate it";
            return Err(Error::NothingSelected(format!("{} is {} and has no metrics; {remedy}", row.id, row.status)));
        }
        return Ok(Side { name: row.id.clone(), evaluations: Some(row.evaluations), json: json!(row), runs });
    }
    let runs = store::owners(connection, &filter)?;
    if runs.is_empty() {
        return Err(Error::NothingSelected(format!("no evaluated run matches `{text}`; `pita-bench ls` lists them")));
    }
    let json = json!({"selection": text, "runs": runs.len()});
    Ok(Side { name: text.to_owned(), evaluations: None, json, runs })
}

/// The comparison as rows of a table, the header first.
pub(super) fn table(rows: &[Row], a: &str, b: &str, shape: Shape) -> Vec<Vec<String>> {
    let several = |of: fn(&Row) -> &str| rows.iter().any(|r| of(r) != of(&rows[0]));
    let (places, labels) = (shape.csv || several(|r| &r.place), shape.csv || several(|r| &r.label));
    let notes = rows.iter().any(|r| !r.note.is_empty());
    let mut header: Vec<&str> = Vec::new();
    header.extend(places.then_some("SYSTEM"));
    header.extend(labels.then_some("METHOD"));
    header.extend(["METRIC", a]);
    header.extend(if shape.csv { &["LO", "HI"][..] } else { &["95 %"] });
    header.push(b);
    header.extend(if shape.csv { &["LO", "HI", "B - A", "LO", "HI"][..] } else { &["95 %", "B - A", "95 %"] });
    header.extend(["FLOOR", VERDICT]);
    header.extend(notes.then_some("NOTE"));
    let mut lines = vec![header.into_iter().map(String::from).collect::<Vec<_>>()];
    for r in rows {
        let mut line = Vec::new();
        line.extend(places.then(|| r.place.clone()));
        line.extend(labels.then(|| r.label.clone()));
        line.push(if shape.csv || r.unit.is_empty() || r.unit == "1" {
            r.id.clone()
        } else {
            format!("{} ({})", r.id, r.unit)
        });
        for estimate in [&r.a, &r.b, &r.difference] {
            let value = |of: fn(&Estimate) -> Option<f64>| shape.number(estimate.as_ref().and_then(of));
            let (lo, hi) = (value(|e| e.lo), value(|e| e.hi));
            line.push(value(|e| Some(e.value)));
            if shape.csv {
                line.extend([lo, hi]);
            } else {
                line.push(format!("[{lo}, {hi}]"));
            }
        }
        line.push(shape.number(r.floor));
        line.push(r.verdict.word().into());
        line.extend(notes.then(|| r.note.clone()));
        lines.push(line);
    }
    lines
}

/// The rows of [`table`] as text; in Markdown the verdicts stand out, so that the eye finds what changed.
pub(super) fn shown(rows: &[Vec<String>], shape: Shape) -> String {
    let at = rows.first().and_then(|header| header.iter().rposition(|h| h == VERDICT));
    let changed = [Verdict::Better, Verdict::Worse, Verdict::Different, Verdict::NotComparable].map(Verdict::word);
    shape.table_with(rows, |column, cell| Some(column) == at && changed.contains(&cell))
}
