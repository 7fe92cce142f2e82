//! Two versions of the code side by side: each metric of each method, and whether B is better, worse, or a tie.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::shell;
use crate::compare::{Row, Verdict};
use crate::metrics::by_id;
use crate::report::table::number;
use crate::stats::Estimate;
use crate::text::html as escape;

/// The order of verdicts on the page: what needs a look first.
const ORDER: [Verdict; 6] =
    [Verdict::Worse, Verdict::Better, Verdict::Different, Verdict::NotComparable, Verdict::Unknown, Verdict::Tie];

/// The page of a comparison of `names` (A and B); `notes` say what was not compared.
#[must_use]
pub fn page(title: &str, names: [&str; 2], rows: &[Row], notes: &[String]) -> String {
    let mut out = String::new();
    let mut places: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| places.entry(&row.place).or_default().push(row));
    shell::bar(&mut out, places.keys().enumerate().map(|(i, place)| (format!("place-{i}"), *place)));
    let _ = writeln!(out, "<main id=\"top\"><header class=\"head\"><h1>{}</h1>", escape(title));
    let [a, b] = names.map(|name| format!("<code>{}</code>", escape(name)));
    let compared = format!("{} values, B against A", rows.len());
    shell::facts(&mut out, &[("A", a), ("B", b), ("compared", compared)]);
    counters(&mut out, rows);
    out.push_str("</header>\n");
    shell::remarks(&mut out, notes);
    for (i, (place, rows)) in places.iter().enumerate() {
        let _ = writeln!(out, "<section class=\"system\" id=\"place-{i}\"><h2>{}</h2>", escape(place));
        table(&mut out, i, place, rows);
        out.push_str("</section>\n");
    }
    out.push_str(
        "<section id=\"definitions\"><h2>Definitions</h2><dl class=\"words\">\
         <div><dt>better, worse</dt><dd>The 95 % interval of the difference B − A does not hold zero, and lies on that side of \
         it. Intervals over several runs are Student's t over them; one run alone has that of its samples.</dd></div>\
         <div><dt>tie</dt><dd>The interval holds zero, or both sides are within the noise floor.</dd></div>\
         <div><dt>different</dt><dd>They differ, and the metric has no better side.</dd></div>\
         <div><dt>not comparable</dt><dd>Other version of the metric, or other reference.</dd></div>\
         <div><dt>unknown</dt><dd>One side has no value, or no interval.</dd></div></dl></section>\n</main>\n",
    );
    shell::page(title, &out, Some(&serde_json::json!([])))
}

/// How many of each verdict.
fn counters(out: &mut String, rows: &[Row]) {
    out.push_str("<ul class=\"counters\">");
    for verdict in ORDER {
        let count = rows.iter().filter(|r| r.verdict == verdict).count();
        if count > 0 || matches!(verdict, Verdict::Better | Verdict::Worse | Verdict::Tie) {
            let _ = write!(out, "<li class=\"{}\"><b>{count}</b> {}</li>", class(verdict), verdict.word());
        }
    }
    out.push_str("</ul>\n");
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "v-better",
        Verdict::Worse => "v-worse",
        Verdict::Tie => "v-tie",
        Verdict::Different => "v-different",
        Verdict::NotComparable | Verdict::Unknown => "v-unknown",
    }
}

fn table(out: &mut String, n: usize, place: &str, rows: &[&Row]) {
    let _ = writeln!(
        out,
        "<div class=\"tools\" data-table=\"{n}\" hidden><input type=\"search\" placeholder=\"Filter\" aria-label=\"Filter\">\
         <label><input type=\"checkbox\" class=\"changed\"> only what changed</label><output aria-live=\"polite\"></output></div>"
    );
    shell::grid(out, n, &format!("B against A, {place}"));
    out.push_str("<thead><tr>");
    let heads = [
        ("Method", "Row of the table"),
        ("Metric", "Its definition is in the tip of each"),
        ("A", "Mean with its 95 % interval"),
        ("B", "Mean with its 95 % interval"),
        ("B − A", "The difference with its 95 % interval; the line below it is the interval, the tick is zero"),
        ("Floor", "Noise floor: the larger of both sides"),
        ("B is", "The verdict about B"),
        ("Note", "What to keep in mind"),
    ];
    for (i, (name, tip)) in heads.iter().enumerate() {
        shell::head(out, &i.to_string(), name, tip, name);
    }
    out.push_str("</tr></thead>\n");
    for row in rows {
        line(out, row);
    }
    out.push_str("</table></div>\n");
}

fn line(out: &mut String, row: &Row) {
    let changed = !matches!(row.verdict, Verdict::Tie);
    let (title, tip) = by_id(&row.id).map_or((row.id.as_str(), ""), |m| (m.title, m.description));
    let unit = format!(" <span class=\"unit\">{}</span>", shell::unit(&row.unit));
    let _ = write!(
        out,
        "<tbody data-changed=\"{changed}\"><tr><th scope=\"row\" data-v=\"{0}\">{0}</th><td class=\"text\" data-v=\"{1}\">\
         <span title=\"{2}\">{1}</span>{unit}</td>",
        escape(&row.label),
        escape(title),
        escape(tip)
    );
    for (estimate, glyph) in [(&row.a, false), (&row.b, false), (&row.difference, true)] {
        match estimate {
            Some(e) => {
                let interval =
                    e.lo.zip(e.hi).map_or(String::new(), |(lo, hi)| format!("{} to {}", number(lo), number(hi)));
                let _ = write!(
                    out,
                    "<td data-v=\"{}\"><span class=\"v\">{}</span><span class=\"pm\">{interval}</span>{}</td>",
                    e.value,
                    number(e.value),
                    if glyph { axis(e, row.verdict) } else { String::new() }
                );
            }
            None => out.push_str("<td class=\"none\">–</td>"),
        }
    }
    match row.floor {
        Some(floor) => _ = write!(out, "<td data-v=\"{floor}\">{}</td>", number(floor)),
        None => out.push_str("<td class=\"none\">–</td>"),
    }
    let rank = ORDER.iter().position(|v| *v == row.verdict).unwrap_or(ORDER.len());
    let _ = writeln!(
        out,
        "<td data-v=\"{rank}\"><span class=\"chip {}\">{}</span></td><td class=\"text remark\">{}</td></tr></tbody>",
        class(row.verdict),
        row.verdict.word(),
        escape(&row.note)
    );
}

/// The interval of a difference around zero, for the eye only.
fn axis(difference: &Estimate, verdict: Verdict) -> String {
    let (Some(lo), Some(hi)) = (difference.lo, difference.hi) else { return String::new() };
    let reach = lo.abs().max(hi.abs());
    if !(reach > 0.0 && reach.is_finite()) {
        return String::new();
    }
    let x = |value: f64| 36.0 + 32.0 * value / reach;
    format!(
        "<svg class=\"axis {}\" viewBox=\"0 0 72 8\" aria-hidden=\"true\"><path d=\"M0 4H72\"/><path class=\"f\" d=\"M36 0V8\"/>\
         <path class=\"i\" d=\"M{:.1} 4H{:.1}\"/><circle cx=\"{:.1}\" cy=\"4\" r=\"2.6\"/></svg>",
        class(verdict),
        x(lo),
        x(hi),
        x(difference.value)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verdict: Verdict, value: f64) -> Row {
        let e = |value: f64| Estimate {
            value,
            lo: Some(value - 0.5),
            hi: Some(value + 0.5),
            error: Some(0.2),
            freedom: Some(4.0),
            runs: 3,
        };
        Row {
            place: "lj13 at T = 1".into(),
            label: "<MD>".into(),
            id: "energy-w1".into(),
            unit: "kT".into(),
            a: Some(e(1.0)),
            b: Some(e(1.0 + value)),
            difference: Some(e(value)),
            floor: Some(0.1),
            verdict,
            note: String::new(),
        }
    }

    #[test]
    fn counts_and_marks_verdicts() {
        let rows = [row(Verdict::Worse, 1.0), row(Verdict::Tie, 0.1), row(Verdict::Tie, 0.2)];
        let page = page("x: a & b", ["a", "b"], &rows, &["one <note>".into()]);
        for expected in [
            "<li class=\"v-worse\"><b>1</b> worse</li><li class=\"v-better\"><b>0</b> better</li><li class=\"v-tie\"><b>2</b> tie</li>",
            "<tbody data-changed=\"true\">",
            "<span class=\"chip v-worse\">worse</span>",
            "x: a &amp; b",
            "&lt;MD&gt;",
            "one &lt;note&gt;",
            // 0.5 to 1.5 around zero: the far end at the edge, the value at two thirds.
            "d=\"M46.7 4H68.0\"/><circle cx=\"57.3\"",
        ] {
            assert!(page.contains(expected), "{expected}");
        }
        assert_eq!(page.matches("data-changed=\"false\"").count(), 2);
    }
}
