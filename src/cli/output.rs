//! stdout and stderr, the careful way: a reader that went away is an error of its own, never a panic, and nothing that acts on
//! a terminal gets out raw.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::schemas;
use crate::disk;
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::record::Status;
pub use crate::report::table::grouped;
use crate::store::RunRow;
use crate::text;

/// Most columns that a cell is padded to: what is longer stands out of its column.
const WIDEST: usize = 100;

/// Prints a line, or several.
///
/// # Errors
/// [`Error::Io`], with kind `BrokenPipe` when nobody reads any more.
pub fn line(text: impl AsRef<str>) -> Result<()> {
    put(&text::printable(text.as_ref()))
}

/// Writes a line to stderr. Nothing is said when that fails.
pub fn note(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", text::printable(text.as_ref()));
}

fn put(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut put = || {
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    };
    put().map_err(Error::io("standard output"))
}

/// Prints a value as indented JSON; an object gets the version of its shape, see [`super::schemas`].
///
/// # Errors
/// As [`line()`].
pub fn json(value: &impl Serialize) -> Result<()> {
    let text = pretty(value)?;
    match text.strip_prefix("{\n") {
        Some(rest) => put(&text::json(&format!("{{\n  \"schema\": {},\n{rest}", schemas::VERSION))),
        None => put(&text::json(&text)),
    }
}

/// Prints a map whose keys are data as indented JSON.
///
/// # Errors
/// As [`line()`].
pub fn json_map(value: &impl Serialize) -> Result<()> {
    put(&text::json(&pretty(value)?))
}

pub(super) fn pretty(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|e| Error::Internal(format!("JSON: {e}")))
}

/// The JSON value that stands for an error.
#[must_use]
pub fn error_value(error: &Error) -> serde_json::Value {
    serde_json::json!({"error": {"message": error.to_string(), "exit_code": error.exit_code().code()}})
}

/// Says on stderr which of these runs are damaged, and what can be done; the code that a verb ends with that has listed
/// everything else.
#[must_use]
pub fn damaged(rows: &[RunRow]) -> ExitCode {
    let damaged: Vec<&RunRow> = rows.iter().filter(|r| r.status == Status::Damaged.word()).collect();
    for row in &damaged {
        note(format!("damaged: {}: {}", row.id, row.reason.as_deref().unwrap_or_default()));
    }
    if damaged.is_empty() {
        return ExitCode::Ok;
    }
    note(
        "A damaged run is run again by the next sweep, as a new attempt; it can be imported again, or its folder deleted.",
    );
    ExitCode::Damaged
}

/// Rows as aligned columns, two spaces apart; the first row is the header.
#[must_use]
pub fn columns(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| text::line(cell)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide = |cell: &str| cell.chars().count();
    let width =
        |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| wide(s)).filter(|w| *w <= WIDEST).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let aligned = |row: &Vec<_>| {
        let padded =
            |(s, w): (&std::borrow::Cow<'_, str>, &usize)| format!("{s}{}", " ".repeat(w.saturating_sub(wide(s))));
        row.iter().zip(&widths).map(padded).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(aligned).collect::<Vec<_>>().join("\n")
}

/// Rows below their header.
#[must_use]
pub fn titled(
    header: impl IntoIterator<Item = impl Into<String>>,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Vec<Vec<String>> {
    let header = header.into_iter().map(Into::into).collect();
    std::iter::once(header).chain(rows).collect()
}

/// How a table is printed.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Shape {
    /// A Markdown table
    #[arg(long, conflicts_with_all = ["csv", "json"])]
    pub md: bool,
    /// Comma-separated values, numbers in full
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

impl Shape {
    /// A number as this shape shows it: four digits for people, all of them for programs.
    #[must_use]
    pub fn number(self, x: Option<f64>) -> String {
        if self.csv { x.map_or_else(String::new, |x| x.to_string()) } else { number(x) }
    }

    /// An integer: grouped for people.
    #[must_use]
    pub fn count(self, n: u64) -> String {
        if self.csv { n.to_string() } else { grouped(n) }
    }

    /// Rows as text; the first row is the header.
    #[must_use]
    pub fn table(self, rows: &[Vec<String>]) -> String {
        self.table_with(rows, |_, _| false)
    }

    /// The same; in Markdown the cells for which `strong` holds, by column and text, are bold.
    #[must_use]
    pub fn table_with(self, rows: &[Vec<String>], strong: impl Fn(usize, &str) -> bool) -> String {
        if self.csv {
            let row = |r: &Vec<String>| r.iter().map(|s| text::csv(s)).collect::<Vec<_>>().join(",");
            return rows.iter().map(row).collect::<Vec<_>>().join("\n");
        }
        if self.md {
            // Bold after the text was made harmless: asterisks of its own are no markup.
            let cell = |(column, s): (usize, &String)| {
                let shown = text::markdown(s);
                if strong(column, s) { format!("**{shown}**") } else { shown }
            };
            let line =
                |r: &Vec<String>| format!("| {} |", r.iter().enumerate().map(cell).collect::<Vec<_>>().join(" | "));
            let mut lines: Vec<String> = rows.iter().map(line).collect();
            if let Some(header) = rows.first() {
                lines.insert(1, format!("|{}", "---|".repeat(header.len())));
            }
            return lines.join("\n");
        }
        columns(rows)
    }
}

/// A list of words as one cell.
#[must_use]
pub fn words(list: &serde_json::Value) -> String {
    let words: Vec<&str> = list.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    words.join(" ")
}

/// Text for a table cell: whole files by their size and digest.
#[must_use]
pub fn short(text: &str) -> String {
    if !text.contains('\n') {
        return text.to_owned();
    }
    format!("{} lines, SHA-256 {}", text.lines().count(), &crate::identity::sha256_hex(text)[..16])
}

/// Rows as aligned columns, set in by two spaces.
pub(super) fn indented(rows: &[Vec<String>]) -> String {
    columns(rows).lines().map(|l| format!("  {l}")).collect::<Vec<_>>().join("\n")
}

/// A nested value as rows of dotted field and value.
pub(super) fn flatten(path: &str, value: &serde_json::Value, rows: &mut Vec<Vec<String>>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, inner) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, inner, rows);
            }
        }
        serde_json::Value::String(s) => rows.push(vec![path.to_owned(), short(s)]),
        other => rows.push(vec![path.to_owned(), other.to_string()]),
    }
}

/// A number with four significant digits; a dash for none.
#[must_use]
pub fn number(x: Option<f64>) -> String {
    match x {
        None => "-".into(),
        Some(0.0) => "0".into(),
        Some(x) if (1e-3..1e5).contains(&x.abs()) => {
            let digits = (3 - x.abs().log10().floor() as i32).max(0) as usize;
            format!("{x:.digits$}")
        }
        Some(x) => format!("{x:.3e}"),
    }
}

/// A number of things, with its noun: `1 run`, `1,200 runs`.
#[must_use]
pub fn counted(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n as u64), if n == 1 { "" } else { "s" })
}

/// Refuses an output that could not be written, or that would take the place of something that is no file: said before the
/// work, not after it.
///
/// # Errors
/// [`Error::Usage`], naming the option.
pub fn file(path: &Path, option: &str) -> Result<()> {
    let refuse = |why: String| Err(Error::Usage(format!("{option} {}: {why}", path.display())));
    match std::fs::metadata(path).as_ref().map(disk::not_a_file) {
        Ok(Some(what)) => return refuse(format!("is {what}, expected the name of a file")),
        Ok(None) => return Ok(()),
        Err(_) => {}
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match path.file_name() {
        Some(_) if parent.is_dir() => Ok(()),
        Some(_) => refuse(format!("there is no folder {}", parent.display())),
        None => refuse("expected the name of a file".into()),
    }
}

/// Refuses an output folder that is something else, or that lies in a file.
///
/// # Errors
/// As [`file()`].
pub fn folder(path: &Path, option: &str) -> Result<()> {
    let there = path.ancestors().find(|p| !p.as_os_str().is_empty() && p.exists());
    match there {
        Some(there) if !there.is_dir() => {
            let message = format!("{option} {}: {} is no folder", path.display(), there.display());
            Err(Error::Usage(message))
        }
        _ if path.as_os_str().is_empty() => Err(Error::Usage(format!("{option}: expected the name of a folder"))),
        _ => Ok(()),
    }
}

/// Refuses an output that names the input file.
///
/// # Errors
/// [`Error::Usage`], naming the option.
pub fn not_the_input(input: &Path, output: &Path, option: &str) -> Result<()> {
    let same = |path: &Path| std::fs::canonicalize(path).ok();
    if output == input || same(input).is_some_and(|i| Some(i) == same(output)) {
        return Err(Error::Usage(format!("{option} names the input file; choose another")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_columns() {
        assert_eq!(number(Some(0.012_346)), "0.01235");
        assert_eq!(number(Some(-83.0896)), "-83.09");
        assert_eq!(number(Some(12_345.6)), "12346");
        assert_eq!(number(Some(1.0e-9)), "1.000e-9");
        assert_eq!(number(None), "-");
        assert_eq!([0, 1, 1_200].map(|n| counted(n, "run")), ["0 runs", "1 run", "1,200 runs"]);
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_000), grouped(12_345_678)],
            ["0", "999", "1,000", "12,345,678"]
        );
        let rows = [vec!["a".into(), "bb".into()], vec!["ccc".into(), "d".into()]];
        assert_eq!(columns(&rows), "a    bb\nccc  d");
        let rows = [vec!["a|b".into(), "c".into()], vec!["1,5".into(), "\"x\"".into()]];
        let csv = Shape { csv: true, ..Shape::default() };
        assert_eq!(csv.table(&rows), "a|b,c\n\"1,5\",\"\"\"x\"\"\"");
        assert_eq!(csv.number(Some(0.1 + 0.2)), "0.30000000000000004");
        let md = Shape { md: true, ..Shape::default() };
        assert_eq!(md.table(&rows), "| a\\|b | c |\n|---|---|\n| 1,5 | \"x\" |");
    }
}
