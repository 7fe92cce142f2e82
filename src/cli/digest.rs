//! What a digest stands for, when it is not that of one run: a spec, a build, a machine, a reference.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::output::{flatten, indented};
use super::{Globals, output};
use crate::error::Result;
use crate::record::{Provenance, Request, Results, atomic, code};
use crate::store::{self, Filter, RunRow};

/// Shows what `hash` stands for; `None` when it is no digest that is known.
///
/// # Errors
/// When files cannot be read.
pub fn show(hash: &str, connection: &Connection, globals: &Globals) -> Result<Option<()>> {
    if hash.len() < 4 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let hash = hash.to_ascii_lowercase();
    let Some((kind, facts, runs)) = find(&hash, connection, globals)? else { return Ok(None) };
    if globals.json {
        let ids: Vec<&str> = runs.iter().map(|r| r.id.as_str()).collect();
        return output::json(&json!({"kind": kind, kind: facts, "runs": ids})).map(Some);
    }
    let mut fields = Vec::new();
    flatten("", &facts, &mut fields);
    let mut text = format!("{kind} {hash}\n{}", indented(&fields));
    if !runs.is_empty() {
        let row =
            |r: &RunRow| vec![r.id.clone(), r.status.clone(), r.system.clone(), r.label.clone(), r.seed.to_string()];
        text += &format!("\n\nruns\n{}", indented(&runs.iter().map(row).collect::<Vec<_>>()));
    }
    output::line(text).map(Some)
}

/// Kind, facts and runs of the one thing whose digest begins so.
fn find(hash: &str, connection: &Connection, globals: &Globals) -> Result<Option<(&'static str, Value, Vec<RunRow>)>> {
    let some = |filter: Filter| store::list(connection, &filter);
    let by_spec = some(Filter { spec: Some(hash.to_owned()), ..Filter::default() })?;
    if let Some(first) = by_spec.first().filter(|first| by_spec.iter().all(|r| r.spec == first.spec)) {
        let request: Request = atomic::read_json(&globals.run(first)?.file("spec.json"))?;
        return Ok(Some(("spec", json!({"digest": request.spec_digest, "spec": request.spec}), by_spec)));
    }
    let by_code = some(Filter { code: Some(hash.to_owned()), ..Filter::default() })?;
    if let Some(first) = by_code.first() {
        let provenance = provenance(globals, first)?;
        let mut facts = provenance.code;
        if let Some(file) = code::recall(&globals.results, &provenance.code_digest) {
            facts["files"] = json!(file.parts.files.len());
            facts["crates"] = json!(file.parts.crates);
        }
        return Ok(Some(("code", facts, by_code)));
    }
    let all = some(Filter::default())?;
    let mut on_it = Vec::new();
    let mut env = Value::Null;
    for row in all {
        if let Ok(p) = provenance(globals, &row)
            && p.env_digest.starts_with(hash)
        {
            env = p.env;
            on_it.push(row);
        }
    }
    if !on_it.is_empty() {
        return Ok(Some(("env", env, on_it)));
    }
    let references = Results(&globals.results).references();
    for entry in std::fs::read_dir(&references).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let card = entry.path().join("reference.json");
        if name.len() == 16 && (name.starts_with(hash) || hash.starts_with(&name)) && card.exists() {
            return Ok(Some(("reference", atomic::read_json(&card)?, Vec::new())));
        }
    }
    Ok(None)
}

fn provenance(globals: &Globals, row: &RunRow) -> Result<Provenance> {
    atomic::read_json(&globals.run(row)?.file("provenance.json"))
}
