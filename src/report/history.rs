//! The history page of a nightly check: every metric against date and code, and what each night said.

use super::figures::{History, Night, Words, svg};
use super::page::Picture;
use super::page::plain::{self, Part};
use crate::check::{Past, Series};
use crate::error::Result;
use crate::record::seconds_of;

/// Nights in the table.
const LISTED: usize = 60;

/// The page; `past` is oldest first.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn page(title: &str, past: &[Past]) -> Result<String> {
    let mut parts = Vec::new();
    let mut rows = vec![["night", "code", "machine", "verdict", "tiers", "what"].map(String::from).to_vec()];
    for night in past.iter().rev().take(LISTED) {
        let tiers: Vec<String> = night.report.tiers.iter().map(|t| format!("{t:?}")).collect();
        let drifts: Vec<String> = night.report.findings.iter().map(|f| format!("{}: {}", f.key, f.message)).collect();
        let what = drifts.first().cloned().unwrap_or_default();
        let more = if drifts.len() > 1 { format!(" (and {} more)", drifts.len() - 1) } else { String::new() };
        rows.push(vec![
            night.time.clone(),
            night.code().to_owned(),
            night.cpu.clone(),
            night.report.verdict.word().to_owned(),
            tiers.join(" "),
            what + &more,
        ]);
    }
    parts.push(Part::Heading("Nights".into()));
    parts.push(Part::Rows(rows));
    parts.push(Part::Heading("Metrics".into()));
    parts.push(Part::Text(
        "Mean over seeds with its standard error, a marker for each version of the code, newest first. The grey band is what \
         tonight's check does not call a drift."
            .into(),
    ));
    for (i, latest) in latest(past).into_iter().enumerate() {
        let words = Words {
            title: latest.key.clone(),
            description: "The mean of every night with its standard error, by version of the code.".into(),
        };
        let (name, place) = (format!("history-{i}"), String::new());
        let svg = svg(&history(latest, past), &words)?;
        parts.push(Part::Picture(Picture { name, place, svg, caption: latest.key.clone() }));
    }
    Ok(plain::page(title, &parts))
}

/// Every metric there ever was, as the latest night that has it saw it.
fn latest(past: &[Past]) -> Vec<&Series> {
    let mut found: Vec<&Series> = Vec::new();
    for series in past.iter().rev().flat_map(|night| &night.report.series) {
        if !found.iter().any(|s| s.key == series.key) {
            found.push(series);
        }
    }
    found
}

fn history(latest: &Series, past: &[Past]) -> History {
    const DAY: f64 = 86_400.0;
    let begin = past.first().map_or(0, |n| seconds_of(&n.time));
    let nights = past.iter().filter_map(|night| {
        let found = night.report.series.iter().find(|s| s.key == latest.key)?;
        Some(Night {
            day: seconds_of(&night.time).saturating_sub(begin) as f64 / DAY,
            mean: found.tonight.mean,
            error: found.tonight.error,
            code: night.code().to_owned(),
        })
    });
    let unit = if latest.unit.is_empty() || latest.unit == "1" { String::new() } else { format!(" ({})", latest.unit) };
    let metric = latest.key.rsplit(" | ").next().unwrap_or_default();
    let accepted = latest.accepted.zip(latest.detectable).map(|(a, width)| (a.mean, width));
    History {
        nights: nights.collect(),
        accepted,
        metric: format!("{metric}{unit}"),
        first: past.first().map_or(String::new(), |n| n.time.get(..10).unwrap_or_default().to_owned()),
    }
}
