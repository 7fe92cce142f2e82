//! Figures as SVG and PNG, with an embedded font: nothing depends on the fonts of the machine.
//!
//! Colours are Okabe and Ito's (legible for the colour-blind); every method also has its own dash pattern or marker,
//! so that a grey print-out still tells them apart. Sizes are for a paper's column: 1,200 pixels across 8.5 cm or more.

mod axes;
mod colour;
mod compact;
mod convergence;
mod cost;
mod density;
mod energies;
mod histogram;
mod history;
mod planes;
mod profiles;
mod samples;
mod style;

use std::path::Path;

use plotters::prelude::*;

pub use convergence::Convergence;
pub use cost::{Bar, Cost, Point};
pub use energies::Energies;
pub use histogram::Histogram;
pub use history::{History, Night};
pub use planes::{Axes, Plane, Planes};
pub use profiles::{Profile, Profiles};
pub use samples::{SampleSet, Samples};

use crate::error::{Error, Result};

/// A figure that can be drawn on any plotters backend.
pub trait Figure {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);

    /// Draws it.
    ///
    /// # Errors
    /// A description of what the backend refused.
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, plotters::coord::Shift>) -> Result<(), String>;
}

/// The figure as SVG text.
///
/// # Errors
/// [`Error::Internal`] when drawing fails.
pub fn svg(figure: &impl Figure) -> Result<String> {
    style::register_font()?;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, figure.size()).into_drawing_area();
        figure.draw(&area).map_err(|e| Error::Internal(format!("drawing a figure: {e}")))?;
        area.present().map_err(|e| Error::Internal(format!("drawing a figure: {e}")))?;
    }
    Ok(compact::compact(&text))
}

/// Writes `<stem>.svg` and `<stem>.png` into `folder`, and returns the SVG text.
///
/// # Errors
/// [`Error::Io`] when a file cannot be written; [`Error::Internal`] when drawing fails.
pub fn save(figure: &impl Figure, folder: &Path, stem: &str) -> Result<String> {
    let text = svg(figure)?;
    let path = folder.join(format!("{stem}.svg"));
    std::fs::write(&path, &text).map_err(Error::io(&path))?;
    let path = folder.join(format!("{stem}.png"));
    // Opened here first: the backend would hide why the system refuses the file.
    std::fs::File::create(&path).map_err(Error::io(&path))?;
    let area = BitMapBackend::new(&path, figure.size()).into_drawing_area();
    figure.draw(&area).map_err(|e| Error::Internal(format!("drawing {}: {e}", path.display())))?;
    area.present().map_err(|e| Error::io(&path)(std::io::Error::other(e.to_string())))?;
    Ok(text)
}
