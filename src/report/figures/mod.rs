//! Figures as SVG, PNG and PDF, with an embedded font: nothing depends on the fonts of the machine.
//!
//! A figure is drawn once, as SVG; the other formats are made from that, so all agree. It is as wide as one column of a paper
//! (3.4 inches) or as two (7), with text of 7 and 8 points. Colours are Okabe and Ito's and viridis (legible for the
//! colour-blind and in grey). Methods are shown by every seed, the mean over them and its 95 % interval, the reference in
//! grey.
//!
//! | file | job |
//! |---|---|
//! | `formats`, `compact` | from plotters' SVG to all formats |
//! | `letters`, `style`, `axes`, `numbers` | text and its width, sizes and colours, axes, ticks |
//! | `grid` | panels side by side, a column for every method |
//! | `band`, `histogram`, `density`, `colour` | curves over seeds, bins, maps, their colours |
//! | the others | one kind of figure each |

mod axes;
mod band;
mod colour;
mod compact;
mod convergence;
mod cost;
mod curves;
mod density;
mod formats;
mod grid;
mod histogram;
mod history;
mod ladder;
mod letters;
mod numbers;
mod planes;
mod profiles;
mod samples;
mod style;
mod training;

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

pub use convergence::Convergence;
pub use cost::{Budget, Cost, Method, Quality};
pub use curves::{Curve, Curves};
pub use formats::Words;
pub(super) use histogram::range;
pub use history::{History, Night};
pub use ladder::{Descent, Ladder, Steps};
pub use planes::{Axes, Plane, Planes};
pub use profiles::{Profile, Profiles};
pub use samples::{SampleSet, Samples, SamplesFigure, Shown};
pub use training::{Loss, Training};

use crate::error::{Error, Result};

/// Endings of the files that [`save`] writes.
pub const FORMATS: [&str; 3] = ["svg", "png", "pdf"];

/// What figures are drawn on.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What has been drawn, or what plotters refused.
pub type Drawing<T = ()> = std::result::Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// A figure.
pub trait Figure {
    /// Width and height in 300ths of an inch: pixels of the PNG.
    fn size(&self) -> (u32, u32);

    /// Draws it, on white.
    ///
    /// # Errors
    /// What plotters refuses.
    fn draw(&self, area: &Area<'_>) -> Drawing;
}

/// The figure as SVG text, with what is said of it.
///
/// # Errors
/// [`Error::Internal`] when drawing fails.
pub fn svg(figure: &impl Figure, words: &Words) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, figure.size()).into_drawing_area();
        let drawn = area.fill(&WHITE).and_then(|()| figure.draw(&area)).and_then(|()| area.present());
        drawn.map_err(formats::failed)?;
    }
    formats::finished(&compact::compact(&text), figure.size(), words)
}

/// Writes `<stem>.svg`, `<stem>.png` and `<stem>.pdf` into `folder`, and returns the SVG text.
///
/// # Errors
/// [`Error::Io`] when a file cannot be written; [`Error::Internal`] when drawing fails.
pub fn save(figure: &impl Figure, words: &Words, folder: &Path, stem: &str) -> Result<String> {
    let text = svg(figure, words)?;
    let (tree, size) = (formats::tree(&text)?, figure.size());
    let (png, pdf) = rayon::join(|| formats::png(&tree, size), || formats::pdf(&text));
    for (format, bytes) in FORMATS.into_iter().zip([text.as_bytes(), &png?, &pdf?]) {
        let path = folder.join(format!("{stem}.{format}"));
        std::fs::write(&path, bytes).map_err(Error::io(&path))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
