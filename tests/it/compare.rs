//! Selections, comparisons and explanations of recorded runs, through the program.

use std::time::{Duration, Instant};

use crate::common::place::{Place, ends_with, text};
use crate::common::synthetic::Made;
use pita_bench::identity::Yardstick;
use pita_bench::record::evaluation::{self, Evaluation};
use pita_bench::record::{Labels, Request, RunDir, atomic};
use pita_bench::{config, exec, identity};
use serde_json::Value;

const OLD: &str = "aaaa000000000000000000000000000000000000";
const NEW: &str = "bbbb000000000000000000000000000000000000";

/// An experiment whose two cells are the made-up specs with strides of 100 and 200.
const EXPERIMENT: &str = r#"
name = "two"
title = "Two"
seeds = [0, 1, 2]
[systems.lj13]
temperature = 1.0
[samplers.md]
kind = "md"
[sweep]
"samplers.md.stride" = [100, 200]
"#;

/// Three seeds of two methods by two versions of the code: the first method is worse in the new one, the second is as it was.
pub(super) fn two_versions() -> Place {
    let place = Place::new(EXPERIMENT);
    for (revision, attempt, shift, started) in
        [(OLD, 1, 0.0, "2026-11-20T01:00:00Z"), (NEW, 2, 1.0, "2026-11-24T01:00:00Z")]
    {
        for seed in 0..3 {
            let jitter = 0.01 * seed as f64;
            let made = Made { seed, attempt, revision, started, ..Made::default() };
            Made { stride: 100, value: 1.0 + shift + jitter, ..made.clone() }.write(&place.results());
            Made { stride: 200, value: 2.0 + 0.001 * shift + jitter, ..made }.write(&place.results());
        }
    }
    place
}

fn json(place: &Place, args: &[&str]) -> Value {
    let output = place.run(&[args, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
}

fn count(place: &Place, args: &[&str]) -> usize {
    json(place, args).as_array().map_or(0, Vec::len)
}

#[test]
fn selections() {
    let place = two_versions();
    assert_eq!(count(&place, &["ls"]), 12);
    assert_eq!(count(&place, &["ls", "--code", "bbbb"]), 6);
    assert_eq!(count(&place, &["ls", "code=bbbb,seed=1"]), 2);
    assert_eq!(count(&place, &["ls", "--since", "2026-11-21"]), 6);
    assert_eq!(count(&place, &["ls", "--until", "2026-11-20"]), 6);
    assert_eq!(count(&place, &["ls", "--since", "2026-11-21", "--until", "2026-11-23"]), 0);
    ends_with(&place.run(&["tag", "code=bbbb", "tonight", "x"]), 0);
    ends_with(&place.run(&["tag", "code=bbbb,seed=1", "--remove", "tonight"]), 0);
    assert_eq!(count(&place, &["ls", "@tonight"]), 4);
    assert_eq!(count(&place, &["ls", "--tag", "x", "--system", "lj13", "--sampler", "md"]), 6);
    // Tags lie in the run folders: a rebuilt database has them too.
    ends_with(&place.run(&["db", "rebuild"]), 0);
    assert_eq!(count(&place, &["ls", "@tonight"]), 4);
    ends_with(&place.run(&["db", "verify"]), 0);
    for (args, code, says) in [
        (&["ls", "sistem=lj13"][..], 2, "did you mean `system`?"),
        (&["ls", "--since", "yesterday"], 2, "expected a date"),
        (&["ls", "system=a", "--system", "b"], 2, "different things"),
        (&["ls", "@nobody"], 4, "no run matches"),
        (&["tag", "code=bbbb", "a,b"], 2, "expected letters"),
        (&["diff", "@nobody", "@tonight"], 4, "no evaluated run"),
    ] {
        let output = place.run(args);
        ends_with(&output, code);
        assert!(text(&output).contains(says), "{}", text(&output));
    }
    let csv = text(&place.run(&["ls", "--csv", "code=bbbb,seed=0"]));
    assert!(csv.contains("1234567,1.5,2026-11-24T01:00:00Z,tonight x"), "{csv}");
    assert!(text(&place.run(&["ls", "--md"])).contains("|---|"));
}

#[test]
fn diff_of_selections_and_report_of_versions() {
    let place = two_versions();
    let found = json(&place, &["diff", "code=aaaa", "code=bbbb"]);
    let rows = found["metrics"].as_array().unwrap();
    let verdicts: Vec<_> =
        rows.iter().map(|r| (r["label"].as_str().unwrap(), r["verdict"].as_str().unwrap())).collect();
    assert_eq!(verdicts, [("MD (stride = 100)", "worse"), ("MD (stride = 200)", "tie")]);
    assert_eq!(rows[0]["a"]["runs"], 3);
    assert!((rows[0]["difference"]["value"].as_f64().unwrap() - 1.0).abs() < 1e-12);
    // Seeds 0.01 apart, each uncertain by 0.1 / 1.96: that counts. Four degrees of freedom: 1 - 2.776 * 0.1 / 1.96 * sqrt(2/3).
    assert!((rows[0]["difference"]["lo"].as_f64().unwrap() - 0.884_34).abs() < 1e-4);
    assert!(text(&place.run(&["diff", "code=aaaa", "code=bbbb", "--md"])).contains("| **worse** |"));
    let csv = text(&place.run(&["diff", "code=aaaa", "code=bbbb", "--csv"]));
    assert!(csv.starts_with("SYSTEM,METHOD,METRIC,code=aaaa,LO,HI,code=bbbb,LO,HI,B - A,LO,HI,FLOOR,B IS"), "{csv}");

    let file = place.experiment.to_str().unwrap();
    let report = place.run(&["report", file, "--compare", "aaaa", "bbbb"]);
    ends_with(&report, 0);
    assert!(text(&report).contains("1 worse, 1 tie"), "{}", text(&report));
    for name in ["compare.md", "compare.csv", "compare.json", "compare.html"] {
        assert!(place.results().join("reports/two").join(name).exists(), "{name}");
    }
    let none = place.run(&["report", file, "--compare", "aaaa", "cccc"]);
    ends_with(&none, 4);
    assert!(text(&none).contains("by `cccc`"), "{}", text(&none));
}

/// Down to the setting, the evaluation setting, the source file and the crate; what a digest stands for.
#[test]
fn explain_and_show() {
    let place = Place::new(concat!(
        "[systems.lj13]\ntemperature = 2.0\n",
        "reference = { ladder = [4.0], copies = 2, equilibration = 50, stride = 2, samples = 40 }\n",
        "[metrics]\nids = [\"mean-energy\"]\nn = 40\nbootstrap = 0\n",
        "[samplers.md]\nkind = \"md\"\nwalkers = 2\nequilibration = 50\nstride = 2\nsamples = 40\n",
    ));
    ends_with(&place.sweep(&[]), 0);
    ends_with(&place.sweep(&["-s", "samplers.md.step=0.004", "-s", "metrics.n=20"]), 0);
    let runs = place.runs();
    let ids: Vec<String> = runs.iter().map(|r| r.id.to_string()).collect();
    let fields = |found: &Value| -> Vec<String> {
        let all = found["differences"].as_array().unwrap();
        all.iter().map(|d| d["path"].as_str().unwrap().to_owned()).collect()
    };
    let found = json(&place, &["explain", &ids[0], &ids[1]]);
    assert_eq!(fields(&found), ["eval.n", "spec.sampler.step"]);

    // As if the second run were by a build with another version of a crate and one more source file changed.
    let code = identity::code();
    let written = place.results().join("code").join(format!("{}.json", &code.digest[..16]));
    let mut other: Value = serde_json::from_slice(&std::fs::read(&written).unwrap()).unwrap();
    let digest = "c".repeat(64);
    other["code"]["digest"] = digest.as_str().into();
    other["parts"]["files"]["src/energy/lj.rs"] = "0123456789abcdef".into();
    other["parts"]["crates"]["rayon"] = "0.0.1".into();
    std::fs::write(place.results().join("code").join(format!("{}.json", &digest[..16])), other.to_string()).unwrap();
    let path = runs[1].file("provenance.json");
    let mut provenance: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    provenance["code_digest"] = digest.as_str().into();
    provenance["code"]["digest"] = digest.as_str().into();
    std::fs::write(&path, provenance.to_string()).unwrap();
    let found = json(&place, &["explain", &ids[0], &ids[1]]);
    assert_eq!(
        fields(&found),
        ["code.crates.rayon", "code.digest", "code.files.src/energy/lj.rs", "eval.n", "spec.sampler.step"]
    );
    assert!(text(&place.run(&["explain", &ids[0], &ids[1], "--md"])).contains("| code.crates.rayon | 1."));

    ends_with(&place.run(&["db", "ingest"]), 0);
    assert_eq!(json(&place, &["show", "cccccc"])["kind"], "code");
    assert_eq!(json(&place, &["show", &code.digest[..10]])["runs"].as_array().unwrap().len(), 1);
    let reference = std::fs::read_dir(place.results().join("references")).unwrap().flatten().find_map(|e| {
        let name = e.file_name().into_string().unwrap();
        (name.len() == 16).then_some(name)
    });
    assert_eq!(json(&place, &["show", &reference.unwrap()[..12]])["kind"], "reference");
    ends_with(&place.run(&["show", "ffffffff"]), 4);
}

/// Ten methods of a thousand seeds, each evaluated in three ways: one that was run, and copies of it under the names of all
/// the others.
fn ten_thousand() -> Place {
    let strides: Vec<String> = (1..=10).map(|s| s.to_string()).collect();
    let seeds: Vec<String> = (0..1_000).map(|s| s.to_string()).collect();
    let place = Place::new(&format!(
        "name = \"many\"\nseeds = [{}]\n[sweep]\n\"samplers.md.stride\" = [{}]\n\
         [systems.lj13]\ntemperature = 2.0\n\
         reference = {{ ladder = [4.0], copies = 2, equilibration = 50, stride = 2, samples = 40 }}\n\
         [samplers.md]\nkind = \"md\"\nlabel = \"MD\"\nwalkers = 2\nequilibration = 20\nsamples = 20\n\
         [metrics]\nids = [\"energy-w1\", \"energy-w2\", \"distance-w2\", \"mean-energy\"]\nn = 20\nbootstrap = 20\n",
        seeds.join(","),
        strides.join(",")
    ));
    ends_with(&place.sweep(&["--seeds", "0", "-s", "samplers.md.stride=1"]), 0);
    let real = place.runs().remove(0);
    let judged = evaluation::all(&real).unwrap().remove(0);
    let results = std::fs::read_to_string(real.file("MANIFEST.sha256")).unwrap();
    let results: String = results.lines().filter(|l| !l.contains("evaluations/")).map(|l| format!("{l}\n")).collect();
    let experiment = config::load(&place.experiment, None, &[]).unwrap();
    assert_eq!(experiment.cells.len(), 10_000);
    let yardstick = exec::Asked::of(&place.results(), &experiment.cells[0]).unwrap().yardstick;
    let others = ["n = 10", "n = 15"].map(|n| Yardstick { settings: identity::sha256_hex(n), ..yardstick.clone() });
    for cell in experiment.cells {
        let spec_digest = identity::spec_digest(&cell.run);
        let run = RunDir::new(&place.results(), &spec_digest, cell.seed, 1);
        std::fs::create_dir_all(run.file("evaluations")).unwrap();
        let mut manifest = results.clone();
        for yardstick in others.iter().chain([&yardstick]) {
            let all = Evaluation::new(yardstick, cell.seed, &cell.eval);
            let text = serde_json::to_vec(&Evaluation { metrics: judged.metrics.clone(), ..all.clone() }).unwrap();
            let name = evaluation::name(&all.digest);
            std::fs::write(run.file(&name), &text).unwrap();
            manifest += &format!("{}  {name}\n", atomic::sha256(&text));
        }
        if run.path != real.path {
            for file in ["samples.npz", "counts.json", "events.jsonl"] {
                std::fs::hard_link(real.file(file), run.file(file)).unwrap();
            }
            let mut provenance: Value =
                serde_json::from_slice(&std::fs::read(real.file("provenance.json")).unwrap()).unwrap();
            provenance["code"]["revision"] = if cell.seed % 2 == 0 { OLD.into() } else { NEW.into() };
            std::fs::write(run.file("provenance.json"), provenance.to_string()).unwrap();
            let labels = Labels {
                experiment: "many".into(),
                system: cell.system,
                sampler: cell.sampler,
                label: cell.label,
                swept: cell.swept,
            };
            let request = Request { spec_digest, seed: cell.seed, labels, spec: cell.run };
            std::fs::write(run.file("spec.json"), serde_json::to_vec(&request).unwrap()).unwrap();
        }
        std::fs::write(run.file("MANIFEST.sha256"), manifest).unwrap();
    }
    place
}

/// The targets are 0.2 s, 0.2 s and 2 s with a release build; the bounds are loose: tests share the machine.
#[test]
fn ten_thousand_runs() {
    let place = ten_thousand();
    let timed = |args: &[&str]| -> Duration {
        let began = Instant::now();
        ends_with(&place.run(args), 0);
        began.elapsed()
    };
    let rebuild = timed(&["db", "rebuild"]);
    let file = place.experiment.to_str().unwrap().to_owned();
    let ls = timed(&["ls"]);
    let diff = timed(&["diff", "code=aaaa", "code=bbbb"]);
    let report = timed(&["report", &file]);
    let versions = timed(&["report", &file, "--compare", "aaaa", "bbbb"]);
    println!(
        "10,000 runs of three evaluations: rebuild {rebuild:?}, ls {ls:?}, diff {diff:?}, report {report:?}, --compare {versions:?}"
    );
    assert!(ls < Duration::from_secs(2) && diff < Duration::from_secs(3), "{ls:?} {diff:?}");
    assert!(report < Duration::from_secs(20), "{report:?}");
}
