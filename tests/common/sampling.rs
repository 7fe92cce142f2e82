//! Samplers outside of a sweep: on a built-in system, to their end, in one go or stopped after every step.

use std::sync::Arc;

use pita_bench::energy::Metered;
use pita_bench::samplers::{Context, Progress, Sampler, build};
use pita_bench::spec::{AnnealSpec, InitialSpec, PitaSpec, RefineSpec, RunSpec, SamplerSpec, SystemSpec, TrainSpec};
use pita_bench::systems;

/// A built-in system with its meter; seed 11.
pub fn context(name: &str, temperature: f64, budget: Option<u64>) -> Context {
    let system = Arc::new(systems::by_name(name, temperature).unwrap());
    Context { energy: Metered::new(system.potential(), budget), system, seed: 11 }
}

/// A sampler on the system of its context.
pub fn start(sampler: SamplerSpec, ctx: &Context) -> Box<dyn Sampler> {
    let system = SystemSpec::named(&ctx.system.name, ctx.system.temperature);
    build(&RunSpec { system, sampler }, ctx).unwrap()
}

/// A sampler at its end, and what it told after every step.
pub struct Ended {
    pub sampler: Box<dyn Sampler>,
    pub told: Vec<Progress>,
}

impl Ended {
    pub fn samples(&self) -> pita_bench::array::Arrays {
        self.sampler.samples().unwrap()
    }

    /// Every scalar on the way, in order.
    pub fn scalars(&self) -> Vec<(String, f64)> {
        self.told.iter().flat_map(|progress| progress.scalars.clone()).collect()
    }
}

/// A sampler run to its end.
pub fn finish(mut sampler: Box<dyn Sampler>, ctx: &mut Context) -> Ended {
    let mut told = Vec::new();
    loop {
        told.push(sampler.step(ctx).unwrap());
        if told.last().unwrap().finished {
            return Ended { sampler, told };
        }
    }
}

/// A sampler that is stopped after every step and begun anew from its state.
pub fn in_pieces(ctx: &mut Context, begin: impl Fn(&Context) -> Box<dyn Sampler>) -> Ended {
    let (mut sampler, mut told) = (begin(ctx), Vec::new());
    loop {
        told.push(sampler.step(ctx).unwrap());
        let state = sampler.state().unwrap();
        sampler = begin(ctx);
        sampler.restore(&state).unwrap();
        if told.last().unwrap().finished {
            return Ended { sampler, told };
        }
    }
}

/// PITA on a cluster, with as little of everything as has a meaning.
pub fn tiny_pita() -> PitaSpec {
    PitaSpec {
        ladder: vec![4.0, 3.0],
        initial: InitialSpec { samples: 60, walkers: 20, equilibration: 200, stride: 5, ..InitialSpec::default() },
        train: TrainSpec { first_steps: 25, steps: 12, batch: 8, ..TrainSpec::default() },
        anneal: AnnealSpec { steps: 12, ..AnnealSpec::default() },
        refine: RefineSpec { steps: 3, ..RefineSpec::default() },
        particles: 40,
        samples: 50,
        ..PitaSpec::default()
    }
}
