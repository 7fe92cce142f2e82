//! The model that a finished run left: further samples of it, with weights, and the weights of given frames.

use std::ops::Range;

use super::internal::volume;
use super::pita;
use super::pita_ic::control::CONTROL;
use super::pita_ic::{self, kernels::Kernels};
use super::tabg::{self, Generator};
use crate::array::{Array, Arrays};
use crate::energy::{Metered, Purpose};
use crate::error::{Error, Result};
use crate::flow::Weights;
use crate::rng::{self, Stream};
use crate::samplers::md::space::Space;
use crate::spec::{Control, IcAnnealSpec, PitaIcSpec, SamplerSpec};
use crate::systems::System;

/// Steps of the random streams of an evaluation count from here (bootstrap and subsets count from 0, reweighting is 2^50).
const DENSITY: u64 = 1 << 51;
/// Those of paths drawn backwards.
const RETRACE: u64 = 1 << 52;
/// Those of further samples.
const FURTHER: u64 = 1 << 53;

/// A model with its parameters.
pub enum Trained {
    /// A flow with a density.
    Flow(Box<dyn Generator>, Weights<f32>),
    /// A diffusion model, drawn from along paths at its own temperature.
    Paths(Box<Paths>),
    /// One of positions, drawn from along paths from its data's temperature to the target.
    Cartesian(Box<pita::Model>),
}

/// A diffusion model and how it is drawn from.
pub struct Paths {
    model: pita_ic::Model,
    weights: Weights<f32>,
    anneal: IcAnnealSpec,
    kernels: Kernels,
    /// Whether the kernels have the control that is asked for.
    controlled: bool,
}

/// Further samples.
#[derive(Debug, Clone, Default)]
pub struct Further {
    /// Positions `[n, atoms, 3]`.
    pub positions: Vec<f64>,
    /// Unreduced energies `[n]`.
    pub energies: Vec<f64>,
    /// `ln p/q` up to a constant `[n]`; minus infinity where the draw is no configuration. 0 for all others without a density.
    pub log_weight: Vec<f64>,
}

impl Further {
    /// Adds others.
    pub fn extend(&mut self, others: Self) {
        self.positions.extend(others.positions);
        self.energies.extend(others.energies);
        self.log_weight.extend(others.log_weight);
    }

    /// Those that are configurations.
    #[must_use]
    pub fn kept(&self) -> Vec<usize> {
        (0..self.log_weight.len()).filter(|&i| self.log_weight[i].is_finite()).collect()
    }

    /// As arrays of a file, without those that are no configurations; weights where there are some.
    #[must_use]
    pub fn arrays(&self, atoms: usize, weighted: bool) -> Arrays {
        let (kept, dim) = (self.kept(), 3 * atoms);
        let positions = kept.iter().flat_map(|&i| &self.positions[i * dim..(i + 1) * dim]).copied().collect();
        let of = |values: &[f64]| Array::f64(&[kept.len()], kept.iter().map(|&i| values[i]).collect());
        let mut arrays = Arrays::from([
            ("positions".to_owned(), Array::f64(&[kept.len(), atoms, 3], positions)),
            ("energy".to_owned(), of(&self.energies)),
        ]);
        if weighted {
            arrays.insert("log_weight".to_owned(), of(&self.log_weight));
        }
        arrays
    }
}

impl Trained {
    /// The model of a finished run; `weights` is what [`super::Sampler::weights`] gave. `None` for samplers that leave none with which
    /// samples can be weighted.
    ///
    /// # Errors
    /// When the weights do not fit the spec, or belong to a flow of another build.
    pub fn load(spec: &SamplerSpec, system: &System, weights: &Arrays) -> Result<Option<Self>> {
        match spec {
            SamplerSpec::PitaIc(spec) => Self::paths(spec, system, weights).map(Some),
            SamplerSpec::Pita(spec) => Ok(pita::Model::load(spec, system, weights)?.map(|m| Self::Cartesian(m.into()))),
            SamplerSpec::TabgIc(spec) => flow(tabg::internal_model(spec, system)?, weights).map(Some),
            SamplerSpec::TabgCart(spec) => flow(tabg::cartesian_model(spec, system)?, weights).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether its draws have a density, and so weights.
    #[must_use]
    pub fn has_density(&self) -> bool {
        match self {
            Self::Flow(..) => true,
            Self::Paths(own) => own.kernels.has_density(),
            Self::Cartesian(own) => own.has_density(),
        }
    }

    /// Evaluations of the network that one draw takes.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        match self {
            Self::Flow(..) => 1,
            Self::Paths(own) => own.kernels.evaluations(),
            Self::Cartesian(own) => own.evaluations(),
        }
    }

    /// Whether given frames can be weighed ([`Trained::log_ratio`]).
    #[must_use]
    pub fn weighs_frames(&self) -> bool {
        !matches!(self, Self::Cartesian(_))
    }

    fn paths(spec: &PitaIcSpec, system: &System, weights: &Arrays) -> Result<Self> {
        let volume = volume("pita-ic", system)?;
        let (model, parameters) = pita_ic::Model::load(&volume, spec, weights)?;
        let levels = model.levels(&parameters, (&spec.anneal, &spec.train), 1.0, pilot);
        let kernels = model.kernels(&spec.anneal, levels, 1.0);
        let mut kernels = model.informed(&parameters, &spec.anneal, kernels, pilot);
        let mut controlled = spec.anneal.control == Control::None;
        if let Some(control) = weights.get(CONTROL).filter(|_| !controlled) {
            kernels = kernels.controlled(&pita_ic::Control::load(control)?);
            controlled = true;
        }
        let anneal = spec.anneal.clone();
        Ok(Self::Paths(Box::new(Paths { model, weights: parameters, anneal, kernels, controlled })))
    }

    /// What is fitted with energies before the first draw: the control of the kernels, where it is asked for and was not left by the run.
    ///
    /// # Errors
    /// [`Error::BudgetSpent`].
    pub fn prepare(&mut self, energy: &mut Metered, kt: f64) -> Result<()> {
        let Self::Paths(own) = self else { return Ok(()) };
        if own.controlled {
            return Ok(());
        }
        let settings = (&own.anneal, &own.kernels);
        let found = own.model.control(&own.weights, settings, pilot, (energy, Purpose::Sampling, kt))?;
        if let Some((control, _)) = found {
            own.kernels = own.kernels.clone().controlled(&control);
        }
        own.controlled = true;
        Ok(())
    }

    /// `ln p/q` up to a constant, `[n]`, at frames `x [n, atoms, 3]` with unreduced energies `[n]`: `p` at `kt`, `q` the model, along
    /// paths drawn backwards from the frames where it has no density of its own, without look-ahead. Infinite where the model cannot get
    /// to.
    ///
    /// # Errors
    /// When there are not as many energies as frames, or the model cannot weigh them.
    pub fn log_ratio(&self, x: &[f64], energies: &[f64], kt: f64, seed: u64) -> Result<Vec<f64>> {
        let streams = |step| Stream::new(seed, rng::Purpose::Evaluation, step);
        let without_energy: Vec<f64> = match self {
            Self::Flow(model, w) => model.log_q(w, x, &streams(DENSITY)).into_iter().map(|log_q| -log_q).collect(),
            Self::Paths(own) => own.model.retrace(&own.weights, &own.kernels, x, |step| streams(RETRACE + step)),
            Self::Cartesian(_) => return Err(Error::Internal("paths of positions are not drawn backwards".into())),
        };
        if without_energy.len() != energies.len() {
            return Err(Error::Internal(format!("{} frames with {} energies", without_energy.len(), energies.len())));
        }
        Ok(energies.iter().zip(without_energy).map(|(e, rest)| rest - e / kt).collect())
    }

    /// Further samples by number, the same whatever else is drawn; one evaluation for each that is a configuration.
    ///
    /// # Errors
    /// [`Error::BudgetSpent`].
    pub fn draw(&self, energy: &mut Metered, kt: f64, seed: u64, items: Range<usize>) -> Result<Further> {
        let streams = |step| Stream::new(seed, rng::Purpose::Evaluation, FURTHER + step);
        let n = items.len();
        let mut energies = vec![0.0; n];
        let (positions, without_energy) = match self {
            Self::Cartesian(own) => {
                let (positions, energies, log_weight) = own.draw(energy, kt, seed, items)?;
                return Ok(Further { positions, energies, log_weight });
            }
            Self::Flow(model, w) => {
                let numbers: Vec<u32> = items.map(|i| i as u32).collect();
                let drawn = model.draw(w, &streams(0), &numbers);
                let mut forces = vec![0.0; drawn.x.len()];
                energy.energy_forces(Purpose::Sampling, &drawn.x, &mut energies, &mut forces)?;
                (drawn.x, drawn.log_q.into_iter().map(|log_q| -log_q).collect::<Vec<_>>())
            }
            Self::Paths(own) => {
                let Paths { model, weights, kernels, .. } = &**own;
                let target = (&mut *energy, Purpose::Sampling, kt);
                let drawn = model.draw(weights, kernels, streams, items, target)?;
                let mut forces = vec![0.0; drawn.rows.len()];
                model.chart.evaluate(energy, Purpose::Sampling, &drawn.rows, &mut energies, &mut forces)?;
                (model.chart.place(&drawn.rows), drawn.log_ratio)
            }
        };
        let weighted = self.has_density();
        let weight = |(rest, e): (f64, &f64)| match rest - e / kt {
            w if !w.is_finite() => f64::NEG_INFINITY,
            w if weighted => w,
            _ => 0.0,
        };
        let log_weight = without_energy.into_iter().zip(&energies).map(weight).collect();
        Ok(Further { positions, energies, log_weight })
    }
}

/// Random numbers of a pilot, which is a property of the model: the same whatever is drawn from it.
fn pilot(step: u64) -> Stream {
    Stream::new(0, rng::Purpose::Evaluation, FURTHER + step)
}

fn flow(model: Box<dyn Generator>, weights: &Arrays) -> Result<Trained> {
    for (name, array) in model.architecture() {
        if weights.get(&name) != Some(&array) {
            return Err(Error::Numerical(format!(
                "the run's `{name}` is not that of this build: its flow was another one; run it again with --force"
            )));
        }
    }
    let weights = Weights::from_arrays(model.packing(), weights, tabg::PREFIX)?;
    Ok(Trained::Flow(model, weights))
}
