//! What a finished run leaves: further draws along paths from its last data's temperature to the target, with weights.

use std::ops::Range;

use super::anneal::{Annealer, Guide, Setting};
use super::loss::Pair;
use crate::array::Arrays;
use crate::diffusion::{Elucidating, Gamma};
use crate::energy::{Metered, Purpose};
use crate::error::Result;
use crate::nn::{self, Backbone};
use crate::samplers::{falling, state};
use crate::spec::{AnnealSpec, Between, PitaSpec, Weights};
use crate::systems::System;

/// The name of the data's variance in `weights.safetensors`.
pub(super) const VARIANCE: &str = "anneal.variance";
/// Random streams of further draws: no ladder has so many rungs.
const FURTHER: u64 = 1 << 21;

/// From the first to the target, which comes twice where there is no ladder: from it to itself.
///
/// # Errors
/// When the ladder does not lead down to the target.
pub(super) fn temperatures(spec: &PitaSpec, target: f64) -> Result<Vec<f64>> {
    let mut temperatures = falling("pita", &spec.ladder, target)?;
    if spec.ladder.is_empty() {
        temperatures.push(target);
    }
    Ok(temperatures)
}

/// `T_0/T_k`, rounded to two digits as the reference does.
pub(super) fn beta(temperatures: &[f64], rung: usize) -> f64 {
    (temperatures[0] / temperatures[rung] * 100.0).round() / 100.0
}

/// What guides the annealing from a rung, if there is one before it.
pub(super) fn guide(temperatures: &[f64], rung: usize) -> Option<Guide> {
    let at = |rung| beta(temperatures, rung);
    (rung > 0).then(|| Guide::new(at(rung - 1), at(rung), at(rung + 1)))
}

/// The score network of the last rung, and the paths from there.
pub struct Model {
    net: Box<dyn Backbone>,
    score: Vec<f64>,
    anneal: AnnealSpec,
    schedule: Elucidating,
    gamma: f64,
    beta: f64,
    guide: Option<Guide>,
    /// Of the data per coordinate, in network units.
    variance: f64,
    scale: f64,
}

/// Further draws.
pub struct Drawn {
    /// Positions `[n, atoms, 3]`.
    pub positions: Vec<f64>,
    /// Unreduced energies `[n]`.
    pub energies: Vec<f64>,
    /// Log-weights `[n]`, up to a constant; 0 without a density.
    pub log_weight: Vec<f64>,
}

impl Model {
    /// Reads what a run with weights of paths left; `None` of others.
    ///
    /// # Errors
    /// When the weights do not fit the spec.
    pub fn load(spec: &PitaSpec, system: &System, weights: &Arrays) -> Result<Option<Self>> {
        if spec.anneal.weights != Weights::Path || !weights.contains_key(VARIANCE) {
            return Ok(None);
        }
        let net = nn::build(spec.engine, system.atoms, &spec.net)?;
        let temperatures = temperatures(spec, system.temperature)?;
        let last = temperatures.len() - 2;
        Ok(Some(Self {
            score: net.layout().pack(weights, "score_net.")?,
            net,
            // All particles are kept, and weighed at the end.
            anneal: AnnealSpec { between: Between::None, ..spec.anneal.clone() },
            schedule: Elucidating::new(spec.train.sigma_min, spec.train.sigma_max),
            gamma: temperatures[last] / temperatures[last + 1],
            beta: beta(&temperatures, last),
            guide: guide(&temperatures, last),
            variance: state::f64s(weights, VARIANCE)?[0],
            scale: system.scale,
        }))
    }

    /// Whether draws have a density, and so weights.
    #[must_use]
    pub fn has_density(&self) -> bool {
        self.anneal.step.has_density()
    }

    /// Evaluations of the network for each draw.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        let guided = self.anneal.guidance && self.guide.is_some();
        self.anneal.steps * if guided { 2 } else { 1 }
    }

    /// Draws particles by number at `kt`, the target's; one energy each.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`], when particles run away.
    pub fn draw(&self, energy: &mut Metered, kt: f64, seed: u64, items: Range<usize>) -> Result<Drawn> {
        let setting = Setting {
            net: self.net.as_ref(),
            params: Pair { score: &self.score, energy: &[] },
            beta: self.beta,
            gamma: Gamma::new(self.anneal.gamma, self.gamma),
            schedule: self.schedule,
            variance: self.variance,
            spec: &self.anneal,
            seed,
            rung: FURTHER,
            first: items.start,
            guide: self.guide,
        };
        let mut particles = Annealer::new(&setting, items.len())?;
        while !particles.finished(&setting) {
            particles.advance(&setting)?;
        }
        let positions: Vec<f64> = particles.x.iter().map(|x| x * self.scale).collect();
        let (mut energies, mut forces) = (vec![0.0; items.len()], vec![0.0; positions.len()]);
        energy.energy_forces(Purpose::Sampling, &positions, &mut energies, &mut forces)?;
        if self.has_density() {
            particles.finish_path(&energies.iter().map(|e| e / kt).collect::<Vec<_>>());
        }
        Ok(Drawn { positions, energies, log_weight: particles.log_weight })
    }
}
