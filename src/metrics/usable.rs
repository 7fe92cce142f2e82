//! Frames that can be judged: those of samples that are finite and the molecule, and those of a reference.

use super::ReferenceSet;
use super::side::Side;
use crate::array::{Arrays, get};
use crate::error::{Error, Result};
use crate::systems::{System, wholeness};

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

impl Usable {
    /// Those whose bonds can be, of finite frames with their places among all `frames`.
    fn of(side: Side, places: Vec<usize>, frames: usize, system: &System) -> Self {
        let sorted = system.topology.as_ref().map(|t| wholeness::sort(t, side.positions(), system.scale));
        match sorted {
            Some(wholeness::Sorted { kept, hint: Some(hint) }) => Self {
                impossible: Some((side.len() - kept.len(), hint)),
                side: side.select(&kept),
                kept: kept.into_iter().map(|k| places[k]).collect(),
                frames,
            },
            _ => Self { side, kept: places, frames, impossible: None },
        }
    }
}

/// The samples with finite positions, made whole where there is a box, whose bonds can be.
pub(super) fn usable(samples: &Arrays, system: &System) -> Result<Usable> {
    let dim = 3 * system.atoms;
    let mut all = positions(samples, system.atoms)?;
    if let Some(topology) = &system.topology {
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
    let side = Side::new(system.atoms, all, vec![]).with_log_weight(log_weight).select(&finite);
    Ok(Usable::of(side, finite, frames, system))
}

/// The frames of the reference whose bonds can be, with energies in kT.
pub(super) fn whole(reference: &ReferenceSet, system: &System) -> Result<Usable> {
    let (dim, kt) = (3 * system.atoms, system.kt(system.temperature));
    let reduced = reference.energies.iter().map(|e| e / kt).collect();
    let whole = Side::new(system.atoms, reference.positions.clone(), reduced);
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
    let frames = whole.len();
    let found = Usable::of(whole, (0..frames).collect(), frames, system);
    if let (true, Some((_, hint))) = (found.side.is_empty(), &found.impossible) {
        return Err(Error::data("reference", format!("no frame is the molecule: {hint}")));
    }
    Ok(found)
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
