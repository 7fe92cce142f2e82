//! The top of the page: title, where its numbers come from, what is missing, contents.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::shell::{self, copy, duration};
use super::{Material, slug};
use crate::identity;
use crate::report::missing::Coverage;
use crate::report::runs::RunResult;
use crate::report::table::{Table, grouped};
use crate::text::html as escape;

pub(super) fn put(out: &mut String, material: &Material, tables: &[Table], runs: &[RunResult]) {
    let _ = writeln!(out, "<header class=\"head\"><h1>{}</h1>", escape(&material.title));
    if let Some(command) = &material.command {
        let _ = writeln!(
            out,
            "<p class=\"command\"><span class=\"prompt\" aria-hidden=\"true\">$</span><code>{}</code>{}</p>",
            escape(command),
            copy(command)
        );
    }
    facts(out, material, runs);
    missing(out, runs);
    out.push_str("</header>\n");
    contents(out, tables);
}

/// Date, profile, code, machine, work.
fn facts(out: &mut String, material: &Material, runs: &[RunResult]) {
    // Details of the runs that are shown; a second row is no second run.
    let of_runs = || runs.iter().filter(|r| !r.reweighted).filter_map(|r| Some((r, material.details.get(&r.run_id)?)));
    let all = |of: &dyn Fn(&super::Detail) -> Option<&String>| -> String {
        let found: BTreeSet<&str> = of_runs().filter_map(|(_, d)| of(d)).map(String::as_str).collect();
        found.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
    };
    let began: BTreeSet<&str> = of_runs().filter_map(|(_, d)| d.began.as_deref()).collect();
    let day = |time: &&str| time.get(..10).unwrap_or(time).to_owned();
    let made = match (began.first().map(day), began.last().map(day)) {
        (Some(first), Some(last)) if first == last => first,
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => String::new(),
    };
    let seconds: f64 = of_runs().filter_map(|(_, d)| d.seconds).sum();
    let evaluations: u64 = runs.iter().filter(|r| !r.reweighted).map(|r| r.counts.charged()).sum();
    let count = of_runs().count();
    let work = format!("{count} runs, {} of work, {} energy evaluations", duration(seconds), grouped(evaluations));
    let written = material.written.get(..16).unwrap_or(&material.written).replace('T', " ");
    let facts = [
        ("written", if written.is_empty() { written } else { format!("{written} UTC") }),
        ("profile", material.profile.clone().unwrap_or_default()),
        ("runs made", made),
        ("by commit", all(&|d| d.code.as_ref())),
        ("on", all(&|d| d.machine.as_ref())),
        ("work", if count > 0 { work } else { String::new() }),
        ("page by", format!("pita-bench {}, commit {}", env!("CARGO_PKG_VERSION"), identity::code().short())),
    ];
    shell::facts(out, &facts.map(|(name, text)| (name, escape(&text))));
}

fn missing(out: &mut String, runs: &[RunResult]) {
    let coverage = Coverage::of(runs);
    match coverage.sentence() {
        None => _ = writeln!(out, "<p class=\"state good\">All {} cells are there.</p>", coverage.cells),
        Some(sentence) => shell::missing(out, &sentence, coverage.missing.iter()),
    }
}

fn contents(out: &mut String, tables: &[Table]) {
    out.push_str("<nav class=\"contents\" aria-label=\"Contents\"><ol>");
    for table in tables {
        let ours = table.rows.iter().filter(|r| !r.published_only).count();
        let missing = table.coverage.missing.len();
        let lacks = if missing > 0 { format!(", {missing} cells missing") } else { String::new() };
        let _ = write!(
            out,
            "<li><a href=\"#{}\"><b>{}</b><span>{ours} methods, {} metrics{lacks}</span></a></li>",
            slug(&table.title),
            escape(&table.title),
            table.columns.len()
        );
    }
    out.push_str(
        "<li><a href=\"#definitions\"><b>Definitions</b><span>metrics, marks, counts</span></a></li></ol></nav>\n",
    );
}
