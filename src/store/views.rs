//! Views for other people's queries: `sqlite3 results/pita.db 'SELECT * FROM v1_metrics'`.
//!
//! Tables may change with any version of this program; a view with its number in its name keeps its columns and what they
//! mean. What changes gets a new number, and the old one stays. `pita-bench db schema` prints them.

use rusqlite::Connection;

use super::all;
use crate::error::{Error, Result};
use crate::words;

/// A column, its expression, and what it holds.
pub type Column = (&'static str, &'static str, &'static str);

/// A view and its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Name in the database.
    pub name: &'static str,
    /// What a row is.
    pub row: &'static str,
    /// In groups that views share.
    groups: &'static [&'static [Column]],
    from: &'static str,
    order: &'static str,
}

const RUN: Column = ("run", "runs.id", "run id: <8 digits of the spec>-s<seed>-a<attempt>");
const SYSTEM: Column = ("system", "runs.system", "key of the system in the experiment file");
const TEMPERATURE: Column = ("temperature", "runs.temperature", "target: K for molecules, reduced for LJ");
const SAMPLER: Column = ("sampler", "runs.sampler", "key of the sampler in the experiment file");
const LABEL: Column = ("label", "runs.label", "how reports call the sampler");
const SWEPT: Column = ("swept", "runs.swept", "swept settings, JSON list of [setting, value]");
const SEED: Column = ("seed", "runs.seed", "seed");
const STATUS: Column = ("status", "runs.status", "complete, partial, failed, interrupted, running, damaged");

/// Which run a row is of.
const WHICH: &[Column] = &[RUN, SYSTEM, TEMPERATURE, SAMPLER, LABEL, SWEPT, SEED];
/// The same in brief.
const BRIEF: &[Column] = &[RUN, SYSTEM, SAMPLER, LABEL, SEED];
/// A metric.
const METRIC: &[Column] = &[
    ("metric", "metrics.metric", "metric id"),
    ("version", "metrics.version", "version of the metric: others do not compare"),
    ("value", "metrics.value", "value; NULL where it is not defined"),
    ("lo", "metrics.lo", "lower end of the 95 % interval"),
    ("hi", "metrics.hi", "upper end"),
    ("floor", "metrics.floor", "the metric between two halves of the reference"),
    ("unit", "metrics.unit", "unit"),
    ("direction", "metrics.direction", "what is better: lower, higher, none"),
];

/// All views.
pub const VIEWS: &[View] = &[
    View {
        name: "v1_runs",
        row: "a run",
        groups: &[&[
            RUN,
            STATUS,
            ("experiment", "runs.experiment", "experiment that first asked for it"),
            SYSTEM,
            TEMPERATURE,
            SAMPLER,
            LABEL,
            SWEPT,
            SEED,
            ("attempt", "runs.attempt", "attempt, from 1"),
            ("evaluations", "runs.evaluations", "charged energy evaluations"),
            ("reason", "runs.reason", "why it failed, or has fewer samples than asked for"),
            ("started", "provenance.started", "when work began, RFC 3339 in UTC"),
            ("ended", "provenance.ended", "when it ended"),
            ("wall_seconds", "provenance.wall_seconds", "seconds of all sessions"),
            ("spec", "runs.spec", "spec digest"),
            ("code", "provenance.code", "code digest"),
            ("env", "provenance.env", "environment digest"),
            ("folder", "runs.folder", "run folder, relative to the results folder"),
        ]],
        from: "runs LEFT JOIN provenance ON provenance.run = runs.id",
        order: "runs.id",
    },
    View {
        name: "v1_metrics",
        row: "a metric of the newest evaluation of a run",
        groups: &[
            WHICH,
            &[STATUS],
            METRIC,
            &[
                ("evaluations", "runs.evaluations", "charged energy evaluations of the run"),
                ("eval", "evaluations.eval", "digest of the evaluation settings"),
                ("reference", "evaluations.reference", "digest of the reference ensemble"),
            ],
        ],
        from: "evaluations JOIN metrics ON metrics.run = evaluations.run AND metrics.evaluation = evaluations.evaluation \
               AND evaluations.rank = 0 JOIN runs ON runs.id = metrics.run",
        order: "runs.id, metrics.metric, metrics.version",
    },
    View {
        name: "v1_evaluations",
        row: "a metric of an evaluation of a run; a run may have many",
        groups: &[
            WHICH,
            &[
                ("evaluation", "evaluations.evaluation", "name of the evaluation: its file in the run folder"),
                ("rank", "evaluations.rank", "0 is the newest of the run"),
                ("yardstick", "evaluations.yardstick", "settings, reference and code: values by one yardstick compare"),
                ("eval", "evaluations.eval", "digest of the evaluation settings"),
                ("reference", "evaluations.reference", "digest of the reference ensemble's settings"),
                ("content", "evaluations.content", "SHA-256 of its frames"),
                ("code", "evaluations.code", "digest of the code that can change metrics; empty in older records"),
            ],
            METRIC,
            &[("n", "metrics.n", "samples used")],
        ],
        from: "evaluations JOIN metrics ON metrics.run = evaluations.run AND metrics.evaluation = evaluations.evaluation \
               JOIN runs ON runs.id = metrics.run",
        order: "runs.id, evaluations.rank, metrics.metric, metrics.version",
    },
    View {
        name: "v1_experiments",
        row: "an experiment that asked for a run, with its labels there",
        groups: &[&[
            RUN,
            ("experiment", "memberships.experiment", "name of the experiment"),
            ("system", "memberships.system", "key of the system in its file"),
            ("sampler", "memberships.sampler", "key of the sampler in its file"),
            ("label", "memberships.label", "how its reports call the sampler"),
            ("swept", "memberships.swept", "its swept settings, JSON list of [setting, value]"),
        ]],
        from: "memberships JOIN runs ON runs.id = memberships.run",
        order: "memberships.experiment, runs.id, memberships.system, memberships.sampler, memberships.swept",
    },
    View {
        name: "v1_counts",
        row: "energy evaluations of a run for one purpose",
        groups: &[
            BRIEF,
            &[
                ("purpose", "energy_counts.purpose", "initial-data, training, annealing, refinement, sampling, ..."),
                ("count", "energy_counts.count", "evaluations: one is one configuration, energy or forces or both"),
            ],
        ],
        from: "energy_counts JOIN runs ON runs.id = energy_counts.run",
        order: "runs.id, energy_counts.purpose",
    },
    View {
        name: "v1_scalars",
        row: "a number that a sampler recorded on its way",
        groups: &[
            BRIEF,
            &[
                ("step", "scalars.step", "sampler steps done"),
                ("phase", "scalars.phase", "phase of the sampler"),
                ("name", "scalars.name", "what the number is"),
                ("value", "scalars.value", "the number; NULL where it was not finite"),
            ],
        ],
        from: "scalars JOIN runs ON runs.id = scalars.run",
        order: "runs.id, scalars.step, scalars.name",
    },
];

impl View {
    /// The view whose name ends in `name`, such as `metrics`.
    ///
    /// # Errors
    /// [`Error::Usage`] with the names there are.
    pub fn by_name(name: &str) -> Result<&'static Self> {
        let short = |view: &Self| view.name.trim_start_matches("v1_");
        VIEWS.iter().find(|v| v.name == name || short(v) == name).ok_or_else(|| {
            let known: Vec<&str> = VIEWS.iter().map(short).collect();
            Error::Usage(words::unknown("view", name, &known))
        })
    }

    /// Its columns.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        self.groups.concat()
    }

    /// The statement that makes it.
    #[must_use]
    pub fn sql(&self) -> String {
        let columns: Vec<String> = self.columns().iter().map(|(name, from, _)| format!("{from} AS {name}")).collect();
        format!("CREATE VIEW {} AS\n    SELECT {}\n    FROM {}", self.name, columns.join(", "), self.from)
    }

    /// The type that its table declares for each column.
    pub(super) fn declared(&self, connection: &Connection) -> Result<Vec<String>> {
        let statement = connection.prepare(&self.select())?;
        Ok(statement.columns().map(|c| c.decl_type().unwrap_or_default().to_owned()).collect())
    }

    /// From the tables: a database that cannot be written may lack the view.
    fn select(&self) -> String {
        let columns: Vec<&str> = self.columns().iter().map(|(_, from, _)| *from).collect();
        format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), self.from, self.order)
    }

    /// All rows, each a list of values in the order of the columns.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn rows(&self, connection: &Connection) -> Result<Vec<Vec<serde_json::Value>>> {
        let columns = 0..self.columns().len();
        all(connection, &self.select(), [], |r| columns.clone().map(|i| r.get_ref(i).map(json)).collect())
    }
}

fn json(value: rusqlite::types::ValueRef<'_>) -> serde_json::Value {
    use rusqlite::types::ValueRef as V;
    match value {
        V::Null => serde_json::Value::Null,
        V::Integer(i) => i.into(),
        V::Real(x) => x.into(),
        V::Text(t) | V::Blob(t) => String::from_utf8_lossy(t).into(),
    }
}

/// Makes the views that a database lacks.
pub(super) fn ensure(connection: &Connection) -> rusqlite::Result<()> {
    let there = |name: &str| {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ?1";
        connection.prepare(sql)?.exists([name])
    };
    for view in VIEWS {
        if !there(view.name)? {
            // Two processes may find it missing at once.
            connection.execute_batch(&view.sql().replacen("CREATE VIEW", "CREATE VIEW IF NOT EXISTS", 1))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of published views stay: change a view by adding one with another number.
    #[test]
    fn published_columns() {
        let columns = |name| View::by_name(name).unwrap().columns().iter().map(|c| c.0).collect::<Vec<_>>().join(" ");
        assert_eq!(
            columns("runs"),
            "run status experiment system temperature sampler label swept seed attempt evaluations reason started ended \
             wall_seconds spec code env folder"
        );
        assert_eq!(
            columns("metrics"),
            "run system temperature sampler label swept seed status metric version value lo hi floor unit direction \
             evaluations eval reference"
        );
        assert_eq!(
            columns("evaluations"),
            "run system temperature sampler label swept seed evaluation rank yardstick eval reference content code metric \
             version value lo hi floor unit direction n"
        );
        assert_eq!(columns("experiments"), "run experiment system sampler label swept");
        assert_eq!(columns("counts"), "run system sampler label seed purpose count");
        assert_eq!(columns("v1_scalars"), "run system sampler label seed step phase name value");
        assert!(View::by_name("v2_runs").is_err());
    }

    #[test]
    fn made_once_and_equal_to_their_rows() {
        let dir = tempfile::tempdir().unwrap();
        let connection = super::super::open(dir.path()).unwrap();
        connection.execute("DROP VIEW v1_runs", []).unwrap();
        ensure(&connection).unwrap();
        ensure(&connection).unwrap();
        for view in VIEWS {
            let sql = format!("SELECT * FROM {}", view.name);
            let statement = connection.prepare(&sql).unwrap();
            assert_eq!(
                statement.column_names().collect::<Vec<_>>(),
                view.columns().iter().map(|c| c.0).collect::<Vec<_>>()
            );
            assert!(view.rows(&connection).unwrap().is_empty());
        }
    }
}
