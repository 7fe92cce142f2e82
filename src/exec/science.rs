//! The only door from the harness to the science; tests put something small behind it.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::external::External;
use super::given::Given;
use super::progress::Show;
use super::references;
use super::work::Work;
use crate::array::{Array, Arrays, read_safetensors};
use crate::config::Cell;
use crate::device;
use crate::energy::{Counts, Metered};
use crate::error::{Error, Result};
use crate::metrics::{self, Judge, ReferenceSet};
use crate::record::evaluation::Point;
use crate::samplers::trained::Trained;
use crate::samplers::{self, Context, Progress, Sampler, Samples};
use crate::spec::{SamplerSpec, SystemSpec, Weighted};
use crate::systems::{self, System};

/// How samples were judged.
pub struct Judgement {
    /// The values as JSON objects.
    pub metrics: Vec<Value>,
    /// The same for the samples after resampling by their importance weights, where that is another row of the table.
    pub reweighted: Vec<Value>,
    /// What stopping earlier would have been worth.
    pub curve: Vec<Point>,
}

/// What the harness asks of the science.
pub trait Science: Sync {
    /// A run at its beginning, in its folder.
    ///
    /// # Errors
    /// When the spec does not fit the system.
    fn start(&self, cell: &Cell, run: &Path) -> Result<Box<dyn Work>>;
    /// Atoms, and whether it is a molecule: what costs are forecast from.
    ///
    /// # Errors
    /// For a system that cannot be built.
    fn size(&self, system: &SystemSpec) -> Result<(usize, bool)>;
    /// Makes the reference ensemble of a cell unless it is there, or until `stop` says so.
    ///
    /// # Errors
    /// [`Error::Interrupted`], or whatever went wrong.
    fn reference(&self, results: &Path, cell: &Cell, show: &mut Show<'_>, stop: &dyn Fn() -> bool) -> Result<()>;
    /// Judges the samples of a complete run, in its folder, against the reference ensemble.
    ///
    /// # Errors
    /// When samples or reference are unusable.
    fn judge(&self, results: &Path, cell: &Cell, run: &Path, samples: Arrays) -> Result<Judgement>;
}

/// The systems, samplers and metrics of this crate.
pub struct Builtin;

struct BuiltinWork {
    context: Context,
    sampler: Box<dyn Sampler>,
}

/// `ln p/q` at the reference's frames, where the run left a flow with a density and a metric asks for it.
fn reference_log_weight(cell: &Cell, system: &System, run: &Path, set: &ReferenceSet) -> Result<Option<Vec<f64>>> {
    let file = run.join("weights.safetensors");
    let needed = |id: &String| metrics::by_id(id).is_ok_and(|m| m.array == Some(metrics::REFERENCE_LOG_WEIGHT));
    if !cell.eval.metrics.iter().any(needed) || !file.exists() {
        return Ok(None);
    }
    let model = Trained::load(&cell.run.sampler, system, &read_safetensors(file)?)?;
    let Some(model) = model.filter(Trained::weighs_frames) else { return Ok(None) };
    let kt = system.kt(system.temperature);
    model.log_ratio(&set.positions, &set.energies, kt, cell.seed).map(Some)
}

impl Science for Builtin {
    fn size(&self, system: &SystemSpec) -> Result<(usize, bool)> {
        let system = systems::build(system)?;
        Ok((system.atoms, system.topology.is_some()))
    }

    fn start(&self, cell: &Cell, run: &Path) -> Result<Box<dyn Work>> {
        let system = systems::build(&cell.run.system)?;
        if let SamplerSpec::External(spec) = &cell.run.sampler {
            return Ok(Box::new(External::begin(cell, spec, system, run)?));
        }
        if let SamplerSpec::Samples(spec) = &cell.run.sampler {
            return Ok(Box::new(Given::read(spec, &system)?));
        }
        let budget = cell.run.sampler.budget();
        let system = Arc::new(system);
        let energy = Metered::new(device::potential(&system.potential())?, budget);
        let context = Context { system, energy, seed: cell.seed };
        let sampler = samplers::build(&cell.run, &context)?;
        Ok(Box::new(BuiltinWork { context, sampler }))
    }

    fn reference(&self, results: &Path, cell: &Cell, show: &mut Show<'_>, stop: &dyn Fn() -> bool) -> Result<()> {
        references::ensure(results, &cell.run.system, &cell.eval.reference, show, stop).map(|_| ())
    }

    fn judge(&self, results: &Path, cell: &Cell, run: &Path, mut samples: Arrays) -> Result<Judgement> {
        let set = references::quietly(results, &cell.run.system, &cell.eval.reference)?;
        let system = systems::build(&cell.run.system)?;
        if let Some(ratio) = reference_log_weight(cell, &system, run, &set)? {
            samples.insert(metrics::REFERENCE_LOG_WEIGHT.into(), Array::f64(&[ratio.len()], ratio));
        }
        let judge = Judge::new(&system, &set, &cell.eval, cell.seed)?;
        let judged = |samples: &Arrays, walkers: Option<usize>| -> Result<Vec<Value>> {
            let values = judge.values(samples, walkers)?;
            let values = values.iter().map(serde_json::to_value).collect::<Result<_, _>>();
            values.map_err(|e| Error::Internal(format!("metrics as JSON: {e}")))
        };
        let metrics = judged(&samples, cell.run.sampler.walkers())?;
        let weighted = cell.run.sampler.weighted() != Weighted::Never;
        let reweighted = weighted.then(|| metrics::weights::reweighted(&samples, cell.seed)).flatten();
        let reweighted = reweighted.as_ref().map_or(Ok(Vec::new()), |samples| judged(samples, None))?;
        let curve = super::curve::curve(&system, cell, run, &samples, &judge)?;
        Ok(Judgement { metrics, reweighted, curve })
    }
}

impl Work for BuiltinWork {
    fn step(&mut self) -> Result<Progress> {
        self.sampler.step(&mut self.context)
    }

    fn counts(&self) -> Counts {
        self.context.energy.counts().clone()
    }

    fn state(&self) -> Result<Option<Arrays>> {
        self.sampler.state().map(Some)
    }

    fn restore(&mut self, state: &Arrays, counts: Counts) -> Result<()> {
        self.context.energy.restore(counts);
        self.sampler.restore(state)
    }

    fn samples(&self) -> Result<Samples> {
        self.sampler.samples()
    }

    fn shortfall(&self) -> Option<String> {
        self.sampler.shortfall()
    }

    fn weights(&self) -> Option<Arrays> {
        self.sampler.weights()
    }
}
