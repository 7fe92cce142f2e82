//! Lists of runs, and runs by a prefix of their id.

use rusqlite::{Connection, Row};
use serde::Serialize;
use serde_json::Value;

use super::broken;
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
}

/// Which runs to list; everything absent matches.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// State.
    pub status: Option<String>,
    /// Experiment.
    pub experiment: Option<String>,
    /// System.
    pub system: Option<String>,
    /// Sampler.
    pub sampler: Option<String>,
    /// Prefix of the id.
    pub prefix: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

const COLUMNS: &str = "id, status, experiment, system, temperature, sampler, label, swept, seed, attempt, evaluations, \
                       reason, started, wall_seconds, runs.spec, folder";

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
    })
}

/// Runs that match, by experiment, system, sampler, spec, seed, attempt.
///
/// # Errors
/// [`Error::Store`].
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<RunRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM runs LEFT JOIN provenance ON provenance.run = runs.id
         WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR experiment = ?2) AND (?3 IS NULL OR system = ?3)
           AND (?4 IS NULL OR sampler = ?4) AND (?5 IS NULL OR substr(id, 1, length(?5)) = ?5)
         ORDER BY experiment, system, sampler, runs.spec, seed, attempt LIMIT ?6"
    );
    let limit = filter.limit.map_or(-1, |n| n as i64);
    let query = || -> rusqlite::Result<Vec<RunRow>> {
        let mut statement = connection.prepare(&sql)?;
        let f = filter;
        let rows = statement.query_map((&f.status, &f.experiment, &f.system, &f.sampler, &f.prefix, limit), row)?;
        rows.collect()
    };
    query().map_err(|e| broken(&e))
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
