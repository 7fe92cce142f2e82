//! What a sweep would cost, beside what this machine has: refused before anything runs where it cannot fit.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::planned::Planned;
use super::references;
use super::science::Science;
use crate::error::{Error, Result};
use crate::identity;
use crate::plan::Action;
use crate::plan::cost::{self, Cost};
use crate::record::{self, Provenance, Status, atomic};
use crate::spec::SystemSpec;
use crate::{disk, stats};

/// What a cell or a reference is expected to cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Forecast {
    /// By its settings.
    #[serde(flatten)]
    pub cost: Cost,
    /// About how long it takes, seconds.
    pub seconds: Option<f64>,
    /// Where that is known from.
    pub seconds_from: Source,
}

/// Where an expected time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Complete runs of the same settings here.
    EarlierRuns,
    /// Rates that were measured elsewhere.
    Rates,
    /// Nowhere.
    Unknown,
}

/// A reference that a sweep needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceReport {
    /// Key of the system.
    pub system: String,
    /// Temperature.
    pub temperature: f64,
    /// Beginning of its digest, which is its folder.
    pub digest: String,
    /// Whether it is there already.
    pub there: bool,
    /// What making it costs.
    pub forecast: Forecast,
}

/// What this machine has, bytes; `None` where it does not say.
#[derive(Debug, Clone, Copy)]
pub(in crate::exec) struct Machine {
    pub(super) memory: Option<u64>,
    pub(super) disk: Option<u64>,
}

impl Machine {
    /// This machine: its memory (or what the control group leaves of it), and free space where results go.
    pub(in crate::exec) fn here(results: &Path) -> Self {
        let all = identity::env().memory_mib.saturating_mul(1 << 20);
        let group =
            std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|s| s.trim().parse::<u64>().ok());
        let memory = [(all > 0).then_some(all), group].into_iter().flatten().min();
        let results = std::path::absolute(results).unwrap_or_default();
        Self { memory, disk: results.ancestors().find(|p| p.exists()).and_then(disk::free) }
    }

    /// Another machine, of which nothing is known.
    pub(in crate::exec) const UNKNOWN: Self = Self { memory: None, disk: None };
}

/// Forecasts of planned cells; systems and earlier runs are looked up once for all seeds.
///
/// # Errors
/// When a system cannot be built.
pub(in crate::exec) fn cells(science: &dyn Science, results: &Path, planned: &[Planned]) -> Result<Vec<Forecast>> {
    let mut sizes = Sizes::default();
    let mut earlier: BTreeMap<&str, Option<f64>> = BTreeMap::new();
    planned
        .iter()
        .map(|p| {
            let (atoms, molecule) = sizes.of(science, &p.cell.run.system)?;
            let mut cost = cost::run(&p.cell.run, atoms, molecule);
            let samples = p.cell.run.sampler.samples().unwrap_or(0);
            cost.memory = cost.memory.max(cost::evaluation(&p.cell.eval, samples, atoms));
            let known =
                *earlier.entry(&p.asked.spec_digest).or_insert_with(|| earlier_runs(results, &p.asked.spec_digest));
            Ok(forecast(cost, known))
        })
        .collect()
}

/// The references that planned cells need, each once.
///
/// # Errors
/// When a system cannot be built.
pub(in crate::exec) fn of_references(
    science: &dyn Science,
    results: &Path,
    planned: &[Planned],
) -> Result<Vec<ReferenceReport>> {
    let mut sizes = Sizes::default();
    let mut found: Vec<ReferenceReport> = Vec::new();
    let same = |a: &Planned, b: &Planned| {
        a.cell.run.system == b.cell.run.system && a.cell.eval.reference == b.cell.eval.reference
    };
    // Seeds lie together.
    for cells in planned.chunk_by(same) {
        let cell = &cells[0].cell;
        let (system, spec) = (&cell.run.system, &cell.eval.reference);
        let digest = identity::short(&identity::reference_digest(system, spec)).to_owned();
        if found.iter().any(|known| known.digest == digest) {
            continue;
        }
        let (atoms, molecule) = sizes.of(science, system)?;
        found.push(ReferenceReport {
            system: cell.system.clone(),
            temperature: system.temperature,
            digest,
            there: references::exists(results, system, spec),
            forecast: forecast(cost::reference(spec, atoms, molecule), None),
        });
    }
    Ok(found)
}

/// Refuses what cannot fit: a cell that needs more memory than there is, or all that is to be done more disk.
///
/// # Errors
/// [`Error::Usage`], naming the first cell, what it needs and what there is.
pub(in crate::exec) fn check(
    planned: &[Planned],
    forecasts: &[Forecast],
    references: &[ReferenceReport],
    machine: Machine,
) -> Result<()> {
    let mut kept = 0_u64;
    let mut fits = |name: &dyn Fn() -> String, forecast: &Forecast| -> Result<()> {
        let refuse = |why: String| {
            let remedy = "ask for fewer or smaller ones (walkers, copies, samples, particles, draws, features)";
            Err(Error::Usage(format!("{}: {why}; {remedy}", name())))
        };
        if let Some(why) = forecast.cost.refusal() {
            return refuse(why);
        }
        let (needs, has) = (forecast.cost.memory, machine.memory);
        if let Some(has) = has.filter(|has| needs > *has) {
            return refuse(format!("needs {} of memory or more, this machine has {}", bytes(needs), bytes(has)));
        }
        if needs == u64::MAX {
            return refuse("needs more memory than any machine has".into());
        }
        let disk = kept.saturating_add(forecast.cost.disk);
        kept = kept.saturating_add(forecast.cost.kept);
        match machine.disk {
            Some(has) if disk > has => {
                refuse(format!("with what is done before it takes {} of disk, {} are free", bytes(disk), bytes(has)))
            }
            _ => Ok(()),
        }
    };
    for r in references.iter().filter(|r| !r.there) {
        fits(&|| format!("the reference of `systems.{}`", r.system), &r.forecast)?;
    }
    for (p, forecast) in planned.iter().zip(forecasts) {
        if matches!(p.action, Action::Run | Action::Resume) {
            let name = || format!("`samplers.{}` on `systems.{}`", p.cell.sampler, p.cell.system);
            fits(&name, forecast)?;
        }
    }
    Ok(())
}

fn forecast(cost: Cost, earlier: Option<f64>) -> Forecast {
    let threads = rayon::current_num_threads().max(1) as f64;
    let (seconds, seconds_from) = match (earlier, cost.work) {
        (Some(seconds), _) => (Some(seconds), Source::EarlierRuns),
        (None, Some(work)) => (Some(work / threads), Source::Rates),
        (None, None) => (None, Source::Unknown),
    };
    Forecast { cost, seconds, seconds_from }
}

/// Seconds of complete runs with this spec, whatever their seed: the mean.
fn earlier_runs(results: &Path, spec_digest: &str) -> Option<f64> {
    let runs = record::runs_of(results, spec_digest).ok()?;
    let complete = runs.iter().filter(|run| run.status() == Status::Complete);
    let seconds: Vec<f64> = complete
        .filter_map(|run| atomic::read_json::<Provenance>(&run.file("provenance.json")).ok())
        .map(|provenance| provenance.wall_seconds())
        .take(20)
        .collect();
    stats::mean(&seconds)
}

/// Sizes of systems, each built once.
#[derive(Default)]
struct Sizes(Vec<(SystemSpec, usize, bool)>);

impl Sizes {
    /// Atoms, and whether it is a molecule.
    fn of(&mut self, science: &dyn Science, spec: &SystemSpec) -> Result<(usize, bool)> {
        if let Some((_, atoms, molecule)) = self.0.iter().find(|(s, ..)| s.name == spec.name && s.files == spec.files) {
            return Ok((*atoms, *molecule));
        }
        let (atoms, molecule) = science.size(spec)?;
        self.0.push((spec.clone(), atoms, molecule));
        Ok((atoms, molecule))
    }
}

/// Bytes as people say them.
#[must_use]
pub fn bytes(n: u64) -> String {
    let mut unit = 0;
    let mut value = n as f64;
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95 && unit > 0);
    format!("{value:.digits$} {}", units[unit])
}

/// A time as people say it.
#[must_use]
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 99.5 * 60.0 => format!("{:.0} min", s / 60.0),
        s if s < 99.5 * 3_600.0 => format!("{:.0} h", s / 3_600.0),
        s if s < 1e4 * 86_400.0 => format!("{:.0} days", s / 86_400.0),
        s => format!("{:.0e} years", s / 31_557_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(
            [0, 999, 1_000, 12_345, 1 << 30, u64::MAX].map(bytes),
            ["0 B", "999 B", "1.0 kB", "12 kB", "1.1 GB", "18 EB"]
        );
        assert_eq!(
            [0.2, 99.0, 100.0, 7_200.0, 4e5, 1e8, 1e12].map(time),
            ["0 s", "99 s", "2 min", "2 h", "5 days", "1157 days", "3e4 years"]
        );
    }

    #[test]
    fn this_machine_says_what_it_has() {
        let machine = Machine::here(Path::new("nowhere/at/all"));
        assert!(
            cfg!(not(target_os = "linux")) || machine.memory.is_some_and(|m| m > 1 << 28) && machine.disk.is_some()
        );
    }
}
