//! The table as Markdown.

use std::fmt::Write;

use super::{Cell, Column, Row, Table, as_published, grouped, number, with_spread};
use crate::metrics::Direction;
use crate::text;

/// The table with its caption, energy evaluations, warnings and the runs behind each cell.
#[must_use]
pub fn markdown(table: &Table) -> String {
    let mut out = format!("## {}\n\n| method | seeds |", text::markdown(&table.title));
    for column in &table.columns {
        let _ = write!(out, " {} |", text::markdown(&heading(column)));
    }
    out.push_str(" energy evaluations |\n|---|---|");
    out.push_str(&"---|".repeat(table.columns.len() + 1));
    out.push('\n');
    for row in &table.rows {
        let seeds = if row.published_only { "–".into() } else { row.seeds.to_string() };
        let _ = write!(out, "| {} | {seeds} |", text::markdown(&label(row)));
        for cell in &row.cells {
            let _ = write!(out, " {} |", self::cell(cell, row));
        }
        let none = if table.columns.is_empty() { ours(&Cell::default(), row) } else { None };
        let _ = writeln!(out, " {} |", row.evaluations().or(none).unwrap_or("–".into()));
    }
    if table.columns.iter().any(|c| c.floor.is_some()) {
        out.push_str("| *reference (noise floor)* | – |");
        for column in &table.columns {
            let _ = write!(out, " {} |", column.floor.map_or("–".into(), number));
        }
        let _ = writeln!(out, " {} |", table.reference.map_or("–".into(), grouped));
    }
    if let Some(missing) = table.coverage.sentence() {
        let _ = write!(out, "\n**{missing}**\n");
    }
    let _ = write!(out, "\n{}\n", table.caption.replacen("Bold:", "**Bold**:", 1));
    out.push_str("\n### Energy evaluations by purpose\n\n");
    for row in table.rows.iter().filter(|r| !r.published_only) {
        let purposes = Some(row.by_purpose()).filter(|text| !text.is_empty());
        let _ = writeln!(out, "- {}: {}", text::markdown(&row.label), purposes.unwrap_or("none".into()));
    }
    let gaps = table.rows.iter().flat_map(|r| &r.missing);
    let gaps = gaps.map(|gap| format!("{}: {}", text::markdown(&gap.method), text::markdown(&gap.line())));
    for (title, lines) in [
        ("Warnings", table.warnings.iter().map(|warning| text::markdown(warning)).collect::<Vec<_>>()),
        ("Missing cells", gaps.collect()),
        ("Published values", table.sources.iter().map(|source| text::markdown(source)).collect()),
    ] {
        if !lines.is_empty() {
            let _ = writeln!(out, "\n### {title}\n\n- {}", lines.join("\n- "));
        }
    }
    out.push_str("\n### Runs behind each cell\n\n");
    for row in &table.rows {
        for (cell, column) in row.cells.iter().zip(&table.columns).filter(|(c, _)| !c.run_ids.is_empty()) {
            let note = if cell.note.is_empty() { String::new() } else { format!(" ({})", text::markdown(&cell.note)) };
            let _ = writeln!(
                out,
                "- {}, {}: {}{note}",
                text::markdown(&row.label),
                text::markdown(&column.id),
                cell.run_ids.join(", ")
            );
        }
    }
    out
}

/// Title, arrow and unit of a column.
pub(in crate::report) fn heading(column: &Column) -> String {
    let arrow = match column.direction {
        Direction::Lower => " ↓",
        Direction::Higher => " ↑",
        Direction::None => "",
    };
    format!("{}{arrow} ({})", column.title, column.unit)
}

/// Label with what a reader must not overlook.
pub(in crate::report) fn label(row: &Row) -> String {
    if row.published_only {
        return format!("{} (published)", row.label);
    }
    let missing = row.missing.len();
    let mut marks = Vec::new();
    if missing > 0 {
        marks.push(format!("{missing} of {} missing", row.seeds + missing));
    }
    if row.partial > 0 {
        marks.push(format!("{} partial", row.partial));
    }
    if marks.is_empty() { row.label.clone() } else { format!("{} ({})", row.label, marks.join(", ")) }
}

/// Our value with its interval.
pub(in crate::report) fn ours(cell: &Cell, row: &Row) -> Option<String> {
    match (cell.mean, cell.lo, cell.hi) {
        (Some(mean), Some(lo), Some(hi)) if cell.run_ids.len() > 1 => Some(with_spread(mean, Some(0.5 * (hi - lo)))),
        (Some(mean), Some(lo), Some(hi)) => Some(format!("{} ({} to {})", number(mean), number(lo), number(hi))),
        (Some(mean), ..) => Some(number(mean)),
        (None, ..) if row.seeds == 0 => {
            let first = row.missing.first()?.state;
            Some(if row.missing.iter().all(|gap| gap.state == first) { first } else { "missing" }.into())
        }
        _ => None,
    }
}

fn cell(cell: &Cell, row: &Row) -> String {
    let mut parts = Vec::new();
    if let Some(text) = ours(cell, row) {
        let floor = if cell.at_floor { "°" } else { "" };
        parts.push(if cell.best { format!("**{text}**{floor}") } else { format!("{text}{floor}") });
    }
    if let Some(paper) = cell.paper {
        parts.push(format!("[paper {}]", as_published(paper, cell.paper_sd)));
    }
    if parts.is_empty() { "–".into() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::{collect, tests::example};

    #[test]
    fn shows_paper_floor_failures_and_runs() {
        let text = markdown(&collect(&example()).unwrap()[0]);
        for expected in [
            "| PITA (1 of 4 missing) | 3 | **3.000 ± 2.484** [paper 2.26 ± 0.21] | **0.0500 ± 0.0127**° [paper 0.04 ± 0.00] | 1,000,002 |",
            "| MD | 3 | **2.500 ± 0.253** |",
            "| *reference (noise floor)* | – | 0.1000 | 0.1000 | 7,000,000 |",
            "| iDEM (published) | – | [paper 30.78 ± 24.46] | [paper 0.127] | – |",
            "**1 of 7 cells missing: 1 failed**",
            "- PITA: seed 4 (run pita4): failed: training diverged \\| at step 7",
            "- PITA, energy-w2: pita1, pita2, pita3",
            "- PITA: sampling 1,000,002, evaluation 50",
            "**Bold**: best, or not distinguishable",
        ] {
            assert!(text.contains(expected), "missing {expected:?} in\n{text}");
        }
    }
}
