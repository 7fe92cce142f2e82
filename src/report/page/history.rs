//! The history page of a nightly check: every metric against date and code, and what each night said.

use std::fmt::Write;

use super::{Picture, figures, shell};
use crate::check::{Past, Series};
use crate::error::Result;
use crate::record::seconds_of;
use crate::report::figures::{History, Night, Words, svg};
use crate::report::runs::by_key;
use crate::text::html as escape;

/// Nights in the table.
const LISTED: usize = 60;

const METRICS: &str = "Mean over seeds with its standard error, a marker for each version of the code, newest first. The grey \
    band is what tonight's check does not call a drift.";

/// The page; `past` is oldest first.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn page(title: &str, past: &[Past]) -> Result<String> {
    let mut out = String::new();
    let _ = writeln!(out, "<main id=\"top\"><header class=\"head\"><h1>{}</h1></header>", escape(title));
    out.push_str(
        "<h2>Nights</h2>\n<div class=\"wide\" tabindex=\"0\"><table class=\"small\"><thead><tr><th>night</th><th>code</th>\
         <th>machine</th><th>verdict</th><th>tiers</th><th>what</th></tr></thead><tbody>\n",
    );
    for night in past.iter().rev().take(LISTED) {
        let tiers: Vec<String> = night.report.tiers.iter().map(|t| format!("{t:?}")).collect();
        let drifts: Vec<String> = night.report.findings.iter().map(|f| format!("{}: {}", f.key, f.message)).collect();
        let more = if drifts.len() > 1 { format!(" (and {} more)", drifts.len() - 1) } else { String::new() };
        let what = drifts.first().cloned().unwrap_or_default() + &more;
        let cells =
            [night.time.as_str(), night.code(), &night.cpu, night.report.verdict.word(), &tiers.join(" "), &what];
        let _ = writeln!(out, "<tr>{}</tr>", cells.map(|cell| format!("<td>{}</td>", escape(cell))).concat());
    }
    let _ = writeln!(out, "</tbody></table></div>\n<h2>Metrics</h2>\n<p>{}</p>", escape(METRICS));
    for (i, latest) in latest(past).into_iter().enumerate() {
        let words = Words {
            title: latest.key.clone(),
            description: "The mean of every night with its standard error, by version of the code.".into(),
        };
        let (name, place) = (format!("history-{i}"), String::new());
        let svg = svg(&history(latest, past), &words)?;
        figures::put(&mut out, &Picture { name, place, svg, caption: latest.key.clone() });
    }
    out.push_str("</main>\n");
    Ok(shell::page(title, &out, None))
}

/// Every metric there ever was, as the latest night that has it saw it.
fn latest(past: &[Past]) -> Vec<&Series> {
    let all = past.iter().rev().flat_map(|night| &night.report.series).map(|series| (&series.key, series));
    by_key(all).into_iter().map(|(_, nights)| nights[0]).collect()
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
