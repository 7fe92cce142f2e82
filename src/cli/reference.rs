//! `reference`: makes (or goes on with) the reference ensemble of a system and says how far it can be trusted.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{DeviceArgs, Globals, SystemArgs, complete, output};
use crate::array::{get, is_xtc, write_frames};
use crate::config::ReferenceProfile;
use crate::error::{Error, Result};
use crate::exec::references::{self, Reference};
use crate::exec::{self, interrupted};
use crate::report::table::number;
use crate::spec::{ReferenceSpec, SystemSpec};

/// Arguments of `reference`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench reference aldp --temperature 300                                   a minute on two cores (al3: two)
  pita-bench reference al3 --temperature 300 --profile standard --out al3.npz   an hour on two cores
  pita-bench reference --xml mine.xml --pdb mine.pdb --temperature 300

Stop it with Ctrl-C and run it again: it goes on where it was. Finished references are kept in the results folder and
used by `eval` and by experiments that ask for the same settings (`reference.profile` and `reference.seed`).")]
pub struct Args {
    /// Built-in system: lj13, lj55, aldp or al3
    #[arg(value_name = "SYSTEM", add = complete::systems(), required_unless_present_any = ["xml", "pdb"], conflicts_with_all = ["xml", "pdb"])]
    system: Option<String>,
    /// Another molecule: its force field, as written by openmm.XmlSerializer.serialize(system); needs --pdb
    #[arg(long, value_name = "FILE", requires = "pdb")]
    xml: Option<PathBuf>,
    /// Another molecule: names of its atoms, and a structure to start from; needs --xml
    #[arg(long, value_name = "FILE", requires = "xml")]
    pdb: Option<PathBuf>,
    /// Temperature (reduced for LJ, K for molecules)
    #[arg(long)]
    temperature: f64,
    /// How much it may cost
    #[arg(long, value_enum, default_value_t = ReferenceProfile::Quick)]
    profile: ReferenceProfile,
    /// Seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also write it here: everything as an npz file, or its frames as an xtc file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the verb.
///
/// # Errors
/// Unknown systems, bad files, a full disk; [`Error::Interrupted`] after Ctrl-C.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    if let Some(out) = &args.out {
        output::file(out, "--out")?;
    }
    let system = SystemArgs { system: args.system.clone(), xml: args.xml.clone(), pdb: args.pdb.clone() };
    let asked = system.spec(args.temperature)?;
    SystemArgs::build(&asked, globals.quiet)?;
    args.device.select(globals.quiet)?;
    exec::listen();
    let spec = ReferenceSpec { seed: args.seed, ..ReferenceSpec::ready_made(&asked, args.profile) };
    let made = exec::with_bar(&format!("{} reference", asked.name), globals.quiet, |show| {
        references::ensure(&globals.results, &asked, &spec, show, &interrupted)
    })?;
    if let Some(out) = &args.out {
        let npz = made.dir.join("reference.npz");
        if is_xtc(out) {
            let positions = get(&made.arrays, "positions", &npz)?;
            write_frames(out, &positions.to_f64(), positions.shape[1])?;
        } else {
            std::fs::copy(&npz, out).map_err(Error::io(out))?;
        }
    }
    if globals.json {
        return output::json(&serde_json::json!({
            "system": asked.name, "temperature": asked.temperature, "digest": made.digest, "folder": made.dir,
            "report": made.report,
        }));
    }
    output::line(describe(&asked, &made).trim_end())
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
    row("exchange acceptance", list(&r.exchange_acceptance));
    row("round trips", r.round_trips.to_string());
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
