//! `reference`: makes (or goes on with) the reference ensemble of a system and says how far it can be trusted.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{DeviceArgs, Globals, SystemArgs, complete, output};
use crate::array::{get, is_xtc, write_frames};
use crate::config::{self, Cell, ReferenceProfile};
use crate::error::{Error, Result};
use crate::exec::references::accepted::{self, Card};
use crate::exec::references::{self, Reference};
use crate::exec::{self, interrupted};
use crate::report::table::number;
use crate::spec::{ReferenceSpec, SystemSpec};
use crate::{text, words};

/// Arguments of `reference`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench reference aldp --temperature 300                                   a minute on two cores (al3: two)
  pita-bench reference al3 --temperature 300 --profile standard --out al3.npz   an hour on two cores
  pita-bench reference --xml mine.xml --pdb mine.pdb --temperature 300
  pita-bench reference --verify aldp-300                       are the files of an accepted one what they were?
  pita-bench reference --accept experiments/references.toml    make accepted ones, by the recipes of a file

Stop it with Ctrl-C and run it again: it goes on where it was. Finished references are kept in the results folder and
used by `eval` and by experiments that ask for the same settings (`reference.profile` and `reference.seed`). Those of the built-in
systems at their usual temperatures come with the program (`reference.accepted`); `list references` names them.")]
pub struct Args {
    /// Built-in system: lj13, lj55, aldp or al3
    #[arg(value_name = "SYSTEM", add = complete::systems(), required_unless_present_any = ["xml", "pdb", "accept", "verify", "remake"], conflicts_with_all = ["xml", "pdb"])]
    system: Option<String>,
    /// Another molecule: its force field, as written by openmm.XmlSerializer.serialize(system); needs --pdb
    #[arg(long, value_name = "FILE", requires = "pdb")]
    xml: Option<PathBuf>,
    /// Another molecule: names of its atoms, and a structure to start from; needs --xml
    #[arg(long, value_name = "FILE", requires = "xml")]
    pdb: Option<PathBuf>,
    /// Temperature (reduced for LJ, K for molecules)
    #[arg(long, required_unless_present_any = ["accept", "verify", "remake"])]
    temperature: Option<f64>,
    /// How much it may cost
    #[arg(long, value_enum, default_value_t = ReferenceProfile::Quick)]
    profile: ReferenceProfile,
    /// Seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Make an accepted ensemble of every system of an experiment file: two independent runs of its reference (its seed and the
    /// next one), thinned, in turns, under the key of the system in `accepted/references` of the results folder. Experiments use
    /// them by `reference.accepted`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["system", "xml", "temperature", "out"])]
    accept: Option<PathBuf>,
    /// Frames to keep of each, of both runs together
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "accept")]
    frames: usize,
    /// Only these systems of the file
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', requires = "accept")]
    systems: Vec<String>,
    /// Compare an accepted ensemble with its digests, and its energies with what its frames have now
    #[arg(long, value_name = "NAME", conflicts_with_all = ["system", "xml", "temperature", "accept", "out"])]
    verify: Option<String>,
    /// Make an accepted ensemble again by its own recipe, and say how far the new one is from it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["system", "xml", "temperature", "accept", "out", "verify"])]
    remake: Option<String>,
    /// Also write it here: everything as an npz file, or its frames as an xtc file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the verb.
///
/// # Errors
/// Unknown systems, bad files, a full disk; [`Error::Interrupted`] after Ctrl-C; [`Error::Digest`] for an accepted ensemble that is
/// not what it was.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    if let Some(name) = &args.verify {
        return verify(name, globals);
    }
    exec::listen();
    if let Some(name) = &args.remake {
        args.device.select(globals)?;
        return remake(name, globals);
    }
    if let Some(file) = &args.accept {
        args.device.select(globals)?;
        return accept_all(args, file, globals);
    }
    args.out.as_ref().map_or(Ok(()), |path| output::file(path, "--out"))?;
    let Some(temperature) = args.temperature else {
        return Err(Error::Usage("--temperature: a reference needs one".into()));
    };
    let system = SystemArgs { system: args.system.clone(), xml: args.xml.clone(), pdb: args.pdb.clone() };
    let asked = system.spec(temperature)?;
    SystemArgs::build(&asked, globals)?;
    args.device.select(globals)?;
    let spec = ReferenceSpec { seed: args.seed, ..ReferenceSpec::ready_made(&asked, args.profile) };
    let made = make(&asked, &spec, globals)?;
    if let Some(out) = &args.out {
        let npz = made.dir.join("reference.npz");
        if is_xtc(out) {
            let positions = get(&made.arrays, "positions", &npz)?;
            write_frames(out, &positions.to_f64(), positions.shape[1])?;
        } else {
            std::fs::copy(&npz, out).map_err(Error::io(out))?;
        }
    }
    let value = || {
        serde_json::json!({
            "system": asked.name, "temperature": asked.temperature, "digest": made.digest, "folder": made.dir,
            "report": made.report,
        })
    };
    globals.print(value, || describe(&asked, &made).trim_end().to_owned())
}

fn make(asked: &SystemSpec, spec: &ReferenceSpec, globals: &Globals) -> Result<Reference> {
    exec::with_bar(&format!("{} reference", asked.name), globals.quiet, |show| {
        references::ensure(&globals.results, asked, spec, show, &interrupted)
    })
}

/// Accepts an ensemble of every system of an experiment file.
fn accept_all(args: &Args, file: &Path, globals: &Globals) -> Result<()> {
    let experiment = config::load(file, None, &[])?;
    let mut systems: Vec<&Cell> = Vec::new();
    for cell in &experiment.cells {
        let asked = args.systems.is_empty() || args.systems.contains(&cell.system);
        if asked && !systems.iter().any(|s| s.system == cell.system) {
            systems.push(cell);
        }
    }
    if let Some(unknown) = args.systems.iter().find(|name| systems.iter().all(|s| s.system != **name)) {
        let known: Vec<&str> = experiment.cells.iter().map(|c| c.system.as_str()).collect();
        return Err(Error::Usage(format!("--systems: {}", words::unknown("system", unknown, &known))));
    }
    let mut cards = Vec::new();
    for cell in systems {
        let recipe = &cell.eval.reference;
        if recipe.accepted.is_some() {
            let name = &cell.system;
            return Err(Error::Usage(format!("`systems.{name}.reference` is an accepted one: write how to make it")));
        }
        let runs = [0, 1].map(|k| ReferenceSpec { seed: recipe.seed.wrapping_add(k), ..recipe.clone() });
        cards.push(accept(&cell.system, &cell.run.system, runs.into(), args.frames, globals)?);
    }
    if globals.json {
        return output::json(&cards);
    }
    cards.iter().try_for_each(|card| show_card(card, globals))
}

fn accept(
    name: &str,
    asked: &SystemSpec,
    recipes: Vec<ReferenceSpec>,
    frames: usize,
    globals: &Globals,
) -> Result<Card> {
    text::ascii_name(name).map_err(|expected| {
        Error::Usage(format!("`{}` is to name a folder, expected {expected}", text::beginning(name)))
    })?;
    let runs = recipes.into_iter().map(|spec| make(asked, &spec, globals).map(|made| (spec, made)));
    accepted::accept(&globals.results, name, asked, &runs.collect::<Result<Vec<_>>>()?, frames)
}

fn verify(name: &str, globals: &Globals) -> Result<()> {
    let found = accepted::verify(&globals.results, name)?;
    let (frames, apart) = (output::counted(found.frames, "frame"), found.energy_apart);
    let text =
        format!("{name}: {frames}, all digests as recorded, energies within {apart:.1e} kT of what they are now");
    globals.print(|| &found, || text)
}

/// Makes the ensemble again beside the accepted one, under the name `NAME.remade`.
fn remake(name: &str, globals: &Globals) -> Result<()> {
    let (card, _) = accepted::card(&globals.results, name)?;
    let frames = accepted::verify(&globals.results, name)?.frames;
    let again = accept(&format!("{name}.remade"), &card.system, card.runs, frames, globals)?;
    if !globals.json {
        let same = again.files == card.files;
        let word =
            if same { "the same to the last bit" } else { "other frames; compare what follows with the accepted card" };
        output::line(format!("{name}: made again, {word}"))?;
    }
    show_card(&again, globals)
}

fn show_card(card: &Card, globals: &Globals) -> Result<()> {
    let text = || {
        let mut text = format!(
            "{}: {} at {}, {} independent runs, {} evaluations",
            card.name,
            card.system.name,
            card.system.temperature,
            card.runs.len(),
            card.report.counts.charged()
        );
        for m in &card.apart {
            text += &format!("\n{:<22} {} {} between the runs", m.id, m.value.map_or("-".into(), number), m.unit);
        }
        text
    };
    globals.print(|| card, text)
}

/// The report as text.
fn describe(asked: &SystemSpec, made: &Reference) -> String {
    let r = &made.report;
    let mut out = String::new();
    let list = |values: &[f64]| values.iter().map(|v| number(*v)).collect::<Vec<_>>().join(" ");
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<22} {value}");
    };
    row("reference", format!("{} at {}, {} frames, {}", asked.name, asked.temperature, r.frames, &made.digest[..16]));
    row("mean energy", format!("{} ± {} kT", number(r.mean_energy), number(r.mean_energy_error)));
    row("split halves", format!("Energy-W1 {} kT between disjoint copies", number(r.split_energy_w1)));
    row("temperatures", list(&r.ladder));
    if !r.exchange_acceptance.is_empty() {
        row("exchange acceptance", list(&r.exchange_acceptance));
        row("round trips", r.round_trips.to_string());
    }
    for p in &r.phi_positive {
        let [first, second] = p.halves;
        row(
            &format!("phi > 0 ({})", p.name),
            format!(
                "{} ± {}; first half {}, second {}",
                number(p.mean),
                number(p.error),
                number(first),
                number(second)
            ),
        );
    }
    for note in &r.notes {
        row("note", note.clone());
    }
    row("energy evaluations", r.counts.charged().to_string());
    row("folder", made.dir.display().to_string());
    out
}
