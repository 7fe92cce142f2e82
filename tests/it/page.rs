//! The page in a real Chromium: sorting, filtering, what opens, what a phone, a dark room and paper show. Pictures of it are kept
//! under `target/tmp/page` for people to look at. Skips, saying so, without Chromium; `PITA_BENCH_REQUIRE=chromium` makes that a
//! failure.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::compare::two_versions;
use crate::common::browser::{self, Browser};
use crate::common::place::{Place, ends_with};

/// Largest page of a whole quick experiment.
const LARGEST: u64 = 3_000_000;
/// Slowest first paint from a disk, ms.
const SLOWEST: f64 = 1_000.0;
/// A phone.
const NARROW: u32 = 390;

/// What the tests need of `table.json`.
#[derive(Deserialize)]
struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Column {
    id: String,
}

#[derive(Deserialize)]
struct Row {
    label: String,
    published_only: bool,
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    mean: Option<f64>,
    paper: Option<f64>,
    run_ids: Vec<String>,
}

/// Where pictures of pages are kept.
fn gallery() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The report of the accepted bundle.
fn report() -> (Place, PathBuf) {
    let place = Place::new("");
    let out = place.dir.path().join("report");
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/accepted/table1-quick.tar.gz");
    ends_with(
        &place.run(&["--quiet", "report", "--from", bundle.to_str().unwrap(), "--out", out.to_str().unwrap()]),
        0,
    );
    (place, out)
}

/// The names of the rows of the first table, in the order of the page, without those that are hidden.
fn shown(browser: &mut Browser) -> Vec<String> {
    let rows = browser.eval(
        "[...document.querySelectorAll('table.grid[data-table=\"0\"] tbody')].filter(b => b.offsetParent && \
         b.offsetHeight).map(b => b.rows[0].cells[0].dataset.v)",
    );
    rows.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

/// Nothing is wider than the window.
#[track_caller]
fn fits(browser: &mut Browser, what: &str) {
    let width = browser.eval("document.scrollingElement.scrollWidth").as_u64().unwrap();
    assert!(width <= u64::from(NARROW), "{what} is {width} pixels wide");
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

#[test]
fn in_a_browser() {
    let Some(program) = browser::find() else { return };
    let (place, out) = report();
    let (file, gallery) = (out.join("report.html"), gallery());
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(size <= LARGEST, "{size} bytes");
    let text = std::fs::read_to_string(&file).unwrap();
    for here in [place.dir.path().to_str().unwrap(), env!("CARGO_MANIFEST_DIR"), "/tmp/"] {
        assert!(!text.contains(here), "the page names {here}");
    }
    let json = std::fs::read_to_string(out.join("table.json")).unwrap();
    let tables: Vec<Table> = serde_json::from_str(&json).unwrap();

    let mut browser = Browser::start(&program);
    browser.window(1280, 900, false);
    browser.open(&file, "");
    let paint = browser.eval(
        "new Promise(done => { const seen = () => performance.getEntriesByType('paint').find(p => p.name === \
         'first-contentful-paint'); const ask = n => seen() || n > 50 ? done(seen()?.startTime ?? null) : \
         setTimeout(() => ask(n + 1), 40); ask(0); })",
    );
    println!("page: {size} bytes, first contentful paint after {paint} ms");
    assert!(paint.as_f64().is_some_and(|ms| ms <= SLOWEST), "first paint after {paint} ms");
    browser.keep(&gallery.join("report-1280.png"));

    // What it says of itself.
    let facts = browser.eval("[...document.querySelectorAll('.head .facts dt')].map(e => e.textContent)");
    assert_eq!(strings(&facts), ["written", "profile", "runs made", "by commit", "on", "work", "page by"]);
    let command = browser.eval("document.querySelector('.command code').textContent");
    assert!(command.as_str().unwrap().ends_with("report --from table1-quick.tar.gz --out report"), "{command}");

    sorts_and_filters(&mut browser, &tables[0]);
    opens(&mut browser, &tables[0], &gallery);

    // Every figure is a picture with a title, and no id stands twice.
    let nameless = browser.eval(
        "[...document.querySelectorAll('main svg:not([aria-hidden])')].filter(s => s.getAttribute('role') !== 'img' || \
         !s.querySelector(':scope > title')).length",
    );
    assert_eq!(nameless, 0);
    let twice = browser.eval(
        "(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.length - new Set(ids).size; })()",
    );
    assert_eq!(twice, 0, "ids");
    let pictures = browser.eval("document.querySelectorAll('figure.picture svg').length");
    assert!(pictures.as_u64().unwrap() >= 3, "{pictures} figures");

    // Dark, as the system has it, and by the button.
    let back = |browser: &mut Browser| browser.eval("getComputedStyle(document.body).backgroundColor");
    let light = back(&mut browser);
    browser.window(1280, 900, true);
    assert_ne!(back(&mut browser), light, "as the system has it");
    browser.eval("scrollTo(0, 0)");
    browser.keep(&gallery.join("report-dark.png"));
    browser.window(1280, 900, false);
    browser.click(".theme");
    browser.click(".theme");
    assert_ne!(back(&mut browser), light, "by the button");
    browser.click(".theme");
    assert_eq!(back(&mut browser), light);

    // A phone.
    browser.window(NARROW, 844, false);
    browser.open(&file, "");
    fits(&mut browser, "the page");
    browser.keep(&gallery.join("report-390.png"));
    browser.eval("document.querySelectorAll('details').forEach(d => d.open = true)");
    fits(&mut browser, "the page with all that unfolds");
    browser.open(&file, "#cell-0-0-1");
    fits(&mut browser, "a cell");
    let panel = browser.eval("document.getElementById('panel').scrollWidth");
    assert!(panel.as_u64().unwrap() <= u64::from(NARROW), "the panel is {panel} pixels wide");
    browser.keep(&gallery.join("cell-390.png"));

    browser.window(1280, 900, false);
    browser.open(&file, "");
    browser.print(&gallery.join("report.pdf"));
    assert_eq!(browser.complaints(), Vec::<String>::new());

    // Without scripts all numbers are there, and what is behind them unfolds; nothing is offered that would not work.
    browser.ask("Emulation.setScriptExecutionDisabled", &serde_json::json!({ "value": true }));
    browser.open(&file, "");
    browser.ask("Emulation.setScriptExecutionDisabled", &serde_json::json!({ "value": false }));
    let idle =
        browser.eval("[...document.querySelectorAll('.tools, .theme, .copy')].filter(e => e.offsetParent).length");
    assert_eq!(idle, 0);
    assert_eq!(shown(&mut browser).len(), tables[0].rows.len());
    browser.click("details.behind > summary");
    assert_eq!(browser.eval("document.querySelector('details.behind').open"), true);
}

/// A click on a heading sorts, a second one the other way, a third one not at all; a word in the box filters.
fn sorts_and_filters(browser: &mut Browser, table: &Table) {
    let before = shown(browser);
    let labels: Vec<&str> = table.rows.iter().map(|r| r.label.as_str()).collect();
    assert_eq!(before, labels);
    let at = table.columns.iter().position(|c| c.id == "energy-w2").unwrap();
    let head = format!("table.grid[data-table='0'] thead th[data-key='{at}'] button");
    let mut wanted: Vec<(f64, &str)> = Vec::new();
    for row in &table.rows {
        let value = if row.published_only { row.cells[at].paper } else { row.cells[at].mean };
        wanted.extend(value.map(|v| (v, row.label.as_str())));
    }
    wanted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let up: Vec<&str> = wanted.iter().map(|(_, label)| *label).collect();
    browser.click(&head);
    assert_eq!(shown(browser)[..up.len()], up);
    browser.click(&head);
    let down: Vec<&str> = up.iter().rev().copied().collect();
    assert_eq!(shown(browser)[..up.len()], down, "what has no value stays last");
    browser.click(&head);
    assert_eq!(shown(browser), before);

    let tools = ".tools[data-table='0']";
    browser.click(&format!("{tools} input[type=search]"));
    browser.write("replica");
    assert_eq!(shown(browser), ["Replica exchange"]);
    let said = browser.eval(&format!("document.querySelector(\"{tools} output\").textContent"));
    assert_eq!(said, format!("1 of {} rows", before.len()));
    browser.eval(&format!(
        "(() => {{ const i = document.querySelector(\"{tools} input\"); i.value = ''; i.dispatchEvent(new Event('input')); }})()"
    ));
    browser.click(&format!("{tools} .published"));
    let ours: Vec<&str> = table.rows.iter().filter(|r| !r.published_only).map(|r| r.label.as_str()).collect();
    assert_eq!(shown(browser), ours, "published values hidden");
    browser.click(&format!("{tools} .published"));
    assert_eq!(shown(browser), before);

    browser.click(&format!("{tools} .pick summary"));
    browser.click(&format!("{tools} .menu label"));
    let gone =
        browser.eval("document.querySelector(\"table.grid[data-table='0'] thead th[data-key='0']\").offsetParent");
    assert!(gone.is_null(), "a metric that is not picked has no column");
    browser.click(&format!("{tools} .menu label"));
    browser.click("h1");
}

/// A click on a value opens what is behind it; Escape closes it.
fn opens(browser: &mut Browser, table: &Table, gallery: &Path) {
    let row = table.rows.iter().position(|r| r.label == "PITA").unwrap();
    let column = table.columns.iter().position(|c| c.id == "energy-w2").unwrap();
    let cell = &table.rows[row].cells[column];
    browser.click(&format!("a.open[data-at='0-{row}-{column}']"));
    assert_eq!(browser.eval("document.getElementById('panel').open"), true);
    let text = browser.eval("document.getElementById('panel').textContent");
    let text = text.as_str().unwrap();
    for id in &cell.run_ids {
        assert!(text.contains(id.as_str()), "run {id}");
    }
    // The mean is written with about four significant digits, however large it is.
    let title = browser.eval("document.querySelector('#panel .seeds title').textContent");
    let mean = title.as_str().unwrap().rsplit("mean ").next().unwrap().parse::<f64>().unwrap();
    let wanted = cell.mean.unwrap();
    assert!((mean - wanted).abs() <= 5e-4 * wanted.abs(), "{title}, and not {wanted}");
    for expected in [
        "PITA: Energy-W2",
        "2-Wasserstein distance",
        "Settings that differ",
        "train.batch",
        "Energy evaluations by purpose",
        "refinement",
        "Recorded on the way",
        "loss.score",
        "Every metric, seed by seed",
        "Digests and files",
        "not in this bundle",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let seeds = browser.eval("document.querySelectorAll('#panel .seeds circle:not(.mean)').length");
    assert_eq!(seeds, cell.run_ids.len());
    let curves = browser.eval("document.querySelectorAll('#panel .curve path').length");
    assert!(curves.as_u64().unwrap() >= 12, "{curves} curves");
    let digests = browser.eval("[...document.querySelectorAll('#panel [data-copy]')].map(b => b.dataset.copy)");
    assert!(strings(&digests).iter().all(|d| d.len() == 64) && strings(&digests).len() >= 12, "{digests}");
    browser.keep(&gallery.join("cell-1280.png"));
    browser.click("#panel [data-copy]");
    let said = browser.eval(
        "new Promise(done => setTimeout(() => done(document.querySelector('#panel [data-copy]').textContent), 200))",
    );
    assert_eq!(said, "copied");
    browser.escape();
    assert_eq!(browser.eval("document.getElementById('panel').open"), false);

    // A definition under the mouse.
    browser.point("table.grid[data-table='0'] thead th[data-key='0'] button");
    let tip = browser.eval("document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent");
    assert!(tip.as_str().unwrap().contains("1-Wasserstein distance between reduced energies"), "{tip}");
}

/// The comparison of two versions: counts of verdicts, only what changed, no sideways scrolling.
#[test]
fn two_versions_in_a_browser() {
    let Some(program) = browser::find() else { return };
    let place = two_versions();
    let experiment = place.experiment.to_str().unwrap();
    ends_with(&place.run(&["--quiet", "report", experiment, "--compare", "aaaa", "bbbb"]), 0);
    let (file, gallery) = (place.results().join("reports/two/compare.html"), gallery());
    let mut browser = Browser::start(&program);
    browser.window(1280, 900, false);
    browser.open(&file, "");
    let counts = browser.eval("[...document.querySelectorAll('.counters li')].map(e => e.textContent)");
    assert_eq!(strings(&counts), ["1 worse", "0 better", "1 tie"]);
    assert_eq!(shown(&mut browser).len(), 2);
    browser.click(".tools .changed");
    assert_eq!(shown(&mut browser), ["MD (stride = 100)"]);
    browser.keep(&gallery.join("compare-1280.png"));
    browser.window(NARROW, 844, false);
    fits(&mut browser, "the comparison");
    browser.keep(&gallery.join("compare-390.png"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
