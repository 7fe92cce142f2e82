//! `pita-bench tune-steps`: which steps, grid and corrector a finished model is best drawn from with, within so many evaluations.

use std::path::PathBuf;

use super::{Count, DeviceArgs, Globals, complete, output};
use crate::error::{Error, Result};
use crate::exec;
use crate::exec::further::Finished;
use crate::exec::tune::{Search, tune, written};
use crate::report::table::number;
use crate::store;

/// The table that the settings belong to.
const TABLE: &str = "[samplers.pita-ic.anneal]";

/// Arguments of `tune-steps`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench tune-steps 3f2a --evaluations 40
  pita-bench tune-steps 3f2a --evaluations 20 --pilot 960 --budget 50000 --out tuned.toml

Pilots with the same random numbers compare where paths begin and end, grids, steps, correctors, control and look-ahead, one setting
after the other; the mean of the log-weights decides (their lowest twentieth cut), less half the logarithm of the energies that a draw
takes; `gain` is its difference from the first pilot's. The same seed and the same model give the same result. What is found is a table of settings for an experiment file, and can be given to `draw` with --set.")]
pub struct Args {
    /// Run id, or a unique beginning of one
    #[arg(add = complete::runs())]
    id: String,
    /// Evaluations of the network that a draw may make
    #[arg(long, value_name = "N", value_parser = Count::from(2..=10_000))]
    evaluations: usize,
    /// Particles of each pilot
    #[arg(long, value_name = "N", default_value_t = 480, value_parser = Count::from(20..=1_000_000))]
    pilot: usize,
    /// Energies that all pilots may evaluate: one for a particle, more with control and look-ahead
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = Count::from(20..=100_000_000))]
    budget: usize,
    /// Seed of the pilots
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the settings go, as a table of an experiment file
    #[arg(long, value_name = "TOML")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the verb.
///
/// # Errors
/// As `draw`; a budget below one pilot.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    args.out.as_ref().map_or(Ok(()), |path| output::file(path, "--out"))?;
    let &Args { evaluations, pilot, budget, seed, .. } = args;
    if budget < pilot {
        return Err(Error::Usage(format!("--budget {budget}: expected at least one pilot of {pilot} particles")));
    }
    let row = store::find(&globals.database()?, &args.id)?;
    let finished = Finished::open(globals.run(&row)?)?;
    args.device.select(globals)?;
    let search = Search { evaluations, pilot, budget, seed };
    exec::listen();
    let trials = exec::with_bar("tune-steps", globals.quiet, |show| tune(&finished, search, show))?;
    let best = trials.iter().rev().find(|trial| trial.taken);
    let best = best.ok_or_else(|| Error::Internal("tune-steps: no pilot was run".into()))?;
    let settings = written(&best.anneal);
    let energies: u64 = trials.iter().map(|trial| trial.energies).sum();
    if let Some(path) = &args.out {
        let head = format!(
            "# pita-bench tune-steps {} --evaluations {evaluations} --pilot {pilot} --budget {budget} --seed {seed}\n{TABLE}\n",
            finished.run.id
        );
        std::fs::write(path, format!("{head}{}\n", settings.join("\n"))).map_err(Error::io(path))?;
    }
    if globals.json {
        let trials: Vec<_> = trials
            .iter()
            .map(|t| {
                serde_json::json!({"anneal": written(&t.anneal), "bound": t.bound, "worth": t.worth(), "ess": t.ess,
                    "energy_evaluations": t.energies, "taken": t.taken})
            })
            .collect();
        return output::json(&serde_json::json!({
            "run": finished.run.id.to_string(), "settings": settings, "bound": best.bound, "ess": best.ess,
            "energy_evaluations": energies, "trials": trials,
        }));
    }
    let first = trials[0].worth();
    let rows = trials.iter().map(|t| {
        let mark = if t.taken { "best so far" } else { "" };
        vec![format!("{:+.3}", t.worth() - first), number(t.ess), mark.into(), written(&t.anneal).join(", ")]
    });
    output::line(output::columns(&output::titled(["gain", "ESS", "", "settings"], rows)))?;
    output::line(format!(
        "\n{}: {} of {pilot} particles, {energies} energy evaluations; the best:\n{TABLE}\n{}",
        finished.run.id,
        output::counted(trials.len(), "pilot"),
        settings.join("\n")
    ))
}
