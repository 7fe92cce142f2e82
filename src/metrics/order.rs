//! Samples in the order of time: how far frames of dynamics are correlated.
//!
//! Metrics of the energy go by its autocorrelation; all others by the slowest of what is cheap to see: the energy, the squared
//! radius of gyration, and sine and cosine of every backbone angle.

use super::registry::{Compute, Metric};
use super::side::{ENERGY_LIMIT, Side};
use super::structure::Structure;
use crate::stats::series::inefficiency;
use crate::systems::dihedrals::angles;

/// Statistical inefficiencies of one set of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    energy: f64,
    shape: f64,
}

/// Where usable frames stand among all that were recorded, `[frame, walker]`.
pub struct Places<'a> {
    /// Indices of the usable ones, ascending.
    pub kept: &'a [usize],
    /// All frames.
    pub frames: usize,
    /// Walkers that took turns.
    pub walkers: usize,
}

impl Places<'_> {
    /// Inefficiency of one number per usable frame.
    fn inefficiency(&self, values: impl Iterator<Item = f64>) -> f64 {
        let mut all = vec![f64::NAN; self.frames];
        self.kept.iter().zip(values).for_each(|(&place, value)| all[place] = value);
        inefficiency(&all, self.walkers)
    }
}

impl Order {
    /// Of usable frames with their reduced energies; what is missing, and energies that metrics drop, count as the mean.
    #[must_use]
    pub fn new(usable: &Side, reduced: &[f64], places: &Places<'_>, structure: Option<&Structure>) -> Self {
        let kept = |u: f64| if u.abs() <= ENERGY_LIMIT { u } else { f64::NAN };
        let energy = places.inefficiency(reduced.iter().map(|&u| kept(u)));
        let frames = usable.positions().chunks_exact(3 * usable.atoms());
        let mut shape = energy.max(places.inefficiency(frames.map(gyration)));
        if let Some(structure) = structure {
            let dihedrals = structure.backbone.phi_psi();
            let angles = angles(&dihedrals, usable.positions(), usable.atoms());
            for k in 0..dihedrals.len() {
                for part in [f64::sin, f64::cos] {
                    let column = angles.iter().skip(k).step_by(dihedrals.len()).map(|&angle| part(angle));
                    shape = shape.max(places.inefficiency(column));
                }
            }
        }
        Self { energy, shape }
    }

    /// The inefficiency that matters to a metric.
    #[must_use]
    pub fn of(&self, metric: &Metric) -> f64 {
        if matches!(metric.compute, Compute::Energies(_)) { self.energy } else { self.shape }
    }
}

/// Mean squared distance from the centre of a frame `x [atoms, 3]`.
fn gyration(x: &[f64]) -> f64 {
    let atoms = x.as_chunks::<3>().0;
    let n = atoms.len() as f64;
    (0..3)
        .map(|c| {
            let mean = atoms.iter().map(|r| r[c]).sum::<f64>() / n;
            atoms.iter().map(|r| (r[c] - mean).powi(2)).sum::<f64>() / n
        })
        .sum()
}
