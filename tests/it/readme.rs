//! Every table of the README is what `report --from` makes of the accepted bundle that stands above it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::place::{Place, ends_with};

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The tables of a bundle's report by the key of their system: headings first.
fn report(bundle: &Path) -> BTreeMap<String, Vec<Vec<String>>> {
    let place = Place::new("");
    let out = place.dir.path().join("report");
    let (bundle, to) = (bundle.to_str().unwrap(), out.to_str().unwrap());
    ends_with(&place.run(&["--quiet", "report", "--from", bundle, "--out", to]), 0);
    let text = std::fs::read_to_string(out.join("table.md")).unwrap();
    let mut tables = BTreeMap::new();
    for part in text.split("\n## ").skip(1) {
        let system = part.split_whitespace().next().unwrap().to_owned();
        let table = part.lines().skip_while(|l| !l.starts_with('|')).take_while(|l| l.starts_with('|'));
        tables.insert(system, table.map(cells).collect());
    }
    tables
}

#[test]
fn every_table_traces_to_a_bundle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut known: BTreeMap<String, BTreeMap<String, Vec<Vec<String>>>> = BTreeMap::new();
    let lines: Vec<&str> = readme.lines().collect();
    let mut compared = 0;
    for (i, line) in lines.iter().enumerate() {
        let begins = line.starts_with('|') && !lines[i - 1].starts_with('|');
        if !begins {
            continue;
        }
        let mark = lines[i - 1].strip_prefix("<!-- ").and_then(|m| m.strip_suffix(" -->"));
        let (bundle, system) =
            mark.and_then(|m| m.split_once(':')?.0.split_once(' ')).unwrap_or_else(|| panic!("{line}"));
        let tables = known.entry(bundle.to_owned()).or_insert_with(|| report(&root.join(bundle)));
        let theirs = &tables[system];
        let ours: Vec<Vec<String>> = lines[i..].iter().take_while(|l| l.starts_with('|')).map(|l| cells(l)).collect();
        for row in ours.iter().skip(2) {
            let same = theirs.iter().find(|r| r[0] == row[0]).unwrap_or_else(|| panic!("{system}: no row {}", row[0]));
            for (heading, cell) in ours[0].iter().zip(row) {
                let column =
                    theirs[0].iter().position(|h| h == heading).unwrap_or_else(|| panic!("no column {heading}"));
                assert_eq!(&same[column], cell, "{system}, {}, {heading}", row[0]);
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "{compared} cells");
}
