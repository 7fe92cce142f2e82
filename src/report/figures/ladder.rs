//! The ladder at a glance (in the manner of the PITA paper's Fig. 1): energies, effective sample sizes and surviving lines of
//! descent from rung to rung, as the runs recorded them.

use super::axes;
use super::band::Band;
use super::histogram::range;
use super::numbers::{self, Ticked};
use super::style::{self, DOUBLE, Key, Mark, THIN};
use super::{Area, Drawing, Figure};

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
            self.methods.iter().enumerate().map(|(i, m)| (Mark::Course(i), m.label.clone())).collect();
        if self.methods.iter().any(|m| m.energies.len().max(m.ess.len()) > 1) {
            keys.push((Mark::Band(None), "95 % interval".into()));
        }
        if self.reference.is_some() {
            keys.push((Mark::Guide, "reference".into()));
        }
        keys
    }
}

impl Figure for Ladder {
    fn size(&self) -> (u32, u32) {
        axes::size(&self.keys(), DOUBLE, HEIGHT)
    }

    fn draw(&self, area: &Area<'_>) -> Drawing {
        let rest = style::legend(area, &self.keys())?;
        let steps = self.methods.iter().flat_map(|m| [&m.energies, &m.ess, &m.parents]).flatten().flatten();
        let temperatures = steps.map(|s| s.0).chain(self.reference.map(|r| r.0));
        let Some((cold, hot)) = range(temperatures) else { return Ok(()) };
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
        let (low, high) = range(all().flat_map(|b| b.seeds.iter().flatten().copied()).chain(reference))?;
        let more = 0.3 * (high - low).max(0.2);
        let ends = all().flat_map(|b| b.mean.iter().flatten().filter_map(|m| m.1)).flat_map(|(lo, hi)| [lo, hi]);
        let (low, high) = numbers::around(ends.map(|e| e.clamp(low - more, high + more)).chain([low, high]))?;
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

fn panel(
    area: &Area<'_>,
    (x, title): ((f64, f64), &str),
    (name, scale): (&str, Scale),
    methods: &[&Steps],
    reference: Option<(f64, f64)>,
) -> Drawing {
    let bands: Vec<Vec<Band>> = methods.iter().map(|steps| bands(steps, scale)).collect();
    let Some((low, high)) = scale.range(&bands, reference.map(|r| r.1)) else {
        let middle = (area.dim_in_pixel().0 as i32 / 2, area.dim_in_pixel().1 as i32 / 2);
        let words = format!("{name}: not recorded");
        return style::put_above(area, &[words], middle);
    };
    let places = numbers::rounded(10.0_f64.powf(-x.1), 10.0_f64.powf(-x.0));
    let places: Vec<f64> = places.iter().map(|t| -t.log10()).collect();
    let linear = scale == Scale::Linear;
    let mut chart = axes::chart(area, (8, 26), Ticked::new(x, places), Ticked::usual((low, high), !linear))?;
    let text: axes::Ticks = if linear { style::tick } else { style::power_tick };
    axes::draw(&mut chart, (title, 6, |x| style::tick(&10.0_f64.powf(-x))), (name, 6, text), false)?;
    if let Some((temperature, energy)) = reference {
        let at = -temperature.log10();
        axes::guide(&mut chart, [(x.0, energy), (at.max(x.0), energy)], THIN)?;
    }
    for (i, bands) in bands.iter().enumerate() {
        for band in bands {
            band.draw(&mut chart, i, (low, high))?;
            axes::markers(&mut chart, (i, 10.0), band.means().map(|(x, y)| (x, y.clamp(low, high))))?;
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
