//! What `--json` prints: the keys of every verb, with a version. Within a version keys are only ever added; what is marked `?` is
//! there where it applies. A test drives every verb and compares; the guide `json` holds the same list.

use serde_json::{Value, json};

/// Version of all these shapes. In objects it stands as `schema`; lists have no place for it.
pub const VERSION: u32 = 1;

/// What a verb prints.
pub struct Schema {
    /// Verb with the options that decide.
    pub verb: &'static str,
    /// What the value is: `object`, `list` of objects, or `map` from run ids.
    pub shape: &'static str,
    /// Keys of the object, or of each entry.
    pub keys: &'static str,
}

const fn object(verb: &'static str, keys: &'static str) -> Schema {
    Schema { verb, shape: "object", keys }
}

const fn list(verb: &'static str, keys: &'static str) -> Schema {
    Schema { verb, shape: "list", keys }
}

/// All of them.
pub const SCHEMAS: &[Schema] = &[
    object("init", "schema file next"),
    object("sweep", "schema experiment profile dry_run references cells error?"),
    list("sweep: cells", "run id system label seed action reason forecast seconds outcome? message?"),
    list("sweep: references", "system temperature digest there forecast"),
    object("sweep --launcher slurm", "schema plan arrays runs references left queued"),
    object("sweep --status", "schema experiment entries slurm"),
    object("sweep --collect", "schema ingested complete failed entries"),
    list("sweep --status: entries", "kind run id system label seed state queue reason"),
    object("run", "schema done"),
    list(
        "ls",
        "run id status experiment experiments system temperature sampler label swept seed attempt evaluations reason started \
         wall_seconds spec folder code revision origin tags",
    ),
    object("show RUN", "schema run spec counts charged evaluation evaluations provenance files path"),
    object("show DIGEST", "schema kind runs spec? code? env? reference?"),
    object("diff", "schema a b metrics notes"),
    list("diff: metrics", "place label id unit a b difference floor verdict note"),
    object("explain", "schema a b differences code note"),
    Schema { verb: "tag", shape: "map", keys: "" },
    object("report", "schema files tables"),
    list("report: tables", "title system temperature columns rows reference caption coverage warnings sources"),
    list("report: tables: rows", "label published_only cells energy charged counted seeds partial missing"),
    object("report --compare", "schema a b metrics notes"),
    object("check", "schema time code revision cpu accepted report folder exit_code"),
    object("accept", "schema accepted before folder"),
    object("reference", "schema system temperature digest folder report"),
    list("reference --accept", "name system runs report reports apart time code files"),
    object("reference --remake", "schema name system runs report reports apart time code files"),
    object("reference --verify", "schema name frames energy_apart"),
    object(
        "draw",
        "schema run out drawn written seed energy_evaluations network_evaluations seconds ess effective_samples \
         energies_per_effective_sample network_evaluations_per_effective_sample seconds_per_effective_sample",
    ),
    object("tune-steps", "schema run settings bound ess energy_evaluations trials"),
    object("solvers", "schema folder points"),
    list(
        "eval",
        "id version unit direction value lo hi floor n_samples n_effective? n_reference dropped reference note reweighted? \
         reweighted_interval?",
    ),
    object("energy", "schema frames not_finite out rounding"),
    object("convert", "schema frames out out_pdb"),
    object("ot", "schema order distance n_a n_b dim seconds weighted"),
    list(
        "list systems",
        "name description energy_function atoms length_unit energy_unit temperature_unit energy_terms",
    ),
    list("list samplers", "kind description"),
    list("list metrics", "id title version unit direction scope array description source"),
    list("list profiles", "name of default description cells? seeds? costs?"),
    list("list baselines", "name title is sampler numbers published"),
    list("list references", "name system temperature runs digest description"),
    list("list schemas", "verb shape keys version"),
    object(
        "describe system",
        "schema name description energy_function atoms length_unit energy_unit temperature_unit energy_terms",
    ),
    object("describe metric", "schema id title version unit direction scope array description source"),
    object("describe sampler", "schema kind name description settings"),
    object("describe section", "schema kind name description settings"),
    list("describe sampler: settings", "setting type default expected only_with words? description"),
    list("describe profile", "name of default description cells? seeds? costs?"),
    object("describe baseline", "schema name title is sampler numbers published expected"),
    object("db rebuild", "schema runs"),
    object("db ingest", "schema runs"),
    object(
        "db verify",
        "schema runs intact changed damaged running interrupted missing_rows extra_rows references recomputed? error?",
    ),
    list("db schema", "view row columns"),
    object("export --bundle", "schema file run bytes sha256"),
    object("export --experiment", "schema file bytes sha256 experiment cells runs references samples"),
    list("export TABLE", "*"),
    list("import", "file run was known evaluations"),
    object("gc", "schema found bytes deleted"),
    list("doctor", "name verdict found"),
    object("any error", "schema error"),
];

/// All of them as JSON.
#[must_use]
pub fn all() -> Vec<Value> {
    let entry = |s: &Schema| {
        let keys: Vec<&str> = s.keys.split_whitespace().collect();
        json!({"verb": s.verb, "shape": s.shape, "keys": keys, "version": VERSION})
    };
    SCHEMAS.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guide says the same.
    #[test]
    fn the_guide_is_true() {
        let guide = include_str!("../guide/json.md");
        assert!(guide.contains(&format!("version {VERSION}")));
        for s in SCHEMAS {
            let keys: Vec<String> = s.keys.split_whitespace().map(|key| format!("`{key}`")).collect();
            let line = format!("| `{}` | {} | {} |", s.verb, s.shape, keys.join(" "));
            assert!(guide.contains(&line), "the guide lacks\n{line}");
        }
        assert_eq!(guide.matches("\n| `").count(), SCHEMAS.len());
    }
}
