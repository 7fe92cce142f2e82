//! The table as LaTeX (`booktabs`).

use std::fmt::Write;

use super::{Cell, Row, Table, as_published, grouped, markdown, number};

/// A `table` environment; needs `\usepackage{booktabs}`.
#[must_use]
pub fn latex(table: &Table) -> String {
    let mut out = String::from("\\begin{table}\n\\centering\n");
    let missing = table.coverage.sentence().map_or(String::new(), |missing| format!(" {missing}."));
    let _ = writeln!(out, "\\caption{{{}.{} {}}}", escape(&table.title), escape(&missing), escape(&table.caption));
    let _ = writeln!(out, "\\begin{{tabular}}{{l{}r}}\n\\toprule", "c".repeat(table.columns.len()));
    out.push_str("Method");
    for column in &table.columns {
        let _ = write!(out, " & {}", escape(&markdown::heading(column)));
    }
    out.push_str(" & Energy evaluations \\\\\n\\midrule\n");
    for row in &table.rows {
        out.push_str(&escape(&markdown::label(row)));
        for cell in &row.cells {
            let _ = write!(out, " & {}", self::cell(cell, row));
        }
        let _ = writeln!(out, " & {} \\\\", row.charged.map_or("--".into(), |n| grouped(n).replace(',', "\\,")));
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
        let text = escape(&text);
        parts.push(if cell.best { format!("\\textbf{{{text}}}{floor}") } else { format!("{text}{floor}") });
    }
    if let Some(paper) = cell.paper {
        parts.push(format!("[{}]", escape(&as_published(paper, cell.paper_sd))));
    }
    if parts.is_empty() { "--".into() } else { parts.join(" ") }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '±' => out.push_str("$\\pm$"),
            '°' => out.push_str("$^\\circ$"),
            '…' => out.push_str("\\ldots{}"),
            '↓' => out.push_str("$\\downarrow$"),
            '↑' => out.push_str("$\\uparrow$"),
            c => out.push(c),
        }
    }
    out
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
