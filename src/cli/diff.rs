//! `pita-bench diff`: the metrics of two runs side by side.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Globals, output};
use crate::error::{Error, Result};
use crate::record::{MetricsFile, RunDir, atomic};
use crate::store::{self, RunRow};

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench diff 3f2a 91bc

The verdict is about B: better or worse than A, or a tie when the 95 % intervals overlap.")]
pub struct Args {
    /// Run id, or a unique beginning of one.
    a: String,
    /// The run to compare with it.
    b: String,
}

/// One metric of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Compared {
    id: String,
    unit: String,
    a: Side,
    b: Side,
    verdict: &'static str,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Side {
    value: Option<f64>,
    lo: Option<f64>,
    hi: Option<f64>,
}

/// Runs the verb.
///
/// # Errors
/// When an id is not unique, or a run has not been evaluated.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let connection = store::open_for_reading(&globals.results)?;
    let (a, b) = (store::find(&connection, &args.a)?, store::find(&connection, &args.b)?);
    let (in_a, in_b) = (metrics(globals, &a)?, metrics(globals, &b)?);
    let rows = compare(&in_a, &in_b);
    if globals.json {
        return output::json(&json!({"a": a, "b": b, "metrics": rows}));
    }
    let mut table =
        vec![vec!["METRIC".into(), a.id.clone(), String::new(), b.id.clone(), String::new(), "B IS".into()]];
    for r in &rows {
        let interval = |s: &Side| format!("[{}, {}]", output::number(s.lo), output::number(s.hi));
        let (a, b) = (output::number(r.a.value), output::number(r.b.value));
        table.push(vec![r.id.clone(), a, interval(&r.a), b, interval(&r.b), r.verdict.into()]);
    }
    table.push(vec![
        "evaluations".into(),
        output::grouped(a.evaluations),
        String::new(),
        output::grouped(b.evaluations),
        String::new(),
        String::new(),
    ]);
    output::line(output::columns(&table))
}

fn metrics(globals: &Globals, row: &RunRow) -> Result<MetricsFile> {
    let path = RunDir::open(&globals.results.join(&row.folder))?.file("metrics.json");
    if !path.exists() {
        let remedy = "sweep its experiment again to evaluate it";
        return Err(Error::NothingSelected(format!("{} is {} and has no metrics; {remedy}", row.id, row.status)));
    }
    atomic::read_json(&path)
}

fn compare(a: &MetricsFile, b: &MetricsFile) -> Vec<Compared> {
    let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    let mut rows = Vec::new();
    for x in &a.metrics {
        let Some(y) = b.metrics.iter().find(|y| y["id"] == x["id"]) else { continue };
        let (left, right) = (side(x), side(y));
        let comparable = x["version"] == y["version"] && x["reference"] == y["reference"];
        let verdict = if comparable { verdict(&left, &right, &text(x, "direction")) } else { "not comparable" };
        rows.push(Compared { id: text(x, "id"), unit: text(x, "unit"), a: left, b: right, verdict });
    }
    rows
}

fn side(v: &Value) -> Side {
    Side { value: v["value"].as_f64(), lo: v["lo"].as_f64(), hi: v["hi"].as_f64() }
}

fn verdict(a: &Side, b: &Side, direction: &str) -> &'static str {
    let bounds = |s: &Side| s.value.map(|v| (s.lo.unwrap_or(v), s.hi.unwrap_or(v)));
    let (Some((a_lo, a_hi)), Some((b_lo, b_hi))) = (bounds(a), bounds(b)) else { return "unknown" };
    match direction {
        _ if a_lo <= b_hi && b_lo <= a_hi => "tie",
        "lower" if b_hi < a_lo => "better",
        "higher" if b_lo > a_hi => "better",
        "lower" | "higher" => "worse",
        _ => "different",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let side = |value, lo, hi| Side { value: Some(value), lo: Some(lo), hi: Some(hi) };
        let (low, high) = (side(1.0, 0.9, 1.1), side(2.0, 1.8, 2.2));
        assert_eq!(verdict(&low, &high, "lower"), "worse");
        assert_eq!(verdict(&high, &low, "lower"), "better");
        assert_eq!(verdict(&low, &high, "higher"), "better");
        assert_eq!(verdict(&high, &low, "higher"), "worse");
        assert_eq!(verdict(&low, &high, "none"), "different");
        assert_eq!(verdict(&low, &side(1.15, 1.1, 1.2), "lower"), "tie");
        assert_eq!(verdict(&low, &Side::default(), "lower"), "unknown");
    }
}
