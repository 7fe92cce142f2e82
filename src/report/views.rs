//! What the figures show of molecules only: Ramachandran maps, slow components, free energies along phi.

use super::figures::{Axes, Energies, Plane, Planes, Profile, Profiles, Samples};

/// Points of one plane for every ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Title of the first axis.
    pub x: String,
    /// Title of the second axis.
    pub y: String,
    /// One point a frame.
    pub points: Vec<[f64; 2]>,
}

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
}

/// What is seen of one ensemble: a panel for every pair of phi and psi, and one of slow components.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panels {
    /// (phi, psi), rad.
    pub ramachandran: Vec<Panel>,
    /// Slow components.
    pub tica: Option<Panel>,
}

impl Views {
    /// From the panels of the reference and of every method, in the order of `samples`.
    #[must_use]
    pub fn new(samples: &Samples, panels: &[Panels]) -> Self {
        let labels: Vec<String> =
            std::iter::once(&samples.reference).chain(&samples.methods).map(|s| s.label.clone()).collect();
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
