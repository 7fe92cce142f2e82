//! How settings are declared: each once, with its type, default, bounds and a sentence. [`settings!`] makes of it the struct, its
//! `Default` and a [`Group`]: plain data that experiment files are read by (`config`) and that `describe` prints.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::TEMPERATURES;

/// Largest count: walkers, samples and replicates are numbered by 32 bits where random numbers are drawn for them.
pub const MOST: u64 = u32::MAX as u64;

/// A struct of settings.
pub trait Settings: Serialize + DeserializeOwned + Default + 'static {
    /// Its settings.
    const GROUP: &'static Group;
}

/// The settings of one table of an experiment file.
#[derive(Debug)]
pub struct Group {
    /// In the order of their struct.
    pub settings: &'static [Setting],
    /// The struct with its defaults.
    pub default: fn() -> Map<String, Value>,
    /// A word that chooses other defaults.
    pub preset: Option<Preset>,
    /// What is wrong with values that are right one by one.
    pub check: fn(&Value) -> Vec<Complaint>,
}

impl Group {
    /// What most groups are like.
    pub const PLAIN: Self = Self { settings: &[], default: Map::new, preset: None, check: |_| Vec::new() };
}

/// A word that chooses among defaults of a whole group.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// Its key.
    pub key: &'static str,
    /// What it says.
    pub doc: &'static str,
    /// What it may be; the first one is the default.
    pub words: &'static [Word],
    /// The defaults that a word stands for, where they are not those at hand.
    pub values: fn(&str) -> Option<Map<String, Value>>,
}

/// Values that do not go together.
#[derive(Debug)]
pub struct Complaint {
    /// Dotted path of a setting, from its group.
    pub setting: &'static str,
    /// What is wrong: goes on after the setting's name.
    pub message: String,
    /// What to do about it.
    pub notes: Vec<String>,
}

impl Complaint {
    /// Those of the rules that are broken. A rule: whether it is, the setting, what is wrong with it, what to do (or nothing).
    #[must_use]
    pub fn of(rules: &[(bool, &'static str, &str, &str)]) -> Vec<Self> {
        let broken = rules.iter().filter(|rule| rule.0);
        let notes = |note: &str| if note.is_empty() { vec![] } else { vec![note.to_owned()] };
        broken.map(|&(_, setting, what, note)| Self { setting, message: what.to_owned(), notes: notes(note) }).collect()
    }
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its field.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its default.
    pub default: fn() -> Value,
    /// What it may be.
    pub rule: Rule,
}

impl Setting {
    /// Its key in experiment files.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.rule.key.unwrap_or(self.name)
    }
}

/// What a setting may be.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it is.
    pub kind: Kind,
    /// Further bounds.
    pub limits: &'static [Limit],
    /// Its key in experiment files, where that is not the name of the field.
    pub key: Option<&'static str>,
    /// The word of its group's [`Preset`] that it belongs to.
    pub with: Option<&'static str>,
    /// Whether it has to be written.
    pub required: bool,
}

impl Rule {
    const fn new(kind: Kind) -> Self {
        Self { kind, limits: &[], key: None, with: None, required: false }
    }

    /// With further bounds.
    #[must_use]
    pub const fn limits(self, limits: &'static [Limit]) -> Self {
        Self { limits, ..self }
    }

    /// Under another key than the name of the field.
    #[must_use]
    pub const fn key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Only with this word of the group's preset.
    #[must_use]
    pub const fn with(self, word: &'static str) -> Self {
        Self { with: Some(word), ..self }
    }

    /// Without a default.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

/// What a setting is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number, ends included.
    Count(u64, u64),
    /// One of some whole numbers.
    Among(&'static [u64]),
    /// A number.
    Float(Float),
    /// True or false.
    Flag,
    /// One of some words.
    Words(&'static [Word]),
    /// Temperatures, high to low, at least so many; with a group, also the word `auto`, which opens its keys.
    Ladder(usize, Option<&'static Group>),
    /// A table.
    Table(&'static Group),
    /// A table that may be left out.
    Optional(&'static Group),
    /// A group whose keys are written in this table, where its value is there.
    Inline(&'static Group),
    /// Read by a function of its own; what it is, and what is expected.
    Special(&'static str, &'static str),
    /// Not written in experiment files.
    Hidden,
}

/// A word and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Word {
    /// As it is written.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// The word that has a ladder found on the way.
pub const AUTO: &[Word] = &[Word { name: "auto", doc: "Found on the way." }];

/// A bound beside that of the type.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// Less than another setting of the group.
    Below(&'static str),
    /// At most this, for a reason.
    AtMost(f64, &'static str),
    /// A multiple of this.
    Multiple(u64),
    /// A multiple of another setting of the group.
    MultipleOf(&'static str),
}

impl Limit {
    /// What is expected of `value`, if it is not so; `other` reads another setting.
    #[must_use]
    pub fn broken(self, value: &Value, other: impl Fn(&str) -> Value) -> Option<String> {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let multiple = |of: u64| value.as_u64().is_some_and(|n| n.is_multiple_of(of));
        let holds = match self {
            Self::Below(key) => number(value) < number(&other(key)),
            Self::AtMost(most, _) => number(value) <= most,
            Self::Multiple(of) => multiple(of),
            Self::MultipleOf(key) => other(key).as_u64().is_none_or(multiple),
        };
        (!holds).then(|| self.text(|key| format!("`{key}` ({})", shown(&other(key)))))
    }

    /// In words; `of` names another setting.
    fn text(self, of: impl Fn(&str) -> String) -> String {
        match self {
            Self::Below(key) => format!("less than {}", of(key)),
            Self::AtMost(most, "") => format!("at most {most}"),
            Self::AtMost(most, why) => format!("at most {most}: {why}"),
            Self::Multiple(of) => format!("a multiple of {of}"),
            Self::MultipleOf(key) => format!("a multiple of {}", of(key)),
        }
    }
}

/// A value as it is written; numbers without `.0`.
#[must_use]
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) if !n.is_u64() => n.as_f64().map_or_else(|| n.to_string(), |x| x.to_string()),
        Value::Array(all) => format!("[{}]", all.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// What a float may be.
#[derive(Debug, Clone, Copy)]
pub enum Float {
    /// Above 0.
    Positive,
    /// 0 or above.
    NotNegative,
    /// From 0 to 1, ends included.
    Fraction,
    /// Between 0 and 1, ends excluded.
    Inside,
    /// 0 included, 1 excluded.
    BelowOne,
    /// 0 excluded, 1 included.
    AboveZero,
    /// Above 1.
    AboveOne,
    /// Within [`TEMPERATURES`].
    Temperature,
}

impl Float {
    /// Whether `x` is that.
    #[must_use]
    pub fn holds(self, x: f64) -> bool {
        x.is_finite()
            && match self {
                Self::Positive => x > 0.0,
                Self::NotNegative => x >= 0.0,
                Self::Fraction => (0.0..=1.0).contains(&x),
                Self::Inside => x > 0.0 && x < 1.0,
                Self::BelowOne => (0.0..1.0).contains(&x),
                Self::AboveZero => x > 0.0 && x <= 1.0,
                Self::AboveOne => x > 1.0,
                Self::Temperature => TEMPERATURES.contains(&x),
            }
    }

    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Positive => "a finite number above 0",
            Self::NotNegative => "a finite number, 0 or above",
            Self::Fraction => "a number from 0 to 1",
            Self::Inside => "a number between 0 and 1 (both excluded)",
            Self::BelowOne => "a number from 0 to below 1",
            Self::AboveZero => "a number above 0, at most 1",
            Self::AboveOne => "a finite number above 1",
            Self::Temperature => "a temperature from 1e-6 to 1e6",
        }
    }
}

/// A whole number from `least` on.
#[must_use]
pub fn at_least(least: u64) -> String {
    if least == 0 { String::from("a whole number") } else { format!("a whole number, {least} or more") }
}

/// The names of words, with commas.
#[must_use]
pub fn names(words: &[Word]) -> String {
    words.iter().map(|word| word.name).collect::<Vec<_>>().join(", ")
}

impl Kind {
    /// What it is, in a word or two.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count(..) | Self::Among(_) => "integer",
            Self::Float(_) => "number",
            Self::Flag => "boolean",
            Self::Words(_) => "word",
            Self::Ladder(..) => "list of numbers",
            Self::Table(_) | Self::Optional(_) | Self::Inline(_) => "table",
            Self::Special(kind, _) => kind,
            Self::Hidden => "",
        }
    }

    /// What is expected, in words, as messages and the reference say it.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Count(least, _) => at_least(least),
            Self::Among(all) => all.iter().map(u64::to_string).collect::<Vec<_>>().join(" or "),
            Self::Float(rule) => rule.text().into(),
            Self::Flag => "true or false".into(),
            Self::Words(words) => format!("one of {}", names(words)),
            Self::Ladder(..) => "a list of temperatures, high to low".into(),
            Self::Table(_) | Self::Optional(_) | Self::Inline(_) => "a table".into(),
            Self::Special(_, expected) => expected.into(),
            Self::Hidden => String::new(),
        }
    }
}

impl Rule {
    /// All bounds in words.
    #[must_use]
    pub fn expected(&self) -> String {
        let limits = self.limits.iter().map(|limit| limit.text(|key| format!("`{key}`")));
        let auto = matches!(self.kind, Kind::Ladder(_, Some(_))).then(|| "or \"auto\"".to_owned());
        std::iter::once(self.kind.expected()).chain(auto).chain(limits).collect::<Vec<_>>().join(", ")
    }
}

/// A count from `least` to [`MOST`].
pub const fn count(least: u64) -> Rule {
    count_to(least, MOST)
}

/// A count.
pub const fn count_to(least: u64, most: u64) -> Rule {
    Rule::new(Kind::Count(least, most))
}

/// One of some counts.
pub const fn among(all: &'static [u64]) -> Rule {
    Rule::new(Kind::Among(all))
}

/// Charged energy evaluations: an optional count without an end.
pub const fn budget() -> Rule {
    count_to(1, u64::MAX)
}

/// A number.
pub const fn float(rule: Float) -> Rule {
    Rule::new(Kind::Float(rule))
}

/// True or false.
pub const fn flag() -> Rule {
    Rule::new(Kind::Flag)
}

/// One of some words.
pub const fn one_of(words: &'static [Word]) -> Rule {
    Rule::new(Kind::Words(words))
}

/// Temperatures from high to low, at least so many.
pub const fn ladder(least: usize) -> Rule {
    Rule::new(Kind::Ladder(least, None))
}

/// The same, or `auto` with settings of its own.
pub const fn ladder_or_auto<T: Settings>() -> Rule {
    Rule::new(Kind::Ladder(1, Some(T::GROUP)))
}

/// A table.
pub const fn table<T: Settings>() -> Rule {
    Rule::new(Kind::Table(T::GROUP))
}

/// A table that may be left out.
pub const fn optional<T: Settings>() -> Rule {
    Rule::new(Kind::Optional(T::GROUP))
}

/// Keys in the table at hand.
pub const fn inline<T: Settings>() -> Rule {
    Rule::new(Kind::Inline(T::GROUP))
}

/// Read by a function of its own.
pub const fn special(kind: &'static str, expected: &'static str) -> Rule {
    Rule::new(Kind::Special(kind, expected))
}

/// Not written in experiment files.
pub const fn hidden() -> Rule {
    Rule::new(Kind::Hidden)
}

/// What a check says of the settings that are written in `value`.
pub fn checked<T: Settings>(value: &Value, check: fn(&T) -> Vec<Complaint>) -> Vec<Complaint> {
    T::deserialize(value).map_or_else(|_| Vec::new(), |settings| check(&settings))
}

/// A struct of settings as JSON.
#[must_use]
pub fn fields(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// A value as JSON.
#[must_use]
pub fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Whether a value is the default of its type.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Declares a struct of settings: `field: type = default, rule;` under its documentation. After the name, in brackets, the check or
/// the preset of its [`Group`]. Fields that came later, whose default is "as before", are left out of a record while they have it, so
/// that runs made before keep their identity: after the others, in `later { .. }`.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $([$($part:tt)+])? { $($before:tt)+ }
        later { $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr, $rule:expr;)+ }
    ) => {
        $crate::spec::settings::settings! {
            $(#[$meta])*
            pub struct $name $([$($part)+])? {
                $($before)+
                $(
                    $(#[doc = $doc])+
                    #[serde(default, skip_serializing_if = "crate::spec::settings::is_default")]
                    $field: $type = $default, $rule;
                )+
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$generic:ident: $bound:ident>)? $([check = $check:expr])? $([preset = $preset:expr])? {
            $($(#[doc = $doc:literal])+ $(#[serde($($serde:tt)+)])? $field:ident: $type:ty = $default:expr, $rule:expr;)+
        }
    ) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        $(#[$meta])*
        pub struct $name $(<$generic: $bound>)? {
            $($(#[doc = $doc])+ $(#[serde($($serde)+)])? pub $field: $type,)+
        }

        impl $(<$generic: $bound>)? Default for $name $(<$generic>)? {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $(<$generic: $bound>)? $crate::spec::settings::Settings for $name $(<$generic>)? {
            const GROUP: &'static $crate::spec::settings::Group = &$crate::spec::settings::Group {
                settings: &[$($crate::spec::settings::Setting {
                    name: stringify!($field),
                    doc: concat!($($doc),+).trim_ascii_start(),
                    default: || $crate::spec::settings::json::<$type>(&$default),
                    rule: $rule,
                }),+],
                default: || $crate::spec::settings::fields(&Self::default()),
                $(check: |value| $crate::spec::settings::checked::<Self>(value, $check),)?
                $(preset: Some($preset),)?
                ..$crate::spec::settings::Group::PLAIN
            };
        }
    };
}

/// Declares an enum whose variants are words of experiment files and records; after the name the one that is meant where a record
/// has none.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident $(= $default:ident)? {
            $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $(#[$meta])*
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Its words.
            pub const WORDS: &'static [$crate::spec::settings::Word] =
                &[$($crate::spec::settings::Word { name: $word, doc: concat!($($doc),+).trim_ascii_start() }),+];
        }

        $(impl Default for $name {
            fn default() -> Self {
                Self::$default
            }
        })?
    };
}

pub(super) use settings;
pub(crate) use words;
