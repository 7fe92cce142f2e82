//! Words that people meant.

/// The known word that `word` was probably meant to be, if any is close (Jaro-Winkler similarity).
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let score = strsim::jaro_winkler(&word.to_lowercase(), candidate);
        if score > best.map_or(0.65, |(s, _)| s) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// "unknown metric `x`; did you mean `y`? Known: ..."
#[must_use]
pub fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let near = nearest(word, known.iter().copied()).map_or(".".into(), |near| format!("; did you mean `{near}`?"));
    format!("unknown {what} `{word}`{near} Known: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word() {
        assert_eq!(nearest("stpes", ["seed", "steps", "step"]), Some("steps"));
        assert_eq!(nearest("Ladder", ["ladder", "copies"]), Some("ladder"));
        assert_eq!(nearest("qqq", ["ladder", "copies"]), None);
    }

    #[test]
    fn sentences_end() {
        let known = ["ladder", "copies"];
        assert_eq!(
            unknown("key", "lader", &known),
            "unknown key `lader`; did you mean `ladder`? Known: ladder, copies"
        );
        assert_eq!(unknown("key", "qqq", &known), "unknown key `qqq`. Known: ladder, copies");
    }
}
