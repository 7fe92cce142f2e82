//! What holds for every figure: formats agree, nothing is cut off, the same input gives the same bytes.

use svg2pdf::usvg::{Group, Node, Rect, Tree};

use super::*;

/// Three seeds of something around `middle`.
fn seeds(middle: f64) -> Vec<Vec<f64>> {
    let value =
        |seed: u32, i: u32| middle + 3.0 * f64::from((i * 37 + seed * 11) % 101) / 101.0 + f64::from(seed) / 9.0;
    (0..3).map(|seed| (0..400).map(|i| value(seed, i)).collect()).collect()
}

const NAMES: [&str; 6] = [
    "MD\nfriction = 0.5",
    "MD\nfriction = 1.0",
    "Annealed SMC (5,000 particles)",
    "PITA (internal), with a name that nobody can print in one line, first",
    "PITA (internal), with a name that nobody can print in one line, second",
    "NRPT",
];

fn samples() -> Samples {
    let set = |label: &str, shift: f64| SampleSet {
        label: label.into(),
        distances: seeds(1.0 + shift / 20.0),
        energies: seeds(-40.0 + shift),
    };
    let methods = NAMES.iter().enumerate().map(|(i, name)| set(name, 4.0 * i as f64)).collect();
    Samples { reference: set("reference", 0.0), methods, length_unit: "r_m".into() }
}

fn planes(axes: Axes) -> Planes {
    let cloud = |shift: f64| -> Vec<[f64; 2]> { seeds(shift).concat().windows(2).map(|w| [w[0], w[1]]).collect() };
    let labels: Vec<String> = std::iter::once("reference").chain(NAMES).map(str::to_owned).collect();
    let clouds = (0..labels.len()).map(|i| cloud(-1.0 + 0.3 * i as f64)).collect();
    Planes { labels, planes: vec![Plane { x: "φ ALA2".into(), y: "ψ ALA2".into(), clouds }], axes }
}

fn profiles() -> Profiles {
    let methods = (0..NAMES.len()).map(|i| seeds(-1.0 + 0.2 * i as f64)).collect();
    let profile = Profile { x: "φ ALA2".into(), reference: seeds(-1.0).concat(), methods };
    Profiles { labels: NAMES.map(str::to_owned).to_vec(), profiles: vec![profile] }
}

fn curves() -> (Ladder, Training, Cost) {
    let steps =
        |scale: f64| (0..3).map(|s| [4.0, 2.0, 1.0].map(|t| (t, scale * t + 0.01 * f64::from(s))).to_vec()).collect();
    let descent =
        |label: &str| Descent { label: label.into(), energies: steps(-20.0), ess: steps(0.1), parents: steps(90.0) };
    let ladder = Ladder { methods: NAMES.map(descent).to_vec(), reference: Some((1.0, -18.0)), unit: " (K)".into() };
    let curve =
        |scale: f64| (0..3).map(|s| (0..50).map(|i| (f64::from(i), scale / f64::from(1 + i + s))).collect()).collect();
    let loss =
        |label: &&str| Loss { label: format!("{label}\nenergy matching"), seeds: curve(2e5), borders: vec![20.0] };
    let training = Training { losses: NAMES.iter().map(loss).collect() };
    let budget = |n: f64| Budget {
        evaluations: n,
        value: 1e3 / n,
        ends: Some((-1.0, 3e3 / n)),
        seeds: vec![(n, 9e2 / n), (n, 1.1e3 / n)],
    };
    let method = |label: &str| Method {
        label: label.into(),
        budgets: vec![budget(1e3), budget(1e5)],
        curve: Some((vec![1e2, 1e3], vec![vec![3.0, 1.0], vec![2.0, 0.9]])),
    };
    let quality =
        |metric: &str| Quality { metric: metric.into(), floor: Some(0.02), methods: NAMES.map(method).to_vec() };
    let cost = Cost { panels: ["Energy-W1 (kT)", "Distance-W2 (r_m)"].map(quality).to_vec() };
    (ladder, training, cost)
}

/// As SVG, with words that need escapes.
pub(super) fn drawn(figure: &impl Figure) -> String {
    svg(figure, &Words { title: "lj13 & more".into(), description: "what <it> shows".into() }).unwrap()
}

/// Every kind of figure as SVG with its size.
fn all() -> Vec<(&'static str, String, (u32, u32))> {
    fn sized(name: &'static str, figure: &impl Figure) -> (&'static str, String, (u32, u32)) {
        (name, drawn(figure), figure.size())
    }
    let samples = samples();
    let (ladder, training, cost) = curves();
    let night = |day: f64| Night { day, mean: 1.0, error: 0.1, code: format!("code {day}") };
    vec![
        sized("samples", &SamplesFigure { samples: &samples, shown: Shown::Both }),
        sized("energies", &SamplesFigure { samples: &samples, shown: Shown::Energies }),
        sized("ramachandran", &planes(Axes::Angles)),
        sized("tica", &planes(Axes::Reference)),
        sized("phi", &profiles()),
        sized("reference", &Convergence { energies: seeds(0.0).concat() }),
        sized("ladder", &ladder),
        sized("training", &training),
        sized("cost", &cost),
        sized(
            "history",
            &History {
                nights: [0.0, 1.0, 2.0].map(night).to_vec(),
                accepted: Some((1.0, 0.3)),
                metric: "Energy-W1 (kT)".into(),
                first: "2026-11-25".into(),
            },
        ),
    ]
}

/// Text and its box on the page, in the units of the drawing.
fn texts(group: &Group, found: &mut Vec<(String, Rect)>) {
    for node in group.children() {
        match node {
            Node::Group(group) => texts(group, found),
            Node::Text(text) => {
                let words = text.chunks().iter().map(svg2pdf::usvg::TextChunk::text).collect::<String>();
                found.push((words, text.abs_bounding_box()));
            }
            _ => {}
        }
    }
}

#[test]
fn no_text_leaves_the_page() {
    for (name, svg, _) in all() {
        let tree: Tree = formats::tree(&svg).unwrap();
        let mut found = Vec::new();
        texts(tree.root(), &mut found);
        assert!(found.len() > 5, "{name}: {} texts", found.len());
        for (words, place) in found {
            let inside = place.left() >= 0.0
                && place.top() >= 0.0
                && place.right() <= tree.size().width()
                && place.bottom() <= tree.size().height();
            assert!(inside, "{name}: {words:?} at {place:?} of {:?}", tree.size());
        }
    }
}

#[test]
fn titles_of_panels_differ() {
    for (name, svg, _) in all().into_iter().filter(|f| ["samples", "ramachandran", "phi", "training"].contains(&f.0)) {
        let tree = formats::tree(&svg).unwrap();
        let mut found = Vec::new();
        texts(tree.root(), &mut found);
        let ends: Vec<&String> =
            found.iter().map(|f| &f.0).filter(|t| t.ends_with("first") || t.ends_with("second")).collect();
        assert!(
            ends.iter().any(|t| t.ends_with("first")) && ends.iter().any(|t| t.ends_with("second")),
            "{name}: {ends:?}"
        );
        assert!(["friction = 0.5", "friction = 1.0"].iter().all(|t| found.iter().any(|f| f.0 == *t)), "{name}");
    }
}

/// 7 or 3.4 inches in every format; the PDF carries its font.
#[test]
fn formats_agree() {
    for (name, svg, (width, height)) in all() {
        assert!([style::SINGLE, style::DOUBLE].contains(&width), "{name}: {width}");
        let tree = formats::tree(&svg).unwrap();
        let inches = f64::from(width) / 300.0;
        assert!(svg.starts_with("<svg ") && svg.contains(&format!("width=\"{inches:.2}in\"")), "{name}");
        assert!((f64::from(tree.size().width()) - inches * 72.0).abs() < 0.01, "{name}: {:?}", tree.size());
        let png = formats::png(&tree, (width, height)).unwrap();
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!((&png[1..4], number(16), number(20)), (&b"PNG"[..], width, height), "{name}");
        let pdf = formats::pdf(&svg).unwrap();
        let has = |words: &[u8]| pdf.windows(words.len()).any(|w| w == words);
        assert!(pdf.starts_with(b"%PDF") && has(b"DejaVuSans") && has(b"/FontFile2"), "{name}: no font");
        let page = format!("/MediaBox [0 0 {} ", tree.size().width());
        assert!(has(page.as_bytes()), "{name}: {page}");
    }
}

#[test]
fn says_what_it_shows_in_words() {
    let (_, svg, _) = all().remove(0);
    let head =
        "role=\"img\" stroke-linejoin=\"round\">\n<title>lj13 &amp; more</title>\n<desc>what &lt;it&gt; shows</desc>";
    assert!(svg.contains(head), "{}", &svg[..400]);
    assert!(svg.contains("font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\""));
}

#[test]
fn the_same_bytes_twice() {
    let bytes = || -> Vec<(String, Vec<u8>, Vec<u8>)> {
        let both = |(_, svg, size): (&str, String, (u32, u32))| {
            let tree = formats::tree(&svg).unwrap();
            let (png, pdf) = (formats::png(&tree, size).unwrap(), formats::pdf(&svg).unwrap());
            (svg, png, pdf)
        };
        all().into_iter().map(both).collect()
    };
    assert!(bytes() == bytes());
}
