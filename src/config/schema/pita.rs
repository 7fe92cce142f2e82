//! The settings of PITA.

use super::super::fields::{Fields, Float};
use super::{INTEGRATORS, PRECISIONS};
use crate::spec::{
    AnnealSpec, BackboneKind, Between, Engine, GammaSchedule, InitialSpec, NetSpec, NodeFeatures, Noise, PitaSpec,
    RefineSpec, RelaxSpec, Resampling, Target, TrainNoise, TrainOn, TrainSpec, Weights,
};

/// PITA, or one of the methods that share its code: what is not written is as in `d`.
pub(super) fn settings(f: &Fields<'_>, d: PitaSpec) -> PitaSpec {
    PitaSpec {
        ladder: f.ladder_or_none("ladder", d.ladder),
        engine: f.choice("engine", d.engine, &ENGINES),
        initial: initial(&f.nested("initial"), &d.initial),
        net: net(&f.nested("net"), d.net),
        train: train(&f.nested("train"), &d.train),
        anneal: anneal(&f.nested("anneal"), &d.anneal),
        refine: refine(&f.nested("refine"), &d.refine),
        relax: relax(&f.nested("relax"), &d.relax),
        particles: f.count("particles", d.particles, 1),
        samples: f.count("samples", d.samples, 1),
        budget: f.optional("budget"),
    }
}

pub(super) fn initial(f: &Fields<'_>, d: &InitialSpec) -> InitialSpec {
    let spec = InitialSpec {
        integrator: f.choice("integrator", d.integrator, &INTEGRATORS),
        step: f.float("step", d.step, Float::Positive),
        friction: f.float("friction", d.friction, Float::Positive),
        precision: f.choice("precision", d.precision, &PRECISIONS),
        samples: f.count("samples", d.samples, 1),
        walkers: f.count("walkers", d.walkers, 1),
        equilibration: f.count("equilibration", d.equilibration, 0),
        stride: f.count("stride", d.stride, 1),
    };
    f.finish();
    spec
}

fn net(f: &Fields<'_>, d: NetSpec) -> NetSpec {
    let kind = f.choice("backbone", BackboneKind::Egnn, &BACKBONES);
    let d = if kind == BackboneKind::Dit { NetSpec::dit() } else { d };
    let mut spec =
        NetSpec { hidden: f.count("hidden", d.hidden, 1), layers: f.count("layers", d.layers, 1), ..d.clone() };
    // The keys of the other network are unknown.
    match &mut spec.dit {
        None => spec.node_features = f.choice("node_features", d.node_features, &NODE_FEATURES),
        Some(dit) => {
            dit.heads = f.count("heads", dit.heads, 1);
            dit.cond = f.count("cond", dit.cond, 1);
            dit.dropout = f.float("dropout", dit.dropout, Float::BelowOne);
            dit.beta_conditioning = f.boolean("beta_conditioning", dit.beta_conditioning);
        }
    }
    f.finish();
    spec
}

fn train(f: &Fields<'_>, d: &TrainSpec) -> TrainSpec {
    let spec = TrainSpec {
        rungs: f.choice("rungs", d.rungs, &TRAIN_ON),
        first_steps: f.count("first_steps", d.first_steps, 1),
        steps: f.count("steps", d.steps, 1),
        batch: f.count("batch", d.batch, 1),
        learning_rate: f.float("learning_rate", d.learning_rate, Float::Positive),
        clip: f.float("clip", d.clip, Float::Positive),
        ema: f.float("ema", d.ema, Float::BelowOne),
        score: f.float("score", d.score, Float::NotNegative),
        energy_score: f.float("energy_score", d.energy_score, Float::NotNegative),
        energy_matching: f.float("energy_matching", d.energy_matching, Float::NotNegative),
        target_score: f.float("target_score", d.target_score, Float::NotNegative),
        sigma_min: f.float("sigma_min", d.sigma_min, Float::Positive),
        sigma_max: f.float("sigma_max", d.sigma_max, Float::Positive),
        target: f.choice("target", d.target, &TARGETS),
        noise: f.choice("noise", d.noise, &TRAIN_NOISES),
    };
    if spec.sigma_min >= spec.sigma_max {
        let (min, max) = (spec.sigma_min, spec.sigma_max);
        let message = format!("`{}` is {min}, expected less than `sigma_max` ({max})", f.name("sigma_min"));
        f.problem(&f.place("sigma_min"), message, vec![]);
    }
    f.finish();
    spec
}

fn anneal(f: &Fields<'_>, d: &AnnealSpec) -> AnnealSpec {
    let spec = AnnealSpec {
        steps: f.count("steps", d.steps, 1),
        weights: f.choice("weights", d.weights, &WEIGHTS),
        probes: f.count("probes", d.probes, 1),
        resampling: f.choice("resampling", d.resampling, &RESAMPLINGS),
        ess_threshold: f.float("ess_threshold", d.ess_threshold, Float::Fraction),
        resample_until: f.float("resample_until", d.resample_until, Float::Fraction),
        clamp_quantile: f.float("clamp_quantile", d.clamp_quantile, Float::AboveZero),
        final_resampling: f.boolean("final_resampling", d.final_resampling),
        final_clamp_quantile: f.float("final_clamp_quantile", d.final_clamp_quantile, Float::AboveZero),
        gamma: f.choice("gamma", d.gamma, &GAMMAS),
        noise: f.choice("noise", d.noise, &NOISES),
        between: f.choice("between", d.between, &BETWEEN),
    };
    if spec.noise == Noise::Tempered && matches!(spec.weights, Weights::Exact | Weights::Hutchinson) {
        let message = format!("`{}` is tempered, whose weights are `path`, `kernel-ratio` or `none`", f.name("noise"));
        let notes = vec![String::from("Feynman-Kac weights (`exact`, `hutchinson`) belong to the published noise")];
        f.problem(&f.place("noise"), message, notes);
    }
    if spec.between != Between::None && spec.weights != Weights::Path {
        let message = format!("`{}` is a setting of `weights = \"path\"`", f.name("between"));
        f.problem(&f.place("between"), message, vec![]);
    }
    f.finish();
    spec
}

fn refine(f: &Fields<'_>, d: &RefineSpec) -> RefineSpec {
    let spec = RefineSpec {
        steps: f.count("steps", d.steps, 0),
        acceptance: f.float("acceptance", d.acceptance, Float::Inside),
    };
    f.finish();
    spec
}

fn relax(f: &Fields<'_>, d: &RelaxSpec) -> RelaxSpec {
    let spec = RelaxSpec {
        steps: f.count("steps", d.steps, 0),
        step: f.float("step", d.step, Float::Positive),
        friction: f.float("friction", d.friction, Float::Positive),
        precision: f.choice("precision", d.precision, &PRECISIONS),
    };
    f.finish();
    spec
}

pub(super) const ENGINES: [(&str, Engine); 2] = [("candle", Engine::Candle), ("fused", Engine::Fused)];
pub(super) const BACKBONES: [(&str, BackboneKind); 2] = [("egnn", BackboneKind::Egnn), ("dit", BackboneKind::Dit)];
pub(super) const NODE_FEATURES: [(&str, NodeFeatures); 2] =
    [("fixed", NodeFeatures::Fixed), ("faithful", NodeFeatures::Faithful)];
pub(super) const TRAIN_ON: [(&str, TrainOn); 2] = [("all", TrainOn::All), ("newest", TrainOn::Newest)];
pub(super) const WEIGHTS: [(&str, Weights); 5] = [
    ("exact", Weights::Exact),
    ("hutchinson", Weights::Hutchinson),
    ("kernel-ratio", Weights::KernelRatio),
    ("none", Weights::None),
    ("path", Weights::Path),
];
pub(super) const TARGETS: [(&str, Target); 2] = [("clean", Target::Clean), ("mixed", Target::Mixed)];
pub(super) const TRAIN_NOISES: [(&str, TrainNoise); 2] = [("edm", TrainNoise::Edm), ("visited", TrainNoise::Visited)];
pub(super) const NOISES: [(&str, Noise); 2] = [("published", Noise::Published), ("tempered", Noise::Tempered)];
pub(super) const BETWEEN: [(&str, Between); 3] =
    [("none", Between::None), ("kernel-ratio", Between::KernelRatio), ("energy", Between::Energy)];
pub(super) const RESAMPLINGS: [(&str, Resampling); 2] =
    [("ess", Resampling::Ess), ("every-step", Resampling::EveryStep)];
pub(super) const GAMMAS: [(&str, GammaSchedule); 3] =
    [("constant", GammaSchedule::Constant), ("linear", GammaSchedule::Linear), ("sigmoid", GammaSchedule::Sigmoid)];
