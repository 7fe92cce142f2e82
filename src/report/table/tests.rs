//! Tables of runs made by hand.

use super::*;
use crate::record::Status;

pub(crate) fn value(id: &str, value: f64, half: f64) -> MetricValue {
    MetricValue {
        version: 1,
        value: Some(value),
        lo: Some(value - half),
        hi: Some(value + half),
        floor: Some(0.1),
        n_samples: 100,
        n_reference: 100,
        ..MetricValue::blank(by_id(id).unwrap(), "length", "abc")
    }
}

pub(crate) fn run(sampler: &str, seed: u64, w2: f64) -> RunResult {
    RunResult {
        run_id: format!("{sampler}{seed}"),
        system: "lj13".into(),
        temperature: 1.0,
        sampler: sampler.into(),
        label: sampler.to_uppercase(),
        seed,
        metrics: vec![value("energy-w2", w2, 0.2), value("distance-w2", 0.05, 0.01)],
        counts: Counts(BTreeMap::from([(Purpose::Sampling, 1_000_000 + seed), (Purpose::Evaluation, 50)])),
        reference: Some(Counts(BTreeMap::from([(Purpose::Reference, 7_000_000)]))),
        status: Some(Status::Complete),
        ..RunResult::default()
    }
}

/// PITA with three seeds and one that failed, MD with three.
pub(crate) fn example() -> Vec<RunResult> {
    let mut failed = run("pita", 4, 0.0);
    failed.status = Some(Status::Failed);
    failed.failure = Some("training diverged | at step 7".into());
    failed.metrics.clear();
    let pita = [(1, 2.0), (2, 4.0), (3, 3.0)].map(|(seed, w2)| run("pita", seed, w2));
    let md = [(1, 2.4), (2, 2.6), (3, 2.5)].map(|(seed, w2)| run("md", seed, w2));
    [&pita[..], &[failed], &md].concat()
}

/// A metric that one method lacks is no difference of definitions; another sample size is.
#[test]
fn undefined_values_are_not_compared() {
    let mut runs = example();
    let undefined = runs[4].metrics.iter_mut().find(|m| m.id == "energy-w2").unwrap();
    (undefined.value, undefined.n_reference) = (None, 0);
    let warns = |runs: &[RunResult]| collect(runs).unwrap()[0].warnings.iter().any(|w| w.contains("sample sizes"));
    assert!(!warns(&runs));
    runs[0].metrics[0].n_reference += 1;
    assert!(warns(&runs));
}

/// The tripeptide of the SBG line has our energy, at 310 K; its dipeptide has another one: named, and not shown.
#[test]
fn published_numbers_of_another_energy_are_not_shown() {
    let at = |system: &str, temperature: f64| {
        let metrics = vec![value("energy-w2", 1.0, 0.1), value("t-w2", 0.5, 0.1)];
        let run = RunResult { system: system.into(), temperature, metrics, ..run("md", 1, 1.0) };
        collect(&[run]).unwrap().remove(0)
    };
    let falcon = |table: &Table| table.rows.iter().find(|r| r.label == "FALCON").map(|r| r.cells.clone());
    let table = at("al3", 310.0);
    let papers: Vec<Option<f64>> = falcon(&table).unwrap().iter().map(|c| c.paper).collect();
    assert_eq!(papers, [Some(0.544), Some(0.452)]);
    assert!(table.sources.iter().any(|s| s.contains("FALCON") && s.contains("energy function amber14-obc1")));
    assert!(table.sources.iter().all(|s| !s.starts_with("Not comparable")), "{:?}", table.sources);
    let table = at("aldp", 300.0);
    let refused = |s: &String| s.starts_with("Not comparable, so not shown:") && s.contains("ff99sbildn-obc");
    assert!(falcon(&table).is_none() && table.sources.iter().any(refused), "{:?}", table.sources);
    assert!(falcon(&at("al3", 300.0)).is_none() && falcon(&at("mine", 310.0)).is_none());
}

#[test]
fn groups_seeds_marks_ties_and_keeps_failures_apart() {
    let tables = collect(&example()).unwrap();
    assert_eq!(tables.len(), 1);
    let t = &tables[0];
    let pita = &t.rows[0];
    assert_eq!((pita.seeds, pita.missing.len(), pita.missing[0].state), (3, 1, "failed"));
    assert_eq!((pita.cells[0].mean, pita.cells[0].sd), (Some(3.0), Some(1.0)));
    // Student's t with two degrees of freedom, over sqrt(3).
    assert!((pita.cells[0].hi.unwrap() - 3.0 - 4.302_653 / 3_f64.sqrt()).abs() < 1e-5);
    assert_eq!((pita.cells[0].paper, pita.cells[0].paper_sd), (Some(2.26), Some(0.21)));
    assert_eq!(pita.cells[0].run_ids, ["pita1", "pita2", "pita3"]);
    assert_eq!(pita.charged, Some(1_000_002));
    // MD is lower, and PITA cannot be told from it: both are best.
    assert!(pita.cells[0].best && t.rows[1].cells[0].best);
    // Distances lie under the floor of 0.1.
    assert!(pita.cells[1].at_floor && t.rows[1].cells[1].best);
    assert!(t.rows.iter().any(|r| r.published_only && r.label == "iDEM"));
    assert_eq!(t.coverage.sentence().unwrap(), "1 of 7 cells missing: 1 failed");
}

#[test]
fn a_run_that_is_not_judged_yet_is_no_complete_seed() {
    let mut runs = vec![run("pita", 1, 2.0), run("pita", 2, 4.0)];
    runs[1].metrics.clear();
    let t = &collect(&runs).unwrap()[0];
    assert_eq!((t.rows[0].seeds, t.rows[0].missing.len(), t.rows[0].cells[0].mean), (1, 1, Some(2.0)));
    assert_eq!(t.coverage.sentence().unwrap(), "1 of 2 cells missing: 1 not evaluated");
}

#[test]
fn clear_losers_are_not_marked_and_mixed_references_warn() {
    let mut runs = example();
    runs.iter_mut().filter(|r| r.sampler == "pita" && !r.metrics.is_empty()).for_each(|r| {
        let metric = &mut r.metrics[0];
        for x in [&mut metric.value, &mut metric.lo, &mut metric.hi] {
            *x = x.map(|v| v + 9.0);
        }
    });
    runs[4].metrics[0].reference = "other".into();
    let t = &collect(&runs).unwrap()[0];
    assert!(!t.rows[0].cells[0].best && t.rows[1].cells[0].best);
    assert!(t.warnings.iter().any(|w| w.contains("different definitions, references")));
    // Published rows never win.
    assert!(t.rows.iter().filter(|r| r.published_only).all(|r| r.cells.iter().all(|c| !c.best)));
}

#[test]
fn evaluations_by_other_code_are_named() {
    let mut runs = vec![run("pita", 1, 2.0), run("pita", 2, 2.1), run("md", 1, 2.5)];
    let warned = |runs: &[RunResult]| {
        let all = collect(runs).unwrap().remove(0).warnings;
        all.into_iter().filter(|w| w.contains("other code")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(warned(&runs), "");
    runs[1].evaluated_by = Some("4b455f27d".into());
    assert_eq!(warned(&runs), "PITA: 1 of 2 seeds were evaluated by other code (4b455f27d)");
    runs[0].evaluated_by = Some("4b455f27d".into());
    assert_eq!(warned(&runs), "PITA: all seeds were evaluated by other code (4b455f27d)");
}

/// Of a whole system that was never run there is a table, with its rows.
#[test]
fn systems_without_any_run_are_there() {
    let mut runs = example();
    let never = |label: &str, seed| RunResult {
        run_id: String::new(),
        system: "aldp".into(),
        temperature: 300.0,
        status: None,
        metrics: vec![],
        ..run(label, seed, 0.0)
    };
    runs.extend([never("pita", 1), never("pita", 2), never("md", 1)]);
    let tables = collect(&runs).unwrap();
    let t = &tables[1];
    assert_eq!(t.coverage.sentence().unwrap(), "3 of 3 cells missing: 3 never run");
    let labels: Vec<(&str, usize)> = t.rows.iter().map(|r| (r.label.as_str(), r.missing.len())).collect();
    assert_eq!(labels, [("PITA", 2), ("MD", 1)]);
    assert_eq!(t.rows[0].missing[1].line(), "seed 2: never run");
    let (md, csv, tex) = (markdown(t), csv(&tables), latex(t));
    assert!(md.contains("**3 of 3 cells missing: 3 never run**") && md.contains("- MD: seed 1: never run"), "{md}");
    assert!(md.contains("| PITA (2 of 2 missing) | 0 | never run |"), "{md}");
    assert!(csv.lines().any(|l| l.starts_with("aldp,300,MD,false,") && l.contains("seed 1: never run")), "{csv}");
    assert!(tex.contains("3 of 3 cells missing: 3 never run."), "{tex}");
    let json = serde_json::to_value(t).unwrap();
    assert_eq!(
        (&json["coverage"]["cells"], &json["coverage"]["missing"][0]["state"]),
        (&3.into(), &"never run".into())
    );
}

/// With two seeds nothing is said about who is best, and the caption says why.
#[test]
fn few_seeds_are_not_ranked() {
    let mut runs = example();
    runs.pop();
    let t = &collect(&runs).unwrap()[0];
    assert!(t.rows.iter().all(|r| r.cells.iter().all(|c| !c.best)));
    assert_eq!(t.columns[0].too_few, ["MD"]);
    assert!(t.caption.contains("Nothing is bold") && t.caption.contains("MD"), "{}", t.caption);
}

/// A metric without any value has no column, unless something published stands in it.
#[test]
fn undefined_metrics_have_no_column() {
    let mut runs = vec![run("pita", 1, 2.0), run("md", 1, 2.5)];
    for run in &mut runs {
        run.metrics.insert(0, MetricValue { value: None, lo: None, hi: None, ..value("ess", 0.0, 0.0) });
        run.metrics[2].value = None;
    }
    let ids = |t: &Table| t.columns.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
    let t = &collect(&runs).unwrap()[0];
    // PITA's published Distance-W2 stands in the last one.
    assert_eq!(ids(t), ["energy-w2", "distance-w2"]);
    assert!(t.rows.iter().all(|r| r.cells.len() == 2));
    assert_eq!((t.rows[0].cells[0].mean, t.rows[0].cells[1].mean), (Some(2.0), None));
    runs[1].metrics[0].value = Some(0.5);
    assert_eq!(ids(&collect(&runs).unwrap()[0]), ["ess", "energy-w2", "distance-w2"]);
}
