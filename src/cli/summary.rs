//! The end of a sweep: what was done, what failed and why, what took longest, where the page is.

use std::path::Path;

use super::output;
use crate::exec::{CellReport, Outcome, Summary};
use crate::text;

/// Slowest cells that are named.
const SLOWEST: usize = 3;
/// Cells below this many seconds are not slow.
const SLOW: f64 = 1.0;

/// The summary of a sweep that took so many seconds.
#[must_use]
pub fn summary(summary: &Summary, seconds: f64, page: Option<&Path>) -> String {
    let mut lines = vec![line("Summary", Some(seconds), &sentence(summary))];
    for cell in slowest(summary) {
        lines.push(line("SLOW", Some(cell.seconds), &name(cell)));
    }
    for cell in &summary.cells {
        let (word, why) = match &cell.outcome {
            Some(Outcome::Partial { message }) => ("PARTIAL", message),
            Some(Outcome::Failed { message }) => ("FAIL", message),
            Some(Outcome::Broken { message }) => ("STOPPED", message),
            _ => continue,
        };
        let why = why.lines().next().unwrap_or_default();
        lines.push(line(word, Some(cell.seconds), &format!("{}: {why}", name(cell))));
    }
    if let Some(page) = page {
        lines.push(line("Page", None, &page.display().to_string()));
    }
    lines.join("\n")
}

/// One line: a word, a time, and what it is about.
fn line(word: &str, seconds: Option<f64>, about: &str) -> String {
    let time = seconds.map_or_else(|| " ".repeat(12), |s| format!("[{s:>8.1} s]"));
    format!("{word:>10} {time} {}", text::line(about))
}

fn name(cell: &CellReport) -> String {
    format!("{} {} seed {}, {}", cell.system, cell.label, cell.seed, cell.run)
}

/// The cells that took longest; none where only one was worked on.
fn slowest(summary: &Summary) -> Vec<&CellReport> {
    let worked =
        |c: &&CellReport| matches!(c.outcome, Some(Outcome::Ran | Outcome::Partial { .. } | Outcome::Evaluated));
    let mut cells: Vec<&CellReport> = summary.cells.iter().filter(worked).collect();
    if cells.len() < 2 {
        return Vec::new();
    }
    cells.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    cells.truncate(SLOWEST);
    cells.retain(|c| c.seconds >= SLOW);
    cells
}

/// What became of the cells, in numbers.
fn sentence(summary: &Summary) -> String {
    let all = summary.cells.len();
    let done = summary.count(|o| matches!(o, Outcome::Done));
    if done == all {
        let what = if all == 1 { "the only cell is".into() } else { format!("all {all} cells are") };
        return format!("nothing to do: {what} complete");
    }
    let parts = [
        (summary.count(|o| matches!(o, Outcome::Ran)), "ran"),
        (summary.count(|o| matches!(o, Outcome::Partial { .. })), "ended with fewer samples than asked for"),
        (summary.count(|o| matches!(o, Outcome::Evaluated)), "evaluated"),
        (done, "were complete already"),
        (summary.count(|o| matches!(o, Outcome::Failed { .. })), "failed"),
        (summary.count(|o| matches!(o, Outcome::Interrupted)), "interrupted"),
        (summary.count(|o| matches!(o, Outcome::Broken { .. })), "stopped"),
        (summary.count(|o| matches!(o, Outcome::Skipped)), "left as they are"),
        (summary.cells.iter().filter(|c| c.outcome.is_none()).count(), "not reached"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    format!("{}: {}", output::counted(all, "cell"), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::forecast::{Forecast, Source};
    use crate::plan::Action;
    use crate::plan::cost::Cost;

    fn cell(seed: u64, seconds: f64, outcome: Option<Outcome>) -> CellReport {
        let cost = Cost { evaluations: None, memory: 0, disk: 0, kept: 0, steps: 0, work: None };
        CellReport {
            run: format!("r{seed}"),
            id: format!("r{seed}"),
            system: "lj13".into(),
            label: "MD".into(),
            seed,
            action: Action::Run,
            reason: String::new(),
            forecast: Forecast { cost, seconds: None, seconds_from: Source::Unknown },
            outcome,
            seconds,
        }
    }

    #[test]
    fn says_what_failed_and_what_was_slow() {
        let failed = Outcome::Failed { message: "diverged\nat step 7".into() };
        let cells = vec![
            cell(0, 10.0, Some(Outcome::Ran)),
            cell(1, 90.25, Some(Outcome::Ran)),
            cell(2, 0.5, Some(Outcome::Ran)),
            cell(3, 12.0, Some(failed)),
            cell(4, 0.0, Some(Outcome::Done)),
            cell(5, 0.0, None),
        ];
        let text = summary(&Summary { cells, ..Summary::default() }, 112.75, Some(Path::new("r/report.html")));
        let expected = "   Summary [   112.8 s] 6 cells: 3 ran, 1 were complete already, 1 failed, 1 not reached
      SLOW [    90.2 s] lj13 MD seed 1, r1
      SLOW [    10.0 s] lj13 MD seed 0, r0
      FAIL [    12.0 s] lj13 MD seed 3, r3: diverged
      Page              r/report.html";
        assert_eq!(text, expected);
        let cells = vec![cell(0, 0.0, Some(Outcome::Done))];
        let text = summary(&Summary { cells, ..Summary::default() }, 0.0, None);
        assert_eq!(text, "   Summary [     0.0 s] nothing to do: the only cell is complete");
    }
}
