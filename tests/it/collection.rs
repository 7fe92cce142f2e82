//! A whole experiment as one file: its tables anywhere, its runs in another results folder; nothing of a damaged one.

use std::io::Read;

use crate::common::place::{Place, TINY, ends_with, text};
use serde_json::Value;

/// A second row for it, whose budget ends it after some of its samples.
const MALA: &str = r#"
[samplers.mala]
kind = "md"
integrator = "mala"
step = 0.001
walkers = 4
equilibration = 50
stride = 5
samples = 40
budget = 320
"#;

fn two_rows() -> Place {
    Place::new(&(TINY.replace("seeds = [0, 1, 2]", "seeds = [0, 1]") + MALA))
}

/// Tables of a report, without where they were written.
fn tables(place: &Place, args: &[&str]) -> Value {
    let output = place.run(&[&["--json", "--quiet", "report"], args].concat());
    ends_with(&output, 0);
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["tables"].take()
}

#[test]
fn tables_anywhere_and_runs_elsewhere() {
    let place = two_rows();
    ends_with(&place.sweep(&[]), 0);
    let experiment = place.experiment.to_str().unwrap().to_owned();
    let file = |name: &str| place.dir.path().join(name).to_str().unwrap().to_owned();
    let (whole, slim) = (file("whole.tar.gz"), file("slim.tar.gz"));
    ends_with(&place.run(&["export", "--experiment", &experiment, "--out", &whole]), 0);
    ends_with(&place.run(&["export", "--experiment", &experiment, "--out", &slim, "--without-samples"]), 0);
    let size = |path: &str| std::fs::metadata(path).unwrap().len();
    assert!(size(&slim) * 3 < size(&whole), "{} {}", size(&slim), size(&whole));

    // Nothing in it says where it was made.
    let mut inside = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&slim).unwrap()).read_to_end(&mut inside).unwrap();
    let (inside, here) = (String::from_utf8_lossy(&inside).into_owned(), place.dir.path().display().to_string());
    assert!(!inside.contains(&here), "{here}");

    let own = tables(&place, &[&experiment]);
    let partial = text(&place.run(&["ls", "--status", "partial"]));
    assert!(partial.contains("MALA") || partial.contains("mala"), "{partial}");
    let elsewhere = Place::new("");
    for from in [&whole, &slim] {
        assert_eq!(tables(&elsewhere, &["--from", from]), own, "{from}");
        assert!(!elsewhere.results().join("runs").exists(), "a report imports nothing");
    }

    let refused = elsewhere.run(&["import", &slim]);
    ends_with(&refused, 2);
    assert!(text(&refused).contains("report --from"), "{}", text(&refused));
    ends_with(&elsewhere.run(&["import", &whole]), 0);
    assert_eq!(elsewhere.runs().len(), 4);
    ends_with(&elsewhere.run(&["db", "verify", "--recompute"]), 0);
    let mut theirs = tables(&elsewhere, &[&experiment]);
    let mut ours = own.clone();
    for tables in [&mut theirs, &mut ours] {
        for table in tables.as_array_mut().unwrap() {
            table["notes"] = Value::Null; // imported runs say so
        }
    }
    let values = |tables: &Value| -> Vec<Value> {
        let rows = |t: &Value| t["rows"].as_array().unwrap().iter().map(|r| r["cells"].clone()).collect::<Vec<_>>();
        tables.as_array().unwrap().iter().flat_map(rows).collect()
    };
    assert_eq!(values(&theirs), values(&ours));
    let again = elsewhere.run(&["import", &whole]);
    assert!(text(&again).contains("was here already"), "{}", text(&again));
    assert_eq!(elsewhere.runs().len(), 4);
    let listed = elsewhere.run(&["ls", "--experiment", "tiny"]);
    assert_eq!(text(&listed).matches("lj13").count(), 4, "{}", text(&listed));
}

#[test]
fn damaged_ones_are_refused() {
    let place = two_rows();
    ends_with(&place.sweep(&["--seeds", "0"]), 0);
    let experiment = place.experiment.to_str().unwrap().to_owned();
    let path = place.dir.path().join("x.tar.gz");
    let name = path.to_str().unwrap();
    ends_with(&place.run(&["export", "--experiment", &experiment, "--out", name]), 0);
    let sound = std::fs::read(&path).unwrap();
    let cuts = [0, 1, 2, 20, sound.len() / 3, sound.len() / 2, sound.len() - 9];
    let damaged = cuts.iter().map(|&at| sound[..at].to_vec()).chain((1..8).map(|k| {
        let mut bytes = sound.clone();
        let at = k * sound.len() / 8;
        bytes[at] ^= 0x55;
        bytes
    }));
    for (i, bytes) in damaged.enumerate() {
        std::fs::write(&path, bytes).unwrap();
        let elsewhere = Place::new("");
        for verb in [&["import", name][..], &["report", "--from", name][..]] {
            let output = elsewhere.run(verb);
            let code = output.status.code().unwrap();
            assert!([9, 17, 18].contains(&code), "{i} {verb:?}: {code} {}", text(&output));
        }
        // What came whole before the fault may stay: it is sound.
        ends_with(&elsewhere.run(&["db", "rebuild"]), 0);
    }
}
