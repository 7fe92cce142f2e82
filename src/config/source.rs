//! Where text came from, and how a problem in it is shown.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::text;
use crate::words::nearest;

/// A piece of text in one of the [`Sources`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    source: usize,
    start: usize,
    end: usize,
}

impl At {
    /// Bytes `span` of source number `source`.
    pub(super) fn new(source: usize, span: &Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    at: At,
    message: String,
    notes: Vec<String>,
}

struct Source {
    name: String,
    text: String,
    is_file: bool,
}

/// All text that the settings came from (source 0 is the experiment file, the others are overrides), and what was
/// found wrong in it. Problems are collected, so that one run reports them all.
pub(super) struct Sources {
    items: Vec<Source>,
    problems: RefCell<Vec<Problem>>,
    /// Digests of programs and of files of samples: they may be large, and every profile asks again.
    digests: RefCell<BTreeMap<PathBuf, String>>,
}

impl Sources {
    /// Starts with the experiment file.
    pub(super) fn new(name: String, text: String) -> Self {
        Self {
            items: vec![Source { name, text, is_file: true }],
            problems: RefCell::default(),
            digests: RefCell::default(),
        }
    }

    /// The digest of a file or a folder, taken once.
    pub(super) fn digest(&self, path: &Path, digest: impl FnOnce(&Path) -> Result<String>) -> Result<String> {
        if let Some(digest) = self.digests.borrow().get(path) {
            return Ok(digest.clone());
        }
        let digest = digest(path)?;
        self.digests.borrow_mut().insert(path.to_path_buf(), digest.clone());
        Ok(digest)
    }

    /// Adds the text of an override; returns its number.
    pub(super) fn add_override(&mut self, text: &str) -> usize {
        self.items.push(Source { name: format!("-s {text}"), text: text.to_owned(), is_file: false });
        self.items.len() - 1
    }

    /// The folder of the experiment file: paths in it are relative to that.
    pub(super) fn folder(&self) -> &Path {
        Path::new(&self.items[0].name).parent().unwrap_or(Path::new(""))
    }

    /// Text of a source.
    pub(super) fn text(&self, source: usize) -> &str {
        &self.items[source].text
    }

    /// Notes a problem. The same problem seen through two profiles is reported once.
    pub(super) fn problem(&self, at: &At, message: impl Into<String>, notes: Vec<String>) {
        let problem = Problem { at: at.clone(), message: message.into(), notes };
        let mut all = self.problems.borrow_mut();
        if all.len() < MOST && !all.contains(&problem) {
            all.push(problem);
        }
    }

    /// Whether a problem was noted at this place.
    pub(super) fn noted(&self, at: &At) -> bool {
        self.problems.borrow().iter().any(|p| p.at == *at)
    }

    /// An error that holds every problem noted so far, in the order of the text.
    ///
    /// # Errors
    /// [`Error::Usage`] unless there are none.
    pub(super) fn check(&self) -> Result<()> {
        let mut all = self.problems.borrow().clone();
        if all.is_empty() {
            return Ok(());
        }
        all.sort();
        let shown: Vec<String> = all.iter().map(|p| self.show(p)).collect();
        Err(Error::Usage(shown.join("\n\n")))
    }

    fn show(&self, problem: &Problem) -> String {
        let source = &self.items[problem.at.source];
        let name = text::beginning(&source.name);
        let text = &source.text;
        let start = floor(text, problem.at.start);
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let column = text[line_start..start].chars().count() + 1;
        let number = text[..line_start].matches('\n').count() + 1;
        // Of a long line only what is around the place.
        let line_start = floor(text, start.saturating_sub(AROUND).max(line_start));
        let line_end = floor(text, (start + AROUND).min(line_end));
        let line = text[line_start..line_end].trim_end_matches('\r');
        let before = &text[line_start..start];
        let marked = &text[start..floor(text, problem.at.end.clamp(start, line_end))];
        let width = marked.trim_end().chars().count().max(1);
        let (place, gutter) = if source.is_file {
            (format!("{}:{number}:{column}", source.name), number.to_string())
        } else {
            (name, String::from("-s"))
        };
        // A tab stays a tab, so that the caret is under its text whatever the tab width.
        let pad: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let blank = " ".repeat(gutter.len());
        let mut out = format!("{place}: {}\n{gutter} | {line}\n{blank} | {pad}{}", problem.message, "^".repeat(width));
        for note in &problem.notes {
            let _ = write!(out, "\n{blank} = {note}");
        }
        out
    }
}

/// Most bytes of a line that are shown before and after the place of a problem.
const AROUND: usize = 400;
/// Most problems that are noted: who made so many knows enough.
const MOST: usize = 200;
/// Most known words in a note.
const KNOWN: usize = 60;

/// The largest character boundary of `text` not after `i`.
fn floor(text: &str, i: usize) -> usize {
    let mut i = i.min(text.len());
    while !text.is_char_boundary(i) {
        i -= 1;
    }
    i
}

/// Notes for an unknown word: the nearest known one, and all of them.
pub(super) fn known_notes<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Vec<String> {
    let near = nearest(word, known.clone()).map(|near| format!("did you mean `{near}`?"));
    let all: Vec<&str> = known.clone().into_iter().take(KNOWN).collect();
    let more = known.into_iter().skip(KNOWN).count();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    near.into_iter().chain([format!("known: {}{more}", all.join(", "))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caret_is_under_the_text() {
        let text = "a = 1\n\tµ = [1,\n2]\n";
        let sources = Sources::new("x.toml".into(), text.into());
        let start = text.find("[1").unwrap();
        sources.problem(&At::new(0, &(start..text.len() - 1)), "bad", vec!["note".into()]);
        let message = sources.check().unwrap_err().to_string();
        assert_eq!(message, "x.toml:2:6: bad\n2 | \tµ = [1,\n  | \t    ^^^\n  = note");
    }
}
