//! Losses over training, a panel for every loss of every method.

use plotters::prelude::*;

use super::axes;
use super::band::Band;
use super::grid::Grid;
use super::histogram::range;
use super::numbers::Ticked;
use super::samples::seed_keys;
use super::style::{self, INK, Mark, THIN};
use super::{Area, Drawing, Figure};

/// Height of a plot over its width.
const SHAPE: f64 = 0.66;

/// One loss of one method.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Title of the panel.
    pub label: String,
    /// The recorded values of each seed, over the training steps recorded before.
    pub seeds: Vec<Vec<(f64, f64)>>,
    /// Where the next rung begins.
    pub borders: Vec<f64>,
}

/// Training curves: each seed thin, their mean and its interval; rungs are parted by thin lines. The axis of a loss that is
/// always positive and covers more than a decade is logarithmic, and the mean is then one of logarithms.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// The panels.
    pub losses: Vec<Loss>,
}

impl Training {
    fn grid(&self) -> Grid {
        let titles: Vec<String> = self.losses.iter().map(|l| l.label.clone()).collect();
        let mut keys = seed_keys(self.losses.iter().any(|l| l.seeds.len() > 1));
        if self.losses.iter().any(|l| !l.borders.is_empty()) {
            keys.push((Mark::Guide, "next rung".into()));
        }
        Grid::new(&titles, 1, keys, SHAPE).apart()
    }
}

impl Figure for Training {
    fn size(&self) -> (u32, u32) {
        self.grid().size()
    }

    fn draw(&self, area: &Area<'_>) -> Drawing {
        let grid = self.grid();
        grid.put_heads(area)?;
        for (i, loss) in self.losses.iter().enumerate() {
            panel(&grid.panel(area, i, 0), loss, grid.first(i))?;
        }
        Ok(())
    }
}

impl Loss {
    /// As it is drawn, and whether in logarithms.
    fn band(&self) -> (Band, bool) {
        let ends = range(self.seeds.iter().flatten().map(|p| p.1));
        let logarithmic = ends.is_some_and(|(low, high)| low > 0.0 && high > 10.0 * low);
        let drawn = |v: f64| if logarithmic { v.log10() } else { v };
        // Seeds that were stopped early or train on other steps have no mean with the others beyond what all have.
        let longest = self.seeds.iter().max_by_key(|s| s.len());
        let x: Vec<f64> = longest.map_or(vec![], |s| s.iter().map(|p| p.0).collect());
        let of = |seed: &Vec<(f64, f64)>| (0..x.len()).map(|k| seed.get(k).map_or(f64::NAN, |p| drawn(p.1))).collect();
        let seeds = self.seeds.iter().map(of).collect();
        (Band::new(x, seeds), logarithmic)
    }
}

fn panel(area: &Area<'_>, loss: &Loss, first: bool) -> Drawing {
    let (band, logarithmic) = loss.band();
    let values = range(band.seeds.iter().flatten().copied());
    let Some(((low, high), (begin, end))) = values.zip(range(band.x.iter().copied())) else { return Ok(()) };
    let pad = 0.05 * (high - low).max(1e-9);
    let (low, high) = (low - pad, high + pad);
    let end = end.max(begin + 1.0);
    let mut chart = axes::chart(area, (0, 0), begin..end, Ticked::usual((low, high), logarithmic))?;
    for &border in loss.borders.iter().filter(|b| (begin..end).contains(*b) && **b > begin) {
        let line = DashedLineSeries::new([(border, low), (border, high)], 8, 8, INK.mix(0.5).stroke_width(THIN));
        chart.draw_series(line)?;
    }
    band.draw(&mut chart, 0, (low, high))?;
    let text: axes::Ticks = if logarithmic { style::power_tick } else { style::tick };
    let y = if first { "loss" } else { "" };
    axes::draw(&mut chart, ("training, recorded steps", 4, style::tick), (y, 5, text), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_where_they_help() {
        let loss = |values: &[f64]| Loss {
            label: "score".into(),
            seeds: vec![values.iter().enumerate().map(|(i, &v)| (i as f64, v)).collect(), vec![(0.0, values[0])]],
            borders: vec![],
        };
        let (band, logarithmic) = loss(&[100.0, 1.0]).band();
        assert!(logarithmic && band.mean[0].unwrap().0 == 2.0 && band.mean[1].is_none());
        assert!(!loss(&[-1.0, 50.0]).band().1 && !loss(&[1.0, 9.0]).band().1);
    }
}
