//! What every page begins and ends with. The rules in `Content-Security-Policy` make the browser refuse everything that is not
//! in the file itself.

use std::fmt::Write;

use serde_json::Value;

use crate::report::missing::Gap;
use crate::report::runs::by_key;
use crate::text::{html as escape, json};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A page; `data` is for its script, without it there is none.
pub(super) fn page(title: &str, content: &str, data: Option<&Value>) -> String {
    let rule = if data.is_some() { " script-src 'unsafe-inline';" } else { "" };
    let script = data.map_or(String::new(), |data| {
        // Within a script element only `<` could end it.
        let text = json(&data.to_string()).replace('<', "\\u003c");
        format!(
            "<dialog id=\"panel\" aria-labelledby=\"panel-title\"></dialog>\n<div id=\"tip\" role=\"tooltip\" hidden></div>\n\
             <script type=\"application/json\" id=\"data\">{text}</script>\n<script>\n{SCRIPT}</script>\n"
        )
    });
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline';{rule} \
         img-src data: blob:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style></head>\n<body>\n\
         {content}{script}</body></html>\n",
        escape(title)
    )
}

/// The bar at the upper edge: where one can go, and light or dark.
pub(super) fn bar<'a>(out: &mut String, places: impl Iterator<Item = (String, &'a str)>) {
    out.push_str("<nav class=\"bar\" aria-label=\"Contents\"><a class=\"home\" href=\"#top\">pita-bench</a><div class=\"places\">");
    for (id, title) in places {
        let _ = write!(out, "<a href=\"#{id}\">{}</a>", escape(title));
    }
    out.push_str(
        "<a href=\"#definitions\">Definitions</a></div>\
         <button type=\"button\" class=\"theme\" hidden aria-label=\"Light or dark\">◐</button></nav>\n",
    );
}

/// A digest: its first digits, and a button that copies all of it.
pub(super) fn digest(digest: &str) -> String {
    let short = digest.get(..12).unwrap_or(digest);
    format!("<code title=\"{0}\">{1}</code>{2}", escape(digest), escape(short), copy(digest))
}

/// A button that copies a text; the script shows it.
pub(super) fn copy(text: &str) -> String {
    format!("<button type=\"button\" class=\"copy\" data-copy=\"{}\" hidden>copy</button>", escape(text))
}

/// A unit as a reader writes it; nothing for pure numbers.
pub(super) fn unit(unit: &str) -> String {
    match unit {
        "1" => String::new(),
        "r_m" => "r<sub>m</sub>".into(),
        other => escape(other),
    }
}

/// Facts by name, as HTML; those that are empty are left out.
pub(super) fn facts(out: &mut String, facts: &[(&str, String)]) {
    out.push_str("<dl class=\"facts\">");
    for (name, content) in facts.iter().filter(|(_, content)| !content.is_empty()) {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{content}</dd></div>");
    }
    out.push_str("</dl>\n");
}

/// A small table: the cells of its header and of each row, as HTML.
pub(super) fn small(class: &str, head: &str, rows: impl IntoIterator<Item = String>) -> String {
    let rows: String = rows.into_iter().map(|row| format!("<tr>{row}</tr>")).collect();
    format!("<table class=\"{class}\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
}

/// Begins a table that the script sorts and filters, up to its header.
pub(super) fn grid(out: &mut String, number: usize, label: &str) {
    let _ = write!(
        out,
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table class=\"grid\" data-table=\"{number}\">\
         <caption>{0}</caption>",
        escape(label)
    );
}

/// A cell of its header.
pub(super) fn head(out: &mut String, key: &str, name: &str, tip: &str, content: &str) {
    let _ = write!(
        out,
        "<th scope=\"col\" data-key=\"{key}\" data-name=\"{}\"><button type=\"button\" title=\"{}\">{content}</button></th>",
        escape(name),
        escape(tip)
    );
}

/// Lines to be unfolded below a summary, which is HTML.
pub(super) fn folded<S: AsRef<str>>(out: &mut String, class: &str, summary: &str, lines: impl IntoIterator<Item = S>) {
    let _ = write!(out, "<details class=\"{class}\"><summary>{summary}</summary><ul>");
    lines.into_iter().for_each(|line| _ = write!(out, "<li>{}</li>", escape(line.as_ref())));
    out.push_str("</ul></details>\n");
}

/// Which cells are missing.
pub(super) fn missing<'a>(out: &mut String, sentence: &str, gaps: impl Iterator<Item = &'a Gap>) {
    folded(out, "state bad", &escape(sentence), gaps.map(|gap| format!("{}: {}", gap.method, gap.line())));
}

/// What a reader must know: one or two as they are, more to be unfolded.
pub(super) fn remarks(out: &mut String, remarks: &[String]) {
    if let [first, rest @ ..] = remarks
        && rest.len() > 1
    {
        let summary = format!("{} <span>and {} more remarks</span>", escape(first), rest.len());
        return folded(out, "state warn", &summary, rest);
    }
    for remark in remarks {
        let _ = writeln!(out, "<p class=\"state warn\">{}</p>", escape(remark));
    }
}

/// What is said of seeds, said once where it is the same of all.
pub(super) fn by_seed(said: &[(u64, String)], of: usize) -> Vec<String> {
    let line = |(text, seeds): (&String, Vec<u64>)| match seeds[..] {
        _ if seeds.len() == of && of > 1 => format!("all seeds: {text}"),
        [seed] => format!("seed {seed}: {text}"),
        _ => format!("seeds {}: {text}", seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    };
    by_key(said.iter().map(|(seed, text)| (text, *seed))).into_iter().map(line).collect()
}

/// Seconds as people say them.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..120 => format!("{whole} s"),
        120..7_200 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let said = [0.04, 9.0, 59.6, 121.5, 7_199.0, 90_000.0].map(duration);
        assert_eq!(said, ["0.0 s", "9.0 s", "60 s", "2 min 02 s", "119 min 59 s", "25 h 00 min"]);
    }

    #[test]
    fn seeds_that_say_the_same() {
        let said = |texts: &[&str]| {
            let all: Vec<(u64, String)> = (0..).zip(texts.iter().map(|t| (*t).to_owned())).collect();
            by_seed(&all, 3)
        };
        assert_eq!(said(&["x", "x", "x"]), ["all seeds: x"]);
        assert_eq!(said(&["x", "y", "x"]), ["seeds 0, 2: x", "seed 1: y"]);
        assert_eq!(by_seed(&[(7, "x".into())], 1), ["seed 7: x"]);
    }

    #[test]
    fn data_cannot_end_its_element() {
        let data = serde_json::json!({"label": "\u{202e}</script><script>alert(1)</script>"});
        let out = page("", "", Some(&data));
        assert_eq!(out.matches("</script>").count(), 2, "its own, and that of the script");
        assert!(out.contains("\\u202e\\u003c/script>"), "and nothing in it turns the direction of writing");
    }
}
