//! One table per system and temperature: methods against metrics, published values beside ours.

pub(super) mod caption;
mod csv;
mod latex;
pub(super) mod markdown;
mod number;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::baselines::{self, Baseline, Kind};
use super::missing::{Coverage, Gap};
use super::runs::{RunResult, Status};
use crate::compare::{self, Verdict, at_floor};
use crate::energy::{Counts, Purpose};
use crate::error::Result;
use crate::metrics::{Direction, MetricValue, by_id};
use crate::spec::Counted;
use crate::stats::{Estimate, Reading, deviation, mean};
use crate::systems::energy_tag;

pub use csv::csv;
pub use latex::latex;
pub use markdown::markdown;
pub use number::{as_published, grouped, number, with_spread};

/// Methods against metrics, on one system at one temperature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// Such as `lj13 at T = 1`.
    pub title: String,
    /// System name.
    pub system: String,
    /// Temperature.
    pub temperature: f64,
    /// Metrics.
    pub columns: Vec<Column>,
    /// Methods: ours first, then published only.
    pub rows: Vec<Row>,
    /// Energy evaluations of the reference, whose own row is the noise floor.
    pub reference: Option<u64>,
    /// How to read it: what stands behind ±, what is bold and why not.
    pub caption: String,
    /// Which of the cells that were asked for are there.
    pub coverage: Coverage,
    /// What a reader must know before comparing: differing references, versions.
    pub warnings: Vec<String>,
    /// Where the published values come from: method, metric, source, remark; and which are of another energy function.
    pub sources: Vec<String>,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// Metric id.
    pub id: String,
    /// Version of the definition.
    pub version: u32,
    /// Title.
    pub title: String,
    /// Unit.
    pub unit: String,
    /// Which way it improves.
    pub direction: Direction,
    /// Noise floor: mean over the runs that state one.
    pub floor: Option<f64>,
    /// Rows of fewer than [`RANKED`] seeds with a value: because of them no cell is marked as best.
    pub too_few: Vec<String>,
}

/// Fewest seeds of every row for the best of a column to be marked.
pub const RANKED: usize = 3;

/// One method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Label with swept settings.
    pub label: String,
    /// Whether only published numbers stand here.
    pub published_only: bool,
    /// One cell per column.
    pub cells: Vec<Cell>,
    /// Energy evaluations by purpose, mean over complete seeds (rounded).
    pub energy: Counts,
    /// Energy evaluations charged to the method, mean over complete seeds; `None` where somebody else made the samples and
    /// says nothing.
    pub charged: Option<u64>,
    /// Who counted them.
    pub counted: Counted,
    /// Complete seeds.
    pub seeds: usize,
    /// Seeds among the complete ones with fewer samples than were asked for.
    pub partial: usize,
    /// The seeds that are in no mean.
    pub missing: Vec<Gap>,
}

/// One method's value of one metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cell {
    /// Mean over complete seeds.
    pub mean: Option<f64>,
    /// Sample standard deviation over seeds, with two or more.
    pub sd: Option<f64>,
    /// Lower end of the 95 % interval, see [`crate::stats::estimate`].
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Standard error of the mean.
    pub error: Option<f64>,
    /// Degrees of freedom of the error; `None` for one seed.
    pub freedom: Option<f64>,
    /// Noise floor.
    pub floor: Option<f64>,
    /// Published value.
    pub paper: Option<f64>,
    /// Its stated spread.
    pub paper_sd: Option<f64>,
    /// Best of our runs, or not distinguishable from it ([`compare::verdict`]); never where [`Column::too_few`] names a row.
    pub best: bool,
    /// Not above the noise floor.
    pub at_floor: bool,
    /// Runs behind the value.
    pub run_ids: Vec<String>,
    /// Remarks of the runs, without repetition.
    pub note: String,
}

impl Row {
    /// Charged energy evaluations in words: what nobody here has counted says so.
    #[must_use]
    pub fn evaluations(&self) -> Option<String> {
        let claimed = if self.counted == Counted::Claimed { " (claimed)" } else { "" };
        self.charged.map(|n| grouped(n) + claimed)
    }
}

impl Cell {
    /// Our value with its interval.
    #[must_use]
    pub fn estimate(&self) -> Option<Estimate> {
        let Self { lo, hi, error, freedom, .. } = *self;
        Some(Estimate { value: self.mean?, lo, hi, error, freedom, runs: self.run_ids.len() })
    }
}

/// Builds the tables of a set of runs, in order of first appearance.
///
/// # Errors
/// When the compiled-in baselines are malformed.
pub fn collect(runs: &[RunResult]) -> Result<Vec<Table>> {
    let mut places: Vec<(&str, f64)> = Vec::new();
    for run in runs {
        if !places.contains(&(run.system.as_str(), run.temperature)) {
            places.push((&run.system, run.temperature));
        }
    }
    places.into_iter().map(|(system, temperature)| table(runs, system, temperature)).collect()
}

fn table(runs: &[RunResult], system: &str, temperature: f64) -> Result<Table> {
    let baselines = baselines::all()?;
    let runs: Vec<&RunResult> = runs.iter().filter(|r| r.system == system && r.temperature == temperature).collect();
    let mut warnings = Vec::new();
    let mut columns = columns(&runs, &mut warnings);

    let mut labels: Vec<String> = Vec::new();
    for run in &runs {
        if !labels.contains(&run.row_label()) {
            labels.push(run.row_label());
        }
    }
    let mut rows: Vec<Row> = labels
        .into_iter()
        .map(|label| {
            let mine: Vec<&RunResult> = runs.iter().copied().filter(|r| r.row_label() == label).collect();
            let baseline = baselines.iter().find(|b| mine.iter().any(|r| r.sampler == b.name));
            let mut row = row(label, &mine, &columns);
            for (cell, column) in row.cells.iter_mut().zip(&columns) {
                let expected = baseline.and_then(|b| b.expected(system, temperature, &column.id));
                cell.paper = expected.and_then(|e| e.published);
                cell.paper_sd = expected.and_then(|e| e.published_sd);
            }
            row
        })
        .collect();
    for (c, column) in columns.iter_mut().enumerate() {
        let few = rows.iter().filter(|r| (1..RANKED).contains(&r.cells[c].run_ids.len()));
        column.too_few = few.map(|r| r.label.clone()).collect();
        if column.too_few.is_empty() {
            mark_best(&mut rows, c, column.direction);
        }
    }
    warnings.extend(rows.iter().filter_map(|row| by_other_code(row, &runs)));
    for run in &runs {
        if let Some(origin) = &run.origin {
            warnings.push(format!("{} seed {} (run {}) was imported: {origin}", run.row_label(), run.seed, run.run_id));
        }
        if let Some(reason) = &run.partial {
            warnings.push(format!("{} seed {} (run {}) is partial: {reason}", run.row_label(), run.seed, run.run_id));
        }
    }
    rows.extend(baselines.iter().filter(|b| b.kind == Kind::Published).filter_map(|b| {
        let cells: Vec<Cell> = columns
            .iter()
            .map(|column| {
                let expected = b.expected(system, temperature, &column.id);
                Cell {
                    paper: expected.and_then(|e| e.published),
                    paper_sd: expected.and_then(|e| e.published_sd),
                    note: expected.map(|e| e.note.clone()).unwrap_or_default(),
                    ..Cell::default()
                }
            })
            .collect();
        cells.iter().any(|c| c.paper.is_some()).then(|| Row {
            label: b.title.clone(),
            published_only: true,
            cells,
            energy: Counts::default(),
            charged: None,
            counted: Counted::default(),
            seeds: 0,
            partial: 0,
            missing: vec![],
        })
    }));
    // A metric that is defined for no method says nothing here; why it is not stands in the notes of the runs.
    let says: Vec<bool> =
        (0..columns.len()).map(|c| rows.iter().any(|r| r.cells[c].mean.or(r.cells[c].paper).is_some())).collect();
    keep(&mut columns, &says);
    rows.iter_mut().for_each(|row| keep(&mut row.cells, &says));
    let title = format!("{system} at T = {temperature}");
    let mut sources = sources(&baselines, &rows, system, temperature, &columns);
    sources.extend(foreign(&baselines, system, temperature, &columns));
    let reference = runs.iter().find_map(|r| r.reference.as_ref()).map(Counts::charged);
    let caption = caption::caption(&columns, rows.iter().any(|r| r.counted == Counted::Claimed));
    let coverage = Coverage::of(runs.iter().copied());
    Ok(Table {
        title,
        system: system.into(),
        temperature,
        columns,
        rows,
        reference,
        caption,
        coverage,
        warnings,
        sources,
    })
}

/// Says which numbers of a row come from other code than this.
fn by_other_code(row: &Row, runs: &[&RunResult]) -> Option<String> {
    let mine = runs.iter().filter(|r| r.status == Status::Complete && r.row_label() == row.label);
    let others: Vec<&str> = mine.filter_map(|r| r.evaluated_by.as_deref()).collect();
    let codes: Vec<&str> = others.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let count = if others.len() == row.seeds { "all".into() } else { format!("{} of {}", others.len(), row.seeds) };
    (!others.is_empty())
        .then(|| format!("{}: {count} seeds were evaluated by other code ({})", row.label, codes.join(", ")))
}

/// Keeps the items whose flag is set.
fn keep<T>(items: &mut Vec<T>, flags: &[bool]) {
    let mut flags = flags.iter();
    items.retain(|_| flags.next() == Some(&true));
}

/// One line per source and remark, over the baselines that the table shows.
fn sources(baselines: &[Baseline], rows: &[Row], system: &str, temperature: f64, columns: &[Column]) -> Vec<String> {
    let mut by_text: Vec<(String, Vec<String>)> = Vec::new();
    for baseline in baselines {
        for column in columns {
            let Some(e) = baseline.expected(system, temperature, &column.id) else { continue };
            let shown = rows.iter().flat_map(|r| &r.cells).any(|c| c.paper.is_some() && c.paper == e.published);
            if !shown {
                continue;
            }
            let source = format!("{} (energy function {})", e.source, e.energy);
            let text = if e.note.is_empty() { source } else { format!("{source}. {}", e.note) };
            let name = format!("{} {}", baseline.title, column.title);
            match by_text.iter_mut().find(|(t, _)| *t == text) {
                Some((_, names)) => names.push(name),
                None => by_text.push((text, vec![name])),
            }
        }
    }
    by_text.into_iter().map(|(text, names)| format!("{}: {text}", names.join(", "))).collect()
}

/// Published numbers that are not shown, because they were measured with another energy function: one line for each.
fn foreign(baselines: &[Baseline], system: &str, temperature: f64, columns: &[Column]) -> Vec<String> {
    let mut by_energy: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for baseline in baselines {
        for column in columns {
            for e in baseline.foreign(system, temperature, &column.id) {
                by_energy.entry(&e.energy).or_default().push(format!("{} {}", baseline.title, column.title));
            }
        }
    }
    let ours = energy_tag(system).unwrap_or("its own");
    let line = |(energy, names): (&str, Vec<String>)| {
        format!("Not comparable, so not shown: {} (energy function {energy}; here {ours})", names.join(", "))
    };
    by_energy.into_iter().map(line).collect()
}

fn columns(runs: &[&RunResult], warnings: &mut Vec<String>) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut identities: BTreeMap<&str, BTreeSet<(u32, &str, usize)>> = BTreeMap::new();
    let mut floors: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for value in runs.iter().flat_map(|r| &r.metrics) {
        if !columns.iter().any(|c| c.id == value.id) {
            columns.push(Column {
                id: value.id.clone(),
                version: value.version,
                title: by_id(&value.id).map_or_else(|_| value.id.clone(), |m| m.title.into()),
                unit: value.unit.clone(),
                direction: value.direction,
                floor: None,
                too_few: vec![],
            });
        }
        let known = identities.entry(&value.id).or_default();
        // What is not defined for a method used no reference frames: nothing to compare.
        if value.value.is_some() {
            known.insert((value.version, &value.reference, value.n_reference));
        }
        floors.entry(&value.id).or_default().extend(value.floor);
    }
    for column in &mut columns {
        column.floor = mean(&floors[column.id.as_str()]);
        if identities[column.id.as_str()].len() > 1 {
            warnings.push(format!(
                "{}: values of different definitions, references or sample sizes stand side by side; evaluate again",
                column.title
            ));
        }
    }
    columns
}

fn row(label: String, runs: &[&RunResult], columns: &[Column]) -> Row {
    // A run whose samples are there but not judged yet is in no mean, so it is no complete seed either.
    let complete: Vec<&&RunResult> = runs.iter().filter(|r| Gap::of(r).is_none()).collect();
    let cells = columns
        .iter()
        .map(|column| {
            let found: Vec<_> = complete
                .iter()
                .filter_map(|run| run.metrics.iter().find(|m| m.id == column.id).map(|m| (&run.run_id, m)))
                .collect();
            let reading = |m: &MetricValue| Some(Reading { value: m.value?, lo: m.lo, hi: m.hi });
            let readings: Vec<Reading> = found.iter().filter_map(|(_, m)| reading(m)).collect();
            let estimate = Estimate::of(&readings);
            let notes: BTreeSet<&str> =
                found.iter().map(|(_, m)| m.note.as_str()).filter(|note| !note.is_empty()).collect();
            let worth: Vec<usize> = found.iter().filter_map(|(_, m)| m.n_effective).collect();
            let worth = worth.iter().min().zip(worth.iter().max());
            let worth = worth.map(|(least, most)| {
                let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
                format!("samples of dynamics, worth {range} independent ones")
            });
            let floor = mean(&found.iter().filter_map(|(_, m)| m.floor).collect::<Vec<_>>());
            Cell {
                mean: estimate.map(|e| e.value),
                sd: deviation(&readings.iter().map(|r| r.value).collect::<Vec<_>>()),
                lo: estimate.and_then(|e| e.lo),
                hi: estimate.and_then(|e| e.hi),
                error: estimate.and_then(|e| e.error),
                freedom: estimate.and_then(|e| e.freedom),
                floor,
                at_floor: estimate.is_some_and(|e| at_floor(column.direction, e.value, floor)),
                run_ids: found.iter().filter(|(_, m)| m.value.is_some()).map(|(id, _)| (*id).clone()).collect(),
                note: notes.into_iter().map(String::from).chain(worth).collect::<Vec<_>>().join("; "),
                ..Cell::default()
            }
        })
        .collect();
    let mut totals: BTreeMap<Purpose, u64> = BTreeMap::new();
    for (&purpose, &count) in complete.iter().flat_map(|r| &r.counts.0) {
        *totals.entry(purpose).or_default() += count;
    }
    let n = complete.len() as u64;
    let average = |sum: u64| (sum + n / 2) / n.max(1);
    let counted = runs.first().map_or(Counted::default(), |r| r.counted);
    let known = n > 0 && counted != Counted::Unknown;
    let charged = known.then(|| average(complete.iter().map(|r| r.counts.charged()).sum()));
    Row {
        label,
        published_only: false,
        cells,
        energy: Counts(totals.into_iter().map(|(p, sum)| (p, average(sum))).collect()),
        charged,
        counted,
        seeds: complete.len(),
        partial: complete.iter().filter(|r| r.partial.is_some()).count(),
        missing: runs.iter().copied().filter_map(Gap::of).collect(),
    }
}

/// Marks the best mean of a column, and every cell that cannot be told from it.
fn mark_best(rows: &mut [Row], column: usize, direction: Direction) {
    let sign = match direction {
        Direction::Lower => 1.0,
        Direction::Higher => -1.0,
        Direction::None => return,
    };
    let found = rows.iter().filter_map(|r| Some((r.cells[column].estimate()?, r.cells[column].at_floor)));
    let Some((best, best_at_floor)) = found.min_by(|a, b| (a.0.value * sign).total_cmp(&(b.0.value * sign))) else {
        return;
    };
    for cell in rows.iter_mut().map(|r| &mut r.cells[column]) {
        let Some(estimate) = cell.estimate() else { continue };
        let verdict = compare::verdict(&best.to(&estimate), direction, cell.at_floor && best_at_floor);
        cell.best = verdict == Verdict::Tie;
    }
}

/// Name of a purpose, as in the record.
#[must_use]
pub fn purpose(purpose: Purpose) -> String {
    serde_json::to_value(purpose).ok().and_then(|v| v.as_str().map(String::from)).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn value(id: &str, value: f64, half: f64) -> MetricValue {
        let metric = by_id(id).unwrap();
        MetricValue {
            id: id.into(),
            version: 1,
            unit: metric.unit.into(),
            direction: metric.direction,
            value: Some(value),
            lo: Some(value - half),
            hi: Some(value + half),
            floor: Some(0.1),
            n_samples: 100,
            n_effective: None,
            n_reference: 100,
            dropped: 0,
            reference: "abc".into(),
            note: String::new(),
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
            swept: BTreeMap::new(),
            metrics: vec![value("energy-w2", w2, 0.2), value("distance-w2", 0.05, 0.01)],
            counts: Counts(BTreeMap::from([(Purpose::Sampling, 1_000_000 + seed), (Purpose::Evaluation, 50)])),
            counted: Counted::Here,
            reference: Some(Counts(BTreeMap::from([(Purpose::Reference, 7_000_000)]))),
            status: Status::Complete,
            evaluated_by: None,
            partial: None,
            origin: None,
            failure: None,
            reweighted: false,
            samples_path: None,
        }
    }

    /// PITA with three seeds and one that failed, MD with three.
    pub(crate) fn example() -> Vec<RunResult> {
        let mut failed = run("pita", 4, 0.0);
        failed.status = Status::Failed;
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
            status: Status::NeverRun,
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
}
