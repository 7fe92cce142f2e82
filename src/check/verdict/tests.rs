//! Verdicts on bundles made by hand.

use super::*;
use crate::check::bundle::Acceptance;
use crate::check::cells::Missing;
use crate::identity::{code, env};
use crate::metrics::{Direction, MetricValue};
use crate::report::table;

pub(super) fn metric(id: &str, value: f64, half: f64) -> MetricValue {
    MetricValue {
        id: id.into(),
        unit: "kT".into(),
        direction: Direction::Lower,
        floor: None,
        ..table::tests::value("energy-w2", value, half)
    }
}

pub(super) fn cell(seed: u64, bytes: &str, metrics: Vec<MetricValue>) -> CellRecord {
    CellRecord {
        system: "lj13".into(),
        row: "MD".into(),
        seed,
        spec: "spec".into(),
        eval: "eval".into(),
        reference: "reference".into(),
        files: [("samples.npz".to_owned(), format!("{bytes}{seed}"))].into(),
        evaluations: 7,
        metrics,
    }
}

/// Five seeds around `mean`, one standard deviation of 0.1 apart.
fn side(mean: f64, bytes: &str, code_digest: &str) -> Side {
    let cells = [-0.126_49, -0.063_25, 0.0, 0.063_25, 0.126_49]
        .iter()
        .zip(0..)
        .map(|(off, seed)| cell(seed, bytes, vec![metric("w1", mean + off, 0.02), metric("w2", 1.0 + off, 0.02)]));
    let mut code = code().clone();
    code.sampling = code_digest.into();
    let specs = [("spec".to_owned(), serde_json::json!({"step": 1}))].into();
    Side { code, env: env(), specs, cells: cells.collect(), missing: Vec::new() }
}

pub(super) fn bundle(side: Side) -> Bundle {
    let accepted =
        Acceptance { time: "2026-11-01T00:00:00Z".into(), reason: "r".into(), code: "c".into(), revision: None };
    Bundle { version: 1, experiment: "x".into(), accepted, before: vec![], side, probes: BTreeMap::new() }
}

fn probe(energy: f64) -> Vec<probe::Outcome> {
    vec![probe::Outcome { system: "lj13".into(), frames: 3, energy, force: 0.0 }]
}

fn verdict(tonight: &Side) -> Report {
    judge(Some(&bundle(side(1.0, "bits", "old"))), tonight, probe(0.0), &[])
}

#[test]
fn limits_by_hand() {
    // Two metrics of five seeds each: t at 0.01 / 2 with 8 degrees of freedom is 3.833; the standard error of the
    // difference is 0.1 sqrt(2/5) = 0.06325, so 0.2424 apart is the limit.
    let report = verdict(&side(1.24, "other", "new"));
    assert_eq!((report.verdict, &report.tiers[..]), (Verdict::Pass, &[Tier::R0, Tier::R2][..]), "{report:#?}");
    let series = &report.series[0];
    assert!((series.limit.unwrap() - 3.8325).abs() < 1e-3, "{series:?}");
    assert!((series.errors.unwrap() - 0.24 / 0.063_25).abs() < 1e-2, "{series:?}");
    let report = verdict(&side(1.245, "other", "new"));
    assert_eq!(report.verdict, Verdict::Drift);
    let [finding] = &report.findings[..] else { panic!("{report:#?}") };
    assert_eq!((finding.key.as_str(), finding.tier), ("lj13 | MD | w1", Some(Tier::R0)));
    assert_eq!(finding.since.as_deref(), Some("tonight"));
}

#[test]
fn bits() {
    let same = verdict(&side(1.0, "bits", "new"));
    assert_eq!((same.verdict, &same.tiers[..], same.same_bits), (Verdict::Pass, &[Tier::R1, Tier::R2][..], (5, 5)));
    // The same code on the same machine has no excuse.
    let demanded = verdict(&side(1.0, "other", "old"));
    assert_eq!(demanded.verdict, Verdict::Drift);
    assert!(demanded.findings.iter().all(|f| f.tier == Some(Tier::R1)) && demanded.findings.len() == 5);
    let mut elsewhere = side(1.0, "other", "old");
    elsewhere.env.cpu = "another".into();
    assert_eq!(verdict(&elsewhere).verdict, Verdict::Pass);
    let off = judge(Some(&bundle(side(1.0, "bits", "old"))), &elsewhere, probe(1e-6), &[]);
    assert_eq!((off.verdict, off.findings[0].tier), (Verdict::Drift, Some(Tier::R2)));
}

#[test]
fn what_cannot_be_compared() {
    let changed = |change: fn(&mut CellRecord)| {
        let mut tonight = side(1.0, "other", "new");
        tonight.cells.iter_mut().for_each(change);
        tonight.specs.insert("spec 2".into(), serde_json::json!({"step": 2}));
        let report = verdict(&tonight);
        assert_eq!(report.verdict, Verdict::NotComparable, "{report:#?}");
        report.findings.into_iter().map(|f| f.message).collect::<Vec<_>>().join("; ")
    };
    assert!(changed(|c| c.spec = "spec 2".into()).contains("settings changed since it was accepted: step"));
    assert!(changed(|c| c.eval = "other".into()).contains("evaluation settings"));
    assert!(changed(|c| c.reference = "other".into()).contains("another reference"));
    assert!(changed(|c| c.row = "MALA".into()).contains("no longer in the experiment"));
    assert!(changed(|c| c.metrics[0].version = 2).contains("another version"));
    assert_eq!(judge(None, &side(1.0, "b", "c"), vec![], &[]).verdict, Verdict::NotComparable);
}

#[test]
fn incomplete_and_undefined() {
    let mut tonight = side(1.0, "bits", "new");
    let lost = tonight.cells.pop().unwrap();
    let missing = Missing { system: lost.system, row: lost.row, seed: lost.seed, why: "failed: x".into() };
    tonight.missing.push(missing);
    assert_eq!(verdict(&tonight).verdict, Verdict::Incomplete);
    // A number that is not a number any more is a drift, and that weighs more.
    tonight.cells[0].metrics[0].value = None;
    assert_eq!(verdict(&tonight).verdict, Verdict::Drift);
}

#[test]
fn since_when() {
    let night = |time: &str, mean: f64, past: &[Past]| {
        let report = judge(Some(&bundle(side(1.0, "bits", "old"))), &side(mean, "other", "new"), vec![], past);
        Past {
            time: time.into(),
            code: format!("code of {time}"),
            revision: None,
            cpu: "c".into(),
            accepted: Some("2026-11-01T00:00:00Z".into()),
            report,
        }
    };
    let mut past = Vec::new();
    for (time, mean) in [("1", 3.0), ("2", 1.0), ("3", 2.0), ("4", 2.1)] {
        past.push(night(time, mean, &past));
    }
    let said = |i: usize| past[i].report.findings.iter().find_map(|f| f.since.clone());
    assert_eq!(said(0).as_deref(), Some("tonight"));
    assert_eq!(said(1), None);
    assert_eq!(said(2).as_deref(), Some("tonight; last as accepted 2 (code code of 2)"));
    assert_eq!(said(3).as_deref(), Some("3 (code code of 3); last as accepted 2 (code code of 2)"));
}

#[test]
fn one_seed_without_intervals_cannot_be_judged() {
    let single = |value: f64| {
        let mut one = side(1.0, if value == 1.0 { "a" } else { "b" }, "new");
        one.cells.truncate(1);
        one.cells[0].metrics = vec![MetricValue { lo: None, hi: None, ..metric("w1", value, 0.0) }];
        one
    };
    let judged = |value: f64| judge(Some(&bundle(single(1.0))), &single(value), vec![], &[]).verdict;
    assert_eq!(judged(1.0), Verdict::Pass);
    let mut other = single(1.5);
    other.code.sampling = "newer".into();
    assert_eq!(judge(Some(&bundle(single(1.0))), &other, vec![], &[]).verdict, Verdict::NotComparable);
}

/// With two seeds a drift as large as the value itself is not seen, and the check says so; when all bits agree it need not.
#[test]
fn says_what_it_cannot_see() {
    let few = |bytes: &str, code: &str| {
        let mut side = side(0.2, bytes, code);
        side.cells.truncate(2);
        side
    };
    let accepted = bundle(few("bits", "old"));
    let report = judge(Some(&accepted), &few("other", "new"), vec![], &[]);
    // Standard deviation of two seeds 0.063 / sqrt(2); the error of the difference is that; t at 0.005 with 2 degrees: 14.09.
    let detectable = report.series[0].detectable.unwrap();
    assert!((detectable - 14.089 * 0.063_24 / 2_f64.sqrt()).abs() < 1e-3, "{detectable}");
    assert!(report.warnings[0].starts_with("lj13 | MD | w1: with 2 and 2 seeds"), "{:?}", report.warnings);
    assert_eq!(report.verdict, Verdict::Pass);
    assert!(judge(Some(&accepted), &few("bits", "new"), vec![], &[]).warnings.is_empty());
}
