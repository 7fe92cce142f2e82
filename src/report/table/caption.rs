//! How to read a table: one text for every format.

use std::collections::BTreeSet;

use super::{Column, RANKED};
use crate::metrics::Direction;

/// The caption of a table with these columns, as plain text; `claimed` where some evaluations are.
pub(crate) fn caption(columns: &[Column], claimed: bool) -> String {
    let bold = bold(columns);
    let claimed = if claimed { " (claimed): as whoever made the samples says; nobody here has counted." } else { "" };
    format!(
        "Mean over seeds ± half of its 95 % interval: Student's t with seeds - 1 degrees of freedom; the variance of a seed is \
         the larger of the variance between seeds and the mean sampling variance within them. With one seed, the value and the \
         95 % interval of its samples, which knows nothing of other seeds. {bold} °: not above the noise floor, which is the \
         same metric between two independent runs of the reference, or halves of one. [paper …]: published value with its stated \
         spread. Energy evaluations: one is one configuration; mean over seeds, charged purposes only.{claimed}"
    )
}

/// What is bold; and where nothing is, why not.
fn bold(columns: &[Column]) -> String {
    const BOLD: &str =
        "Bold: best, or not distinguishable from the best (Welch's test at 5 %, or both within the noise floor).";
    let ranked = columns.iter().filter(|c| c.direction != Direction::None);
    let (few, enough): (Vec<&Column>, Vec<&Column>) = ranked.partition(|c| !c.too_few.is_empty());
    let rows: BTreeSet<&str> = few.iter().flat_map(|c| &c.too_few).map(String::as_str).collect();
    let rows = rows.into_iter().collect::<Vec<_>>().join(", ");
    let titles = few.iter().map(|c| c.title.as_str()).collect::<Vec<_>>().join(", ");
    let why = format!("fewer than {RANKED} seeds of {rows} cannot tell who is best.");
    match (few.is_empty(), enough.is_empty()) {
        (true, true) => String::new(),
        (true, false) => BOLD.into(),
        (false, true) => format!("Nothing is bold: {why}"),
        (false, false) => format!("{BOLD} Nothing is bold in {titles}: {why}"),
    }
}
