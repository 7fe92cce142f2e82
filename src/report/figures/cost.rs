//! Quality against cost: metrics over charged energy evaluations, as curves where a method has more than one budget.

use plotters::prelude::*;

use super::axes;
use super::band::Band;
use super::numbers::{self, Ticked};
use super::style::{self, BOLD, DOUBLE, Key, Mark, SINGLE, THIN};
use super::{Area, Drawing, Figure};
use crate::stats;

/// A row of the table: one method with one budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Charged energy evaluations, mean over seeds.
    pub evaluations: f64,
    /// The mean value.
    pub value: f64,
    /// Its 95 % interval; an end at or below zero lies beyond the axis.
    pub ends: Option<(f64, f64)>,
    /// `(evaluations, value)` of each seed.
    pub seeds: Vec<(f64, f64)>,
}

/// A method.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// Name in the legend; its place in the list of methods decides its colour.
    pub label: String,
    /// Its budgets; several are joined by a line in the order of their cost.
    pub budgets: Vec<Budget>,
    /// How the value falls while a run goes on: evaluations so far (mean over seeds), and the value of each seed.
    pub curve: Option<(Vec<f64>, Vec<Vec<f64>>)>,
}

/// One metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Title of the value axis.
    pub metric: String,
    /// Noise floor.
    pub floor: Option<f64>,
    /// The methods, the same in every panel.
    pub methods: Vec<Method>,
}

/// A panel for each metric, both axes logarithmic; down and left is better. Intervals are drawn as far as the axis goes; what
/// costs the same stands a little aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// The panels, at most two.
    pub panels: Vec<Quality>,
}

/// Height of a plot.
const HEIGHT: u32 = 640;

impl Cost {
    fn keys(&self) -> Vec<Key> {
        let Some(first) = self.panels.first() else { return vec![] };
        let mut keys: Vec<Key> =
            first.methods.iter().enumerate().map(|(i, m)| (Mark::Course(i), m.label.clone())).collect();
        if self.panels.iter().any(|p| p.floor.is_some_and(|f| f > 0.0)) {
            keys.push((Mark::Guide, "noise floor".into()));
        }
        keys
    }
}

/// Areas under curves by label of the method.
type Areas<'a> = Vec<(&'a str, f64)>;

impl Quality {
    /// Areas under the curves by label of the method, from the first point of all curves to the last, and the evaluations at these
    /// two. An area is the mean over the logarithm of the evaluations; beyond its ends a curve keeps its value.
    #[must_use]
    pub fn areas(&self) -> Option<(Areas<'_>, [f64; 2])> {
        let curves: Vec<_> = self.methods.iter().filter_map(|m| Some((m.label.as_str(), m.curve.as_ref()?))).collect();
        let first = curves.iter().filter_map(|(_, c)| c.0.first().copied()).fold(f64::INFINITY, f64::min);
        let last = curves.iter().filter_map(|(_, c)| c.0.last().copied()).fold(0.0, f64::max);
        let area = |(places, seeds): &(Vec<f64>, Vec<Vec<f64>>)| {
            let value = |k: usize| (seeds.iter().map(|s| s[k].ln()).sum::<f64>() / seeds.len() as f64).exp();
            let inner = places.iter().enumerate().map(|(k, &n)| (n, value(k)));
            let ends = (value(0), value(places.len() - 1));
            let points: Vec<(f64, f64)> =
                std::iter::once((first, ends.0)).chain(inner).chain([(last, ends.1)]).collect();
            stats::area(&points)
        };
        let areas = curves.iter().filter_map(|(label, curve)| Some((*label, area(curve)?)));
        (first < last).then(|| (areas.collect(), [first, last]))
    }
}

impl Figure for Cost {
    fn size(&self) -> (u32, u32) {
        axes::size(&self.keys(), if self.panels.len() > 1 { DOUBLE } else { SINGLE }, HEIGHT)
    }

    fn draw(&self, area: &Area<'_>) -> Drawing {
        let rest = style::legend(area, &self.keys())?;
        for (place, quality) in rest.split_evenly((1, self.panels.len().max(1))).iter().zip(&self.panels) {
            panel(place, quality)?;
        }
        Ok(())
    }
}

/// The logarithm, as everything is drawn here; not finite for what has none.
fn log(value: f64) -> f64 {
    if value > 0.0 { value.log10() } else { f64::NEG_INFINITY }
}

impl Budget {
    /// Where it is drawn: at the logarithm of its mean cost, or a little beside it.
    fn place(&self, aside: f64) -> (f64, f64) {
        (log(self.evaluations) + aside, log(self.value))
    }
}

impl Quality {
    /// Ends of both axes, logarithms.
    fn ranges(&self) -> Option<((f64, f64), (f64, f64))> {
        let budgets = || self.methods.iter().flat_map(|m| &m.budgets);
        let curves = || self.methods.iter().filter_map(|m| m.curve.as_ref());
        let x = budgets().map(|b| b.evaluations).chain(curves().flat_map(|c| c.0.iter().copied()));
        let y = budgets().flat_map(|b| b.seeds.iter().map(|s| s.1).chain([b.value]));
        let y = y.chain(curves().flat_map(|c| c.1.iter().flatten().copied())).chain(self.floor);
        numbers::around(x.map(log)).zip(numbers::around(y.map(log)))
    }

    /// How far each budget is moved aside so that those of equal cost do not cover each other, by method.
    fn aside(&self, wide: f64) -> Vec<Vec<f64>> {
        let step = 0.014 * wide;
        let all: Vec<f64> = self.methods.iter().flat_map(|m| m.budgets.iter().map(|b| log(b.evaluations))).collect();
        let mut at = 0;
        let mut of = |budget: &Budget| {
            let here = log(budget.evaluations);
            let near: Vec<usize> = (0..all.len()).filter(|&k| (all[k] - here).abs() < step).collect();
            let rank = near.iter().position(|&k| k == at).unwrap_or(0);
            at += 1;
            step * (rank as f64 - (near.len() - 1) as f64 / 2.0)
        };
        self.methods.iter().map(|m| m.budgets.iter().map(&mut of).collect()).collect()
    }
}

fn panel(area: &Area<'_>, quality: &Quality) -> Drawing {
    let Some((x, y)) = quality.ranges() else { return Ok(()) };
    let mut chart = axes::chart(area, (10, 40), Ticked::usual(x, true), Ticked::usual(y, true))?;
    let title = ("charged energy evaluations", 8, style::power_tick as axes::Ticks);
    axes::draw(&mut chart, title, (&quality.metric, 6, style::power_tick), true)?;
    if let Some(floor) = quality.floor.filter(|f| *f > 0.0).map(log) {
        axes::guide(&mut chart, [(x.0, floor), (x.1, floor)], THIN)?;
    }
    let aside = quality.aside(x.1 - x.0);
    // Curves first: no band covers a marker.
    for (i, method) in quality.methods.iter().enumerate() {
        if let Some((evaluations, seeds)) = &method.curve {
            let logs = |values: &Vec<f64>| values.iter().copied().map(log).collect::<Vec<f64>>();
            let band = Band::new(logs(evaluations), seeds.iter().map(logs).collect());
            band.draw(&mut chart, i, y)?;
            // Colours come again after six methods; with markers a curve is told from all others.
            axes::markers(&mut chart, (i, 8.0), band.means().filter(|p| (y.0..=y.1).contains(&p.1)))?;
        }
    }
    for (i, (method, aside)) in quality.methods.iter().zip(&aside).enumerate() {
        let shown = || method.budgets.iter().zip(aside).filter(|(b, _)| b.evaluations > 0.0 && b.value > 0.0);
        if shown().count() > 1 {
            let line = shown().map(|(b, aside)| b.place(*aside));
            chart.draw_series(LineSeries::new(line, style::line(i)))?;
        }
        for (budget, &aside) in shown() {
            let (at, mean) = budget.place(aside);
            if let Some((low, high)) = budget.ends.map(|e| (log(e.0), log(e.1))).filter(|e| e.1 > y.0) {
                let ends = (low.clamp(y.0, y.1), high.clamp(y.0, y.1));
                axes::bar(&mut chart, at, ends, style::colour(i).stroke_width(BOLD - 2))?;
            }
            let seeds = budget.seeds.iter().filter(|s| s.0 > 0.0 && s.1 > 0.0 && budget.seeds.len() > 1);
            axes::markers(&mut chart, (i, 7.0), seeds.map(|s| (at, log(s.1))))?;
            axes::markers(&mut chart, (i, 14.0), [(at, mean)])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(evaluations: &[f64]) -> Method {
        let budget = |&n: &f64| Budget { evaluations: n, value: 1.0, ends: None, seeds: vec![(n, 0.1), (n, 10.0)] };
        Method { label: "MD".into(), budgets: evaluations.iter().map(budget).collect(), curve: None }
    }

    /// From 10 to 1000: one curve falls from e to 1 within the first half, the other one stays at 3.
    #[test]
    fn areas_by_hand() {
        let with = |label: &str, curve| Method { label: label.into(), curve: Some(curve), ..method(&[]) };
        let falling = with("falls", (vec![10.0, 100.0], vec![vec![1.0_f64.exp(), 1.0]]));
        let flat = with("stays", (vec![100.0, 1_000.0], vec![vec![3.0, 3.0]]));
        let quality = Quality { metric: String::new(), floor: None, methods: vec![falling, method(&[5.0]), flat] };
        let (areas, ends) = quality.areas().unwrap();
        assert_eq!((ends, areas[0].0, areas[1].0), ([10.0, 1e3], "falls", "stays"));
        assert!((areas[1].1 - 3.0).abs() < 1e-12, "{areas:?}");
        assert!((areas[0].1 - 0.25 * (1.0_f64.exp() + 1.0) - 0.5).abs() < 1e-12, "{areas:?}");
    }

    /// Budgets of one cost stand beside each other, others where they are.
    #[test]
    fn nothing_is_covered() {
        let quality = Quality {
            metric: "Energy-W1 (kT)".into(),
            floor: Some(0.0),
            methods: vec![method(&[1e4, 1e6]), method(&[1e6]), method(&[1.001e6])],
        };
        let (x, y) = quality.ranges().unwrap();
        assert!(x.0 < 4.0 && x.1 > 6.0 && y.0 < -1.0 && y.1 > 1.0 && y.0 > -2.0, "{x:?} {y:?}");
        let aside = quality.aside(2.0);
        assert_eq!(aside.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!((aside[0][0], aside[1][0]), (0.0, 0.0));
        assert!(aside[0][1] < 0.0 && aside[2][0] == -aside[0][1]);
    }
}
