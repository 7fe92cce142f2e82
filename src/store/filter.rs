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
        let mut filter = Self::default();
        if let Some(tag) = text.strip_prefix('@') {
            if tag.is_empty() {
                return Err(Error::Usage(format!("selection `{text}`: expected a tag after `@`")));
            }
            filter.tag = Some(tag.to_owned());
            return Ok(filter);
        }
        if !text.contains('=') {
            filter.prefix = Some(text.to_owned());
            return Ok(filter);
        }
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let field = match key.trim() {
                "status" => &mut filter.status,
                "experiment" => &mut filter.experiment,
                "system" => &mut filter.system,
                "sampler" => &mut filter.sampler,
                "tag" => &mut filter.tag,
                "code" => &mut filter.code,
                "spec" => &mut filter.spec,
                "seed" => &mut filter.seed,
                "since" => &mut filter.since,
                "until" => &mut filter.until,
                unknown => {
                    let unknown = words::unknown("key", &beginning(unknown), &KEYS);
                    return Err(Error::Usage(format!("selection `{}`: {unknown}", beginning(text))));
                }
            };
            if value.is_empty() || field.replace(value.trim().to_owned()).is_some() {
                return Err(Error::Usage(format!(
                    "selection `{}`: expected one value for `{}`",
                    beginning(text),
                    beginning(key.trim())
                )));
            }
        }
        if let Some(seed) = filter.seed.as_deref().filter(|seed| seed.parse::<u64>().is_err()) {
            let (text, seed) = (beginning(text), beginning(seed));
            return Err(Error::Usage(format!("selection `{text}`: `seed` is {seed}, expected a whole number")));
        }
        filter.checked()
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

    /// What is asked for, in words for a message: empty where nothing is.
    #[must_use]
    pub fn described(&self) -> String {
        let values = [
            &self.status,
            &self.experiment,
            &self.system,
            &self.sampler,
            &self.tag,
            &self.code,
            &self.spec,
            &self.seed,
            &self.since,
            &self.until,
        ];
        let fields = KEYS.iter().zip(values).filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)));
        let all: Vec<String> = self.prefix.iter().cloned().chain(fields).map(|s| beginning(&s)).collect();
        if all.is_empty() { String::new() } else { format!(" `{}`", all.join(",")) }
    }

    /// What [`Filter::conditions`] is about. A run is seen with the labels that the experiment that is asked for gave it.
    pub(super) const FROM: &str = "runs LEFT JOIN provenance ON provenance.run = runs.id
         LEFT JOIN memberships m ON m.run = runs.id AND m.experiment = ?2";

    /// The grouping in SQL after the condition: an experiment may have asked for a run under several names.
    pub(super) fn once(&self) -> &'static str {
        if self.experiment.is_some() { "GROUP BY id" } else { "" }
    }

    /// The condition in SQL over [`Filter::FROM`]; parameters as in [`Filter::values`].
    pub(super) fn conditions(&self) -> String {
        "(?1 IS NULL OR status = ?1) AND (?2 IS NULL OR m.run IS NOT NULL)
         AND (?3 IS NULL OR instr(',' || ?3 || ',', ',' || COALESCE(m.system, runs.system) || ','))
         AND (?4 IS NULL OR instr(',' || ?4 || ',', ',' || COALESCE(m.sampler, runs.sampler) || ',')
              OR instr(',' || ?4 || ',', ',' || COALESCE(m.label, runs.label) || ',')) AND (?5 IS NULL OR substr(id, 1, length(?5)) = ?5)
         AND (?6 IS NULL OR id IN (SELECT run FROM tags WHERE tag = ?6))
         AND (?7 IS NULL OR substr(code, 1, length(?7)) = ?7 OR substr(revision, 1, length(?7)) = ?7)
         AND (?8 IS NULL OR substr(runs.spec, 1, length(?8)) = ?8) AND (?9 IS NULL OR seed = CAST(?9 AS INTEGER))
         AND (?10 IS NULL OR started >= ?10) AND (?11 IS NULL OR substr(started, 1, length(?11)) <= ?11)"
            .to_owned()
    }

    /// Values of the parameters of [`Filter::conditions`].
    pub(super) fn values(&self) -> [&Option<String>; 11] {
        [
            &self.status,
            &self.experiment,
            &self.system,
            &self.sampler,
            &self.prefix,
            &self.tag,
            &self.code,
            &self.spec,
            &self.seed,
            &self.since,
            &self.until,
        ]
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
