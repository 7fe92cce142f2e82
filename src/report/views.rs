//! What the figures show of molecules only: Ramachandran maps, slow components, free energies along phi.

use std::sync::Arc;

use super::figures::{Axes, Energies, Plane, Planes, Profile, Profiles, Samples};
use super::table::grouped;
use crate::error::Result;
use crate::metrics::ReferenceSet;
use crate::metrics::structure::ramachandran::Pairing;
use crate::metrics::structure::tica::Kind;
use crate::metrics::structure::{Frames, Panel, Structure};
use crate::systems::System;

/// The figures of a molecule.
#[derive(Debug, Clone, PartialEq)]
pub struct Views {
    /// Reduced energies, a panel per method.
    pub energies: Energies,
    /// Free energy over (phi, psi).
    pub ramachandran: Planes,
    /// Free energy along every phi.
    pub phi: Profiles,
    /// Free energy over the first two slow components; `None` without a model of them.
    pub tica: Option<Planes>,
    /// How many frames there are of each ensemble, for captions.
    pub frames: String,
}

/// What is seen of one ensemble, mirror images reflected and frames of mixed handedness left out: a panel for every pair of
/// phi and psi, and one of slow components. Weights are not used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panels {
    /// (phi, psi), rad.
    pub ramachandran: Vec<Panel>,
    /// Slow components.
    pub tica: Option<Panel>,
}

impl Panels {
    /// The panels of frames `positions [n, atoms, 3]`.
    #[must_use]
    pub fn new(structure: Arc<Structure>, positions: &[f64]) -> Self {
        let frames = Frames::new(structure, positions, None);
        Self { ramachandran: frames.ramachandran(Pairing::Listed), tica: frames.tics(Kind::Koopman) }
    }

    fn frames(&self) -> usize {
        self.ramachandran.iter().chain(&self.tica).map(|p| p.points.len()).max().unwrap_or(0)
    }
}

/// What panels need to know of a system with its reference; `None` where there are no backbone angles to draw.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) when topology, start and TICA models do not fit together.
pub fn structure(system: &System, reference: &ReferenceSet) -> Result<Option<Arc<Structure>>> {
    let Some(structure) = Structure::of(system)? else { return Ok(None) };
    let drawn = !structure.backbone.panels(Pairing::Listed).is_empty();
    Ok(drawn.then_some(structure.with_tica(reference.tica.clone())?).map(Arc::new))
}

impl Views {
    /// From the panels of the reference and of every method, in the order of `samples`.
    #[must_use]
    pub fn new(samples: &Samples, panels: &[Panels]) -> Self {
        let labels: Vec<String> =
            std::iter::once(&samples.reference).chain(&samples.methods).map(|s| s.label.clone()).collect();
        let frames: Vec<String> =
            labels.iter().zip(panels).map(|(label, p)| format!("{label} {}", grouped(p.frames() as u64))).collect();
        let angles = panels.iter().map(|p| p.ramachandran.iter()).collect();
        let ramachandran: Vec<Plane> = planes(angles);
        let profiles = ramachandran
            .iter()
            .map(|plane| Profile {
                x: plane.x.clone(),
                angles: plane.clouds.iter().map(|c| c.iter().map(|p| p[0]).collect()).collect(),
            })
            .collect();
        let tica = planes(panels.iter().map(|p| p.tica.iter()).collect());
        Self {
            energies: Energies {
                reference: samples.reference.energies.clone(),
                methods: samples.methods.iter().map(|m| (m.label.clone(), m.energies.clone())).collect(),
            },
            ramachandran: Planes { labels: labels.clone(), planes: ramachandran, axes: Axes::Angles },
            phi: Profiles { labels: labels.clone(), profiles },
            tica: (!tica.is_empty()).then_some(Planes { labels, planes: tica, axes: Axes::Reference }),
            frames: format!("Frames: {}.", frames.join(", ")),
        }
    }
}

/// The k-th panels of all ensembles as the k-th plane.
fn planes<'a>(mut ensembles: Vec<impl Iterator<Item = &'a Panel>>) -> Vec<Plane> {
    std::iter::from_fn(|| {
        let panels: Option<Vec<&Panel>> = ensembles.iter_mut().map(Iterator::next).collect();
        let panels = panels.filter(|p| !p.is_empty())?;
        let clouds = panels.iter().map(|p| p.points.clone()).collect();
        Some(Plane { x: greek(&panels[0].x), y: greek(&panels[0].y), clouds })
    })
    .collect()
}

/// Angles by their letters.
fn greek(title: &str) -> String {
    title.replace("phi", "φ").replace("psi", "ψ")
}
