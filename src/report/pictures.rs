//! What the figures of one system need of samples: gathered run by run, so that no more than one run's frames are in memory.

use std::sync::Arc;

use super::figures::{SampleSet, Samples};
use super::views::{self, Panels, Views};
use crate::array::{Arrays, get};
use crate::error::{Error, Result};
use crate::metrics::bootstrap::{Draw, subset};
use crate::metrics::structure::Structure;
use crate::metrics::{ReferenceSet, evaluate::energies, wasserstein::interatomic_distances};
use crate::systems::System;

/// Most frames of a run whose energies are drawn.
const FRAMES: usize = 5_000;
/// Most distances of a run.
const DISTANCES: usize = 200_000;
/// Most frames of the reference, and of a method, in maps of dihedral angles and slow components, which need more of them.
const MAP_FRAMES: usize = 100_000;

/// What the figures of one system at one temperature need.
#[derive(Debug, Clone, PartialEq)]
pub struct Pictures {
    /// System name.
    pub system: String,
    /// Temperature.
    pub temperature: f64,
    /// Reference against methods.
    pub samples: Samples,
    /// Reduced energies of the reference, in the order of sampling.
    pub reference: Vec<f64>,
    /// What only molecules have.
    pub molecule: Option<Views>,
}

/// Gathers [`Pictures`].
pub struct Gallery<'a> {
    system: &'a System,
    structure: Option<Arc<Structure>>,
    pictures: Pictures,
    panels: Panels,
    /// Rows of the table, in the order of the methods.
    rows: Vec<String>,
    methods: Vec<Vec<Panels>>,
}

impl<'a> Gallery<'a> {
    /// With the reference alone.
    ///
    /// # Errors
    /// [`Error::Shape`] when topology, start and TICA models do not fit together.
    pub fn new(system: &'a System, reference: &ReferenceSet) -> Result<Self> {
        let structure = views::structure(system, reference)?;
        let dim = 3 * system.atoms;
        let frames = (reference.positions.len() / dim).min(reference.energies.len());
        let (positions, energies) = (&reference.positions[..frames * dim], &reference.energies[..frames]);
        let reduced = |e: &[f64]| e.iter().map(|e| e / system.kt(system.temperature)).collect::<Vec<f64>>();
        let set = SampleSet {
            label: "reference".into(),
            distances: vec![distances(&some(positions, dim, 2 * FRAMES), system.atoms)],
            energies: vec![reduced(&some(energies, 1, 2 * FRAMES))],
        };
        let panels = structure.as_ref().map(|s| Panels::new(Arc::clone(s), &some(positions, dim, MAP_FRAMES)));
        Ok(Self {
            system,
            structure,
            pictures: Pictures {
                system: system.name.clone(),
                temperature: system.temperature,
                samples: Samples { reference: set, methods: vec![], length_unit: system.length_unit.into() },
                reference: reduced(&reference.energies),
                molecule: None,
            },
            panels: panels.unwrap_or_default(),
            rows: vec![],
            methods: vec![],
        })
    }

    /// Takes the samples of a run, `positions [n, atoms, 3]`, as another seed of its row, or as the first one of a new row that
    /// figures call `name`. `seeds` is how many the row may have.
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Shape`] when samples do not fit the system.
    pub fn add(&mut self, (row, name): (&str, &str), seeds: usize, samples: &Arrays) -> Result<()> {
        let system = self.system;
        let dim = 3 * system.atoms;
        let all = get(samples, "positions", row)?.to_f64();
        if !all.len().is_multiple_of(dim) {
            return Err(Error::shape(row, format!("`positions` is not [n, {}, 3]", system.atoms)));
        }
        let positions = some(&all, dim, FRAMES);
        let kt = system.kt(system.temperature);
        let at = self.rows.iter().position(|r| r == row).unwrap_or_else(|| {
            self.rows.push(row.to_owned());
            let empty = SampleSet { label: name.to_owned(), distances: vec![], energies: vec![] };
            self.pictures.samples.methods.push(empty);
            self.methods.push(vec![]);
            self.rows.len() - 1
        });
        let set = &mut self.pictures.samples.methods[at];
        set.distances.push(distances(&positions, system.atoms));
        set.energies.push(energies(system, &positions).into_iter().map(|e| e / kt).collect());
        let most = MAP_FRAMES / seeds.max(1);
        let panels = self.structure.as_ref().map(|s| Panels::new(Arc::clone(s), &some(&all, dim, most)));
        self.methods[at].push(panels.unwrap_or_default());
        Ok(())
    }

    /// All that was taken.
    #[must_use]
    pub fn finish(mut self) -> Pictures {
        if self.structure.is_some() {
            self.pictures.molecule = Some(Views::new(&self.pictures.samples, &self.panels, &self.methods));
        }
        self.pictures
    }
}

fn distances(positions: &[f64], atoms: usize) -> Vec<f64> {
    some(&interatomic_distances(positions, atoms), 1, DISTANCES)
}

/// At most `most` frames of `dim` numbers, drawn at random (frames may alternate between walkers), in their order.
fn some(numbers: &[f64], dim: usize, most: usize) -> Vec<f64> {
    let mut kept = subset(numbers.len() / dim, most, 0, Draw::Reference);
    kept.sort_unstable();
    kept.into_iter().flat_map(|i| &numbers[i * dim..(i + 1) * dim]).copied().collect()
}
