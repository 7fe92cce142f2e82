//! identity stub.
use crate::config::spec::{EvalSpec, ReferenceSpec, RunSpec, SystemSpec};
use serde::Serialize;
use serde_json::Value;
fn digest(v: &impl Serialize) -> String {
    crate::record::atomic::sha256(serde_json::to_string(v).unwrap_or_default().as_bytes())
}
/// s
pub fn spec_digest(s: &RunSpec) -> String {
    digest(s)
}
/// s
pub fn eval_digest(s: &EvalSpec) -> String {
    digest(s)
}
/// s
pub fn reference_digest(s: &SystemSpec, r: &ReferenceSpec) -> String {
    digest(&(s, r))
}
/// s
#[derive(Debug, Serialize)]
pub struct Code {
    /// s
    pub revision: Option<String>,
    /// s
    pub dirty: bool,
    /// s
    pub digest: String,
}
/// s
#[derive(Debug, Serialize)]
pub struct Env {
    /// s
    pub os: String,
    /// s
    pub digest: String,
}
/// s
pub fn code() -> &'static Code {
    static C: std::sync::LazyLock<Code> =
        std::sync::LazyLock::new(|| Code { revision: None, dirty: false, digest: "code".into() });
    &C
}
/// s
pub fn env() -> Env {
    Env { os: "linux".into(), digest: "env".into() }
}
/// s
#[derive(Debug, Serialize)]
pub struct Difference {
    /// s
    pub path: String,
    /// s
    pub left: Option<Value>,
    /// s
    pub right: Option<Value>,
}
/// s
pub fn explain(_a: &Value, _b: &Value) -> Vec<Difference> {
    vec![]
}
