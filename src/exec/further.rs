//! The model that a finished run left, and draws from it with what they cost.

use std::time::Instant;

use super::progress::Show;
use crate::array::{Arrays, read_safetensors};
use crate::device;
use crate::diffusion::ess;
use crate::energy::Metered;
use crate::error::{Error, Result};
use crate::record::{Request, RunDir, atomic, manifest};
use crate::samplers::Progress;
use crate::samplers::pita_ic::control::CONTROL;
use crate::samplers::pita_ic::within;
use crate::samplers::trained::{Further, Trained};
use crate::spec::{AnnealSpec, Grid, IcAnnealSpec, Noise, PitaSpec, RunSpec, SamplerSpec};
use crate::systems::{self, System};
use crate::{config, stop};

/// Samples drawn at a time.
const CHUNK: usize = 960;
/// The parameters that a run leaves.
const WEIGHTS: &str = "weights.safetensors";

/// A finished run with its parameters.
pub struct Finished {
    /// The run.
    pub run: RunDir,
    /// What it was asked for.
    pub spec: RunSpec,
    /// Its system.
    pub system: System,
    weights: Arrays,
}

/// Draws, and what they cost.
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    /// The draws.
    pub further: Further,
    /// Whether they have weights.
    pub weighted: bool,
    /// Energies evaluated for them.
    pub energies: u64,
    /// Evaluations of the network for each.
    pub network: usize,
    /// Seconds they took.
    pub seconds: f64,
}

impl Drawing {
    /// Effective sample size as a fraction of the draws, where there are weights. Draws that are no configuration count.
    #[must_use]
    pub fn ess(&self) -> Option<f64> {
        let any = self.further.log_weight.iter().any(|w| w.is_finite());
        (self.weighted && any).then(|| ess(&self.further.log_weight))
    }
}

impl Finished {
    /// Opens a run.
    ///
    /// # Errors
    /// [`Error::NothingSelected`] when it is not complete; [`Error::Usage`] when it left no parameters; damaged files.
    pub fn open(run: RunDir) -> Result<Self> {
        if !run.status().has_samples() {
            let status = run.status().word();
            return Err(Error::NothingSelected(format!("{} is {status}, and only complete runs have a model", run.id)));
        }
        let Request { spec, .. } = atomic::read_json(&run.file("spec.json"))?;
        manifest::verify_some(&run.path, |name| name == WEIGHTS)?;
        let path = run.file(WEIGHTS);
        if !path.exists() {
            return Err(no_model(&run, &spec.sampler));
        }
        let (system, weights) = (systems::build(&spec.system)?, read_safetensors(path)?);
        Ok(Self { run, spec, system, weights })
    }

    /// Its sampler with changes `anneal.key=value`.
    ///
    /// # Errors
    /// [`Error::Usage`] for samplers that do not anneal along paths, and with what is wrong with the changes.
    pub fn changed(&self, changes: &[String]) -> Result<SamplerSpec> {
        if changes.is_empty() {
            return Ok(self.spec.sampler.clone());
        }
        if let SamplerSpec::Pita(spec) = &self.spec.sampler {
            let anneal = config::changed(spec.anneal.clone(), "anneal", changes)?;
            return Ok(SamplerSpec::Pita(PitaSpec { anneal, ..spec.clone() }));
        }
        let anneal = config::changed(self.anneal()?.clone(), "anneal", changes)?;
        self.annealed(anneal)
    }

    /// Its sampler drawing in a way, with as many steps as so many evaluations of the network allow; `None` where it cannot: paths of
    /// positions (`pita`) have fewer ways.
    ///
    /// # Errors
    /// [`Error::Usage`] where the way does not fit it, or it has none.
    pub fn way(&self, way: &IcAnnealSpec, evaluations: usize) -> Result<Option<SamplerSpec>> {
        let SamplerSpec::Pita(spec) = &self.spec.sampler else {
            return self.annealed(within(way, evaluations)).map(Some);
        };
        let (step, grid, own) = (way.step, way.grid, IcAnnealSpec::default());
        let only = IcAnnealSpec { steps: way.steps, moves: way.moves, acceptance: way.acceptance, step, grid, ..own };
        let known = step.one_evaluation() && matches!(grid, Grid::Edm | Grid::Geometric);
        if only != *way || !known || spec.anneal.noise != Noise::Tempered {
            return Ok(None);
        }
        let each = if spec.anneal.guidance { 2 } else { 1 };
        let anneal = AnnealSpec { steps: (evaluations / each).max(1), step, grid, ..spec.anneal.clone() };
        Ok(Some(SamplerSpec::Pita(PitaSpec { anneal, ..spec.clone() })))
    }

    /// How it anneals.
    ///
    /// # Errors
    /// [`Error::Usage`] for samplers that do not anneal along paths of a chart.
    pub fn anneal(&self) -> Result<&IcAnnealSpec> {
        match &self.spec.sampler {
            SamplerSpec::PitaIc(spec) => Ok(&spec.anneal),
            other => {
                let (id, kind) = (&self.run.id, other.kind());
                let message = format!(
                    "{id} is of `{kind}`: only steps of `pita-ic` can be searched, and of it and `pita` be set"
                );
                Err(Error::Usage(message))
            }
        }
    }

    /// Its sampler with other settings of annealing.
    ///
    /// # Errors
    /// [`Error::Usage`] where they do not fit it.
    pub fn annealed(&self, anneal: IcAnnealSpec) -> Result<SamplerSpec> {
        self.anneal()?;
        let mut sampler = self.spec.sampler.clone();
        if let SamplerSpec::PitaIc(spec) = &mut sampler {
            spec.anneal = anneal;
            if let Some((setting, message)) = spec.beyond_training() {
                return Err(Error::Usage(format!("{}: `{setting}` {message}", self.run.id)));
            }
        }
        Ok(sampler)
    }

    /// The model, drawn from as `sampler` says.
    ///
    /// # Errors
    /// [`Error::Usage`] when this kind of sampler leaves none.
    pub fn model(&self, sampler: &SamplerSpec) -> Result<Trained> {
        let mut weights = self.weights.clone();
        if *sampler != self.spec.sampler {
            // What a pilot fitted to the kernels of the run is of no use to others.
            weights.remove(CONTROL);
        }
        Trained::load(sampler, &self.system, &weights)?.ok_or_else(|| no_model(&self.run, sampler))
    }

    /// Draws `n` samples.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; faults of a device.
    pub fn draw(&self, mut model: Trained, seed: u64, n: usize, show: &mut Show<'_>) -> Result<Drawing> {
        let mut energy = Metered::new(device::potential(&self.system.potential())?, None);
        let kt = self.system.kt(self.spec.system.temperature);
        let began = Instant::now();
        model.prepare(&mut energy, kt)?;
        let mut further = Further::default();
        while further.energies.len() < n {
            stop::check()?;
            let done = further.energies.len();
            further.extend(model.draw(&mut energy, kt, seed, done..n.min(done + CHUNK))?);
            let (done, total) = (further.energies.len() as u64, n as u64);
            show(&Progress { done, total, phase: "samples".into(), ..Progress::default() });
        }
        Ok(Drawing {
            further,
            weighted: model.has_density(),
            energies: energy.counts().charged(),
            network: model.evaluations(),
            seconds: began.elapsed().as_secs_f64(),
        })
    }
}

fn no_model(run: &RunDir, sampler: &SamplerSpec) -> Error {
    Error::Usage(format!(
        "{} (`{}`) left no model to draw from; `pita-ic`, `tabg-ic`, `tabg-cart` do, and `pita` with `anneal.weights = \"path\"`",
        run.id,
        sampler.kind()
    ))
}
