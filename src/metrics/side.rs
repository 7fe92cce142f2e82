//! One side of a comparison: frames with their energies, and what is computed from them once.

use std::cell::OnceCell;
use std::sync::Arc;

use super::structure::{Frames, Structure};
use super::wasserstein::{Pooled, interatomic_distances};
use super::weights::relative;

/// Reduced energies beyond this are dropped (and counted): a single overlap of particles would decide the mean.
pub(super) const ENERGY_LIMIT: f64 = 1_000.0;

/// Frames with their reduced energies.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    atoms: usize,
    positions: Vec<f64>,
    energies: Vec<f64>,
    log_weight: Option<Vec<f64>>,
    /// How much each frame counts; all alike if `None`.
    weights: Option<Vec<f64>>,
    structure: Option<Arc<Structure>>,
    kept: OnceCell<Pooled>,
    distances: OnceCell<Pooled>,
    frames: OnceCell<Frames>,
}

impl Side {
    /// Frames `[n, atoms, 3]` with reduced energies `[n]` (empty when no metric needs them).
    pub(super) fn new(atoms: usize, positions: Vec<f64>, energies: Vec<f64>) -> Self {
        Self { atoms, positions, energies, ..Self::default() }
    }

    /// The same frames with these reduced energies `[n]`.
    pub(super) fn with_energies(self, energies: Vec<f64>) -> Self {
        debug_assert_eq!(energies.len(), self.len());
        Self { energies, kept: OnceCell::new(), ..self }
    }

    /// The same frames with log weights `[n]`.
    pub(super) fn with_log_weight(self, log_weight: Option<Vec<f64>>) -> Self {
        debug_assert!(log_weight.as_ref().is_none_or(|w| w.len() == self.len()));
        Self { log_weight, frames: OnceCell::new(), ..self }
    }

    /// The same frames, counted by their log weights from here on; `None` when they have none that can be used.
    pub(super) fn reweighted(&self) -> Option<Self> {
        let weights = relative(self.log_weight.as_deref()?)?;
        Some(Self { weights: Some(weights), frames: OnceCell::new(), ..self.clone() })
    }

    /// The same frames, of a molecule.
    pub(super) fn with_structure(self, structure: Option<Arc<Structure>>) -> Self {
        Self { structure, frames: OnceCell::new(), ..self }
    }

    /// Atoms per frame.
    pub(super) fn atoms(&self) -> usize {
        self.atoms
    }

    /// How much each frame counts `[n]`; all alike if `None`.
    pub(super) fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Positions `[n, atoms, 3]`.
    pub(super) fn positions(&self) -> &[f64] {
        &self.positions
    }

    /// Number of frames.
    pub(super) fn len(&self) -> usize {
        self.positions.len() / (3 * self.atoms)
    }

    /// Whether there are no frames.
    pub(super) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The frames with these indices.
    pub(super) fn select(&self, frames: &[usize]) -> Self {
        let dim = 3 * self.atoms;
        let positions = frames.iter().flat_map(|&f| &self.positions[f * dim..(f + 1) * dim]).copied().collect();
        let pick = |values: &[f64]| frames.iter().map(|&f| values[f]).collect();
        let energies = if self.energies.is_empty() { vec![] } else { pick(&self.energies) };
        Self::new(self.atoms, positions, energies)
            .with_log_weight(self.log_weight.as_deref().map(pick))
            .with_structure(self.structure.clone())
    }

    /// Places of the frames whose energies are kept.
    pub(super) fn kept_frames(&self) -> Vec<usize> {
        (0..self.energies.len()).filter(|&i| self.energies[i].abs() <= ENERGY_LIMIT).collect()
    }

    /// Weights of the frames whose energies are kept, if frames have weights.
    pub(super) fn kept_weights(&self) -> Option<Vec<f64>> {
        self.weights.as_ref().map(|weights| self.kept_frames().into_iter().map(|i| weights[i]).collect())
    }

    /// Reduced energies within ±[`ENERGY_LIMIT`], ascending.
    pub(super) fn kept(&self) -> &Pooled {
        self.kept.get_or_init(|| {
            let kept: Vec<f64> = self.kept_frames().into_iter().map(|i| self.energies[i]).collect();
            Pooled::new(&kept, 1)
        })
    }

    /// All interatomic distances, ascending.
    pub(super) fn distances(&self) -> &Pooled {
        let pairs = (self.atoms * self.atoms.saturating_sub(1) / 2).max(1);
        self.distances.get_or_init(|| Pooled::new(&interatomic_distances(&self.positions, self.atoms), pairs))
    }

    /// The frames of right handedness; `None` without topology.
    pub(super) fn frames(&self) -> Option<&Frames> {
        let structure = self.structure.as_ref()?;
        Some(self.frames.get_or_init(|| {
            let frames = Frames::new(Arc::clone(structure), &self.positions, self.log_weight.as_deref());
            if self.weights.is_some() { frames.reweighted() } else { frames }
        }))
    }

    /// Positions of the first frames.
    pub(super) fn first(&self, frames: usize) -> &[f64] {
        &self.positions[..frames * 3 * self.atoms]
    }
}
