//! The systems that samplers are compared on.

use std::sync::Arc;

use crate::energy::Potential;
use crate::error::{Error, Result};

/// A system at a target temperature.
pub struct System {
    /// Name as in experiment files, such as `lj13`.
    pub name: String,
    /// Atoms per frame.
    pub atoms: usize,
    /// Target temperature, in the system's unit (reduced for LJ, K for molecules).
    pub temperature: f64,
    /// `k_B` in energy unit per temperature unit: 1 for LJ.
    pub boltzmann: f64,
    /// Unit of length, for axis labels: `r_m` or `nm`.
    pub length_unit: &'static str,
    /// Positions are divided by this before they enter a network (data standard deviation).
    pub scale: f64,
    /// A low-energy configuration `[atoms, 3]` to start from.
    pub start: Vec<f64>,
    potential: Arc<dyn Potential>,
}

impl System {
    /// `kT` at temperature `t`.
    #[must_use]
    pub fn kt(&self, t: f64) -> f64 {
        self.boltzmann * t
    }

    /// The raw potential, for the harness (metering, `energy`, evaluation); samplers get a `Metered`.
    #[must_use]
    pub fn potential(&self) -> Arc<dyn Potential> {
        Arc::clone(&self.potential)
    }
}

/// Names that [`by_name`] knows.
pub const NAMES: &[&str] = &["lj13", "lj55"];

/// Looks a system up.
///
/// # Errors
/// [`Error::Usage`] for an unknown name, with the known ones.
pub fn by_name(name: &str, _temperature: f64) -> Result<System> {
    Err(Error::Usage(format!("unknown system `{name}`; known: {}", NAMES.join(", "))))
}
