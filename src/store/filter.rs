//! Which runs are meant.

use crate::error::{Error, Result};
use crate::record::{Status, is_time};
use crate::text::beginning;
use crate::words;

/// Which runs to list; everything absent matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// State.
    pub status: Option<String>,
    /// Experiment.
    pub experiment: Option<String>,
    /// System, or several with commas between them.
    pub system: Option<String>,
    /// Sampler, by its key in the experiment or its name in tables; or several with commas between them.
    pub sampler: Option<String>,
    /// Tag.
    pub tag: Option<String>,
    /// Beginning of the code digest or of the git commit.
    pub code: Option<String>,
    /// Beginning of the spec digest.
    pub spec: Option<String>,
    /// Seed.
    pub seed: Option<String>,
    /// Begun at this time or later: `2026-11-25`, or any beginning of `2026-11-25T09:00:00Z`.
    pub since: Option<String>,
    /// Begun at this time or earlier; a day is meant as a whole.
    pub until: Option<String>,
    /// Prefix of the id.
    pub prefix: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

const KEYS: [&str; 10] = ["status", "experiment", "system", "sampler", "tag", "code", "spec", "seed", "since", "until"];

impl Filter {
    /// Reads a selection: `@TAG`, `key=value,key=value`, or the beginning of an id.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown key.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(tag) = text.strip_prefix('@') {
            if tag.is_empty() {
                return Err(Error::Usage(format!("selection `{text}`: expected a tag after `@`")));
            }
            return Ok(Self { tag: Some(tag.to_owned()), ..Self::default() });
        }
        if !text.contains('=') {
            return Ok(Self { prefix: Some(text.to_owned()), ..Self::default() });
        }
        let wrong = |what: String| Error::Usage(format!("selection `{}`: {what}", beginning(text)));
        let mut values: [Option<String>; KEYS.len()] = Default::default();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let shown = beginning(key.trim());
            let at = KEYS.iter().position(|k| *k == key.trim());
            let at = at.ok_or_else(|| wrong(words::unknown("key", &shown, &KEYS)))?;
            if value.is_empty() || values[at].replace(value.trim().to_owned()).is_some() {
                return Err(wrong(format!("expected one value for `{shown}`")));
            }
        }
        let [status, experiment, system, sampler, tag, code, spec, seed, since, until] = values;
        if let Some(seed) = seed.as_deref().filter(|seed| seed.parse::<u64>().is_err()) {
            return Err(wrong(format!("`seed` is {}, expected a whole number", beginning(seed))));
        }
        Self { status, experiment, system, sampler, tag, code, spec, seed, since, until, ..Self::default() }.checked()
    }

    /// Refuses what can match nothing: states that there are not, dates that never were.
    ///
    /// # Errors
    /// [`Error::Usage`] with the known states, or the form of a date.
    pub fn checked(self) -> Result<Self> {
        let known = Status::ALL.map(Status::word);
        if let Some(status) = self.status.as_deref().filter(|status| !known.contains(status)) {
            return Err(Error::Usage(words::unknown("status", status, &known)));
        }
        for (name, date) in [("since", &self.since), ("until", &self.until)] {
            if let Some(date) = date.as_deref().filter(|date| !is_time(date)) {
                return Err(Error::Usage(format!(
                    "{name} `{date}`: expected a date such as 2026-11-25 or 2026-11-25T09:00:00Z, or the beginning of one"
                )));
            }
        }
        Ok(self)
    }

    /// The values of [`KEYS`].
    fn fields(&self) -> [&Option<String>; KEYS.len()] {
        let Self { status, experiment, system, sampler, tag, code, spec, seed, since, until, .. } = self;
        [status, experiment, system, sampler, tag, code, spec, seed, since, until]
    }

    /// What is asked for, in words for a message: empty where nothing is.
    #[must_use]
    pub fn described(&self) -> String {
        let fields =
            KEYS.iter().zip(self.fields()).filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)));
        let all: Vec<String> = self.prefix.iter().cloned().chain(fields).map(|s| beginning(&s)).collect();
        if all.is_empty() { String::new() } else { format!(" `{}`", all.join(",")) }
    }

    /// A question about the runs that match; its parameters are [`Filter::values`]. A run is seen with the labels that the
    /// experiment that is asked for gave it; that may have asked for it under several names.
    pub(super) fn select(&self, columns: &str, order: &str) -> String {
        let once = if self.experiment.is_some() { "GROUP BY id" } else { "" };
        format!(
            "SELECT {columns}
             FROM runs LEFT JOIN provenance ON provenance.run = runs.id
             LEFT JOIN memberships m ON m.run = runs.id AND m.experiment = ?2
             WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR m.run IS NOT NULL)
             AND (?3 IS NULL OR instr(',' || ?3 || ',', ',' || COALESCE(m.system, runs.system) || ','))
             AND (?4 IS NULL OR instr(',' || ?4 || ',', ',' || COALESCE(m.sampler, runs.sampler) || ',')
                  OR instr(',' || ?4 || ',', ',' || COALESCE(m.label, runs.label) || ','))
             AND (?5 IS NULL OR id IN (SELECT run FROM tags WHERE tag = ?5))
             AND (?6 IS NULL OR substr(code, 1, length(?6)) = ?6 OR substr(revision, 1, length(?6)) = ?6)
             AND (?7 IS NULL OR substr(runs.spec, 1, length(?7)) = ?7) AND (?8 IS NULL OR seed = CAST(?8 AS INTEGER))
             AND (?9 IS NULL OR started >= ?9) AND (?10 IS NULL OR substr(started, 1, length(?10)) <= ?10)
             AND (?11 IS NULL OR substr(id, 1, length(?11)) = ?11)
             {once} ORDER BY {order}"
        )
    }

    /// Values of the parameters of [`Filter::select`].
    pub(super) fn values(&self) -> impl Iterator<Item = &Option<String>> {
        self.fields().into_iter().chain([&self.prefix])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections() {
        let text = |s: &str| Some(s.to_owned());
        assert_eq!(Filter::parse("3f2a").unwrap(), Filter { prefix: text("3f2a"), ..Filter::default() });
        assert_eq!(Filter::parse("@good").unwrap(), Filter { tag: text("good"), ..Filter::default() });
        let both = Filter { system: text("lj13"), since: text("2026-11-01"), ..Filter::default() };
        assert_eq!(Filter::parse("system=lj13, since=2026-11-01").unwrap(), both);
        for (bad, says) in [
            ("systm=lj13", "did you mean `system`?"),
            ("system=", "expected one value for `system`"),
            ("system=a,system=b", "expected one value for `system`"),
            ("system=a,b", "unknown key `b`"),
            (
                "status=complet",
                "did you mean `complete`? Known: running, interrupted, failed, damaged, partial, complete",
            ),
            ("since=2026-13-01", "since `2026-13-01`: expected a date"),
            ("until=2026-02-30", "until `2026-02-30`: expected a date"),
        ] {
            let message = Filter::parse(bad).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
