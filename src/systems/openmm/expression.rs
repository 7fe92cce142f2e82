//! Algebraic expressions of OpenMM's custom forces: `body; name = definition; ..`, parsed and evaluated.
//!
//! The language is that of OpenMM's Lepton: numbers, names, `+ - * / ^`, calls. Definitions may stand in any order and
//! name one another. What is not in the language is no expression here either.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Parentheses inside one another, at most.
const DEPTH: usize = 64;

/// An expression with its definitions.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expression {
    body: Node,
    definitions: BTreeMap<String, Node>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(f64),
    Name(String),
    Negative(Box<Node>),
    /// From left to right: a first operand, then operators of one rank with theirs. No recursion for long sums.
    Chain(Box<Node>, Vec<(char, Node)>),
    Call(String, Vec<Node>),
}

/// What names and functions stand for.
pub(super) trait Scope {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<f64>;
    /// The value of a tabulated function.
    fn table(&self, name: &str, arguments: &[f64]) -> Option<f64>;
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = without_blanks(text)?;
        let mut parts = text.split(';').filter(|part| !part.is_empty());
        let body = Parser::whole(parts.next().ok_or("it is empty")?)?;
        let mut definitions = BTreeMap::new();
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is no definition"))?;
            if definitions.insert(name.to_owned(), Parser::whole(value)?).is_some() {
                return Err(format!("`{name}` is defined twice"));
            }
        }
        Ok(Self { body, definitions })
    }

    /// The value; `None` for names that mean nothing in `scope`, and for definitions that need themselves.
    pub(super) fn value(&self, scope: &dyn Scope) -> Option<f64> {
        Run { definitions: &self.definitions, scope, known: RefCell::default(), tables: RefCell::default() }
            .value(&self.body)
    }

    /// Values of all calls of tabulated functions, by name, at their first call.
    pub(super) fn tabulated(&self, scope: &dyn Scope) -> BTreeMap<String, f64> {
        let run = Run { definitions: &self.definitions, scope, known: RefCell::default(), tables: RefCell::default() };
        run.value(&self.body);
        run.tables.into_inner()
    }

    /// All numbers that are written in it.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let mut out = Vec::new();
        self.body.numbers(&mut out);
        self.definitions.values().for_each(|node| node.numbers(&mut out));
        out
    }
}

/// The text without its blanks, which separate nothing but what operators separate too.
fn without_blanks(text: &str) -> Result<String, String> {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let (mut out, mut last, mut blank) = (String::with_capacity(text.len()), ' ', false);
    for c in text.chars() {
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        if blank && word(last) && word(c) {
            return Err(format!("no operator between `{last}` and `{c}`"));
        }
        out.push(c);
        (last, blank) = (c, false);
    }
    Ok(out)
}

impl Node {
    fn numbers(&self, out: &mut Vec<f64>) {
        match self {
            Self::Number(x) => out.push(*x),
            Self::Name(_) => {}
            Self::Negative(a) => a.numbers(out),
            Self::Chain(first, others) => {
                first.numbers(out);
                others.iter().for_each(|(_, node)| node.numbers(out));
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|a| a.numbers(out)),
        }
    }
}

/// One evaluation: definitions are evaluated once.
struct Run<'a> {
    definitions: &'a BTreeMap<String, Node>,
    scope: &'a dyn Scope,
    /// `None` while it is being evaluated.
    known: RefCell<BTreeMap<&'a str, Option<f64>>>,
    tables: RefCell<BTreeMap<String, f64>>,
}

impl<'a> Run<'a> {
    fn value(&self, node: &'a Node) -> Option<f64> {
        Some(match node {
            Node::Number(x) => *x,
            Node::Negative(a) => -self.value(a)?,
            Node::Name(name) => self.named(name)?,
            Node::Chain(first, others) => {
                let mut a = self.value(first)?;
                for (operator, other) in others {
                    let b = self.value(other)?;
                    a = match operator {
                        '+' => a + b,
                        '-' => a - b,
                        '*' => a * b,
                        '/' => a / b,
                        _ => power(a, b),
                    };
                }
                a
            }
            Node::Call(name, arguments) => {
                let arguments: Vec<f64> = arguments.iter().map(|a| self.value(a)).collect::<Option<_>>()?;
                match call(name, &arguments) {
                    Some(value) => value,
                    None => {
                        let value = self.scope.table(name, &arguments)?;
                        self.tables.borrow_mut().entry(name.clone()).or_insert(value);
                        value
                    }
                }
            }
        })
    }

    fn named(&self, name: &'a str) -> Option<f64> {
        let Some(definition) = self.definitions.get(name) else { return self.scope.variable(name) };
        if let Some(known) = self.known.borrow().get(name) {
            return *known;
        }
        self.known.borrow_mut().insert(name, None);
        let value = self.value(definition);
        self.known.borrow_mut().insert(name, value);
        value
    }
}

/// Whole powers by multiplication, which differs from `powf` in the last digit.
fn power(a: f64, b: f64) -> f64 {
    if b.fract() == 0.0 && b.abs() <= 16.0 { a.powi(b as i32) } else { a.powf(b) }
}

/// The functions of the language; `None` for others.
fn call(name: &str, arguments: &[f64]) -> Option<f64> {
    let step = |x: f64| if x >= 0.0 { 1.0 } else { 0.0 };
    Some(match (name, arguments) {
        ("sqrt", &[x]) => x.sqrt(),
        ("exp", &[x]) => x.exp(),
        ("log", &[x]) => x.ln(),
        ("sin", &[x]) => x.sin(),
        ("cos", &[x]) => x.cos(),
        ("tan", &[x]) => x.tan(),
        ("tanh", &[x]) => x.tanh(),
        ("sinh", &[x]) => x.sinh(),
        ("cosh", &[x]) => x.cosh(),
        ("atan", &[x]) => x.atan(),
        ("abs", &[x]) => x.abs(),
        ("square", &[x]) => x * x,
        ("cube", &[x]) => x * x * x,
        ("recip", &[x]) => 1.0 / x,
        ("floor", &[x]) => x.floor(),
        ("ceil", &[x]) => x.ceil(),
        ("step", &[x]) => step(x),
        ("min", &[a, b]) => a.min(b),
        ("max", &[a, b]) => a.max(b),
        ("select", &[which, a, b]) => {
            if which == 0.0 {
                b
            } else {
                a
            }
        }
        _ => return None,
    })
}

/// Recursive descent; `^` binds more tightly than a sign before it and groups to the right.
struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn whole(text: &'a str) -> Result<Node, String> {
        let mut parser = Self { rest: text, depth: 0 };
        let node = parser.sum()?;
        if parser.rest.is_empty() { Ok(node) } else { Err(format!("`{}` is not understood", parser.rest)) }
    }

    fn take(&mut self, symbol: char) -> bool {
        let after = self.rest.strip_prefix(symbol);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Terms or factors with left-grouping operators between them.
    fn chain(&mut self, operators: &[char], next: fn(&mut Self) -> Result<Node, String>) -> Result<Node, String> {
        let first = next(self)?;
        let mut others = Vec::new();
        while let Some(&operator) = operators.iter().find(|&&o| self.rest.starts_with(o)) {
            self.take(operator);
            others.push((operator, next(self)?));
        }
        Ok(if others.is_empty() { first } else { Node::Chain(Box::new(first), others) })
    }

    fn sum(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("it is nested too deep".into());
        }
        let node = self.chain(&['+', '-'], |p| p.chain(&['*', '/'], Self::signed));
        self.depth -= 1;
        node
    }

    fn signed(&mut self) -> Result<Node, String> {
        let mut negative = false;
        while self.rest.starts_with(['-', '+']) {
            negative ^= self.take('-') || !self.take('+');
        }
        let base = self.atom()?;
        let node = if self.take('^') {
            self.depth += 1;
            if self.depth > DEPTH {
                return Err("it is nested too deep".into());
            }
            let exponent = self.signed()?;
            self.depth -= 1;
            Node::Chain(Box::new(base), vec![('^', exponent)])
        } else {
            base
        };
        Ok(if negative { Node::Negative(Box::new(node)) } else { node })
    }

    fn atom(&mut self) -> Result<Node, String> {
        if self.take('(') {
            let node = self.sum()?;
            return if self.take(')') { Ok(node) } else { Err("it lacks a closing parenthesis".into()) };
        }
        if let Some((value, after)) = number(self.rest) {
            self.rest = after;
            return Ok(Node::Number(value));
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        if end == 0 {
            return Err(format!("`{}` is not understood", self.rest));
        }
        let (name, after) = self.rest.split_at(end);
        self.rest = after;
        if !self.take('(') {
            return Ok(Node::Name(name.to_owned()));
        }
        let mut arguments = vec![self.sum()?];
        while self.take(',') {
            arguments.push(self.sum()?);
        }
        if self.take(')') {
            Ok(Node::Call(name.to_owned(), arguments))
        } else {
            Err("it lacks a closing parenthesis".into())
        }
    }
}

/// The unsigned, finite number that `text` begins with, and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let value: f64 = text[..end].parse().ok()?;
    value.is_finite().then_some((value, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two;

    impl Scope for Two {
        fn variable(&self, name: &str) -> Option<f64> {
            (name == "x").then_some(2.0)
        }

        fn table(&self, name: &str, arguments: &[f64]) -> Option<f64> {
            (name == "f").then(|| 10.0 * arguments[0])
        }
    }

    fn value(text: &str) -> Option<f64> {
        Expression::parse(text).unwrap().value(&Two)
    }

    #[test]
    fn values() {
        for (text, expected) in [
            ("1 + 2*3 - 4/2/2", 6.0),
            ("-x^2", -4.0),
            ("2^3^2", 512.0),
            ("2^-1", 0.5),
            ("--x - -x", 4.0),
            ("(1+x)*(1-x)", -3.0),
            ("1.5e1+2.e-1+.5", 15.7),
            ("x^0.5", 2.0_f64.sqrt()),
            ("select(step(x-2), 7, log(0))", 7.0),
            ("max(1,min(x,9))+abs(-x)+f(x)", 24.0),
            ("a*b; b=a+1; a=x", 6.0),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        let e = Expression::parse("f(x)+f(1)+3*a;a=0.5;unused=7").unwrap();
        assert_eq!(e.tabulated(&Two), BTreeMap::from([("f".to_owned(), 20.0)]));
        assert_eq!(e.numbers(), [1.0, 3.0, 0.5, 7.0]);
    }

    #[test]
    fn what_has_no_value_or_is_no_expression() {
        for text in ["y", "g(1)", "sqrt(1,2)", "a; a=b; b=a", "a;a=a+1"] {
            assert_eq!(value(text), None, "{text}");
        }
        let deep = format!("{}x{}", "(".repeat(100_000), ")".repeat(100_000));
        let powers = "x^".repeat(100_000) + "x";
        for text in
            ["", "1 2", "x+", "(x", "f(x", "x;1", "x;a=1;a=2", "é", "1..2", "*x", deep.as_str(), powers.as_str()]
        {
            assert!(Expression::parse(text).is_err(), "{text:.20}");
        }
        // A sum of many terms is no recursion, and what is defined twice over is evaluated once.
        assert_eq!(value(&("x".to_owned() + &"+x".repeat(10_000))), Some(20_002.0));
        let doubling: String = (0..60).map(|i| format!("a{i}=a{}+a{};", i + 1, i + 1)).collect();
        assert_eq!(value(&format!("a0;{doubling}a60=1")), Some(2.0_f64.powi(60)));
    }
}
