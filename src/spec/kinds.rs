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

impl SamplerKind {
    /// By its word.
    #[must_use]
    pub fn named(word: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == word)
    }
}

/// All kinds. Some share code and settings and have other defaults.
pub const KINDS: &[SamplerKind] = &[
    kind::<MdSpec>("md", "Plain molecular dynamics or MALA: independent walkers from one configuration.", || {
        SamplerSpec::Md(MdSpec::default())
    }),
    kind::<ReplicaExchangeSpec>("replica-exchange", "Temperature replica exchange.", || {
        SamplerSpec::ReplicaExchange(ReplicaExchangeSpec::default())
    }),
    kind::<PitaSpec>("pita", "Progressive inference-time annealing (arXiv 2506.16471).", || {
        SamplerSpec::Pita(PitaSpec::default())
    }),
    kind::<ExternalSpec>("external", "Somebody else's program, described by a `baseline.toml`.", || {
        SamplerSpec::External(ExternalSpec::default())
    }),
    kind::<TabgIcSpec>("tabg-ic", "Temperature-annealed Boltzmann generator on internal coordinates.", || {
        SamplerSpec::TabgIc(TabgIcSpec::default())
    }),
    kind::<TabgCartSpec>("tabg-cart", "Temperature-annealed Boltzmann generator on Cartesian coordinates.", || {
        SamplerSpec::TabgCart(TabgCartSpec::default())
    }),
    kind::<PitaIcSpec>(
        "pita-ic",
        "Progressive annealing in whitened internal coordinates, with weights of whole paths.",
        || SamplerSpec::PitaIc(PitaIcSpec::default()),
    ),
    kind::<SmcSpec>("smc", "Annealed sequential Monte Carlo, without any model.", || {
        SamplerSpec::Smc(SmcSpec::default())
    }),
    kind::<SamplesSpec>("samples", "Samples that somebody made elsewhere: a file is a row.", || {
        SamplerSpec::Samples(SamplesSpec::default())
    }),
    kind::<PitaSpec>("pita-faithful", "`pita` with the settings that its public code ran with.", || {
        SamplerSpec::Pita(PitaSpec::faithful())
    }),
    kind::<PitaSpec>("fkc", "Feynman-Kac correction: `pita` with one model, annealed to the target in one go.", || {
        SamplerSpec::Pita(PitaSpec::fkc())
    }),
    kind::<PitaSpec>(
        "score-scaling",
        "`pita` with one score model whose score is scaled; no weights, no energy network.",
        || SamplerSpec::Pita(PitaSpec::score_scaling()),
    ),
    kind::<PitaSpec>(
        "md-diff",
        "A score model of dynamics at the target temperature itself; nothing is annealed.",
        || SamplerSpec::Pita(PitaSpec::md_diff()),
    ),
    kind::<ReplicaExchangeSpec>(
        "nrpt",
        "Non-reversible parallel tempering: `replica-exchange` with a ladder that is tuned.",
        || SamplerSpec::ReplicaExchange(ReplicaExchangeSpec::non_reversible()),
    ),
];

const fn kind<T: Settings>(name: &'static str, doc: &'static str, default: fn() -> SamplerSpec) -> SamplerKind {
    SamplerKind { name, doc, default, settings: T::GROUP }
}

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
