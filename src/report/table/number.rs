//! Numbers as readers want them.

/// Decimals that leave about four significant digits.
fn decimals(x: f64) -> usize {
    match x.abs() {
        a if a >= 1_000.0 => 0,
        a if a >= 100.0 => 1,
        a if a >= 10.0 => 2,
        a if a >= 1.0 => 3,
        _ => 4,
    }
}

/// Whether a number is written with a power of ten.
fn is_tiny(x: f64) -> bool {
    x != 0.0 && x.abs() < 5e-4
}

/// A number with about four significant digits.
#[must_use]
pub fn number(x: f64) -> String {
    if is_tiny(x) { format!("{x:.2e}") } else { format!("{x:.*}", decimals(x)) }
}

/// `mean ± spread`, both with the same decimals; tiny ones each with a power of ten.
#[must_use]
pub fn with_spread(mean: f64, spread: Option<f64>) -> String {
    match spread {
        Some(s) if is_tiny(mean) => format!("{} ± {s:.2e}", number(mean)),
        Some(s) => format!("{} ± {s:.*}", number(mean), decimals(mean)),
        None => number(mean),
    }
}

/// A published `value ± sd`, with the decimals it was published with (as many as the longer of the two).
#[must_use]
pub fn as_published(value: f64, sd: Option<f64>) -> String {
    let decimals = |x: f64| x.to_string().split_once('.').map_or(0, |(_, rest)| rest.len());
    let most = sd.map_or(0, decimals).max(decimals(value));
    match sd {
        Some(sd) => format!("{value:.most$} ± {sd:.most$}"),
        None => format!("{value:.most$}"),
    }
}

/// An integer with commas between thousands.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        assert_eq!(number(0.0), "0.0000");
        assert_eq!(number(-83.089_6), "-83.09");
        assert_eq!(number(0.000_012_3), "1.23e-5");
        assert_eq!(with_spread(2.26, Some(0.21)), "2.260 ± 0.210");
        assert_eq!(with_spread(7.37e-5, Some(4.0e-6)), "7.37e-5 ± 4.00e-6");
        assert_eq!(as_published(2.4, Some(1.25)), "2.40 ± 1.25");
        assert_eq!(as_published(0.04, Some(0.0)), "0.04 ± 0.00");
        assert_eq!(as_published(0.127, None), "0.127");
        assert_eq!([grouped(7), grouped(1_000), grouped(75_600_000)], ["7", "1,000", "75,600,000"]);
    }
}
