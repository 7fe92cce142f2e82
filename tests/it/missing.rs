//! Cells that are not there are seen, in every output of `report`.

use std::path::Path;

use crate::common::place::{Place, ends_with, text};

const EXPERIMENT: &str = r#"
name = "few"
title = "Few"
seeds = [0, 1]
[systems.lj13]
temperature = 2.0
reference = { ladder = [4.0], copies = 2, equilibration = 50, stride = 2, samples = 40 }
[samplers.md]
kind = "md"
label = "MD"
walkers = 2
equilibration = 50
stride = 2
samples = 40
[metrics]
ids = ["energy-w1", "mean-energy"]
n = 40
bootstrap = 20
"#;

#[test]
fn report_of_a_part() {
    let place = Place::new(EXPERIMENT);
    ends_with(&place.sweep(&[]), 0);
    let report = |file: &Path, more: &[&str]| place.run(&[&["report", file.to_str().unwrap()], more].concat());
    ends_with(&report(&place.experiment, &["--require-complete"]), 0);

    // Asked for: three seeds on two systems. One of them is damaged, one is there, the others were never run.
    let more = place.dir.path().join("more.toml");
    let wider = EXPERIMENT
        .replace("[0, 1]", "[0, 1, 2]")
        .replace("[samplers.md]", "[systems.lj55]\ntemperature = 2.0\nreference = { ladder = [4.0] }\n[samplers.md]");
    std::fs::write(&more, wider).unwrap();
    let run = place.runs().into_iter().find(|run| run.id.seed == 1).unwrap();
    std::fs::write(run.file("counts.json"), "").unwrap();
    let damaged = run.id.to_string();
    let output = report(&more, &[]);
    ends_with(&output, 22);
    let all = "5 of 6 cells missing: 1 damaged, 4 never run";
    let first = "2 of 3 cells missing: 1 damaged, 1 never run";
    let whole = "3 of 3 cells missing: 3 never run";
    let said = text(&output);
    for expected in
        [first, whole, "lj55 at T = 2", "- MD: seed 2: never run", &format!("seed 1 (run {damaged}): damaged")]
    {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let read = |name: &str| std::fs::read_to_string(place.results().join("reports/few").join(name)).unwrap();
    assert!(read("table.md").contains(all) && read("table.md").contains(whole));
    assert!(read("table.tex").contains(first) && read("table.tex").contains(whole));
    assert!(read("report.html").contains(&format!("noise separates them. {first}.")), "the caption of a figure");
    assert!(read("report.html").contains(whole));
    assert!(read("table.csv").contains("seed 2: never run"));
    let json: serde_json::Value = serde_json::from_str(&read("table.json")).unwrap();
    assert_eq!((&json[0]["coverage"]["cells"], &json[1]["coverage"]["missing"][2]["seed"]), (&3.into(), &2.into()));

    let strict = report(&more, &["--require-complete"]);
    ends_with(&strict, 23);
    assert!(text(&strict).contains("5 of 6 cells are missing; the first: MD, seed 1"), "{}", text(&strict));
}
