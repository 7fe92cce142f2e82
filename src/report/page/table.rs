//! A table that can be sorted and filtered. Each method is a `tbody` of its own, so that its published values stay below it.

use std::fmt::Write;

use super::axis::Axis;
use super::definitions;
use super::shell;
use crate::metrics::Direction;
use crate::report::baselines::Expected;
use crate::report::table::{Cell, Column, Row, Table, as_published, grouped, markdown, number};
use crate::spec::Counted;
use crate::text::html as escape;

pub(super) fn put(out: &mut String, number: usize, table: &Table) {
    if let Some(missing) = table.coverage.sentence() {
        shell::missing(out, &missing, table.rows.iter().flat_map(|r| &r.missing));
    }
    shell::remarks(out, &table.warnings);
    tools(out, number, table.rows.iter().any(|r| r.published.is_some()));
    shell::grid(out, number, &format!("Methods against metrics, {}", table.title));
    out.push_str("\n<thead><tr>");
    heads(out, table);
    out.push_str("</tr></thead>\n");
    let axes: Vec<Option<Axis>> = (0..table.columns.len()).map(|c| Axis::of(table, c)).collect();
    for (r, row) in table.rows.iter().enumerate() {
        out.push_str("<tbody>");
        if !row.published_only {
            ours(out, (number, r), table, row, &axes);
        }
        if let Some(method) = &row.published {
            theirs(out, method, row);
        }
        out.push_str("</tbody>\n");
    }
    foot(out, table);
    out.push_str("</table></div>\n");
    notes(out, table);
}

/// What the script shows above a table.
fn tools(out: &mut String, number: usize, published: bool) {
    let _ = write!(
        out,
        "<div class=\"tools\" data-table=\"{number}\" hidden><input type=\"search\" placeholder=\"Filter methods\" \
         aria-label=\"Filter methods\"><details class=\"pick\"><summary>Metrics</summary><div class=\"menu\"></div></details>"
    );
    if published {
        out.push_str("<label><input type=\"checkbox\" class=\"published\" checked> published values</label>");
    }
    out.push_str("<output aria-live=\"polite\"></output></div>\n");
}

fn heads(out: &mut String, table: &Table) {
    let order = "The order of the experiment file; a click sorts by name.";
    shell::head(out, "method", "Method", order, "Method");
    for (c, column) in table.columns.iter().enumerate() {
        let arrow = match column.direction {
            Direction::Lower => " <span class=\"dir\" aria-label=\"lower is better\">↓</span>",
            Direction::Higher => " <span class=\"dir\" aria-label=\"higher is better\">↑</span>",
            Direction::None => "",
        };
        // The arrow stays with the last word, and no name is cut at its hyphen.
        let title = column.title.replace(" > ", "\u{a0}>\u{a0}").replace('-', "\u{2011}");
        let (first, last) = title.rsplit_once(' ').map_or(("", title.as_str()), |(first, last)| (first, last));
        let gap = if first.is_empty() { "" } else { " " };
        let content = format!(
            "{}{gap}<span class=\"last\">{}{arrow}</span><span class=\"unit\">{}</span>",
            escape(first),
            escape(last),
            shell::unit(&column.unit)
        );
        shell::head(out, &c.to_string(), &column.title, &definitions::tip(column), &content);
    }
    let charged = "Energies or forces of one configuration each, charged purposes only; mean over seeds.";
    shell::head(out, "cost", "Energy evaluations", charged, "Energy evaluations");
    shell::head(out, "seeds", "Seeds", "Complete seeds behind the means.", "Seeds");
}

/// The row of a method that was run here.
fn ours(out: &mut String, (t, r): (usize, usize), table: &Table, row: &Row, axes: &[Option<Axis>]) {
    let _ = write!(
        out,
        "<tr><th scope=\"row\" data-v=\"{0}\"><a class=\"open\" href=\"#r{t}-{r}\" data-at=\"{t}-{r}\">{0}</a>",
        escape(&row.label)
    );
    let missing = row.missing.len();
    if missing > 0 {
        let _ = write!(out, " <span class=\"chip bad\">{missing} of {} missing</span>", row.seeds + missing);
    }
    if row.partial > 0 {
        let _ = write!(out, " <span class=\"chip warn\">{} partial</span>", row.partial);
    }
    out.push_str("</th>");
    for (c, (cell, column)) in row.cells.iter().zip(&table.columns).enumerate() {
        let axis = axes.get(c).and_then(Option::as_ref);
        value(out, &format!("{t}-{r}"), c, (cell, column), (row, axis));
    }
    cost(out, &format!("{t}-{r}"), row);
    let _ = write!(out, "<td class=\"count\" data-v=\"{0}\">{0}</td></tr>", row.seeds);
}

fn value(out: &mut String, at: &str, c: usize, (cell, column): (&Cell, &Column), (row, axis): (&Row, Option<&Axis>)) {
    let Some(text) = markdown::ours(cell, row) else {
        out.push_str("<td class=\"none\">–</td>");
        return;
    };
    let class = [(cell.best, "best"), (cell.at_floor, "floor")];
    let class: Vec<&str> = class.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name).collect();
    let _ = write!(out, "<td class=\"{}\"", class.join(" "));
    if let Some(mean) = cell.mean {
        let _ = write!(out, " data-v=\"{mean}\"");
    }
    // Value and spread apart, so that they can stand below each other.
    let cut = text.find(" ±").or_else(|| text.find(" (")).unwrap_or(text.len());
    let (mean, spread) = text.split_at(cut);
    let floor = if cell.at_floor { "<sup title=\"Not above the noise floor\">°</sup>" } else { "" };
    let says = format!("{}, {}: {text}. What is behind it", row.label, column.title);
    let _ = write!(
        out,
        "><a class=\"open\" href=\"#r{at}\" data-at=\"{at}-{c}\" aria-label=\"{}\"><span class=\"v\">{}{floor}</span>\
         <span class=\"pm\">{}</span>{}</a></td>",
        escape(&says),
        escape(mean),
        escape(spread),
        axis.map_or(String::new(), |axis| axis.draw(cell))
    );
}

/// Evaluations, with their purposes in the tip.
fn cost(out: &mut String, at: &str, row: &Row) {
    let Some(charged) = row.charged else {
        out.push_str("<td class=\"none\">–</td>");
        return;
    };
    let claimed = if row.counted == Counted::Claimed { " <span class=\"chip\">claimed</span>" } else { "" };
    let _ = write!(
        out,
        "<td class=\"count\" data-v=\"{charged}\"><a class=\"open\" href=\"#r{at}\" data-at=\"{at}\" title=\"{}\">{}</a>{claimed}</td>",
        escape(&row.by_purpose()),
        grouped(charged)
    );
}

/// Whether a value is known only through somebody who read the source.
pub(super) fn second_hand(expected: &Expected) -> bool {
    expected.source.starts_with("second hand")
}

/// What is published of a method, in a row of its own below that of ours; those that are not run here stand below all.
fn theirs(out: &mut String, method: &str, row: &Row) {
    let _ = write!(
        out,
        "<tr class=\"published\"><th scope=\"row\" data-v=\"{0}\">{0}<br><span class=\"chip\">published</span>",
        escape(method)
    );
    let values = || row.cells.iter().map(|c| c.expected.as_ref().zip(c.paper));
    if values().flatten().any(|(e, _)| second_hand(e)) {
        out.push_str(
            " <span class=\"chip second\" title=\"Nobody here has seen the source itself: the values stand in a note about it, \
             named in the tip of each.\">second hand</span>",
        );
    }
    out.push_str("</th>");
    for published in values() {
        let Some((e, value)) = published else {
            out.push_str("<td class=\"none\"></td>");
            continue;
        };
        let text = as_published(value, e.published_sd);
        let (mean, spread) = text.split_at(text.find(" ±").unwrap_or(text.len()));
        let class = if second_hand(e) { " class=\"second\"" } else { "" };
        let _ = write!(
            out,
            "<td{class} data-v=\"{value}\"><span class=\"said\" tabindex=\"0\" title=\"{}\"><span class=\"v\">{mean}</span>\
             <span class=\"pm\">{spread}</span></span></td>",
            escape(&e.about())
        );
    }
    out.push_str("<td class=\"none\"></td><td class=\"none\"></td></tr>");
}

/// The reference's own row.
fn foot(out: &mut String, table: &Table) {
    if table.columns.iter().all(|c| c.floor.is_none()) {
        return;
    }
    out.push_str(
        "<tfoot><tr><th scope=\"row\" title=\"The same metric between two independent runs of the reference, or halves of \
         one: no method can be seen to be closer.\">Reference<br><span class=\"chip\">noise floor</span></th>",
    );
    for column in &table.columns {
        let _ = write!(out, "<td>{}</td>", column.floor.map_or("–".into(), number));
    }
    let _ =
        writeln!(out, "<td class=\"count\">{}</td><td></td></tr></tfoot>", table.reference.map_or("–".into(), grouped));
}

fn notes(out: &mut String, table: &Table) {
    let _ = writeln!(
        out,
        "<p class=\"note\">A click on a value opens the runs behind it. Below each value: a dot at it, a line for its interval, \
         a tick at the noise floor, on one axis for each column (logarithmic where values are far apart).</p>\n\
         <details class=\"note\"><summary>How to read the table</summary><p>{}</p></details>",
        escape(&table.caption)
    );
    if !table.sources.is_empty() {
        shell::folded(out, "note", "Published values: sources, and what is not shown", &table.sources);
    }
}
