//! Smaller SVG: neighbours of one colour as one path, whose points are told from one another in few digits.

use std::fmt::Write;

/// Replaces what plotters writes by paths: every series of filled rectangles of one colour (edges between them are drawn without
/// smoothing, so that no seams show when it is scaled), every series of opaque polygons or lines of one paint, every series of
/// dashes. The picture stays the same.
pub(super) fn compact(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() / 2);
    // Where the last point of an open path stands: what follows is told from there.
    let mut open: Option<Point> = None;
    let mut lines = svg.lines().peekable();
    while let Some(line) = lines.next() {
        let piece = Piece::read(line);
        let next = lines.peek().and_then(|next| Piece::read(next));
        let more = piece.as_ref().zip(next.as_ref()).is_some_and(|(piece, next)| piece.joins(next));
        let Some(piece) = piece.filter(|piece| more || open.is_some() || !piece.rectangle) else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        if open.is_none() {
            let _ = write!(out, "<path {} d=\"", piece.style);
        }
        open = Some(piece.put(&mut out, open));
        if !more {
            out.push_str("\"/>\n");
            open = None;
        }
    }
    out
}

type Point = (i64, i64);

/// A shape that can be a part of a path.
struct Piece {
    /// Attributes of its path.
    style: String,
    points: Vec<Point>,
    rectangle: bool,
    closed: bool,
    opaque: bool,
}

impl Piece {
    fn read(line: &str) -> Option<Self> {
        let (element, rest) = line.strip_prefix('<')?.strip_suffix("/>")?.split_once(' ')?;
        let value = |name: &str| {
            let from = rest.find(&format!("{name}=\""))? + name.len() + 2;
            rest[from..].split('"').next()
        };
        let number = |name: &str| value(name)?.parse::<i64>().ok();
        let opaque = value("opacity") == Some("1");
        if element == "rect" {
            if !opaque || value("stroke") != Some("none") {
                return None;
            }
            let (x, y, width, height) = (number("x")?, number("y")?, number("width")?, number("height")?);
            let style = format!("shape-rendering=\"crispEdges\" fill=\"{}\"", value("fill")?);
            let points = vec![(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
            return Some(Self { style, points, rectangle: true, closed: true, opaque });
        }
        let closed = match element {
            "polygon" => true,
            "polyline" => false,
            _ => return None,
        };
        let (style, points) = rest.split_once(" points=\"")?;
        let point = |point: &str| point.split_once(',').and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
        let mut points =
            points.strip_suffix('"')?.split_ascii_whitespace().map(point).collect::<Option<Vec<Point>>>()?;
        // One way round, so that those which overlap add up.
        if closed && turn(&points) < 0 {
            points.reverse();
        }
        (!points.is_empty()).then(|| Self { style: style.to_owned(), points, rectangle: false, closed, opaque })
    }

    /// Whether the picture is the same with both in one path: what is seen through would be darker where they overlap, dashes do not.
    fn joins(&self, next: &Self) -> bool {
        let dashes = !self.closed && self.points.len() == 2 && next.points.len() == 2;
        self.style == next.style && (self.opaque || dashes)
    }

    /// Adds it to a path that has come to `from`, or begins one; where the path is then.
    fn put(&self, out: &mut String, from: Option<Point>) -> Point {
        let (first, rest) = (self.points[0], &self.points[1..]);
        match from {
            None => pair(out, 'M', first),
            Some(from) => pair(out, 'm', (first.0 - from.0, first.1 - from.1)),
        }
        let mut last = first;
        for &point in rest {
            match (point.0 - last.0, point.1 - last.1) {
                (x, 0) => _ = write!(out, "h{x}"),
                (0, y) => _ = write!(out, "v{y}"),
                step => pair(out, 'l', step),
            }
            last = point;
        }
        if self.closed {
            out.push('z');
            return first;
        }
        last
    }
}

fn pair(out: &mut String, command: char, (x, y): Point) {
    let _ = write!(out, "{command}{x}{}{y}", if y < 0 { "" } else { " " });
}

/// Twice the area of a polygon, negative the other way round.
fn turn(points: &[Point]) -> i64 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(a, b)| a.0 * b.1 - a.1 * b.0).sum()
}

#[cfg(test)]
mod tests {
    use super::compact;

    fn rect(x: i32, fill: &str, opacity: &str) -> String {
        format!(
            "<rect x=\"{x}\" y=\"2\" width=\"3\" height=\"4\" opacity=\"{opacity}\" fill=\"{fill}\" stroke=\"none\"/>"
        )
    }

    fn line(points: &str, opacity: &str) -> String {
        format!("<polyline fill=\"none\" opacity=\"{opacity}\" stroke=\"#A\" stroke-width=\"2\" points=\"{points} \"/>")
    }

    fn joined(lines: &[String]) -> String {
        compact(&lines.join("\n"))
    }

    #[test]
    fn joins_only_neighbours_of_one_colour() {
        let given = ["<svg>".into(), rect(1, "#A", "1"), rect(4, "#A", "1"), rect(7, "#B", "1"), rect(9, "#B", "0.5")];
        let expected = [
            "<svg>".into(),
            "<path shape-rendering=\"crispEdges\" fill=\"#A\" d=\"M1 2h3v4h-3zm3 0h3v4h-3z\"/>".into(),
            rect(7, "#B", "1"),
            rect(9, "#B", "0.5"),
            String::new(),
        ];
        assert_eq!(joined(&given), expected.join("\n"));
    }

    #[test]
    fn dashes_are_one_path() {
        let given = [line("1,9 1,7", "0.5"), line("1,5 4,3", "0.5"), line("1,2 3,4 5,5", "0.5"), line("0,0 1,1", "1")];
        let style = |opacity| format!("<path fill=\"none\" opacity=\"{opacity}\" stroke=\"#A\" stroke-width=\"2\" d=");
        let expected =
            format!("{0}\"M1 9v-2m0-2l3-2\"/>\n{0}\"M1 2l2 2l2 1\"/>\n{1}\"M0 0l1 1\"/>\n", style("0.5"), style("1"));
        assert_eq!(joined(&given), expected);
    }

    /// The second one goes round the other way.
    #[test]
    fn markers_that_overlap_have_no_holes() {
        let marker = |points: &str| format!("<polygon opacity=\"1\" fill=\"#A\" points=\"{points} \"/>");
        let given = [marker("0,0 4,0 4,4 0,4"), marker("2,2 2,6 6,6 6,2")];
        assert_eq!(joined(&given), "<path opacity=\"1\" fill=\"#A\" d=\"M0 0h4v4h-4zm6 2v4h-4v-4z\"/>\n");
        let bands = given.map(|marker| marker.replace("\"1\"", "\"0.2\""));
        assert_eq!(joined(&bands).lines().count(), 2);
    }
}
