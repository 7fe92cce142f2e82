//! `pita-bench explain`: in which settings, code or environment two runs differ.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::output::{self, Shape};
use super::{Globals, complete};
use crate::error::Result;
use crate::identity::covers::{EVALUATION, SAMPLING, covers};
use crate::identity::{self, Difference};
use crate::record::{Provenance, Request, atomic, code, evaluation};
use crate::store;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench explain 3f2a 91bc

Fields are spec.* (what was asked), eval.* (how it was judged last), code.* (what was compiled, down to the source file and the
crate), env.* (where it ran). Below them stands, for code, which modules differ and what they can change: samples (the run is
stale), metrics (it is evaluated again), or neither.")]
pub struct Args {
    /// Run id, or a unique beginning of one.
    #[arg(add = complete::runs())]
    a: String,
    /// The other run.
    #[arg(add = complete::runs())]
    b: String,
    /// How it is printed.
    #[command(flatten)]
    shape: Shape,
}

/// One run: what is known of it, and what its code consists of.
struct Side {
    id: String,
    facts: Value,
    digest: String,
    parts: Option<Value>,
}

/// Runs the verb.
///
/// # Errors
/// When an id is not unique, or a run's files cannot be read.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let connection = globals.database()?;
    let side = |prefix: &str| -> Result<Side> {
        let row = store::find(&connection, prefix)?;
        let run = globals.run(&row)?;
        let request: Request = atomic::read_json(&run.file("spec.json"))?;
        let p: Provenance = atomic::read_json(&run.file("provenance.json"))?;
        let newest = evaluation::all(&run)?.into_iter().next();
        let mut facts = json!({"spec": request.spec, "seed": request.seed, "code": p.code, "env": p.env});
        if let Some(eval) = newest.and_then(|e| e.eval) {
            facts["eval"] = json!(eval);
        }
        let parts = code::recall(&globals.results, &p.code_digest).map(|file| json!({"code": file.parts}));
        Ok(Side { id: row.id, facts, digest: p.code_digest, parts })
    };
    let (a, b) = (side(&args.a)?, side(&args.b)?);
    let (differences, note) = differences(&a, &b);
    let changes = changes(&differences);
    if globals.json {
        let code: Value = changes.into_iter().collect();
        return output::json(&json!({"a": a.id, "b": b.id, "differences": differences, "code": code, "note": note}));
    }
    if differences.is_empty() {
        let (a, b) = (a.id, b.id);
        return output::line(format!("{a} and {b} agree in spec, seed, evaluation, code and environment"));
    }
    let mut rows = vec![vec!["FIELD".to_owned(), a.id, b.id]];
    for d in &differences {
        let (left, right) = match (&d.left, &d.right) {
            (Some(Value::String(x)), Some(Value::String(y))) if x.contains('\n') && y.contains('\n') => lines(x, y),
            (x, y) => (shown(x.as_ref()), shown(y.as_ref())),
        };
        rows.push(vec![d.path.clone(), left, right]);
    }
    output::line(args.shape.table(&rows))?;
    if !changes.is_empty() {
        let line =
            |(what, modules): &(&str, Vec<String>)| format!("code that can change {what}: {}", modules.join(", "));
        output::line(format!("\n{}", changes.iter().map(line).collect::<Vec<_>>().join("\n")))?;
    }
    note.map_or(Ok(()), |note| output::line(format!("\n{note}")))
}

/// What differs, and what cannot be said.
fn differences(a: &Side, b: &Side) -> (Vec<Difference>, Option<String>) {
    // Evaluated by only one side, or by an older version: nothing to compare.
    let (mut left, mut right) = (a.facts.clone(), b.facts.clone());
    for (one, other) in [(&mut left, &b.facts), (&mut right, &a.facts)] {
        if let (Some(fields), None) = (one.as_object_mut(), other.get("eval")) {
            fields.remove("eval");
        }
    }
    let mut found = identity::explain(&left, &right);
    if a.digest == b.digest {
        return (found, None);
    }
    match (&a.parts, &b.parts) {
        (Some(x), Some(y)) => found.extend(identity::explain(x, y)),
        _ => {
            let note = "files and crates of one of the builds were not recorded (code/ in the results folder), so the code \
                        is compared by its digests only";
            return (found, Some(note.into()));
        }
    }
    found.sort_by(|x, y| x.path.cmp(&y.path));
    (found, None)
}

/// What the differing code can change: `samples`, `metrics`, `neither`, each with its modules and their files.
fn changes(differences: &[Difference]) -> Vec<(&'static str, Vec<String>)> {
    let files: Vec<&str> = differences.iter().filter_map(|d| d.path.strip_prefix("code.files.")).collect();
    let crates: Vec<&str> = differences.iter().filter_map(|d| d.path.strip_prefix("code.crates.")).collect();
    let of = |what: &'static str, changed: &dyn Fn(&str) -> bool| {
        let mut modules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for file in files.iter().filter(|file| changed(file)) {
            modules.entry(module(file)).or_default().push(file);
        }
        let modules = modules.iter().map(|(module, files)| format!("{module} ({})", files.join(", ")));
        let lock = (what != "neither" && !crates.is_empty()).then(|| format!("Cargo.lock ({})", crates.join(", ")));
        (what, modules.chain(lock).collect::<Vec<_>>())
    };
    let (samples, metrics) = (|file: &str| covers(SAMPLING, file), |file: &str| covers(EVALUATION, file));
    let neither = |file: &str| !samples(file) && !metrics(file);
    let mut found = vec![of("samples", &samples), of("metrics", &metrics), of("neither", &neither)];
    found.retain(|(_, modules)| !modules.is_empty());
    found
}

/// The module of a source file: `energy` for `src/energy/lj.rs`.
fn module(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap_or(file);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(s)) => output::short(s),
        Some(other) => other.to_string(),
    }
}

/// Where two texts differ: how many lines, and the first.
fn lines(a: &str, b: &str) -> (String, String) {
    let (left, right): (Vec<&str>, Vec<&str>) = (a.lines().collect(), b.lines().collect());
    let all = left.len().max(right.len());
    let differ = |i: &usize| left.get(*i) != right.get(*i);
    let first = (0..all).find(differ).unwrap_or(0);
    let more = (0..all).filter(differ).count().saturating_sub(1);
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    let show = |side: &[&str]| format!("line {}: {}{more}", first + 1, side.get(first).map_or("-", |l| l.trim()));
    (show(&left), show(&right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(crates: &str, file: &str, digest: &str) -> Side {
        Side {
            id: "x".into(),
            facts: json!({"code": {"rustc": "1"}}),
            digest: digest.into(),
            parts: Some(json!({"code": {"files": {"src/a.rs": file}, "crates": {"candle-core": crates}}})),
        }
    }

    #[test]
    fn down_to_file_and_crate() {
        let paths = |x: &Side, y: &Side| -> Vec<String> { differences(x, y).0.into_iter().map(|d| d.path).collect() };
        let one = side("0.11.1", "aa", "1");
        assert_eq!(paths(&one, &side("0.11.2", "aa", "2")), ["code.crates.candle-core"]);
        assert_eq!(paths(&one, &side("0.11.1", "bb", "2")), ["code.files.src/a.rs"]);
        let unknown = Side { parts: None, ..side("0.11.1", "bb", "2") };
        assert!(differences(&one, &unknown).1.unwrap().contains("not recorded"));
        assert_eq!(differences(&one, &side("other", "other", "1")), (vec![], None), "one digest, one code");
    }

    #[test]
    fn what_differing_code_can_change() {
        let difference = |path: &str| Difference { path: path.into(), left: None, right: None };
        let said = |paths: &[&str]| -> Vec<String> {
            let all: Vec<Difference> = paths.iter().map(|p| difference(p)).collect();
            changes(&all).into_iter().map(|(what, modules)| format!("{what}: {}", modules.join(", "))).collect()
        };
        assert_eq!(said(&["code.files.src/cli/ls.rs", "env.cpu"]), ["neither: cli (src/cli/ls.rs)"]);
        assert_eq!(
            said(&[
                "code.files.src/energy/lj.rs",
                "code.files.src/samplers/md/mod.rs",
                "code.files.src/metrics/side.rs"
            ]),
            [
                "samples: energy (src/energy/lj.rs), samplers (src/samplers/md/mod.rs)",
                "metrics: energy (src/energy/lj.rs), metrics (src/metrics/side.rs)"
            ]
        );
        assert_eq!(said(&["code.crates.rayon"]), ["samples: Cargo.lock (rayon)", "metrics: Cargo.lock (rayon)"]);
        assert!(said(&["spec.sampler.step"]).is_empty());
    }

    #[test]
    fn texts_by_their_first_line() {
        let (left, right) = lines("a\n  b\nc", "a\nx\nd\n");
        assert_eq!((left.as_str(), right.as_str()), ("line 2: b (and 1 more)", "line 2: x (and 1 more)"));
    }
}
