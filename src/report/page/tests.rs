use std::collections::BTreeMap;

use super::table::second_hand;
use super::*;
use crate::report::baselines::Expected;
use crate::report::detail::Curve;
use crate::report::table::{
    collect,
    tests::{example, run},
};

fn material() -> Material {
    let curve = Curve { name: "loss<".into(), points: vec![(1.0, 5.0), (2.0, 0.5)], recorded: 2 };
    let detail = Detail {
        kind: "pita".into(),
        samples: Some(100),
        seconds: Some(121.5),
        began: Some("2026-11-30T11:16:34Z".into()),
        code: Some("3d870c1a4".into()),
        machine: Some("AMD EPYC, 2 cores".into()),
        digests: vec![("spec", "ab".repeat(32))],
        curves: vec![curve],
        ..Detail::default()
    };
    let details: BTreeMap<String, Detail> = example().into_iter().map(|r| (r.run_id, detail.clone())).collect();
    Material {
        title: "Table <1>".into(),
        command: Some("pita-bench report x.toml".into()),
        profile: Some("quick".into()),
        written: "2026-11-30T14:00:00Z".into(),
        details,
        references: vec![],
    }
}

#[test]
fn says_where_everything_comes_from() {
    let mut runs = example();
    runs[4].label = "<script>alert(1)</script>".into();
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"12\" height=\"7\" viewBox=\"0 0 12 7\" role=\"img\">\
               <title>Quality against cost</title><desc>a &amp; b</desc></svg>";
    let picture = Picture {
        name: "cost-lj13-T1".into(),
        place: "lj13 at T = 1".into(),
        caption: "a & b".into(),
        svg: svg.into(),
    };
    let page = page(&material(), &collect(&runs).unwrap(), &[picture], &runs);
    // Nothing is loaded from anywhere, and the only scripts are the page's own.
    for forbidden in ["src=", "url(", "@import", "<?xml", "href=\"http", "<script>alert", "<link"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert_eq!(page.matches("<script").count(), 2);
    for expected in [
        "default-src 'none'",
        "<title>Table &lt;1&gt;</title>",
        "<code>pita-bench report x.toml</code>",
        "<dt>profile</dt><dd>quick</dd>",
        "<dt>by commit</dt><dd>3d870c1a4</dd>",
        "<dt>on</dt><dd>AMD EPYC, 2 cores</dd>",
        "<dt>written</dt><dd>2026-11-30 14:00 UTC</dd>",
        "1 of 7 cells missing: 1 failed",
        "training diverged",
        "viewBox=\"0 0 12 7\" role=\"img\"><title>Quality against cost</title><desc>a &amp; b</desc>",
        "a &amp; b",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "data-copy=\"abababab",
        "<code>loss&lt;</code>",
        "2 min 02 s",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
}

/// Published values stand in rows of their own, and say so when nobody here has seen their source.
#[test]
fn published_rows() {
    let runs = example();
    let table = &collect(&runs).unwrap()[0];
    let of = |label: &str| table.rows.iter().find(|r| r.label == label).unwrap();
    let expected: Vec<&Expected> = of("PITA").cells.iter().filter_map(|c| c.expected.as_ref()).collect();
    assert_eq!((expected[0].published, of("PITA").published.as_deref()), (Some(2.26), Some("PITA")));
    assert!(expected.into_iter().any(second_hand));
    assert!(of("MD").published.is_none() && of("iDEM").published.is_some());
    // A method of two rows has its published values once.
    let mut twice = example();
    twice.push(RunResult { label: "PITA again".into(), ..run("pita", 1, 2.0) });
    let table = &collect(&twice).unwrap()[0];
    let titles: Vec<&String> = table.rows.iter().filter_map(|r| r.published.as_ref()).collect();
    assert_eq!(titles.iter().filter(|t| **t == "PITA").count(), 1, "{titles:?}");
}

/// A cell that was never run has neither run nor details; its row is there.
#[test]
fn without_details() {
    let mut runs = example();
    runs[0].run_id = String::new();
    let page = page(&Material::default(), &collect(&runs).unwrap(), &[], &runs);
    assert!(page.contains("<details class=\"behind\" id=\"r0-0\">") && page.contains("pita2"));
}
