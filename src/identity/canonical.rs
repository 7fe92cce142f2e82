//! The canonical form of a spec: one text for everything that means the same.
//!
//! JSON with sorted keys, without spaces, where fields equal to their struct's default are left out (so that a new
//! field with a default keeps every old digest) and numbers have one spelling (`1e-3`, `0.001`; `1`, `1.0`; `-0.0`, `0`).
//! A line before it names the kind of spec and [`VERSION`].
//!
//! Because defaults are left out, **changing the value of a default changes what old digests mean**: raise [`VERSION`]
//! then. `tests/it/config.rs` freezes the defaults to remind of it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::disk;
use crate::error::{Error, Result};
use crate::spec::{EvalSpec, MoleculeFiles, ReferenceSpec, RunSpec, SamplerKind, SamplerSpec, SystemSpec};
use crate::systems::molecules;

/// Version of the canonical form and of the defaults it leaves out.
const VERSION: u32 = 1;

/// Canonical text of any value, nothing left out: sorted keys, one spelling of numbers.
///
/// Values that cannot be JSON (a map with keys that are no strings) become `null`; specs have none.
#[must_use]
pub fn canonical(value: &impl Serialize) -> String {
    normal(&json(value)).to_string()
}

/// Digest of what is asked for: 64 hexadecimal digits. The seed is not part of it.
#[must_use]
pub fn spec_digest(spec: &RunSpec) -> String {
    let default = SamplerKind::named(spec.sampler.kind()).map(|kind| (kind.default)());
    let mut sampler = without_defaults(json(&spec.sampler), &json(&default));
    // The kind says which defaults were left out.
    sampler["kind"] = json(&spec.sampler)["kind"].clone();
    let names: &[&str] = match &spec.sampler {
        // A program is its files and its command, wherever they lie and whatever it is called.
        SamplerSpec::External(_) => &["name", "folder", "timeout", "disk"],
        // Samples are the content of their file.
        SamplerSpec::Samples(_) => &["path"],
        _ => &[],
    };
    if let Some(fields) = sampler.as_object_mut() {
        fields.retain(|field, _| !names.contains(&field.as_str()));
    }
    digest("run", &serde_json::json!({ "system": system(&spec.system), "sampler": sampler }))
}

/// Digest of how samples are judged, reference included. The order of the metrics does not matter.
#[must_use]
pub fn eval_digest(spec: &EvalSpec) -> String {
    let sorted = |mut spec: EvalSpec| {
        spec.metrics.sort();
        spec.metrics.dedup();
        json(&spec)
    };
    digest("eval", &without_defaults(sorted(spec.clone()), &sorted(EvalSpec::default())))
}

/// Digest of a reference ensemble: its system, seed and settings.
#[must_use]
pub fn reference_digest(system: &SystemSpec, reference: &ReferenceSpec) -> String {
    let reference = without_defaults(json(reference), &json(&ReferenceSpec::default()));
    digest("reference", &serde_json::json!({ "system": self::system(system), "reference": reference }))
}

/// A molecule from files is what was read from them, wherever they lie and whatever it is called; files that cannot be read
/// are their text.
fn system(spec: &SystemSpec) -> Value {
    let Some(files) = &spec.files else { return json(spec) };
    let (xml, pdb) = (sha256_hex(&files.xml.text), sha256_hex(&files.pdb.text));
    match molecule(files, &format!("{xml} {pdb}")) {
        Some(molecule) => serde_json::json!({ "molecule": molecule, "temperature": spec.temperature }),
        None => serde_json::json!({ "xml": xml, "pdb": pdb, "temperature": spec.temperature }),
    }
}

/// Digest of a molecule, read once for files of the same text; `None` where it cannot be read.
fn molecule(files: &MoleculeFiles, text: &str) -> Option<String> {
    static READ: LazyLock<Mutex<BTreeMap<String, Option<String>>>> = LazyLock::new(Mutex::default);
    // A poisoned lock only means that another reader panicked: the map itself is whole.
    let read = || READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = read().get(text) {
        return known.clone();
    }
    let found = molecules::from_files(files).ok().map(|molecule| sha256_hex(molecule.canonical()));
    read().insert(text.to_owned(), found.clone());
    found
}

/// SHA-256 as 64 hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    super::tree::hex(&Sha256::digest(bytes.as_ref()))
}

/// SHA-256 of a file, as 64 hexadecimal digits.
///
/// # Errors
/// [`Error::Io`], also for what is no file.
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut file = disk::open(path).map_err(Error::io(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(Error::io(path))? {
            0 => return Ok(super::tree::hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn digest(kind: &str, value: &Value) -> String {
    sha256_hex(format!("pita-bench {kind} {VERSION}\n{}", normal(value)))
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// Drops fields equal to the default, in tables inside tables as well; a table that ends up empty is dropped too.
fn without_defaults(value: Value, default: &Value) -> Value {
    let (Value::Object(fields), Value::Object(defaults)) = (&value, default) else { return value };
    let kept = fields.iter().filter(|(key, field)| defaults.get(*key) != Some(*field));
    let inner = |key: &String, field: &Value| match defaults.get(key) {
        Some(default) => without_defaults(field.clone(), default),
        None => field.clone(),
    };
    kept.map(|(key, field)| (key.clone(), inner(key, field))).collect()
}

/// The value with its keys in order and one spelling of its numbers.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().map(|(key, field)| (key, normal(field))).collect();
            sorted.into_iter().map(|(key, field)| (key.clone(), field)).collect()
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Number(n) => match n.as_f64() {
            // An integral float is written like the integer; beyond 2^53 floats are not all integers we can tell apart.
            Some(x) if n.is_f64() && x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0 => Value::from(x as i64),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spec::{KINDS, MdSpec, PitaSpec, SamplesSpec, TextFile};

    #[test]
    fn one_spelling() {
        let value: Value =
            serde_json::from_str(r#"{"b": -0.0, "a": [1e-3, 1.0, 1e16, 0.1], "c": {"z": null, "y": "é\""}}"#).unwrap();
        assert_eq!(canonical(&value), r#"{"a":[0.001,1,1e+16,0.1],"b":0,"c":{"y":"é\"","z":null}}"#);
    }

    #[test]
    fn defaults_are_left_out() {
        let mut spec = PitaSpec::default();
        let default = json(&spec);
        spec.train.batch = 7;
        assert_eq!(without_defaults(json(&spec), &default).to_string(), r#"{"train":{"batch":7}}"#);
        assert_eq!(without_defaults(default.clone(), &default).to_string(), "{}");
    }

    /// A field that a later version adds, at its default, is no part of the digest.
    #[test]
    fn new_field_keeps_old_digests() {
        let old = serde_json::json!({"steps": 3});
        let old_default = serde_json::json!({"steps": 1});
        let new = serde_json::json!({"steps": 3, "added": 0.5});
        let new_default = serde_json::json!({"steps": 1, "added": 0.5});
        assert_eq!(without_defaults(old, &old_default), without_defaults(new, &new_default));
    }

    /// Samplers of two kinds that are both all defaults are still two specs.
    #[test]
    fn kinds_differ() {
        let system = SystemSpec::named("lj13", 1.0);
        let digest = |kind: &SamplerKind| spec_digest(&RunSpec { system: system.clone(), sampler: (kind.default)() });
        let digests: BTreeSet<String> = KINDS.iter().map(digest).collect();
        assert_eq!(digests.len(), KINDS.len());
    }

    /// What a file holds and what is said about it decides, not where it lies.
    #[test]
    fn samples_are_their_content() {
        let digest = |path: &str, file: &str, evaluations, walkers| {
            let sampler =
                SamplerSpec::Samples(SamplesSpec { path: path.into(), file: file.into(), evaluations, walkers });
            spec_digest(&RunSpec { system: SystemSpec::named("lj13", 1.0), sampler })
        };
        let one = digest("a.npz", "f", None, None);
        assert_eq!(digest("b.npz", "f", None, None), one);
        let others = [("g", None, None), ("f", Some(7), None), ("f", None, Some(7))];
        assert!(others.iter().all(|(file, e, w)| digest("a.npz", file, *e, *w) != one));
    }

    /// The content of files decides, not their names.
    #[test]
    fn molecules_are_their_content() {
        let file = |path: &str, text: &str| TextFile { path: path.into(), text: text.into() };
        let spec = |name: &str, temperature, xml: &str, pdb: &str| SystemSpec {
            name: name.into(),
            temperature,
            files: Some(MoleculeFiles { xml: file(name, xml), pdb: file(name, pdb) }),
        };
        let digest = |system: &SystemSpec| reference_digest(system, &ReferenceSpec::default());
        let one = spec("here", 300.0, "x", "p");
        assert_eq!(digest(&one), digest(&spec("there", 300.0, "x", "p")));
        let others = [spec("here", 310.0, "x", "p"), spec("here", 300.0, "y", "p"), spec("here", 300.0, "x", "q")];
        assert!(others.iter().all(|other| digest(other) != digest(&one)));
        let text = json(&one).to_string();
        assert_eq!(serde_json::from_str::<SystemSpec>(&text).unwrap(), one);
        assert_eq!(json(&SystemSpec::named("lj13", 1.0)).to_string(), r#"{"name":"lj13","temperature":1.0}"#);
    }

    /// Computed apart, with `printf 'pita-bench run 1\n{...}' | sha256sum`.
    #[test]
    fn digest_is_plain_sha256_of_the_text() {
        let sampler = SamplerSpec::Md(MdSpec { step: 0.01, ..Default::default() });
        let spec = RunSpec { system: SystemSpec::named("lj13", 1.0), sampler };
        assert_eq!(spec_digest(&spec), "bae207a9b052190f1eef1473d871e763b89865f5bd61987d147d3251856af6b8");
    }
}
