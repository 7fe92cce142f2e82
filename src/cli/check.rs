//! `pita-bench check` and `pita-bench accept`: is everything as it was accepted?

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::{DeviceArgs, Globals, complete, output, report};
use crate::check::{self, Past, Verdict};
use crate::config::{self, Experiment};
use crate::error::{Error, Result};
use crate::exec;
use crate::exit::ExitCode;
use crate::identity;
use crate::record::{Results, atomic};
use crate::report::{load, page::history};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench check experiments/nightly.toml
  pita-bench check experiments/nightly.toml --json | jq .report.verdict
  pita-bench accept experiments/nightly.toml --reason 'new resampling, reviewed in #12'

The verdict and its exit code: pass 0; drift 6, a number is not what it was; not comparable 7, other settings than those that
were accepted, or nothing accepted yet; incomplete 19, a cell failed. Interrupted is 5: the same command goes on.

Tiers: R0 statistical, R1 bitwise (demanded of the same code on the same kind of machine), R2 energies and forces of fixed
frames, on any machine. The check says which it could apply. ERRORS is the difference in standard errors, LIMIT from where on it
is a drift, SEEN FROM the same in the metric's unit: a smaller drift cannot be told from chance with so many seeds.")]
pub struct Args {
    /// Experiment and bundle.
    #[command(flatten)]
    what: What,
    /// Cells at a time; without a number as many as there are cores, where memory allows
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Nights whose runs are kept; what they said is always kept
    #[arg(long, default_value_t = 7, value_name = "N")]
    keep: usize,
    /// Seconds between checkpoints; up to four times as many where one costs more than half a percent of them
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    checkpoint_every: u64,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Arguments of `accept`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench accept experiments/nightly.toml --reason 'first bundle, compared with the published values'

Takes the runs of the latest check that came to an end. The reason, the date and the code are kept in accepted.json, those of
earlier bundles too.")]
pub struct AcceptArgs {
    /// Experiment and bundle.
    #[command(flatten)]
    what: What,
    /// Why these numbers are right
    #[arg(long)]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct What {
    /// Experiment file
    #[arg(add = complete::experiment_files())]
    file: PathBuf,
    /// Profile of the experiment file
    #[arg(short, long, value_name = "NAME", add = complete::profiles())]
    profile: Option<String>,
    /// Override a setting; may be given again
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder of accepted bundles (default: `accepted` in the results folder)
    #[arg(long, value_name = "DIR")]
    accepted: Option<PathBuf>,
}

impl What {
    fn experiment(&self) -> Result<Experiment> {
        config::load(&self.file, self.profile.as_deref(), &self.set)
    }

    fn bundle(&self, experiment: &Experiment, globals: &Globals) -> PathBuf {
        let accepted = self.accepted.clone().unwrap_or_else(|| Results(&globals.results).accepted());
        accepted.join(&experiment.name)
    }
}

/// Runs `check`.
///
/// # Errors
/// Bad experiment files, interruptions, full disks. What was found is in the exit code.
pub fn run(args: &Args, globals: &Globals) -> Result<ExitCode> {
    let experiment = args.what.experiment()?;
    args.device.select(globals)?;
    let sweep = exec::Options {
        jobs: args.jobs.map(usize::from),
        checkpoint_every: Duration::from_secs(args.checkpoint_every),
        quiet: globals.quiet,
        ..exec::Options::default()
    };
    let options = check::Options { accepted: args.what.bundle(&experiment, globals), sweep, keep: args.keep };
    let (night, found) = check::check(&experiment, &globals.results, &options)?;
    let page = pages(&experiment, &night, globals)?;
    let verdict = found.report.verdict;
    let value = || {
        let mut value = json!(found);
        (value["exit_code"], value["folder"]) = (json!(verdict.exit_code().code()), json!(night));
        value
    };
    globals.print(value, || text(&experiment, &found, &night, &page))?;
    Ok(verdict.exit_code())
}

/// Runs `accept`.
///
/// # Errors
/// [`Error::NothingSelected`] without a complete check, [`Error::Refused`] when that was made by another build or on another
/// machine; files that cannot be written.
pub fn accept(args: &AcceptArgs, globals: &Globals) -> Result<()> {
    let experiment = args.what.experiment()?;
    let checks = Results(&globals.results).checks(&experiment.name);
    let night = check::finished(&checks)?.ok_or_else(|| {
        let file = args.what.file.display();
        Error::NothingSelected(format!("nothing to accept: run `pita-bench check {file}` first"))
    })?;
    let (here, env) = (&identity::code().digest, identity::env());
    // A verdict that cannot be read says nothing about the build that reached it.
    let last: Past = atomic::read_json(&night.join("verdict.json"))?;
    if last.code != *here || last.cpu != env.cpu {
        let file = args.what.file.display();
        return Err(Error::Refused(format!(
            "the latest check was made by another build or on another machine; run `pita-bench check {file}` with this one \
             first, so that the bundle says truly where its numbers come from"
        )));
    }
    let dir = args.what.bundle(&experiment, globals);
    let bundle = check::accept(&experiment, &night, &dir, &args.reason)?;
    let cells = output::counted(bundle.side.cells.len(), "cell");
    let value = || json!({"accepted": bundle.accepted, "before": bundle.before, "folder": dir});
    globals.print(value, || format!("accepted {cells} of {} in {}", experiment.name, dir.display()))
}

/// Writes the history page, and the ordinary report of tonight's runs; returns the page's path.
fn pages(experiment: &Experiment, night: &Path, globals: &Globals) -> Result<PathBuf> {
    let results = Results(&globals.results);
    let (past, _) = check::past(&results.checks(&experiment.name))?;
    let folder = results.report(&experiment.name);
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let shown = load::runs(experiment, night).and_then(|loaded| {
        let tables = report::tables(experiment, night, &loaded)?;
        report::save(experiment, &folder, night, &loaded, &tables)
    });
    if let Err(e) = shown {
        globals.note(format!("no tables and figures: {e}"));
    }
    let page = folder.join("history.html");
    let title = format!("{}: nightly checks", experiment.title);
    atomic::write(&page, history::page(&title, &past)?.as_bytes())?;
    Ok(page)
}

fn text(experiment: &Experiment, found: &Past, night: &Path, page: &Path) -> String {
    let report = &found.report;
    let mut lines = vec![format!("{}: {}", experiment.name, report.verdict.word())];
    let accepted = found.accepted.as_deref().unwrap_or("nothing");
    lines.push(format!("compared with {accepted}; applied: {}", report.applied));
    for kind in [Verdict::Drift, Verdict::Incomplete, Verdict::NotComparable] {
        for f in report.findings.iter().filter(|f| f.verdict == kind) {
            let since = f.since.as_ref().map_or(String::new(), |s| format!("; since {s}"));
            let tier = f.tier.map_or(String::new(), |t| format!(" ({t:?})"));
            lines.push(format!("{}{tier}  {}: {}{since}", kind.word(), f.key, f.message));
        }
    }
    lines.extend(report.warnings.iter().map(|w| format!("warning  {w}")));
    let spread = |s: &check::Spread| format!("{} ± {}", output::number(Some(s.mean)), output::number(Some(s.error)));
    let errors = |x: Option<f64>| x.map_or_else(|| "-".into(), |x| format!("{x:.1}"));
    let row = |s: &check::Series| {
        let accepted = s.accepted.as_ref().map_or_else(|| "-".into(), spread);
        let seen = output::number(s.detectable);
        vec![s.key.clone(), accepted, spread(&s.tonight), errors(s.errors), errors(s.limit), seen]
    };
    if !report.series.is_empty() {
        let header = ["METRIC", "ACCEPTED", "TONIGHT", "ERRORS", "LIMIT", "SEEN FROM"];
        lines.push(format!("\n{}", output::columns(&output::titled(header, report.series.iter().map(row)))));
    }
    lines.push(format!("\n{}\n{}", night.display(), page.display()));
    lines.join("\n")
}
