//! stdout, the careful way: a reader that went away is an error of its own, never a panic.

use std::io::Write;

use serde::Serialize;

use crate::error::{Error, Result};

/// Prints a line.
///
/// # Errors
/// [`Error::Io`], with kind `BrokenPipe` when nobody reads any more.
pub fn line(text: impl AsRef<str>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut put = || {
        out.write_all(text.as_ref().as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    };
    put().map_err(Error::io("standard output"))
}

/// Prints a value as indented JSON.
///
/// # Errors
/// As [`line`].
pub fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string_pretty(value).map_err(|e| Error::Internal(format!("JSON: {e}")))?)
}

/// The JSON value that stands for an error.
#[must_use]
pub fn error_value(error: &Error) -> serde_json::Value {
    serde_json::json!({"error": {"message": error.to_string(), "exit_code": error.exit_code().code()}})
}

/// Rows as aligned columns, two spaces apart; the first row is the header.
#[must_use]
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let aligned = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(s, w)| format!("{s:<w$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(aligned).collect::<Vec<_>>().join("\n")
}

/// Text for a table cell: whole files by their size and digest.
#[must_use]
pub fn short(text: &str) -> String {
    if !text.contains('\n') {
        return text.to_owned();
    }
    format!("{} lines, SHA-256 {}", text.lines().count(), &crate::identity::sha256_hex(text)[..16])
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

/// An integer with thousands separated by commas.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
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
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_000), grouped(12_345_678)],
            ["0", "999", "1,000", "12,345,678"]
        );
        let rows = [vec!["a".into(), "bb".into()], vec!["ccc".into(), "d".into()]];
        assert_eq!(columns(&rows), "a    bb\nccc  d");
    }
}
