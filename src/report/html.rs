//! One self-contained page: tables, figures inline, and the identity of every run. It loads nothing from anywhere.

use std::fmt::Write;
use std::path::Path;

use super::runs::RunResult;
use super::table::{Cell, Row, Table, as_published, grouped, markdown, number, purpose};
use crate::text::html as escape;

/// A figure of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// What it shows, as a sentence.
    pub caption: String,
    /// SVG text.
    pub svg: String,
}

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:1200px;margin:2em auto;padding:0 1em;color:#222;background:#fff}\
table{border-collapse:collapse;margin:1em 0;font-variant-numeric:tabular-nums;font-size:14px}\
th,td{padding:.35em .7em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}\
thead th{border-bottom:2px solid #444}.wide{overflow-x:auto}\
.paper,.floor{color:#555;font-size:13px}.best{font-weight:bold}.warning{color:#8a2f00}\
figure{margin:1.5em 0}figure svg{width:100%;height:auto}figcaption{font-size:14px;color:#444}\
code{font-size:13px}details{margin:.4em 0}summary{cursor:pointer}";

/// The page.
#[must_use]
pub fn page(title: &str, tables: &[Table], pictures: &[Picture], runs: &[RunResult]) -> String {
    let mut out = head(title);
    for table in tables {
        put_table(&mut out, table);
    }
    for picture in pictures {
        put_picture(&mut out, picture);
    }
    out.push_str("<h2>Runs</h2>\n");
    for run in runs.iter().filter(|r| !r.run_id.is_empty()) {
        put_run(&mut out, run);
    }
    out.push_str("</body></html>\n");
    out
}

fn head(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style></head>\n\
         <body><h1>{0}</h1>\n",
        escape(title)
    )
}

/// A part of a [`plain`] page.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Rows of cells, the first is the header.
    Rows(Vec<Vec<String>>),
    /// A figure.
    Picture(Picture),
}

/// A page of headings, paragraphs, tables and figures.
#[must_use]
pub fn plain(title: &str, parts: &[Part]) -> String {
    let mut out = head(title);
    for part in parts {
        match part {
            Part::Heading(text) => _ = writeln!(out, "<h2>{}</h2>", escape(text)),
            Part::Text(text) => _ = writeln!(out, "<p>{}</p>", escape(text)),
            Part::Rows(rows) => put_rows(&mut out, rows),
            Part::Picture(picture) => put_picture(&mut out, picture),
        }
    }
    out.push_str("</body></html>\n");
    out
}

fn put_rows(out: &mut String, rows: &[Vec<String>]) {
    out.push_str("<div class=\"wide\"><table>");
    for (i, row) in rows.iter().enumerate() {
        let (open, close, tag) = if i == 0 { ("<thead>", "</thead><tbody>", "th") } else { ("", "", "td") };
        let _ = write!(out, "{open}<tr>");
        for cell in row {
            let _ = write!(out, "<{tag}>{}</{tag}>", escape(cell));
        }
        let _ = writeln!(out, "</tr>{close}");
    }
    out.push_str("</tbody></table></div>\n");
}

fn put_picture(out: &mut String, picture: &Picture) {
    // Each SVG comes with an XML header of its own, which does not belong inside a page.
    let svg = picture.svg.find("<svg").map_or("", |start| &picture.svg[start..]);
    let svg = scalable(svg);
    let _ = writeln!(out, "<figure>{svg}<figcaption>{}</figcaption></figure>", escape(&picture.caption));
}

/// Gives the root element a view box in place of its fixed size, so that the figure follows the width of the page.
fn scalable(svg: &str) -> String {
    let size = |name: &str| {
        let from = svg.find(&format!(" {name}=\""))? + name.len() + 3;
        svg[from..].split('"').next()?.parse::<u32>().ok()
    };
    match (size("width"), size("height"), svg.contains("viewBox")) {
        (Some(w), Some(h), false) => svg.replacen("<svg", &format!("<svg role=\"img\" viewBox=\"0 0 {w} {h}\""), 1),
        _ => svg.to_owned(),
    }
}

fn put_table(out: &mut String, table: &Table) {
    let _ = write!(
        out,
        "<h2>{}</h2>\n<div class=\"wide\"><table><thead><tr><th>method</th><th>seeds</th>",
        escape(&table.title)
    );
    for column in &table.columns {
        let _ = write!(out, "<th>{}</th>", escape(&markdown::heading(column)));
    }
    out.push_str("<th>energy evaluations</th></tr></thead><tbody>\n");
    for row in &table.rows {
        let seeds = if row.published_only { "–".into() } else { row.seeds.to_string() };
        let _ = write!(out, "<tr><td>{}</td><td>{seeds}</td>", escape(&markdown::label(row)));
        for cell in &row.cells {
            put_cell(out, cell, row);
        }
        let by_purpose: Vec<String> =
            row.energy.0.iter().map(|(&p, &n)| format!("{} {}", purpose(p), grouped(n))).collect();
        let charged = row.evaluations().unwrap_or("–".into());
        let _ = writeln!(out, "<td>{charged}<br><span class=\"paper\">{}</span></td></tr>", by_purpose.join("<br>"));
    }
    if table.columns.iter().any(|c| c.floor.is_some()) {
        out.push_str("<tr class=\"floor\"><td>reference (noise floor)</td><td>–</td>");
        for column in &table.columns {
            let _ = write!(out, "<td>{}</td>", column.floor.map_or("–".into(), number));
        }
        let _ = writeln!(out, "<td>{}</td></tr>", table.reference.map_or("–".into(), grouped));
    }
    out.push_str("</tbody></table></div>\n");
    for warning in &table.warnings {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(warning));
    }
    if let Some(missing) = table.coverage.sentence() {
        let _ = writeln!(out, "<p class=\"warning\"><b>{}</b></p><ul class=\"warning\">", escape(&missing));
        for gap in table.rows.iter().flat_map(|r| &r.missing) {
            let _ = writeln!(out, "<li>{}: {}</li>", escape(&gap.method), escape(&gap.line()));
        }
        out.push_str("</ul>\n");
    }
    let _ = writeln!(out, "<p class=\"paper\">{}</p>", escape(&table.caption));
}

fn put_cell(out: &mut String, cell: &Cell, row: &Row) {
    let mut parts = Vec::new();
    if let Some(text) = markdown::ours(cell, row) {
        let class = if cell.best { " class=\"best\"" } else { "" };
        let floor = if cell.at_floor { "°" } else { "" };
        let behind = escape(&format!("runs: {}", cell.run_ids.join(", ")));
        parts.push(format!("<span{class} title=\"{behind}\">{}{floor}</span>", escape(&text)));
    }
    if let Some(paper) = cell.paper {
        parts.push(format!("<span class=\"paper\">paper {}</span>", as_published(paper, cell.paper_sd)));
    }
    if parts.is_empty() {
        parts.push("–".into());
    }
    let _ = write!(out, "<td>{}</td>", parts.join("<br>"));
}

/// A file of a run as seen from the results folder: where that lies is nobody's business.
fn inside(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let from = parts.iter().rposition(|part| part == "runs").unwrap_or(parts.len().saturating_sub(1));
    parts[from..].join("/")
}

fn put_run(out: &mut String, run: &RunResult) {
    let status = if run.partial.is_some() { "partial" } else { run.status.word() };
    let _ = writeln!(
        out,
        "<details id=\"run-{0}\"><summary><code>{0}</code> {1}, seed {2}, {3} at T = {4}: {status}</summary>",
        escape(&run.run_id),
        escape(&run.row_label()),
        run.seed,
        escape(&run.system),
        run.temperature
    );
    if let Some(origin) = &run.origin {
        let _ = writeln!(out, "<p>imported: {}</p>", escape(origin));
    }
    if let Some(reason) = &run.partial {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(reason));
    }
    if let Some(failure) = &run.failure {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(failure));
    }
    if let Some(path) = &run.samples_path {
        let _ = writeln!(out, "<p>samples: <code>{}</code></p>", escape(&inside(path)));
    }
    if !run.counts.0.is_empty() {
        let counts: Vec<String> =
            run.counts.0.iter().map(|(&p, &n)| format!("{} {}", purpose(p), grouped(n))).collect();
        let _ = writeln!(out, "<p>energy evaluations: {}</p>", counts.join(", "));
    }
    if !run.metrics.is_empty() {
        out.push_str(
            "<div class=\"wide\"><table><thead><tr><th>metric</th><th>version</th><th>value</th><th>95 % interval</th>\
             <th>floor</th><th>samples</th><th>reference frames</th><th>dropped</th><th>reference</th><th>note</th>\
             </tr></thead><tbody>\n",
        );
        for m in &run.metrics {
            let shown = |x: Option<f64>| x.map_or("–".into(), number);
            let interval = match (m.lo, m.hi) {
                (Some(lo), Some(hi)) => format!("{} to {}", number(lo), number(hi)),
                _ => "–".into(),
            };
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{} {}</td><td>{interval}</td><td>{}</td><td>{}</td><td>{}</td>\
                 <td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
                escape(&m.id),
                m.version,
                shown(m.value),
                escape(&m.unit),
                shown(m.floor),
                m.n_effective.map_or(m.n_samples.to_string(), |e| format!("{} (worth {e})", m.n_samples)),
                m.n_reference,
                m.dropped,
                escape(&m.reference),
                escape(&m.note)
            );
        }
        out.push_str("</tbody></table></div>\n");
    }
    out.push_str("</details>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::{collect, tests::example};

    #[test]
    fn is_self_contained_and_escaped() {
        let mut runs = example();
        runs[4].label = "<script>alert(1)</script>".into();
        let svg = "<?xml version=\"1.0\"?><svg width=\"12\" height=\"7\" xmlns=\"http://www.w3.org/2000/svg\"></svg>";
        let picture = Picture { caption: "a & b".into(), svg: svg.into() };
        let page = page("Table 1", &collect(&runs).unwrap(), &[picture], &runs);
        for forbidden in ["<script", "src=", "href=", "url(", "@import", "<?xml"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        for expected in [
            "viewBox=\"0 0 12 7\"",
            "a &amp; b",
            "runs: pita1, pita2, pita3",
            "training diverged",
            "1 of 7 cells missing: 1 failed",
            "<code>abc</code>",
        ] {
            assert!(page.contains(expected), "{expected}");
        }
    }
}
