//! Out of the box, through the binary: bundles, tables, views, pandas, completions, man pages, doctor, gc; and that no secret
//! of the environment is recorded.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::place::{LJ13, code, json, pita, printed, program};
use pita_bench::record::{self, RunDir, atomic, bundle, tar};
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn experiment() -> String {
    format!(
        "seeds = [0, 1]\n{LJ13}[samplers]\nmd = {{ kind = \"md\", label = \"MD, plain\", integrator = \"mala\", \
         walkers = 4, equilibration = 10, stride = 5, samples = 50 }}\n"
    )
    .replace("[\"energy-w1\"]", "[\"energy-w1\", \"mean-energy\"]")
    .replace("bootstrap = 0", "bootstrap = 20")
}

/// A results folder with two complete runs.
fn swept(dir: &Path) -> PathBuf {
    let (file, results) = (dir.join("x.toml"), dir.join("results"));
    std::fs::write(&file, experiment()).unwrap();
    let output = pita(&results, &["-q", "sweep", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{output:?}");
    results
}

fn files(run: &RunDir) -> Vec<(String, Vec<u8>)> {
    let sealed = record::manifest::read(&run.path).unwrap().into_iter().map(|(_, name)| name);
    let evaluations = sealed.filter(|name| name.starts_with("evaluations/"));
    let names = bundle::FILES.iter().map(|name| (*name).to_owned()).chain(evaluations);
    names.filter_map(|name| Some((name.clone(), std::fs::read(run.file(&name)).ok()?))).collect()
}

#[test]
fn a_bundle_is_the_run_and_the_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let results = swept(dir.path());
    let run = record::all_runs(&results).unwrap().remove(0);
    let (id, out) = (run.id.to_string(), dir.path().join("one.tar"));
    let out = out.to_str().unwrap();
    let made = json(&pita(&results, &["export", "--bundle", &id, "--out", out, "--json"]));
    assert_eq!((&made["run"], made["bytes"].as_u64()), (&json!(id), Some(std::fs::metadata(out).unwrap().len())));
    let bytes = std::fs::read(out).unwrap();
    printed(&pita(&results, &["export", "--bundle", &id, "--out", out]));
    assert_eq!(std::fs::read(out).unwrap(), bytes, "the same bytes again");
    if let Ok(listed) = Command::new("tar").arg("tf").arg(out).output() {
        assert!(String::from_utf8(listed.stdout).unwrap().contains(&format!("{id}/samples.npz")), "tar reads it");
    }

    let there = dir.path().join("there");
    let imported = json(&pita(&there, &["import", out, "--json"]));
    assert_eq!((&imported[0]["run"], &imported[0]["known"]), (&json!(id), &json!(false)));
    let arrived = record::all_runs(&there).unwrap().remove(0);
    assert_eq!(files(&arrived), files(&run));
    assert_eq!(code(&pita(&there, &["db", "verify"])), 0);
    let again = json(&pita(&there, &["import", out, "--json"]));
    assert_eq!((&again[0]["known"], record::all_runs(&there).unwrap().len()), (&json!(true), 1));
    // A sweep there finds it done.
    let file = dir.path().join("x.toml");
    let planned = json(&pita(&there, &["sweep", file.to_str().unwrap(), "--dry-run", "--json", "--seeds", "0"]));
    assert_eq!(planned["cells"][0]["action"], "done", "{planned}");
    // Another run of the same cell becomes its next attempt.
    let counts: Value = atomic::read_json(&run.file("counts.json")).unwrap();
    let log = std::fs::read_to_string(run.file("events.jsonl")).unwrap();
    let other = json!({"sampling": counts["sampling"].as_u64().unwrap() + 1});
    atomic::write_json(&run.file("counts.json"), &other).unwrap();
    let refused = pita(&results, &["export", "--bundle", &id, "--out", out]);
    assert_eq!(code(&refused), 17, "its files are not those of its manifest");
    record::manifest::write(&run.path).unwrap();
    let refused = pita(&results, &["export", "--bundle", &id, "--out", out]);
    assert_eq!(code(&refused), 17, "counts are not those of its log");
    std::fs::write(run.file("events.jsonl"), log.replace(&counts.to_string(), &other.to_string())).unwrap();
    record::manifest::write(&run.path).unwrap();
    printed(&pita(&results, &["export", "--bundle", &id, "--out", out]));
    let other = json(&pita(&there, &["import", out, "--json"]));
    assert_eq!(other[0]["run"], json!(id.replace("-a1", "-a2")));
    std::fs::remove_file(run.file("MANIFEST.sha256")).unwrap();
    assert_eq!(code(&pita(&results, &["export", "--bundle", &id, "--out", out])), 8, "only runs that have ended");
}

/// An archive of entries, whatever they are.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in entries {
        let size = content.len() as u64;
        tar::write_header(&mut out, &tar::Header { name: (*name).to_owned(), size }).unwrap();
        out.extend(*content);
        tar::write_padding(&mut out, size).unwrap();
    }
    tar::write_end(&mut out).unwrap();
    out
}

#[test]
fn hostile_bundles_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let results = swept(dir.path());
    let run = record::all_runs(&results).unwrap().remove(0);
    let id = run.id.to_string();
    let request: record::Request = atomic::read_json(&run.file("spec.json")).unwrap();
    let good = files(&run);
    let item =
        |name: &str, content: &[u8]| json!({"name": name, "size": content.len(), "sha256": atomic::sha256(content)});
    let index = |run: &str, items: Vec<Value>| {
        json!({"format": 1, "run": run, "spec_digest": request.spec_digest, "seed": 0, "files": items}).to_string()
    };
    let items: Vec<Value> = good.iter().map(|(name, content)| item(name, content)).collect();
    let whole = |index: &str, folder: &str, files: &[(String, Vec<u8>)]| {
        let names: Vec<String> = std::iter::once("bundle.json")
            .chain(files.iter().map(|f| f.0.as_str()))
            .map(|n| format!("{folder}/{n}"))
            .collect();
        let contents = std::iter::once(index.as_bytes()).chain(files.iter().map(|f| &f.1[..]));
        archive(&names.iter().map(String::as_str).zip(contents).collect::<Vec<_>>())
    };
    let plain = whole(&index(&id, items.clone()), &id, &good);
    let evil = b"evil".as_slice();
    let with = |name: &str| {
        let index = index(&id, vec![item(name, evil)]);
        archive(&[(&format!("{id}/bundle.json"), index.as_bytes()), (&format!("{id}/{name}"), evil)])
    };
    let replaced = |name: &str, content: &[u8]| {
        let mut files = good.clone();
        files.iter_mut().find(|f| f.0 == name).unwrap().1 = content.to_vec();
        let items = files.iter().map(|(name, content)| item(name, content)).collect();
        whole(&index(&id, items), &id, &files)
    };
    let mut link = plain.clone();
    link[156] = b'2';
    let mut flipped = plain.clone();
    let name = format!("{id}/samples.npz");
    let at = plain.windows(name.len()).rposition(|w| w == name.as_bytes()).unwrap();
    flipped[at + 600] ^= 1;
    let spec = String::from_utf8(std::fs::read(run.file("spec.json")).unwrap()).unwrap();
    let manifest = String::from_utf8(std::fs::read(run.file("MANIFEST.sha256")).unwrap()).unwrap();
    let unlisted: String = manifest.lines().filter(|l| !l.contains("samples.npz")).map(|l| format!("{l}\n")).collect();
    let mut more = plain[..plain.len() - 1024].to_vec();
    more.extend(archive(&[(&format!("{id}/metrics.json"), evil)]));
    let cases: Vec<(&str, Vec<u8>, i32, &str)> = vec![
        ("empty", vec![], 9, "is cut short"),
        ("zeros", vec![0; 1024], 9, "is empty"),
        ("not tar", b"PK\x03\x04".repeat(500), 9, "not a tar archive"),
        ("no index", archive(&[("x/spec.json", evil)]), 9, "does not begin with <run>/bundle.json"),
        ("up", with("../../../escaped"), 9, "which no run folder has"),
        ("absolute", with("/tmp/escaped"), 9, "which no run folder has"),
        ("hidden", with(".bashrc"), 9, "which no run folder has"),
        ("claim", with("claim"), 9, "which no run folder has"),
        ("subfolder", with("checkpoint/a.json"), 9, "which no run folder has"),
        ("folder", whole(&index("../up", items.clone()), "../up", &good), 9, "does not begin with"),
        ("two folders", whole(&index("other-s0-a1", items.clone()), &id, &good), 9, "is of run `other-s0-a1`"),
        ("link", link, 9, "holds"),
        (
            "twice",
            whole(&index(&id, vec![items[0].clone(), items[0].clone()]), &id, &good[..1]),
            9,
            "no run folder has",
        ),
        ("not announced", more, 9, "which is not announced"),
        ("missing", whole(&index(&id, items.clone()), &id, &good[..2]), 9, "lacks"),
        ("order", whole(&index(&id, items.iter().rev().cloned().collect()), &id, &good), 9, "in place of"),
        (
            "version",
            whole(&index(&id, items.clone()).replace("\"format\":1", "\"format\":3"), &id, &good),
            9,
            "version 3",
        ),
        ("one bit", flipped, 9, "with SHA-256"),
        (
            "another spec",
            replaced("spec.json", spec.replace("\"stride\": 5", "\"stride\": 6").as_bytes()),
            17,
            "its spec has digest",
        ),
        (
            "another seed",
            replaced("spec.json", spec.replace("\"seed\": 0", "\"seed\": 9").as_bytes()),
            17,
            "bundle.json says seed 0, spec.json seed 9",
        ),
        ("counts", replaced("counts.json", b"{\"sampling\": 1}\n"), 17, "are not its own: counts.json: changed since"),
        ("manifest", replaced("MANIFEST.sha256", unlisted.as_bytes()), 9, "is not whole: it lists no samples.npz"),
        (
            "manifest up",
            replaced("MANIFEST.sha256", format!("{}  ../x\n", "0".repeat(64)).as_bytes()),
            9,
            "expected `<sha256>",
        ),
        ("unfinished", whole(&index(&id, items[..1].to_vec()), &id, &good[..1]), 9, "had not ended"),
    ];
    let there = dir.path().join("there");
    let bundle = dir.path().join("b.tar");
    for (what, bytes, expected, message) in cases {
        std::fs::write(&bundle, bytes).unwrap();
        let output = pita(&there, &["import", bundle.to_str().unwrap()]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code(&output), expected, "{what}: {error}");
        assert!(error.contains(message), "{what}: {error}");
    }
    for cut in (0..plain.len() - 1024).step_by(509) {
        std::fs::write(&bundle, &plain[..cut]).unwrap();
        assert!(bundle::import(&there, &bundle).is_err(), "cut at {cut}");
    }
    assert!(record::all_runs(&there).unwrap().is_empty());
    let left: Vec<_> = std::fs::read_dir(there.join("runs")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!dir.path().join("escaped").exists() && !Path::new("/tmp/escaped").exists());
    std::fs::write(&bundle, plain).unwrap();
    assert_eq!(code(&pita(&there, &["import", bundle.to_str().unwrap()])), 0, "the honest one");
}

/// The rows of a CSV text without quoted newlines.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let row = |line: &str| {
        let (mut fields, mut quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                c => fields.last_mut().unwrap().push(c),
            }
        }
        fields
    };
    csv.lines().map(row).collect()
}

#[test]
fn tables_views_and_pandas_agree() {
    let dir = tempfile::tempdir().unwrap();
    let results = swept(dir.path());
    let csv = rows(&printed(&pita(&results, &["export", "metrics", "--csv"])));
    let exported = json(&pita(&results, &["export", "metrics", "--json"]));
    let objects = exported.as_array().unwrap();
    assert_eq!((csv.len(), objects.len()), (1 + 4, 4));
    for (row, object) in csv[1..].iter().zip(objects) {
        for (name, field) in csv[0].iter().zip(row) {
            let expected = match &object[name] {
                Value::Null => String::new(),
                Value::String(s) => s.clone(),
                other => other.to_string(),
            };
            assert_eq!(*field, expected, "{name}");
        }
        assert_eq!(row[4], "MD, plain");
    }
    let shown = json(&pita(&results, &["show", objects[0]["run"].as_str().unwrap(), "--json"]));
    assert_eq!(shown["evaluation"]["metrics"][0]["value"], objects[0]["value"]);
    for table in ["runs", "counts", "scalars"] {
        assert!(rows(&printed(&pita(&results, &["export", table]))).len() > 2, "{table}");
    }
    assert_eq!(code(&pita(&results, &["export", "nonsense"])), 2);
    assert_eq!(code(&pita(&results, &["export", "runs", "--csv", "--json"])), 2);
    let out = dir.path().join("runs.csv");
    printed(&pita(&results, &["export", "runs", "--out", out.to_str().unwrap()]));
    assert_eq!(rows(&std::fs::read_to_string(&out).unwrap()).len(), 3);
    let schema = printed(&pita(&results, &["db", "schema"]));
    assert!(
        schema.contains("v1_metrics: a metric of the newest evaluation of a run in each row")
            && schema.contains("upper end"),
        "{schema}"
    );

    for table in ["runs", "metrics", "counts", "scalars"] {
        let out = dir.path().join(format!("{table}.parquet"));
        printed(&pita(&results, &["export", table, "--parquet", "--out", out.to_str().unwrap()]));
    }
    assert_eq!(code(&pita(&results, &["export", "runs", "--parquet"])), 2, "binary files are not for the terminal");

    let script = format!(
        "import sys; sys.path.insert(0, r'{ROOT}/scripts')\n\
         import pita_bench as p, pandas as pd\n\
         r = r'{}'\n\
         for f in (p.runs, p.metrics):\n\
         \x20   a, b = f(r), f(r, folders=True)\n\
         \x20   pd.testing.assert_frame_equal(a, b, check_dtype=False)\n\
         \x20   assert len(a) == (2 if f is p.runs else 4), a\n\
         run = p.runs(r)['run'][0]\n\
         assert p.samples(r, run)['positions'].shape == (50, 13, 3)\n\
         assert (p.scalars(r, run)['name'] == 'md.acceptance').any()\n\
         assert p.counts(r).groupby('run')['count'].sum()[run] == p.runs(r)['evaluations'][0]\n\
         assert p.spec(r, run)['sampler']['kind'] == 'md' and len(p.provenance(r, run)['code_digest']) == 64\n\
         for name in ('runs', 'metrics', 'counts', 'scalars'):\n\
         \x20   a, b = p._view(r, name), pd.read_parquet(fr'{}/{{name}}.parquet')\n\
         \x20   key = list(a.columns)\n\
         \x20   sort = lambda f: f.astype(object).where(f.notna(), '-').sort_values(key).reset_index(drop=True)\n\
         \x20   pd.testing.assert_frame_equal(sort(a), sort(b[key]), check_dtype=False)\n\
         print('frames agree')",
        results.display(),
        dir.path().display()
    );
    let own = std::env::var_os("PITA_BENCH_PYTHON").map(|folder| PathBuf::from(folder).join("bin/python3"));
    let python = own.unwrap_or_else(|| "python3".into());
    let there = Command::new(&python).args(["-c", "import pandas, pyarrow"]).output().is_ok_and(|o| o.status.success());
    if !there {
        println!(
            "skipped: python3 with pandas and pyarrow is not there (set PITA_BENCH_PYTHON to a virtual environment)"
        );
        assert!(!std::env::var("PITA_BENCH_REQUIRE").is_ok_and(|r| r.contains("python")));
        return;
    }
    let output = Command::new(&python).env("PYTHONDONTWRITEBYTECODE", "1").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn completions_and_man_pages() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&pita(dir.path(), &["completions", shell]));
        assert!(script.contains("pita-bench") && script.contains("PITA_BENCH_COMPLETE"), "{shell}");
    }
    let bash = dir.path().join("bash");
    std::fs::write(&bash, printed(&pita(dir.path(), &["completions", "bash"]))).unwrap();
    if let Ok(output) = Command::new("bash").arg("-n").arg(&bash).output() {
        assert!(output.status.success(), "{output:?}");
    }
    assert!(printed(&pita(dir.path(), &["man"])).contains(".SH SUBCOMMANDS"));
    let pages = dir.path().join("man1");
    printed(&pita(dir.path(), &["man", "--out", pages.to_str().unwrap()]));
    let sweep = std::fs::read_to_string(pages.join("pita-bench-sweep.1")).unwrap();
    assert!(sweep.contains("\\-\\-launcher"), "{sweep}");
    assert!(std::fs::read_dir(&pages).unwrap().count() > 15);
}

#[test]
fn doctor_and_gc() {
    let dir = tempfile::tempdir().unwrap();
    let results = swept(dir.path());
    let checks = json(&pita(&results, &["doctor", "--json"]));
    let verdict =
        |name: &str| checks.as_array().unwrap().iter().find(|c| c["name"] == name).unwrap()["verdict"].clone();
    for name in ["energies", "results folder", "file locks", "database", "runs"] {
        assert_eq!(verdict(name), "good", "{name}: {checks}");
    }
    assert_eq!(code(&pita(&dir.path().join("nowhere"), &["doctor"])), 0);
    assert_eq!(printed(&pita(&results, &["gc"])).trim(), "nothing to delete");
    let run = record::all_runs(&results).unwrap().remove(0);
    std::fs::create_dir_all(run.checkpoints()).unwrap();
    std::fs::write(run.checkpoints().join("a.safetensors"), [0; 64]).unwrap();
    let found = json(&pita(&results, &["gc", "--json"]));
    assert_eq!((&found["bytes"], &found["deleted"]), (&json!(64), &json!(false)));
    assert!(run.checkpoints().exists(), "a dry run first");
    assert_eq!(json(&pita(&results, &["gc", "--delete", "--json"]))["deleted"], true);
    assert!(!run.checkpoints().exists());
    assert_eq!(code(&pita(&results, &["db", "verify"])), 0);

    std::fs::write(results.join("pita.db"), "no database ".repeat(1_000)).unwrap();
    let broken = pita(&results, &["doctor"]);
    assert_eq!(code(&broken), 10);
    assert!(String::from_utf8(broken.stdout).unwrap().contains("BROKEN"));
}

/// Every file below a folder that holds `needle`.
fn holding(folder: &Path, needle: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, needle));
        } else if std::fs::read(&path).unwrap().windows(needle.len()).any(|w| w == needle.as_bytes()) {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_secret_of_the_environment_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (file, results) = (dir.path().join("x.toml"), dir.path().join("results"));
    let external = "[samplers.x]\nkind = \"external\"\nbaseline = \"program\"\nsamples = 1\n";
    std::fs::write(&file, experiment() + external).unwrap();
    let baseline = dir.path().join("program");
    std::fs::create_dir(&baseline).unwrap();
    for name in ["baseline.toml", "sample.py"] {
        std::fs::copy(Path::new(ROOT).join("tests/external/misbehaving").join(name), baseline.join(name)).unwrap();
    }
    let secret = "c0ffee-7b5d1e9a-hunter2";
    let mut command = program(&results, &["-q", "sweep", file.to_str().unwrap()]);
    for name in [
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "HTTPS_PROXY",
        "SSH_AUTH_SOCK",
        "WANDB_API_KEY",
        "RAYON_NUM_THREADS_TOKEN",
        "SLURM_JWT",
        "USER",
        "PWD",
        "LS_COLORS",
    ] {
        command.env(name, secret);
    }
    command.env("OMP_NUM_THREADS", "3-is-on-the-list");
    let output = command.output().unwrap();
    let python = Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success());
    assert_eq!(code(&output), if python { 0 } else { 3 }, "{output:?}");
    let run = record::all_runs(&results).unwrap().remove(0);
    printed(&pita(
        &results,
        &["export", "--bundle", &run.id.to_string(), "--out", results.join("b.tar").to_str().unwrap()],
    ));
    assert_eq!(holding(&results, secret), Vec::<PathBuf>::new());
    assert!(!holding(&results, "3-is-on-the-list").is_empty(), "what is on the list is recorded");
}
