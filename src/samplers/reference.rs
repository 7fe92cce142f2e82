//! Reference ensembles: made once by replica exchange, cached on disk under the digest of what was asked for.
//!
//! Frames lie copy after copy: the first and second half of the arrays come from disjoint copies of the ladder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::md::ReplicaExchange;
use super::{Context, Progress, Sampler};
use crate::array::{get, read_npz, write_npz};
use crate::config::spec::{ReferenceSpec, SystemSpec};
use crate::energy::{Counts, Metered, Purpose};
use crate::error::{Error, Result};
use crate::systems;

/// How well the reference has converged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvergenceReport {
    /// Frames.
    pub frames: usize,
    /// Energy evaluations by purpose.
    pub evaluations: Counts,
    /// Wasserstein-1 distance of the energies (energy unit) between first and second half of the copies.
    pub split_energy_w1: f64,
    /// Exchange acceptance between neighbouring temperatures, hot to cold.
    pub exchange_acceptance: Vec<f64>,
    /// MALA acceptance at each temperature, hot to cold.
    pub acceptance: Vec<f64>,
    /// Trips of replicas from target to hottest and back.
    pub round_trips: u64,
    /// Mean energy.
    pub mean_energy: f64,
    /// Standard error of the mean energy, over independent copies.
    pub mean_energy_error: f64,
}

/// A reference ensemble in memory.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Digest of system and settings, hexadecimal.
    pub digest: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Frames `[n, atoms, 3]`.
    pub positions: Vec<f64>,
    /// Energies `[n]`.
    pub energies: Vec<f64>,
    /// Atoms per frame.
    pub atoms: usize,
    /// How well it has converged.
    pub report: ConvergenceReport,
}

/// `reference.json`.
#[derive(Serialize, Deserialize)]
struct Record {
    digest: String,
    system: SystemSpec,
    spec: ReferenceSpec,
    npz_sha256: String,
    report: ConvergenceReport,
}

/// SHA-256 of the canonical JSON of system and settings, hexadecimal.
///
/// # Errors
/// [`Error::Internal`] when a setting cannot be written as JSON.
pub fn digest(system: &SystemSpec, spec: &ReferenceSpec) -> Result<String> {
    let text = serde_json::to_string(&(system, spec)).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(hex(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Loads `<root>/<first 16 digits of the digest>/reference.npz`, or makes it.
///
/// # Errors
/// [`Error::Digest`] when the file does not match its record, [`Error::Interrupted`] when `interrupted` says so, and
/// whatever the sampler or the file system reports.
pub fn ensure(
    root: &Path,
    system: &SystemSpec,
    spec: &ReferenceSpec,
    progress: &mut dyn FnMut(&Progress),
    interrupted: &dyn Fn() -> bool,
) -> Result<Reference> {
    let digest = digest(system, spec)?;
    let dir = root.join(&digest[..16]);
    if !dir.join("reference.json").exists() {
        make(&dir, &digest, system, spec, progress, interrupted)?;
    }
    load(&dir, digest, systems::by_name(&system.name, system.temperature)?.atoms)
}

fn make(
    dir: &Path,
    digest: &str,
    system: &SystemSpec,
    spec: &ReferenceSpec,
    progress: &mut dyn FnMut(&Progress),
    interrupted: &dyn Fn() -> bool,
) -> Result<()> {
    let built = Arc::new(systems::by_name(&system.name, system.temperature)?);
    let energy = Metered::new(built.potential(), spec.sampler.budget);
    let mut ctx = Context { system: built, energy, seed: spec.seed };
    let mut sampler = ReplicaExchange::new(&spec.sampler, &ctx, Purpose::Reference)?;
    loop {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let now = sampler.step(&mut ctx)?;
        progress(&now);
        if now.finished {
            break;
        }
    }
    let samples = sampler.samples()?;
    let energies = get(&samples, "energy", dir)?.to_f64();
    let (mean_energy, mean_energy_error) = mean_over_copies(&energies, spec.sampler.copies);
    let (first, second) = energies.split_at(energies.len() / 2);
    let report = ConvergenceReport {
        frames: energies.len(),
        evaluations: ctx.energy.counts().clone(),
        split_energy_w1: wasserstein(first, second),
        exchange_acceptance: sampler.exchange_acceptance(),
        acceptance: sampler.acceptance(),
        round_trips: sampler.round_trips(),
        mean_energy,
        mean_energy_error,
    };
    std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    // The record is renamed into place last: a folder without it is unfinished and made again.
    let (part, path) = (dir.join(format!("reference.npz.part{}", std::process::id())), dir.join("reference.npz"));
    write_npz(&part, &samples)?;
    let npz_sha256 = hex(&std::fs::read(&part).map_err(Error::io(&part))?);
    std::fs::rename(&part, &path).map_err(Error::io(&path))?;
    let record = Record { digest: digest.to_owned(), system: system.clone(), spec: spec.clone(), npz_sha256, report };
    let text = serde_json::to_string_pretty(&record).map_err(|e| Error::Internal(e.to_string()))?;
    let (part, path) = (dir.join(format!("reference.json.part{}", std::process::id())), dir.join("reference.json"));
    std::fs::write(&part, text).map_err(Error::io(&part))?;
    std::fs::rename(&part, &path).map_err(Error::io(&path))
}

fn load(dir: &Path, digest: String, atoms: usize) -> Result<Reference> {
    let path = dir.join("reference.json");
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    let record: Record = serde_json::from_str(&text)
        .map_err(|e| Error::data(&path, format!("{e}; delete the folder to make it again")))?;
    let npz = dir.join("reference.npz");
    let found = hex(&std::fs::read(&npz).map_err(Error::io(&npz))?);
    if found != record.npz_sha256 || digest != record.digest {
        let message = format!("digest {found}, recorded {}; delete the folder to make it again", record.npz_sha256);
        return Err(Error::Digest { path: npz, message });
    }
    let arrays = read_npz(&npz)?;
    let positions = get(&arrays, "positions", &npz)?.to_f64();
    let energies = get(&arrays, "energy", &npz)?.to_f64();
    Ok(Reference { digest, dir: dir.to_path_buf(), positions, energies, atoms, report: record.report })
}

/// Wasserstein-1 distance between two samples: the integral of the difference of their quantile functions, compared at
/// the ranks of the smaller one.
fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    let sorted = |v: &[f64]| {
        let mut v = v.to_vec();
        v.sort_by(f64::total_cmp);
        v
    };
    let (a, b) = (sorted(a), sorted(b));
    let n = a.len().min(b.len());
    let quantile = |v: &[f64], k: usize| v[(2 * k + 1) * v.len() / (2 * n)];
    (0..n).map(|k| (quantile(&a, k) - quantile(&b, k)).abs()).sum::<f64>() / n as f64
}

/// Mean, and its standard error over copies (runs of consecutive frames).
fn mean_over_copies(energies: &[f64], copies: usize) -> (f64, f64) {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let means: Vec<f64> = energies.chunks(energies.len().div_ceil(copies)).map(mean).collect();
    let centre = mean(&means);
    let squares: f64 = means.iter().map(|m| (m - centre).powi(2)).sum();
    let n = means.len() as f64;
    (mean(energies), if n > 1.0 { (squares / (n - 1.0) / n).sqrt() } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::spec::ReplicaExchangeSpec;

    #[test]
    fn wasserstein_of_a_shift() {
        assert!((wasserstein(&[3.0, 1.0, 2.0], &[1.5, 3.5, 2.5]) - 0.5).abs() < 1e-15);
    }

    #[test]
    fn made_once_then_loaded_and_guarded() {
        let root = tempfile::tempdir().unwrap();
        let system = SystemSpec { name: "lj13".into(), temperature: 1.0 };
        let sampler =
            ReplicaExchangeSpec { copies: 2, equilibration: 50, stride: 5, samples: 20, ..Default::default() };
        let spec = ReferenceSpec { seed: 1, sampler };
        let mut calls = 0;
        let made = ensure(root.path(), &system, &spec, &mut |_| calls += 1, &|| false).unwrap();
        assert!(calls > 0 && made.energies.len() == 20 && made.positions.len() == 20 * 39);
        // 2 copies of 8 temperatures: one evaluation at the start, then one per step.
        assert_eq!(made.report.evaluations.0[&Purpose::Reference], 16 * (1 + 50 + 5 * 10));
        let again = ensure(root.path(), &system, &spec, &mut |_| panic!("made twice"), &|| true).unwrap();
        assert_eq!((again.positions, again.report), (made.positions, made.report));
        let npz = made.dir.join("reference.npz");
        let mut bytes = std::fs::read(&npz).unwrap();
        bytes[200] ^= 1;
        std::fs::write(&npz, bytes).unwrap();
        assert!(matches!(ensure(root.path(), &system, &spec, &mut |_| (), &|| false), Err(Error::Digest { .. })));
        let other = ReferenceSpec { seed: 2, ..spec };
        assert!(matches!(ensure(root.path(), &system, &other, &mut |_| (), &|| true), Err(Error::Interrupted)));
    }
}
