//! Smaller SVG: neighbouring rectangles of one colour as one path.

use std::fmt::Write;

/// Replaces every series of filled rectangles of one colour, as plotters writes them, by one path. The picture stays the
/// same; edges between the rectangles are drawn without smoothing, so that no seams show when it is scaled.
#[must_use]
pub(super) fn compact(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    // Where the last rectangle of an open path stands: the next one is told from there, in fewer digits.
    let mut open: Option<(u32, u32)> = None;
    let mut lines = svg.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(rectangle) = Rectangle::read(line) else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let more = lines.peek().and_then(|next| Rectangle::read(next)).is_some_and(|r| r.fill == rectangle.fill);
        if open.is_none() && !more {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let Rectangle { x, y, width, height, fill } = rectangle;
        let _ = match open {
            None => write!(out, "<path shape-rendering=\"crispEdges\" fill=\"{fill}\" d=\"M{x} {y}"),
            Some(last) => {
                let (right, down) = (i64::from(x) - i64::from(last.0), i64::from(y) - i64::from(last.1));
                write!(out, "m{right}{}{down}", if down < 0 { "" } else { " " })
            }
        };
        let _ = write!(out, "h{width}v{height}h-{width}z");
        open = Some((x, y));
        if !more {
            out.push_str("\"/>\n");
            open = None;
        }
    }
    out
}

/// An opaque, filled rectangle.
struct Rectangle<'a> {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    fill: &'a str,
}

impl<'a> Rectangle<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix("<rect ")?.strip_suffix("/>")?;
        let value = |name: &str| {
            let from = rest.find(&format!("{name}=\""))? + name.len() + 2;
            rest[from..].split('"').next()
        };
        let number = |name: &str| value(name)?.parse().ok();
        if value("opacity") != Some("1") || value("stroke") != Some("none") {
            return None;
        }
        Some(Self {
            x: number("x")?,
            y: number("y")?,
            width: number("width")?,
            height: number("height")?,
            fill: value("fill")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::compact;

    fn rect(x: i32, fill: &str, opacity: &str) -> String {
        format!(
            "<rect x=\"{x}\" y=\"2\" width=\"3\" height=\"4\" opacity=\"{opacity}\" fill=\"{fill}\" stroke=\"none\"/>"
        )
    }

    #[test]
    fn joins_only_neighbours_of_one_colour() {
        let svg = ["<svg>".into(), rect(1, "#A", "1"), rect(4, "#A", "1"), rect(7, "#B", "1"), rect(9, "#B", "0.5")]
            .join("\n");
        let expected = [
            "<svg>".into(),
            "<path shape-rendering=\"crispEdges\" fill=\"#A\" d=\"M1 2h3v4h-3zm3 0h3v4h-3z\"/>".into(),
            rect(7, "#B", "1"),
            rect(9, "#B", "0.5"),
            String::new(),
        ];
        assert_eq!(compact(&svg), expected.join("\n"));
    }
}
