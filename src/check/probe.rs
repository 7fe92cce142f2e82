//! Energies and forces of fixed frames: the same on every machine to [`TOLERANCE`], whatever chaos does to trajectories. A
//! constant that is wrong shows here at once, and sharply.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::array::{Array, Arrays, get, read_npz};
use crate::error::{Error, Result};
use crate::spec::SystemSpec;
use crate::systems;

/// Largest difference of an energy or a force, relative to the largest of the probe. Arithmetic is f64 on every device;
/// sums in another order, with or without fused multiply-add, stay well below.
pub const TOLERANCE: f64 = 1e-9;

/// Frames of a probe.
const FRAMES: usize = 32;

/// How far energies and forces of a system's probe are from the accepted ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Key of the system.
    pub system: String,
    /// Frames compared.
    pub frames: usize,
    /// Largest difference of an energy, relative to the largest energy.
    pub energy: f64,
    /// The same of force components.
    pub force: f64,
}

impl Outcome {
    /// Whether both are within [`TOLERANCE`].
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.energy <= TOLERANCE && self.force <= TOLERANCE
    }
}

/// Energies and forces of the first frames of `positions [n, atoms, 3]`, as this program computes them.
///
/// # Errors
/// When the system cannot be built.
pub fn make(system: &SystemSpec, positions: &[f64]) -> Result<Arrays> {
    let built = systems::build(system)?;
    let dim = 3 * built.atoms;
    let x = &positions[..positions.len().min(FRAMES * dim) / dim * dim];
    let n = x.len() / dim;
    let (mut energy, mut forces) = (vec![0.0; n], vec![0.0; x.len()]);
    built.potential().energy_forces(x, &mut energy, &mut forces);
    Ok([
        ("positions".to_owned(), Array::f64(&[n, built.atoms, 3], x.to_vec())),
        ("energy".to_owned(), Array::f64(&[n], energy)),
        ("forces".to_owned(), Array::f64(&[n, built.atoms, 3], forces)),
    ]
    .into())
}

/// Computes a recorded probe again.
///
/// # Errors
/// When the file cannot be read or does not fit the system.
pub fn compare(key: &str, system: &SystemSpec, path: &Path) -> Result<Outcome> {
    let accepted = read_npz(path)?;
    let positions = get(&accepted, "positions", path)?;
    if positions.shape.get(1) != Some(&systems::build(system)?.atoms) {
        return Err(Error::shape(
            path,
            format!("`positions` has shape {:?}, which is another system", positions.shape),
        ));
    }
    let now = make(system, &positions.to_f64())?;
    let apart = |name: &str| -> Result<f64> {
        let (was, is) = (get(&accepted, name, path)?.to_f64(), now[name].to_f64());
        let largest = was.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let worst = was.iter().zip(&is).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
        // NaN and missing frames are as far as can be.
        let sound = was.len() == is.len() && is.iter().all(|x| x.is_finite());
        Ok(match (sound, worst == 0.0) {
            (false, _) => f64::MAX,
            (true, true) => 0.0,
            (true, false) => worst / largest,
        })
    };
    Ok(Outcome {
        system: key.to_owned(),
        frames: positions.shape[0],
        energy: apart("energy")?,
        force: apart("forces")?,
    })
}
