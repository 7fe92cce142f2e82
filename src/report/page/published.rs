//! Published values in rows of their own: each below the method that it belongs to, those that are not run here below all.

use crate::error::Result;
use crate::report::baselines::{self, Expected};
use crate::report::runs::RunResult;
use crate::report::table::{Cell, Column, Row, Table};

/// How sources that nobody here has seen themselves begin.
const SECOND_HAND: &str = "second hand";

/// The published values of one row of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Published {
    /// What the published method is called.
    pub(super) title: String,
    /// One for each column.
    pub(super) cells: Vec<Option<Expected>>,
}

impl Published {
    /// Whether any value is known only through somebody who read the source.
    pub(super) fn second_hand(&self) -> bool {
        self.cells.iter().flatten().any(second_hand)
    }
}

/// Whether a value is known only through somebody who read the source.
pub(super) fn second_hand(expected: &Expected) -> bool {
    expected.source.starts_with(SECOND_HAND)
}

/// What is published for every row of a table; `None` for rows without, and for further rows of a method that has its own
/// already.
///
/// # Errors
/// When the compiled-in baselines are malformed.
pub(super) fn rows(table: &Table, runs: &[&RunResult]) -> Result<Vec<Option<Published>>> {
    let baselines = baselines::all()?;
    let mut shown: Vec<&str> = Vec::new();
    let mut of_row = |row: &Row| {
        let baseline = if row.published_only {
            baselines.iter().find(|b| b.title == row.label)
        } else {
            baselines.iter().find(|b| runs.iter().any(|r| r.row_label() == row.label && r.sampler == b.name))
        }?;
        let value = |(cell, column): (&Cell, &Column)| {
            let expected = baseline.expected(&table.system, table.temperature, &column.id)?;
            cell.paper.and(Some(expected.clone()))
        };
        let cells: Vec<Option<Expected>> = row.cells.iter().zip(&table.columns).map(value).collect();
        if shown.contains(&baseline.name.as_str()) || cells.iter().all(Option::is_none) {
            return None;
        }
        shown.push(&baseline.name);
        Some(Published { title: baseline.title.clone(), cells })
    };
    Ok(table.rows.iter().map(&mut of_row).collect())
}
