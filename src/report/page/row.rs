//! What lies behind a row: its runs, what they counted, settings, curves, every metric by seed, digests. The script shows it in a
//! panel; without it each is a part of the page to be unfolded.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::shell::{self, digest, duration};
use super::{Detail, curves, settings};
use crate::energy::Counts;
use crate::metrics::MetricValue;
use crate::report::load::SEEDS_SHOWN;
use crate::report::runs::{RunResult, by_key};
use crate::report::table::{Row, Table, grouped, number, purpose};
use crate::text::html as escape;

/// The rows of a table with all that is known of them.
pub(super) struct Rows<'a> {
    /// Number of the table in the page.
    pub(super) number: usize,
    pub(super) table: &'a Table,
    /// The runs of its system and temperature.
    pub(super) runs: &'a [&'a RunResult],
    pub(super) details: &'a BTreeMap<String, Detail>,
}

impl<'a> Rows<'a> {
    /// The first runs of a row that were begun, and how many more there are.
    fn of(&self, row: &Row) -> (Vec<&'a RunResult>, usize) {
        let mut runs: Vec<&RunResult> =
            self.runs.iter().copied().filter(|r| r.row_label() == row.label && !r.run_id.is_empty()).collect();
        let more = runs.len().saturating_sub(SEEDS_SHOWN);
        runs.truncate(SEEDS_SHOWN);
        (runs, more)
    }

    fn detailed(&self, runs: &[&'a RunResult]) -> Vec<(&'a RunResult, &'a Detail)> {
        runs.iter().filter_map(|r| Some((*r, self.details.get(&r.run_id)?))).collect()
    }

    /// The row whose samples this one reweights.
    fn plain(&self, mine: &[&RunResult]) -> Option<usize> {
        let id = &mine.first().filter(|r| r.reweighted)?.run_id;
        let plain = self.runs.iter().find(|r| r.run_id == *id && !r.reweighted)?.row_label();
        self.table.rows.iter().position(|r| r.label == plain)
    }
}

pub(super) fn put(out: &mut String, rows: &Rows<'_>) {
    out.push_str("<section class=\"behind\"><h3>Runs behind each row</h3>\n");
    for (r, row) in rows.table.rows.iter().enumerate().filter(|(_, row)| !row.published_only) {
        let (mine, more) = rows.of(row);
        let detailed = rows.detailed(&mine);
        let _ = writeln!(
            out,
            "<details class=\"behind\" id=\"r{}-{r}\"><summary><b>{}</b> <span>{}</span></summary><div class=\"cards\">",
            rows.number,
            escape(&row.label),
            escape(&summary(row, &detailed))
        );
        if mine.is_empty() {
            out.push_str("<p class=\"none\">No run yet.</p>");
        } else if more > 0 {
            let _ = writeln!(out, "<p>The first {SEEDS_SHOWN} seeds; {} are not shown.</p>", grouped(more as u64));
        }
        if let Some(plain) = rows.plain(&mine) {
            let _ = writeln!(
                out,
                "<p>The samples of <a class=\"open\" href=\"#r{0}-{plain}\" data-at=\"{0}-{plain}\">{1}</a>, reweighted: the same \
                 runs. Counts, settings, curves and digests stand there.</p>",
                rows.number,
                escape(&rows.table.rows[plain].label)
            );
            metrics(out, &mine);
        } else if !mine.is_empty() {
            list(out, &mine, rows.details);
            counts(out, &row.energy);
            if let Some((_, detail)) = detailed.first() {
                settings::put(out, &settings::differing(detail, &siblings(rows, row)), &detail.kind);
            }
            metrics(out, &mine);
            curves::put(out, &detailed);
            digests(out, &mine, rows.details);
        }
        out.push_str("</div></details>\n");
    }
    out.push_str("</section>\n");
}

/// "3 seeds, 6 min 04 s, 3,246,100 energy evaluations each".
fn summary(row: &Row, runs: &[(&RunResult, &Detail)]) -> String {
    let mut parts = vec![if row.seeds == 1 { "1 seed".to_owned() } else { format!("{} seeds", row.seeds) }];
    let seconds: Vec<f64> = runs.iter().filter_map(|(_, d)| d.seconds).collect();
    if !seconds.is_empty() {
        parts.push(format!("{} each", duration(seconds.iter().sum::<f64>() / seconds.len() as f64)));
    }
    parts.extend(row.evaluations().map(|n| format!("{n} energy evaluations each")));
    parts.join(", ")
}

/// The first run of every other row that has one of its own.
fn siblings<'a>(rows: &Rows<'a>, row: &Row) -> Vec<(&'a str, &'a Detail)> {
    let others = rows.table.rows.iter().filter(|r| r.label != row.label && !r.published_only);
    let first = |other: &'a Row| {
        let run = rows.runs.iter().find(|r| r.row_label() == other.label && !r.reweighted)?;
        Some((other.label.as_str(), rows.details.get(&run.run_id)?))
    };
    others.filter_map(first).collect()
}

/// The runs, one a line.
fn list(out: &mut String, runs: &[&RunResult], details: &BTreeMap<String, Detail>) {
    let head = "<th>seed</th><th>run</th><th>status</th><th>samples</th><th>time</th><th>energy evaluations</th>\
        <th title=\"Effective sample size of the importance weights, as a fraction; of dynamics, the independent samples that its \
        frames are worth\">ESS</th>";
    let row = |run: &&RunResult| {
        let detail = details.get(&run.run_id);
        let status = if run.partial.is_some() { "partial" } else { run.word() };
        let class = if run.is_complete() && run.partial.is_none() { "good" } else { "bad" };
        let dash = || "–".to_owned();
        format!(
            "<td>{}</td><td><code>{}</code></td><td><span class=\"chip {class}\">{status}</span></td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td>",
            run.seed,
            escape(&run.run_id),
            detail.and_then(|d| d.samples).map_or_else(dash, grouped),
            detail.and_then(|d| d.seconds).map_or_else(dash, duration),
            if run.counts.0.is_empty() { dash() } else { grouped(run.counts.charged()) },
            effective(run)
        )
    };
    let table = shell::small("small", head, runs.iter().map(row));
    let _ = write!(out, "<section class=\"full\"><h4>Runs</h4><div class=\"wide\">{table}</div>");
    let mut remarks: Vec<(u64, String)> = Vec::new();
    for run in runs {
        let mut put = |text: String| remarks.push((run.seed, text));
        run.origin.iter().for_each(|o| put(format!("imported: {o}")));
        run.partial.iter().chain(&run.failure).cloned().for_each(&mut put);
        run.evaluated_by.iter().for_each(|c| put(format!("evaluated by other code ({c})")));
        details.get(&run.run_id).into_iter().flat_map(|d| &d.warnings).cloned().for_each(&mut put);
    }
    shell::remarks(out, &shell::by_seed(&remarks, runs.len()));
    out.push_str("</section>\n");
}

/// What is known of the worth of a run's samples.
fn effective(run: &RunResult) -> String {
    let value = |id: &str| run.metric(id).and_then(|m| m.value);
    if let Some(ess) = value("ess") {
        let forward = value("forward-ess").map_or(String::new(), |f| format!(" (forward {})", number(f)));
        return format!("{}{forward}", number(ess));
    }
    let worth: Vec<usize> = run.metrics.iter().filter_map(|m| m.n_effective).collect();
    worth.iter().min().map_or("–".into(), |n| format!("{} frames' worth", grouped(*n as u64)))
}

/// Energy evaluations by purpose, as a bar and in numbers.
fn counts(out: &mut String, energy: &Counts) {
    let total: u64 = energy.0.values().sum();
    if total == 0 {
        return;
    }
    out.push_str("<section><h4>Energy evaluations by purpose</h4><svg class=\"bars\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    let mut at = 0.0;
    let mut rows = String::new();
    for (&p, &n) in &energy.0 {
        let (name, width) = (purpose(p), 100.0 * n as f64 / total as f64);
        let _ = write!(out, "<rect class=\"p-{name}\" x=\"{at:.2}\" width=\"{width:.2}\" height=\"4\"/>");
        at += width;
        let charged = if p.charged() { "" } else { " (not charged)" };
        let _ = write!(
            rows,
            "<tr><td><span class=\"dot p-{name}\"></span>{name}{charged}</td><td>{}</td><td>{width:.1} %</td></tr>",
            grouped(n)
        );
    }
    let _ = writeln!(out, "</svg><table class=\"small\"><tbody>{rows}</tbody></table></section>");
}

/// Every metric, seed by seed.
fn metrics(out: &mut String, runs: &[&RunResult]) {
    let judged: Vec<&&RunResult> = runs.iter().filter(|r| !r.metrics.is_empty()).collect();
    let Some(first) = judged.first() else { return };
    let seeds: String = judged.iter().map(|run| format!("<th>seed {}</th>", run.seed)).collect();
    let row = |m: &MetricValue| {
        let value = |run: &&&RunResult| format!("<td>{}</td>", run.metric(&m.id).map_or("–".into(), estimate));
        let values: String = judged.iter().map(value).collect();
        let notes = judged.iter().filter_map(|run| Some((run.seed, note(run.metric(&m.id)?)?)));
        let notes = shell::by_seed(&notes.collect::<Vec<_>>(), judged.len());
        format!(
            "<td><code>{}</code></td>{values}<td>{}</td><td>{}</td><td class=\"remark\">{}</td>",
            escape(&m.id),
            m.floor.map_or("–".into(), number),
            match (m.n_samples, m.n_reference) {
                (0, _) => "–".into(),
                (n, 0) => grouped(n as u64),
                (n, reference) => format!("{} against {}", grouped(n as u64), grouped(reference as u64)),
            },
            notes.iter().map(|n| escape(n)).collect::<Vec<_>>().join("<br>")
        )
    };
    let head = format!("<th>metric</th>{seeds}<th>floor</th><th>frames</th><th>note</th>");
    let table = shell::small("small", &head, first.metrics.iter().map(row));
    let title = "Every metric, seed by seed";
    let _ = writeln!(out, "<section class=\"full\"><h4>{title}</h4><div class=\"wide\">{table}</div></section>");
}

fn estimate(m: &MetricValue) -> String {
    let Some(value) = m.value else { return "–".into() };
    let interval = m
        .lo
        .zip(m.hi)
        .map_or(String::new(), |(lo, hi)| format!("<br><span class=\"pm\">{} to {}</span>", number(lo), number(hi)));
    format!("{}{interval}", number(value))
}

fn note(m: &MetricValue) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend((m.dropped > 0 && !m.note.contains("dropped")).then(|| format!("{} left out", m.dropped)));
    parts.extend(m.n_effective.map(|n| format!("worth {n} independent samples")));
    parts.extend((!m.note.is_empty()).then(|| m.note.clone()));
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What was recorded of every run by digest, and where its samples are.
fn digests(out: &mut String, runs: &[&RunResult], details: &BTreeMap<String, Detail>) {
    let named = runs.iter().filter_map(|r| details.get(&r.run_id)).flat_map(|d| &d.digests);
    let names = by_key(named.map(|(name, digest)| (*name, digest)));
    let row = |run: &&RunResult| {
        let detail = details.get(&run.run_id);
        let cell = |(name, _): &(&str, _)| {
            let found = detail.and_then(|d| d.digests.iter().find(|(n, _)| n == name));
            format!("<td class=\"digest\">{}</td>", found.map_or("–".into(), |(_, d)| digest(d)))
        };
        let cells: String = names.iter().map(cell).collect();
        let gone = detail.is_some_and(|d| !d.has_samples);
        let path = run.samples_path.as_ref().map_or("–".into(), |path| {
            let remark = if gone { " (not in this bundle)" } else { "" };
            format!("<code>{}</code>{remark}", escape(&inside(path)))
        });
        format!("<td>{}</td>{cells}<td>{path}</td>", run.seed)
    };
    let heads: String = names.iter().map(|(name, _)| format!("<th>{name}</th>")).collect();
    let table = shell::small("small", &format!("<th>seed</th>{heads}<th>samples</th>"), runs.iter().map(row));
    let title = "Digests and files";
    let _ = writeln!(out, "<section class=\"full\"><h4>{title}</h4><div class=\"wide\">{table}</div></section>");
}

/// A file of a run as seen from the results folder: where that lies is nobody's business.
fn inside(path: &std::path::Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let from = parts.iter().rposition(|part| part == "runs").unwrap_or(parts.len().saturating_sub(1));
    parts[from..].join("/")
}
