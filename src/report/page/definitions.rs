//! What the metrics, the marks and the counts mean: in tips beside them, and together at the end of the page.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::metrics::{Direction, by_id};
use crate::report::table::{Column, Table, number};
use crate::text::html as escape;

/// Words of the page.
const WORDS: &[(&str, &str)] = &[
    (
        "± and intervals",
        "Mean over seeds ± half of its 95 % interval: Student's t with seeds - 1 degrees of freedom. With one seed, the value and \
         the interval of its samples, which knows nothing of other seeds.",
    ),
    (
        "bold",
        "Best of the column, or not distinguishable from the best: Welch's test at 5 %, or both within the noise floor.",
    ),
    (
        "noise floor, °",
        "The same metric between two independent runs of the reference, or halves of one. A value marked ° is not above it: \
         no method can be seen to be closer.",
    ),
    (
        "published, second hand",
        "Numbers that others have published for the same energy function and temperature, in rows of their own. Second hand: \
         nobody here has seen the source itself, but a note about it.",
    ),
    (
        "energy evaluation",
        "Energy or force of one configuration. Charged are all purposes but `evaluation`, which is what the metrics took.",
    ),
    (
        "purposes",
        "sampling: dynamics or MCMC that is the method itself; initial-data: data at the highest temperature; training: \
         energies inside a loss; annealing: weights, and filling the next buffer; refinement: MALA or relaxation on the true \
         energy; reference: making the reference.",
    ),
    (
        "ESS",
        "Effective sample size of importance weights, (sum w)² / (n sum w²). Frames of dynamics are worth fewer independent \
         samples than there are; where that is known, it is said beside their number.",
    ),
    (
        "digest",
        "SHA-256 of what stands beside it. Runs with the same digest of spec and seed asked for the same; those of samples say \
         whether the same came out.",
    ),
];

/// The tip of a column.
pub(super) fn tip(column: &Column) -> String {
    let better = match column.direction {
        Direction::Lower => " Lower is better.",
        Direction::Higher => " Higher is better.",
        Direction::None => "",
    };
    let floor = column.floor.map_or(String::new(), |f| format!(" Noise floor: {}.", number(f)));
    match by_id(&column.id) {
        Ok(metric) => format!("{}.{better}{floor} Source: {}.", metric.description, metric.source),
        Err(_) => format!("{}.{better}{floor}", column.id),
    }
}

pub(super) fn put(out: &mut String, tables: &[Table]) {
    out.push_str("<section id=\"definitions\"><h2>Definitions</h2>\n<dl class=\"words\">");
    for (word, meaning) in WORDS {
        let _ = write!(out, "<div><dt>{}</dt><dd>{}</dd></div>", escape(word), escape(meaning));
    }
    out.push_str("</dl>\n<h3>Metrics</h3><dl class=\"words\">");
    let mut known = BTreeSet::new();
    for column in tables.iter().flat_map(|t| &t.columns) {
        if !known.insert((&column.id, column.version)) {
            continue;
        }
        let Ok(metric) = by_id(&column.id) else { continue };
        let _ = write!(
            out,
            "<div id=\"metric-{0}\"><dt>{1} <code>{0}</code></dt><dd>{2}. Unit {3}, version {4}. Source: {5}.</dd></div>",
            escape(&column.id),
            escape(metric.title),
            escape(metric.description),
            escape(&column.unit),
            column.version,
            escape(metric.source)
        );
    }
    out.push_str("</dl></section>\n");
}
