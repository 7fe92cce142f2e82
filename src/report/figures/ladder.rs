//! The ladder at a glance (in the manner of the PITA paper's Fig. 1): energies, effective sample sizes and surviving lines of
//! descent from rung to rung, as the runs recorded them.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::Figure;
use super::axes::{self, FOOT, SIDE};
use super::band::Band;
use super::histogram::range;
use super::numbers::{self, Ticked};
use super::style::{self, DOUBLE, INK, Key};

/// A number of every rung, by seed: `(temperature, value)`.
pub type Steps = Vec<Vec<(f64, f64)>>;

/// One method.
#[derive(Debug, Clone, PartialEq)]
pub struct Descent {
    /// Name in the legend.
    pub label: String,
    /// Median of E / kT at the end of each rung.
    pub energies: Steps,
    /// Lowest effective sample size on each rung, a fraction.
    pub ess: Steps,
    /// Unique parents at the end of each rung.
    pub parents: Steps,
}

/// Three panels over the temperature, from hot to cold: each seed thin, their mean with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    /// The methods, in table order.
    pub methods: Vec<Descent>,
    /// Median of E / kT of the reference at the target temperature.
    pub reference: Option<(f64, f64)>,
    /// Unit of the temperatures, in brackets, or nothing.
    pub unit: String,
}

/// Height of a plot.
const HEIGHT: u32 = 480;

/// What of a method a panel shows.
type Of = fn(&Descent) -> &Steps;

impl Ladder {
    fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> =
            self.methods.iter().enumerate().map(|(i, m)| Key::Course(i, m.label.clone())).collect();
        if self.methods.iter().any(|m| m.energies.len().max(m.ess.len()) > 1) {
            keys.push(Key::Band(None, "95 % interval".into()));
        }
        if self.reference.is_some() {
            keys.push(Key::Guide("reference".into()));
        }
        keys
    }

    fn temperatures(&self) -> Vec<f64> {
        let steps = self.methods.iter().flat_map(|m| [&m.energies, &m.ess, &m.parents]);
        steps.flatten().flatten().map(|s| s.0).chain(self.reference.map(|r| r.0)).collect()
    }
}

impl Figure for Ladder {
    fn size(&self) -> (u32, u32) {
        (DOUBLE, style::legend_height(&self.keys(), DOUBLE) as u32 + HEIGHT + FOOT as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), String> {
        let rest = style::legend(area, &self.keys())?;
        let Some((cold, hot)) = range(&self.temperatures()) else { return Ok(()) };
        let x = (-hot.log10() - 0.03, (-cold.log10() + 0.03).max(-hot.log10() + 0.03));
        let title = format!("temperature{}", self.unit);
        let panels: [(&str, Of, Scale); 3] = [
            ("median of E / kT", |m| &m.energies, Scale::Linear),
            ("lowest ESS (fraction)", |m| &m.ess, Scale::Fraction),
            ("unique parents", |m| &m.parents, Scale::Counts),
        ];
        for (place, (name, of, scale)) in rest.split_evenly((1, 3)).iter().zip(panels) {
            let methods: Vec<&Steps> = self.methods.iter().map(of).collect();
            let reference = self.reference.filter(|_| scale == Scale::Linear);
            panel(place, (x, &title), (name, scale), &methods, reference)?;
        }
        Ok(())
    }
}

/// The vertical axis.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// A little more than the range of the values.
    Linear,
    /// Logarithmic.
    Counts,
    /// Logarithmic, up to 1.
    Fraction,
}

impl Scale {
    /// A value as drawn.
    fn map(self, value: f64) -> f64 {
        if self == Self::Linear { value } else { value.max(1e-300).log10() }
    }

    /// Of the values, and of their intervals as far as these are not much wider.
    fn range(self, bands: &[Vec<Band>], reference: Option<f64>) -> Option<(f64, f64)> {
        let all = || bands.iter().flatten();
        let values: Vec<f64> = all().flat_map(|b| b.seeds.iter().flatten().copied()).chain(reference).collect();
        let (low, high) = range(&values)?;
        let more = 0.3 * (high - low).max(0.2);
        let ends = all().flat_map(|b| b.mean.iter().flatten().filter_map(|m| m.1)).flat_map(|(lo, hi)| [lo, hi]);
        let ends: Vec<f64> = ends.map(|e| e.clamp(low - more, high + more)).chain([low, high]).collect();
        let (low, high) = numbers::around(&ends)?;
        Some(if self == Self::Fraction { (low, high.min(0.02)) } else { (low, high) })
    }
}

/// Seeds on the same rungs as one curve, others each for itself.
fn bands(steps: &Steps, scale: Scale) -> Vec<Band> {
    let x = |seed: &[(f64, f64)]| seed.iter().map(|s| -s.0.log10()).collect::<Vec<f64>>();
    let y = |seed: &[(f64, f64)]| seed.iter().map(|s| scale.map(s.1)).collect::<Vec<f64>>();
    let Some(first) = steps.first() else { return vec![] };
    if steps.iter().all(|s| x(s) == x(first)) {
        return vec![Band::new(x(first), steps.iter().map(|s| y(s)).collect())];
    }
    steps.iter().map(|s| Band::new(x(s), vec![y(s)])).collect()
}

fn panel<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    (x, title): ((f64, f64), &str),
    (name, scale): (&str, Scale),
    methods: &[&Steps],
    reference: Option<(f64, f64)>,
) -> Result<(), String> {
    let bands: Vec<Vec<Band>> = methods.iter().map(|steps| bands(steps, scale)).collect();
    let Some((low, high)) = scale.range(&bands, reference.map(|r| r.1)) else {
        let middle = (area.dim_in_pixel().0 as i32 / 2, area.dim_in_pixel().1 as i32 / 2);
        let words = format!("{name}: not recorded");
        return style::put_above(area, &[words], middle);
    };
    let places = numbers::rounded(10.0_f64.powf(-x.1), 10.0_f64.powf(-x.0));
    let places: Vec<f64> = places.iter().map(|t| -t.log10()).collect();
    let linear = scale == Scale::Linear;
    let ticks = if linear { numbers::even(low, high, 5) } else { numbers::powers(low, high) };
    let mut chart = axes::frame(area, (8, 26), SIDE)
        .build_cartesian_2d(Ticked::new(x.0..x.1, places), Ticked::new(low..high, ticks))
        .map_err(|e| e.to_string())?;
    let text: axes::Ticks = if linear { style::tick } else { style::power_tick };
    axes::draw(&mut chart, (title, 6, |x| style::tick(&10.0_f64.powf(-x))), (name, 6, text), false)?;
    if let Some((temperature, energy)) = reference {
        let at = -temperature.log10();
        let guide = DashedLineSeries::new([(x.0, energy), (at.max(x.0), energy)], 12, 9, INK.stroke_width(2));
        chart.draw_series(guide).map_err(|e| e.to_string())?;
    }
    for (i, bands) in bands.iter().enumerate() {
        for band in bands {
            band.draw(&mut chart, i, (low, high))?;
            let marks = band.x.iter().zip(&band.mean).filter_map(|(&x, m)| Some((x, m.as_ref()?.0)));
            let marks = marks.map(|(x, y)| EmptyElement::at((x, y.clamp(low, high))) + style::marker(i, 10.0, (0, 0)));
            chart.draw_series(marks).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_and_seeds() {
        let seed = |shift: f64| vec![(4.0, 1.0 + shift), (2.0, 2.0 + shift)];
        let together = bands(&vec![seed(0.0), seed(1.0)], Scale::Linear);
        assert_eq!((together.len(), together[0].mean[1].unwrap().0), (1, 2.5));
        assert_eq!(bands(&vec![seed(0.0), vec![(3.0, 1.0)]], Scale::Linear).len(), 2);
        // Intervals are shown, but do not flatten the values.
        let (low, high) = Scale::Linear.range(&[together], Some(-1.0)).unwrap();
        assert!(low < -1.0 && (3.0..5.0).contains(&high), "{low} {high}");
        let ess = bands(&vec![vec![(2.0, 0.9), (1.0, 0.1)]], Scale::Fraction);
        assert!(Scale::Fraction.range(&[ess], None).unwrap().1 <= 0.02);
    }
}
