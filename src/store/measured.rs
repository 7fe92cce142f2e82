//! The metrics of two sides, each by the evaluations that the other side has too.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, Row};

use super::Filter;
use crate::error::Result;

/// One metric of one evaluation of one run.
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
    /// What it was measured with: settings, reference, code.
    pub yardstick: Arc<str>,
    /// Samples used.
    pub n: Option<u64>,
}

/// A run with its evaluations.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Run id.
    pub run: Arc<str>,
    system: Arc<str>,
    temperature: f64,
    label: Arc<str>,
    /// Newest first.
    evaluations: Vec<Judged>,
}

#[derive(Debug, Clone)]
struct Judged {
    evaluation: Arc<str>,
    yardstick: Arc<str>,
    reference: Arc<str>,
}

impl Owner {
    fn by(&self, yardstick: &Arc<str>) -> Option<&Judged> {
        self.evaluations.iter().find(|e| e.yardstick == *yardstick)
    }
}

/// The evaluated runs that match; of several attempts at the same spec and seed the latest.
///
/// # Errors
/// [`crate::error::Error::Store`].
pub fn owners(connection: &Connection, filter: &Filter) -> Result<Vec<Owner>> {
    let mut words = Words::default();
    // In one view: not a lock for each of the questions.
    let connection = connection.unchecked_transaction()?;
    let mut owners = latest(&connection, filter, &mut words)?;
    let mut statement =
        connection.prepare("SELECT evaluation, yardstick, reference FROM evaluations WHERE run = ?1 ORDER BY rank")?;
    for owner in &mut owners {
        let mut rows = statement.query([&*owner.run])?;
        while let Some(r) = rows.next()? {
            let (yardstick, reference) = (words.column(r, 1)?, words.column(r, 2)?);
            owner.evaluations.push(Judged { evaluation: r.get(0)?, yardstick, reference });
        }
    }
    owners.retain(|owner| !owner.evaluations.is_empty());
    Ok(owners)
}

/// The metrics of both sides, and what to say about them. Methods are paired as [`crate::compare::compare`] pairs them. Of
/// the evaluations of a pair those by one yardstick are taken, the one that most of its runs have; where the two sides have
/// none in common, the newest of each run.
///
/// # Errors
/// [`crate::error::Error::Store`].
pub fn shared(
    connection: &Connection,
    a: &[Owner],
    b: &[Owner],
) -> Result<(Vec<Measured>, Vec<Measured>, Vec<String>)> {
    let mut notes = Vec::new();
    let (left, right) = (grouped(a), grouped(b));
    let alone = left.len() == 1 && right.len() == 1;
    let mut chosen: [Vec<(&Owner, &Judged)>; 2] = Default::default();
    for (key, x) in &left {
        let partner = if alone { right.values().next() } else { right.get(key) };
        let Some(y) = partner else { continue };
        let common = common(x, y);
        let mut without = 0;
        for (side, runs) in [x, y].into_iter().enumerate() {
            for owner in runs {
                let judged = common.as_ref().map_or(owner.evaluations.first(), |yardstick| owner.by(yardstick));
                without += usize::from(judged.is_none());
                chosen[side].extend(judged.map(|judged| (*owner, judged)));
            }
        }
        let (system, _, label) = key;
        if common.is_none() {
            notes.push(format!(
                "{system}, {label}: no evaluation in common (other settings, reference or code): the newest of each run"
            ));
        } else if without > 0 {
            let all = x.len() + y.len();
            notes.push(format!("{system}, {label}: {without} of {all} runs lack the evaluation that the others share"));
        }
    }
    let mut words = Words::default();
    let view = connection.unchecked_transaction()?;
    let [left, right] = chosen;
    Ok((metrics(&view, &left, &mut words)?, metrics(&view, &right, &mut words)?, notes))
}

/// Runs by what is compared: system, temperature (its bits), row.
type Groups<'a> = BTreeMap<(&'a str, u64, &'a str), Vec<&'a Owner>>;

fn grouped(side: &[Owner]) -> Groups<'_> {
    let mut groups = Groups::new();
    for owner in side {
        groups.entry((&*owner.system, owner.temperature.to_bits(), &*owner.label)).or_default().push(owner);
    }
    groups
}

/// The yardstick that both sides have and most of their runs; of several the newest.
fn common(a: &[&Owner], b: &[&Owner]) -> Option<Arc<str>> {
    // Runs that have it on either side, and how old it is for them in sum.
    let mut found: HashMap<&Arc<str>, ([usize; 2], usize)> = HashMap::new();
    for (side, runs) in [a, b].into_iter().enumerate() {
        for owner in runs {
            for (rank, judged) in owner.evaluations.iter().enumerate() {
                let (count, age) = found.entry(&judged.yardstick).or_default();
                count[side] += 1;
                *age += rank;
            }
        }
    }
    let both = found.into_iter().filter(|(_, (count, _))| count[0] > 0 && count[1] > 0);
    let best = both.max_by_key(|(name, (count, age))| (count[0] + count[1], std::cmp::Reverse(*age), Arc::clone(name)));
    best.map(|(yardstick, _)| Arc::clone(yardstick))
}

fn metrics(connection: &Connection, side: &[(&Owner, &Judged)], words: &mut Words) -> rusqlite::Result<Vec<Measured>> {
    let mut statement = connection.prepare(
        "SELECT metric, version, unit, direction, value, lo, hi, floor, n FROM metrics WHERE run = ?1 AND evaluation = ?2
         ORDER BY metric, version",
    )?;
    let mut out = Vec::new();
    for (i, (owner, judged)) in side.iter().enumerate() {
        if i == 1 {
            out.reserve(out.len() * side.len()); // the others have about as many
        }
        let mut rows = statement.query([&*owner.run, &*judged.evaluation])?;
        while let Some(r) = rows.next()? {
            out.push(Measured {
                run: Arc::clone(&owner.run),
                system: Arc::clone(&owner.system),
                temperature: owner.temperature,
                label: Arc::clone(&owner.label),
                metric: words.column(r, 0)?,
                unit: words.column(r, 2)?,
                direction: words.column(r, 3)?,
                version: r.get(1)?,
                value: r.get(4)?,
                lo: r.get(5)?,
                hi: r.get(6)?,
                floor: r.get(7)?,
                reference: Arc::clone(&judged.reference),
                yardstick: Arc::clone(&judged.yardstick),
                n: r.get::<_, Option<i64>>(8)?.map(|n| n as u64),
            });
        }
    }
    Ok(out)
}

/// The latest attempts among the runs that match, in the order of their specs.
fn latest(connection: &Connection, filter: &Filter, words: &mut Words) -> rusqlite::Result<Vec<Owner>> {
    let columns = "id, COALESCE(m.system, runs.system), temperature, COALESCE(m.label, runs.label),
                   COALESCE(m.swept, runs.swept), runs.spec, seed";
    let mut statement = connection.prepare(&filter.select(columns, "runs.spec, seed, attempt"))?;
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
        let label = if swept == "[]" { words.column(r, 3)? } else { words.row(r.get_ref(3)?.as_str()?, swept) };
        let (run, system, temperature) = (r.get(0)?, words.column(r, 1)?, r.get(2)?);
        out.push(Owner { run, system, temperature, label, evaluations: Vec::new() });
    }
    Ok(out)
}

/// Words that occur again and again, each kept once.
#[derive(Default)]
struct Words {
    all: HashSet<Arc<str>>,
    rows: HashMap<String, Arc<str>>,
}

impl Words {
    fn column(&mut self, row: &Row<'_>, i: usize) -> rusqlite::Result<Arc<str>> {
        let word = row.get_ref(i)?.as_str()?;
        if let Some(known) = self.all.get(word) {
            return Ok(Arc::clone(known));
        }
        let new: Arc<str> = word.into();
        self.all.insert(Arc::clone(&new));
        Ok(new)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(run: &str, yardsticks: &[&str]) -> Owner {
        let judged = |y: &&str| Judged { evaluation: (*y).into(), yardstick: (*y).into(), reference: "r".into() };
        let evaluations = yardsticks.iter().map(judged).collect();
        Owner { run: run.into(), system: "lj13".into(), temperature: 1.0, label: "MD".into(), evaluations }
    }

    #[test]
    fn what_both_sides_have() {
        let common = |a: &[Owner], b: &[Owner]| {
            let (a, b): (Vec<&Owner>, Vec<&Owner>) = (a.iter().collect(), b.iter().collect());
            super::common(&a, &b).map(|y| y.to_string())
        };
        assert_eq!(common(&[owner("a", &["n64", "n32"])], &[owner("b", &["n32"])]).as_deref(), Some("n32"));
        assert_eq!(common(&[owner("a", &["n64", "n32"])], &[owner("b", &["n64", "n32"])]).as_deref(), Some("n64"));
        assert_eq!(common(&[owner("a", &["n64"])], &[owner("b", &["n32"])]), None);
        let two = [owner("a", &["n64"]), owner("c", &["n64", "n32"])];
        assert_eq!(common(&two, &[owner("b", &["n32", "n64"])]).as_deref(), Some("n64"), "more runs have it");
    }
}
