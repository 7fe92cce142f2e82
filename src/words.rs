//! Words that people meant.

/// The known word that `word` was probably meant to be, if any is close (Jaro-Winkler similarity).
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let scored = known.into_iter().map(|known| (strsim::jaro_winkler(&word, known), known));
    let close = scored.filter(|(score, _)| *score > 0.65);
    close.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, known)| known)
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
