//! Accepted reference ensembles: independent runs, thinned and put in turns, with what they cost and how far apart they are.
//! Those of the built-in systems are part of the program; a results folder may hold others, or other versions of them.
//!
//! ```text
//! results/accepted/references/<name>/     reference.json (written last), frames.xtc, reference.npz
//! ```
//!
//! Frames are rounded to 1e-5 of the unit of length, which moves energies by some hundredths of kT; energies are those of the rounded
//! frames, in f64.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Reference;
use crate::array::{Array, Arrays, decode_npz, decode_xtc, get, read_xtc, write_npz, write_xtc};
use crate::energy::Counts;
use crate::error::{Error, Result};
use crate::identity;
use crate::metrics::structure::Structure;
use crate::metrics::{self, MetricValue, ReferenceSet};
use crate::record::{Results, atomic, timestamp};
use crate::samplers::reference::{Convergence, Population};
use crate::spec::{EvalSpec, ReferenceSpec, SystemSpec};
use crate::{disk, systems, words};

const CARD: &str = "reference.json";
const FRAMES: &str = "frames.xtc";
const ARRAYS: &str = "reference.npz";
/// Its files, the card first.
pub(in crate::exec) const FILES: [&str; 3] = [CARD, FRAMES, ARRAYS];
/// Largest file of an accepted ensemble.
const LARGEST: u64 = 1 << 30;
/// Steps per unit of length in files of frames.
const PRECISION: f32 = 1e5;
/// Energies (reduced) may differ by so much when they are computed again on another machine.
const ENERGY: f64 = 1e-6;

/// What `reference.json` of an accepted ensemble holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// What was sampled.
    pub system: SystemSpec,
    /// How: one recipe for each independent run.
    pub runs: Vec<ReferenceSpec>,
    /// Over all frames of all runs, before thinning.
    pub report: Convergence,
    /// For each run.
    pub reports: Vec<Convergence>,
    /// How far the first two runs are from each other: as many frames of each as are kept.
    pub apart: Vec<MetricValue>,
    /// When it was accepted.
    pub time: String,
    /// Digest of the code that can change samples, then.
    pub code: String,
    /// SHA-256 of the files beside this one.
    pub files: BTreeMap<String, String>,
}

/// An ensemble that is part of the program.
struct Embedded {
    name: &'static str,
    files: [(&'static str, &'static [u8]); 3],
}

/// The files of [`crate::config::ACCEPTED`].
macro_rules! embedded {
    ($($name:literal),*) => {
        [$(Embedded {
            name: $name,
            files: [
                (CARD, include_bytes!(concat!("../../../results/accepted/references/", $name, "/reference.json"))),
                (FRAMES, include_bytes!(concat!("../../../results/accepted/references/", $name, "/frames.xtc"))),
                (ARRAYS, include_bytes!(concat!("../../../results/accepted/references/", $name, "/reference.npz"))),
            ],
        }),*]
    };
}

static EMBEDDED: &[Embedded] = &embedded!["lj13-1", "lj55-1", "aldp-300", "al3-300", "al3-310"];

/// Names of the accepted ensembles of the program and of a results folder.
#[must_use]
pub fn names(results: &Path) -> Vec<String> {
    let there = std::fs::read_dir(root(results)).into_iter().flatten().flatten();
    let there = there.filter(|e| e.path().join(CARD).exists()).map(|e| e.file_name().to_string_lossy().into_owned());
    let all: BTreeSet<String> = EMBEDDED.iter().map(|e| e.name.to_owned()).chain(there).collect();
    all.into_iter().collect()
}

/// Where a results folder keeps its accepted ensembles.
pub(in crate::exec) fn root(results: &Path) -> PathBuf {
    Results(results).accepted().join(Results::REFERENCES)
}

/// The bytes of a file of an ensemble: of the results folder, or else of the program; `None` where neither knows it.
///
/// # Errors
/// [`Error::Io`].
pub(in crate::exec) fn bytes(results: &Path, name: &str, file: &str) -> Result<Option<Cow<'static, [u8]>>> {
    let path = root(results).join(name);
    if path.join(CARD).exists() {
        let path = path.join(file);
        return Ok(Some(disk::read(&path, LARGEST).map_err(Error::io(&path))?.into()));
    }
    let found = EMBEDDED.iter().find(|e| e.name == name);
    Ok(found.and_then(|e| e.files.iter().find(|(f, _)| *f == file)).map(|(_, bytes)| Cow::Borrowed(*bytes)))
}

/// What is known of an ensemble, and the SHA-256 that stands for all of it.
///
/// # Errors
/// [`Error::NothingSelected`] for an unknown name, [`Error::Data`] for a malformed file.
pub fn card(results: &Path, name: &str) -> Result<(Card, String)> {
    let Some(bytes) = bytes(results, name, CARD)? else {
        let all = names(results);
        let near = words::nearest(name, all.iter().map(String::as_str))
            .map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        let known = all.join(", ");
        return Err(Error::NothingSelected(format!("no accepted reference `{name}` (known: {known}){near}")));
    };
    let path = root(results).join(name).join(CARD);
    Ok((atomic::parse_json(&bytes, &path)?, identity::sha256_hex(&bytes)))
}

/// Reads an accepted ensemble of a system and compares its files with their digests.
///
/// # Errors
/// [`Error::Digest`] for changed files; [`Error::Usage`] when it is of another system or temperature.
pub(super) fn load(results: &Path, name: &str, system: &SystemSpec, digest: String) -> Result<Reference> {
    let (card, _) = card(results, name)?;
    let plain = ReferenceSpec::default();
    if identity::reference_digest(&card.system, &plain) != identity::reference_digest(system, &plain) {
        return Err(Error::Usage(format!(
            "the accepted reference `{name}` is of {} at {}, not of {} at {}",
            card.system.name, card.system.temperature, system.name, system.temperature
        )));
    }
    let dir = root(results).join(name);
    let file = |file: &str| -> Result<Cow<'static, [u8]>> {
        let path = dir.join(file);
        let bytes = bytes(results, name, file)?.ok_or_else(|| Error::data(&path, "is missing"))?;
        let found = identity::sha256_hex(&bytes);
        match card.files.get(file) {
            Some(recorded) if *recorded == found => Ok(bytes),
            recorded => {
                let recorded = recorded.map_or("none", String::as_str);
                let remedy =
                    "remove the folder to use the program's own, or make it again with `pita-bench reference --remake";
                Err(Error::digest(path, format!("SHA-256 is {found}, recorded {recorded}; {remedy} {name}`")))
            }
        }
    };
    let mut arrays = decode_npz(Cursor::new(file(ARRAYS)?), &dir.join(ARRAYS))?;
    arrays.append(&mut decode_xtc(&file(FRAMES)?, &dir.join(FRAMES))?);
    Ok(Reference { digest, dir, arrays, runs: card.runs.len(), report: card.report })
}

/// What [`verify`] found.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// The name.
    pub name: String,
    /// Frames.
    pub frames: usize,
    /// Largest difference between a recorded energy and the one computed now, in kT.
    pub energy_apart: f64,
}

/// Compares an ensemble with its digests, and its energies with what its frames have now.
///
/// # Errors
/// [`Error::Digest`] when anything differs.
pub fn verify(results: &Path, name: &str) -> Result<Verified> {
    let (card, _) = card(results, name)?;
    let reference = load(results, name, &card.system, String::new())?;
    let system = systems::build(&card.system)?;
    let kt = system.kt(card.system.temperature);
    let path = reference.dir.join(ARRAYS);
    let recorded = get(&reference.arrays, "energy", &path)?.to_f64();
    let now = metrics::evaluate::energies(&system, &get(&reference.arrays, "positions", &path)?.to_f64());
    let energy_apart = recorded.iter().zip(&now).map(|(a, b)| (a - b).abs() / kt).fold(0.0, f64::max);
    if recorded.len() != now.len() || energy_apart > ENERGY {
        let message =
            format!("energies differ by up to {energy_apart:e} kT from those of the frames, expected {ENERGY:e}");
        return Err(Error::digest(path, message));
    }
    Ok(Verified { name: name.to_owned(), frames: now.len(), energy_apart })
}

/// Thins independent runs of a system to `frames` frames in all, and keeps them under a name in the results folder.
///
/// # Errors
/// Files that cannot be written; what metrics refuse.
pub fn accept(
    results: &Path,
    name: &str,
    system: &SystemSpec,
    runs: &[(ReferenceSpec, Reference)],
    frames: usize,
) -> Result<Card> {
    let built = systems::build(system)?;
    let dim = 3 * built.atoms;
    let each = frames / runs.len().max(1);
    let dir = root(results).join(name);
    disk::create_folder(&dir).map_err(Error::io(&dir))?;
    let mut thinned = Vec::new();
    for (_, run) in runs {
        let positions = get(&run.arrays, "positions", run.dir.join(ARRAYS))?.to_f64();
        let there = positions.len() / dim;
        let at = |k: usize| k * there / each.min(there);
        thinned.push((0..each.min(there)).flat_map(|k| positions[at(k) * dim..][..dim].to_vec()).collect::<Vec<f64>>());
    }
    let each = thinned.iter().map(|t| t.len() / dim).min().unwrap_or(0);
    let in_turns: Vec<f64> =
        (0..each).flat_map(|k| thinned.iter().flat_map(move |t| t[k * dim..][..dim].to_vec())).collect();
    write_xtc(dir.join(FRAMES), &in_turns, built.atoms, PRECISION)?;
    let positions = get(&read_xtc(dir.join(FRAMES))?, "positions", dir.join(FRAMES))?.to_f64();
    let energies = metrics::evaluate::energies(&built, &positions);
    let mut arrays = Arrays::from([("energy".to_owned(), Array::f64(&[energies.len()], energies.clone()))]);
    let tica = slow_components(&built, runs)?;
    if let Some(models) = &tica {
        arrays.extend(models.to_arrays().into_iter().map(|(name, array)| (format!("tica.{name}"), array)));
    }
    write_npz(dir.join(ARRAYS), &arrays)?;

    let of_run =
        |r: usize| -> Vec<f64> { positions.chunks_exact(dim).skip(r).step_by(runs.len()).flatten().copied().collect() };
    let apart = if runs.len() < 2 {
        Vec::new()
    } else {
        let set = ReferenceSet {
            digest: String::new(),
            positions: of_run(1),
            energies: energies.iter().skip(1).step_by(runs.len()).copied().collect(),
            tica: tica.map(Arc::new),
            precision: None,
            runs: 1,
        };
        let samples = Arrays::from([("positions".to_owned(), Array::f64(&[each, built.atoms, 3], of_run(0)))]);
        let ids = if built.topology.is_some() { APART_MOLECULE } else { APART_CLUSTER };
        let eval = EvalSpec { metrics: ids.map(String::from).to_vec(), n: each, ..EvalSpec::default() };
        metrics::evaluate(&built, &samples, &set, &eval, 0, None)?
    };
    let reports: Vec<Convergence> = runs.iter().map(|(_, run)| run.report.clone()).collect();
    let files = [FRAMES, ARRAYS].map(|file| Ok((file.to_owned(), atomic::sha256_file(&dir.join(file))?)));
    let card = Card {
        name: name.to_owned(),
        system: system.clone(),
        runs: runs.iter().map(|(spec, _)| spec.clone()).collect(),
        report: pooled(&reports, &apart),
        reports,
        apart,
        time: timestamp(),
        code: identity::code().sampling.clone(),
        files: files.into_iter().collect::<Result<_>>()?,
    };
    atomic::write_json(&dir.join(CARD), &card)?;
    Ok(card)
}

/// What the distance between two runs is stated in.
const APART_MOLECULE: [&str; 6] = ["energy-w1", "energy-w2", "t-w2", "rama-kl", "tica-w2", "phi-population-error"];
const APART_CLUSTER: [&str; 6] = ["energy-w1", "energy-w2", "distance-w2", "geo-w1-ref", "geo-w2", "mean-energy"];

/// TICA models of the trajectories of all runs.
fn slow_components(
    system: &systems::System,
    runs: &[(ReferenceSpec, Reference)],
) -> Result<Option<metrics::structure::tica::Models>> {
    let Some(structure) = Structure::of(system)?.filter(|s| s.features.dim() > 1) else { return Ok(None) };
    let (mut positions, mut lengths, mut lag) = (Vec::new(), Vec::new(), 0);
    for (spec, run) in runs {
        if let (Some(settings), Some(array)) = (&spec.trajectory, run.arrays.get("trajectory")) {
            positions.extend(array.to_f64());
            lengths.extend(vec![settings.frames; settings.walkers]);
            lag = settings.lag;
        }
    }
    if lengths.is_empty() { Ok(None) } else { structure.fit_tica(&positions, &lengths, lag).map(Some) }
}

/// The report of several independent runs of one recipe.
fn pooled(reports: &[Convergence], apart: &[MetricValue]) -> Convergence {
    let n = reports.len().max(1) as f64;
    let mean = |of: &dyn Fn(&Convergence) -> f64| reports.iter().map(of).sum::<f64>() / n;
    let error = |of: &dyn Fn(&Convergence) -> f64| reports.iter().map(|r| of(r).powi(2)).sum::<f64>().sqrt() / n;
    let apart = apart.iter().find(|m| m.id == "energy-w1").and_then(|m| m.value);
    let mut counts = Counts::default();
    for report in reports {
        for (purpose, count) in &report.counts.0 {
            *counts.0.entry(*purpose).or_default() += count;
        }
    }
    let first = reports.first();
    let rungs = first.map_or(0, |r| r.exchange_acceptance.len());
    let phis = first.map_or(0, |r| r.phi_positive.len());
    Convergence {
        frames: reports.iter().map(|r| r.frames).sum(),
        mean_energy: mean(&|r| r.mean_energy),
        mean_energy_error: error(&|r| r.mean_energy_error),
        split_energy_w1: apart.unwrap_or_else(|| mean(&|r| r.split_energy_w1)),
        ladder: first.map_or_else(Vec::new, |r| r.ladder.clone()),
        exchange_acceptance: (0..rungs).map(|k| mean(&|r| r.exchange_acceptance[k])).collect(),
        round_trips: reports.iter().map(|r| r.round_trips).sum(),
        phi_positive: (0..phis)
            .map(|k| Population {
                name: reports[0].phi_positive[k].name.clone(),
                mean: mean(&|r| r.phi_positive[k].mean),
                error: error(&|r| r.phi_positive[k].error),
                halves: [0, 1].map(|half| mean(&|r| r.phi_positive[k].halves[half])),
            })
            .collect(),
        notes: reports.iter().flat_map(|r| r.notes.clone()).collect(),
        counts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ACCEPTED;

    /// What the configuration knows is what the program holds; frames, energies, digests and cards fit together, and the accepted ones
    /// of the built-in systems are small enough to travel with the program.
    #[test]
    fn embedded_ones_are_sound() {
        assert_eq!(EMBEDDED.iter().map(|e| e.name).collect::<Vec<_>>(), ACCEPTED);
        let nowhere = tempfile::tempdir().unwrap();
        for name in ACCEPTED {
            let found = verify(nowhere.path(), name).unwrap();
            let (card, _) = card(nowhere.path(), name).unwrap();
            assert_eq!((card.name.as_str(), card.runs.len()), (*name, 2));
            assert_eq!(*name, format!("{}-{}", card.system.name, card.system.temperature));
            assert!(found.frames >= 2_000 && card.report.frames >= found.frames);
            assert!(card.apart.iter().all(|m| m.value.is_some()), "{name}: {:?}", card.apart);
            let asked = ReferenceSpec::accepted(&card.system).unwrap();
            assert_eq!(asked.accepted.as_deref(), Some(*name));
            let reference = super::super::ensure(nowhere.path(), &card.system, &asked, &mut |_| {}, &|| false).unwrap();
            let set = reference.set().unwrap();
            assert_eq!((set.runs, set.energies.len()), (2, found.frames));
            assert_eq!(set.tica.is_some(), !card.system.name.starts_with("lj"));
        }
        let bytes: usize = EMBEDDED.iter().flat_map(|e| e.files).map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < 8 << 20, "{bytes}");
        let other = SystemSpec { temperature: 310.0, ..card(nowhere.path(), "aldp-300").unwrap().0.system };
        let error = load(nowhere.path(), "aldp-300", &other, String::new()).unwrap_err().to_string();
        assert!(error.contains("is of aldp at 300, not of aldp at 310"), "{error}");
        assert!(card(nowhere.path(), "aldp-30").unwrap_err().to_string().contains("did you mean `aldp-300`?"));
    }

    /// A folder of the results comes before the program's own; what was changed there is seen.
    #[test]
    fn changed_files_are_seen() {
        let results = tempfile::tempdir().unwrap();
        let folder = root(results.path()).join("lj13-1");
        std::fs::create_dir_all(&folder).unwrap();
        let own = EMBEDDED.iter().find(|e| e.name == "lj13-1").unwrap();
        for (name, bytes) in own.files {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        verify(results.path(), "lj13-1").unwrap();
        let mut frames = std::fs::read(folder.join(FRAMES)).unwrap();
        frames[2_000] ^= 1;
        std::fs::write(folder.join(FRAMES), &frames).unwrap();
        let error = verify(results.path(), "lj13-1").unwrap_err();
        assert!(matches!(&error, Error::Digest { .. }) && error.to_string().contains("--remake lj13-1"), "{error}");
    }
}
