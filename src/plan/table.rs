//! The decision table.

use serde::{Deserialize, Serialize};

/// State of a run, derived from its files ([`crate::record::RunDir::status`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Committed: the manifest is there.
    Complete,
    /// Committed, with fewer samples than were asked for: a budget ended it.
    Partial,
    /// Ended with an error.
    Failed,
    /// Another process that is alive works on it.
    Claimed,
    /// Stopped (signal, power cut), and nobody works on it: it can go on from its latest checkpoint.
    Interrupted,
    /// Its files are not what they were when they were written.
    Damaged,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Claimed, Self::Interrupted, Self::Failed, Self::Damaged, Self::Partial, Self::Complete];

    /// The word used in tables and in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Claimed => "running",
            Self::Interrupted => "interrupted",
            Self::Damaged => "damaged",
        }
    }

    /// Whether the run is committed: it has samples, and nothing is left to be done.
    #[must_use]
    pub fn has_samples(self) -> bool {
        matches!(self, Self::Complete | Self::Partial)
    }
}

/// The latest attempt at a cell, as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// How it stands.
    pub status: Status,
    /// Whether its samples are by our code: the recorded sampling digest is ours.
    pub same_code: bool,
    /// Whether its latest evaluation has the evaluation digest that is asked for and is against the reference that is there
    /// (`false` without any).
    pub same_eval: bool,
}

/// What the user asked for beyond the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// `--force`: run everything again.
    pub force: bool,
    /// `--rerun-stale`: run again what other code completed.
    pub rerun_stale: bool,
    /// Run failed cells again (the default).
    pub retry_failed: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self { force: false, rerun_stale: false, retry_failed: true }
    }
}

/// What to do with a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing: it is complete and evaluated.
    Done,
    /// Judge the recorded samples again.
    Evaluate,
    /// Go on from the latest checkpoint.
    Resume,
    /// Start a new attempt.
    Run,
    /// Leave it as it is, though it is not complete.
    Skip,
}

/// An action and why, for `--dry-run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// Why, in words.
    pub reason: &'static str,
}

/// What to do with a cell whose latest attempt is `latest`. See the table in [`crate::plan`].
#[must_use]
pub fn decide(latest: Option<Attempt>, flags: Flags) -> Decision {
    use Action::{Done, Evaluate, Resume, Run, Skip};
    use Status::{Claimed, Complete, Damaged, Failed, Interrupted, Partial};
    let Some(Attempt { status, same_code, same_eval }) = latest else {
        return Decision { action: Run, reason: "never run" };
    };
    let (action, reason) = match (status, same_code, same_eval) {
        (Claimed, ..) => (Skip, "running in another process"),
        _ if flags.force => (Run, "asked for by --force"),
        (Complete | Partial, false, _) if flags.rerun_stale => {
            (Run, "completed by other code, and --rerun-stale is given")
        }
        (Complete | Partial, true, true) => (Done, "complete"),
        (Complete | Partial, false, true) => (Done, "complete, by other code (--rerun-stale runs it again)"),
        (Complete | Partial, true, false) => {
            (Evaluate, "complete, evaluated with other settings, against another reference, or not at all")
        }
        (Complete | Partial, false, false) => (
            Evaluate,
            "complete, by other code, evaluated with other settings, against another reference, or not at all \
             (--rerun-stale runs it again)",
        ),
        (Interrupted, true, _) => (Resume, "interrupted"),
        (Interrupted, false, _) => (Run, "interrupted, but its checkpoint was written by other code"),
        (Damaged, ..) => (Run, "the latest attempt is damaged"),
        (Failed, ..) if flags.retry_failed => (Run, "the latest attempt failed"),
        (Failed, ..) => (Skip, "the latest attempt failed, and failed runs are kept"),
    };
    Decision { action, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every input, against the table written out by hand: status, code, eval, force, stale, retry (`0`, `1`, `*` any).
    const ORACLE: [(&str, Action); 14] = [
        ("damaged     * * * * *", Action::Run),
        ("running     * * * * *", Action::Skip),
        ("complete    * * 1 * *", Action::Run),
        ("complete    1 1 0 * *", Action::Done),
        ("complete    1 0 0 * *", Action::Evaluate),
        ("complete    0 1 0 0 *", Action::Done),
        ("complete    0 0 0 0 *", Action::Evaluate),
        ("complete    0 * 0 1 *", Action::Run),
        ("interrupted 1 * 0 * *", Action::Resume),
        ("interrupted * * 1 * *", Action::Run),
        ("interrupted 0 * 0 * *", Action::Run),
        ("failed      * * 1 * *", Action::Run),
        ("failed      * * 0 * 1", Action::Run),
        ("failed      * * 0 * 0", Action::Skip),
    ];

    #[test]
    fn whole_table() {
        let mut seen = 0;
        for status in Status::ALL {
            let name = if status == Status::Partial { "complete" } else { status.word() };
            for bits in 0..32_u32 {
                let bit: Vec<bool> = (0..5).map(|i| bits >> i & 1 == 1).collect();
                let matches = |row: &str| {
                    let words: Vec<&str> = row.split_whitespace().collect();
                    words[0] == name
                        && words[1..].iter().zip(&bit).all(|(w, &b)| *w == "*" || *w == if b { "1" } else { "0" })
                };
                let rows: Vec<Action> =
                    ORACLE.iter().filter(|(row, _)| matches(row)).map(|(_, action)| *action).collect();
                assert_eq!(rows.len(), 1, "{name} {bits:05b}: the oracle has one row for each input");
                let attempt = Attempt { status, same_code: bit[0], same_eval: bit[1] };
                let flags = Flags { force: bit[2], rerun_stale: bit[3], retry_failed: bit[4] };
                let decision = decide(Some(attempt), flags);
                assert_eq!(decision.action, rows[0], "{attempt:?} {flags:?}");
                // Stale results are never passed over in silence.
                if status.has_samples() && !bit[0] && !bit[2] {
                    assert!(decision.reason.contains("other code"), "{}", decision.reason);
                }
                seen += 1;
            }
        }
        assert_eq!(seen, 192);
        for force in [false, true] {
            assert_eq!(decide(None, Flags { force, ..Flags::default() }).action, Action::Run);
        }
    }
}
