//! The part of the circle that each torsion of a Z-matrix may be in.
//!
//! An atom that is placed beside another neighbour of the atom it is bonded to turns over to the other side when its
//! torsion changes sign. The published rule confines such torsions where they place HA on CA (so that the mirror image is
//! outside) and hydrogens of methyl and amino groups (so that no two of them can change places) to the half circle in
//! which the structure has them. Where a molecule has other centres, other names or other equal groups, the same holds
//! for all its tetrahedral atoms, with a third of the circle for stereocentres; torsions about double bonds that are held
//! stay within a quarter turn of the structure.

use std::f64::consts::{PI, TAU};

use super::ZMatrix;
use crate::systems::Topology;
use crate::systems::stereo::Stereo;

/// Windows of all torsions.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    /// Where each begins, in turns from -pi, and how wide it is: (0, 1) for the whole circle.
    pub(super) turns: Vec<(f64, f64)>,
    /// Rows that decide about the chirality of a CA, by the published rule.
    pub(super) chirality: Vec<usize>,
    /// What else has to be asked about a frame, if anything: corners of the windows of one centre may turn it over.
    pub(super) stereo: Option<Stereo>,
}

/// Windows around a structure `x [atoms, 3]` with these torsions.
pub(super) fn windows(topology: &Topology, z: &ZMatrix, torsions: &[f64], x: &[f64]) -> Windows {
    let start = |row: usize| (torsions[row] + PI) / TAU;
    let half = |row: usize| (if start(row) < 0.5 { 0.0 } else { 0.5 }, 0.5);
    let (chirality, hydrogens) = published(topology, z);
    let whole = vec![(0.0, 1.0); z.rows.len()];
    let mut turns = whole.clone();
    for &row in chirality.iter().chain(&hydrogens) {
        turns[row] = half(row);
    }
    let stereo = Stereo::new(topology, x);
    let neighbours = topology.neighbours();
    let beside = |row: &[usize; 4]| neighbours[row[1]].contains(&row[3]);
    let at = |atom: usize| (0..z.rows.len()).filter(move |&row| z.rows[row][1] == atom && beside(&z.rows[row]));
    // The published rule is enough where every centre has such a torsion, and only such torsions are confined: the first
    // hydrogen of a CH2 group may be what a rotamer turns by.
    let every = stereo.units().iter().all(|unit| at(unit.atom).any(|row| turns[row].1 < 1.0));
    let only = chirality.iter().chain(&hydrogens).all(|&row| beside(&z.rows[row]));
    if every && only && stereo.held().is_empty() {
        return Windows { turns, chirality, stereo: None };
    }
    turns = whole;
    for unit in stereo.units() {
        for row in at(unit.atom) {
            // 60 to 180 degrees on either side: a tetrahedron has 120.
            turns[row] = match start(row) {
                s if !stereo.is_centre(unit.atom) || (1.0 / 3.0..=2.0 / 3.0).contains(&s) => half(row),
                s => (if s < 0.5 { 0.0 } else { 2.0 / 3.0 }, 1.0 / 3.0),
            };
        }
    }
    for held in stereo.held() {
        let about = |row: &[usize; 4]| [row[1], row[2]] == held.ends || [row[2], row[1]] == held.ends;
        let on_it = |row: &[usize; 4]| about(row) || held.ends.contains(&row[1]) && beside(row);
        for row in (0..z.rows.len()).filter(|&row| on_it(&z.rows[row])) {
            turns[row] = ((start(row) - 0.25).rem_euclid(1.0), 0.5);
        }
    }
    let stereo = Some(stereo).filter(Stereo::any);
    Windows { turns, chirality, stereo }
}

/// Rows whose torsion the published rule confines to a half circle: chirality, then hydrogens.
fn published(topology: &Topology, z: &ZMatrix) -> (Vec<usize>, Vec<usize>) {
    let atom = |i: usize| &topology.atoms[i];
    let row_of = |i: usize| z.rows.iter().position(|row| row[0] == i);
    let chiral = |row: &usize| {
        let [placed, bonded, ..] = z.rows[*row];
        atom(placed).name == "HA" && atom(bonded).name == "CA"
    };
    let chirality = (0..z.rows.len()).filter(chiral).collect();
    let mut hydrogens = Vec::new();
    for (i, bonded) in topology.neighbours().iter().enumerate() {
        let group: Vec<usize> = bonded.iter().copied().filter(|&j| atom(j).is_hydrogen()).collect();
        if !["C", "N"].contains(&atom(i).element.as_str()) || group.len() < 2 {
            continue;
        }
        let mut rows: Vec<usize> = group.into_iter().filter_map(row_of).collect();
        rows.sort_unstable();
        // Of three, the first is free: the other two are placed relative to it.
        hydrogens.extend(rows.iter().skip(rows.len().saturating_sub(2)));
    }
    (chirality, hydrogens)
}
