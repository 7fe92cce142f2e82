//! Reference ensembles: replica exchange or annealed SMC with a seed of its own, then (for molecules) contiguous trajectories
//! from its frames, and a report of how far the result can be trusted.

use serde::{Deserialize, Serialize};

use super::md::langevin::Langevin;
use super::md::{ReplicaExchange, dynamics};
use super::smc::Smc;
use super::{Context, Progress, Sampler, Samples, state};
use crate::array::{Array, Arrays};
use crate::energy::{Counts, Purpose};
use crate::error::{Error, Result};
use crate::metrics::structure::Structure;
use crate::metrics::wasserstein;
use crate::spec::{ReferenceSpec, ReplicaExchangeSpec};
use crate::systems::dihedrals::angles;

/// How far a reference can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// Frames.
    pub frames: usize,
    /// Mean reduced energy.
    pub mean_energy: f64,
    /// Its standard error, from the spread between independent families: copies of a ladder, or descendants of a walker.
    pub mean_energy_error: f64,
    /// Energy-W1 (reduced) between disjoint halves of the families: no method can be seen to be closer than this.
    pub split_energy_w1: f64,
    /// Temperatures, hot to cold.
    #[serde(default)]
    pub ladder: Vec<f64>,
    /// Exchange acceptance between neighbouring temperatures, hot to cold; none for SMC.
    pub exchange_acceptance: Vec<f64>,
    /// Replicas that crossed the ladder and came back; none for SMC.
    pub round_trips: u64,
    /// Populations of phi > 0, one for each phi; empty for systems without.
    #[serde(default)]
    pub phi_positive: Vec<Population>,
    /// What could not be done, such as a TICA fit to trajectories that are too short.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Energy evaluations it cost.
    pub counts: Counts,
}

/// The fraction of frames in a state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// What of, such as `ALA2`.
    pub name: String,
    /// Over all frames.
    pub mean: f64,
    /// Standard error, from the spread between independent families.
    pub error: f64,
    /// Over the first and the second half of the frames.
    pub halves: [f64; 2],
}

/// A reference in the making; resumable like a sampler.
pub struct Making {
    spec: ReferenceSpec,
    /// What draws the ensemble.
    ensemble: Box<dyn Sampler>,
    drawn: bool,
    /// Walkers of the trajectories.
    walkers: Langevin,
    /// Their frames so far `[frame, walker, dim]`.
    recorded: Vec<f32>,
}

impl Making {
    /// At the beginning.
    ///
    /// # Errors
    /// When the ladder does not lead down to the target.
    pub fn new(spec: &ReferenceSpec, ctx: &Context) -> Result<Self> {
        let ensemble: Box<dyn Sampler> = match &spec.smc {
            Some(smc) => Box::new(Smc::new(smc, ctx)?),
            None => Box::new(ReplicaExchange::new(&spec.sampler, ctx, Purpose::Reference)?),
        };
        Ok(Self { ensemble, drawn: false, walkers: Langevin::default(), recorded: Vec::new(), spec: spec.clone() })
    }

    /// One unit of work.
    ///
    /// # Errors
    /// Whatever ends it.
    pub fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        if !self.drawn {
            let mut progress = self.ensemble.step(ctx)?;
            self.drawn = progress.finished;
            let what = if self.spec.smc.is_some() { "annealed SMC" } else { "replica exchange" };
            progress.phase = format!("{what}: {}", progress.phase);
            progress.finished &= self.spec.trajectory.is_none();
            return Ok(progress);
        }
        let Some(trajectory) = &self.spec.trajectory else {
            return Ok(Progress { finished: true, ..Progress::default() });
        };
        // One more frame of all trajectories, with noise of its own: the ensemble used the streams of its seed.
        let (system, seed) = (&ctx.system, ctx.seed ^ TRAJECTORY_SEED);
        let kt = vec![system.kt(system.temperature); trajectory.walkers];
        if self.walkers.energies.is_empty() {
            // Evenly from all recorded frames: these are equilibrium draws, so the trajectories begin in equilibrium.
            let frames = self.ensemble.samples()?["positions"].to_f64();
            let dim = 3 * system.atoms;
            let n = frames.len() / dim;
            let begin = |w: usize| w * n / trajectory.walkers * dim;
            let x = (0..trajectory.walkers).flat_map(|w| frames[begin(w)..begin(w) + dim].to_vec()).collect();
            self.walkers = Langevin::new(x, &kt, &system.masses, (seed, 0), &mut ctx.energy, Purpose::Reference)?;
        }
        let ReplicaExchangeSpec { step, friction, precision, .. } = self.spec.sampler;
        let d = dynamics(system, seed, step, friction, precision);
        self.walkers.advance(&mut ctx.energy, Purpose::Reference, &d, &kt, trajectory.stride, None)?;
        self.recorded.extend(self.walkers.positions.iter().map(|&x| x as f32));
        let done = self.recorded.len() / self.walkers.positions.len();
        let total = trajectory.frames;
        Ok(Progress::new(done, total, "trajectories".into(), Vec::new(), done == total))
    }

    /// Everything needed to go on.
    ///
    /// # Errors
    /// None today.
    pub fn state(&self) -> Result<Arrays> {
        let mut arrays = state::under(ENSEMBLE, self.ensemble.state()?);
        self.walkers.save(&mut arrays);
        arrays.insert("recorded".into(), Array::f32(&[self.recorded.len()], self.recorded.clone()));
        arrays.insert("exchanged".into(), state::integers(&[i64::from(self.drawn)]));
        Ok(arrays)
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        self.ensemble.restore(&state::of(ENSEMBLE, arrays))?;
        self.walkers = Langevin::load(arrays)?;
        self.recorded = state::f32s(arrays, "recorded")?;
        self.drawn = state::i64s(arrays, "exchanged")?[0] != 0;
        Ok(())
    }

    /// The finished reference: `positions [n, atoms, 3]`, `energy [n]`; with trajectories also `trajectory [walkers, frames,
    /// atoms, 3]` and `tica.*` (see [`crate::metrics::structure::tica::Models`]). Frame `i` of replica exchange comes from copy
    /// `i % copies`, so even and odd frames are disjoint copies. And how far it can be trusted.
    ///
    /// # Errors
    /// When system and topology do not fit together.
    pub fn finish(&self, ctx: &Context) -> Result<(Samples, Convergence)> {
        let mut samples = self.ensemble.samples()?;
        let structure = Structure::of(&ctx.system)?;
        let mut notes = Vec::new();
        if let Some(trajectory) = &self.spec.trajectory {
            let (walkers, frames, dim) = (trajectory.walkers, trajectory.frames, 3 * ctx.system.atoms);
            let mut contiguous = Vec::with_capacity(self.recorded.len());
            for walker in 0..walkers {
                for frame in 0..frames {
                    contiguous.extend_from_slice(&self.recorded[(frame * walkers + walker) * dim..][..dim]);
                }
            }
            if let Some(structure) = structure.as_ref().filter(|s| s.features.dim() > 1) {
                let positions: Vec<f64> = contiguous.iter().map(|&x| f64::from(x)).collect();
                match structure.fit_tica(&positions, &vec![frames; walkers], trajectory.lag) {
                    Ok(models) => samples
                        .extend(models.to_arrays().into_iter().map(|(name, array)| (format!("tica.{name}"), array))),
                    // The ensemble is good without: TICA metrics are not defined then.
                    Err(Error::Numerical(why)) => notes.push(format!("{why}; make the trajectories longer")),
                    Err(e) => return Err(e),
                }
            }
            samples.insert("trajectory".into(), Array::f32(&[walkers, frames, ctx.system.atoms, 3], contiguous));
        }
        let report = self.convergence(&samples, ctx, structure.as_ref());
        Ok((samples, Convergence { notes, ..report }))
    }

    /// The family of each frame: its copy of the ladder, or the walker that its ancestor was a frame of.
    fn families(&self, samples: &Samples) -> Vec<usize> {
        match (&self.spec.smc, samples.get("parents")) {
            (Some(smc), Some(parents)) => {
                parents.to_f64().iter().map(|&parent| parent as usize % smc.initial.walkers).collect()
            }
            _ => (0..samples["energy"].len()).map(|i| i % self.spec.sampler.copies).collect(),
        }
    }

    fn convergence(&self, samples: &Samples, ctx: &Context, structure: Option<&Structure>) -> Convergence {
        let kt = ctx.system.kt(ctx.system.temperature);
        let families = self.families(samples);
        let reduced: Vec<f64> = samples["energy"].to_f64().iter().map(|e| e / kt).collect();
        let half = |odd: usize| -> Vec<f64> {
            reduced.iter().zip(&families).filter(|(_, family)| *family % 2 == odd).map(|(&u, _)| u).collect()
        };
        let (mean_energy, mean_energy_error) = mean_of_families(&reduced, &families);
        let phi_positive = structure.map_or_else(Vec::new, |s| {
            let phi = &s.backbone.phi;
            let all = angles(phi, &samples["positions"].to_f64(), ctx.system.atoms);
            let population = |(k, name)| {
                let inside: Vec<f64> =
                    all.iter().skip(k).step_by(phi.len()).map(|&a| if a > 0.0 { 1.0 } else { 0.0 }).collect();
                let (mean, error) = mean_of_families(&inside, &families);
                let (first, second) = inside.split_at(inside.len() / 2);
                Population { name, mean, error, halves: [average(first), average(second)] }
            };
            s.phi_names().into_iter().enumerate().map(population).collect()
        });
        let (exchange_acceptance, round_trips) = self.ensemble.exchanges();
        let ladder = self.spec.smc.as_ref().map_or(&self.spec.sampler.ladder[..], |smc| smc.ladder.known());
        Convergence {
            frames: reduced.len(),
            mean_energy,
            mean_energy_error,
            split_energy_w1: wasserstein::line(1, &half(0), &half(1)).unwrap_or(0.0),
            ladder: ladder.iter().copied().chain([ctx.system.temperature]).collect(),
            exchange_acceptance,
            round_trips,
            phi_positive,
            notes: Vec::new(),
            counts: ctx.energy.counts().clone(),
        }
    }
}

/// Prefix of the ensemble in checkpoints.
const ENSEMBLE: &str = "exchange/";
/// Keeps the noise of the trajectories apart from that of the ensemble.
const TRAJECTORY_SEED: u64 = 0x7472_616a_6563_746f;

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Mean of values and its standard error from the spread of independent families of them: `sqrt(sum_f (sum_i (x_i - mean))^2) / n`,
/// with the correction for few families. For families of one size it is the usual error of their means.
fn mean_of_families(values: &[f64], families: &[usize]) -> (f64, f64) {
    let mean = average(values);
    let mut shares = std::collections::BTreeMap::<usize, f64>::new();
    for (value, &family) in values.iter().zip(families) {
        *shares.entry(family).or_default() += (value - mean) / values.len() as f64;
    }
    let n = shares.len() as f64;
    (mean, (shares.values().map(|share| share * share).sum::<f64>() * n / (n - 1.0).max(1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against two hand-computed cases: four families of one size, whose error is that of their means; and families of other sizes,
    /// where the large one decides.
    #[test]
    fn error_of_families() {
        let values = [1.0, 2.0, 3.0, 6.0, 3.0, 4.0, 5.0, 8.0];
        let (mean, error) = mean_of_families(&values, &[0, 1, 2, 3, 0, 1, 2, 3]);
        // Means of the families 2, 3, 4, 7: variance 14/3, of their mean a quarter of it.
        assert!((mean - 4.0).abs() < 1e-15 && (error - (14.0_f64 / 12.0).sqrt()).abs() < 1e-15, "{mean} {error}");
        let (mean, error) = mean_of_families(&[1.0, 1.0, 1.0, 5.0], &[7, 7, 7, 9]);
        // Shares -3/4 and 3/4: sqrt(2 (9/16 + 9/16)).
        assert!((mean - 2.0).abs() < 1e-15 && (error - 1.5).abs() < 1e-15, "{mean} {error}");
    }
}
