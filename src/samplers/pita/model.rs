//! What a finished run leaves: further draws along paths from its last data's temperature to the target, with weights.

use std::ops::Range;

use super::anneal::{Annealer, Setting};
use super::loss::Pair;
use crate::array::Arrays;
use crate::energy::{Metered, Purpose};
use crate::error::Result;
use crate::nn::{self, Backbone};
use crate::samplers::{falling, state};
use crate::spec::{Between, PitaSpec, Weights};
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

/// The score network of the last rung, and the paths from there.
pub struct Model {
    net: Box<dyn Backbone>,
    score: Vec<f64>,
    spec: PitaSpec,
    temperatures: Vec<f64>,
    /// Of the data per coordinate, in network units.
    variance: f64,
    scale: f64,
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
        let mut spec = spec.clone();
        // All particles are kept, and weighed at the end.
        spec.anneal.between = Between::None;
        Ok(Some(Self {
            score: net.layout().pack(weights, "score_net.")?,
            net,
            temperatures: temperatures(&spec, system.temperature)?,
            spec,
            variance: state::f64s(weights, VARIANCE)?[0],
            scale: system.scale,
        }))
    }

    /// The last rung.
    fn rung(&self) -> usize {
        self.temperatures.len() - 2
    }

    /// Whether draws have a density, and so weights.
    #[must_use]
    pub fn has_density(&self) -> bool {
        self.spec.anneal.step.has_density()
    }

    /// Evaluations of the network for each draw.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        let guided = self.spec.anneal.guidance && self.rung() > 0;
        self.spec.anneal.steps * if guided { 2 } else { 1 }
    }

    /// Draws particles by number at `kt`, the target's; one energy each. Returns positions `[n, atoms, 3]`, unreduced energies `[n]`, and
    /// log-weights `[n]` up to a constant (0 without a density).
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`], when particles run away.
    pub fn draw(
        &self,
        energy: &mut Metered,
        kt: f64,
        seed: u64,
        items: Range<usize>,
    ) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
        let heads = (self.net.as_ref(), Pair { score: &self.score[..], energy: &[][..] });
        let setting = Setting::new(&self.spec, (&self.temperatures, self.rung()), heads, self.variance, seed);
        let setting = Setting { rung: FURTHER, first: items.start, ..setting };
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
        Ok((positions, energies, particles.log_weight))
    }
}
