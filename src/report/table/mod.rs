//! One table per system and temperature: methods against metrics, published values beside ours.

pub(super) mod caption;
mod csv;
mod latex;
pub(super) mod markdown;
mod number;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::baselines::{self, Baseline, Expected, Kind};
use super::missing::{Coverage, Gap};
use super::runs::{RunResult, by_key};
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
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
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
    /// The method whose published numbers the page shows below it; each method has them once.
    #[serde(skip)]
    pub published: Option<String>,
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
    /// All that is known of it.
    #[serde(skip)]
    pub expected: Option<Expected>,
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

    /// All energy evaluations by purpose, in words.
    pub(super) fn by_purpose(&self) -> String {
        self.energy.0.iter().map(|(p, n)| format!("{} {}", purpose(*p), grouped(*n))).collect::<Vec<_>>().join(", ")
    }
}

impl Table {
    /// Those of `runs` that it shows.
    pub(super) fn runs<'a>(&self, runs: &'a [RunResult]) -> Vec<&'a RunResult> {
        runs.iter().filter(|r| r.system == self.system && r.temperature == self.temperature).collect()
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
    let places = by_key(runs.iter().map(|run| ((run.system.as_str(), run.temperature.to_bits()), run)));
    places.into_iter().map(|((system, bits), runs)| table(&runs, system, f64::from_bits(bits))).collect()
}

fn table(runs: &[&RunResult], system: &str, temperature: f64) -> Result<Table> {
    let baselines = baselines::all()?;
    let mut warnings = Vec::new();
    let mut columns = columns(runs, &mut warnings);

    let mut shown = BTreeSet::new();
    let mut publish = |row: &mut Row, baseline: &Baseline, columns: &[Column]| {
        for (cell, column) in row.cells.iter_mut().zip(columns) {
            cell.expected = baseline.expected(system, temperature, &column.id).cloned();
            cell.paper = cell.expected.as_ref().and_then(|e| e.published);
            cell.paper_sd = cell.expected.as_ref().and_then(|e| e.published_sd);
        }
        if row.cells.iter().any(|c| c.paper.is_some()) && shown.insert(baseline.name.clone()) {
            row.published = Some(baseline.title.clone());
        }
    };
    let mut rows: Vec<Row> = by_key(runs.iter().map(|run| (run.row_label(), *run)))
        .into_iter()
        .map(|(label, mine)| {
            let mut row = row(label, &mine, &columns);
            if let Some(baseline) = baselines.iter().find(|b| mine.iter().any(|r| r.sampler == b.name)) {
                publish(&mut row, baseline, &columns);
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
    warnings.extend(rows.iter().filter_map(|row| by_other_code(row, runs)));
    for run in runs {
        for (what, why) in [("was imported", &run.origin), ("is partial", &run.partial)] {
            let said = |why| format!("{} seed {} (run {}) {what}: {why}", run.row_label(), run.seed, run.run_id);
            warnings.extend(why.as_ref().map(said));
        }
    }
    rows.extend(baselines.iter().filter(|b| b.kind == Kind::Published).filter_map(|b| {
        let cells = vec![Cell::default(); columns.len()];
        let mut row = Row { label: b.title.clone(), published_only: true, cells, ..Row::default() };
        publish(&mut row, b, &columns);
        for cell in &mut row.cells {
            cell.note = cell.expected.as_ref().map(|e| e.note.clone()).unwrap_or_default();
        }
        row.cells.iter().any(|c| c.paper.is_some()).then_some(row)
    }));
    // A metric that is defined for no method says nothing here; why it is not stands in the notes of the runs.
    let says: Vec<bool> =
        (0..columns.len()).map(|c| rows.iter().any(|r| r.cells[c].mean.or(r.cells[c].paper).is_some())).collect();
    keep(&mut columns, &says);
    rows.iter_mut().for_each(|row| keep(&mut row.cells, &says));
    let mut sources = sources(&baselines, &rows, system, temperature, &columns);
    sources.extend(foreign(&baselines, system, temperature, &columns));
    Ok(Table {
        title: format!("{system} at T = {temperature}"),
        system: system.into(),
        temperature,
        reference: runs.iter().find_map(|r| r.reference.as_ref()).map(Counts::charged),
        caption: caption::caption(&columns, rows.iter().any(|r| r.counted == Counted::Claimed)),
        coverage: Coverage::of(runs.iter().copied()),
        columns,
        rows,
        warnings,
        sources,
    })
}

/// Says which numbers of a row come from other code than this.
fn by_other_code(row: &Row, runs: &[&RunResult]) -> Option<String> {
    let mine = runs.iter().filter(|r| r.is_complete() && r.row_label() == row.label);
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
    let mut shown = Vec::new();
    for baseline in baselines {
        for column in columns {
            let Some(e) = baseline.expected(system, temperature, &column.id) else { continue };
            if !rows.iter().flat_map(|r| &r.cells).any(|c| c.paper.is_some() && c.paper == e.published) {
                continue;
            }
            shown.push((e.about(), format!("{} {}", baseline.title, column.title)));
        }
    }
    by_key(shown).into_iter().map(|(text, names)| format!("{}: {text}", names.join(", "))).collect()
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
    let column = |(id, values): (&str, Vec<&MetricValue>)| {
        let title = by_id(id).map_or_else(|_| id.to_owned(), |m| m.title.into());
        // What is not defined for a method used no reference frames: nothing to compare.
        let defined = values.iter().filter(|m| m.value.is_some());
        if defined.map(|m| (m.version, &m.reference, m.n_reference)).collect::<BTreeSet<_>>().len() > 1 {
            warnings.push(format!(
                "{title}: values of different definitions, references or sample sizes stand side by side; evaluate again"
            ));
        }
        Column {
            id: id.to_owned(),
            version: values[0].version,
            title,
            unit: values[0].unit.clone(),
            direction: values[0].direction,
            floor: mean(&values.iter().filter_map(|m| m.floor).collect::<Vec<_>>()),
            too_few: vec![],
        }
    };
    let metrics = runs.iter().flat_map(|r| &r.metrics).map(|m| (m.id.as_str(), m));
    by_key(metrics).into_iter().map(column).collect()
}

fn row(label: String, runs: &[&RunResult], columns: &[Column]) -> Row {
    // A run whose samples are there but not judged yet is in no mean, so it is no complete seed either.
    let complete: Vec<&&RunResult> = runs.iter().filter(|r| Gap::of(r).is_none()).collect();
    let cells = columns
        .iter()
        .map(|column| {
            let found: Vec<_> =
                complete.iter().filter_map(|run| run.metric(&column.id).map(|m| (&run.run_id, m))).collect();
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
        cells,
        energy: Counts(totals.into_iter().map(|(p, sum)| (p, average(sum))).collect()),
        charged,
        counted,
        seeds: complete.len(),
        partial: complete.iter().filter(|r| r.partial.is_some()).count(),
        missing: runs.iter().copied().filter_map(Gap::of).collect(),
        ..Row::default()
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
pub(super) fn purpose(purpose: Purpose) -> String {
    serde_json::to_value(purpose).ok().and_then(|v| v.as_str().map(String::from)).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests;
