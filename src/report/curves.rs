//! Figures that need no samples: quality against cost, the ladder at a glance, training. From tables, counts, evaluations and what
//! runs recorded.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::course::Course;
use super::figures::{Budget, Cost, Descent, Ladder, Loss, Method, Quality, Steps, Training};
use super::load::SEEDS_SHOWN;
use super::names;
use super::pictures::Pictures;
use super::runs::{RunResult, by_key};
use super::table::{Row, Table};
use crate::text;

/// Metrics of the structure, the first one in the table is drawn beside the energies.
const STRUCTURE: [&str; 4] = ["t-w2", "distance-w2", "tica-w2", "rama-kl"];

/// Evaluations so far (mean over seeds), and the value of each seed.
type Curve = (Vec<f64>, Vec<Vec<f64>>);

/// Quality against cost; `None` when no run has both.
#[must_use]
pub fn cost(table: &Table, runs: &[RunResult]) -> Option<Cost> {
    let mut here = table.runs(runs);
    here.retain(|r| r.is_complete());
    let structure = STRUCTURE.into_iter().find(|id| table.columns.iter().any(|c| c.id == *id));
    let methods = grouped(&here);
    let quality = |id: &str| -> Option<Quality> {
        let at = table.columns.iter().position(|c| c.id == id)?;
        let column = &table.columns[at];
        let methods: Vec<Method> = methods
            .iter()
            .map(|(label, rows)| {
                let mut budgets: Vec<Budget> = rows.iter().filter_map(|row| budget(table, at, row, &here)).collect();
                budgets.sort_by(|a, b| a.evaluations.total_cmp(&b.evaluations));
                let curve = rows.iter().rev().find_map(|row| curve(&here, row, id));
                Method { label: label.clone(), budgets, curve }
            })
            .collect();
        let some = methods.iter().any(|m| !m.budgets.is_empty());
        some.then(|| Quality {
            metric: format!("{} ({})", column.title, column.unit.replace("_m", "ₘ")),
            floor: column.floor,
            methods,
        })
    };
    let panels: Vec<Quality> = std::iter::once("energy-w1").chain(structure).filter_map(quality).collect();
    (!panels.is_empty()).then_some(Cost { panels })
}

/// Methods with their rows, in the order of the table. Rows of one sampler that differ in numbers are budgets of one method if
/// they differ in cost too.
fn grouped(runs: &[&RunResult]) -> Vec<(String, Vec<String>)> {
    let short = names::short(runs.iter().copied());
    let mut methods: Vec<(String, Vec<String>)> = Vec::new();
    for run in runs {
        let row = run.row_label();
        if methods.iter().any(|(_, rows)| rows.contains(&row)) {
            continue;
        }
        let numbers =
            |r: &RunResult| !r.swept.is_empty() && r.swept.values().all(|v| v.replace('_', "").parse::<f64>().is_ok());
        let same: Vec<&&RunResult> = runs.iter().filter(|r| r.label == run.label && numbers(r)).collect();
        let rows: BTreeSet<String> = same.iter().map(|r| r.row_label()).collect();
        let costs: BTreeSet<u64> = same.iter().map(|r| r.counts.charged() / 1000).collect();
        if numbers(run) && rows.len() > 1 && costs.len() >= rows.len() {
            methods.push((run.label.clone(), rows.into_iter().collect()));
        } else {
            methods.push((short.get(&row).unwrap_or(&row).clone(), vec![row]));
        }
    }
    methods
}

/// A row of the table in column `at`.
fn budget(table: &Table, at: usize, row: &str, runs: &[&RunResult]) -> Option<Budget> {
    let found: &Row = table.rows.iter().find(|r| r.label == row && !r.published_only)?;
    let estimate = found.cells[at].estimate()?;
    let id = &table.columns[at].id;
    let seeds: Vec<(f64, f64)> = runs
        .iter()
        .filter(|r| r.row_label() == row)
        .filter_map(|r| Some((r.counts.charged() as f64, r.metric(id)?.value?)))
        .filter(|(evaluations, value)| *evaluations > 0.0 && *value > 0.0)
        .take(SEEDS_SHOWN)
        .collect();
    Some(Budget {
        evaluations: found.charged.map(|n| n as f64).filter(|n| *n > 0.0)?,
        value: estimate.value,
        ends: estimate.lo.zip(estimate.hi),
        seeds,
    })
}

/// A metric of a run over what it had spent: while it went on, and at its end.
fn way(run: &RunResult, id: &str) -> impl Iterator<Item = (f64, f64)> {
    let way = run.curve.iter().filter_map(move |point| Some((point.evaluations, *point.metrics.get(id)?)));
    way.chain(run.metric(id).and_then(|m| Some((run.counts.charged() as f64, m.value?))))
}

/// The ways of a row's seeds.
fn curve(runs: &[&RunResult], row: &str, id: &str) -> Option<Curve> {
    let mine = runs.iter().filter(|run| run.row_label() == row && !run.curve.is_empty()).take(SEEDS_SHOWN);
    let seeds = mine.map(|run| way(run, id).filter(|p| p.0 > 0.0 && p.1 > 0.0).collect::<Vec<_>>());
    shared(&seeds.filter(|seed| seed.len() > 1).collect::<Vec<_>>())
}

/// All points of all curves, the end of a run with its value in the table.
#[must_use]
pub fn csv(runs: &[RunResult]) -> String {
    let mut out = String::from("system,temperature,method,seed,run,metric,evaluations,value\n");
    for run in runs.iter().filter(|run| !run.curve.is_empty()) {
        let head = [run.system.clone(), run.temperature.to_string(), run.row_label(), run.seed.to_string()];
        let head: Vec<String> = head.iter().chain([&run.run_id]).map(|field| text::csv(field)).collect();
        for metric in run.metrics.iter().filter(|m| run.curve.iter().any(|point| point.metrics.contains_key(&m.id))) {
            for (evaluations, value) in way(run, &metric.id) {
                let _ = writeln!(out, "{},{},{evaluations:.0},{value}", head.join(","), metric.id);
            }
        }
    }
    out
}

/// Curves of seeds over the same evaluations: their means where all have as many points, else those of the seed with the fewest, the
/// others interpolated between logarithms.
fn shared(seeds: &[Vec<(f64, f64)>]) -> Option<Curve> {
    let fewest = seeds.iter().min_by_key(|seed| seed.len())?;
    if seeds.iter().all(|seed| seed.len() == fewest.len()) {
        let mean = |k: usize| seeds.iter().map(|seed| seed[k].0).sum::<f64>() / seeds.len() as f64;
        let values = seeds.iter().map(|seed| seed.iter().map(|point| point.1).collect());
        return Some(((0..fewest.len()).map(mean).collect(), values.collect()));
    }
    let places: Vec<f64> = fewest.iter().map(|point| point.0).collect();
    let values = seeds.iter().map(|seed| places.iter().map(|&at| between(seed, at)).collect());
    Some((places.clone(), values.collect()))
}

/// The value of a curve at a place; beyond an end it is that of the end.
fn between(curve: &[(f64, f64)], at: f64) -> f64 {
    let next = curve.partition_point(|point| point.0 < at);
    match (next.checked_sub(1).and_then(|last| curve.get(last)), curve.get(next)) {
        (Some(a), Some(b)) => {
            let share = (at / a.0).ln() / (b.0 / a.0).ln();
            (a.1.ln() + share * (b.1 / a.1).ln()).exp()
        }
        (None, Some(end)) | (Some(end), None) => end.1,
        (None, None) => f64::NAN,
    }
}

/// Courses of one system by row, in order, and what figures call them.
fn by_row<'a>(courses: &'a [Course], runs: &[RunResult], table: &Table) -> Vec<(String, Vec<&'a Course>)> {
    let names = names::short(table.runs(runs).into_iter().filter(|r| !r.reweighted));
    let here = courses.iter().filter(|c| c.system == table.system && c.temperature == table.temperature);
    let rows = by_key(here.map(|course| (&course.label, course)));
    rows.into_iter().map(|(row, seeds)| (names.get(row).unwrap_or(row).clone(), seeds)).collect()
}

/// The ladders of a system; `None` when no run recorded one.
#[must_use]
pub fn ladder(table: &Table, runs: &[RunResult], courses: &[Course], pictures: Option<&Pictures>) -> Option<Ladder> {
    let methods: Vec<Descent> = by_row(courses, runs, table)
        .into_iter()
        .filter(|(_, seeds)| seeds.iter().any(|c| c.rungs.len() > 1))
        .map(|(label, seeds)| {
            let steps = |of: fn(&super::course::Rung) -> Option<f64>| -> Steps {
                let seed = |c: &&Course| -> Vec<(f64, f64)> {
                    c.rungs.iter().filter_map(|r| Some((r.temperature, of(r)?))).collect()
                };
                seeds.iter().map(seed).filter(|s| !s.is_empty()).collect()
            };
            Descent { label, energies: steps(|r| r.energy), ess: steps(|r| r.ess), parents: steps(|r| r.parents) }
        })
        .collect();
    let reference = pictures.and_then(|p| Some((p.temperature, median(&p.samples.reference.energies.concat())?)));
    let unit = if pictures.is_some_and(|p| p.molecule.is_some()) || table.temperature > 10.0 { " (K)" } else { "" };
    (!methods.is_empty()).then(|| Ladder { methods, reference, unit: unit.into() })
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// The losses of a system; `None` when nobody trained.
#[must_use]
pub fn training(table: &Table, runs: &[RunResult], courses: &[Course]) -> Option<Training> {
    let mut losses = Vec::new();
    for (label, seeds) in by_row(courses, runs, table) {
        let names: BTreeSet<&String> = seeds.iter().flat_map(|c| c.losses.keys()).collect();
        for name in names {
            let values: Vec<_> = seeds.iter().filter_map(|c| c.losses.get(name)).cloned().collect();
            // One number is no curve.
            if values.iter().any(|v| v.len() > 1) {
                losses.push(Loss {
                    label: format!("{label}\n{name}"),
                    seeds: values,
                    borders: seeds.first().map_or(vec![], |c| c.borders.clone()),
                });
            }
        }
    }
    (!losses.is_empty()).then_some(Training { losses })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Purpose;
    use crate::record::evaluation::Point;
    use crate::report::table::collect;
    use crate::report::table::tests::{example, value};

    fn run(label: &str, setting: (&str, &str), evaluations: u64, w1: f64) -> RunResult {
        let mut run =
            RunResult { label: label.into(), metrics: vec![value("energy-w1", w1, 0.1)], ..example()[0].clone() };
        run.swept.insert(setting.0.into(), setting.1.into());
        run.counts.0 = [(Purpose::Sampling, evaluations)].into();
        run
    }

    /// A sweep over a number that costs is one curve, in the order of the cost; a sweep over words is not.
    #[test]
    fn budgets_are_joined() {
        let smc = |moves: &str, evaluations: u64, w1: f64| run("SMC", ("moves", moves), evaluations, w1);
        let runs = [
            smc("20", 20_000, 3.0),
            smc("265", 265_000, 0.5),
            smc("60", 60_000, 1.0),
            run("PITA", ("weights", "exact"), 9_000, 2.0),
            run("PITA", ("weights", "path"), 90_000, 2.0),
        ];
        let table = &collect(&runs).unwrap()[0];
        let cost = cost(table, &runs).unwrap();
        let found: Vec<(&str, Vec<f64>)> = cost.panels[0]
            .methods
            .iter()
            .map(|m| (m.label.as_str(), m.budgets.iter().map(|b| b.value).collect()))
            .collect();
        let expected =
            [("SMC", vec![3.0, 1.0, 0.5]), ("PITA\nweights = exact", vec![2.0]), ("PITA\nweights = path", vec![2.0])];
        assert_eq!(found, expected);
    }

    #[test]
    fn seeds_share_places() {
        let even = [vec![(1.0, 4.0), (10.0, 2.0)], vec![(3.0, 5.0), (30.0, 1.0)]];
        assert_eq!(shared(&even).unwrap(), (vec![2.0, 20.0], vec![vec![4.0, 2.0], vec![5.0, 1.0]]));
        let (places, values) =
            shared(&[vec![(1.0, 8.0), (10.0, 4.0), (100.0, 1.0)], vec![(10.0, 3.0), (1e3, 1.0)]]).unwrap();
        assert_eq!((places, &values[1]), (vec![10.0, 1e3], &vec![3.0, 1.0]));
        assert!((values[0][0] - 4.0).abs() < 1e-12 && values[0][1] == 1.0, "{values:?}");
        assert!((between(&[(10.0, 4.0), (1e3, 1.0)], 100.0) - 2.0).abs() < 1e-12);
    }

    /// While two seeds went on, and at their end; a seed that tells nothing of its way is left out, and so is what has no logarithm.
    #[test]
    fn ways_are_curves() {
        let way = |points: &[(f64, f64)], w1| {
            let point = |&(evaluations, value): &(f64, f64)| Point {
                evaluations,
                metrics: [("energy-w1".to_owned(), value), ("t-w2".to_owned(), 0.0)].into(),
            };
            let run = run("SMC", ("moves", "20"), 9_000, w1);
            RunResult { curve: points.iter().map(point).collect(), ..run }
        };
        let runs = [way(&[(1e3, 4.0), (3e3, 2.0)], 1.0), way(&[(1e3, 6.0), (3e3, 3.0)], 0.5), way(&[], 7.0)];
        let here: Vec<&RunResult> = runs.iter().collect();
        let (places, values) = curve(&here, &runs[0].row_label(), "energy-w1").unwrap();
        assert_eq!((places, values), (vec![1e3, 3e3, 9e3], vec![vec![4.0, 2.0, 1.0], vec![6.0, 3.0, 0.5]]));
        assert_eq!(curve(&here, &runs[0].row_label(), "t-w2"), None);
        assert_eq!(curve(&here, "MD", "energy-w1"), None);
        let text = csv(&runs[..1]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].ends_with(",energy-w1,1000,4") && lines[3].ends_with(",energy-w1,9000,1"), "{text}");
    }
}
