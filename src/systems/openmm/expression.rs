//! Algebraic expressions of OpenMM's custom forces: `body; name = definition; ...`, taken apart as text.
//!
//! Spaces mean nothing, the order of definitions means nothing. Everything else has to be as the pattern says: two
//! expressions that are equal only after algebra are two expressions here.

use std::collections::BTreeMap;

/// An expression with its definitions, spaces removed.
pub(super) struct Expression {
    body: String,
    definitions: BTreeMap<String, String>,
}

impl Expression {
    /// Takes an expression apart. `None` when a definition is none, is written twice, or is of a name that is not in
    /// `names` (it could give another meaning to a variable of the pattern).
    pub(super) fn parse(text: &str, names: &[&str]) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let mut parts = text.split(';').filter(|part| !part.is_empty());
        let body = parts.next()?.to_owned();
        let mut definitions = BTreeMap::new();
        for part in parts {
            let (name, value) = part.split_once('=')?;
            if !names.contains(&name) || definitions.insert(name.to_owned(), value.to_owned()).is_some() {
                return None;
            }
        }
        Some(Self { body, definitions })
    }

    /// The numbers of the body where the pattern has `#`.
    pub(super) fn body(&self, pattern: &str) -> Option<Vec<f64>> {
        capture(pattern, &self.body)
    }

    /// Text of the body between `before` and `after`.
    pub(super) fn between(&self, before: &str, after: &str) -> Option<&str> {
        self.body.strip_prefix(before)?.strip_suffix(after)
    }

    /// Whether the body mentions something.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.body.contains(text)
    }

    /// Whether `name` is defined as exactly this.
    pub(super) fn defines(&self, name: &str, value: &str) -> bool {
        self.definitions.get(name).is_some_and(|found| found == value)
    }

    /// The number that `name` is defined as.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        capture("#", self.definitions.get(name)?)?.first().copied()
    }
}

/// Matches `text` against `pattern`, where `#` stands for an unsigned number.
fn capture(pattern: &str, text: &str) -> Option<Vec<f64>> {
    let mut pieces = pattern.split('#');
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut found = Vec::new();
    for piece in pieces {
        let (number, after) = number(rest)?;
        found.push(number);
        rest = after.strip_prefix(piece)?;
    }
    rest.is_empty().then_some(found)
}

/// The unsigned, finite number that `text` begins with, and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = if end + 1 + sign <= bytes.len() { digits(end + 1 + sign) } else { 0 };
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let value: f64 = text[..end].parse().ok()?;
    value.is_finite().then_some((value, &text[end..]))
}

/// Coefficients of `x`, `x^2` and `x^3` of a sum such as `x-0.8*x^2+4.85*x^3`, each at most once.
pub(super) fn cubic(text: &str, x: &str) -> Option<[f64; 3]> {
    let powers = [x.to_owned(), format!("{x}^2"), format!("{x}^3")];
    let mut found = [None; 3];
    let mut rest = text;
    let mut first = true;
    while !rest.is_empty() {
        let sign = match rest.as_bytes()[0] {
            b'-' => -1.0,
            b'+' => 1.0,
            _ if first => 1.0,
            _ => return None,
        };
        rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        first = false;
        let mut factor = 1.0;
        if let Some((value, after)) = number(rest) {
            (factor, rest) = (value, after.strip_prefix('*')?);
        }
        // Longest first: `x` begins `x^2`.
        let power = (0..3).rev().find(|&p| rest.starts_with(&powers[p]))?;
        rest = &rest[powers[power].len()..];
        if found[power].replace(sign * factor).is_some() {
            return None;
        }
    }
    (!first).then(|| found.map(|c| c.unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_pattern() {
        assert_eq!(capture("-#*(1/f-#)", "-138.9*(1/f-5e-1)"), Some(vec![138.9, 0.5]));
        assert_eq!(capture("#", "0.0089"), Some(vec![0.0089]));
        for (pattern, text) in
            [("#", ""), ("#", "e5"), ("#", "1x"), ("#", "-1"), ("#", "1e999"), ("a#", "b1"), ("#b", "1")]
        {
            assert_eq!(capture(pattern, text), None, "{pattern} {text}");
        }
        // An `e` that begins something else is no exponent.
        assert_eq!(number("2e"), Some((2.0, "e")));
        assert_eq!(number("2e+x"), Some((2.0, "e+x")));
    }

    #[test]
    fn polynomials() {
        assert_eq!(cubic("x-0.8*x^2+4.85*x^3", "x"), Some([1.0, -0.8, 4.85]));
        assert_eq!(cubic("0.8*psi+2.909125*psi^3", "psi"), Some([0.8, 0.0, 2.909125]));
        assert_eq!(cubic("-x^3+2*x", "x"), Some([2.0, 0.0, -1.0]));
        for text in ["", "x+x", "x^4", "2", "2x", "x*2", "x+", "y", "alpha*x", "x--", "x--x^2", "x^2x"] {
            assert_eq!(cubic(text, "x"), None, "{text}");
        }
    }

    #[test]
    fn definitions() {
        let parse = |text| Expression::parse(text, &["a", "b", "f", "kappa"]);
        let e = parse("-2.5 * a / f; f = sqrt(r);kappa=0; a= 1e-3;").unwrap();
        assert_eq!(e.body("-#*a/f"), Some(vec![2.5]));
        assert!(e.defines("f", "sqrt(r)") && !e.defines("g", "1"));
        assert_eq!((e.number("a"), e.number("kappa"), e.number("f")), (Some(1e-3), Some(0.0), None));
        for text in ["", "a; b", "a; b=1; b=2", "r; r=2"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
