//! `convert`: frames from any file format to npz or xtc.

use std::path::PathBuf;

use super::system::mend;
use super::{Globals, SystemArgs, output};
use crate::array::{Input, frames_format, write_frames};
use crate::error::{Error, Result};
use crate::record::atomic;
use crate::systems::pdb;

/// Arguments of `convert`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench convert --system aldp --samples samples.npz --out samples.xtc --out-pdb aldp.pdb
  vmd aldp.pdb samples.xtc                                   (or mdtraj.load(\"samples.xtc\", top=\"aldp.pdb\"))
  pita-bench convert --system aldp --samples long-md.xtc --out long-md.npz
  pita-bench convert --xml mine.xml --pdb mine.pdb --samples samples.npz --out samples.xtc

An npz file holds `positions` [n, atoms, 3] exactly; an xtc file rounds them to 1e-6 nm and holds nothing else (no weights).
Reduced units of clusters stand in an xtc file as they are: r_m where viewers take nm.")]
pub struct Args {
    #[command(flatten)]
    system: SystemArgs,
    /// Frames: an npz or safetensors file with `positions`, an npy or xtc file, or - for standard input
    #[arg(long = "samples", alias = "in", value_name = "FILE")]
    input: PathBuf,
    /// Where they go: .xtc or .npz
    #[arg(long = "out", value_name = "FILE")]
    output: PathBuf,
    /// Also write names, bonds and the first frame here, as viewers want them beside an xtc file
    #[arg(long, value_name = "PDB")]
    out_pdb: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// Unknown systems; unreadable, misshapen or non-finite frames; an output that cannot be written.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    output::file(&args.output, "--out")?;
    args.out_pdb.as_ref().map_or(Ok(()), |path| output::file(path, "--out-pdb"))?;
    let system = SystemArgs::build(&args.system.spec(1.0)?, globals)?;
    output::not_the_input(&args.input, &args.output, "--out")?;
    let format = frames_format(&args.output)?;
    let input = Input::open(&args.input, "positions")?;
    let mut x = input.positions(system.atoms)?;
    let n = x.len() / (3 * system.atoms);
    mend(&system, &input, &mut x, globals);
    if let Some(path) = &args.out_pdb {
        output::not_the_input(&args.input, path, "--out-pdb")?;
        let Some(topology) = &system.topology else {
            let message = format!("--out-pdb: the atoms of {} have no names; --out-pdb is for molecules", system.name);
            return Err(Error::Usage(message));
        };
        let frame = if n == 0 { &system.given[..] } else { &x[..3 * system.atoms] };
        atomic::write(path, pdb::write(path, topology, frame)?.as_bytes())?;
    }
    let others: Vec<&str> = input.names().filter(|name| *name != "positions").collect();
    if !others.is_empty() {
        globals.note(format!("only positions are converted: {} left out", others.join(", ")));
    }
    // Written beside its place and renamed: a full disk leaves no half file.
    let draft = args.output.with_extension(format!("tmp.{format}"));
    write_frames(&draft, &x, system.atoms).inspect_err(|_| drop(std::fs::remove_file(&draft)))?;
    atomic::persist(&draft, &args.output)?;
    if globals.json {
        return output::json(&serde_json::json!({ "frames": n, "out": args.output, "out_pdb": args.out_pdb }));
    }
    if globals.quiet {
        return Ok(());
    }
    output::line(format!("{} -> {}", output::counted(n, "frame"), args.output.display()))
}
