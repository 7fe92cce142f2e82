//! The kinds of samplers that experiment files know: the one list of them.

use super::settings::{Group, Settings};
use super::{
    ExternalSpec, MdSpec, PitaIcSpec, PitaSpec, ReplicaExchangeSpec, SamplerSpec, SamplesSpec, SmcSpec, TabgCartSpec,
    TabgIcSpec,
};

/// A word for `kind` in `[samplers.*]`.
#[derive(Debug)]
pub struct SamplerKind {
    /// The word.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// The sampler with its defaults.
    pub default: fn() -> SamplerSpec,
    /// Its settings.
    pub settings: &'static Group,
}

/// All kinds. Some share code and settings and have other defaults.
pub const KINDS: &[SamplerKind] = &[
    SamplerKind {
        name: "md",
        doc: "Plain molecular dynamics or MALA: independent walkers from one configuration.",
        default: || SamplerSpec::Md(MdSpec::default()),
        settings: MdSpec::GROUP,
    },
    SamplerKind {
        name: "replica-exchange",
        doc: "Temperature replica exchange.",
        default: || SamplerSpec::ReplicaExchange(ReplicaExchangeSpec::default()),
        settings: ReplicaExchangeSpec::GROUP,
    },
    SamplerKind {
        name: "pita",
        doc: "Progressive inference-time annealing (arXiv 2506.16471).",
        default: || SamplerSpec::Pita(PitaSpec::default()),
        settings: PitaSpec::GROUP,
    },
    SamplerKind {
        name: "external",
        doc: "Somebody else's program, described by a `baseline.toml`.",
        default: || SamplerSpec::External(ExternalSpec::default()),
        settings: ExternalSpec::GROUP,
    },
    SamplerKind {
        name: "tabg-ic",
        doc: "Temperature-annealed Boltzmann generator on internal coordinates.",
        default: || SamplerSpec::TabgIc(TabgIcSpec::default()),
        settings: TabgIcSpec::GROUP,
    },
    SamplerKind {
        name: "tabg-cart",
        doc: "Temperature-annealed Boltzmann generator on Cartesian coordinates.",
        default: || SamplerSpec::TabgCart(TabgCartSpec::default()),
        settings: TabgCartSpec::GROUP,
    },
    SamplerKind {
        name: "pita-ic",
        doc: "Progressive annealing in whitened internal coordinates, with weights of whole paths.",
        default: || SamplerSpec::PitaIc(PitaIcSpec::default()),
        settings: PitaIcSpec::GROUP,
    },
    SamplerKind {
        name: "smc",
        doc: "Annealed sequential Monte Carlo, without any model.",
        default: || SamplerSpec::Smc(SmcSpec::default()),
        settings: SmcSpec::GROUP,
    },
    SamplerKind {
        name: "samples",
        doc: "Samples that somebody made elsewhere: a file is a row.",
        default: || SamplerSpec::Samples(SamplesSpec::default()),
        settings: SamplesSpec::GROUP,
    },
    SamplerKind {
        name: "pita-faithful",
        doc: "`pita` with the settings that its public code ran with.",
        default: || SamplerSpec::Pita(PitaSpec::faithful()),
        settings: PitaSpec::GROUP,
    },
    SamplerKind {
        name: "fkc",
        doc: "Feynman-Kac correction: `pita` with one model, annealed to the target in one go.",
        default: || SamplerSpec::Pita(PitaSpec::fkc()),
        settings: PitaSpec::GROUP,
    },
    SamplerKind {
        name: "score-scaling",
        doc: "`pita` with one score model whose score is scaled; no weights, no energy network.",
        default: || SamplerSpec::Pita(PitaSpec::score_scaling()),
        settings: PitaSpec::GROUP,
    },
    SamplerKind {
        name: "md-diff",
        doc: "A score model of dynamics at the target temperature itself; nothing is annealed.",
        default: || SamplerSpec::Pita(PitaSpec::md_diff()),
        settings: PitaSpec::GROUP,
    },
    SamplerKind {
        name: "nrpt",
        doc: "Non-reversible parallel tempering: `replica-exchange` with a ladder that is tuned.",
        default: || SamplerSpec::ReplicaExchange(ReplicaExchangeSpec::non_reversible()),
        settings: ReplicaExchangeSpec::GROUP,
    },
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::settings::{Kind, fields};
    use super::*;

    /// A default is recorded under its kind; only kinds that share code are recorded as another.
    #[test]
    fn kinds_are_recorded_names() {
        let mut others = Vec::new();
        for kind in KINDS {
            let spec = (kind.default)();
            assert_eq!(serde_json::to_value(&spec).unwrap()["kind"], spec.kind());
            if spec.kind() != kind.name {
                others.push(kind.name);
            }
        }
        assert_eq!(others, ["pita-faithful", "fkc", "score-scaling", "md-diff", "nrpt"]);
    }

    fn check(group: &Group, values: &Value, path: &str) {
        for setting in group.settings {
            let name = format!("{path}{}", setting.name);
            assert!(setting.doc.ends_with('.'), "{name}: `{}` is no sentence", setting.doc);
            let value = &values[setting.name];
            let missing = |what: &str| panic!("{name} is {value}, expected {what}");
            match setting.rule.kind {
                _ if value.is_null() => {}
                Kind::Count(least, most) if !(least..=most).contains(&value.as_u64().unwrap()) => missing("a count"),
                Kind::Among(all) if !all.contains(&value.as_u64().unwrap()) => missing("one of them"),
                Kind::Float(rule) if !rule.holds(value.as_f64().unwrap()) => missing(rule.text()),
                Kind::Words(words) if words.iter().all(|word| value != word.name) => missing("a word"),
                Kind::Table(inner) | Kind::Inline(inner) => check(inner, value, &format!("{name}.")),
                Kind::Optional(inner) => check(inner, &Value::Object((inner.default)()), &format!("{name}.")),
                _ => {}
            }
            for limit in setting.rule.limits {
                assert_eq!(limit.broken(value, |key| values[key].clone()), None, "{name}");
            }
        }
        assert!((group.check)(values).is_empty(), "{path}");
    }

    /// Defaults keep their own bounds, and everything is documented.
    #[test]
    fn defaults_keep_their_bounds() {
        for kind in KINDS {
            check(kind.settings, &Value::Object(fields(&(kind.default)())), kind.name);
        }
        for group in [super::super::EvalSpec::GROUP, super::super::ReferenceSpec::GROUP] {
            check(group, &json!((group.default)()), "");
        }
    }
}
