//! Ready-made settings of reference ensembles. `quick` was measured: a minute for ALDP, two for AL3, on two cores (0.9 and
//! 0.45 million evaluations per second). At that rate `standard` takes half an hour for ALDP and an hour for AL3, `paper` (the
//! published length) two and a half and five hours.

use crate::spec::settings::words;
use crate::spec::{Integrator, Precision, ReferenceSpec, ReplicaExchangeSpec, SystemSpec, TrajectorySpec};
use crate::systems;

words! {
    /// How much a reference may cost.
    #[derive(clap::ValueEnum)]
    pub enum ReferenceProfile {
        /// A minute for 22 atoms, two for 33: a high noise floor.
        Quick = "quick",
        /// About half an hour for 22 atoms, an hour for 33.
        Standard = "standard",
        /// 1 microsecond at the target temperature, as published: hours.
        Paper = "paper",
    }
}

impl ReferenceProfile {
    /// By its word.
    pub(super) fn named(word: &str) -> Option<Self> {
        clap::ValueEnum::from_str(word, false).ok()
    }
}

/// Ratio of neighbouring temperatures, about: half of the exchanges are accepted for small peptides.
const RATIO: f64 = 1.26;
/// Molecules cross their barriers at this temperature (K) within picoseconds.
const HOT: f64 = 1_200.0;

/// Most rungs: enough for a ratio of a million between the ends. A temperature next to zero would ask for any number.
const RUNGS: f64 = 64.0;

/// Temperatures from `hot` down to above `target`, evenly spaced in their logarithm, as whole numbers where that does
/// not disturb.
fn ladder(hot: f64, target: f64) -> Vec<f64> {
    let rungs = ((hot / target).ln() / RATIO.ln()).round().clamp(1.0, RUNGS);
    let round = |t: f64| if target > 10.0 { t.round() } else { (t * 100.0).round() / 100.0 };
    (0..rungs as usize).map(|k| round(hot * (target / hot).powf(k as f64 / rungs))).collect()
}

/// Accepted ensembles that are part of the program, as `system-temperature`.
pub const ACCEPTED: &[&str] = &["lj13-1", "lj55-1", "aldp-300", "al3-300", "al3-310"];

/// Fewest trajectories that are worth a fit, and fewest steps between their frames.
const LEAST: (usize, usize) = (4, 10);

/// Trajectories that cost no more than the replica exchange whose frames they begin at: fewer of them, then shorter ones.
pub(super) fn fitting(trajectory: &TrajectorySpec, exchange: &ReplicaExchangeSpec) -> TrajectorySpec {
    let steps = exchange.samples.div_ceil(exchange.copies).saturating_mul(exchange.stride);
    let replicas = exchange.copies.saturating_mul(exchange.ladder.len() + 1);
    let evaluations = replicas.saturating_mul(exchange.equilibration.saturating_add(steps));
    let TrajectorySpec { walkers, frames, stride, lag } = *trajectory;
    let most = |fixed: usize| evaluations / frames.saturating_mul(fixed).max(1);
    let walkers = walkers.min(most(stride).max(LEAST.0));
    TrajectorySpec { walkers, frames, stride: stride.min(most(walkers).max(LEAST.1)), lag }
}

impl ReferenceSpec {
    /// The accepted ensemble of a system, where the program has one.
    #[must_use]
    pub fn accepted(system: &SystemSpec) -> Option<Self> {
        let name = format!("{}-{}", system.name, system.temperature);
        let there = system.files.is_none() && ACCEPTED.contains(&name.as_str());
        there.then(|| Self { accepted: Some(name), ..Self::default() })
    }

    /// The settings of a profile for a system: Langevin dynamics for molecules, MALA for clusters.
    #[must_use]
    pub fn ready_made(system: &SystemSpec, profile: ReferenceProfile) -> Self {
        use ReferenceProfile::{Paper, Quick, Standard};
        let target = system.temperature;
        if !systems::is_molecule(system) {
            let default = ReplicaExchangeSpec::default();
            let sampler = match profile {
                Quick => {
                    ReplicaExchangeSpec { copies: 16, equilibration: 2_000, stride: 20, samples: 10_000, ..default }
                }
                Standard => default,
                Paper => ReplicaExchangeSpec { copies: 64, samples: 100_000, ..default },
            };
            // The default ladder is made for a temperature of 1.
            let sampler = if target == 1.0 {
                sampler
            } else {
                ReplicaExchangeSpec { ladder: ladder(4.0 * target, target), ..sampler }
            };
            return Self { sampler, ..Self::default() };
        }
        let sampler = ReplicaExchangeSpec {
            ladder: ladder(f64::max(HOT, 1.5 * target), target),
            integrator: Integrator::Langevin,
            step: 0.001,
            friction: 0.3,
            precision: Precision::F32,
            exchange_every: 100,
            copies: 16,
            equilibration: 50_000,
            stride: 250,
            samples: 20_000,
            budget: None,
            tuning: 0,
        };
        let (sampler, trajectory) = match profile {
            Quick => (sampler, TrajectorySpec::default()),
            Standard => (
                ReplicaExchangeSpec { copies: 32, equilibration: 200_000, stride: 2_000, samples: 100_000, ..sampler },
                TrajectorySpec { walkers: 64, frames: 2_000, stride: 1_000, lag: 100 },
            ),
            Paper => (
                ReplicaExchangeSpec {
                    copies: 100,
                    equilibration: 500_000,
                    stride: 10_000,
                    samples: 100_000,
                    ..sampler
                },
                TrajectorySpec { walkers: 100, frames: 1_000, stride: 10_000, lag: 100 },
            ),
        };
        Self { sampler, trajectory: Some(trajectory), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12.8 million steps stay where the exchange takes as many, and shrink where it does not.
    #[test]
    fn trajectories_fit_their_exchange() {
        let files = SystemSpec::named("aldp", 300.0);
        let quick = ReferenceSpec::ready_made(&files, ReferenceProfile::Quick);
        let default = TrajectorySpec::default();
        assert_eq!(fitting(&default, &quick.sampler), default);
        let exchange = |copies, equilibration, samples| ReplicaExchangeSpec {
            copies,
            equilibration,
            samples,
            ..quick.sampler.clone()
        };
        // 2 x 7 replicas x (1,000 + 100 x 250) steps: 364,000.
        let small = fitting(&default, &exchange(2, 1_000, 200));
        assert_eq!((small.walkers, small.frames, small.stride), (4, 200, 455));
        let least = fitting(&default, &exchange(1, 0, 1));
        assert_eq!((least.walkers, least.stride), (4, 10));
    }

    #[test]
    fn ladders() {
        assert_eq!(ladder(1_200.0, 300.0), [1200.0, 952.0, 756.0, 600.0, 476.0, 378.0]);
        let lj = ladder(4.0, 1.0);
        assert!(lj.len() == 6 && lj[0] == 4.0 && lj[5] > 1.2, "{lj:?}");
        assert_eq!(ladder(1_200.0, f64::MIN_POSITIVE).len(), 64);
    }
}
