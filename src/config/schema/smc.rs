//! The settings of annealed SMC.

use super::super::fields::{Fields, Float};
use super::pita;
use crate::spec::{AutoLadder, Coordinates, Ladder, SmcSpec};

const COORDINATES: [(&str, Coordinates); 2] =
    [("cartesian", Coordinates::Cartesian), ("internal", Coordinates::Internal)];

pub(super) fn settings(f: &Fields<'_>) -> SmcSpec {
    let d = SmcSpec::default();
    SmcSpec {
        ladder: ladder(f, &d.ladder),
        initial: pita::initial(&f.nested("initial"), &d.initial),
        coordinates: f.choice("coordinates", d.coordinates, &COORDINATES),
        moves: f.count("moves", d.moves, 0),
        acceptance: f.float("acceptance", d.acceptance, Float::Inside),
        ess_threshold: f.float("ess_threshold", d.ess_threshold, Float::Fraction),
        stride: f.count("stride", d.stride, 1),
        samples: f.count("samples", d.samples, 1),
        budget: f.optional("budget"),
    }
}

/// A list of temperatures, or `"auto"` with `hottest` and `ladder_ess`, which are unknown keys beside a list.
fn ladder(f: &Fields<'_>, d: &Ladder) -> Ladder {
    if !f.is_text("ladder") {
        return Ladder::Fixed(f.ladder("ladder", d.known().to_vec()));
    }
    f.choice("ladder", (), &[("auto", ())]);
    Ladder::Auto(AutoLadder {
        hottest: f.required_float("hottest", Float::Temperature).unwrap_or(f64::MAX),
        ess: f.float("ladder_ess", 0.5, Float::Inside),
    })
}
