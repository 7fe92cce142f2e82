//! Lists of runs, and runs by a prefix of their id.

use std::collections::HashMap;

use rusqlite::{Connection, Row};
use serde::Serialize;
use serde_json::Value;

use super::{Filter, all};
use crate::error::{Error, Result};
use crate::words::nearest;

/// One run, as in the table `runs`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// `<spec8>-s<seed>-a<attempt>`.
    pub run: String,
    /// The same, as it was called first.
    pub id: String,
    /// State.
    pub status: String,
    /// The experiment that is asked for, else the one that first asked for it; it gave the labels.
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
    /// Why it failed, or has fewer samples than were asked for.
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
    /// All experiments that asked for it, the first one first.
    pub experiments: Vec<String>,
    /// Where it was imported from, if it was not made here.
    pub origin: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// Columns of [`RunRow`], in its order.
const COLUMNS: &str = "id, status, COALESCE(m.experiment, runs.experiment), COALESCE(m.system, runs.system), \
                       temperature, COALESCE(m.sampler, runs.sampler), COALESCE(m.label, runs.label), \
                       COALESCE(m.swept, runs.swept), seed, attempt, evaluations, reason, started, wall_seconds, \
                       runs.spec, folder, code, revision, \
                       (SELECT group_concat(tag, ',') FROM (SELECT tag FROM tags WHERE run = runs.id ORDER BY tag)), \
                       runs.experiment, origin";

fn row(r: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        run: r.get(0)?,
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
        experiments: vec![r.get(19)?],
        origin: r.get(20)?,
        tags: r.get::<_, Option<String>>(18)?.map_or_else(Vec::new, |t| t.split(',').map(String::from).collect()),
    })
}

/// Runs that match, by experiment, system, sampler, spec, seed, attempt.
///
/// # Errors
/// [`Error::Store`].
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<RunRow>> {
    let limit = filter.limit.map_or(-1, |n| n as i64);
    let sql = filter.select(COLUMNS, &format!("3, 4, 6, runs.spec, seed, attempt LIMIT {limit}"));
    let mut rows: Vec<RunRow> = all(connection, &sql, rusqlite::params_from_iter(filter.values()), row)?;
    let mut later = later_experiments(connection)?;
    for row in &mut rows {
        row.experiments.append(&mut later.remove(&row.id).unwrap_or_default());
    }
    Ok(rows)
}

/// By run, the experiments that asked for it after the first: few runs have any.
fn later_experiments(connection: &Connection) -> Result<HashMap<String, Vec<String>>> {
    let sql = "SELECT DISTINCT run, m.experiment FROM memberships m
               JOIN runs ON runs.id = run AND runs.experiment <> m.experiment ORDER BY run, m.experiment";
    let pairs: Vec<(String, String)> = all(connection, sql, [], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for (run, experiment) in pairs {
        found.entry(run).or_default().push(experiment);
    }
    Ok(found)
}

/// Of a selection that matches nothing, what was perhaps meant: the nearest recorded name of an experiment, system, sampler or
/// tag that is asked for and not recorded.
///
/// # Errors
/// [`Error::Store`].
pub fn near(connection: &Connection, filter: &Filter) -> Result<Option<String>> {
    for (key, asked, sql) in [
        ("experiment", &filter.experiment, "SELECT experiment FROM runs UNION SELECT experiment FROM memberships"),
        ("system", &filter.system, "SELECT system FROM runs UNION SELECT system FROM memberships"),
        (
            "sampler",
            &filter.sampler,
            "SELECT sampler FROM runs UNION SELECT label FROM runs UNION SELECT sampler FROM memberships UNION SELECT label FROM memberships",
        ),
        ("tag", &filter.tag, "SELECT DISTINCT tag FROM tags"),
    ] {
        let Some(asked) = asked else { continue };
        let known: Vec<String> = all(connection, sql, [], |r| r.get(0))?;
        if !known.contains(asked)
            && let Some(found) = nearest(asked, known.iter().map(String::as_str))
        {
            return Ok(Some(format!("`{key}={found}`")));
        }
    }
    Ok(None)
}

/// The runs of a selection ([`Filter::parse`]).
///
/// # Errors
/// [`Error::NothingSelected`] when there are none, [`Error::Usage`] for a selection that is none.
pub fn select(connection: &Connection, selection: &str) -> Result<Vec<RunRow>> {
    let filter = Filter::parse(selection)?;
    let rows = list(connection, &filter)?;
    if rows.is_empty() {
        let near = near(connection, &filter)?.map_or(String::new(), |near| format!("; did you mean {near}?"));
        return Err(Error::NothingSelected(format!("no run matches `{selection}`{near}; `pita-bench ls` lists them")));
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
