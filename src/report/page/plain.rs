//! Pages of headings, texts, tables and figures, without a script.

use std::fmt::Write;

use super::{Picture, figures, shell};
use crate::text::html as escape;

/// A part of a [`page`].
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
pub fn page(title: &str, parts: &[Part]) -> String {
    let mut out = shell::begin(title, shell::Kind::Still);
    let _ = writeln!(out, "<main id=\"top\"><header class=\"head\"><h1>{}</h1></header>", escape(title));
    for part in parts {
        match part {
            Part::Heading(text) => _ = writeln!(out, "<h2>{}</h2>", escape(text)),
            Part::Text(text) => _ = writeln!(out, "<p>{}</p>", escape(text)),
            Part::Rows(rows) => put_rows(&mut out, rows),
            Part::Picture(picture) => figures::put(&mut out, picture),
        }
    }
    out.push_str("</main>\n");
    shell::end(&mut out, None);
    out
}

fn put_rows(out: &mut String, rows: &[Vec<String>]) {
    out.push_str("<div class=\"wide\" tabindex=\"0\"><table class=\"small\">");
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
