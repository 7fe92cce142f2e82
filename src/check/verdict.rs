//! Tonight against what was accepted.
//!
//! Metrics are compared as means over seeds, by the test that tables and `diff` use ([`crate::stats::estimate`]). A metric
//! drifts when the difference is beyond the quantile of Student's t at which one check in a hundred would be a false alarm,
//! all its metrics taken together (Bonferroni). When all bits agree nothing is left to chance; else the check says the
//! smallest drift that it could have seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bundle::Bundle;
use super::cells::{CellRecord, Side};
use super::probe::{self, TOLERANCE};
use crate::exit::ExitCode;
use crate::identity;
use crate::metrics::MetricValue;
use crate::stats::{Estimate, Reading};

/// Chance of a false alarm in one check in which bits differ.
const FALSE_ALARM: f64 = 0.01;

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was accepted is as it was.
    Pass,
    /// Some of it cannot be compared with what was run.
    NotComparable,
    /// Some of it was not run to its end.
    Incomplete,
    /// A number is not what it was.
    Drift,
}

impl Verdict {
    fn said(self) -> (ExitCode, &'static str) {
        match self {
            Self::Pass => (ExitCode::Ok, "pass"),
            Self::NotComparable => (ExitCode::NotComparable, "not comparable"),
            Self::Incomplete => (ExitCode::Incomplete, "incomplete"),
            Self::Drift => (ExitCode::Drift, "drift"),
        }
    }

    /// The process ends with this code.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        self.said().0
    }

    /// The word used in text.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.said().1
    }
}

/// How much was compared, see [`super`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tier {
    /// Statistical.
    R0,
    /// Bitwise.
    R1,
    /// Cross-device.
    R2,
}

/// Something that is not as it was, or could not be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it amounts to.
    pub verdict: Verdict,
    /// At which tier it was seen.
    pub tier: Option<Tier>,
    /// What it is about: `system | row | metric`; the same every night.
    pub key: String,
    /// How far, or why.
    pub message: String,
    /// Since when, for a drift.
    pub since: Option<String>,
}

/// Mean and spread over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard error of the mean.
    pub error: f64,
    /// Seeds.
    pub n: usize,
}

impl Spread {
    fn of(estimate: &Estimate) -> Self {
        Self { mean: estimate.value, error: estimate.error.unwrap_or_default(), n: estimate.runs }
    }
}

/// One metric of one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// `system | row | metric`.
    pub key: String,
    /// Unit.
    pub unit: String,
    /// Accepted.
    pub accepted: Option<Spread>,
    /// Tonight.
    pub tonight: Spread,
    /// Difference in standard errors.
    pub errors: Option<f64>,
    /// From how many standard errors on it is a drift.
    pub limit: Option<f64>,
    /// The smallest drift that could have been seen: the limit in the metric's unit.
    #[serde(default)]
    pub detectable: Option<f64>,
}

impl Series {
    /// What a reader must know: a drift as large as the value itself would not have been seen.
    fn blind(&self) -> Option<String> {
        let (accepted, detectable) = (self.accepted?, self.detectable?);
        (detectable > accepted.mean.abs()).then(|| {
            format!(
                "{}: with {} and {} seeds only a drift beyond {detectable:.3} {} is seen, and the value is {:.3}; more seeds see \
                 smaller ones",
                self.key, accepted.n, self.tonight.n, self.unit, accepted.mean
            )
        })
    }
}

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The worst finding.
    pub verdict: Verdict,
    /// Tiers that could be applied.
    pub tiers: Vec<Tier>,
    /// The same in words.
    pub applied: String,
    /// What is not as it was.
    pub findings: Vec<Finding>,
    /// What the check could not have seen; empty when all bits agree.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Every metric.
    pub series: Vec<Series>,
    /// Cells whose bits agree with the accepted ones, and cells that there are.
    pub same_bits: (usize, usize),
    /// Probes.
    pub probes: Vec<probe::Outcome>,
}

/// `verdict.json`: one night.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// When it began.
    pub time: String,
    /// Code digest.
    pub code: String,
    /// Git commit, if known.
    pub revision: Option<String>,
    /// Machine.
    pub cpu: String,
    /// When the bundle that it was compared with was accepted.
    pub accepted: Option<String>,
    /// What was found.
    pub report: Report,
}

impl Past {
    /// The code as people know it: the commit, or the beginning of the digest.
    #[must_use]
    pub fn code(&self) -> &str {
        let text = self.revision.as_ref().unwrap_or(&self.code);
        text.get(..9).unwrap_or(text)
    }
}

/// Compares tonight with the accepted bundle (if there is one); `past` are earlier checks, oldest first.
#[must_use]
pub fn judge(bundle: Option<&Bundle>, tonight: &Side, probes: Vec<probe::Outcome>, past: &[Past]) -> Report {
    let mut judging = Judging { findings: Vec::new(), past };
    for m in &tonight.missing {
        judging.find(Verdict::Incomplete, None, &format!("{} | {} | seed {}", m.system, m.row, m.seed), &m.why);
    }
    let Some(bundle) = bundle else {
        let message = "nothing was accepted yet; `pita-bench accept` makes this the accepted bundle";
        judging.find(Verdict::NotComparable, None, "bundle", message);
        let series = rows(&tonight.cells).into_iter().flat_map(|(key, cells)| alone(&key, &cells)).collect();
        return judging.report(Vec::new(), "nothing to compare with".into(), series, (0, tonight.cells.len()), probes);
    };
    let demanded = bundle.side.same_build_and_machine(tonight);
    let (mut same_bits, mut twins) = (0, 0);
    let mut comparable: Vec<Row<'_>> = Vec::new();
    let (accepted, here) = (rows(&bundle.side.cells), rows(&tonight.cells));
    for (key, was) in &accepted {
        let Some(is) = here.get(key) else {
            // A row without a single complete cell is incomplete, which has been said; else it was taken out.
            if !tonight.missing.iter().any(|m| format!("{} | {}", m.system, m.row) == *key) {
                judging.find(Verdict::NotComparable, None, key, "accepted, but no longer in the experiment");
            }
            continue;
        };
        if let Some(why) = other_question(was, is, &bundle.side, tonight) {
            judging.find(Verdict::NotComparable, None, key, why);
            continue;
        }
        for cell in is {
            let Some(twin) = was.iter().find(|w| w.seed == cell.seed) else { continue };
            twins += 1;
            if twin.files == cell.files {
                same_bits += 1;
            } else if demanded {
                let changed = cell.files.iter().filter(|(name, digest)| twin.files.get(*name) != Some(digest));
                let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
                let message =
                    format!("the same code on the same kind of machine made other bytes: {}", changed.join(", "));
                judging.find(Verdict::Drift, Some(Tier::R1), &format!("{key} | seed {}", cell.seed), message);
            }
        }
        comparable.push(Row { key, was, is });
    }
    for key in here.keys().filter(|key| !accepted.contains_key(*key)) {
        judging.find(Verdict::NotComparable, None, key, "not in the accepted bundle");
    }
    for p in probes.iter().filter(|p| !p.agrees()) {
        let message = format!(
            "energies of {} fixed frames differ by {:.1e} of the largest, forces by {:.1e}; {TOLERANCE:.0e} is allowed",
            p.frames, p.energy, p.force
        );
        judging.find(Verdict::Drift, Some(Tier::R2), &format!("{} | energies", p.system), message);
    }
    let bitwise = same_bits == tonight.cells.len() && same_bits > 0;
    let series = statistics(&comparable, &mut judging);
    let mut tiers = Vec::new();
    tiers.extend((!comparable.is_empty() && !bitwise).then_some(Tier::R0));
    tiers.extend((bitwise || demanded && twins > 0).then_some(Tier::R1));
    tiers.extend((!probes.is_empty()).then_some(Tier::R2));
    let applied =
        words(bitwise, demanded && twins > 0, (same_bits, tonight.cells.len()), &probes, !comparable.is_empty());
    judging.report(tiers, applied, series, (same_bits, tonight.cells.len()), probes)
}

fn words(bitwise: bool, demanded: bool, bits: (usize, usize), probes: &[probe::Outcome], compared: bool) -> String {
    let mut parts = Vec::new();
    if bitwise {
        parts.push(format!("R1 (bitwise): all {} cells have the accepted bytes", bits.0));
    } else if compared {
        let why =
            if demanded { "and they should: same code, same kind of machine" } else { "other code, machine or seeds" };
        parts.push(format!("R0 (statistical): {} of {} cells have the accepted bytes, {why}", bits.0, bits.1));
    }
    if !probes.is_empty() {
        let worst = probes.iter().map(|p| p.energy.max(p.force)).fold(0.0, f64::max);
        parts.push(format!("R2 (cross-device): energies and forces of fixed frames within {worst:.1e}"));
    }
    parts.join("; ")
}

/// Seeds of a row on both sides.
struct Row<'a> {
    key: &'a str,
    was: &'a [&'a CellRecord],
    is: &'a [&'a CellRecord],
}

fn rows(cells: &[CellRecord]) -> BTreeMap<String, Vec<&CellRecord>> {
    let mut rows: BTreeMap<String, Vec<&CellRecord>> = BTreeMap::new();
    for cell in cells {
        rows.entry(format!("{} | {}", cell.system, cell.row)).or_default().push(cell);
    }
    rows
}

/// Why the two sides of a row were asked different things; `None` when they were not.
fn other_question(was: &[&CellRecord], is: &[&CellRecord], accepted: &Side, tonight: &Side) -> Option<String> {
    let (a, b) = (was.first()?, is.first()?);
    if a.spec != b.spec {
        let both = accepted.specs.get(&a.spec).zip(tonight.specs.get(&b.spec));
        let all = both.map_or_else(Vec::new, |(x, y)| identity::explain(x, y));
        let fields: Vec<&str> = all.iter().take(5).map(|d| d.path.as_str()).collect();
        return Some(format!("the settings changed since it was accepted: {}", fields.join(", ")));
    }
    if a.eval != b.eval {
        return Some("the evaluation settings changed since it was accepted".into());
    }
    if a.reference != b.reference {
        return Some("it was judged by another reference".into());
    }
    None
}

/// Compares every metric of comparable rows.
fn statistics(rows: &[Row<'_>], judging: &mut Judging<'_>) -> Vec<Series> {
    let mut pairs = Vec::new();
    for row in rows {
        for metric in row.is.first().iter().flat_map(|c| &c.metrics) {
            let key = format!("{} | {}", row.key, metric.id);
            let (was, is) = (Values::of(row.was, &metric.id), Values::of(row.is, &metric.id));
            if was.versions.iter().chain(&is.versions).any(|v| *v != metric.version) {
                judging.find(Verdict::NotComparable, None, &key, "the metric has another version now");
                continue;
            }
            pairs.push((key, metric.unit.clone(), was, is));
        }
    }
    let alpha = FALSE_ALARM / pairs.len().max(1) as f64;
    let mut out = Vec::new();
    for (key, unit, was, is) in pairs {
        if was.values.is_empty() && is.values.is_empty() {
            continue; // not defined, then as now
        }
        if was.values.is_empty() != is.values.is_empty() || is.undefined != was.undefined {
            let message = format!("defined for {} seeds, was for {}", is.values.len(), was.values.len());
            judging.find(Verdict::Drift, Some(Tier::R0), &key, message);
        }
        let (Some(a), Some(b)) = (Estimate::of(&was.values), Estimate::of(&is.values)) else { continue };
        let difference = a.to(&b);
        let limit = difference.limit(alpha);
        let error = difference.error.filter(|e| *e > 0.0);
        let errors = if difference.value == 0.0 { Some(0.0) } else { error.map(|e| difference.value / e) };
        match difference.differs(alpha) {
            None => {
                let message = format!("{} became {}, and neither has a spread to compare that with", a.value, b.value);
                judging.find(Verdict::NotComparable, Some(Tier::R0), &key, message);
            }
            Some(true) => {
                let message = format!(
                    "{:.5} became {:.5} {unit} ({:+.5}): {:.1} standard errors, the limit is {limit:.1}",
                    a.value,
                    b.value,
                    difference.value,
                    errors.unwrap_or_default().abs()
                );
                judging.find(Verdict::Drift, Some(Tier::R0), &key, message);
            }
            Some(false) => {}
        }
        out.push(Series {
            key,
            unit,
            accepted: Some(Spread::of(&a)),
            tonight: Spread::of(&b),
            errors,
            limit: Some(limit),
            detectable: error.map(|e| limit * e),
        });
    }
    out
}

/// The metrics of a row that has nothing to be compared with.
fn alone(key: &str, cells: &[&CellRecord]) -> Vec<Series> {
    let ids = cells.first().map_or(Vec::new(), |c| c.metrics.iter().map(|m| (m.id.clone(), m.unit.clone())).collect());
    let series = |(id, unit): (String, String)| {
        let tonight = Spread::of(&Estimate::of(&Values::of(cells, &id).values)?);
        let key = format!("{key} | {id}");
        Some(Series { key, unit, accepted: None, tonight, errors: None, limit: None, detectable: None })
    };
    ids.into_iter().filter_map(series).collect()
}

/// One metric over the seeds of a row.
struct Values {
    values: Vec<Reading>,
    /// Seeds for which it is not defined.
    undefined: usize,
    versions: Vec<u32>,
}

impl Values {
    fn of(cells: &[&CellRecord], id: &str) -> Self {
        let all: Vec<&MetricValue> = cells.iter().filter_map(|c| c.metrics.iter().find(|m| m.id == id)).collect();
        let reading = |m: &&MetricValue| Some(Reading { value: m.value?, lo: m.lo, hi: m.hi });
        let values: Vec<Reading> = all.iter().filter_map(reading).collect();
        Self { undefined: all.len() - values.len(), versions: all.iter().map(|m| m.version).collect(), values }
    }
}

/// Collects findings.
struct Judging<'a> {
    findings: Vec<Finding>,
    past: &'a [Past],
}

impl Judging<'_> {
    fn find(&mut self, verdict: Verdict, tier: Option<Tier>, key: &str, message: impl Into<String>) {
        let since = (verdict == Verdict::Drift).then(|| since(key, self.past));
        self.findings.push(Finding { verdict, tier, key: key.to_owned(), message: message.into(), since });
    }

    fn report(
        self,
        tiers: Vec<Tier>,
        applied: String,
        series: Vec<Series>,
        same_bits: (usize, usize),
        probes: Vec<probe::Outcome>,
    ) -> Report {
        let verdict = self.findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Pass);
        let bitwise = same_bits.0 == same_bits.1;
        let warnings = if bitwise { vec![] } else { series.iter().filter_map(Series::blind).collect() };
        Report { verdict, tiers, applied, findings: self.findings, warnings, series, same_bits, probes }
    }
}

/// Since when a key has drifted without a break, and when it was last as accepted.
fn since(key: &str, past: &[Past]) -> String {
    let drifted = |p: &&Past| p.report.findings.iter().any(|f| f.verdict == Verdict::Drift && f.key == key);
    let streak = past.iter().rev().take_while(drifted).count();
    let name = |p: &Past| format!("{} (code {})", p.time, p.code());
    let first = past[past.len() - streak..].first();
    let good = past[..past.len() - streak].iter().rfind(|p| p.accepted.is_some() && !drifted(p));
    let first = first.map_or_else(|| "tonight".to_owned(), name);
    good.map_or_else(|| first.clone(), |good| format!("{first}; last as accepted {}", name(good)))
}

#[cfg(test)]
mod agree;
#[cfg(test)]
mod tests;
