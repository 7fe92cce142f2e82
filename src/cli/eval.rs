//! `eval`: metrics of anybody's samples.

use std::path::{Path, PathBuf};

use super::{Globals, SystemArgs, output};
use crate::array::{Arrays, get, positions_of, read_frames};
use crate::config::ReferenceProfile;
use crate::error::{Error, Result};
use crate::exec::references;
use crate::metrics::bootstrap::MOST;
use crate::metrics::{MetricValue, ReferenceSet, by_id, evaluate, evaluate::energies, registry::ids_for};
use crate::report::table::number;
use crate::spec::{EvalSpec, ReferenceSpec, SystemSpec};
use crate::systems::{System, wholeness};

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench eval --system lj13 --temperature 1 --samples mine.npz
  pita-bench eval --system aldp --temperature 300 --samples mine.xtc --reference long-md.xtc
  pita-bench eval --xml mine.xml --pdb mine.pdb --temperature 300 --samples mine.npz --reference long-md.npz")]
pub struct Args {
    /// What the samples are of
    #[command(flatten)]
    pub system: SystemArgs,
    /// Temperature at which they are judged (reduced for LJ, K for molecules)
    #[arg(long)]
    pub temperature: f64,
    /// Samples: an npz file with `positions` (n, atoms, 3), of which `log_weight` (n) and `parents` (n) are used if there;
    /// or an xtc file
    #[arg(long, value_name = "FILE")]
    pub samples: PathBuf,
    /// Reference: an npz file with `positions` (n, atoms, 3), or an xtc file; without it, the ready-made `quick` one
    #[arg(long, value_name = "NPZ")]
    pub reference: Option<PathBuf>,
    /// Metrics, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub metrics: Vec<String>,
    /// Samples per side of one-dimensional metrics
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    pub n: Option<u64>,
    /// Samples per side of aligned-geometry metrics (cost grows as its square)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    pub geo_n: Option<u64>,
    /// Samples per side of optimal transport between dihedrals and TICA components
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    pub ot_n: Option<u64>,
    /// Bootstrap replicates behind the intervals; 0 for no intervals
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=MOST))]
    pub bootstrap: Option<u64>,
    /// Samples are frames of so many walkers in the order of time, one frame of each at a time (1: one trajectory):
    /// intervals then know of their correlation
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub walkers: Option<u64>,
    /// Seed of subsets and replicates
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Runs the verb.
///
/// # Errors
/// Unknown systems and metrics, unreadable or unfit files.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let asked = args.system.spec(args.temperature)?;
    let system = SystemArgs::build(&asked, globals.quiet)?;
    let defaults = EvalSpec::default();
    let size = |n: Option<u64>, default: usize| n.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let spec = EvalSpec {
        metrics: if args.metrics.is_empty() { ids_for(system.topology.is_some()) } else { args.metrics.clone() },
        n: size(args.n, defaults.n),
        geo_n: size(args.geo_n, defaults.geo_n),
        ot_n: size(args.ot_n, defaults.ot_n),
        bootstrap: size(args.bootstrap, defaults.bootstrap),
        reference: ReferenceSpec::ready_made(&asked, ReferenceProfile::Quick),
    };
    for id in &spec.metrics {
        by_id(id)?;
    }
    let samples = read_samples(&args.samples, system.atoms)?;
    let walkers = args.walkers.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let reference = match &args.reference {
        Some(path) => read_reference(path, &system)?,
        None => reference_set(globals, &asked, &spec)?,
    };
    let values = evaluate(&system, &samples, &reference, &spec, args.seed, walkers)?;
    if globals.json {
        output::json(&values)?;
    } else {
        output::line(table(&values))?;
    }
    if values.iter().any(|v| v.value.is_some()) {
        return Ok(());
    }
    let dropped = values.iter().map(|v| v.dropped).max().unwrap_or(0);
    let message = format!("no metric has a value: {}", values.first().map_or("none was asked for", |v| &v.note));
    if dropped > 0 {
        return Err(Error::NonFinite { path: args.samples.clone(), message });
    }
    Err(Error::data(&args.samples, message))
}

/// All arrays of a samples file; `positions` checked, at least one frame.
fn read_samples(path: &Path, atoms: usize) -> Result<Arrays> {
    let arrays = read_frames(path)?;
    if positions_of(&arrays, path, atoms)?.is_empty() {
        return Err(Error::data(path, "`positions` has no frames"));
    }
    let frames = get(&arrays, "positions", path)?.shape[0];
    for name in ["log_weight", "parents"] {
        if let Some(array) = arrays.get(name)
            && array.shape != [frames]
        {
            let message = format!("`{name}` has shape {:?}, expected [{frames}] as `positions` has", array.shape);
            return Err(Error::shape(path, message));
        }
    }
    Ok(arrays)
}

/// A reference from a file: energies are computed here, its digest is that of its coordinates.
fn read_reference(path: &Path, system: &System) -> Result<ReferenceSet> {
    let arrays = read_frames(path)?;
    let mut positions = positions_of(&arrays, path, system.atoms)?;
    if let Some(topology) = &system.topology {
        wholeness::by_box(topology, &arrays, &mut positions);
    }
    if positions.len() < 6 * system.atoms {
        return Err(Error::data(path, "a reference needs at least two frames"));
    }
    let energies = energies(system, &positions);
    Ok(ReferenceSet { digest: digest(&positions), positions, energies, tica: None })
}

/// SHA-256 of the coordinates (little-endian f64), in hexadecimal.
fn digest(positions: &[f64]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    for x in positions {
        hash.update(x.to_le_bytes());
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The reference ensemble of default settings, from the cache of the results folder or made there.
fn reference_set(globals: &Globals, asked: &SystemSpec, spec: &EvalSpec) -> Result<ReferenceSet> {
    if !globals.quiet {
        output::note("no --reference given: using the ready-made `quick` one (made once, then cached)");
    }
    references::quietly(&globals.results, asked, &spec.reference)
}

/// Aligned text columns.
fn table(values: &[MetricValue]) -> String {
    let shown = |x: Option<f64>| x.map_or("-".into(), number);
    let mut rows = vec![["metric", "value", "unit", "95 % interval", "floor", "n", "note"].map(String::from).to_vec()];
    rows.extend(values.iter().map(|v| {
        let interval = match (v.lo, v.hi) {
            (Some(lo), Some(hi)) => format!("{} to {}", number(lo), number(hi)),
            _ => "-".into(),
        };
        let ours = v.n_effective.map_or(v.n_samples.to_string(), |e| format!("{} (worth {e})", v.n_samples));
        let n = if v.n_reference == 0 { ours } else { format!("{ours}/{}", v.n_reference) };
        vec![v.id.clone(), shown(v.value), v.unit.clone(), interval, shown(v.floor), n, v.note.clone()]
    }));
    output::columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of one zero: SHA-256 of eight zero bytes.
    #[test]
    fn digest_is_sha256() {
        assert_eq!(digest(&[0.0]), "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
    }

    #[test]
    fn table_aligns_and_shows_gaps() {
        let value = MetricValue {
            id: "ess".into(),
            version: 1,
            unit: "fraction".into(),
            direction: crate::metrics::Direction::Higher,
            value: None,
            lo: None,
            hi: None,
            floor: None,
            n_samples: 0,
            n_effective: None,
            n_reference: 0,
            dropped: 0,
            reference: String::new(),
            note: "not defined".into(),
        };
        let text = table(&[value]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].find("unit"), lines[1].find("fraction"));
        assert!(lines[1].ends_with("not defined"));
    }
}
