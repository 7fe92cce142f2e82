//! Populations of the conformational states of residues: regions of the Ramachandran plane.

use super::ramachandran::Pairing;
use super::{Frames, residue};
use crate::metrics::compare::{Compared, Settings, absolute, bootstrap_both, mean};

/// A region of (phi, psi); together they are the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    /// phi < 0, -120 <= psi < 50 degrees: the right-handed helix.
    AlphaRight,
    /// phi < 0 otherwise: extended and polyproline.
    Beta,
    /// phi >= 0, -50 <= psi < 120 degrees: the left-handed helix, the mirror image of the first.
    AlphaLeft,
    /// phi >= 0 otherwise: the inverse gamma turn (C7ax).
    Gamma,
}

impl Region {
    const ALL: [(Self, &str); 4] =
        [(Self::AlphaRight, "alpha-R"), (Self::Beta, "beta"), (Self::AlphaLeft, "alpha-L"), (Self::Gamma, "gamma")];

    fn of([phi, psi]: [f64; 2]) -> Self {
        let psi = psi.to_degrees();
        match phi < 0.0 {
            true if (-120.0..50.0).contains(&psi) => Self::AlphaRight,
            true => Self::Beta,
            false if (-50.0..120.0).contains(&psi) => Self::AlphaLeft,
            false => Self::Gamma,
        }
    }
}

/// For every residue with phi and psi and every region: its name, and which frames are inside (1, or 0).
fn inside(frames: &Frames) -> Vec<(String, Vec<f64>)> {
    let structure = frames.structure();
    let panels = structure.backbone.panels(Pairing::Residue);
    let names = panels.iter().map(|[i, _]| residue(&structure.topology, structure.backbone.phi[*i].residue));
    let points = frames.ramachandran(Pairing::Residue);
    let of_residue = |(name, panel): (String, super::Panel)| {
        let regions: Vec<Region> = panel.points.iter().map(|point| Region::of(*point)).collect();
        Region::ALL.map(|(region, word)| {
            let hits = regions.iter().map(|r| f64::from(u8::from(*r == region))).collect();
            (format!("{name} {word}"), hits)
        })
    };
    names.zip(points).flat_map(of_residue).collect()
}

/// Largest absolute difference of the populations of a state; all of them, with standard errors, stand in the note.
pub(in crate::metrics) fn population_error(a: &Frames, b: &Frames, settings: Settings) -> Compared {
    let (ours, theirs) = (inside(a), inside(b));
    let share = |hits: &[f64], masses: Option<&[f64]>| mean(hits, masses).unwrap_or(f64::NAN);
    let both: Vec<(f64, f64)> =
        ours.iter().zip(&theirs).map(|((_, x), (_, y))| (share(x, a.weights()), share(y, None))).collect();
    let worst = both.iter().map(|(p, q)| (p - q).abs()).enumerate().max_by(|x, y| x.1.total_cmp(&y.1));
    let Some((worst, _)) = worst else { return Compared::undefined("the molecule has no pair of phi and psi") };
    let (hits, truth) = (&ours[worst].1, &theirs[worst].1);
    let mut found = absolute(bootstrap_both((a.len(), b.len()), a.weights(), settings, |in_a, in_b| {
        Some(share(hits, in_a) - share(truth, in_b))
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
    use super::Region;

    /// The minima of alanine dipeptide (degrees), and the edges.
    #[test]
    fn minima_are_in_their_regions() {
        for (at, region) in [
            ([-82.0, 72.0], Region::Beta),
            ([-150.0, 155.0], Region::Beta),
            ([-75.0, -20.0], Region::AlphaRight),
            ([60.0, 35.0], Region::AlphaLeft),
            ([62.0, -55.0], Region::Gamma),
            ([-60.0, -170.0], Region::Beta),
            ([0.0, 0.0], Region::AlphaLeft),
        ] {
            assert_eq!(Region::of(at.map(f64::to_radians)), region, "{at:?}");
        }
    }
}
