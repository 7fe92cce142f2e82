//! Cells of an experiment that a table has no value of, and why: they are said wherever the table is shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::runs::RunResult;

/// A seed of a method without a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Row of the table.
    pub method: String,
    /// Seed.
    pub seed: u64,
    /// Run, unless there is none.
    pub run_id: Option<String>,
    /// What it is: `never run`, `running`, `interrupted`, `failed`, `damaged`, `not evaluated`.
    pub state: &'static str,
    /// Why, where more is known.
    pub reason: Option<String>,
}

impl Gap {
    /// What a run lacks to be in a table; `None` when it is in it.
    #[must_use]
    pub fn of(run: &RunResult) -> Option<Self> {
        if run.is_complete() && !run.metrics.is_empty() {
            return None;
        }
        Some(Self {
            method: run.row_label(),
            seed: run.seed,
            run_id: (!run.run_id.is_empty()).then(|| run.run_id.clone()),
            state: if run.is_complete() { "not evaluated" } else { run.word() },
            reason: run.failure.clone(),
        })
    }

    /// "seed 3 (run 9f3a): failed: out of memory".
    #[must_use]
    pub fn line(&self) -> String {
        let run = self.run_id.as_ref().map_or(String::new(), |id| format!(" (run {id})"));
        let reason = self.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        format!("seed {}{run}: {}{reason}", self.seed, self.state)
    }
}

/// How many of the cells that were asked for are there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Cells asked for.
    pub cells: usize,
    /// Those without a value.
    pub missing: Vec<Gap>,
}

impl Coverage {
    /// Of runs; the second row of a run is no cell of its own.
    #[must_use]
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a RunResult>) -> Self {
        let cells: Vec<&RunResult> = runs.into_iter().filter(|r| !r.reweighted).collect();
        Self { cells: cells.len(), missing: cells.into_iter().filter_map(Gap::of).collect() }
    }

    /// "22 of 30 cells missing: 18 never run, 4 failed"; `None` when all are there.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        if self.missing.is_empty() {
            return None;
        }
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        self.missing.iter().for_each(|gap| *states.entry(gap.state).or_default() += 1);
        let states: Vec<String> = states.iter().map(|(state, n)| format!("{n} {state}")).collect();
        Some(format!("{} of {} cells missing: {}", self.missing.len(), self.cells, states.join(", ")))
    }
}
