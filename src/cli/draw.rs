//! `pita-bench draw`: further samples of the model that a finished run left, with weights, and what they cost.

use std::path::PathBuf;
use std::time::Instant;

use super::{DeviceArgs, Globals, complete, output};
use crate::array::{Array, Arrays, read_safetensors, write_npz};
use crate::device;
use crate::diffusion::ess;
use crate::energy::Metered;
use crate::error::{Error, Result};
use crate::exec;
use crate::record::{Request, RunDir, atomic, manifest};
use crate::report::table::number;
use crate::samplers::Progress;
use crate::samplers::trained::{Further, Trained};
use crate::{stop, store, systems};

/// Samples drawn at a time.
const CHUNK: usize = 960;
/// The parameters that a run leaves.
const WEIGHTS: &str = "weights.safetensors";

/// Arguments of `draw`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench draw 3f2a --samples 10000 --out more.npz
  pita-bench draw 3f2a --samples 10000 --seed 1 --out others.npz --json

The file holds `positions` [n, atoms, 3], `energy` [n] and `log_weight` [n], ln p/q up to a constant: `pita-bench eval` shows values
with and without these weights. It says what a further effective sample costs, in energies and in seconds of this machine.")]
pub struct Args {
    /// Run id, or a unique beginning of one
    #[arg(add = complete::runs())]
    id: String,
    /// Samples to draw
    #[arg(long, short_alias = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    samples: u64,
    /// Where they go
    #[arg(long, value_name = "NPZ")]
    out: PathBuf,
    /// Seed; the same one gives the same samples, another one independent ones
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the verb.
///
/// # Errors
/// Unknown runs, runs that are not complete or leave no model; damaged files; [`Error::Interrupted`].
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    output::file(&args.out, "--out")?;
    let row = store::find(&globals.database()?, &args.id)?;
    let run = RunDir::open(&globals.results.join(&row.folder))?;
    if !run.status().has_samples() {
        return Err(Error::NothingSelected(format!(
            "{} is {}, and only complete runs have a model",
            run.id, row.status
        )));
    }
    let Request { spec, .. } = atomic::read_json(&run.file("spec.json"))?;
    manifest::verify_some(&run.path, |name| name == WEIGHTS)?;
    args.device.select(globals.quiet)?;
    let system = systems::build(&spec.system)?;
    let none = || {
        let label = &row.label;
        Error::Usage(format!(
            "{} ({label}) left no model to draw from; `pita-ic`, `tabg-ic` and `tabg-cart` do",
            run.id
        ))
    };
    let path = run.file(WEIGHTS);
    if !path.exists() {
        return Err(none());
    }
    let model = Trained::load(&spec.sampler, &system, &read_safetensors(path)?)?.ok_or_else(none)?;
    let mut energy = Metered::new(device::potential(&system.potential())?, None);
    let (kt, n) = (system.kt(spec.system.temperature), args.samples as usize);
    let began = Instant::now();
    exec::listen();
    let mut all = Further::default();
    exec::with_bar("draw", globals.quiet, |show| -> Result<()> {
        while all.energies.len() < n {
            stop::check()?;
            let done = all.energies.len();
            let new = model.draw(&mut energy, kt, args.seed, done..n.min(done + CHUNK))?;
            all.positions.extend(new.positions);
            all.energies.extend(new.energies);
            all.log_weight.extend(new.log_weight);
            let done = all.energies.len() as u64;
            show(&Progress { done, total: args.samples, phase: "samples".into(), ..Progress::default() });
        }
        Ok(())
    })?;
    let (seconds, paid) = (began.elapsed().as_secs_f64(), energy.counts().charged());
    // Draws that are no configuration have no place in the file: they count in what a sample costs.
    let kept: Vec<usize> = (0..n).filter(|&i| all.log_weight[i].is_finite()).collect();
    let share = if kept.is_empty() { 0.0 } else { ess(&all.log_weight) };
    write(&args.out, &all, &kept, system.atoms)?;
    let effective = share * n as f64;
    let each = |cost: f64| (effective > 0.0).then(|| cost / effective);
    let (energies_each, seconds_each) = (each(paid as f64), each(seconds));
    if globals.json {
        return output::json(&serde_json::json!({
            "run": run.id.to_string(), "out": args.out, "drawn": n, "written": kept.len(), "seed": args.seed,
            "energy_evaluations": paid, "seconds": seconds, "ess": share, "effective_samples": effective,
            "energies_per_effective_sample": energies_each, "seconds_per_effective_sample": seconds_each,
        }));
    }
    let show = |x: Option<f64>| x.map_or("-".into(), number);
    output::line(format!(
        "{}: {} samples in {}, {} left out as no configurations\n{paid} energy evaluations in {seconds:.1} s; effective sample \
         size {effective:.0} ({:.1} %): {} energies and {} s for each",
        run.id,
        kept.len(),
        args.out.display(),
        n - kept.len(),
        100.0 * share,
        show(energies_each),
        show(seconds_each),
    ))
}

fn write(out: &std::path::Path, all: &Further, kept: &[usize], atoms: usize) -> Result<()> {
    let (n, dim) = (kept.len(), 3 * atoms);
    let positions = kept.iter().flat_map(|&i| &all.positions[i * dim..(i + 1) * dim]).copied().collect();
    let of = |values: &[f64]| Array::f64(&[n], kept.iter().map(|&i| values[i]).collect());
    let arrays = Arrays::from([
        ("positions".to_owned(), Array::f64(&[n, atoms, 3], positions)),
        ("energy".to_owned(), of(&all.energies)),
        ("log_weight".to_owned(), of(&all.log_weight)),
    ]);
    write_npz(out, &arrays)
}
