//! `pita-bench tune-steps`: which steps, grid and corrector a finished model is best drawn from with, within so many evaluations.

use std::path::PathBuf;

use super::{DeviceArgs, Globals, complete, output};
use crate::error::{Error, Result};
use crate::exec;
use crate::exec::further::Finished;
use crate::exec::tune::{Search, tune, written};
use crate::record::RunDir;
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000))]
    evaluations: u64,
    /// Particles of each pilot
    #[arg(long, value_name = "N", default_value_t = 480, value_parser = clap::value_parser!(u64).range(20..=1_000_000))]
    pilot: u64,
    /// Energies that all pilots may evaluate: one for a particle, more with control and look-ahead
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(20..=100_000_000))]
    budget: u64,
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
    if args.budget < args.pilot {
        let (budget, pilot) = (args.budget, args.pilot);
        return Err(Error::Usage(format!("--budget {budget}: expected at least one pilot of {pilot} particles")));
    }
    let row = store::find(&globals.database()?, &args.id)?;
    let finished = Finished::open(RunDir::open(&globals.results.join(&row.folder))?)?;
    args.device.select(globals.quiet)?;
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let search = Search {
        evaluations: size(args.evaluations),
        pilot: size(args.pilot),
        budget: size(args.budget),
        seed: args.seed,
    };
    exec::listen();
    let trials = exec::with_bar("tune-steps", globals.quiet, |show| tune(&finished, search, show))?;
    let best = trials.iter().rev().find(|trial| trial.taken);
    let best = best.ok_or_else(|| Error::Internal("tune-steps: no pilot was run".into()))?;
    let settings = written(&best.anneal);
    let energies: u64 = trials.iter().map(|trial| trial.energies).sum();
    if let Some(path) = &args.out {
        let head = format!(
            "# pita-bench tune-steps {} --evaluations {} --pilot {} --budget {} --seed {}\n{TABLE}\n",
            finished.run.id, args.evaluations, args.pilot, args.budget, args.seed
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
    let header = ["gain", "ESS", "", "settings"].map(String::from).to_vec();
    let first = trials[0].worth();
    let rows = trials.iter().map(|t| {
        let mark = if t.taken { "best so far" } else { "" };
        vec![format!("{:+.3}", t.worth() - first), number(t.ess), mark.into(), written(&t.anneal).join(", ")]
    });
    output::line(output::columns(&std::iter::once(header).chain(rows).collect::<Vec<_>>()))?;
    output::line(format!(
        "\n{}: {} of {} particles, {energies} energy evaluations; the best:\n{TABLE}\n{}",
        finished.run.id,
        output::counted(trials.len(), "pilot"),
        args.pilot,
        settings.join("\n")
    ))
}
