//! `pita-bench show`: everything about one run, or about whatever has a digest.

use serde_json::{Value, json};

use super::output::{flatten, indented};
use super::{Globals, complete, digest, output};
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::record::{Evaluation, Provenance, Request, atomic, evaluation, manifest};
use crate::{identity, store, text};

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pita-bench show 3f2a\n  pita-bench show 3f2a91bc-s0-a1 --json\n\nAlso takes the beginning of a spec, code, environment or reference digest, or of a git commit."
)]
pub struct Args {
    /// Run id, or a unique beginning of one; or the beginning of a digest.
    #[arg(add = complete::runs())]
    id: String,
}

/// Runs the verb.
///
/// # Errors
/// When no run, or more than one, has this id; when its files cannot be read.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let connection = globals.database()?;
    let row = match store::find(&connection, &args.id) {
        Err(unclear @ (Error::Usage(_) | Error::NothingSelected(_))) => {
            return digest::show(&args.id, &connection, globals)?.ok_or(unclear);
        }
        found => found?,
    };
    let run = globals.run(&row)?;
    let request: Request = atomic::read_json(&run.file("spec.json"))?;
    let provenance: Option<Provenance> = atomic::read_json(&run.file("provenance.json")).ok();
    let evaluations = evaluation::all(&run)?;
    let counts: Counts = atomic::read_json(&run.file("counts.json")).unwrap_or_default();
    let files = if run.file(manifest::NAME).exists() { manifest::read(&run.path)? } else { Vec::new() };
    if globals.json {
        let files: serde_json::Map<String, Value> = files.into_iter().map(|(d, f)| (f, json!(d))).collect();
        return output::json(&json!({
            "run": row, "spec": request.spec, "counts": counts, "charged": counts.charged(),
            "evaluation": evaluations.first(), "evaluations": evaluations, "provenance": provenance, "files": files, "path": run.path,
        }));
    }

    let (system, label) = (text::line(&row.system), text::line(&row.label));
    let mut text = format!("{}  {}  {system} {label} seed {}\n", row.id, row.status, row.seed);
    text += &format!("folder       {}\n", run.path.display());
    text += &format!("spec digest  {}\n", request.spec_digest);
    if let Some(p) = &provenance {
        text += &format!(
            "code digest  {}\nsampling     {}\nenv digest   {}\n",
            p.code_digest,
            or_dash(&p.sampling_digest),
            p.env_digest
        );
        let started = p.sessions.first().map_or("-", |s| &s.start);
        text += &format!(
            "started      {started}, {:.1} s in {}",
            p.wall_seconds(),
            output::counted(p.sessions.len(), "session")
        );
        text += &p.recording_seconds().map_or(String::new(), |s| format!(", {s:.2} s of it for recording"));
        text += "\n";
    }
    if let Some(origin) = &row.origin {
        text += &format!("imported     {origin}\n");
    }
    if let Some(reason) = &row.reason {
        text += &format!("{:<12} {}\n", row.status, text::line(reason));
    }
    let mut fields = Vec::new();
    flatten("", &json!(request.spec), &mut fields);
    text += &format!("\nspec\n{}", indented(&fields));
    if !counts.0.is_empty() {
        let each = counts.0.iter().map(|(purpose, n)| (json!(purpose).as_str().unwrap_or_default().to_owned(), *n));
        let all = each.chain([("charged".to_owned(), counts.charged())]);
        let rows: Vec<_> = all.map(|(purpose, n)| vec![purpose, output::grouped(n)]).collect();
        text += &format!("\n\nenergy evaluations\n{}", indented(&rows));
    }
    for evaluation in &evaluations {
        text += &format!("\n\nevaluation {}\n{}", heading(evaluation), indented(&metrics(evaluation)));
    }
    if !files.is_empty() {
        let rows: Vec<_> = files.into_iter().map(|(digest, name)| vec![name, digest]).collect();
        text += &format!("\n\nfiles\n{}", indented(&rows));
    }
    output::line(text)
}

/// What tells one evaluation from another.
fn heading(evaluation: &Evaluation) -> String {
    let digest = identity::short(&evaluation.digest);
    let sizes = evaluation.eval.as_ref().map_or(String::new(), |eval| {
        format!("  n = {}, geo_n = {}, ot_n = {}, bootstrap = {}", eval.n, eval.geo_n, eval.ot_n, eval.bootstrap)
    });
    let ours = evaluation.evaluation_code == identity::code().evaluation;
    format!("{digest}{sizes}{}", if ours { "" } else { "  by other code" })
}

/// A line for each metric; those of the samples reweighted beside them, where they are a row of the table.
fn metrics(evaluation: &Evaluation) -> Vec<Vec<String>> {
    let second = !evaluation.reweighted.is_empty();
    let beside = if second { &["reweighted", "95 % interval"][..] } else { &[] };
    let head = ["metric", "value", "95 % interval"].iter().chain(beside).chain(&["floor", "unit"]);
    let row = |v: &Value| {
        let word = |key: &str| v[key].as_str().unwrap_or_default().to_owned();
        let measured = |v: Option<&Value>| {
            let number = |key: &str| output::number(v.and_then(|v| v[key].as_f64()));
            [number("value"), format!("{} .. {}", number("lo"), number("hi"))]
        };
        let mut row = vec![word("id")];
        row.extend(measured(Some(v)));
        if second {
            row.extend(measured(evaluation.reweighted.iter().find(|other| other["id"] == v["id"])));
        }
        row.extend([output::number(v["floor"].as_f64()), word("unit")]);
        row
    };
    output::titled(head.copied(), evaluation.metrics.iter().map(row))
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reweighted_values_stand_beside() {
        let value = |x: f64| json!({"id": "energy-w1", "value": x, "lo": x, "hi": x, "floor": 0.5, "unit": "kT"});
        let mut evaluation: Evaluation = serde_json::from_value(json!({
            "eval_digest": "", "reference_digest": "", "code_digest": "", "metrics": [value(2.0)],
        }))
        .unwrap();
        let plain = metrics(&evaluation);
        assert_eq!((plain[0].len(), plain[1][1].as_str(), plain[1][3].as_str()), (5, "2.000", "0.5000"));
        evaluation.reweighted = vec![value(1.0)];
        let both = metrics(&evaluation);
        assert_eq!((both[0][3].as_str(), both[1][1].as_str(), both[1][3].as_str()), ("reweighted", "2.000", "1.000"));
    }
}
