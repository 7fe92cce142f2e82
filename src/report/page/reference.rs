//! The card of a reference: what a system was judged by, how far it can be trusted, the floors that follow.

use std::fmt::Write;

use super::shell::{self, digest};
use super::{Picture, figures};
use crate::report::detail::ReferenceCard;
use crate::report::table::{Table, grouped, number};
use crate::samplers::reference::Convergence;
use crate::text::html as escape;

pub(super) fn put(out: &mut String, table: &Table, cards: &[ReferenceCard], pictures: &[&Picture]) {
    let card = cards.iter().find(|c| c.system == table.system && c.temperature == table.temperature);
    if card.is_none() && pictures.is_empty() {
        return;
    }
    out.push_str("<section class=\"reference\"><h3>Reference</h3>\n");
    if let Some(card) = card {
        facts(out, card);
        out.push_str("<div class=\"cards\">");
        halves(out, card);
        populations(out, card);
        exchange(out, &card.report);
        floors(out, table);
        out.push_str("</div>\n");
        for note in &card.report.notes {
            let _ = writeln!(out, "<p class=\"state warn\">{}</p>", escape(note));
        }
    }
    pictures.iter().for_each(|picture| figures::put(out, picture));
    out.push_str("</section>\n");
}

fn facts(out: &mut String, card: &ReferenceCard) {
    let name = match (&card.name, card.runs.len()) {
        (Some(name), 0 | 1) => format!("{name}, accepted"),
        (Some(name), n) => format!("{name}, accepted: {n} independent runs"),
        (None, _) => "made for this experiment: one run".into(),
    };
    let report = &card.report;
    let rungs = match report.ladder.len() {
        0 | 1 => String::new(),
        n => format!("{n} temperatures, {} to {}", report.ladder[0], report.ladder[n - 1]),
    };
    let facts = [
        ("what", escape(&name)),
        ("frames", grouped(report.frames as u64)),
        ("energy evaluations", grouped(report.counts.charged())),
        ("ladder", rungs),
        ("settings", digest(&card.settings)),
        ("content", card.content.as_deref().map_or(String::new(), digest)),
    ];
    shell::facts(out, &facts);
}

/// Mean energy and the distance between halves, of the whole and of each run.
fn halves(out: &mut String, card: &ReferenceCard) {
    let head = "<th></th><th>mean energy (kT)</th>\
        <th title=\"Energy-W1 between disjoint halves of the copies: no method can be seen to be closer than this\">halves apart \
        (Energy-W1, kT)</th><th title=\"Replicas that crossed the ladder and came back\">round trips</th>";
    let row = |(name, report): (String, &Convergence)| {
        format!(
            "<td>{name}</td><td>{:.3} ± {:.3}</td><td>{}</td><td>{}</td>",
            report.mean_energy,
            report.mean_energy_error,
            number(report.split_energy_w1),
            grouped(report.round_trips)
        )
    };
    let runs = card.runs.iter().enumerate().filter(|_| card.runs.len() > 1);
    let runs = runs.map(|(i, report)| (format!("run {}", i + 1), report));
    let rows = std::iter::once(("all".to_owned(), &card.report)).chain(runs).map(row);
    let _ = writeln!(out, "<section><h4>Convergence</h4>{}</section>", shell::small("small", head, rows));
}

/// P(phi > 0) of every residue.
fn populations(out: &mut String, card: &ReferenceCard) {
    if card.report.phi_positive.is_empty() {
        return;
    }
    let rows = card.report.phi_positive.iter().map(|p| {
        let [first, second] = p.halves;
        let name = escape(&p.name);
        format!("<td>{name}</td><td>{:.4} ± {:.4}</td><td>{first:.4}, {second:.4}</td>", p.mean, p.error)
    });
    let table = shell::small("small", "<th>residue</th><th>mean ± standard error</th><th>halves</th>", rows);
    let _ = writeln!(out, "<section><h4>P(φ &gt; 0)</h4>{table}</section>");
}

/// Acceptance of exchanges between neighbours, as bars.
fn exchange(out: &mut String, report: &Convergence) {
    let all = &report.exchange_acceptance;
    let (Some(least), Some(most)) = (all.iter().copied().reduce(f64::min), all.iter().copied().reduce(f64::max)) else {
        return;
    };
    let _ = write!(
        out,
        "<section><h4>Exchange acceptance</h4><svg class=\"columns\" role=\"img\" viewBox=\"0 0 {0} 40\"><title>Acceptance between \
         neighbouring temperatures, hot to cold: {1} to {2}</title>",
        all.len() * 14,
        number(least),
        number(most)
    );
    for (i, share) in all.iter().enumerate() {
        let height = 40.0 * share.clamp(0.0, 1.0);
        let between = match (report.ladder.get(i), report.ladder.get(i + 1)) {
            (Some(hot), Some(cold)) => format!("{hot} to {cold}: "),
            _ => String::new(),
        };
        let _ = write!(
            out,
            "<rect x=\"{}\" y=\"{:.1}\" width=\"10\" height=\"{height:.1}\"><title>{between}{}</title></rect>",
            i * 14 + 2,
            40.0 - height,
            number(*share)
        );
    }
    let _ = writeln!(
        out,
        "</svg><p class=\"note\">{} to {}, hot to cold; the frame is 0 to 1</p></section>",
        number(least),
        number(most)
    );
}

/// The floor of every metric.
fn floors(out: &mut String, table: &Table) {
    if table.columns.iter().all(|c| c.floor.is_none()) {
        return;
    }
    out.push_str("<section class=\"full\"><h4>Noise floors</h4><dl class=\"floors\">");
    for column in &table.columns {
        if let Some(floor) = column.floor {
            let _ = write!(
                out,
                "<div><dt>{}</dt><dd>{} <span class=\"unit\">{}</span></dd></div>",
                escape(&column.title),
                number(floor),
                shell::unit(&column.unit)
            );
        }
    }
    out.push_str("</dl></section>\n");
}
