//! The systems that samplers are compared on.

mod mackay;
mod minimise;

use std::sync::Arc;

use crate::energy::{LennardJones, Potential};
use crate::error::{Error, Result};

use mackay::mackay;
use minimise::minimise;

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

/// Looks a system up and puts it at `temperature`.
///
/// # Errors
/// [`Error::Usage`] for an unknown name, with the known ones, or a temperature that is not positive.
pub fn by_name(name: &str, temperature: f64) -> Result<System> {
    let shells = match name {
        "lj13" => 1,
        "lj55" => 2,
        _ => return Err(Error::Usage(format!("unknown system `{name}`; known: {}", NAMES.join(", ")))),
    };
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(Error::Usage(format!("temperature {temperature} of system `{name}` must be positive")));
    }
    let mut start = mackay(shells, 0.95);
    let atoms = start.len() / 3;
    let potential = LennardJones::new(atoms);
    minimise(&potential, &mut start, 1e-10);
    Ok(System {
        name: name.to_owned(),
        atoms,
        temperature,
        boltzmann: 1.0,
        length_unit: "r_m",
        scale: 1.0,
        start,
        potential: Arc::new(potential),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn energy_at_start(system: &System) -> (f64, f64) {
        let (mut e, mut f) = ([0.0], vec![0.0; system.start.len()]);
        system.potential().energy_forces(&system.start, &mut e, &mut f);
        (e[0], f.iter().fold(0.0f64, |m, f| m.max(f.abs())))
    }

    /// The published minimum of this LJ-13 (icosahedron).
    #[test]
    fn lj13_starts_at_the_global_minimum() {
        let (energy, force) = energy_at_start(&by_name("lj13", 1.0).unwrap());
        assert!((energy + 83.089_644_07).abs() < 1e-8, "{energy}");
        assert!(force < 1e-7, "{force}");
    }

    /// Without the oscillator the Mackay icosahedron has E = -279.248470 per unordered pair sum with well depth 1, in
    /// the Cambridge Cluster Database: twice that bounds our pair term from below.
    #[test]
    fn lj55_starts_near_the_mackay_minimum() {
        let system = by_name("lj55", 1.0).unwrap();
        let (_, force) = energy_at_start(&system);
        assert!(force < 1e-6, "{force}");
        let mut terms = [0.0; 2];
        system.potential().per_term(&system.start, &mut terms);
        let bound = 2.0 * -279.248_470;
        assert!(terms[0] > bound && terms[0] < 0.98 * bound, "{terms:?} {bound}");
    }

    #[test]
    fn unknown_names_and_temperatures_are_refused() {
        assert!(by_name("lj14", 1.0).err().unwrap().to_string().contains("lj13, lj55"));
        assert!(by_name("lj13", 0.0).is_err());
        assert!(by_name("lj13", f64::NAN).is_err());
    }
}
