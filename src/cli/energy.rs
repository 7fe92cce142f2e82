//! `pita-bench energy`: energies and forces of anybody's frames.

use std::path::PathBuf;

use super::{DeviceArgs, Globals, SystemArgs, device, output};
use crate::array::{Array, Arrays, is_xtc, positions_of, read_frames, write_npz};
use crate::error::{Error, Result};
use crate::real::Precision;
use crate::record::atomic;
use crate::systems::wholeness;

/// Arguments of `energy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench energy --system lj13 --in frames.npz --out energies.npz
  pita-bench energy --system lj55 --in frames.npz --out energies.npz --precision f32
  pita-bench energy --system aldp --in trajectory.xtc --out energies.npz
  pita-bench energy --system aldp --in frames.npz --out energies.npz --device cuda:1
  pita-bench energy --xml mine.xml --pdb mine.pdb --in frames.npz --out energies.npz

The input holds `positions` [n, atoms, 3], or is an xtc file; the output `energy` [n] and `forces` [n, atoms, 3].")]
pub struct Args {
    #[command(flatten)]
    system: SystemArgs,
    /// Frames: an npz file with `positions`, or an xtc file
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where energies and forces go
    #[arg(long = "out", value_name = "NPZ")]
    output: PathBuf,
    /// Precision of the arithmetic and of the output
    #[arg(long, value_enum, default_value_t = Precision::F64)]
    precision: Precision,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs the verb.
///
/// # Errors
/// Unknown systems; unreadable, misshapen or non-finite frames; an output that cannot be written.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    args.device.select(globals.quiet)?;
    // The energy does not depend on the temperature.
    let system = SystemArgs::build(&args.system.spec(1.0)?, globals.quiet)?;
    let arrays = read_frames(&args.input)?;
    let mut x = positions_of(&arrays, &args.input, system.atoms)?;
    if let Some(topology) = &system.topology {
        wholeness::by_box(topology, &arrays, &mut x);
        let n = x.len() / (3 * system.atoms);
        let wholeness::Sorted { kept, hint } = wholeness::sort(topology, &x, system.scale);
        if let Some(hint) = hint.filter(|_| !globals.quiet) {
            eprintln!("note: {} of {n} frames are not the molecule: {hint}", n - kept.len());
        }
    }
    output::not_the_input(&args.input, &args.output, "--out")?;
    if is_xtc(&args.output) {
        return Err(Error::Usage("--out: an xtc file holds no energies; name an npz file".into()));
    }
    let n = x.len() / (3 * system.atoms);
    let shape = [n, system.atoms, 3];
    let potential = crate::device::potential(&system.potential())?;
    let arrays: Arrays = match args.precision {
        Precision::F64 => {
            let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
            potential.energy_forces(&x, &mut e, &mut f);
            [("energy".to_owned(), Array::f64(&[n], e)), ("forces".to_owned(), Array::f64(&shape, f))].into()
        }
        Precision::F32 => {
            let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
            let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
            potential.energy_forces_f32(&x, &mut e, &mut f);
            [("energy".to_owned(), Array::f32(&[n], e)), ("forces".to_owned(), Array::f32(&shape, f))].into()
        }
    };
    potential.fault().map_or(Ok(()), Err)?;
    device::say(globals.quiet);
    // Written beside its place and renamed: a full disk leaves no half file.
    let draft = args.output.with_extension("npz.tmp");
    write_npz(&draft, &arrays).inspect_err(|_| drop(std::fs::remove_file(&draft)))?;
    atomic::persist(&draft, &args.output)?;
    if globals.json {
        return output::json(&serde_json::json!({ "frames": n, "out": args.output }));
    }
    if globals.quiet { Ok(()) } else { output::line(format!("{n} frames -> {}", args.output.display())) }
}
