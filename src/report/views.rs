//! What the figures show of molecules only: Ramachandran maps, slow components, free energies along phi.

use std::sync::Arc;

use super::figures::{Axes, Plane, Planes, Profile, Profiles, Samples};
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
    /// From the panels of the reference and of the seeds of every method, in the order of `samples`.
    #[must_use]
    pub fn new(samples: &Samples, reference: &Panels, methods: &[Vec<Panels>]) -> Self {
        let names: Vec<String> = samples.methods.iter().map(|m| m.label.clone()).collect();
        let labels: Vec<String> = std::iter::once(samples.reference.label.clone()).chain(names.clone()).collect();
        let reference = std::slice::from_ref(reference);
        let ensembles: Vec<&[Panels]> = std::iter::once(reference).chain(methods.iter().map(Vec::as_slice)).collect();
        let counts = ensembles.iter().map(|seeds| seeds.iter().map(Panels::frames).sum::<usize>() as u64);
        let frames: Vec<String> =
            labels.iter().zip(counts).map(|(l, n)| format!("{} {}", l.replace('\n', ", "), grouped(n))).collect();
        let (ramachandran, profiles) = planes(&ensembles, |p| &p.ramachandran);
        let (tica, _) = planes(&ensembles, |p| p.tica.as_slice());
        Self {
            ramachandran: Planes { labels: labels.clone(), planes: ramachandran, axes: Axes::Angles },
            phi: Profiles { labels: names, profiles },
            tica: (!tica.is_empty()).then_some(Planes { labels, planes: tica, axes: Axes::Reference }),
            frames: format!("Frames: {}.", frames.join(", ")),
        }
    }
}

/// The k-th panels of all ensembles as the k-th plane, seeds together; and their horizontal axes, seeds apart.
fn planes(ensembles: &[&[Panels]], of: impl Fn(&Panels) -> &[Panel]) -> (Vec<Plane>, Vec<Profile>) {
    let has = |k: usize| ensembles.iter().all(|seeds| !seeds.is_empty() && seeds.iter().all(|p| of(p).len() > k));
    (0..)
        .take_while(|&k| has(k))
        .map(|k| {
            let first = &of(&ensembles[0][0])[k];
            let points = |seeds: &[Panels]| seeds.iter().flat_map(|p| of(p)[k].points.iter().copied()).collect();
            let angles = |p: &Panels| of(p)[k].points.iter().map(|point| point[0]).collect::<Vec<f64>>();
            let plane = Plane {
                x: greek(&first.x),
                y: greek(&first.y),
                clouds: ensembles.iter().map(|seeds| points(seeds)).collect(),
            };
            let profile = Profile {
                x: plane.x.clone(),
                reference: angles(&ensembles[0][0]),
                methods: ensembles[1..].iter().map(|seeds| seeds.iter().map(angles).collect()).collect(),
            };
            (plane, profile)
        })
        .unzip()
}

/// Angles by their letters.
fn greek(title: &str) -> String {
    title.replace("phi", "φ").replace("psi", "ψ")
}
