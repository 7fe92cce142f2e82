//! How the tables came to be what they are: one step for each version. A step that has been released is never changed; a new
//! one is added at the end. Afterwards the rows of all run folders are written anew, so a step only has to make tables and
//! columns.

/// Step `k` leads from version `k` to `k + 1`; an empty database has version 0.
pub(super) const STEPS: &[&str] = &[FIRST, TAGS_AND_REVISIONS, EVALUATIONS, MEMBERSHIPS, ORIGINS];

/// Tables and the columns that order their rows (their natural keys).
pub(super) const TABLES: &[(&str, &str)] = &[
    ("runs", "id"),
    ("energy_counts", "run, purpose"),
    ("evaluations", "run, rank"),
    ("metrics", "run, evaluation, metric, version"),
    ("scalars", "run, step, name"),
    ("provenance", "run"),
    ("tags", "run, tag"),
    ("memberships", "run, experiment, system, sampler, swept"),
];

const FIRST: &str = "
CREATE TABLE runs (
    id TEXT PRIMARY KEY,            -- <spec8>-s<seed>-a<attempt>
    spec TEXT NOT NULL,             -- spec digest
    seed INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,           -- complete, failed, interrupted, claimed
    experiment TEXT NOT NULL,
    system TEXT NOT NULL,
    temperature REAL NOT NULL,
    sampler TEXT NOT NULL,
    label TEXT NOT NULL,
    swept TEXT NOT NULL,            -- JSON list of [setting, value]
    evaluations INTEGER NOT NULL,   -- charged
    reason TEXT,                    -- why it failed
    folder TEXT NOT NULL            -- relative to the results folder
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_spec ON runs (spec, seed, attempt);
CREATE TABLE energy_counts (
    run TEXT NOT NULL, purpose TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (run, purpose)
) STRICT, WITHOUT ROWID;
CREATE TABLE metrics (
    run TEXT NOT NULL, metric TEXT NOT NULL, version INTEGER NOT NULL,
    unit TEXT NOT NULL, direction TEXT NOT NULL,
    value REAL, lo REAL, hi REAL, floor REAL, n INTEGER,
    eval TEXT NOT NULL, reference TEXT NOT NULL,
    body TEXT NOT NULL,             -- the metric as in metrics.json
    PRIMARY KEY (run, metric, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE scalars (
    run TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL, phase TEXT NOT NULL, value REAL,
    PRIMARY KEY (run, step, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE provenance (
    run TEXT PRIMARY KEY, spec TEXT NOT NULL, code TEXT NOT NULL, env TEXT NOT NULL,
    started TEXT, ended TEXT, sessions INTEGER NOT NULL, wall_seconds REAL NOT NULL
) STRICT, WITHOUT ROWID;
";

const TAGS_AND_REVISIONS: &str = "
ALTER TABLE provenance ADD COLUMN revision TEXT; -- git commit, with +changes when the tree was not clean
CREATE TABLE tags (
    run TEXT NOT NULL, tag TEXT NOT NULL,
    PRIMARY KEY (run, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_tag ON tags (tag, run);
CREATE INDEX provenance_by_code ON provenance (code, run);
";

/// A run has many evaluations. One of a version that kept one has the digest of its settings as its name until its run
/// folder is read again.
const EVALUATIONS: &str = "
DROP VIEW IF EXISTS v1_metrics;
CREATE TABLE evaluations (
    run TEXT NOT NULL,
    evaluation TEXT NOT NULL,       -- first 16 digits of its digest
    rank INTEGER NOT NULL,          -- 0 is the newest of the run
    yardstick TEXT NOT NULL,        -- first 16 digits: what it was measured with but the seed
    eval TEXT NOT NULL,             -- digest of the settings
    reference TEXT NOT NULL,        -- digest of the reference's settings
    content TEXT,                   -- SHA-256 of the reference's frames
    code TEXT NOT NULL,             -- digest of the code that can change metrics; empty when unknown
    PRIMARY KEY (run, evaluation)
) STRICT, WITHOUT ROWID;
CREATE TABLE judged (
    run TEXT NOT NULL, evaluation TEXT NOT NULL, metric TEXT NOT NULL, version INTEGER NOT NULL,
    unit TEXT NOT NULL, direction TEXT NOT NULL,
    value REAL, lo REAL, hi REAL, floor REAL, n INTEGER,
    body TEXT NOT NULL,             -- the metric as in the evaluation's file
    PRIMARY KEY (run, evaluation, metric, version)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO evaluations
    SELECT run, substr(eval, 1, 16), 0, substr(eval, 1, 16), eval, reference, NULL, '' FROM metrics;
INSERT INTO judged
    SELECT run, substr(eval, 1, 16), metric, version, unit, direction, value, lo, hi, floor, n, body FROM metrics;
DROP TABLE metrics;
ALTER TABLE judged RENAME TO metrics;
";

/// A run belongs to every experiment that asked for it.
const MEMBERSHIPS: &str = "
CREATE TABLE memberships (
    run TEXT NOT NULL, experiment TEXT NOT NULL,
    system TEXT NOT NULL, sampler TEXT NOT NULL, label TEXT NOT NULL,
    swept TEXT NOT NULL,            -- JSON list of [setting, value]
    PRIMARY KEY (run, experiment, system, sampler, swept)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_by_experiment ON memberships (experiment, run);
INSERT INTO memberships SELECT id, experiment, system, sampler, label, swept FROM runs;
UPDATE runs SET status = 'running' WHERE status = 'claimed';
";

/// A run that was imported says where it comes from.
const ORIGINS: &str = "
ALTER TABLE runs ADD COLUMN origin TEXT; -- run and bundle; NULL for a run that was made here
";
