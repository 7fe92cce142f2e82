//! The settings of annealing in internal coordinates.

use super::super::fields::{Fields, Float};
use super::pita::{NOISES, TARGETS, initial};
use crate::spec::{IcAnnealSpec, IcNetSpec, IcTrainSpec, PitaIcSpec};

pub(super) fn settings(f: &Fields<'_>) -> PitaIcSpec {
    let d = PitaIcSpec::default();
    PitaIcSpec {
        ladder: f.ladder("ladder", d.ladder),
        initial: initial(&f.nested("initial"), &d.initial),
        net: net(&f.nested("net"), &d.net),
        train: train(&f.nested("train"), &d.train),
        anneal: anneal(&f.nested("anneal"), &d.anneal),
        particles: f.count("particles", d.particles, 1),
        samples: f.count("samples", d.samples, 1),
        refine: f.count("refine", d.refine, 0),
        budget: f.optional("budget"),
    }
}

fn net(f: &Fields<'_>, d: &IcNetSpec) -> IcNetSpec {
    let spec = IcNetSpec { width: f.count("width", d.width, 1), blocks: f.count("blocks", d.blocks, 1) };
    if !spec.width.is_multiple_of(32) {
        let message = format!("`{}` is {}, expected a multiple of 32", f.name("width"), spec.width);
        f.problem(&f.place("width"), message, vec![]);
    }
    f.finish();
    spec
}

fn train(f: &Fields<'_>, d: &IcTrainSpec) -> IcTrainSpec {
    let spec = IcTrainSpec {
        first_steps: f.count("first_steps", d.first_steps, 1),
        steps: f.count("steps", d.steps, 1),
        batch: f.count("batch", d.batch, 1),
        learning_rate: f.float("learning_rate", d.learning_rate, Float::Positive),
        warm_up: f.count("warm_up", d.warm_up, 0),
        clip: f.float("clip", d.clip, Float::Positive),
        ema: f.float("ema", d.ema, Float::BelowOne),
        target: f.choice("target", d.target, &TARGETS),
        force_clip: f.float("force_clip", d.force_clip, Float::Positive),
        sigma_min: f.float("sigma_min", d.sigma_min, Float::Positive),
        sigma_max: f.float("sigma_max", d.sigma_max, Float::Positive),
    };
    let (min, max) = (spec.sigma_min, spec.sigma_max);
    if min >= max {
        let message = format!("`{}` is {min}, expected less than `sigma_max` ({max})", f.name("sigma_min"));
        f.problem(&f.place("sigma_min"), message, vec![]);
    }
    // Beyond this the images of a wrapped normal that are summed do not suffice.
    if max > 10.0 {
        let message =
            format!("`{}` is {max}, expected at most 10: a circle is uniform before that", f.name("sigma_max"));
        f.problem(&f.place("sigma_max"), message, vec![]);
    }
    f.finish();
    spec
}

fn anneal(f: &Fields<'_>, d: &IcAnnealSpec) -> IcAnnealSpec {
    let spec = IcAnnealSpec {
        steps: f.count("steps", d.steps, 2),
        noise: f.choice("noise", d.noise, &NOISES),
        moves: f.count("moves", d.moves, 0),
        acceptance: f.float("acceptance", d.acceptance, Float::Inside),
    };
    f.finish();
    spec
}
