//! Figures inside the page: names of their own for everything that a figure refers to, a title, a text in place of the picture.

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
    // Each SVG comes with an XML header of its own, which does not belong inside a page.
    let svg = picture.svg.find("<svg").map_or("", |start| &picture.svg[start..]);
    let title = title(&picture.name);
    let name: String = picture.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let class = if is_tall(svg) { "picture broad" } else { "picture" };
    let svg = described(&scalable(&own_names(svg, &name)), &title, &picture.caption);
    let heading = if title.is_empty() { String::new() } else { format!("<b>{}</b> ", escape(&title)) };
    let _ = writeln!(
        out,
        "<figure class=\"{class}\" id=\"figure-{name}\"><div class=\"paper\">{svg}</div><figcaption>{heading}{}</figcaption></figure>",
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

/// Width and height of a figure in its own units: of its view box, or else as stated in pixels.
fn size(tag: &str) -> Option<(f64, f64)> {
    if let Some((_, view)) = attribute(tag, "viewBox") {
        let numbers: Vec<f64> = view.split([' ', ',']).filter_map(|n| n.parse().ok()).collect();
        return (numbers.len() == 4).then(|| (numbers[2], numbers[3]));
    }
    let number = |name: &str| attribute(tag, name)?.1.trim_end_matches("px").parse::<f64>().ok();
    Some((number("width")?, number("height")?))
}

fn title(name: &str) -> String {
    let kind = name.split('-').next().unwrap_or_default();
    let known = TITLES.iter().find(|(k, _)| *k == kind).map(|(_, title)| (*title).to_owned());
    known.unwrap_or_else(|| {
        let mut letters = kind.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    })
}

/// Gives the root element a view box in place of its fixed size, so that the figure follows the width of the page.
fn scalable(svg: &str) -> String {
    let tag = root(svg);
    let Some((width, height)) = size(tag) else { return svg.to_owned() };
    let mut fresh = tag.to_owned();
    for name in ["width", "height"] {
        if let Some((place, _)) = attribute(&fresh, name) {
            fresh.replace_range(place, "");
        }
    }
    if !fresh.contains("viewBox") {
        let _ = write!(fresh, " viewBox=\"0 0 {width} {height}\"");
    }
    format!("{fresh}{}", &svg[tag.len()..])
}

/// Marks the figure as a picture with a title and a description.
fn described(svg: &str, title: &str, caption: &str) -> String {
    let Some(end) = svg.find('>') else { return svg.to_owned() };
    let (root, rest) = svg.split_at(end);
    let role = if root.contains(" role=") { "" } else { " role=\"img\"" };
    let texts = if rest[1..].trim_start().starts_with("<title") {
        String::new()
    } else {
        let title = if title.is_empty() { caption } else { title };
        format!("<title>{}</title><desc>{}</desc>", escape(title), escape(caption))
    };
    // An element without content has no place for texts.
    if root.ends_with('/') {
        return format!("{}{role}>{texts}</svg>", root.trim_end_matches('/'));
    }
    format!("{root}{role}>{texts}{}", &rest[1..])
}

/// Puts the figure's name before every id in it: two figures of a page may have the same ids.
fn own_names(svg: &str, name: &str) -> String {
    if !svg.contains(" id=\"") {
        return svg.to_owned();
    }
    svg.replace(" id=\"", &format!(" id=\"{name}-"))
        .replace("url(#", &format!("url(#{name}-"))
        .replace("href=\"#", &format!("href=\"#{name}-"))
        .replace("aria-labelledby=\"", &format!("aria-labelledby=\"{name}-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_width_and_says_what_it_is() {
        let svg = "<svg width=\"12\" height=\"7\" xmlns=\"http://www.w3.org/2000/svg\"><rect width=\"3\" height=\"3\"/></svg>";
        let found = described(&scalable(svg), "T", "a & b");
        assert_eq!(
            found,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 12 7\" role=\"img\"><title>T</title>\
             <desc>a &amp; b</desc><rect width=\"3\" height=\"3\"/></svg>"
        );
        assert_eq!(described("<svg/>", "T", "c"), "<svg role=\"img\"><title>T</title><desc>c</desc></svg>");
        let inches = "<svg width=\"8.50in\" height=\"4in\" viewBox=\"0 0 850 400\"/>";
        assert_eq!(scalable(inches), "<svg viewBox=\"0 0 850 400\"/>");
        let titled = "<svg viewBox=\"0 0 1 1\" role=\"img\"><title>own</title></svg>";
        assert_eq!(described(&scalable(titled), "T", "c"), titled);
    }

    #[test]
    fn ids_of_figures_do_not_meet() {
        let svg = "<svg><clipPath id=\"c\"/><g clip-path=\"url(#c)\"/><use href=\"#c\"/></svg>";
        let found = own_names(svg, "x-1");
        assert_eq!(found, "<svg><clipPath id=\"x-1-c\"/><g clip-path=\"url(#x-1-c)\"/><use href=\"#x-1-c\"/></svg>");
        assert_eq!(own_names("<svg/>", "x"), "<svg/>");
    }

    #[test]
    fn grids_of_panels_stand_alone() {
        let tall = |w: u32, h: u32| is_tall(&format!("<svg width=\"{w}\" height=\"{h}\">"));
        assert_eq!([tall(1200, 1000), tall(1200, 560), tall(600, 600)], [true, false, false]);
        assert!(!is_tall("<svg>"));
    }

    #[test]
    fn titles_by_kind() {
        assert_eq!([title("phi-aldp-T300"), title("other-aldp"), title("")], ["Free energy along φ", "Other", ""]);
    }
}
