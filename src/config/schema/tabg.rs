//! The settings of TA-BG.

use super::super::fields::{Fields, Float};
use super::{PRECISIONS, hot_start};
use crate::spec::{
    FlowSpec, ForwardKlSpec, MdDataSpec, ReverseKlSpec, StageSpec, Start, TabgCartSpec, TabgSpec, TarFlowSpec,
};

pub(super) const STARTS: [(&str, Start); 2] = [("reverse-kl", Start::ReverseKl), ("forward-kl", Start::ForwardKl)];

pub(super) fn internal(f: &Fields<'_>) -> TabgSpec {
    let d = TabgSpec::default();
    let ladder = f.ladder("ladder", d.ladder);
    let first = ladder.first().copied();
    TabgSpec {
        ladder,
        start: f.choice("start", d.start, &STARTS),
        start_at_target: f.boolean("start_at_target", d.start_at_target),
        fine_tune_start: f.count("fine_tune_start", d.fine_tune_start, 0),
        fine_tune: f.count("fine_tune", d.fine_tune, 0),
        flow: flow(&f.nested("flow")),
        reverse_kl: reverse_kl(&f.nested("reverse_kl"), first),
        forward_kl: forward_kl(&f.nested("forward_kl"), &d.forward_kl),
        data: data(&f.nested("data")),
        anneal: stage(&f.nested("anneal")),
        samples: f.count("samples", d.samples, 1),
        budget: f.optional("budget"),
    }
}

pub(super) fn cartesian(f: &Fields<'_>) -> TabgCartSpec {
    let d = TabgCartSpec::default();
    let ladder = f.ladder("ladder", d.ladder);
    let first = ladder.first().copied();
    TabgCartSpec {
        ladder,
        start: f.choice("start", d.start, &STARTS),
        start_at_target: f.boolean("start_at_target", d.start_at_target),
        fine_tune_start: f.count("fine_tune_start", d.fine_tune_start, 0),
        fine_tune: f.count("fine_tune", d.fine_tune, 0),
        flow: tarflow(&f.nested("flow")),
        reverse_kl: reverse_kl(&f.nested("reverse_kl"), first),
        forward_kl: forward_kl(&f.nested("forward_kl"), &d.forward_kl),
        data: data(&f.nested("data")),
        anneal: stage(&f.nested("anneal")),
        samples: f.count("samples", d.samples, 1),
        budget: f.optional("budget"),
    }
}

fn tarflow(f: &Fields<'_>) -> TarFlowSpec {
    let d = TarFlowSpec::default();
    let spec = TarFlowSpec {
        blocks: f.count("blocks", d.blocks, 1),
        layers: f.count("layers", d.layers, 1),
        width: f.count("width", d.width, 1),
        head: f.count("head", d.head, 1),
        channels: f.count("channels", d.channels, 1),
    };
    if !spec.width.is_multiple_of(32) || !spec.width.is_multiple_of(spec.head) {
        let (width, head) = (spec.width, spec.head);
        let message = format!("`{}` is {width}, expected a multiple of 32 and of `head` ({head})", f.name("width"));
        f.problem(&f.place("width"), message, vec![]);
    }
    if ![1, 3].contains(&spec.channels) {
        let message = format!("`{}` is {}, expected 1 or 3", f.name("channels"), spec.channels);
        f.problem(&f.place("channels"), message, vec![]);
    }
    f.finish();
    spec
}

fn flow(f: &Fields<'_>) -> FlowSpec {
    let d = FlowSpec::default();
    let spec = FlowSpec { blocks: f.count("blocks", d.blocks, 1), hidden: f.count("hidden", d.hidden, 1) };
    f.finish();
    spec
}

/// `first` is the temperature that a hot start ends at.
fn reverse_kl(f: &Fields<'_>, first: Option<f64>) -> ReverseKlSpec {
    let d = ReverseKlSpec::default();
    let spec = ReverseKlSpec {
        steps: f.count("steps", d.steps, 1),
        batch: f.count("batch", d.batch, 1),
        learning_rate: f.float("learning_rate", d.learning_rate, Float::Positive),
        warm_up: f.count("warm_up", d.warm_up, 0),
        weight_decay: f.float("weight_decay", d.weight_decay, Float::NotNegative),
        clip: f.float("clip", d.clip, Float::Positive),
        drop: f.count("drop", d.drop, 0),
        hot_start: hot_start(&f.nested("hot_start")),
    };
    if spec.drop >= spec.batch {
        let message = format!("`{}` is {}, expected less than `batch` ({})", f.name("drop"), spec.drop, spec.batch);
        f.problem(&f.place("drop"), message, vec![]);
    }
    if spec.warm_up >= spec.steps {
        let message =
            format!("`{}` is {}, expected less than `steps` ({})", f.name("warm_up"), spec.warm_up, spec.steps);
        f.problem(&f.place("warm_up"), message, vec![]);
    }
    if let Some(hot) = &spec.hot_start {
        let problem = |field: &str, is: f64, expected: String| {
            let message = format!("`{}.{field}` is {is}, expected {expected}", f.name("hot_start"));
            f.problem(&f.place("hot_start"), message, vec![]);
        };
        if hot.steps >= spec.steps {
            problem("steps", hot.steps as f64, format!("less than `steps` of `reverse_kl` ({})", spec.steps));
        }
        if let Some(first) = first.filter(|first| hot.temperature <= *first) {
            problem("temperature", hot.temperature, format!("more than the first of `ladder` ({first})"));
        }
    }
    f.finish();
    spec
}

fn forward_kl(f: &Fields<'_>, d: &ForwardKlSpec) -> ForwardKlSpec {
    let spec = ForwardKlSpec {
        steps: f.count("steps", d.steps, 1),
        batch: f.count("batch", d.batch, 1),
        learning_rate: f.float("learning_rate", d.learning_rate, Float::Positive),
    };
    f.finish();
    spec
}

fn data(f: &Fields<'_>) -> MdDataSpec {
    let d = MdDataSpec::default();
    let spec = MdDataSpec {
        samples: f.count("samples", d.samples, 1),
        walkers: f.count("walkers", d.walkers, 1),
        equilibration: f.count("equilibration", d.equilibration, 0),
        stride: f.count("stride", d.stride, 1),
        step: f.float("step", d.step, Float::Positive),
        friction: f.float("friction", d.friction, Float::Positive),
        precision: f.choice("precision", d.precision, &PRECISIONS),
    };
    f.finish();
    spec
}

fn stage(f: &Fields<'_>) -> StageSpec {
    let d = StageSpec::default();
    let spec = StageSpec {
        draws: f.count("draws", d.draws, 1),
        buffer: f.count("buffer", d.buffer, 1),
        clip: f.float("clip", d.clip, Float::BelowOne),
        min_effective: f.count("min_effective", d.min_effective, 0),
        steps: f.count("steps", d.steps, 1),
        batch: f.count("batch", d.batch, 1),
        learning_rate: f.float("learning_rate", d.learning_rate, Float::Positive),
    };
    f.finish();
    spec
}
