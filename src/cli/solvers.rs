//! `pita-bench solvers`: ways to draw from finished models, ranked by quality against evaluations of the network.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::asked::Asked;
use super::{Count, DeviceArgs, Globals, output};
use crate::error::{Error, Result};
use crate::exec;
use crate::exec::solvers::{self, Cost, Point, common, curve, measure, within_costs};
use crate::metrics::by_id;
use crate::record::Results;
use crate::report::figures::{self, Curve, Curves, Words};
use crate::report::table::number;
use crate::stats::area;

/// Arguments of `solvers`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench sweep experiments/solvers.toml       trains the models
  pita-bench solvers experiments/solvers.toml     draws from them in every way that the file lists
  pita-bench solvers experiments/solvers.toml --evaluations 20,40 --samples 4000 --seeds 0

Each table [draws.NAME] of the file is a way to draw: settings as in `anneal`, with as many steps as the evaluations allow. The table
shows means over the seeds; `area` is the mean over the logarithm of the evaluations, `by seconds` that over the logarithm of the seconds
that all draws took, between the costs that all ways of the table reach. The folder of the report gets every number as CSV and the curves,
against evaluations and against seconds.")]
pub struct Args {
    /// What is measured
    #[command(flatten)]
    pub asked: Asked,
    /// Evaluations of the network for each draw
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "10,20,40,80,200", value_parser = Count::from(2..=100_000))]
    pub evaluations: Vec<usize>,
    /// Draws of each way from each model within each number of evaluations
    #[arg(long, short_alias = 'n', value_name = "N", default_value_t = 1_000, value_parser = Count::from(2..=10_000_000))]
    pub samples: usize,
    /// Folder of CSV and figures (default: in the results folder, under `reports`)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// A quantity of a point: its key, its name, and how it is read.
struct Quantity {
    key: String,
    title: String,
    of: Box<Read>,
}

type Read = dyn Fn(&Point) -> Option<f64>;

/// Runs the verb.
///
/// # Errors
/// Bad experiment files, no finished models, files that cannot be written; [`Error::Interrupted`].
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    args.out.as_ref().map_or(Ok(()), |path| output::folder(path, "--out"))?;
    let experiment = args.asked.load_seeds("solvers")?;
    args.device.select(globals)?;
    exec::listen();
    let budgets: BTreeSet<usize> = args.evaluations.iter().copied().collect();
    let asked = solvers::Asked { budgets: Vec::from_iter(budgets), samples: args.samples };
    let points = exec::with_bar("solvers", globals.quiet, |show| measure(&globals.results, &experiment, &asked, show))?;
    let folder = Results(&globals.results).report(&format!("{}-solvers", experiment.report));
    let folder = args.out.clone().unwrap_or(folder);
    let quantities = quantities(&points)?;
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let path = folder.join("solvers.csv");
    std::fs::write(&path, csv(&points, &quantities)).map_err(Error::io(&path))?;
    draw(&points, &quantities, &folder)?;
    if globals.json {
        return output::json(&serde_json::json!({ "folder": folder, "points": points }));
    }
    for (system, of) in by(&points, |p| &p.system) {
        for quantity in &quantities {
            output::line(format!("{system}: {}\n{}\n", quantity.title, table(&of, quantity, &asked.budgets)))?;
        }
    }
    output::line(format!("{} and curves in {}", "solvers.csv", folder.display()))
}

/// Points by a name, in the order of their first appearance.
fn by<'a>(
    points: impl IntoIterator<Item = &'a Point>,
    name: impl Fn(&Point) -> &String,
) -> Vec<(String, Vec<&'a Point>)> {
    let mut groups: Vec<(String, Vec<&Point>)> = Vec::new();
    for point in points {
        match groups.iter_mut().find(|(key, _)| key == name(point)) {
            Some((_, group)) => group.push(point),
            None => groups.push((name(point).clone(), vec![point])),
        }
    }
    groups
}

/// Effective sample size, each metric as drawn and reweighted, seconds.
fn quantities(points: &[Point]) -> Result<Vec<Quantity>> {
    let mut all = vec![Quantity { key: "ess".into(), title: "ESS (fraction)".into(), of: Box::new(|p| p.ess) }];
    let first = points.iter().find(|p| !p.plain.is_empty());
    for (id, _) in first.iter().flat_map(|p| &p.plain).filter(|(id, _)| id != "ess") {
        let metric = by_id(id)?;
        for reweighted in [false, true] {
            let own = id.clone();
            let read = move |p: &Point| {
                let values = if reweighted { &p.reweighted } else { &p.plain };
                values.iter().find(|(other, _)| *other == own).and_then(|(_, value)| *value)
            };
            let how = if reweighted { "reweighted" } else { "as drawn" };
            let suffix = if reweighted { "-reweighted" } else { "" };
            let title = format!("{} ({}), {how}", metric.title, metric.unit);
            all.push(Quantity { key: format!("{id}{suffix}"), title, of: Box::new(read) });
        }
    }
    all.push(Quantity { key: "seconds".into(), title: "seconds".into(), of: Box::new(|p| Some(p.seconds)) });
    all.retain(|q| points.iter().any(|p| (q.of)(p).is_some()));
    Ok(all)
}

/// Costs and means of a way.
fn line(of: &[&Point], cost: Cost, quantity: &Quantity) -> Vec<(f64, f64)> {
    curve(of, cost, &quantity.of).iter().map(|p| (p.0, p.1)).collect()
}

/// One row for each way: means over seeds within each number of evaluations, and the areas.
fn table(points: &[&Point], quantity: &Quantity, budgets: &[usize]) -> String {
    let ways = by(points.iter().copied(), |p| &p.label);
    let header = std::iter::once("evaluations".to_owned()).chain(budgets.iter().map(usize::to_string));
    let mut rows = output::titled(header.chain(["area", "by seconds"].map(String::from)), []);
    let all: Vec<Vec<(f64, f64)>> = ways.iter().map(|(_, of)| line(of, Cost::Seconds, quantity)).collect();
    let range = common(&all);
    for ((label, of), seconds) in ways.into_iter().zip(all) {
        let curve = curve(&of, Cost::Evaluations, &quantity.of);
        if curve.is_empty() {
            continue;
        }
        let at = |budget: &usize| {
            let found = curve.iter().find(|(x, ..)| *x == *budget as f64);
            found.map_or("-".into(), |(_, mean, deviation)| match deviation {
                Some(deviation) => format!("{} ({})", number(*mean), number(*deviation)),
                None => number(*mean),
            })
        };
        let areas = [
            area(&line(&of, Cost::Evaluations, quantity)),
            range.and_then(|range| area(&within_costs(&seconds, range))),
        ]
        .map(|area| area.map_or("-".into(), number));
        rows.push(std::iter::once(label).chain(budgets.iter().map(at)).chain(areas).collect());
    }
    output::columns(&rows)
}

fn csv(points: &[Point], quantities: &[Quantity]) -> String {
    let mut text = String::from("system,way,seed,evaluations,network,energies");
    for quantity in quantities {
        text += &format!(",{}", quantity.key);
    }
    for p in points {
        let label = format!("\"{}\"", p.label.replace('"', "\"\""));
        text += &format!("\n{},{label},{},{},{},{}", p.system, p.seed, p.budget, p.network, p.energies);
        for quantity in quantities {
            text += &(quantity.of)(p).map_or(",".into(), |value| format!(",{value}"));
        }
    }
    text + "\n"
}

/// Figures for each system and quantity: against evaluations, and against seconds.
fn draw(points: &[Point], quantities: &[Quantity], folder: &Path) -> Result<()> {
    for (system, of) in by(points, |p| &p.system) {
        for quantity in quantities {
            for (cost, axis, suffix) in [
                (Cost::Evaluations, "evaluations of the network for each sample", ""),
                (Cost::Seconds, "seconds of this machine for all draws", "-seconds"),
            ] {
                if cost == Cost::Seconds && quantity.key == "seconds" {
                    continue;
                }
                let curves = by(of.iter().copied(), |p| &p.label).into_iter().map(|(label, of)| {
                    let points = curve(&of, cost, &quantity.of).into_iter().map(|(x, y, d)| (x, y, d.unwrap_or(0.0)));
                    Curve { label, points: points.collect() }
                });
                let figure = Curves { curves: curves.collect(), axes: (axis.to_owned(), quantity.title.clone()) };
                let words = Words {
                    title: format!("{system}: {} of ways to draw", quantity.title),
                    description: format!("Means over seeds with their deviations, against {axis}."),
                };
                figures::save(&figure, &words, folder, &format!("solvers-{system}-{}{suffix}", quantity.key))?;
            }
        }
    }
    Ok(())
}
