//! Populations of the conformational states of residues: regions of the Ramachandran plane.

use super::basins::{fraction, largest};
use super::ramachandran::Pairing;
use super::{Frames, residue};
use crate::metrics::compare::{Compared, Settings, absolute, bootstrap_both};

/// Regions of (phi, psi), which together are the plane.
const REGIONS: [&str; 4] = ["alpha-R", "beta", "alpha-L", "gamma"];

fn region([phi, psi]: [f64; 2]) -> &'static str {
    let psi = psi.to_degrees();
    match phi < 0.0 {
        // The right-handed helix.
        true if (-120.0..50.0).contains(&psi) => "alpha-R",
        // Extended and polyproline.
        true => "beta",
        // The left-handed helix, the mirror image of the first.
        false if (-50.0..120.0).contains(&psi) => "alpha-L",
        // The inverse gamma turn (C7ax).
        false => "gamma",
    }
}

/// For every residue with phi and psi and every region: its name, and which frames are inside (1, or 0).
fn inside(frames: &Frames) -> Vec<(String, Vec<f64>)> {
    let structure = frames.structure();
    let panels = structure.backbone.panels(Pairing::Residue);
    let names = panels.iter().map(|[i, _]| residue(&structure.topology, structure.backbone.phi[*i].residue));
    let points = frames.ramachandran(Pairing::Residue);
    let of_residue = |(name, panel): (String, super::Panel)| {
        let regions: Vec<&str> = panel.points.iter().map(|point| region(*point)).collect();
        REGIONS.map(|region| {
            let hits = regions.iter().map(|r| f64::from(u8::from(*r == region))).collect();
            (format!("{name} {region}"), hits)
        })
    };
    names.zip(points).flat_map(of_residue).collect()
}

/// Largest absolute difference of the populations of a state; all of them, with standard errors, stand in the note.
pub(in crate::metrics) fn population_error(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (ours, theirs) = (inside(a), inside(b));
    let both: Vec<(f64, f64)> =
        ours.iter().zip(&theirs).map(|((_, x), (_, y))| (fraction(x, a.weights()), fraction(y, None))).collect();
    let worst = largest(both.iter().map(|(p, q)| (p - q).abs()));
    let Some((worst, _)) = worst else { return Compared::undefined("the molecule has no pair of phi and psi") };
    let (hits, truth) = (&ours[worst].1, &theirs[worst].1);
    let mut found = absolute(bootstrap_both((a.len(), b.len()), a.weights(), settings, |in_a, in_b| {
        Some(fraction(hits, in_a) - fraction(truth, in_b))
    }));
    // Independent frames that ours are worth (Kish for weights).
    let worth = |weights: &[f64]| weights.iter().sum::<f64>().powi(2) / weights.iter().map(|w| w * w).sum::<f64>();
    let equal = settings.effective(a.len()) as f64;
    let n = a.weights().map_or(equal, |w| equal * worth(w) / w.len() as f64);
    let error = |p: f64, n: f64| (p * (1.0 - p) / n).sqrt();
    let each = ours.iter().zip(&both).map(|((name, _), (p, q))| {
        format!("{name} {p:.4} ± {:.4}, reference {q:.4} ± {:.4}", error(*p, n), error(*q, b.len() as f64))
    });
    found.note = each.collect::<Vec<_>>().join("; ");
    found
}

#[cfg(test)]
mod tests {
    use super::region;

    /// The minima of alanine dipeptide (degrees), and the edges.
    #[test]
    fn minima_are_in_their_regions() {
        for (at, name) in [
            ([-82.0, 72.0], "beta"),
            ([-150.0, 155.0], "beta"),
            ([-75.0, -20.0], "alpha-R"),
            ([60.0, 35.0], "alpha-L"),
            ([62.0, -55.0], "gamma"),
            ([-60.0, -170.0], "beta"),
            ([0.0, 0.0], "alpha-L"),
        ] {
            assert_eq!(region(at.map(f64::to_radians)), name, "{at:?}");
        }
    }
}
