//! `CMAPTorsionForce`: energy maps of two dihedrals.

use super::bonded::not_periodic;
use super::element::Element;
use crate::energy::forcefield::ForceField;
use crate::energy::forcefield::params::Cmap;
use crate::error::Result;

/// Reads maps and where they act; a map that acts nowhere is left out.
pub(super) fn read(force: Element<'_>, field: &mut ForceField) -> Result<()> {
    not_periodic(force)?;
    let mut maps = force.required_list("Maps", "Map")?.into_iter().map(map).collect::<Result<Vec<Cmap>>>()?;
    for torsion in force.required_list("Torsions", "Torsion")? {
        let first = torsion.atoms(["a1", "a2", "a3", "a4"], field.atoms())?;
        let second = torsion.atoms(["b1", "b2", "b3", "b4"], field.atoms())?;
        let number = torsion.count("map")? as usize;
        let known = maps.len();
        let Some(map) = maps.get_mut(number) else {
            return Err(torsion.error(format!("`map` is {number}, but the force has {known} maps, counted from 0")));
        };
        map.places.push([first, second]);
    }
    field.cmaps.extend(maps.into_iter().filter(|map| !map.places.is_empty()));
    Ok(())
}

fn map(map: Element<'_>) -> Result<Cmap> {
    let size = map.count("size")? as usize;
    let energies = map.children().map(|energy| energy.number("e")).collect::<Result<Vec<f64>>>()?;
    if size < 2 {
        return Err(map.error(format!("`size` is {size}, expected 2 or more")));
    }
    if size.checked_mul(size) != Some(energies.len()) {
        return Err(
            map.error(format!("has {} energies, expected size x size, which is {size} x {size}", energies.len()))
        );
    }
    Ok(Cmap { size, energies, places: Vec::new() })
}
