//! `eval`: metrics of anybody's samples.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Count, Globals, SystemArgs, complete, output};
use crate::array::Input;
use crate::config::ReferenceProfile;
use crate::error::{Error, Result};
use crate::exec::{self, references};
use crate::identity;
use crate::metrics::structure::Structure;
use crate::metrics::structure::tica::Models;
use crate::metrics::{Judge, ReferenceSet, Weighed, by_id, evaluate::energies, registry::ids_for};
use crate::report::table::number;
use crate::samplers::Progress;
use crate::spec::{EvalSpec, MOST_REPLICATES, ReferenceSpec, SystemSpec};
use crate::stop;
use crate::systems::{System, wholeness};

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench eval --system lj13 --temperature 1 --samples mine.npz
  pita-bench eval --system aldp --temperature 300 --samples mine.xtc --reference long-md.xtc --contiguous --lag 10
  pita-bench eval --xml mine.xml --pdb mine.pdb --temperature 300 --samples mine.npz --reference long-md.npz")]
pub struct Args {
    /// What the samples are of
    #[command(flatten)]
    pub system: SystemArgs,
    /// Temperature at which they are judged (reduced for LJ, K for molecules)
    #[arg(long)]
    pub temperature: f64,
    /// Samples: an npz or safetensors file with `positions` (n, atoms, 3), of which `log_weight` (n) and `parents` (n) are
    /// used if there; an npy or xtc file; or - for standard input
    #[arg(long, value_name = "FILE")]
    pub samples: PathBuf,
    /// Reference, of the same formats, such as what `reference --out` wrote (with its TICA models); without it, the
    /// ready-made `quick` one
    #[arg(long, value_name = "FILE")]
    pub reference: Option<PathBuf>,
    /// The frames of --reference are one trajectory, in order, or one for each walker (positions of walkers, frames, atoms, 3):
    /// fit TICA models to it
    #[arg(long, requires_all = ["reference", "lag"])]
    pub contiguous: bool,
    /// Lag of the TICA models, in frames of --reference
    #[arg(long, value_name = "FRAMES", requires = "contiguous", value_parser = Count::from(1..))]
    pub lag: Option<usize>,
    /// Metrics, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "ID", add = complete::metrics())]
    pub metrics: Vec<String>,
    /// Samples per side of one-dimensional metrics
    #[arg(long = "n", short_alias = 'n', value_name = "N", value_parser = Count::from(1..=u64::from(u32::MAX)))]
    pub n: Option<usize>,
    /// Samples per side of aligned-geometry metrics (cost grows as its square)
    #[arg(long, value_name = "N", value_parser = Count::from(1..=u64::from(u32::MAX)))]
    pub geo_n: Option<usize>,
    /// Samples per side of optimal transport between dihedrals and TICA components
    #[arg(long, value_name = "N", value_parser = Count::from(1..=u64::from(u32::MAX)))]
    pub ot_n: Option<usize>,
    /// Bootstrap replicates behind the intervals; 0 for no intervals
    #[arg(long, value_name = "N", value_parser = Count::from(0..=MOST_REPLICATES))]
    pub bootstrap: Option<usize>,
    /// Samples are frames of so many walkers in the order of time, one frame of each at a time (1: one trajectory):
    /// intervals then know of their correlation
    #[arg(long, value_name = "N", value_parser = Count::from(1..))]
    pub walkers: Option<usize>,
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
    let system = SystemArgs::build(&asked, globals)?;
    let defaults = EvalSpec::default();
    let spec = EvalSpec {
        metrics: if args.metrics.is_empty() { ids_for(system.topology.is_some()) } else { args.metrics.clone() },
        n: args.n.unwrap_or(defaults.n),
        geo_n: args.geo_n.unwrap_or(defaults.geo_n),
        ot_n: args.ot_n.unwrap_or(defaults.ot_n),
        bootstrap: args.bootstrap.unwrap_or(defaults.bootstrap),
        reference: ReferenceSpec::accepted(&asked)
            .unwrap_or_else(|| ReferenceSpec::ready_made(&asked, ReferenceProfile::Quick)),
    };
    for id in &spec.metrics {
        by_id(id)?;
    }
    if args.samples == Path::new("-") && args.reference.as_deref() == Some(Path::new("-")) {
        return Err(Error::Usage("--samples and --reference cannot both be standard input".into()));
    }
    let input = Input::open(&args.samples, "positions")?;
    in_order(args, &input, system.atoms)?;
    for name in input.nearly_weights() {
        globals.note(format!("array `{name}` is not used: weights are read from `log_weight` or `weights`"));
    }
    let (samples, precision) = input.samples(system.atoms)?;
    let reference = match &args.reference {
        Some(path) => read_reference(path, &system, args.lag, globals)?,
        None => reference_set(globals, &asked, &spec)?,
    };
    let values = exec::with_bar("metrics", globals.quiet, |show| {
        let judge = Judge::new(&system, &reference, &spec, args.seed).map_err(|e| match (e, &args.reference) {
            (Error::Data { message, .. }, Some(path)) => Error::data(path, message),
            (other, _) => other,
        })?;
        judge.reweighted((&samples, precision), args.walkers, &mut |done, all, id| {
            let (done, total) = (done as u64, all as u64);
            show(&Progress { done, total, phase: id.to_owned(), ..Progress::default() });
        })
    })?;
    globals.print(|| &values, || table(&values))?;
    if values.iter().any(|v| v.plain.value.is_some()) {
        return Ok(());
    }
    let dropped = values.iter().map(|v| v.plain.dropped).max().unwrap_or(0);
    let note = values.first().map_or("none was asked for", |v| &v.plain.note);
    let message = format!("no metric has a value: {note}");
    if dropped > 0 {
        return Err(Error::NonFinite { path: args.samples.clone(), message });
    }
    Err(Error::data(&args.samples, message))
}

/// Refuses frames of walkers that are not in the order of time.
fn in_order(args: &Args, input: &Input, atoms: usize) -> Result<()> {
    let shape = &input.get("positions")?.shape;
    if args.walkers.is_none_or(|walkers| walkers < 2) || outer(shape, atoms).len() < 2 {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "--walkers takes frames in the order of time, one of each walker at a time, and `positions` has shape {shape:?}; \
         save it as [frames * walkers, {atoms}, 3]"
    )))
}

/// The axes of positions before those of one frame, `[atoms, 3]` or `[3*atoms]`.
fn outer(shape: &[usize], atoms: usize) -> &[usize] {
    let inner = if shape.ends_with(&[atoms, 3]) { 2 } else { 1 };
    &shape[..shape.len().saturating_sub(inner)]
}

/// A reference from a file: energies are computed here, its digest is that of its coordinates. TICA models are those in
/// the file, or fitted with `lag` on its frames as one trajectory, or one for each walker (on its `trajectory`, if it has one).
fn read_reference(path: &Path, system: &System, lag: Option<usize>, globals: &Globals) -> Result<ReferenceSet> {
    let input = Input::open(path, "positions")?;
    let mut positions = input.positions(system.atoms)?;
    if let Some(topology) = &system.topology {
        wholeness::by_box(topology, input.arrays(), &mut positions);
    }
    let n = positions.len() / (3 * system.atoms);
    if n < 2 {
        return Err(Error::data(path, "a reference needs at least two frames"));
    }
    if input.weights(n)?.is_some() {
        globals.note(format!("{}: weights of a reference are not used; every frame counts alike", path.display()));
    }
    let models = match lag {
        Some(lag) => fitted(&input, &positions, system, lag)?,
        None => Models::of_reference(input.arrays(), path)?,
    };
    let energies = energies(system, &positions);
    let digest = digest(&positions);
    Ok(ReferenceSet { digest, positions, energies, tica: models.map(Arc::new), precision: input.precision(), runs: 1 })
}

/// TICA models of contiguous frames.
fn fitted(input: &Input, positions: &[f64], system: &System, lag: usize) -> Result<Option<Models>> {
    let Some(structure) = Structure::of(system)? else {
        return Err(Error::Usage(format!("--contiguous: TICA is for molecules, and {} is none", system.name)));
    };
    let Some(trajectory) = input.find("trajectory")? else {
        let frames = positions.len() / (3 * system.atoms);
        // Of walkers each is a trajectory.
        let each = outer(&input.get("positions")?.shape, system.atoms).last().copied().unwrap_or(1);
        return structure.fit_tica(positions, &vec![each; frames / each.max(1)], lag).map(Some);
    };
    match trajectory.shape[..] {
        [walkers, frames, atoms, 3] if atoms == system.atoms => {
            structure.fit_tica(&trajectory.to_f64(), &vec![frames; walkers], lag).map(Some)
        }
        _ => {
            let (shape, atoms) = (&trajectory.shape, system.atoms);
            let message = format!("`trajectory` has shape {shape:?}, expected [walkers, frames, {atoms}, 3]");
            Err(Error::shape(input.path(), message))
        }
    }
}

/// SHA-256 of the coordinates (little-endian f64), in hexadecimal.
fn digest(positions: &[f64]) -> String {
    identity::sha256_hex(bytemuck::cast_slice::<f64, u8>(positions))
}

/// The reference ensemble of default settings, from the cache of the results folder or made there.
fn reference_set(globals: &Globals, asked: &SystemSpec, spec: &EvalSpec) -> Result<ReferenceSet> {
    globals.note(match &spec.reference.accepted {
        Some(name) => format!("no --reference given: using the accepted `{name}`, which comes with the program"),
        None => "no --reference given: using the ready-made `quick` one (made once, then cached)".into(),
    });
    let name = format!("{} reference", asked.name);
    exec::with_bar(&name, globals.quiet, |show| {
        references::ensure(&globals.results, asked, &spec.reference, show, &stop::requested)?.set()
    })
}

/// Text columns, with one more where samples have weights.
fn table(values: &[Weighed]) -> String {
    let shown = |x: Option<f64>| x.map_or("-".into(), number);
    let row = |both: &Weighed| {
        let v = &both.plain;
        let interval = match (v.lo, v.hi) {
            (Some(lo), Some(hi)) => format!("{} to {}", number(lo), number(hi)),
            _ => "-".into(),
        };
        let ours = v.n_effective.map_or(v.n_samples.to_string(), |e| format!("{} (worth {e})", v.n_samples));
        let n = if v.n_reference == 0 { ours } else { format!("{ours}/{}", v.n_reference) };
        let reweighted = shown(both.reweighted);
        vec![v.id.clone(), shown(v.value), reweighted, v.unit.clone(), interval, shown(v.floor), n, v.note.clone()]
    };
    let header = ["metric", "value", "reweighted", "unit", "95 % interval", "floor", "n", "note"];
    let mut rows = output::titled(header, values.iter().map(row));
    if values.iter().all(|v| v.reweighted.is_none()) {
        rows.iter_mut().for_each(|row| drop(row.remove(2)));
    }
    output::columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::MetricValue;

    /// The digest of one zero: SHA-256 of eight zero bytes.
    #[test]
    fn digest_is_sha256() {
        assert_eq!(digest(&[0.0]), "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
    }

    #[test]
    fn table_aligns_and_shows_gaps() {
        let mut value = MetricValue::blank(by_id("ess").unwrap(), "", "");
        value.note = "not defined".into();
        let value = Weighed { plain: value, reweighted: None, reweighted_interval: None };
        let text = table(std::slice::from_ref(&value));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].find("unit"), lines[1].find("fraction"));
        assert!(lines[1].ends_with("not defined") && !text.contains("reweighted"));
        let text = table(&[Weighed { reweighted: Some(0.25), ..value }]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].find("reweighted"), lines[1].find("0.25"));
    }
}
