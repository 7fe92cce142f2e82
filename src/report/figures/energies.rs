//! Reduced energies, a panel for every method (the kind of the PITA paper's Fig. 3).

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::Figure;
use super::histogram::{Histogram, range};
use super::samples::panel;
use super::style::{self, Key, LABEL};

/// The range of the reference and this much on either side is drawn, kT.
const MARGIN: f64 = 10.0;
/// Bins, as in PITA's public code.
const BINS: usize = 100;
/// Pixels of a panel with its title.
const PANEL: (i32, i32) = (600, 480);
/// Pixels of the title.
const HEAD: i32 = 46;

/// The reference filled, each method before it in a panel of its own. Values beyond the drawn range are clipped into the
/// outermost bins, and their share stands in the title.
#[derive(Debug, Clone, PartialEq)]
pub struct Energies {
    /// Reduced energies of the reference.
    pub reference: Vec<f64>,
    /// Label and reduced energies of the methods, in table order.
    pub methods: Vec<(String, Vec<f64>)>,
}

impl Energies {
    fn range(&self) -> (f64, f64) {
        let (low, high) = range(&self.reference).unwrap_or((0.0, 1.0));
        (low - MARGIN, high + MARGIN)
    }

    /// A method's name, and how much of it lies beyond the drawn range.
    fn title(&self, label: &str, energies: &[f64]) -> String {
        let (low, high) = self.range();
        let beyond = energies.iter().filter(|e| !(low..=high).contains(*e)).count();
        let share = beyond as f64 / energies.len().max(1) as f64;
        if beyond == 0 { label.to_owned() } else { format!("{label} ({:.1} % beyond)", 100.0 * share) }
    }

    fn columns(&self) -> usize {
        self.methods.len().clamp(1, 2)
    }
}

impl Figure for Energies {
    fn size(&self) -> (u32, u32) {
        let rows = self.methods.len().div_ceil(self.columns()).max(1);
        ((self.columns() as i32 * PANEL.0) as u32, (rows as i32 * PANEL.1 + 60) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(|e| e.to_string())?;
        let rest = style::legend(area, &[Key::Reference("reference".into())])?;
        let (low, high) = self.range();
        let reference = Histogram::clipped(&self.reference, low, high, BINS);
        let rows = self.methods.len().div_ceil(self.columns()).max(1);
        let places = rest.split_evenly((rows, self.columns()));
        for (i, ((label, energies), place)) in self.methods.iter().zip(&places).enumerate() {
            let (head, plot) = place.split_vertically(HEAD);
            let title = self.title(label, energies);
            let middle = (104 + (PANEL.0 - 130) / 2, HEAD - 6);
            style::fitted(&head, &title, middle, (HPos::Center, VPos::Bottom), LABEL, PANEL.0 - 110)?;
            let method = Histogram::clipped(energies, low, high, BINS);
            panel(&plot, &[reference.clone(), method], Some(i), "reduced energy E / kT")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_tell_what_is_not_drawn() {
        let e = Energies { reference: vec![-5.0, 5.0], methods: vec![] };
        assert_eq!(e.title("MD", &[-15.0, 15.0]), "MD");
        assert_eq!(e.title("MD", &[-15.1, 0.0, f64::NAN, f64::INFINITY]), "MD (75.0 % beyond)");
        assert_eq!(e.size(), (600, 540));
    }
}
