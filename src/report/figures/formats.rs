//! From one SVG text to all formats: the PNG and the PDF are made of the same tree, so all three agree.

use resvg::tiny_skia::{Color, Pixmap};
use svg2pdf::usvg::{Options, Transform, Tree};
use svg2pdf::{ConversionOptions, PageOptions};

use super::letters::{self, FAMILY};
use super::style::INCH;
use crate::error::{Error, Result};
use crate::text;

/// Points of an inch: a pixel of the tree is a point of the PDF.
const POINTS: f32 = 72.0;

/// What is said of a figure to those who do not see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// A name.
    pub title: String,
    /// What it shows.
    pub description: String,
}

/// Why there is no figure.
pub(super) fn failed(why: impl std::fmt::Display) -> Error {
    Error::Internal(format!("drawing a figure: {why}"))
}

/// Plotters' SVG as a figure of its size in inches, with a title and a description.
pub(super) fn finished(svg: &str, (width, height): (u32, u32), words: &Words) -> Result<String> {
    let body = svg.find('>').map(|end| svg[end + 1..].trim_start());
    let body = body.ok_or_else(|| failed("plotters wrote no SVG"))?;
    // Plotters ends each text with a line feed, which some viewers draw as a space.
    let body = body.replace("\n</text>", "</text>").replace(" opacity=\"1\"", "");
    let body = body.lines().map(translucent).collect::<Vec<_>>().join("\n");
    let inches = |length: u32| f64::from(length) / f64::from(INCH);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.2}in\" height=\"{:.2}in\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" stroke-linejoin=\"round\">\n<title>{}</title>\n<desc>{}</desc>\n{body}\n",
        inches(width),
        inches(height),
        text::html(&words.title),
        text::html(&words.description)
    ))
}

/// The SVG as the renderers see it, in points.
pub(super) fn tree(svg: &str) -> Result<Tree> {
    let options = Options { dpi: POINTS, font_family: FAMILY.into(), fontdb: letters::fonts(), ..Options::default() };
    Tree::from_str(svg, &options).map_err(failed)
}

/// A PNG of `width` by `height` pixels.
pub(super) fn png(tree: &Tree, (width, height): (u32, u32)) -> Result<Vec<u8>> {
    let failed = |why: &str| Error::Internal(format!("drawing a figure of {width} x {height} pixels: {why}"));
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| failed("no such picture"))?;
    pixels.fill(Color::WHITE);
    let scale = (width as f32 / tree.size().width(), height as f32 / tree.size().height());
    resvg::render(tree, Transform::from_scale(scale.0, scale.1), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| failed(&e.to_string()))
}

/// A line of SVG with the opacity of an element as that of its paint: as seen it is the same, and a PDF needs no group for it.
fn translucent(line: &str) -> String {
    let drawn = line.contains(" fill=\"none\"") || line.starts_with("<line");
    let paint = if drawn { " stroke-opacity=" } else { " fill-opacity=" };
    line.replace(" opacity=", paint)
}

/// A PDF page of the figure's size, text as text in the embedded font.
pub(super) fn pdf(svg: &str) -> Result<Vec<u8>> {
    let tree = tree(&without_seams(svg))?;
    let pdf = svg2pdf::to_pdf(&tree, ConversionOptions::default(), PageOptions { dpi: POINTS });
    pdf.map_err(failed).map(|pdf| in_order(&pdf))
}

/// The SVG with thin outlines around the cells of maps, in their own colours: PDF knows no crisp edges, and viewers would show
/// white seams between neighbours.
fn without_seams(svg: &str) -> String {
    const CELLS: &str = "<path shape-rendering=\"crispEdges\" fill=\"";
    let outlined = |line: &str| {
        let colour = line.strip_prefix(CELLS).and_then(|rest| rest.split('"').next());
        colour.map_or(line.to_owned(), |colour| {
            line.replacen("<path", &format!("<path stroke=\"{colour}\" stroke-width=\"0.8\""), 1)
        })
    };
    svg.lines().map(outlined).collect::<Vec<_>>().join("\n")
}

/// The PDF with its lists of resources sorted: svg2pdf writes them in the order of a hash table, which is another one every
/// time. Lines change places within a list, so that everything behind it stays where it is.
fn in_order(pdf: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = pdf.split(|b| *b == b'\n').collect();
    for list in lines.chunk_by_mut(|a, b| is_resource(a) && is_resource(b)) {
        list.sort_by_key(|line| (line.len(), *line));
    }
    lines.join(&b'\n')
}

/// Whether a line names an object, as in `/gs3 12 0 R`, or a space of colours.
fn is_resource(line: &[u8]) -> bool {
    let Ok(words) = std::str::from_utf8(line) else { return false };
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    let named = |name: &str| name.starts_with('/') && name.ends_with(|c: char| c.is_ascii_digit());
    match words[..] {
        [name, number, "0", "R"] => named(name) && number.parse::<u32>().is_ok(),
        [name, "[/ICCBased", _, "0", "R]"] => named(name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_resources_are_sorted() {
        let pdf = b"<<\n  /gs10 4 0 R\n  /gs2 7 0 R\n  /gs1 3 0 R\n>>\n/Parent 2 0 R\n/Length 5\n\xff\n";
        let sorted = b"<<\n  /gs1 3 0 R\n  /gs2 7 0 R\n  /gs10 4 0 R\n>>\n/Parent 2 0 R\n/Length 5\n\xff\n";
        assert_eq!(in_order(pdf), sorted);
    }

    #[test]
    fn cells_have_outlines_in_pdf() {
        let svg = "<path shape-rendering=\"crispEdges\" fill=\"#FDE725\" d=\"M1 2h3v4h-3z\"/>\n<path d=\"\"/>";
        let lines = "<path stroke=\"#FDE725\" stroke-width=\"0.8\" shape-rendering=\"crispEdges\" fill=\"#FDE725\" d=\"M1 2h3v4h-3z\"/>";
        assert_eq!(without_seams(svg), format!("{lines}\n<path d=\"\"/>"));
    }

    #[test]
    fn opacity_belongs_to_the_paint() {
        assert_eq!(
            translucent("<path fill=\"none\" opacity=\"0.5\"/>"),
            "<path fill=\"none\" stroke-opacity=\"0.5\"/>"
        );
        assert_eq!(translucent("<path opacity=\"0.5\"/>"), "<path fill-opacity=\"0.5\"/>");
    }
}
