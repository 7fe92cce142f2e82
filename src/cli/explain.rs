//! `pita-bench explain`: in which settings, code or environment two runs differ.

use serde_json::{Value, json};

use super::{Globals, output};
use crate::error::Result;
use crate::identity;
use crate::record::{Provenance, Request, RunDir, atomic};
use crate::store;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pita-bench explain 3f2a 91bc")]
pub struct Args {
    /// Run id, or a unique beginning of one.
    a: String,
    /// The other run.
    b: String,
}

/// Runs the verb.
///
/// # Errors
/// When an id is not unique, or a run's files cannot be read.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let connection = store::open_for_reading(&globals.results)?;
    let facts = |prefix: &str| -> Result<(String, Value)> {
        let row = store::find(&connection, prefix)?;
        let run = RunDir::open(&globals.results.join(&row.folder))?;
        let request: Request = atomic::read_json(&run.file("spec.json"))?;
        let p: Provenance = atomic::read_json(&run.file("provenance.json"))?;
        Ok((row.id, json!({"spec": request.spec, "seed": request.seed, "code": p.code, "env": p.env})))
    };
    let ((a, left), (b, right)) = (facts(&args.a)?, facts(&args.b)?);
    let differences = identity::explain(&left, &right);
    if globals.json {
        return output::json(&json!({"a": a, "b": b, "differences": differences}));
    }
    if differences.is_empty() {
        return output::line(format!("{a} and {b} agree in spec, seed, code and environment"));
    }
    let mut rows = vec![vec!["FIELD".to_owned(), a, b]];
    for d in &differences {
        let shown = |v: &Value| match v {
            Value::Null => "-".to_owned(),
            Value::String(s) => output::short(s),
            other => other.to_string(),
        };
        let d = json!(d);
        rows.push(vec![shown(&d["path"]), shown(&d["left"]), shown(&d["right"])]);
    }
    output::line(output::columns(&rows))
}
