//! Reference ensembles: replica exchange with a seed of its own, cached by digest, with a convergence report.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::md::ReplicaExchange;
use super::{Context, Progress, Sampler};
use crate::array::{read_npz, write_npz};
use crate::config::spec::{ReferenceSpec, SystemSpec};
use crate::energy::{Counts, Metered, Purpose};
use crate::error::{Error, Result};
use crate::systems;

/// How far a reference can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// Frames.
    pub frames: usize,
    /// Mean reduced energy.
    pub mean_energy: f64,
    /// Its standard error, from the spread between independent copies.
    pub mean_energy_error: f64,
    /// Energy-W1 (reduced) between disjoint halves of the copies: no method can be seen to be closer than this.
    pub split_energy_w1: f64,
    /// Exchange acceptance between neighbouring temperatures, hot to cold.
    pub exchange_acceptance: Vec<f64>,
    /// Replicas that crossed the ladder and came back.
    pub round_trips: u64,
    /// Energy evaluations it cost.
    pub counts: Counts,
}

/// A finished reference ensemble.
#[derive(Debug, Clone)]
pub struct Reference {
    /// What was asked for, as a digest.
    pub digest: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Frames `[n, atoms, 3]`; frame `i` comes from copy `i % copies`, so even and odd frames are disjoint copies.
    pub positions: Vec<f64>,
    /// Unreduced energies `[n]`.
    pub energies: Vec<f64>,
    /// Atoms per frame.
    pub atoms: usize,
    /// How far it can be trusted.
    pub report: Convergence,
}

/// What `reference.json` holds.
#[derive(Serialize, Deserialize)]
struct Card {
    system: SystemSpec,
    spec: ReferenceSpec,
    npz_sha256: String,
    report: Convergence,
}

/// Loads the reference ensemble `digest` from `<root>/<first 16 digits>/`, or makes it there.
///
/// # Errors
/// [`Error::Digest`] when a cached file was changed; [`Error::Interrupted`] when `interrupted` says so.
pub fn ensure(
    root: &Path,
    digest: &str,
    system: &SystemSpec,
    spec: &ReferenceSpec,
    progress: &mut dyn FnMut(&Progress),
    interrupted: &dyn Fn() -> bool,
) -> Result<Reference> {
    let dir = root.join(&digest[..16.min(digest.len())]);
    if !dir.join("reference.json").exists() {
        make(&dir, system, spec, progress, interrupted)?;
    }
    load(&dir, digest)
}

fn load(dir: &Path, digest: &str) -> Result<Reference> {
    let card_path = dir.join("reference.json");
    let text = std::fs::read_to_string(&card_path).map_err(Error::io(&card_path))?;
    let card: Card = serde_json::from_str(&text).map_err(|e| Error::data(&card_path, e.to_string()))?;
    let npz = dir.join("reference.npz");
    let found = sha256(&std::fs::read(&npz).map_err(Error::io(&npz))?);
    if found != card.npz_sha256 {
        return Err(Error::Digest {
            path: npz,
            message: format!(
                "SHA-256 is {found}, recorded {}; delete the folder to make the reference again",
                card.npz_sha256
            ),
        });
    }
    let arrays = read_npz(&npz)?;
    let positions = crate::array::get(&arrays, "positions", &npz)?;
    Ok(Reference {
        digest: digest.to_owned(),
        dir: dir.to_path_buf(),
        atoms: positions.shape.get(1).copied().unwrap_or(0),
        positions: positions.to_f64(),
        energies: crate::array::get(&arrays, "energy", &npz)?.to_f64(),
        report: card.report,
    })
}

fn make(
    dir: &Path,
    system: &SystemSpec,
    spec: &ReferenceSpec,
    progress: &mut dyn FnMut(&Progress),
    interrupted: &dyn Fn() -> bool,
) -> Result<()> {
    let sys = Arc::new(systems::build(system)?);
    let energy = Metered::new(sys.potential(), None);
    let kt = sys.kt(sys.temperature);
    let mut ctx = Context { system: sys, energy, seed: spec.seed };
    let mut sampler = ReplicaExchange::new(&spec.sampler, &ctx, Purpose::Reference)?;
    loop {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let p = sampler.step(&mut ctx)?;
        progress(&p);
        if p.finished {
            break;
        }
    }
    let samples = sampler.samples()?;
    let reduced: Vec<f64> = samples["energy"].to_f64().iter().map(|e| e / kt).collect();
    let report = convergence(&reduced, spec.sampler.copies, &sampler, ctx.energy.counts().clone());

    // Built beside its final place and renamed, so that a half-made reference is never taken for one.
    let parent = dir.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    let mut name = dir.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let draft = parent.join(name);
    std::fs::create_dir_all(&draft).map_err(Error::io(&draft))?;
    let npz = draft.join("reference.npz");
    write_npz(&npz, &samples)?;
    let npz_sha256 = sha256(&std::fs::read(&npz).map_err(Error::io(&npz))?);
    let card = Card { system: system.clone(), spec: spec.clone(), npz_sha256, report };
    let text = serde_json::to_string_pretty(&card).map_err(|e| Error::Internal(e.to_string()))?;
    let card_path = draft.join("reference.json");
    std::fs::write(&card_path, text).map_err(Error::io(&card_path))?;
    if let Err(e) = std::fs::rename(&draft, dir) {
        let _ = std::fs::remove_dir_all(&draft);
        // Another process may have finished the same reference first: then its result is ours.
        if !dir.join("reference.json").exists() {
            return Err(Error::io(dir)(e));
        }
    }
    Ok(())
}

fn convergence(reduced: &[f64], copies: usize, sampler: &ReplicaExchange, counts: Counts) -> Convergence {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    let by_copy: Vec<f64> =
        (0..copies).map(|c| mean(&reduced.iter().skip(c).step_by(copies).copied().collect::<Vec<_>>())).collect();
    let centre = mean(&by_copy);
    let spread: f64 = by_copy.iter().map(|m| (m - centre).powi(2)).sum();
    let half = |odd: usize| {
        let frames = reduced.iter().enumerate().filter(|(i, _)| i % copies % 2 == odd);
        let mut v: Vec<f64> = frames.map(|(_, &u)| u).collect();
        v.sort_by(f64::total_cmp);
        v
    };
    let (even, odd) = (half(0), half(1));
    let n = even.len().min(odd.len()).max(1);
    let split = even.iter().zip(&odd).map(|(a, b)| (a - b).abs()).sum::<f64>() / n as f64;
    Convergence {
        frames: reduced.len(),
        mean_energy: mean(reduced),
        mean_energy_error: (spread / (copies.max(2) - 1) as f64 / copies as f64).sqrt(),
        split_energy_w1: split,
        exchange_acceptance: sampler.exchange_acceptance(),
        round_trips: sampler.round_trips(),
        counts,
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
