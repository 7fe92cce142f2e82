//! Free energies along an angle, reference against methods.

use std::f64::consts::{FRAC_PI_2 as QUARTER, PI, TAU};

use plotters::prelude::*;

use super::axes;
use super::band::{Band, strokes};
use super::grid::Grid;
use super::samples::seed_keys;
use super::style::{self, AXIS, INK, Mark};
use super::{Area, Drawing, Figure};

/// Points of a curve: one a degree.
const BINS: usize = 360;
/// Standard deviation of the Gaussian that the angles are smoothed with, rad.
const WIDTH: f64 = 0.1;
/// Curves are drawn up to the highest point of the reference, but never beyond this, kT.
const HIGHEST: f64 = 12.0;

/// Height of a plot over its width.
const SHAPE: f64 = 0.8;

/// One angle.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Title of the axis, such as `φ ALA2`.
    pub x: String,
    /// The angle in every frame of the reference, rad.
    pub reference: Vec<f64>,
    /// The same of every method, by seed.
    pub methods: Vec<Vec<Vec<f64>>>,
}

/// A column for every method, a panel for every angle, with -ln p in kT; 0 is the lowest point of each curve. The axis begins
/// opposite to the highest barrier of the reference, so that no barrier is cut in two. There is nothing where no frame is near.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiles {
    /// Titles of the methods.
    pub labels: Vec<String>,
    /// The angles.
    pub profiles: Vec<Profile>,
}

/// Smoothed density over the circle at the middles of 360 bins from -π, up to a factor.
fn density(angles: &[f64]) -> Vec<f64> {
    let mut counts = vec![0.0; BINS];
    for angle in angles.iter().filter(|a| a.is_finite()) {
        counts[(((angle + PI).rem_euclid(TAU) / TAU * BINS as f64) as usize).min(BINS - 1)] += 1.0;
    }
    let step = TAU / BINS as f64;
    // Beyond four standard deviations a frame counts no more.
    let reach = (4.0 * WIDTH / step) as usize;
    let kernel: Vec<f64> = (0..=reach).map(|i| (-0.5 * (i as f64 * step / WIDTH).powi(2)).exp()).collect();
    (0..BINS)
        .map(|i| {
            let beside = (1..=reach).map(|d| kernel[d] * (counts[(i + d) % BINS] + counts[(i + BINS - d) % BINS]));
            counts[i] + beside.sum::<f64>()
        })
        .collect()
}

/// -ln of a density, its lowest value 0; infinite where there is less than half of what a frame counts at its own place:
/// further away from all frames the curve would only show the shape of the smoothing.
fn free_energy(density: &[f64]) -> Vec<f64> {
    let most = density.iter().copied().fold(0.0, f64::max);
    density.iter().map(|&d| if d >= 0.5 { (most / d).ln() } else { f64::INFINITY }).collect()
}

/// Where the axis begins: the multiple of 30 degrees nearest to the opposite of the highest barrier (the middle of the
/// widest gap, if there are gaps).
fn seam(density: &[f64]) -> f64 {
    let least = density.iter().copied().fold(f64::INFINITY, f64::min);
    let low = |i: usize| density[i % BINS] <= least;
    let (mut widest, mut middle) = (0, 0);
    for start in (0..BINS).filter(|&i| low(i) && !low(i + BINS - 1)) {
        let width = (0..BINS).take_while(|&k| low(start + k)).count();
        if width > widest {
            (widest, middle) = (width, start + width / 2);
        }
    }
    if widest == 0 {
        return -PI;
    }
    let barrier = (middle as f64 + 0.5) * TAU / BINS as f64 - PI;
    let step = PI / 6.0;
    let steps = ((barrier - PI) / step).round();
    step * if steps < -9.0 { steps + 12.0 } else { steps }
}

/// The axis of an angle, in quarter turns.
struct Circle {
    /// Where it begins.
    begin: f64,
    /// The bin there.
    first: usize,
}

impl Circle {
    /// Of the reference's density.
    fn new(density: &[f64]) -> Self {
        let begin = seam(density);
        let first = ((begin + PI).rem_euclid(TAU) / TAU * BINS as f64).round() as usize % BINS;
        Self { begin: begin / QUARTER, first }
    }

    /// Middles of the bins along the axis.
    fn places(&self) -> Vec<f64> {
        (0..BINS).map(|k| self.begin + 4.0 * (k as f64 + 0.5) / BINS as f64).collect()
    }

    /// Values along the axis; infinite above `top`.
    fn along(&self, values: &[f64], top: f64) -> Vec<f64> {
        let at = |k: usize| values[(self.first + k) % BINS];
        (0..BINS).map(|k| if at(k) <= top { at(k) } else { f64::INFINITY }).collect()
    }

    /// The curve of a method: that of all its frames, with the interval of its seeds where each of them was.
    fn band(&self, seeds: &[Vec<f64>], top: f64) -> Band {
        let curves: Vec<Vec<f64>> = seeds.iter().map(|s| free_energy(&density(s))).collect();
        let all = self.along(&free_energy(&density(&seeds.concat())), top);
        let apart = Band::new(self.places(), curves.iter().map(|c| self.along(c, f64::MAX)).collect());
        let half = |k: usize| {
            let (low, high) = apart.mean[k]?.1?;
            Some((high - low) / 2.0)
        };
        let mean = all.iter().enumerate();
        let mean = mean.map(|(k, &f)| f.is_finite().then(|| (f, half(k).map(|h| ((f - h).max(0.0), f + h)))));
        Band { mean: mean.collect(), x: self.places(), seeds: curves.iter().map(|c| self.along(c, top)).collect() }
    }
}

impl Profiles {
    fn grid(&self) -> Grid {
        let mut keys = vec![(Mark::Dark, "reference".into())];
        keys.extend(seed_keys(self.profiles.iter().flat_map(|p| &p.methods).any(|m| m.len() > 1)));
        Grid::new(&self.labels, self.profiles.len(), keys, SHAPE)
    }
}

impl Figure for Profiles {
    fn size(&self) -> (u32, u32) {
        self.grid().size()
    }

    fn draw(&self, area: &Area<'_>) -> Drawing {
        let grid = self.grid();
        grid.put_heads(area)?;
        for (row, profile) in self.profiles.iter().enumerate() {
            let reference = density(&profile.reference);
            let circle = Circle::new(&reference);
            let reference = free_energy(&reference);
            let highest = reference.iter().copied().filter(|f| f.is_finite()).fold(2.0, f64::max);
            let top = (highest * 1.1).min(HIGHEST);
            let reference = circle.along(&reference, top);
            for (i, seeds) in profile.methods.iter().enumerate() {
                let place = grid.panel(area, i, row);
                let titles = (profile.x.as_str(), grid.first(i));
                panel(&place, &circle, (&reference, top), &circle.band(seeds, top), titles)?;
            }
        }
        Ok(())
    }
}

/// One panel. `titles`: of the horizontal axis, and whether the vertical one has labels.
fn panel(
    area: &Area<'_>,
    circle: &Circle,
    (reference, top): (&[f64], f64),
    method: &Band,
    (x, first): (&str, bool),
) -> Drawing {
    let mut chart = axes::chart(area, (0, 0), circle.begin..circle.begin + 4.0, 0.0..top)?;
    let curve = method.x.iter().zip(reference).map(|(&x, &f)| f.is_finite().then_some((x, f)));
    strokes(&mut chart, curve, INK.stroke_width(AXIS), (0.0, top))?;
    method.draw(&mut chart, 0, (0.0, top))?;
    let y: axes::Axis<'_> = if first { ("free energy (kT)", 5, style::tick) } else { ("", 5, |_| String::new()) };
    axes::draw(&mut chart, (x, 5, angle), y, false)
}

/// An angle in quarter turns as a multiple of π.
fn angle(quarters: &f64) -> String {
    match quarters.round() as i32 {
        0 => "0".into(),
        1 => "π/2".into(),
        -1 => "−π/2".into(),
        2 => "π".into(),
        -2 => "−π".into(),
        n if n % 2 == 0 => format!("{}π", n / 2),
        n => format!("{n}π/2"),
    }
    .replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// A wrapped normal of width s, smoothed, is a wrapped normal of width sqrt(s^2 + WIDTH^2): F = x^2 / 2 of that.
    #[test]
    fn curve_of_a_normal() {
        let mut draws = Stream::new(1, Purpose::Init, 0).at(0);
        let angles: Vec<f64> = (0..400_000).map(|_| PI + 0.5 * draws.normal()).collect();
        let f = free_energy(&density(&angles));
        let variance = 0.25 + WIDTH * WIDTH;
        for degrees in [-180, -150, -140, 140, 160, 179] {
            let x = f64::from(degrees) + 0.5;
            let away = (180.0 - x.abs()).to_radians();
            let expected = away * away / (2.0 * variance);
            let found = f[(degrees + 180) as usize];
            assert!((found - expected).abs() < 0.03, "{degrees}: {found} {expected}");
        }
        // Nothing within four standard deviations of 0: the middle of the gap.
        assert!(f[180].is_infinite());
        assert!((seam(&density(&angles)).abs() - PI).abs() < 1e-12);
    }

    #[test]
    fn seam_is_opposite_to_the_barrier() {
        for barrier in [-120, -60, 0, 90, 150] {
            // Two wells beside a barrier of density that is low but not nothing.
            let density: Vec<f64> =
                (0..BINS as i32).map(|i| 1.01 - (f64::from(i - 180 - barrier).to_radians()).cos()).collect();
            let opposite = (f64::from(barrier) - 180.0).to_radians();
            let away = (seam(&density) - opposite).rem_euclid(TAU);
            assert!(away.min(TAU - away) < 0.02, "{barrier}");
            assert!((-1.51 * PI..0.51 * PI).contains(&seam(&density)));
        }
        assert_eq!(seam(&[1.0; BINS]), -PI);
    }

    /// Curves end where no frame is near.
    #[test]
    fn nothing_is_drawn_where_nobody_is() {
        let mut f = vec![0.0; BINS];
        f[10] = f64::INFINITY;
        f[100] = 9.0;
        let circle = Circle { begin: -2.0, first: 5 };
        let along = circle.along(&f, 8.0);
        assert_eq!(along.iter().filter(|f| f.is_finite()).count(), 358);
        assert!(along[5].is_infinite() && along[95].is_infinite() && along[355].is_finite());
        assert!((circle.places()[0] + 2.0 - 0.5 * TAU / BINS as f64 / QUARTER).abs() < 1e-12);
        assert_eq!([-2.0, -1.0, 0.0, 3.0].map(|x| angle(&x)), ["−π", "−π/2", "0", "3π/2"]);
        let narrow = |at: f64| -> Vec<f64> { (0..500).map(|i| at + 1e-3 * f64::from(i)).collect() };
        let profile =
            Profile { x: "φ".into(), reference: narrow(0.0), methods: vec![vec![narrow(0.1), narrow(-0.1)]] };
        let circle = Circle::new(&density(&profile.reference));
        let band = circle.band(&profile.methods[0], 12.0);
        let drawn = band.mean.iter().flatten().count();
        // Half a radian of frames, and what the smoothing adds on both sides: not the circle.
        assert!((40..120).contains(&drawn), "{drawn}");
        assert!(band.mean.iter().flatten().any(|m| m.1.is_some()) && band.mean.iter().flatten().any(|m| m.1.is_none()));
    }
}
