//! Interatomic distances and reduced energies, a column for every method (the kind of the PITA paper's Figs. 2 and 3).

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::axes::{self, Chart};
use super::band::strokes;
use super::grid::Grid;
use super::histogram::{Histogram, range};
use super::style::{self, AXIS, INK, Key, Mark, REFERENCE_FILL};
use super::{Area, Drawing, Figure};

/// Bins of distances and of energies.
const BINS: (usize, usize) = (100, 60);
/// The range of the reference's energies and this much on either side is drawn, kT.
const MARGIN: f64 = 5.0;
/// Smallest share beyond the range that is worth a word: the reference itself has a thousandth of its distances there.
const BEYOND: f64 = 0.002;
/// Height of a plot over its width.
const SHAPE: f64 = 0.72;

/// What is drawn of one ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleSet {
    /// Title of its panel; lines by line feeds.
    pub label: String,
    /// Pooled interatomic distances of each seed.
    pub distances: Vec<Vec<f64>>,
    /// Reduced energies of each seed, in the order of sampling.
    pub energies: Vec<Vec<f64>>,
}

/// What of the ensembles is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Distances, and energies below them.
    Both,
    /// Energies.
    Energies,
}

/// The reference filled, each method before it in panels of its own: every seed, their mean and its interval. Ranges come
/// from the reference: distances in 100 bins over its range without the largest thousandth; energies in 60 bins from 5 kT below its lowest to 5 kT above its
/// highest. What lies beyond is not drawn, and its share stands in the panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The reference.
    pub reference: SampleSet,
    /// The methods, in table order.
    pub methods: Vec<SampleSet>,
    /// Unit of length.
    pub length_unit: String,
}

/// A figure of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplesFigure<'a> {
    /// What is drawn.
    pub samples: &'a Samples,
    /// What of it.
    pub shown: Shown,
}

/// A row of panels: one quantity of the reference and of every method.
struct Quantity {
    title: String,
    reference: Histogram,
    /// By method, by seed.
    methods: Vec<Vec<Histogram>>,
}

impl Quantity {
    fn top(&self) -> f64 {
        let means = self.methods.iter().map(|seeds| Histogram::band(seeds).top());
        // A collapsed method may leave its panel; it must not flatten everything else.
        means.fold(self.reference.top(), f64::max).min(self.reference.top() * 2.0).max(1e-12) * 1.06
    }
}

impl SamplesFigure<'_> {
    fn grid(&self) -> Grid {
        let methods = &self.samples.methods;
        let titles: Vec<String> = methods.iter().map(|m| m.label.clone()).collect();
        let mut keys = vec![(Mark::Reference, "reference".into())];
        keys.extend(seed_keys(methods.iter().any(|m| m.energies.len() > 1)));
        let rows = if self.shown == Shown::Both { 2 } else { 1 };
        Grid::new(&titles, rows, keys, SHAPE)
    }

    fn quantities(&self) -> Vec<Quantity> {
        let Samples { reference, methods, length_unit } = self.samples;
        let quantity = |title: String, of: fn(&SampleSet) -> &[Vec<f64>], ends: Option<(f64, f64)>, bins: usize| {
            let (low, high) = ends.unwrap_or((0.0, 1.0));
            let high = high.max(low + 1e-9);
            let histogram = |values: &Vec<f64>| Histogram::new(values, low, high, bins);
            Quantity {
                title,
                reference: histogram(&of(reference).concat()),
                methods: methods.iter().map(|m| of(m).iter().map(histogram).collect()).collect(),
            }
        };
        let unit = length_unit.replace("_m", "ₘ");
        let ends = range(reference.energies.iter().flatten().copied()).map(|(low, high)| (low - MARGIN, high + MARGIN));
        let energies = quantity("reduced energy E / kT".into(), |s| &s.energies, ends, BINS.1);
        if self.shown == Shown::Energies {
            return vec![energies];
        }
        let ends = most(&reference.distances.concat());
        let distances = quantity(format!("interatomic distance ({unit})"), |s| &s.distances, ends, BINS.0);
        vec![distances, energies]
    }
}

/// The range of values but for the largest thousandth: a few atoms far away are no reason to leave a panel empty.
fn most(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1 + sorted.len() / 1000)?;
    Some((sorted[0], sorted[last]))
}

/// What is drawn of a method.
pub(super) fn seed_keys(several: bool) -> Vec<Key> {
    if !several {
        return vec![(Mark::Line(0), "method".into())];
    }
    vec![
        (Mark::Line(0), "mean over seeds".into()),
        (Mark::Band(Some(0)), "its 95 % interval".into()),
        (Mark::Seed(0), "each seed".into()),
    ]
}

impl Figure for SamplesFigure<'_> {
    fn size(&self) -> (u32, u32) {
        self.grid().size()
    }

    fn draw(&self, area: &Area<'_>) -> Drawing {
        let grid = self.grid();
        grid.put_heads(area)?;
        for (row, quantity) in self.quantities().iter().enumerate() {
            let top = quantity.top();
            for (i, seeds) in quantity.methods.iter().enumerate() {
                let place = grid.panel(area, i, row);
                panel(&place, &quantity.reference, seeds, (&quantity.title, top, grid.first(i)))?;
                let beyond = seeds.iter().map(|h| h.beyond).sum::<f64>() / seeds.len().max(1) as f64;
                if beyond >= BEYOND {
                    grid.remark(area, (i, row), &format!("{:.1} % beyond", 100.0 * beyond))?;
                }
            }
        }
        Ok(())
    }
}

/// One panel: the reference filled, before it the seeds of a method. `(title, top, first)`: of the horizontal axis; of the
/// vertical one; and whether that one has labels.
fn panel(
    area: &Area<'_>,
    reference: &Histogram,
    seeds: &[Histogram],
    (title, top, first): (&str, f64, bool),
) -> Drawing {
    let margin = (reference.high - reference.low) * 0.01;
    let mut chart = axes::chart(area, (0, 0), reference.low - margin..reference.high + margin, 0.0..top)?;
    let y: axes::Axis<'_> = if first { ("density", 6, style::tick) } else { ("", 6, |_| String::new()) };
    filled(&mut chart, reference)?;
    Histogram::band(seeds).draw(&mut chart, 0, (0.0, top))?;
    axes::draw(&mut chart, (title, 6, style::tick), y, false)
}

/// Draws the reference.
pub(super) fn filled(chart: &mut Chart<'_, RangedCoordf64, RangedCoordf64>, reference: &Histogram) -> Drawing {
    let outline = reference.outline();
    chart.draw_series([Polygon::new(outline.clone(), REFERENCE_FILL.filled())])?;
    strokes(chart, outline.into_iter().map(Some), INK.stroke_width(AXIS), (0.0, f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::tests::drawn;

    #[test]
    fn panels_tell_what_is_not_drawn() {
        let set = |energies: &[f64]| SampleSet {
            label: "MD".into(),
            distances: vec![vec![1.0, 2.0]],
            energies: vec![energies.to_vec()],
        };
        let samples = |method: &[f64]| Samples {
            reference: set(&[-5.0, 5.0]),
            methods: vec![set(method)],
            length_unit: "nm".into(),
        };
        let text = |method: &[f64]| {
            let samples = samples(method);
            drawn(&SamplesFigure { samples: &samples, shown: Shown::Energies })
        };
        assert!(!text(&[-10.0, 10.0]).contains("beyond"));
        assert!(text(&[-10.1, 0.0, f64::NAN, f64::INFINITY]).contains("75.0 % beyond"));
    }
}
