//! Tables, `diff` and checks never contradict each other on the same numbers.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::{bundle, cell, metric};
use super::*;
use crate::compare::tests::measured;
use crate::compare::{self, Verdict as Seen};
use crate::identity::{code, env};
use crate::metrics::{Direction, MetricValue};
use crate::report::{RunResult, collect};
use crate::stats::LEVEL;
use crate::store::Measured;

/// Values with half widths of their intervals, over the seeds of a method.
type Seeds = Vec<(f64, f64)>;

fn value(direction: Direction, (value, half): (f64, f64)) -> MetricValue {
    let name = if direction == Direction::Lower { "energy-w1" } else { "ess" };
    MetricValue { direction, floor: Some(0.05), ..metric(name, value, half) }
}

fn runs(name: &str, direction: Direction, seeds: &Seeds) -> Vec<RunResult> {
    let run = |(seed, at): (usize, &(f64, f64))| RunResult {
        label: name.into(),
        metrics: vec![value(direction, *at)],
        ..crate::report::table::tests::run(name, seed as u64, 0.0)
    };
    seeds.iter().enumerate().map(run).collect()
}

fn all_measured(direction: Direction, seeds: &Seeds) -> Vec<Measured> {
    let word = if direction == Direction::Lower { "lower" } else { "higher" };
    let of = |(seed, &(value, half)): (usize, &(f64, f64))| Measured {
        run: format!("r{seed}").into(),
        floor: Some(0.05),
        ..measured("x", word, value, half)
    };
    seeds.iter().enumerate().map(of).collect()
}

fn side(direction: Direction, seeds: &Seeds, bytes: &str) -> Side {
    let cells = seeds.iter().zip(0..).map(|(at, seed)| cell(seed, bytes, vec![value(direction, *at)])).collect();
    let mut code = code().clone();
    (code.digest, code.sampling) = (bytes.into(), bytes.into());
    Side { code, env: env(), specs: BTreeMap::new(), cells, missing: Vec::new() }
}

/// One to five seeds around a common value, from far apart to all but equal.
fn seeds() -> impl Strategy<Value = Seeds> {
    let near = prop::sample::select(vec![0.01, 0.1, 1.0, 3.0]);
    (0.0..4.0, near.clone(), prop::collection::vec((-1.0..1.0, near), 1..6)).prop_map(|(middle, spread, seeds)| {
        seeds.into_iter().map(|(offset, half)| (f64::abs(middle + spread * offset), half * spread)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn never_contradict(a in seeds(), b in seeds(), lower in any::<bool>()) {
        let direction = if lower { Direction::Lower } else { Direction::Higher };
        let estimate = |s: &Seeds| Estimate::of(
            &s.iter().map(|&(value, half)| Reading { value, lo: Some(value - half), hi: Some(value + half) }).collect::<Vec<_>>(),
        ).unwrap();
        let (x, y) = (estimate(&a), estimate(&b));
        let difference = x.to(&y);

        let seen = compare::compare(&all_measured(direction, &a), &all_measured(direction, &b)).remove(0);
        let at_floor = lower && x.value <= 0.05 && y.value <= 0.05;
        let apart = difference.differs(LEVEL).unwrap();
        prop_assert_eq!(seen.verdict == Seen::Tie, !apart || at_floor);
        prop_assert_eq!(seen.verdict == Seen::Better, apart && !at_floor && (y.value < x.value) == lower);
        // The other way round the same is said.
        let back = compare::compare(&all_measured(direction, &b), &all_measured(direction, &a)).remove(0);
        let mirrored = match seen.verdict { Seen::Better => Seen::Worse, Seen::Worse => Seen::Better, other => other };
        prop_assert_eq!(back.verdict, mirrored);

        let all = [runs("a", direction, &a), runs("b", direction, &b)].concat();
        let table = collect(&all).unwrap().remove(0);
        let cells: Vec<_> = table.rows.iter().filter(|r| !r.published_only).map(|r| &r.cells[0]).collect();
        prop_assert_eq!((cells[0].lo, cells[1].hi), (seen.a.unwrap().lo, seen.b.unwrap().hi), "intervals");
        if a.len().min(b.len()) < 3 {
            prop_assert!(cells.iter().all(|c| !c.best));
        } else {
            prop_assert_eq!(cells[0].best && cells[1].best, seen.verdict == Seen::Tie);
            prop_assert_eq!(!cells[0].best, seen.verdict == Seen::Better);
            prop_assert_eq!(!cells[1].best, seen.verdict == Seen::Worse);
        }

        // One metric: the check's level is one in a hundred.
        let report = judge(Some(&bundle(side(direction, &a, "old"))), &side(direction, &b, "new"), vec![], &[]);
        let drift = report.verdict == Verdict::Drift;
        prop_assert_eq!(drift, difference.differs(FALSE_ALARM).unwrap());
        prop_assert!(!drift || apart, "what a check calls a drift no table calls a tie");
        let series = &report.series[0];
        prop_assert_eq!(drift, series.tonight.mean != series.accepted.unwrap().mean
            && (series.tonight.mean - series.accepted.unwrap().mean).abs() > series.detectable.unwrap());
    }
}
