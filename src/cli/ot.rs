//! `pita-bench ot`: exact Wasserstein distance between anybody's points.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Globals, output};
use crate::array::Input;
use crate::error::{Error, Result};
use crate::exec;
use crate::metrics::ot::{Ground, Points, weighted};

/// Arguments of `ot`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench ot --a phi_psi.npz --b reference.npz --metric torus
  pita-bench ot --a tica.npz --b reference.npz --metric euclidean -p 1 --json

Each file holds `points` [n, dim], and may hold `weights` [n] or `log_weight` [n] (all points count alike without); an npy
file holds points alone. The numbers of points need not be equal. On the torus points are angles in radians. The result is
exact: it is proven optimal over all pairs.")]
pub struct Args {
    /// Points: an npz, npy or safetensors file, or - for standard input
    #[arg(long, value_name = "FILE")]
    a: PathBuf,
    /// The other points
    #[arg(long, value_name = "FILE")]
    b: PathBuf,
    /// Distance between two points
    #[arg(long, value_enum)]
    metric: Ground,
    /// Order of the Wasserstein distance
    #[arg(long = "order", short_alias = 'p', value_name = "P", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=2))]
    p: u32,
}

/// Runs the verb.
///
/// # Errors
/// Unreadable, misshapen or non-finite points, weights that are none.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let (a, dim) = Cloud::read(&args.a, globals)?;
    let (b, dim_b) = Cloud::read(&args.b, globals)?;
    if dim != dim_b {
        return Err(Error::shape(&args.b, format!("points have {dim_b} coordinates, those of --a have {dim}")));
    }
    let start = Instant::now();
    let distance =
        exec::with_bar("transport", globals.quiet, |_| weighted(args.p, a.points(), b.points(), dim, args.metric))?;
    let seconds = start.elapsed().as_secs_f64();
    let (n, m) = (a.at.len() / dim, b.at.len() / dim);
    let weights = [a.weights.is_some(), b.weights.is_some()];
    if globals.json {
        return output::json(&serde_json::json!({
            "order": args.p, "distance": distance, "n_a": n, "n_b": m, "dim": dim, "seconds": seconds,
            "weighted": weights,
        }));
    }
    let (p, [a, b]) = (args.p, weights.map(|w| if w { " weighted" } else { "" }));
    output::line(format!("W{p} = {distance:?}  ({n}{a} and {m}{b} points in {dim} dimensions, {seconds:.3} s)"))
}

/// Points of a file, with weights if it has any.
struct Cloud {
    at: Vec<f64>,
    weights: Option<Vec<f64>>,
}

impl Cloud {
    fn points(&self) -> Points<'_> {
        Points { at: &self.at, weights: self.weights.as_deref() }
    }

    /// `points [n, dim]` of a file with their weights, and `dim`.
    fn read(path: &Path, globals: &Globals) -> Result<(Self, usize)> {
        let input = Input::open(path, "points")?;
        let array = input.get("points")?;
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
        for name in input.nearly_weights() {
            globals.note(format!(
                "{}: array `{name}` is not used: weights are read from `weights` or `log_weight`",
                path.display()
            ));
        }
        Ok((Self { at: points, weights: input.weights(n)? }, dim))
    }
}
