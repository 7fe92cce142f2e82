//! Initial data under a well-tempered bias on phi and psi: all walkers share it, hills are added while they equilibrate, then it is
//! frozen. Frames `x` made under it have weights `exp(V(x)/kT)` that are exact, and are resampled by them.
//!
//! [`crate::energy::forcefield::bias`] has the formulas.

use std::sync::Arc;

use super::Recorder;
use crate::array::Arrays;
use crate::diffusion::{ess, systematic};
use crate::energy::forcefield::Bias;
use crate::error::{Error, Result};
use crate::rng::{self, Stream};
use crate::samplers::state;
use crate::spec::{BiasSpec, InitialSpec, growth};
use crate::systems::System;
use crate::systems::dihedrals::{Backbone, Dihedral, angles};

/// A bias that grows, and what became of the frames made under it.
pub(super) struct Biasing {
    spec: BiasSpec,
    kt: f64,
    atoms: usize,
    /// Phi and psi of every residue that has both, in turn.
    dihedrals: Vec<Dihedral>,
    /// Steps in which hills are added.
    until: usize,
    /// The bias so far.
    pub(super) bias: Arc<Bias>,
    /// Which of the recorded frames were resampled; empty before that.
    pub(super) kept: Vec<i64>,
}

impl Biasing {
    /// Without hills; `None` where none are asked for.
    ///
    /// # Errors
    /// [`Error::Usage`] for a system without a residue that has phi and psi.
    pub(super) fn new(initial: &InitialSpec, system: &System, kt: f64) -> Result<Option<Self>> {
        let Some(spec) = &initial.bias else { return Ok(None) };
        let backbone = system.topology.as_ref().map(|topology| Backbone::new(topology)).unwrap_or_default();
        let both = backbone.phi.iter().filter_map(|phi| {
            let psi = backbone.psi.iter().find(|psi| psi.residue == phi.residue)?;
            Some([*phi, *psi])
        });
        let both: Vec<[Dihedral; 2]> = both.collect();
        if both.is_empty() {
            return Err(Error::Usage(format!(
                "`initial.bias` acts on phi and psi, and no residue of `{}` has both; leave it out for this system",
                system.name
            )));
        }
        let pairs: Vec<_> = both.iter().map(|pair| pair.map(|dihedral| dihedral.atoms)).collect();
        Ok(Some(Self {
            spec: spec.clone(),
            kt,
            atoms: system.atoms,
            dihedrals: both.concat(),
            until: growth(initial.equilibration),
            bias: Arc::new(Bias::new(system.atoms, &pairs, spec.width)),
            kept: Vec::new(),
        }))
    }

    /// The step after `done` at which hills are added next.
    pub(super) fn next(&self, done: usize) -> Option<usize> {
        let next = (done / self.spec.every + 1) * self.spec.every;
        (next <= self.until).then_some(next)
    }

    /// Whether hills are added after `done` steps.
    pub(super) fn due(&self, done: usize) -> bool {
        done <= self.until && done.is_multiple_of(self.spec.every)
    }

    /// Adds a hill of each walker at `x [n, atoms, 3]`; energies `e [n]` and forces `f` become those under the new bias, with no
    /// evaluation.
    pub(super) fn grow(&mut self, x: &[f64], e: &mut [f64], f: &mut [f64]) {
        let places = angles(&self.dihedrals, x, self.atoms);
        let (height, tempering) = (self.spec.height * self.kt, self.kt * (self.spec.factor - 1.0));
        let grown = self.bias.grown(x, &places, height, tempering);
        self.bias.add(-1.0, x, e, f);
        grown.add(1.0, x, e, f);
        self.bias = Arc::new(grown);
    }

    /// Frames without the bias, resampled to as many by their weights; returns the effective sample size as a fraction of them.
    /// The second time nothing is done.
    pub(super) fn unbias(&mut self, seed: u64, salt: u64, recorded: &mut Recorder) -> Option<f64> {
        if !self.kept.is_empty() || recorded.frames() == 0 {
            return None;
        }
        let Recorder { positions, energies, forces } = &mut *recorded;
        let mut v = vec![0.0; energies.len()];
        self.bias.add(1.0, positions, &mut v, &mut vec![0.0; positions.len()]);
        let log_weight: Vec<f64> = v.into_iter().map(|v| v / self.kt).collect();
        if forces.is_empty() {
            energies.iter_mut().zip(&log_weight).for_each(|(e, w)| *e -= w * self.kt);
        } else {
            self.bias.add(-1.0, positions, energies, forces);
        }
        let u = Stream::new(seed, rng::Purpose::Resample, salt << 40).at(0).uniform();
        let kept = systematic(&log_weight, log_weight.len(), u);
        recorded.select(&kept);
        self.kept = kept.into_iter().map(|i| i as i64).collect();
        Some(ess(&log_weight))
    }

    /// Saves into `arrays`.
    pub(super) fn save(&self, arrays: &mut Arrays) {
        arrays.insert("bias.grid".into(), state::floats(self.bias.grid()));
        arrays.insert("bias.kept".into(), state::integers(&self.kept));
    }

    /// Reads what [`Biasing::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing or has another size.
    pub(super) fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        let bias = self.bias.with_grid(state::f64s(arrays, "bias.grid")?);
        self.bias = Arc::new(bias.ok_or_else(|| Error::Internal("checkpoint: a bias of another size".into()))?);
        self.kept = state::i64s(arrays, "bias.kept")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
