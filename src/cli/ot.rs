//! `pita-bench ot`: exact Wasserstein distance between anybody's points.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;

use super::{Globals, output};
use crate::array::read_npz;
use crate::error::{Error, Result};
use crate::metrics::ot::{Ground, wasserstein};

/// Arguments of `ot`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench ot --a phi_psi.npz --b reference.npz --metric torus
  pita-bench ot --a tica.npz --b reference.npz --metric euclidean -p 1 --json

Each file holds `points` [n, dim]; on the torus they are angles in radians. The result is exact: it is proven optimal
over all pairs.")]
pub struct Args {
    /// Points: an npz file with `points`
    #[arg(long, value_name = "NPZ")]
    a: PathBuf,
    /// The other points
    #[arg(long, value_name = "NPZ")]
    b: PathBuf,
    /// Distance between two points
    #[arg(long, value_enum)]
    metric: Metric,
    /// Order of the Wasserstein distance
    #[arg(short, value_name = "ORDER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=2))]
    p: u32,
}

/// Distance between two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Metric {
    /// In Euclidean space.
    Euclidean,
    /// Of angles, the shorter way round.
    Torus,
}

/// Runs the verb.
///
/// # Errors
/// Unreadable, misshapen or non-finite points; unequal sizes with a large common multiple.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let (a, dim) = points(&args.a)?;
    let (b, dim_b) = points(&args.b)?;
    if dim != dim_b {
        return Err(Error::shape(&args.b, format!("points have {dim_b} coordinates, those of --a have {dim}")));
    }
    let ground = match args.metric {
        Metric::Euclidean => Ground::Euclidean,
        Metric::Torus => Ground::Torus,
    };
    let start = Instant::now();
    let distance = wasserstein(args.p, &a, &b, dim, ground)?;
    let seconds = start.elapsed().as_secs_f64();
    let (n, m) = (a.len() / dim, b.len() / dim);
    if globals.json {
        return output::json(&serde_json::json!({
            "order": args.p, "distance": distance, "n_a": n, "n_b": m, "dim": dim, "seconds": seconds,
        }));
    }
    let p = args.p;
    output::line(format!("W{p} = {distance:?}  ({n} and {m} points in {dim} dimensions, {seconds:.3} s)"))
}

/// `points [n, dim]` of a file, and `dim`.
fn points(path: &Path) -> Result<(Vec<f64>, usize)> {
    let arrays = read_npz(path)?;
    let Some(array) = arrays.get("points") else {
        return Err(Error::data(path, "no array `points`; write one with numpy.savez(file, points=x)"));
    };
    let [n, dim @ 1..=usize::MAX] = array.shape[..] else {
        return Err(Error::shape(path, format!("`points` has shape {:?}, expected [n, dim]", array.shape)));
    };
    if n == 0 {
        return Err(Error::shape(path, "`points` is empty"));
    }
    let points = array.to_f64();
    if let Some(bad) = points.iter().position(|x| !x.is_finite()) {
        return Err(Error::NonFinite { path: path.into(), message: format!("point {} is not finite", bad / dim) });
    }
    Ok((points, dim))
}
