//! The page: one HTML file that loads nothing from anywhere, works from a disk, without a network and without scripts.
//!
//! | file | job |
//! |---|---|
//! | `shell` | what every page begins and ends with: style, script, rules for the browser |
//! | `header` | title, where the numbers come from, what is missing, contents |
//! | `table` | a table that can be sorted and filtered |
//! | `axis` | the small axis below every value |
//! | `row` | what lies behind a row: runs, counts, settings, curves, digests |
//! | `settings` | settings that differ from the defaults and from rows of the same kind |
//! | `curves` | recorded scalars as small curves |
//! | `figures` | figures inside the page |
//! | `reference` | the card of a reference: floors, convergence |
//! | `definitions` | what the words and the metrics mean |
//! | `data` | the numbers behind each cell, for the script |
//! | [`history`] | nightly checks: every metric against date and code |
//! | [`versions`] | two versions of the code side by side |

mod axis;
mod curves;
mod data;
mod definitions;
mod figures;
mod header;
pub mod history;
mod reference;
mod row;
mod settings;
mod shell;
mod table;
pub mod versions;

use std::collections::BTreeMap;
use std::fmt::Write;

use super::detail::{Detail, ReferenceCard};
use super::runs::RunResult;
use super::table::Table;
use crate::text::html as escape;

/// A figure of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Name of its file without ending: what it shows, a hyphen, of what. No two on a page have the same.
    pub name: String,
    /// Title of the table that it stands beside; empty on pages without.
    pub place: String,
    /// What it shows, as sentences.
    pub caption: String,
    /// SVG text.
    pub svg: String,
}

/// What a page knows beyond tables, figures and rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Material {
    /// Title.
    pub title: String,
    /// The command that wrote the page, without folders of this machine.
    pub command: Option<String>,
    /// The profile in use.
    pub profile: Option<String>,
    /// When it was written, RFC 3339.
    pub written: String,
    /// How runs were made, by run id.
    pub details: BTreeMap<String, Detail>,
    /// What they were judged by.
    pub references: Vec<ReferenceCard>,
}

/// The page.
#[must_use]
pub fn page(material: &Material, tables: &[Table], pictures: &[Picture], runs: &[RunResult]) -> String {
    let mut out = String::new();
    shell::bar(&mut out, tables.iter().map(|t| (slug(&t.title), t.title.as_str())));
    out.push_str("<main id=\"top\">\n");
    header::put(&mut out, material, tables, runs);
    for (number, table) in tables.iter().enumerate() {
        let mine = table.runs(runs);
        let rows = row::Rows { number, table, runs: &mine, details: &material.details };
        let _ =
            writeln!(out, "<section class=\"system\" id=\"{}\"><h2>{}</h2>", slug(&table.title), escape(&table.title));
        table::put(&mut out, number, table);
        let (of_reference, shown): (Vec<&Picture>, Vec<&Picture>) =
            pictures.iter().filter(|p| p.place == table.title).partition(|p| p.name.starts_with("reference-"));
        figures::grid(&mut out, &shown);
        reference::put(&mut out, table, &material.references, &of_reference);
        row::put(&mut out, &rows);
        out.push_str("</section>\n");
    }
    let left: Vec<&Picture> = pictures.iter().filter(|p| tables.iter().all(|t| t.title != p.place)).collect();
    figures::grid(&mut out, &left);
    definitions::put(&mut out, tables);
    out.push_str("</main>\n");
    shell::page(&material.title, &out, Some(&data::of(tables, runs)))
}

/// A title as the name of a place in the page.
fn slug(title: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let text: String = title.replace(" at T = ", "-T").chars().map(word).collect();
    format!("at-{text}")
}

#[cfg(test)]
mod tests;
