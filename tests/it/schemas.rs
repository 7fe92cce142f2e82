//! What `--json` prints is what the documentation says, for every verb.

use std::collections::BTreeSet;
use std::path::Path;

use pita_bench::array::{Array, write_npz};
use pita_bench::cli::schemas::{VERSION, schemas};
use pita_bench::systems::by_name;
use serde_json::{Map, Value};

use crate::common::place::{LJ13, Place, json};

/// Two methods.
fn experiment() -> String {
    let md = "kind = \"md\", walkers = 2, equilibration = 50, stride = 2, samples = 40";
    format!(
        "name = \"tiny\"\nseeds = [0]\n{LJ13}[samplers]\nmd = {{ {md} }}\nmala = {{ integrator = \"mala\", {md} }}\n"
    )
}

/// Documented keys of a verb: those that must be there, and all that may be; `None` for what depends on what was asked for.
fn documented(verb: &str) -> (String, BTreeSet<String>, Option<BTreeSet<String>>) {
    let schema = schemas().find(|s| s.verb == verb).unwrap_or_else(|| panic!("{verb} is not documented"));
    let keys = schema.keys;
    let needed = keys.iter().filter(|k| !k.ends_with('?') && **k != "*").map(|k| (*k).to_owned()).collect();
    let known = keys.iter().map(|k| k.trim_end_matches('?').to_owned()).collect();
    (schema.shape.to_owned(), needed, (!keys.contains(&"*")).then_some(known))
}

/// Checks a value against the documentation of a verb.
fn check(verb: &str, value: &Value, seen: &mut BTreeSet<String>) {
    let (shape, needed, known) = documented(verb);
    let entries: Vec<&Map<String, Value>> = match (shape.as_str(), value) {
        ("object", Value::Object(object)) => {
            assert_eq!(object["schema"], VERSION, "{verb}");
            vec![object]
        }
        ("list", Value::Array(all)) => {
            assert!(!all.is_empty(), "{verb}: an empty list shows nothing");
            all.iter().map(|entry| entry.as_object().unwrap()).collect()
        }
        ("map", Value::Object(map)) => {
            assert!(map.values().all(Value::is_array), "{verb}: {value}");
            vec![]
        }
        _ => panic!("{verb}: expected an {shape}, got {value}"),
    };
    for entry in entries {
        let keys: BTreeSet<String> = entry.keys().cloned().collect();
        assert!(needed.is_subset(&keys), "{verb} lacks {:?}", needed.difference(&keys).collect::<Vec<_>>());
        if let Some(known) = &known {
            let undocumented: Vec<&String> = keys.difference(known).collect();
            assert!(undocumented.is_empty(), "{verb} prints {undocumented:?}, which is not documented");
        }
    }
    seen.insert(verb.to_owned());
}

fn frames(path: &Path) {
    let start = by_name("lj13", 1.0).unwrap().start.clone();
    let two: Vec<f64> = start.iter().copied().chain(start.iter().map(|x| 1.01 * x)).collect();
    write_npz(path, &[("positions".to_owned(), Array::f64(&[2, 13, 3], two))].into()).unwrap();
}

#[test]
fn every_verb_prints_what_is_documented() {
    let place = Place::new(&experiment());
    let at = |name: &str| place.dir.path().join(name).to_str().unwrap().to_owned();
    let file = place.experiment.to_str().unwrap().to_owned();
    frames(Path::new(&at("x.npz")));
    write_npz(at("p.npz"), &[("points".to_owned(), Array::f64(&[2, 2], vec![0.0, 1.0, 2.0, 3.0]))].into()).unwrap();
    let mut seen = BTreeSet::new();
    let mut run = |verb: &str, args: &[&str]| -> Value {
        let value = json(&place.run(&[args, &["--json", "-q"]].concat()));
        check(verb, &value, &mut seen);
        value
    };
    run("init", &["init", &at("new")]);
    let swept = run("sweep", &["sweep", &file]);
    let [a, b] = [0, 1].map(|i| swept["cells"][i]["run"].as_str().unwrap().to_owned());
    let (reference, npz) = (at("reference.npz"), at("x.npz"));
    let mut folders = std::fs::read_dir(place.results().join("references")).unwrap().map(|e| e.unwrap().path());
    let folder = folders.find(|path| path.join("reference.npz").is_file()).unwrap();
    std::fs::copy(folder.join("reference.npz"), &reference).unwrap();
    run("sweep --status", &["sweep", &file, "--status"]);
    run("sweep --collect", &["sweep", &file, "--collect"]);
    run("ls", &["ls"]);
    let shown = run("show RUN", &["show", &a]);
    assert_eq!(shown["run"]["run"], a.as_str());
    for digest in ["spec_digest", "code_digest", "env_digest"] {
        run("show DIGEST", &["show", &shown["provenance"][digest].as_str().unwrap()[..16]]);
    }
    run("show DIGEST", &["show", swept["references"][0]["digest"].as_str().unwrap()]);
    run("diff", &["diff", &a, &b]);
    run("explain", &["explain", &a, &b]);
    run("tag", &["tag", &a, "good"]);
    run("report", &["report", &file]);
    run("report --compare", &["report", &file, "--compare", "seed=0", "seed=0"]);
    run(
        "eval",
        &[
            "eval",
            "--system",
            "lj13",
            "--temperature",
            "1",
            "--samples",
            &npz,
            "--reference",
            &reference,
            "--n",
            "2",
            "--metrics",
            "energy-w1",
        ],
    );
    run("energy", &["energy", "--system", "lj13", "--samples", &npz, "--out", &at("e.npz")]);
    run("convert", &["convert", "--system", "lj13", "--samples", &npz, "--out", &at("x.xtc")]);
    run("ot", &["ot", "--a", &at("p.npz"), "--b", &at("p.npz"), "--metric", "euclidean", "--order", "1"]);
    let references = json(&place.run(&["list", "references", "--json"])) != Value::Array(vec![]);
    if references {
        let all = run("list references", &["list", "references"]);
        run("reference --verify", &["reference", "--verify", all[0]["name"].as_str().unwrap()]);
    }
    for kind in ["systems", "samplers", "metrics", "profiles", "baselines", "schemas"] {
        run(&format!("list {kind}"), &["list", kind]);
    }
    for (kind, name) in [
        ("system", "lj13"),
        ("metric", "ess"),
        ("profile", "quick"),
        ("baseline", "pita"),
        ("sampler", "pita"),
        ("section", "metrics"),
    ] {
        run(&format!("describe {kind}"), &["describe", kind, name]);
    }
    for action in ["rebuild", "ingest", "verify", "schema"] {
        run(&format!("db {action}"), &["db", action]);
    }
    run("db verify", &["db", "verify", "--recompute"]);
    run("export --bundle", &["export", "--bundle", &a, "--out", &at("a.tar")]);
    run("export --experiment", &["export", "--experiment", &file, "--out", &at("tiny.tar.gz")]);
    run("export TABLE", &["export", "runs"]);
    run("import", &["import", &at("a.tar")]);
    run("gc", &["gc"]);
    run("doctor", &["doctor"]);
    run("any error", &["show", "zzzz"]);
    run("check", &["check", &file]);
    run("accept", &["accept", &file, "--reason", "a test"]);
    let tables = json(&place.run(&["report", &file, "--json", "-q"]))["tables"].clone();
    let status = json(&place.run(&["sweep", &file, "--status", "--json", "-q"]))["entries"].clone();
    let diff = json(&place.run(&["diff", &a, &b, "--json"]))["metrics"].clone();
    let settings = json(&place.run(&["describe", "sampler", "pita", "--json"]))["settings"].clone();
    for (verb, value) in [
        ("sweep: cells", &swept["cells"]),
        ("sweep: references", &swept["references"]),
        ("report: tables", &tables),
        ("report: tables: rows", &tables[0]["rows"]),
        ("sweep --status: entries", &status),
        ("diff: metrics", &diff),
        ("describe sampler: settings", &settings),
    ] {
        check(verb, value, &mut seen);
    }
    // What needs a cluster, a trained model, or minutes.
    let mut elsewhere = vec![
        "sweep --launcher slurm",
        "run",
        "reference",
        "reference --accept",
        "reference --remake",
        "draw",
        "tune-steps",
        "solvers",
    ];
    if !references {
        elsewhere.extend(["list references", "reference --verify"]);
    }
    let missing: Vec<&str> =
        schemas().map(|s| s.verb).filter(|v| !seen.contains(*v) && !elsewhere.contains(v)).collect();
    assert!(missing.is_empty(), "not tested: {missing:?}");
}
