//! Time-lagged independent component analysis: the slowest linear combinations of features.
//!
//! A model is fitted once per reference, on contiguous trajectories, and used for every method: [`Models`]. Two kinds:
//!
//! - **Koopman** (Wu et al. 2017): pairs of frames are reweighted towards equilibrium before fitting;
//! - **plain**: they are not. PITA's public code asks for Koopman weights but passes them where deeptime ignores them, so
//!   its numbers are of this kind.
//!
//! Both are reversible (means and covariances averaged over the two ends of each pair), cut covariance eigenvalues at
//! 1e-6, and scale component i by its eigenvalue (kinetic map, Noe and Clementi 2015).

mod features;
mod fit;
mod moments;

use crate::array::{Array, Arrays, get};
use crate::error::{Error, Result};

pub use features::Features;
pub use fit::fit;

/// Whether pairs of frames are reweighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Koopman reweighting.
    Koopman,
    /// No weights.
    Plain,
}

/// A fitted model: component i of a frame is (features - mean) . column i.
#[derive(Debug, Clone, PartialEq)]
pub struct Tica {
    /// Lag, in frames of the trajectory.
    pub lag: usize,
    /// Mean of the features `[dim]`.
    pub mean: Vec<f64>,
    /// Columns are components, scaled by their eigenvalues: `[dim, rank]`, row-major.
    pub matrix: Vec<f64>,
    /// Autocorrelations of the components at the lag `[rank]`, by falling modulus.
    pub eigenvalues: Vec<f64>,
}

impl Tica {
    /// The first `components` (at most the rank) of frames with `features [n, dim]`: `[n, components]`.
    #[must_use]
    pub fn project(&self, features: &[f64], components: usize) -> Vec<f64> {
        let rank = self.eigenvalues.len();
        let components = components.min(rank);
        let mut out = vec![0.0; features.len() / self.mean.len() * components];
        for (out, x) in out.chunks_exact_mut(components.max(1)).zip(features.chunks_exact(self.mean.len())) {
            for ((x, mean), row) in x.iter().zip(&self.mean).zip(self.matrix.chunks_exact(rank)) {
                for (value, entry) in out.iter_mut().zip(row) {
                    *value += (x - mean) * entry;
                }
            }
        }
        out
    }
}

/// The models of a reference: one of each kind, on the same trajectories.
#[derive(Debug, Clone, PartialEq)]
pub struct Models {
    /// With Koopman reweighting.
    pub koopman: Tica,
    /// Without.
    pub plain: Tica,
}

impl Models {
    /// Fits both to `features [n, dim]`; see [`fit()`].
    ///
    /// # Errors
    /// See [`fit()`].
    pub fn fit(features: &[f64], dim: usize, lengths: &[usize], lag: usize) -> Result<Self> {
        let of = |kind| fit(features, dim, lengths, lag, kind);
        Ok(Self { koopman: of(Kind::Koopman)?, plain: of(Kind::Plain)? })
    }

    /// The model of a kind.
    #[must_use]
    pub fn kind(&self, kind: Kind) -> &Tica {
        match kind {
            Kind::Koopman => &self.koopman,
            Kind::Plain => &self.plain,
        }
    }

    /// Arrays to save: `koopman.mean [dim]`, `koopman.matrix [dim, rank]`, `koopman.eigenvalues [rank]`, the same of
    /// `plain`, and `lag`.
    #[must_use]
    pub fn to_arrays(&self) -> Arrays {
        let mut arrays = Arrays::from([("lag".to_owned(), Array::i64(&[], vec![self.plain.lag as i64]))]);
        for (name, tica) in [("koopman", &self.koopman), ("plain", &self.plain)] {
            let (dim, rank) = (tica.mean.len(), tica.eigenvalues.len());
            arrays.insert(format!("{name}.mean"), Array::f64(&[dim], tica.mean.clone()));
            arrays.insert(format!("{name}.matrix"), Array::f64(&[dim, rank], tica.matrix.clone()));
            arrays.insert(format!("{name}.eigenvalues"), Array::f64(&[rank], tica.eigenvalues.clone()));
        }
        arrays
    }

    /// Those among the arrays of a reference (`tica.*`), if it has any; `path` is for messages.
    ///
    /// # Errors
    /// See [`Models::from_arrays`].
    pub fn of_reference(arrays: &Arrays, path: &std::path::Path) -> Result<Option<Self>> {
        let ours = |(name, array): (&String, &Array)| Some((name.strip_prefix("tica.")?.to_owned(), array.clone()));
        let found: Arrays = arrays.iter().filter_map(ours).collect();
        if found.is_empty() { Ok(None) } else { Self::from_arrays(&found, path).map(Some) }
    }

    /// From saved arrays; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Data`] when an array is missing, [`Error::Shape`] when shapes do not fit together.
    pub fn from_arrays(arrays: &Arrays, path: &std::path::Path) -> Result<Self> {
        let lag = get(arrays, "lag", path)?
            .as_i64()
            .and_then(|lag| usize::try_from(*lag.first()?).ok())
            .ok_or_else(|| Error::data(path, "`lag` is not a whole number of frames"))?;
        let read = |name: &str| {
            let part = |what: &str| get(arrays, &format!("{name}.{what}"), path);
            let (mean, matrix, eigenvalues) = (part("mean")?, part("matrix")?, part("eigenvalues")?);
            let (shape, expected) = (&matrix.shape, [mean.len(), eigenvalues.len()]);
            if mean.is_empty() || *shape != expected {
                let message = format!(
                    "`{name}.matrix` has shape {shape:?}, expected {expected:?} after its mean and eigenvalues"
                );
                return Err(Error::shape(path, message));
            }
            Ok(Tica { lag, mean: mean.to_f64(), matrix: matrix.to_f64(), eigenvalues: eigenvalues.to_f64() })
        };
        Ok(Self { koopman: read("koopman")?, plain: read("plain")? })
    }
}
