//! Properties against oracles that share no code with what they check: the canonical form of specs, and what a sweep does
//! with whatever it finds in a cell's run folders.

use std::path::Path;

use pita_bench::config::Cell;
use pita_bench::exec;
use pita_bench::identity::{self, Yardstick};
use pita_bench::plan::{Action, Flags};
use pita_bench::record::evaluation::{self, Evaluation};
use pita_bench::record::{Claim, Failure, Labels, Provenance, Request, RunDir, atomic, claim, manifest};
use pita_bench::spec::{EvalSpec, MdSpec, RunSpec, SamplerSpec, SystemSpec};
use proptest::prelude::*;
use serde_json::{Number, Value, json};

/// Any JSON value, with numbers that have several spellings.
fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        (-9_i64..9).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-9_i32..9).prop_map(|i| Value::from(f64::from(i))),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::from),
        prop::sample::select(vec![-0.0, 1e-3, 1e15, 9_007_199_254_740_992.0, 1e16, 5e-324]).prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        "[a-c\"\\\\é\n]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]{0,2}", inner, 0..4).prop_map(|m| json!(m)),
        ]
    })
}

/// Whether two values mean the same: the oracle, by structure instead of by text.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(v, w)| same(v, w)),
        (Value::Number(a), Value::Number(b)) => exact(a) == exact(b),
        _ => a == b,
    }
}

/// A number without its spelling: a whole number up to 2^53 however it is written, other floats by their bits.
fn exact(n: &Number) -> Result<i128, u64> {
    if let Some(i) = n.as_i64() {
        return Ok(i128::from(i));
    }
    if let Some(u) = n.as_u64() {
        return Ok(i128::from(u));
    }
    let x = n.as_f64().unwrap();
    if x.trunc() == x && x.abs() <= (1_u64 << 53) as f64 { Ok(x as i128) } else { Err(x.to_bits()) }
}

/// Every whole float as an integer and every small integer as a float; keys in another order (by a list of pairs).
fn respelled(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let all: Vec<String> =
                fields.iter().rev().map(|(k, v)| format!("{} : {}", json!(k), respelled(v))).collect();
            format!("{{ {} }}", all.join(" , "))
        }
        Value::Array(items) => format!("[ {} ]", items.iter().map(respelled).collect::<Vec<_>>().join(", ")),
        Value::Number(n) => match exact(n) {
            Ok(i) if i.unsigned_abs() <= 1 << 53 => {
                if n.is_f64() {
                    i.to_string()
                } else {
                    format!("{i}.0e0")
                }
            }
            _ => n.to_string(),
        },
        other => other.to_string(),
    }
}

proptest! {
    /// Two values have one canonical text if and only if they mean the same.
    #[test]
    fn canonical_text_is_the_meaning(a in value(), b in value()) {
        prop_assert_eq!(identity::canonical(&a) == identity::canonical(&b), same(&a, &b), "{} {}", a, b);
    }

    /// The text can be read back, means the same, and is its own canonical text; spelling and order do not matter.
    #[test]
    fn canonical_text_is_read_back(a in value()) {
        let text = identity::canonical(&a);
        let back: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(same(&a, &back), "{}", text);
        prop_assert_eq!(identity::canonical(&back), text.clone());
        let other: Value = serde_json::from_str(&respelled(&a)).unwrap();
        prop_assert_eq!(identity::canonical(&other), text);
    }

    /// One changed leaf changes the text.
    #[test]
    fn canonical_text_sees_every_leaf(a in value(), key in "[a-c]{1,2}", b in value()) {
        let mut fields = serde_json::Map::new();
        fields.insert(key.clone(), a.clone());
        let one = Value::Object(fields.clone());
        fields.insert(key, b.clone());
        prop_assert_eq!(identity::canonical(&one) == identity::canonical(&Value::Object(fields)), same(&a, &b));
    }
}

/// What one attempt left behind.
#[derive(Debug, Clone)]
struct Left {
    spec: bool,
    /// Whose provenance: ours, other code's, torn, none.
    provenance: u8,
    /// Evaluation: as asked for, by other code, torn, none.
    metrics: u8,
    manifest: bool,
    failure: bool,
    /// Held by this process, by a dead one on this host, by one elsewhere that is silent since long, by nobody.
    claim: u8,
}

fn left() -> impl Strategy<Value = Left> {
    (prop::bool::weighted(0.9), 0..4_u8, 0..4_u8, any::<bool>(), prop::bool::weighted(0.3), 0..4_u8).prop_map(
        |(spec, provenance, metrics, manifest, failure, claim)| Left {
            spec,
            provenance,
            metrics,
            manifest,
            failure,
            claim,
        },
    )
}

fn cell() -> Cell {
    let run = RunSpec { system: SystemSpec::named("lj13", 1.0), sampler: SamplerSpec::Md(MdSpec::default()) };
    Cell {
        system: "lj13".into(),
        sampler: "md".into(),
        label: "MD".into(),
        swept: vec![],
        seed: 3,
        run,
        eval: EvalSpec::default(),
    }
}

/// Puts an attempt's files on disk; a claim that is held lives as long as what is returned.
fn put(run: &RunDir, cell: &Cell, left: &Left) -> Option<Claim> {
    run.create().unwrap();
    let digest = identity::spec_digest(&cell.run);
    if left.spec {
        let labels = Labels::default();
        let request = Request { spec_digest: digest.clone(), seed: cell.seed, labels, spec: cell.run.clone() };
        atomic::write_json(&run.file("spec.json"), &request).unwrap();
    }
    let code = |code: &str| Provenance {
        spec_digest: digest.clone(),
        code_digest: String::new(),
        sampling_digest: code.to_owned(),
        evaluation_digest: String::new(),
        env_digest: String::new(),
        code: Value::Null,
        env: Value::Null,
        sessions: vec![],
    };
    let provenance = run.file("provenance.json");
    match left.provenance {
        0 => atomic::write_json(&provenance, &code(&identity::code().sampling)).unwrap(),
        1 => atomic::write_json(&provenance, &code("other")).unwrap(),
        2 => std::fs::write(&provenance, "{\"spec_dig").unwrap(),
        _ => {}
    }
    let yardstick = Yardstick::new(&cell.run.system, &cell.eval, None).unwrap();
    let other = Yardstick { code: "other".into(), ..yardstick.clone() };
    let text = match left.metrics {
        0 => serde_json::to_string(&Evaluation::new(&yardstick, cell.seed, &cell.eval)).unwrap(),
        1 => serde_json::to_string(&Evaluation::new(&other, cell.seed, &cell.eval)).unwrap(),
        _ => "{".to_owned(),
    };
    let by = if left.metrics == 1 { &other } else { &yardstick };
    let name = evaluation::name(&by.evaluation(cell.seed));
    std::fs::create_dir_all(run.file(evaluation::FOLDER)).unwrap();
    if left.metrics < 3 {
        std::fs::write(run.file(&name), &text).unwrap();
    }
    if left.manifest {
        let sealed = left.metrics < 3;
        let line = |name: &&str| format!("{}  {name}\n", "0".repeat(64));
        let mut lines: String = ["counts.json", "samples.npz", "spec.json"].iter().map(line).collect();
        if sealed {
            lines += &format!("{}  {name}\n", atomic::sha256(text.as_bytes()));
        }
        std::fs::write(run.file(manifest::NAME), lines).unwrap();
    }
    if left.failure {
        atomic::write_json(&run.file("failure.json"), &Failure { reason: "r".into(), time: "t".into() }).unwrap();
    }
    let path = run.file("claim");
    let held = Claim::take(&path).unwrap().unwrap();
    match left.claim {
        0 => return Some(held),
        1 => {
            let mut holder = claim::holder(&path).unwrap();
            drop(held);
            holder.pid = u32::MAX;
            atomic::write_json(&path, &holder).unwrap();
        }
        2 => {
            let mut holder = claim::holder(&path).unwrap();
            drop(held);
            holder.host = "elsewhere".into();
            atomic::write_json(&path, &holder).unwrap();
            let old = std::time::SystemTime::now() - 2 * claim::STALE;
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(old).unwrap();
        }
        _ => drop(held),
    }
    None
}

/// What a careful person would do, told by the files alone: action and number of the attempt.
fn oracle(attempts: &[Left], flags: Flags) -> (Action, u32) {
    // A folder without a spec holds nothing yet.
    let Some((last, found)) = attempts.iter().enumerate().rev().find(|(_, left)| left.spec) else {
        return (Action::Run, 1);
    };
    let number = last as u32 + 1;
    // Killed before the provenance was written: nobody's code has begun.
    let ours = found.provenance != 1;
    let judged = found.metrics == 0;
    let anew = (Action::Run, number + 1);
    if found.manifest {
        return if flags.force || (flags.rerun_stale && !ours) {
            anew
        } else if judged {
            (Action::Done, number)
        } else {
            (Action::Evaluate, number)
        };
    }
    if found.failure {
        return if flags.force || flags.retry_failed { anew } else { (Action::Skip, number) };
    }
    if found.claim == 0 {
        return (Action::Skip, number);
    }
    if flags.force || !ours { anew } else { (Action::Resume, number) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_a_sweep_does_follows_from_the_files(
        attempts in prop::collection::vec(left(), 0..3),
        force: bool,
        rerun_stale: bool,
        retry_failed: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let results: &Path = dir.path();
        let cell = cell();
        let digest = identity::spec_digest(&cell.run);
        let runs = attempts.iter().zip(1..).map(|(left, n)| (RunDir::new(results, &digest, cell.seed, n), left));
        let _held: Vec<Option<Claim>> = runs.map(|(run, left)| put(&run, &cell, left)).collect();
        let flags = Flags { force, rerun_stale, retry_failed };
        let planned = exec::plan(results, &cell, flags).unwrap();
        prop_assert_eq!((planned.action, planned.run.id.attempt), oracle(&attempts, flags), "{:?} {:?}", attempts, flags);
        // A dry look changes nothing: the same again.
        let again = exec::plan(results, &cell, flags).unwrap();
        prop_assert_eq!((again.action, again.run), (planned.action, planned.run));
    }
}
