//! Histograms of (phi, psi), and how far two of them are apart.

use std::f64::consts::{PI, TAU};

use crate::systems::dihedrals::{Backbone, Dihedral};

/// Cells along each angle for divergences.
pub(super) const BINS: usize = 100;
/// Added to both densities in the logarithm: an empty cell costs about 20 nats times its reference mass.
pub const EPSILON: f64 = 1e-10;

/// Which phi stands against which psi.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// The k-th phi with the k-th psi, as PITA's public code draws them: without caps, phi of one residue with psi of
    /// the residue before.
    Listed,
    /// Phi and psi of the same residue.
    Residue,
}

impl Backbone {
    /// Places of phi and psi in [`Backbone::phi`] and [`Backbone::psi`], one pair a panel.
    #[must_use]
    pub fn panels(&self, pairing: Pairing) -> Vec<[usize; 2]> {
        match pairing {
            Pairing::Listed => (0..self.phi.len().min(self.psi.len())).map(|k| [k, k]).collect(),
            Pairing::Residue => {
                let psi = |phi: &Dihedral| self.psi.iter().position(|psi| psi.residue == phi.residue);
                self.phi.iter().enumerate().filter_map(|(i, phi)| Some([i, psi(phi)?])).collect()
            }
        }
    }
}

/// Cell of a point of the torus on a grid of `bins` by `bins`, phi first. Cells contain their lower edges; the last ones
/// both edges.
pub(super) fn cell(phi: f64, psi: f64, bins: usize) -> u32 {
    let place = |angle: f64| (((angle + PI) / TAU * bins as f64) as usize).min(bins - 1);
    (place(phi) * bins + place(psi)) as u32
}

/// Mass in every cell, total 1, for points in `cells` of given weights. All zero when no weight is positive.
#[must_use]
pub fn masses(cells: &[u32], weights: impl Fn(usize) -> f64, bins: usize) -> Vec<f64> {
    let mut masses = vec![0.0; bins * bins];
    let mut total = 0.0;
    for (i, &cell) in cells.iter().enumerate() {
        masses[cell as usize] += weights(i);
        total += weights(i);
    }
    if total > 0.0 {
        masses.iter_mut().for_each(|m| *m /= total);
    }
    masses
}

/// Kullback-Leibler divergence KL(p || q) of two histograms of masses, with [`EPSILON`] added to the densities per rad^2
/// (TA-BG's public code).
#[must_use]
pub fn kl(p: &[f64], q: &[f64]) -> f64 {
    let area = TAU * TAU / p.len() as f64;
    let term =
        |(&p, &q): (&f64, &f64)| if p > 0.0 { p * ((p / area + EPSILON) / (q / area + EPSILON)).ln() } else { 0.0 };
    p.iter().zip(q).map(term).sum()
}

/// Total variation distance of two histograms of masses: half the sum of the absolute differences, in [0, 1].
#[must_use]
pub fn total_variation(p: &[f64], q: &[f64]) -> f64 {
    0.5 * p.iter().zip(q).map(|(p, q)| (p - q).abs()).sum::<f64>()
}

/// Jensen-Shannon divergence of two histograms of masses, nat: half the sum of both divergences from their mean, in
/// [0, ln 2].
pub(in crate::metrics) fn jensen_shannon(p: &[f64], q: &[f64]) -> f64 {
    let from_mean = |(&p, &q): (&f64, &f64)| if p > 0.0 { p * (2.0 * p / (p + q)).ln() } else { 0.0 };
    0.5 * (p.iter().zip(q).map(from_mean).sum::<f64>() + q.iter().zip(p).map(from_mean).sum::<f64>())
}

/// Of the fewest cells that hold the fraction `share` of the mass of `p`, the fraction of mass in cells where `q` has any.
///
/// Cells of equal mass are taken in their order.
#[must_use]
pub fn coverage(p: &[f64], q: &[f64], share: f64) -> f64 {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[j].total_cmp(&p[i]));
    let (mut mass, mut seen) = (0.0, 0.0);
    for cell in order {
        // Rounding of the sum must not let an empty cell in.
        if mass >= share || p[cell] == 0.0 {
            break;
        }
        mass += p[cell];
        if q[cell] > 0.0 {
            seen += p[cell];
        }
    }
    if mass > 0.0 { seen / mass } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cover_the_torus() {
        assert_eq!(cell(-PI, -PI, 100), 0);
        assert_eq!(cell(PI, PI, 100), 9_999);
        assert_eq!(cell(0.0, -PI, 100), 5_000);
        // 1e-9 either side of an edge at 3/100 of the circle.
        let edge = -PI + 0.03 * TAU;
        assert_eq!((cell(-PI, edge - 1e-9, 100), cell(-PI, edge + 1e-9, 100)), (2, 3));
    }

    /// Closed forms: uniform against a half torus, and an empty cell at the price of epsilon.
    #[test]
    fn divergences_by_hand() {
        let uniform = vec![1.0 / 16.0; 16];
        let half: Vec<f64> = (0..16).map(|i| if i < 8 { 0.125 } else { 0.0 }).collect();
        assert!(kl(&uniform, &uniform).abs() < 1e-15);
        // Half of the mass is twice as dense as the uniform: ln 2, up to epsilon over the density 1 / (2 pi)^2.
        assert!((kl(&half, &uniform) - 2.0_f64.ln()).abs() < 1e-8);
        let density = 1.0 / (TAU * TAU);
        let expected = 0.5 * 0.5_f64.ln() + 0.5 * ((density + 1e-10) / 1e-10).ln();
        assert!((kl(&uniform, &half) - expected).abs() < 1e-8);
        assert!((total_variation(&uniform, &half) - 0.5).abs() < 1e-15);
        assert!((total_variation(&half, &half)).abs() < 1e-15);
        // The mean is 3/32 where the half is 1/8, and 1/32 elsewhere.
        let expected = 0.5 * (0.5 * (2.0_f64 / 3.0).ln() + 0.5 * 2.0_f64.ln() + (4.0_f64 / 3.0).ln());
        assert!((jensen_shannon(&uniform, &half) - expected).abs() < 1e-15);
        let other: Vec<f64> = half.iter().rev().copied().collect();
        assert!((jensen_shannon(&half, &other) - 2.0_f64.ln()).abs() < 1e-15 && jensen_shannon(&half, &half) == 0.0);
    }

    #[test]
    fn masses_and_coverage_by_hand() {
        // Weights 1, 2, 1 in cells 0, 0, 3.
        let p = masses(&[0, 0, 3], |i| [1.0, 2.0, 1.0][i], 2);
        assert_eq!(p, [0.75, 0.0, 0.0, 0.25]);
        assert_eq!(masses(&[1], |_| 0.0, 2), [0.0; 4]);
        assert_eq!(coverage(&p, &[1.0, 0.0, 0.0, 0.0], 0.99), 0.75);
        // Three quarters of the mass lie in the first cell alone.
        assert_eq!(coverage(&p, &[1.0, 0.0, 0.0, 0.0], 0.75), 1.0);
        assert_eq!(coverage(&p, &[0.0, 1.0, 0.0, 0.0], 0.99), 0.0);
    }
}
