//! What a run costs, by its settings alone: evaluations, memory, disk, and work. Nothing here overflows: what is too large to
//! be counted stays at the largest number.
//!
//! Evaluations are exact where no budget ends the run and no particle is dropped. Memory and disk are what certainly lies
//! there at once (coordinates, buffers, networks with their optimiser), so a run that is refused for them could not have
//! ended. Work is an estimate from measured rates.

use std::num::Saturating as N;

use serde::Serialize;

use super::rates;
use crate::spec::{
    EvalSpec, Flow, FlowSpec, Ladder, MdDataSpec, MdSpec, NetSpec, PitaIcSpec, PitaSpec, ReferenceSpec,
    ReplicaExchangeSpec, RunSpec, SamplerSpec, SmcSpec, Start, TabgSpec, TarFlowSpec, TrainOn, Weights,
};

/// Most steps of one walker: its random numbers are numbered by 40 bits.
const MOST_STEPS: u64 = 1 << 40;
/// Bytes of a number.
const REAL: N<u64> = N(8);
const SINGLE: N<u64> = N(4);
/// Copies of the recorded samples while they are written: recorded, as arrays, as a file in memory.
const WRITTEN: N<u64> = N(3);

fn n(count: usize) -> N<u64> {
    N(count as u64)
}

/// What a run, or the making of a reference, costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Charged energy evaluations; a budget ends the run there. `None` for programs of others without a budget.
    pub evaluations: Option<u64>,
    /// Bytes of memory.
    #[serde(rename = "memory_bytes")]
    pub memory: u64,
    /// Bytes on disk while it runs: two checkpoints and the samples.
    #[serde(rename = "disk_bytes")]
    pub disk: u64,
    /// Bytes that stay there.
    #[serde(rename = "kept_bytes")]
    pub kept: u64,
    /// Steps of one walker.
    #[serde(skip)]
    pub steps: u64,
    /// Seconds of one thread of the CPU that rates were measured on; `None` where nothing is known.
    #[serde(skip)]
    pub work: Option<f64>,
}

impl Cost {
    /// Of what is read, not made.
    const NOTHING: Self = Self { evaluations: Some(0), memory: 0, disk: 0, kept: 0, steps: 0, work: Some(0.0) };

    /// Why it cannot be run, whatever the machine.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if self.evaluations == Some(u64::MAX) {
            Some("more energy evaluations than can be counted".into())
        } else if self.steps >= MOST_STEPS {
            Some(format!("{} steps of each walker, more than {MOST_STEPS}", self.steps))
        } else {
            None
        }
    }
}

/// Rungs that a ladder found on the way is taken to have where time is estimated.
const FOUND_RUNGS: usize = 8;

/// What a run costs on a system of so many atoms; `molecule` where it has a force field.
#[must_use]
pub fn run(spec: &RunSpec, atoms: usize, molecule: bool) -> Cost {
    let on = On { dim: n(atoms) * N(3), atoms, molecule };
    match &spec.sampler {
        SamplerSpec::Md(s) => on.md(s),
        SamplerSpec::ReplicaExchange(s) => on.exchange(s),
        SamplerSpec::Pita(s) => on.pita(s),
        SamplerSpec::TabgIc(s) => {
            let rates = rates::spline(s.flow.blocks, s.flow.hidden);
            on.tabg(s, rates, spline_parameters(&s.flow), on.spline_row(&s.flow))
        }
        // A transformer's batch goes through in tiles: what stays of a row are coordinates and their gradients.
        SamplerSpec::TabgCart(s) => {
            on.tabg(s, rates::tarflow(&s.flow, atoms), tarflow_parameters(&s.flow), on.dim * N(3) * SINGLE)
        }
        SamplerSpec::Smc(s) => on.smc(s),
        SamplerSpec::PitaIc(s) => on.pita_ic(s),
        // How many frames the file holds is not known before it is read.
        SamplerSpec::Samples(_) => Cost::NOTHING,
        SamplerSpec::External(s) => {
            let samples = n(s.samples) * (on.dim + N(1)) * REAL;
            Cost {
                evaluations: s.budget,
                memory: (samples * N(2)).0,
                disk: samples.0,
                kept: samples.0,
                steps: 0,
                work: None,
            }
        }
    }
}

/// What the making of a reference costs.
#[must_use]
pub fn reference(spec: &ReferenceSpec, atoms: usize, molecule: bool) -> Cost {
    if spec.accepted.is_some() {
        return Cost::NOTHING;
    }
    let on = On { dim: n(atoms) * N(3), atoms, molecule };
    let mut cost = spec.smc.as_ref().map_or_else(|| on.exchange(&spec.sampler), |smc| on.smc(smc));
    if let Some(t) = &spec.trajectory {
        let steps = n(t.frames) * n(t.stride);
        let frames = n(t.walkers) * n(t.frames) * on.dim;
        cost.evaluations = cost.evaluations.map(|e| (N(e) + n(t.walkers) * (N(1) + steps)).0);
        cost.steps = cost.steps.max(steps.0);
        // Recorded, in order, and in double precision for the fit.
        cost.memory = (N(cost.memory) + frames * (SINGLE + SINGLE + REAL)).0;
        cost.disk = (N(cost.disk) + frames * SINGLE * N(3)).0;
        cost.kept = (N(cost.kept) + frames * SINGLE).0;
        cost.work = cost.evaluations.map(|e| on.energies(e));
    }
    cost
}

/// Bytes of memory that judging `samples` samples takes.
#[must_use]
pub fn evaluation(spec: &EvalSpec, samples: usize, atoms: usize) -> u64 {
    let dim = n(atoms) * N(3);
    let used = n(spec.n).min(n(samples).max(n(spec.reference.samples())));
    let geometry = n(spec.geo_n).min(used);
    let replicates = n(spec.bootstrap) * REAL;
    let pairs = n(atoms) * n(atoms.saturating_sub(1));
    (n(samples) * dim * REAL + used * pairs * REAL + geometry * geometry * REAL + replicates).0
}

/// A system, as far as costs go.
#[derive(Clone, Copy)]
struct On {
    /// Coordinates.
    dim: N<u64>,
    atoms: usize,
    molecule: bool,
}

impl On {
    /// Seconds of so many evaluations.
    fn energies(self, evaluations: u64) -> f64 {
        evaluations as f64 * rates::energy(self.atoms, self.molecule)
    }

    /// Bytes of `frames` frames with their energies.
    fn frames(self, frames: N<u64>) -> N<u64> {
        frames * (self.dim + N(1)) * REAL
    }

    /// Bytes of walkers: positions, velocities (or proposals) and forces.
    fn walkers(self, walkers: N<u64>) -> N<u64> {
        walkers * (self.dim * N(3) + N(1)) * REAL
    }

    fn md(self, s: &MdSpec) -> Cost {
        let heating = s.hot_start.as_ref().map_or(N(0), |h| n(h.steps));
        let steps = heating + n(s.equilibration) + n(s.samples.div_ceil(s.walkers.max(1))) * n(s.stride);
        self.dynamics(n(s.walkers), steps, n(s.samples), s.budget)
    }

    fn exchange(self, s: &ReplicaExchangeSpec) -> Cost {
        let walkers = n(s.copies) * (n(s.ladder.len()) + N(1));
        let steps = n(s.equilibration) + n(s.samples.div_ceil(s.copies.max(1))) * n(s.stride);
        self.dynamics(walkers, steps, n(s.samples), s.budget)
    }

    fn dynamics(self, walkers: N<u64>, steps: N<u64>, samples: N<u64>, budget: Option<u64>) -> Cost {
        let evaluations = (walkers * (N(1) + steps)).0.min(budget.unwrap_or(u64::MAX));
        let (moving, recorded) = (self.walkers(walkers), self.frames(samples));
        Cost {
            evaluations: Some(evaluations),
            memory: (moving + recorded * WRITTEN).0,
            disk: ((moving + recorded) * N(2) + recorded).0,
            kept: recorded.0,
            steps: steps.0,
            work: Some(self.energies(evaluations)),
        }
    }

    fn smc(self, s: &SmcSpec) -> Cost {
        let initial = self.md(&s.initial.md());
        let particles = n(s.initial.samples);
        let recording = (n(s.samples.div_ceil(s.initial.samples.max(1))) - N(1)) * n(s.stride);
        let rungs = match &s.ladder {
            Ladder::Fixed(ladder) => Some(n(ladder.len())),
            Ladder::Auto(_) => None, // energies decide
        };
        let moves = rungs.map(|rungs| rungs * n(s.moves) + recording);
        let most = s.budget.unwrap_or(u64::MAX);
        let all = moves.map(|moves| (N(initial.evaluations.unwrap_or(u64::MAX)) + particles * moves).0.min(most));
        let (moving, recorded) = (self.walkers(particles), self.frames(n(s.samples)));
        Cost {
            evaluations: all.or(s.budget),
            memory: (N(initial.memory) + moving * N(2) + recorded * WRITTEN).0,
            disk: (N(initial.disk) + (moving + recorded) * N(2) + recorded).0,
            kept: recorded.0,
            steps: (N(initial.steps) + moves.unwrap_or(N(0))).0,
            work: all.or(s.budget).map(|e| self.energies(e)),
        }
    }

    fn pita(self, s: &PitaSpec) -> Cost {
        let initial = self.md(&s.initial.md());
        let rungs = s.ladder.len().max(1);
        // Each particle: one evaluation when it has arrived, by each of its paths, then its moves.
        let each = n(s.anneal.paths()) + n(s.refine.steps) + n(s.relax.steps);
        let particles = n(s.particles) * n(rungs - 1) + n(s.samples);
        let evaluations = N(initial.evaluations.unwrap_or(u64::MAX)) + particles * each;
        let evaluations = evaluations.0.min(s.budget.unwrap_or(u64::MAX));
        let buffer = |frames: N<u64>| frames * (self.dim * N(2) + N(2)) * REAL;
        let kept = match s.train.rungs {
            TrainOn::All => buffer(n(s.initial.samples)) + buffer(n(s.particles)) * n(rungs - 1),
            TrainOn::Newest => buffer(n(s.initial.samples).max(if rungs > 1 { n(s.particles) } else { N(0) })),
        };
        let last = self.walkers(n(s.samples) * n(s.anneal.paths())) + self.frames(n(s.samples)) * WRITTEN;
        // Both heads: parameters, gradient, average and the two moments of Adam.
        let nets = parameters(&s.net) * N(2) * N(5) * REAL;
        // Noised, with targets and gradients of both heads (measured on LJ-13).
        let batch = n(s.train.batch) * self.dim * N(32) * REAL;
        let training = n(s.train.first_steps) + n(s.train.steps) * n(rungs - 1);
        let net = rates::net(&s.net, self.atoms);
        let drawing = match s.anneal.weights {
            Weights::Exact => net.exact,
            Weights::Hutchinson => net.plain * (1.0 + s.anneal.probes as f64),
            Weights::KernelRatio => 2.0 * net.plain,
            Weights::Path if s.anneal.needs_energy() || s.anneal.guidance => 2.0 * net.plain,
            Weights::None | Weights::Path => net.plain,
        };
        let work = (training * n(s.train.batch)).0 as f64 * net.training
            + (particles * n(s.anneal.paths()) * n(s.anneal.steps)).0 as f64 * drawing
            + self.energies(evaluations);
        Cost {
            evaluations: Some(evaluations),
            memory: (kept + last + nets + batch).0.max(initial.memory),
            disk: ((kept + nets) * N(2) + last).0.max(initial.disk),
            kept: self.frames(n(s.samples)).0,
            steps: initial.steps.max((n(s.refine.steps) + n(s.relax.steps)).0),
            work: Some(work),
        }
    }

    /// PITA in internal coordinates. Moves outside of the molecule are not evaluated: the count is the most there can be.
    fn pita_ic(self, s: &PitaIcSpec) -> Cost {
        let initial = self.md(&s.initial.md());
        let (known, rungs) = match &s.ladder {
            Ladder::Fixed(ladder) => (true, n(ladder.len())),
            Ladder::Auto(_) => (false, n(FOUND_RUNGS)), // energies decide
        };
        let last = if s.refine > 0 { n(s.anneal.denoising()) + n(s.refine) } else { N(0) };
        let pilots = (rungs + N(1)) * n(s.anneal.pilot());
        let evaluations = N(initial.evaluations.unwrap_or(u64::MAX))
            + rungs * n(s.particles) * (n(s.anneal.energies()) + n(s.anneal.denoising()) + n(s.anneal.moves))
            + n(s.samples) * (n(s.anneal.energies()) + last)
            + pilots;
        let evaluations = evaluations.0.min(s.budget.unwrap_or(u64::MAX));
        let (width, blocks) = (n(s.net.width), n(s.net.blocks));
        let parameters = width * (width * blocks * N(2) + self.dim * N(4));
        // Frames with forces, and as training reads them; draws with forces.
        let frames = n(s.initial.samples.max(s.particles)) * self.dim * (REAL * N(2) + SINGLE * N(2));
        let drawn = n(s.particles.max(s.samples)) * self.dim * REAL * N(2);
        let nets = parameters * N(5) * SINGLE;
        // What both passes keep of a row (measured).
        let batch = n(s.train.batch) * (width * blocks * N(16) + self.dim) * SINGLE;
        let trained = (n(s.train.first_steps) + rungs * n(s.train.steps)) * n(s.train.batch);
        let paths = (rungs * n(s.particles) + n(s.samples)) * n(s.anneal.steps);
        let rate = rates::perceptron(parameters.0);
        let work = trained.0 as f64 * 3.0 * rate + paths.0 as f64 * rate + self.energies(evaluations);
        Cost {
            evaluations: if known { Some(evaluations) } else { s.budget },
            memory: (frames + drawn + nets + batch).0.max(initial.memory),
            disk: ((frames + drawn + nets) * N(2)).0.max(initial.disk),
            kept: (self.frames(n(s.samples)) * N(2)).0,
            steps: initial.steps,
            work: Some(work),
        }
    }

    /// Bytes that a flow's couplings keep of a row of a batch until its gradient is known: hidden features, and what splines
    /// are made of (measured on alanine dipeptide).
    fn spline_row(self, flow: &FlowSpec) -> N<u64> {
        n(flow.blocks) * N(2) * (n(flow.hidden) * N(4) + self.dim * N(18)) * SINGLE
    }

    /// TA-BG with a flow of so many parameters that keeps so many bytes of a row, and its rates.
    fn tabg<F: Flow>(self, s: &TabgSpec<F>, flow: rates::Flow, parameters: N<u64>, row_kept: N<u64>) -> Cost {
        let (data, steps, batch) = match s.start {
            Start::ReverseKl => (None, n(s.reverse_kl.steps), n(s.reverse_kl.batch)),
            Start::ForwardKl => (Some(self.md(&data(&s.data))), n(s.forward_kl.steps), n(s.forward_kl.batch)),
        };
        let trained = steps * batch;
        let start = data.map_or(trained, |data| N(data.evaluations.unwrap_or(u64::MAX)));
        let stages = if s.start_at_target {
            0
        } else {
            s.ladder.len().saturating_add(s.fine_tune_start).saturating_add(s.fine_tune)
        };
        let evaluations = start + n(stages) * n(s.anneal.draws) + n(s.samples);
        let evaluations = evaluations.0.min(s.budget.unwrap_or(u64::MAX));
        let used = |stage: N<u64>| if stages == 0 { N(0) } else { stage };
        // Rows of the unit cube: a coordinate less for each that is fixed.
        let row = self.dim * SINGLE;
        let rows = used(n(s.anneal.buffer) * (row + REAL)) + data.map_or(N(0), |_| n(s.data.samples) * row);
        let walkers = data.map_or(N(0), |_| self.walkers(n(s.data.walkers)));
        let drawn = used(n(s.anneal.draws) * REAL);
        let samples = n(s.samples) * (self.dim + N(3)) * REAL;
        let nets = parameters * N(5) * SINGLE;
        let batch = batch.max(used(n(s.anneal.batch)));
        let trained = trained + n(stages) * n(s.anneal.steps) * n(s.anneal.batch);
        let draws = n(stages) * (n(s.anneal.draws) + n(s.anneal.buffer)) + n(s.samples);
        let work = trained.0 as f64 * flow.training + draws.0 as f64 * flow.draw + self.energies(evaluations);
        Cost {
            evaluations: Some(evaluations),
            memory: (rows.max(drawn) + samples * WRITTEN + nets + batch * row_kept + walkers).0,
            disk: ((rows.max(drawn) + nets + samples) * N(2) + samples).0,
            kept: samples.0,
            steps: data.map_or(0, |d| d.steps),
            work: Some(work),
        }
    }
}

/// Training data as dynamics.
fn data(s: &MdDataSpec) -> MdSpec {
    MdSpec {
        walkers: s.walkers,
        equilibration: s.equilibration,
        stride: s.stride,
        samples: s.samples,
        ..MdSpec::default()
    }
}

/// Parameters of one head, at least.
fn parameters(net: &NetSpec) -> N<u64> {
    let (hidden, layers) = (n(net.hidden), n(net.layers));
    match &net.dit {
        // Edge, coordinate and node networks of a layer.
        None => layers * hidden * hidden * N(6),
        // Attention, its output and the two layers behind; shifts and scales by the conditioning.
        Some(dit) => layers * hidden * (hidden * N(12) + n(dit.cond) * N(6)),
    }
}

/// Two hidden layers of each coupling, at least.
fn spline_parameters(flow: &FlowSpec) -> N<u64> {
    n(flow.blocks) * N(2) * n(flow.hidden) * n(flow.hidden)
}

fn tarflow_parameters(flow: &TarFlowSpec) -> N<u64> {
    n(flow.blocks) * n(flow.layers) * n(flow.width) * n(flow.width) * N(12)
}
