//! `pita-bench draw`: further samples of the model that a finished run left, with weights, and what they cost.

use std::path::PathBuf;

use super::{Count, DeviceArgs, Globals, complete, output};
use crate::array::write_npz;
use crate::error::Result;
use crate::exec::{self, further::Finished};
use crate::report::table::number;
use crate::store;

/// Arguments of `draw`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench draw 3f2a --samples 10000 --out more.npz
  pita-bench draw 3f2a --samples 10000 --seed 1 --out others.npz --json
  pita-bench draw 3f2a -n 4000 --set anneal.steps=40 --set anneal.grid=kinetic --out fewer.npz

The file holds `positions` [n, atoms, 3], `energy` [n] and `log_weight` [n], ln p/q up to a constant: `pita-bench eval` shows values
with and without these weights. It says what a further effective sample costs, in energies, in evaluations of the network and in
seconds of this machine. Steps without noise (`anneal.step=ddim`, ...) have no weights: the file has none then.")]
pub struct Args {
    /// Run id, or a unique beginning of one
    #[arg(add = complete::runs())]
    id: String,
    /// Samples to draw
    #[arg(long, short_alias = 'n', value_name = "N", value_parser = Count::from(1..=100_000_000))]
    samples: usize,
    /// Where they go
    #[arg(long, value_name = "NPZ")]
    out: PathBuf,
    /// Seed; the same one gives the same samples, another one independent ones
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Other settings of annealing than the run's, for models that are drawn from along paths (`pita-ic`); can be repeated
    #[arg(long, value_name = "anneal.KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the verb.
///
/// # Errors
/// Unknown runs, runs that are not complete or leave no model; damaged files; [`crate::error::Error::Interrupted`].
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    output::file(&args.out, "--out")?;
    let row = store::find(&globals.database()?, &args.id)?;
    let finished = Finished::open(globals.run(&row)?)?;
    let sampler = finished.changed(&args.set)?;
    args.device.select(globals)?;
    let model = finished.model(&sampler)?;
    let n = args.samples;
    exec::listen();
    let drawing = exec::with_bar("draw", globals.quiet, |show| finished.draw(model, args.seed, n, show))?;
    // Draws that are no configuration have no place in the file: they count in what a sample costs.
    let (kept, share) = (drawing.further.kept().len(), drawing.ess());
    write_npz(&args.out, &drawing.further.arrays(finished.system.atoms, drawing.weighted))?;
    let effective = share.map(|share| share * n as f64);
    let each = |cost: f64| effective.map(|effective| cost / effective);
    let network = drawing.network * n;
    let (energies_each, seconds_each) = (each(drawing.energies as f64), each(drawing.seconds));
    if globals.json {
        return output::json(&serde_json::json!({
            "run": finished.run.id.to_string(), "out": args.out, "drawn": n, "written": kept, "seed": args.seed,
            "energy_evaluations": drawing.energies, "network_evaluations": network, "seconds": drawing.seconds, "ess": share,
            "effective_samples": effective, "energies_per_effective_sample": energies_each,
            "network_evaluations_per_effective_sample": each(network as f64), "seconds_per_effective_sample": seconds_each,
        }));
    }
    let show = |x: Option<f64>| x.map_or("-".into(), number);
    let worth = match share {
        Some(share) => format!(
            "effective sample size {:.0} ({:.1} %): {} energies and {} s for each",
            share * n as f64,
            100.0 * share,
            show(energies_each),
            show(seconds_each),
        ),
        None if drawing.weighted => String::from("none is a configuration"),
        None => String::from("no weights: steps without noise have no density"),
    };
    output::line(format!(
        "{}: {kept} samples in {}, {} left out as no configurations\n{} energy evaluations, {} of the network for each sample, in \
         {:.1} s; {worth}",
        finished.run.id,
        args.out.display(),
        n - kept,
        drawing.energies,
        drawing.network,
        drawing.seconds,
    ))
}
