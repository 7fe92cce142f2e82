//! `CustomGBForce` as data: parameters, tables, computed values and energy terms. What they mean is found by `born`.

use std::collections::BTreeMap;

use super::element::Element;
use super::expression::{Expression, Scope};
use super::{cutoff, per_particle};
use crate::error::{Error, Result};

/// `CustomGBForce::ComputationType`.
const SINGLE: u32 = 0;
const PAIR: u32 = 1;
const PAIR_NO_EXCLUSIONS: u32 = 2;
/// What to do with a force that is something else.
pub(super) const REMEDY: &str =
    "read is generalised Born as implicit/hct.xml, obc1.xml, obc2.xml, gbn.xml and gbn2.xml make it";

/// An expression and where it stands.
pub(super) struct Term<'a> {
    pub(super) element: Element<'a>,
    pub(super) expression: Expression,
}

impl<'a> Term<'a> {
    fn new(element: Element<'a>) -> Result<Self> {
        let text = element.text("expression")?;
        let expression = Expression::parse(text).map_err(|why| {
            element.error(format!("`{text}` cannot be read: {why}; expected `expression; name=definition; ..`"))
        })?;
        Ok(Self { element, expression })
    }
}

/// A force as it was read.
pub(super) struct CustomGb<'a> {
    pub(super) force: Element<'a>,
    pub(super) cutoff: Option<f64>,
    /// Sum over pairs; the name that it goes by.
    pub(super) integral: (Term<'a>, &'a str),
    /// Of one particle.
    pub(super) radius: (Term<'a>, &'a str),
    pub(super) own: Vec<Term<'a>>,
    pub(super) pairs: Vec<Term<'a>>,
    pub(super) particles: Vec<Element<'a>>,
    /// `[atoms][columns]`.
    pub(super) parameters: Vec<Vec<f64>>,
    /// Names of the columns: for one particle, for the first and the second of a pair.
    columns: [Vec<String>; 3],
    globals: BTreeMap<&'a str, f64>,
    tables: BTreeMap<&'a str, Table>,
}

/// A function given at whole numbers.
struct Table {
    /// Length of a row.
    width: Option<usize>,
    values: Vec<f64>,
}

impl<'a> CustomGb<'a> {
    pub(super) fn new(force: Element<'a>, atoms: usize) -> Result<Self> {
        force.version_at_most(2)?;
        let cutoff = cutoff(force)?;
        let names = force.required_list("PerParticleParameters", "Parameter")?;
        let names: Vec<&str> = names.iter().map(|p| p.text("name")).collect::<Result<_>>()?;
        let columns = ["", "1", "2"].map(|which| names.iter().map(|name| format!("{name}{which}")).collect());
        let globals = force.list("GlobalParameters", "Parameter")?.into_iter();
        let globals = globals.map(|p| Ok((p.text("name")?, p.number("default")?))).collect::<Result<_>>()?;
        let tables = force.list("Functions", "Function")?.into_iter();
        let tables = tables.map(|f| Ok((f.text("name")?, Table::new(f)?))).collect::<Result<_>>()?;
        let exclusions = !force.list("Exclusions", "Exclusion")?.is_empty();
        // Without exclusions both kinds of pairs are all pairs.
        let over_pairs = |kind| kind == PAIR_NO_EXCLUSIONS || kind == PAIR && !exclusions;

        let (mut integral, mut radius) = (None, None);
        for value in force.required_list("ComputedValues", "Value")? {
            let (name, kind, term) = (value.text("name")?, value.count("type")?, Term::new(value)?);
            match (&integral, &radius) {
                (None, None) if over_pairs(kind) => integral = Some((term, name)),
                (Some(_), None) if kind == SINGLE => radius = Some((term, name)),
                _ => {
                    return Err(value.error(format!(
                        "computed value `{name}` of type {kind}: expected a sum over all pairs (type 2), then one value of \
                         each particle (type 0); {REMEDY}"
                    )));
                }
            }
        }
        let (Some(integral), Some(radius)) = (integral, radius) else {
            return Err(force.error(format!("does not compute an integral and a radius; {REMEDY}")));
        };
        let (mut own, mut pairs) = (Vec::new(), Vec::new());
        for element in force.required_list("EnergyTerms", "Term")? {
            match element.count("type")? {
                SINGLE => own.push(Term::new(element)?),
                kind if over_pairs(kind) => pairs.push(Term::new(element)?),
                kind => {
                    return Err(element.error(format!(
                        "is of type {kind}: expected one of single particles (0) or all pairs (2); {REMEDY}"
                    )));
                }
            }
        }
        if own.is_empty() || pairs.is_empty() {
            return Err(force.error(format!("lacks the energy of single particles or of pairs; {REMEDY}")));
        }
        let particles = per_particle(force, atoms)?;
        let row =
            |p: &Element<'_>| (1..=names.len()).map(|c| p.number(&format!("param{c}"))).collect::<Result<Vec<_>>>();
        let parameters = particles.iter().map(row).collect::<Result<_>>()?;
        Ok(Self { force, cutoff, integral, radius, own, pairs, particles, parameters, columns, globals, tables })
    }

    /// Something about a term is not what is known.
    pub(super) fn unknown(&self, element: Element<'_>, what: &str) -> Error {
        let text = element.optional("expression").map_or(String::new(), |text| format!(": found `{text}`"));
        element.error(format!("is not {what}{text}; {REMEDY}"))
    }

    /// What the integral of a particle with parameters `p` takes from one with `q` at distance `r`.
    pub(super) fn integral(&self, p: &[f64], q: &[f64], r: f64) -> Option<f64> {
        self.integral.0.expression.value(&self.pair_scope(p, q, &[("r", r)]))
    }

    /// Values of the tables in that.
    pub(super) fn tabulated(&self, p: &[f64], q: &[f64], r: f64) -> BTreeMap<String, f64> {
        self.integral.0.expression.tabulated(&self.pair_scope(p, q, &[("r", r)]))
    }

    /// The radius of a particle with this integral.
    pub(super) fn radius(&self, p: &[f64], integral: f64) -> Option<f64> {
        self.radius.0.expression.value(&self.scope(p, &[(self.integral.1, integral)]))
    }

    /// Energy of a particle with this radius.
    pub(super) fn own(&self, p: &[f64], radius: f64) -> Option<f64> {
        let named = [(self.radius.1, radius)];
        let scope = self.scope(p, &named);
        self.own.iter().map(|term| term.expression.value(&scope)).sum()
    }

    /// Energy of a pair with these radii.
    pub(super) fn pair(&self, p: &[f64], q: &[f64], r: f64, [bp, bq]: [f64; 2]) -> Option<f64> {
        let [first, second] = ["1", "2"].map(|which| format!("{}{which}", self.radius.1));
        let named = [("r", r), (first.as_str(), bp), (second.as_str(), bq)];
        let scope = self.pair_scope(p, q, &named);
        self.pairs.iter().map(|term| term.expression.value(&scope)).sum()
    }

    /// All numbers that stand in expressions and global parameters, and 1: constants are looked for among them first, so
    /// that they are taken as they are written, to the last bit.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let terms = [&self.integral.0, &self.radius.0].into_iter().chain(&self.own).chain(&self.pairs);
        let mut out: Vec<f64> =
            terms.flat_map(|term| term.expression.numbers()).chain(self.globals.values().copied()).collect();
        out.push(1.0);
        let mut seen = std::collections::BTreeSet::new();
        out.retain(|x| seen.insert(x.to_bits()));
        out
    }

    /// A column of the parameters.
    pub(super) fn column(&self, c: usize) -> Vec<f64> {
        self.parameters.iter().map(|row| row[c]).collect()
    }

    fn scope<'b>(&'b self, p: &'b [f64], named: &'b [(&'b str, f64)]) -> Names<'b, 'a> {
        Names { force: self, particles: [(&self.columns[0], p), (&self.columns[0], p)], named }
    }

    fn pair_scope<'b>(&'b self, p: &'b [f64], q: &'b [f64], named: &'b [(&'b str, f64)]) -> Names<'b, 'a> {
        Names { force: self, particles: [(&self.columns[1], p), (&self.columns[2], q)], named }
    }
}

/// What the names in an expression stand for.
struct Names<'b, 'a> {
    force: &'b CustomGb<'a>,
    particles: [(&'b [String], &'b [f64]); 2],
    named: &'b [(&'b str, f64)],
}

impl Scope for Names<'_, '_> {
    fn variable(&self, name: &str) -> Option<f64> {
        let named = self.named.iter().find(|(n, _)| *n == name).map(|(_, x)| *x);
        let column = |(names, values): &(&[String], &[f64])| names.iter().position(|n| n == name).map(|c| values[c]);
        named.or_else(|| self.particles.iter().find_map(column)).or_else(|| self.force.globals.get(name).copied())
    }

    fn table(&self, name: &str, arguments: &[f64]) -> Option<f64> {
        self.force.tables.get(name)?.value(arguments)
    }
}

impl Table {
    fn new(function: Element<'_>) -> Result<Self> {
        let kind = function.text("type")?;
        let width = match kind {
            "Discrete1DFunction" => None,
            "Discrete2DFunction" => Some(function.count("xsize")? as usize),
            _ => {
                let message = format!("{kind} is not read, but Discrete1DFunction and Discrete2DFunction; {REMEDY}");
                return Err(function.error(message));
            }
        };
        let values = function.required_list("Values", "Value")?;
        let values: Vec<f64> = values.into_iter().map(|v| v.number("v")).collect::<Result<_>>()?;
        let whole = width.is_none_or(|w| w > 0 && values.len().is_multiple_of(w));
        if whole { Ok(Self { width, values }) } else { Err(function.error("has rows cut short")) }
    }

    /// The value at whole numbers, to which arguments are rounded.
    fn value(&self, arguments: &[f64]) -> Option<f64> {
        let whole = |x: f64| (x.round() >= 0.0 && x < 1e9).then_some(x.round() as usize);
        let at = match (self.width, arguments) {
            (None, &[x]) => whole(x)?,
            (Some(width), &[x, y]) => whole(x).filter(|x| *x < width)? + width * whole(y)?,
            _ => return None,
        };
        self.values.get(at).copied()
    }
}
