//! Reference ensembles: replica exchange with a seed of its own, then (for molecules) contiguous trajectories from its
//! frames, and a report of how far the result can be trusted.

use serde::{Deserialize, Serialize};

use super::md::langevin::Langevin;
use super::md::{ReplicaExchange, dynamics};
use super::{Context, Progress, Sampler, Samples, state};
use crate::array::{Array, Arrays};
use crate::energy::{Counts, Purpose};
use crate::error::{Error, Result};
use crate::metrics::structure::Structure;
use crate::metrics::structure::dihedrals::angles;
use crate::spec::{ReferenceSpec, ReplicaExchangeSpec, TrajectorySpec};

/// How far a reference can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// Frames.
    pub frames: usize,
    /// Mean reduced energy.
    pub mean_energy: f64,
    /// Its standard error, from the spread between independent copies.
    pub mean_energy_error: f64,
    /// Energy-W1 (reduced) between disjoint halves of the copies: no method can be seen to be closer than this.
    pub split_energy_w1: f64,
    /// Temperatures, hot to cold.
    #[serde(default)]
    pub ladder: Vec<f64>,
    /// Exchange acceptance between neighbouring temperatures, hot to cold.
    pub exchange_acceptance: Vec<f64>,
    /// Replicas that crossed the ladder and came back.
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
    /// Standard error, from the spread between independent copies.
    pub error: f64,
    /// Over the first and the second half of the run.
    pub halves: [f64; 2],
}

/// A reference in the making; resumable like a sampler.
pub struct Making {
    spec: ReferenceSpec,
    exchange: ReplicaExchange,
    exchanged: bool,
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
        Ok(Self {
            exchange: ReplicaExchange::new(&spec.sampler, ctx, Purpose::Reference)?,
            exchanged: false,
            walkers: Langevin::default(),
            recorded: Vec::new(),
            spec: spec.clone(),
        })
    }

    /// One unit of work.
    ///
    /// # Errors
    /// Whatever ends it.
    pub fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        if !self.exchanged {
            let mut progress = self.exchange.step(ctx)?;
            self.exchanged = progress.finished;
            progress.phase = format!("replica exchange: {}", progress.phase);
            progress.finished &= self.spec.trajectory.is_none();
            return Ok(progress);
        }
        let Some(trajectory) = self.spec.trajectory.clone() else {
            return Ok(Progress { finished: true, ..Progress::default() });
        };
        self.prolong(&trajectory, ctx)
    }

    /// One more frame of all trajectories.
    fn prolong(&mut self, trajectory: &TrajectorySpec, ctx: &mut Context) -> Result<Progress> {
        let system = &ctx.system;
        let kt = vec![system.kt(system.temperature); trajectory.walkers];
        if self.walkers.is_empty() {
            // Evenly from all recorded frames: the copies are equilibrium draws, so the trajectories begin in equilibrium.
            let frames = self.exchange.samples()?["positions"].to_f64();
            let dim = 3 * system.atoms;
            let n = frames.len() / dim;
            let begin = |w: usize| w * n / trajectory.walkers * dim;
            let x = (0..trajectory.walkers).flat_map(|w| frames[begin(w)..begin(w) + dim].to_vec()).collect();
            // Noise of its own: the exchange used the streams of its seed.
            let seed = ctx.seed ^ TRAJECTORY_SEED;
            self.walkers = Langevin::new(x, &kt, &system.masses, (seed, 0), &mut ctx.energy, Purpose::Reference)?;
        }
        let ReplicaExchangeSpec { step, friction, precision, .. } = self.spec.sampler;
        let d = dynamics(system, ctx.seed ^ TRAJECTORY_SEED, step, friction, precision);
        self.walkers.advance(&mut ctx.energy, Purpose::Reference, &d, &kt, trajectory.stride)?;
        self.recorded.extend(self.walkers.positions.iter().map(|&x| x as f32));
        let done = self.recorded.len() / self.walkers.positions.len();
        Ok(Progress {
            done: done as u64,
            total: trajectory.frames as u64,
            phase: "trajectories".into(),
            finished: done == trajectory.frames,
            ..Progress::default()
        })
    }

    /// Everything needed to go on.
    ///
    /// # Errors
    /// None today.
    pub fn state(&self) -> Result<Arrays> {
        let mut arrays = self.exchange.state()?;
        let exchange = std::mem::take(&mut arrays).into_iter().map(|(name, array)| (format!("exchange/{name}"), array));
        arrays.extend(exchange);
        self.walkers.save(&mut arrays);
        arrays.insert("recorded".into(), Array::f32(&[self.recorded.len()], self.recorded.clone()));
        arrays.insert("exchanged".into(), state::integers(&[i64::from(self.exchanged)]));
        Ok(arrays)
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        let exchange =
            arrays.iter().filter_map(|(name, array)| Some((name.strip_prefix("exchange/")?.to_owned(), array)));
        self.exchange.restore(&exchange.map(|(name, array)| (name, array.clone())).collect())?;
        self.walkers = Langevin::load(arrays)?;
        self.recorded = state::f64s(arrays, "recorded")?.into_iter().map(|x| x as f32).collect();
        self.exchanged = state::i64s(arrays, "exchanged")?[0] != 0;
        Ok(())
    }

    /// The finished reference: `positions [n, atoms, 3]`, `energy [n]`; with trajectories also `trajectory [walkers, frames,
    /// atoms, 3]` and `tica.*` (see [`crate::metrics::structure::tica::Models`]). Frame `i` comes from copy `i % copies`,
    /// so even and odd frames are disjoint copies. And how far it can be trusted.
    ///
    /// # Errors
    /// When system and topology do not fit together.
    pub fn finish(&self, ctx: &Context) -> Result<(Samples, Convergence)> {
        let mut samples = self.exchange.samples()?;
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

    fn convergence(&self, samples: &Samples, ctx: &Context, structure: Option<&Structure>) -> Convergence {
        let kt = ctx.system.kt(ctx.system.temperature);
        let copies = self.spec.sampler.copies;
        let reduced: Vec<f64> = samples["energy"].to_f64().iter().map(|e| e / kt).collect();
        let half = |odd: usize| {
            let frames = reduced.iter().enumerate().filter(|(i, _)| i % copies % 2 == odd);
            let mut v: Vec<f64> = frames.map(|(_, &u)| u).collect();
            v.sort_by(f64::total_cmp);
            v
        };
        let (even, odd) = (half(0), half(1));
        let n = even.len().min(odd.len()).max(1);
        let split = even.iter().zip(&odd).map(|(a, b)| (a - b).abs()).sum::<f64>() / n as f64;
        let (mean_energy, mean_energy_error) = mean_of_copies(&reduced, copies);
        let phi_positive = structure.map_or_else(Vec::new, |s| {
            let phi = &s.backbone.phi;
            let all = angles(phi, &samples["positions"].to_f64(), ctx.system.atoms);
            let population = |(k, name)| {
                let inside: Vec<f64> =
                    all.iter().skip(k).step_by(phi.len()).map(|&a| if a > 0.0 { 1.0 } else { 0.0 }).collect();
                let (mean, error) = mean_of_copies(&inside, copies);
                let (first, second) = inside.split_at(inside.len() / 2);
                Population { name, mean, error, halves: [average(first), average(second)] }
            };
            s.phi_names().into_iter().enumerate().map(population).collect()
        });
        Convergence {
            frames: reduced.len(),
            mean_energy,
            mean_energy_error,
            split_energy_w1: split,
            ladder: self.spec.sampler.ladder.iter().copied().chain([ctx.system.temperature]).collect(),
            exchange_acceptance: self.exchange.exchange_acceptance(),
            round_trips: self.exchange.round_trips(),
            phi_positive,
            notes: Vec::new(),
            counts: ctx.energy.counts().clone(),
        }
    }
}

/// Keeps the noise of the trajectories apart from that of the exchange.
const TRAJECTORY_SEED: u64 = 0x7472_616a_6563_746f;

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Mean of values of which number `i` belongs to copy `i % copies`, and its standard error from the spread of the copies.
fn mean_of_copies(values: &[f64], copies: usize) -> (f64, f64) {
    let by_copy: Vec<f64> =
        (0..copies).map(|c| average(&values.iter().skip(c).step_by(copies).copied().collect::<Vec<_>>())).collect();
    let centre = average(&by_copy);
    let spread: f64 = by_copy.iter().map(|m| (m - centre).powi(2)).sum();
    (average(values), (spread / (copies.max(2) - 1) as f64 / copies as f64).sqrt())
}
