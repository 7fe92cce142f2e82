//! What a run recorded of its way: the rungs of its ladder, and its losses.

use std::collections::BTreeMap;

use super::runs::RunResult;
use crate::error::Result;
use crate::record::events::{self, Event, Kind};

/// One step down a ladder, as recorded; `None` for what the sampler does not record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rung {
    /// Temperature at its end.
    pub temperature: f64,
    /// Median of E / kT there.
    pub energy: Option<f64>,
    /// Lowest effective sample size on the way, a fraction of the particles.
    pub ess: Option<f64>,
    /// Particles at the beginning that have descendants at the end.
    pub parents: Option<f64>,
}

/// The way of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// Row of the table.
    pub label: String,
    /// System name.
    pub system: String,
    /// Target temperature.
    pub temperature: f64,
    /// From hot to cold.
    pub rungs: Vec<Rung>,
    /// Losses by name: training steps recorded before, and the value.
    pub losses: BTreeMap<String, Vec<(f64, f64)>>,
    /// Training steps recorded before each rung but the first.
    pub borders: Vec<f64>,
}

const ENERGY: [&str; 2] = ["smc.median_reduced_energy", "refine.median_reduced_energy"];
const ESS: [&str; 3] = ["smc.ess", "anneal.ess", "anneal.final_ess"];
const PARENTS: [&str; 2] = ["smc.unique_parents", "anneal.unique_parents"];

/// Numbers of one recorded step, by name.
type Values = BTreeMap<String, Option<f64>>;

impl Course {
    /// Of a run that has a folder; `None` for others and for those that recorded nothing of it.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn of(run: &RunResult) -> Result<Option<Self>> {
        let Some(folder) = run.samples_path.as_ref().and_then(|p| p.parent()) else { return Ok(None) };
        let events = events::read(&folder.join("events.jsonl"))?;
        let course = Self::read(&events, run.temperature);
        let found = !course.rungs.is_empty() || !course.losses.is_empty();
        Ok(found.then(|| Self { label: run.row_label(), system: run.system.clone(), ..course }))
    }

    /// From the events of a run towards `target`.
    fn read(events: &[Event], target: f64) -> Self {
        // After a resume a step may come twice, with the same numbers.
        let mut steps: BTreeMap<u64, (&str, &Values)> = BTreeMap::new();
        for event in events {
            if let Kind::Scalars { step, phase, values } = &event.kind {
                steps.insert(*step, (phase, values));
            }
        }
        let mut course = Self { temperature: target, ..Self::default() };
        let mut rungs: Vec<(Named, Vec<&Values>)> = Vec::new();
        let mut trained = 0.0;
        for (phase, values) in steps.into_values() {
            if let Some(named) = named(phase) {
                match rungs.last_mut() {
                    Some((last, all)) if last.number == named.number => all.push(values),
                    _ => {
                        if trained > 0.0 {
                            course.borders.push(trained);
                        }
                        rungs.push((named, vec![values]));
                    }
                }
            }
            let losses = values.iter().filter_map(|(name, value)| Some((name.strip_prefix("loss.")?, (*value)?)));
            let before = trained;
            for (name, value) in losses {
                course.losses.entry(name.replace('_', " ").replace("kl", "KL")).or_default().push((before, value));
                trained = before + 1.0;
            }
        }
        // What a run does not train has a loss of 0 all the way.
        course.losses.retain(|_, values| values.iter().any(|(_, value)| *value != 0.0));
        course.borders.retain(|&b| b < trained);
        course.borders.dedup();
        let next: Vec<Option<f64>> = rungs.iter().skip(1).map(|r| r.0.begin).chain([Some(target)]).collect();
        for ((named, values), next) in rungs.iter().zip(next) {
            let Some(rung) = rung(values, named.end.or(next)) else { continue };
            // Two stages at one temperature: the later one is what comes of it.
            course.rungs.pop_if(|last: &mut Rung| last.temperature == rung.temperature);
            course.rungs.push(rung);
        }
        course
    }
}

/// A rung from its numbers; `None` where it recorded none of those shown. `end` is its temperature unless the numbers say
/// better.
fn rung(values: &[&Values], end: Option<f64>) -> Option<Rung> {
    let all = |names: &'static [&str]| {
        let found = values.iter().flat_map(move |v| names.iter().filter_map(|n| v.get(*n).copied().flatten()));
        found.collect::<Vec<f64>>()
    };
    let ess = all(&ESS).into_iter().reduce(f64::min);
    let (energy, parents) = (all(&ENERGY).last().copied(), all(&PARENTS).last().copied());
    let temperature = all(&["smc.temperature"]).last().copied().or(end)?;
    (energy.is_some() || ess.is_some() || parents.is_some()).then_some(Rung { temperature, energy, ess, parents })
}

/// What a phase is called: `rung 2/6 (T = 900 to 675): moves`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Named {
    number: u64,
    /// Temperature at its beginning; the next rung's is where it ends (PITA).
    begin: Option<f64>,
    /// Temperature at its end, if it says so.
    end: Option<f64>,
}

/// The rung or stage that a phase belongs to.
fn named(phase: &str) -> Option<Named> {
    let rest = phase.strip_prefix("rung ").or_else(|| phase.strip_prefix("stage "))?;
    let number = rest.split(['/', ' ']).next()?.parse().ok()?;
    let inside = rest.split_once("(T = ").and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inside, _)| inside);
    let (begin, end) = inside.split_once(" to ").unwrap_or((inside, ""));
    Some(Named { number, begin: begin.parse().ok(), end: end.parse().ok() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Step, phase, and numbers by name.
    type Line<'a> = (u64, &'a str, &'a [(&'a str, f64)]);

    fn events(lines: &[Line<'_>]) -> Vec<Event> {
        let kind = |(step, phase, values): &Line<'_>| Kind::Scalars {
            step: *step,
            phase: (*phase).to_owned(),
            values: values.iter().map(|(n, v)| ((*n).to_owned(), Some(*v))).collect(),
        };
        lines.iter().map(|line| Event { n: 0, time: String::new(), kind: kind(line) }).collect()
    }

    /// PITA's rungs begin at the temperature in their name and end at the next one's; a resume repeats a step.
    #[test]
    fn rungs_of_pita() {
        let log = events(&[
            (1, "rung 1/2 (T = 4): training", &[("loss.score", 9.0)]),
            (2, "rung 1/2 (T = 4): training", &[("loss.score", 8.0)]),
            (2, "rung 1/2 (T = 4): training", &[("loss.score", 8.0)]),
            (3, "rung 1/2 (T = 4): annealing", &[("anneal.ess", 0.7), ("anneal.unique_parents", 100.0)]),
            (
                4,
                "rung 1/2 (T = 4): annealing",
                &[("anneal.ess", 1.0), ("anneal.final_ess", 0.1), ("anneal.unique_parents", 30.0)],
            ),
            (5, "rung 1/2 (T = 4): refinement", &[("refine.median_reduced_energy", 5.0)]),
            (6, "rung 2/2 (T = 2): training", &[("loss.score", 7.0), ("loss.energy_score", 0.0)]),
            (7, "rung 2/2 (T = 2): annealing", &[("anneal.ess", 0.5)]),
        ]);
        let course = Course::read(&log, 1.0);
        let first = Rung { temperature: 2.0, energy: Some(5.0), ess: Some(0.1), parents: Some(30.0) };
        let last = Rung { temperature: 1.0, energy: None, ess: Some(0.5), parents: None };
        assert_eq!(course.rungs, [first, last]);
        assert_eq!(course.losses, [("score".to_owned(), vec![(0.0, 9.0), (1.0, 8.0), (2.0, 7.0)])].into());
        assert_eq!(course.borders, [2.0]);
    }

    #[test]
    fn rungs_of_others() {
        let log = events(&[
            (1, "rung 0/2 (T = 4.000000): initial data", &[("initial.step", 0.1)]),
            (
                2,
                "rung 1/2 (T = 2.000000): moves",
                &[("smc.temperature", 2.0), ("smc.ess", 0.4), ("smc.median_reduced_energy", 3.0)],
            ),
            (3, "rung 1/2 (T = 2.000000): moves", &[("smc.median_reduced_energy", 2.5)]),
        ]);
        let rung = Rung { temperature: 2.0, energy: Some(2.5), ess: Some(0.4), parents: None };
        assert_eq!(Course::read(&log, 1.0).rungs, [rung]);
        let log = events(&[(1, "stage 1/7 (T = 1200 to 952): weighting", &[("anneal.ess", 0.03)])]);
        assert_eq!(Course::read(&log, 300.0).rungs[0].temperature, 952.0);
        let rung = Named { number: 3, begin: Some(1.5), end: None };
        assert_eq!([named("sampling"), named("rung 3 (T = 1.5): moves")], [None, Some(rung)]);
        let twice = events(&[
            (1, "stage 6/7 (T = 378 to 300): weighting", &[("anneal.ess", 0.03)]),
            (2, "stage 7/7 (T = 300 to 300): weighting", &[("anneal.ess", 0.06)]),
        ]);
        assert_eq!(Course::read(&twice, 300.0).rungs.iter().map(|r| r.ess).collect::<Vec<_>>(), [Some(0.06)]);
    }
}
