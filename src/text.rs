//! Text of unknown origin, made safe for the place where it is shown.
//!
//! Labels, tags, file names, bundles and the messages of programs may hold anything. They are kept as they are and made
//! harmless where they leave: on a terminal, in a table cell, in Markdown, CSV, LaTeX or HTML. Names that become parts of
//! file names are checked before anything runs.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Most characters of a tag, or of the name of an experiment, a system, a sampler or a profile.
pub const LONGEST_NAME: usize = 64;
/// Most bytes of one, so that figures named after it stay within the 255 bytes of a file name.
const LONGEST_BYTES: usize = 160;

/// Whether a character acts on what shows it (moves the cursor, changes colours, turns the direction of writing) instead of
/// being shown.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Replaces every character for which `acts` holds by a visible escape such as `\x1b` or `\u{202e}`.
fn escaped(text: &str, acts: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !acts(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x100 => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
        }
    }
    Cow::Owned(out)
}

/// Text of several lines for a terminal or a file that people look at: what would act on the terminal is shown as an escape,
/// newlines and tabs stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| acts(c) && c != '\n' && c != '\t')
}

/// Text for one line or one table cell: newlines and tabs are shown as escapes too.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, acts)
}

/// JSON text whose strings hold nothing raw that acts on a terminal; the value is the same. (JSON itself demands that only
/// for characters below U+0020.)
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let raw = |c: char| acts(c) && c != '\n';
    if !text.contains(raw) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if raw(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(out, "\\u{unit:04x}"));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Text inside a Markdown paragraph, list item or table cell: nothing in it is markup.
#[must_use]
pub fn markdown(text: &str) -> String {
    let text = text.replace('\n', " ");
    let text = line(&text);
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    let mut first = true;
    while let Some(c) = rest.next() {
        let after = rest.peek().copied().unwrap_or(' ');
        let markup = match c {
            '|' | '`' | '*' | '<' | '[' | ']' => true,
            // Only before punctuation a backslash is one; escapes of control characters stay as they are.
            '\\' => after.is_ascii_punctuation(),
            '_' => !(before.is_alphanumeric() && after.is_alphanumeric()),
            '~' => after == '~' || before == '~',
            '&' => after == '#' || after.is_ascii_alphabetic(),
            '#' | '>' | '=' => first,
            '+' | '-' => first && rest.peek() == Some(&' '),
            _ => false,
        };
        if markup {
            out.push('\\');
        }
        out.push(c);
        (before, first) = (c, false);
    }
    out
}

/// One field of a CSV file (RFC 4180), on one line. Text that a spreadsheet would take for a formula is marked as text by an apostrophe;
/// numbers are left alone.
#[must_use]
pub fn csv(field: &str) -> String {
    let field = line(field);
    let formula = field.starts_with(['=', '+', '-', '@']) && field.parse::<f64>().is_err();
    let field = if formula { Cow::Owned(format!("'{field}")) } else { field };
    if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.into_owned() }
}

/// Text for LaTeX.
#[must_use]
pub fn latex(text: &str) -> String {
    let text = text.replace('\n', " ");
    let mut out = String::with_capacity(text.len() + 8);
    for c in line(&text).chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            // After the end of a row these would be an argument of it.
            '[' | ']' | '*' => _ = write!(out, "{{{c}}}"),
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

/// Text for HTML: between tags, or in an attribute within quotes.
#[must_use]
pub fn html(text: &str) -> String {
    printable(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Checks a name that becomes part of file names and stands in selections: at most 64 characters, letters and digits of any
/// script, `-`, `_`, `.`, `+`, brackets, and spaces inside; not one that a system keeps for itself.
///
/// # Errors
/// What was expected, in words that follow "expected".
pub fn name(text: &str) -> Result<(), String> {
    let fits =
        |c: char| c.is_alphanumeric() || "-_.+() ".contains(c) || (!c.is_ascii() && !acts(c) && !c.is_whitespace());
    plain(text, fits, "letters, digits, spaces, `-`, `_`, `.`, `+` and brackets")
}

/// Checks a tag or the name of an experiment: as [`name`], but ASCII letters, digits, `-`, `_` and `.` only.
///
/// # Errors
/// As [`name`].
pub fn ascii_name(text: &str) -> Result<(), String> {
    plain(text, |c| c.is_ascii_alphanumeric() || "-_.".contains(c), "letters, digits, `-`, `_` and `.`")
}

fn plain(text: &str, fits: impl Fn(char) -> bool, characters: &str) -> Result<(), String> {
    if text.is_empty() || !text.chars().all(fits) {
        return Err(characters.to_owned());
    }
    if text.chars().count() > LONGEST_NAME || text.len() > LONGEST_BYTES {
        return Err(format!("at most {LONGEST_NAME} characters, and {LONGEST_BYTES} bytes in UTF-8"));
    }
    if text.starts_with(['-', '.', ' ']) || text.ends_with(['.', ' ']) {
        return Err(format!("{characters}; not `-`, `.` or a space at its beginning, nor `.` or a space at its end"));
    }
    if reserved(text) {
        return Err("another name: some systems keep this one for a device".into());
    }
    Ok(())
}

/// Names of devices on Windows, with any extension.
fn reserved(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|n| matches!(n.as_bytes(), [b'0'..=b'9']) || matches!(n, "¹" | "²" | "³"))
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

/// The beginning of a text for a message: at most 80 characters of one line.
#[must_use]
pub fn beginning(text: &str) -> String {
    const MOST: usize = 80;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    line(&short).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\x1b[31mred\u{9b}2J\r\x07\u{202e}b\u{7f}\0";

    #[test]
    fn nothing_acts_on_a_terminal() {
        let shown = [printable(HOSTILE), line(HOSTILE), json(HOSTILE)].map(Cow::into_owned);
        let more = [markdown(HOSTILE), csv(HOSTILE), latex(HOSTILE), html(HOSTILE), beginning(HOSTILE)];
        for text in shown.iter().chain(&more) {
            assert!(!text.chars().any(acts), "{text:?}");
        }
        assert_eq!(shown[1], r"a\x1b[31mred\x9b2J\r\x07\u{202e}b\x7f\x00");
        assert_eq!(printable("a\tb\n"), "a\tb\n");
        assert_eq!(line("a\tb\n"), r"a\tb\n");
        assert!(matches!(printable("Wärme ° ± φ → 水 e\u{301}"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ "k": format!("{HOSTILE}\u{e0041}\n") });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&text);
        assert!(!safe.chars().any(|c| acts(c) && c != '\n'), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    #[test]
    fn markup_is_text() {
        for (text, expected) in [
            ("a|b\nc", r"a\|b c"),
            ("`x` *y* <b>", r"\`x\` \*y\* \<b>"),
            ("[a](b)", r"\[a\](b)"),
            ("# x", r"\# x"),
            ("- x - y", r"\- x - y"),
            ("-0.5", "-0.5"),
            ("-", "-"),
            ("md_long_run", "md_long_run"),
            ("_x_", r"\_x\_"),
            ("a & b &lt;", r"a & b \&lt;"),
            (r"a\|b", r"a\\\|b"),
            ("PITA (1 failed), 95 %", "PITA (1 failed), 95 %"),
        ] {
            assert_eq!(markdown(text), expected, "{text}");
        }
    }

    #[test]
    fn formulas_are_text_and_numbers_are_numbers() {
        for (field, expected) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-x", "'-x"),
            ("=a,b", "\"'=a,b\""),
            ("-1.5e-3", "-1.5e-3"),
            ("+7", "+7"),
            ("\t=1", "\\t=1"),
            ("a\nb", "a\\nb"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("", ""),
        ] {
            assert_eq!(csv(field), expected, "{field}");
        }
    }

    #[test]
    fn latex_rows_end_where_they_should() {
        assert_eq!(latex("[x] *5% {a}_b\\"), r"{[}x{]} {*}5\% \{a\}\_b\textbackslash{}");
    }

    #[test]
    fn names() {
        for good in ["lj13", "ala 2", "Wärme", "水", "a.b", "a+b (2)", "com", "com10", "nulls", &"x".repeat(64)] {
            assert_eq!(name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a\0b",
            "-x",
            ".x",
            "x.",
            " x",
            "x ",
            "a:b",
            "a*b",
            "a,b",
            "a=b",
            "CON",
            "nul.txt",
            "com1",
            "LPT9.x",
            "a\nb",
            "a\u{202e}b",
            "a\u{a0}b",
            &"x".repeat(65),
            &"水".repeat(60),
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert!(ascii_name("ala 2").is_err() && ascii_name("ä").is_err() && ascii_name("v1.2_x-y").is_ok());
    }

    #[test]
    fn beginnings() {
        assert_eq!(beginning("ab\nc"), r"ab\nc");
        assert_eq!(beginning(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
    }
}
