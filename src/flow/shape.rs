//! What the flow consists of: splits and couplings.

use super::packing::{Init, Linear, Packing};
use super::spline::{BINS, GROUP, PARAMETERS, UNIT_SLOPE};
use crate::lanes::num::H;
use crate::rng::{Purpose, Stream};

/// Linear layers of a conditioner.
pub const LAYERS: usize = 6;
/// Keys the splits: they are part of the architecture, the same in every run.
const ARCHITECTURE: u64 = 321;

/// Where the last block (1), the one before it (2), and so on cut the circle of a torsion, in turns from -pi, as if all later
/// blocks only shifted. 0 blocks are not cut at all.
///
/// A spline leaves the ends of its interval where they are: nothing passes the cut in that block. In training by reverse KL a
/// cut within a narrow peak can leave one side of the peak empty for good. Staggered and planar arrangements lie at
/// multiples of 60 degrees, so the cuts lie between them, each far from the one before.
fn cut(block: usize) -> f64 {
    const TWELFTHS: [f64; 6] = [1.0, 7.0, 3.0, 9.0, 5.0, 11.0];
    if block == 0 { 0.0 } else { TWELFTHS[(block - 1) % 6] / 12.0 }
}

/// Coordinates of each kind; a row holds first all bonds, then all angles, then all torsions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Bonds.
    pub bonds: usize,
    /// Angles.
    pub angles: usize,
    /// Torsions.
    pub torsions: usize,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn dim(self) -> usize {
        self.bonds + self.angles + self.torsions
    }

    /// The first torsion.
    #[must_use]
    pub fn first_torsion(self) -> usize {
        self.bonds + self.angles
    }
}

/// A split of all coordinates: the first part is transformed by coupling `a` given the second, then the reverse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split(pub Vec<usize>, pub Vec<usize>);

impl Split {
    /// Of each kind `floor(n/2)` in the given order, and the ascending rest.
    #[must_use]
    pub fn new(counts: Counts, first: &[Vec<usize>; 3]) -> Self {
        let starts = [0, counts.bonds, counts.first_torsion()];
        let sizes = [counts.bonds, counts.angles, counts.torsions];
        let mut split = Self(Vec::new(), Vec::new());
        for kind in 0..3 {
            split.0.extend(first[kind].iter().map(|i| starts[kind] + i));
            split.1.extend((0..sizes[kind]).filter(|i| !first[kind].contains(i)).map(|i| starts[kind] + i));
        }
        split
    }
}

/// One coupling: some coordinates are transformed by splines whose parameters depend on the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupling {
    /// What is transformed, in the order of the conditioner's outputs: torsions last.
    pub transformed: Vec<usize>,
    /// How many of those are no torsions.
    pub straight: usize,
    /// The torsions that it depends on.
    pub circular_inputs: Vec<usize>,
    /// The bonds and angles that it depends on.
    pub straight_inputs: Vec<usize>,
    /// The conditioner's layers.
    pub layers: [Linear; LAYERS],
}

impl Coupling {
    /// Groups of 16 transformed coordinates.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.transformed.len().div_ceil(GROUP)
    }

    /// Inputs of the conditioner.
    #[must_use]
    pub fn inputs(&self) -> usize {
        2 * self.circular_inputs.len() + self.straight_inputs.len()
    }

    /// Where the conditioner's outputs, in the reference's order, lie among the packed ones: parameter by parameter for each group.
    fn places(&self) -> Vec<usize> {
        let place = |(parameter, i): (usize, usize)| ((i / GROUP) * PARAMETERS + parameter) * GROUP + i % GROUP;
        let bins = |kind: usize, i: usize| (0..BINS).map(move |bin| (kind * BINS + bin, i));
        let of_bins = (0..3).flat_map(|kind| (0..self.transformed.len()).flat_map(move |i| bins(kind, i)));
        of_bins.chain((0..self.straight).map(|i| (3 * BINS, i))).map(place).collect()
    }
}

/// The whole architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Coordinates.
    pub counts: Counts,
    /// Two couplings per block: `a`, `b`.
    pub couplings: Vec<Coupling>,
    /// What is added to torsions after a block, in turns.
    pub shifts: Vec<f64>,
    /// Which coordinates it is added to.
    pub shifted: Vec<usize>,
    /// All parameters.
    pub packing: Packing,
}

impl Shape {
    /// `blocks` blocks with random splits, `hidden` features in the conditioners (a multiple of 32). The torsions `confined`
    /// (by number among the torsions) cover an interval, not a circle: they are not shifted.
    #[must_use]
    pub fn new(counts: Counts, confined: &[usize], blocks: usize, hidden: usize) -> Self {
        let stream = Stream::new(ARCHITECTURE, Purpose::Weights, 0);
        let half = |n: usize, item: u32| {
            let mut draws = stream.at(item);
            let mut left: Vec<usize> = (0..n).collect();
            (0..n / 2).map(|_| left.swap_remove(draws.below(left.len()))).collect::<Vec<_>>()
        };
        let split = |b: u32| {
            let halves = [half(counts.bonds, 4 * b), half(counts.angles, 4 * b + 1), half(counts.torsions, 4 * b + 2)];
            Split::new(counts, &halves)
        };
        let splits: Vec<Split> = (0..blocks as u32).map(split).collect();
        // A shift that f32 holds exactly is the same shift in both precisions.
        let shift = |b: usize| f64::from((cut(blocks - b) - cut(blocks - b - 1)).rem_euclid(1.0) as f32);
        let shifts = (0..blocks).map(shift).collect();
        let mut shape = Self::with(counts, &splits, shifts, hidden);
        shape.shifted.retain(|i| !confined.contains(&(i - counts.first_torsion())));
        shape
    }

    /// With splits and shifts of one's own; all torsions are shifted.
    #[must_use]
    pub fn with(counts: Counts, splits: &[Split], shifts: Vec<f64>, hidden: usize) -> Self {
        let shifted = (counts.first_torsion()..counts.dim()).collect();
        let mut shape = Self { counts, couplings: Vec::new(), shifts, shifted, packing: Packing::default() };
        for (block, Split(first, second)) in splits.iter().enumerate() {
            shape.coupling(&format!("block{block}.a"), first, second, hidden);
            shape.coupling(&format!("block{block}.b"), second, first, hidden);
        }
        shape
    }

    fn coupling(&mut self, name: &str, transformed: &[usize], given: &[usize], hidden: usize) {
        let circular = self.counts.first_torsion();
        let (straight_inputs, circular_inputs) = given.iter().copied().partition(|&i| i < circular);
        let mut coupling = Coupling {
            transformed: transformed.to_vec(),
            straight: transformed.iter().filter(|&&i| i < circular).count(),
            circular_inputs,
            straight_inputs,
            layers: [Linear::default(); LAYERS],
        };
        let places = coupling.places();
        let outputs = places.len();
        let packed_outputs = (coupling.groups() * PARAMETERS * GROUP).div_ceil(H);
        let name = |i: usize| format!("{name}.lin{i}");
        for i in 0..LAYERS - 1 {
            let inputs = if i == 0 { coupling.inputs() } else { hidden };
            coupling.layers[i] = self.packing.linear(&name(i), inputs, hidden, Init::Default, None);
        }
        // Every spline begins as the identity: equal bins, slope 1 at all knots.
        let (init, places) = (Init::Constant(UNIT_SLOPE), Some((places, packed_outputs)));
        coupling.layers[LAYERS - 1] = self.packing.linear(&name(LAYERS - 1), hidden, outputs, init, places);
        self.couplings.push(coupling);
    }
}
