//! `pita-bench energy`: energies and forces of anyone's frames.

use std::path::PathBuf;

use super::Globals;
use crate::array::{Array, Arrays, read_positions, write_npz};
use crate::error::{Error, Result};
use crate::systems;

/// Arithmetic of the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// Evaluate energies and forces of the frames in an npz file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// System, such as `lj13`.
    #[arg(long)]
    pub system: String,
    /// File with `positions` [n, atoms, 3].
    #[arg(long = "in")]
    pub input: PathBuf,
    /// File to write, with `energy` [n] and `forces` [n, atoms, 3].
    #[arg(long = "out")]
    pub output: PathBuf,
    /// Arithmetic; also the type of the arrays written.
    #[arg(long, value_enum, default_value = "f64")]
    pub precision: Precision,
}

/// Runs the verb.
///
/// # Errors
/// [`Error::Usage`] for an unknown system, the reader's errors for bad input, [`Error::Refused`] when the output is the
/// input.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    // The temperature plays no part in an energy.
    let system = systems::by_name(&args.system, 1.0)?;
    let positions = read_positions(&args.input, system.atoms)?;
    let same = |a: &PathBuf, b: &PathBuf| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same(&args.input, &args.output) {
        let path = args.output.display();
        return Err(Error::Refused(format!("{path}: is also the input; choose another --out")));
    }
    let (n, shape) = (positions.len() / (3 * system.atoms), [positions.len() / (3 * system.atoms), system.atoms, 3]);
    let potential = system.potential();
    let (energy, forces) = match args.precision {
        Precision::F64 => {
            let (mut e, mut f) = (vec![0.0; n], vec![0.0; positions.len()]);
            potential.energy_forces(&positions, &mut e, &mut f);
            (Array::f64(&[n], e), Array::f64(&shape, f))
        }
        Precision::F32 => {
            let x: Vec<f32> = positions.iter().map(|&x| x as f32).collect();
            let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
            potential.energy_forces_f32(&x, &mut e, &mut f);
            (Array::f32(&[n], e), Array::f32(&shape, f))
        }
    };
    // Beside the output, then renamed: never a half-written file under its name.
    let mut part = args.output.clone().into_os_string();
    part.push(format!(".part{}", std::process::id()));
    let part = PathBuf::from(part);
    let written = write_npz(&part, &Arrays::from([("energy".into(), energy), ("forces".into(), forces)]))
        .and_then(|()| std::fs::rename(&part, &args.output).map_err(Error::io(&args.output)));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written?;
    if !globals.quiet {
        eprintln!("{n} frames of {} -> {}", system.name, args.output.display());
    }
    Ok(())
}
