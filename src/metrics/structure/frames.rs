//! Frames of right handedness, and what metrics and figures see of them.

use std::sync::Arc;

use super::Structure;
use super::chirality::Hand;
use super::ramachandran::Pairing;
use super::tica::Kind;
use crate::metrics::weights::relative;
use crate::systems::dihedrals::angles;

/// Frames with a coordinate at or beyond this are left out: products of four lengths would overflow.
const COORDINATE_LIMIT: f64 = 1e30;

/// Frames of a molecule: mirror images reflected, other stereoisomers left out, equal groups in their places.
#[derive(Debug, Clone)]
pub struct Frames {
    structure: Arc<Structure>,
    positions: Vec<f64>,
    /// Handedness of every frame given that has usable coordinates; the same by the published rule.
    pub(super) hands: Vec<Hand>,
    pub(super) published: Vec<Hand>,
    /// Of each of `hands`.
    log_weight: Option<Vec<f64>>,
    /// How much each of `hands` counts, and each frame left; all alike if `None`.
    pub(super) hand_weights: Option<Vec<f64>>,
    weights: Option<Vec<f64>>,
    given: usize,
}

/// Points of a scatter plot or two-dimensional histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Label of the first axis.
    pub x: String,
    /// Label of the second axis.
    pub y: String,
    /// One point a frame.
    pub points: Vec<[f64; 2]>,
}

impl Frames {
    /// Sorts out `positions [n, atoms, 3]`, with log weights `[n]` if there are any.
    #[must_use]
    pub fn new(structure: Arc<Structure>, positions: &[f64], log_weight: Option<&[f64]>) -> Self {
        let dim = 3 * structure.atoms();
        let mut kept = Vec::with_capacity(positions.len());
        let (mut hands, mut published, mut log_weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut judge = structure.stereo.judge();
        for (i, x) in positions.chunks_exact(dim).enumerate() {
            if x.iter().any(|x| x.is_nan() || x.abs() >= COORDINATE_LIMIT) {
                continue;
            }
            let hand = judge.hand(x);
            hands.push(hand);
            published.push(structure.chirality.hand(x));
            log_weights.extend(log_weight.map(|w| w[i]));
            let begin = kept.len();
            match hand {
                Hand::Right => kept.extend_from_slice(x),
                Hand::Mirror => kept.extend(x.iter().map(|x| -x)),
                Hand::Mixed => continue,
            }
            structure.stereo.relabel(&mut kept[begin..]);
        }
        drop(judge);
        let (log_weight, given) = (log_weight.map(|_| log_weights), positions.len() / dim);
        Self { structure, positions: kept, hands, published, log_weight, weights: None, hand_weights: None, given }
    }

    /// The same frames, counted by their log weights, which must be usable.
    pub(in crate::metrics) fn reweighted(self) -> Self {
        let weights = |log: &[f64]| relative(log).unwrap_or(vec![0.0; log.len()]);
        let of_all = self.log_weight.as_deref().map(weights);
        Self { weights: self.log_weight().as_deref().map(weights), hand_weights: of_all, ..self }
    }

    /// How much each of the frames left counts `[n]`; all alike if `None`.
    pub(super) fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Number of frames left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len() / (3 * self.structure.atoms())
    }

    /// Whether no frame is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Positions `[n, atoms, 3]` of the frames left.
    pub(super) fn positions(&self) -> &[f64] {
        &self.positions
    }

    /// Log weights `[n]` of the frames left, if there were any.
    pub(super) fn log_weight(&self) -> Option<Vec<f64>> {
        let all = self.log_weight.as_ref()?.iter().zip(&self.hands);
        Some(all.filter(|(_, hand)| **hand != Hand::Mixed).map(|(w, _)| *w).collect())
    }

    /// Frames left out.
    pub(super) fn dropped(&self) -> usize {
        self.given - self.len()
    }

    /// Frames that were reflected.
    pub(super) fn reflected(&self) -> usize {
        self.hands.iter().filter(|h| **h == Hand::Mirror).count()
    }

    /// The molecule.
    pub(super) fn structure(&self) -> &Structure {
        &self.structure
    }

    /// All phi, then all psi, of every frame `[n, width]`, and the width.
    #[must_use]
    pub fn torus(&self) -> (Vec<f64>, usize) {
        let dihedrals = self.structure.backbone.phi_psi();
        (angles(&dihedrals, &self.positions, self.structure.atoms()), dihedrals.len())
    }

    /// One panel of (phi, psi) for every pair.
    #[must_use]
    pub fn ramachandran(&self, pairing: Pairing) -> Vec<Panel> {
        let backbone = &self.structure.backbone;
        let (angles, width) = self.torus();
        let name = |residue: usize| super::residue(&self.structure.topology, residue);
        let panel = |[i, j]: [usize; 2]| Panel {
            x: format!("phi {}", name(backbone.phi[i].residue)),
            y: format!("psi {}", name(backbone.psi[j].residue)),
            points: angles.chunks_exact(width).map(|row| [row[i], row[backbone.phi.len() + j]]).collect(),
        };
        backbone.panels(pairing).into_iter().map(panel).collect()
    }

    /// The first two components; `None` without a model, or when it has only one component.
    #[must_use]
    pub fn tics(&self, kind: Kind) -> Option<Panel> {
        let models = self.structure.tica.as_ref()?;
        let model = Some(models.kind(kind)).filter(|model| model.eigenvalues.len() > 1)?;
        let features = self.structure.features.measure(&self.positions, self.structure.atoms());
        let points = model.project(&features, 2).as_chunks::<2>().0.to_vec();
        Some(Panel { x: "TIC 1".into(), y: "TIC 2".into(), points })
    }
}
