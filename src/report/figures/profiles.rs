//! Free energies along an angle, reference against methods.

use std::f64::consts::{FRAC_PI_2 as QUARTER, PI, TAU};

use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{self, INK, Key, REFERENCE_FILL};
use super::{Figure, axes};

/// Points of a curve: one a degree.
const BINS: usize = 360;
/// Standard deviation of the Gaussian that the angles are smoothed with, rad.
pub(super) const WIDTH: f64 = 0.1;
/// Curves are drawn up to the highest point of the reference, but never beyond this, kT.
const HIGHEST: f64 = 12.0;

/// One angle.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Title of the axis, such as `φ ALA2`.
    pub x: String,
    /// The angle in every frame, rad: of the reference, then of every method.
    pub angles: Vec<Vec<f64>>,
}

/// A panel for every angle, with -ln p in kT; 0 is the lowest point of each curve. The axis begins opposite to the highest
/// barrier of the reference, so that no barrier is cut in two. Curves have gaps where there are no frames near.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiles {
    /// The reference's name, then the methods'.
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

/// A curve over the axis (in quarter turns) that begins at bin `first`, in pieces without gaps, up to `top`.
fn pieces(free_energy: &[f64], first: usize, begin: f64, top: f64) -> Vec<Vec<(f64, f64)>> {
    let step = TAU / BINS as f64;
    let mut pieces = vec![vec![]];
    for k in 0..BINS {
        let f = free_energy[(first + k) % BINS];
        if f <= top {
            if let Some(piece) = pieces.last_mut() {
                piece.push(((begin + (k as f64 + 0.5) * step) / QUARTER, f));
            }
        } else {
            pieces.push(vec![]);
        }
    }
    pieces.retain(|p| p.len() > 1);
    pieces
}

impl Profiles {
    fn columns(&self) -> usize {
        self.profiles.len().clamp(1, 2)
    }

    fn rows(&self) -> usize {
        self.profiles.len().div_ceil(self.columns()).max(1)
    }
}

impl Figure for Profiles {
    fn size(&self) -> (u32, u32) {
        let width = if self.columns() == 1 { 900 } else { 1200 };
        (width, 100 + 500 * self.rows() as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(|e| e.to_string())?;
        let names = self.labels.iter().cloned().enumerate();
        let keys: Vec<Key> =
            names.map(|(i, name)| if i == 0 { Key::Reference(name) } else { Key::Line(i - 1, name) }).collect();
        let rest = style::legend(area, &keys)?;
        let places = rest.split_evenly((self.rows(), self.columns()));
        for (profile, place) in self.profiles.iter().zip(&places) {
            panel(place, profile)?;
        }
        Ok(())
    }
}

fn panel<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, profile: &Profile) -> Result<(), String> {
    let densities: Vec<Vec<f64>> = profile.angles.iter().map(|a| density(a)).collect();
    let Some(reference) = densities.first() else { return Ok(()) };
    let begin = seam(reference);
    let first = ((begin + PI).rem_euclid(TAU) / TAU * BINS as f64).round() as usize % BINS;
    let curves: Vec<Vec<f64>> = densities.iter().map(|d| free_energy(d)).collect();
    let highest = curves[0].iter().copied().filter(|f| f.is_finite()).fold(2.0, f64::max);
    let top = (highest * 1.1).min(HIGHEST);
    let mut chart = axes::frame(area, (10, 30), 92)
        .build_cartesian_2d(begin / QUARTER..begin / QUARTER + 4.0, 0.0..top)
        .map_err(|e| e.to_string())?;
    axes::draw(&mut chart, (&profile.x, 5, angle), ("free energy (kT)", 6, style::tick), false)?;
    let ends = [(begin / QUARTER, 0.0), (begin / QUARTER + 4.0, 0.0)];
    let wall = (0..BINS).flat_map(|k| {
        let f = curves[0][(first + k) % BINS].min(top);
        let x = |bins: usize| begin / QUARTER + 4.0 * bins as f64 / BINS as f64;
        [(x(k), f), (x(k + 1), f)]
    });
    let under: Vec<(f64, f64)> = ends[..1].iter().copied().chain(wall).chain(ends[1..].iter().copied()).collect();
    let fill = std::iter::once(Polygon::new(under, REFERENCE_FILL.filled()));
    chart.draw_series(fill).map_err(|e| e.to_string())?;
    for (i, curve) in curves.iter().enumerate() {
        for piece in pieces(curve, first, begin, top) {
            if i == 0 {
                chart.draw_series(LineSeries::new(piece, INK.stroke_width(2))).map_err(|e| e.to_string())?;
                continue;
            }
            let (on, off) = style::dash(i - 1);
            if off == 0 {
                chart.draw_series(LineSeries::new(piece, style::line(i - 1))).map_err(|e| e.to_string())?;
            } else {
                let dashes = DashedLineSeries::new(piece, on, off, style::line(i - 1));
                chart.draw_series(dashes).map_err(|e| e.to_string())?;
            }
        }
    }
    Ok(())
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

    #[test]
    fn pieces_skip_gaps() {
        let mut f = vec![0.0; BINS];
        f[10] = f64::INFINITY;
        f[100] = 9.0;
        let pieces = pieces(&f, 5, 0.0, 8.0);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [5, 89, 264]);
        assert!((pieces[0][0].0 - 0.5 * TAU / BINS as f64 / QUARTER).abs() < 1e-12);
        assert_eq!([-2.0, -1.0, 0.0, 3.0].map(|x| angle(&x)), ["−π", "−π/2", "0", "3π/2"]);
    }
}
