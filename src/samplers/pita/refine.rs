//! Generated particles move on the true energy: MALA first, which tames the worst of them, then Langevin dynamics.

use super::buffer::Buffer;
use crate::array::Arrays;
use crate::diffusion::sde::quantile;
use crate::energy::Purpose;
use crate::error::Result;
use crate::geometry::centre;
use crate::rng;
use crate::samplers::md::langevin::Langevin;
use crate::samplers::md::mala::{DualAveraging, Mala};
use crate::samplers::md::space::Cartesian;
use crate::samplers::md::{self, dynamics};
use crate::samplers::pita::loss::mean;
use crate::samplers::{Context, state};
use crate::spec::{RefineSpec, RelaxSpec};

/// The particles of one rung while they are refined.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Refinement {
    mala: Mala,
    /// Step of each particle: one with overlapping atoms needs a far smaller one than the others.
    steps: Vec<DualAveraging>,
    /// Empty until MALA is done.
    langevin: Langevin,
    /// Moves made by each particle.
    pub(super) done: usize,
}

/// How and where particles are refined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    /// MALA.
    pub refine: &'a RefineSpec,
    /// Langevin dynamics.
    pub relax: &'a RelaxSpec,
    /// `kT` of the particles.
    pub kt: f64,
    /// Keeps random numbers of rungs apart.
    pub salt: u64,
}

impl Plan<'_> {
    /// Moves of each particle.
    #[must_use]
    pub(super) fn total(&self) -> usize {
        self.refine.steps + self.relax.steps
    }
}

impl Refinement {
    /// Particles at the beginning; `mala` holds them with their energies and forces. `step` is the MALA step that is
    /// tried first, in squared length.
    #[must_use]
    pub(super) fn new(mala: Mala, step: f64, acceptance: f64) -> Self {
        let steps = vec![DualAveraging::near(step, acceptance); mala.len()];
        Self { mala, steps, ..Self::default() }
    }

    /// Some moves more; returns numbers to record.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`].
    pub(super) fn advance(&mut self, plan: &Plan<'_>, ctx: &mut Context) -> Result<Vec<(&'static str, f64)>> {
        if self.done < plan.refine.steps {
            let acceptance = self.refine(plan, ctx)?;
            // The median: a few overlapping particles would hide everything else in a mean.
            let median = quantile(&self.mala.energies, 0.5) / plan.kt;
            return Ok(vec![("refine.acceptance", acceptance), ("refine.median_reduced_energy", median)]);
        }
        if self.done < plan.total() {
            self.relax(plan, ctx)?;
            let median = quantile(&self.langevin.energies, 0.5) / plan.kt;
            return Ok(vec![("relax.median_reduced_energy", median)]);
        }
        Ok(Vec::new())
    }

    /// One MALA move. Steps are adapted in the first half and fixed in the second, which leaves the target invariant.
    fn refine(&mut self, plan: &Plan<'_>, ctx: &mut Context) -> Result<f64> {
        let adapting = 2 * self.done < plan.refine.steps;
        let key = (ctx.seed, rng::Purpose::Refine, plan.salt);
        let steps = &self.steps;
        let at = |i: usize| (plan.kt, if adapting { steps[i].current() } else { steps[i].averaged() });
        let p =
            self.mala.advance(&Cartesian { atoms: ctx.system.atoms }, &mut ctx.energy, Purpose::Refinement, key, at)?;
        if adapting {
            for (step, &p) in self.steps.iter_mut().zip(&p) {
                step.update(p);
            }
        }
        self.done += 1;
        Ok(mean(&p))
    }

    /// A stretch of Langevin dynamics.
    fn relax(&mut self, plan: &Plan<'_>, ctx: &mut Context) -> Result<()> {
        let spec = plan.relax;
        if self.langevin.energies.is_empty() {
            let Mala { positions, energies, forces, .. } = std::mem::take(&mut self.mala);
            let kt = vec![plan.kt; energies.len()];
            let key = (ctx.seed, plan.salt + 1);
            self.langevin = Langevin::from_known(positions, energies, forces, &kt, &ctx.system.masses, key);
        }
        let n = self.langevin.energies.len();
        let stretch = md::stretch(n).min(plan.total() - self.done);
        let dynamics = dynamics(&ctx.system, ctx.seed, spec.step, spec.friction, spec.precision);
        let (purpose, kt) = (Purpose::Refinement, vec![plan.kt; n]);
        self.done += self.langevin.advance(&mut ctx.energy, purpose, &dynamics, &kt, stretch, None)?;
        Ok(())
    }

    /// The particles with their energies and forces, in the system's units.
    #[must_use]
    pub(super) fn into_frames(self) -> Buffer {
        if self.langevin.energies.is_empty() {
            let Mala { positions: x, energies: energy, forces: force, .. } = self.mala;
            return Buffer { x, energy, force, ..Buffer::default() };
        }
        let Langevin { positions: mut x, energies: energy, forces: force, .. } = self.langevin;
        // Dynamics rest the centre of mass.
        centre(&mut x, force.len() / energy.len() / 3);
        Buffer { x, energy, force, ..Buffer::default() }
    }

    /// Saves into `arrays`.
    pub(super) fn save(&self, arrays: &mut Arrays) {
        self.mala.save("refine.mala", arrays);
        self.langevin.save(arrays);
        let steps: Vec<f64> = self.steps.iter().flat_map(DualAveraging::state).collect();
        arrays.insert("refine.steps".into(), state::floats(&steps));
        arrays.insert("refine.done".into(), state::integers(&[self.done as i64]));
    }

    /// Reads what [`Refinement::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub(super) fn load(arrays: &Arrays) -> Result<Self> {
        let steps = state::f64s(arrays, "refine.steps")?;
        Ok(Self {
            mala: Mala::load("refine.mala", arrays)?,
            steps: steps.chunks_exact(DualAveraging::STATE).map(DualAveraging::from_state).collect(),
            langevin: Langevin::load(arrays)?,
            done: state::i64s(arrays, "refine.done")?[0] as usize,
        })
    }
}
