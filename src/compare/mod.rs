//! Two sides against each other: two runs, two selections of runs, two versions of the code; and the verdict that tables,
//! `diff` and `report --compare` share.
//!
//! A side's value is that of its run, or the mean over its runs, see [`crate::stats::estimate`]; where the interval of the
//! difference holds zero, the two are tied.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use crate::metrics::Direction;
use crate::stats::{Estimate, LEVEL, Reading, mean};
use crate::store::Measured;

/// What can be said of side B, seen from side A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// B is better.
    Better,
    /// B is worse.
    Worse,
    /// The difference is inside the noise, or both are at the noise floor.
    Tie,
    /// They differ, and neither way is better.
    Different,
    /// Other version of the metric, or other reference.
    NotComparable,
    /// One side has no value, or no interval.
    Unknown,
}

impl Verdict {
    /// The word used in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Tie => "tie",
            Self::Different => "different",
            Self::NotComparable => "not comparable",
            Self::Unknown => "unknown",
        }
    }
}

/// One metric of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// System and temperature, such as `lj13 at T = 1`.
    pub place: String,
    /// Row of the table; of both sides, where they differ.
    pub label: String,
    /// Metric.
    pub id: String,
    /// Unit.
    pub unit: String,
    /// Side A.
    pub a: Option<Estimate>,
    /// Side B.
    pub b: Option<Estimate>,
    /// B minus A, with its 95 % interval.
    pub difference: Option<Estimate>,
    /// Noise floor, the mean over the runs of a side: the larger of both sides.
    pub floor: Option<f64>,
    /// About B.
    pub verdict: Verdict,
    /// Why it is not comparable, or what to keep in mind.
    pub note: String,
}

/// What belongs to one row of one side.
type Group<'a> = BTreeMap<(String, String), BTreeMap<&'a str, Vec<&'a Measured>>>;

/// Compares two sides: two single methods whatever they are called, else each method with the one of the same name on the
/// same system. Rows in the order of systems, methods, metrics.
#[must_use]
pub fn compare(a: &[Measured], b: &[Measured]) -> Vec<Row> {
    let (a, b) = (grouped(a), grouped(b));
    let mut rows = Vec::new();
    if let (1, 1, Some((key_a, x)), Some((key_b, y))) = (a.len(), b.len(), a.first_key_value(), b.first_key_value()) {
        let both = |x: &str, y: &str| if x == y { x.to_owned() } else { format!("{x} / {y}") };
        pair(&both(&key_a.0, &key_b.0), &both(&key_a.1, &key_b.1), x, y, &mut rows);
        return rows;
    }
    for (key, x) in &a {
        if let Some(y) = b.get(key) {
            pair(&key.0, &key.1, x, y, &mut rows);
        }
    }
    rows
}

fn grouped(side: &[Measured]) -> Group<'_> {
    let mut groups = Group::new();
    // Metrics come run by run and row by row: the key changes seldom.
    for part in side.chunk_by(|x, y| x.system == y.system && x.temperature == y.temperature && x.label == y.label) {
        let Some(first) = part.first() else { continue };
        let key = (format!("{} at T = {}", first.system, first.temperature), first.label.to_string());
        let group = groups.entry(key).or_default();
        for m in part {
            group.entry(&m.metric).or_default().push(m);
        }
    }
    groups
}

fn pair(
    place: &str,
    label: &str,
    a: &BTreeMap<&str, Vec<&Measured>>,
    b: &BTreeMap<&str, Vec<&Measured>>,
    rows: &mut Vec<Row>,
) {
    for (id, x) in a {
        let Some(y) = b.get(id) else { continue };
        let (left, right) = (estimate(x), estimate(y));
        let floor = |side: &[&Measured]| mean(&side.iter().filter_map(|m| m.floor).collect::<Vec<_>>());
        let floors = [floor(x), floor(y)];
        let difference = left.zip(right).map(|(a, b)| a.to(&b));
        let why_not = mismatch(x, y);
        let note = why_not.map_or_else(|| sizes(x, y), str::to_owned);
        // By its name in the database.
        let direction = x.first().and_then(|m| serde_json::from_value(json!(&*m.direction)).ok());
        let direction = direction.unwrap_or(Direction::None);
        let verdict = match (left, right, difference) {
            _ if why_not.is_some() => Verdict::NotComparable,
            (Some(a), Some(b), Some(d)) => {
                let low = at_floor(direction, a.value, floors[0]) && at_floor(direction, b.value, floors[1]);
                verdict(&d, direction, low)
            }
            _ => Verdict::Unknown,
        };
        rows.push(Row {
            place: place.to_owned(),
            label: label.to_owned(),
            id: (*id).to_owned(),
            unit: x.first().map_or(String::new(), |m| m.unit.to_string()),
            a: left,
            b: right,
            difference,
            floor: floors.into_iter().flatten().reduce(f64::max),
            verdict,
            note,
        });
    }
}

/// Value and interval of one side.
fn estimate(runs: &[&Measured]) -> Option<Estimate> {
    let reading = |m: &&Measured| Some(Reading { value: m.value?, lo: m.lo, hi: m.hi });
    Estimate::of(&runs.iter().filter_map(reading).collect::<Vec<_>>())
}

/// Why two sides cannot be compared; `None` when they can.
fn mismatch(a: &[&Measured], b: &[&Measured]) -> Option<&'static str> {
    let all = || a.iter().chain(b);
    let first = all().next()?;
    if all().any(|m| m.version != first.version) {
        return Some("versions of the metric differ");
    }
    all().any(|m| m.reference != first.reference).then_some("references differ")
}

/// Distances shrink as samples grow: sizes that differ are worth a word, and so is all else that may have moved a number.
fn sizes(a: &[&Measured], b: &[&Measured]) -> String {
    let sizes = |side: &[&Measured]| side.iter().filter_map(|m| m.n).collect::<BTreeSet<u64>>();
    let (left, right) = (sizes(a), sizes(b));
    let mut all = a.iter().chain(b);
    let first = all.next().map(|m| &m.yardstick);
    if left != right {
        format!("sample sizes differ: {left:?} and {right:?}")
    } else if all.any(|m| Some(&m.yardstick) != first) {
        "evaluated with other settings or by other code".into()
    } else {
        String::new()
    }
}

/// Whether a value is not above its noise floor.
#[must_use]
pub fn at_floor(direction: Direction, value: f64, floor: Option<f64>) -> bool {
    direction == Direction::Lower && floor.is_some_and(|floor| value <= floor)
}

/// What a difference says of the side that it leads to; `at_floor`: both sides are at the noise floor.
#[must_use]
pub fn verdict(difference: &Estimate, direction: Direction, at_floor: bool) -> Verdict {
    match (difference.differs(LEVEL), direction) {
        _ if at_floor => Verdict::Tie,
        (None, _) => Verdict::Unknown,
        (Some(false), _) => Verdict::Tie,
        (_, Direction::None) => Verdict::Different,
        (_, Direction::Lower) if difference.value < 0.0 => Verdict::Better,
        (_, Direction::Higher) if difference.value > 0.0 => Verdict::Better,
        _ => Verdict::Worse,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn measured(label: &str, direction: &str, value: f64, half: f64) -> Measured {
        Measured {
            run: "r".into(),
            system: "lj13".into(),
            temperature: 1.0,
            label: label.into(),
            metric: "m".into(),
            version: 1,
            unit: "kT".into(),
            direction: direction.into(),
            value: Some(value),
            lo: Some(value - half),
            hi: Some(value + half),
            floor: Some(0.1),
            reference: "r".into(),
            yardstick: "y".into(),
            n: Some(100),
        }
    }

    fn one(a: Measured, b: Measured) -> Row {
        compare(&[a], &[b]).remove(0)
    }

    #[test]
    fn verdicts() {
        let verdict = |direction: &str, a: (f64, f64), b: (f64, f64)| {
            one(measured("x", direction, a.0, a.1), measured("y", direction, b.0, b.1)).verdict
        };
        assert_eq!(verdict("lower", (1.0, 0.1), (2.0, 0.2)), Verdict::Worse);
        assert_eq!(verdict("lower", (2.0, 0.2), (1.0, 0.1)), Verdict::Better);
        assert_eq!(verdict("higher", (1.0, 0.1), (2.0, 0.2)), Verdict::Better);
        assert_eq!(verdict("higher", (2.0, 0.2), (1.0, 0.1)), Verdict::Worse);
        assert_eq!(verdict("none", (2.0, 0.2), (1.0, 0.1)), Verdict::Different);
        // 0.3 apart, uncertain by hypot(0.3, 0.4) = 0.5: a tie; 0.6 apart: not, though the intervals overlap.
        assert_eq!(verdict("lower", (1.0, 0.3), (1.3, 0.4)), Verdict::Tie);
        assert_eq!(verdict("lower", (1.0, 0.3), (1.6, 0.4)), Verdict::Worse);
        assert_eq!(verdict("lower", (0.02, 0.001), (0.08, 0.001)), Verdict::Tie, "both at the floor");
        let mut bare = measured("x", "lower", 1.0, 0.0);
        (bare.lo, bare.hi) = (None, None);
        assert_eq!(one(bare.clone(), measured("x", "lower", 2.0, 0.1)).verdict, Verdict::Unknown);
        assert_eq!(one(bare.clone(), bare).verdict, Verdict::Tie, "the very same number");
    }

    #[test]
    fn difference_by_hand() {
        let row = one(measured("x", "lower", 1.0, 0.3), measured("x", "lower", 1.6, 0.4));
        let d = row.difference.unwrap();
        assert!((d.value - 0.6).abs() < 1e-15);
        // Half widths become standard errors by the normal quantile, and intervals again by Student's with a billion degrees of freedom.
        assert!((d.lo.unwrap() - 0.1).abs() < 1e-6 && (d.hi.unwrap() - 1.1).abs() < 1e-6, "{d:?}");
    }

    #[test]
    fn several_runs_are_averaged() {
        let side = |values: &[f64]| values.iter().map(|v| measured("x", "lower", *v, 0.1)).collect::<Vec<_>>();
        let row = compare(&side(&[1.0, 2.0, 3.0]), &side(&[9.0, 9.0])).remove(0);
        let a = row.a.unwrap();
        // Standard deviation 1, t = 4.3027 with two degrees of freedom, over sqrt(3).
        assert!((a.value - 2.0).abs() < 1e-15 && (a.hi.unwrap() - 2.0 - 4.302_653 / 3_f64.sqrt()).abs() < 1e-5);
        assert_eq!((a.runs, row.b.unwrap().runs), (3, 2));
        assert_eq!(row.verdict, Verdict::Worse);
        // As far apart, but the runs themselves are uncertain by more.
        let wide = |values: &[f64]| values.iter().map(|v| measured("x", "lower", *v, 9.0)).collect::<Vec<_>>();
        assert_eq!(compare(&wide(&[1.0, 2.0, 3.0]), &wide(&[9.0, 9.0])).remove(0).verdict, Verdict::Tie);
    }

    #[test]
    fn methods_are_matched_by_name_unless_there_is_one_on_each_side() {
        let a = [measured("x", "lower", 1.0, 0.1), measured("y", "lower", 1.0, 0.1)];
        let b = [measured("y", "lower", 2.0, 0.1), measured("z", "lower", 1.0, 0.1)];
        let rows = compare(&a, &b);
        assert_eq!((rows.len(), rows[0].label.as_str()), (1, "y"));
        assert_eq!(compare(&a[..1], &b[..1])[0].label, "x / y");
    }

    #[test]
    fn other_versions_are_not_comparable() {
        let x = measured("x", "lower", 1.0, 0.1);
        for (other, why) in [
            (Measured { version: 2, ..x.clone() }, "versions"),
            (Measured { reference: "q".into(), ..x.clone() }, "references"),
        ] {
            let row = one(x.clone(), other);
            assert_eq!(row.verdict, Verdict::NotComparable);
            assert!(row.note.contains(why), "{}", row.note);
        }
        assert_eq!(one(Measured { value: None, ..x.clone() }, x.clone()).verdict, Verdict::Unknown);
        let row = one(Measured { n: Some(7), ..x.clone() }, x);
        assert!(row.verdict == Verdict::Tie && row.note.contains("{7} and {100}"), "{}", row.note);
    }
}
