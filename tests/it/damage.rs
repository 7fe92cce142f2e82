//! Damage stays where it is: whatever happens to the files of one run, the others are listed, verified, reported, swept and
//! joined by imports, and the damaged one is named with file and remedy. What is sealed is compared, and computed again.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::place::{Place, TINY, copy, ends_with, json as json_of, text};
use pita_bench::array::{Array, read_npz, write_npz};
use pita_bench::record::{RunDir, Status, atomic, evaluation, manifest};
use serde_json::{Value, json};

/// Three complete runs, one of which is to be hurt.
fn place() -> (Place, Vec<RunDir>) {
    let place = Place::new(TINY);
    ends_with(&place.sweep(&[]), 0);
    let runs = place.runs();
    assert_eq!(runs.len(), 3);
    (place, runs)
}

#[test]
fn one_damaged_run_disturbs_no_other() {
    let (place, runs) = place();
    let (hurt, id) = (&runs[1], runs[1].id.to_string());
    let experiment = place.experiment.to_str().unwrap().to_owned();
    let bundle = place.dir.path().join("b.tar");
    let exported = place.run(&["export", "--bundle", &runs[0].id.to_string(), "--out", bundle.to_str().unwrap()]);
    ends_with(&exported, 0);
    let deep = "[".repeat(200_000);
    let sealed = evaluation::name(&evaluation::all(hurt).unwrap()[0].digest);
    let whole = tempfile::tempdir().unwrap();
    copy(&hurt.path, whole.path());
    for (file, content) in [
        ("spec.json", ""),
        ("spec.json", deep.as_str()),
        ("provenance.json", "{\"spec_digest\": 3}"),
        ("counts.json", deep.as_str()),
        ("events.jsonl", "nonsense\n{}\n"),
        ("tags.json", "{"),
        ("partial.json", ""),
        ("origin.json", "[]"),
        (sealed.as_str(), ""),
        (manifest::NAME, ""),
        (manifest::NAME, "nothing of the kind\n"),
    ] {
        std::fs::write(hurt.file(file), content).unwrap();
        let rebuilt = place.run(&["db", "rebuild"]);
        ends_with(&rebuilt, 22);
        let said = text(&rebuilt);
        assert!(said.contains(": 3 runs") && said.contains(&format!("damaged: {id}")), "{file}: {said}");
        assert!(said.contains(file) && said.contains("next sweep"), "{file}: {said}");

        let verified = place.run(&["db", "verify"]);
        let code = verified.status.code().unwrap();
        assert!([17, 22].contains(&code) && text(&verified).contains(file), "{file}: {}", text(&verified));

        let listed = place.run(&["ls", "--json"]);
        ends_with(&listed, 22);
        let rows = json_of(&listed);
        let status = |id: &str| rows.as_array().unwrap().iter().find(|r| r["id"] == id).unwrap()["status"].clone();
        assert_eq!(status(&id), "damaged", "{file}");
        assert_eq!(
            (status(&runs[0].id.to_string()), status(&runs[2].id.to_string())),
            (json!("complete"), json!("complete"))
        );
        assert!(text(&place.run(&["ls", "--status", "damaged"])).contains(&id));

        // What the table does not need does not take its row away.
        let reported = place.run(&["report", &experiment]);
        let code = reported.status.code().unwrap();
        assert!([0, 22].contains(&code) && text(&reported).contains("| md "), "{file}: {}", text(&reported));

        ends_with(&place.run(&["import", bundle.to_str().unwrap()]), 0);
        let swept = place.sweep(&["--seeds", "0,2"]);
        ends_with(&swept, 0);
        std::fs::remove_dir_all(&hurt.path).unwrap();
        copy(whole.path(), &hurt.path);
    }
    ends_with(&place.run(&["db", "rebuild"]), 0);
    ends_with(&place.run(&["db", "verify"]), 0);

    // A manifest that is not whole commits nothing: the cell is run again, beside the damaged attempt.
    std::fs::write(hurt.file(manifest::NAME), "").unwrap();
    assert_eq!(hurt.status(), Status::Damaged);
    let swept = json_of(&place.sweep(&[]));
    assert_eq!(swept["cells"][1]["outcome"], "ran", "{swept}");
    assert!(swept["cells"][1]["reason"].as_str().unwrap().contains("damaged"), "{swept}");
    assert_eq!(place.runs().len(), 4);
}

/// Edits a file as somebody would who also seals the run anew.
fn forge(run: &RunDir, file: &str, edit: impl FnOnce(Value) -> Value) {
    let before = std::fs::read(run.file(file)).unwrap();
    let value = edit(serde_json::from_slice(&before).unwrap());
    atomic::write_json(&run.file(file), &value).unwrap();
    reseal(run);
}

fn reseal(run: &RunDir) {
    let names: Vec<String> = manifest::read(&run.path).unwrap().into_iter().map(|(_, name)| name).collect();
    manifest::seal(&run.path, &names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
}

#[test]
fn what_was_sealed_is_computed_again() {
    let (place, runs) = place();
    let again = |code: i32, selection: &str| {
        let output = place.run(&["db", "verify", "--json", "--recompute", selection]);
        ends_with(&output, code);
        json_of(&output)
    };
    let sound = again(0, "");
    let found = &sound["recomputed"];
    assert_eq!(
        (&found["runs"], &found["energies"], &found["identical"]),
        (&json!(3), &json!(120), &json!(6)),
        "{sound}"
    );
    assert_eq!((&found["within"], &found["left"]), (&json!(0), &json!([])), "{sound}");
    assert!(found["energy_apart"].as_f64().unwrap() < 1e-9, "{sound}");
    let text_of = text(&place.run(&["db", "verify", "--recompute"]));
    assert!(text_of.contains("6 metrics the same to the last bit"), "{text_of}");

    let run = &runs[1];
    let whole = tempfile::tempdir().unwrap();
    copy(&run.path, whole.path());
    let judged = evaluation::name(&evaluation::all(run).unwrap()[0].digest);
    let forgeries: [(&str, &dyn Fn()); 5] = [
        ("energy-w1 is recorded as", &|| {
            forge(run, &judged, |mut e| {
                e["metrics"][0]["value"] = json!(e["metrics"][0]["value"].as_f64().unwrap() * (1.0 + 1e-9));
                e
            });
        }),
        ("but these settings make", &|| {
            let log = std::fs::read_to_string(run.file("events.jsonl")).unwrap();
            let counts: Value = atomic::read_json(&run.file("counts.json")).unwrap();
            let fewer = json!({"sampling": counts["sampling"].as_u64().unwrap() - 1});
            std::fs::write(run.file("events.jsonl"), log.replace(&counts.to_string(), &fewer.to_string())).unwrap();
            forge(run, "counts.json", |_| fewer.clone());
        }),
        ("the energy of sample 0 is recorded as", &|| {
            let mut samples = read_npz(run.file("samples.npz")).unwrap();
            let mut energy = samples["energy"].to_f64();
            energy[0] -= 1.0;
            samples.insert("energy".into(), Array::f64(&[energy.len()], energy));
            write_npz(run.file("samples.npz"), &samples).unwrap();
            reseal(run);
        }),
        ("has 39 samples, the log of the run recorded 40", &|| {
            let mut samples = read_npz(run.file("samples.npz")).unwrap();
            let (x, e) = (samples["positions"].to_f64(), samples["energy"].to_f64());
            samples.insert("positions".into(), Array::f64(&[39, 13, 3], x[..39 * 39].to_vec()));
            samples.insert("energy".into(), Array::f64(&[39], e[..39].to_vec()));
            write_npz(run.file("samples.npz"), &samples).unwrap();
            reseal(run);
        }),
        ("`positions` is NaN", &|| {
            let mut samples = read_npz(run.file("samples.npz")).unwrap();
            let mut x = samples["positions"].to_f64();
            x[5] = f64::NAN;
            samples.insert("positions".into(), Array::f64(&[40, 13, 3], x));
            write_npz(run.file("samples.npz"), &samples).unwrap();
            reseal(run);
        }),
    ];
    for (message, hurt) in forgeries {
        hurt();
        manifest::verify(&run.path).unwrap(); // digests alone do not show it
        let id = run.id.to_string();
        let found = again(22, &id);
        let wrong = found["recomputed"]["wrong"][0].as_str().unwrap();
        assert!(wrong.contains(message) && wrong.contains(&id), "{wrong}");
        assert_eq!(again(22, "")["recomputed"]["runs"], 3, "the others are computed");
        std::fs::remove_dir_all(&run.path).unwrap();
        copy(whole.path(), &run.path);
    }
    ends_with(&place.run(&["db", "verify", "--recompute"]), 0);

    // Without its reference nothing can be compared, and that is said.
    std::fs::rename(place.results().join("references"), place.results().join("away")).unwrap();
    let left = again(0, "");
    assert!(left["recomputed"]["left"][0].as_str().unwrap().contains("reference is not here"), "{left}");
}

/// Imported runs say so, everywhere; what is not sound is not imported, and leaves nothing behind.
#[test]
fn imports_are_marked_and_checked() {
    let (place, runs) = place();
    let (run, id) = (&runs[1], runs[1].id.to_string());
    let whole = tempfile::tempdir().unwrap();
    copy(&run.path, whole.path());
    let bundle = place.dir.path().join("b.tar");
    let export = || place.run(&["export", "--bundle", &id, "--out", bundle.to_str().unwrap()]);
    ends_with(&export(), 0);
    let digest = atomic::sha256_file(&bundle).unwrap();

    let there = Place::new(TINY);
    copy(&place.results().join("references"), &there.results().join("references"));
    let import = || there.run(&["import", bundle.to_str().unwrap()]);
    let empty = |there: &Place| {
        let runs = there.results().join("runs");
        !runs.exists() || std::fs::read_dir(runs).unwrap().next().is_none()
    };
    let judged = evaluation::name(&evaluation::all(run).unwrap()[0].digest);
    let bad: [(&str, &dyn Fn()); 4] = [
        ("provenance.json: malformed JSON", &|| {
            std::fs::write(run.file("provenance.json"), "{}").unwrap();
            reseal(run);
        }),
        ("malformed JSON", &|| {
            std::fs::write(run.file(&judged), "{\"metrics\": 1}").unwrap();
            reseal(run);
        }),
        ("samples.npz: `positions` has shape", &|| {
            let positions = Array::f64(&[40, 12, 3], vec![0.5; 40 * 36]);
            write_npz(run.file("samples.npz"), &[("positions".to_owned(), positions)].into()).unwrap();
            reseal(run);
        }),
        ("samples.npz: not an npz file", &|| {
            std::fs::write(run.file("samples.npz"), "PK").unwrap();
            reseal(run);
        }),
    ];
    for (message, hurt) in bad {
        hurt();
        ends_with(&export(), 0);
        let refused = import();
        assert!([9, 12, 17].contains(&refused.status.code().unwrap()), "{}", text(&refused));
        let said = text(&refused);
        assert!(said.contains(message) && said.contains("b.tar"), "{message}: {said}");
        assert!(!said.contains(".import-"), "{said}");
        assert!(empty(&there), "{message}: something stays behind");
        std::fs::remove_dir_all(&run.path).unwrap();
        copy(whole.path(), &run.path);
    }

    ends_with(&export(), 0);
    ends_with(&import(), 0);
    let origin = format!("{id} of b.tar (SHA-256 {})", &digest[..16]);
    for args in [&["ls"][..], &["show", &id], &["report", there.experiment.to_str().unwrap()]] {
        let said = text(&there.run(args));
        assert!(said.contains(&origin), "{args:?}: {said}");
    }
    ends_with(&there.run(&["db", "verify", "--recompute"]), 0);
    ends_with(&there.run(&["db", "rebuild"]), 0);
}

/// 300 mutated records, one after the other: no panic, and the other runs are what they were.
#[test]
fn mutated_records_stay_alone() {
    let (place, runs) = place();
    let results = place.results();
    let rows = |connection: &rusqlite::Connection| -> Vec<String> {
        let all = pita_bench::store::dump(connection).unwrap();
        all.into_iter().filter(|row| !row.contains(&runs[1].id.to_string())).collect()
    };
    let connection = pita_bench::store::open(&results).unwrap();
    let before = rows(&connection);
    let judged = evaluation::name(&evaluation::all(&runs[1]).unwrap()[0].digest);
    let files = ["spec.json", "provenance.json", "counts.json", "events.jsonl", manifest::NAME, judged.as_str()];
    let (mut damaged, began) = (0, Instant::now());
    for case in 0..300_u32 {
        let path = runs[1].file(files[case as usize % files.len()]);
        let good = std::fs::read(&path).unwrap();
        mutate(&path, &good, case);
        pita_bench::store::rebuild(&connection, &results).unwrap();
        assert_eq!(rows(&connection), before, "case {case}");
        let found = pita_bench::store::verify(&connection, &results).unwrap();
        assert_eq!(found.intact + found.changed.len() + found.damaged.len(), 3, "case {case}: {found:?}");
        damaged += found.changed.len() + found.damaged.len();
        std::fs::write(&path, good).unwrap();
    }
    assert!(damaged >= 290, "{damaged}");
    assert!(began.elapsed() < Duration::from_secs(120));
}

/// Cuts, flips or repeats some bytes, by the number of the case.
fn mutate(path: &Path, good: &[u8], case: u32) {
    use pita_bench::rng::{Purpose, Stream};
    let mut draws = Stream::new(11, Purpose::Init, 0).at(case);
    let at = draws.below(good.len());
    let mut bytes = good.to_vec();
    match draws.below(4) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << draws.below(8),
        2 => {
            bytes.splice(at..at, b"[{\"".repeat(1 + draws.below(400)));
        }
        _ => {
            let end = good.len().min(at + 1 + draws.below(40));
            bytes.drain(at..end);
        }
    }
    std::fs::write(path, bytes).unwrap();
}

/// A damaged reference stops the cells that need it, and no other; the report keeps their rows.
#[test]
fn a_damaged_reference_stops_its_own_cells_only() {
    let two = TINY.replace("[metrics]", "[systems.cold]\nsystem = \"lj13\"\ntemperature = 1.5\nreference = { ladder = [4.0], copies = 4, equilibration = 100, stride = 5, samples = 100 }\n[metrics]");
    let place = Place::new(&two);
    ends_with(&place.sweep(&["--seeds", "0"]), 0);
    let references = place.results().join("references");
    let folder = std::fs::read_dir(&references).unwrap().flatten().map(|e| e.path()).find(|p| p.is_dir()).unwrap();
    let (card, npz) = (folder.join("reference.json"), folder.join("reference.npz"));
    let whole = (std::fs::read(&card).unwrap(), std::fs::read(&npz).unwrap());
    for (path, content, code) in [(&card, "{", 9), (&card, "", 9), (&npz, "changed", 17)] {
        std::fs::write(path, content).unwrap();
        let verified = place.run(&["db", "verify"]);
        let said = text(&verified);
        assert!([17, 22].contains(&verified.status.code().unwrap()) && said.contains("delete the folder"), "{said}");
        let swept = place.sweep(&["--seeds", "0,1"]);
        ends_with(&swept, code);
        let cells = json_of(&swept)["cells"].clone();
        let outcomes: Vec<&str> = cells.as_array().unwrap().iter().map(|c| c["outcome"].as_str().unwrap()).collect();
        assert_eq!(
            outcomes.iter().filter(|o| **o == "broken").count()
                + outcomes.iter().filter(|o| ["ran", "done"].contains(*o)).count(),
            4,
            "{swept:?}"
        );
        assert!(outcomes.iter().filter(|o| ["ran", "done"].contains(*o)).count() >= 2, "{swept:?}");
        let reported = place.run(&["report", place.experiment.to_str().unwrap()]);
        assert!(text(&reported).contains("| md "), "{}", text(&reported));
        std::fs::write(&card, &whole.0).unwrap();
        std::fs::write(&npz, &whole.1).unwrap();
    }
    std::fs::remove_dir_all(&folder).unwrap();
    ends_with(&place.sweep(&[]), 0);
    ends_with(&place.run(&["db", "verify"]), 0);
}
