//! `pita-bench energy`: energies and forces of anybody's frames.

use std::path::PathBuf;

use super::system::mend;
use super::{DeviceArgs, Globals, SystemArgs, device, output};
use crate::array::{Array, Arrays, Input, is_xtc, write_npz_plain};
use crate::error::{Error, Result};
use crate::metrics::evaluate::energies;
use crate::metrics::rounding::Rounding;
use crate::real::Precision;
use crate::record::atomic;

/// Arguments of `energy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench energy --system lj13 --samples frames.npz --out energies.npz
  pita-bench energy --system lj55 --samples frames.npz --out energies.npz --precision f32
  pita-bench energy --system aldp --samples trajectory.xtc --out energies.npz
  pita-bench energy --system aldp --samples frames.npz --out energies.npz --device cuda:1
  pita-bench energy --xml mine.xml --pdb mine.pdb --samples frames.npy --out energies.npz
  cat frames.npz | pita-bench energy --system aldp --samples - --out energies.npz

The input holds `positions` [n, atoms, 3] or [n, 3 atoms] (an npy or xtc file holds nothing else); the output `energy` [n]
and `forces` [n, atoms, 3].")]
pub struct Args {
    #[command(flatten)]
    system: SystemArgs,
    /// Frames: an npz or safetensors file with `positions`, an npy or xtc file, or - for standard input
    #[arg(long = "samples", alias = "in", value_name = "FILE")]
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

/// Frames `[n, atoms, 3]` about their centres in single precision, which has as many more digits the closer to 0.
fn rounded(x: &[f64], atoms: usize) -> Vec<f32> {
    let frame = |x: &[f64]| {
        let mean = |c: usize| x.iter().skip(c).step_by(3).sum::<f64>() / atoms as f64;
        let centre = [mean(0), mean(1), mean(2)];
        x.iter().enumerate().map(|(k, x)| (x - centre[k % 3]) as f32).collect::<Vec<f32>>()
    };
    x.chunks_exact(3 * atoms).flat_map(frame).collect()
}

/// The frames whose energy or forces are not finite.
fn not_finite(arrays: &Arrays, frames: usize) -> Vec<usize> {
    let values: Vec<Vec<f64>> = arrays.values().map(Array::to_f64).collect();
    let finite = |frame: usize| {
        values.iter().all(|v| {
            let each = v.len() / frames.max(1);
            v[frame * each..(frame + 1) * each].iter().all(|x| x.is_finite())
        })
    };
    (0..frames).filter(|&frame| !finite(frame)).collect()
}

/// Runs the verb.
///
/// # Errors
/// Unknown systems; unreadable, misshapen or non-finite frames; an output that cannot be written; energies that are not
/// finite, which are written all the same.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    output::file(&args.output, "--out")?;
    output::not_the_input(&args.input, &args.output, "--out")?;
    args.device.select(globals)?;
    // The energy does not depend on the temperature.
    let system = SystemArgs::build(&args.system.spec(1.0)?, globals)?;
    let input = Input::open(&args.input, "positions")?;
    let mut x = input.positions(system.atoms)?;
    mend(&system, &input, &mut x, globals);
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
            let x = rounded(&x, system.atoms);
            let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
            potential.energy_forces_f32(&x, &mut e, &mut f);
            [("energy".to_owned(), Array::f32(&[n], e)), ("forces".to_owned(), Array::f32(&shape, f))].into()
        }
    };
    potential.fault().map_or(Ok(()), Err)?;
    device::say(globals);
    let rounding = Rounding::of(&x, input.precision()).and_then(|rounding| {
        let effect = rounding.effect(&x, 3 * system.atoms, &|x| energies(&system, x));
        rounding.matters(effect).then(|| (rounding.describe(system.length_unit), effect))
    });
    if let Some((how, effect)) = &rounding {
        let unit = if system.topology.is_some() { "kJ/mol" } else { "epsilon" };
        globals.note(format!("positions are {how}, {}", effect.describe(unit)));
    }
    // Written beside its place and renamed: a full disk leaves no half file.
    let draft = args.output.with_extension("npz.tmp");
    write_npz_plain(&draft, &arrays).inspect_err(|_| drop(std::fs::remove_file(&draft)))?;
    atomic::persist(&draft, &args.output)?;
    let bad = not_finite(&arrays, n);
    if globals.json {
        let rounding = rounding.map(
            |(how, effect)| serde_json::json!({ "positions": how, "mean_shift": effect.mean, "rms_shift": effect.rms }),
        );
        output::json(&serde_json::json!({
            "frames": n, "not_finite": bad.len(), "out": args.output, "rounding": rounding,
        }))?;
    } else if !globals.quiet {
        output::line(format!("{} -> {}", output::counted(n, "frame"), args.output.display()))?;
    }
    match bad[..] {
        [] => Ok(()),
        [first, ..] => Err(Error::NonFinite {
            path: args.input.clone(),
            message: format!(
                "energy or forces of {} of {} are not finite (atoms that coincide?), the first is frame {first}; {} holds them as they are",
                bad.len(),
                output::counted(n, "frame"),
                args.output.display()
            ),
        }),
    }
}
