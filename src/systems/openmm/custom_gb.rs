//! `CustomGBForce`, recognised by its expressions: OBC generalised Born as `implicit/obc1.xml` and `obc2.xml` write it.

use super::element::Element;
use super::expression::{Expression, cubic};
use super::{cutoff, per_particle};
use crate::energy::forcefield::params::GeneralizedBorn;
use crate::error::{Error, Result};

/// Descreening integral of a pair.
const INTEGRAL: &str = "select(step(r+sr2-or1),0.5*(1/L-1/U+0.25*(r-sr2^2/r)*(1/(U^2)-1/(L^2))+0.5*log(L/U)/r),0)";
const INTEGRAL_DEFINITIONS: [(&str, &str); 3] = [("U", "r+sr2"), ("L", "max(or1,D)"), ("D", "abs(r-sr2)")];
/// What surrounds the polynomial of the Born radius.
const RADIUS: (&str, &str) = ("1/(1/or-tanh(", ")/radius)");
const SELF: &str = "-0.5*#*(1/soluteDielectric-1/solventDielectric)*charge^2/B";
const SURFACE: &str = "#*(radius+#)^2*(radius/B)^6";
const PAIR: &str = "-#*(1/soluteDielectric-1/solventDielectric)*charge1*charge2/f";
const PAIR_SHIFTED: &str = "-#*(1/soluteDielectric-1/solventDielectric)*charge1*charge2*(1/f-#)";
const DISTANCE: &str = "sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))";
const REMEDY: &str = "use implicit/obc1.xml or implicit/obc2.xml without salt";
/// What expressions may define; definitions that are not used mean nothing.
const NAMES: [&str; 11] =
    ["U", "L", "D", "psi", "radius", "offset", "f", "soluteDielectric", "solventDielectric", "kappa", "cutoff"];
/// `CustomGBForce::ComputationType`.
const SINGLE: u32 = 0;
const PAIR_NO_EXCLUSIONS: u32 = 2;

/// Reads the force.
pub(super) fn read(force: Element<'_>, atoms: usize) -> Result<GeneralizedBorn> {
    force.version_at_most(2)?;
    for (tag, item) in [("GlobalParameters", "Parameter"), ("Functions", "Function")] {
        if let Some(found) = force.list(tag, item)?.first() {
            return Err(found.error(format!("<{tag}> are not part of OBC generalised Born; {REMEDY}")));
        }
    }
    let mut out = GeneralizedBorn {
        charges: Vec::with_capacity(atoms),
        offset_radius: Vec::with_capacity(atoms),
        scaled_radius: Vec::with_capacity(atoms),
        offset: 0.0,
        tanh: [0.0; 3],
        coulomb: 0.0,
        solute: 0.0,
        solvent: 0.0,
        surface: 0.0,
        probe: 0.0,
        cutoff: cutoff(force)?,
        engulfed: false,
    };
    born_radius(force, &mut out)?;
    energy(force, &mut out)?;
    let columns = columns(force)?;
    for particle in per_particle(force, atoms)? {
        out.charges.push(particle.number(&columns[0])?);
        out.offset_radius.push(particle.positive(&columns[1])?);
        out.scaled_radius.push(particle.not_negative(&columns[2])?);
    }
    Ok(out)
}

/// Attributes that hold charge, offset radius and scaled offset radius.
fn columns(force: Element<'_>) -> Result<[String; 3]> {
    let names = force.required_list("PerParticleParameters", "Parameter")?;
    let names: Vec<&str> = names.iter().map(|p| p.text("name")).collect::<Result<_>>()?;
    let column = |name: &str| {
        let at = names.iter().position(|&n| n == name);
        at.map(|i| format!("param{}", i + 1))
            .ok_or_else(|| force.error(format!("has no per-particle parameter `{name}`, found {names:?}; {REMEDY}")))
    };
    Ok([column("charge")?, column("or")?, column("sr")?])
}

/// The computed values: the integral `I` over pairs, the Born radius `B`.
fn born_radius(force: Element<'_>, out: &mut GeneralizedBorn) -> Result<()> {
    let mut found = [false; 2];
    let mut mark = |i: usize, value| once(value, std::mem::replace(&mut found[i], true));
    for value in force.required_list("ComputedValues", "Value")? {
        let e = parse(value)?;
        match (value.text("name")?, value.count("type")?) {
            ("I", PAIR_NO_EXCLUSIONS) => {
                let known = INTEGRAL_DEFINITIONS.iter().all(|(name, text)| e.defines(name, text));
                e.body(INTEGRAL)
                    .filter(|_| known)
                    .ok_or_else(|| unknown(value, "the descreening integral of OBC", &format!("`{INTEGRAL}`")))?;
                mark(0, value)?;
            }
            ("B", SINGLE) => {
                let radius = || {
                    let [alpha, minus_beta, gamma] = cubic(e.between(RADIUS.0, RADIUS.1)?, "psi")?;
                    let known = e.defines("psi", "I*or") && e.defines("radius", "or+offset");
                    known.then_some(([alpha, 0.0 - minus_beta, gamma], e.number("offset")?))
                };
                let expected = "`1/(1/or-tanh(ALPHA*psi-BETA*psi^2+GAMMA*psi^3)/radius); psi=I*or; radius=or+offset`";
                (out.tanh, out.offset) = radius().ok_or_else(|| unknown(value, "the Born radius of OBC", expected))?;
                mark(1, value)?;
            }
            (name, kind) => {
                let message =
                    format!("computed value `{name}` of type {kind}: expected `I` (type 2) and `B` (type 0); {REMEDY}");
                return Err(value.error(message));
            }
        }
    }
    let all = found == [true; 2];
    if all { Ok(()) } else { Err(force.error(format!("does not compute both `I` and `B`; {REMEDY}"))) }
}

/// The energy terms: self, pairs, and surface where there is one.
fn energy(force: Element<'_>, out: &mut GeneralizedBorn) -> Result<()> {
    let (mut own, mut pair) = (None, None);
    let mut surface = false;
    for term in force.required_list("EnergyTerms", "Term")? {
        let e = parse(term)?;
        if e.mentions("kappa") {
            return Err(term.error("has salt (kappa), which is not supported: leave implicitSolventKappa at 0"));
        }
        let kind = term.count("type")?;
        let dielectrics = || Some([e.number("soluteDielectric")?, e.number("solventDielectric")?]);
        if kind == SINGLE
            && let (Some(c), Some([a, b])) = (e.body(SELF), dielectrics())
        {
            once(term, own.replace([c[0], a, b]).is_some())?;
        } else if kind == SINGLE
            && let Some(c) = e.body(SURFACE)
        {
            once(term, std::mem::replace(&mut surface, true))?;
            (out.surface, out.probe) = (c[0], c[1]);
            let offset = e.number("offset").filter(|_| e.defines("radius", "or+offset"));
            if !offset.is_some_and(|offset| close(offset, out.offset)) {
                return Err(term
                    .error(format!("expected `radius=or+offset` with the offset of the Born radius, {}", out.offset)));
            }
        } else if kind == PAIR_NO_EXCLUSIONS
            && e.defines("f", DISTANCE)
            && let (Some(c), Some([a, b])) = (e.body(PAIR).or_else(|| e.body(PAIR_SHIFTED)), dielectrics())
        {
            once(term, pair.replace([c[0], a, b]).is_some())?;
            shift(term, c.get(1).copied(), out.cutoff)?;
        } else {
            let expected = format!("`{SELF}` or `{SURFACE}` (type 0), `{PAIR}` or `{PAIR_SHIFTED}` (type 2)");
            return Err(unknown(term, "an energy term of OBC generalised Born", &expected));
        }
    }
    let (Some(own), Some(pair)) = (own, pair) else {
        return Err(force.error(format!("lacks the self term or the pair term; {REMEDY}")));
    };
    if own != pair {
        let message = format!(
            "has Coulomb constant and dielectrics {own:?} in the self term, {pair:?} in the pair term: expected the same"
        );
        return Err(force.error(message));
    }
    [out.coulomb, out.solute, out.solvent] = own;
    if out.solute <= 0.0 || out.solvent <= 0.0 {
        return Err(force.error(format!("has dielectrics {} and {}, expected above 0", out.solute, out.solvent)));
    }
    Ok(())
}

/// The pair term is shifted by `1/cutoff` where there is a cutoff, and only there.
fn shift(term: Element<'_>, shift: Option<f64>, cutoff: Option<f64>) -> Result<()> {
    let fits = match (shift, cutoff) {
        (None, None) => true,
        (Some(shift), Some(cutoff)) => close(shift * cutoff, 1.0),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let text = |x: Option<f64>| x.map_or_else(|| "none".to_owned(), |x| x.to_string());
    let message = format!(
        "shift of the pair term is {}, cutoff {}: expected shift = 1/cutoff, or neither",
        text(shift),
        text(cutoff)
    );
    Err(term.error(message))
}

/// Numbers that OpenMM prints with 16 digits here and in full there.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-14 * b.abs()
}

fn once(part: Element<'_>, twice: bool) -> Result<()> {
    if twice { Err(part.error("was there before")) } else { Ok(()) }
}

fn parse(element: Element<'_>) -> Result<Expression> {
    let names = || format!("`expression; name=definition; ..` that defines only {}, each once", NAMES.join(", "));
    Expression::parse(element.text("expression")?, &NAMES)
        .ok_or_else(|| unknown(element, "an expression of OBC generalised Born", &names()))
}

fn unknown(element: Element<'_>, what: &str, expected: &str) -> Error {
    let text = element.optional("expression").unwrap_or_default();
    element.error(format!("is not {what}: found `{text}`, expected {expected}; {REMEDY}"))
}
