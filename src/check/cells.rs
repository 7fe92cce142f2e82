//! What a finished experiment consists of.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{Cell, Experiment};
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::exec::{self, references};
use crate::identity::{self, Code, Env};
use crate::metrics::MetricValue;
use crate::record::evaluation::{self, Found};
use crate::record::{self, Evaluation, Failure, RunDir, atomic, manifest};
use crate::spec::RunSpec;

/// Files whose bytes the same code makes again on the same kind of machine.
const BITS: [&str; 3] = ["counts.json", "samples.npz", "weights.safetensors"];

/// One complete cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// Key of the system.
    pub system: String,
    /// Row: label and swept settings.
    pub row: String,
    /// Seed.
    pub seed: u64,
    /// Spec digest.
    pub spec: String,
    /// Digest of the evaluation settings.
    pub eval: String,
    /// SHA-256 of the reference that it was judged by.
    pub reference: String,
    /// Digests of samples, weights and counts.
    pub files: BTreeMap<String, String>,
    /// Charged energy evaluations.
    pub evaluations: u64,
    /// Metrics.
    pub metrics: Vec<MetricValue>,
}

/// A cell that is not complete, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Key of the system.
    pub system: String,
    /// Row.
    pub row: String,
    /// Seed.
    pub seed: u64,
    /// Why.
    pub why: String,
}

/// One side of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// By which code.
    pub code: Code,
    /// On which machine.
    pub env: Env,
    /// Specs by their digest, for saying what differs.
    pub specs: BTreeMap<String, Value>,
    /// Complete cells.
    pub cells: Vec<CellRecord>,
    /// The others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

impl Side {
    /// Whether both sides were made by the same code on the same class of machine: then bits of samples must agree.
    #[must_use]
    pub fn same_build_and_machine(&self, other: &Self) -> bool {
        let class = |env: &Env| (env.os.clone(), env.cpu.clone(), env.simd.clone());
        let same_code = self.code.sampling == other.code.sampling && !self.code.sampling.is_empty();
        same_code && class(&self.env) == class(&other.env)
    }
}

/// What the runs of an experiment in a results folder are.
///
/// # Errors
/// When files of a complete run cannot be read, or are not what its manifest says.
pub fn gather(experiment: &Experiment, results: &Path) -> Result<Side> {
    let mut side = Side {
        code: identity::code().clone(),
        env: identity::env(),
        specs: BTreeMap::new(),
        cells: Vec::new(),
        missing: Vec::new(),
    };
    for cell in &experiment.cells {
        let spec = identity::spec_digest(&cell.run);
        side.specs.entry(spec.clone()).or_insert_with(|| spec_value(&cell.run));
        match record(cell, &spec, results)? {
            Ok(found) => side.cells.push(found),
            Err(why) => {
                side.missing.push(Missing { system: cell.system.clone(), row: cell.row(), seed: cell.seed, why });
            }
        }
    }
    Ok(side)
}

/// A spec as it is compared: files of molecules by their digests, as in the spec's own digest.
fn spec_value(spec: &RunSpec) -> Value {
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    if let Some(files) = &spec.system.files {
        let digest = |text: &str| identity::sha256_hex(text);
        value["system"]["files"] = serde_json::json!({"xml": digest(&files.xml.text), "pdb": digest(&files.pdb.text)});
    }
    value
}

/// The record of a cell, or why there is none.
fn record(cell: &Cell, spec: &str, results: &Path) -> Result<std::result::Result<CellRecord, String>> {
    let Some(run) = record::attempts(results, spec, cell.seed)?.pop() else { return Ok(Err("never run".into())) };
    if !run.status().has_samples() {
        return Ok(Err(reason(&run)));
    }
    manifest::verify(&run.path)?;
    let yardstick = exec::Asked::of(results, cell)?.yardstick;
    let judged: Evaluation = match evaluation::find(&run, &yardstick, cell.seed)? {
        Found::Own(judged) => judged,
        Found::OtherCode(_) => return Ok(Err("complete, but evaluated by other code".into())),
        Found::Missing => return Ok(Err("complete, but not evaluated with these settings".into())),
    };
    let read = |values: Vec<Value>| -> Result<Vec<MetricValue>> {
        let values: std::result::Result<_, _> = values.into_iter().map(serde_json::from_value).collect();
        values.map_err(|e| Error::data(run.file(&evaluation::name(&judged.digest)), e.to_string()))
    };
    let mut metrics = read(judged.metrics.clone())?;
    metrics.extend(
        read(judged.reweighted.clone())?.into_iter().map(|m| MetricValue { id: format!("{} reweighted", m.id), ..m }),
    );
    let counts: Counts = atomic::read_json(&run.file("counts.json"))?;
    // Of what the manifest lists, these follow from spec, seed and code alone; spec.json also holds labels.
    let files = manifest::read(&run.path)?.into_iter().filter(|(_, name)| BITS.contains(&name.as_str()));
    Ok(Ok(CellRecord {
        system: cell.system.clone(),
        row: cell.row(),
        seed: cell.seed,
        spec: spec.to_owned(),
        eval: yardstick.settings,
        reference: references::known(results, &cell.run.system, &cell.eval.reference)
            .map_or_else(String::new, |r| r.content),
        files: files.map(|(digest, name)| (name, digest)).collect(),
        evaluations: counts.charged(),
        metrics,
    }))
}

fn reason(run: &RunDir) -> String {
    match atomic::read_json::<Failure>(&run.file("failure.json")) {
        Ok(failure) => format!("failed: {}", failure.reason),
        Err(_) => run.status().word().to_owned(),
    }
}
