//! Recorded scalars as small curves: one picture for each name, a line for each seed, all with the same axes.

use std::fmt::Write;

use super::shell;
use crate::report::detail::{Curve, Detail};
use crate::report::figures::range;
use crate::report::runs::{RunResult, by_key};
use crate::report::table::number;
use crate::text::html as escape;

const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 48.0;
const EDGE: f64 = 3.0;
/// Values so many times apart, and all above zero, are drawn by their logarithms.
const WIDE: f64 = 100.0;

/// The curves of one name, by seed.
type Group<'a> = (&'a str, Vec<(u64, &'a Curve)>);

/// All curves of the runs of a row; numbers that were recorded once each stand in a table.
pub(super) fn put(out: &mut String, runs: &[(&RunResult, &Detail)]) {
    let all = runs.iter().flat_map(|(run, detail)| detail.curves.iter().map(move |curve| (run.seed, curve)));
    let groups: Vec<Group<'_>> = by_key(all.map(|(seed, curve)| (curve.name.as_str(), (seed, curve))));
    if groups.is_empty() {
        return;
    }
    let (once, curves): (Vec<&Group<'_>>, Vec<&Group<'_>>) =
        groups.iter().partition(|(_, seeds)| seeds.iter().all(|(_, c)| c.points.len() < 2));
    out.push_str("<section class=\"full\"><h4>Recorded on the way</h4>");
    if !curves.is_empty() {
        let seeds: Vec<String> = runs.iter().enumerate().map(|(i, (run, _))| key(i, run.seed)).collect();
        let _ = write!(out, "<p class=\"keys\">{} <span>over steps</span></p><div class=\"curves\">", seeds.join(" "));
        for group in curves {
            draw(out, group, runs);
        }
        out.push_str("</div>");
    }
    if !once.is_empty() {
        let _ = write!(out, "<div class=\"wide\">{}</div>", table(&once, runs));
    }
    out.push_str("</section>\n");
}

fn key(place: usize, seed: u64) -> String {
    format!("<span class=\"key k{}\">seed {seed}</span>", place % 8)
}

fn draw(out: &mut String, (name, seeds): &Group<'_>, runs: &[(&RunResult, &Detail)]) {
    let points = || seeds.iter().flat_map(|(_, c)| &c.points);
    let ends = range(points().map(|p| p.0)).zip(range(points().map(|p| p.1)));
    let Some(((first, last), (low, high))) = ends else { return };
    let log = low > 0.0 && high > WIDE * low;
    let height = |value: f64| if log { value.ln() } else { value };
    let (bottom, span) = (height(low), height(high) - height(low));
    let x = |step: f64| EDGE + (step - first) / (last - first).max(1.0) * (WIDTH - 2.0 * EDGE);
    let y = |value: f64| {
        let share = if span > 0.0 { (height(value) - bottom) / span } else { 0.5 };
        HEIGHT - EDGE - share * (HEIGHT - 2.0 * EDGE)
    };
    let ends = seeds.iter().filter_map(|(seed, c)| Some(format!("seed {seed}: {}", number(c.points.last()?.1))));
    let ends = ends.collect::<Vec<_>>().join(", ");
    let most = seeds.iter().map(|(_, c)| c.recorded).max().unwrap_or(0);
    let says = format!("{name}: {most} values, from {} to {}; at the end {ends}", number(low), number(high));
    let _ = write!(
        out,
        "<figure class=\"curve\"><figcaption><code>{}</code></figcaption><svg role=\"img\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\
         <title>{}</title>",
        escape(name),
        escape(&says)
    );
    for (seed, curve) in seeds {
        let place = runs.iter().position(|(run, _)| run.seed == *seed).unwrap_or(0) % 8;
        let _ = write!(out, "<path class=\"k{place}\" d=\"");
        for (i, &(step, value)) in curve.points.iter().enumerate() {
            let _ = write!(out, "{}{:.0} {:.1}", if i == 0 { 'M' } else { 'L' }, x(step), y(value));
        }
        out.push_str("\"/>");
    }
    let _ = write!(
        out,
        "</svg><span class=\"range\">{} … {}{}</span></figure>",
        number(low),
        number(high),
        if log { ", log" } else { "" }
    );
}

/// Numbers that every run recorded once.
fn table(groups: &[&Group<'_>], runs: &[(&RunResult, &Detail)]) -> String {
    let row = |(name, seeds): &&Group<'_>| {
        let value = |(run, _): &(&RunResult, &Detail)| {
            let found = seeds.iter().find(|(seed, _)| *seed == run.seed);
            let value = found.and_then(|(_, c)| c.points.last()).map_or("–".into(), |p| number(p.1));
            format!("<td>{value}</td>")
        };
        format!("<td><code>{}</code></td>{}", escape(name), runs.iter().map(value).collect::<String>())
    };
    let heads: String = runs.iter().map(|(run, _)| format!("<th>seed {}</th>", run.seed)).collect();
    shell::small("small", &format!("<th>recorded once</th>{heads}"), groups.iter().map(row))
}
