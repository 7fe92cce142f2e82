//! Through the binary: verbs over recorded runs, exit codes, JSON on success and on failure.

use std::process::{Command, Stdio};
use std::time::Instant;

use pita_bench::array::{Array, read_positions, write_npz};
use pita_bench::record::manifest;
use pita_bench::store;

use serde_json::json;

use crate::common::place::{code, json, pita};
use crate::common::synthetic::Made;

const TABLE1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/table1.toml");

#[test]
fn reading_verbs() {
    let dir = tempfile::tempdir().unwrap();
    let a = Made::default().write(dir.path());
    let b = Made { stride: 200, value: 2.0, ..Made::default() }.write(dir.path());
    Made { seed: 1, value: 1.05, ..Made::default() }.write(dir.path());
    let [id_a, id_b] = [&a, &b].map(|r| r.id.to_string());

    let listed = json(&pita(dir.path(), &["ls", "--json"])); // without a database: it is made
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert!(listed.as_array().unwrap().iter().all(|r| r["evaluations"] == 1_234_567 && r["status"] == "complete"));
    let text = String::from_utf8(pita(dir.path(), &["ls", "--system", "lj13"]).stdout).unwrap();
    assert!(text.lines().count() == 4 && text.contains("1,234,567"), "{text}");
    assert_eq!(code(&pita(dir.path(), &["ls", "--system", "al3"])), 4);

    let shown = json(&pita(dir.path(), &["show", &id_b[..5], "--json"]));
    assert_eq!((&shown["run"]["id"], &shown["counts"]["sampling"]), (&json!(id_b), &json!(1_234_567)));
    assert_eq!(shown["files"]["samples.npz"].as_str().unwrap().len(), 64);
    assert!(String::from_utf8(pita(dir.path(), &["show", &id_b]).stdout).unwrap().contains("energy-w1"));

    let ambiguous = pita(dir.path(), &["show", &id_a[..9], "--json"]);
    assert_eq!((code(&ambiguous), &json(&ambiguous)["error"]["exit_code"]), (2, &json!(2)));
    assert!(json(&ambiguous)["error"]["message"].as_str().unwrap().contains(&id_a));
    assert_eq!(code(&pita(dir.path(), &["show", "zzz"])), 4);

    let verdict =
        |x: &str, y: &str| json(&pita(dir.path(), &["diff", x, y, "--json"]))["metrics"][0]["verdict"].clone();
    assert_eq!(verdict(&id_a, &id_b), "worse");
    assert_eq!(verdict(&id_b, &id_a), "better");
    assert_eq!(verdict(&id_a, &format!("{}-s1", &id_a[..8])), "tie");
    let itself = String::from_utf8(pita(dir.path(), &["diff", &id_a, &id_a]).stdout).unwrap();
    assert_eq!(itself.matches("1,234,567").count(), 2, "{itself}");
    let why = json(&pita(dir.path(), &["explain", &id_a, &id_b, "--json"]));
    let fields: Vec<_> = why["differences"].as_array().unwrap().iter().map(|d| d["path"].clone()).collect();
    assert_eq!(fields, ["spec.sampler.stride"]);

    assert_eq!(code(&pita(dir.path(), &["db", "verify"])), 0);
    let before = store::dump(&store::open(dir.path()).unwrap()).unwrap();
    std::fs::write(dir.path().join(store::NAME), "not a database ".repeat(1_000)).unwrap();
    assert_eq!(code(&pita(dir.path(), &["ls"])), 10);
    assert_eq!(json(&pita(dir.path(), &["db", "rebuild", "--json"]))["runs"], 3);
    assert_eq!(store::dump(&store::open(dir.path()).unwrap()).unwrap(), before);
    std::fs::write(a.file("samples.npz"), "changed").unwrap();
    let damaged = pita(dir.path(), &["db", "verify", "--json"]);
    assert_eq!((code(&damaged), json(&damaged)["intact"].as_u64()), (17, Some(2)));
}

#[test]
fn exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&pita(dir.path(), &["--help"])), 0);
    assert_eq!(code(&pita(dir.path(), &["nonsense"])), 2);
    let usage = pita(dir.path(), &["nonsense", "--json"]);
    assert_eq!((code(&usage), &json(&usage)["error"]["exit_code"]), (2, &json!(2)));
    let nothing = pita(dir.path(), &["ls", "--json"]);
    assert_eq!((code(&nothing), &json(&nothing)["error"]["exit_code"]), (4, &json!(4)));
    assert_eq!(code(&pita(dir.path(), &["sweep", "no-such-file.toml"])), 2);

    let connection = store::open(dir.path()).unwrap();
    connection.pragma_update(None, "user_version", store::VERSION + 1).unwrap();
    connection.close().unwrap();
    // Read, with a word about it; never written.
    let refused = pita(dir.path(), &["db", "rebuild", "--json"]);
    assert_eq!((code(&refused), &json(&refused)["error"]["exit_code"]), (16, &json!(16)));
    let read = pita(dir.path(), &["ls"]);
    assert_eq!(code(&read), 4, "{read:?}");
    assert!(String::from_utf8_lossy(&read.stderr).contains("newer version of pita-bench"), "{read:?}");
}

#[test]
fn dry_run() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    let plan = json(&pita(&results, &["sweep", TABLE1, "--dry-run", "--json"]));
    let cells = plan["cells"].as_array().unwrap();
    assert!(!cells.is_empty() && cells.iter().all(|c| c["action"] == "run" && c["reason"] == "never run"), "{plan}");
    let text = String::from_utf8(pita(&results, &["sweep", TABLE1, "--dry-run"]).stdout).unwrap();
    assert!(text.contains(&format!("{0} of {0} cells would run", cells.len())), "{text}");
    assert!(!results.exists());
}

/// Beyond the first table: every system with every sampler that is defined for it; minutes, and a night.
#[test]
fn dry_run_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    let beyond = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/beyond.toml");
    // Hours of single cells, of which two run at once.
    for (profile, seeds, hours) in [("quick", 1, 0.0..1.0), ("standard", 3, 8.0..20.0)] {
        let plan = json(&pita(&results, &["sweep", beyond, "--profile", profile, "--dry-run", "--json"]));
        let [cells, references] = ["cells", "references"].map(|key| plan[key].as_array().unwrap());
        // MALA on the cluster, dynamics on four molecules, three controls on all, two annealers on the alanines.
        assert_eq!((cells.len(), references.len()), (seeds * (1 + 4 + 3 * 5 + 2 * 3), 5), "{plan}");
        let seconds = cells.iter().chain(references).map(|c| c["forecast"]["seconds"].as_f64().unwrap()).sum::<f64>();
        assert!(hours.contains(&(seconds / 3_600.0)), "{profile}: {seconds} s");
    }
    assert!(!results.exists());
}

#[test]
fn a_read_only_folder() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    Made::default().write(&results);
    assert_eq!(code(&pita(&results, &["ls"])), 0);
    let mut permissions = std::fs::metadata(&results).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&results, permissions).unwrap();
    if std::fs::write(results.join("probe"), "").is_ok() {
        println!("skipped: this user (root?) may write to read-only folders");
        return;
    }
    assert_eq!(code(&pita(&results, &["ls"])), 0, "reading is possible");
    assert_eq!(code(&pita(&results, &["sweep", TABLE1])), 15);
}

/// Reader gone: exit code 141, and not a word on stderr.
#[test]
fn broken_pipe() {
    let dir = tempfile::tempdir().unwrap();
    Made::default().write(dir.path());
    for args in [["ls"].as_slice(), &["ls", "--json"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pita-bench"));
        command.arg("--results").arg(dir.path()).args(args).stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        assert_eq!((code(&output), output.stderr.len()), (141, 0), "{args:?}: {output:?}");
    }
}

/// The target is 0.2 s; the bound is loose because tests share the machine.
#[test]
fn ls_of_ten_thousand_runs() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["counts.json", "samples.npz", "spec.json"];
    let sealed: String = files.map(|name| format!("{}  {name}\n", "0".repeat(64))).concat();
    for stride in 1..=100 {
        for seed in 0..100 {
            let (run, _) = Made { stride, seed, ..Made::default() }.begin(dir.path());
            std::fs::write(run.file(manifest::NAME), &sealed).unwrap();
        }
    }
    assert_eq!(json(&pita(dir.path(), &["db", "rebuild", "--json"]))["runs"], 10_000);
    let began = Instant::now();
    let output = pita(dir.path(), &["ls"]);
    let took = began.elapsed();
    println!("ls over 10,000 runs: {took:?}");
    assert_eq!(output.stdout.iter().filter(|&&b| b == b'\n').count(), 10_001);
    assert!(took.as_secs_f64() < 2.0, "{took:?}");
}

/// `--xml --pdb` in place of `--system`: what is wrong with the files or the options, each with its exit code.
#[test]
fn molecules_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (xml, pdb) =
        (include_str!("../../src/systems/molecules/aldp.xml"), include_str!("../../src/systems/molecules/aldp.pdb"));
    let (good, names) = (file("a.xml", xml), file("a.pdb", pdb));
    let frames = dir.path().join("x.npz");
    write_npz(&frames, &[("positions".to_owned(), Array::f64(&[0, 22, 3], vec![]))].into()).unwrap();
    let out = dir.path().join("y.npz");
    let energy = |options: &[&str]| {
        let files = ["--in", frames.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let output = pita(dir.path(), &[&["energy"], options, &files].concat());
        (code(&output), String::from_utf8(output.stderr).unwrap())
    };
    let cut = file("cut.xml", &xml[..9_000]);
    let pme =
        file("pme.xml", &xml.replace("method=\"1\" name=\"NonbondedForce\"", "method=\"4\" name=\"NonbondedForce\""));
    let fewer = file("fewer.pdb", &pdb.lines().filter(|l| !l.contains(" HB3 ")).collect::<Vec<_>>().join("\n"));
    let nan = file("nan.pdb", &pdb.replace("   0.974", "     nan"));
    let none = dir.path().join("none.xml");
    for (options, expected, message) in [
        (vec!["--xml", &cut, "--pdb", &names], 9, "not XML, or cut short"),
        (vec!["--xml", &pme, "--pdb", &names], 9, "<Force> NonbondedForce: uses method 4 (PME)"),
        (vec!["--xml", &good, "--pdb", &fewer], 12, "the XML has 22 particles, the PDB 21 atoms"),
        (vec!["--xml", &good, "--pdb", &nan], 13, "line 11: x (columns 31 to 38) is \"nan\", expected a finite number"),
        (vec!["--xml", none.to_str().unwrap(), "--pdb", &names], 9, "none.xml: No such file"),
        (vec!["--xml", &good], 2, "--pdb <FILE>"),
        (vec!["--pdb", &names], 2, "--xml <FILE>"),
        (vec!["--xml", &good, "--pdb", &names, "--system", "aldp"], 2, "cannot be used with"),
        (vec![], 2, "--system <NAME>"),
        (vec!["--system", "al4"], 2, "unknown system `al4`; did you mean `al3`? Known: lj13, lj55, aldp, al3"),
    ] {
        let (code, text) = energy(&options);
        assert_eq!(code, expected, "{options:?}: {text}");
        assert!(text.contains(message), "{options:?}: {text}");
    }
}

#[test]
fn transport_between_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, shape: &[usize], x: &[f64]| {
        write_npz(path(name), &[("points".to_owned(), Array::f64(shape, x.to_vec()))].into()).unwrap();
    };
    write("a.npz", &[2, 2], &[0.0, 0.0, 3.0, 0.0]);
    write("b.npz", &[2, 2], &[-3.0, 1.0, 0.0, 1.0]);
    write("line.npz", &[4], &[0.0; 4]);
    write("nan.npz", &[1, 2], &[0.0, f64::NAN]);
    let ot = |b: &str, rest: &[&str]| {
        let (a, b) = (path("a.npz"), path(b));
        pita(dir.path(), &[&["ot", "--a", &a, "--b", &b, "--json"], rest].concat())
    };
    // In the plane everything moves by (-3, 1) or one point by (0, 1) and one by (-6, 1); round the torus 6 is 2 pi - 6.
    let seam = std::f64::consts::TAU - 6.0;
    let cases = [("euclidean", "2", 10f64.sqrt()), ("torus", "2", (0.5 * (1.0 + seam * seam + 1.0)).sqrt())];
    for (metric, p, want) in cases {
        let output = json(&ot("b.npz", &["--metric", metric, "-p", p]));
        assert!((output["distance"].as_f64().unwrap() - want).abs() < 1e-14, "{output}");
        assert_eq!((output["n_a"].as_u64(), output["n_b"].as_u64()), (Some(2), Some(2)));
    }
    assert_eq!(code(&ot("line.npz", &["--metric", "torus"])), 12);
    assert_eq!(code(&ot("nan.npz", &["--metric", "torus"])), 13);
    assert_eq!(code(&ot("b.npz", &["--metric", "torus", "-p", "3"])), 2);
}

/// `convert` there and back, with the names for viewers; `energy` and `eval` take what it writes; what is refused, and how.
#[test]
fn trajectories_of_viewers() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/physics/aldp_golden.npz");
    let run = |args: &[&str]| {
        let output = pita(dir.path(), args);
        (code(&output), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (xtc, pdb, npz) = (at("a.xtc"), at("a.pdb"), at("a.npz"));
    let (status, text) = run(&["convert", "--system", "aldp", "--in", golden, "--out", &xtc, "--out-pdb", &pdb]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("left out"), "{text}");
    assert!(std::fs::read_to_string(&pdb).unwrap().contains("CONECT"));
    assert_eq!(run(&["convert", "--system", "aldp", "--in", &xtc, "--out", &npz]).0, 0);
    let (x, y) = (read_positions(golden, 22).unwrap(), read_positions(&npz, 22).unwrap());
    assert!(x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 0.51e-6));
    // The names are those of the built-in molecule: a force field of one's own takes them.
    let xml = concat!(env!("CARGO_MANIFEST_DIR"), "/src/systems/molecules/aldp.xml");
    let energies = at("e.npz");
    let (status, text) = run(&["energy", "--xml", xml, "--pdb", &pdb, "--in", &xtc, "--out", &energies]);
    assert_eq!(status, 0, "{text}");
    let (status, text) = run(&[
        "eval",
        "--system",
        "aldp",
        "--temperature",
        "300",
        "--samples",
        &xtc,
        "--reference",
        &xtc,
        "--metrics",
        "energy-w1",
        "--bootstrap",
        "0",
        "--json",
    ]);
    assert_eq!(status, 0, "{text}");

    let cut = at("cut.xtc");
    let bytes = std::fs::read(&xtc).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 9]).unwrap();
    for (system, input, output, expected, message) in [
        ("al3", &xtc, &npz, 12, "expected [n, 33, 3]"),
        ("aldp", &cut, &npz, 9, "is cut short"),
        ("aldp", &xtc, &at("a.dcd"), 2, "written as .npz or .xtc"),
        ("aldp", &xtc, &xtc, 2, "--out names the input file"),
        ("aldp", &at("none.xtc"), &npz, 9, "none.xtc"),
    ] {
        let (code, text) = run(&["convert", "--system", system, "--in", input, "--out", output]);
        assert_eq!(code, expected, "{text}");
        assert!(text.contains(message), "{text}");
    }
    let (status, text) = run(&["energy", "--system", "aldp", "--in", &xtc, "--out", &at("e.xtc")]);
    assert!(status == 2 && text.contains("holds no energies"), "{text}");
}
