//! Figures inside the page. Each is as [`svg`](crate::report::figures::svg) wrote it, with a title and a description of its own.

use std::fmt::Write;
use std::ops::Range;

use super::Picture;
use crate::text::html as escape;

/// Titles by what a file name begins with; others are called by that.
const TITLES: &[(&str, &str)] = &[
    ("samples", "Samples against the reference"),
    ("ramachandran", "Ramachandran maps"),
    ("phi", "Free energy along φ"),
    ("tica", "Slow components"),
    ("energies", "Reduced energies"),
    ("reference", "Convergence of the reference"),
    ("cost", "Quality against cost"),
    ("ladder", "The ladder at a glance"),
    ("training", "Losses over training"),
];

/// Figures of this width, in their own units, and higher than three quarters of it stand alone.
const BROAD: f64 = 700.0;

/// Figures beside each other where there is room.
pub(super) fn grid(out: &mut String, pictures: &[&Picture]) {
    if pictures.is_empty() {
        return;
    }
    out.push_str("<div class=\"figures\">\n");
    pictures.iter().for_each(|picture| put(out, picture));
    out.push_str("</div>\n");
}

/// One figure.
pub(super) fn put(out: &mut String, picture: &Picture) {
    let title = title(&picture.name);
    let name: String = picture.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let class = if is_tall(&picture.svg) { "picture broad" } else { "picture" };
    let heading = if title.is_empty() { String::new() } else { format!("<b>{}</b> ", escape(&title)) };
    let _ = writeln!(
        out,
        "<figure class=\"{class}\" id=\"figure-{name}\"><div class=\"paper\">{}</div><figcaption>{heading}{}</figcaption></figure>",
        scalable(&picture.svg),
        escape(&picture.caption)
    );
}

/// Whether a figure has many panels in rows: beside another one they would be too small.
fn is_tall(svg: &str) -> bool {
    size(root(svg)).is_some_and(|(width, height)| width >= BROAD && height > 0.75 * width)
}

/// The root element's tag, without its end.
fn root(svg: &str) -> &str {
    svg.split('>').next().unwrap_or_default()
}

/// Where an attribute of a tag stands, from the space before it to its closing quote, and its value.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<(Range<usize>, &'a str)> {
    let from = tag.find(&format!(" {name}=\""))?;
    let begin = from + name.len() + 3;
    let end = begin + tag[begin..].find('"')?;
    Some((from..end + 1, &tag[begin..end]))
}

/// Width and height of a figure in its own units: of its view box.
fn size(tag: &str) -> Option<(f64, f64)> {
    let numbers: Vec<f64> = attribute(tag, "viewBox")?.1.split(' ').filter_map(|n| n.parse().ok()).collect();
    (numbers.len() == 4).then(|| (numbers[2], numbers[3]))
}

fn title(name: &str) -> String {
    let kind = name.split('-').next().unwrap_or_default();
    let known = TITLES.iter().find(|(k, _)| *k == kind).map(|(_, title)| (*title).to_owned());
    known.unwrap_or_else(|| {
        let mut letters = kind.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    })
}

/// Takes the fixed size from the root element, so that the figure follows the width of the page.
fn scalable(svg: &str) -> String {
    let (tag, rest) = svg.split_at(root(svg).len());
    let mut tag = tag.to_owned();
    for name in ["width", "height"] {
        if let Some((place, _)) = attribute(&tag, name) {
            tag.replace_range(place, "");
        }
    }
    tag + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_width() {
        let svg = "<svg width=\"8.50in\" height=\"4in\" viewBox=\"0 0 850 400\"><rect width=\"3\" height=\"3\"/></svg>";
        assert_eq!(scalable(svg), "<svg viewBox=\"0 0 850 400\"><rect width=\"3\" height=\"3\"/></svg>");
    }

    #[test]
    fn grids_of_panels_stand_alone() {
        let tall = |w: u32, h: u32| is_tall(&format!("<svg viewBox=\"0 0 {w} {h}\">"));
        assert_eq!([tall(1200, 1000), tall(1200, 560), tall(600, 600)], [true, false, false]);
        assert!(!is_tall("<svg>"));
    }

    #[test]
    fn titles_by_kind() {
        assert_eq!([title("phi-aldp-T300"), title("other-aldp"), title("")], ["Free energy along φ", "Other", ""]);
    }
}
