//! The table as LaTeX (`booktabs`).

use std::fmt::Write;

use super::{Cell, Row, Table, as_published, grouped, markdown, number};
use crate::text;

/// A `table` environment; needs `\usepackage{booktabs}`.
#[must_use]
pub fn latex(table: &Table) -> String {
    let mut out = String::from("\\begin{table}\n\\centering\n");
    let missing = table.coverage.sentence().map_or(String::new(), |missing| format!(" {missing}."));
    let _ = writeln!(
        out,
        "\\caption{{{}.{} {}}}",
        text::latex(&table.title),
        text::latex(&missing),
        text::latex(&table.caption)
    );
    let _ = writeln!(out, "\\begin{{tabular}}{{l{}r}}\n\\toprule", "c".repeat(table.columns.len()));
    out.push_str("Method");
    for column in &table.columns {
        let _ = write!(out, " & {}", text::latex(&markdown::heading(column)));
    }
    out.push_str(" & Energy evaluations \\\\\n\\midrule\n");
    for row in &table.rows {
        out.push_str(&text::latex(&markdown::label(row)));
        for cell in &row.cells {
            let _ = write!(out, " & {}", self::cell(cell, row));
        }
        let _ = writeln!(out, " & {} \\\\", row.evaluations().map_or("--".into(), |n| n.replace(',', "\\,")));
    }
    if table.columns.iter().any(|c| c.floor.is_some()) {
        out.push_str("\\midrule\nReference (noise floor)");
        for column in &table.columns {
            let _ = write!(out, " & {}", column.floor.map_or("--".into(), number));
        }
        let cost = table.reference.map_or("--".into(), |n| grouped(n).replace(',', "\\,"));
        let _ = writeln!(out, " & {cost} \\\\");
    }
    out.push_str("\\bottomrule\n\\end{tabular}\n\\end{table}\n");
    out
}

fn cell(cell: &Cell, row: &Row) -> String {
    let mut parts = Vec::new();
    if let Some(text) = markdown::ours(cell, row) {
        let floor = if cell.at_floor { "$^\\circ$" } else { "" };
        let text = crate::text::latex(&text);
        parts.push(if cell.best { format!("\\textbf{{{text}}}{floor}") } else { format!("{text}{floor}") });
    }
    if let Some(paper) = cell.paper {
        parts.push(format!("[{}]", text::latex(&as_published(paper, cell.paper_sd))));
    }
    if parts.is_empty() { "--".into() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::{collect, tests::example};

    #[test]
    fn is_escaped_and_rectangular() {
        let mut runs = example();
        for run in &mut runs[4..] {
            run.label = "MD_50%".into();
        }
        let text = latex(&collect(&runs).unwrap()[0]);
        assert!(text.contains("MD\\_50\\% & \\textbf{2.500 $\\pm$ 0.253}"), "{text}");
        assert!(text.contains("\\textbf{3.000 $\\pm$ 2.484} [2.26 $\\pm$ 0.21]"), "{text}");
        for line in text.lines().filter(|l| l.ends_with("\\\\")) {
            assert_eq!(line.matches(" & ").count(), 3, "{line}");
        }
    }
}
