//! Frames that can be judged: those of samples that are finite and the molecule, and those of a reference.

use super::ReferenceSet;
use super::side::Side;
use crate::array::{Arrays, get};
use crate::error::{Error, Result};
use crate::systems::{Topology, wholeness};

/// Coordinates at or beyond this count as non-finite: their squares would overflow.
const COORDINATE_LIMIT: f64 = 1e100;

/// Frames that can be judged.
pub(super) struct Usable {
    pub side: Side,
    /// Which of all they are.
    pub kept: Vec<usize>,
    /// How many there are in all.
    pub frames: usize,
    /// How many finite ones have bonds that cannot be, and the likely cause.
    pub impossible: Option<(usize, String)>,
}

/// Frames whose bonds can be, by their places; how many others there are, and the likely cause.
pub(super) fn possible(side: &Side, topology: Option<&Topology>, scale: f64) -> Option<(Vec<usize>, usize, String)> {
    let wholeness::Sorted { kept, hint } = wholeness::sort(topology?, side.positions(), scale);
    let others = side.len() - kept.len();
    hint.map(|hint| (kept, others, hint))
}

/// The samples with finite positions, made whole where there is a box, whose bonds can be.
pub(super) fn usable(samples: &Arrays, atoms: usize, topology: Option<&Topology>, scale: f64) -> Result<Usable> {
    let dim = 3 * atoms;
    let mut all = positions(samples, atoms)?;
    if let Some(topology) = topology {
        wholeness::by_box(topology, samples, &mut all);
    }
    let frames = all.len() / dim;
    let finite: Vec<usize> =
        (0..frames).filter(|f| all[f * dim..(f + 1) * dim].iter().all(|x| x.abs() < COORDINATE_LIMIT)).collect();
    let log_weight = samples.get("log_weight").map(crate::array::Array::to_f64);
    if let Some(weights) = &log_weight
        && weights.len() != frames
    {
        let message = format!("`log_weight` has {} entries, expected {frames} as `positions` has", weights.len());
        return Err(Error::shape("samples", message));
    }
    let side = Side::new(atoms, all, vec![]).with_log_weight(log_weight).select(&finite);
    Ok(match possible(&side, topology, scale) {
        Some((kept, others, hint)) => Usable {
            side: side.select(&kept),
            kept: kept.into_iter().map(|k| finite[k]).collect(),
            frames,
            impossible: Some((others, hint)),
        },
        None => Usable { side, kept: finite, frames, impossible: None },
    })
}

/// All of the reference, with energies in kT.
pub(super) fn whole(reference: &ReferenceSet, atoms: usize, kt: f64) -> Result<Side> {
    let dim = 3 * atoms;
    let reduced = reference.energies.iter().map(|e| e / kt).collect();
    let whole = Side::new(atoms, reference.positions.clone(), reduced);
    let (coordinates, energies) = (reference.positions.len(), reference.energies.len());
    if whole.is_empty() || !coordinates.is_multiple_of(dim) || energies != whole.len() {
        let expected = format!("expected n * {dim} coordinates and n energies, n > 0");
        return Err(Error::shape(
            "reference",
            format!("{coordinates} coordinates and {energies} energies; {expected}"),
        ));
    }
    if reference.positions.iter().any(|x| x.is_nan() || x.abs() >= COORDINATE_LIMIT) {
        let message = "the reference has non-finite coordinates; remove such frames".into();
        return Err(Error::NonFinite { path: "reference".into(), message });
    }
    Ok(whole)
}

fn positions(samples: &Arrays, atoms: usize) -> Result<Vec<f64>> {
    let array = get(samples, "positions", "samples")?;
    match array.shape[..] {
        [_, a, 3] if a == atoms => Ok(array.to_f64()),
        [_, d] if d == 3 * atoms => Ok(array.to_f64()),
        _ => Err(Error::shape(
            "samples",
            format!("`positions` has shape {:?}, expected [n, {atoms}, 3] for this system", array.shape),
        )),
    }
}
