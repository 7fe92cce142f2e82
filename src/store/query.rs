//! Lists of runs, and runs by a prefix of their id.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Row};
use serde::Serialize;
use serde_json::Value;

use super::{Filter, broken};
use crate::error::{Error, Result};

/// One run, as in the table `runs`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// `<spec8>-s<seed>-a<attempt>`.
    pub id: String,
    /// State.
    pub status: String,
    /// Experiment that first asked for it.
    pub experiment: String,
    /// System.
    pub system: String,
    /// Target temperature.
    pub temperature: f64,
    /// Sampler.
    pub sampler: String,
    /// Label in reports.
    pub label: String,
    /// Swept settings: `[[setting, value], ...]`.
    pub swept: Value,
    /// Seed.
    pub seed: u64,
    /// Attempt.
    pub attempt: u32,
    /// Charged energy evaluations.
    pub evaluations: u64,
    /// Why it failed.
    pub reason: Option<String>,
    /// When work began.
    pub started: Option<String>,
    /// Seconds of work.
    pub wall_seconds: Option<f64>,
    /// Spec digest.
    pub spec: String,
    /// Folder, relative to the results folder.
    pub folder: String,
    /// Code digest.
    pub code: Option<String>,
    /// Git commit.
    pub revision: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// One metric of one run, as in the table `metrics`.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Run id.
    pub run: Arc<str>,
    /// System.
    pub system: Arc<str>,
    /// Target temperature.
    pub temperature: f64,
    /// Row of the table: label and swept settings.
    pub label: Arc<str>,
    /// Metric id.
    pub metric: Arc<str>,
    /// Version of its definition.
    pub version: u32,
    /// Unit.
    pub unit: Arc<str>,
    /// `lower`, `higher` or `none`.
    pub direction: Arc<str>,
    /// The value.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Noise floor.
    pub floor: Option<f64>,
    /// Digest of the reference.
    pub reference: Arc<str>,
    /// Samples used.
    pub n: Option<u64>,
}

/// Columns of [`RunRow`], in its order.
const COLUMNS: &str = "id, status, experiment, system, temperature, sampler, label, swept, seed, attempt, evaluations, \
                       reason, started, wall_seconds, runs.spec, folder, code, revision, \
                       (SELECT group_concat(tag, ',') FROM (SELECT tag FROM tags WHERE run = runs.id ORDER BY tag))";

fn row(r: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        id: r.get(0)?,
        status: r.get(1)?,
        experiment: r.get(2)?,
        system: r.get(3)?,
        temperature: r.get(4)?,
        sampler: r.get(5)?,
        label: r.get(6)?,
        swept: serde_json::from_str(r.get_ref(7)?.as_str()?).unwrap_or_default(),
        seed: r.get::<_, i64>(8)? as u64,
        attempt: r.get(9)?,
        evaluations: r.get::<_, i64>(10)? as u64,
        reason: r.get(11)?,
        started: r.get(12)?,
        wall_seconds: r.get(13)?,
        spec: r.get(14)?,
        folder: r.get(15)?,
        code: r.get(16)?,
        revision: r.get(17)?,
        tags: r.get::<_, Option<String>>(18)?.map_or_else(Vec::new, |t| t.split(',').map(String::from).collect()),
    })
}

/// Runs that match, by experiment, system, sampler, spec, seed, attempt.
///
/// # Errors
/// [`Error::Store`].
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<RunRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM runs LEFT JOIN provenance ON provenance.run = runs.id WHERE {}
         ORDER BY experiment, system, sampler, runs.spec, seed, attempt LIMIT {}",
        filter.conditions(),
        filter.limit.map_or(-1, |n| n as i64)
    );
    let query = || -> rusqlite::Result<Vec<RunRow>> {
        let mut statement = connection.prepare(&sql)?;
        let values = filter.values();
        let rows = statement.query_map(rusqlite::params_from_iter(values), row)?;
        rows.collect()
    };
    query().map_err(|e| broken(&e))
}

/// Every metric of the runs that match; of several attempts at the same spec and seed the latest.
///
/// # Errors
/// [`Error::Store`].
pub fn measured(connection: &Connection, filter: &Filter) -> Result<Vec<Measured>> {
    let query = || -> rusqlite::Result<Vec<Measured>> {
        let mut words = Words::default();
        let runs = latest(connection, filter, &mut words)?;
        let mut out = Vec::new();
        let mut statement = connection.prepare(
            "SELECT metric, version, unit, direction, value, lo, hi, floor, reference, n FROM metrics WHERE run = ?1
             ORDER BY metric, version",
        )?;
        for run in runs {
            let mut rows = statement.query([&*run.id])?;
            while let Some(r) = rows.next()? {
                let mut word = |i: usize| -> rusqlite::Result<Arc<str>> { Ok(words.get(r.get_ref(i)?.as_str()?)) };
                out.push(Measured {
                    run: Arc::clone(&run.id),
                    system: Arc::clone(&run.system),
                    temperature: run.temperature,
                    label: Arc::clone(&run.label),
                    metric: word(0)?,
                    unit: word(2)?,
                    direction: word(3)?,
                    reference: word(8)?,
                    version: r.get(1)?,
                    value: r.get(4)?,
                    lo: r.get(5)?,
                    hi: r.get(6)?,
                    floor: r.get(7)?,
                    n: r.get::<_, Option<i64>>(9)?.map(|n| n as u64),
                });
            }
        }
        Ok(out)
    };
    query().map_err(|e| broken(&e))
}

/// What every metric of a run shares.
struct Owner {
    id: Arc<str>,
    system: Arc<str>,
    temperature: f64,
    label: Arc<str>,
}

/// The latest attempts among the runs that match, in the order of their specs.
fn latest(connection: &Connection, filter: &Filter, words: &mut Words) -> rusqlite::Result<Vec<Owner>> {
    let mut statement = connection.prepare(&format!(
        "SELECT id, system, temperature, label, swept, runs.spec, seed
         FROM runs LEFT JOIN provenance ON provenance.run = runs.id WHERE {}
         ORDER BY runs.spec, seed, attempt",
        filter.conditions()
    ))?;
    let mut rows = statement.query(rusqlite::params_from_iter(filter.values()))?;
    let mut out: Vec<Owner> = Vec::new();
    let mut last: (String, i64) = Default::default();
    while let Some(r) = rows.next()? {
        let (spec, seed) = (r.get_ref(5)?.as_str()?, r.get(6)?);
        if last.0 == spec && last.1 == seed {
            out.pop(); // an earlier attempt
        } else {
            last = (spec.to_owned(), seed);
        }
        let swept = r.get_ref(4)?.as_str()?;
        let label =
            if swept == "[]" { words.get(r.get_ref(3)?.as_str()?) } else { words.row(r.get_ref(3)?.as_str()?, swept) };
        out.push(Owner {
            id: r.get_ref(0)?.as_str()?.into(),
            system: words.get(r.get_ref(1)?.as_str()?),
            temperature: r.get(2)?,
            label,
        });
    }
    Ok(out)
}

/// Words that occur again and again, each kept once.
#[derive(Default)]
struct Words {
    all: HashMap<String, Arc<str>>,
    rows: HashMap<String, Arc<str>>,
}

impl Words {
    fn get(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.all.get(word) {
            return Arc::clone(known);
        }
        let new: Arc<str> = word.into();
        self.all.insert(word.to_owned(), Arc::clone(&new));
        new
    }

    /// Label and swept settings as one text.
    fn row(&mut self, label: &str, swept: &str) -> Arc<str> {
        let key = format!("{label}{swept}");
        if let Some(known) = self.rows.get(&key) {
            return Arc::clone(known);
        }
        let settings: Vec<(String, String)> = serde_json::from_str(swept).unwrap_or_default();
        let settings: Vec<String> = settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let new: Arc<str> = format!("{label} ({})", settings.join(", ")).into();
        self.rows.insert(key, Arc::clone(&new));
        new
    }
}

/// The runs of a selection ([`Filter::parse`]).
///
/// # Errors
/// [`Error::NothingSelected`] when there are none, [`Error::Usage`] for a selection that is none.
pub fn select(connection: &Connection, selection: &str) -> Result<Vec<RunRow>> {
    let rows = list(connection, &Filter::parse(selection)?)?;
    if rows.is_empty() {
        return Err(Error::NothingSelected(format!("no run matches `{selection}`; `pita-bench ls` lists them")));
    }
    Ok(rows)
}

/// The one run whose id begins with `prefix`.
///
/// # Errors
/// [`Error::NothingSelected`] when there is none, [`Error::Usage`] with the candidates when there are several.
pub fn find(connection: &Connection, prefix: &str) -> Result<RunRow> {
    let mut rows = list(connection, &Filter { prefix: Some(prefix.to_owned()), ..Filter::default() })?;
    if let Some(exact) = rows.iter().position(|r| r.id == prefix) {
        return Ok(rows.swap_remove(exact));
    }
    match rows.len() {
        1 => Ok(rows.remove(0)),
        0 => Err(Error::NothingSelected(format!("no run's id begins with `{prefix}`; `pita-bench ls` lists them"))),
        n => {
            let shown: Vec<_> = rows.iter().take(10).map(|r| format!("  {}  {} {}", r.id, r.system, r.label)).collect();
            let more = if n > 10 { format!("\n  ... and {} more", n - 10) } else { String::new() };
            Err(Error::Usage(format!("`{prefix}` is ambiguous; it could be\n{}{more}", shown.join("\n"))))
        }
    }
}

/// Length of the shortest unique prefix of each id, in the order given (at least 4).
#[must_use]
pub fn shortest_prefixes(ids: &[&str]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|&i| ids[i]);
    let shared = |a: usize, b: usize| ids[a].bytes().zip(ids[b].bytes()).take_while(|(x, y)| x == y).count();
    let mut lengths = vec![4; ids.len()];
    for pair in order.windows(2) {
        let needed = shared(pair[0], pair[1]) + 1;
        for &i in pair {
            lengths[i] = lengths[i].max(needed).min(ids[i].len());
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let ids = ["aaaa1111-s0-a1", "bbbb2222-s0-a1", "aaaa1112-s0-a1", "aaaa1112-s0-a10"];
        assert_eq!(shortest_prefixes(&ids), [8, 4, 14, 15]);
        assert!(shortest_prefixes(&[]).is_empty());
    }
}
