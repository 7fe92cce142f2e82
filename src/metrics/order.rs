//! Samples in the order of time: how far frames of dynamics are correlated.
//!
//! Metrics of the energy go by its autocorrelation; all others by the slowest of what is cheap to see: the energy, the squared
//! radius of gyration, and sine and cosine of every backbone angle.

use super::registry::Metric;
use super::side::ENERGY_LIMIT;
use super::structure::Structure;
use super::usable::Usable;
use crate::stats::series::inefficiency;
use crate::systems::dihedrals::angles;

/// Statistical inefficiencies of one set of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Order {
    energy: f64,
    shape: f64,
}

impl Order {
    /// Of usable frames of so many walkers that took turns, with their reduced energies; what is missing, and energies that metrics
    /// drop, count as the mean.
    pub(super) fn new(usable: &Usable, reduced: &[f64], walkers: usize, structure: Option<&Structure>) -> Self {
        let Usable { side, kept: places, frames, .. } = usable;
        let inefficiency = |values: &mut dyn Iterator<Item = f64>| {
            let mut all = vec![f64::NAN; *frames];
            places.iter().zip(values).for_each(|(&place, value)| all[place] = value);
            inefficiency(&all, walkers)
        };
        let kept = |u: f64| if u.abs() <= ENERGY_LIMIT { u } else { f64::NAN };
        let energy = inefficiency(&mut reduced.iter().map(|&u| kept(u)));
        let frames = side.positions().chunks_exact(3 * side.atoms());
        let mut shape = energy.max(inefficiency(&mut frames.map(gyration)));
        if let Some(structure) = structure {
            let dihedrals = structure.backbone.phi_psi();
            let angles = angles(&dihedrals, side.positions(), side.atoms());
            for k in 0..dihedrals.len() {
                for part in [f64::sin, f64::cos] {
                    let mut column = angles.iter().skip(k).step_by(dihedrals.len()).map(|&angle| part(angle));
                    shape = shape.max(inefficiency(&mut column));
                }
            }
        }
        Self { energy, shape }
    }

    /// The inefficiency that matters to a metric.
    pub(super) fn of(&self, metric: &Metric) -> f64 {
        if metric.of_energies() { self.energy } else { self.shape }
    }
}

/// Mean squared distance from the centre of a frame `x [atoms, 3]`.
fn gyration(x: &[f64]) -> f64 {
    let atoms = x.as_chunks::<3>().0;
    let n = atoms.len() as f64;
    let along = |c: usize| {
        let mean = atoms.iter().map(|r| r[c]).sum::<f64>() / n;
        atoms.iter().map(|r| (r[c] - mean).powi(2)).sum::<f64>() / n
    };
    (0..3).map(along).sum()
}
