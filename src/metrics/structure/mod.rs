//! The structure of molecules: what is measured on frames with a topology, and the metrics of it.
//!
//! | file | job |
//! |---|---|
//! | [`internal`] | bond lengths and angles |
//! | [`chirality`] | handedness by the published rule |
//! | [`ramachandran`] | histograms of (phi, psi) and their divergences |
//! | [`tica`] | slow components: features, fit, projection |
//! | `basins` | populations and free energies of phi basins |
//! | `states` | populations of regions of the Ramachandran plane |
//! | `joint` | all backbone torsions together: a two-sample test |
//! | `frames` | frames of right handedness; what figures draw |
//! | `compare` | the structural metrics |
//!
//! Mirror images are reflected, frames of other stereoisomers left out and equal groups put back in their places first,
//! before every metric here. Energies do not tell a molecule from its mirror image, so a sampler without a sense of
//! chirality makes both.

pub(super) mod basins;
pub mod chirality;
mod compare;
mod frames;
pub mod internal;
pub(super) mod joint;
pub mod ramachandran;
pub(super) mod states;
pub mod tica;

use std::sync::Arc;

pub(super) use compare::{
    Rule, basin_coverage, bond_angles, bonds, hand_rate, of_frames, rama, rama_kl_weighted, tica as slow_components,
    torus,
};
pub use frames::{Frames, Panel};

use crate::error::{Error, Result};
use crate::systems::dihedrals::Backbone;
use crate::systems::stereo::Stereo;
use crate::systems::{System, Topology};

/// Everything that the structural metrics need to know of a molecule.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// Names and bonds.
    pub topology: Arc<Topology>,
    /// Backbone dihedrals.
    pub backbone: Backbone,
    /// Bonds and angles.
    pub internal: internal::Internal,
    /// Stereocentres, and equal groups.
    pub stereo: Stereo,
    /// Stereocentres by the published rule.
    pub chirality: chirality::Chirality,
    /// What TICA sees.
    pub features: tica::Features,
    /// TICA models of the reference, if it has any.
    pub tica: Option<Arc<tica::Models>>,
}

impl Structure {
    /// The structure of a molecule whose stereocentres are right in the configuration `right [atoms, 3]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when topology and configuration have different numbers of atoms.
    pub fn new(topology: Arc<Topology>, right: &[f64]) -> Result<Self> {
        if right.len() != 3 * topology.atoms.len() {
            let message = format!("{} atoms in the topology, {} coordinates", topology.atoms.len(), right.len());
            return Err(Error::shape("topology", message));
        }
        let backbone = Backbone::new(&topology);
        Ok(Self {
            internal: internal::Internal::new(&topology),
            stereo: Stereo::new(&topology, right),
            chirality: chirality::Chirality::new(&topology, right),
            features: tica::Features::new(&topology, &backbone),
            tica: None,
            backbone,
            topology,
        })
    }

    /// The structure of a system; `None` without topology.
    ///
    /// # Errors
    /// [`Error::Shape`] when topology and starting configuration do not fit together.
    pub fn of(system: &System) -> Result<Option<Self>> {
        system.topology.as_ref().map(|topology| Self::new(Arc::clone(topology), &system.given)).transpose()
    }

    /// The same with TICA models (or none).
    ///
    /// # Errors
    /// [`Error::Shape`] when the models are for another number of features.
    pub fn with_tica(mut self, models: Option<Arc<tica::Models>>) -> Result<Self> {
        for model in models.iter().flat_map(|models| [&models.koopman, &models.plain]) {
            if model.mean.len() != self.features.dim() {
                let message = format!("{} features, this molecule has {}", model.mean.len(), self.features.dim());
                return Err(Error::shape("TICA model", message));
            }
        }
        self.tica = models;
        Ok(self)
    }

    /// TICA models of contiguous trajectories `positions [sum of lengths, atoms, 3]`, `lag` frames; mirror images and all
    /// are used as they are.
    ///
    /// # Errors
    /// See [`tica::fit`].
    pub fn fit_tica(&self, positions: &[f64], lengths: &[usize], lag: usize) -> Result<tica::Models> {
        let features = self.features.measure(positions, self.atoms());
        tica::Models::fit(&features, self.features.dim(), lengths, lag)
    }

    /// Atoms per frame.
    #[must_use]
    pub fn atoms(&self) -> usize {
        self.topology.atoms.len()
    }

    /// Names of the residues with a phi, such as `ALA2`.
    #[must_use]
    pub fn phi_names(&self) -> Vec<String> {
        self.backbone.phi.iter().map(|phi| residue(&self.topology, phi.residue)).collect()
    }
}

/// A residue's name and number, such as `ALA2`.
fn residue(topology: &Topology, index: usize) -> String {
    let residue = &topology.residues[index];
    format!("{}{}", residue.name, residue.number)
}

/// Bonded atoms, such as `ALA2 N-CA-CB` or `ACE1 C-ALA2 N`: the residue is named where it changes.
fn name(topology: &Topology, atoms: &[usize]) -> String {
    let mut last = None;
    let part = |&i: &usize| {
        let atom = &topology.atoms[i];
        if last.replace(atom.residue) == Some(atom.residue) {
            return atom.name.clone();
        }
        format!("{} {}", residue(topology, atom.residue), atom.name)
    };
    atoms.iter().map(part).collect::<Vec<_>>().join("-")
}
